"""Records as most are, some hundred at a time: read by one regular expression, made into rows column by column.

What is no such record (several ALTs, a quote, malformed, another file's classification …) is left to be read by itself.
Nothing is counted here, so that blocks of lines can be worked on in any order, and in another process.
"""

from __future__ import annotations

import re
from array import array
from collections import Counter
from collections.abc import Callable, Sequence
from itertools import compress
from typing import Any, NamedTuple

from genomicslearning.io.lines import is_plain
from genomicslearning.io.vcf import MOST_POS_DIGITS, InfoReader
from genomicslearning.training_set.row_writer import COMMA, CSQ, QUOTE, RETURN, STATUS, RowWriter
from genomicslearning.training_set.transcripts import LayoutError, TranscriptPicker

# Stands for the ClinVar line of a record that has ClinVar's classification in its own INFO: the annotated file repeats
# ClinVar's record, or there is no second file.
SELF_CLASSIFIED: Any = "the record's own INFO"

STATUS_ITEM = b"CLNREVSTAT="
_TABS = 7  # in a record without samples
# The columns before INFO of a record as most are: POS in digits, one sequence as ALT.
_START = rb"([^\t,]*+)\t([0-9]{1,%d}+)\t([^\t]*+)\t([^\t,]++)\t([A-Za-z]++)\t[^\t]*+\t[^\t]*+\t" % MOST_POS_DIGITS
_COLUMNS = 5  # groups of it
# Those of any record: POS in digits, REF not empty.
_any_start = re.compile(rb"[^\t]*+\t[0-9]{1,%d}+\t[^\t]*+\t[^\t]++(?:\t[^\t]*+){3}\t" % MOST_POS_DIGITS).match


class UsualRows(NamedTuple):
    """The rows of those lines of a block that are usual records, one of each.

    Attributes
    ----------
    rows
        As `RowMaker.make` gives them.
    variants, hashes, kinds
        What the ledger remembers of each row.
    left_out
        Review status -> records left out for it.
    frequencies
        Source of an allele frequency -> rows with a value of it.
    others
        The lines that are still to be read: place in the block, ascending, and the number of rows before it.
    """

    rows: list[bytes]
    variants: array
    hashes: array
    kinds: array
    left_out: dict[bytes, int]
    frequencies: dict[str, int]
    others: list[tuple[int, int]]


