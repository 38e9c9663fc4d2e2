"""What is remembered of every row that was made: enough to find the ones that repeat, in 24 bytes a row."""

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
    """The rows made so far: hashes of the variant (CHROM, POS, REF, ALT) and of all cells, number of the record, kind.

    Two rows with one hash of all cells are taken to be equal: among a million different rows the chance of one such
    pair is 3 in 100 million.
    """

    def __init__(self) -> None:
        self._variants = array("q")
        self._rows = array("q")
        self._records = array("I")
        self._kinds = array("I")
        self._number_of: dict[tuple, int] = {}

    def __len__(self) -> int:
        return len(self._rows)

    def add(self, variant: int, row: int, record: int, kind: tuple) -> None:
        """Take in a row; `kind` has the values of a `RowKind`."""
        self._variants.append(variant)
        self._rows.append(row)
        self._records.append(record)
        number = self._number_of.get(kind)
        if number is None:
            number = self._number_of[kind] = len(self._number_of)
        self._kinds.append(number)

    def take_kinds(self) -> list[RowKind]:
        """The kind of each row, in order; the ledger is empty afterwards."""
        kinds = [RowKind(*kind) for kind in self._number_of]
        found = [kinds[number] for number in self._kinds]
        self.__init__()  # type: ignore[misc]
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
        records = np.frombuffer(self._records, np.uint32)
        without_rows = len(np.unique(records)) - len(np.unique(records[kept]))
        account.count_repeated(len(_later(np.frombuffer(self._variants, np.int64)[kept])), without_rows)
        numbers = np.frombuffer(self._kinds, np.uint32)[kept]
        for kind, count in zip(self._number_of, np.bincount(numbers, minlength=len(self._number_of)), strict=True):
            if count:
                account.count_rows(RowKind(*kind)._asdict(), int(count))
        return repeated


def _later(hashes: np.ndarray) -> np.ndarray:
    """Places of values that stand at an earlier place too, ascending."""
    order = np.argsort(hashes, kind="stable")
    same = hashes[order[1:]] == hashes[order[:-1]]
    return np.sort(order[1:][same])
