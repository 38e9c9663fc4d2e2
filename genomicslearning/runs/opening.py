"""The run that a notebook works on, when a person executes it: which one it is, and whether its parts go together.

A notebook that is executed by hand replaces what its step left, and the run's record says so: what later steps left is
stale from then on. A notebook that needs a stale step has it executed again, with the parameters it had, before it
goes on; so results follow the parameters, in whatever order notebooks are executed.
"""

from __future__ import annotations

import hashlib
import os
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from genomicslearning import InputError
from genomicslearning.io import lake
from genomicslearning.runs import chain, inputs, lock, parameters
from genomicslearning.runs.folder import ANNOTATE, AT_WORK, EXTRAS, PRODUCTS, STEPS, Run, settings
from genomicslearning.runs.record import RUNNING, WAITING, Record

SAMPLE = "sample"
# Made where it was never made: its parameters choose nothing that the figures of a run hang on. What data and which
# model a run has is for its owner to say.
MADE_UNASKED = ("variant_predictor",)


@dataclass(frozen=True)
class OpenRun(Run):
    """A run that a notebook is at work on; `finish` notes what it left."""

    step: str = ""
    parameters: Mapping[str, object] = field(default_factory=dict)  # the notebook's variables, as they are now
    before: str = ""  # fingerprint of what the steps before it had left when the notebook opened the run

    @property
    def by_hand(self) -> bool:
        """Whether a person executes the notebook, and no runner, which would keep the record itself."""
        return os.environ.get(AT_WORK) != str(self.folder)

    def values(self) -> dict[str, object]:
        """The notebook's parameters as they are now, files by their absolute paths."""
        known = parameters.of(self.step)
        told = {name: self.parameters[name] for name in known if name in self.parameters}
        values = inputs.resolve(parameters.read({k: v for k, v in told.items() if v != ""}, known))
        return dict(self.inputs_before) | values | {name: value for name, value in told.items() if name not in values}

    def finish(self) -> list[str]:
        """Note that the step has left its products, and return their names in the run's folder."""
        if self.by_hand:
            with lock.hold(self.folder):
                record = Record(self.folder)
                # Parameters may have changed since the setup; what it read came from the steps as they were then.
                record.begin(self.step, self.values(), by_hand=True, before=self.before)
                record.done(self.step)
                if self.step == ANNOTATE:  # what data_prep is to read
                    record.facts["parameters"]["annotated"] = str(self.annotated)
                record.finish(record.state())
            if (self.folder / "index.html").is_file():
                from genomicslearning.report.index_page import render_index

                render_index(self.folder)
        left = [
            name for name in (*PRODUCTS.get(self.step, ()), *EXTRAS.get(self.step, ())) if (self.folder / name).exists()
        ]
        return [*left, f"{self.model.relative_to(self.folder)}/"] if "autopilot/job.json" in left else left


