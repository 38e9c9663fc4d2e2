"""The notebooks' parameters, read from their `parameters` cells: names, types, defaults, help, and a user's text."""

from __future__ import annotations

import ast
import difflib
import re
from dataclasses import dataclass
from pathlib import Path

import nbformat

from genomicslearning import InputError, autopilot, endpoint, share
from genomicslearning.features import FEATURE_SETS
from genomicslearning.history import splits
from genomicslearning.training_set.transcripts import PICKS

# What a parameter may be, where it is one of a few words; the rooms that read them own the words.
CHOICES = {
    "split": splits.KINDS,
    "features": tuple(FEATURE_SETS),
    "preset": autopilot.PRESET_NAMES,
    "extra_candidates": autopilot.EXTRA_CANDIDATES,
    "objective": autopilot.OBJECTIVES,
    "backend": autopilot.BACKENDS,
    "endpoint_mode": endpoint.MODES,
    "pick": PICKS,
    "depth": ("standard", "full"),
}

LINE = re.compile(r"^(?P<name>\w+): (?P<type>\w+) = (?P<default>.+?)(?:  # (?P<help>.*))?$")


@dataclass(frozen=True)
class Parameter:
    """One line of a parameters cell: `name: type = default  # help`."""

    name: str
    type: str
    default: object
    help: str


def notebook(step: str) -> Path:
    """The notebook of a step: the checkout's, else the installed package's."""
    return share("notebooks", f"{step}.ipynb")


def of(step: str) -> dict[str, Parameter]:
    """A notebook's parameters by name, in the notebook's order."""
    cells = nbformat.read(notebook(step), as_version=4).cells
    source = next(cell.source for cell in cells if "parameters" in cell.metadata.get("tags", []))
    found = {}
    for line in source.splitlines():
        if match := LINE.match(line):
            found[match["name"]] = Parameter(
                match["name"], match["type"], ast.literal_eval(match["default"]), match["help"] or ""
            )
    return found


def read(given: dict[str, object], known: dict[str, Parameter]) -> dict[str, object]:
    """Give each value its parameter's type; text from a command line is read as that type.

    Raises
    ------
    InputError
        An unknown name (with the nearest known one), or a value that is not of the type.
    """
    values = {}
    for name, value in given.items():
        if name not in known:
            near = difflib.get_close_matches(name, known, n=1)
            hint = f"did you mean {near[0]}?" if near else f"known are: {', '.join(sorted(known))}"
            raise InputError(f"unknown parameter {name}; {hint}")
        values[name] = _typed(known[name], value)
    return values


def _typed(parameter: Parameter, value: object) -> object:
    text = str(value)
    try:
        match parameter.type:
            case "bool":
                return {"true": True, "1": True, "yes": True, "false": False, "0": False, "no": False}[text.lower()]
            case "int":
                return int(text)
            case "float":
                return float(text)
            case _:
                return text
    except (KeyError, ValueError):
        raise InputError(f"parameter {parameter.name}: {text!r} is not a {parameter.type}") from None
