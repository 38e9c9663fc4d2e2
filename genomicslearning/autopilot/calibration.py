"""From a score to a probability, fitted on out-of-fold predictions."""

from __future__ import annotations

import numpy as np
from scipy.special import expit, logit
from sklearn.linear_model import LogisticRegression

FLOOR = 1e-6


def calibration(y: np.ndarray, probability: np.ndarray) -> dict:
    """Calibration fitted on out-of-fold probabilities: Platt scaling with a slope for each end.

    Platt scaling (1999) is a line on the log odds, log p - log(1 - p). Giving the two terms slopes of their own (beta
    calibration, Kull et al. 2017) corrects the two ends apart. Where one of the slopes comes out negative, which would
    turn the ranking over, both are Platt's.

    Returns
    -------
    dict with `method`, `low` (slope of log p), `high` (slope of -log(1 - p)) and `intercept`.
    """
    ends = _ends(probability)
    if np.ptp(probability) == 0:
        share = np.clip(y.mean(), FLOOR, 1 - FLOOR)
        return {"method": "constant", "low": 0.0, "high": 0.0, "intercept": float(logit(share))}
    fitted = LogisticRegression(C=np.inf, max_iter=1000).fit(ends, y)
    low, high = fitted.coef_[0]
    method = "beta"
    if min(low, high) < 0:
        fitted = LogisticRegression(C=np.inf, max_iter=1000).fit(ends.sum(axis=1, keepdims=True), y)
        low = high = fitted.coef_[0, 0]
        method = "platt"
    return {"method": method, "low": float(low), "high": float(high), "intercept": float(fitted.intercept_[0])}


def calibrated(probability: np.ndarray, fitted: dict) -> np.ndarray:
    """Probability after a calibration as `calibration` gives it."""
    return expit(_ends(probability) @ np.array([fitted["low"], fitted["high"]]) + fitted["intercept"])


def _ends(probability: np.ndarray) -> np.ndarray:
    clipped = np.clip(probability, FLOOR, 1 - FLOOR)
    return np.column_stack([np.log(clipped), -np.log1p(-clipped)])
