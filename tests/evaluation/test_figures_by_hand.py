"""Figures worked out by hand: ties, few rows, ends of intervals, and that the order of rows never matters."""

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import norm
from sklearn.metrics import roc_curve

from genomicslearning import InputError
from genomicslearning import evaluation as ev
from genomicslearning.evaluation import baselines, comparison, scores, strata

RNG = np.random.default_rng(3)
LABELS = (RNG.random(400) < 0.3).astype(int)
CHANCES = np.clip(RNG.normal(0.3 + 0.2 * LABELS, 0.2), 0.01, 0.99)


def test_figures_of_metrics_are_those_of_their_definitions():
    found = ev.metrics(LABELS, CHANCES, 0.4)
    bins = np.array_split(np.argsort(CHANCES), 15)
    gaps = [len(rows) * abs(LABELS[rows].mean() - CHANCES[rows].mean()) for rows in bins]
    assert found["ece"] == pytest.approx(sum(gaps) / 400)
    assert found["log_loss"] == pytest.approx(-np.mean(np.log(np.where(LABELS == 1, CHANCES, 1 - CHANCES))))
    assert found["seed"] == 200 and found["split"] == "random"
    assert found["roc_auc_ci"] == ev.metrics(LABELS, CHANCES, 0.4, seed=200)["roc_auc_ci"]


@pytest.mark.parametrize(
    ("threshold", "precision", "recall", "f1"), [(0.9, 1.0, 0.5, 2 / 3), (0.91, 0.0, 0.0, 0.0), (0.1, 0.5, 1.0, 2 / 3)]
)
def test_a_threshold_is_reached_by_what_equals_it(threshold, precision, recall, f1):
    found = ev.metrics([1, 0, 1, 0], [0.9, 0.8, 0.7, 0.1], threshold, resamples=5)
    assert [found["precision"], found["recall"], found["f1"]] == pytest.approx([precision, recall, f1])


def test_a_calibration_error_weighs_bins_by_their_rows():
    # Bins of three and two rows: |1/3 - .2| and |1 - .8|.
    assert ev.expected_calibration_error([0, 1, 0, 1, 1], [0.1, 0.2, 0.3, 0.7, 0.9], bins=2) == pytest.approx(
        (3 * (1 / 3 - 0.2) + 2 * (1 - 0.8)) / 5
    )


@pytest.mark.parametrize("labels", [[0] * 70 + [1] * 30, [1] * 30 + [0] * 70, [0, 0, 1] * 30 + [0] * 10])
def test_a_constant_that_is_the_share_is_calibrated_and_no_better_than_it_at_the_top(labels):
    """However the table is sorted: rows of equal probability are alike."""
    constant = np.full(100, 0.3)
    assert ev.expected_calibration_error(labels, constant) == pytest.approx(0, abs=1e-12)
    assert ev.calibration_table(labels, constant)["observed"].tolist() == pytest.approx([0.3] * 15)
    assert ev.precision_at(labels, constant, (10, 100))["precision"].tolist() == pytest.approx([0.3, 0.3])


def test_a_top_that_ends_among_equal_scores_has_their_share():
    table = ev.precision_at([1, 0, 1, 0, 0], [0.9, 0.5, 0.5, 0.5, 0.1], tops=(1, 2, 3, 5))
    assert table["precision"].tolist() == pytest.approx([1, (1 + 1 / 3) / 2, (1 + 2 / 3) / 3, 2 / 5])
    assert table["hits"].tolist() == [1, 1, 2, 2]
    assert ((table["low"] <= table["precision"]) & (table["precision"] <= table["high"])).all()


@given(st.lists(st.tuples(st.integers(0, 1), st.sampled_from([0.1, 0.2, 0.5])), min_size=1, max_size=30), st.randoms())
def test_no_figure_hangs_on_the_order_of_rows(rows, random):
    rows = [*rows, (0, 0.2), (1, 0.2)]
    found = []
    for _ in range(2):
        labels, chances = map(list, zip(*rows, strict=True))
        top = ev.precision_at(labels, chances, range(1, len(rows) + 1))["precision"]
        bins = ev.calibration_table(labels, chances)["observed"]
        found.append([ev.roc_auc(labels, chances), ev.average_precision(labels, chances), *top, *bins])
        random.shuffle(rows)
    assert found[0] == pytest.approx(found[1])


