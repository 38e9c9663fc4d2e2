"""What a model says of itself: where it comes from, what it reads, how good it was on rows it did not see."""

from __future__ import annotations

import platform
from collections.abc import Callable, Iterable
from importlib.metadata import version

import numpy as np
import pandas as pd
from scipy.special import logit

from genomicslearning.autopilot.calibration import calibrated, calibration
from genomicslearning.autopilot.candidates import Definition
from genomicslearning.autopilot.cross_validation import table_sha256
from genomicslearning.autopilot.ensemble import FLOOR, best_threshold, scores
from genomicslearning.autopilot.vocabulary import LIBRARY_OF
from genomicslearning.history.horizons import learnt_rates
from genomicslearning.training_set.schema import COLUMNS, SITE_COLUMNS

#: 2 since manifest and weights are tied by checksums.
FORMAT = 2
LICENCE = "Apache-2.0"
LIBRARIES = ("genomicslearning", "scikit-learn", "numpy", "scipy", "pandas", "skops", "optuna")


def extra_libraries(members: Iterable[str]) -> list[str]:
    """The libraries beside scikit-learn that a model's members need."""
    return sorted({LIBRARY_OF[name] for name in members if name in LIBRARY_OF})


#: Rows on which a model is asked what each column is worth.
PROBE_ROWS = 200


def evidence_by_column(
    predict: Callable[[pd.DataFrame], np.ndarray], table: pd.DataFrame, order: np.ndarray | None = None
) -> dict[str, float]:
    """What each column is worth to a model: how far the log odds move without it, as shares that add up to 1.

    Parameters
    ----------
    predict : P(CLASS=1) of a table's rows.
    table : the training rows; every so manieth of them is asked about. Columns that are empty throughout have no share.
    order : numbers of the rows in canonical order; by default they are in it.
    """
    order = np.arange(len(table)) if order is None else order
    rows = table.iloc[order[:: max(1, len(table) // PROBE_ROWS)][:PROBE_ROWS]]
    filled = [name for name in COLUMNS if name in table and name not in (*SITE_COLUMNS, "CLASS")]
    filled = [name for name in filled if table[name].notna().any()]
    empty = pd.Series(np.nan, index=rows.index, dtype="str")
    odds = logit(np.clip(predict(rows), FLOOR, 1 - FLOOR))
    moved = {}
    for name in filled:
        without = logit(np.clip(predict(rows.assign(**{name: empty})), FLOOR, 1 - FLOOR))
        moved[name] = float(np.abs(odds - without).mean())
    total = sum(moved.values())
    return {name: round(value / total, 4) for name, value in moved.items()} if total else {}


def missing_evidence(manifest: dict, names: Iterable[str], *, least: float = 0.0) -> str:
    """Words for what a table lacks that a model has learnt from; empty where it lacks nothing.

    Parameters
    ----------
    names : columns that the table has.
    least : share from which a column is worth a word.
    """
    shares = manifest.get("evidence", {})
    there = set(names)
    lacking = {name: share for name, share in shares.items() if name not in there and share > least}
    if not lacking:
        return ""
    ordered = sorted(lacking, key=lambda name: -lacking[name])
    return (
        f"no column {', '.join(ordered)}; the model has learnt from {'them' if len(ordered) > 1 else 'it'}, "
        f"{sum(lacking.values()):.0%} of its evidence: expect other probabilities than with the whole table"
    )


def describe(
    table: pd.DataFrame,
    *,
    job: str,
    settings: dict,
    candidates: dict[str, Definition],
    parameters: dict[str, dict],
    weights: dict[str, float],
    truth: np.ndarray,
    out_of_fold: np.ndarray,
    notes: list[str],
) -> dict:
    """Manifest of a model, with its calibration and threshold.

    Parameters
    ----------
    table : the training rows, in any order.
    settings : objective, preset, features, seed … of the job.
    candidates, parameters : definitions and chosen hyperparameters, by name.
    weights : share of each member of the model.
    truth : labels of the training rows that candidates were compared on.
    out_of_fold : the weighted members' P(CLASS=1) of each of these rows, before calibration.
    notes : what makes the job not reproducible, if anything.
    """
    fitted = calibration(truth, out_of_fold)
    probability = calibrated(out_of_fold, fitted)
    return {
        "format": FORMAT,
        "job": job,
        "features": settings["features"],
        "classes": [0, 1],
        "threshold": best_threshold(truth, probability)[0],
        "calibration": fitted,
        "members": {
            name: {"weight": weight, "algorithm": candidates[name].algorithm, "parameters": parameters[name]}
            for name, weight in weights.items()
        },
        "schema": _schema(table),
        # What carries the model's answers to a stated distance from the release.
        "single_submissions": learnt_rates(table)
        if settings["features"] == "prospective" and "prior_CLNSIG" in table
        else None,
        "training_set": _described_rows(table, len(truth)),
        "metrics": {"out_of_fold": scores(truth, probability)},
        "settings": settings,
        "reproducible": not notes,
        "notes": notes,
        "versions": {"python": platform.python_version()}
        | {name: version(name) for name in (*LIBRARIES, *extra_libraries(weights))},
        "licence": LICENCE,
    }


def _described_rows(table: pd.DataFrame, compared_on: int) -> dict:
    """The training rows in figures, and their hash."""
    return {
        "sha256": table_sha256(table),
        "rows": len(table),
        "class_1": int(table["CLASS"].sum()),
        "compared_on": compared_on,
        # Whether VEP's columns say anything.
        "annotated": "Consequence" in table and bool(table["Consequence"].notna().any()),
    }


def _schema(table: pd.DataFrame) -> dict:
    """Columns and types that the model reads and answers with."""
    return {
        "input": {column: str(table[column].dtype) for column in table.columns if column != "CLASS"},
        "output": {"predicted_label": "int", "probability": "float"},
    }
