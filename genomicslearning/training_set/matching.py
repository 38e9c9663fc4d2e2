"""Find each annotated record's ClinVar record while both files stream by.

VEP keeps the order and, usually, the text of the file it annotates: the next ClinVar line is then the beginning of
the next annotated line, and comparing the two is all there is to do. Files that differ more are matched by ID, or by
CHROM, POS, REF and ALT where the annotated record has no ID: first among the records just ahead, in the end through
an index of the whole ClinVar file on disk, of which memory holds some 60 bytes a record.
"""

from __future__ import annotations

import os
import tempfile
from array import array
from bisect import bisect_left
from collections.abc import Callable, Iterable, Iterator, Sequence

import numpy as np

from genomicslearning import clinvar
from genomicslearning.io.vcf import Vcf, problem
from genomicslearning.training_set.rows import OWN

# Records read ahead before the order of the two files is taken to differ.
_AHEAD = 10_000
_STATUS = b"CLNREVSTAT="


def site_key(chrom: bytes, pos: bytes, ref: bytes, alt: bytes) -> bytes:
    """CHROM, POS, REF, ALT as one key, with ``chr1`` = ``1`` and ``M`` = ``MT``. It has tabs, an ID has none."""
    if chrom[:3].lower() == b"chr":
        chrom = chrom[3:]
    return b"\t".join((b"MT" if chrom == b"M" else chrom, pos, ref.upper(), alt.upper()))


def join_keys(line: bytes) -> list[bytes]:
    """What a record is matched by: its ID, or else one site key for each ALT. Empty for a line that is no record."""
    fields = line.split(b"\t", 5)
    if len(fields) < 6:
        return []
    chrom, pos, name, ref, alt, _ = fields
    if name != b"." and name:
        return [name] * (alt.count(b",") + 1)
    return [site_key(chrom, pos, ref, one) for one in alt.split(b",")]


def clinvar_keys(line: bytes) -> list[bytes]:
    """The keys under which a ClinVar record is found: its ID and its site."""
    chrom, pos, name, ref, alt, *_ = line.split(b"\t", 5)
    return [name, site_key(chrom, pos, ref, alt)]


def begins(line: bytes, other: bytes) -> bool:
    """Whether `line` repeats the whole record `other` and adds to its INFO."""
    return line.startswith(other) and line[len(other) : len(other) + 1] in (b";", b"")


