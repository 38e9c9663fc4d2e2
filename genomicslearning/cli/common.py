"""What several commands share: progress, and choices that are options of more than one."""

from __future__ import annotations

from enum import StrEnum

import typer


def say(text: str) -> None:
    """Progress goes to stderr, so that stdout stays what a script reads."""
    typer.echo(text, err=True)


class Pick(StrEnum):
    first = "first"
    severe = "severe"
    mane = "mane"
    canonical = "canonical"
