"""Releases on disk, and two of them joined some ten thousand variants at a time, so that memory stays flat.

A release is read once, into pieces of so many records, and its keys and VariationIDs into parts in which equal ones
stand together. Parts are joined one by one; what stays in memory is a number a variant: where the other release has it.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date
from os import PathLike

import numpy as np
import pandas as pd
import pyarrow as pa

from genomicslearning.history.assemblies import known_assembly
from genomicslearning.history.dates import date_in_name
from genomicslearning.history.releases import (
    Release,
    Wanted,
    key_column,
    open_release,
    rows_by_identifier,
    rows_by_key,
)
from genomicslearning.io import lake, memory
from genomicslearning.io.partitions import Partitions

PIECE_ROWS = 50_000  # records that are in memory at a time
_KEY_PARTS = 32
_TEXT = pa.large_string()
_REPEATED = pa.dictionary(pa.int32(), _TEXT)
# What is told of a change; conditions are not.
_COLUMNS = {
    "CHROM": _REPEATED,
    "POS": pa.int64(),
    "REF": _TEXT,
    "ALT": _TEXT,
    "VARIATION_ID": _TEXT,
    "review_status": _REPEATED,
    "CLNSIG": _REPEATED,
    "CLNSIGCONF": _REPEATED,
    "SYMBOLS": _REPEATED,
    "CONFLICT": _REPEATED,
}
_PIECE = pa.schema([*_COLUMNS.items(), ("row", pa.int32())])
_KEYS = pa.schema([("key", _TEXT), ("VARIATION_ID", _TEXT), ("row", pa.int32())])
_IDENTIFIERS = pa.schema([("VARIATION_ID", _TEXT), ("row", pa.int32())])
_BESIDE = _PIECE.append(pa.field("other_row", pa.int32()))


@dataclass
class Pair:
    """Some variants of two releases: for each of either its row in both (-1: not there)."""

    old: pd.DataFrame
    new: pd.DataFrame
    old_rows: np.ndarray
    new_rows: np.ndarray


class StoredRelease:
    """One ClinVar release on disk; a variant that comes twice is kept once, the first time (as in `Release`).

    Raises
    ------
    InputError
        As `releases.read_release` says; a release that does not tell its assembly has an empty one.
    """

    def __init__(self, path: str | PathLike, *, assembly: str = "") -> None:
        given = known_assembly(assembly)
        self.name = lake.name(path)
        self.identified = False
        self.records = 0
        self._piece_rows = PIECE_ROWS
        self._pieces, self._keys = Partitions(_PIECE), Partitions(_KEYS)
        with open_release(path) as file:
            for number, frame in enumerate(file.frames(self._piece_rows)):
                self._store(number, frame)
        self.assembly: str = file.assembly or given
        self.date: date | None = file.date or date_in_name(self.name)
        self._kept = np.zeros(self.records, bool)
        memory.give_back()

    def _store(self, number: int, frame: pd.DataFrame) -> None:
        rows = pa.array(np.arange(self.records, self.records + len(frame), dtype=np.int32))
        cells = {name: _cells(frame[name], kind) for name, kind in _COLUMNS.items()}
        self._pieces.add(number, pa.table({**cells, "row": rows}, _PIECE))
        key, position = key_column(frame)
        identifiers = cells["VARIATION_ID"]
        self._keys.split(pa.table({"key": key, "VARIATION_ID": identifiers, "row": rows}, _KEYS), position % _KEY_PARTS)
        self.identified |= identifiers.null_count < len(identifiers)
        self.records += len(frame)

    @property
    def variants(self) -> int:
        """How many distinct variants it has; known when it was joined."""
        return int(self._kept.sum())

    @property
    def pieces(self) -> range:
        """Numbers of its pieces."""
        return range(-(-self.records // self._piece_rows))

    def piece_of(self, rows: np.ndarray) -> np.ndarray:
        """Number of the piece that each row is in."""
        return rows // self._piece_rows

    def piece(self, number: int) -> pa.Table:
        """Distinct variants of a piece, in the release's order, with their `row` in it."""
        table = self._pieces.read(number)
        return table.filter(pa.array(self._kept[table["row"].to_numpy()]))

    def distinct(self, part: int, identifiers: Partitions) -> pa.Table:
        """Keys, VariationIDs and rows of the distinct variants in a part of the keys; their identifiers are kept."""
        table = self._keys.read(part)
        first = ~pd.Series(table["key"].to_pandas()).duplicated().to_numpy()
        table = table.filter(pa.array(first)).combine_chunks()
        self._kept[table["row"].to_numpy()] = True
        named = table.select(_IDENTIFIERS.names).filter(table["VARIATION_ID"].is_valid())
        texts = named["VARIATION_ID"].to_numpy()
        if len(texts):
            identifiers.split(named, pd.util.hash_array(texts, categorize=False) % _KEY_PARTS)
        return table

    def of_interest(self, table: pd.DataFrame) -> Release:
        """The variants that `Release.rows_of` may join to a table's rows: what it then says is what it would of all."""
        wanted, found = Wanted(table), []
        for number in self.pieces:
            frame = _frame(self.piece(number))
            frame["key"] = key_column(frame)[0].to_pandas()
            found.append(frame[wanted.among(frame)])
        return Release(self.name, self.assembly, pd.concat(found, ignore_index=True), self.date)


