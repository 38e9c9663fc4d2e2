"""Figures of an evaluation, each with the words that say what it shows."""

from __future__ import annotations

from collections.abc import Callable
from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from matplotlib.figure import Figure

# What can be drawn, and the module that has `plot_<name>` and `describe_<name>` for it.
HOMES = {
    "roc": "plots",
    "precision_recall": "plots",
    "calibration": "plots",
    "thresholds": "plots",
    "cost": "plots",
    "confusion": "plots",
    "precision_at": "plots",
    "strata": "plots",
    "scores": "plots",
    "importance": "explain",
    "second_submissions": "second_submission",
    "splits": "split_comparison_plots",
}


def draw(name: str, *data: object, **named: object) -> tuple[Figure, str]:
    """A figure and its alt text, as `report.show` takes them.

    Parameters
    ----------
    name
        A key of `HOMES`; `data` and `named` are what its plot takes, such as
        ``draw("calibration", bins, ece=0.02)``.

    Examples
    --------
    >>> import numpy as np
    >>> figure, words = draw("confusion", np.array([0, 1, 1]), np.array([0, 1, 0]))
    >>> len(figure.axes) > 0 and len(words) > 20
    True
    """
    room = import_module(f"genomicslearning.evaluation.{HOMES[name]}")
    plot: Callable = getattr(room, f"plot_{name}")
    describe: Callable = getattr(room, f"describe_{name}")
    return plot(*data, **named).figure, describe(*data, **named)
