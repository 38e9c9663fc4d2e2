"""What a job and a candidate are, whichever backend runs them (the vocabulary is SageMaker Autopilot's)."""

from __future__ import annotations

import abc
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

import pandas as pd

from genomicslearning.autopilot.vocabulary import OBJECTIVES

if TYPE_CHECKING:
    from genomicslearning.autopilot.model import Model

IN_PROGRESS, COMPLETED, STOPPED, FAILED = "InProgress", "Completed", "Stopped", "Failed"


@dataclass(frozen=True)
class JobSettings:
    """What a job is asked for, whichever backend runs it; see `autopilot.start`."""

    objective: str = "AUC"
    preset: str = "balanced"
    features: str = "all"
    seed: int = 200
    grouped: bool = False
    max_candidates: int | None = None
    extra_candidates: tuple[str, ...] = ()
    max_runtime_seconds: float = 3600

    def as_dict(self) -> dict:
        """For JSON: what decides the model, and so not how long it may take."""
        found = {**asdict(self), "extra_candidates": list(self.extra_candidates)}
        del found["max_runtime_seconds"]
        return found


@dataclass(frozen=True)
class SageMakerSettings:
    """What only SageMaker Autopilot has.

    Parameters
    ----------
    mode
        ENSEMBLING, HYPERPARAMETER_TUNING, or AUTO (SageMaker chooses by size).
    table
        ``raw``, the 46 columns, or ``engineered``, the features that the local candidates get.
    candidate_definitions_only
        Stop once the notebooks are written; nothing is trained.
    cost_limit
        In dollars; a job that may cost more needs `confirm_cost`.
    """

    mode: str = "ENSEMBLING"
    table: str = "raw"
    candidate_definitions_only: bool = False
    cost_limit: float = 50.0
    confirm_cost: bool = False


@dataclass
class Candidate:
    """A feature pipeline, an algorithm and its hyperparameters, and how well they did on rows they did not see.

    `scores` has the keys of `OBJECTIVES`, the larger the better; `weight` is the candidate's share in the best
    candidate, if that is an ensemble; `trials` are the hyperparameters that were tried and their objective.
    """

    name: str
    algorithm: str
    description: str = ""
    parameters: dict = field(default_factory=dict)
    scores: dict[str, float] = field(default_factory=dict)
    status: str = IN_PROGRESS
    seconds: float = 0.0
    weight: float = 0.0
    trials: list[dict] = field(default_factory=list)

    def as_dict(self) -> dict:
        """For JSON."""
        return asdict(self)


class Job(abc.ABC):
    """A search for the best candidate. `start` gives one that is running already.

    Attributes
    ----------
    name, folder : its name, and the folder of its files (`<folder>/<name>` as given to `start`).
    objective : a key of `OBJECTIVES`.
    status : ``InProgress``, ``Completed``, ``Stopped`` or ``Failed``.
    candidates : list of `Candidate`; while the job runs in the order in which they finish, then in the preset's.
    """

    name: str
    folder: Path
    objective: str
    status: str
    candidates: list[Candidate]

    @abc.abstractmethod
    def wait(self) -> Job:
        """Show progress until the job has ended, and return it. Raises what made it fail."""

    @abc.abstractmethod
    def stop(self) -> None:
        """End the search; what is done stays, and the best of it becomes the model."""

    @abc.abstractmethod
    def model(self) -> Model:
        """The best candidate's model. Waits for the job."""

    @property
    def best(self) -> Candidate:
        """The candidate with the highest objective; of equal ones, the earliest."""
        scored = [candidate for candidate in self.candidates if self.objective in candidate.scores]
        return max(scored, key=lambda candidate: candidate.scores[self.objective])

    def leaderboard(self) -> pd.DataFrame:
        """Finished candidates, the best first: name, algorithm, the objective, the other scores, seconds, weight."""
        scored = [candidate for candidate in self.candidates if self.objective in candidate.scores]
        order = [self.objective, *(name for name in OBJECTIVES if name != self.objective)]
        table = pd.DataFrame(
            [
                {"candidate": one.name, "algorithm": one.algorithm}
                | {name: one.scores.get(name) for name in order}
                | {"seconds": round(one.seconds, 1), "weight": round(one.weight, 3)}
                for one in scored
            ],
            columns=["candidate", "algorithm", *order, "seconds", "weight"],
        )
        return table.sort_values(self.objective, ascending=False, kind="stable", ignore_index=True)