class UsualRecords:
    """Reads the usual records among lines of a VCF without samples.

    Parameters
    ----------
    reader
        Of the INFO keys of a row and of VEP's.
    writer
        Makes the rows.
    picker
        Chooses VEP's block; None without its annotation.
    label_of
        CLASS of a review status, None for one that is left out.

    Attributes
    ----------
    left_out
        Review statuses that were left out before; what has another is left to be read by itself.
    """

    def __init__(
        self,
        reader: InfoReader,
        writer: RowWriter,
        picker: TranscriptPicker | None,
        label_of: Callable[[bytes], int | None],
    ) -> None:
        self.left_out: set[bytes] = set()
        self._reader = reader
        self._writer = writer
        self._picker = picker
        self._label_of = label_of
        self._pattern = b""
        self._match = re.compile(b"").fullmatch
        self._mostly_labelled = False  # the records of the last block

    def read(self, lines: Sequence[bytes], partners: Sequence, *, plain: bool = False) -> UsualRows:
        """The rows of the usual records among these lines; partners and `plain` as for `RowMaker.make`."""
        left_out: Counter[bytes] = Counter()
        done: list[int] = []  # places of records that are left out
        places = self._simple(lines, partners, plain)
        if not self._mostly_labelled:
            places = self._labelled(lines, places, left_out, done)
        if self._pattern is not self._reader.pattern:  # learnt anew from another record
            self._pattern = self._reader.pattern
            self._match = re.compile(_START + self._pattern).fullmatch
        chosen = lines if len(places) == len(lines) else [lines[place] for place in places]
        found = [match.groups(b"") if match else None for match in map(self._match, chosen)]
        if None in found:
            places = list(compress(places, found))
        columns = list(zip(*filter(None, found), strict=True))
        made = None
        if columns:
            values = self._reader.arranged(columns[_COLUMNS:])
            places, *kept = self._kept(places, columns[:_COLUMNS], values, left_out, done)
            try:
                made = self._writer.columns(*kept) if places else None
            except LayoutError:  # is said of its line when that is read by itself
                places = []
        self._mostly_labelled = 4 * len(places) > 3 * len(lines)
        rows, variants, hashes, kinds, frequencies = made or ([], array("q"), array("q"), array("I"), {})
        others = _others(len(lines), places, done)
        return UsualRows(rows, variants, hashes, kinds, dict(left_out), frequencies, others)

    def learn(self, line: bytes) -> None:
        """Learn the order of the INFO keys from a line that did not fit it."""
        fields = line.split(b"\t", _TABS)
        if len(fields) > _TABS:
            self._reader.learn(fields[_TABS])

    def _simple(self, lines: Sequence[bytes], partners: Sequence, plain: bool) -> Sequence[int]:
        """Places of the lines whose classification is their own and that have nothing odd in them."""
        text = b"".join(lines)
        quotes = self._writer.as_csv
        if (
            (plain or is_plain(text))
            and not (quotes and (QUOTE in text or RETURN in text))
            and text.count(b"\t") == _TABS * len(lines)
            and partners.count(SELF_CLASSIFIED) == len(lines)
        ):
            return range(len(lines))
        return [
            place
            for place, (line, partner) in enumerate(zip(lines, partners, strict=True))
            if partner is SELF_CLASSIFIED
            and (plain or is_plain(line))
            and not (quotes and (QUOTE in line or RETURN in line))
            and line.count(b"\t") == _TABS
        ]

    def _labelled(
        self, lines: Sequence[bytes], places: Sequence[int], left_out: Counter[bytes], done: list[int]
    ) -> list[int]:
        """Places of the records that probably have a label, by a look at their review status.

        Most of ClinVar is left out by it, and need not be read further.
        """
        found = []
        for place in places:
            line = lines[place]
            start = line.find(STATUS_ITEM)
            end = line.find(b";", start)
            status = line[start + len(STATUS_ITEM) : end if end > 0 else None]
            if self._label_of(status) is not None:
                found.append(place)
            elif status in self.left_out and _has_status(line, start):
                left_out[status] += 1
                done.append(place)
        return found

    def _kept(
        self,
        places: Sequence[int],
        site: Sequence[Sequence[bytes]],
        values: Sequence[Sequence[bytes]],
        left_out: Counter[bytes],
        done: list[int],
    ) -> tuple[Sequence[int], Sequence[Sequence[bytes]], Sequence[Sequence[bytes]], list]:
        """The records that have a row: their places, their columns and CLASS."""
        picker, csqs = self._picker, values[CSQ]
        labels = list(map(self._label_of, values[STATUS]))
        if None not in labels and not (picker and any([COMMA in csq for csq in csqs])):
            return places, site, values, labels
        for place, label, status in zip(places, labels, values[STATUS], strict=True):
            if label is None and status in self.left_out:
                left_out[status] += 1
                done.append(place)
        kept = [
            label is not None and not (picker and not picker.is_of_one_allele(csq))
            for label, csq in zip(labels, csqs, strict=True)
        ]
        site, values = ([list(compress(column, kept)) for column in columns] for columns in (site, values))
        return list(compress(places, kept)), site, values, list(compress(labels, kept))


def _has_status(line: bytes, start: int) -> bool:
    """Whether a line with eight columns is a record whose only CLNREVSTAT stands at this place."""
    found = _any_start(line)
    return (
        found is not None
        and (start == found.end() or (start > found.end() and line[start - 1 : start] == b";"))
        and line.find(b";" + STATUS_ITEM, start) < 0
    )


def _others(count: int, rows: Sequence[int], done: Sequence[int]) -> list[tuple[int, int]]:
    """Places of the lines that have no row and are not done, each with the number of rows before it."""
    if len(rows) + len(done) == count:
        return []
    left = bytearray(count)
    for place in done:
        left[place] = 1
    for place in rows:
        left[place] = 2
    found = []
    before = 0
    for place, what in enumerate(left):
        if what == 2:
            before += 1
        elif not what:
            found.append((place, before))
    return found
