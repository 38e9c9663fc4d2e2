"""Choosing on rows that a candidate did not see: out-of-fold predictions, scores, ensemble, calibration, threshold."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from hashlib import sha256
from threading import Lock
from typing import NamedTuple

import numpy as np
import pandas as pd
from scipy.special import expit, logit
from sklearn.base import TransformerMixin, clone
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import average_precision_score, log_loss, precision_recall_curve, roc_auc_score, roc_curve
from sklearn.pipeline import Pipeline
from threadpoolctl import threadpool_limits

from genomicslearning.autopilot.scoring import FORESTS, positive
from genomicslearning.features import ScoredFeatures, Variants
from genomicslearning.features.ragged import cross, text_hash
from genomicslearning.features.variants import Cells

FLOOR = 1e-6


def canonical_order(table: pd.DataFrame) -> np.ndarray:
    """Row numbers in canonical order: by chromosome, position and alleles, then by everything else in the row.

    Fitting on rows in this order makes a model independent of the order in which they came.
    """
    cells = Cells(table)
    row = np.zeros(len(table), np.uint64)
    for column in sorted(table.columns):
        row = row ^ cross(column, cells.hashes(column))
    return np.lexsort((row, cells.hashes("ALT"), cells.hashes("REF"), cells.position))


def same_numbers(groups: np.ndarray | None) -> np.ndarray | None:
    """Group ids numbered by first appearance, so that they do not depend on how groups were named."""
    return None if groups is None else pd.factorize(np.asarray(groups))[0]


class CrossValidation:
    """Rows with labels, cut into folds, and what each fold's evidence looks like.

    A pipeline's first step (its evidence) is fitted once a fold and kept: candidates with the same evidence share it.
    Several threads may ask for predictions: `threads` fits run at a time, each on one core, and what comes out does not
    depend on who asks first.

    Parameters
    ----------
    variants : parsed rows, in canonical order.
    y : their labels.
    folds : (training rows, validation rows) of each fold.
    threads : fits that run at a time.
    """

    def __init__(self, variants: Variants, y: np.ndarray, folds: list, *, threads: int = 2):
        self.variants = variants
        self.y = y
        self.folds = folds
        self.threads = threads
        self._pool = ThreadPoolExecutor(threads, "fit")
        self._lock = Lock()
        self._callers = 0
        self._fold_locks = [Lock() for _ in folds]
        self._evidence: list[dict[str, FittedEvidence]] = [{} for _ in folds]
        self._predicted: dict[tuple[int, str], np.ndarray] = {}

    def fold_predictions(self, pipeline: Pipeline, fold: int) -> np.ndarray:
        """P(CLASS=1) of a fold's validation rows by the pipeline fitted on its training rows."""
        with self._one_blas_thread():
            return self._pool.submit(self._predict_fold, pipeline, fold).result()

    def predictions(self, pipeline: Pipeline, before_fit: Callable[[], None] = lambda: None) -> np.ndarray:
        """Out-of-fold P(CLASS=1) of every row. `before_fit` may raise to give up."""

        def one(fold: int) -> np.ndarray:
            before_fit()
            return self._predict_fold(pipeline, fold)

        result = np.full(len(self.y), np.nan)
        with self._one_blas_thread():
            for (_, scored), found in zip(self.folds, self._pool.map(one, range(len(self.folds))), strict=True):
                result[scored] = found
        return result

    def _predict_fold(self, pipeline: Pipeline, fold: int) -> np.ndarray:
        key = (fold, settings_text(pipeline))
        if key not in self._predicted:
            fitted, scored = self.folds[fold]
            with one_thread():
                with self._fold_locks[fold]:
                    rows, held_out = self.variants.take(fitted), self.variants.take(scored)
                    evidence = fit_evidence(pipeline[0], self._evidence[fold], rows, self.y[fitted], held_out)
                model = clone(pipeline[1:]).fit(evidence.fitted, self.y[fitted])
                self._predicted[key] = positive(model, evidence.held_out)
        return self._predicted[key]

    def fit_all(self, pipelines: dict[str, Pipeline]) -> dict[str, Pipeline]:
        """Each pipeline fitted on all rows; those with equal first steps share one fitted step."""
        for kept in self._evidence:
            kept.clear()
        shared: dict[str, FittedEvidence] = {}

        def fitted(name: str, **settings) -> Pipeline:
            pipeline = pipelines[name]
            evidence = shared[settings_text(pipeline[0])]
            rest = clone(pipeline[1:])
            rest[-1].set_params(**settings)
            with one_thread():
                rest.fit(evidence.fitted, self.y)
            return Pipeline([(pipeline.steps[0][0], evidence.step), *rest.steps])

        # A forest can have every core to itself, other fits keep to one: first these side by side, then the forests.
        forests = [name for name, pipeline in pipelines.items() if isinstance(pipeline[-1], FORESTS)]
        alone = [name for name in pipelines if name not in forests]
        while len(alone) % self.threads and forests:
            alone.append(forests.pop(0))
        with self._one_blas_thread():
            for pipeline in pipelines.values():
                fit_evidence(pipeline[0], shared, self.variants, self.y)
            found = dict(zip(alone, self._pool.map(fitted, alone), strict=True))
            found |= {name: fitted(name, n_jobs=self.threads) for name in forests}
        return {name: found[name] for name in pipelines}

    @contextmanager
    def _one_blas_thread(self) -> Iterator[None]:
        """Keep BLAS to one core while anybody asks: its limit is the whole process's."""
        with self._lock:
            if not self._callers:
                self._limit = threadpool_limits(1, user_api="blas")
            self._callers += 1
        try:
            yield
        finally:
            with self._lock:
                self._callers -= 1
                if not self._callers:
                    self._limit.restore_original_limits()


