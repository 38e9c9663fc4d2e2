"""Predictions of rows that a candidate did not see, and fits on all rows, sharing what candidates have in common."""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from hashlib import sha256
from threading import Lock
from typing import NamedTuple

import numpy as np
import pandas as pd
from sklearn.base import TransformerMixin, clone
from sklearn.pipeline import Pipeline
from threadpoolctl import threadpool_limits

from genomicslearning import InputError
from genomicslearning.autopilot.averaging import averaged
from genomicslearning.autopilot.ensemble import blend
from genomicslearning.autopilot.scoring import FORESTS, member_probabilities, positive
from genomicslearning.features import ScoredFeatures, TokenScore, Variants, VariantTokens, folds
from genomicslearning.features.cells import Cells
from genomicslearning.features.ragged import cross
from genomicslearning.io.memory import give_back

# Rows that candidates are searched and weighed on; a larger table is sampled.
SEARCH_ROWS = 100_000
# Rows of a sampled table that calibrate the model and learn nothing; none where there are too few beside the sample.
CALIBRATION_ROWS, FEWEST_CALIBRATION_ROWS = 20_000, 5_000


def row_hashes(table: pd.DataFrame) -> np.ndarray:
    """64-bit hash of each row's content, whatever the order of the columns."""
    rows = np.zeros(len(table), np.uint64)
    for column in sorted(table.columns):
        codes, values = pd.factorize(table[column])
        values = values.to_numpy() if isinstance(values, pd.Index) else np.asarray(values)
        if values.dtype.kind not in "iufb":
            values = np.asarray(values, dtype=object)
        # A missing cell has the code -1, the last of these.
        hashes = np.append(pd.util.hash_array(values, categorize=False), np.uint64(0))
        rows ^= cross(column, hashes[codes])
    return rows


def canonical_order(table: pd.DataFrame, hashes: np.ndarray | None = None) -> np.ndarray:
    """Row numbers in canonical order: by chromosome, position and alleles, then by everything else in the row.

    Fitting on rows in this order makes a model independent of the order in which they came. `hashes` are the table's
    `row_hashes`, where they are known already.
    """
    cells = Cells(table)
    hashes = row_hashes(table) if hashes is None else hashes
    return np.lexsort((hashes, cells.hashes("ALT"), cells.hashes("REF"), cells.position))


def same_numbers(groups: np.ndarray | None) -> np.ndarray | None:
    """Group ids numbered by first appearance, so that they do not depend on how groups were named."""
    return None if groups is None else pd.factorize(np.asarray(groups))[0]


def search_folds(
    wanted: int, y: np.ndarray, groups: np.ndarray | None, seed: int, *, rows: int = SEARCH_ROWS
) -> list[tuple[np.ndarray, np.ndarray]]:
    """Cross-validation folds (training rows, validation rows) over at most about `rows` of the rows.

    A larger table is searched on rows drawn by `seed`: each with the same chance, or whole groups where there are
    groups. Candidates differ by more than so many rows leave in doubt, and the chosen ones are fitted on all rows.
    """
    chosen = np.arange(len(y)) if len(y) <= rows else _drawn(len(y), groups, seed, rows)
    labels, together = y[chosen], None if groups is None else groups[chosen]
    parts = folds(fold_count(wanted, labels, together), labels, together, seed)
    if any(len(np.unique(labels[fitted])) < 2 for fitted, _ in parts):
        raise InputError("training table: all rows of one class are in one gene group; give more genes of both classes")
    return [(chosen[fitted], chosen[scored]) for fitted, scored in parts]


