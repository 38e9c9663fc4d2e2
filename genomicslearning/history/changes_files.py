"""The files that tell what changed between two releases: a CSV, its counts, and one page that filters by itself."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable
from pathlib import Path

import pandas as pd
from jinja2 import Environment, PackageLoader

from genomicslearning import InputError
from genomicslearning.history import changes
from genomicslearning.history.changes import COLUMNS, Changes
from genomicslearning.history.stored_releases import StoredRelease
from genomicslearning.io import lake
from genomicslearning.io.text import formula_safe, page_policy, write_json

CSV, FACTS, PAGE = "changes.csv", "changes.json", "release_changes.html"
SHOWN = 5000  # rows of the page, conflict events first: more make a browser slow
# ClinVar's text is anybody's: these columns are formula-safe.
_TEXT = ("gene", "classification_before", "classification_after", "VARIATION_ID")
_SCRIPT = Path(__file__).with_name("changes_page.js").read_text(encoding="utf-8")
_TEMPLATES = Environment(loader=PackageLoader("genomicslearning.history", "."), autoescape=True)


def read_genes(path: str | os.PathLike) -> frozenset[str]:
    """Gene symbols, one a line; blank lines and what follows a `#` do not count.

    Raises
    ------
    InputError
        The file has none, or a line that is no symbol.
    """
    found = set()
    with lake.open_input(path) as file:
        for number, line in enumerate(file.read().decode("utf-8-sig", "replace").splitlines(), 1):
            symbol = line.partition("#")[0].strip()
            if len(symbol.split()) > 1 or "," in symbol:
                raise InputError(f"{path}:{number}: {symbol[:40]!r} is not one gene symbol; give one a line")
            if symbol:
                found.add(symbol)
    if not found:
        raise InputError(f"{path}: no gene symbols; give one a line")
    return frozenset(found)


def check(
    old: str | os.PathLike, new: str | os.PathLike, out: str | os.PathLike, *, read: Iterable[str | os.PathLike] = ()
) -> None:
    """Refuse what is no path, one release without the other, and outputs in the way, before anything is read.

    Raises
    ------
    InputError
        Says what is missing, or which output is in the way.
    """
    for path in (old, new, out, *read):
        if not isinstance(path, (str, os.PathLike)):
            raise InputError(f'{path!r}: is no path; give a text, in quotes ("" for none)')
    if bool(old) != bool(new):
        missing, given = ("new", old) if old else ("old", new)
        raise InputError(f"parameter {missing}: is empty beside {given}; give both releases, or none for the sample")
    lake.check_outputs(places(out), [path for path in (old, new, *read) if path])


def compare_files(
    old: str | os.PathLike, new: str | os.PathLike, *, assembly: str = "", genes: str | os.PathLike = ""
) -> Changes:
    """Read two releases and join them (`changes.compare`)."""
    mine = read_genes(genes) if genes else frozenset()
    releases = [StoredRelease(path, assembly=assembly) for path in (old, new)]
    return changes.compare(*releases, genes=mine)


def places(out: str | os.PathLike) -> list[str]:
    """The files that `write` leaves in a folder."""
    return [f"{out}/{name}" for name in (CSV, FACTS, PAGE)]


def write(
    found: Changes,
    out: str | os.PathLike,
    *,
    read: Iterable[str | os.PathLike] = (),
    graded: dict | None = None,
    progress: Callable[[str], None] = print,
) -> dict:
    """Write `changes.csv`, `changes.json` and `release_changes.html` into a folder, whole or not at all.

    An output that is one of the files that were `read`, under any name, is refused.

    Returns
    -------
    dict
        What is in `changes.json`: `Changes.summary`, and `graded` where something was graded.
    """
    summary = found.summary()
    if graded is not None:
        summary["graded"] = graded
    shown = pd.DataFrame(columns=list(COLUMNS), dtype="str")
    with lake.output(*places(out), inputs=read) as [table, facts, page]:
        with table.open("w", encoding="utf-8", newline="") as file:
            file.write(",".join(COLUMNS) + "\n")
            for piece in found.pieces():
                for name in _TEXT:
                    piece[name] = piece[name].map(formula_safe)
                piece.to_csv(file, header=False, index=False, lineterminator="\n")
                shown = _of_interest(pd.concat([shown, piece], ignore_index=True), SHOWN)
        write_json(summary, facts)
        _write_page(page, shown, summary)
    if absent := summary["my_genes"]["in_neither_release"]:
        progress(
            f"changes: WARNING: in neither release: {', '.join(absent[:10])}; a release has the symbols "
            "that were approved (HGNC) when it came out, no aliases"
        )
    for warning in summary["warnings"]:
        progress(f"changes: WARNING: {warning}")
    progress(f"changes: {out}/{CSV}, {out}/{FACTS}, {out}/{PAGE}")
    return summary


def _of_interest(rows: pd.DataFrame, most: int) -> pd.DataFrame:
    """My genes first, then conflict events, then the rest, in the order in which they come."""
    mine = (rows["my_gene"] == "yes").astype(int)
    event = (rows["conflict"] != "").astype(int)  # a conflict that persists is no change
    significant = (rows["medically_significant"] == changes.SIGNIFICANT).astype(int)
    order = (4 * mine + 2 * event + significant).sort_values(ascending=False, kind="stable").index
    return rows.loc[order].head(most)


def _write_page(path: Path, rows: pd.DataFrame, summary: dict) -> None:
    page = _TEMPLATES.get_template("changes_page.html.j2").render(
        rows=rows.to_dict("records"),
        summary=summary,
        tops=sorted({at["top"] for score in (summary.get("graded") or {}).get("scores", ()) for at in score["top"]}),
        events=[name for name in changes.CONFLICT_EVENTS if (rows["conflict"] == name).any()],
        script=_SCRIPT,
        policy=page_policy(_SCRIPT),
        kinds=sorted(set(rows["kind_after"]) | set(rows["kind_before"]) - {""}),
    )
    path.write_text(page, encoding="utf-8")
