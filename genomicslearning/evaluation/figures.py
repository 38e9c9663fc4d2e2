"""Figures of an evaluation, each with the words that say what it shows."""

from __future__ import annotations

from collections.abc import Callable
from importlib import import_module
from typing import TYPE_CHECKING, Any

import matplotlib

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
    "summary": "attributions",
    "second_submissions": "second_submission",
    "splits": "split_comparison_plots",
}


# For all of them, unless a plot says otherwise.
STYLE: dict[Any, Any] = {"font.size": 11, "axes.spines.top": False, "axes.spines.right": False}
NOTHING = "Nothing to draw: no local model, or no rows of this kind."


def draw(name: str, *data: Any, **named: Any) -> tuple[Figure | None, str]:
    """A figure and its alt text, as `report.show` takes them; no figure and the reason where the data are empty.

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
    if not len(data[0]):
        return None, NOTHING
    room = import_module(f"genomicslearning.evaluation.{HOMES[name]}")
    plot: Callable = getattr(room, f"plot_{name}")
    describe: Callable = getattr(room, f"describe_{name}")
    with matplotlib.rc_context(STYLE):
        return plot(*data, **named).figure, describe(*data, **named)
