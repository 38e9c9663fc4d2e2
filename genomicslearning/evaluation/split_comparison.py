"""The same model under every split and with every feature set, beside baselines, with intervals.

A random split flatters: fields that exist only once several laboratories have submitted tell most of the label.
Each fit is kept in a folder, so that a table that was cut off goes on where it was.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Sequence
from os import PathLike
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from sklearn.compose import make_column_transformer
from sklearn.dummy import DummyClassifier
from sklearn.ensemble import HistGradientBoostingClassifier
from sklearn.impute import SimpleImputer
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import GroupKFold, StratifiedKFold
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder, StandardScaler
from threadpoolctl import threadpool_limits

from genomicslearning import clinvar
from genomicslearning.autopilot.cross_validation import table_sha256
from genomicslearning.evaluation.comparison import compare_models
from genomicslearning.evaluation.scores import (
    Ranking,
    expected_calibration_error,
    interval,
    precision_at,
    resample,
)
from genomicslearning.evaluation.strata import consequence
from genomicslearning.features import FEATURE_SETS
from genomicslearning.history.horizons import YEAR, why_lower
from genomicslearning.history.splits import KINDS, Split, gene_groups, split
from genomicslearning.history.submissions import UNCERTAIN, stated_class
from genomicslearning.io import lake
from genomicslearning.training_set.schema import AF_COLUMNS

# Rows to learn from, their groups, rows to judge by, feature set, key -> P(CLASS=1) of the rows to judge by.
Fit = Callable[[pd.DataFrame, np.ndarray | None, pd.DataFrame, str, str], np.ndarray]

BASELINES = ("majority", "allele frequency alone", "CADD alone", "logistic regression")
# The names of the baselines in metrics.json.
BASELINE_KEYS = {
    "majority": "majority",
    "allele frequency alone": "allele_frequency",
    "CADD alone": "cadd",
    "logistic regression": "logistic_regression",
    "classification alone": "classification",
    "VUS alone": "vus",
}
NO_CADD = "no training row has a CADD score (column CADD_PHRED); VEP's CADD plugin gives one"
# What the present classification alone is worth, where a single submission's is known.
CLASSIFICATION_BASELINES = ("classification alone", "VUS alone")
SIDES = {"VUS": "uncertain", "B/LB": "benign side", "P/LP": "pathogenic side"}
FOLDS = 5
TOP = 2000
MOST_ROWS = 100_000  # that dozens of fits are made on
NEAR = (2 / 3, 3 / 2)  # a horizon over the labels' distance, for labels to judge it
NEEDS_EARLIER = "needs earlier releases"
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
        digest = hashlib.sha256(json.dumps([name, features, *content]).encode()).hexdigest()[:12]
        key = f"{name}-{features}-{digest}"
        path = self.folder / f"{key}.npy"
        if path.is_file():
            return np.load(path, allow_pickle=False)
        self._say(f"fitting {name}, {features}, {len(train):,} rows")
        found = self._fit(train, groups, test, features, key)
        with lake.output(path) as [part], part.open("wb") as file:
            np.save(file, found)
        return found


def impossible_baselines(train: pd.DataFrame) -> dict[str, str]:
    """Baselines that cannot be learnt from these rows, name -> why."""
    scored = "CADD_PHRED" in train and pd.to_numeric(train["CADD_PHRED"], errors="coerce").notna().any()
    return {} if scored else {"CADD alone": NO_CADD}


def classification_baselines(learning: pd.DataFrame, test: pd.DataFrame) -> dict[str, np.ndarray]:
    """P(CLASS=1) of the test rows from nothing but what the single submission said (`CLASSIFICATION_BASELINES`).

    `classification alone`: the share of conflicts among the rows to learn from that said the same, drawn towards the
    share of all by ten rows. `VUS alone`: whether it said uncertain significance. Empty where no row of either says.
    """
    if "prior_CLNSIG" not in test or "prior_CLNSIG" not in learning or learning["prior_CLNSIG"].notna().sum() == 0:
        return {}
    overall = learning["CLASS"].mean()
    said = (
        learning["CLASS"].groupby(learning["prior_CLNSIG"].map(stated_class, na_action="ignore")).agg(["sum", "size"])
    )
    rates = (said["sum"] + 10 * overall) / (said["size"] + 10)
    now = test["prior_CLNSIG"].map(stated_class, na_action="ignore")
    return {
        "classification alone": now.map(rates).astype(float).fillna(overall).to_numpy(),
        "VUS alone": (now == UNCERTAIN).to_numpy(dtype=float),
    }


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
    named = [name for name in predictions if name.startswith("probability_")]
    years = [int(name.removeprefix("probability_").removesuffix("y")) for name in named]
    for name, ahead in zip(named, years, strict=True):
        chance = predictions[name].to_numpy()
        near = days is not None and NEAR[0] <= ahead * YEAR / days <= NEAR[1]
        error = expected_calibration_error(truth, chance) if near else np.nan
        rows.append((name, chance.mean(), truth.mean(), error))
    table = pd.DataFrame(rows, columns=["score", "predicted", "observed", "ece"])
    if days is None:
        words = (
            "How far after the release the labels lie is not known, so that no horizon is judged by them: "
            "give the date of the table's release (-p table_date 2018-04-01)."
        )
    else:
        words = (
            f"The labels lie {days / YEAR:.1f} years after the release; a horizon far from that is not judged by them."
        )
    if years:
        words = f"{words} {why_lower(years)}".rstrip()
    return table, words


def _side(text: str) -> str | None:
    groups = {name for term in text.replace("|", "/").split("/") if (name := clinvar.group(term))}
    return SIDES[groups.pop()] if len(groups) == 1 else None


def baselines(train: pd.DataFrame, test: pd.DataFrame) -> dict[str, np.ndarray]:
    """P(CLASS=1) of the test rows from models that know next to nothing, by name (`BASELINES`).

    Those of `impossible_baselines` are left out. The single numbers go through a small gradient boosting, because the
    chance of conflict rises and falls again with allele frequency. The logistic regression reads frequencies, CADD and
    the worst consequence.
    """
    labels = train["CLASS"].to_numpy()
    one, two = _numbers(train), _numbers(test)
    frequency = [f"log {column}" for column in AF_COLUMNS]
    regression = make_pipeline(
        make_column_transformer(
            (
                make_pipeline(SimpleImputer(add_indicator=True, keep_empty_features=True), StandardScaler()),
                [*frequency, "CADD"],
            ),
            (OneHotEncoder(handle_unknown="ignore", min_frequency=20), ["consequence"]),
        ),
        LogisticRegression(max_iter=1000),
    )
    models = {
        "majority": (DummyClassifier(strategy="prior"), frequency),
        "allele frequency alone": (_small_boosting(), frequency),
        "CADD alone": (_small_boosting(), ["CADD"]),
        "logistic regression": (regression, [*frequency, "CADD", "consequence"]),
    }
    for name in impossible_baselines(train):
        del models[name]
    with threadpool_limits(1):  # so little work a tree that threads would mostly wait for each other
        return {
            name: model.fit(one[columns], labels).predict_proba(two[columns])[:, 1]
            for name, (model, columns) in models.items()
        }


def _small_boosting() -> HistGradientBoostingClassifier:
    return HistGradientBoostingClassifier(max_iter=60, max_leaf_nodes=8, early_stopping=False, random_state=0)


def _numbers(table: pd.DataFrame) -> pd.DataFrame:
    found = {
        f"log {column}": np.log10(pd.to_numeric(table[column], errors="coerce").fillna(0.0) + 1e-6)
        for column in AF_COLUMNS
    }
    found["CADD"] = pd.to_numeric(table["CADD_PHRED"], errors="coerce") if "CADD_PHRED" in table else np.nan
    found["consequence"] = consequence(table)
    return pd.DataFrame(found)


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
    compared = compare_models(labels, scores, reference="model", groups=groups, seed=seed, resampled=resampled)
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
    rows = []
    given: dict[str, Any] = {"train_fraction": train_fraction, "seed": seed, "earlier": earlier, "assembly": assembly}
    for kind in KINDS:
        if kind == "time" and not earlier:
            rows += [{"split": kind, "model": name, "note": NEEDS_EARLIER} for name in (*FEATURE_SETS, *BASELINES)]
            continue
        parts = split(table, kind, **given)
        together = [features for features in FEATURE_SETS if features != "prospective" or kind == "time"]
        scores = {features: fitted(fit, table, parts, features) for features in together}
        scores |= baselines(parts.train, parts.test)
        scores |= classification_baselines(parts.to_learn_from()[0], parts.test)
        notes = dict.fromkeys(scores, "baseline") | dict.fromkeys(together, "")
        if kind == "time":
            notes["all"] = LEAKS_FUTURE
        found, _ = _rows(parts.test["CLASS"].to_numpy(), scores, parts.test_groups, seed)
        rows += [{"split": kind, **row, "note": notes[row["model"]]} for row in found]
        rows += [{"split": kind, "model": name, "note": why} for name, why in impossible_baselines(parts.train).items()]
        if kind != "time":
            rows += _prospective(table, fit, kind, given, release)
    return pd.DataFrame(rows)


def _prospective(
    table: pd.DataFrame, fit: CachedFits, kind: str, given: dict[str, Any], release: str | PathLike
) -> list[dict]:
    """`prospective` under a split of rows or genes: on rows of its own, those whose single submission is known."""
    if not (given["earlier"] or release):
        return [{"split": kind, "model": "prospective", "note": NEEDS_EARLIER}]
    parts = split(table, kind, features="prospective", release=release, **given)
    scores = {"prospective": fitted(fit, table, parts, "prospective")}
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
    each fold leaves a fifth of the training rows out, which tells how much the figure hangs on them.
    """
    rows: list[dict[str, object]] = []
    for kind in KINDS:
        if kind == "time" and not earlier:
            rows.append({"split": kind, "note": NEEDS_EARLIER})
            continue
        names = [name for name in features if name != "all"] + ["prospective"] if kind == "time" else features
        for name in dict.fromkeys(names):
            found = [
                (Ranking(labels, score).roc_auc(), Ranking(labels, score).average_precision())
                for labels, score in _folds(table, fit, kind, name, earlier, assembly, seed)
            ]
            (auc, precision), (auc_spread, precision_spread) = np.mean(found, axis=0), np.std(found, axis=0, ddof=1)
            rows.append(
                {
                    "split": kind,
                    "model": name,
                    "folds": len(found),
                    "roc_auc": auc,
                    "roc_auc_spread": auc_spread,
                    "average_precision": precision,
                    "average_precision_spread": precision_spread,
                    "note": "a fifth of the training rows left out" if kind == "time" else "",
                }
            )
    return pd.DataFrame(rows)


def _folds(table, fit, kind, features, earlier, assembly, seed):
    """Labels and probabilities of each fold's test rows."""
    if kind == "time":
        parts = split(table, kind, earlier=earlier, assembly=assembly)
        left_out = StratifiedKFold(FOLDS, shuffle=True, random_state=seed).split(parts.train, parts.train["CLASS"])
        for number, (_, rows) in enumerate(left_out):
            train, groups = parts.without(rows)
            yield parts.test["CLASS"].to_numpy(), fit(f"cv{number}-{kind}", train, groups, parts.test, features)
        return
    groups = gene_groups(table) if kind == "gene" else None
    if groups is None:
        folds = StratifiedKFold(FOLDS, shuffle=True, random_state=seed).split(table, table["CLASS"])
    else:
        folds = GroupKFold(FOLDS, shuffle=True, random_state=seed).split(table, groups=groups)
    for number, (train, test) in enumerate(folds):
        inner = None if groups is None else groups[train]
        held_out = table.iloc[test]
        yield held_out["CLASS"].to_numpy(), fit(f"cv{number}-{kind}", table.iloc[train], inner, held_out, features)
