"""What a reader sees: figures with alt text, escaped tables, warnings, a notebook's HTML report and a run's pages.

Rendering executes nothing and loads nothing: a page carries a content security policy that forbids every request, and
only the script that it was rendered with may run, so that a disease name from ClinVar stays text.
"""

from __future__ import annotations

from genomicslearning.report.display import finding, markdown, show, table, verdict, warn

_PAGES = {"render": "page", "index": "index_page"}

__all__ = ["finding", "index", "markdown", "render", "show", "table", "verdict", "warn"]


def __getattr__(name: str):
    """Rendering is imported when it is asked for: nbconvert takes two seconds, and notebooks only display."""
    if name in _PAGES:
        from importlib import import_module

        return getattr(import_module(f"genomicslearning.report.{_PAGES[name]}"), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
