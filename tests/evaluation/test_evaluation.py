"""Metrics, intervals and tests of difference against known answers."""

import ast
from pathlib import Path
from types import SimpleNamespace
from unittest import mock

import nbformat
import numpy as np
import pandas as pd
import pytest
from scipy.stats import norm
from sklearn.calibration import calibration_curve
from sklearn.metrics import average_precision_score, f1_score, precision_score, recall_score, roc_auc_score

from genomicslearning import InputError, share
from genomicslearning import evaluation as ev
from genomicslearning.evaluation import plots, readable, split_comparison, strata
from genomicslearning.evaluation.scores import wilson


@pytest.fixture(scope="module")
def scored():
    """3,000 rows, a quarter conflicting, scores with ties."""
    rng = np.random.default_rng(7)
    labels = (rng.random(3000) < 0.25).astype(int)
    return labels, np.clip(0.25 + 0.2 * (labels - 0.25) + 0.2 * rng.normal(size=3000), 0, 1).round(2)


def test_metrics_agree_with_scikit_learn(scored):
    labels, probabilities = scored
    found = ev.metrics(labels, probabilities, 0.4)
    called = probabilities >= 0.4
    assert found["roc_auc"] == pytest.approx(roc_auc_score(labels, probabilities), abs=1e-12)
    assert found["average_precision"] == pytest.approx(average_precision_score(labels, probabilities), abs=1e-12)
    assert found["brier"] == pytest.approx(((labels - probabilities) ** 2).mean(), abs=1e-12)
    assert found["precision"] == pytest.approx(precision_score(labels, called))
    assert found["recall"] == pytest.approx(recall_score(labels, called))
    assert found["f1"] == pytest.approx(f1_score(labels, called))
    assert found["accuracy"] == pytest.approx((called == labels).mean())
    assert (found["n"], found["n_positive"], found["threshold"]) == (3000, labels.sum(), 0.4)
    assert set(found) >= {"roc_auc_ci", "average_precision_ci", "log_loss", "ece", "split", "seed"}


def test_resampled_statistics_equal_those_of_drawn_rows(scored):
    labels, probabilities = scored
    ranking = ev.scores.Ranking(labels, probabilities)
    for drawn in ev.bootstrap_weights(labels, seed=3, resamples=5):
        rows = np.repeat(np.arange(len(labels)), drawn.astype(int))
        assert labels[rows].sum() == labels.sum(), "the bootstrap is stratified"
        assert ranking.roc_auc(drawn) == pytest.approx(roc_auc_score(labels[rows], probabilities[rows]), abs=1e-12)
        assert ranking.average_precision(drawn) == pytest.approx(
            average_precision_score(labels[rows], probabilities[rows]), abs=1e-12
        )


def test_interval_matches_delongs(scored):
    labels, probabilities = scored
    low, high = ev.metrics(labels, probabilities, 0.4)["roc_auc_ci"]
    (area,), ((variance,),) = ev.delong(labels, probabilities)
    half = norm.ppf(0.975) * np.sqrt(variance)
    assert (low, high) == pytest.approx((area - half, area + half), abs=0.003)


def test_whole_genes_are_drawn_and_widen_the_interval(scored):
    labels, probabilities = scored
    genes = np.repeat(np.arange(30), 100)
    for drawn in ev.bootstrap_weights(labels, groups=genes, resamples=3):
        assert all(len(set(drawn[genes == gene])) == 1 for gene in range(30))
    order = np.argsort(probabilities)  # genes of alike rows
    plain = ev.metrics(labels[order], probabilities[order], 0.4)["roc_auc_ci"]
    grouped = ev.metrics(labels[order], probabilities[order], 0.4, split="gene", groups=genes)["roc_auc_ci"]
    assert grouped[1] - grouped[0] > 1.5 * (plain[1] - plain[0])


def test_one_group_is_not_taken_for_certainty(scored):
    labels, probabilities = scored
    alone = ev.metrics(labels, probabilities, 0.4, split="gene", groups=np.zeros(len(labels)))["roc_auc_ci"]
    assert alone == ev.metrics(labels, probabilities, 0.4)["roc_auc_ci"], "its rows are drawn"
    assert alone[0] < alone[1]


