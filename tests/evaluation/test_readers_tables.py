"""What a reader is told: warnings of a table, the model card, reasons, and tables whose columns are what they say."""

import numpy as np
import pandas as pd
import pytest

from genomicslearning.evaluation import explain, model_card, quality, readable
from genomicslearning.evaluation.verdict import SELECTION, verdict

ROWS = 2000


def table(**columns) -> pd.DataFrame:
    plain = {
        "CHROM": "1", "POS": range(1, ROWS + 1), "REF": "A", "ALT": "G", "CLASS": np.resize([0, 0, 0, 1], ROWS),
        "Consequence": "missense_variant", "CADD_PHRED": "20", "AF_ESP": "0", "AF_EXAC": "0.1", "AF_TGP": "0",
        "SYMBOL": [f"G{number % 10}" for number in range(ROWS)],
    }  # fmt: skip
    return pd.DataFrame(plain | columns)


def most(value, other, share: float) -> list:
    return [value if number < share * ROWS else other for number in range(ROWS)]


JOB = {"quarantined": 0, "records_read": 1000}


@pytest.mark.parametrize(
    ("columns", "job", "words"),
    [
        ({}, {}, None),
        ({"CLASS": most(1, 0, 0.05)}, {}, None),
        ({"CLASS": most(1, 0, 0.04)}, {}, "4.0% of the variants conflict: with so uneven classes"),
        ({"CLASS": most(1, 0, 0.96)}, {}, "96.0% of the variants conflict"),
        ({"Consequence": most(None, "x", 0.95), "CADD_PHRED": None}, {}, "No VEP annotation"),
        ({"Consequence": most(None, "x", 0.85)}, {}, None),
        ({"CADD_PHRED": most(None, "1", 0.95)}, {}, "CADD scores are missing"),
        ({"CADD_PHRED": most(None, "1", 0.85)}, {}, None),
        ({"AF_EXAC": most("0", "0.1", 0.95)}, {}, "Hardly any variant has an allele frequency"),
        ({"AF_EXAC": most("0", "0.1", 0.85)}, {}, None),
        ({"SYMBOL": most("TTN", "B", 0.21)}, {}, "B alone holds 79% of the variants"),
        ({"SYMBOL": most("TTN", None, 0.2)}, {}, None),
        ({}, {"quarantined": 3}, "3 malformed records were set aside"),
        ({}, {"unannotated": 53}, "53 ClinVar records have no annotated partner"),
        ({}, {"unannotated": 52}, None),
        ({}, {"warnings": ["as the job said"]}, "as the job said"),
    ],
)
def test_a_table_is_warned_of_by_stated_rules(columns, job, words):
    found = quality.warnings(table(**columns), JOB | job)
    assert len(found) == (words is not None) and (not found or found[0].startswith(words))


def test_few_variants_are_said_to_be_few():
    assert quality.warnings(table().head(1000), JOB) == []
    assert quality.warnings(table().head(999), JOB)[0].startswith("Only 999 variants")


def figures(**changes) -> dict:
    return {
        "roc_auc": 0.88, "roc_auc_ci": [0.87, 0.89], "average_precision": 0.7, "average_precision_ci": [0.68, 0.72],
        "ece": 0.01, "brier": 0.12, "precision": 0.6, "recall": 0.7, "threshold": 0.3, "n": 10000, "n_positive": 2500,
        "split": "random", "features": "all", "seed": 200, "bootstrap_seed": 7,
    } | changes  # fmt: skip


@pytest.mark.parametrize(
    ("split", "estimated"),
    [("time", SELECTION), ("gene", "P(conflicting) of a variant"), ("random", "P(conflicting) of")],
)
def test_the_card_says_what_is_estimated(split, estimated):
    asked = figures(split=split)
    card = model_card.model_card(manifest={}, metrics=asked, verdict=verdict(asked), train=table(), data={})
    assert card.split("## What is estimated\n\n")[1].startswith(estimated)


