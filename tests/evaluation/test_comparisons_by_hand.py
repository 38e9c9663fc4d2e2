"""Splits beside each other, second submissions and leaks on small tables whose figures are known."""

import numpy as np
import pandas as pd
import pytest

from genomicslearning import evaluation as ev
from genomicslearning.evaluation import leakage, split_comparison
from genomicslearning.evaluation.baselines import classification_baselines
from genomicslearning.evaluation.second_submission_model import SecondSubmissions, TooFewSecondSubmissions, features
from genomicslearning.evaluation.second_submission_model import foretell as foretold
from genomicslearning.history.releases import read_release
from genomicslearning.history.splits import split

SINGLE, AGREE, CONFLICT = (
    "criteria provided, single submitter",
    "criteria provided, multiple submitters, no conflicts",
    "criteria provided, conflicting interpretations",
)
HEADER = "chrom\tpos\tref\talt\tmeasureset_id\tsymbol\treview_status\tclinical_significance\tall_traits"


def release(path, rows):
    """Rows of place, gene, review status and classification."""
    lines = (f"1\t{pos}\tA\tG\t{pos}\t{gene}\t{status}\t{said}\tx" for pos, gene, status, said in rows)
    path.write_text("\n".join([HEADER, *lines]) + "\n")
    return path


# --- splits -----------------------------------------------------------------------------------------------------------


