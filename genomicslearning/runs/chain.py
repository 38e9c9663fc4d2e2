"""Execute the notebooks in order with papermill, keep `run.json` true at every moment, resume, and render."""

from __future__ import annotations

import hashlib
import json
import os
import platform
import re
import shutil
import subprocess
import tempfile
import time
from collections.abc import Callable, Sequence
from importlib import metadata
from pathlib import Path
from typing import BinaryIO

import papermill
from jupyter_client.manager import AsyncKernelManager
from nbclient.exceptions import DeadKernelError
from papermill.engines import NBClientEngine, NotebookExecutionManager, papermill_engines
from traitlets.config import Config

from genomicslearning import InputError, __version__, lake, report, runs, share
from genomicslearning.releases import check_release
from genomicslearning.runs import PRODUCTS, STEPS, Run, parameters

NAME = re.compile(r"[A-Za-z0-9_-][A-Za-z0-9._-]{0,63}")
INPUTS = ("clinvar", "annotated", "training_set")  # parameters that name the training set's files
# Parameters that name the watch list's release, and the input that stands in where none is given.
WATCHED = {"watchlist_clinvar": "clinvar", "watchlist_annotated": "annotated"}
PINNED = ("numpy", "pandas", "pyarrow", "scikit-learn", "optuna", "skops", "papermill", "nbconvert", "matplotlib")
# What the evaluation leaves beside its product, where the run asks for it.
EXTRAS = ("model_card.md", "watchlist/watchlist.html", "watchlist/watchlist.csv")


class StepFailed(Exception):
    """A notebook's cell failed; the report of what was done is rendered."""


def run(
    given: dict[str, object],
    *,
    name: str = "",
    runs_dir: str = "runs",
    resume: bool = False,
    progress: Callable[[str], None] = print,
) -> Path:
    """Run the whole chain into `runs_dir/name` and return the path of its index page.

    Parameters
    ----------
    given
        Values of the notebooks' parameters by name; text is read as the parameter's type.
    name
        `[A-Za-z0-9._-]{1,64}`, not starting with a dot; empty: the time in UTC.

    Raises
    ------
    InputError
        A bad name, an existing run without `resume`, an unknown parameter, an input that is missing or wrong.
    StepFailed
        Any other error in a notebook.
    """
    name = name or time.strftime("%Y%m%dT%H%M%SZ", time.gmtime())
    if not NAME.fullmatch(name):
        raise InputError(f"run name {name!r}: use up to 64 letters, digits, '.', '_' or '-', not starting with a dot")
    values = check(given)
    folder = Path(runs_dir).expanduser().resolve() / name
    if folder.exists() and not resume:
        raise InputError(f"{folder}: this run exists; give another --name, or --resume to go on with it")
    made = not folder.exists()
    try:
        folder.mkdir(parents=True, exist_ok=True)
        probe = folder / ".writable"
        probe.touch()
        probe.unlink()
    except OSError as problem:
        raise InputError(f"{folder}: cannot write there ({problem.strerror}); give another --runs-dir") from None
    try:
        execute(folder, values, resume=resume, progress=progress)
    except InputError:
        if made and not any((folder / product).exists() for product in PRODUCTS[STEPS[0]]):
            shutil.rmtree(folder)  # nothing was made: leave nothing behind, and the name free
        raise
    link = folder.parent / f".latest-{os.getpid()}"
    link.symlink_to(folder.name)
    os.replace(link, folder.parent / "latest")
    return folder / "index.html"


def check(given: dict[str, object]) -> dict[str, object]:
    """Refuse what can be refused before any work: unknown parameters, bad values, missing inputs."""
    known = {name: parameter for step in STEPS for name, parameter in parameters.of(step).items()}
    values = parameters.read({name: value for name, value in given.items() if value not in (None, "")}, known)
    if "run_dir" in values:
        raise InputError("parameter run_dir is set by the runner; use --name and --runs-dir")
    if values.get("training_set") and (values.get("clinvar") or values.get("annotated")):
        raise InputError("give either --training-set or --clinvar/--annotated, not both")
    if values.get("watchlist_annotated") and not values.get("watchlist_clinvar"):
        raise InputError("watchlist_annotated goes with watchlist_clinvar, the release that was annotated; give both")
    if not values.get("watchlist_clinvar") and values.get("clinvar"):
        values |= {watched: values[own] for watched, own in WATCHED.items() if values.get(own)}
    for key in (*INPUTS, *WATCHED):
        if values.get(key):
            if not lake.exists(values[key]):
                raise InputError(f"{values[key]}: no such file (given as {key})")
            if "://" not in values[key]:
                values[key] = str(Path(values[key]).expanduser().resolve())
    for key, choices in parameters.CHOICES.items():
        if values.get(key) and values[key] not in choices:
            raise InputError(f"parameter {key}: {values[key]!r} is not one of {', '.join(choices)}")
    earlier = json.loads(values.get("earlier") or "[]") if _is_json(values.get("earlier")) else [values["earlier"]]
    if values.get("split") == "time" and not earlier:
        raise InputError("split time needs earlier releases: give --earlier, oldest first, once for each")
    if earlier:
        for release in earlier:
            if not lake.exists(release):
                raise InputError(f"{release}: no such file (given as earlier)")
            check_release(release, assembly=values.get("assembly", ""))
        values["earlier"] = json.dumps([r if "://" in r else str(Path(r).resolve()) for r in earlier])
    return values


