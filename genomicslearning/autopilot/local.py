"""Jobs that run on this machine, in a thread beside the caller."""

from __future__ import annotations

import hashlib
import json
import os
import queue
import shutil
import threading
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

from genomicslearning import InputError, __version__
from genomicslearning.autopilot import manifest, notebooks
from genomicslearning.autopilot.candidates import (
    PRESETS,
    Evidence,
    boosting_seeds,
    definitions,
    stand_in_note,
    trials,
)
from genomicslearning.autopilot.cross_validation import (
    CrossValidation,
    calibration_rows,
    canonical_order,
    row_hashes,
    same_numbers,
    search_folds,
    table_sha256,
)
from genomicslearning.autopilot.ensemble import blend, greedy_ensemble, scores
from genomicslearning.autopilot.job import COMPLETED, FAILED, IN_PROGRESS, STOPPED, Candidate, Job, JobSettings
from genomicslearning.autopilot.model import Model
from genomicslearning.autopilot.search import BaseTrial, FixedTrial, Search, parameters_text
from genomicslearning.features import Variants
from genomicslearning.features.variants import PIECE
from genomicslearning.io import lake
from genomicslearning.io.memory import give_back

# Of the time a job may take, this share is left for fitting the chosen candidates on all rows and writing them.
SEARCH_SHARE = 0.75
ENSEMBLE = "ensemble"
TRAINING_TABLE = "training_table.parquet"
GROUP = "GROUP"


class _OutOfBudget(Exception):
    """The job was stopped or has used its time; what is done becomes the result."""


