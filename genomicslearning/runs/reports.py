"""A run's reports and index page, rendered again from its executed notebooks; the page of all runs."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path

from genomicslearning import InputError
from genomicslearning.io.run_record import load
from genomicslearning.report.index_page import render_index
from genomicslearning.report.page import render_notebook


def render(folder: Path) -> Path:
    """Render a run's reports and index page from its executed notebooks; return the index page's path.

    Raises
    ------
    InputError
        A `run.json` that cannot be read.
    """
    for step in load(folder).get("steps", []):
        path = folder / f"{step['name']}.ipynb"
        if path.is_file():
            render_notebook(path)
    for path in sorted(folder.glob("autopilot/*/notebooks/*.ipynb")):
        render_notebook(path, home=os.path.relpath(folder / "index.html", path.parent))
    return render_index(folder)


def render_all(folders: Sequence[Path], runs_dir: Path) -> Path:
    """Render every run, and the page of all runs, `index.html` in the folder of runs; return its path."""
    from genomicslearning.report.gallery import gallery  # imports pandas, which a run's own pages do without

    for folder in folders:
        try:
            render(folder)
        except InputError:
            continue  # its row in the page of all runs says so
    return gallery(folders, runs_dir / "index.html")
