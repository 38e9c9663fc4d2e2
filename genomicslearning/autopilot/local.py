"""Jobs that run on this machine, in a thread beside the caller."""

from __future__ import annotations

import json
import platform
import queue
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path

import numpy as np
import optuna
import pandas as pd

from genomicslearning import InputError, __version__
from genomicslearning.autopilot import job as vocabulary
from genomicslearning.autopilot.candidates import DEFINITIONS, PRESETS, Evidence
from genomicslearning.autopilot.job import Candidate, Job
from genomicslearning.autopilot.model import FORMAT, Model
from genomicslearning.autopilot.search import Search
from genomicslearning.autopilot.selection import (
    CrossValidation,
    best_threshold,
    blend,
    calibrated,
    canonical_order,
    greedy_ensemble,
    platt,
    same_numbers,
    scores,
    table_sha256,
)
from genomicslearning.features import Variants, folds

LIBRARIES = ("genomicslearning", "scikit-learn", "numpy", "scipy", "pandas", "skops", "optuna")
LICENCE = "Apache-2.0"
# Of the time a job may take, this share is left for fitting the chosen candidates on all rows and writing them.
SEARCH_SHARE = 0.75
ENSEMBLE = "ensemble"


class _OutOfBudget(Exception):
    """The job was stopped or has used its time; what is done becomes the result."""


