"""Verdict, model card, leakage audit, explanations and the comparison of splits, on the embedded sample."""

import numpy as np
import pandas as pd
import pytest
from scipy.special import logit

from genomicslearning import autopilot, evaluation
from genomicslearning.autopilot.candidates import Evidence
from genomicslearning.evaluation import (
    attributions,
    explain,
    leakage,
    model_card,
    readable,
)
from genomicslearning.evaluation import second_submission as selection
from genomicslearning.evaluation.verdict import SELECTION, headline, verdict


@pytest.fixture(scope="module")
def model(parts, tmp_path_factory):
    folder = tmp_path_factory.mktemp("jobs")
    job = autopilot.start(parts.train, folder=folder, name="small", preset="quick", progress=lambda text: None)
    return job.wait().model()


# --- verdict and card


def figures(**changes) -> dict:
    found = {
        "roc_auc": 0.88, "roc_auc_ci": [0.87, 0.89], "average_precision": 0.7, "average_precision_ci": [0.68, 0.72],
        "ece": 0.01, "brier": 0.12, "precision": 0.6, "recall": 0.7, "threshold": 0.3, "n": 10000, "n_positive": 2500,
        "split": "random", "features": "all", "seed": 200, "bootstrap_seed": 200,
    }  # fmt: skip
    return found | changes


@pytest.mark.parametrize(
    ("changes", "question", "answer"),
    [
        ({}, "Rank", "yes"),
        ({"roc_auc_ci": [0.79, 0.85]}, "Rank", "with limits"),
        ({"roc_auc_ci": [0.69, 0.75]}, "Rank", "no"),
        ({"n_positive": 99}, "Rank", "no"),
        ({}, "Read", "yes"),
        ({"ece": 0.03}, "Read", "with limits"),
        ({"ece": 0.06}, "Read", "no"),
        ({"n_positive": 99, "brier": 0.001}, "Read", "no"),
        ({"n_positive": 300, "brier": 0.03}, "Read", "no"),  # saying 3 % of each has 0.0291
        ({"n_positive": 300, "brier": 0.028}, "Read", "yes"),
        ({}, "Judge genes", "no"),
        ({"split": "gene"}, "Judge genes", "yes"),
        ({}, "Say today", "no"),
        ({"features": "biology"}, "Say today", "no"),
        ({"features": "biology", "split": "time"}, "Say today", "with limits"),
        ({"features": "all", "split": "time"}, "Say today", "no"),
        ({}, "Decide", "no"),
    ],
)
def test_each_answer_follows_from_the_figures(changes, question, answer):
    top = pd.DataFrame({"top": [100, 2000], "precision": [0.8, 0.6]})
    table = verdict(figures(**changes), top=top)
    row = table[table["question"].str.startswith(question)].iloc[0]
    assert row["answer"] == answer
    assert row["rule"]


@pytest.mark.parametrize(
    ("positive", "words"), [(40, "of which only 40 conflict."), (960, "only 40 in agreement."), (900, None)]
)
def test_few_rows_of_either_class_are_too_few_to_judge_a_ranking(positive, words):
    table = verdict(figures(n=1000, n_positive=positive)).set_index("question")
    row = table.loc["Rank variants like the test rows by chance of conflict?"]
    assert (row["answer"] == "no") is (words is not None)
    assert row["because"].endswith(words or "on 1,000 test rows.")


@pytest.mark.parametrize(
    ("groups", "answer", "words"),
    [
        ([1] * 9, "no", "Only 1 gene group was held out"),
        ([1, 2, 3, 4], "no", "4 gene groups were"),
        (range(5), "yes", ""),
    ],
)
def test_few_gene_groups_say_nothing_of_other_genes(groups, answer, words):
    table = verdict(figures(split="gene"), groups=groups).set_index("question")
    row = table.loc["Judge genes it has not seen?"]
    assert row["answer"] == answer and words in row["because"]
    assert table.loc["Rank variants like the test rows by chance of conflict?", "answer"] == "yes"


def test_weak_top_scores_refuse_the_watch_list():
    top = pd.DataFrame({"top": [2000], "precision": [0.4]})
    table = verdict(figures(split="time", features="prospective"), top=top)
    row = table[table["question"].str.startswith("Say today")].iloc[0]
    assert row["answer"] == "no"
    assert "1.6 times the 25%" in row["because"] and "79 % of those" in row["because"]


def test_headline_names_uses_refusals_and_the_selection():
    words = headline(verdict(figures(), synthetic=True))
    assert words.startswith("Use it to: rank variants")
    assert "Do not use it to: say anything about real variants" in words
    assert words.endswith(SELECTION)


