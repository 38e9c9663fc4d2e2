"""The same model under every split and with every feature set, beside baselines, with intervals.

A random split flatters: fields that exist only once several laboratories have submitted tell most of the label.
Each fit is kept in a folder, so that a table that was cut off goes on where it was.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Iterable, Sequence
from os import PathLike
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from genomicslearning import InputError, __version__, clinvar
from genomicslearning.autopilot.cross_validation import fold_count, table_sha256
from genomicslearning.evaluation.baselines import (
    BASELINE_KEYS,
    BASELINES,
    baselines,
    classification_baselines,
    impossible_baselines,
)
from genomicslearning.evaluation.comparison import compare_models
from genomicslearning.evaluation.scores import (
    Ranking,
    expected_calibration_error,
    interval,
    precision_at,
    resample,
)
from genomicslearning.features import FEATURE_SETS, folds
from genomicslearning.history.horizons import YEAR, can_be_judged, in_sample, why_lower, years_ahead
from genomicslearning.history.repeated import first_of_repeated
from genomicslearning.history.splits import KINDS, Split, gene_groups, split
from genomicslearning.io import lake

# Rows to learn from, their groups, rows to judge by, feature set, key -> P(CLASS=1) of the rows to judge by.
Fit = Callable[[pd.DataFrame, np.ndarray | None, pd.DataFrame, str, str], np.ndarray]

SIDES = {"VUS": "uncertain", "B/LB": "benign side", "P/LP": "pathogenic side"}
FOLDS = 5
TOP = 2000
MOST_ROWS = 100_000  # that dozens of fits are made on
NEEDS_EARLIER = "needs earlier releases"
_FIGURES = [
    "split", "model", "roc_auc", "roc_auc_low", "roc_auc_high", "average_precision", "average_precision_low",
    "average_precision_high", f"top_{TOP}", "ece", "n", "n_positive", "note",
]  # fmt: skip
LEAKS_FUTURE = "CONTRAST, NOT A RESULT: reads fields of the later release, so it leaks the future"


def autopilot_fit(folder: str | PathLike, *, preset: str = "quick", seed: int = 200, progress=None) -> Fit:
    """Fit with the local autopilot; its jobs are kept in `folder`."""

    def fit(train, groups, test, features, key) -> np.ndarray:
        from genomicslearning import autopilot

        job = autopilot.start(
            train,
            folder=folder,
            name=key,
            preset=preset,
            features=features,
            seed=seed,
            groups=groups,
            progress=progress or (lambda text: None),
        )
        return job.wait().model().predict(test)

    return fit


class CachedFits:
    """Probabilities of fits, kept as files named by what went into them."""

    def __init__(self, folder: str | PathLike, fit: Fit, *, say: Callable[[str], None] | None = None):
        self.folder, self._fit = Path(folder), fit
        self._say = say or (lambda text: None)

    def __call__(
        self, name: str, train: pd.DataFrame, groups: np.ndarray | None, test: pd.DataFrame, features: str
    ) -> np.ndarray:
        """Probabilities of the test rows, from the folder where this very fit is there."""
        content = [table_sha256(rows) for rows in (train, test)]
        content.append("" if groups is None else hashlib.sha256(np.asarray(groups).tobytes()).hexdigest())
        digest = hashlib.sha256(json.dumps([__version__, name, features, *content]).encode()).hexdigest()[:12]
        key = f"{name}-{features}-{digest}"
        path = self.folder / f"{key}.npy"
        if path.is_file():
            return np.load(path, allow_pickle=False)
        self._say(f"fitting {name}, {features}, {len(train):,} rows")
        found = self._fit(train, groups, test, features, key)
        with lake.output(path) as [part], part.open("wb") as file:
            np.save(file, found)
        return found


def within_classification(test: pd.DataFrame, probability: np.ndarray) -> pd.DataFrame:
    """Ranking within those that said the same (uncertain, benign side, pathogenic side), beside all of them.

    What is left once the classification is known: a model that only repeats it has a ROC AUC of .5 in each.
    """
    groups = test["prior_CLNSIG"].map(_side, na_action="ignore")
    labels, rows = test["CLASS"].to_numpy(), []
    for side in ("all", *SIDES.values()):
        chosen = np.ones(len(test), bool) if side == "all" else (groups == side).to_numpy()
        if chosen.sum() < 2 or len(np.unique(labels[chosen])) < 2:
            continue
        auc, precision = Ranking(labels[chosen], np.asarray(probability)[chosen]).both()
        observed, predicted = labels[chosen].mean(), np.asarray(probability)[chosen].mean()
        rows.append((side, int(chosen.sum()), observed, predicted, auc, precision))
    return pd.DataFrame(
        rows, columns=["classification", "rows", "observed", "predicted", "roc_auc", "average_precision"]
    )


def at_horizons(truth: np.ndarray, predictions: pd.DataFrame, days: int | None) -> tuple[pd.DataFrame, str]:
    """The probabilities of each horizon beside what the labels show, and in words which of them the labels can judge.

    Calibration is judged (`ece`) only of a horizon about as far ahead as the labels are: `days` from the release to
    the labels, None where it is not known.
    """
    rows = []
    years = {name: ahead for name in predictions if (ahead := years_ahead(name))}
    for name, ahead in years.items():
        chance = predictions[name].to_numpy()
        error = expected_calibration_error(truth, chance) if can_be_judged(ahead, days) else np.nan
        rows.append((name, chance.mean(), truth.mean(), error))
    table = pd.DataFrame(rows, columns=["score", "predicted", "observed", "ece"])
    if days is None:
        words = (
            "How far after the release the labels lie is not known, so that no horizon is judged by them: "
            "give the date of the table's release (-p table_date 2018-04-01)."
        )
    else:
        words = (
            f"The labels lie {days / YEAR:.1f} years after the release; a horizon far from that is not judged by them. "
            f"{in_sample()}"
        )
    if years:
        words = f"{words} {why_lower([*years.values()])}".rstrip()
    return table, words


def _side(text: str) -> str | None:
    groups = {name for term in text.replace("|", "/").split("/") if (name := clinvar.group(term))}
    return SIDES[groups.pop()] if len(groups) == 1 else None


def baseline_table(
    train: pd.DataFrame,
    test: pd.DataFrame,
    probability: np.ndarray,
    *,
    learning: pd.DataFrame | None = None,
    groups=None,
    seed: int = 200,
):
    """The model beside the baselines on one split: figures with intervals, and the test of each difference.

    Returns
    -------
    table of figures and table of comparisons (`compare_models`, Holm-adjusted over both measures and all baselines).
    A baseline that cannot be learnt has a row without figures whose `note` says why.
    """
    labels = test["CLASS"].to_numpy()
    scores = {"model": np.asarray(probability), **baselines(train, test)}
    scores |= classification_baselines(train if learning is None else learning, test)
    table, resampled = _rows(labels, scores, groups, seed)
    table += [{"model": name, "note": why} for name, why in impossible_baselines(train).items()]
    compared = compare_models(labels, scores, reference="model", resampled=resampled)
    return pd.DataFrame(table), compared


def baseline_metrics(figures: pd.DataFrame) -> dict:
    """What metrics.json says of the baselines, from the first table of `baseline_table`.

    Keys: `baselines` (name -> `roc_auc`, `average_precision`; null where it cannot be learnt) and `notes`, the reason
    of each null by the figure's name.
    """
    found: dict[str, dict | None] = {}
    notes = {}
    for row in figures.to_dict("records"):
        if (key := BASELINE_KEYS.get(row["model"])) is None:
            continue
        known = pd.notna(row["roc_auc"])
        found[key] = {name: row[name] for name in ("roc_auc", "average_precision")} if known else None
        if not known:
            notes[f"baselines.{key}"] = row["note"]
    return {"baselines": found, "notes": notes}


def _rows(labels, scores: dict[str, np.ndarray], groups, seed: int) -> tuple[list[dict], np.ndarray]:
    """A row of figures for each score of the same rows, and their resampled values (`resample`)."""
    resampled = resample(labels, [Ranking(labels, score) for score in scores.values()], groups=groups, seed=seed)
    rows = []
    for (name, score), drawn in zip(scores.items(), resampled, strict=True):
        auc, precision = Ranking(labels, score).both()
        (auc_low, auc_high), (precision_low, precision_high) = interval(drawn[:, 0]), interval(drawn[:, 1])
        top = precision_at(labels, score, (TOP,))
        rows.append(
            {
                "model": name,
                "roc_auc": auc,
                "roc_auc_low": auc_low,
                "roc_auc_high": auc_high,
                "average_precision": precision,
                "average_precision_low": precision_low,
                "average_precision_high": precision_high,
                f"top_{TOP}": top["precision"].iloc[0] if len(top) else np.nan,
                "ece": expected_calibration_error(labels, score),
                "n": len(labels),
                "n_positive": int(labels.sum()),
            }
        )
    return rows, resampled


def few_enough(table: pd.DataFrame, *, seed: int) -> tuple[pd.DataFrame, str]:
    """The rows that splits are compared on, as many as `MOST_ROWS` drawn by seed, and a note where there are more."""
    if len(table) <= MOST_ROWS:
        return table, ""
    drawn = table.sample(MOST_ROWS, random_state=seed).sort_index().reset_index(drop=True)
    return drawn, f"On {MOST_ROWS:,} of {len(table):,} rows, drawn with seed {seed}."


def compare_splits(
    table: pd.DataFrame,
    fit: CachedFits,
    *,
    earlier: Sequence[str | PathLike] = (),
    assembly: str = "",
    release: str | PathLike = "",
    train_fraction: float = 0.8,
    seed: int = 200,
) -> pd.DataFrame:
    """Every split by every feature set, and the baselines under every split.

    Columns: `split`, `model` (a feature set or a baseline), the figures, and `note`, which says why a cell is empty or
    marks a figure that is no result.
    """
    rows: list[dict] = []
    given: dict[str, Any] = {"train_fraction": train_fraction, "seed": seed, "earlier": earlier, "assembly": assembly}
    for kind in KINDS:
        rows += _of_kind(table, fit, kind, given)
        if kind != "time":
            rows += _prospective(table, fit, kind, given, release)
    return pd.DataFrame(rows).reindex(columns=_FIGURES)


def _of_kind(table: pd.DataFrame, fit: CachedFits, kind: str, given: dict[str, Any]) -> list[dict]:
    """A split by every feature set that has its rows, and the baselines beside them."""
    together = [features for features in FEATURE_SETS if features != "prospective" or kind == "time"]
    if kind == "time" and not given["earlier"]:
        return _impossible(kind, dict.fromkeys((*together, *BASELINES), NEEDS_EARLIER))
    try:
        parts = split(table, kind, **given)
    except InputError as problem:
        return _impossible(kind, dict.fromkeys((*together, *BASELINES), str(problem)))
    scores, impossible = _fitted_where_possible(fit, table, parts, together)
    scores |= baselines(parts.train, parts.test)
    scores |= classification_baselines(parts.to_learn_from()[0], parts.test)
    notes = dict.fromkeys(scores, "baseline") | dict.fromkeys(together, "")
    if kind == "time":
        notes["all"] = LEAKS_FUTURE
    found, _ = _rows(parts.test["CLASS"].to_numpy(), scores, parts.test_groups, given["seed"])
    rows = [{"split": kind, **row, "note": notes[row["model"]]} for row in found]
    return rows + _impossible(kind, impossible | impossible_baselines(parts.train))


def _impossible(kind: str, why: dict[str, str]) -> list[dict]:
    return [{"split": kind, "model": name, "note": reason} for name, reason in why.items()]


def _fitted_where_possible(
    fit: CachedFits, table: pd.DataFrame, parts: Split, names: Sequence[str]
) -> tuple[dict[str, np.ndarray], dict[str, str]]:
    """Probabilities by feature set, and why there are none: the rows of another split than the run's may be too few."""
    scores, impossible = {}, {}
    for features in names:
        try:
            scores[features] = fitted(fit, table, parts, features)
        except InputError as problem:
            impossible[features] = str(problem)
    return scores, impossible


