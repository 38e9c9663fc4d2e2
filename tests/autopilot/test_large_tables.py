"""More rows than candidates are compared on: a sample of them, rows that calibrate, forests that stay small."""

from __future__ import annotations

import numpy as np
import optuna
import pytest

from genomicslearning import autopilot
from genomicslearning.autopilot import cross_validation
from genomicslearning.autopilot.candidates import DEFINITIONS, Evidence
from genomicslearning.autopilot.cross_validation import CrossValidation, search_folds
from genomicslearning.features import Variants

ROWS = 1500


@pytest.fixture(scope="module")
def train(labelled_table):
    return labelled_table.sample(ROWS, random_state=7)


def test_a_large_table_is_searched_on_rows_drawn_by_seed():
    y = np.tile([0, 0, 0, 1], 50)
    small = search_folds(2, y, None, 7, rows=200)
    assert sorted(np.concatenate([scored for _, scored in small])) == list(range(200))
    drawn = search_folds(2, y, None, 7, rows=60)
    rows = np.sort(np.concatenate([scored for _, scored in drawn]))
    assert len(rows) == 60 and len(set(rows)) == 60 and rows.max() > 100
    for fitted, scored in drawn:
        assert not set(fitted) & set(scored) and {*fitted, *scored} == set(rows)
    again, other = search_folds(2, y, None, 7, rows=60), search_folds(2, y, None, 8, rows=60)
    assert all(np.array_equal(one, two) for one, two in zip(drawn[0], again[0], strict=True))
    assert not np.array_equal(drawn[0][0], other[0][0])


def test_a_large_table_of_genes_is_searched_on_whole_ones():
    y, genes = np.tile([0, 1], 150), np.repeat(np.arange(100), 3)
    drawn = search_folds(2, y, genes, 7, rows=60)
    rows = np.sort(np.concatenate([scored for _, scored in drawn]))
    assert 50 < len(rows) <= 60
    assert {np.count_nonzero(genes[rows] == gene) for gene in set(genes[rows])} == {3}
    assert not {*genes[drawn[0][0]]} & {*genes[drawn[0][1]]}


def test_a_small_sampled_table_is_calibrated_on_what_was_searched_on(train, tmp_path, monkeypatch):
    monkeypatch.setattr(search_folds, "__kwdefaults__", {"rows": 500})
    said = []
    job = autopilot.start(train, folder=tmp_path, name="large", preset="quick", progress=said.append).wait()
    facts = job.model().manifest["training_set"]
    assert facts["compared_on"] == 500 and facts["rows"] == len(train)
    assert any("compared on 500 of these rows" in line for line in said)
    assert all(len(np.load(path)) == 500 for path in (job.folder / "out_of_fold").iterdir())


def test_rows_set_aside_calibrate_a_sampled_table(train, tmp_path, monkeypatch):
    monkeypatch.setattr(search_folds, "__kwdefaults__", {"rows": 500})
    monkeypatch.setattr(cross_validation, "CALIBRATION_ROWS", 150)
    monkeypatch.setattr(cross_validation, "FEWEST_CALIBRATION_ROWS", 100)
    said = []
    job = autopilot.start(train, folder=tmp_path, name="aside", preset="quick", progress=said.append).wait()
    model = job.model()
    assert model.manifest["training_set"]["set_aside"] == 150 and any("all but 150" in line for line in said)
    # What they say reaches calibration and threshold, and nothing that is learnt.
    variants, y = Variants.read(train, order=job.order), train["CLASS"].to_numpy()[job.order]
    folds = search_folds(2, y, None, 200)
    aside = cross_validation.calibration_rows(folds, None, 200, count=len(y))
    assert len(aside) == 150 and not set(aside) & set(np.concatenate([scored for _, scored in folds]))
    rest = np.setdiff1d(np.arange(len(y)), aside)
    name, definition = "token_logistic", DEFINITIONS["token_logistic"]
    pipeline = definition.build(optuna.trial.FixedTrial({"C": 3.0}), Evidence("all", grouped=False, seed=200), 200)
    asked = CrossValidation(variants, y, folds, aside=aside)
    fitted = asked.fit_all({name: pipeline}, last=True)
    alone = pipeline.fit(Variants.read(train, order=job.order[rest]), y[rest])
    np.testing.assert_allclose(fitted[name].predict_proba(train), alone.predict_proba(train), rtol=1e-5)
    known, probability = asked.set_aside(fitted, {name: 1.0})
    np.testing.assert_array_equal(known, y[aside])
    np.testing.assert_allclose(probability, alone.predict_proba(train.iloc[job.order[aside]])[:, 1], rtol=1e-5)


def test_few_rows_beside_the_sample_are_not_set_aside():
    y = np.tile([0, 0, 0, 1], 30_000)
    folds = search_folds(2, y, None, 7)
    assert len(cross_validation.calibration_rows(folds, None, 7, count=len(y))) == 5_000
    assert not len(cross_validation.calibration_rows(folds, None, 7, count=len(y) - 1_000))


def test_a_forests_leaves_keep_their_share_of_rows(train):
    variants, y = Variants.read(train), train["CLASS"].to_numpy()
    asked = CrossValidation(variants, y, search_folds(2, y, None, 0, rows=500))
    forest = DEFINITIONS["extra_trees"].build(
        optuna.trial.FixedTrial({"n_estimators": 20, "min_samples_leaf": 2, "max_features": 0.2}),
        Evidence("all", grouped=False, seed=0),
        0,
    )
    fitted = asked.fit_all({"extra_trees": forest}, last=True)["extra_trees"]
    assert fitted[-1].min_samples_leaf == 2 * ROWS / 500
    leaves = [tree.tree_.n_node_samples[tree.tree_.children_left == -1] for tree in fitted[-1].estimators_]
    assert min(map(min, leaves)) >= 6
    assert not hasattr(asked, "variants")
