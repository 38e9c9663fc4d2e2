"""Hyperparameter search that survives a kill: Optuna studies in the job's folder, one a candidate."""

from __future__ import annotations

import hashlib
import json
import warnings
from collections.abc import Callable
from pathlib import Path

from tqdm import TqdmWarning

with warnings.catch_warnings():
    # Optuna's progress bar advises to install widgets, which reports cannot show.
    warnings.simplefilter("ignore", TqdmWarning)
    import optuna
    from optuna.trial import BaseTrial, FixedTrial

from genomicslearning.autopilot.candidates import Definition

# Optuna is imported here and nowhere else, so that no report shows that advice.
__all__ = ["BaseTrial", "FixedTrial", "Search", "parameters_text"]


class Search:
    """Studies of a job's candidates, in ``trials.db`` (SQLite; `optuna.load_study` opens it).

    Every trial draws from a sampler seeded by job seed, candidate and trial number, so that a search that was killed
    and taken up again tries what it would have tried.
    """

    def __init__(self, folder: Path, seed: int):
        optuna.logging.set_verbosity(optuna.logging.WARNING)
        self.storage = optuna.storages.RDBStorage(f"sqlite:///{folder / 'trials.db'}")
        self.seed = seed

    def study(self, name: str) -> optuna.Study:
        """The candidate's study, new or from the storage."""
        return optuna.create_study(storage=self.storage, study_name=name, direction="maximize", load_if_exists=True)

    def best(
        self, name: str, definition: Definition, trials: int, score: Callable[[BaseTrial], float]
    ) -> tuple[dict, list[dict]]:
        """Best hyperparameters after `trials` trials, and every trial.

        The first trial has the definition's own values. Trials that the storage has already are not run again.
        `score` may raise to end the search; the trial it was in does not count.
        """
        study = self.study(name)
        for number in range(len(_done(study)), trials):
            study.sampler = optuna.samplers.TPESampler(seed=self._trial_seed(name, number), n_startup_trials=4)
            if number == 0:
                study.enqueue_trial(definition.first)
            trial = study.ask()
            try:
                value = score(trial)
            except BaseException:
                study.tell(trial, state=optuna.trial.TrialState.FAIL)
                raise
            study.tell(trial, value)
        done = _done(study)
        best = max(done, key=lambda trial: trial.value)
        return dict(best.params), [{"parameters": dict(trial.params), "objective": trial.value} for trial in done]

    def close(self) -> None:
        """Let go of the database file."""
        self.storage.engine.dispose()

    def _trial_seed(self, name: str, number: int) -> int:
        return int.from_bytes(hashlib.sha256(f"{self.seed}/{name}/{number}".encode()).digest()[:4], "little")


def _done(study: optuna.Study) -> list:
    return study.get_trials(deepcopy=False, states=(optuna.trial.TrialState.COMPLETE,))


def parameters_text(parameters: dict) -> str:
    """Hyperparameters as one line."""
    return json.dumps(parameters, sort_keys=True)
