"""Render an executed notebook to a page of its own."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator
from pathlib import Path

import nbformat
from nbconvert import HTMLExporter

from genomicslearning import InputError
from genomicslearning.io import lake
from genomicslearning.io.run_record import load
from genomicslearning.io.text import first_line, page_policy
from genomicslearning.report import text as page_text

SYNTHETIC = "Synthetic data from the embedded sample: nothing here says anything about a real variant."

# Sections that a reader of results does not start with: folded, and opened by a click.
FOLDED = ("Parameters", "Setup")
_PAPERMILL_NOTES = {"papermill-error-cell-tag", "papermill-error-cell"}
_PARAMETERS = {"parameters", "injected-parameters"}
_FOLDERS = re.compile(r"""(?<=["'])/(?:[^"'\\\n/]*/)*(?=[^"'\\\n/])""")  # of a path that is a text in code
LONG_OUTPUT = 12  # lines of progress from which they are folded


def read_notebook(path: Path) -> nbformat.NotebookNode:
    """An executed notebook.

    Raises
    ------
    InputError
        The file is none, as one may be that was edited or cut off.
    """
    try:
        return nbformat.read(path, as_version=4)
    except (ValueError, AttributeError, KeyError, TypeError, nbformat.ValidationError) as problem:
        raise InputError(
            f"{path}: is no notebook ({first_line(problem)}); repair it, or make it again with run --resume"
        ) from None


def render_notebook(notebook: Path, *, home: str = "index.html", to_come: Collection[str] = ()) -> Path:
    """Render an executed notebook beside itself and return the page's path. Nothing is executed.

    The page opens with what the notebook found: its verdict or finding, and warnings of sections that are folded. The
    run's `run.json`, where there is one beside `home`, gives the page its name, date and way home.

    Parameters
    ----------
    home
        The run's index page, relative to the notebook.
    to_come
        Names of the run's steps whose notebooks are yet to be executed, and which the page leads to all the same.
    """
    nb = read_notebook(notebook)
    # papermill's own notes are HTML that says less than the page's opening does.
    nb.cells = [cell for cell in nb.cells if not _PAPERMILL_NOTES & set(cell.metadata.get("tags", []))]
    run = run_record((notebook.parent / home).parent)
    _without_folders(nb, (notebook.parent / home).resolve().parent)
    headings = contents(nb)
    folded = _fold(nb)
    _keep_together(nb)
    executed = any(cell.get("outputs") for cell in nb.cells)
    script = page_text.asset("page.js")
    exporter = HTMLExporter(template_name="template", extra_template_basedirs=[str(page_text.HERE)])
    exporter.register_filter("page_html", page_text.cleaned)
    exporter.register_filter("page_markdown", page_text.markdown)
    resources = {
        "page": {
            "title": headings[0][1] if headings else notebook.stem,
            "run": f"Run {run['id']}" if run else notebook.stem,
            "home": home if run else "",
            "steps": _steps(run, notebook, home, to_come) if run else [],
            "date": page_text.stamp(_executed(nb)) if _executed(nb) else "",
            "synthetic": SYNTHETIC if run and run.get("synthetic") else "",
            "contents": [heading for heading in headings[1:] if heading[1] not in folded],
            "folded": bool(folded),
            "opening": _opening(nb),
            "executed": executed,
            "long": LONG_OUTPUT,
            "css": page_text.asset("page.css"),
            "script": script,
            "policy": page_policy(script),
        }
    }
    page, _ = exporter.from_notebook_node(nb, resources=resources)
    target = notebook.with_suffix(".html")
    write(target, page)
    return target


def _steps(run: dict, notebook: Path, home: str, to_come: Collection[str]) -> list[tuple[str, str]]:
    """The run's reports: name and address from this page, which is empty for the page itself."""
    folder = Path(home).parent
    found = []
    for step in run["steps"]:
        beside = notebook.parent / folder / f"{step['name']}.ipynb"
        if beside.is_file() or step["name"] in to_come:
            here = beside.resolve() == notebook.resolve()
            found.append((step["name"], "" if here else (folder / f"{step['name']}.html").as_posix()))
    return found


