"""What a notebook cell shows. Each output carries metadata by which the pages of a run find it again.

Colours are variables of the reports' stylesheet with a fallback, so that an output looks the same in JupyterLab.
"""

from __future__ import annotations

import base64
import html
import io
import re
from collections.abc import Iterable

import matplotlib
import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from IPython.display import display
from matplotlib.figure import Figure
from matplotlib.text import Text

from genomicslearning.report.text import OURS

# Names of genes and conditions are drawn as they are: `$…$` in one is no mathematics.
matplotlib.rcParams["text.parse_math"] = False

# Columns whose whole numbers name something: no thousands separators.
_NAMES = {"CHROM", "POS", "VARIATION_ID", "CLASS", "predicted_label", "rank", "seed", "year"}
_TEXT = {"CHROM", "VARIATION_ID"}  # names, though they may look like numbers
_FIGURE = re.compile(
    r"[<≈±]?[+−-]?\d[\d,]*(\.\d+)?([eE][+-]?\d+)?(\s?%)?(\s?(±|to|–|\(|of)[\d\s.,%±()–−+<to-]*)?"
)  # 1,234; 0.78 (0.75–0.81); 12 %; 3 of 5
_MANY_COLUMNS = 8  # more are squeezed in print, so that none is lost
_LONG_WORD = 24  # letters; a longer word may be broken anywhere, so that HGVS does not push other columns away
_COLOURS = {
    "warning": "border-left: 4px solid var(--warn-line, #b07900); background: var(--warn, #fff4d6)",
    "finding": "border-left: 4px solid var(--accent, #0b5cad); background: var(--soft, #f4f6f9)",
    "verdict": "border-left: 4px solid var(--accent, #0b5cad); background: var(--soft, #f4f6f9)",
}


def show(figure: Figure | None, alt: str, *, headline: bool = False) -> None:
    """Display a figure as PNG with a text that says what it shows; without a figure, the text alone.

    Parameters
    ----------
    alt
        What the figure shows, with its numbers; read out by a screen reader, and its caption on the index page.
    headline
        Also put the figure on the run's index page.
    """
    if figure is None:
        print(alt)
        return
    for text in figure.findobj(Text):  # those that were made before this module was imported
        text.set_parse_math(False)
    buffer = io.BytesIO()
    figure.savefig(buffer, format="png", dpi=130, bbox_inches="tight")
    plt.close(figure)
    display(
        {"image/png": base64.b64encode(buffer.getvalue()).decode(), "text/plain": alt},
        metadata={"image/png": {"alt": alt}, OURS: {"headline": headline}},
        raw=True,
    )


def table(frame: pd.DataFrame, caption: str = "", *, digits: int = 3) -> None:
    """Display a table without its index: every cell escaped, figures to the right, counts with separators.

    A table that is wider than the page scrolls sideways, also by keyboard. One without rows is said to have none.
    """
    if not len(frame):
        print(f"{caption or 'Table'}: none.")
        return
    display(
        {"text/html": table_markup(frame, caption, digits=digits), "text/plain": frame.to_string(index=False)}, raw=True
    )


def table_markup(frame: pd.DataFrame, caption: str = "", *, digits: int = 3) -> str:
    """The HTML of `table`."""
    columns = [
        [_cell(value, digits, separated=str(name) not in _NAMES) for value in frame.iloc[:, place]]
        for place, name in enumerate(frame.columns)
    ]
    kinds = [_kind(str(name), cells) for name, cells in zip(frame.columns, columns, strict=True)]

    def row(tag: str, cells: Iterable[str]) -> str:
        marked = zip(kinds, cells, strict=True)
        return "<tr>" + "".join(f"<{tag}{kind}>{cell}</{tag.split()[0]}>" for kind, cell in marked) + "</tr>"

    head = f'<caption style="text-align: left">{html.escape(caption)}</caption>' if caption else ""
    head += f"<thead>{row('th scope=col', map(_text, frame.columns))}</thead>"
    body = "".join(row("td", cells) for cells in zip(*columns, strict=True))
    label = html.escape(caption or "Table", quote=True)
    wide = " wide" if len(columns) > _MANY_COLUMNS else ""
    scrolls = f'class="table{wide}" role="group" tabindex="0" aria-label="{label}"'
    return f"<div {scrolls}><table>{head}<tbody>{body}</tbody></table></div>"


def _kind(name: str, cells: list[str]) -> str:
    """The attributes of a column's cells: figures stand to the right, text to the left."""
    if _figures(cells) and name not in _TEXT:
        return ""
    longest = max((len(word) for cell in cells for word in html.unescape(cell).split()), default=0)
    return f' class="text{" long" if longest > _LONG_WORD else ""}" style="text-align: left"'


def _text(value: object) -> str:
    return html.escape(str(value))


def _cell(value: object, digits: int, *, separated: bool) -> str:
    if pd.api.types.is_scalar(value) and pd.isna(value):
        return "–"
    if isinstance(value, bool):
        return "yes" if value else "no"
    if pd.api.types.is_integer(value):
        return f"{value:,}" if separated else str(value)
    if isinstance(value, (float, np.floating)):
        return _rounded(float(value), digits)
    return _text(value)


def _rounded(value: float, digits: int) -> str:
    """Fixed decimals; what would read as zero and is not keeps two digits of its own."""
    if value and abs(value) < 0.5 * 10**-digits and abs(value) > 1e-12:
        return f"{value:.1e}"
    return f"{value:z,.{digits}f}"


def _figures(cells: list[str]) -> bool:
    """Whether a column is of figures, so that it stands to the right."""
    said = [cell for cell in cells if cell not in ("–", "")]
    return bool(said) and all(_FIGURE.fullmatch(cell) for cell in said)


def warn(text: str) -> None:
    """Display a warning, which the run's index page repeats."""
    _note(text, "warning", {})


def finding(text: str) -> None:
    """Display the notebook's main finding in a sentence or two, which opens its report."""
    _note(text, "finding", {})


def remark(text: str, *, warning: bool) -> None:
    """Print what a check found, or display it as a warning."""
    if warning:
        warn(text)
    else:
        print(text)


def verdict(text: str, answers: pd.DataFrame | None = None) -> None:
    """Display the conclusion of the evaluation, which opens its report and the run's index page.

    Parameters
    ----------
    answers
        Rows of `evaluation.verdict.verdict`: `question`, `answer` (yes, with limits, no) and `because`. The index page
        makes lists of them: what to use the model for, and what not.
    """
    columns = ["question", "answer", "because"]
    uses = [] if answers is None else answers[columns].astype(str).to_dict("records")
    _note(text, "verdict", {"uses": uses})


def markdown(text: str, *, below: int = 0) -> None:
    """Display Markdown that holds data: HTML in it stays text, here and in the report.

    Parameters
    ----------
    below
        The level of the heading under which it stands, so that its own are of a lower one.
    """
    from genomicslearning.report.text import markdown as rendered

    text = re.sub(r"^(?=#{1,4} )", "#" * below, text, flags=re.MULTILINE)
    display({"text/html": rendered(text), "text/plain": text}, raw=True)


def _note(text: str, kind: str, more: dict) -> None:
    style = f"{_COLOURS[kind]}; color: var(--ink, #1d2733); padding: .6rem .9rem; margin: .6rem 0"
    markup = f'<div class="{kind}" role="note" style="{style}">{html.escape(text)}</div>'
    display({"text/html": markup, "text/plain": text}, metadata={OURS: {kind: text} | more}, raw=True)