@pytest.mark.parametrize(
    ("symbols", "words"),
    [
        ([None] * 4, "no training row names its gene."),
        (["BRCA2"] * 3 + [None], "BRCA2 75.0% of the training rows; no other is named."),
        ([f"G{number}" for number in range(20)], "ten of 20 genes are 50% of the training rows ("),
    ],
)
def test_the_card_names_no_more_genes_than_there_are(symbols, words):
    train = pd.DataFrame({"SYMBOL": pd.Series(symbols, dtype="str"), "CLASS": 1})
    assert model_card._genes(train).startswith(f"Genes: {words}")


def test_the_card_has_every_part_and_takes_no_markup(parts):
    train = parts.train.copy()
    train.loc[train.index[:2000], "SYMBOL"] = "<b>|EVIL`"
    card = model_card.model_card(
        manifest={"job": "j", "versions": {"numpy": "2"}, "training_set": {"sha256": "abc"}},
        metrics=figures(),
        verdict=verdict(figures()),
        train=train,
        data={"inputs": [{"role": "clinvar", "name": "c.vcf.gz", "sha256": "def", "fileDate": "2018-04-01"}]},
        notes=["a note"],
    )
    for heading in (
        "Intended use",
        "Out of scope",
        "Data",
        "Evaluation",
        "Verdict",
        "Known biases",
        "Limits",
        "Versions",
    ):
        assert f"## {heading}" in card
    assert "0.880 (0.870 to 0.890)" in card and "2018-04-01, sha256 `def`" in card and "sha256 abc" in card
    assert "bEVIL" in card and "<b>" not in card
    assert model_card.GENE_RATES not in card


@pytest.mark.parametrize(
    ("groups", "drawn"),
    [(None, "test rows within each class"), (["APC"] * 4, "test rows within each class"), (["A", "B"], "whole genes")],
)
def test_the_card_says_what_its_intervals_were_drawn_from(parts, groups, drawn):
    """Of one gene group rows are drawn, as the verdict says; and the seed is the bootstrap's, not the job's."""
    asked = figures(split="gene") | {"seed": 200, "bootstrap_seed": 3}
    card = model_card.model_card(
        manifest={}, metrics=asked, verdict=verdict(asked), train=parts.train, data={}, groups=groups
    )
    assert f"Intervals: 95 %, bootstrap of {drawn}, 1,000 resamples, seed 3." in card


@pytest.mark.parametrize(("split", "told"), [("random", True), ("gene", False), ("time", False)])
def test_a_model_that_reads_how_often_a_gene_conflicts_says_so(parts, split, told):
    asked = figures(split=split, features="biology")
    known = {"manifest": {}, "verdict": verdict(asked), "train": parts.train, "data": {}}
    assert (model_card.GENE_RATES in model_card.model_card(metrics=asked, **known)) is told
    reads = Evidence("biology", grouped=split != "random", seed=1).all_columns().gene_rates is not None
    assert reads is told


# --- leakage


def test_blocks_alone_and_left_out(parts):
    audit = leakage.block_audit(parts.train, parts.test).set_index("block")
    assert set(audit.index[audit["grows_with_submitters"]]) == {"disease", "sources"}
    whole = audit.loc["(all blocks)", "roc_auc_alone"]
    assert whole > 0.7
    assert (audit.drop("(all blocks)")["roc_auc_alone"] < whole + 0.02).all()
    assert audit["roc_auc_without"].notna().sum() == len(audit) - 1


def test_a_planted_submission_count_is_flagged(parts):
    table = parts.train.copy()
    table["CLNDN"] = np.where(table["CLASS"] == 1, "a|b|c", "a")
    proxies = leakage.submission_proxies(table).set_index("proxy")
    assert proxies.loc["entries in CLNDN", "roc_auc"] == 1.0
    assert proxies.loc["entries in CLNDN", "flagged"]
    assert proxies.index[0] in ("entries in CLNDN", "length of CLNDN")


def test_masking_looks_like_one_submission(parts):
    table = parts.test.head(50).assign(CLNDN="a|b", CLNDISDB="x,y|z", CLNVI="OMIM:1", ORIGIN="33")
    masked = leakage.as_single_submission(table)
    assert set(masked["CLNDN"]) == {"a"} and set(masked["CLNDISDB"]) == {"x,y"} and set(masked["ORIGIN"]) == {"1"}
    assert masked["CLNVI"].isna().all()
    counts = lambda rows: rows["CLNDN"].str.count(r"\|").to_numpy() / 2  # noqa: E731
    found = leakage.masked_as_single(counts, table.assign(CLNDN=np.where(table["CLASS"] == 1, "a|b", "a")))
    assert (found["roc_auc"], found["roc_auc_masked"]) == (1.0, 0.5)
    assert "leans on fields" in found["words"]