def _prospective(
    table: pd.DataFrame, fit: CachedFits, kind: str, given: dict[str, Any], release: str | PathLike
) -> list[dict]:
    """`prospective` under a split of rows or genes: on rows of its own, those whose single submission is known."""
    if not (given["earlier"] or release):
        return _impossible(kind, {"prospective": NEEDS_EARLIER})
    try:
        parts = split(table, kind, features="prospective", release=release, **given)
        scores = {"prospective": fitted(fit, table, parts, "prospective")}
    except InputError as problem:
        return _impossible(kind, {"prospective": str(problem)})
    scores |= classification_baselines(parts.to_learn_from()[0], parts.test)
    found, _ = _rows(parts.test["CLASS"].to_numpy(), scores, parts.test_groups, given["seed"])
    return [{"split": kind, **row, "note": "rows of its own: what one submission said is known"} for row in found]


def fitted(fit: CachedFits, table: pd.DataFrame, parts: Split, features: str) -> np.ndarray:
    """Probabilities of a split's test rows from a model of these features.

    `all` under the time split is the marked contrast: it gets the later release's own cells back.
    """
    train, groups = parts.to_learn_from()
    test = parts.test
    if parts.kind == "time" and features == "all":
        labels = parts.train["CLASS"]
        train, groups = table.loc[parts.train.index].assign(CLASS=labels), None
        test = table.loc[test.index]
    return fit(parts.kind, train, groups, test, features)


