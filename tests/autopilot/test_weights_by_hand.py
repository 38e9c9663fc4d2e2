"""Figures, weights and calibration of a few rows that can be reckoned on paper."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.special import logit

from genomicslearning.autopilot.calibration import FLOOR, calibrated, calibration
from genomicslearning.autopilot.ensemble import blend, greedy_ensemble, scores


def test_every_objective_of_five_rows():
    found = scores(np.array([1, 0, 0, 0, 0]), np.array([0.5, 0.9, 0.1, 0.1, 0.1]))
    assert found == {
        "AUC": pytest.approx(3 / 4),
        "AveragePrecision": pytest.approx(1 / 2),
        "F1": pytest.approx(2 / 3),
        "Accuracy": pytest.approx(4 / 5),  # nobody is called conflicting, or the first two are
        "LogLoss": pytest.approx((np.log(0.5) + np.log(0.1) + 3 * np.log(0.9)) / 5),
    }


def test_a_candidate_that_only_keeps_the_score_is_not_added():
    y = np.array([0, 0, 1, 1])
    perfect, worse = np.array([0.1, 0.2, 0.8, 0.9]), np.array([0.5, 0.1, 0.4, 0.6])
    assert greedy_ensemble(y, {"worse": worse, "perfect": perfect}, "AUC") == {"perfect": 1.0}


def test_a_cautious_candidate_is_no_constant():
    y = np.array([0, 0, 1, 1])
    cautious, bold = np.array([0.40, 0.45, 0.55, 0.60]), np.array([0.5, 0.01, 0.4, 0.99])
    assert greedy_ensemble(y, {"cautious": cautious, "bold": bold}, "AUC") == {"cautious": 1.0}


def test_a_weight_may_be_less_than_a_quarter():
    """One row of ten is CLASS 1; the bold candidate sees it, and is far too sure of another."""
    y = np.array([1] + [0] * 9)
    calm, bold = np.full(10, 0.1), np.array([0.9] + [0.1] * 8 + [0.9999])
    calm[1] = 0.02
    weights = greedy_ensemble(y, {"calm": calm, "bold": bold}, "LogLoss")
    share = np.arange(21) / 20
    losses = [scores(y, blend([calm, bold], [1 - one, one]))["LogLoss"] for one in share]
    best = share[int(np.argmax(losses))]
    assert 0 < best < 0.25 and weights == {
        "calm": pytest.approx(1 - best, abs=0.03),
        "bold": pytest.approx(best, abs=0.03),
    }


def test_weights_need_not_add_up_to_one_and_each_counts_as_much_as_it_says():
    found = blend([np.array([0.2]), np.array([0.6])], [3.0, 1.0])
    assert logit(found) == pytest.approx((3 * logit(0.2) + logit(0.6)) / 4)


def test_constants_alone_are_still_an_ensemble():
    y, constant = np.array([0, 0, 0, 1]), np.full(4, 0.25)
    assert greedy_ensemble(y, {"majority": constant, "sure": np.full(4, 0.9)}, "LogLoss") == {"majority": 1.0}


def drawn(seed: int) -> tuple[np.ndarray, np.ndarray]:
    random = np.random.default_rng(seed)
    probability = random.uniform(0.05, 0.6, 60)
    return (random.uniform(size=60) < probability).astype(int), probability


def test_calibration_is_the_most_likely_line():
    """What is left over has nothing in common with what the line is of: at the greatest likelihood these are zero."""
    y, probability = drawn(1)
    fitted = calibration(y, probability)
    assert fitted["method"] == "beta" and min(fitted["low"], fitted["high"]) > 0
    left = y - calibrated(probability, fitted)
    np.testing.assert_allclose([left.sum(), left @ np.log(probability), left @ np.log1p(-probability)], 0, atol=0.01)


def test_where_one_end_would_turn_over_both_have_one_slope():
    y, probability = drawn(2)
    fitted = calibration(y, probability)
    assert fitted["method"] == "platt" and fitted["low"] == fitted["high"] == pytest.approx(0.59, abs=0.01)
    left = y - calibrated(probability, fitted)
    np.testing.assert_allclose([left.sum(), left @ logit(probability)], 0, atol=0.01)


@pytest.mark.parametrize(("label", "share"), [(0, FLOOR), (1, 1 - FLOOR)])
def test_one_class_and_one_probability_leave_a_probability(label, share):
    fitted = calibration(np.full(4, label), np.full(4, 0.3))
    np.testing.assert_allclose(calibrated(np.array([0.3, 0.9]), fitted), share, rtol=1e-9)