class FittedEvidence(NamedTuple):
    """A fitted first step, and its output for the rows it was fitted on and for others."""

    step: TransformerMixin
    fitted: object
    held_out: object = None


def fit_evidence(
    step: TransformerMixin,
    kept: dict[str, FittedEvidence],
    rows: Variants,
    y: np.ndarray,
    held_out: Variants | None = None,
) -> FittedEvidence:
    """Fit an evidence step, unless `kept` has it: what several steps have in common is fitted once."""
    key = settings_text(step)
    if key not in kept:
        if isinstance(step, ScoredFeatures):
            columns, score = (fit_evidence(part, kept, rows, y, held_out) for part in (step.columns, step.token_score))
            kept[key] = FittedEvidence(
                ScoredFeatures.of(columns.step, score.step),
                ScoredFeatures.joined(columns.fitted, score.fitted),
                None if held_out is None else ScoredFeatures.joined(columns.held_out, score.held_out),
            )
        else:
            step = clone(step)
            values = step.fit_transform(rows, y)
            kept[key] = FittedEvidence(step, values, None if held_out is None else step.transform(held_out))
    return kept[key]


def one_thread():
    """Keep OpenMP to one core in this thread: two fits at a time waste less than one fit on two cores."""
    return threadpool_limits(1, user_api="openmp")


def settings_text(estimator) -> str:
    """An estimator's class and settings, in full, as text: equal for equal estimators."""
    if not hasattr(estimator, "get_params"):
        return repr(estimator)
    settings = sorted(estimator.get_params(deep=False).items())
    return f"{type(estimator).__name__}({', '.join(f'{name}={settings_text(value)}' for name, value in settings)})"


def scores(y: np.ndarray, probability: np.ndarray) -> dict[str, float]:
    """Every objective of `job.OBJECTIVES`, the larger the better."""
    probability = np.clip(probability, FLOOR, 1 - FLOOR)
    threshold, f1 = best_threshold(y, probability)
    false_rate, true_rate, _ = roc_curve(y, probability)
    share = y.mean()
    return {
        "AUC": float(roc_auc_score(y, probability)),
        "AveragePrecision": float(average_precision_score(y, probability)),
        "F1": f1,
        "Accuracy": float((true_rate * share + (1 - false_rate) * (1 - share)).max()),
        "LogLoss": float(-log_loss(y, probability)),
    }