def cross_validation(
    table: pd.DataFrame,
    fit: CachedFits,
    *,
    features: Sequence[str] = ("all", "biology"),
    earlier: Sequence[str | PathLike] = (),
    assembly: str = "",
    seed: int = 200,
) -> pd.DataFrame:
    """Mean and spread (standard deviation) of ROC AUC and average precision over five folds of each split.

    `random`: stratified folds; `gene`: folds of whole gene groups; `time`: the test rows are fixed by the releases, so
    each fold leaves a fifth of the training rows out, which tells how much the figure hangs on them. There are fewer
    folds where a class or the gene groups are fewer; where there can be none, `note` says why. Of a variant that
    stands in several rows the first is taken.
    """
    table, _ = first_of_repeated(table)  # else a variant is learnt from and asked for
    rows: list[dict[str, object]] = []
    for kind in KINDS:
        if kind == "time" and not earlier:
            rows.append({"split": kind, "note": NEEDS_EARLIER})
            continue
        names = [name for name in features if name != "all"] + ["prospective"] if kind == "time" else features
        for name in dict.fromkeys(names):
            try:
                figures = _over_folds(_folds(table, fit, kind, name, earlier, assembly, seed))
                note = "a fifth of the training rows left out" if kind == "time" else ""
            except InputError as problem:
                figures, note = {}, str(problem)
            rows.append({"split": kind, "model": name, **figures, "note": note})
    return pd.DataFrame(rows).reindex(columns=["split", "model", "folds", *_OVER_FOLDS, "note"])


