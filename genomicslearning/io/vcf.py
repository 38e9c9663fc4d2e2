"""Stream a VCF (plain, gzip or bgzip): its header, its data lines in batches, values of INFO keys as text.

VCF: https://samtools.github.io/hts-specs/VCFv4.3.pdf. Values stay bytes exactly as written; nothing is decoded or
rounded.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterable, Sequence
from graphlib import CycleError, TopologicalSorter
from itertools import pairwise
from typing import NamedTuple

from genomicslearning import InputError
from genomicslearning.io.lines import LineFile

_FIXED = ["#CHROM", "POS", "ID", "REF", "ALT", "QUAL", "FILTER", "INFO"]
_DEFINITION = re.compile(r"##(INFO|FORMAT)=<ID=([^,>]+)(?:,Number=([^,>]+))?(?:,Type=([^,>]+))?")


class Definition(NamedTuple):
    """An ``##INFO`` or ``##FORMAT`` line: Number (``1``, ``A``, ``.`` …) and Type (``Integer`` … ``String``)."""

    number: str
    type: str


class Vcf(LineFile):
    """A VCF being read: the header at once, then its data lines.

    Attributes
    ----------
    header
        Header lines without line ends, the last one ``#CHROM …``.
    info, formats
        Definitions by ID, in the header's order.
    samples
        Sample names.

    Raises
    ------
    InputError
        The file is missing, not a VCF, or damaged (then while it is read, with the line reached).
    """

    def __init__(self, path: str | os.PathLike) -> None:
        super().__init__(path)
        try:
            self._read_header()
        except BaseException:
            self._file.close()
            raise

    def _read_header(self) -> None:
        self.header: list[str] = []
        for text in self._text_pieces:
            start = 0
            while start < len(text):
                end = text.index(b"\n", start)
                line = text[start:end]
                start = end + 1
                if not self.header:
                    line = line.removeprefix(b"\xef\xbb\xbf")
                if line[:1] != b"#":
                    break
                self.header.append(line.decode("utf-8", "replace"))
                if line[:2] != b"##":
                    self._pending = text[start:]
                    self.line = len(self.header)
                    self._parse_header()
                    return
            else:
                self.line = len(self.header)
                continue
            break
        if not self.header:
            raise InputError(f"{self.path}: not a VCF, it has no header (##fileformat=VCF…, #CHROM …)")
        raise InputError(f"{self.path}:{len(self.header) + 1}: not a VCF, its header has no #CHROM line")

    def _parse_header(self) -> None:
        columns = self.header[-1].split("\t")
        if columns[:8] != _FIXED:
            raise InputError(
                f"{self.path}:{len(self.header)}: the header does not name {' '.join(_FIXED)}, tab-separated"
            )
        self.samples = columns[9:]
        self.columns = len(columns)
        self.info: dict[str, Definition] = {}
        self.formats: dict[str, Definition] = {}
        for line in self.header:
            if found := _DEFINITION.match(line):
                kind, key, number, type_ = found.groups()
                target = self.info if kind == "INFO" else self.formats
                target[key] = Definition(number or ".", type_ or "String")

    def meta(self, key: str) -> str | None:
        """Value of a ``##key=value`` header line, such as fileDate or reference."""
        start = f"##{key}="
        return next((line[len(start) :] for line in self.header if line.startswith(start)), None)

    def facts(self) -> dict:
        """What a report says of the input, with fileDate and reference of its header."""
        return {**super().facts(), "fileDate": self.meta("fileDate"), "reference": self.meta("reference")}


def problem(line: bytes) -> str | None:
    """Why a data line is malformed, or None: fewer than 8 columns, POS no integer, REF empty, not UTF-8."""
    fields = line.split(b"\t", 8)
    if len(fields) < 8:
        return f"has {len(fields)} columns, a VCF record has at least 8"
    if not (fields[1].isdigit() and len(fields[1]) < 19):
        return f"POS is not an integer ({fields[1][:40].decode('utf-8', 'replace')})"
    if not fields[3]:
        return "REF is empty"
    try:
        line.decode("utf-8")
    except UnicodeDecodeError as error:
        return f"is not UTF-8 at byte {error.start + 1}"
    return None


def check_columns(line: bytes, columns: int, place: str) -> None:
    """Refuse a line that does not belong to its header: a second header, or more columns than it names."""
    if line[:1] == b"#":
        raise InputError(f"{place}: a header line between the records; give one VCF, not several joined")
    if (found := line.count(b"\t") + 1) > columns:
        raise InputError(f"{place}: has {found} columns, its header names {columns}; repair the file")


