"""A run's reports and index page, rendered again from its executed notebooks."""

from __future__ import annotations

import json
from pathlib import Path

from genomicslearning import report


def render(folder: Path) -> Path:
    """Render a run's reports and index page from its executed notebooks; return the index page's path."""
    for step in json.loads((folder / "run.json").read_text())["steps"]:
        path = folder / f"{step['name']}.ipynb"
        if path.is_file():
            report.render(path)
    return report.index(folder)
