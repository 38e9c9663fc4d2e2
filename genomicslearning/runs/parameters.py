"""The notebooks' parameters, read from their `parameters` cells: names, types, defaults, help, and what they may be."""

from __future__ import annotations

import ast
import difflib
import hashlib
import json
import math
import os
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

from genomicslearning import InputError, share
from genomicslearning.autopilot import vocabulary
from genomicslearning.runs.folder import ANNOTATE, STEPS

# What a parameter may be, where it is one of a few words. Words whose rooms load scikit-learn stand here again (a test
# holds them equal): a command that refuses a word must not wait for it.
CHOICES = {
    "split": ("random", "gene", "time"),
    "features": ("all", "biology", "prospective"),
    "preset": vocabulary.PRESET_NAMES,
    "extra_candidates": vocabulary.EXTRA_CANDIDATES,
    "objective": tuple(vocabulary.OBJECTIVES),
    "backend": vocabulary.BACKENDS,
    "endpoint_mode": ("in-process", "http", "batch-transform", "real-time"),
    "pick": ("flagged", "mane", "canonical", "severe", "first"),
    "depth": ("standard", "full"),
    "autopilot_mode": ("ENSEMBLING", "HYPERPARAMETER_TUNING", "AUTO"),
    "table_kind": ("raw", "engineered"),
}


@dataclass(frozen=True)
class Range:
    """The least and the greatest value of a number, and whether it is a whole one."""

    low: float
    high: float = math.inf
    whole: bool = False

    def __contains__(self, value: object) -> bool:
        if not isinstance(value, (int, float)) or not math.isfinite(value):
            return False
        return self.low <= value <= self.high

    def __str__(self) -> str:
        if self.high == math.inf:
            return f"{self.low:g} or more"
        if self.low == -math.inf:
            return f"{self.high:g} or less"
        return f"between {self.low:g} and {self.high if self.high < 1 else int(self.high)}"