def test_eras_by_identifier_are_in_their_order():
    identifiers = pd.Series([str(number) for number in range(2000, 0, -1)])
    groups = strata.groupings(table_of(identifiers))["first seen"]
    shown = ev.stratum_table(np.resize([0, 1, 1], 2000), np.linspace(0, 1, 2000), groups)
    assert shown["stratum"].tolist() == [
        "VariationID 1 to 500", "VariationID 501 to 1,000", "VariationID 1,001 to 1,500", "VariationID 1,501 to 2,000",
    ]  # fmt: skip
    assert shown["rows"].tolist() == [500] * 4


def table_of(identifiers):
    """Variants that have nothing but a place, alleles and these VariationIDs."""
    return pd.DataFrame({"CHROM": "1", "POS": 1, "REF": "A", "ALT": "G", "VARIATION_ID": identifiers})


def test_coverage_of_the_interval():
    """About 95 of 100 intervals hold the truth: normal scores one standard deviation apart, AUC = Phi(1 / sqrt 2)."""
    truth, held, rng = norm.cdf(1 / np.sqrt(2)), 0, np.random.default_rng(1)
    labels = np.repeat([0, 1], [150, 75])
    for seed in range(100):
        scores = 1 / (1 + np.exp(-rng.normal(size=225) - labels))
        low, high = ev.metrics(labels, scores, 0.5, seed=seed, resamples=300)["roc_auc_ci"]
        held += low <= truth <= high
    assert 88 <= held <= 99


@pytest.mark.parametrize(
    ("labels", "probabilities", "message"),
    [
        ([1, 1], [0.1, 0.2], "both must occur"),
        ([0, 1], [0.1, 1.2], "between 0 and 1"),
        ([0, 1], [0.1, np.nan], "between 0 and 1"),
        ([0, 1, 1], [0.1, 0.2], "one of each a row"),
    ],
)
def test_impossible_input_is_refused(labels, probabilities, message):
    with pytest.raises(InputError, match=message):
        ev.metrics(labels, probabilities, 0.5)


def test_calibration_by_hand():
    labels = [0, 0, 1, 0, 1, 1]
    probabilities = [0.1, 0.2, 0.3, 0.6, 0.7, 0.9]
    table = ev.calibration_table(labels, probabilities, bins=2)
    assert table["predicted"].tolist() == pytest.approx([0.2, 2.2 / 3])
    assert table["observed"].tolist() == pytest.approx([1 / 3, 2 / 3])
    assert ev.expected_calibration_error(labels, probabilities, bins=2) == pytest.approx(
        (1 / 3 - 0.2 + 2.2 / 3 - 2 / 3) / 2
    )


def test_calibration_agrees_with_scikit_learn():
    rng = np.random.default_rng(0)
    probabilities = rng.permutation(1500) / 1500
    labels = (rng.random(1500) < probabilities).astype(int)
    table = ev.calibration_table(labels, probabilities)
    observed, predicted = calibration_curve(labels, probabilities, n_bins=15, strategy="quantile")
    assert table["observed"].to_numpy() == pytest.approx(observed, abs=1e-12)
    assert table["predicted"].to_numpy() == pytest.approx(predicted, abs=1e-12)


def test_brier_parts_add_up(scored):
    parts = ev.brier_decomposition(*scored)
    total = parts["reliability"] - parts["resolution"] + parts["uncertainty"] + parts["within_bins"]
    assert total == pytest.approx(parts["brier"], abs=1e-12)
    assert abs(parts["within_bins"]) < 0.01
    constant = ev.brier_decomposition([0, 1, 0, 1] * 15, np.full(60, 0.5))
    assert constant["resolution"] == pytest.approx(0) and constant["uncertainty"] == 0.25


def test_wilson_holds_the_share_itself_at_both_ends():
    trials = np.arange(1, 2000)
    for successes in (0 * trials, trials):
        low, high = wilson(successes, trials)
        share = successes / trials
        assert (low >= 0).all() and (low <= share).all() and (share <= high).all() and (high <= 1).all()


def test_wilson_published_example():
    """81 of 263: 0.2553 to 0.3662 (Newcombe 1998, table I, method 3)."""
    assert wilson(np.array([81]), np.array([263])) == (pytest.approx(0.2553, abs=5e-5), pytest.approx(0.3662, abs=5e-5))


def test_thresholds_by_hand():
    table = ev.threshold_table([0, 1, 0, 1], [0.1, 0.4, 0.4, 0.9], [0.4, 0.95])
    assert table.loc[0, ["true_positive", "false_positive", "false_negative", "true_negative"]].tolist() == [2, 1, 0, 1]
    assert table.loc[0, ["precision", "recall", "f1", "alerts_per_1000"]].tolist() == pytest.approx(
        [2 / 3, 1, 0.8, 750]
    )
    assert np.isnan(table.loc[1, "precision"]) and table.loc[1, "recall"] == 0


