"""The watch list as one HTML page that filters and sorts by itself and loads nothing."""

from __future__ import annotations

from pathlib import Path
from urllib.parse import unquote

import pandas as pd
from jinja2 import Environment, PackageLoader

from genomicslearning.history.horizons import years_ahead
from genomicslearning.io.text import page_policy

_SCRIPT = Path(__file__).with_name("page.js").read_text(encoding="utf-8")
_TEMPLATES = Environment(loader=PackageLoader("genomicslearning.watchlist", "."), autoescape=True)


def write_page(path: Path, rows: pd.DataFrame, summary: dict) -> None:
    """Write the page. `rows` are the first rows of the CSV, all text; every cell is escaped."""
    shown = rows.assign(
        percent=[_percent(value) for value in rows["probability"]],
        sure=[_sure(value) for value in rows["expected_conflict_probability"]],
        further=_further(rows),
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
        legend=_legend(rows),
        ranked="probability_both" in summary["ranked_by"],
        classifications=sorted(set(shown["classification"]) - {""}),
        conflicts=sorted(set(shown["expected_conflict"]) - {""}),
        script=_SCRIPT,
        policy=page_policy(_SCRIPT),
    )
    path.write_text(page, encoding="utf-8")


_FURTHER = {"probability_second": "second", "probability_both": "both"}


def _further(rows: pd.DataFrame) -> list[list[str]]:
    """The other chances of each row in words: `2y 12.0 %`, `second 5.0 %` (submission), `both 0.6 %`."""
    names = [name for name in rows.columns if name.startswith("probability_")]
    words = [_FURTHER.get(name, name.removeprefix("probability_")) for name in names]
    return [
        [f"{word} {_percent(value)}" for word, value in zip(words, values, strict=True)]
        for values in rows[names].itertuples(index=False)
    ]


def _legend(rows: pd.DataFrame) -> str:
    """What stands below each probability."""
    ahead = [name.removeprefix("probability_") for name in rows.columns if years_ahead(name)]
    told = [f"{' and '.join(ahead)}: so many years after the release"] if ahead else []
    if "probability_second" in rows:
        told.append("second: the chance that another laboratory classifies the variant; both: that and a conflict")
    return "; ".join(told)


def _percent(probability: str) -> str:
    return f"{100 * float(probability):.1f} %"


def _sure(chance: str) -> str:
    """How sure an expected conflict is, never 100 %: it is foretold by a model."""
    if not chance:
        return ""
    percent = 100 * float(chance)
    return "over 99 % sure" if percent > 99 else f"{percent:.0f} % sure"


def _readable(text: str) -> str:
    return unquote(text.removeprefix("'")).replace("|", "; ").replace("_", " ")
