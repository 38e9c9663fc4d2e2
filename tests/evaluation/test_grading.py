"""Grading a frozen list by a later release, and who gets a second submission."""

import json
from datetime import date

import numpy as np
import pandas as pd
import pytest

from genomicslearning import InputError
from genomicslearning.evaluation import grading
from genomicslearning.evaluation.baselines import classification_baselines
from genomicslearning.evaluation.grading import frozen_on, grade, read_scored
from genomicslearning.evaluation.second_submission_model import SecondSubmissions, TooFewSecondSubmissions, became
from genomicslearning.evaluation.split_comparison import within_classification
from genomicslearning.evaluation.verdict import verdict
from genomicslearning.history.releases import read_release
from genomicslearning.history.stored_releases import StoredRelease

HEADER = "chrom\tpos\tref\talt\tmeasureset_id\tsymbol\treview_status\tclinical_significance\tall_traits"
SINGLE, AGREE, CONFLICT = (
    "criteria provided, single submitter",
    "criteria provided, multiple submitters, no conflicts",
    "criteria provided, conflicting interpretations",
)


def release(path, rows):
    lines = (f"1\t{pos}\tA\tG\t{pos}\t{gene}\t{status}\t{said}\tx" for pos, gene, status, said in rows)
    path.write_text("\n".join([HEADER, *lines]) + "\n")
    return read_release(path, assembly="GRCh37")


def scored(path, probability):
    rows = [f"{pos},1,{pos},A,G,GENE,{value}" for pos, value in enumerate(probability, 1)]
    path.write_text("\n".join(["VARIATION_ID,CHROM,POS,REF,ALT,gene,probability", *rows]) + "\n")
    return path


def test_a_list_is_graded_by_what_happened_since(tmp_path):
    status = [CONFLICT, AGREE, CONFLICT, AGREE, SINGLE, "reviewed by expert panel"]
    now = release(tmp_path / "now.tsv", [(pos, "GENE", one, "Benign") for pos, one in enumerate(status, 1)])
    table = read_scored(scored(tmp_path / "watchlist.csv", [0.9, 0.8, 0.3, 0.1, 0.7, 0.6, 0.5]))
    facts = grade(table, now, name="watchlist.csv")
    counts = {name: facts[name] for name in ("variants", "several", "conflict", "single", "gone", "other")}
    assert counts == {"variants": 7, "several": 4, "conflict": 2, "single": 1, "gone": 1, "other": 1}
    assert facts["scores"][0]["roc_auc"] == 0.75 and facts["observed"] == 0.5
    assert [one["variant"] for one in facts["misses"]["high_but_agree"]] == ["1:2 A>G", "1:4 A>G"]
    assert facts["misses"]["low_but_conflict"][0] == {"variant": "1:3 A>G", "gene": "GENE", "probability": 0.3}
    assert "4 have several submitters in now.tsv, 2 of them in conflict" in facts["words"]
    assert "in sample" not in facts["words"], "no horizon, no rates"


def test_a_release_with_none_of_a_list_grades_nothing_and_says_so(tmp_path):
    table = read_scored(scored(tmp_path / "watchlist.csv", [0.9, 0.8, 0.3]))
    release(tmp_path / "now.tsv", [(pos, "GENE", AGREE, "Benign") for pos in range(500, 520)])
    elsewhere = StoredRelease(tmp_path / "now.tsv", assembly="GRCh37").of_interest(table)
    facts = grade(table, elsewhere, name="watchlist.csv")
    assert (facts["gone"], facts["several"], facts["observed"]) == (3, 0, None)
    assert "hardly belong together" in facts["words"]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("CHROM,POS,REF,ALT\n1,2,A,G\n", "no column probability"),
        ("CHROM,POS,REF,ALT,probability\n1,2,A,G,1.5\n", r":2: probability is '1.5'"),
        ("CHROM,POS,REF,ALT,probability\n1,x,A,G,.5\n", r":2: POS is 'x'"),
        ("CHROM,POS,REF,ALT,probability\n", "no rows to grade"),
        ("", "not a watch list nor predictions"),
        (
            "CHROM,POS,REF,ALT,probability\n1,2,A,G,.5,,,\n1,2,A,G,.5\n1,2,A,G,.5,,,,,\n",
            "not a watch list nor predictions",
        ),
        (b"\xff\xfeC\x00H\x00", "not a watch list nor predictions"),
        (bytes(range(1, 256)), "not a watch list nor predictions"),
    ],
)
def test_what_cannot_be_graded_is_refused(tmp_path, text, message):
    (tmp_path / "list.csv").write_bytes(text if isinstance(text, bytes) else text.encode())
    with pytest.raises(InputError, match=message):
        read_scored(tmp_path / "list.csv")