def execute(
    folder: Path,
    values: dict[str, object],
    *,
    steps: Sequence[str] = STEPS,
    resume: bool = False,
    render: bool = True,
    progress: Callable[[str], None] = print,
) -> None:
    """Execute `steps` in a run folder; with `resume`, skip those whose inputs and parameters have not changed."""
    record = _Record(folder, values, steps)
    before = record.fingerprint_of_inputs()
    previous = {step["name"]: step for step in record.previous.get("steps", [])} if resume else {}
    try:
        for number, name in enumerate(steps, start=1):
            accepted = parameters.of(name)
            own = {key: value for key, value in values.items() if key in accepted} | {"run_dir": str(folder)}
            watched = {f"{key} sha256": lake.sha256(own[key]) for key in WATCHED if own.get(key)}
            before = _fingerprint(before, own | watched, parameters.notebook(name).read_bytes())
            step = record.step(name)
            old = previous.get(name)
            if old and old["status"] == "done" and old["fingerprint"] == before and record.intact(old):
                step |= old
                progress(f"[{number}/{len(steps)}] {name}: unchanged, kept")
                continue
            for product in PRODUCTS[name]:
                (folder / product).unlink(missing_ok=True)
            step |= {"status": "running", "fingerprint": before}
            record.save()
            started = time.monotonic()
            try:
                _execute_notebook(name, own, folder, lambda text, n=number: progress(f"[{n}/{len(steps)}] {text}"))
            except BaseException:
                step |= {"status": "failed", "seconds": round(time.monotonic() - started, 1)}
                raise
            step |= {"status": "done", "seconds": round(time.monotonic() - started, 1)}
            step["products"] = {product: lake.sha256(str(folder / product)) for product in PRODUCTS[name]}
            record.save()
    except papermill.PapermillExecutionError as problem:
        record.fail(name, problem)
        if problem.ename == "InputError":
            raise InputError(problem.evalue) from None
        where = f"{name}, cell {problem.exec_count}" if problem.exec_count else name
        raise StepFailed(f"{where}: {problem.ename}: {problem.evalue}") from None
    except KeyboardInterrupt:
        record.finish("interrupted")
        raise
    else:
        record.finish("done")
    finally:
        if render:
            record.render(progress)


def _execute_notebook(name: str, values: dict, folder: Path, progress: Callable[[str], None]) -> None:
    with tempfile.TemporaryFile() as log:
        try:
            executed = papermill.execute_notebook(
                str(parameters.notebook(name)),
                str(folder / f"{name}.ipynb"),
                values,
                engine_name=_Engine.name,
                progress_bar=False,
                cwd=str(folder),
                # Other users of the machine cannot listen.
                config=Config(KernelManager={"transport_encryption": "auto"}),
                kernel_manager_class=_kernels(log),
                say=lambda text: progress(f"{name} · {text}"),
            )
        except DeadKernelError:
            log.seek(0)
            last = log.read().decode("utf-8", "replace").strip()[-500:]
            reason = f"the notebook's process ended; most often the machine has no memory left. {last}".strip()
            raise papermill.PapermillExecutionError(0, 0, "", "DeadKernelError", reason, []) from None
    # papermill takes sys.exit(0) in a cell for success, though the cells after it were not executed.
    for index, cell in enumerate(executed.cells):
        if cell.cell_type == "code" and cell.metadata["papermill"]["status"] != NotebookExecutionManager.COMPLETED:
            reason = "the notebook ended here, before its last cell"
            raise papermill.PapermillExecutionError(index, index, cell.source, "IncompleteNotebook", reason, [])


def _kernels(log: BinaryIO) -> type[AsyncKernelManager]:
    """Kernels whose own messages go to a file.

    What cells print comes another way, and a kernel that is told to end may report a socket that was closed before it.
    """

    class Kernels(AsyncKernelManager):
        async def start_kernel(self, **settings) -> None:
            await super().start_kernel(**settings, stderr=log)

    return Kernels