@pytest.mark.parametrize("labels", [[0, 0.5, 1], [0, 1, 2], [0, 1, np.nan], [0, 1.9, 1]])
def test_labels_that_are_neither_0_nor_1_are_refused(labels):
    with pytest.raises(InputError, match="labels must be 0 and 1"):
        ev.metrics(labels, [0.1, 0.2, 0.3], 0.5)


def test_parts_of_the_brier_score_by_hand():
    parts = ev.brier_decomposition([0, 0, 1, 1], [0.2, 0.2, 0.6, 0.6], bins=2)
    assert parts["brier"] == pytest.approx((2 * 0.04 + 2 * 0.16) / 4)
    assert parts["reliability"] == pytest.approx((0.04 + 0.16) / 2)
    assert parts["resolution"] == pytest.approx(0.25) and parts["uncertainty"] == pytest.approx(0.25)
    assert parts["skill"] == pytest.approx(1 - 0.1 / 0.25)


def test_a_missed_conflict_costs_more_than_a_false_alert():
    table = ev.cost_curve(
        [0, 1, 0, 1], [0.1, 0.4, 0.4, 0.9], missed=5, false_alert=1, thresholds=[0.05, 0.4, 0.5, 0.95]
    )
    assert table["cost_per_1000"].tolist() == [500, 250, 1250, 2500]


def test_precision_at_a_recall_is_that_of_the_highest_threshold_that_reaches_it():
    band = ev.precision_recall_band([1, 0, 1, 0], [0.9, 0.8, 0.7, 0.1], points=3, resamples=20)
    assert band["recall"].tolist() == [0.5, 1.0]
    assert band["precision"].tolist() == pytest.approx([1, 2 / 3])


def test_bands_and_intervals_are_the_middle_95_of_100_resamples():
    drawn = list(ev.bootstrap_weights(LABELS, seed=4, resamples=200))
    found = []
    for weights in drawn:
        rows = np.repeat(np.arange(400), weights.astype(int))
        false, true, _ = roc_curve(LABELS[rows], CHANCES[rows], drop_intermediate=False)
        found.append(np.interp(0.5, false, true))
    band = ev.roc_band(LABELS, CHANCES, seed=4, resamples=200, points=3).iloc[1]
    assert [band["low"], band["high"]] == pytest.approx(np.quantile(found, [0.025, 0.975]))
    areas = [scores.Ranking(LABELS, CHANCES).roc_auc(weights) for weights in drawn]
    found = ev.metrics(LABELS, CHANCES, 0.4, seed=4, resamples=200)["roc_auc_ci"]
    assert found == pytest.approx(np.quantile(areas, [0.025, 0.975]))


def test_resamples_without_a_class_are_left_out_of_an_interval():
    found = ev.metrics([1, 1, 0, 0], [0.9, 0.4, 0.5, 0.2], 0.5, groups=["a", "a", "b", "b"], split="gene")
    assert found["roc_auc_ci"] == [0.75, 0.75]


def test_many_rows_are_resampled_beside_each_other_in_the_same_order(monkeypatch):
    ranking = scores.Ranking(LABELS, CHANCES)
    few = scores.resample(LABELS, [ranking], seed=4, resamples=20)
    monkeypatch.setattr(scores, "MANY_ROWS", 10)
    assert np.array_equal(few, scores.resample(LABELS, [ranking], seed=4, resamples=20))


# --- differences of models --------------------------------------------------------------------------------------------


def test_a_paired_bootstraps_p_is_twice_the_smaller_tail():
    better, worse = CHANCES, CHANCES + np.random.default_rng(1).normal(scale=0.15, size=400)
    one, two = (scores.Ranking(LABELS, score) for score in (better, worse))
    drawn = scores.resample(LABELS, [one, two], seed=5, resamples=99)[:, :, 1]
    below = int((drawn[0] <= drawn[1]).sum())
    found = ev.paired_bootstrap(LABELS, better, worse, seed=5, resamples=99)
    assert found["p"] == pytest.approx(min(1, 2 * (min(below, 99 - below) + 1) / 100))
    assert found["difference"] == pytest.approx(one.average_precision() - two.average_precision()) and below < 50
    assert found["low"] < found["difference"] < found["high"]
    assert ev.paired_bootstrap(LABELS, better, better, resamples=20)["p"] == 1


