"""Memory that is free within the process, given back to the machine."""

from __future__ import annotations

import ctypes

import pyarrow as pa


def give_back() -> None:
    """Give back what was freed and is kept for later: after a large table was parsed it is half as much again as it.

    Arrow's pool and glibc's malloc keep what becomes free between what is still in use. Costs some hundredths of a
    second; where there is another malloc, Arrow's alone is given back.
    """
    pa.default_memory_pool().release_unused()
    if trim := getattr(ctypes.CDLL(None), "malloc_trim", None):
        trim(0)
