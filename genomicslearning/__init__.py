"""Predict which genetic variants have, or will get, conflicting classifications in ClinVar."""

from __future__ import annotations

from importlib.metadata import version
from pathlib import Path

__version__ = version("genomicslearning")


class InputError(Exception):
    """Bad arguments or bad input, in one line that names file, line and remedy. Commands exit with 2, no traceback."""


def install(extra: str) -> str:
    """The command that adds an extra. The package is on no index, so it is installed from the checkout."""
    return f"pip install -e '.[{extra}]' (in the checkout)"


def share(*parts: str) -> Path:
    """Path of a file that is not Python (notebooks, glue, lifecycle, cloudformation).

    A checkout's own files win, so that an edited notebook is the one that runs; an installed wheel carries copies.
    """
    package = Path(__file__).resolve().parent
    checkout = package.parent
    root = checkout if (checkout / "pyproject.toml").is_file() else package / "_share"
    return root.joinpath(*parts)