class _Engine(NBClientEngine):
    """papermill's own engine, which also says which cell runs and passes on what the cell prints."""

    name = "genomicslearning"

    @classmethod
    def execute_managed_notebook(cls, nb_man, kernel_name, say=print, **kwargs):
        started = time.monotonic()
        headings, heading = [], ""
        for cell in nb_man.nb.cells:
            if cell.cell_type == "markdown" and (found := re.findall(r"^#+ +(.+)$", cell.source, flags=re.MULTILINE)):
                heading = found[-1]
            headings.append(heading)

        def elapsed() -> str:
            minutes, seconds = divmod(int(time.monotonic() - started), 60)
            return f"{minutes}:{seconds:02d}"

        class Lines:
            def write(self, text: str) -> None:
                for line in text.splitlines():
                    if line.strip():
                        say(f"{elapsed()} · {line.strip()}")

            def flush(self) -> None:
                pass

        cell_start = nb_man.cell_start

        def announce(cell, cell_index=None, **rest):
            if cell.cell_type == "code":
                say(f"cell {cell_index + 1}/{len(headings)} {headings[cell_index]} · {elapsed()}")
            return cell_start(cell, cell_index, **rest)

        nb_man.cell_start = announce
        super().execute_managed_notebook(nb_man, kernel_name, **kwargs | {"stdout_file": Lines()})


papermill_engines.register(_Engine.name, _Engine)


class _Record:
    """`run.json`, saved whole after every change."""

    def __init__(self, folder: Path, values: dict, steps: Sequence[str]):
        self.run = Run(folder)
        path = folder / "run.json"
        self.previous = json.loads(path.read_text()) if path.is_file() else {}
        defaults = {key: item.default for step in steps for key, item in parameters.of(step).items()}
        self.facts = {
            "id": folder.name,
            "started": runs.now(),
            "finished": None,
            "status": "running",
            "backend": values.get("backend") or runs.settings()["backend"],
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

    def fingerprint_of_inputs(self) -> str:
        given = [self.facts["parameters"].get(key) for key in INPUTS]
        return _fingerprint(__version__, [lake.sha256(path) if path else None for path in given], b"")

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
        self.facts |= {"status": status, "finished": runs.now()}
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
        beside = folder / "run.json.part"
        beside.write_text(json.dumps(self.facts, indent=1) + "\n", encoding="utf-8")
        os.replace(beside, folder / "run.json")

    def render(self, progress: Callable[[str], None]) -> None:
        progress("rendering the reports")
        render(self.run.folder)


def _fingerprint(before: str, facts: object, source: bytes) -> str:
    text = json.dumps([before, facts], sort_keys=True).encode()
    return hashlib.sha256(text + source).hexdigest()


def _is_json(text: object) -> bool:
    return text is None or str(text).lstrip().startswith("[")


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


def folders(runs_dir: str) -> list[Path]:
    """Every run in a folder of runs, oldest first."""
    found = sorted(path.parent for path in Path(runs_dir).glob("*/run.json") if not path.parent.is_symlink())
    if not found:
        raise InputError(f"{runs_dir}: no runs here; make one with `genomicslearning run`")
    return found


def find(run: str, runs_dir: str) -> Path:
    """A run's folder, by its name or path."""
    for folder in (Path(runs_dir) / run, Path(run)):
        if (folder / "run.json").is_file():
            return folder.resolve()
    raise InputError(f"{run}: no such run in {runs_dir}/ and no run's folder")


def render(folder: Path) -> Path:
    """Render a run's reports and index page from its executed notebooks; return the index page's path."""
    for step in json.loads((folder / "run.json").read_text())["steps"]:
        path = folder / f"{step['name']}.ipynb"
        if path.is_file():
            report.render(path)
    return report.index(folder)


def compare(first: Path, second: Path) -> str:
    """What differs between two runs, as text: every metric, then parameters, inputs and versions that are not equal."""
    one, two = (json.loads((folder / "run.json").read_text()) for folder in (first, second))
    lines = [f"{'':28} {one['id']:>24} {two['id']:>24}"]
    for title in ("metrics", "parameters", "versions"):
        a, b = one[title] or {}, two[title] or {}
        differing = [key for key in a | b if a.get(key) != b.get(key) and key != "run_dir"]
        lines.append(f"{title} that differ" if differing else f"{title}: equal")
        lines += [f"  {key:26} {_cell(a.get(key)):>24} {_cell(b.get(key)):>24}" for key in differing]
    digests = [{item["name"]: item["sha256"] for item in record["inputs"]} for record in (one, two)]
    lines.append("inputs: equal" if digests[0] == digests[1] else "inputs that differ")
    for name in digests[0] | digests[1]:
        a, b = (digest.get(name, "–")[:12] for digest in digests)
        if a != b:
            lines.append(f"  {name:26} {a:>24} {b:>24}")
    return "\n".join(lines)


def _cell(value: object) -> str:
    if isinstance(value, float):
        return f"{value:.4f}"
    if isinstance(value, list):
        return " – ".join(_cell(item) for item in value)
    return "–" if value is None else str(value)
