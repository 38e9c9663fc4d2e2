"""Lists of different lengths, one a row, as two arrays; and 64-bit hashes that are the same in every process."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from hashlib import blake2b

import numpy as np
import pandas as pd

_MULTIPLIER = np.uint64(0x9E3779B97F4A7C15)
_SHIFT = np.uint64(29)


@lru_cache(maxsize=1 << 17)  # genes, conditions and their words come again in every piece of a table
def text_hash(text: str) -> int:
    """64-bit hash of a text, independent of Python's hash seed and of the machine."""
    return int.from_bytes(blake2b(text.encode(), digest_size=8).digest(), "little")


def text_hashes(texts: list[str]) -> np.ndarray:
    """`text_hash` of each text, as uint64."""
    return np.fromiter(map(text_hash, texts), np.uint64, len(texts))


def cross(kind: str, *hashes: np.ndarray) -> np.ndarray:
    """Hash of a crossed token: its kind and, in order, the hashes of what it crosses."""
    mixed = np.full(len(hashes[0]), text_hash(kind), np.uint64)
    for part in hashes:
        mixed = (mixed ^ part) * _MULTIPLIER
        mixed ^= mixed >> _SHIFT
    return mixed


@dataclass
class Ragged:
    """A list of values for each row: row `i` has ``values[offsets[i]:offsets[i + 1]]``."""

    values: np.ndarray
    offsets: np.ndarray

    @classmethod
    def of(cls, lists: list[list], dtype=np.uint64) -> Ragged:
        """From a Python list of lists."""
        lengths = np.fromiter((len(one) for one in lists), np.int64, len(lists))
        values = np.fromiter((value for one in lists for value in one), dtype, int(lengths.sum()))
        return cls(values, np.concatenate([[0], np.cumsum(lengths)]))

    @classmethod
    def joined(cls, parts: list[Ragged]) -> Ragged:
        """The rows of several, one after the other."""
        lengths = np.concatenate([part.lengths for part in parts])
        return cls(np.concatenate([part.values for part in parts]), np.concatenate([[0], np.cumsum(lengths)]))

    @property
    def lengths(self) -> np.ndarray:
        """Length of each list."""
        return np.diff(self.offsets)

    @property
    def rows(self) -> np.ndarray:
        """Row number of each value."""
        return np.repeat(np.arange(len(self.offsets) - 1), self.lengths)

    def take(self, rows: np.ndarray) -> Ragged:
        """The lists of these rows, in their order; a row may be named several times."""
        lengths = self.lengths[rows]
        offsets = np.concatenate([[0], np.cumsum(lengths)])
        index = np.arange(offsets[-1]) + np.repeat(self.offsets[:-1][rows] - offsets[:-1], lengths)
        return Ragged(self.values[index], offsets)

    def pairs_with(self, other: Ragged) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Every value here with every value of `other` in the same row: row numbers, values here, values there."""
        there = other.lengths[self.rows]
        rows = np.repeat(self.rows, there)
        mine = np.repeat(self.values, there)
        theirs = other.take(self.rows).values
        return rows, mine, theirs


def in_several(codes: Ragged, groups: np.ndarray, count: int) -> np.ndarray:
    """Whether rows of more than one group have each of `count` codes; `groups` is one id a row."""
    numbers = pd.factorize(groups)[0]
    lowest, highest = np.full(count, len(numbers)), np.full(count, -1)
    np.minimum.at(lowest, codes.values, numbers[codes.rows])
    np.maximum.at(highest, codes.values, numbers[codes.rows])
    return lowest < highest
