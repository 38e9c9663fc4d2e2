"""Start a job on the backend that was asked for, once what was asked is known to make sense."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from genomicslearning import InputError
from genomicslearning.autopilot.job import Job, JobSettings, SageMakerSettings
from genomicslearning.autopilot.vocabulary import BACKENDS, EXTRA_CANDIDATES, OBJECTIVES, PRESET_NAMES
from genomicslearning.io.text import FOLDER_NAME

if TYPE_CHECKING:
    import pandas as pd


def start(
    train: pd.DataFrame,
    *,
    folder: str | os.PathLike,
    name: str,
    backend: str = "local",
    objective: str = "AUC",
    preset: str = "balanced",
    features: str = "all",
    seed: int = 200,
    groups: Sequence | None = None,
    max_runtime_seconds: float = 3600,
    max_candidates: int | None = None,
    extra_candidates: Sequence[str] = (),
    sagemaker: Mapping[str, Any] | None = None,
    progress: Callable[[str], None] = print,
) -> Job:
    """Start a job and return it while it runs; ``job.wait()`` shows its progress.

    Parameters
    ----------
    train
        Rows to learn from, as `read_table` gives them.
    folder, name
        The job's files go to ``<folder>/<name>``: `candidates.json`, `notebooks/`, `model/`, and `trials.db` with
        every trial. A job that was killed is taken up again by starting it once more with the same arguments. Where
        another job has the name, with other settings or rows, both are kept: the new one's name, and folder, are then
        `job.name` and `job.folder`.
    backend
        ``local`` or ``sagemaker``.
    objective
        What the best candidate is best at, measured on rows it did not see: a key of `OBJECTIVES`.
    preset
        ``quick`` (a minute), ``balanced``, or ``best`` (twenty minutes on two cores). Each is a fixed number of trials,
        so that the same seed gives the same model.
    features
        Feature set: ``all``, ``biology`` or ``prospective``.
    groups
        One id a row; rows of a group (a gene) stay in one fold.
    max_runtime_seconds
        A guard. A job that runs into it keeps what is done, and notes that another run may give another model.
    max_candidates
        Stop after so many candidates.
    extra_candidates
        Candidates to try beside the preset's, of libraries that the extra of the same name installs: ``lightgbm``.
        The backend `local` only.
    sagemaker
        Settings that only the backend `sagemaker` has: `mode`, `table`, `candidate_definitions_only`, `cost_limit` and
        `confirm_cost` (see `job.SageMakerSettings`).
    progress
        Called by ``wait()`` with each line of progress.

    Raises
    ------
    InputError
        An unknown backend, objective, preset, feature set or extra candidate, or a bad name.
    """
    _check_choices(backend, objective, preset, features, extra_candidates)
    if not FOLDER_NAME.fullmatch(name):
        raise InputError(f"name: {name!r} is not a job name; use letters, digits, dot, dash and underscore, at most 64")
    if groups is not None and len(groups) != len(train):
        raise InputError(f"groups: {len(groups):,} ids for {len(train):,} rows; give one a row")
    settings = JobSettings(
        objective=objective,
        preset=preset,
        features=features,
        seed=seed,
        grouped=groups is not None,
        max_candidates=max_candidates,
        extra_candidates=tuple(extra_candidates),
        max_runtime_seconds=max_runtime_seconds,
    )
    if backend == "sagemaker":
        from genomicslearning.autopilot.sagemaker import SageMakerJob

        remote = SageMakerSettings(**(sagemaker or {}))
        return SageMakerJob(train, settings, remote, folder=Path(folder) / name, progress=progress).start()
    from genomicslearning.autopilot.local import LocalJob

    return LocalJob(train, settings, folder=Path(folder) / name, groups=groups, progress=progress).start()


def _check_choices(backend: str, objective: str, preset: str, features: str, extra_candidates: Sequence[str]) -> None:
    """Refuse a name that is none of those to choose from, and extra candidates where they cannot take part."""
    from genomicslearning.features import FEATURE_SETS

    for what, value, known in (
        ("backend", backend, BACKENDS),
        ("objective", objective, OBJECTIVES),
        ("preset", preset, PRESET_NAMES),
        ("features", features, FEATURE_SETS),
        *(("extra candidate", one, EXTRA_CANDIDATES) for one in extra_candidates),
    ):
        if value not in known:
            raise InputError(f"{what}: {value!r} is not known; choose one of {', '.join(known)}")
    if backend == "sagemaker" and extra_candidates:
        raise InputError("extra candidates: SageMaker Autopilot chooses its own; leave them out, or backend=local")
