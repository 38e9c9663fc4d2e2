"""Shares of CLASS 1 among a gene's variants: what they are worth, and that no row's own label is in its own."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from sklearn.metrics import roc_auc_score

from genomicslearning.autopilot.candidates import Evidence
from genomicslearning.features import GeneRates, ScoredFeatures, TokenScore, VariantFeatures, Variants

NAMES = ["gene_rate", "gene_rate_of_impact", "gene_rate_of_frequency"]


@pytest.fixture(scope="module")
def some(labelled_table):
    return labelled_table.sample(2000, random_state=1).reset_index(drop=True)


def variants(genes, impacts, frequencies):
    count = len(genes)
    return Variants.read(
        pd.DataFrame(
            {
                "CHROM": "1",
                "POS": np.arange(count) + 1,
                "REF": "A",
                "ALT": "C",
                "SYMBOL": genes,
                "IMPACT": impacts,
                "AF_EXAC": frequencies,
            }
        )
    )


def test_a_share_is_drawn_to_what_stands_behind_it():
    # Of A's twelve variants the six of HIGH impact are of CLASS 1, of B's eight none is.
    genes = ["A"] * 12 + ["B"] * 8
    impacts = ["HIGH"] * 6 + ["LOW"] * 6 + ["LOW"] * 8
    learnt = GeneRates()
    learnt.fit_transform(variants(genes, impacts, ["0"] * 20), np.repeat([1, 0], [6, 14]))
    asked = variants(["A", "A", "B", "C"], ["HIGH", "LOW", None, "HIGH"], ["0", "0.5", "0", "0"])
    found = learnt.transform(asked)
    assert list(found) == NAMES
    a, b, all_rows = (6 + 8 * 0.3) / 20, 8 * 0.3 / 16, 0.3
    np.testing.assert_allclose(found["gene_rate"], [a, a, b, all_rows])
    np.testing.assert_allclose(found["gene_rate_of_impact"], [(6 + 8 * a) / 14, 8 * a / 14, b, all_rows])
    np.testing.assert_allclose(found["gene_rate_of_frequency"], [(6 + 8 * a) / 20, a, 8 * b / 16, all_rows])


def test_a_training_rows_shares_do_not_know_its_label(some):
    """On labels without meaning they would be worth something if they did."""
    y = np.random.default_rng(3).permutation(some["CLASS"].to_numpy())
    found = GeneRates().fit_transform(some, y)
    assert all(0.42 < roc_auc_score(y, found[name]) < 0.58 for name in NAMES)


def test_they_stand_beside_the_columns_and_the_token_score(some):
    y = some["CLASS"].to_numpy()
    rated = ScoredFeatures(VariantFeatures("biology"), TokenScore("biology"), GeneRates("biology"))
    made = rated.fit_transform(some, y)
    plain = ScoredFeatures(VariantFeatures("biology"), TokenScore("biology")).fit_transform(some, y)
    assert list(made) == [*plain, *NAMES] == list(rated.get_feature_names_out())
    pd.testing.assert_frame_equal(made[list(plain)], plain)
    own = GeneRates("biology")
    pd.testing.assert_frame_equal(made[NAMES], own.fit_transform(some, y))
    again = rated.transform(some.drop(columns="CLASS"))
    pd.testing.assert_frame_equal(again[NAMES], own.transform(some))
    assert not np.array_equal(again["gene_rate"], made["gene_rate"])
    assert roc_auc_score(y, made["gene_rate"]) > 0.55


def test_biology_has_them_unless_genes_are_held_out():
    asked = [("biology", False), ("biology", True), ("all", False)]
    found = [Evidence(features, grouped=grouped, seed=7).all_columns().gene_rates for features, grouped in asked]
    assert isinstance(found[0], GeneRates) and found[0].seed == 7 and found[1:] == [None, None]