@pytest.fixture
def history(tmp_path):
    """A table of 120 variants, a release of 2015 and one of 2016, in which a third has a single submitter each."""
    statuses = [SINGLE, AGREE, CONFLICT]
    said = {SINGLE: "Benign", AGREE: "Benign", CONFLICT: "Benign;Uncertain significance"}
    paths = []
    for day, step in (("2015-11-16", 1), ("2016-05-20", 0)):
        rows = []
        for pos in range(1, 121):
            status = SINGLE if step and pos % 5 == 0 else statuses[pos % 3]
            rows.append((pos, f"G{pos % 12}", status, "Uncertain significance" if pos % 4 == 0 else said[status]))
        paths.append(release(tmp_path / f"clinvar_{day}.tsv", rows))
    table = pd.DataFrame({"CHROM": "1", "POS": range(1, 121), "REF": "A", "ALT": "G", "CLASS": np.arange(120) // 7 % 2})
    empty = pd.Series(np.nan, index=table.index, dtype="str")
    beside = {"SYMBOL": [f"G{pos % 12}" for pos in table["POS"]], "CLNDN": "x|y", "CLNHGVS": "NC_000001.10:g.1A>G"}
    frequencies = {"AF_ESP": "0", "AF_EXAC": [f"0.{pos:03}" for pos in table["POS"]], "AF_TGP": "0"}
    return table.assign(**beside, **frequencies, Consequence=empty, MC=empty), paths


@pytest.fixture
def asked(tmp_path):
    """A model that says a variant's place, and what it was asked."""
    calls = []

    def fit(train, groups, test, features, key):
        calls.append((key, train, groups, test))
        return test["POS"].to_numpy() / 200

    return split_comparison.CachedFits(tmp_path / "fits", fit), calls


def test_every_cell_of_a_comparison_is_of_its_own_rows(history, asked):
    table, earlier = history
    cells = split_comparison.compare_splits(table, asked[0], earlier=earlier).set_index(["split", "model"])
    assert cells.loc[("time", "all"), "note"] == split_comparison.LEAKS_FUTURE
    assert cells.loc[("time", "biology"), "note"] == "" and cells.loc[("time", "VUS alone"), "note"] == "baseline"
    parts = split(table, "gene")
    truth, chances = parts.test["CLASS"].to_numpy(), parts.test["POS"].to_numpy() / 200
    found = cells.loc[("gene", "biology")]
    assert found["ece"] == pytest.approx(ev.expected_calibration_error(truth, chances))
    limits = ev.metrics(truth, chances, 0.5, groups=parts.test_groups)["roc_auc_ci"]
    assert found[["roc_auc_low", "roc_auc_high"]].tolist() == pytest.approx(limits), "whole genes are drawn"
    assert limits != ev.metrics(truth, chances, 0.5)["roc_auc_ci"] and np.isnan(found["top_2000"])
    known = split(table, "time", earlier=earlier)
    alone = classification_baselines(known.to_learn_from()[0], known.test)["classification alone"]
    assert cells.loc[("time", "classification alone"), "roc_auc"] == ev.roc_auc(known.test["CLASS"], alone)


def test_a_fold_of_a_time_split_leaves_a_fifth_of_its_training_rows_out(history, asked):
    table, earlier = history
    fits, calls = asked
    split_comparison.cross_validation(table, fits, earlier=earlier, features=("all",))
    whole, of_time = split(table, "time", earlier=earlier), [call for call in calls if "-time-" in call[0]]
    assert [len(train) for _, train, _, _ in of_time] == [64] * 5 and len(whole.to_learn_from()[0]) == 80
    left_out = [set(whole.train["POS"]) - set(train["POS"]) for _, train, _, _ in of_time]
    assert sorted(pos for some in left_out for pos in some) == sorted(whole.train["POS"])
    assert all(test.equals(whole.test) for *_, test in of_time)
    for key, train, groups, test in calls:
        assert (groups is None) == ("-random-" in key), key
        if "-gene-" in key:
            assert not set(train["SYMBOL"]) & set(test["SYMBOL"])


def test_the_spread_of_folds_is_that_of_a_sample():
    folds = [(np.array([0, 1, 1]), np.array(scores)) for scores in ([0.1, 0.5, 0.9], [0.6, 0.5, 0.9], [0.9, 0.5, 0.1])]
    found = split_comparison._over_folds(folds)
    assert (found["folds"], found["roc_auc"], found["roc_auc_spread"]) == (3, 0.5, pytest.approx(0.5))


def test_a_fit_is_kept_for_its_own_rows_and_groups(asked, history):
    fits, calls = asked
    one, two = history[0][:60], history[0][60:]
    groups = np.arange(60)
    for given in ((one, None, two), (one, groups, two), (one, groups % 2, two), (two, None, two), (one, None, one)):
        for _ in range(2):
            assert np.array_equal(fits("x", *given, "all"), given[2]["POS"] / 200)
    assert len(calls) == 5


def test_figures_of_a_score_by_hand():
    rng = np.random.default_rng(1)
    labels, groups = (rng.random(2400) < 0.3).astype(int), np.arange(2400) // 100
    score = np.clip(0.3 + 0.1 * labels + rng.normal(0, 0.2, 2400), 0, 1)
    [row], _ = split_comparison._rows(labels, {"one": score}, groups, 200)
    assert row["top_2000"] == labels[np.argsort(-score)[:2000]].mean()
    assert row["ece"] == ev.expected_calibration_error(labels, score)
    found = ev.metrics(labels, score, 0.5, groups=groups, split="gene")
    for key in ("roc_auc", "average_precision"):
        assert [row[f"{key}_low"], row[f"{key}_high"]] == pytest.approx(found[f"{key}_ci"])


def test_baselines_of_the_class_learn_from_the_rows_to_learn_from_and_are_compared_by_genes(history):
    table, earlier = history
    parts = split(table, "time", earlier=earlier)
    learning, genes = parts.to_learn_from()[0], parts.test["SYMBOL"].to_numpy()
    chances = parts.test["POS"].to_numpy() / 200
    figures, compared = split_comparison.baseline_table(
        parts.train, parts.test, chances, learning=learning, groups=genes
    )
    alone = classification_baselines(learning, parts.test)["classification alone"]
    assert not np.array_equal(alone, classification_baselines(parts.train, parts.test)["classification alone"])
    row = figures.set_index("model").loc["classification alone"]
    assert row["average_precision"] == ev.average_precision(parts.test["CLASS"], alone)
    assert row["ece"] == pytest.approx(ev.expected_calibration_error(parts.test["CLASS"], alone))
    scores = {"model": chances, "classification alone": alone}
    by_gene = ev.compare_models(parts.test["CLASS"].to_numpy(), scores, reference="model", groups=genes)
    ours = compared[compared["against"] == "classification alone"]
    assert ours[["low", "high", "p"]].to_numpy() == pytest.approx(by_gene[["low", "high", "p"]].to_numpy())
    told = split_comparison.baseline_metrics(figures)
    assert told["baselines"]["cadd"] is None and "CADD" in told["notes"]["baselines.cadd"]
    assert told["baselines"]["classification"] == row[["roc_auc", "average_precision"]].to_dict()


def test_within_a_class_where_all_agree_there_is_no_ranking_and_two_sides_are_no_side():
    said = ["Benign"] * 4 + ["Uncertain_significance"] * 4 + ["Benign|Pathogenic"] * 4
    test = pd.DataFrame({"prior_CLNSIG": said, "CLASS": [0, 1, 0, 1] + [1] * 4 + [0, 1, 0, 1]})
    found = split_comparison.within_classification(test, np.linspace(0.1, 0.9, 12)).set_index("classification")
    assert found["rows"].to_dict() == {"all": 12, "benign side": 4}
    assert found.loc["benign side", "observed"] == 0.5 and found.loc["benign side", "roc_auc"] == 0.75


def test_as_many_rows_as_are_compared_are_compared_whole(monkeypatch):
    table = pd.DataFrame({"POS": range(50)})
    monkeypatch.setattr(split_comparison, "MOST_ROWS", 50)
    assert split_comparison.few_enough(table, seed=1) == (table, "")


# --- second submissions -----------------------------------------------------------------------------------------------


def test_what_a_release_says_of_its_single_submitters(tmp_path):
    rows = [(1, "A", SINGLE, "Benign"), (2, "A", AGREE, "Benign"), (3, "A", CONFLICT, "Benign;Pathogenic")]
    rows += [(4, "A", "no assertion criteria provided", "Benign"), (5, "B", SINGLE, "Uncertain significance")]
    known = read_release(release(tmp_path / "r.tsv", rows), assembly="GRCh37")
    singles = pd.DataFrame(
        {
            "CLNSIG": ["Uncertain_significance", "Benign", None], "CLNDN": ["not_specified|x", "not_provided", None],
            "SYMBOL": ["A", "B", "C"], "REF": ["A", "AC", "A"], "ALT": ["G", "A", "ATT"],
        }
    ).astype("str")  # fmt: skip
    found = features(singles, known)
    assert found["classification"].tolist() == [2, 4, 5]
    assert found["not_specified"].tolist() == [1, 0, 0] and found["not_provided"].tolist() == [0, 1, 0]
    assert found["conditions"].tolist() == [2, 1, 1] and found["substitution"].tolist() == [1, 0, 0]
    assert found["length_change"].tolist() == [0, -1, 2]
    assert np.expm1(found["gene_variants"][:2]).tolist() == pytest.approx([4, 1])
    assert found["gene_several"][:2].tolist() == [0.5, 0] and found["gene_single"][:2].tolist() == [0.25, 1]
    assert found.loc[2, ["gene_variants", "gene_several", "gene_single"]].isna().all()


def releases_of(folder, genes: np.ndarray, *several) -> list:
    """Releases a year apart of variants in these genes: all have a single submitter, then those with several."""
    paths, status = [], np.array([SINGLE] * len(genes))
    for year, now in enumerate((np.zeros(len(genes), bool), *several), 2015):
        status = np.where(now, AGREE, status)
        rows = [(pos, f"G{gene}", status[pos], "Benign") for pos, gene in enumerate(genes)]
        paths.append(release(folder / f"clinvar_{year}-01-01.tsv", rows))
    return paths


def test_second_submissions_that_hang_on_the_gene_alone_are_not_known_of_other_genes(tmp_path):
    genes = np.repeat(np.arange(30), np.random.default_rng(4).permutation(30) + 40)  # each of another size
    one, two = (read_release(path, assembly="GRCh37") for path in releases_of(tmp_path, genes, genes % 2 == 0))
    model = SecondSubmissions.learn(one, two)
    assert model.held_out["roc_auc"] < 0.7, "rows of a gene are in one fold"
    assert model.days == 365 and model.held_out["variants"] == len(genes)
    assert SecondSubmissions(model.classifier, 1, model.held_out | {"roc_auc": 0.74}).described().endswith("little.")
    most = releases_of(tmp_path, genes, np.arange(len(genes)) > 99)[1]
    with pytest.raises(TooFewSecondSubmissions, match=f"{len(genes) - 100:,} have several"):
        SecondSubmissions.learn(one, read_release(most, assembly="GRCh37"))


def test_the_two_newest_releases_foretell_what_the_table_shows(tmp_path):
    """Where half of a gene had several, all the others got them: so the newest release tells it of other genes."""
    genes, odd = np.arange(1600) % 80, np.arange(1600) // 80 % 2 == 1
    first = genes < 40
    paths = releases_of(tmp_path, genes, first & odd, first | odd)
    newest = read_release(paths[-1], assembly="GRCh37").variants
    singles = newest[newest["review_status"] == SINGLE].assign(second=lambda rows: np.arange(len(rows)) % 4 == 0)
    assert len(singles) == 400
    table = pd.DataFrame({"CHROM": "1", "POS": [1], "REF": "A", "ALT": "G"})
    found = foretold([str(path) for path in paths], singles, table, assembly="GRCh37")
    assert "was learnt from 1,200 single submitters, of whom 67% did" in found["words"]
    assert "of 400 single submitters in clinvar_2017-01-01.tsv, of whom 25% have several in the table" in found["words"]
    figures = found["figures"].iloc[0]
    assert figures["observed"] == 0.25 and figures["predicted"] > 0.95


# --- leaks ------------------------------------------------------------------------------------------------------------


def test_a_count_that_ranks_either_way_round_is_flagged():
    labels = np.resize([0, 1], 100)
    few = np.where(np.arange(100) < 56, labels, 1 - labels)  # right for 56 of 100
    table = pd.DataFrame(
        {"CLASS": labels, "CLNDN": np.where(labels == 1, "a", "a|b"), "CLNVI": np.where(few == 1, "a|b", "c")}
    )
    found = leakage.submission_proxies(table).set_index("proxy")
    assert found.loc["entries in CLNDN", "roc_auc"] == 0 and found.loc["entries in CLNDN", "flagged"]
    assert found.loc["entries in CLNVI", "roc_auc"] == 0.56 and found.loc["entries in CLNVI", "flagged"]
    weak = np.where(np.arange(100) < 54, labels, 1 - labels)
    table["CLNVI"] = np.where(weak == 1, "a|b", "c")
    assert not leakage.submission_proxies(table).set_index("proxy").loc["entries in CLNVI", "flagged"]


@pytest.mark.parametrize(("share", "words"), [(1.0, "leans on"), (0.2, "leans on"), (0.02, "hardly leans on")])
def test_a_model_leans_on_what_masking_takes_away(share, words):
    labels = np.resize([0, 1], 1000)
    told = (labels == 1) & (np.arange(1000) < 1000 * share)
    table = pd.DataFrame({"CLASS": labels, "CLNDN": np.where(told, "a|b", "a"), "ORIGIN": ["33", None] * 500})
    found = leakage.masked_as_single(lambda rows: rows["CLNDN"].str.count(r"\|").to_numpy() / 2, table)
    assert found["roc_auc"] - found["roc_auc_masked"] == pytest.approx(share / 2)
    assert f"the model {words} fields" in found["words"]
    assert leakage.as_single_submission(table)["ORIGIN"].isna().tolist() == table["ORIGIN"].isna().tolist()
