"""Execute the notebooks in order, keep `run.json` true at every moment, resume, and render."""

from __future__ import annotations

import os
import shutil
import sys
import time
from collections.abc import Callable, Collection, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from genomicslearning import InputError
from genomicslearning.io.text import FOLDER_NAME
from genomicslearning.runs import inputs, lock, parameters
from genomicslearning.runs.folder import PRODUCTS, Run, steps_of
from genomicslearning.runs.record import INTERRUPTED, Record
from genomicslearning.runs.reports import Rendering
from genomicslearning.runs.time_left import TimeLeft
from genomicslearning.runs.validation import check

if TYPE_CHECKING:
    from genomicslearning.runs.warm import Warm

LATEST = "latest"


# Parameters that name what the run's own annotation made.
_MADE_BY_THE_RUN = ("annotated", "watchlist_annotated")


class StepFailed(Exception):
    """A notebook's cell failed; the report of what was done is rendered."""


def run(
    given: Mapping[str, object],
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
    resume
        Go on with a run that is there. What it was told before holds where `given` says nothing else.

    Raises
    ------
    InputError
        A bad name, an existing run without `resume`, one that another process works on, an unknown parameter, an input
        that is missing or wrong.
    StepFailed
        Any other error in a notebook.
    """
    name = name or time.strftime("%Y%m%dT%H%M%SZ", time.gmtime())
    if not FOLDER_NAME.fullmatch(name):
        raise InputError(f"run name {name!r}: use up to 64 letters, digits, '.', '_' or '-', not starting with a dot")
    if name == LATEST:
        raise InputError(f"run name {name!r}: it always means the newest finished run; choose another --name")
    folder = Path(runs_dir).expanduser().resolve() / name
    if (folder.exists() or folder.is_symlink()) and not resume:
        raise InputError(f"{folder}: this run exists; give another --name, or --resume to go on with it")
    values = check(_told_before(folder, given) if resume else given)
    made = _make(folder)
    try:
        with lock.hold(folder):
            anew = {name for name, value in given.items() if value not in (None, "")}
            execute(folder, values, resume=resume, anew=anew, progress=progress)
    except InputError:
        if made and not any((folder / product).exists() for product in PRODUCTS[steps_of(values)[0]]):
            _remove(folder, made)  # nothing was made: leave nothing behind, and the name free
        raise
    link = folder.parent / f".{LATEST}-{os.getpid()}"
    link.symlink_to(folder.name)
    os.replace(link, folder.parent / LATEST)
    return folder / "index.html"


def _told_before(folder: Path, given: Mapping[str, object]) -> dict[str, object]:
    """What the run was told before, and what it is told now; data that are given now stand for all of the old."""
    given = {name: value for name, value in given.items() if value not in (None, "")}
    before = Record(folder).given()
    for watched, own in inputs.WATCHED.items():
        if before.get(watched) == before.get(own):
            before.pop(watched, None)  # it was not told, it followed
    if before.get("vep_cache"):
        before = {name: value for name, value in before.items() if name not in _MADE_BY_THE_RUN}
    if any(name in given for name in inputs.TRAINING_DATA):
        before = {name: value for name, value in before.items() if name not in inputs.OF_TRAINING_DATA}
    return before | given


def _make(folder: Path) -> list[Path]:
    """Make the run's folder; the folders that were not there, the innermost first."""
    made = [path for path in (folder, *folder.parents) if not path.exists()]
    try:
        folder.mkdir(parents=True, exist_ok=True)
        probe = folder / ".writable"
        probe.touch()
        probe.unlink()
    except OSError as problem:
        raise InputError(f"{folder}: cannot write there ({problem.strerror}); give another --runs-dir") from None
    return made


def _remove(folder: Path, made: list[Path]) -> None:
    shutil.rmtree(folder)
    for parent in made[1:]:
        try:
            parent.rmdir()
        except OSError:  # another run is there by now
            break


def execute(
    folder: Path,
    values: Mapping[str, object],
    *,
    steps: Sequence[str] | None = None,
    resume: bool = False,
    anew: Collection[str] = (),
    render: bool = True,
    progress: Callable[[str], None] = print,
) -> None:
    """Execute `steps` (all) in a run folder; with `resume`, keep those that would be made from the same again.

    A step that was executed before is told what it was told then, but for the parameters named in `anew`: two notebooks
    that were executed by hand may have been given different values of one parameter, such as `seed`.
    """
    values = _with_annotation(folder, values)
    record = Record(folder, None if steps else steps_of(values))
    steps = tuple(steps or steps_of(values))
    clock = TimeLeft(steps, str(values.get("preset", "")))
    warm: Warm | None = None
    rendering = Rendering(folder, record.steps) if render else None
    try:
        for number, name in enumerate(steps, start=1):
            place = f"[{number}/{len(steps)}] "
            own = {**values, **{key: value for key, value in record.told(name).items() if key not in anew}}
            if resume and _is_kept(record, name, own, partial(_say_at, place, progress)):
                continue
            clock.starts(name)
            warm = warm or _warm()
            _execute_step(record, name, own, partial(_say_in_place, progress, clock, place), warm)
            if rendering:
                rendering.step_done(name)
        record.finish(record.state())
    except KeyboardInterrupt:
        record.finish(INTERRUPTED)
        raise
    except (InputError, StepFailed):
        raise
    except Exception as problem:  # of the runner itself: a full disk, no kernel
        record.fail(name, None, f"{type(problem).__name__}: {problem}", 0.0)
        raise
    finally:
        if warm:
            warm.close()
        if rendering:
            progress("rendering the reports")
            rendering.finish()


def _is_kept(record: Record, name: str, values: Mapping[str, object], say: Callable[[str], None]) -> bool:
    """Whether what a step left would be made from the same again; says so, or what changed."""
    why = record.changes(name, record.made_from(name, values))
    if not why:
        say(f"{name}: unchanged, kept")
    elif record.step(name).get("made_from"):
        say(f"{name}: again, since {'; '.join(why)}")
    return not why


def _with_annotation(folder: Path, values: Mapping[str, object]) -> Mapping[str, object]:
    """The values with the VCF that the run's first step annotates, where it has that step."""
    if not values.get("vep_cache"):
        return values
    made = str(Run(folder).annotated)
    watched = {"watchlist_annotated": made} if values.get("watchlist_clinvar") == values.get("clinvar") else {}
    return {**values, "annotated": made, **watched}


def _say_at(place: str, progress: Callable[[str], None], text: str) -> None:
    progress(f"{place}{text}")


def _say_in_place(progress: Callable[[str], None], clock: TimeLeft, place: str, text: str) -> None:
    progress(f"{place}{clock.tell(text)}")


def _warm() -> Warm | None:
    """The process that kernels are forked from; None where libraries do not bear a fork (macOS)."""
    if sys.platform != "linux":
        return None
    from genomicslearning.runs.warm import Warm

    return Warm()


def _execute_step(
    record: Record, name: str, values: Mapping[str, object], say: Callable[[str], None], warm: Warm | None
) -> None:
    from papermill import PapermillExecutionError

    from genomicslearning.runs.engine import execute_notebook

    folder = record.run.folder
    accepted = parameters.of(name)
    own = {key: value for key, value in values.items() if key in accepted} | {"run_dir": str(folder)}
    (folder / "data").mkdir(exist_ok=True)
    record.begin(name, values)
    for product in PRODUCTS[name]:
        (folder / product).unlink(missing_ok=True)
    started = time.monotonic()
    try:
        execute_notebook(name, own, folder, say, warm)
    except InputError as problem:  # no kernel: nothing of the notebook was executed
        record.fail(name, None, str(problem), time.monotonic() - started)
        raise
    except PapermillExecutionError as problem:
        message = f"{problem.ename}: {problem.evalue}"
        record.fail(name, problem.exec_count, message, time.monotonic() - started)
        if problem.ename == "InputError":
            raise InputError(problem.evalue) from None
        where = f"{name}, cell {problem.exec_count}" if problem.exec_count else name
        raise StepFailed(f"{where}: {message}") from None
    record.done(name, time.monotonic() - started)
