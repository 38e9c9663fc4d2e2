"""The verdict at the edges of its rules, as their words have them."""

import numpy as np
import pandas as pd
import pytest

from genomicslearning.evaluation import second_submission
from genomicslearning.evaluation.verdict import verdict

RANK, READ, GENES, TODAY, MORE = "Rank", "Read", "Judge", "Say today", "Say more"


def figures(**changes) -> dict:
    return {
        "roc_auc": 0.88, "roc_auc_ci": [0.87, 0.89], "ece": 0.01, "brier": 0.12, "n": 10000, "n_positive": 2500,
        "split": "time", "features": "prospective",
    } | changes  # fmt: skip


def answer(question: str, top=None, **changes) -> pd.Series:
    table = verdict(figures(**changes), top=top)
    [row] = [row for _, row in table.iterrows() if row["question"].startswith(question)]
    return row


@pytest.mark.parametrize(
    ("question", "changes", "expected"),
    [
        (RANK, {"roc_auc_ci": [0.8, 0.9]}, "yes"),
        (RANK, {"roc_auc_ci": [0.799, 0.9]}, "with limits"),
        (RANK, {"roc_auc_ci": [0.7, 0.9]}, "with limits"),
        (RANK, {"roc_auc_ci": [0.699, 0.9]}, "no"),
        (RANK, {"roc_auc_ci": [float("nan")] * 2}, "no"),
        (RANK, {"n": 200, "n_positive": 100}, "yes"),
        (RANK, {"n": 199, "n_positive": 100}, "no"),
        (READ, {"ece": 0.02}, "yes"),
        (READ, {"ece": 0.0201}, "with limits"),
        (READ, {"ece": 0.05}, "with limits"),
        (READ, {"ece": 0.0501}, "no"),
        (READ, {"brier": 0.1875}, "no"),  # what a quarter of every variant has
        (READ, {"brier": 0.1874}, "yes"),
        (GENES, {"split": "random"}, "no"),
        (GENES, {"split": "gene"}, "yes"),
    ],
)
def test_an_answer_changes_where_its_rule_says(question, changes, expected):
    assert answer(question, **changes)["answer"] == expected


@pytest.mark.parametrize(
    ("tops", "changes", "expected", "words"),
    [
        ({2000: 0.5}, {}, "with limits", "50% of the best 2,000 conflict, 2.0 times the 25% of all"),
        ({2000: 0.4999}, {}, "no", "2.0 times"),
        ({100: 0.9, 2000: 0.4}, {}, "no", "of the best 2,000"),
        ({100: 0.4, 2000: 0.9}, {}, "with limits", "of the best 2,000"),
        ({100: 0.9}, {"split": "gene"}, "no", "Not tested: the split is gene"),
        ({100: 0.9}, {"features": "all"}, "no", "only because several laboratories"),
        ({}, {}, "no", "Too few test rows"),
        # The best 2,000 of 2,400 rows cannot hold twice the share of all: the best 500 are asked.
        ({500: 0.7, 2000: 0.3}, {"n": 2400, "n_positive": 600}, "with limits", "70% of the best 500 conflict, 2.8"),
        ({500: 0.7}, {"n": 2000, "n_positive": 500}, "with limits", "of the best 500"),
        ({500: 0.7}, {"n": 1999, "n_positive": 500}, "no", "Too few test rows"),
        ({2000: 0.99}, {"n_positive": 5001}, "no", "50% of all test rows conflict: none of them could do so 2"),
        ({2000: 1.0}, {"n_positive": 5000}, "with limits", "2.0 times the 50% of all"),
    ],
)  # fmt: skip
def test_the_highest_scores_must_conflict_twice_as_often_as_all(tops, changes, expected, words):
    top = pd.DataFrame({"top": list(tops), "precision": list(tops.values())})
    row = answer(TODAY, top, **changes)
    assert row["answer"] == expected and words in row["because"]
    assert "the largest top of 25% of the rows or fewer" in row["rule"]


@pytest.mark.parametrize(
    ("baselines", "low", "expected"),
    [
        ({"classification": 0.72, "vus": 0.6}, 0.72, "no"),
        ({"classification": 0.72, "vus": 0.6}, 0.7201, "yes"),
        ({"classification": 0.6, "vus": 0.72}, 0.71, "no"),
        ({"vus": 0.72}, 0.73, "yes"),
    ],
)
def test_more_than_the_class_is_known_above_both_baselines(baselines, low, expected):
    known = {name: {"roc_auc": area} for name, area in baselines.items()} | {"classification_of_another": None}
    assert answer(MORE, roc_auc=0.75, roc_auc_ci=[low, 0.78], baselines=known)["answer"] == expected
    questions = verdict(figures(split="random", baselines=known))["question"]
    assert not questions.str.startswith(MORE).any(), "asked of a time split alone"


def single_submitters(groups: int) -> pd.DataFrame:
    """120 variants in so many kinds of classification, condition and type alike."""
    kinds = np.arange(120) % groups
    return pd.DataFrame(
        {
            "CLNSIG": np.array(["Benign", "Uncertain_significance"])[kinds],
            "CLNDN": np.array(["x", "not_specified"])[kinds],
            "SYMBOL": [f"G{number}" for number in range(120)],
            "REF": np.array(["A", "AC"])[kinds],
            "ALT": np.array(["G", "A"])[kinds],
            "second": np.arange(120) < 30,
        }
    )


def test_a_few_single_submitters_are_described_though_no_group_of_them_is_large_enough():
    table = second_submission.second_submissions(single_submitters(2))
    assert table["by"].tolist() == ["all"] and table["share"].tolist() == [0.25]
    words = second_submission.describe_second_submissions(table)
    assert words.startswith("Of 120 variants with a single submitter 25% had several later. No group of them has 100")
    assert second_submission.plot_second_submissions(table).get_xlabel()
    whole = second_submission.describe_second_submissions(second_submission.second_submissions(single_submitters(1)))
    assert "Least often: classification B/LB, 25% of 120. Most often: classification B/LB, 25% of 120." in whole


def test_the_largest_genes_are_named_and_no_others():
    rows = pd.concat([single_submitters(1).assign(SYMBOL=f"G{number}") for number in range(9)] * 2, ignore_index=True)
    rows = rows[: len(rows) - 1]  # the last gene has a row less
    genes = second_submission.second_submissions(rows).set_index("by").loc["gene", "group"]
    assert sorted(genes) == [f"G{number}" for number in range(8)]


@pytest.mark.parametrize(
    ("said", "group"),
    [
        ("Benign|Pathogenic", "P/LP and B/LB"),
        ("Benign/Likely_benign", "B/LB"),
        ("drug_response", "other"),
        (None, "other"),
    ],
)
def test_a_classification_of_two_groups_is_of_both(said, group):
    table = second_submission.second_submissions(single_submitters(1).assign(CLNSIG=said, CLNDN=None))
    assert table.set_index("by").loc["classification", "group"] == group
    assert table.set_index("by").loc["condition", "group"] == "not provided"