class LocalJob(Job):
    """See `autopilot.start`."""

    def __init__(
        self,
        train: pd.DataFrame,
        settings: JobSettings,
        *,
        folder: Path,
        groups: Sequence | None,
        progress: Callable[[str], None],
    ):
        self.name, self.folder, self.objective, self.status = folder.name, folder, settings.objective, IN_PROGRESS
        self.settings = settings
        self.candidates: list[Candidate] = []
        self.notes: list[str] = list(filter(None, [stand_in_note()]))
        asked = (settings.preset, settings.extra_candidates, len(train), settings.features)
        self.definitions, self.trials = definitions(*asked), trials(*asked)
        self.predictions: dict[str, np.ndarray] = {}
        self._train, self._groups = train, groups
        self._progress = progress
        self._messages: queue.Queue[str] = queue.Queue()
        self._stop = threading.Event()
        self._finishing = threading.Lock()
        self._error: BaseException | None = None
        self._started = time.monotonic()
        self._thread = threading.Thread(target=self._run, name=f"autopilot {self.name}", daemon=True)

    # --- what a caller sees

    def start(self) -> LocalJob:
        """Start the job in its thread."""
        self._thread.start()
        return self

    def wait(self) -> Job:
        """Show progress until the job has ended; raise what made it fail."""
        try:
            while self._thread.is_alive() or not self._messages.empty():
                try:
                    self._progress(self._messages.get(timeout=0.2))
                except queue.Empty:
                    continue
        except KeyboardInterrupt:
            self.stop()
            raise
        if self._error:
            raise self._error
        return self

    def stop(self) -> None:
        """End the search; what is done stays."""
        self._stop.set()

    def model(self) -> Model:
        """The best candidate's model, once the job has ended."""
        self.wait()
        return Model.load(self.folder / "model")

    # --- the job

    def _run(self) -> None:
        try:
            self._prepare()
            self._search()
            self._finish()
            self.status = STOPPED if self._stop.is_set() else COMPLETED
            self._write_candidates()
        except BaseException as problem:
            self.status, self._error = FAILED, problem
        finally:
            # Parsed rows and every fold's evidence: hundreds of megabytes that nobody needs any more.
            for name in ("_train", "_groups", "cross_validation"):
                vars(self).pop(name, None)
            give_back()

    def _say(self, text: str) -> None:
        self._messages.put(text)

    def _prepare(self) -> None:
        table = self._train
        hashes = row_hashes(table)
        order, groups = in_order(table, self._groups, hashes)
        self.order, self.y = order, table["CLASS"].to_numpy(np.int64)[order]
        self.checksum = table_sha256(table, hashes)
        self._take_folder(table, groups)
        preset, features, seed = self.settings.preset, self.settings.features, self.settings.seed
        variants = Variants.read(table, features, groups, order=order)
        give_back()
        folds = search_folds(PRESETS[preset].folds, self.y, groups, seed)
        aside = calibration_rows(folds, groups, seed, count=len(table))
        self.cross_validation = CrossValidation(variants, self.y, folds, aside=aside)
        self.evidence = Evidence(features, grouped=groups is not None, seed=seed)
        whole = " of whole groups" if groups is not None else ""
        self._say(
            f"{len(table):,} rows, {self.y.mean():.1%} of CLASS 1; features {features}; preset {preset}: "
            f"{len(self.trials)} candidates, {sum(self.trials.values())} trials, {len(folds)} folds{whole}"
        )
        searched = len(self.cross_validation.scored)
        if searched < len(table):
            self._say(
                f"candidates are compared on {searched:,} of these rows, drawn by seed; the model learns from "
                + (f"all but {len(aside):,}, which calibrate it" if len(aside) else "all")
            )

    def _take_folder(self, table: pd.DataFrame, groups: np.ndarray | None) -> None:
        """Make the job's folder, or take the job up where it was if a folder holds this very job.

        Where another job has the name, with other settings or rows, this one's is followed by a checksum of its own.
        """
        settings = self.settings.as_dict() | {"training_set_sha256": self.checksum, "version": __version__}
        if (self.folder / "job.json").exists() and lake.read_json(self.folder / "job.json", "job") != settings:
            digest = hashlib.sha256(json.dumps(settings, sort_keys=True).encode()).hexdigest()[:8]
            self.folder = self.folder.with_name(f"{self.name[:55]}-{digest}")
            self.name = self.folder.name
            self._say(f"the folder has a job with other settings, which is kept; this one is {self.name}")
        path = self.folder / "job.json"
        if path.exists():
            return
        with lake.output(self.folder / TRAINING_TABLE) as [part]:
            _write_in_order(table, self.order, groups, part)
        lake.write_json(settings, path)

    def _check_budget(self) -> None:
        if self._stop.is_set() or time.monotonic() - self._started > SEARCH_SHARE * self.settings.max_runtime_seconds:
            raise _OutOfBudget

    def _search(self) -> None:
        """Candidates side by side, as many as fits are: while one waits for its last fold, the next one's fits run."""
        search = Search(self.folder, self.settings.seed)
        names = list(self.trials)[: self.settings.max_candidates]
        try:
            with ThreadPoolExecutor(self.cross_validation.threads, "candidate") as pool:
                ended = list(pool.map(lambda name: self._candidate_in_budget(search, name), names))
        finally:
            search.close()
        if not all(ended):
            guard = f"reached {SEARCH_SHARE:.0%} of its {self.settings.max_runtime_seconds:g} s"
            why = "stopped" if self._stop.is_set() else guard
            self.notes.append(f"The search was {why}; another run may give another model.")
            self._say(self.notes[-1])
        if not self.predictions:
            # The baseline costs nothing: out of budget is a result, not an error.
            self.notes.append("No candidate was done in time; the model is the share of CLASS 1.")
            self._finished("majority", {}, [], self._out_of_fold("majority", {}, lambda: None), time.monotonic())
        # In the preset's order, whichever was done first: ties and files do not depend on it.
        self.predictions = {name: self.predictions[name] for name in self.trials if name in self.predictions}
        self.candidates.sort(key=lambda candidate: list(self.trials).index(candidate.name))

    def _candidate_in_budget(self, search: Search, name: str) -> bool:
        """Whether the candidate was done before the job was stopped or had used its time."""
        try:
            self._check_budget()
            self._candidate(search, name)
        except _OutOfBudget:
            return False
        except BaseException:
            self._stop.set()  # the others need not go on
            raise
        return True

    def _candidate(self, search: Search, name: str) -> None:
        definition, started = self.definitions[name], time.monotonic()
        in_first_fold = self.y[self.cross_validation.folds[0][1]]

        def score(trial: BaseTrial) -> float:
            self._check_budget()
            pipeline = definition.build(trial, self.evidence, self.settings.seed)
            value = scores(in_first_fold, self.cross_validation.fold_predictions(pipeline, 0))[self.objective]
            self._say(f"  {name} trial {trial.number + 1}: {self.objective} {value:.4f} in the first fold")
            return value

        parameters = definition.first
        tried: list[dict] = []
        if self.trials[name] > 1:
            parameters, tried = search.best(name, definition, self.trials[name], score)
        predictions = self._out_of_fold(name, parameters, self._check_budget)
        self._finished(name, parameters, tried, predictions, started)

    def _work(self) -> tuple[float, float]:
        """Cost of the fits that are done, and of those to come (the last fit on all rows counts as two folds)."""
        count = len(self.cross_validation.folds)
        cost = {name: self.definitions[name].cost * (count + trials - 1) for name, trials in self.trials.items()}
        done = sum(cost[candidate.name] for candidate in self.candidates)
        names = list(self.trials)[: self.settings.max_candidates]
        final = 2 * sum(sorted((self.definitions[name].cost for name in names), reverse=True)[:3])
        return done, sum(cost[name] for name in names) - done + final

    def _finished(self, name: str, parameters: dict, tried: list, predictions: np.ndarray, started: float) -> None:
        definition = self.definitions[name]
        candidate = Candidate(
            name=name,
            algorithm=definition.algorithm,
            description=definition.description,
            parameters=parameters,
            scores=scores(self.cross_validation.truth, predictions),
            status=COMPLETED,
            seconds=time.monotonic() - started,
            trials=tried,
        )
        with self._finishing:
            self.predictions[name] = predictions
            self.candidates.append(candidate)
            self._write_candidates()
            done, left = self._work()
            ahead = (time.monotonic() - self._started) * left / done
            self._say(
                f"{name}: {self.objective} {candidate.scores[self.objective]:.4f} in {candidate.seconds:.0f} s; "
                f"best so far {self.best.name} {self.best.scores[self.objective]:.4f}; about {ahead:.0f} s left"
            )

    def _pipeline(self, name: str, parameters: dict):
        trial = FixedTrial(parameters)
        return self.definitions[name].build(trial, self.evidence, self.settings.seed)

    def _out_of_fold(self, name: str, parameters: dict, before_fit: Callable[[], None]) -> np.ndarray:
        """Out-of-fold predictions, from the job's folder if an earlier start left them there."""
        digest = hashlib.sha256(parameters_text(parameters).encode()).hexdigest()[:8]
        path = self.folder / "out_of_fold" / f"{name}-{digest}.npy"
        if path.exists():
            return np.load(path, allow_pickle=False)
        predictions = self.cross_validation.predictions(self._pipeline(name, parameters), before_fit)
        with lake.output(path) as [part], part.open("wb") as file:
            np.save(file, predictions, allow_pickle=False)
        return predictions

    def _finish(self) -> None:
        weights = greedy_ensemble(self.cross_validation.truth, self.predictions, self.objective)
        mixed = blend([self.predictions[name] for name in weights], list(weights.values()))
        parameters = {candidate.name: candidate.parameters for candidate in self.candidates}
        settings = self.settings
        seeds = boosting_seeds(settings.preset, settings.features, grouped=settings.grouped)
        self._say(f"fitting {', '.join(weights)} on all rows" + (f", boosting by {seeds} seeds" if seeds > 1 else ""))
        chosen = {name: self._pipeline(name, parameters[name]) for name in weights}
        pipelines = self.cross_validation.fit_all(chosen, seeds=seeds, last=True)
        described = manifest.describe(
            self._train,
            job=self.name,
            settings=settings.as_dict() | {"boosting_seeds": seeds},
            candidates=self.definitions,
            parameters=parameters,
            weights=weights,
            truth=self.cross_validation.truth,
            out_of_fold=mixed,
            set_aside=self.cross_validation.set_aside(pipelines, weights),
            notes=self.notes,
            sha256=self.checksum,
        )
        self._weigh(weights, described["metrics"]["out_of_fold"])
        model = Model(pipelines, described)
        described["evidence"] = manifest.evidence_by_column(model.predict, self._train, self.order)
        model.save(self.folder / "model")
        shutil.rmtree(self.folder / "notebooks", ignore_errors=True)
        notebooks.write(
            self.folder,
            name=self.name,
            settings=settings.as_dict(),
            definitions={name: self.definitions[name] for name in self.predictions},
            trials=self.trials,
            parameters=parameters,
            folds=len(self.cross_validation.folds),
            boosting_seeds=seeds,
        )
        self._say(f"best: {self.best.name}, {self.objective} {self.best.scores[self.objective]:.4f} out of fold")

    def _weigh(self, weights: dict[str, float], out_of_fold: dict[str, float]) -> None:
        """Note each candidate's share, and the ensemble as a candidate of its own."""
        for candidate in self.candidates:
            candidate.weight = weights.get(candidate.name, 0.0)
        if len(weights) > 1:
            members = " + ".join(f"{weight:.2f} {name}" for name, weight in weights.items())
            self.candidates.append(
                Candidate(
                    name=ENSEMBLE,
                    algorithm="Weighted mean of log odds",
                    description=members,
                    parameters=weights,
                    scores=out_of_fold,
                    status=COMPLETED,
                )
            )

    def _write_candidates(self) -> None:
        content = {
            "job": self.name,
            "status": self.status,
            "objective": self.objective,
            "settings": self.settings.as_dict(),
            "notes": self.notes,
            "best": self.best.name,
            "candidates": [candidate.as_dict() for candidate in self.candidates],
        }
        lake.write_json(content, self.folder / "candidates.json")


