"""How good the predictions are, for whom, and how sure we are of it."""

from genomicslearning.evaluation.scores import (
    average_precision,
    bootstrap_weights,
    brier_decomposition,
    calibration_table,
    cost_curve,
    expected_calibration_error,
    interval,
    metrics,
    precision_at,
    precision_recall_band,
    roc_auc,
    roc_band,
    threshold_table,
)

__all__ = [
    "average_precision",
    "bootstrap_weights",
    "brier_decomposition",
    "calibration_table",
    "cost_curve",
    "expected_calibration_error",
    "interval",
    "metrics",
    "precision_at",
    "precision_recall_band",
    "roc_auc",
    "roc_band",
    "threshold_table",
]