def contents(nb: nbformat.NotebookNode) -> list[tuple[int, str, str]]:
    """Headings as (level, text, anchor)."""
    headings = []
    for cell in nb.cells:
        if cell.cell_type == "markdown":
            for marks, text in re.findall(r"^(#{1,3}) +(.+?) *$", cell.source, flags=re.MULTILINE):
                plain = text.replace("`", "").replace("*", "")
                headings.append((len(marks), plain, page_text.heading_anchor(plain)))
    return headings


def marked(nb: nbformat.NotebookNode) -> Iterator[tuple[dict, nbformat.NotebookNode]]:
    """The outputs that `report` displayed: their marks, and the output."""
    for cell in nb.cells:
        for output in cell.get("outputs", []):
            marks = output.get("metadata", {}).get(page_text.OURS)
            if isinstance(marks, dict):
                yield marks, output


def run_record(folder: Path) -> dict | None:
    """A folder's `run.json` (`record.load`), None where there is none."""
    return load(folder) or None


def write(target: Path, text: str) -> None:
    """Write a page whole or not at all."""
    with lake.output(target) as [part]:
        part.write_text(text, encoding="utf-8")


def _executed(nb: nbformat.NotebookNode) -> str:
    return nb.metadata.get("papermill", {}).get("start_time") or ""


def _fold(nb: nbformat.NotebookNode) -> list[str]:
    """Mark the cells between which the template folds a section; return the headings that are folded.

    A section with an error stays open.
    """
    sections: list[tuple[str, list]] = [("", [])]
    for cell in nb.cells:
        heading = re.match(r"## +(.+?) *(?:\n|$)", cell.source) if cell.cell_type == "markdown" else None
        if heading:
            sections.append((heading[1], []))
        sections[-1][1].append(cell)
    fold = [name in FOLDED and not any(map(_failed, cells)) for name, cells in sections]
    for place, (_, cells) in enumerate(sections):
        if fold[place]:
            cells[0].metadata["opens_fold"] = not fold[place - 1]
            cells[-1].metadata["closes_fold"] = place + 1 == len(sections) or not fold[place + 1]
    for cell in (cell for (_, cells), hidden in zip(sections, fold, strict=True) if hidden for cell in cells):
        cell.metadata["folded"] = True
    return [name for (name, _), hidden in zip(sections, fold, strict=True) if hidden]


def _keep_together(nb: nbformat.NotebookNode) -> None:
    """Mark headings with the first output that follows them, which a printed page keeps on one sheet where it fits."""
    first = None
    for cell in nb.cells[1:]:
        if cell.metadata.get("folded"):
            first = None
            continue
        if first is None and cell.cell_type == "markdown":
            first = cell
        if first is not None and cell.cell_type == "code" and cell.outputs:
            first.metadata["opens_together"] = cell.metadata["closes_together"] = True
            first = None


def _failed(cell: nbformat.NotebookNode) -> bool:
    return any(output.output_type == "error" for output in cell.get("outputs", []))


def _opening(nb: nbformat.NotebookNode) -> list[dict]:
    """What moves before everything else: verdict, finding, warnings that a fold would hide; and a copy of an error."""
    opening = []
    for cell in nb.cells:
        moving = ("verdict", "finding", *(["warning"] if cell.metadata.get("folded") else []))
        staying = []
        for output in cell.get("outputs", []):
            marks = output.get("metadata", {}).get(page_text.OURS) or {}
            moved = [{"kind": kind, "text": marks[kind]} for kind in moving if kind in marks]
            opening += moved
            staying += [] if moved else [output]
            if output.output_type == "error":
                opening.append({"kind": "failed", "text": f"A cell failed: {output.ename}: {output.evalue}"})
        if cell.cell_type == "code":
            cell.outputs = staying
    return opening


def _without_folders(nb: nbformat.NotebookNode, folder: Path) -> None:
    """Paths in a report are file names: the run's folder and the reader's home are not for others to see."""

    def shortened(text: str) -> str:
        return text.replace(f"{folder}/", "").replace(str(folder), folder.name).replace(f"{Path.home()}/", "~/")

    for cell in nb.cells:
        if cell.cell_type == "code":
            cell.source = shortened(cell.source)
            if _PARAMETERS & set(cell.metadata.get("tags", [])):
                cell.source = _FOLDERS.sub("", cell.source)
        for output in cell.get("outputs", []):
            if "text" in output:
                output["text"] = shortened(output["text"])
            for kind in ("text/plain", "text/html", "text/markdown"):
                if kind in output.get("data", {}):
                    output["data"][kind] = shortened(output["data"][kind])
