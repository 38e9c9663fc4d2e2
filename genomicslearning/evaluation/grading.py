"""Grade a frozen watch list or a run's predictions by what a later release says has become of each variant."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from genomicslearning import InputError
from genomicslearning.evaluation.scores import (
    Ranking,
    calibration_table,
    expected_calibration_error,
    precision_at,
)
from genomicslearning.history.releases import SINGLE_SUBMITTER, Release
from genomicslearning.history.submissions import AlignedRelease

TOPS = (20, 100, 500, 2000)
MISSES = 10
_NEEDED = ("CHROM", "POS", "REF", "ALT", "probability")


def read_scored(place: str | os.PathLike) -> pd.DataFrame:
    """A watch list, a run's predictions, or a run's folder (its predictions.csv), with a probability a row.

    Raises
    ------
    InputError
        No such file, or one without place, alleles and probability, or a probability that is not between 0 and 1.
    """
    path = Path(place)
    if path.is_dir():
        path = path / "predictions.csv"
    if not path.is_file():
        raise InputError(f"{place}: no watch list and no run's predictions; give watchlist.csv, or a run's folder")
    table = pd.read_csv(path, dtype="str", keep_default_na=False, na_values=[""])
    if lacking := [name for name in _NEEDED if name not in table]:
        raise InputError(f"{path}:1: no column {', '.join(lacking)}; a watch list or predictions have them")
    for name in [name for name in ("POS", *score_columns(table))]:
        numbers = pd.to_numeric(table[name], errors="coerce")
        fits = numbers.between(0, 1) if name != "POS" else numbers.notna()
        if not fits.all():
            raise InputError(f"{path}:{int(np.argmin(fits.to_numpy())) + 2}: {name} is {table[name][~fits].iloc[0]!r}")
        table[name] = numbers.astype("int64") if name == "POS" else numbers
    return table


def score_columns(table: pd.DataFrame) -> list[str]:
    """`probability`, those of a horizon, and those of a second submission's model, as far as they are there."""
    return [name for name in table.columns if name == "probability" or name.startswith("probability_")]


def grade(scored: pd.DataFrame, release: Release, *, name: str) -> dict:
    """How well scores foresaw what a later release says.

    Returns
    -------
    dict
        `variants`, what became of them (`several`, `conflict`, `single`, `gone`, `other`), `observed` share of
        conflicts among those with several submitters, and for each score `roc_auc`, `average_precision`, `ece`, `top`
        (precision), `calibration`; `misses`: the highest scores that agree and the lowest that conflict.
    """
    now = AlignedRelease(release, scored)
    labels = now.label()
    known = labels.notna().to_numpy()
    single = (now.status == SINGLE_SUBMITTER).to_numpy()
    gone = now.rows < 0
    facts: dict[str, Any] = {
        "name": name,
        "variants": len(scored),
        "several": int(known.sum()),
        "conflict": int((labels == 1).sum()),
        "single": int(single.sum()),
        "gone": int(gone.sum()),
        "other": int((~known & ~single & ~gone).sum()),
        "observed": float(labels[known].mean()) if known.any() else None,
        "scores": [],
        "misses": {},
    }
    if facts["conflict"] and facts["conflict"] < facts["several"]:
        truth = labels[known].to_numpy(int)
        facts["scores"] = [
            _figures(column, truth, scored.loc[known, column].to_numpy()) for column in score_columns(scored)
        ]
        facts["misses"] = _misses(scored[known], truth)
    facts["words"] = _words(facts, release)
    return facts


def _figures(column: str, truth: np.ndarray, probability: np.ndarray) -> dict:
    auc, precision = Ranking(truth, probability).both()
    tops = tuple(top for top in TOPS if top <= len(truth))
    best = precision_at(truth, probability, tops) if tops else pd.DataFrame(columns=["top", "precision"])
    bins = calibration_table(truth, probability)
    return {
        "score": column,
        "roc_auc": float(auc),
        "average_precision": float(precision),
        "ece": float(expected_calibration_error(truth, probability)),
        "predicted": float(probability.mean()),
        "top": [{"top": int(row.top), "precision": float(row.precision)} for row in best.itertuples()],
        "calibration": bins.astype(float).to_dict("records"),
    }


def _misses(rows: pd.DataFrame, truth: np.ndarray) -> dict[str, list[dict]]:
    """The highest scores that agree, and the lowest that conflict."""
    gene = next((column for column in ("gene", "SYMBOL") if column in rows), None)
    order = np.argsort(rows["probability"].to_numpy(), kind="stable")
    places = {"high_but_agree": order[::-1][truth[order[::-1]] == 0], "low_but_conflict": order[truth[order] == 1]}
    return {
        what: [
            {
                "variant": f"{row['CHROM']}:{row['POS']} {row['REF']}>{row['ALT']}",
                "gene": "" if gene is None or pd.isna(row[gene]) else row[gene],
                "probability": float(row["probability"]),
            }
            for row in rows.iloc[found[:MISSES]].to_dict("records")
        ]
        for what, found in places.items()
    }


def _words(facts: dict, release: Release) -> str:
    told = (
        f"Of {facts['variants']:,} variants {facts['several']:,} have several submitters in {release.name}, "
        f"{facts['conflict']:,} of them in conflict; {facts['single']:,} still have one, {facts['gone']:,} are not in "
        f"it, {facts['other']:,} have another status."
    )
    for one in facts["scores"]:
        told += (
            f" {one['score']}: ROC AUC {one['roc_auc']:.3f}, average precision {one['average_precision']:.3f}, "
            f"{one['predicted']:.0%} predicted where {facts['observed']:.0%} conflict (ECE {one['ece']:.3f})."
        )
    if not facts["scores"]:
        told += " Nothing can be graded: that takes variants of either class."
    return told