def in_order(
    table: pd.DataFrame, groups: Sequence | None, hashes: np.ndarray | None = None
) -> tuple[np.ndarray, np.ndarray | None]:
    """Numbers of the training rows in canonical order, and their groups in that order if there are groups.

    `hashes` are the table's `row_hashes`, where they are known already.

    Raises
    ------
    InputError
        No column CLASS, or one class only.
    """
    if "CLASS" not in table or set(np.unique(table["CLASS"])) != {0, 1}:
        raise InputError("training table: needs a column CLASS with both 0 and 1; build it with `training-set`")
    order = canonical_order(table, hashes)
    return order, None if groups is None else same_numbers(np.asarray(groups)[order])


def in_canonical_order(table: pd.DataFrame, groups: Sequence | None) -> tuple[pd.DataFrame, np.ndarray | None]:
    """Training rows in canonical order, and their groups; see `in_order`."""
    order, numbers = in_order(table, groups)
    return table.iloc[order].reset_index(drop=True), numbers


def training_rows(folder: str | os.PathLike) -> pd.DataFrame:
    """The rows that a job learnt from, in canonical order; with groups in the column `GROUP`.

    Raises
    ------
    InputError
        The folder is no job's.
    """
    try:
        return pd.read_parquet(Path(folder) / TRAINING_TABLE)
    except (TypeError, OSError):
        raise InputError(
            f"{folder}: has no {TRAINING_TABLE}; give a job's folder, such as runs/NAME/autopilot/variant-classifier"
        ) from None


def _write_in_order(table: pd.DataFrame, order: np.ndarray, groups: np.ndarray | None, path: Path) -> None:
    """Write rows in an order as parquet, some at a time: a second copy of a large table is not needed."""
    schema = None
    with ExitStack() as stack:
        for start in range(0, len(order), PIECE):
            rows = table.iloc[order[start : start + PIECE]]
            if groups is not None:
                rows = rows.assign(**{GROUP: groups[start : start + PIECE]})
            if schema is None:
                schema = pa.Schema.from_pandas(rows, preserve_index=False)
                file = stack.enter_context(pq.ParquetWriter(path, schema))
            file.write_table(pa.Table.from_pandas(rows, schema, preserve_index=False))
