"""What a reader sees: figures with alt text, escaped tables, warnings, a notebook's HTML report and a run's pages.

Rendering executes nothing and loads nothing: a page carries a content security policy that forbids every request, and
only the script that it was rendered with may run, so that a disease name from ClinVar stays text. Notebooks need the
names below; `report.page` and `report.index_page`, which render, take two seconds to import.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from genomicslearning.report.display import finding, markdown, remark, show, table, verdict, warn

__all__ = ["finding", "markdown", "remark", "show", "table", "verdict", "warn"]


def __getattr__(name: str):
    """A cell's names are imported when one is asked for: rendering pages needs no Matplotlib and no pandas."""
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.display"), name)