def test_a_model_that_is_better_than_another_differs_upwards():
    noise = np.random.default_rng(0).random(400)
    table = ev.compare_models(LABELS, {"noise": noise, "model": CHANCES, "same": CHANCES}, reference="model")
    assert (table.loc[table["against"] == "noise", "difference"] > 0).all()
    assert table["p_holm"].tolist() == pytest.approx(ev.holm(table["p"]).tolist())
    assert table["p_holm"].max() == 1 and (table["p_holm"] > table["p"]).any()


def test_areas_that_differ_without_variance_differ_for_certain():
    found = ev.delong_test([0, 0, 1, 1], [0.1, 0.2, 0.8, 0.9], [0.5] * 4)
    assert (found["difference"], found["z"], found["p"]) == (0.5, np.inf, 0)
    assert ev.delong_test([0, 0, 1, 1], [0.5] * 4, [0.1, 0.2, 0.8, 0.9])["z"] == -np.inf
    assert ev.delong_test([0, 0, 1, 1], [0.5] * 4, [0.4] * 4)["p"] == 1


def test_the_variance_of_an_area_needs_two_rows_of_either_class(recwarn):
    areas, covariance = ev.delong([0, 0, 1], [0.1, 0.9, 0.8])
    assert areas.tolist() == [0.5] and np.isnan(covariance).all() and not len(recwarn)


def test_ties_count_half_in_the_variance_of_an_area():
    labels, chances = [0, 0, 0, 1, 1], [0.1, 0.5, 0.5, 0.5, 0.9]
    areas, covariance = ev.delong(labels, chances)
    assert areas[0] == pytest.approx((2 / 3 + 1) / 2)
    assert covariance[0, 0] == pytest.approx(np.var([2 / 3, 1], ddof=1) / 2 + np.var([1, 0.75, 0.75], ddof=1) / 3)


# --- groups -----------------------------------------------------------------------------------------------------------


def test_an_interval_on_the_logit_scale():
    low, high = strata.logit_interval(0.8, 0.0025)
    half = 1.959964 * 0.05 / 0.16
    assert (low, high) == pytest.approx((1 / (1 + np.exp(half) / 4), 1 / (1 + np.exp(-half) / 4)))
    assert np.isnan(strata.logit_interval(1.0, 0.0)).all()


def test_groups_are_drawn_to_their_mean_by_how_little_is_known_of_them():
    areas, variances = np.array([0.9, 0.8, 0.6]), np.array([0.001, 0.002, 0.004])
    weights = 1 / variances
    q = (weights * (areas - np.average(areas, weights=weights)) ** 2).sum()
    between = (q - 2) / (weights.sum() - (weights**2).sum() / weights.sum())
    assert between > 0
    mean = np.average(areas, weights=1 / (variances + between))
    expected = mean + between / (between + variances) * (areas - mean)
    assert strata._shrunk(areas, variances) == pytest.approx(expected)
    alike = strata._shrunk(np.array([0.81, 0.8, 0.79]), variances)
    assert alike == pytest.approx([np.average([0.81, 0.8, 0.79], weights=weights)] * 3), "no more than chance apart"
    assert strata._shrunk(areas[:2], variances[:2]).tolist() == [0.9, 0.8], "of two groups there is no spread"


