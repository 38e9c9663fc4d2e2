"""What training rows lack is said in the words of `predict`, with its share of a model's evidence."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from genomicslearning.autopilot import manifest
from genomicslearning.autopilot.calibration import calibrated, calibration
from genomicslearning.autopilot.candidates import DEFINITIONS
from genomicslearning.autopilot.ensemble import best_threshold, scores
from genomicslearning.autopilot.manifest import PUBLISHED_EVIDENCE, missing_evidence, missing_from_training
from genomicslearning.training_set.schema import AF_COLUMNS, COLUMNS, VEP_COLUMNS


def table(**cells) -> pd.DataFrame:
    return pd.DataFrame({name: ["x", None] for name in COLUMNS} | cells)


@pytest.mark.parametrize("features", ["all", "biology", "prospective"])
def test_a_whole_table_lacks_nothing(features):
    assert missing_from_training(table(), features) == ""


def test_what_is_missing_throughout_is_named_with_its_share():
    assert missing_from_training(table(CADD_PHRED=None, LoFtool=[None, None]), "all") == (
        "no column CADD_PHRED, LoFtool; a model of the published table has learnt from them, 8% of its evidence: "
        "expect a weaker model than with the whole table"
    )
    # CLNDN is no evidence of biological features, and SSR of none.
    assert missing_from_training(table(CLNDN=None, SSR=None), "biology") == ""
    assert "no column CLNDN; a model of the published table has learnt from it, 29%" in missing_from_training(
        table(CLNDN=None, SSR=None), "all"
    )
    without_vep = missing_from_training(table(**dict.fromkeys(VEP_COLUMNS)), "all")
    assert "CADD_PHRED" in without_vep and "CLNDN" not in without_vep


def test_frequencies_that_are_zero_throughout_were_not_known():
    assert "no column AF_TGP, AF_EXAC, AF_ESP" in missing_from_training(table(**dict.fromkeys(AF_COLUMNS, "0")), "all")
    assert missing_from_training(table(AF_TGP=["0", "0.1"]), "all") == ""


def test_predict_says_it_in_the_same_words():
    training = missing_from_training(table(CLNVI=None), "all")
    predicting = missing_evidence({"evidence": PUBLISHED_EVIDENCE["all"]}, set(COLUMNS) - {"CLNVI"})
    assert (
        training.replace("a model of the published table", "the model").replace("a weaker model", "other probabilities")
        == predicting
    )


@pytest.mark.parametrize("features", PUBLISHED_EVIDENCE)
def test_the_shares_are_of_columns(features):
    assert set(PUBLISHED_EVIDENCE[features]) < set(COLUMNS)
    assert 0.95 < sum(PUBLISHED_EVIDENCE[features].values()) <= 1


@pytest.mark.parametrize(
    ("said", "known"), [([None] * 4, False), (["Benign", None, None, "Pathogenic"], True), (None, False)]
)
def test_a_model_that_no_submission_taught_has_no_horizons(said, known):
    rows = pd.DataFrame({"CLASS": [0, 1, 0, 1]})
    if said is not None:
        rows["prior_CLNSIG"] = pd.Series(said, dtype="str")
    assert (manifest._single_submissions(rows, "prospective") is not None) == known
    assert manifest._single_submissions(rows, "biology") is None


def test_rows_set_aside_decide_calibration_and_threshold_and_no_figure():
    """Else the out-of-fold predictions do."""
    random = np.random.default_rng(4)
    truth, known = np.tile([0, 0, 0, 1], 50), np.tile([0, 1], 40)
    out_of_fold, predicted = (
        np.clip(0.3 + 0.3 * y + 0.2 * random.normal(size=len(y)), 0.02, 0.98) for y in (truth, known)
    )
    rows = pd.DataFrame({"CHROM": "1", "POS": np.arange(280), "CLASS": [*truth, *known]})
    of_job = {"job": "j", "settings": {"features": "all"}, "candidates": DEFINITIONS, "weights": {"token_bayes": 1.0}}
    of_job |= {"parameters": {"token_bayes": {"alpha": 1.0}}, "truth": truth, "out_of_fold": out_of_fold, "notes": []}
    for aside in (None, (known, predicted)):
        found = manifest.describe(rows, **of_job, set_aside=aside)
        labels, probability = aside or (truth, out_of_fold)
        fitted = calibration(labels, probability)
        assert found["calibration"] == fitted
        assert found["threshold"] == best_threshold(labels, calibrated(probability, fitted))[0]
        assert found["metrics"]["out_of_fold"] == scores(truth, calibrated(out_of_fold, fitted))
        assert found["training_set"]["set_aside"] == (0 if aside is None else 80)
        assert found["training_set"]["compared_on"] == 200 and found["training_set"]["class_1"] == 90


def test_evidence_is_asked_of_rows_from_all_over_the_table():
    """Every fifth of a thousand, in canonical order."""
    order = np.arange(1000)[::-1]
    rows = pd.DataFrame({"POS": np.arange(1000), "SYMBOL": "A", "EXON": "1", "INTRON": None, "CLASS": 0})
    asked = []

    def predict(table):
        asked.append(table["POS"].tolist())
        return 1 / (1 + np.exp(-3.0 * table["SYMBOL"].notna() - 1.0 * table["EXON"].notna()))

    assert manifest.evidence_by_column(predict, rows, order) == {"SYMBOL": 0.75, "EXON": 0.25}
    assert asked == [order[::5].tolist() * 3]