def parse_info(info: bytes) -> tuple[dict[bytes, bytes | None], bool]:
    """INFO as key → value (None for a flag), and whether a key repeats; the last of a repeated key wins."""
    if info == b".":
        return {}, False
    found: dict[bytes, bytes | None] = {}
    items = 0
    for item in info.split(b";"):
        if item:
            key, equals, value = item.partition(b"=")
            found[key] = value if equals else None
            items += 1
    return found, items != len(found)


class InfoReader:
    """Values of chosen INFO keys, as text: ``b""`` where a key is absent, its name where it is a flag that is set.

    Files write their keys in one order. The reader learns it from the records, starting from the order of `keys`, and
    matches a whole INFO with one regular expression, twice as fast as a dictionary; a record that does not fit (other
    order, repeated keys) is parsed plainly.

    Parameters
    ----------
    keys
        The keys wanted, in the order in which their values are given.
    flags
        Those of them that are flags.
    only
        Whether a record with any other key is to be told apart: `match` then does not fit it.
    """

    # Compiling takes milliseconds: a file whose order keeps changing is not worth learning.
    _LESSONS = 200

    def __init__(self, keys: Sequence[str], *, flags: Iterable[str] = (), only: bool = False) -> None:
        self.keys = tuple(key.encode() for key in keys)
        self.repeated = 0
        flags = {key.encode() for key in flags}
        self._wanted = [(key, key in flags) for key in self.keys]
        self._only = only
        self._order = self._wanted
        self._expected = set(pairwise(self._order))
        self._seen: set[tuple] = set()  # pairs of neighbours
        self._lessons = self._LESSONS
        self._compile()

    def _compile(self) -> None:
        pattern = b""
        places = {}
        for item in self._order:
            key, flag = item
            # Possessive quantifiers: a value is never cut short to find the next key inside it.
            wanted = item in self._wanted
            template = (rb"(%b)" if wanted else rb"%b") if flag else (rb"%b=([^;]*+)" if wanted else rb"%b=[^;]*+")
            pattern += rb"(?:%b(?:;|\Z))?+" % (template % re.escape(key))
            if wanted:
                places[item] = len(places)
        if len(places) < len(self._wanted):
            pattern += b"()"  # the empty last group stands for keys never seen
        self._fullmatch = re.compile(pattern).fullmatch
        self._places = [places.get(item, len(places)) for item in self._wanted]
        # In the file's own order no rearranging is needed.
        self._straight = self._places == list(range(len(self._wanted)))

    @property
    def order(self) -> list[tuple[bytes, bool]]:
        """The keys in the file's order as far as it is known, and whether each is a flag."""
        return self._order

    def match(self, info: bytes) -> Sequence[bytes] | None:
        """Values of the keys in their order, or None where the record does not fit."""
        if match := self._fullmatch(info):
            groups = match.groups(b"")
            return groups if self._straight else [groups[place] for place in self._places]
        return None

    def values(self, info: bytes) -> Sequence[bytes]:
        """Values of the keys in their order."""
        if match := self._fullmatch(info):
            groups = match.groups(b"")
            return groups if self._straight else [groups[place] for place in self._places]
        return self.parse(info)[0]

    def parse(self, info: bytes) -> tuple[list[bytes], list[bytes]]:
        """Values of the keys, and the items (``key=value``) that are none of them; learns from the record's order."""
        found, repeated = parse_info(info)
        self.repeated += repeated
        values = []
        for item in self._wanted:
            key, flag = item
            fits = key in found and (found[key] is None) == flag
            values.append((key if flag else found.pop(key)) if fits else b"")
            if fits and flag:
                del found[key]
        rest = [key if value is None else key + b"=" + value for key, value in found.items()]
        if self._lessons and not repeated and not (self._only and rest):
            self._learn(info)
        return values, rest

    def _learn(self, info: bytes) -> None:
        """Take in one record's order; an order that contradicts what is known stays unknown."""
        self._lessons -= 1
        items = [(key, value is None) for key, value in parse_info(info)[0].items()]
        seen = {*self._seen, *pairwise(items)}
        for expected in (self._expected, set()):
            graph = TopologicalSorter()
            for item in (*items, *self._order):
                graph.add(item)
            for earlier, later in (*seen, *expected):
                graph.add(later, earlier)
            try:
                order = list(graph.static_order())
            except CycleError:
                continue
            self._seen, self._expected = seen, expected
            if order != self._order:
                self._order = order
                self._compile()
            return
