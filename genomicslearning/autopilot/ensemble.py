"""Scores of out-of-fold predictions, the threshold they suggest, and an ensemble chosen by them."""

from __future__ import annotations

import numpy as np
from scipy.special import expit, logit
from sklearn.metrics import average_precision_score, log_loss, precision_recall_curve, roc_auc_score, roc_curve

from genomicslearning.autopilot.calibration import FLOOR


def scores(y: np.ndarray, probability: np.ndarray) -> dict[str, float]:
    """Every objective of `job.OBJECTIVES`, the larger the better."""
    probability = np.clip(probability, FLOOR, 1 - FLOOR)
    threshold, f1 = best_threshold(y, probability)
    false_rate, true_rate, _ = roc_curve(y, probability)
    share = y.mean()
    return {
        "AUC": float(roc_auc_score(y, probability)),
        "AveragePrecision": float(average_precision_score(y, probability)),
        "F1": f1,
        "Accuracy": float((true_rate * share + (1 - false_rate) * (1 - share)).max()),
        "LogLoss": float(-log_loss(y, probability)),
    }


def best_threshold(y: np.ndarray, probability: np.ndarray) -> tuple[float, float]:
    """Threshold with the highest F1 of CLASS 1, and that F1."""
    precision, recall, thresholds = precision_recall_curve(y, probability)
    f1 = 2 * precision[:-1] * recall[:-1] / np.maximum(precision[:-1] + recall[:-1], 1e-12)
    best = int(np.argmax(f1))
    return float(thresholds[best]), float(f1[best])


def blend(probabilities: list[np.ndarray], weights: list[float]) -> np.ndarray:
    """Weighted mean of log odds, as a probability."""
    odds = sum(weight * logit(np.clip(p, FLOOR, 1 - FLOOR)) for p, weight in zip(probabilities, weights, strict=True))
    return expit(odds / sum(weights))


def greedy_ensemble(
    y: np.ndarray, predictions: dict[str, np.ndarray], objective: str, *, rounds: int = 20
) -> dict[str, float]:
    """Weights of an ensemble by forward selection with replacement (Caruana et al. 2004), on out-of-fold predictions.

    Starts from the best candidate; each round adds the one that helps the objective most, and the best round is kept.
    """
    # A constant changes no ranking; it takes part only where there is nothing else.
    informed = {name: p for name, p in predictions.items() if np.ptp(p) > 0.05} or predictions
    odds = {name: logit(np.clip(p, FLOOR, 1 - FLOOR)) for name, p in informed.items()}
    chosen: list[str] = []
    total = np.zeros(len(y))
    best_score, best_chosen = -np.inf, []
    for _ in range(rounds):
        trials = {name: scores(y, expit((total + one) / (len(chosen) + 1)))[objective] for name, one in odds.items()}
        name = max(trials, key=lambda one: trials[one])
        chosen.append(name)
        total = total + odds[name]
        if trials[name] > best_score + 1e-6:
            best_score, best_chosen = trials[name], list(chosen)
    return {name: best_chosen.count(name) / len(best_chosen) for name in predictions if name in best_chosen}
