"""Where the checkout is, and where the real data lies, if this machine has it."""

from __future__ import annotations

import os
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent


def data_folder() -> Path:
    """The folder of the real data; it need not exist."""
    return Path(os.environ.get("GENOMICSLEARNING_DATA", ROOT.parent / "shared" / "data"))