def open_run(
    run_dir: str,
    *,
    step: str,
    given: Mapping[str, object] | None = None,
    say: Callable[[str], None] = print,
) -> OpenRun:
    """The run that a notebook works on.

    Parameters
    ----------
    run_dir
        The run's folder. Empty: the run that was worked on last in this way; where `annotate` or `data_prep` is given
        data, a run of their own; else a run on the embedded sample, whose earlier steps are executed where they are
        missing. `annotate` that is given nothing opens none: the sample comes with its annotation.
    step
        The notebook's own name.
    given
        The notebook's variables (`globals()`), its parameters among them.
    say
        Told which run it is, and what had to be executed again.

    Raises
    ------
    InputError
        A parameter is wrong, an earlier step's files are missing, or another process works on the run.
    """
    given = given or {}
    at_work = os.environ.get(AT_WORK)
    if run_dir and at_work and at_work == str(Path(run_dir).resolve()):
        return OpenRun(Path(run_dir).resolve(), step=step, parameters=given)
    known = parameters.of(step)
    asked = {name: given[name] for name in known if name in given}
    parameters.check_types({"run_dir": run_dir, **asked}, known)
    parameters.check(asked)
    idle = step == ANNOTATE and not _annotates(asked)
    folder = Path(run_dir).expanduser().resolve() if run_dir else _folder_without_name(step, asked)
    if idle:
        return OpenRun(folder, step=step, parameters=given)
    if run_dir and step not in (ANNOTATE, STEPS[0]) and not folder.is_dir():
        raise InputError(f"{folder}: no such folder; run the notebook {STEPS[0]} with this run_dir first")
    lake.make_folder(folder / "data")
    with lock.hold(folder):
        steps = (ANNOTATE, *STEPS) if step == ANNOTATE else None
        if step != STEPS[0] or not any(asked.get(name) for name in inputs.TRAINING_DATA):
            _make_current(folder, step, is_sample=folder == sample_folder(), say=say)
        record = Record(folder, steps)
        run = OpenRun(folder, _inputs_before(record, step, asked), step, given, record.before(step))
        record.begin(step, run.values(), by_hand=True)
    if not run_dir:
        _remember(folder)
    _say_which(run, bool(run_dir), say)
    return run


def sample_folder() -> Path:
    """Where notebooks that were given no run folder keep the run on the embedded sample."""
    return _cache() / SAMPLE


def own_folder(data: list[str]) -> Path:
    """Where notebooks that were given no run folder keep the run on these files."""
    name = re.sub(r"[^A-Za-z0-9_-]+", "-", lake.name(data[0]).partition(".")[0]).strip("-")[:40] or "data"
    digest = hashlib.sha256("\0".join(data).encode()).hexdigest()[:8]
    home = Path(os.environ.get("XDG_DATA_HOME") or "~/.local/share").expanduser()
    return home / "genomicslearning" / "runs" / f"{name}-{digest}"


def _cache() -> Path:
    return Path(os.environ.get("XDG_CACHE_HOME") or "~/.cache").expanduser() / "genomicslearning"


def _remember(folder: Path) -> None:
    with lake.output(_cache() / "last") as [part]:
        part.write_text(f"{folder}\n", encoding="utf-8")


def _annotates(asked: Mapping[str, object]) -> bool:
    """Whether the notebook `annotate` was given what it annotates; some of the three alone are refused."""
    given = [bool(asked.get(name)) for name in ("clinvar", "vep_cache", "fasta")]
    if any(given) and not all(given):
        raise InputError("to annotate, give all three: clinvar, vep_cache and fasta")
    return all(given)


def _folder_without_name(step: str, asked: Mapping[str, object]) -> Path:
    """The run that a notebook means when it names none: on her own data, else the last, else the sample's."""
    last = _last()
    if step not in (ANNOTATE, STEPS[0]):
        _check_not_gone()
        return last or sample_folder()
    lake_ = str(asked.get("lake") or settings()["lake"])
    of_lake = lake_ or ("s3" if (asked.get("backend") or settings()["backend"]) == "sagemaker" else "")
    data = [path for _, path in inputs.files(inputs.resolve(asked))] or ([of_lake] if of_lake else [])
    if data:
        return own_folder(data)
    # What was annotated a moment ago is what data_prep goes on with.
    return last if step == STEPS[0] and last and ANNOTATE in Record(last).steps else sample_folder()


def _last() -> Path | None:
    """The run that was worked on last without a name; None where there is none."""
    try:
        last = Path((_cache() / "last").read_text(encoding="utf-8").strip())
    except OSError:
        return None
    return last if (last / "run.json").is_file() else None


def _check_not_gone() -> None:
    """Refuse to go on with the sample where a run on her own data was worked on last and is there no longer."""
    note = _cache() / "last"
    last = Path(note.read_text(encoding="utf-8").strip()) if note.is_file() else sample_folder()
    if last != sample_folder() and not (last / "run.json").is_file():
        raise InputError(
            f"{last}: the run that was worked on last is gone; execute {STEPS[0]} on your data (or on none, for the "
            "sample), or give run_dir"
        )


