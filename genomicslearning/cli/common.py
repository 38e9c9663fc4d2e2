"""What several commands share: progress, and choices that are options of more than one."""

from __future__ import annotations

import ctypes
import os
import secrets
import sys
from collections.abc import Callable, Iterable
from enum import StrEnum
from importlib.abc import MetaPathFinder
from typing import TextIO

import typer

from genomicslearning.io.text import escaped


def say(text: str) -> None:
    """Progress goes to stderr, so that stdout stays what a script reads."""
    typer.echo(text, err=True)


def say_dimmed(text: str) -> None:
    """Progress, with what a reader looks for standing out where there is a terminal: the step before the first dot."""
    step, dot, rest = text.partition(" · ")
    say(f"{coloured(step, bold=True)}{dot}{rest}" if dot else text)


def silent(text: str) -> None:
    """Progress that nobody wants to read."""


def teller(quiet: bool) -> Callable[[str], None]:
    """What is told of progress."""
    return silent if quiet else say_dimmed


def coloured(text: str, **style: object) -> str:
    """The text in colour; `Printable` takes it out again where there is no terminal, and NO_COLOR does everywhere."""
    if os.environ.get("NO_COLOR") or not isinstance(sys.stderr, Printable):
        return text
    return typer.style(text, **style).replace("\x1b", _OURS)  # type: ignore[arg-type]


# What our own escape sequences begin with until they are written: no file can hold it.
_OURS = f"\x1b{secrets.token_hex(8)}"


class Printable:
    """A text stream for the terminal that shows control characters escaped: a file's text commands no terminal."""

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream

    def write(self, text: str) -> int:
        """Write a text; line feeds and tabs stay, and our own colours on a terminal."""
        first, *rest = text.split(_OURS)
        shown = [escaped(first)]
        for piece in rest:
            colour, letter, after = piece.partition("m")
            shown += [f"\x1b{colour}{letter}" if self._stream.isatty() else "", escaped(after)]
        return self._stream.write("".join(shown))

    def writelines(self, texts: Iterable[str]) -> None:
        """Write several texts."""
        for text in texts:
            self.write(text)

    def __getattr__(self, name: str) -> object:
        if name == "buffer":  # bytes would go past
            raise AttributeError(name)
        return getattr(self._stream, name)


# Of glibc's malloc.h.
_M_TRIM_THRESHOLD, _M_MMAP_THRESHOLD = -1, -3


class Without(MetaPathFinder):
    """Says that there is no such library, for commands that need none of it though another library imports it.

    `vcf-to-parquet`: pyarrow imports pandas, which takes most of a second, only to ask of each value whether it is
    pandas'. Everything that reads notebooks: jsonschema, which nbformat imports, imports a checker of international web
    addresses (rfc3987-syntax) that compiles a grammar for a second, and papermill imports boto3 for notebooks on S3.
    Both go on without.
    """

    def __init__(self, *names: str):
        self._names = names

    def find_spec(self, name: str, path: object = None, target: object = None) -> None:
        """Refuse a module by name before Python looks for it."""
        if name in self._names:
            raise ModuleNotFoundError(f"this command does without {name}", name=name)


def keep_freed_memory() -> None:
    """Let a command that works through a file piece by piece use the same memory for each piece.

    glibc's malloc gives the kernel back what is free at the end of its heap, and pays for each page when it is asked
    again (a tenth of what `vcf-to-parquet` costs); Arrow's own pool keeps half as much again as is used. To be called
    before pyarrow is imported. Does nothing where there is another malloc.
    """
    os.environ.setdefault("ARROW_DEFAULT_MEMORY_POOL", "system")
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None)
    if mallopt:
        for parameter, size in ((_M_MMAP_THRESHOLD, 32 << 20), (_M_TRIM_THRESHOLD, 256 << 20)):
            mallopt(parameter, size)


def work_without_blas() -> None:
    """Keep NumPy from starting the threads of its linear algebra, for commands that do none.

    They take a tenth of what the smallest `vcf-to-parquet` costs. To be called before numpy is imported.
    """
    os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")


class Pick(StrEnum):
    """Which transcript's annotation a row gets."""

    first = "first"
    severe = "severe"
    mane = "mane"
    canonical = "canonical"
    flagged = "flagged"