_OVER_FOLDS = ("roc_auc", "roc_auc_spread", "average_precision", "average_precision_spread")


def _over_folds(folds: Iterable[tuple[np.ndarray, np.ndarray]]) -> dict[str, float]:
    """How many folds, and mean and spread of the figures of their labels and scores."""
    found = []
    for labels, score in folds:
        if len(np.unique(labels)) < 2:
            raise InputError("the rows of a fold are all of one class; give more rows, or genes, of both")
        found.append(Ranking(labels, score).both())
    (auc, precision), (auc_spread, precision_spread) = np.mean(found, axis=0), np.std(found, axis=0, ddof=1)
    figures = dict(zip(_OVER_FOLDS, (auc, auc_spread, precision, precision_spread), strict=True))
    return {"folds": len(found), **figures}


def _folds(table, fit, kind, features, earlier, assembly, seed):
    """Labels and probabilities of each fold's test rows."""
    if kind == "time":
        parts = split(table, kind, earlier=earlier, assembly=assembly)
        labels = parts.train["CLASS"].to_numpy()
        left_out = folds(fold_count(FOLDS, labels, None), labels, None, seed)
        for number, (_, rows) in enumerate(left_out):
            train, groups = parts.without(rows)
            yield parts.test["CLASS"].to_numpy(), fit(f"cv{number}-{kind}", train, groups, parts.test, features)
        return
    groups = gene_groups(table) if kind == "gene" else None
    labels = table["CLASS"].to_numpy()
    shared_out = folds(fold_count(FOLDS, labels, groups), labels, groups, seed)
    for number, (train, test) in enumerate(shared_out):
        inner = None if groups is None else groups[train]
        held_out = table.iloc[test]
        yield held_out["CLASS"].to_numpy(), fit(f"cv{number}-{kind}", table.iloc[train], inner, held_out, features)
