"""The block `gnomad`: frequencies beside the published columns are features where they are there, else nothing."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from sklearn.ensemble import HistGradientBoostingClassifier
from sklearn.metrics import roc_auc_score
from sklearn.pipeline import make_pipeline

from genomicslearning.features import BLOCKS, VariantFeatures, Variants
from genomicslearning.training_set.table import COLUMNS, GNOMAD_COLUMNS

NAMES = set(BLOCKS["gnomad"].columns)


def table(**columns) -> pd.DataFrame:
    rows = len(next(iter(columns.values())))
    empty = pd.Series(np.nan, index=range(rows), dtype="str")
    cells = {name: empty for name in COLUMNS if name != "CLASS"}
    site = {"CHROM": ["1"] * rows, "POS": range(1, rows + 1), "REF": ["A"] * rows, "ALT": ["G"] * rows}
    return pd.DataFrame(cells | site | {name: pd.Series(cells, dtype="str") for name, cells in columns.items()})


def test_values_are_worked_out_by_hand():
    rows = table(gnomADe_AF=["0.01", None, None], gnomADg_AF=["0.001", "0.1", None], MAX_AF=["0.1", None, None])
    columns = Variants.read(rows, "biology").columns
    expected = {
        "log_gnomad_exomes": [-2, np.nan, np.nan],
        "log_gnomad_genomes": [-3, -1, np.nan],
        "log_gnomad_larger": [-2, -1, np.nan],
        "log_af_any_population": [-1, np.nan, np.nan],
        "population_to_gnomad": [1, np.nan, np.nan],
        "gnomad_known": [2, 1, 0],
    }
    assert set(expected) == NAMES
    for name, values in expected.items():
        np.testing.assert_allclose(columns[name], values, atol=1e-3)


@pytest.mark.parametrize("features", ["all", "biology", "prospective"])
def test_a_table_without_them_gives_the_features_that_it_gave(features):
    rng = np.random.default_rng(0)
    rows = table(AF_EXAC=[repr(value) for value in rng.random(200).tolist()])
    assert not NAMES & set(VariantFeatures(features).fit(rows).get_feature_names_out())


def test_a_model_learns_from_them_and_from_nothing_else_here():
    rng = np.random.default_rng(1)
    frequency = 10 ** rng.uniform(-6, -1, 2000)
    labels = (rng.random(2000) < np.where(frequency > 1e-4, 0.8, 0.2)).astype(int)
    texts = [repr(value) for value in frequency.tolist()]
    rows = table(gnomADe_AF=texts, gnomADg_AF=texts, MAX_AF=texts)
    order = rng.permutation(2000)
    train, test = order[:1500], order[1500:]

    def auc(known: pd.DataFrame) -> float:
        model = make_pipeline(VariantFeatures("biology"), HistGradientBoostingClassifier(max_iter=30, random_state=0))
        model.fit(known.iloc[train], labels[train])
        return roc_auc_score(labels[test], model.predict_proba(known.iloc[test])[:, 1])

    assert auc(rows) > 0.75
    assert auc(rows.drop(columns=list(GNOMAD_COLUMNS))) < 0.6


def test_what_a_model_learnt_from_is_missing_where_a_table_lacks_it():
    rng = np.random.default_rng(2)
    rows = table(gnomADe_AF=[repr(value) for value in rng.random(100).tolist()])
    features = VariantFeatures("biology").fit(rows)
    assert "log_gnomad_exomes" in features.get_feature_names_out()
    assert features.transform(rows.drop(columns="gnomADe_AF"))["log_gnomad_exomes"].isna().all()