RANGES = {
    "train_fraction": Range(0.01, 0.99),  # a hundredth of the rows on either side
    "seed": Range(0, 2**32 - 1, whole=True),  # what numpy takes
    "max_candidates": Range(0, whole=True),
    "max_runtime_seconds": Range(1, whole=True),
    "chunk_rows": Range(1, whole=True),
    "ranked": Range(1, whole=True),
    "cost_limit": Range(0),
    "threshold": Range(-math.inf, 1),
    "missed": Range(0),
    "false_alert": Range(0),
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
    source = next(source for kind, tags, source in _cells(notebook(step)) if kind == "code" and "parameters" in tags)
    found = {}
    for line in source.splitlines():
        if match := LINE.match(line):
            found[match["name"]] = Parameter(
                match["name"], match["type"], ast.literal_eval(match["default"]), match["help"] or ""
            )
    return found


def all_known(steps: Iterable[str] = STEPS) -> dict[str, Parameter]:
    """The parameters of all these notebooks by name."""
    return {name: parameter for step in steps for name, parameter in of(step).items()}


def allowed(name: str) -> str:
    """What a parameter may be, in words; empty where its type says all."""
    if name in CHOICES:
        return ", ".join(CHOICES[name])
    return str(RANGES[name]) if name in RANGES else ""


def listed(steps: Iterable[str] = (*STEPS, ANNOTATE)) -> list[dict]:
    """Every parameter that a run may be given, with its notebooks, for people and scripts.

    What a parameter is to a second notebook is said behind what it is to the first, where that is something else.
    """
    found: dict[str, dict] = {}
    for step in steps:
        for item in of(step).values():
            if item.name == "run_dir":
                continue
            facts = {"name": item.name, "type": item.type, "default": item.default, "allowed": allowed(item.name)}
            known = found.setdefault(item.name, facts | {"help": item.help, "notebooks": []})
            known["notebooks"].append(step)
            if item.help not in known["help"]:
                known["help"] += f"; {step}: {item.help}"
    return list(found.values())


def code_sha256(step: str) -> str:
    """SHA-256 of what a notebook does: its code without outputs, prose and the defaults of its parameters."""
    code = [source for kind, tags, source in _cells(notebook(step)) if kind == "code" and "parameters" not in tags]
    return hashlib.sha256("\0".join(code).encode()).hexdigest()


def _cells(path: Path) -> list[tuple[str, list[str], str]]:
    """Kind, tags and source of each cell. Plain JSON: nbformat's validation takes a second to import."""
    try:
        cells = json.loads(path.read_text(encoding="utf-8"))["cells"]
        return [
            (cell["cell_type"], cell.get("metadata", {}).get("tags", []), "".join(cell["source"])) for cell in cells
        ]
    except (OSError, ValueError, KeyError, TypeError):
        raise InputError(f"{path}: not a notebook; get it again from the package") from None


def read(given: Mapping[str, object], known: Mapping[str, Parameter]) -> dict[str, object]:
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


def check_types(given: Mapping[str, object], known: Mapping[str, Parameter]) -> None:
    """Refuse a value of another type than its parameter's, where a notebook may hold any Python value in its place.

    Numbers that have a range are left to `check`; a path may be a `Path`, a list of texts a list.

    Raises
    ------
    InputError
        Names the parameter, the value and how it is written.
    """
    for name, value in given.items():
        match known[name].type if name in known else "":
            case "bool":
                fits, written = isinstance(value, bool), "True or False, without quotes"
            case "str" if str(known[name].default).startswith("["):
                fits, written = isinstance(value, (str, os.PathLike, list, tuple)), "a list of texts, or a text"
            case "str":
                fits, written = isinstance(value, (str, os.PathLike)), 'a text, in quotes; "" for none'
            case _:
                continue
        if not fits:
            by_papermill = f" (papermill: -r {name} {value})" if isinstance(value, (int, float)) else ""
            raise InputError(f"parameter {name}: {value!r} is no {known[name].type}; it is {written}{by_papermill}")


def check(values: Mapping[str, object]) -> None:
    """Refuse a word that a parameter cannot be, and a number out of its range.

    Raises
    ------
    InputError
        Names the parameter, the value and what it may be.
    """
    for name, value in values.items():
        if name in CHOICES and value:
            for word in str(value).split() if name == "extra_candidates" else [value]:
                if word not in CHOICES[name]:
                    raise InputError(f"parameter {name}: {word!r} is not one of {', '.join(CHOICES[name])}")
        elif name in RANGES:
            _check_number(name, value, RANGES[name])


def _check_number(name: str, value: object, within: Range) -> None:
    """A notebook that is executed by hand may hold any Python value in a parameter's place."""
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        raise InputError(f"parameter {name}: {value!r} is no number; it is {within}, without quotes")
    if within.whole and not isinstance(value, int):
        raise InputError(f"parameter {name}: {value} is no whole number; it is {within}")
    if value not in within:
        raise InputError(f"parameter {name}: {value} is out of range; it is {within}")


def read_list(name: str, value: object) -> list[str]:
    """A parameter that is a JSON list of texts; one text that is no list is a list of one.

    Raises
    ------
    InputError
        Neither.
    """
    if isinstance(value, (list, tuple)):
        value = json.dumps(list(value), default=str)  # a path is its text
    text = str(value or "").strip()
    if not text.startswith("["):
        return [text] if text else []
    try:
        items = json.loads(text)
    except ValueError:
        items = None
    if not isinstance(items, list) or not all(isinstance(item, str) and item for item in items):
        raise InputError(f'parameter {name}: {text[:80]!r} is not a JSON list of texts, such as ["2016.vcf.gz"]')
    return items


def _typed(parameter: Parameter, value: object) -> object:
    text = json.dumps(list(value), default=str) if isinstance(value, (list, tuple)) else str(value)
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
        article = "an" if parameter.type[0] in "aeiou" else "a"
        raise InputError(f"parameter {parameter.name}: {text!r} is not {article} {parameter.type}") from None
