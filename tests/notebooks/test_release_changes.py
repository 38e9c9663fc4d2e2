"""The notebook of changes alone, with its defaults: two earlier releases of the embedded sample."""

import json
from pathlib import Path

import nbformat
import papermill
import pytest

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture(scope="module")
def executed(tmp_path_factory):
    folder = tmp_path_factory.mktemp("changes")
    place = folder / "executed.ipynb"
    papermill.execute_notebook(
        ROOT / "notebooks" / "release_changes.ipynb",
        place,
        parameters={"out": str(folder / "out")},
        progress_bar=False,
    )
    return nbformat.read(place, as_version=4), folder / "out"


def test_the_notebook_counts_what_its_files_hold(executed):
    notebook, out = executed
    summary = json.loads((out / "changes.json").read_text())
    rows = (out / "changes.csv").read_text().splitlines()
    assert len(rows) - 1 == sum(summary["changes"].values()) > 300
    assert summary["changes"]["new"] > 0 and summary["conflicts"]["conflict appeared"] > 0
    text = "".join(str(cell.get("outputs", "")) for cell in notebook.cells)
    assert f"conflict appeared {summary['conflicts']['conflict appeared']:,}" in text
    assert (out / "release_changes.html").stat().st_size > 10_000
