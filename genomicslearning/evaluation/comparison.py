"""Is one model better than another: DeLong's test, a paired bootstrap, and Holm's correction for many comparisons."""

from __future__ import annotations

from math import erfc, sqrt

import numpy as np
import pandas as pd

from genomicslearning.evaluation.scores import RESAMPLES, Ranking, interval, resample

NORMAL = 1.959963984540054  # 97.5 % quantile of the normal distribution
STATISTICS = ("roc_auc", "average_precision")  # in the order of `Ranking.both`


def delong(labels, *scores) -> tuple[np.ndarray, np.ndarray]:
    """Areas under the ROC curves of one or more scores on the same rows, and their covariance matrix.

    DeLong, DeLong & Clarke-Pearson (1988) in the rank form of Sun & Xu (2014): n log n, ties counted half.

    Returns
    -------
    areas, shape (scores,), and covariance, shape (scores, scores); NaN covariance with fewer than two rows of a class.
    """
    labels = np.asarray(labels) == 1
    n_positive, n_negative = int(labels.sum()), int((~labels).sum())
    of_positives, of_negatives = [], []
    for score in scores:
        score = np.asarray(score, dtype=np.float64)
        ranks = _ranks(score)
        of_positives.append((ranks[labels] - _ranks(score[labels])) / n_negative)
        of_negatives.append(1 - (ranks[~labels] - _ranks(score[~labels])) / n_positive)
    above, below = np.array(of_positives), np.array(of_negatives)
    if min(n_positive, n_negative) < 2:
        return above.mean(axis=1), np.full((len(scores),) * 2, np.nan)
    covariance = np.atleast_2d(np.cov(above)) / n_positive + np.atleast_2d(np.cov(below)) / n_negative
    return above.mean(axis=1), covariance


def _ranks(scores: np.ndarray) -> np.ndarray:
    """Ranks from 1; equal scores share the mean of theirs (mid-ranks)."""
    return pd.Series(scores).rank().to_numpy()


def delong_test(labels, first, second) -> dict:
    """Two-sided test that two scores have the same area under the ROC curve on the same (independent) rows.

    Areas that differ without any variance (one parts the classes, the other is constant) differ for certain: p is 0.

    Keys: `first`, `second` (areas), `difference` (first - second), `low`, `high` (95 %), `z`, `p`.
    """
    areas, covariance = delong(labels, first, second)
    difference = float(areas[0] - areas[1])
    error = float(np.sqrt(max(covariance[0, 0] + covariance[1, 1] - 2 * covariance[0, 1], 0.0)))
    z = difference / error if error else np.sign(difference) * np.inf if difference else 0.0
    half = NORMAL * error
    return {
        "first": float(areas[0]),
        "second": float(areas[1]),
        "difference": difference,
        "low": difference - half,
        "high": difference + half,
        "z": float(z),
        "p": erfc(abs(z) / sqrt(2)),  # both tails of the normal distribution
    }


def paired_bootstrap(
    labels,
    first,
    second,
    *,
    statistic: str = "average_precision",
    groups=None,
    seed: int = 200,
    resamples: int = RESAMPLES,
) -> dict:
    """Difference of two scores' `roc_auc` or `average_precision`, both computed on the same resamples.

    The p-value is twice the smaller share of resamples on either side of zero, never below 2 / (resamples + 1). Use
    it with `groups` where rows of one gene are alike: DeLong's test assumes independent rows.
    """
    one, two = Ranking(labels, first), Ranking(labels, second)
    of_one, of_two = resample(labels, [one, two], groups=groups, seed=seed, resamples=resamples)
    return _difference(one, two, of_one, of_two, statistic)


def _difference(first: Ranking, second: Ranking, of_first: np.ndarray, of_second: np.ndarray, statistic: str) -> dict:
    """One row of a comparison; `of_first` and `of_second` are the two on the same resamples (`resample`)."""
    one, two = (getattr(ranking, statistic)() for ranking in (first, second))
    differences = (of_first - of_second)[:, STATISTICS.index(statistic)]
    differences = differences[~np.isnan(differences)]
    low, high = interval(differences)
    side = min((differences <= 0).sum(), (differences >= 0).sum())
    return {
        "first": one,
        "second": two,
        "difference": one - two,
        "low": low,
        "high": high,
        "p": float(min(1.0, 2 * (side + 1) / (len(differences) + 1))),
        "resamples": len(differences),
    }


def holm(p_values) -> np.ndarray:
    """Holm's (1979) adjusted p-values: the chance of any false claim among all comparisons stays below the level."""
    p_values = np.asarray(p_values, dtype=np.float64)
    order = np.argsort(p_values)
    stepped = np.maximum.accumulate((len(p_values) - np.arange(len(p_values))) * p_values[order])
    adjusted = np.empty_like(p_values)
    adjusted[order] = stepped.clip(max=1.0)
    return adjusted


def compare_models(
    labels, scores: dict, *, reference: str, groups=None, seed: int = 200, resampled: np.ndarray | None = None
) -> pd.DataFrame:
    """Each score against `reference`: difference of ROC AUC and of average precision with 95 % intervals.

    The p-values (paired bootstrap; whole genes with `groups`) are Holm-adjusted over all rows and both measures.
    `resampled` is what `resample` gives for these scores in their order, where it is known already.
    """
    rankings = {name: Ranking(labels, score) for name, score in scores.items()}
    if resampled is None:
        resampled = resample(labels, list(rankings.values()), groups=groups, seed=seed)
    drawn = dict(zip(rankings, resampled, strict=True))
    rows = [
        {"against": name, "measure": statistic}
        | _difference(rankings[reference], ranking, drawn[reference], drawn[name], statistic)
        for name, ranking in rankings.items()
        if name != reference
        for statistic in STATISTICS
    ]
    table = pd.DataFrame(rows)
    if len(table):
        table["p_holm"] = holm(table["p"])
    return table
