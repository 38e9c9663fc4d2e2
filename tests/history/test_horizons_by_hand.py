"""Chances at a horizon, worked out beside the code: levels, slopes and bands between the measured distances."""

import math

import numpy as np
import pandas as pd
import pytest

from genomicslearning import InputError
from genomicslearning.history import horizons
from genomicslearning.history.submissions import CLASSES

VUS = "Uncertain_significance"
SHORTEST, (SHORT, LONG) = horizons.rates()["shortest"], horizons.rates()["corrections"]
LEARNT = {"classes": dict.fromkeys(CLASSES, 0.2), "days": None}


def log_odds(chance: float) -> float:
    return math.log(chance / (1 - chance))


def chance(odds: float) -> float:
    return 1 / (1 + math.exp(-odds))


def rows(**cells) -> pd.DataFrame:
    return pd.DataFrame({"prior_CLNSIG": [VUS], **{name: [cell] for name, cell in cells.items()}})


@pytest.mark.parametrize("years", [4, 7])
def test_between_the_two_distances_all_goes_by_the_logarithm_of_the_days(years):
    share = math.log(years * 365.25 / SHORT["days"]) / math.log(LONG["days"] / SHORT["days"])
    level, slope = (
        one + share * (other - one)
        for one, other in ((SHORT["level"][VUS], LONG["level"][VUS]), (SHORT["slope"], LONG["slope"]))
    )
    beyond = log_odds(0.4) - log_odds(0.2)
    found = horizons.at_horizon(np.array([0.4]), rows(), years, LEARNT)
    assert found == pytest.approx([chance(level + slope * beyond)])
    heart = horizons.at_horizon(np.array([0.4]), rows(prior_CLNDN="Long_QT_syndrome"), years, LEARNT)
    assert heart == pytest.approx([chance(level + slope * beyond + share * LONG["condition"][VUS]["heart"])])


def test_before_the_short_distance_the_level_alone_moves_and_beyond_the_long_one_nothing():
    days = 365.25
    share = math.log(days / SHORTEST["days"]) / math.log(SHORT["days"] / SHORTEST["days"])
    level = SHORT["level"][VUS] + (1 - share) * SHORTEST["level"][VUS]
    beyond = log_odds(0.4) - log_odds(0.2)
    told = rows(prior_CLNDN="Long_QT_syndrome", AF_EXAC="0.1", AF_ESP="0", AF_TGP="0")
    found = horizons.at_horizon(np.array([0.4]), told, 1, LEARNT)
    assert found == pytest.approx([chance(level + SHORT["slope"] * beyond)]), "bands are of the long distance"
    far, farther = (horizons.at_horizon(np.array([0.4]), told, years, LEARNT) for years in (10, 20))
    assert far == pytest.approx(farther)


def test_an_annotated_row_without_a_score_has_the_band_of_those_and_one_without_annotation_has_none():
    years = LONG["days"] / horizons.YEAR
    bare = horizons.at_horizon(np.array([0.2]), rows(CADD_PHRED=np.nan, LoFtool="0.1"), years, LEARNT)
    assert bare == pytest.approx([chance(LONG["level"][VUS])])
    annotated = rows(CADD_PHRED=np.nan, LoFtool=np.nan, Consequence="missense_variant")
    moved = LONG["cadd"][VUS]["unknown"] + LONG["loftool"][VUS]["unknown"]
    found = horizons.at_horizon(np.array([0.2]), annotated, years, LEARNT)
    assert found == pytest.approx([chance(LONG["level"][VUS] + moved)])


@pytest.mark.parametrize(
    ("kind", "cells"),
    [
        ("frequency", ["0", "0.000001", "0.00002", "0.00005", "0.0002", "0.0005", "0.002", "0.5"]),
        ("cadd", [None, "1", "12", "17", "21", "24", "28", "31"]),
        ("loftool", [None, "0.01", "0.05", "0.1", "0.2", "0.4", "0.6", "0.8", "0.95"]),
        ("condition", [None, "Lynch_syndrome", "Long_QT", "not_specified", "not_provided", "x"]),
    ],
)
def test_every_band_of_the_committed_table_is_one_that_rows_can_lie_in(kind, cells):
    """A band that no row is put into would be a correction that nobody gets."""
    bands_of, column = horizons.BANDS[kind]
    column = {"cadd": "CADD_PHRED", "loftool": "LoFtool"}.get(kind, column)
    possible = bands_of(pd.DataFrame({column: cells}))
    assert len(set(possible)) == len(cells)
    assert {band for one in LONG[kind].values() for band in one} <= set(possible)


def test_a_model_of_two_years_is_carried_by_the_rates_and_one_of_three_by_the_levels_difference():
    probability = np.array([0.4])
    by_rates = horizons.at_horizon(probability, rows(), 8, LEARNT)
    assert horizons.at_horizon(probability, rows(), 8, LEARNT | {"days": 731.0}) == pytest.approx(by_rates)
    moved = horizons.at_horizon(probability, rows(), LONG["days"] / horizons.YEAR, LEARNT | {"days": 1461.0})
    share = math.log(1461 / SHORT["days"]) / math.log(LONG["days"] / SHORT["days"])
    gained = (1 - share) * (LONG["level"][VUS] - SHORT["level"][VUS])
    assert moved == pytest.approx([chance(log_odds(0.4) + gained)])


def test_chances_are_chances_whatever_a_model_says():
    probability = np.array([0.0, 1e-300, 0.5, 1 - 1e-16, 1.0] * len(CLASSES))
    said = pd.DataFrame({"prior_CLNSIG": np.repeat(CLASSES, 5), "AF_EXAC": "0.1", "Consequence": "x"})
    for learnt in (LEARNT, LEARNT | {"days": 3650.0}):
        for years in (1, 2, 8, 20):
            found = horizons.at_horizon(probability, said, years, learnt)
            assert ((found > 0) & (found < 1)).all()


def test_rows_without_a_single_submission_have_no_horizon():
    answers = pd.DataFrame({"probability": [0.3]})
    assert horizons.with_horizons(answers, rows(), [2], None) is answers
    assert horizons.with_horizons(answers, pd.DataFrame({"POS": [1]}), [2], LEARNT) is answers
    assert list(horizons.with_horizons(answers, rows(), [2, 8], LEARNT)) == [
        "probability",
        "probability_2y",
        "probability_8y",
    ]


@pytest.mark.parametrize(
    ("years", "days", "judged"),
    [
        (2, 730, True),
        (2, 490, True),
        (2, 480, False),
        (2, 1090, True),
        (2, 1100, False),
        (2, 0, False),
        (2, None, False),
    ],
)
def test_labels_judge_a_horizon_that_is_up_to_half_as_far_again(years, days, judged):
    assert horizons.can_be_judged(years, days) is judged


def test_the_distance_that_was_learnt_is_the_median_transitions():
    learning = pd.DataFrame({"prior_CLNSIG": ["Benign"] * 3, "CLASS": [0, 1, 0], "horizon_days": [100.0, 200.0, 900.0]})
    assert horizons.learnt_rates(learning)["days"] == 200


def test_twenty_years_are_the_most():
    assert horizons.years_list("[1, 20]") == [1, 20]
    with pytest.raises(InputError, match="from 1 to 20"):
        horizons.years_list("21")


def test_the_drift_is_told_as_the_table_has_it():
    assert f"at most {horizons.rates()['drift']['log_odds']:+.2f} in log odds" in horizons.described([8], LEARNT)
