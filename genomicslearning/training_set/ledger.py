"""What is remembered of every row that was made: enough to find the ones that repeat, in 20 bytes a row."""

from __future__ import annotations

from array import array
from typing import NamedTuple

import numpy as np

from genomicslearning.io.accounting import Account


class RowKind(NamedTuple):
    """What a report counts of a row.

    CLASS, CONFLICT and its submissions by group (in the order of `clinvar.GROUPS`); the rule that chose the annotation,
    or says why there is none (None without VEP); whether GENEINFO chose between genes; whether the chosen block's
    Consequence is none of Ensembl's terms.
    """

    label: int
    conflict: bytes
    submissions: tuple[int, ...]
    rule: str | None
    by_gene: bool
    strange: bool


class Ledger:
    """The rows made so far: hashes of the variant (CHROM, POS, REF, ALT) and of the cells, record, kind.

    Two rows with one hash of the cells are taken to be equal: among a million different rows the chance of one such
    pair is 3 in 100 million.
    """

    def __init__(self) -> None:
        self._numbers: dict[RowKind, int] = {}
        self._start()

    def _start(self) -> None:
        self._variants = array("q")
        self._rows = array("q")
        self._kinds = array("I")
        # Most records have one row: the numbers of those rows that belong to the record of the row before.
        self._further = array("I")

    def __len__(self) -> int:
        return len(self._rows)

    def number_of(self, kind: RowKind) -> int:
        """The number by which a kind is added."""
        return self._numbers.setdefault(kind, len(self._numbers))

    @property
    def kinds(self) -> list[RowKind]:
        """All kinds, in the order of their numbers."""
        return list(self._numbers)

    def append(self, variant: int, row: int, kind: int, *, further: bool) -> None:
        """Take in a row: the hashes of its variant and of all its cells, its kind's number, and whether it is of the
        record of the row before it."""
        if further:
            self._further.append(len(self._rows))
        self._variants.append(variant)
        self._rows.append(row)
        self._kinds.append(kind)

    def extend(self, variants: array, rows: array, kinds: array) -> None:
        """Take in rows of as many records."""
        self._variants.extend(variants)
        self._rows.extend(rows)
        self._kinds.extend(kinds)

    def take_kinds(self) -> list[RowKind]:
        """The kind of each row, in order; the rows are forgotten."""
        kinds = self.kinds
        found = [kinds[number] for number in self._kinds]
        self._start()
        return found

    def settle(self, account: Account) -> np.ndarray:
        """Count the rows into an account, those that repeat an earlier one in every cell apart.

        Returns
        -------
        Numbers of the rows that repeat an earlier one, from 0, ascending.
        """
        repeated = _later(np.frombuffer(self._rows, np.int64))
        kept = np.ones(len(self), bool)
        kept[repeated] = False
        variants = np.frombuffer(self._variants, np.int64)[kept]
        account.count_repeated(_further_times(variants), self._records_without_rows(kept) if len(repeated) else 0)
        numbers = np.frombuffer(self._kinds, np.uint32)
        counts = np.bincount(numbers[kept], minlength=len(self._numbers))
        kinds = self.kinds
        for number in _by_first(numbers, len(kinds)):
            if counts[number]:
                account.count_rows(kinds[number]._asdict(), int(counts[number]))
        return repeated

    def _records_without_rows(self, kept: np.ndarray) -> int:
        """How many records have no row that is kept."""
        begins = np.ones(len(self), np.int64)
        begins[np.frombuffer(self._further, np.uint32)] = 0
        return int(begins.sum()) - len(np.unique(np.cumsum(begins)[kept]))


def _by_first(numbers: np.ndarray, count: int) -> list[int]:
    """The numbers below `count` in the order in which they first come, which is that of the report."""
    first = np.full(count, len(numbers))
    first[numbers[::-1]] = np.arange(len(numbers) - 1, -1, -1)  # of several, the last that is set stands
    return np.argsort(first, kind="stable").tolist()


def _further_times(hashes: np.ndarray) -> int:
    """How many values stand at an earlier place too."""
    found = np.sort(hashes)
    return int((found[1:] == found[:-1]).sum())


def _later(hashes: np.ndarray) -> np.ndarray:
    """Places of values that stand at an earlier place too, ascending."""
    if not _further_times(hashes):  # far quicker than the places
        return np.empty(0, np.int64)
    order = np.argsort(hashes, kind="stable")
    same = hashes[order[1:]] == hashes[order[:-1]]
    return np.sort(order[1:][same])