def test_costs_are_lowest_where_theory_says():
    rng = np.random.default_rng(0)
    probabilities = rng.random(200_000)
    labels = (rng.random(200_000) < probabilities).astype(int)
    curve = ev.cost_curve(labels, probabilities, missed=4, false_alert=1)
    assert curve.loc[curve["cost_per_1000"].idxmin(), "threshold"] == pytest.approx(0.2, abs=0.02)


def test_one_group_is_not_both_the_lowest_and_the_highest():
    labels, scores = np.repeat([0, 1], 100), np.arange(200) / 200
    one = strata.stratum_table(labels, scores, pd.Series(["APC"] * 200))
    assert plots.describe_strata(one, by="gene", overall=1.0) == "ROC AUC by gene in 1 group, APC: 1.000 (200 rows)."
    two = strata.stratum_table(labels, scores, pd.Series(["APC", "ATM"] * 100))
    words = plots.describe_strata(two, by="gene", overall=1.0)
    assert "in 2 groups" in words and "Lowest after shrinkage" in words and "Highest" in words


def test_precision_at_the_top():
    table = ev.precision_at([1, 0, 1, 0], [0.9, 0.8, 0.7, 0.1], tops=(1, 2, 4, 5))
    assert table["top"].tolist() == [1, 2, 4]
    assert table["precision"].tolist() == [1.0, 0.5, 0.5]


def test_precision_at_the_top_does_not_go_by_the_files_order_of_equal_scores():
    labels, scores = np.array([1, 0, 0, 0, 1, 1]), np.array([0.9, 0.5, 0.5, 0.5, 0.5, 0.1])
    for order in (np.arange(6), np.arange(6)[::-1], np.array([4, 2, 0, 5, 1, 3])):
        table = ev.precision_at(labels[order], scores[order], tops=(1, 2, 3, 5, 6))
        assert table["precision"].tolist() == pytest.approx([1, (1 + 0.25) / 2, (1 + 0.5) / 3, 2 / 5, 3 / 6])
        assert table["hits"].tolist() == [1, 1, 2, 2, 3]
    constant = ev.precision_at(np.repeat([0, 1], [90, 10]), np.full(100, 0.2), tops=(10, 50))
    assert constant["precision"].tolist() == pytest.approx([0.1, 0.1])  # chance, wherever the conflicts stand


def test_bands_hold_the_curves(scored):
    labels, probabilities = scored
    roc = ev.roc_band(labels, probabilities, resamples=200)
    assert ((roc["low"] <= roc["tpr"] + 0.02) & (roc["high"] >= roc["tpr"] - 0.02)).all()
    assert np.trapezoid(roc["tpr"], roc["fpr"]) == pytest.approx(roc_auc_score(labels, probabilities), abs=0.005)
    curve = ev.precision_recall_band(labels, probabilities, resamples=200)
    assert curve["precision"].iloc[-1] == pytest.approx(labels.mean(), abs=0.02)


def test_delong_on_the_published_data_shape():
    """A by-hand case: areas are Mann-Whitney's, the variance is that of the placement values."""
    labels = np.array([1, 1, 1, 0, 0, 0, 0])
    first = np.array([0.9, 0.6, 0.4, 0.7, 0.3, 0.2, 0.1])
    placements_positive = np.array([1.0, 0.75, 0.75])
    placements_negative = np.array([1 / 3, 1, 1, 1])
    areas, covariance = ev.delong(labels, first)
    assert areas[0] == pytest.approx(10 / 12)
    assert covariance[0, 0] == pytest.approx(placements_positive.var(ddof=1) / 3 + placements_negative.var(ddof=1) / 4)


def test_delong_and_the_paired_bootstrap_agree(scored):
    labels, probabilities = scored
    worse = probabilities + np.random.default_rng(5).normal(scale=0.1, size=len(labels))
    test = ev.delong_test(labels, probabilities, worse)
    boot = ev.paired_bootstrap(labels, probabilities, worse, statistic="roc_auc")
    assert test["difference"] == pytest.approx(roc_auc_score(labels, probabilities) - roc_auc_score(labels, worse))
    assert (boot["low"], boot["high"]) == pytest.approx((test["low"], test["high"]), abs=0.003)
    assert test["p"] < 0.01 and boot["p"] < 0.01
    same = ev.delong_test(labels, probabilities, probabilities)
    assert (same["difference"], same["p"]) == (0, 1)