@pytest.mark.parametrize(
    ("genes", "words"),
    [
        (10, "of the training rows; no other is named."),
        (11, "Genes: ten of 11 genes are 91% of the training rows (G0 9.1%"),
    ],
)
def test_the_card_names_the_genes_with_most_rows(genes, words):
    train = pd.DataFrame({"SYMBOL": [f"G{number % genes}" for number in range(10 * genes)]})
    told = model_card._genes(train)
    assert words in told and told.count("G") == 1 + min(genes, 10 if genes <= 10 else 5)


def test_reasons_come_by_strength_whichever_way_they_point():
    rows = pd.DataFrame({"AF_EXAC": ["0.5"], "SYMBOL": ["TTN"], "Consequence": ["stop_gained"], "CADD_PHRED": ["30"]})
    parts = pd.DataFrame(
        {"gene": [0.02], "consequence": [-0.3], "allele frequency": [0.0004], "CADD and LoFtool": [-0.01]}
    )
    assert explain.reasons(parts, rows) == [
        [
            "consequence stop gained (lowers the probability by 30 points)",
            "gene TTN (raises the probability by 2 points)",
            "CADD 30.0 (lowers the probability by 1 points)",
        ]
    ]
    assert len(explain.reasons(parts, rows, top=5)[0]) == 3, "less than a twentieth of a point is no reason"


def test_the_spread_of_an_importance_is_that_of_a_sample():
    rows = table(AF_EXAC=[f"{value:.3f}" for value in np.random.default_rng(1).random(ROWS)])

    def predict(asked: pd.DataFrame) -> np.ndarray:
        return pd.to_numeric(asked["AF_EXAC"]).to_numpy()

    few = rows.head(40)
    found = explain.permutation_importance(predict, few, repeats=2, seed=3).set_index("evidence")
    drops = explain._drops_when_shuffled(
        predict,
        few,
        [
            list(columns)
            for columns in (explain.present(few) | {explain.SITE_EVIDENCE: ["REF", "ALT", "CHROM", "POS"]}).values()
        ],
        2,
        np.random.default_rng(3),
    )
    place = list(explain.present(few)).index("allele frequency")
    one, two = drops[place, :, 0]
    assert found.loc["allele frequency", "spread"] == pytest.approx(abs(one - two) / np.sqrt(2)) and one != two


def test_columns_of_tables_are_under_their_own_words():
    compared = pd.DataFrame(
        {"against": ["VUS"], "measure": ["roc_auc"], "first": [0.8], "second": [0.6], "difference": [0.2], "low": [0.1],
         "high": [0.3], "p": [0.01], "p_holm": [0.04]}
    )  # fmt: skip
    shown = readable.differences(compared).iloc[0]
    assert (shown["model's"], shown["baseline's"], shown["p"], shown["p, corrected"]) == (0.8, 0.6, 0.01, 0.04)
    audit = pd.DataFrame(
        {"block": ["gene"], "columns": [3], "roc_auc_alone": [0.7], "average_precision_alone": [0.5],
         "roc_auc_without": [0.8], "average_precision_without": [0.6], "grows_with_submitters": [False]}
    )  # fmt: skip
    shown = readable.audit(audit).iloc[0]
    assert (shown["ROC AUC alone"], shown["ROC AUC without it"], shown["grows with submitters"]) == (0.7, 0.8, "")
    assert (shown["average precision alone"], shown["average precision without it"]) == (0.5, 0.6)
    groups = pd.DataFrame(
        {"stratum": ["a"], "rows": [1000], "conflicting": [250], "observed": [0.25], "predicted": [0.5],
         "roc_auc": [0.7], "low": [0.6], "high": [0.8], "roc_auc_shrunk": [0.72], "average_precision": [0.4]}
    )  # fmt: skip
    shown = readable.strata(groups, "gene").iloc[0]
    assert (shown["observed"], shown["predicted"], shown["rows"], shown["conflicting"]) == (
        "25.0%",
        "50.0%",
        "1,000",
        "250",
    )
