"""What training rows lack is said in the words of `predict`, with its share of a model's evidence."""

from __future__ import annotations

import pandas as pd
import pytest

from genomicslearning.autopilot import manifest
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
