"""Texts of VCF to numbers, column by column: one that is no number, or does not fit 64 bits, is missing and kept."""

from __future__ import annotations

import math
import re

import numpy as np
import pyarrow as pa
import pyarrow.compute as pac

from genomicslearning.io import arrays

_INTEGER = re.compile(r"[+-]?[0-9]{1,30}").fullmatch
_FLOAT = re.compile(
    r"[+-]?(?:[0-9]+\.?[0-9]*|\.[0-9]+)(?:[eE][+-]?[0-9]+)?|[+-]?(?:inf|infinity|nan)", re.IGNORECASE | re.ASCII
).fullmatch
_DOT = arrays.text(b".")
_INTEGERS = range(-(1 << 63), 1 << 63)


def to_numbers(column: pa.Array, kind: pa.DataType) -> tuple[pa.Array, dict[int, str]]:
    """A column of texts as int64 or float64, or as lists of them (texts with commas between, ``.`` for null).

    Returns
    -------
    The numbers, null where the text is none; and those texts by their places. An integer beyond 64 bits and a float
    that becomes infinite are none; ``inf`` and ``nan`` are floats (VCF 4.3, section 1.3).
    """
    if pa.types.is_list(kind):
        parts = pac.split_pattern(column, ",")
        texts = parts.flatten()
        texts = pac.if_else(pac.equal(texts, _DOT), arrays.NO_TEXT, texts)
        values = _cast(texts, kind.value_type)
        if values is not None:
            return _list_of(parts, values), {}
    else:
        values = _cast(column, kind)
        if values is not None:
            return values, {}
    return _one_by_one(column, kind)


def _cast(texts: pa.Array, kind: pa.DataType) -> pa.Array | None:
    """All texts as numbers; None if one of them is none."""
    try:
        values = texts.cast(kind)
    except pa.ArrowInvalid:
        return None
    if kind != pa.int64():
        odd = pac.is_inf(values)
    elif _may_hold_x(texts):
        odd = pac.match_substring(texts, "x", ignore_case=True)  # Arrow reads 0x1F, VCF has no such numbers
    else:
        return values
    return None if pac.any(odd, min_count=0).as_py() else values


def _may_hold_x(texts: pa.Array) -> bool:
    """Whether an x is among the letters of some texts and of what lies between them: cheaper than text by text."""
    buffer = texts.buffers()[2]
    letters = buffer.to_pybytes() if buffer else b""
    return b"x" in letters or b"X" in letters


def _one_by_one(column: pa.Array, kind: pa.DataType) -> tuple[pa.Array, dict[int, str]]:
    many = pa.types.is_list(kind)
    dtype = np.int64 if (kind.value_type if many else kind) == pa.int64() else np.float64
    number = _integer if dtype is np.int64 else _float
    found: list[float | None] = []
    ends = [0]
    misfits: dict[int, str] = {}
    for place, text in enumerate(column.to_pylist()):
        items = [] if text is None else text.split(",") if many else [text]
        try:
            found += [None if many and item == "." else number(item) for item in items]
        except ValueError:
            misfits[place] = text
        if not many and len(found) == place:  # nothing was added
            found.append(None)
        ends.append(len(found))
    values = arrays.of_numbers(
        np.array([0 if value is None else value for value in found], dtype),
        np.array([value is not None for value in found], bool),
    )
    if not many:
        return values, misfits
    missing = arrays.flags_of(column.is_null())
    missing[list(misfits)] = True
    offsets = arrays.of_numbers(np.array(ends, np.int32))
    return pa.ListArray.from_arrays(offsets, values, mask=arrays.of_flags(missing)), misfits


def _integer(text: str) -> int:
    if not _INTEGER(text) or int(text) not in _INTEGERS:
        raise ValueError(text)
    return int(text)


def _float(text: str) -> float:
    if not _FLOAT(text):
        raise ValueError(text)
    value = float(text)
    if math.isinf(value) and "inf" not in text.lower():
        raise ValueError(text)
    return value


def _list_of(parts: pa.ListArray, values: pa.Array) -> pa.ListArray:
    """Lists with the shape of `parts` and these values."""
    lengths = pac.fill_null(pac.list_value_length(parts), arrays.number(0, np.int32))
    ends = np.cumsum(arrays.numbers_of(lengths, np.int32), dtype=np.int32)
    offsets = arrays.of_numbers(np.concatenate([np.zeros(1, np.int32), ends]))
    return pa.ListArray.from_arrays(offsets, values, mask=parts.is_null())
