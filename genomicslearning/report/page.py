"""Render executed notebooks and a run's index page to HTML."""

from __future__ import annotations

import base64
import hashlib
import json
import re
from pathlib import Path

import jinja2
import nbformat
from nbconvert import HTMLExporter

from genomicslearning.io import lake
from genomicslearning.report.display import OURS

HERE = Path(__file__).resolve().parent
SYNTHETIC = "Synthetic data from the embedded sample: nothing here says anything about a real variant."


def stylesheet() -> str:
    """The CSS that every page shares."""
    return (HERE / "page.css").read_text(encoding="utf-8")


def policy(script: str = "") -> str:
    """Content security policy of a page: no request at all, and no script but the given text."""
    digest = base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()
    scripts = f"script-src 'sha256-{digest}'" if script else "script-src 'none'"
    return f"default-src 'none'; img-src data:; style-src 'unsafe-inline'; {scripts}; base-uri 'none'"


def render(notebook: Path) -> Path:
    """Render an executed notebook beside itself and return the page's path. Nothing is executed.

    The run's `run.json` and `index.html`, where there are any, give the page its name, date and way home.
    """
    nb = nbformat.read(notebook, as_version=4)
    run = _run_of(notebook.parent)
    contents = _contents(nb)
    script = (HERE / "page.js").read_text(encoding="utf-8")
    exporter = HTMLExporter(template_name="template", extra_template_basedirs=[str(HERE)])
    resources = {
        "page": {
            "title": contents[0][1] if contents else notebook.stem,
            "run": f"Run {run['id']}" if run else notebook.stem,
            "home": "index.html" if run else "",
            "date": (nb.metadata.get("papermill", {}).get("start_time") or "")[:16].replace("T", " "),
            "synthetic": SYNTHETIC if run and run.get("synthetic") else "",
            "contents": contents[1:],
            "css": stylesheet(),
            "script": script,
            "policy": policy(script),
        }
    }
    page, _ = exporter.from_notebook_node(nb, resources=resources)
    target = notebook.with_suffix(".html")
    _write(target, page)
    return target


def index(folder: Path) -> Path:
    """Write a run's `index.html` from its `run.json` and executed notebooks; return its path."""
    run = _run_of(folder)
    metrics = folder / "metrics.json"
    # What the reader came for is judged last and stands first.
    quoted = _quoted(folder, [step["name"] for step in reversed(run["steps"])])
    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(HERE), autoescape=True, trim_blocks=True, lstrip_blocks=True
    )
    page = environment.get_template("index.html.j2").render(
        run=run,
        metrics=json.loads(metrics.read_text()) if metrics.is_file() else None,
        artifacts=[name for name in run["artifacts"] if (folder / name).exists()],
        rendered={step["name"] for step in run["steps"] if (folder / f"{step['name']}.html").is_file()},
        synthetic=SYNTHETIC if run.get("synthetic") else "",
        css=stylesheet(),
        policy=policy(),
        **quoted,
    )
    target = folder / "index.html"
    _write(target, page)
    return target


def _contents(nb: nbformat.NotebookNode) -> list[tuple[int, str, str]]:
    """Headings as (level, text, anchor); the anchor is the one that nbconvert's Markdown renderer makes."""
    headings = []
    for cell in nb.cells:
        if cell.cell_type == "markdown":
            for marks, text in re.findall(r"^(#{1,3}) +(.+?) *$", cell.source, flags=re.MULTILINE):
                plain = text.replace("`", "").replace("*", "")
                headings.append((len(marks), plain, plain.replace(" ", "-")))
    return headings


def _quoted(folder: Path, steps: list[str]) -> dict:
    """The outputs of executed notebooks that asked to be repeated on the index page."""
    found = {"verdicts": [], "warnings": [], "figures": []}
    for step in steps:
        path = folder / f"{step}.ipynb"
        if not path.is_file():
            continue
        for cell in nbformat.read(path, as_version=4).cells:
            for output in cell.get("outputs", []):
                marks = output.get("metadata", {}).get(OURS, {})
                if "verdict" in marks:
                    found["verdicts"].append(marks["verdict"])
                if "warning" in marks:
                    found["warnings"].append({"step": step, "text": marks["warning"]})
                if marks.get("headline"):
                    png = output["data"]["image/png"].replace("\n", "")
                    found["figures"].append({"step": step, "png": png, "alt": output["data"]["text/plain"]})
    return found


def _run_of(folder: Path) -> dict | None:
    path = folder / "run.json"
    return json.loads(path.read_text()) if path.is_file() else None


def _write(target: Path, text: str) -> None:
    with lake.output(target) as [part]:
        part.write_text(text, encoding="utf-8")