# --- explanations


def frequency_only(rows: pd.DataFrame) -> np.ndarray:
    """A model whose working is known: nothing but AF_EXAC counts."""
    return np.clip(pd.to_numeric(rows["AF_EXAC"]).to_numpy() * 50, 0, 1)


def test_permutation_finds_the_one_thing_that_counts(parts):
    rows = parts.test.copy()
    noise = np.random.default_rng(0).random(len(rows)) * 0.005
    rows["AF_EXAC"] = (rows["CLASS"] * 0.01 + noise).astype(str)
    found = explain.permutation_importance(frequency_only, rows, seed=1).set_index("evidence")
    assert found.index[0] == "allele frequency"
    assert found.loc["allele frequency", "roc_auc_drop"] == pytest.approx(0.5, abs=0.05)
    assert (found.drop("allele frequency")["roc_auc_drop"] == 0).all()
    columns = explain.permutation_importance(frequency_only, rows, seed=1, by_column=True)
    assert columns["evidence"].iloc[0] == "AF_EXAC"
    assert "allele frequency 0." in explain.describe_importance(found.reset_index())


def test_rows_that_shuffling_leaves_as_they_were_are_not_asked_again(parts):
    rows = parts.test.head(200)
    asked = []

    def counting(table: pd.DataFrame) -> np.ndarray:
        asked.append(len(table))
        return frequency_only(table)

    found = explain.permutation_importance(counting, rows, seed=1, by_column=True, repeats=1).set_index("evidence")
    order = np.random.default_rng(1)
    for column in [column for columns in explain.present(rows).values() for column in columns]:
        shuffled = rows.assign(**{column: rows[column].array[order.permutation(len(rows))]})
        drop = evaluation.roc_auc(rows["CLASS"], frequency_only(rows)) - evaluation.roc_auc(
            rows["CLASS"], frequency_only(shuffled)
        )
        assert found.loc[column, "roc_auc_drop"] == pytest.approx(drop, abs=1e-12), column
    assert sum(asked) < 200 * (1 + len(found)) * 0.8


def test_contributions_are_differences_of_the_final_probability(parts):
    rows = parts.test.head(3).assign(AF_EXAC=["0.01", "0", "0.002"])
    change = explain.contributions(frequency_only, rows)
    assert change["allele frequency"].tolist() == pytest.approx([0.5, 0, 0.1])
    assert (change.drop(columns="allele frequency") == 0).all(axis=None)
    words = explain.reasons(change, rows)
    assert words[0] == ["allele frequency 1 % and above (raises the probability by 50 points)"]
    assert words[1] == []
    alone = explain.contributions(frequency_only, rows, by_column=True)
    assert alone["AF_EXAC"].tolist() == pytest.approx([0.5, 0, 0.1])


def test_evidence_covers_every_column_once():
    from genomicslearning.training_set.table import COLUMNS

    named = [column for columns in explain.EVIDENCE.values() for column in columns] + list(explain.SITE)
    assert sorted(named) == sorted(set(named))
    assert set(COLUMNS) - set(named) == {"CLASS"}


def test_disagreement_is_said():
    same = explain.agreement(pd.Series({"a": 3, "b": 2, "c": 1}), pd.Series({"a": 30, "b": 20, "c": 10}))
    assert same["agree"]
    assert same["spearman"] == pytest.approx(1) and "agree" in same["words"]
    for few in ({"a": 3.0, "b": 2.0}, {"a": 0.0, "b": 0.0, "c": 0.0}, {}):
        alone = explain.agreement(pd.Series(few, dtype=float), pd.Series(few, dtype=float))
        assert not alone["agree"] and "nan" not in alone["words"] and "were not compared" in alone["words"]
    other = explain.agreement(pd.Series({"a": 3, "b": 2, "c": 1}), pd.Series({"a": 1, "b": 2, "c": 3}))
    assert "a or c is first, the rank correlation is -1.00" in other["words"]
    assert not other["agree"] and not other["same_first"] and "disagree" in other["words"]
    swapped = explain.agreement(
        pd.Series({"a": 5, "b": 4, "c": 3, "d": 2, "e": 1}), pd.Series({"a": 4, "b": 5, "c": 3, "d": 2, "e": 1})
    )
    assert not swapped["agree"] and "disagree" not in swapped["words"]  # a rank correlation of .90 is no disagreement
    assert "agree but for what is first: a or b is first, the rank correlation is 0.90" in swapped["words"]