def _inputs_before(record: Record, step: str, asked: Mapping[str, object]) -> dict[str, object]:
    """The files that the training set came from, where `data_prep` is executed again without naming any."""
    if step != STEPS[0] or any(asked.get(name) for name in (*inputs.TRAINING_DATA, "lake")):
        return {}
    told = record.facts["parameters"]
    return {name: told[name] for name in inputs.TRAINING_DATA if told.get(name)}


def _make_current(folder: Path, step: str, *, is_sample: bool, say: Callable[[str], None]) -> None:
    """Execute again what an earlier step left out of date, and everything after it up to this notebook's step."""
    record = Record(folder)
    earlier = record.steps[: record.steps.index(step)] if step in record.steps else ()
    if is_sample and record.facts["versions"].get("genomicslearning") not in (None, _version()):
        stale = earlier
    else:
        first = next((number for number, name in enumerate(earlier) if record.out_of_date(name)), len(earlier))
        stale = earlier[first:]
    if not stale:
        return
    for name in stale:
        _check_can_be_made(record, name, is_sample)
    why = record.out_of_date(stale[0]) or "the package was updated"
    told = (
        "the parameters of the last time" if any(record.step(name).get("made_from") for name in stale) else "defaults"
    )
    say(f"{stale[0]}: {why}. Executing {', '.join(stale)} with {told} …")
    pages = (folder / "index.html").is_file()
    try:
        chain.execute(folder, record.given(), steps=stale, render=pages, progress=lambda text: None)
    except (InputError, chain.StepFailed) as problem:
        failed = Record(folder).facts.get("error", {}).get("step", stale[0])
        raise InputError(
            f"{problem} (the notebook {failed}, executed again with the parameters that it had); change them there and "
            "execute it, then come back"
        ) from None


def _check_can_be_made(record: Record, name: str, is_sample: bool) -> None:
    step = record.step(name)
    if step["status"] == WAITING and not is_sample and name not in MADE_UNASKED:
        missing = next((product for product in PRODUCTS[name] if not (record.run.folder / product).exists()), name)
        raise InputError(f"{record.run.folder}: {missing} is missing; run the notebook {name} on this run first")
    if step["status"] == RUNNING and step.get("by_hand") and _is_alive(step.get("process")):
        raise InputError(
            f"{record.run.folder}: the notebook {name} is open and was not executed to its last cell since it was "
            "changed; run all of its cells, or end its kernel, and come back"
        )
    if record.facts["backend"] == "sagemaker" and name.startswith("variant_classifier"):
        raise InputError(
            f"{record.run.folder}: {record.out_of_date(name)}, and training on SageMaker costs money; "
            f"run the notebook {name} yourself"
        )


def _is_alive(process: object) -> bool:
    if not isinstance(process, int) or process == os.getpid():
        return False
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return False
    except OSError:
        return True
    return True


def _version() -> str:
    from genomicslearning import __version__

    return __version__


def _say_which(run: OpenRun, named: bool, say: Callable[[str], None]) -> None:
    """Which run this is, and what its data are: the first thing that a notebook's reader should know."""
    record = Record(run.folder)
    told = {name: record.facts["parameters"].get(name) for name in inputs.TRAINING_DATA}
    names = ", ".join(lake.name(str(path)) for path in told.values() if path)
    if run.folder == sample_folder():
        what = "on the embedded synthetic sample; for your own data run data_prep with them, or give run_dir"
    elif names:
        what = f"on {names}" + ("" if named else ", the last that was worked on without run_dir")
    else:
        what = "as given" if named else "the last that was worked on without run_dir"
    say(f"run {run.folder}: {what}")
    if run.synthetic and run.step != STEPS[0]:
        from genomicslearning.report import warn

        warn("The data is synthetic, from the embedded sample: nothing here says anything about a real variant.")