def test_a_list_is_graded_by_a_later_release_and_a_horizon_by_one_as_far_ahead(tmp_path):
    path = tmp_path / "watchlist.csv"
    rows = [f"1,{pos},A,G,0.{pos},0.{pos},0.{pos}" for pos in range(1, 9)]
    path.write_text("\n".join(["CHROM,POS,REF,ALT,probability,probability_2y,probability_8y", *rows]) + "\n")
    status = [(pos, "GENE", CONFLICT if pos > 4 else AGREE, "Benign") for pos in range(1, 9)]
    facts = {"inputs": [{"role": "clinvar", "name": "clinvar.vcf.gz", "fileDate": "2016-05-20"}]}
    (tmp_path / "watchlist.json").write_text(json.dumps(facts))
    frozen = frozen_on(path)
    assert frozen == date(2016, 5, 20)
    for name, judged, words in (
        ("now_20180601.tsv", {"probability", "probability_2y"}, "2.0 years have passed since the list's release"),
        ("now_20240601.tsv", {"probability", "probability_8y"}, "it is not judged: the horizon is another."),
        ("now.tsv", {"probability"}, "it is not judged: the day of the list's release is not known."),
    ):
        found = grade(read_scored(path), release(tmp_path / name, status), name="watchlist.csv", frozen=frozen)
        assert {one["score"] for one in found["scores"] if one["ece"] is not None} == judged
        assert words in found["words"]
        assert "measured in public releases up to 2026-02-26: labels of that time or before judge" in found["became"]
        assert [one["roc_auc"] for one in found["scores"]] == [1.0] * 3
    with pytest.raises(InputError, match=r"watchlist.csv is of the release of 2016-05-20, now_20160520.tsv of 2016-"):
        grade(read_scored(path), release(tmp_path / "now_20160520.tsv", status), name="watchlist.csv", frozen=frozen)
    for text in ("{", "[]", '{"inputs": []}', '{"inputs": [{"role": "clinvar"}]}'):
        (tmp_path / "watchlist.json").write_text(text)
        assert frozen_on(path) is None
    assert frozen_on(tmp_path) is None


@pytest.mark.parametrize(
    ("split", "inputs", "table_date", "day"),
    [
        ("random", [{"role": "clinvar", "name": "c.vcf.gz", "fileDate": "2026-02-26"}], "", date(2026, 2, 26)),
        ("gene", [{"role": "annotated", "name": "a.vcf.gz", "fileDate": "2026-02-26"}], "", date(2026, 2, 26)),
        ("random", [{"role": "training_set", "name": "table.csv"}], "2018-04-01", date(2018, 4, 1)),
        ("random", [{"role": "training_set", "name": "table.csv"}], "", None),
        (
            "time",
            [
                {"role": "training_set", "name": "table.csv"},
                {"role": "earlier", "name": "clinvar_2015-11-16_b37.tsv.gz"},
                {"role": "earlier", "name": "clinvar_2016-05-20_b37.tsv.gz"},
            ],
            "2018-04-01",
            date(2016, 5, 20),
        ),
    ],
)
def test_a_runs_predictions_are_not_graded_by_the_release_they_were_learnt_from(
    tmp_path, split, inputs, table_date, day
):
    scored(tmp_path / "predictions.csv", [0.9, 0.1])
    record = {"parameters": {"split": split, "table_date": table_date}, "inputs": inputs}
    (tmp_path / "run.json").write_text(json.dumps(record))
    assert frozen_on(tmp_path) == frozen_on(tmp_path / "predictions.csv") == day
    if day:
        own = release(tmp_path / f"own_{day:%Y%m%d}.tsv", [(1, "GENE", CONFLICT, "Benign"), (2, "GENE", AGREE, "x")])
        with pytest.raises(InputError, match="scores are graded by what a later release says"):
            grade(read_scored(tmp_path), own, name="run", frozen=frozen_on(tmp_path))
    (tmp_path / "run.json").write_text("[]")
    assert frozen_on(tmp_path) is None


