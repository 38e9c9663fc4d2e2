"""Arrow arrays of NumPy's and of texts, made of their buffers.

`pyarrow.array`, `pyarrow.scalar` and `Array.to_numpy` look for pandas at their first call: where it is installed they
import it, which takes most of a second and 50 MB, more than a small file takes to convert.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pyarrow as pa


def of_numbers(values: np.ndarray, valid: np.ndarray | None = None) -> pa.Array:
    """Numbers of any width as an Arrow array, null where not `valid` (bool, of the same length)."""
    kind = pa.from_numpy_dtype(values.dtype)
    return pa.Array.from_buffers(kind, len(values), [_bits(valid), pa.py_buffer(np.ascontiguousarray(values))])


def of_flags(values: np.ndarray) -> pa.BooleanArray:
    """Booleans as an Arrow array."""
    return pa.Array.from_buffers(pa.bool_(), len(values), [None, _bits(values)])


def of_texts(values: Sequence[bytes | None]) -> pa.StringArray:
    """UTF-8 texts as an Arrow array, None as null."""
    ends = np.zeros(len(values) + 1, np.int64)
    np.cumsum([len(value) if value else 0 for value in values], out=ends[1:])
    if ends[-1] > np.iinfo(np.int32).max:
        raise ValueError("texts of more than 2 GB in one array")
    valid = _bits(np.fromiter((value is not None for value in values), bool, len(values)))
    data = b"".join([value for value in values if value])
    return pa.StringArray.from_buffers(len(values), pa.py_buffer(ends.astype(np.int32)), pa.py_buffer(data), valid)


def text(value: bytes) -> pa.StringScalar:
    """One text, as an argument of a compute function."""
    return of_texts([value])[0]


def number(value: int, dtype: type[np.number] = np.int64) -> pa.Scalar:
    """One number, as an argument of a compute function."""
    return of_numbers(np.array([value], dtype))[0]


def flags_of(array: pa.BooleanArray) -> np.ndarray:
    """An Arrow array of booleans without nulls as NumPy's."""
    bits = np.frombuffer(array.buffers()[1], np.uint8) if len(array) else np.empty(0, np.uint8)
    return np.unpackbits(bits, count=array.offset + len(array), bitorder="little")[array.offset :].astype(bool)


def numbers_of(array: pa.Array, dtype: type[np.number]) -> np.ndarray:
    """The values of an Arrow array of numbers as NumPy's; what stands at a null is not defined."""
    if not len(array):
        return np.empty(0, dtype)
    return np.frombuffer(array.buffers()[1], dtype)[array.offset : array.offset + len(array)]


def _bits(values: np.ndarray | None) -> pa.Buffer | None:
    return None if values is None else pa.py_buffer(np.packbits(values, bitorder="little"))


#: A missing text, and false, as arguments of a compute function.
NO_TEXT = of_texts([None])[0]
FALSE = of_flags(np.zeros(1, bool))[0]
