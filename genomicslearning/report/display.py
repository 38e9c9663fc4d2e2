"""What a notebook cell shows. Each output carries metadata by which the run's index page finds it again."""

from __future__ import annotations

import base64
import html
import io

import matplotlib.pyplot as plt
import pandas as pd
from IPython.display import display
from matplotlib.figure import Figure

OURS = "genomicslearning"  # the metadata key of an output that the index page may quote


def show(figure: Figure, alt: str, *, headline: bool = False) -> None:
    """Display a figure as PNG with a text that says what it shows.

    Parameters
    ----------
    alt
        What the figure shows, with its numbers; read out by a screen reader, and its caption on the index page.
    headline
        Also put the figure on the run's index page.
    """
    buffer = io.BytesIO()
    figure.savefig(buffer, format="png", dpi=130, bbox_inches="tight")
    plt.close(figure)
    display(
        {"image/png": base64.b64encode(buffer.getvalue()).decode(), "text/plain": alt},
        metadata={"image/png": {"alt": alt}, OURS: {"headline": headline}},
        raw=True,
    )


def table(frame: pd.DataFrame, caption: str = "", *, digits: int = 3) -> None:
    """Display a table without its index; every cell is escaped, numbers are aligned, a wide one scrolls sideways."""
    kinds = ["" if pd.api.types.is_numeric_dtype(kind) else ' class="text"' for kind in frame.dtypes]

    def row(tag: str, cells) -> str:
        marked = zip(kinds, cells, strict=True)
        return "<tr>" + "".join(f"<{tag}{kind}>{_cell(cell, digits)}</{tag}>" for kind, cell in marked) + "</tr>"

    head = f"<caption>{html.escape(caption)}</caption>" if caption else ""
    head += f"<thead>{row('th', frame.columns)}</thead>"
    body = "".join(row("td", cells) for cells in frame.itertuples(index=False, name=None))
    markup = f'<div class="table"><table>{head}<tbody>{body}</tbody></table></div>'
    display({"text/html": markup, "text/plain": frame.to_string(index=False)}, raw=True)


def _cell(value: object, digits: int) -> str:
    if pd.isna(value):
        return "–"
    if isinstance(value, float):
        return f"{value:z,.{digits}f}"
    return html.escape(str(value))


def warn(text: str) -> None:
    """Display a warning, which the run's index page repeats."""
    _note(text, kind="warning")


def verdict(text: str) -> None:
    """Display the conclusion of the evaluation, which opens the run's index page."""
    _note(text, kind="verdict")


def _note(text: str, kind: str) -> None:
    markup = f'<div class="{kind}" role="note">{html.escape(text)}</div>'
    display({"text/html": markup, "text/plain": text}, metadata={OURS: {kind: text}}, raw=True)
