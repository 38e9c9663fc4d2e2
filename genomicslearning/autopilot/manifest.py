"""What a model says of itself: where it comes from, what it reads, how good it was on rows it did not see."""

from __future__ import annotations

import platform
from collections.abc import Iterable
from datetime import UTC, datetime
from importlib.metadata import version

import numpy as np
import pandas as pd

from genomicslearning.autopilot.calibration import calibrated, calibration
from genomicslearning.autopilot.candidates import Definition
from genomicslearning.autopilot.cross_validation import table_sha256
from genomicslearning.autopilot.ensemble import best_threshold, scores
from genomicslearning.autopilot.vocabulary import LIBRARY_OF

FORMAT = 1
LICENCE = "Apache-2.0"
LIBRARIES = ("genomicslearning", "scikit-learn", "numpy", "scipy", "pandas", "skops", "optuna")


def extra_libraries(members: Iterable[str]) -> list[str]:
    """The libraries beside scikit-learn that a model's members need."""
    return sorted({LIBRARY_OF[name] for name in members if name in LIBRARY_OF})


def describe(
    table: pd.DataFrame,
    *,
    job: str,
    settings: dict,
    candidates: dict[str, Definition],
    parameters: dict[str, dict],
    weights: dict[str, float],
    scored: np.ndarray,
    out_of_fold: np.ndarray,
    notes: list[str],
) -> dict:
    """Manifest of a model, with its calibration and threshold.

    Parameters
    ----------
    table : the training rows, in canonical order.
    settings : objective, preset, features, seed … of the job.
    candidates, parameters : definitions and chosen hyperparameters, by name.
    weights : share of each member of the model.
    scored : training rows that candidates were compared on.
    out_of_fold : the weighted members' P(CLASS=1) of each of these rows, before calibration.
    notes : what makes the job not reproducible, if anything.
    """
    y = table["CLASS"].to_numpy(np.int64)
    truth = y[scored]
    fitted = calibration(truth, out_of_fold)
    probability = calibrated(out_of_fold, fitted)
    return {
        "format": FORMAT,
        "job": job,
        "created": datetime.now(UTC).isoformat(timespec="seconds"),
        "features": settings["features"],
        "classes": [0, 1],
        "threshold": best_threshold(truth, probability)[0],
        "calibration": fitted,
        "members": {
            name: {"weight": weight, "algorithm": candidates[name].algorithm, "parameters": parameters[name]}
            for name, weight in weights.items()
        },
        "schema": {
            "input": {column: str(table[column].dtype) for column in table.columns if column != "CLASS"},
            "output": {"predicted_label": "int", "probability": "float"},
        },
        "training_set": {
            "sha256": table_sha256(table, np.arange(len(table))),
            "rows": len(table),
            "class_1": int(y.sum()),
            "compared_on": len(scored),
            # Whether VEP's columns say anything.
            "annotated": "Consequence" in table and bool(table["Consequence"].notna().any()),
        },
        "metrics": {"out_of_fold": scores(truth, probability)},
        "settings": settings,
        "reproducible": not notes,
        "notes": notes,
        "versions": {"python": platform.python_version()}
        | {name: version(name) for name in (*LIBRARIES, *extra_libraries(weights))},
        "licence": LICENCE,
    }
