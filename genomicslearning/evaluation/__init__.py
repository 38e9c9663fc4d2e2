"""How good the predictions are, for whom, and how sure we are of it."""

from genomicslearning.evaluation.comparison import compare_models, delong, delong_test, holm, paired_bootstrap
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
from genomicslearning.evaluation.strata import groupings, missing_groupings, stratum_table

__all__ = [
    "average_precision",
    "bootstrap_weights",
    "brier_decomposition",
    "calibration_table",
    "compare_models",
    "cost_curve",
    "delong",
    "delong_test",
    "expected_calibration_error",
    "groupings",
    "holm",
    "interval",
    "metrics",
    "missing_groupings",
    "paired_bootstrap",
    "precision_at",
    "precision_recall_band",
    "roc_auc",
    "roc_band",
    "stratum_table",
    "threshold_table",
]
