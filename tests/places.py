"""Where the checkout is, where the real data lies, if this machine has it, and what the docs say of files."""

from __future__ import annotations

import os
import re
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent


def data_folder() -> Path:
    """The folder of the real data; it need not exist."""
    return Path(os.environ.get("GENOMICSLEARNING_DATA", ROOT.parent / "shared" / "data"))


def documented(heading: str) -> set[str]:
    """The names in the first column of the table under a heading of docs/formats.md."""
    text = (ROOT / "docs" / "formats.md").read_text(encoding="utf-8")
    section = re.search(rf"^##+ {re.escape(heading)}\n(.*?)(?=^##+ |\Z)", text, flags=re.DOTALL | re.MULTILINE)
    assert section, f"docs/formats.md has no section {heading}"
    cells = re.findall(r"^\| (.*?) \|", section[1], flags=re.MULTILINE)
    return {name for cell in cells for name in re.findall(r"`([^`]+)`", cell)}
