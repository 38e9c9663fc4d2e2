"""Find the ClinVar record of each ALT of an annotated record while both files stream by.

An ALT is ClinVar's variant if place and alleles agree; an ID helps to find it, no more. VEP keeps the order and,
usually, the text of the file it annotates: the next ClinVar line is then the beginning of the next annotated line, and
comparing the two is all there is to do. Otherwise the variant is looked for among the records just passed and just
ahead, in the end through an index of the whole ClinVar file on disk, of which memory holds some 60 bytes a record.
"""

from __future__ import annotations

import os
import re
import tempfile
from array import array
from bisect import bisect_left
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from itertools import chain
from typing import NamedTuple

import numpy as np

from genomicslearning import InputError, clinvar
from genomicslearning.io import lake
from genomicslearning.io.lines import is_plain
from genomicslearning.io.vcf import Vcf, check_no_header, problem
from genomicslearning.training_set.alleles import moved_key, place_key
from genomicslearning.training_set.usual import SELF_CLASSIFIED

# Records read ahead before the order of the two files is taken to differ.
_AHEAD = 10_000
_WINDOW_BYTES = 48 << 20  # of lines that are held for that
_LONG = 64 << 10
_STATUS = b"CLNREVSTAT="
_SEMICOLON = ord(";")
# POS is a number and REF is not empty.
_has_place = re.compile(rb"[^\t]*+\t[0-9]{1,18}+\t[^\t]*+\t[^\t]").match
# And there are eight columns.
_is_record = re.compile(rb"[^\t]*+\t[0-9]{1,18}+\t[^\t]*+\t[^\t]++(?:\t[^\t]*+){4}").fullmatch


class Known(NamedTuple):
    """A ClinVar record: its number in the file, from 0, and its line."""

    number: int
    line: bytes


class Wanted(NamedTuple):
    """What one ALT of an annotated record is looked for by.

    `place`: its place and alleles. `ids`: the record's IDs that may be ClinVar's. `moved`: its chromosome and alleles,
    which have to agree where only an ID can find it, since the files may be of different assemblies; else None.
    """

    place: bytes
    ids: frozenset[bytes]
    moved: bytes | None

    def keys(self) -> list[bytes]:
        """The keys of ClinVar records that may be the variant."""
        return [self.place] if self.moved is None else [self.place, *sorted(self.ids)]


def wanted(line: bytes, *, same_assembly: bool) -> list[Wanted]:
    """What each ALT of an annotated record is looked for by; empty for a line that is no record.

    ClinVar's IDs are numbers; any other kind (rs…, COSV…) is not looked at.
    """
    if line.count(b"\t") < 7 or not _has_place(line):
        return []
    chrom, pos, name, ref, alt, _ = line.split(b"\t", 5)
    ids = frozenset(one for one in name.split(b";") if one.isdigit())
    return [
        Wanted(place_key(chrom, pos, ref, one), ids, None if same_assembly else moved_key(chrom, ref, one))
        for one in alt.split(b",")
    ]


def clinvar_keys(line: bytes, *, same_assembly: bool) -> list[bytes]:
    """The keys under which a ClinVar record is found: its variants and, where assemblies may differ, its ID."""
    chrom, pos, name, ref, alt, _ = line.split(b"\t", 5)
    places = [place_key(chrom, pos, ref, one) for one in alt.split(b",")]
    return places if same_assembly or not name.isdigit() else [*places, name]


def choose(want: Wanted, candidates: Iterable[Known], line: bytes) -> Known | None:
    """The ClinVar record that one ALT of an annotated line is, of those with one of its keys.

    One that the line repeats goes first, then one with its ID and place, with its ID, with its place; then the earlier.
    """
    ranked = ((_rank(want, known.line, line), known) for known in candidates)
    best = min(((rank, known.number, known) for rank, known in ranked if rank is not None), default=None)
    return best[2] if best else None


def _rank(want: Wanted, record: bytes, line: bytes) -> int | None:
    chrom, pos, name, ref, alt, _ = record.split(b"\t", 5)
    alts = alt.split(b",")
    named = name in want.ids
    if any(place_key(chrom, pos, ref, one) == want.place for one in alts):
        return 0 if repeats(line, record) else 1 if named else 3
    moved = want.moved is not None and named and any(moved_key(chrom, ref, one) == want.moved for one in alts)
    return 2 if moved else None


def partner(line: bytes, chosen: Sequence[Known | None], kept: tuple[bytes, ...]):
    """What a row maker takes for a line whose ALTs are these ClinVar records; `kept` as for `essence`."""
    if not any(chosen):
        return None
    if chosen[0] and repeats(line, chosen[0].line):
        return SELF_CLASSIFIED
    return [known and essence(known.line, kept) for known in chosen]


