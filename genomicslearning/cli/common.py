"""What several commands share: progress, and choices that are options of more than one."""

from __future__ import annotations

import os
from collections.abc import Callable
from enum import StrEnum

import typer


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
    """The text in colour; click takes it out again where there is no terminal, and NO_COLOR does everywhere."""
    return text if os.environ.get("NO_COLOR") else typer.style(text, **style)  # type: ignore[arg-type]


class Pick(StrEnum):
    first = "first"
    severe = "severe"
    mane = "mane"
    canonical = "canonical"
