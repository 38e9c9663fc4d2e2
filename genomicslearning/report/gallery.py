"""One page of all runs: sortable, with each run's headline figures and its ROC curve as a small picture."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pandas as pd

from genomicslearning import InputError
from genomicslearning.io.text import page_policy
from genomicslearning.report import text as page_text
from genomicslearning.report.index_page import figure
from genomicslearning.report.page import run_record, write

COLUMNS = (
    ("ROC curve", "picture"),
    ("Run", "text"),
    ("Started", "text"),
    ("Status", "text"),
    ("Data", "text"),
    ("Split", "text"),
    ("Features", "text"),
    ("Preset", "text"),
    ("ROC AUC", "number"),
    ("Average precision", "number"),
    ("Calibration error", "number"),
    ("Test rows", "number"),
)
CURVE_POINTS = 60


def gallery(folders: Sequence[Path], target: Path) -> Path:
    """Write the page of the runs in `folders` to `target`, newest run first; return `target`.

    Every run has a row, a failed one too: what it has no figure for is a dash.
    """
    rows = sorted(
        (_row(folder, target.parent) for folder in folders), key=lambda row: row["started"] or "", reverse=True
    )
    script = page_text.asset("sort.js")
    page = (
        page_text.templates()
        .get_template("gallery.html.j2")
        .render(
            runs=rows,
            columns=COLUMNS,
            widest=True,
            css=page_text.asset("page.css"),
            script=script,
            policy=page_policy(script),
        )
    )
    write(target, page)
    return target


def _row(folder: Path, beside: Path) -> dict:
    try:
        run = run_record(folder) or {}
    except InputError:
        run = {"status": "unreadable"}  # cut, or another's: the row says so, the other rows stand
    metrics = run.get("metrics") or {}
    parameters = run.get("parameters") or {}
    page = folder / "index.html"
    inputs = run.get("inputs") or []
    return {
        "name": folder.name,
        "page": page.relative_to(beside).as_posix() if page.is_file() and page.is_relative_to(beside) else "",
        "started": run.get("started"),
        "status": run.get("status", "unreadable"),
        "synthetic": bool(run.get("synthetic")),
        "data": inputs[0].get("name", "–") if inputs else "–",
        "split": metrics.get("split") or parameters.get("split") or "–",
        "features": metrics.get("features") or parameters.get("features") or "–",
        "preset": metrics.get("preset") or parameters.get("preset") or "–",
        "figures": [
            (metrics.get("roc_auc"), figure(metrics.get("roc_auc")), _short(metrics.get("roc_auc_ci"))),
            (
                metrics.get("average_precision"),
                figure(metrics.get("average_precision")),
                _short(metrics.get("average_precision_ci")),
            ),
            (metrics.get("ece"), figure(metrics.get("ece")), ""),
            (metrics.get("n"), f"{metrics['n']:,}" if metrics.get("n") else "–", ""),
        ],
        "curve": roc_points(folder / "predictions.csv") if metrics else "",
        "curve_says": f"ROC curve of {folder.name}, area {figure(metrics.get('roc_auc'))}",
    }


def _short(bounds: list | None) -> str:
    return f"{bounds[0]:.3f} to {bounds[1]:.3f}" if bounds and None not in bounds else ""


def roc_points(predictions: Path) -> str:
    """A ROC curve as the points of an SVG polyline in a square of 100, empty where it cannot be drawn."""
    if not predictions.is_file():
        return ""
    table = pd.read_csv(predictions, usecols=["CLASS", "probability"])
    order = np.argsort(-table["probability"].to_numpy(), kind="stable")
    positive = table["CLASS"].to_numpy()[order] == 1
    if not positive.any() or positive.all():
        return ""
    true_rate = np.concatenate([[0], np.cumsum(positive) / positive.sum()])
    false_rate = np.concatenate([[0], np.cumsum(~positive) / (~positive).sum()])
    places = np.unique(np.linspace(0, len(order), CURVE_POINTS).round().astype(int))
    return " ".join(f"{1 + 98 * false_rate[place]:.1f},{99 - 98 * true_rate[place]:.1f}" for place in places)
