"""What differs between two runs."""

from __future__ import annotations

import json
from pathlib import Path


def compare(first: Path, second: Path) -> str:
    """What differs between two runs, as text: every metric, then parameters, inputs and versions that are not equal."""
    one, two = (json.loads((folder / "run.json").read_text()) for folder in (first, second))
    lines = [f"{'':28} {one['id']:>24} {two['id']:>24}"]
    for title in ("metrics", "parameters", "versions"):
        a, b = one[title] or {}, two[title] or {}
        differing = [key for key in a | b if a.get(key) != b.get(key) and key != "run_dir"]
        lines.append(f"{title} that differ" if differing else f"{title}: equal")
        lines += [f"  {key:26} {_cell(a.get(key)):>24} {_cell(b.get(key)):>24}" for key in differing]
    digests = [{item["name"]: item["sha256"] for item in record["inputs"]} for record in (one, two)]
    lines.append("inputs: equal" if digests[0] == digests[1] else "inputs that differ")
    for name in digests[0] | digests[1]:
        a, b = (digest.get(name, "–")[:12] for digest in digests)
        if a != b:
            lines.append(f"  {name:26} {a:>24} {b:>24}")
    return "\n".join(lines)


def _cell(value: object) -> str:
    if isinstance(value, float):
        return f"{value:.4f}"
    if isinstance(value, list):
        return " – ".join(_cell(item) for item in value)
    return "–" if value is None else str(value)
