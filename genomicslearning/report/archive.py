"""A run as one file to send: its pages, notebooks, figures and predictions, with links that work when unpacked."""

from __future__ import annotations

import zipfile
from pathlib import Path

from genomicslearning.io import lake
from genomicslearning.report.page import run_record

_DATED = (1980, 1, 1, 0, 0, 0)  # the archive's bytes depend on what is in it alone


def archive(folder: Path, target: Path) -> Path:
    """Write everything that a run's index page leads to into a zip archive; return `target`.

    In it: pages and executed notebooks, the job's notebooks, and every artifact that `run.json` lists, the model
    included. The same run gives the same bytes.
    """
    files = _files(folder)
    with (
        lake.output(target, inputs=files) as [part],
        zipfile.ZipFile(part, "w", zipfile.ZIP_DEFLATED, compresslevel=6) as packed,
    ):
        for path in files:
            entry = zipfile.ZipInfo(f"{folder.name}/{path.relative_to(folder).as_posix()}", _DATED)
            entry.compress_type = zipfile.ZIP_DEFLATED
            entry.external_attr = 0o644 << 16
            packed.writestr(entry, path.read_bytes())
    return target


def _files(folder: Path) -> list[Path]:
    run = run_record(folder) or {}
    found = {folder / "run.json", *folder.glob("*.html"), *folder.glob("*.ipynb")}
    found |= {path for kind in ("html", "ipynb") for path in folder.glob(f"autopilot/*/notebooks/*.{kind}")}
    for name in run.get("artifacts", []):
        path = folder / name
        found |= set(path.rglob("*")) if path.is_dir() else {path}
    return sorted(path for path in found if path.is_file() and path.resolve().is_relative_to(folder.resolve()))