def repeats(line: bytes, other: bytes) -> bool:
    """Whether `line` repeats the whole record `other` and adds to its INFO."""
    return line.startswith(other) and line[len(other) : len(other) + 1] in (b";", b"")


def check_assemblies(*vcfs: Vcf) -> bool:
    """Refuse files of different genome assemblies; True if each of them names the same one.

    Raises
    ------
    InputError
        Names both assemblies, and where each is said.
    """
    said = [(name, f"{lake.name(vcf.path)} ({where})") for vcf in vcfs for name, where in vcf.assemblies().items()]
    for name, where in said[1:]:
        if name != said[0][0]:
            raise InputError(
                f"different genome assemblies: {said[0][1]} is {said[0][0]}, {where} is {name}; give files of one "
                "assembly, or correct the header that is wrong"
            )
    return all(vcf.assemblies() for vcf in vcfs)


class Partners:
    """ClinVar's records as partners of annotated ones; `statuses` are the review statuses whose records are needed
    whole.

    Attributes
    ----------
    malformed
        ClinVar lines that are no records.
    first_problem
        What is wrong with the first of them, and where.
    """

    def __init__(
        self,
        vcf: Vcf,
        reopen: Callable[[], Vcf],
        statuses: Iterable[str] = clinvar.LABELS,
        *,
        same_assembly: bool = True,
    ) -> None:
        self._vcf = vcf
        self._kept = kept_marks(statuses)
        self._reopen = reopen
        self._same_assembly = same_assembly
        self.malformed: list[bytes] = []
        self.first_problem: str | None = None
        self._lines = chain.from_iterable(self._records(vcf, self.malformed))
        self._matched = bytearray()  # one flag for each ClinVar record read
        self._head = next(self._lines, None)
        self._passed: deque[bytes] = deque()  # records just read whose keys are not in the window yet
        self._forgotten = False  # whether the window has ever let a record go
        self._window_bytes = 0
        self._window: dict[bytes, list[Known]] = {}
        self._in_window: deque[tuple[list[bytes], Known]] = deque()
        self._index: _Index | None = None

    def _records(self, vcf: Vcf, malformed: list[bytes]) -> Iterator[list[bytes]]:
        for lines in vcf.batches():
            unsure = _unsure(lines, plain=vcf.plain)
            for place in reversed(
                [place for place in unsure if not self._is_one(lines[place], vcf, place + 1, malformed)]
            ):
                del lines[place]
            yield lines

    def _is_one(self, line: bytes, vcf: Vcf, place: int, malformed: list[bytes]) -> bool:
        """Whether a line, at a place in its batch from 1, is a record; what is none, and not empty, is malformed."""
        if not line.strip():
            return False
        check_no_header(line, f"{vcf.path}:{vcf.line + place}")
        if why := problem(line, vcf.columns):
            malformed.append(line)
            self.first_problem = self.first_problem or f"{vcf.path}:{vcf.line + place}: {why}"
        return why is None

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

    def of(self, lines: Sequence[bytes]) -> list:
        """For each annotated line `SELF_CLASSIFIED`, None, or a ClinVar line or None for each of its ALTs."""
        passed = self._passed
        if len(passed) > _AHEAD or max(map(len, lines), default=0) > _LONG:
            self._forgotten = True
            passed.clear()
        found: list = []
        coming = self._lines
        head = self._head
        for line in lines:
            # As in `repeats`; a call for each line would cost as much as all the rest.
            if head is not None and line.startswith(head) and (len(line) == len(head) or line[len(head)] == _SEMICOLON):
                passed.append(head)
                self._matched.append(1)
                self._head = head = next(coming, None)
                found.append(SELF_CLASSIFIED)
            else:
                found.append(self._partner(line))
                head = self._head
        return found

    def _partner(self, line: bytes):
        every = wanted(line, same_assembly=self._same_assembly)
        first = len(self._matched) - len(self._passed)
        for number, passed in enumerate(self._passed, first):
            self._remember(Known(number, passed))
        self._passed.clear()
        chosen = [self._find(want, line) for want in every]
        for known in chosen:
            if known:
                self._matched[known.number] = 1
        return partner(line, chosen, self._kept)

    def _find(self, want: Wanted, line: bytes) -> Known | None:
        """The ClinVar record that an ALT is: the best of all those nearby, or, where that is not settled, of all."""
        if self._index is None:
            best = None
            for _ in range(_AHEAD):
                best = choose(want, self._nearby(want), line)
                if self._head is None or (self._is_settled(want, best) and not self._goes_on(best)):
                    break
                self._advance()
            if self._is_settled(want, best) or (self._head is None and not self._forgotten):
                return best
            self._index = self._whole()
        return choose(want, self._index.find(want.keys()), line)

    def _nearby(self, want: Wanted) -> list[Known]:
        return [known for key in want.keys() for known in self._window.get(key, ())]

    @staticmethod
    def _is_settled(want: Wanted, best: Known | None) -> bool:
        """Whether no better record can come: one with the ID, or, without an ID, one at the place."""
        return best is not None and (not want.ids or best.line.split(b"\t", 3)[2] in want.ids)

    def _goes_on(self, best: Known | None) -> bool:
        """Whether the next ClinVar record stands at the place of the best one so far."""
        if best is None or self._head is None:
            return False
        return best.line.split(b"\t", 2)[:2] == self._head.split(b"\t", 2)[:2]

    def _advance(self) -> None:
        """Read one ClinVar record further."""
        if self._head is not None:
            self._remember(Known(len(self._matched), self._head))
            self._matched.append(0)
            self._head = next(self._lines, None)

    def _remember(self, known: Known) -> None:
        """Put a record that was read into the window, and the oldest one out of it."""
        keys = clinvar_keys(known.line, same_assembly=self._same_assembly)
        for key in keys:
            self._window.setdefault(key, []).append(known)
        self._in_window.append((keys, known))
        self._window_bytes += len(known.line)
        while len(self._in_window) > 2 * _AHEAD or self._window_bytes > _WINDOW_BYTES:
            self._forgotten = True
            keys, oldest = self._in_window.popleft()
            self._window_bytes -= len(oldest.line)
            for key in keys:
                self._window[key].remove(oldest)
                if not self._window[key]:
                    del self._window[key]

    def _whole(self) -> _Index:
        total = self.finish()[0]
        self._window.clear()
        self._in_window.clear()
        with self._reopen() as vcf:
            return _Index(
                chain.from_iterable(self._records(vcf, [])), total, self._kept, same_assembly=self._same_assembly
            )