def test_what_a_group_of_rows_shows():
    groups = np.array(["a"] * 50 + ["b"] * 49 + ["c"] * 60)
    labels = np.r_[np.resize([0, 1], 50), np.resize([0, 1], 49), np.resize([1] + [0] * 59, 60)]
    chances = np.linspace(0.2, 0.6, 159)
    table = ev.stratum_table(labels, chances, groups).set_index("stratum")
    assert table.index.tolist() == ["c", "a", "1 smaller group"], "fifty rows are enough"
    assert table.loc["a", "observed"] == 0.5 and table.loc["a", "predicted"] == pytest.approx(chances[:50].mean())
    assert np.isnan(table.loc["c", "roc_auc"]), "one row of a class"
    [(area, variance)] = [(a[0], v[0, 0]) for a, v in [ev.delong(labels[:50], chances[:50])]]
    assert table.loc["a", ["low", "high"]].tolist() == pytest.approx(strata.logit_interval(area, variance))


def test_when_a_variant_was_first_seen_is_taken_from_the_split_before_its_identifier():
    table = pd.DataFrame({"CHROM": "1", "POS": 1, "REF": "A", "ALT": "G", "VARIATION_ID": ["1", "2"]})
    known = table.assign(first_seen=["2015-11-16 or before", "2016-05-20"])
    assert ev.groupings(known)["first seen"].tolist() == ["2015-11-16 or before", "2016-05-20"]
    assert ev.missing_groupings(known) == {}


# --- baselines --------------------------------------------------------------------------------------------------------


def told_by(column: str, rows: int = 600) -> pd.DataFrame:
    """Rows whose class one column alone tells."""
    rng = np.random.default_rng(2)
    labels = rng.integers(0, 2, rows)
    cells = {
        "AF_ESP": pd.Series("0", index=range(rows), dtype="str"),
        "AF_EXAC": [f"{value:.6f}" for value in 10 ** rng.uniform(-5, -1, rows)],
        "AF_TGP": pd.Series(np.nan, index=range(rows), dtype="str"),
        "CADD_PHRED": [f"{value:.1f}" for value in rng.uniform(0, 40, rows)],
        "Consequence": rng.choice(["missense_variant", "stop_gained"], rows),
    }
    told = {
        "AF_EXAC": np.where(labels == 1, "0.01", "0.00001"),
        "CADD_PHRED": np.where(labels == 1, "30", "10"),
        "Consequence": np.where(labels == 1, "missense_variant", "stop_gained"),
    }
    return pd.DataFrame(cells | {column: told[column]}).assign(CLASS=labels)


@pytest.mark.parametrize(
    ("column", "knows"),
    [
        ("AF_EXAC", {"allele frequency alone", "logistic regression"}),
        ("CADD_PHRED", {"CADD alone", "logistic regression"}),
        ("Consequence", {"logistic regression"}),
    ],
)
def test_each_baseline_reads_what_it_is_called_by(column, knows):
    table = told_by(column)
    found = baselines.baselines(table[:400], table[400:])
    areas = {name: ev.roc_auc(table["CLASS"][400:], score) for name, score in found.items()}
    assert {name for name, area in areas.items() if area > 0.99} == knows
    assert all(abs(areas[name] - 0.5) < 0.15 for name in areas.keys() - knows)
    assert found["majority"] == pytest.approx(table["CLASS"][:400].mean())


def test_a_missing_frequency_is_one_that_nobody_has_seen():
    table = told_by("AF_EXAC").assign(AF_EXAC=lambda rows: np.where(rows["CLASS"] == 1, "0.01", None))
    asked = table[400:].assign(AF_EXAC=lambda rows: np.where(rows["CLASS"] == 1, "0.01", "0"))
    found = baselines.baselines(table[:400], asked)["allele frequency alone"]
    assert ev.roc_auc(asked["CLASS"], found) == 1


def test_without_a_cadd_score_there_is_no_baseline_of_it():
    table = told_by("AF_EXAC").assign(CADD_PHRED=pd.Series(np.nan, index=range(600), dtype="str"))
    found = baselines.baselines(table[:400], table[400:])
    assert set(found) == {"majority", "allele frequency alone", "logistic regression"}
    assert (
        set(baselines.impossible_baselines(table))
        == {"CADD alone"}
        == set(baselines.impossible_baselines(table.drop(columns="CADD_PHRED")))
    )


def test_the_normal_quantile_of_intervals():
    assert norm.ppf(0.975) == pytest.approx(comparison.NORMAL, abs=1e-12)