def joined(old: StoredRelease, new: StoredRelease, match: Match) -> Iterator[Pair]:
    """The variants of two releases side by side: those of the new one in its order, then those gone, in the old's.

    Two variants of the new release may be one of the old: the first has it, the other is new.
    """
    other_row = _holders(match.rows_in_old, old.records)
    beside = Partitions(_BESIDE)
    gone = len(new.pieces)
    for number in old.pieces:
        table = old.piece(number)
        rows = other_row[table["row"].to_numpy()]
        parts = np.where(rows >= 0, new.piece_of(rows), gone + number)
        beside.split(table.append_column("other_row", pa.array(rows)), parts)
    for number in new.pieces:
        after, before = new.piece(number), beside.read(number)
        old_rows = np.full(len(after), -1)
        old_rows[np.searchsorted(after["row"].to_numpy(), before["other_row"].to_numpy())] = np.arange(len(before))
        yield Pair(_frame(before), _frame(after), old_rows, np.arange(len(after)))
    for number in old.pieces:
        before = beside.read(gone + number)
        yield Pair(_frame(before), _frame(_PIECE.empty_table()), np.arange(len(before)), np.full(len(before), -1))


@dataclass
class Match:
    """Row in the old release of each record of the new one, -1 where it has none.

    `by_place` tells whether they were joined by place too, and `same_place` of how many it is the same.
    """

    rows_in_old: np.ndarray
    same_place: int
    by_place: bool


def matched(old: StoredRelease, new: StoredRelease, *, by_place: bool = True) -> Match:
    """Which variants two releases share, by VariationID where both have it, once, else by place and trimmed alleles.

    That is what `Release.rows_of` says. Releases of two assemblies are not to be joined by place.
    """
    found = np.full(new.records, -1, np.int32)
    identifiers = Partitions(_IDENTIFIERS), Partitions(_IDENTIFIERS)
    for part in range(_KEY_PARTS):
        theirs, ours = (release.distinct(part, held) for release, held in zip((old, new), identifiers, strict=True))
        keys_and_ids = (_array(side[name]) for name in ("key", "VARIATION_ID") for side in (theirs, ours))
        if by_place:
            _note(found, theirs, ours, rows_by_key(*keys_and_ids))
    same_place = int((found >= 0).sum())
    for part in range(_KEY_PARTS):
        theirs, ours = (held.read(part) for held in identifiers)
        _note(found, theirs, ours, rows_by_identifier(_array(theirs["VARIATION_ID"]), _array(ours["VARIATION_ID"])))
    return Match(found, same_place, by_place)


def _note(found: np.ndarray, theirs: pa.Table, ours: pa.Table, place: np.ndarray) -> None:
    hit = place >= 0
    found[ours["row"].to_numpy()[hit]] = theirs["row"].to_numpy()[place[hit]]


def _holders(rows_in_old: np.ndarray, old_records: int) -> np.ndarray:
    """Of each record of the old release the first in the new one that is it, -1 where there is none."""
    found = np.full(old_records, -1, np.int32)
    for start in reversed(range(0, len(rows_in_old), PIECE_ROWS)):
        # Backwards, so that the first of several is what remains.
        rows = start + np.flatnonzero(rows_in_old[start : start + PIECE_ROWS] >= 0)[::-1]
        found[rows_in_old[rows]] = rows
    return found


def _cells(column: pd.Series, kind: pa.DataType) -> pa.Array:
    """A column of a release as it is stored; the categories of a piece may be of any type where it has none."""
    found = _array(pa.array(column, from_pandas=True))
    if kind != _REPEATED:
        return found.cast(kind)
    if not pa.types.is_dictionary(found.type):
        found = found.dictionary_encode()
    return pa.DictionaryArray.from_arrays(found.indices.cast(pa.int32()), found.dictionary.cast(_TEXT))


def _array(column: pa.Array | pa.ChunkedArray) -> pa.Array:
    return column.combine_chunks() if isinstance(column, pa.ChunkedArray) else column


def _frame(table: pa.Table) -> pd.DataFrame:
    return table.to_pandas(types_mapper={_TEXT: pd.StringDtype(na_value=np.nan)}.get)
