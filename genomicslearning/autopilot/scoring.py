"""P(CLASS = 1) by a fitted classifier, with trees walked the way that costs least.

Equal, bit for bit, to ``predict_proba(rows)[:, 1]``: a test holds it, as scikit-learn's private methods are used here.
"""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np
import pandas as pd
from scipy.special import expit
from sklearn.ensemble import ExtraTreesClassifier, HistGradientBoostingClassifier, RandomForestClassifier
from sklearn.impute import SimpleImputer
from sklearn.pipeline import Pipeline

from genomicslearning.features import ScoredFeatures, TokenScore, Variants

FORESTS = (ExtraTreesClassifier, RandomForestClassifier)


def positive(classifier: Pipeline, rows: pd.DataFrame) -> np.ndarray:
    """P(CLASS=1) of rows of evidence.

    Parameters
    ----------
    classifier : what follows the evidence in a fitted pipeline.
    rows : output of the evidence step.
    """
    if isinstance(classifier[-1], FORESTS):
        values = np.asarray(rows, np.float32)
        for _, step in classifier.steps[:-1]:
            values = _imputed(step, values)
        return _forest(classifier[-1], values)
    if isinstance(classifier[-1], HistGradientBoostingClassifier) and len(classifier) == 1:
        return _boosted(classifier[-1], rows)
    if hasattr(classifier[-1], "booster_"):
        values = rows
        for _, step in classifier.steps[:-1]:
            values = step.transform(values)
        # LightGBM itself, without the checks of its scikit-learn side, which cost more than a few rows do.
        return np.asarray(classifier[-1].booster_.predict(np.asarray(values, np.float32), num_threads=1))
    return classifier.predict_proba(rows)[:, 1]


def _imputed(imputer: SimpleImputer, values: np.ndarray) -> np.ndarray:
    """Missing values filled, without the checks of a table's columns, which cost more than a few rows do."""
    return np.where(np.isnan(values), imputer.statistics_.astype(np.float32), values)


def _forest(forest: ExtraTreesClassifier | RandomForestClassifier, rows: np.ndarray) -> np.ndarray:
    """Mean of the trees' shares. Rows that one tree finds alike go side by side, since their paths through the others
    are alike too and stay in the processor's cache: twice as fast as in the table's order."""
    trees = [estimator.tree_ for estimator in forest.estimators_]
    order = np.argsort(trees[0].apply(rows), kind="stable")
    rows = np.ascontiguousarray(rows[order])
    total = np.zeros(len(rows))
    for tree in trees:
        total += tree.value[tree.apply(rows), 0, 1]
    result = np.empty_like(total)
    result[order] = total / len(trees)
    return result


def _boosted(boosted: HistGradientBoostingClassifier, rows: pd.DataFrame) -> np.ndarray:
    """Walk binned values, as fitting does, a row's side by side: the public method walks raw ones."""
    binned = np.ascontiguousarray(boosted._bin_mapper.transform(rows.to_numpy(np.float64)))
    raw = np.full((len(rows), 1), boosted._baseline_prediction, order="F")
    boosted._predict_iterations(binned, boosted._predictors, raw, is_binned=True, n_threads=1)
    return expit(raw[:, 0])


def member_probabilities(pipelines: Iterable[Pipeline], variants: Variants) -> list[np.ndarray]:
    """P(CLASS=1) of each row by each fitted pipeline; what their first steps have in common is computed once."""
    evidence: dict[int, object] = {}
    return [positive(pipeline[1:], _transformed(pipeline[0], variants, evidence)) for pipeline in pipelines]


def _transformed(step, variants: Variants, kept: dict[int, object]):
    """An evidence step's output; members that share a step, or its columns, share the output."""
    if id(step) not in kept:
        if isinstance(step, ScoredFeatures):
            parts = (_transformed(part, variants, kept) for part in (step.columns_, *step.scores_))
            kept[id(step)] = ScoredFeatures.joined(*parts)
        elif isinstance(step, TokenScore):
            kept[id(step)] = step.of_matrix(_transformed(step.vectorizer_, variants, kept))
        else:
            kept[id(step)] = step.transform(variants)
    return kept[id(step)]
