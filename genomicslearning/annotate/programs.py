"""The annotator: vepyr, or Ensembl's own VEP; found, asked for its version, run, and heard when it fails."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO

from genomicslearning import InputError, share
from genomicslearning.io.text import one_line

VEPYR, VEP = "vepyr", "vep"
#: Folder of the annotator's own environment: vepyr pins another pyarrow than ours.
ENVIRONMENT = ".venv-annotate"
ADVICE = (
    "set one up with `make annotate-tools` (a checkout) or `pip install vepyr` in an environment of its own, and name "
    "it with --program where it is not on PATH"
)
_WORDS = 400  # characters of a program's last words that an error repeats


@dataclass(frozen=True)
class Program:
    """An annotator on this machine: where it is, which of the two, and its version."""

    path: str
    kind: str
    version: str


def find(given: str | os.PathLike | None = None) -> Program:
    """The annotator that was named, else vepyr (on PATH, in ``.venv-annotate``), else Ensembl's ``vep`` on PATH.

    Raises
    ------
    InputError
        There is none, or the one that was named cannot be run.
    """
    if given:
        path = shutil.which(str(Path(given).expanduser())) or shutil.which(str(given))
        if path is None:
            raise InputError(f"{given}: no program that can be run (given as --program); {ADVICE}")
    else:
        path = _vepyr() or shutil.which(VEP)
        if path is None:
            raise InputError(f"no annotator found: neither vepyr nor Ensembl's vep; {ADVICE}")
    kind = VEPYR if Path(path).name.startswith(VEPYR) else VEP
    return Program(path, kind, _version(path, kind))


def _vepyr() -> str | None:
    """vepyr on PATH, else in ``.venv-annotate`` in this folder, in the checkout, or beside this environment."""
    beside = (Path.cwd(), share().resolve(), Path(sys.prefix).parent)
    places = [str(folder / ENVIRONMENT / "bin") for folder in beside]
    return shutil.which(VEPYR) or shutil.which(VEPYR, path=os.pathsep.join(places))


def _version(path: str, kind: str) -> str:
    """What the program says of its version; Ensembl's VEP has no option for it and says it in its help."""
    try:
        asked = [path, "--version" if kind == VEPYR else "--help"]
        answer = subprocess.run(asked, capture_output=True, text=True, timeout=120, check=False)
    except (OSError, subprocess.TimeoutExpired) as problem:
        raise InputError(f"{path}: cannot be run ({problem}); {ADVICE}") from None
    found = re.search(r"ensembl-vep\s*:\s*(\S+)" if kind == VEP else r"vepyr\s+(\S+)", answer.stdout)
    if found is None:
        words = last_words(answer.stderr or answer.stdout)
        raise InputError(f"{path}: does not answer as {kind} does ({words}); {ADVICE}")
    return found[1]


@contextmanager
def running(command: Sequence[str]) -> Iterator[IO[bytes]]:
    """Run a program and read what it writes; it is ended where the reader stops early.

    Raises
    ------
    InputError
        It ended with an error: one line with its last words.
    """
    with tempfile.TemporaryFile() as said:
        process = subprocess.Popen(
            command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=said, bufsize=1 << 20
        )
        assert process.stdout is not None
        try:
            with process.stdout:
                yield process.stdout
            code = process.wait()
        except BaseException:
            process.kill()
            process.wait()
            raise
        if code:
            said.seek(0)
            words = last_words(said.read().decode("utf-8", "replace"))
            raise InputError(f"{Path(command[0]).name} failed (exit {code}): {words}")


def last_words(text: str) -> str:
    """What an error message says, on one line: Perl's ``MSG:``, else the last line; control characters escaped."""
    lines = [line.strip() for line in re.split(r"[\r\n]+", text) if line.strip()]
    messages = [line.removeprefix("MSG:").strip() for line in lines if line.startswith("MSG:")]
    chosen = (messages or lines or ["it said nothing"])[-1]
    return one_line(chosen, _WORDS)
