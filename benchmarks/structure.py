"""The shape of the package in figures: loose modules, imports between rooms, long and branching functions, types.

    python benchmarks/structure.py [FOLDER]

FOLDER is a checkout, this one by default. Rooms are the packages and loose modules of `genomicslearning/`; an arrow is
one room that imports another; a storey is a step of the longest way down the arrows.
"""

from __future__ import annotations

import ast
import json
import subprocess
import sys
from pathlib import Path

LONG = 40  # lines of a function, its docstring apart


def room_of(module: str) -> str:
    return module.split(".")[1] if "." in module else ""


def modules(package: Path) -> dict[str, Path]:
    named = {}
    for path in package.rglob("*.py"):
        parts = path.relative_to(package.parent).with_suffix("").parts
        named[".".join(parts).removesuffix(".__init__")] = path
    return named


def arrows(named: dict[str, Path]) -> set[tuple[str, str]]:
    """Pairs of rooms of which the first imports the second."""
    found = set()
    for name, path in named.items():
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.ImportFrom) and node.module and node.module.startswith("genomicslearning"):
                wanted = {node.module, *(f"{node.module}.{alias.name}" for alias in node.names)} & named.keys()
                found |= {(room_of(name), room_of(other)) for other in wanted}
    return {(one, other) for one, other in found if one and other and one != other}


def storeys(pairs: set[tuple[str, str]]) -> int:
    below: dict[str, set[str]] = {}
    for one, other in pairs:
        below.setdefault(one, set()).add(other)

    def height(room: str, seen: frozenset[str] = frozenset()) -> int:
        return 1 + max((height(other, seen | {room}) for other in below.get(room, ()) if other not in seen), default=0)

    return max(map(height, below), default=0)


def long_functions(named: dict[str, Path]) -> list[str]:
    found = []
    for name, path in named.items():
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
                words = ast.get_docstring(node, clean=False) or ""
                lines = (node.end_lineno or 0) - node.lineno + 1 - (words.count("\n") + 1 if words else 0)
                if lines > LONG:
                    found.append(f"{name}.{node.name} ({lines})")
    return sorted(found)


def printed(*command: str, folder: Path) -> str:
    return subprocess.run([sys.executable, "-m", *command], cwd=folder, capture_output=True, text=True).stdout


def main() -> None:
    folder = Path(sys.argv[1] if len(sys.argv) > 1 else Path(__file__).parent.parent).resolve()
    package = folder / "genomicslearning"
    named = modules(package)
    pairs = arrows(named)
    flags = ("--ignore-missing-imports", "--check-untyped-defs", "--no-warn-unused-ignores")
    mypy = ("mypy", *flags, "genomicslearning")
    branching = ("ruff", "check", "--isolated", "--select", "C901", "--output-format", "json", "genomicslearning")
    figures = {
        "modules": len(named),
        "lines": sum(len(path.read_text(encoding="utf-8").splitlines()) for path in named.values()),
        "loose modules": sum(path.parent == package and not path.name.startswith("__") for path in named.values()),
        "rooms": len({room_of(name) for name in named} - {""}),
        "storeys": storeys(pairs),
        "arrows between rooms": len(pairs),
        "functions over 40 lines": len(long := long_functions(named)),
        "functions of complexity over 10": len(json.loads(printed(*branching, folder=folder) or "[]")),
        "type errors": printed(*mypy, folder=folder).count(": error:"),
    }
    for name, value in figures.items():
        print(f"{name:34} {value:>8,}")
    print("long:", ", ".join(long))


if __name__ == "__main__":
    main()
