"""The local autopilot and SageMaker Autopilot behind one interface: jobs, candidates, models."""

from __future__ import annotations

from importlib import import_module

from genomicslearning.autopilot.vocabulary import BACKENDS, EXTRA_CANDIDATES, OBJECTIVES, PRESET_NAMES

# Imported when they are asked for: a command that only refuses a word must not wait for pandas.
_HOME_OF = {"Candidate": "job", "Job": "job", "start": "launch"}

__all__ = ["BACKENDS", "EXTRA_CANDIDATES", "OBJECTIVES", "PRESET_NAMES", "Candidate", "Job", "start"]


def __getattr__(name: str):
    if name not in _HOME_OF:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{_HOME_OF[name]}"), name)
