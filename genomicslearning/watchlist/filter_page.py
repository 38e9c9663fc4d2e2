"""The watch list as one HTML page that filters and sorts by itself and loads nothing."""

from __future__ import annotations

import base64
import hashlib
from pathlib import Path
from urllib.parse import unquote

import pandas as pd
from jinja2 import Environment, PackageLoader

_SCRIPT = Path(__file__).with_name("page.js").read_text(encoding="utf-8")
# Nothing is loaded, and no script runs but this page's own: ClinVar's text is anybody's.
_POLICY = (
    "default-src 'none'; style-src 'unsafe-inline'; base-uri 'none'; form-action 'none'; script-src 'sha256-"
    + base64.b64encode(hashlib.sha256(_SCRIPT.encode()).digest()).decode()
    + "'"
)
_TEMPLATES = Environment(loader=PackageLoader("genomicslearning.watchlist", "."), autoescape=True)


def write_page(path: Path, rows: pd.DataFrame, summary: dict) -> None:
    """Write the page. `rows` are the first rows of the CSV, all text; every cell is escaped."""
    shown = rows.assign(
        percent=[f"{100 * float(value):.1f} %" for value in rows["probability"]],
        condition=[_readable(text) for text in rows["condition"]],
        classification=[_readable(text) for text in rows["classification"]],
        hgvs=[unquote(text) for text in rows["hgvs"]],
        reasons=[
            [one for one in found if one]
            for found in rows[["reason_1", "reason_2", "reason_3"]].itertuples(index=False)
        ],
    )
    page = _TEMPLATES.get_template("page.html.j2").render(
        rows=shown.to_dict("records"),
        summary=summary,
        classifications=sorted(set(shown["classification"]) - {""}),
        conflicts=sorted(set(shown["expected_conflict"]) - {""}),
        script=_SCRIPT,
        policy=_POLICY,
    )
    path.write_text(page, encoding="utf-8")


def _readable(text: str) -> str:
    return unquote(text.removeprefix("'")).replace("|", "; ").replace("_", " ")
