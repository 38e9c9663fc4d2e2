"""What a reader sees: figures with alt text, escaped tables, warnings, a notebook's HTML report and a run's index page.

Rendering executes nothing and loads nothing: a page carries a content security policy that forbids every request, and
only the script that it was rendered with may run, so that a disease name from ClinVar stays text.
"""

from __future__ import annotations

from genomicslearning.report.display import show, table, verdict, warn
from genomicslearning.report.page import index, policy, render, stylesheet

__all__ = ["index", "policy", "render", "show", "stylesheet", "table", "verdict", "warn"]