def test_false_alarms_of_delongs_test_keep_their_level():
    rng, alarms = np.random.default_rng(11), 0
    labels = np.repeat([0, 1], [120, 60])
    for _ in range(400):
        shared = rng.normal(size=180) + labels
        alarms += ev.delong_test(labels, shared + rng.normal(size=180), shared + rng.normal(size=180))["p"] < 0.05
    assert 8 <= alarms <= 34  # 5 % of 400 is 20


def test_holm_published_example():
    """Four p-values by hand (Holm 1979): sorted times 4, 3, 2, 1, never falling."""
    assert ev.holm([0.01, 0.04, 0.03, 0.005]).tolist() == pytest.approx([0.03, 0.06, 0.06, 0.02])


def test_comparison_corrects_for_all_rows(scored):
    labels, probabilities = scored
    noise = np.random.default_rng(0).random(len(labels))
    table = ev.compare_models(
        labels, {"model": probabilities, "noise": noise, "same": probabilities}, reference="model"
    )
    assert table["against"].tolist() == ["noise", "noise", "same", "same"]
    assert (table["p_holm"] >= table["p"]).all()
    assert table.set_index(["against", "measure"]).loc[("same", "roc_auc"), "difference"] == 0


def test_strata_of_a_table():
    table = pd.DataFrame(
        {
            "CHROM": "1",
            "POS": [1, 2, 3, 4],
            "REF": ["A", "A", "AC", "ACG"],
            "ALT": ["G", "AT", "A", "TT"],
            "AF_ESP": ["0", "0.0001", "0.00099", np.nan],
            "AF_EXAC": ["0", "0", "0", "0.01"],
            "Consequence": ["missense_variant&splice_region_variant", np.nan, np.nan, "stop_gained"],
            "MC": [np.nan, "SO:0001583|missense_variant,SO:0001619|x", np.nan, "SO:1|other"],
            "SYMBOL": ["A", np.nan, np.nan, "B"],
            "GENEINFO": ["Z:1", "C:2|D:3", np.nan, np.nan],
        }
    )
    groups = ev.groupings(table)
    assert groups["consequence"].tolist() == ["missense_variant", "missense_variant", "not annotated", "stop_gained"]
    assert groups["allele frequency"].tolist() == ["not seen", "0.01 to 0.1 %", "0.01 to 0.1 %", "1 % and above"]
    assert groups["gene"].tolist() == ["A", "C", "no gene", "B"]
    assert groups["variant type"].tolist() == ["single nucleotide", "insertion", "deletion", "deletion and insertion"]
    assert "first seen" in ev.missing_groupings(table)


def test_tables_for_readers(scored):
    labels, probabilities = scored
    bands = np.resize(["1 % and above", "not seen", "not seen", "0.1 to 1 %"], len(labels))
    bands = pd.Series(bands, dtype=pd.CategoricalDtype(strata.FREQUENCY_BANDS, ordered=True))
    shown = readable.strata(ev.stratum_table(labels, probabilities, bands), "allele frequency")
    assert shown["allele frequency"].tolist() == ["not seen", "0.1 to 1 %", "1 % and above"], "bands in their order"
    assert shown["rows"].tolist() == ["1,500", "750", "750"]
    nothing = ev.threshold_table([0, 1, 0, 1], [0.1, 0.4, 0.4, 0.9], [0.4, 0.95])
    assert "0.950: no precision (nothing is called), recall 0%" in plots.describe_thresholds(nothing, threshold=0.95)
    thresholds = readable.thresholds(ev.threshold_table([0, 1, 0, 1], [0.1, 0.4, 0.4, 0.9], [0.4]))
    assert thresholds.iloc[0, [0, 4, 5, 6, 7, 8]].tolist() == ["0.40", "750", "2", "1", "0", "1"]
    parts = readable.brier(ev.brier_decomposition(labels, probabilities))
    assert parts["part"].tolist() == ["brier", "reliability", "resolution", "uncertainty", "within bins", "skill"]


def test_one_set_of_resamples_serves_all_models(scored):
    labels, probabilities = scored
    worse = probabilities + np.random.default_rng(5).normal(scale=0.1, size=len(labels))
    rankings = [ev.scores.Ranking(labels, score) for score in (probabilities, worse)]
    drawn = ev.scores.resample(labels, rankings, seed=3, resamples=20)
    for number, weights in enumerate(ev.bootstrap_weights(labels, seed=3, resamples=20)):
        assert drawn[1, number].tolist() == [rankings[1].roc_auc(weights), rankings[1].average_precision(weights)]
    alone = ev.paired_bootstrap(labels, probabilities, worse, statistic="roc_auc")
    together = ev.compare_models(labels, {"one": probabilities, "two": worse}, reference="one").iloc[0]
    assert together[list(alone)].tolist() == list(alone.values())


