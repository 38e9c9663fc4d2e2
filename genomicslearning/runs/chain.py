"""Execute the notebooks in order with papermill, keep `run.json` true at every moment, resume, and render."""

from __future__ import annotations

import os
import re
import shutil
import time
from collections.abc import Callable, Sequence
from pathlib import Path

import papermill

from genomicslearning import InputError
from genomicslearning.io import lake
from genomicslearning.runs import parameters
from genomicslearning.runs.engine import execute_notebook
from genomicslearning.runs.folder import PRODUCTS, STEPS
from genomicslearning.runs.record import Record, fingerprint
from genomicslearning.runs.validation import WATCHED, check

NAME = re.compile(r"[A-Za-z0-9_-][A-Za-z0-9._-]{0,63}")


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
    record = Record(folder, values, steps)
    before = record.inputs_fingerprint()
    previous = {step["name"]: step for step in record.previous.get("steps", [])} if resume else {}
    try:
        for number, name in enumerate(steps, start=1):
            accepted = parameters.of(name)
            own = {key: value for key, value in values.items() if key in accepted} | {"run_dir": str(folder)}
            watched = {f"{key} sha256": lake.sha256(own[key]) for key in WATCHED if own.get(key)}
            before = fingerprint(before, own | watched, parameters.notebook(name).read_bytes())
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
                execute_notebook(name, own, folder, lambda text, n=number: progress(f"[{n}/{len(steps)}] {text}"))
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
