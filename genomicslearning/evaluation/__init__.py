"""How good the predictions are, for whom, and how sure we are of it."""

from __future__ import annotations

from importlib import import_module

# Where each name lives. It is imported when it is asked for: comparing two runs must not wait for scikit-learn.
_HOMES = {
    "comparison": ("compare_models", "delong", "delong_test", "holm", "paired_bootstrap"),
    "scores": (
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
    ),
    "strata": ("groupings", "missing_groupings", "stratum_table"),
}
_HOME_OF = {name: home for home, names in _HOMES.items() for name in names}

__all__ = sorted(_HOME_OF)


def __getattr__(name: str):
    if name not in _HOME_OF:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{_HOME_OF[name]}"), name)
