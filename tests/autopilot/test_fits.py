"""Fits on all rows: what depends neither on threads nor on what shares memory."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
import skops.io
from sklearn.pipeline import Pipeline

from genomicslearning.autopilot import integrity
from genomicslearning.autopilot.cross_validation import CrossValidation, search_folds
from genomicslearning.features import ScoredFeatures, TokenScore, VariantFeatures, Variants, VariantTokens, transformers


@pytest.fixture(scope="module")
def table(labelled_table):
    return labelled_table.sample(700, random_state=7).reset_index(drop=True)


def test_a_boosting_that_is_alone_is_the_same_by_one_thread_and_by_two(table, monkeypatch):
    lightgbm = pytest.importorskip("lightgbm")
    y = table["CLASS"].to_numpy(np.int64)
    boosted = lightgbm.LGBMClassifier(
        n_estimators=5, n_jobs=1, deterministic=True, force_col_wise=True, random_state=1, verbosity=-1
    )
    pipeline = Pipeline([("evidence", VariantFeatures()), ("classifier", boosted)])
    saved = []
    for policy in ("", "PASSIVE"):
        monkeypatch.setenv("OMP_WAIT_POLICY", policy)
        rows = CrossValidation(Variants.read(table), y, search_folds(2, y, None, 1))
        found = rows.fit_all({"boosting": pipeline}, last=True)["boosting"]
        assert found[-1].n_jobs == 1 and "[num_threads: 1]" in found[-1].booster_.model_to_string()
        saved.append(integrity.same_bytes(skops.io.dumps(found)))
    assert saved[0] == saved[1]


def test_the_score_goes_behind_the_columns_once(table):
    columns = VariantFeatures().fit_transform(table)
    alone = columns.copy()
    score = pd.DataFrame({"token_score": np.arange(len(table), dtype=np.float32)})
    joined = ScoredFeatures.joined(columns, score)
    another = ScoredFeatures.joined(columns, -score)
    assert np.shares_memory(joined.to_numpy(), columns.to_numpy())
    assert not np.shares_memory(another.to_numpy(), columns.to_numpy())
    pd.testing.assert_frame_equal(columns, alone)
    assert joined["token_score"].tolist() == score["token_score"].tolist() == (-another["token_score"]).tolist()
    part = columns.iloc[::3]
    assert not np.shares_memory(ScoredFeatures.joined(part, score.iloc[::3]).to_numpy(), columns.to_numpy())


def test_tokens_are_the_same_whatever_the_pieces(table, monkeypatch):
    variants = Variants.read(table)
    whole = VariantTokens().fit(variants).transform(variants)
    monkeypatch.setattr(transformers, "PIECE", 64)
    pieces = VariantTokens().fit(variants).transform(variants)
    assert whole.shape == pieces.shape and whole.nnz and (whole != pieces).nnz == 0


def test_rows_without_tokens_still_have_columns(table):
    variants = Variants.read(table)
    y = table["CLASS"].to_numpy()
    score = TokenScore().fit_transform(variants, y)
    columns = VariantFeatures().fit_transform(variants.without_tokens())
    pd.testing.assert_frame_equal(columns, VariantFeatures().fit_transform(variants))
    assert len(score) == len(columns) == len(variants.without_tokens())