def _unsure(lines: Sequence[bytes], *, plain: bool) -> list[int]:
    """Places of the lines that have to be looked at for being records; few."""
    found = [place for place, match in enumerate(map(_is_record, lines)) if not match]
    if not plain:
        found = sorted({*found, *(place for place, line in enumerate(lines) if not is_plain(line))})
    return found


class _Index:
    """Every ClinVar record in a temporary file, found by its hashed keys."""

    def __init__(self, lines: Iterator[bytes], total: int, kept: tuple[bytes, ...], *, same_assembly: bool) -> None:
        self._same_assembly = same_assembly
        self._file = tempfile.TemporaryFile()  # has no name: it is gone when the process ends, however it ends
        self._offsets = array("q", [0])
        hashes, numbers = array("q"), array("I")
        offset = 0
        for number, line in enumerate(lines):
            for key in dict.fromkeys(clinvar_keys(line, same_assembly=same_assembly)):
                hashes.append(hash(key))
                numbers.append(number)
            offset += self._file.write(essence(line, kept))
            self._offsets.append(offset)
        if len(self._offsets) != total + 1:
            raise InputError("the ClinVar file changed while it was read; run again")
        self._file.flush()
        found = np.frombuffer(hashes, np.int64)
        order = np.argsort(found, kind="stable")
        self._numbers = array("I", np.frombuffer(numbers, np.uint32)[order].tobytes())
        self._hashes = array("q", found[order].tobytes())

    def close(self) -> None:
        self._file.close()

    def find(self, keys: Sequence[bytes]) -> list[Known]:
        """The records with one of these keys."""
        found = []
        for key in keys:
            code = hash(key)
            place = bisect_left(self._hashes, code)
            while place < len(self._hashes) and self._hashes[place] == code:
                number = self._numbers[place]
                start, end = self._offsets[number], self._offsets[number + 1]
                found.append(Known(number, os.pread(self._file.fileno(), end - start, start)))
                place += 1
        return found


def kept_marks(statuses: Iterable[str]) -> tuple[bytes, ...]:
    """What a ClinVar line has in it if its review status is one of these."""
    return tuple(_STATUS + status.encode() for status in statuses)


def essence(line: bytes, kept: tuple[bytes, ...]) -> bytes:
    """A ClinVar line, without the INFO that nobody will ask for where its review status leaves it out."""
    fields = line.split(b"\t", 8)
    # Without an ID only its text tells a record from another at its place.
    if not fields[2].isdigit() or any(status in line for status in kept):
        return line
    statuses = [item for item in fields[7].split(b";") if item.startswith(_STATUS)]
    return b"\t".join((*fields[:7], statuses[-1] if statuses else b"."))
