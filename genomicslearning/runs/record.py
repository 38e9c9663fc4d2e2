"""`run.json`: what a run read, was told, did and made, saved whole after every change."""

from __future__ import annotations

import hashlib
import json
import platform
import subprocess
from collections.abc import Callable, Sequence
from importlib import metadata
from pathlib import Path

import papermill

from genomicslearning import __version__, share
from genomicslearning.io import lake
from genomicslearning.runs import parameters
from genomicslearning.runs.folder import PRODUCTS, STEPS, Run, now, settings
from genomicslearning.runs.reports import render
from genomicslearning.runs.validation import INPUTS

PINNED = ("numpy", "pandas", "pyarrow", "scikit-learn", "optuna", "skops", "papermill", "nbconvert", "matplotlib")


# What the evaluation leaves beside its product, where the run asks for it.
EXTRAS = ("model_card.md", "watchlist/watchlist.html", "watchlist/watchlist.csv")


class Record:
    """`run.json`, saved whole after every change."""

    def __init__(self, folder: Path, values: dict, steps: Sequence[str]):
        self.run = Run(folder)
        path = folder / "run.json"
        self.previous = json.loads(path.read_text()) if path.is_file() else {}
        defaults = {key: item.default for step in steps for key, item in parameters.of(step).items()}
        self.facts = {
            "id": folder.name,
            "started": now(),
            "finished": None,
            "status": "running",
            "backend": values.get("backend") or settings()["backend"],
            "git": _commit(),
            "versions": {"python": platform.python_version(), "genomicslearning": __version__}
            | {name: metadata.version(name) for name in PINNED},
            "synthetic": False,
            "inputs": [],
            "parameters": {**defaults, **values, "run_dir": str(folder)},
            "steps": [],
            "artifacts": [],
            "metrics": None,
        }
        for name in steps:
            self.facts["steps"].append({"name": name, "status": "waiting", "seconds": None})

    def inputs_fingerprint(self) -> str:
        given = [self.facts["parameters"].get(key) for key in INPUTS]
        return fingerprint(__version__, [lake.sha256(path) if path else None for path in given], b"")

    def step(self, name: str) -> dict:
        return next(step for step in self.facts["steps"] if step["name"] == name)

    def intact(self, step: dict) -> bool:
        """Whether everything that a finished step left is still there, unchanged."""
        paths = {self.run.folder / name: digest for name, digest in step["products"].items()}
        return all(path.is_file() and lake.sha256(str(path)) == digest for path, digest in paths.items())

    def fail(self, name: str, problem: papermill.PapermillExecutionError) -> None:
        message = f"{problem.ename}: {problem.evalue}"
        self.facts["error"] = {"step": name, "cell": problem.exec_count, "message": message}
        self.finish("failed")

    def finish(self, status: str) -> None:
        self.facts |= {"status": status, "finished": now()}
        self.save()

    def save(self) -> None:
        folder = self.run.folder
        data = self.run.data_report()
        self.facts["synthetic"] = bool(data.get("synthetic"))
        self.facts["inputs"] = data.get("inputs", [])
        self.facts["metrics"] = json.loads(self.run.metrics.read_text()) if self.run.metrics.is_file() else None
        made = [product for name in STEPS for product in PRODUCTS[name] if (folder / product).is_file()]
        made += [extra for extra in EXTRAS if (folder / extra).is_file()]
        if "autopilot/job.json" in made:
            made.append(str(self.run.model.relative_to(folder)) + "/")
        self.facts["artifacts"] = made
        lake.write_json(self.facts, folder / "run.json")

    def render(self, progress: Callable[[str], None]) -> None:
        progress("rendering the reports")
        render(self.run.folder)


def fingerprint(before: str, facts: object, source: bytes) -> str:
    text = json.dumps([before, facts], sort_keys=True).encode()
    return hashlib.sha256(text + source).hexdigest()


def _commit() -> str | None:
    """The checkout's commit, marked where the work tree differs from it; None for an installed package."""
    root = share()
    if not (root / ".git").exists():
        return None
    try:
        out = subprocess.run(
            ["git", "-C", str(root), "describe", "--always", "--dirty", "--abbrev=40", "--exclude=*"],
            capture_output=True,
            text=True,
            check=True,
        )
    except (OSError, subprocess.CalledProcessError):
        return None
    return out.stdout.strip()
