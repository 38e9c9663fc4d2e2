"""Metrics of a binary classifier with bootstrap intervals, its curves, its calibration and what each threshold costs.

Throughout, `labels` are 0 or 1 (1 = conflicting) and `probabilities` are P(label = 1), one a row. The bootstrap draws
rows within each class, so that every resample has both, or whole groups (genes) where `groups` is given: rows of one
gene are alike, and drawing them one by one would make intervals too narrow.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor

import numpy as np
import pandas as pd

from genomicslearning import InputError

RESAMPLES = 1000
LEVEL = 0.95
# From so many rows on a resample's curves are added up beside the drawing of the next ones.
MANY_ROWS = 10_000
CALIBRATION_BINS = 15


def metrics(
    labels,
    probabilities,
    threshold: float,
    *,
    split: str = "random",
    groups=None,
    seed: int = 200,
    resamples: int = RESAMPLES,
) -> dict:
    """The figures of `metrics.json`.

    `roc_auc` and `average_precision` come with `<key>_ci`, the 95 % percentile interval of a bootstrap. `precision`,
    `recall` and `f1` are of class 1 where the probability reaches `threshold`; precision is 0 when nothing does.
    """
    from sklearn.metrics import log_loss

    labels, probabilities = _checked(labels, probabilities)
    ranking = Ranking(labels, probabilities)
    resampled = resample(labels, [ranking], groups=groups, seed=seed, resamples=resamples)[0]
    called = probabilities >= threshold
    hits = int((called & (labels == 1)).sum())
    n_called, n_positive = int(called.sum()), int(labels.sum())
    return {
        "roc_auc": ranking.roc_auc(),
        "roc_auc_ci": interval(resampled[:, 0]),
        "average_precision": ranking.average_precision(),
        "average_precision_ci": interval(resampled[:, 1]),
        "brier": float(((probabilities - labels) ** 2).mean()),
        "log_loss": float(log_loss(labels, probabilities, labels=[0, 1])),
        "ece": expected_calibration_error(labels, probabilities),
        "accuracy": float((called == (labels == 1)).mean()),
        "precision": hits / n_called if n_called else 0.0,
        "recall": hits / n_positive,
        "f1": 2 * hits / (n_called + n_positive),
        "threshold": float(threshold),
        "n": len(labels),
        "n_positive": n_positive,
        "split": split,
        "seed": seed,
    }


def _checked(labels, probabilities) -> tuple[np.ndarray, np.ndarray]:
    labels, probabilities = (np.asarray(values, dtype=np.float64) for values in (labels, probabilities))
    if labels.shape != probabilities.shape or labels.ndim != 1:
        raise InputError(
            f"evaluation: {labels.shape} labels and {probabilities.shape} probabilities; one of each a row is needed"
        )
    if not np.isfinite(probabilities).all() or probabilities.min() < 0 or probabilities.max() > 1:
        raise InputError("evaluation: probabilities must be numbers between 0 and 1")
    if set(np.unique(labels)) != {0, 1}:
        raise InputError("evaluation: labels must be 0 and 1, and both must occur")
    return labels.astype(np.int64), probabilities


class Ranking:
    """Rows sorted once by falling score, so that a thousand reweighted resamples cost one pass each.

    `weights` below is how often each row was drawn (in the rows' own order); None means once each.
    """

    def __init__(self, labels, scores):
        labels, scores = np.asarray(labels), np.asarray(scores, dtype=np.float64)
        self._order = np.argsort(-scores, kind="stable")
        self._positive = labels[self._order].astype(np.float64)
        ordered = scores[self._order]
        # Rows of equal score share one point of the curve.
        self._ends = np.flatnonzero(np.append(np.diff(ordered) != 0, True))
        self.scores = ordered[self._ends]

    def counts(self, weights=None) -> tuple[np.ndarray, np.ndarray]:
        """True and false positives when everything down to each distinct score is called."""
        drawn = np.ones(len(self._order)) if weights is None else weights[self._order]
        true = np.cumsum(drawn * self._positive)[self._ends]
        return true, np.cumsum(drawn)[self._ends] - true

    def roc_auc(self, weights=None) -> float:
        """Area under the ROC curve, ties counted half; NaN when a class is absent."""
        return self._area(*self.counts(weights))

    def average_precision(self, weights=None) -> float:
        """Sum of precision times the gain in recall, as scikit-learn has it; NaN without positives."""
        return self._precision(*self.counts(weights))

    def both(self, weights=None) -> tuple[float, float]:
        """`roc_auc` and `average_precision` of the same rows, which are counted once."""
        true, false = self.counts(weights)
        return self._area(true, false), self._precision(true, false)

    @staticmethod
    def _area(true: np.ndarray, false: np.ndarray) -> float:
        if not true[-1] or not false[-1]:
            return float("nan")
        before = np.concatenate(([0.0], true[:-1]))
        return float((np.diff(false, prepend=0.0) * (true + before)).sum() / 2 / (true[-1] * false[-1]))

    @staticmethod
    def _precision(true: np.ndarray, false: np.ndarray) -> float:
        if not true[-1]:
            return float("nan")
        called = true + false
        precision = np.divide(true, called, out=np.zeros_like(true), where=called > 0)
        return float((np.diff(true, prepend=0.0) * precision).sum() / true[-1])


def roc_auc(labels, scores) -> float:
    """Area under the ROC curve of any score (it need not be a probability)."""
    return Ranking(labels, scores).roc_auc()


def average_precision(labels, scores) -> float:
    """Average precision of any score (it need not be a probability)."""
    return Ranking(labels, scores).average_precision()


def bootstrap_weights(labels, *, groups=None, seed: int = 200, resamples: int = RESAMPLES):
    """Yield, for each resample, how often each row was drawn.

    Rows are drawn with replacement within each class; with `groups`, whole groups are drawn with replacement. Where all
    rows are of one group, rows are drawn: the group drawn for itself would look like certainty.
    """
    rng = np.random.default_rng(seed)
    labels = np.asarray(labels)
    if groups is None or len(np.unique(np.asarray(groups))) == 1:
        strata = [np.flatnonzero(labels == value) for value in np.unique(labels)]
        for _ in range(resamples):
            drawn = np.empty(len(labels), dtype=np.float64)
            for rows in strata:
                drawn[rows] = np.bincount(rng.integers(len(rows), size=len(rows)), minlength=len(rows))
            yield drawn
        return
    member = pd.factorize(np.asarray(groups))[0]
    n_groups = member.max() + 1
    for _ in range(resamples):
        yield np.bincount(rng.integers(n_groups, size=n_groups), minlength=n_groups).astype(np.float64)[member]


def resample(labels, rankings: Sequence[Ranking], *, groups=None, seed: int = 200, resamples: int = RESAMPLES):
    """ROC AUC and average precision of several rankings of the same rows, all on the same resamples.

    Returns
    -------
    ndarray, shape (rankings, resamples, 2).
    """
    weights = bootstrap_weights(labels, groups=groups, seed=seed, resamples=resamples)
    found = _of_each(lambda drawn: [ranking.both(drawn) for ranking in rankings], weights)
    return np.array(list(found)).swapaxes(0, 1)


def _of_each(work: Callable, weights: Iterator[np.ndarray]) -> Iterator:
    """What `work` makes of each resample, in order; of many rows while the next are drawn.

    NumPy adds up long arrays outside of Python's lock. No more than a few resamples are held.
    """
    waiting: deque[Future] = deque()
    with ThreadPoolExecutor(2) as pool:
        for drawn in weights:
            if len(drawn) < MANY_ROWS:
                yield work(drawn)
                continue
            waiting.append(pool.submit(work, drawn))
            if len(waiting) > 2:
                yield waiting.popleft().result()
        yield from (one.result() for one in waiting)


def interval(values, level: float = LEVEL) -> list[float]:
    """Percentile interval of bootstrap values; resamples in which the statistic does not exist (NaN) are left out."""
    tail = (1 - level) / 2
    low, high = np.nanquantile(np.asarray(values, dtype=np.float64), [tail, 1 - tail])
    return [float(low), float(high)]


def roc_band(
    labels, scores, *, groups=None, seed: int = 200, resamples: int = RESAMPLES, points: int = 201
) -> pd.DataFrame:
    """ROC curve on a grid of false-positive rates with a pointwise 95 % band: `fpr`, `tpr`, `low`, `high`."""
    ranking, grid = Ranking(labels, scores), np.linspace(0, 1, points)

    def curve(weights=None):
        true, false = ranking.counts(weights)
        if not true[-1] or not false[-1]:  # a resample of groups that lacks a class has no curve
            return np.full(len(grid), np.nan)
        return np.interp(grid, np.append(0, false / false[-1]), np.append(0, true / true[-1]))

    return _banded("fpr", "tpr", grid, curve, bootstrap_weights(labels, groups=groups, seed=seed, resamples=resamples))


def precision_recall_band(
    labels, scores, *, groups=None, seed: int = 200, resamples: int = RESAMPLES, points: int = 201
) -> pd.DataFrame:
    """Precision on a grid of recalls with a pointwise 95 % band: `recall`, `precision`, `low`, `high`.

    The precision at a recall is that of the highest threshold reaching it (interpolating would flatter).
    """
    ranking, grid = Ranking(labels, scores), np.linspace(0, 1, points)[1:]

    def curve(weights=None):
        true, false = ranking.counts(weights)
        if not true[-1]:
            return np.full(len(grid), np.nan)
        reached = np.searchsorted(true / true[-1], grid - 1e-12).clip(max=len(true) - 1)
        return true[reached] / (true + false)[reached]

    return _banded(
        "recall", "precision", grid, curve, bootstrap_weights(labels, groups=groups, seed=seed, resamples=resamples)
    )


def _banded(x: str, y: str, grid, curve, weights) -> pd.DataFrame:
    resampled = np.array(list(_of_each(curve, weights)))
    low, high = np.nanquantile(resampled, [(1 - LEVEL) / 2, (1 + LEVEL) / 2], axis=0)
    return pd.DataFrame({x: grid, y: curve(), "low": low, "high": high})


def calibration_table(labels, probabilities, *, bins: int = CALIBRATION_BINS) -> pd.DataFrame:
    """Observed against predicted in bins of equal count by sorted probability.

    Rows of equal probability are alike, whichever comes first in the table: each counts as the share of class 1 among
    them. Else a constant, whose bins are the table's own order, would be as wrong as the table is sorted.

    Columns: `rows`, `predicted` (mean), `observed` (share of class 1), `low`, `high` (95 %, Wilson).
    """
    labels, probabilities = _checked(labels, probabilities)
    alike = np.unique(probabilities, return_inverse=True)[1]
    shares = (np.bincount(alike, labels) / np.bincount(alike))[alike]
    order = np.argsort(probabilities, kind="stable")
    parts = [part for part in np.array_split(order, bins) if len(part)]
    table = pd.DataFrame(
        {
            "rows": [len(part) for part in parts],
            "predicted": [probabilities[part].mean() for part in parts],
            "observed": [shares[part].mean() for part in parts],
        }
    )
    table["low"], table["high"] = wilson(table["observed"] * table["rows"], table["rows"])
    return table


def wilson(successes, trials, z: float = 1.959963984540054):
    """95 % interval of a share (Wilson 1927): stays within 0 and 1 and keeps its coverage for few trials."""
    trials = np.asarray(trials, dtype=np.float64)
    share = np.divide(successes, trials, out=np.full(trials.shape, np.nan), where=trials > 0)
    middle = (share + z**2 / (2 * trials)) / (1 + z**2 / trials)
    half = z / (1 + z**2 / trials) * np.sqrt(share * (1 - share) / trials + z**2 / (4 * trials**2))
    # A share of 0 or 1 is an end of its interval, which rounding would put a last digit beside it.
    return np.minimum(np.clip(middle - half, 0, 1), share), np.maximum(np.clip(middle + half, 0, 1), share)


def expected_calibration_error(labels, probabilities, *, bins: int = CALIBRATION_BINS) -> float:
    """Mean of |observed - predicted| over equal-count bins, weighted by their rows."""
    table = calibration_table(labels, probabilities, bins=bins)
    return float(((table["observed"] - table["predicted"]).abs() * table["rows"]).sum() / table["rows"].sum())


def brier_decomposition(labels, probabilities, *, bins: int = CALIBRATION_BINS) -> dict:
    """Brier score = reliability - resolution + uncertainty + within-bin rest (Murphy 1973).

    Low reliability and high resolution are good; uncertainty is the outcome's own and the same for every model. The
    rest is what binning hides (Stephenson 2008); it is reported so that the parts add up exactly.
    """
    labels, probabilities = _checked(labels, probabilities)
    table = calibration_table(labels, probabilities, bins=bins)
    share, rate = table["rows"] / table["rows"].sum(), labels.mean()
    brier = float(((probabilities - labels) ** 2).mean())
    reliability = float((share * (table["predicted"] - table["observed"]) ** 2).sum())
    resolution = float((share * (table["observed"] - rate) ** 2).sum())
    uncertainty = float(rate * (1 - rate))
    return {
        "brier": brier,
        "reliability": reliability,
        "resolution": resolution,
        "uncertainty": uncertainty,
        "within_bins": brier - (reliability - resolution + uncertainty),
        "skill": 1 - brier / uncertainty,
    }


def threshold_table(labels, probabilities, thresholds=None) -> pd.DataFrame:
    """What calling every variant at or above a threshold gives.

    Columns: `threshold`, `precision` (NaN when nothing is called), `recall`, `f1`, `alerts_per_1000`, and the counts
    `true_positive`, `false_positive`, `false_negative`, `true_negative`.
    """
    labels, probabilities = _checked(labels, probabilities)
    thresholds = np.linspace(0.05, 0.95, 19) if thresholds is None else np.asarray(thresholds, dtype=np.float64)
    ordered = np.sort(probabilities)
    positives = np.sort(probabilities[labels == 1])
    called = len(labels) - np.searchsorted(ordered, thresholds)
    true = len(positives) - np.searchsorted(positives, thresholds)
    table = pd.DataFrame({"threshold": thresholds})
    with np.errstate(invalid="ignore"):
        table["precision"] = np.where(called > 0, true / np.maximum(called, 1), np.nan)
    table["recall"] = true / len(positives)
    table["f1"] = 2 * true / (called + len(positives))
    table["alerts_per_1000"] = 1000 * called / len(labels)
    table["true_positive"] = true
    table["false_positive"] = called - true
    table["false_negative"] = len(positives) - true
    table["true_negative"] = len(labels) - called - (len(positives) - true)
    return table


def cost_curve(
    labels, probabilities, *, missed: float = 5.0, false_alert: float = 1.0, thresholds=None
) -> pd.DataFrame:
    """Cost per 1,000 variants at each threshold when a missed conflict costs `missed` and a false alert `false_alert`.

    Columns: `threshold`, `cost_per_1000`. With calibrated probabilities the cheapest threshold is
    false_alert / (false_alert + missed).
    """
    table = threshold_table(labels, probabilities, np.linspace(0, 1, 101) if thresholds is None else thresholds)
    cost = missed * table["false_negative"] + false_alert * table["false_positive"]
    return pd.DataFrame({"threshold": table["threshold"], "cost_per_1000": 1000 * cost / len(np.asarray(labels))})


def precision_at(labels, scores, tops=(100, 500, 2000)) -> pd.DataFrame:
    """Share of class 1 among the highest scores: `top`, `hits`, `precision`, `low`, `high` (95 % Wilson).

    Where a top ends among rows of equal score, it has what drawing among these would give on average, so that their
    order in the table does not matter (`hits` is that, rounded). A `top` beyond the number of rows is left out.
    """
    true, false = Ranking(labels, scores).counts()
    called = true + false
    tops = [top for top in tops if top <= called[-1]]
    hits = np.interp(tops, np.append(0, called), np.append(0, true))
    low, high = wilson(hits, tops)
    found = {"top": tops, "hits": np.rint(hits).astype(int), "precision": hits / tops, "low": low, "high": high}
    return pd.DataFrame(found)