def test_shap_values_add_up_to_the_tree_members_log_odds(model, parts):
    values, features = attributions.shap_values(model, parts.test, seed=3)
    pipeline = model.pipelines[attributions.tree_member(model)]
    rows = parts.test.loc[values.index]
    from genomicslearning.features import Variants

    matrix = pipeline[0].transform(Variants.read(rows, model.manifest["features"]))
    odds = logit(pipeline[-1].predict_proba(matrix)[:, 1])
    base = odds - values.sum(axis=1).to_numpy()
    assert np.ptp(base) < 1e-4, "what is left over is the same for every row"
    assert features.shape == values.shape
    stacked = [name for name in values if attributions.STACKED in name]
    assert stacked == [f"token_score ({attributions.STACKED})"]
    inside = attributions.by_evidence(values)
    assert {"allele frequency", "conditions", attributions.STACKED} <= set(inside.index)
    strongest = attributions.by_feature(values)
    assert set(strongest["what"].str.len().gt(0)) == {True}, "every feature is explained"
    first = strongest.iloc[0]
    assert f"{first['feature'].split()[0]} {first['mean_abs_shap']:.2f}" in attributions.describe_summary(values)
    figure = attributions.plot_summary(values, features)
    assert "token_score (stacked)" in [label.get_text() for label in figure.axes[0].get_yticklabels()]


def test_shap_values_of_parted_columns_are_the_columns_own(parts, tmp_path):
    said = np.where(np.arange(len(parts.train)) % 2 == 0, "Uncertain_significance", "Benign")
    told = parts.train.assign(prior_CLNSIG=said)
    settings = dict(folder=tmp_path, name="told", preset="quick", features="prospective", progress=lambda text: None)
    fitted = autopilot.start(told, **settings).wait().model()
    values, features = attributions.shap_values(fitted, told, seed=3)
    assert values.shape == features.shape and features["prior_uncertain"].isin([0, 1]).all()
    from genomicslearning.features import Variants

    evidence, *between, classifier = fitted.pipelines["boosting"]
    matrix = evidence.transform(Variants.read(told.loc[values.index], "prospective"))
    for step in between:
        matrix = step.transform(matrix)
    assert matrix.shape[1] == 2 * values.shape[1]
    odds = classifier.booster_.predict(matrix, raw_score=True)
    assert np.ptp(odds - values.sum(axis=1).to_numpy()) < 1e-4
    assert "allele frequency" in attributions.by_evidence(values).index


def test_who_gets_a_second_submission():
    rows = pd.DataFrame(
        {
            "CLNSIG": ["Benign"] * 200 + ["Pathogenic|Uncertain_significance"] * 200,
            "CLNDN": ["not_specified"] * 200 + ["a_disease"] * 200,
            "REF": "A",
            "ALT": "G",
            "SYMBOL": ["X"] * 150 + [np.nan] * 250,
            "second": [True] * 150 + [False] * 250,
        }
    )
    table = selection.second_submissions(rows).set_index(["by", "group"])
    assert table.loc[("all", "all"), "share"] == pytest.approx(0.375)
    assert table.loc[("classification", "B/LB"), "share"] == 0.75
    assert table.loc[("classification", "P/LP and VUS"), "share"] == 0
    assert table.loc[("gene", "X"), "variants"] == 150
    assert "38% had several later" in selection.describe_second_submissions(table.reset_index())


def test_without_a_local_model_explanations_are_empty_and_figures_say_so(parts, capsys):
    """A model on SageMaker cannot be asked here: the evaluation's cells go on without it."""
    from genomicslearning import report
    from genomicslearning.evaluation import attributions, figures

    best = parts.test.head(3)
    importance, lost = explain.permutation_importance(None, parts.test), explain.contributions(None, best)
    values, features = attributions.shap_values(None, parts.test)
    assert attributions.tree_member(None) is None
    assert figures.draw("importance", importance) == (None, figures.NOTHING)
    assert figures.draw("summary", values, features) == (None, figures.NOTHING)
    report.show(*figures.draw("importance", importance))
    for name, table in {
        "importance": readable.importance(importance.head(12)),
        "evidence": readable.attributions(attributions.by_evidence(values)),
        "features": readable.features(attributions.by_feature(values)),
        "reasons": readable.reasons(best, best["POS"].to_numpy(), lost),
        "contributions": readable.contributions(best, lost),
        "strongest": readable.strongest(lost),
    }.items():
        assert len(table) == 0, name
        report.table(table, name)
    assert capsys.readouterr().out.count(": none.") == 6