def test_small_groups_are_drawn_towards_the_mean():
    rng = np.random.default_rng(2)
    sizes = {"large": 4000, "middle": 800, "small": 60, "tiny": 20, "one class": 60}
    groups = np.repeat(list(sizes), list(sizes.values()))
    labels = (rng.random(len(groups)) < 0.3).astype(int)
    labels[groups == "one class"] = 0
    scores = np.clip(0.4 + 0.15 * labels + 0.2 * rng.normal(size=len(groups)), 0, 1)
    table = ev.stratum_table(labels, scores, groups).set_index("stratum")
    assert table.index.tolist() == ["large", "middle", "small", "one class", "1 smaller group"]
    assert table.loc["large", "roc_auc"] == pytest.approx(
        roc_auc_score(labels[groups == "large"], scores[groups == "large"]), abs=1e-12
    )
    assert np.isnan(table.loc["one class", "roc_auc"])
    mean = table.loc["large", "roc_auc"]
    assert abs(table.loc["small", "roc_auc_shrunk"] - mean) <= abs(table.loc["small", "roc_auc"] - mean)


def test_what_the_notebook_loads_stays_what_it_is():
    """The cells of `depth=full` come last and read what the first ones loaded; a run in tests does not reach them."""
    cells = nbformat.read(share("notebooks", "evaluation.ipynb"), as_version=4).cells
    sources = [cell.source for cell in cells if cell.cell_type == "code"]
    assigned = [
        {
            node.id
            for node in ast.walk(ast.parse(source))
            if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store)
        }
        for source in sources
    ]
    load = next(number for number, names in enumerate(assigned) if "table" in names)
    for names in assigned[load + 1 :]:
        assert not names & {"table", "parts", "past", "fraction", "test", "predictions", "job", "truth", "probability"}


def test_alt_text_carries_the_numbers(scored):
    labels, probabilities = scored
    found = ev.metrics(labels, probabilities, 0.4)
    band = ev.roc_band(labels, probabilities, resamples=50)
    text = plots.describe_roc(band, auc=found["roc_auc"], ci=found["roc_auc_ci"])
    assert f"{found['roc_auc']:.3f}" in text
    ax = plots.plot_roc(band, auc=found["roc_auc"], ci=found["roc_auc_ci"])
    assert ax.get_xlabel() and ax.get_ylabel() and ax.get_title()
    assert f"{found['ece']:.3f}" in plots.describe_calibration(
        ev.calibration_table(labels, probabilities), ece=found["ece"]
    )
    assert "missed" in plots.describe_confusion(labels, probabilities >= 0.4)
    assert plots.confusion([0, 1, 1, 0], [0, 1, 0, 1]).tolist() == [[1, 1], [1, 1]]


def test_a_leaderboard_shows_the_log_loss_as_such_and_dashes_for_what_does_not_exist():
    raw = pd.DataFrame(
        {"candidate": ["ensemble", "boosting"], "LogLoss": [-0.4, -0.5], "seconds": [0.0, 3.26], "weight": [0.0, 0.6]}
    )
    shown = readable.leaderboard(raw)
    assert shown["log loss"].tolist() == [0.4, 0.5]
    assert shown["seconds"].isna().tolist() == [True, False] and shown["seconds"][1] == "3.3"
    assert shown["weight"].isna().tolist() == [True, False] and raw["LogLoss"].tolist() == [-0.4, -0.5]


def test_a_variant_in_several_rows_is_told_with_what_becomes_of_it():
    from genomicslearning.evaluation import quality

    site = {"CHROM": ["1", "1", "2", "2", "3"], "POS": [5, 5, 6, 6, 7], "REF": "A", "ALT": "C"}
    table = pd.DataFrame({**site, "CLASS": [0, 1, 0, 0, 1]})
    assert (
        "2 variants stand in more than one row, 1 of them with both classes; a run learns from the first row of each."
        in quality._repeated(table)
    )


