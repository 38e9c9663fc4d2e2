"""Write the figures of docs/reliability.md from what the scripts named there measured.

    python benchmarks/reliability.py [--folder build]

Each table stands between two comments that name its source; a source that was not measured leaves its table as it is.
"""

from __future__ import annotations

import argparse
import json
import re
from collections.abc import Callable, Iterable
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
PAGE = ROOT / "docs" / "reliability.md"


def table(head: Iterable[str], rows: Iterable[Iterable[object]]) -> str:
    """A table in Markdown; numbers with commas."""
    head = list(head)
    lines = ["| " + " | ".join(head) + " |", "|" + "---|" * len(head)]
    for row in rows:
        cells = (f"{cell:,}" if isinstance(cell, int) else str(cell).replace("|", "\\|") for cell in row)
        lines.append("| " + " | ".join(cells) + " |")
    return "\n".join(lines)


def fuzz(report: dict) -> str:
    """Inputs by reader."""
    kinds = ("inputs", "answered", "refused", "broke")
    rows = [[entry["reader"], *(entry[kind] for kind in kinds)] for entry in report["readers"]]
    rows.append(["**together**", *(sum(entry[kind] for entry in report["readers"]) for kind in kinds)])
    return (
        table(("reader", *kinds), rows)
        + f"\n\nPeak memory of the process that read them all: {report['peak_mb']:,} MB."
    )


def faults(report: list[dict]) -> str:
    """Kills by command, and what a full disk and a folder without rights do."""
    rows = []
    for entry in report:
        counts = [entry[kind] for kind in ("kills", "torn", "left", "stayed", "differs")]
        said = ["–" if kind not in entry else "one line" if entry[kind] else "FAULT" for kind in ("disk", "rights")]
        rows.append([entry["command"], *counts, *said])
    kills = sum(entry["kills"] for entry in report)
    head = ("command", "kills", "torn outputs", "left something hidden", "still there after the next run")
    head += ("next run wrote something else", "full disk", "no right to write")
    return table(head, rows) + f"\n\n{kills:,} kills in all, a third of them SIGTERM."


def bombs(report: list[dict]) -> str:
    """Memory before the refusal by file."""
    rows = [
        [
            entry["file"],
            entry["read_by"],
            entry["mb"],
            entry["peak_mb"],
            entry["cpu_seconds"],
            entry["said"].split("; ")[0],
        ]
        for entry in report
    ]
    return table(("file", "read by", "MB on disk", "peak MB", "CPU s", "answer"), rows)


def equal_bytes(report: list[dict]) -> str:
    """What two runs of the chain gave, by data."""
    rows = []
    for entry in report:
        equal = [name for name, same in entry["equal"].items() if same]
        differing = [name for name, same in entry["equal"].items() if not same]
        shuffled = "the same, to the last bit" if entry["shuffled"] else "others"
        rows.append([entry["data"], entry["rows"], ", ".join(equal), ", ".join(differing) or "none", shuffled])
    return table(("data", "rows", "equal, byte for byte", "differing", "predictions from shuffled rows"), rows)


def load_held(report: dict) -> str:
    """What a server gave beside connections that were stuck."""
    held = [
        f"{ended} with {what} ended, the longest after {report['longest_held'][what]} s"
        for what, ended in report["stuck_ended"].items()
    ]
    rows = [
        ["answered right beside them", f"{report['answered']:,} requests, 99 % within {report['p99_ms']:,} ms"],
        *(["stuck connections", text] for text in held),
        ["connections beyond the limit", ", ".join(f"{n} × {code}" for code, n in report["beyond_the_limit"].items())],
        ["memory before and after", f"{report['mb_before']:,} and {report['mb_after']:,} MB"],
        ["tracebacks in the log, exit code", f"{report['tracebacks']}, {report['exit_code']}"],
    ]
    said = f"{report['stuck']} stuck connections, {report['clients']} clients, {report['seconds']:.0f} seconds"
    return table((said, "figure"), rows)


SOURCES: dict[str, Callable[..., str]] = {
    "fuzz": fuzz,
    "faults": faults,
    "bombs": bombs,
    "equal_bytes": equal_bytes,
    "load_held": load_held,
}


def main() -> None:
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("--folder", type=Path, default=ROOT / "build")
    folder = options.parse_args().folder
    page = PAGE.read_text(encoding="utf-8")
    for name, written in SOURCES.items():
        source = folder / f"{name}.json"
        if source.is_file():
            new = f"<!-- {name}.py -->\n\n{written(json.loads(source.read_text()))}\n\n<!-- end -->"
            page = re.sub(rf"<!-- {name}\.py -->.*?<!-- end -->", lambda _, new=new: new, page, flags=re.DOTALL)
    PAGE.write_text(page, encoding="utf-8")


if __name__ == "__main__":
    main()
