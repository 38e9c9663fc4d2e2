"""SHAP values of a model's tree members, by feature and by evidence."""

from __future__ import annotations

import os
import warnings

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from matplotlib.figure import Figure
from sklearn.ensemble import ExtraTreesClassifier, HistGradientBoostingClassifier, RandomForestClassifier
from tqdm import TqdmWarning

from genomicslearning.autopilot.model import Model
from genomicslearning.features import BLOCKS, PartedColumns, Variants
from genomicslearning.features.blocks import TOKENS, by_block

STACKED = TOKENS.evidence
FORESTS = (RandomForestClassifier, ExtraTreesClassifier)
# Forests of full-grown trees take a hundred times longer a row than boosted ones.
BOOSTED_ROWS, FOREST_ROWS = 150, 40


def _shap():
    """The shap library, without its progress bar's advice to install widgets, which reports cannot show."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", TqdmWarning)
        import shap
    return shap


def tree_member(model: Model | None) -> str | None:
    """Name of the tree model to look into: the boosted one of the largest weight, else a forest; None without trees."""
    if model is None:
        return None
    weights = {name: member["weight"] for name, member in model.manifest["members"].items()}
    for kind in (_is_boosted, lambda classifier: isinstance(classifier, FORESTS)):
        found = [name for name, pipeline in model.pipelines.items() if kind(pipeline[-1])]
        if found:
            return max(found, key=lambda name: weights.get(name, 0.0))
    return None


def _is_boosted(classifier) -> bool:
    # LightGBM, which only a model that holds it has to load, is told by what it has.
    return isinstance(classifier, HistGradientBoostingClassifier) or hasattr(classifier, "booster_")


def _of_trees(classifier, matrix: np.ndarray) -> np.ndarray:
    """SHAP values (Lundberg et al. 2020), rows by columns; LightGBM computes the same ones itself, faster."""
    if hasattr(classifier, "booster_"):
        # Each row is one thread's: how many there are changes no value.
        return classifier.booster_.predict(matrix, pred_contrib=True, num_threads=os.cpu_count() or 1)[:, :-1]
    values = _shap().TreeExplainer(classifier).shap_values(matrix, check_additivity=False)
    return values[..., 1] if values.ndim == 3 else values


def shap_values(model: Model | None, table: pd.DataFrame, *, seed: int = 200) -> tuple[pd.DataFrame, pd.DataFrame]:
    """SHAP values (log odds, or probability for a forest) of the tree member, and the features they belong to.

    Rows are a sample of the table (150 for boosted trees, 40 for forests). Columns that stand for a stacked model are
    named as such, since their value mixes all evidence.

    Returns
    -------
    values and features, two DataFrames of one shape; empty where there is no model, or it has no trees.
    """
    name = tree_member(model)
    if model is None or name is None:
        return pd.DataFrame(), pd.DataFrame()
    pipeline = model.pipelines[name]
    rows = BOOSTED_ROWS if _is_boosted(pipeline[-1]) else FOREST_ROWS
    sample = table.sample(min(rows, len(table)), random_state=seed)
    features = pipeline[0].transform(Variants.read(sample, model.manifest["features"]))
    matrix = features
    for step in pipeline[1:-1]:
        matrix = step.transform(matrix)
    values = _of_trees(pipeline[-1], np.asarray(matrix))
    for step in pipeline[1:-1]:
        if isinstance(step, PartedColumns):
            values = step.added_up(values)
    names = [f"{column} ({STACKED})" if column == "token_score" else column for column in features.columns]
    return (
        pd.DataFrame(values[:, : len(names)], columns=names, index=sample.index),
        features.set_axis(names, axis=1),
    )


def by_evidence(values: pd.DataFrame) -> pd.Series:
    """Mean |SHAP| of each kind of evidence; the values of its features are added up first."""
    plain = [column for column in values.columns if STACKED not in column]
    evidence: dict[str, list[str]] = {}
    for block, columns in by_block(plain).items():
        evidence.setdefault(BLOCKS[block].evidence, []).extend(columns)
    found = {name: values[columns].sum(axis=1).abs().mean() for name, columns in evidence.items()}
    stacked = [column for column in values.columns if STACKED in column]
    if stacked:
        found[STACKED] = values[stacked].sum(axis=1).abs().mean()
    return pd.Series(found).sort_values(ascending=False)


def by_feature(values: pd.DataFrame, *, top: int = 15) -> pd.DataFrame:
    """The features of the largest mean |SHAP|: `feature`, `mean_abs_shap`, `what` (as the data dictionary has it)."""
    found = values.abs().mean().sort_values(ascending=False, kind="stable").head(top)
    documented = {name: what for block in BLOCKS.values() for name, what in block.columns.items()}
    what = [STACKED if STACKED in name else documented.get(name, "") for name in found.index]
    return pd.DataFrame({"feature": found.index, "mean_abs_shap": found.to_numpy(), "what": what})


def plot_summary(values: pd.DataFrame, features: pd.DataFrame, *, top: int = 12) -> Figure:
    """The shap library's summary: one dot a row and feature, coloured by the feature's value."""
    figure = plt.figure()  # shap draws on the current one
    short = [column.replace(STACKED, "stacked") for column in values.columns]
    _shap().summary_plot(
        values.to_numpy(), features.set_axis(short, axis=1), max_display=top, show=False, plot_size=(9, 5)
    )
    figure.axes[0].set_xlabel("SHAP value: to the right, towards conflict")
    return figure


def describe_summary(values: pd.DataFrame, features: pd.DataFrame | None = None, *, top: int = 5) -> str:
    """What `plot_summary` shows, with its numbers."""
    strongest = by_feature(values, top=top)
    parts = [f"{row.feature.partition(' ')[0]} {row.mean_abs_shap:.2f}" for row in strongest.itertuples()]
    return f"SHAP summary of {len(values)} test rows; features of the largest mean |SHAP|: {', '.join(parts)}."