def test_each_score_is_judged_by_what_it_foretells(tmp_path):
    status = [CONFLICT, AGREE, SINGLE, SINGLE, "reviewed by expert panel"]
    now = release(tmp_path / "now.tsv", [(pos, "GENE", one, "Benign") for pos, one in enumerate(status, 1)])
    table = read_scored(scored(tmp_path / "list.csv", [0.2, 0.1, 0.9, 0.8, 0.7, 0.6]))  # the last is gone
    second = table.assign(probability_second=[0.9, 0.8, 0.1, 0.2, 0.3, 1.0])
    facts = grade(second.assign(probability_both=[0.18, 0.08, 0.09, 0.16, 0.2, 0.6]), now, name="list.csv")
    found = {one["score"]: (one["outcome"].split(",")[0], one["variants"], one["observed"]) for one in facts["scores"]}
    assert found == {
        "probability": ("conflict", 2, 0.5),
        "probability_second": ("several submitters", 5, 0.4),
        "probability_both": ("several submitters and conflict", 5, 0.2),
    }
    assert [one["roc_auc"] for one in facts["scores"]] == [1, 1, 0.75]


def test_who_gets_a_second_submission_can_be_judged_where_no_conflict_can(tmp_path):
    now = release(tmp_path / "now.tsv", [(1, "G", AGREE, "Benign"), (2, "G", SINGLE, "Benign")])
    table = read_scored(scored(tmp_path / "list.csv", [0.2, 0.1])).assign(probability_second=[0.6, 0.5])
    assert [one["score"] for one in grade(table, now, name="list.csv")["scores"]] == ["probability_second"]


def test_a_list_of_another_assembly_is_refused_or_doubted(tmp_path):
    now = release(tmp_path / "now.tsv", [(1, "G", AGREE, "Benign"), (2, "G", CONFLICT, "Benign")])
    table = read_scored(scored(tmp_path / "list.csv", [0.2, 0.1])).drop(columns="VARIATION_ID")
    with pytest.raises(InputError, match="list.csv is of GRCh38, now.tsv of GRCh37, and the list has no VariationIDs"):
        grade(table.assign(hgvs="NC_000001.11:g.1A>G"), now, name="list.csv")
    assert "another assembly" not in grade(table.assign(hgvs="NC_000001.10:g.1A>G"), now, name="list.csv")["words"]
    assert "is it of another assembly?" in grade(table.assign(POS=[7, 8]), now, name="list.csv")["words"]


def test_who_gets_a_second_submission_is_learnt_on_all_single_submitters(tmp_path):
    random = np.random.default_rng(1)
    rows, later = [], []
    for pos in range(1, 3001):
        said = random.choice(["Benign", "Uncertain significance"])
        second = random.random() < (0.8 if said == "Benign" else 0.2)
        rows.append((pos, f"G{pos % 40}" if pos % 50 else "-", SINGLE, said))  # a few have no gene
        if pos % 10:  # a tenth is gone by then, and says nothing
            later.append((pos, f"G{pos % 40}", random.choice([AGREE, CONFLICT]) if second else SINGLE, said))
    one, two = release(tmp_path / "clinvar_2016-01-01.tsv", rows), release(tmp_path / "clinvar_2018-01-01.tsv", later)
    singles, second = became(one, two)
    assert len(singles) == 2700 and second.mean() == pytest.approx(0.5, abs=0.05)
    model = SecondSubmissions.learn(one, two)
    assert model.days == 731
    assert model.held_out["roc_auc"] == pytest.approx(0.8, abs=0.04)
    for auc, words in ((0.6, "it knows little."), (0.8, "it knows something."), (0.96, "it knows much.")):
        assert SecondSubmissions(model.classifier, 731, model.held_out | {"roc_auc": auc}).described().endswith(words)
    chance = pd.Series(model.predict(singles, one)).groupby(singles["CLNSIG"].astype("str").to_numpy()).mean()
    assert chance["Benign"] == pytest.approx(0.8, abs=0.05)
    assert chance["Uncertain_significance"] == pytest.approx(0.2, abs=0.05)
    with pytest.raises(TooFewSecondSubmissions, match="it takes 200 of either"):
        SecondSubmissions.learn(one, one)


def test_the_classification_alone_is_its_rate_among_the_rows_to_learn_from():
    learning = pd.DataFrame({"prior_CLNSIG": ["Benign"] * 90 + ["Pathogenic"] * 90, "CLASS": [1] * 45 + [0] * 135})
    test = pd.DataFrame({"prior_CLNSIG": ["Benign", "Pathogenic", "Uncertain_significance", np.nan]}).astype("str")
    found = classification_baselines(learning, test)
    assert found["classification alone"] == pytest.approx([0.475, 0.025, 0.25, 0.25])
    assert found["VUS alone"].tolist() == [0, 0, 1, 0]
    assert classification_baselines(learning.drop(columns="prior_CLNSIG"), test) == {}


