"""Grade a frozen watch list or a run's predictions by what a later release says has become of each variant."""

from __future__ import annotations

import json
import os
from datetime import date
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
from genomicslearning.history.assemblies import assembly_of
from genomicslearning.history.dates import date_of_input
from genomicslearning.history.horizons import YEAR, can_be_judged, in_sample, years_ahead
from genomicslearning.history.releases import SINGLE_SUBMITTER, Release
from genomicslearning.history.submissions import AlignedRelease
from genomicslearning.io.text import first_line

TOPS = (20, 100, 500, 2000)
MISSES = 10
FEW_FOUND = 0.2  # share of a list's variants that a release has; below it the two hardly belong together
# What each score foretells, in words; `probability` and those at a distance foretell conflict.
CONFLICT = "conflict, of those with several submitters"
OUTCOMES = {
    "probability_second": "several submitters, of those still in the release",
    "probability_both": "several submitters and conflict, of those still in the release",
}
_NEEDED = ("CHROM", "POS", "REF", "ALT", "probability")


def read_scored(place: str | os.PathLike) -> pd.DataFrame:
    """A watch list, a run's predictions, or a run's folder (its predictions.csv), with a probability a row.

    Raises
    ------
    InputError
        No such file, one that is no table, without rows, place, alleles or probability, or a probability that is not
        between 0 and 1.
    """
    path = Path(place)
    if path.is_dir():
        path = path / "predictions.csv"
    if not path.is_file():
        raise InputError(f"{place}: no watch list and no run's predictions; give watchlist.csv, or a run's folder")
    try:
        table = pd.read_csv(path, dtype="str", keep_default_na=False, na_values=[""])
    except (ValueError, OSError, EOFError) as problem:  # pandas' own errors are ValueErrors, UnicodeDecodeError too
        what = first_line(problem)
        raise InputError(f"{path}: not a watch list nor predictions, which are CSV in UTF-8 ({what})") from None
    if lacking := [name for name in _NEEDED if name not in table]:
        raise InputError(f"{path}:1: no column {', '.join(lacking)}; a watch list or predictions have them")
    if table.empty:
        raise InputError(f"{path}: no rows to grade")
    for name in [name for name in ("POS", *score_columns(table))]:
        numbers = pd.to_numeric(table[name], errors="coerce")
        fits = numbers.between(0, 1) if name != "POS" else numbers.notna()
        if not fits.all():
            raise InputError(f"{path}:{int(np.argmin(fits.to_numpy())) + 2}: {name} is {table[name][~fits].iloc[0]!r}")
        table[name] = numbers.astype("int64") if name == "POS" else numbers
    return table


def frozen_on(place: str | os.PathLike) -> date | None:
    """Date of the release that a watch list or a run's predictions are of; None where nothing tells.

    `watchlist.json` beside the list tells it, or the run's `run.json`: the date of its release, under a time split that
    of the newest earlier one, in which the test rows had a single submitter.
    """
    path = Path(place)
    folder = path if path.is_dir() else path.parent
    beside, record = folder / "watchlist.json", folder / "run.json"
    try:
        if path.suffix == ".csv" and beside.is_file():
            [release] = [one for one in _facts(beside)["inputs"] if one["role"] == "clinvar"]
            return date_of_input(release)
        if record.is_file():
            return _release_of_run(_facts(record))
    except (ValueError, KeyError, TypeError, IndexError):
        return None
    return None


def _facts(path: Path) -> dict:
    return json.loads(path.read_text(encoding="utf-8"))


def _release_of_run(record: dict) -> date | None:
    """Date of the release that the predictions of a run are of."""
    roles = ("earlier",) if record["parameters"]["split"] == "time" else ("clinvar", "annotated")
    for role in roles:
        if found := [one for one in record["inputs"] if one["role"] == role]:
            return date_of_input({"fileDate": None, **found[-1]})
    day = record["parameters"].get("table_date")
    return date.fromisoformat(day) if day else None


def check_later(name: str, frozen: date | None, release: str, day: date | None) -> None:
    """Refuse to grade scores by a release that is not later than their own, where both days are known.

    Raises
    ------
    InputError
        Names both.
    """
    if frozen and day and day <= frozen:
        raise InputError(
            f"{name} is of the release of {frozen}, {release} of {day}: scores are graded by what a later release says"
        )


def score_columns(table: pd.DataFrame) -> list[str]:
    """`probability`, those of a horizon, and those of a second submission's model, as far as they are there."""
    return [name for name in table.columns if name == "probability" or name.startswith("probability_")]


