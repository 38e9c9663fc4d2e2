"""How much a file from elsewhere may unpack to, hold or ask for before it is refused; each bound can be set.

A bound is raised or lowered by the environment variable ``GENOMICSLEARNING_MAX_<NAME>``, a whole number:
``GENOMICSLEARNING_MAX_TABLE_MB=8000``. docs/reliability.md lists them.
"""

from __future__ import annotations

import os

from genomicslearning import InputError

PREFIX = "GENOMICSLEARNING_MAX_"
#: Bound -> its default, and what it bounds.
DEFAULTS = {
    "TABLE_MB": (4096, "text of a table, unpacked"),
    "TABLE_ROWS": (5_000_000, "rows of a table that is held in memory"),
    "RATIO": (100, "times that an archive may grow on unpacking, beyond its first 64 MB"),
    "ROW_MB": (16, "one row of a table"),
    "METADATA_MB": (16, "footer of a parquet file"),
    "MODEL_MB": (1024, "weights of a model, unpacked"),
    # Five candidates of the largest trees that a search may try come to 130 MB.
    "MODEL_SCHEMA_MB": (192, "description of a model's objects (schema.json), unpacked"),
    "MANIFEST_MB": (16, "a model's manifest and other JSON"),
}
#: An archive may grow to this without being asked how.
RATIO_FREE_BYTES = 64 << 20


def limit(name: str) -> int:
    """A bound's value: its environment variable, else its default.

    Raises
    ------
    InputError
        The environment variable is no positive whole number.
    """
    text = os.environ.get(PREFIX + name)
    if not text:
        return DEFAULTS[name][0]
    if not (text.isascii() and text.isdigit() and int(text)):
        raise InputError(f"{PREFIX}{name}={text}: is no whole number above 0; mend or unset it")
    return int(text)


def advice(name: str) -> str:
    """How to raise a bound, for the end of a message."""
    return f"the limit is {limit(name):,}; if it is what it should be, raise {PREFIX}{name}"
