"""Every split beside every feature set, baselines, and horizons: what cannot be compared says why."""

import numpy as np
import pandas as pd
import pytest
from places import data_folder

from genomicslearning import InputError, evaluation
from genomicslearning.evaluation import baselines, readable, split_comparison
from genomicslearning.evaluation.split_comparison_plots import describe_splits, plot_splits
from genomicslearning.history.splits import split


@pytest.fixture
def counting():
    """A quick model, and how often it was fitted."""
    calls = []

    def fit(train, groups, test, features, key):
        calls.append((key, len(train), groups is not None))
        return baselines.baselines(train, test)["allele frequency alone"]

    return fit, calls


def test_cells_that_cannot_exist_say_why(sample, counting, tmp_path, monkeypatch):
    fit, calls = counting
    table = split_comparison.compare_splits(sample, split_comparison.CachedFits(tmp_path, fit)).set_index(
        ["split", "model"]
    )
    assert table.loc[("time", "biology"), "note"] == "needs earlier releases"
    assert table.loc[("random", "prospective"), "note"] == "needs earlier releases"
    assert table.loc[("gene", "majority"), "roc_auc"] == 0.5
    assert table.loc[("random", "all"), "roc_auc"] > 0.6
    assert [grouped for _, _, grouped in calls] == [False, False, True, True]
    again = split_comparison.compare_splits(sample, split_comparison.CachedFits(tmp_path, fit)).set_index(
        ["split", "model"]
    )
    assert len(calls) == 4, "fits are kept"
    monkeypatch.setattr(split_comparison, "__version__", "9")
    split_comparison.compare_splits(sample, split_comparison.CachedFits(tmp_path, fit))
    assert len(calls) == 8, "of another version they are made again"
    shown = readable.models(table.reset_index())
    assert shown["ROC AUC (95 %)"].tolist().count("–") == 9
    assert shown["note"].tolist().count("needs earlier releases") == 9
    pd.testing.assert_frame_equal(table, again)


def test_folds_have_a_mean_and_a_spread(sample, counting, tmp_path):
    fit, calls = counting
    table = split_comparison.cross_validation(
        sample, split_comparison.CachedFits(tmp_path, fit), features=("all",)
    ).set_index("split")
    assert table.loc[["random", "gene"], "folds"].tolist() == [5, 5]
    assert (table.loc[["random", "gene"], "roc_auc_spread"] > 0).all()
    assert table.loc["time", "note"] == "needs earlier releases"
    assert len(calls) == 10
    auc, spread = table.loc["gene", ["roc_auc", "roc_auc_spread"]]
    shown = readable.folds(table.reset_index()).set_index("split")["ROC AUC, mean ± spread"]
    assert shown["gene"] == f"{auc:.3f} ± {spread:.3f}" and shown["time"] == "–"


def test_splits_that_a_table_has_too_little_for_are_notes_and_no_errors(sample, counting, tmp_path):
    fits = split_comparison.CachedFits(tmp_path, counting[0])
    one_gene = sample.assign(SYMBOL="BRCA2", GENEINFO="BRCA2:675")
    cells = split_comparison.compare_splits(one_gene, fits, earlier=["missing.vcf"]).set_index(["split", "model"])
    assert cells.loc[("random", "all"), "roc_auc"] > 0.6
    assert "all rows are in one gene group" in cells.loc[("gene", "biology"), "note"]
    assert "missing.vcf" in cells.loc[("time", "prospective"), "note"]
    assert "missing.vcf" in cells.loc[("random", "prospective"), "note"]
    folds = split_comparison.cross_validation(one_gene, fits, features=("all",)).set_index("split")
    assert folds.loc["random", "folds"] == 5 and "one gene group" in folds.loc["gene", "note"]
    assert readable.folds(folds.reset_index())["ROC AUC, mean ± spread"].tolist()[1:] == ["–", "–"]


def test_a_feature_set_that_cannot_be_fitted_says_why_and_the_others_stay(sample, counting, tmp_path):
    def fit(train, groups, test, features, key):
        if groups is not None and features == "biology":
            raise InputError("training table: two are needed")
        return counting[0](train, groups, test, features, key)

    fits = split_comparison.CachedFits(tmp_path, fit)
    cells = split_comparison.compare_splits(sample, fits).set_index(["split", "model"])
    assert cells.loc[("gene", "biology"), "note"] == "training table: two are needed"
    assert cells.loc[("gene", "all"), "roc_auc"] > 0.6
    folds = split_comparison.cross_validation(sample, fits).set_index(["split", "model"])
    assert folds.loc[("gene", "biology"), "note"] == "training table: two are needed"
    assert np.isnan(folds.loc[("gene", "biology"), "roc_auc"]) and folds.loc[("gene", "all"), "folds"] == 5


