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
from genomicslearning.history.assemblies import assembly_of_table
from genomicslearning.history.horizons import learnt_rates
from genomicslearning.training_set.schema import AF_COLUMNS, COLUMNS, SITE_COLUMNS

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
    # All at once: a model parses each distinct text once, and every call has a cost of its own.
    tables = [rows, *(rows.assign(**{name: empty}) for name in filled)]
    odds, *without = np.split(logit(np.clip(predict(pd.concat(tables)), FLOOR, 1 - FLOOR)), len(tables))
    moved = {name: float(np.abs(odds - one).mean()) for name, one in zip(filled, without, strict=True)}
    total = sum(moved.values())
    return {name: round(value / total, 4) for name, value in moved.items()} if total else {}


#: What columns are worth to a model of the published table (`evidence_by_column`, preset quick), from half a percent:
#: what a training table that lacks them does without. By features; prospective ones read what biological ones do.
PUBLISHED_EVIDENCE = {
    "all": {
        "CLNDN": 0.287, "SYMBOL": 0.126, "CLNVI": 0.084, "AF_TGP": 0.064, "CADD_PHRED": 0.064, "AF_EXAC": 0.045,
        "IMPACT": 0.040, "Amino_acids": 0.040, "AF_ESP": 0.036, "EXON": 0.034, "CADD_RAW": 0.034, "MC": 0.025,
        "Protein_position": 0.018, "LoFtool": 0.018, "CDS_position": 0.016, "cDNA_position": 0.014, "CLNDISDB": 0.010,
        "Consequence": 0.009, "Codons": 0.008, "PolyPhen": 0.008, "SIFT": 0.007,
    },
    "biology": {
        "SYMBOL": 0.296, "CADD_PHRED": 0.095, "AF_EXAC": 0.088, "AF_TGP": 0.064, "EXON": 0.062, "Amino_acids": 0.049,
        "AF_ESP": 0.040, "LoFtool": 0.038, "IMPACT": 0.036, "CADD_RAW": 0.034, "MC": 0.033, "Protein_position": 0.031,
        "CDS_position": 0.025, "cDNA_position": 0.020, "Codons": 0.020, "Consequence": 0.018, "PolyPhen": 0.015,
        "SIFT": 0.014, "INTRON": 0.009, "STRAND": 0.005, "BLOSUM62": 0.005,
    },
}  # fmt: skip


def missing_evidence(manifest: dict, names: Iterable[str], *, least: float = 0.0) -> str:
    """Words for what a table lacks that a model has learnt from; empty where it lacks nothing.

    Parameters
    ----------
    names : columns that the table has.
    least : share from which a column is worth a word.
    """
    return _lacking(manifest.get("evidence", {}), names, least, "the model has", "expect other probabilities")


def missing_from_training(table: pd.DataFrame, features: str) -> str:
    """Words for what training rows lack that a model of the published table has learnt from; empty if nothing.

    Parameters
    ----------
    table : the training rows; a column that is missing throughout is lacking.
    features : all, biology or prospective.
    """
    shares = PUBLISHED_EVIDENCE["all" if features == "all" else "biology"]
    filled = [name for name in table if table[name].notna().any()]
    zero = [name for name in AF_COLUMNS if name in filled and (table[name] == "0").all()]  # nothing was known
    there = set(filled) - set(zero)
    return _lacking(shares, there, 0.0, "a model of the published table has", "expect a weaker model")


def _lacking(shares: dict[str, float], names: Iterable[str], least: float, who: str, so: str) -> str:
    there = set(names)
    lacking = {name: share for name, share in shares.items() if name not in there and share > least}
    if not lacking:
        return ""
    ordered = sorted(lacking, key=lambda name: -lacking[name])
    return (
        f"no column {', '.join(ordered)}; {who} learnt from {'them' if len(ordered) > 1 else 'it'}, "
        f"{sum(lacking.values()):.0%} of its evidence: {so} than with the whole table"
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
    set_aside: tuple[np.ndarray, np.ndarray] | None = None,
    sha256: str | None = None,
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
    set_aside : labels and P(CLASS=1) of rows that no member learnt from, where there are such rows: calibration and
        threshold come of them, else of the out-of-fold predictions.
    notes : what makes the job not reproducible, if anything.
    sha256 : the table's checksum (`table_sha256`), where it is known already.
    """
    known, predicted = set_aside or (truth, out_of_fold)
    fitted = calibration(known, predicted)
    return {
        "format": FORMAT,
        "job": job,
        "features": settings["features"],
        "classes": [0, 1],
        "threshold": best_threshold(known, calibrated(predicted, fitted))[0],
        "calibration": fitted,
        "members": {
            name: {"weight": weight, "algorithm": candidates[name].algorithm, "parameters": parameters[name]}
            for name, weight in weights.items()
        },
        "schema": _schema(table),
        "single_submissions": _single_submissions(table, settings["features"]),
        "training_set": {"sha256": sha256 or table_sha256(table)}
        | _described_rows(table, len(truth), 0 if set_aside is None else len(known)),
        "metrics": {"out_of_fold": scores(truth, calibrated(out_of_fold, fitted))},
        "settings": settings,
        "reproducible": not notes,
        "notes": notes,
        "versions": {"python": platform.python_version()}
        | {name: version(name) for name in (*LIBRARIES, *extra_libraries(weights))},
        "licence": LICENCE,
    }


def _single_submissions(table: pd.DataFrame, features: str) -> dict | None:
    """What carries the model's answers to a stated distance from the release."""
    return learnt_rates(table) if features == "prospective" else None


def _described_rows(table: pd.DataFrame, compared_on: int, set_aside: int) -> dict:
    """The training rows in figures."""
    return {
        "rows": len(table),
        "class_1": int(table["CLASS"].sum()),
        "compared_on": compared_on,
        "set_aside": set_aside,
        # Whether VEP's columns say anything.
        "annotated": "Consequence" in table and bool(table["Consequence"].notna().any()),
        "assembly": assembly_of_table(table),
    }


def _schema(table: pd.DataFrame) -> dict:
    """Columns and types that the model reads and answers with."""
    return {
        "input": {column: str(table[column].dtype) for column in table.columns if column != "CLASS"},
        "output": {"predicted_label": "int", "probability": "float"},
    }