def grade(scored: pd.DataFrame, release: Release, *, name: str, frozen: date | None = None) -> dict:
    """How well scores foresaw what a later release says; `frozen` is the day that they are of, where it is known.

    Returns
    -------
    dict
        `variants`, what became of them (`several`, `conflict`, `single`, `gone`, `other`), `observed` share of
        conflicts among those with several submitters, and for each score the `outcome` that it is judged by, its
        `observed` share, `roc_auc`, `average_precision`, `ece` (None where a horizon is not as far ahead as the
        release, or nobody knows how far that is), `top` (precision), `calibration`; `misses`: the highest chances of
        conflict that agree and the lowest that conflict; `days` from the list to the release; `became` and `words`.

    Raises
    ------
    InputError
        The list is of another assembly and has no VariationIDs to go by, or the release is not later than the list.
    """
    check_later(name, frozen, release.name, release.date)
    _check_assembly(scored, release, name)
    now = AlignedRelease(release, scored)
    labels = now.label()
    known = labels.notna().to_numpy()
    single = (now.status == SINGLE_SUBMITTER).to_numpy()
    gone = now.rows < 0
    facts: dict[str, Any] = {
        "name": name,
        "days": (release.date - frozen).days if frozen and release.date else None,
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
    judged = {
        CONFLICT: (known, (labels == 1).to_numpy()),
        OUTCOMES["probability_second"]: (~gone, known),
        OUTCOMES["probability_both"]: (~gone, (labels == 1).to_numpy()),
    }
    for column in score_columns(scored):
        outcome = OUTCOMES.get(column, CONFLICT)
        rows, truth = judged[outcome][0], judged[outcome][1][judged[outcome][0]].astype(int)
        if 0 < truth.sum() < len(truth):
            facts["scores"].append(_figures(column, outcome, truth, scored.loc[rows, column].to_numpy(), facts["days"]))
    if known.any():
        facts["misses"] = _misses(scored[known], labels[known].to_numpy(int))
    facts["became"] = _became(facts, release)
    facts["words"] = facts["became"] + _words(facts["scores"])
    return facts


def _check_assembly(scored: pd.DataFrame, release: Release, name: str) -> None:
    """Places of two assemblies are of different variants: only VariationIDs join such a list and release."""
    hgvs = next((scored[column] for column in ("hgvs", "CLNHGVS") if column in scored), pd.Series(dtype="str"))
    ours = assembly_of(hgvs)
    identified = "VARIATION_ID" in scored and scored["VARIATION_ID"].notna().any()
    if ours and release.assembly and ours != release.assembly and not identified:
        raise InputError(
            f"{name} is of {ours}, {release.name} of {release.assembly}, and the list has no VariationIDs; grade it by "
            f"a release of {ours}"
        )


def _figures(column: str, outcome: str, truth: np.ndarray, probability: np.ndarray, days: int | None) -> dict:
    auc, precision = Ranking(truth, probability).both()
    tops = tuple(top for top in TOPS if top <= len(truth))
    best = precision_at(truth, probability, tops) if tops else pd.DataFrame(columns=["top", "precision"])
    bins = calibration_table(truth, probability)
    ahead = years_ahead(column)
    judged = ahead is None or can_be_judged(ahead, days)
    return {
        "score": column,
        "outcome": outcome,
        "variants": len(truth),
        "observed": float(truth.mean()),
        "roc_auc": float(auc),
        "average_precision": float(precision),
        "ece": float(expected_calibration_error(truth, probability)) if judged else None,
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


def _became(facts: dict, release: Release) -> str:
    told = (
        f"Of {facts['variants']:,} variants {facts['several']:,} have several submitters in {release.name}, "
        f"{facts['conflict']:,} of them in conflict; {facts['single']:,} still have one, {facts['gone']:,} are not in "
        f"it, {facts['other']:,} have another status."
    )
    if facts["variants"] - facts["gone"] < FEW_FOUND * facts["variants"]:
        told += (
            " So few of its variants are in the release that they hardly belong together: is it of another assembly?"
        )
    if facts["days"] is not None:
        told += f" {facts['days'] / YEAR:.1f} years have passed since the list's release."
    if any(one["ece"] is None for one in facts["scores"]):
        why = "the horizon is another" if facts["days"] is not None else "the day of the list's release is not known"
        told += f" Where a chance at a horizon has no ECE, it is not judged: {why}."
    if any(years_ahead(one["score"]) for one in facts["scores"]):
        told += f" {in_sample()}"
    return told


def _words(scores: list[dict]) -> str:
    if not scores:
        return " Nothing can be graded: that takes variants of either class."
    return "".join(
        f" {one['score']} ({one['outcome']}): ROC AUC {one['roc_auc']:.3f}, average precision "
        f"{one['average_precision']:.3f}, {one['predicted']:.0%} predicted where it came true of {one['observed']:.0%}"
        + (f" (ECE {one['ece']:.3f})." if one["ece"] is not None else ".")
        for one in scores
    )