def test_cross_validation_learns_of_no_variant_that_it_asks_for(sample, tmp_path):
    def remembers(train, groups, test, features, key):
        known = train.set_index(["CHROM", "POS", "REF", "ALT"])["CLASS"]
        return np.array([known.get(tuple(row), 0.5) for row in test[["CHROM", "POS", "REF", "ALT"]].to_numpy()])

    thrice = pd.concat([sample.head(300)] * 3, ignore_index=True)
    fits = split_comparison.CachedFits(tmp_path, remembers)
    found = split_comparison.cross_validation(thrice, fits, features=("all",)).set_index("split")
    assert found.loc[["random", "gene"], "roc_auc"].tolist() == [0.5, 0.5]


@pytest.mark.parametrize(("count", "genes", "folds"), [(3, 40, {"random": 3}), (40, 3, {"random": 5, "gene": 3})])
def test_there_are_no_more_folds_than_rows_of_a_class_or_genes(sample, counting, tmp_path, count, genes, folds):
    classes = [sample[sample["CLASS"] == label].head(count) for label in (0, 1)]
    rows = pd.concat(classes, ignore_index=True)
    symbols = [f"G{number % genes}" for number in range(len(rows))]
    rows = rows.assign(SYMBOL=symbols, GENEINFO=[f"{symbol}:1" for symbol in symbols])
    fits = split_comparison.CachedFits(tmp_path, counting[0])
    found = split_comparison.cross_validation(rows, fits, features=("all",)).set_index("split")["folds"]
    assert {kind: found[kind] for kind in folds} == folds


def test_the_contrast_that_leaks_the_future_is_marked(labelled_table, earlier_releases, counting, tmp_path):
    fit, _ = counting
    parts = split(labelled_table, "time", earlier=earlier_releases, assembly="GRCh37")
    seen = {}

    def look(train, groups, test, features, key):
        seen[features] = (train, groups, test)
        return fit(train, groups, test, features, key)

    for features in ("all", "prospective"):
        split_comparison.fitted(split_comparison.CachedFits(tmp_path, look), labelled_table, parts, features)
    train, groups, test = seen["all"]
    assert test["CLNDN"].notna().any() and "prior_CLNSIG" not in test
    assert (train["CLASS"].to_numpy() == parts.train["CLASS"].to_numpy()).all(), "labels stay those of then"
    train, groups, test = seen["prospective"]
    assert test["CLNDN"].isna().all()
    assert len(train) == len(groups) == pd.Series(groups).nunique()
    assert len(train) == (10512 if data_folder().is_dir() else len(parts.train))


def test_the_contrast_is_hollow_in_the_picture():
    cells = pd.DataFrame(
        {
            "split": ["random", "time"], "model": "all", "roc_auc": [0.88, 0.74], "roc_auc_low": [0.87, 0.73],
            "roc_auc_high": [0.89, 0.75], "note": ["", split_comparison.LEAKS_FUTURE],
        }
    )  # fmt: skip
    labels = [text.get_text() for text in plot_splits(cells).get_legend().get_texts()]
    assert labels == ["random split", "time split", "hollow: leaks the future, no result"]
    assert describe_splits(cells).endswith("random all 0.880, time all 0.740 (leaks the future).")


def test_baselines_know_little(parts):
    scores = baselines.baselines(parts.train, parts.test)
    assert set(scores) == set(baselines.BASELINES)
    assert np.ptp(scores["majority"]) == 0
    figures, differences = split_comparison.baseline_table(parts.train, parts.test, scores["logistic regression"])
    assert figures["model"].tolist() == ["model", *baselines.BASELINES]
    shown = readable.models(figures).iloc[1]
    assert shown["ROC AUC (95 %)"] == "0.500\N{NO-BREAK SPACE}(0.500–0.500)" and shown["rows"] == f"{len(parts.test):,}"
    shown = readable.differences(differences).iloc[-1]
    assert shown["baseline"] == "logistic regression"
    assert shown["difference (95 %)"].split() == ["0.000", "(0.000", "to", "0.000)"]
    same = differences[(differences["against"] == "logistic regression")]
    assert (same["difference"] == 0).all() and (same["p_holm"] == 1).all()
    assert evaluation.roc_auc(parts.test["CLASS"], scores["allele frequency alone"]) > 0.55


def test_a_horizon_is_judged_by_labels_that_lie_about_as_far_ahead():
    truth = np.array([0, 0, 0, 1])
    answers = pd.DataFrame({"probability": truth, "probability_2y": [0.5] * 4, "probability_8y": [0.75] * 4})
    table, words = split_comparison.at_horizons(truth, answers, 681)
    assert table["score"].tolist() == ["probability_2y", "probability_8y"]
    assert table["predicted"].tolist() == [0.5, 0.75] and table["observed"].tolist() == [0.25, 0.25]
    assert table["ece"][0] == pytest.approx(0.25) and np.isnan(table["ece"][1])
    assert "1.9 years after the release" in words
    assert "up to 2026-02-26: labels of that time or before judge them in sample, too kindly." in words
    unknown, words = split_comparison.at_horizons(truth, answers, None)
    assert unknown["ece"].isna().all() and "table_date" in words