class LocalJob(Job):
    """See `autopilot.start`."""

    def __init__(
        self,
        train: pd.DataFrame,
        *,
        folder: Path,
        objective: str,
        preset: str,
        features: str,
        seed: int,
        groups: Sequence | None,
        max_runtime_seconds: float,
        max_candidates: int | None,
        progress: Callable[[str], None],
    ):
        self.name, self.folder, self.objective, self.status = folder.name, folder, objective, vocabulary.IN_PROGRESS
        self.candidates: list[Candidate] = []
        self.notes: list[str] = []
        self.settings = {
            "objective": objective,
            "preset": preset,
            "features": features,
            "seed": seed,
            "grouped": groups is not None,
            "max_candidates": max_candidates,
        }
        self.max_runtime_seconds = max_runtime_seconds
        self._train, self._groups = train, groups
        self._progress = progress
        self._messages: queue.Queue[str] = queue.Queue()
        self._stop = threading.Event()
        self._error: BaseException | None = None
        self._started = time.monotonic()
        self._thread = threading.Thread(target=self._run, name=f"autopilot {self.name}", daemon=True)

    # --- what a caller sees

    def start(self) -> LocalJob:
        self._thread.start()
        return self

    def wait(self) -> Job:
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
        self._stop.set()

    def model(self) -> Model:
        self.wait()
        return Model.load(self.folder / "model")

    # --- the job

    def _run(self) -> None:
        try:
            self._prepare()
            self._search()
            self._finish()
            self.status = vocabulary.STOPPED if self._stop.is_set() else vocabulary.COMPLETED
            self._write_candidates()
        except BaseException as problem:
            self.status, self._error = vocabulary.FAILED, problem
        finally:
            self._train = self._groups = None

    def _say(self, text: str) -> None:
        self._messages.put(text)

    def _prepare(self) -> None:
        table = self._train
        if "CLASS" not in table or set(np.unique(table["CLASS"])) != {0, 1}:
            raise InputError("training table: needs a column CLASS with both 0 and 1; build it with `training-set`")
        order = canonical_order(table)
        table = table.iloc[order].reset_index(drop=True)
        groups = same_numbers(None if self._groups is None else np.asarray(self._groups)[order])
        preset = PRESETS[self.settings["preset"]]
        self.y = table["CLASS"].to_numpy(np.int64)
        self.checksum = table_sha256(table, np.arange(len(table)))
        self.folder.mkdir(parents=True, exist_ok=True)
        self._check_resumable()
        self.variants = Variants.read(table, self.settings["features"], groups)
        self.table = table
        count = _fold_count(preset.folds, self.y, groups)
        self.cross_validation = CrossValidation(
            self.variants, self.y, folds(count, self.y, groups, self.settings["seed"])
        )
        self.evidence = Evidence(self.settings["features"], grouped=groups is not None, seed=self.settings["seed"])
        self._say(
            f"{len(table):,} rows, {self.y.mean():.1%} of CLASS 1; features {self.settings['features']}, "
            f"{count} folds{' of whole groups' if groups is not None else ''}"
        )

    def _check_resumable(self) -> None:
        """A folder with another job's trials is refused; with this job's, the job is taken up where it was."""
        settings = self.settings | {"training_set_sha256": self.checksum, "version": __version__}
        path = self.folder / "job.json"
        if path.exists() and json.loads(path.read_text()) != settings:
            raise InputError(
                f"{self.folder}: holds a job with other settings or data; choose another name or remove it"
            )
        path.write_text(json.dumps(settings, indent=1) + "\n")

    def _check_budget(self) -> None:
        if self._stop.is_set() or time.monotonic() - self._started > SEARCH_SHARE * self.max_runtime_seconds:
            raise _OutOfBudget

    def _search(self) -> None:
        trials = dict(PRESETS[self.settings["preset"]].trials)
        limit = self.settings["max_candidates"]
        search = Search(self.folder, self.settings["seed"])
        self.predictions: dict[str, np.ndarray] = {}
        try:
            for place, (name, count) in enumerate(trials.items()):
                if limit is not None and place >= limit:
                    break
                self._candidate(search, name, count)
        except _OutOfBudget:
            why = (
                "stopped"
                if self._stop.is_set()
                else f"reached {SEARCH_SHARE:.0%} of its {self.max_runtime_seconds:g} s"
            )
            self.notes.append(f"The search was {why}; another run may give another model.")
            self._say(self.notes[-1])
        finally:
            search.close()
        if not self.predictions:
            raise InputError("autopilot: stopped before the first candidate was done; allow more time")

    def _candidate(self, search: Search, name: str, trials: int) -> None:
        definition = DEFINITIONS[name]
        started = time.monotonic()

        def score(trial: optuna.trial.BaseTrial) -> float:
            self._check_budget()
            pipeline = definition.build(trial, self.evidence, self.settings["seed"])
            fold_y = self.y[self.cross_validation.folds[0][1]]
            return scores(fold_y, self.cross_validation.fold_predictions(pipeline, 0))[self.objective]

        if trials > 1:
            parameters, tried = search.best(name, definition, trials, score)
        else:
            parameters, tried = definition.first, []
        predictions = self._out_of_fold(name, parameters)
        self.predictions[name] = predictions
        candidate = Candidate(
            name=name,
            algorithm=definition.algorithm,
            description=definition.description,
            parameters=parameters,
            scores=scores(self.y, predictions),
            status=vocabulary.COMPLETED,
            seconds=time.monotonic() - started,
            trials=tried,
        )
        self.candidates.append(candidate)
        self._write_candidates()
        self._say(
            f"{name}: {self.objective} {candidate.scores[self.objective]:.4f} "
            f"(best so far {self.best.name} {self.best.scores[self.objective]:.4f}), {candidate.seconds:.0f} s"
        )

    def _pipeline(self, name: str, parameters: dict):
        return DEFINITIONS[name].build(optuna.trial.FixedTrial(parameters), self.evidence, self.settings["seed"])

    def _out_of_fold(self, name: str, parameters: dict) -> np.ndarray:
        """Out-of-fold predictions, from the job's folder if it has them."""
        path = self.folder / "out_of_fold" / f"{name}.npy"
        if path.exists():
            return np.load(path, allow_pickle=False)
        predictions = self.cross_validation.predictions(self._pipeline(name, parameters), self._check_budget)
        path.parent.mkdir(exist_ok=True)
        part = path.with_suffix(".part")
        with part.open("wb") as file:
            np.save(file, predictions)
        part.replace(path)
        return predictions

    def _finish(self) -> None:
        weights = greedy_ensemble(self.y, self.predictions, self.objective)
        mixed = blend([self.predictions[name] for name in weights], list(weights.values()))
        slope, intercept = platt(self.y, mixed)
        probability = calibrated(mixed, slope, intercept)
        for candidate in self.candidates:
            candidate.weight = weights.get(candidate.name, 0.0)
        if len(weights) > 1:
            self.candidates.append(
                Candidate(
                    name=ENSEMBLE,
                    algorithm="Weighted mean of log odds",
                    description=" + ".join(f"{weight:.2f} {name}" for name, weight in weights.items()),
                    parameters=weights,
                    scores=scores(self.y, probability),
                    status=vocabulary.COMPLETED,
                )
            )
        self._say(f"fitting {', '.join(weights)} on all rows")
        pipelines = self.cross_validation.fit_all(
            {name: self._pipeline(name, self._parameters(name)) for name in weights}
        )
        manifest = self._manifest(weights, slope, intercept, probability)
        Model(pipelines, manifest).save(self.folder / "model")
        best = self.best
        self._say(f"best: {best.name}, {self.objective} {best.scores[self.objective]:.4f} out of fold")

    def _parameters(self, name: str) -> dict:
        return next(candidate.parameters for candidate in self.candidates if candidate.name == name)

    def _manifest(self, weights: dict[str, float], slope: float, intercept: float, probability: np.ndarray) -> dict:
        return {
            "format": FORMAT,
            "job": self.name,
            "created": datetime.now(UTC).isoformat(timespec="seconds"),
            "features": self.settings["features"],
            "classes": [0, 1],
            "threshold": best_threshold(self.y, probability)[0],
            "calibration": {"method": "platt", "slope": slope, "intercept": intercept},
            "members": {
                name: {"weight": weight, "parameters": self._parameters(name), "algorithm": DEFINITIONS[name].algorithm}
                for name, weight in weights.items()
            },
            "schema": {
                "input": {column: str(self.table[column].dtype) for column in self.table.columns if column != "CLASS"},
                "output": {"predicted_label": "int", "probability": "float"},
            },
            "training_set": {
                "sha256": self.checksum,
                "rows": len(self.y),
                "class_1": int(self.y.sum()),
            },
            "metrics": {"out_of_fold": scores(self.y, probability)},
            "settings": self.settings,
            "reproducible": not self.notes,
            "notes": self.notes,
            "versions": {"python": platform.python_version()} | {name: version(name) for name in LIBRARIES},
            "licence": LICENCE,
        }

    def _write_candidates(self) -> None:
        content = {
            "job": self.name,
            "status": self.status,
            "objective": self.objective,
            "settings": self.settings,
            "notes": self.notes,
            "best": self.best.name,
            "candidates": [asdict(candidate) for candidate in self.candidates],
        }
        path = self.folder / "candidates.json"
        part = path.with_suffix(".part")
        part.write_text(json.dumps(content, indent=1) + "\n")
        part.replace(path)


def _fold_count(wanted: int, y: np.ndarray, groups: np.ndarray | None) -> int:
    """Folds that the rows allow: no more than the rows of the smaller class, or than groups."""
    count = min(wanted, int(np.bincount(y).min()), wanted if groups is None else len(np.unique(groups)))
    if count < 2:
        raise InputError("training table: too few rows of one class, or of gene groups, to learn from; give more rows")
    return count