def calibration_rows(folds: list, groups: np.ndarray | None, seed: int, *, count: int) -> np.ndarray:
    """Rows to set aside for calibration and threshold where `folds` are of a sample of `count` rows; else none.

    A model of all rows is surer than those of a part of the sample, so that their out-of-fold predictions would
    calibrate it badly (on eight times as many rows as were compared the calibration error was 0.035). Rows are drawn by
    `seed` from those outside of the sample, a quarter of them at most, whole groups where there are groups.
    """
    others = np.setdiff1d(np.arange(count), np.concatenate([scored for _, scored in folds]))
    rows = min(CALIBRATION_ROWS, len(others) // 4)
    if rows < FEWEST_CALIBRATION_ROWS:
        return np.array([], np.int64)
    return others[_drawn(len(others), None if groups is None else groups[others], seed, rows)]


def _drawn(count: int, groups: np.ndarray | None, seed: int, rows: int) -> np.ndarray:
    """At most `rows` of `count` row numbers, sorted; of groups as many whole ones as fit."""
    random = np.random.default_rng(seed)
    if groups is None:
        return np.sort(random.choice(count, rows, replace=False))
    numbers, sizes = np.unique(groups, return_counts=True)
    order = random.permutation(len(numbers))
    order = order[sizes[order] <= rows // 10]  # no gene is most of a fold
    return np.flatnonzero(np.isin(groups, numbers[order[np.cumsum(sizes[order]) <= rows]]))


def fold_count(wanted: int, y: np.ndarray, groups: np.ndarray | None) -> int:
    """Folds that the rows allow: no more than the rows of the smaller class, or than groups.

    Raises
    ------
    InputError
        Fewer than two.
    """
    count = min(wanted, int(np.bincount(y, minlength=2).min()))
    if count < 2:
        raise InputError("training table: too few rows of one class to learn from; give more rows")
    if groups is None:
        return count
    if (there := len(np.unique(groups))) < 2:
        raise InputError(
            "training table: all rows to learn from are in one gene group, two are needed to hold genes out; give more "
            "genes, or choose split random"
        )
    return min(count, there)


class CrossValidation:
    """Rows with labels, cut into folds, and what each fold's evidence looks like.

    A pipeline's first step (its evidence) is fitted once a fold and kept: candidates with the same evidence share it.
    Several threads may ask for predictions: `threads` fits run at a time, each on one core, and what comes out does not
    depend on who asks first.

    Parameters
    ----------
    variants : parsed rows, in canonical order.
    y : their labels.
    folds : (training rows, validation rows) of each fold; `search_folds` makes them.
    aside : rows that no fit sees (`calibration_rows`).
    threads : fits that run at a time.

    Attributes
    ----------
    scored : rows that are a validation row of some fold, in order: those that have out-of-fold predictions.
    truth : labels of these rows.
    """

    def __init__(
        self, variants: Variants, y: np.ndarray, folds: list, *, aside: np.ndarray | tuple = (), threads: int = 2
    ):
        self.variants = variants
        self.aside = np.asarray(aside, np.int64)
        self.y = y
        self.folds = folds
        self.threads = threads
        self.scored = np.sort(np.concatenate([scored for _, scored in folds]))
        self.truth = y[self.scored]
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
        """Out-of-fold P(CLASS=1) of the rows in `scored`. `before_fit` may raise to give up."""

        def one(fold: int) -> np.ndarray:
            before_fit()
            return self._predict_fold(pipeline, fold)

        result = np.full(len(self.y), np.nan)
        with self._one_blas_thread():
            for (_, scored), found in zip(self.folds, self._pool.map(one, range(len(self.folds))), strict=True):
                result[scored] = found
        return result[self.scored]

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

    def fit_all(self, pipelines: dict[str, Pipeline], *, seeds: int = 1, last: bool = False) -> dict[str, Pipeline]:
        """Each pipeline fitted on all rows but those set aside; those with equal first steps share one fitted step.

        Parameters
        ----------
        pipelines : by name.
        seeds : how many fits of a boosting by LightGBM, by its own seed and the numbers after it, are averaged.
        last : the parsed rows are let go of as soon as their evidence is there; nothing can be asked afterwards.
        """
        for kept in self._evidence:
            kept.clear()
        # A forest can have every core to itself, as can a boosting that is alone; other fits keep to one: first these
        # side by side, then the forests.
        forests = [name for name, pipeline in pipelines.items() if isinstance(pipeline[-1], FORESTS)]
        boosted = [name for name, pipeline in pipelines.items() if hasattr(type(pipeline[-1]), "booster_")]
        others = [name for name in pipelines if name not in forests]
        alone = [(name, number) for name in others for number in range(seeds if name in boosted else 1)]
        while len(alone) % self.threads and forests:
            alone.append((forests.pop(0), 0))
        with self._rows_to_learn_from(last=last) as y, self._one_blas_thread():
            shared: dict[str, FittedEvidence] = {}
            self._fit_evidence_of_all([pipeline[0] for pipeline in pipelines.values()], y, shared, last=last)

            def fitted(name: str, number: int, **settings) -> Pipeline:
                evidence = shared[settings_text(pipelines[name][0])]
                return self._fitted_on_all(pipelines[name], evidence, y, seed_shift=number, **settings)

            # Threads that spin while they wait cost more than they help where others use the cores (runs/warm.py).
            patient = os.environ.get("OMP_WAIT_POLICY", "").upper() == "PASSIVE"
            if len(alone) == 1 and boosted and patient:
                done = [_as_by_one_thread(fitted(*alone[0], n_jobs=self.threads))]
            else:
                done = list(self._pool.map(lambda one: fitted(*one), alone))
            fits: dict[str, list[Pipeline]] = {name: [] for name in pipelines}
            for (name, _), one in zip(alone, done, strict=True):
                fits[name].append(one)
            for name in forests:
                fits[name].append(fitted(name, 0, n_jobs=self.threads))
        return {name: _mean(several) for name, several in fits.items()}

    def _fitted_on_all(
        self, pipeline: Pipeline, evidence: FittedEvidence, y: np.ndarray, *, seed_shift: int, **settings
    ) -> Pipeline:
        """What follows the evidence, fitted by a seed so many numbers after its own and by other settings given.

        Where candidates were compared on a sample, a forest's smallest leaf holds the same share of all rows as it held
        of the sample: else a million rows would make trees of hundreds of megabytes.
        """
        rest = clone(pipeline[1:])
        if isinstance(rest[-1], FORESTS):
            settings["min_samples_leaf"] = round(rest[-1].min_samples_leaf * len(self.y) / len(self.scored))
        if seed_shift:
            settings["random_state"] = rest[-1].random_state + seed_shift
        for setting, value in settings.items():  # LightGBM's set_params would note what was set, and save it
            setattr(rest[-1], setting, value)
        with one_thread():
            rest.fit(evidence.fitted, y)
        return Pipeline([(pipeline.steps[0][0], evidence.step), *rest.steps])

    def set_aside(self, pipelines: dict[str, Pipeline], weights: dict[str, float]) -> tuple | None:
        """Labels of the rows set aside, and the weighted members' P(CLASS=1) of them; None where there are none.

        Parameters
        ----------
        pipelines : as `fit_all` gave them.
        weights : of each.
        """
        if not len(self.aside):
            return None
        found = member_probabilities([pipelines[name] for name in weights], self._rows_aside)
        return self.y[self.aside], blend(found, list(weights.values()))

    @contextmanager
    def _rows_to_learn_from(self, *, last: bool) -> Iterator[np.ndarray]:
        """Labels of all rows but those that calibrate; so long as they are learnt from, `variants` is these rows."""
        whole = None if last else self.variants
        try:
            if len(self.aside):
                others = np.setdiff1d(np.arange(len(self.y)), self.aside)
                self._rows_aside = self.variants.take(self.aside)
                self.variants = self.variants.narrowed(others) if last else self.variants.take(others)
                yield self.y[others]
            else:
                yield self.y
        finally:
            if whole is not None:
                self.variants = whole

    def _fit_evidence_of_all(
        self, steps: list[TransformerMixin], y: np.ndarray, shared: dict[str, FittedEvidence], *, last: bool
    ) -> None:
        """Fit these evidence steps on all rows; with `last`, let go of tokens and columns as soon as they were read."""
        token_scores = [step.token_score for step in steps if isinstance(step, ScoredFeatures)]
        tokens = [score.tokens() for score in token_scores]
        for step in (*tokens, *(step for step in steps if isinstance(step, VariantTokens))):
            fit_evidence(step, shared, self.variants, y)
        if last:
            self.variants = self.variants.without_tokens()
            give_back()
        for step in token_scores:
            fit_evidence(step, shared, self.variants, y)
        asked = {settings_text(step) for step in steps}
        for name in {settings_text(step) for step in tokens} - asked:
            del shared[name]  # a matrix that was only scored
        give_back()
        for step in steps:
            fit_evidence(step, shared, self.variants, y)
        if last:
            del self.variants
            give_back()

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


def _mean(fits: list[Pipeline]) -> Pipeline:
    """One pipeline of several that differ in their boosting's seed; a single one as it is."""
    if len(fits) > 1:
        averaged([fit[-1] for fit in fits])
    return fits[0]


def _as_by_one_thread(pipeline: Pipeline) -> Pipeline:
    """The same fitted pipeline, whose LightGBM does not tell how many threads fitted it: equal models, equal bytes."""
    classifier = pipeline[-1]
    classifier.n_jobs = 1
    text = re.sub(r"(?<=\[num_threads: )\d+(?=\])", "1", classifier.booster_.model_to_string())
    classifier.booster_.model_from_string(text)
    classifier.booster_.params["num_threads"] = 1
    return pipeline


class FittedEvidence(NamedTuple):
    """A fitted first step, and its output for the rows it was fitted on and for others."""

    step: TransformerMixin
    fitted: object
    held_out: object = None


def _first(table: object, width: int) -> pd.DataFrame:
    assert isinstance(table, pd.DataFrame)
    return table.iloc[:, :width]


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
            # The scores first: what they take most of on the way is gone before the columns are there.
            *scores, columns = (fit_evidence(part, kept, rows, y, held_out) for part in (*step.scores, step.columns))
            joined = FittedEvidence(
                step.of(columns.step, [score.step for score in scores]),
                step.joined(columns.fitted, *(score.fitted for score in scores)),
                None if held_out is None else step.joined(columns.held_out, *(score.held_out for score in scores)),
            )
            kept[key] = joined
            # The columns alone are a view of the same memory from now on.
            width = len(columns.step.get_feature_names_out())
            views = [None if table is None else _first(table, width) for table in joined[1:]]
            kept[settings_text(step.columns)] = FittedEvidence(columns.step, *views)
        elif isinstance(step, TokenScore):
            tokens = fit_evidence(step.tokens(), kept, rows, y, held_out)
            step = clone(step)
            scores = step.fit_matrix(tokens.step, tokens.fitted, y, rows.groups)
            kept[key] = FittedEvidence(step, scores, None if held_out is None else step.of_matrix(tokens.held_out))
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


def table_sha256(table: pd.DataFrame, hashes: np.ndarray | None = None) -> str:
    """Checksum of a table's content, whatever the order of its rows and columns; `hashes` as in `canonical_order`."""
    digest = sha256("\n".join(sorted(table.columns)).encode())
    digest.update(np.sort(row_hashes(table) if hashes is None else hashes).tobytes())
    return digest.hexdigest()
