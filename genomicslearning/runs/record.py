"""`run.json`: what a run read, was told, did and made, saved whole after every change."""

from __future__ import annotations

import hashlib
import json
import os
import platform
import subprocess
from collections.abc import Mapping, Sequence
from importlib import metadata
from pathlib import Path

from genomicslearning import __version__, share
from genomicslearning.io import lake
from genomicslearning.io.run_record import load
from genomicslearning.runs import inputs, parameters
from genomicslearning.runs.folder import ANNOTATE, EXTRAS, PRODUCTS, STEPS, Run, now, settings

PINNED = ("numpy", "pandas", "pyarrow", "scikit-learn", "optuna", "skops", "papermill", "nbconvert", "matplotlib")

WAITING, RUNNING, DONE, STALE, FAILED, INTERRUPTED = "waiting", "running", "done", "stale", "failed", "interrupted"


class Record:
    """A run's `run.json`: made where there is none, else gone on with."""

    def __init__(self, folder: Path, steps: Sequence[str] | None = None):
        self.run = Run(folder)
        self.facts = load(folder) or {
            "id": folder.name,
            "started": now(),
            "finished": None,
            "status": RUNNING,
            "backend": settings()["backend"],
            "git": None,
            "versions": {},
            "synthetic": False,
            "inputs": [],
            "parameters": {},
            "steps": [],
            "artifacts": [],
            "metrics": None,
        }
        known = {step["name"]: step for step in self.facts["steps"]}
        self.steps = tuple(steps or ((ANNOTATE, *STEPS) if ANNOTATE in known else STEPS))
        self.facts["steps"] = [
            known.get(name) or {"name": name, "status": WAITING, "seconds": None} for name in self.steps
        ]

    # --- what it says

    def step(self, name: str) -> dict:
        """The entry of a step."""
        return next(step for step in self.facts["steps"] if step["name"] == name)

    def given(self) -> dict[str, object]:
        """The parameters that this run was told and that are not the notebooks' defaults."""
        known = parameters.all_known(self.steps)
        told = self.facts["parameters"]
        return {
            name: told[name]
            for name, parameter in known.items()
            if name != "run_dir" and name in told and told[name] != parameter.default
        }

    def told(self, name: str) -> dict[str, object]:
        """The parameters, files apart, that a step had the last time: notebooks may share a name, not its value."""
        known = parameters.of(name)
        before = self.step(name).get("made_from", {}).get("parameters", {})
        return {key: value for key, value in before.items() if key in known}

    def made_from(self, name: str, values: Mapping[str, object], before: str | None = None) -> dict:
        """All that the products of a step depend on; `before` is the fingerprint of the step before it (today's)."""
        own = {key: values.get(key, item.default) for key, item in parameters.of(name).items()}
        return {
            "before": self.before(name) if before is None else before,
            "parameters": {key: value for key, value in own.items() if key not in ("run_dir", *inputs.ROLES)},
            "inputs": inputs.facts(own),
            "notebook": parameters.code_sha256(name),
            "versions": versions(),
            "settings": settings(),
        }

    def before(self, name: str) -> str:
        """Fingerprint of the step before a step, which stands for all before it; empty for the first."""
        number = self.steps.index(name)
        return self.step(self.steps[number - 1]).get("fingerprint", "") if number else ""

    def intact(self, step: dict) -> bool:
        """Whether everything that a finished step left is still there, unchanged."""
        paths = {self.run.folder / name: digest for name, digest in step.get("products", {}).items()}
        return bool(paths) and all(path.is_file() and inputs.sha256(str(path)) == sha for path, sha in paths.items())

    def changes(self, name: str, wanted: dict) -> list[str]:
        """Why a step has to be executed again, in words; nothing where it is what `wanted` would make."""
        step = self.step(name)
        if step["status"] != DONE or "made_from" not in step:
            return [f"it is {step['status']}"]
        if step.get("by_hand"):
            return ["it was executed by hand, which leaves no report"]
        if not self.intact(step):
            return ["its files were removed or altered"]
        old = step["made_from"]
        words = {"before": "a step before it", "notebook": "its notebook", "settings": "the machine's configuration"}
        found = [words.get(key, key) for key in wanted if key != "parameters" and old.get(key) != wanted[key]]
        told = old.get("parameters", {})
        found += [key for key, value in wanted["parameters"].items() if told.get(key) != value]
        return [f"{', '.join(found)} changed"] if found else []

    def out_of_date(self, name: str) -> str:
        """Why what a step left does not belong to what the steps before it left; empty where it does."""
        step = self.step(name)
        if step["status"] == WAITING:
            return "it was not executed yet"
        if step["status"] not in (DONE, STALE):
            return f"it is {step['status']}"
        if step.get("made_from", {}).get("before") != self.before(name):
            return "a step before it was executed again"
        return "" if self.intact(step) else "its files were removed or altered"

    # --- what is written into it

    def begin(
        self, name: str, values: Mapping[str, object], *, by_hand: bool = False, before: str | None = None
    ) -> None:
        """A step is at work; what the steps after it left no longer belongs to it."""
        defaults = {key: item.default for key, item in parameters.all_known(self.steps).items()}
        made_from = self.made_from(name, values, before)
        told = {**defaults, **self.facts["parameters"], **{k: v for k, v in values.items() if k in defaults}}
        self.facts |= {
            "status": RUNNING,
            "finished": None,
            "git": _commit(),
            "versions": versions(),
            "parameters": told | {"run_dir": str(self.run.folder)},
            "backend": told.get("backend") or settings()["backend"],
        }
        self.facts.pop("error", None)
        entry = {"name": name, "status": RUNNING, "seconds": None, "made_from": made_from}
        self._replace(name, entry | ({"by_hand": True, "process": os.getpid()} if by_hand else {}))
        for later in self.steps[self.steps.index(name) + 1 :]:
            if self.step(later)["status"] != WAITING:
                self.step(later)["status"] = STALE
        self.save()

    def _replace(self, name: str, entry: dict) -> None:
        self.facts["steps"] = [entry if step["name"] == name else step for step in self.facts["steps"]]

    def done(self, name: str, seconds: float | None = None) -> None:
        """A step has left its products."""
        step = self.step(name)
        step |= {
            "status": DONE,
            "seconds": None if seconds is None else round(seconds, 1),
            "fingerprint": hashlib.sha256(json.dumps(step["made_from"], sort_keys=True).encode()).hexdigest(),
            "products": {
                product: lake.sha256(self.run.folder / product)
                for product in PRODUCTS[name]
                if (self.run.folder / product).is_file()
            },
        }
        step.pop("process", None)
        for later in self.steps[self.steps.index(name) + 1 :]:
            if self.step(later)["status"] == WAITING or self.out_of_date(later):
                break
            self.step(later)["status"] = DONE  # the same was made again
        self.save()

    def fail(self, name: str, cell: int | None, message: str, seconds: float) -> None:
        """Note which step failed, where and why."""
        self.step(name).update({"status": FAILED, "seconds": round(seconds, 1)})
        self.facts["error"] = {"step": name, "cell": cell, "message": message}
        self.finish(FAILED)

    def finish(self, status: str) -> None:
        """The worker's last word on the run."""
        if status == INTERRUPTED:
            for step in self.facts["steps"]:
                if step["status"] == RUNNING:
                    step["status"] = INTERRUPTED
        self.facts |= {"status": status, "finished": now()}
        self.save()

    def state(self) -> str:
        """The run's status as its steps have it, for a run whose notebooks are executed by hand."""
        states = {step["status"] for step in self.facts["steps"]}
        return DONE if states == {DONE} else STALE if STALE in states else "unfinished"

    def save(self) -> None:
        """Write `run.json` whole, in place of the one before."""
        folder = self.run.folder
        data = self.run.data_report()
        self.facts["synthetic"] = bool(data.get("synthetic"))
        self.facts["inputs"] = self._inputs(data)
        # The figures of a model that is no longer the run's are not the run's either.
        judged = self.facts["steps"] and self.facts["steps"][-1]["status"] == DONE and self.run.metrics.is_file()
        self.facts["metrics"] = json.loads(self.run.metrics.read_text()) if judged else None
        made = [product for name in self.steps for product in PRODUCTS[name] if (folder / product).is_file()]
        made += [extra for extras in EXTRAS.values() for extra in extras if (folder / extra).is_file()]
        if "autopilot/job.json" in made:
            made.append(str(self.run.model.relative_to(folder)) + "/")
        self.facts["artifacts"] = made
        lake.write_json(self.facts, folder / "run.json")

    def _inputs(self, data: dict) -> list[dict]:
        """Every file that was read: as the training set's accounting has it, then what else the steps read."""
        found = [{"role": "training_set", **item} for item in data.get("inputs", [])]
        for step in self.facts["steps"]:
            for item in step.get("made_from", {}).get("inputs", []):
                if (item["role"], item["sha256"]) not in {(one["role"], one["sha256"]) for one in found}:
                    known = next((one for one in found if one["sha256"] == item["sha256"]), {})
                    told = {key: known[key] for key in ("fileDate", "reference") if key in known}
                    found.append(item | told)
        return found


def versions() -> dict[str, str]:
    """Of Python, of this package and of what its results hang on."""
    return {"python": platform.python_version(), "genomicslearning": __version__} | {
        name: metadata.version(name) for name in PINNED
    }


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
