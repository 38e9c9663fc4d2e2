"""Many VCF lines at once as columns of text, with no Python object for a value.

Every separator's place is found with NumPy; what stands between two separators is a token; Arrow copies the tokens of
one column. Lines that are not as the others (INFO keys in another order, a semicolon in FILTER, too few columns) are
left to the caller.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.compute as pac

from genomicslearning.io import arrays
from genomicslearning.io.vcf import MOST_KEY_BYTES, MOST_POS_DIGITS

_TAB, _LINE_END, _SEMICOLON, _DOT = b"\t\n;."
_FIXED = 7  # columns before INFO
_WORD = 8
_PIECE = 512 << 10
#: Behind the last line, so that a whole word of any key can be read at any place.
PADDING = bytes(MOST_KEY_BYTES + 2 * _WORD)
_STEP = 16  # texts that Arrow sees for one of a column
_TOO_MANY_DIGITS = arrays.number(MOST_POS_DIGITS + 1, np.int32)


class Columns(NamedTuple):
    """Columns of `n` lines; a line that does not fit has a null in each.

    `fits` (bool, n); `fixed`: CHROM, POS, ID, REF, ALT, QUAL, FILTER; `info`: key → its values, a flag's as booleans;
    `extra`: FORMAT and the samples.
    """

    fits: np.ndarray
    fixed: list[pa.Array]
    info: dict[bytes, pa.Array]
    extra: list[pa.Array]


def read(text: bytes, width: int, order: Sequence[tuple[bytes, bool]], dots: Collection[bytes]) -> Columns:
    """Read the columns of data lines.

    Parameters
    ----------
    text
        Data lines, each ended by LF, and `PADDING`.
    width
        Number of columns of the header.
    order
        Each INFO key and whether it is a flag, in the order in which records have them.
    dots
        INFO keys of which ``.`` means missing, and ``b""`` if it does in the other columns. Empty is always missing.
    """
    tokens = _Tokens(text)
    last = np.flatnonzero(tokens.kinds == _LINE_END)
    every_tab = np.flatnonzero(tokens.kinds == _TAB)
    count = len(last)
    if len(every_tab) != count * (width - 1) or tokens.kinds.min() < _TAB or not _is_utf8(text):
        return _nothing(count, width, order)
    first = np.concatenate([[0], last[:-1] + 1])
    tabs = every_tab.reshape(count, width - 1)
    fits = (tabs[:, :_FIXED] == first[:, None] + np.arange(_FIXED)).all(axis=1)
    info_end = last
    if width > _FIXED + 1:
        info_end = tabs[:, _FIXED]
        fits &= (tabs[:, _FIXED:] == info_end[:, None] + np.arange(width - _FIXED - 1)).all(axis=1)
        fits &= last == info_end + width - _FIXED - 1
    fits[fits] &= tokens.lengths(first[fits] + 3) > 0  # REF
    dot = b"" in dots
    fixed = [tokens.column(np.where(fits, first + column, 0), fits, dots=dot) for column in range(_FIXED)]
    digits = pac.and_(pac.ascii_is_decimal(fixed[1]), pac.less(pac.binary_length(fixed[1]), _TOO_MANY_DIGITS))
    fits &= arrays.flags_of(pac.fill_null(digits, arrays.FALSE))
    place, stop = np.where(fits, first + _FIXED, 0), np.where(fits, info_end + 1, 0)
    place += (stop - place == 1) & tokens.are_dots(place)  # INFO "." is none
    info = {}
    for key, flag in order:
        found = tokens.start_with(place, key if flag else key + b"=")
        found &= place < stop
        if flag:
            found &= tokens.lengths(place) == len(key)
            info[key] = arrays.of_flags(found)
        else:
            info[key] = tokens.column(place, found, skip=len(key) + 1, dots=key in dots)
        place += found
    fits &= place == stop
    extra = [
        tokens.column(np.where(fits, info_end + 1 + column, 0), fits, dots=dot) for column in range(width - _FIXED - 1)
    ]
    return Columns(fits, fixed, info, extra)


class _Tokens:
    """What stands between separators in a text, by number; the number behind the last one is of an empty token."""

    def __init__(self, text: bytes) -> None:
        size = len(text) - len(PADDING)
        self._chars = np.frombuffer(text, np.uint8)
        chars = self._chars[:size]
        # Separators are the only bytes up to a line's end, or the text is none that can be read here.
        ends = _separators(chars)
        self.kinds = chars[ends]
        self._ends = np.empty(len(ends) + 1, np.int32)
        self._ends[:-1] = ends
        self._ends[-1] = size
        self._starts = np.zeros(len(ends) + 1, np.int32)
        np.add(self._ends[:-1], 1, out=self._starts[1:])
        self._text = pa.py_buffer(text)
        # The eight bytes at every place as one number.
        self._words = np.ndarray((len(text) - _WORD + 1,), "<u8", text, strides=(1,))

    def lengths(self, numbers: np.ndarray) -> np.ndarray:
        """Lengths in bytes."""
        return self._ends[numbers] - self._starts[numbers]

    def are_dots(self, numbers: np.ndarray) -> np.ndarray:
        """Which tokens are ``.``."""
        return (self._chars[self._starts[numbers]] == _DOT) & (self.lengths(numbers) == 1)

    def start_with(self, numbers: np.ndarray, prefix: bytes) -> np.ndarray:
        """Which tokens start with a prefix that has no separator in it."""
        found = None
        starts = self._starts[numbers]
        for at in range(0, len(prefix), _WORD):
            part = prefix[at : at + _WORD]
            words = self._words[starts + at if at else starts]
            if len(part) < _WORD:
                words &= np.uint64((1 << 8 * len(part)) - 1)
            fits = words == np.uint64(int.from_bytes(part, "little"))
            found = fits if found is None else found & fits
            if not found.any():
                break
        assert found is not None
        return found

    def column(self, numbers: np.ndarray, present: np.ndarray, *, skip: int = 0, dots: bool = False) -> pa.Array:
        """The tokens `present` as text without their first `skip` bytes; null elsewhere, and for an empty one."""
        if not present.any():
            return pa.nulls(len(numbers), pa.string())
        every = bool(present.all())
        chosen = numbers if every else numbers[present]
        starts, ends = self._starts[chosen] + np.int32(skip), self._ends[chosen]
        lengths = ends - starts
        if lengths.min() <= dots:  # one of them may be missing
            wanted = lengths > 0
            if dots:
                wanted &= (lengths > 1) | (self._chars[starts] != _DOT)
            every = every and bool(wanted.all())
            starts, ends = starts[wanted], ends[wanted]
            present = present.copy()
            present[present] = wanted
        count = len(starts)
        if not count:
            return pa.nulls(len(numbers), pa.string())
        # Arrow wants texts that lie side by side: between two of the column stands what is not of it. It sets memory
        # aside by the mean length of all of them, which empty ones keep near that of the column's.
        bounds = np.repeat(ends, _STEP)
        bounds[::_STEP] = starts
        both = pa.StringArray.from_buffers(_STEP * count - 1, pa.py_buffer(bounds), self._text)
        values = both.take(arrays.of_numbers(np.arange(0, _STEP * count, _STEP, dtype=np.int32)))
        if every:
            return values
        offsets = np.zeros(len(numbers) + 1, np.int64)
        np.cumsum(present, out=offsets[1:])
        found = np.frombuffer(values.buffers()[1], np.int32, count + 1)[offsets]
        valid = pa.py_buffer(np.packbits(present, bitorder="little"))
        return pa.StringArray.from_buffers(len(numbers), pa.py_buffer(found), values.buffers()[2], valid)


def _separators(chars: np.ndarray) -> np.ndarray:
    """Places of the separators, looked for in pieces that stay in the processor's cache."""
    found = []
    for start in range(0, len(chars), _PIECE):
        piece = chars[start : start + _PIECE]
        is_one = piece <= _LINE_END
        is_one |= piece == _SEMICOLON
        places = np.flatnonzero(is_one)
        places += start
        found.append(places)
    return np.concatenate(found)


def _nothing(count: int, width: int, order: Sequence[tuple[bytes, bool]]) -> Columns:
    """Of lines none of which can be read here."""
    nulls = pa.nulls(count, pa.string())
    flags = arrays.of_flags(np.zeros(count, bool))
    info = {key: flags if flag else nulls for key, flag in order}
    return Columns(np.zeros(count, bool), [nulls] * _FIXED, info, [nulls] * (width - _FIXED - 1))


def _is_utf8(text: bytes) -> bool:
    if text.isascii():
        return True
    try:
        text.decode("utf-8")
    except UnicodeDecodeError:
        return False
    return True