def best_threshold(y: np.ndarray, probability: np.ndarray) -> tuple[float, float]:
    """Threshold with the highest F1 of CLASS 1, and that F1."""
    precision, recall, thresholds = precision_recall_curve(y, probability)
    f1 = 2 * precision[:-1] * recall[:-1] / np.maximum(precision[:-1] + recall[:-1], 1e-12)
    best = int(np.argmax(f1))
    return float(thresholds[best]), float(f1[best])


def blend(probabilities: list[np.ndarray], weights: list[float]) -> np.ndarray:
    """Weighted mean of log odds, as a probability."""
    odds = sum(weight * logit(np.clip(p, FLOOR, 1 - FLOOR)) for p, weight in zip(probabilities, weights, strict=True))
    return expit(odds / sum(weights))


def greedy_ensemble(
    y: np.ndarray, predictions: dict[str, np.ndarray], objective: str, *, rounds: int = 20
) -> dict[str, float]:
    """Weights of an ensemble by forward selection with replacement (Caruana et al. 2004), on out-of-fold predictions.

    Starts from the best candidate; each round adds the one that helps the objective most, and the best round is kept.
    """
    # A constant changes no ranking; it takes part only where there is nothing else.
    informed = {name: p for name, p in predictions.items() if np.ptp(p) > 0.05} or predictions
    odds = {name: logit(np.clip(p, FLOOR, 1 - FLOOR)) for name, p in informed.items()}
    chosen: list[str] = []
    total = np.zeros(len(y))
    best_score, best_chosen = -np.inf, []
    for _ in range(rounds):
        trials = {name: scores(y, expit((total + one) / (len(chosen) + 1)))[objective] for name, one in odds.items()}
        name = max(trials, key=trials.get)
        chosen.append(name)
        total = total + odds[name]
        if trials[name] > best_score + 1e-6:
            best_score, best_chosen = trials[name], list(chosen)
    return {name: best_chosen.count(name) / len(best_chosen) for name in predictions if name in best_chosen}


def calibration(y: np.ndarray, probability: np.ndarray) -> dict:
    """Calibration fitted on out-of-fold probabilities: Platt scaling with a slope for each end.

    Platt scaling (1999) is a line on the log odds, log p - log(1 - p). Giving the two terms slopes of their own (beta
    calibration, Kull et al. 2017) corrects the two ends apart. Where one of the slopes comes out negative, which would
    turn the ranking over, both are Platt's.

    Returns
    -------
    dict with `method`, `low` (slope of log p), `high` (slope of -log(1 - p)) and `intercept`.
    """
    ends = _ends(probability)
    if np.ptp(probability) == 0:
        share = np.clip(y.mean(), FLOOR, 1 - FLOOR)
        return {"method": "constant", "low": 0.0, "high": 0.0, "intercept": float(logit(share))}
    fitted = LogisticRegression(C=np.inf, max_iter=1000).fit(ends, y)
    low, high = fitted.coef_[0]
    method = "beta"
    if min(low, high) < 0:
        fitted = LogisticRegression(C=np.inf, max_iter=1000).fit(ends.sum(axis=1, keepdims=True), y)
        low = high = fitted.coef_[0, 0]
        method = "platt"
    return {"method": method, "low": float(low), "high": float(high), "intercept": float(fitted.intercept_[0])}


def calibrated(probability: np.ndarray, fitted: dict) -> np.ndarray:
    """Probability after a calibration as `calibration` gives it."""
    return expit(_ends(probability) @ np.array([fitted["low"], fitted["high"]]) + fitted["intercept"])


def _ends(probability: np.ndarray) -> np.ndarray:
    clipped = np.clip(probability, FLOOR, 1 - FLOOR)
    return np.column_stack([np.log(clipped), -np.log1p(-clipped)])


def table_sha256(table: pd.DataFrame, order: np.ndarray) -> str:
    """Checksum of a table's content, whatever the order of its rows and columns."""
    cells = Cells(table)
    digest = sha256()
    for column in sorted(table.columns):
        digest.update(text_hash(column).to_bytes(8, "little"))
        digest.update(cells.hashes(column)[order].tobytes())
    return digest.hexdigest()