def test_shares_of_ordered_bands_stand_in_their_order_and_others_by_size():
    from genomicslearning.evaluation.quality import class_share

    bands = strata.frequency_band(pd.DataFrame({"AF_EXAC": ["0.5", "0.00001", "0", "0.5", "0.5", "0.002"]}))
    shares = class_share(pd.Series([1, 0, 1, 0, 1, 1]), bands)
    assert shares["group"].tolist() == ["not seen", "below 0.01 %", "0.1 to 1 %", "1 % and above"]
    assert shares["rows"].tolist() == [1, 1, 1, 3]
    by_size = class_share(pd.Series([1, 0, 1]), pd.Series(["a", "b", "b"]))
    assert by_size["group"].tolist() == ["b", "a"] and by_size["share"].tolist() == [0.5, 1.0]


def test_parts_of_a_probability_are_points_and_a_long_label_shows_that_it_is_cut():
    parts = pd.DataFrame({"gene": [0.12345, -0.00001], "site": [0.0, -0.5]})
    rows = pd.DataFrame({"SYMBOL": ["A", "B"], "CHROM": ["1", "2"], "POS": [5, 6]})
    assert readable.contributions(rows, parts)["A 1:5"].tolist() == ["12.3", "0.0"]
    assert readable.contributions(rows, parts)["B 2:6"].tolist() == ["0.0", "-50.0"]
    nameless = rows.assign(SYMBOL=pd.Series([None, "B"], dtype="str"))
    assert list(readable.contributions(nameless, parts)) == ["evidence", "1:5", "B 2:6"]
    assert readable.strongest(parts)["points"].tolist() == ["12.3", "0.0"]
    assert plots.label("x" * 42) == "x" * 42 and plots.label("x" * 43) == "x" * 41 + "…"


def test_a_resample_of_groups_without_a_class_has_no_curve_and_long_names_leave_room(recwarn):
    labels, scores, groups = [1, 0, 0, 1], [0.9, 0.2, 0.4, 0.6], ["a", "b", "b", "a"]
    for band in (ev.roc_band, ev.precision_recall_band):
        assert band(labels, scores, groups=groups, resamples=50)["low"].notna().any()
    rows = np.repeat([0, 1], 100)
    table = ev.stratum_table(rows, np.linspace(0.1, 0.9, 200), np.resize(["G" * 300, "H"], 200))
    plots.plot_strata(table, by="gene", overall=0.7).figure.canvas.draw()
    assert [str(one.message) for one in recwarn if "invalid value" in str(one.message)] == []
    assert [str(one.message) for one in recwarn if "constrained_layout" in str(one.message)] == []


def test_splits_of_a_large_table_are_compared_on_rows_drawn_by_seed(monkeypatch):
    table = pd.DataFrame({"POS": range(50)})
    whole, note = split_comparison.few_enough(table, seed=3)
    assert whole is table and not note
    monkeypatch.setattr(split_comparison, "MOST_ROWS", 20)
    drawn, note = split_comparison.few_enough(table, seed=3)
    assert len(drawn) == 20 and drawn["POS"].is_monotonic_increasing and list(drawn.index) == list(range(20))
    assert note.startswith("On 20 of 50 rows, drawn with seed 3")
    assert drawn.equals(split_comparison.few_enough(table, seed=3)[0])


def test_the_cells_of_depth_full_call_comparisons_as_they_are(monkeypatch, tmp_path):
    names = ("compare_splits", "cross_validation")
    for name in names:  # a stand-in that takes what the function takes, and nothing else
        monkeypatch.setattr(split_comparison, name, mock.create_autospec(getattr(split_comparison, name)))
    notebook = nbformat.read(Path(__file__).parents[2] / "notebooks" / "evaluation.ipynb", as_version=4)
    cells = [
        cell.source for cell in notebook.cells if any(f"split_comparison.{name}(" in cell.source for name in names)
    ]
    rows = pd.DataFrame({"CLASS": [0, 1]})
    run = SimpleNamespace(folder=tmp_path, release="r.vcf", read_training_set=lambda: rows)
    known = dict.fromkeys(("report", "figures", "readable"), mock.MagicMock())
    known |= {"split_comparison": split_comparison, "run": run, "job": {"train_fraction": 0.7}}
    for cell in cells:
        exec(cell, known | {"depth": "standard"})
    known |= {"depth": "full", "seed": 1}
    for cell in cells:
        exec(cell, known)
    assert len(cells) == 2
    assert split_comparison.compare_splits.call_args.kwargs["release"] == "r.vcf"
    assert split_comparison.compare_splits.call_args.kwargs["train_fraction"] == 0.7
    assert split_comparison.cross_validation.call_args.args[0] is rows