class Partners:
    """ClinVar's records as partners of annotated ones; `statuses` are the review statuses whose records are needed
    whole.

    Attributes
    ----------
    read
        ClinVar records read.
    malformed
        ClinVar lines that are no records.
    """

    def __init__(self, vcf: Vcf, reopen: Callable[[], Vcf], statuses: Iterable[str] = clinvar.LABELS) -> None:
        self._vcf = vcf
        self._kept = kept_marks(statuses)
        self._reopen = reopen
        self.malformed: list[bytes] = []
        self.first_problem: str | None = None
        self._lines = self._records(vcf, self.malformed)
        self._matched = bytearray()  # one flag for each ClinVar record read
        self._head = next(self._lines, None)
        self._last: tuple[bytes, int] | None = None
        self._ahead: dict[bytes, tuple[bytes, int]] = {}
        self._index: _Index | None = None

    def _records(self, vcf: Vcf, malformed: list[bytes]) -> Iterator[bytes]:
        for lines in vcf.batches():
            for place, line in enumerate(lines, 1):
                if line.isascii() and line.count(b"\t") >= 7 or not (why := problem(line)):
                    yield line
                elif line.strip():
                    malformed.append(line)
                    self.first_problem = self.first_problem or f"{vcf.path}:{vcf.line + place}: {why}"

    def finish(self) -> tuple[int, int]:
        """Read ClinVar to its end: its number of records, and how many no annotated record belongs to."""
        if self._head is not None:
            self._matched.append(0)
            self._matched.extend(0 for _ in self._lines)
            self._head = None
        return len(self._matched), self._matched.count(0)

    def close(self) -> None:
        """Remove the index, if there is one."""
        if self._index:
            self._index.close()

    def of(self, lines: Sequence[bytes]) -> Iterator:
        """For each annotated line `OWN`, None, or a list with a ClinVar line or None for each of its ALTs."""
        for line in lines:
            head = self._head
            if head is not None and line.startswith(head) and line[len(head) : len(head) + 1] in (b";", b""):
                self._last = (head, len(self._matched))
                self._matched.append(1)
                self._head = next(self._lines, None)
                yield OWN
                continue
            found = [self._find(key, line) for key in join_keys(line)]
            yield found if any(other is not None for other in found) else None

    def _find(self, key: bytes, line: bytes) -> bytes | None:
        if self._head is not None and key in clinvar_keys(self._head):
            found = self._head, len(self._matched)
            self._last = found
            self._matched.append(0)
            self._head = next(self._lines, None)
        elif self._last and key in clinvar_keys(self._last[0]):
            found = self._last
        else:
            found = self._ahead.get(key) or self._look_ahead(key) or self._look_up(key, line)
        if found is None:
            return None
        self._matched[found[1]] = 1
        return found[0]

    def _look_ahead(self, key: bytes) -> tuple[bytes, int] | None:
        """Read on in ClinVar, keeping what is passed by, until the record is found or too much was read."""
        if self._index:
            return None
        for _ in range(_AHEAD):
            if self._head is None:
                return None
            passed = self._head, len(self._matched)
            self._matched.append(0)
            self._head = next(self._lines, None)
            keys = clinvar_keys(passed[0])
            for other in keys:
                self._ahead[other] = passed
            if key in keys:
                return passed
        while len(self._ahead) > 2 * _AHEAD:
            del self._ahead[next(iter(self._ahead))]
        return None

    def _look_up(self, key: bytes, line: bytes) -> tuple[bytes, int] | None:
        if self._index is None:
            total = self.finish()[0]
            with self._reopen() as vcf:
                self._index = _Index(self._records(vcf, []), total, self._kept)
        return self._index.find(key, line)


class _Index:
    """Every ClinVar record in a temporary file, found by hashed ID or site."""

    def __init__(self, lines: Iterator[bytes], total: int, kept: tuple[bytes, ...]) -> None:
        self._file = tempfile.TemporaryFile()  # has no name: it is gone when the process ends, however it ends
        self._offsets = array("q", [0])
        hashes = array("q", bytes(16 * total))
        offset = 0
        for number, line in enumerate(lines):
            hashes[2 * number], hashes[2 * number + 1] = map(hash, clinvar_keys(line))
            offset += self._file.write(essence(line, kept))
            self._offsets.append(offset)
        self._file.flush()
        order = np.argsort(np.frombuffer(hashes, np.int64), kind="stable").astype(np.uint32)
        self._order = array("I", order.tobytes())
        self._hashes = array("q", np.frombuffer(hashes, np.int64)[order].tobytes())

    def close(self) -> None:
        self._file.close()

    def find(self, key: bytes, line: bytes) -> tuple[bytes, int] | None:
        """The record with this key and its number; among several with one ID, the one at the annotated line's site."""
        wanted = hash(key)
        place = bisect_left(self._hashes, wanted)
        site = line.split(b"\t", 2)[:2]
        first = None
        while place < len(self._hashes) and self._hashes[place] == wanted:
            number = self._order[place] >> 1
            start, end = self._offsets[number], self._offsets[number + 1]
            record = os.pread(self._file.fileno(), end - start, start)
            if key in clinvar_keys(record):
                if record.split(b"\t", 2)[:2] == site:
                    return record, number
                first = first or (record, number)
            place += 1
        return first


def kept_marks(statuses: Iterable[str]) -> tuple[bytes, ...]:
    """What a ClinVar line has in it if its review status is one of these."""
    return tuple(_STATUS + status.encode() for status in statuses)


def essence(line: bytes, kept: tuple[bytes, ...]) -> bytes:
    """A ClinVar line, without the INFO that nobody will ask for where its review status leaves it out."""
    if any(status in line for status in kept):
        return line
    fields = line.split(b"\t", 8)
    status = next((item for item in fields[7].split(b";") if item.startswith(_STATUS)), b".")
    return b"\t".join((*fields[:7], status))