def test_what_only_repeats_the_class_ranks_by_chance_within_it():
    said = ["Benign"] * 20 + ["Uncertain_significance"] * 20
    test = pd.DataFrame({"prior_CLNSIG": said, "CLASS": [0, 0, 0, 1] * 5 + [1, 1, 0, 1] * 5})
    found = within_classification(test, np.repeat([0.2, 0.7], 20)).set_index("classification")
    assert found["roc_auc"]["uncertain"] == found["roc_auc"]["benign side"] == 0.5
    assert found["roc_auc"]["all"] == pytest.approx(0.75)
    assert "pathogenic side" not in found.index


@pytest.mark.parametrize(
    ("low", "answer", "words"), [(0.74, "yes", "0.720 for"), (0.70, "no", "no better than knowing")]
)
def test_the_verdict_says_whether_more_than_the_class_is_known(low, answer, words):
    metrics = {
        "roc_auc": 0.75, "roc_auc_ci": [low, 0.78], "n": 1000, "n_positive": 250, "ece": 0.01, "brier": 0.15,
        "split": "time", "features": "prospective",
        "baselines": {"classification": {"roc_auc": 0.72}, "vus": {"roc_auc": 0.6}},
    }  # fmt: skip
    rows = verdict(metrics).set_index("question").loc["Say more than the present classification says?"]
    assert rows["answer"] == answer and words in rows["because"]
    assert "0.720 for the present classification alone and 0.600 for knowing only whether it is" in rows["because"]


@pytest.mark.parametrize("identified", [True, False])
def test_a_list_of_another_assembly_is_graded_by_its_identifiers(tmp_path, identified):
    now = release(tmp_path / "now.tsv", [(pos, "G", AGREE if pos % 2 else CONFLICT, "Benign") for pos in range(1, 41)])
    table = read_scored(scored(tmp_path / "list.csv", [pos / 50 for pos in range(1, 41)]))
    elsewhere = table.assign(POS=table["POS"] + 1000, hgvs="NC_000001.11:g.1A>G")
    if not identified:
        with pytest.raises(InputError, match="has no VariationIDs"):
            grade(elsewhere.drop(columns="VARIATION_ID"), now, name="list.csv")
        return
    facts = grade(elsewhere, now, name="list.csv")
    [found] = facts["scores"]
    assert facts["several"] == 40 and found["predicted"] == pytest.approx(0.41) and found["observed"] == 0.5
    assert found["top"] == [{"top": 20, "precision": 0.5}]
    # Ten each: the highest that agree and the lowest that conflict.
    assert [one["probability"] for one in facts["misses"]["high_but_agree"]] == [(39 - 2 * n) / 50 for n in range(10)]
    assert [one["probability"] for one in facts["misses"]["low_but_conflict"]] == [(2 + 2 * n) / 50 for n in range(10)]


@pytest.mark.parametrize(("found", "doubted"), [(2, False), (1, True)])
def test_a_list_of_which_hardly_a_fifth_is_in_the_release_is_doubted(tmp_path, found, doubted):
    now = release(tmp_path / "now.tsv", [(pos, "G", CONFLICT, "Benign") for pos in range(1, found + 1)])
    facts = grade(read_scored(scored(tmp_path / "list.csv", [0.5] * 10)), now, name="list.csv")
    assert ("hardly belong together" in facts["words"]) is doubted
    assert facts["scores"] == [] and "Nothing can be graded" in facts["words"], "all of one class"


def test_the_day_of_a_list_is_that_of_its_clinvar_file_among_others(tmp_path):
    days = {"annotated": "2015-01-01", "clinvar": "2016-05-20", "earlier": "2014-01-01"}
    inputs = [{"role": role, "name": "x.vcf", "fileDate": day} for role, day in days.items()]
    (tmp_path / "watchlist.json").write_text(json.dumps({"inputs": inputs}))
    assert frozen_on(tmp_path / "watchlist.csv") == date(2016, 5, 20)


def test_precision_is_told_of_every_top_that_a_list_is_long_enough_for():
    truth = np.resize([1, 0], 600)
    found = grading._figures("probability_2y", "conflict", truth, np.linspace(1, 0, 600), 365)
    assert [one["top"] for one in found["top"]] == [20, 100, 500] and found["ece"] is None
    assert grading._figures("probability_2y", "conflict", truth, np.linspace(1, 0, 600), 731)["ece"] > 0
