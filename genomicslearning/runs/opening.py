"""The run that a notebook works on: the one it was given, or one on the embedded sample."""

from __future__ import annotations

import os
from pathlib import Path

from genomicslearning import InputError
from genomicslearning.runs import chain
from genomicslearning.runs.folder import PRODUCTS, STEPS, Run


def open_run(run_dir: str, *, step: str) -> Run:
    """The run that a notebook works on.

    Parameters
    ----------
    run_dir
        The run's folder. Empty: a run on the embedded sample in the user's cache, whose earlier steps are executed
        where they are missing, so that every notebook runs alone.
    step
        The notebook's own name; the folder must hold what the steps before it leave.

    Raises
    ------
    InputError
        A file of an earlier step is missing.
    """
    earlier = STEPS[: STEPS.index(step)]
    if run_dir:
        run = Run(Path(run_dir).expanduser().resolve())
    else:
        run = Run(sample_folder())
        run.folder.mkdir(parents=True, exist_ok=True)
        chain.execute(run.folder, {}, steps=earlier, resume=True, render=False)
    for before in earlier:
        for name in PRODUCTS[before]:
            if not (run.folder / name).exists():
                raise InputError(f"{run.folder}: {name} is missing; run the notebook {before} on this run first")
    (run.folder / "data").mkdir(parents=True, exist_ok=True)
    return run


def sample_folder() -> Path:
    """Where notebooks that were given no run folder keep the run on the embedded sample."""
    cache = Path(os.environ.get("XDG_CACHE_HOME") or "~/.cache").expanduser()
    return cache / "genomicslearning" / "sample"
