"""What a reader sees: figures with alt text, escaped tables, warnings, a notebook's HTML report and a run's index page.

Rendering executes nothing and loads nothing: a page carries a content security policy that forbids every request, and
only the script that it was rendered with may run, so that a disease name from ClinVar stays text.
"""

from __future__ import annotations

from genomicslearning.report.display import show, table, verdict, warn

__all__ = ["index", "policy", "render", "show", "stylesheet", "table", "verdict", "warn"]


def __getattr__(name: str):
    """Rendering is imported when it is asked for: nbconvert takes two seconds, and notebooks only display."""
    if name in ("index", "policy", "render", "stylesheet"):
        from genomicslearning.report import page

        return getattr(page, name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
