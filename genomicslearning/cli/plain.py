"""A plain conversion, called without Typer, for which pydantic is imported: a fifth of what the start costs."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Sequence
from functools import partial

from genomicslearning.cli import data

CONVERSIONS: dict[str, Callable[..., None]] = {
    "vcf-to-parquet": data.vcf_to_parquet,
    "tsv-to-parquet": data.tsv_to_parquet,
}
_FLAGS = {"--text", "--strict"}


def conversion(arguments: Sequence[str]) -> Callable[[], None] | None:
    """What a command line asks for that names a conversion, two files and flags; None for any other.

    Whatever is more than that, or wrong, is for Typer to read, so that help and errors are those of all commands.
    """
    command, *rest = arguments or [""]
    files = [word for word in rest if not word.startswith("-")]
    flags = {word for word in rest if word.startswith("-")}
    if command not in CONVERSIONS or len(files) != 2 or not flags <= _FLAGS:
        return None
    return partial(_call, partial(CONVERSIONS[command], *files, text="--text" in flags, strict="--strict" in flags))


def _call(work: Callable[[], None]) -> None:
    """Ends as Typer ends a command: 130 where it is interrupted, 1 where nobody reads what it says."""
    try:
        work()
    except KeyboardInterrupt:
        sys.exit(130)
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), 1)  # or the interpreter would complain at its end
        sys.exit(1)
