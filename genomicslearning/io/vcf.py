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
from pathlib import Path
from typing import BinaryIO, NamedTuple, TypeVar

from genomicslearning import InputError, clinvar
from genomicslearning.io.lines import LineFile

_Group = TypeVar("_Group")

_FIXED = ["#CHROM", "POS", "ID", "REF", "ALT", "QUAL", "FILTER", "INFO"]
# A header has to fit in memory: some assemblies name hundreds of thousands of contigs, none needs more than this.
MOST_HEADER_LINES = 500_000
MOST_HEADER_BYTES = 32 << 20
# No real key is longer; what is stays text in INFO_OTHER.
MOST_KEY_BYTES = 200
_MOST_LEARNT = 1_000  # keys of a record, for their order to be learnt
MOST_POS_DIGITS = 18  # fits 64 bits
# key=value, or key="value" in which a quote is escaped, or at least is not followed by another key or the end.
_HEADER_FIELD = re.compile(
    r'\s*+([^=,"<>\s]++)\s*+=\s*+(?:"((?:[^"\\]|\\.|"(?!\s*(?:,\s*[^=,"<>\s]+\s*=|$)))*+)"|([^,]*+))\s*+(?:,|$)'
)
_ASSEMBLY_OF_VEP = re.compile(r'\bassembly="?([^"\s]+)')
_CLNHGVS = re.compile(rb"[;\t]CLNHGVS=([^;\t\n]{1,80})")


class Definition(NamedTuple):
    """An ``##INFO`` or ``##FORMAT`` line: Number (``1``, ``A``, ``.`` …), Type (``Integer`` …), Description."""

    number: str
    type: str
    description: str = ""


def header_fields(line: str) -> dict[str, str]:
    """Keys and values of a structured header line, ``##INFO=<ID=…,Number=…,Description="…">``, in any order.

    Values come without their quotes, and escaped quotes as quotes; empty where the line has no such fields.
    """
    _, opened, body = line.partition("=<")
    if not opened:
        return {}
    body = body.rstrip().removesuffix(">")
    found: dict[str, str] = {}
    place = 0
    while place < len(body) and (field := _HEADER_FIELD.match(body, place)):
        name, quoted, plain = field.groups()
        value = plain.strip() if quoted is None else quoted.replace('\\"', '"').replace("\\\\", "\\")
        found.setdefault(name, value)
        place = field.end()
    return found


class Vcf(LineFile):
    """A VCF being read: the header at once, then its data lines.

    Attributes
    ----------
    header
        Header lines without line ends, the last one ``#CHROM …``.
    info, formats
        Definitions by ID, in the header's order; of a key that is defined twice the last.
    repeated_info
        Of each INFO key that is defined more than once, all its definitions.
    samples
        Sample names.

    Raises
    ------
    InputError
        The file is missing, not a VCF, or damaged (then while it is read, with the line reached), or its header has
        more than 32 MB or 500,000 lines.
    """

    def __init__(self, path: str | os.PathLike, called: str | os.PathLike | None = None) -> None:
        super().__init__(path, called)
        try:
            self._read_header()
        except BaseException:
            self._file.close()
            raise

    def _read_header(self) -> None:
        self.header: list[str] = []
        size = 0
        for text in self._text_pieces:
            start = 0
            while start < len(text):
                end = text.index(b"\n", start)
                line = text[start:end]
                if not self.header:
                    line = line.removeprefix(b"\xef\xbb\xbf")
                if line[:1] != b"#":
                    raise self._no_header(line)
                start = end + 1
                size += len(line)
                self._take_header_line(line, size)
                if line[:2] != b"##":
                    self._pending = text[start:]
                    self._parse_header()
                    return
        raise self._no_header(b"")

    def _take_header_line(self, line: bytes, size: int) -> None:
        place = f"{self.path}:{self.line + 1}"
        if size > MOST_HEADER_BYTES or self.line >= MOST_HEADER_LINES:
            raise InputError(
                f"{place}: the header has more than {MOST_HEADER_BYTES >> 20} MB or {MOST_HEADER_LINES:,} lines, the "
                "most that is read"
            )
        if b"\0" in line:
            raise InputError(f"{place}: a NUL byte in the header; the file is damaged or no VCF")
        if b"\r" in line:
            raise InputError(
                f"{place}: a carriage return within the line; if lines end in CR alone, convert them: tr '\\r' '\\n'"
            )
        self.header.append(line.decode("utf-8", "replace"))
        self.line += 1

    def _no_header(self, line: bytes) -> InputError:
        """What is wrong with a file whose header ends without a #CHROM line."""
        if not self.header:
            return InputError(f"{self.path}: not a VCF, it has no header (##fileformat=VCF…, #CHROM …)")
        found = f", it has {line[:40].decode('utf-8', 'replace')!r}" if line else ""
        return InputError(f"{self.path}:{self.line + 1}: not a VCF, its header has no #CHROM line{found}")

    def _parse_header(self) -> None:
        columns = self.header[-1].split("\t")
        if columns[:8] != _FIXED:
            raise InputError(f"{self.path}:{self.line}: the header does not name {' '.join(_FIXED)}, tab-separated")
        self.samples = columns[9:]
        self.columns = len(columns)
        self.info: dict[str, Definition] = {}
        self.formats: dict[str, Definition] = {}
        self.repeated_info: dict[str, list[Definition]] = {}
        for line in self.header:
            if not line.startswith(("##INFO=<", "##FORMAT=<")):
                continue
            fields = header_fields(line)
            key = fields.get("ID", "")
            if not key or len(key) > MOST_KEY_BYTES:
                continue
            made = Definition(
                fields.get("Number") or ".", fields.get("Type") or "String", fields.get("Description", "")
            )
            target = self.info if line.startswith("##INFO") else self.formats
            if target is self.info and key in target:
                self.repeated_info.setdefault(key, [target[key]]).append(made)
            target[key] = made

    def meta(self, key: str) -> str | None:
        """Value of a ``##key=value`` header line, such as fileDate or reference."""
        start = f"##{key}="
        return next((line[len(start) :] for line in self.header if line.startswith(start)), None)

    def assemblies(self) -> dict[str, str]:
        """Genome assemblies that the file names, each with where: ``##reference``, ``##VEP``, else CLNHGVS.

        CLNHGVS is looked at in the first records, and only where the header says nothing.
        """
        found: dict[str, str] = {}
        if name := clinvar.assembly_name(self.meta("reference") or ""):
            found[name] = "##reference"
        for line in self.header:
            if line.startswith("##VEP="):
                said = _ASSEMBLY_OF_VEP.search(line)
                if name := clinvar.assembly_name(said[1] if said else line):
                    found.setdefault(name, "##VEP")
        if not found and (
            name := clinvar.assembly_of_hgvs(text.decode("ascii", "replace") for text in _CLNHGVS.findall(self._peek()))
        ):
            found[name] = "CLNHGVS"
        return found

    def _peek(self) -> bytes:
        """The first piece of the text after the header, which will be read again."""
        if not self._pending:
            self._pending = next(self._text_pieces, b"")
        return self._pending

    def facts(self) -> dict:
        """What a report says of the input, with fileDate and reference of its header."""
        return {**super().facts(), "fileDate": self.meta("fileDate"), "reference": self.meta("reference")}


def problem(line: bytes, columns: int | None = None) -> str | None:
    """Why a data line is malformed, or None.

    Fewer than 8 columns or more than the header's `columns`, POS not an integer of at most 18 digits, REF empty, a NUL
    byte, not UTF-8.
    """
    fields = line.split(b"\t", 8)
    if len(fields) < 8:
        return f"has {len(fields)} columns, a VCF record has at least 8"
    if columns is not None and (found := line.count(b"\t") + 1) > columns:
        return f"has {found} columns, its header names {columns}"
    if not fields[1].isdigit():
        return f"POS is not an integer ({fields[1][:40].decode('utf-8', 'replace')})"
    if len(fields[1]) > MOST_POS_DIGITS:
        return f"POS has {len(fields[1])} digits, more than a genome"
    if not fields[3]:
        return "REF is empty"
    if b"\0" in line:
        return "has a NUL byte"
    try:
        line.decode("utf-8")
    except UnicodeDecodeError as error:
        return f"is not UTF-8 at byte {error.start + 1}"
    return None


class Quarantine:
    """The file of malformed records: the header, then each of them whole; it appears with the first of them."""

    def __init__(self, part: Path, header: Sequence[str]) -> None:
        self._part = part
        self._header = header
        self._file: BinaryIO | None = None

    def __enter__(self):
        return self

    def __exit__(self, *_) -> None:
        if self._file:
            self._file.close()

    def add(self, lines: Sequence[bytes]) -> None:
        """Set lines aside."""
        if not lines:
            return
        if not self._file:
            self._file = self._part.open("wb")
            self._file.writelines(line.encode() + b"\n" for line in self._header)
        self._file.writelines(line + b"\n" for line in lines)


def check_no_header(line: bytes, place: str) -> None:
    """Refuse a line that begins another header: two files joined."""
    if line[:1] == b"#":
        raise InputError(f"{place}: a header line between the records; give one VCF, not several joined")


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
    dots
        Those of which a lone ``.`` means missing: their value is then ``b""``.
    only
        Whether a record with any other key is to be told apart: `match` then does not fit it.

    Attributes
    ----------
    pattern
        The regular expression of a whole INFO in the order known so far; its groups are for `arranged`.
    repeated
        Records so far in which a key repeats.
    """

    # Compiling takes milliseconds: a file whose order keeps changing is not worth learning.
    _LESSONS = 200

    def __init__(
        self, keys: Sequence[str], *, flags: Iterable[str] = (), dots: Iterable[str] = (), only: bool = False
    ) -> None:
        self.keys = tuple(key.encode() for key in keys)
        self.repeated = 0
        are_flags = {key.encode() for key in flags}
        self._dots = {key.encode() for key in dots}
        self._wanted = [(key, key in are_flags) for key in self.keys]
        self._only = only
        self._order = self._wanted
        self._expected = set(pairwise(self._order))
        self._seen: set[tuple] = set()  # pairs of neighbours
        self._lessons = self._LESSONS
        self._compile()

    def _compile(self) -> None:
        pattern = b""
        places: dict[tuple[bytes, bool], int] = {}
        for item in self._order:
            key, flag = item
            # Possessive quantifiers: a value is never cut short to find the next key inside it. What follows it can
            # only be its semicolon or the end; a flag may begin another key.
            wanted = item in self._wanted
            name = re.escape(key)
            if flag:
                pattern += (rb"(?:(%b)(?:;|\Z))?+" if wanted else rb"(?:%b(?:;|\Z))?+") % name
            else:
                value = rb"([^;]*+)" if wanted else rb"[^;]*+"
                if wanted and key in self._dots:
                    value = rb"(?:\.(?=;|\Z)|%b)" % value
                pattern += rb"(?:%b=%b;?+)?+" % (name, value)
            if wanted:
                places[item] = len(places)
        if len(places) < len(self._wanted):
            pattern += b"()"  # the empty last group stands for keys never seen
        self.pattern = pattern
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
            return self.arranged(match.groups(b""))
        return None

    def arranged(self, groups: Sequence[_Group]) -> Sequence[_Group]:
        """The groups that `pattern` found (or columns of them) as values of the keys in their order."""
        return groups if self._straight else [groups[place] for place in self._places]

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
        values: list[bytes] = []
        for item in self._wanted:
            key, flag = item
            fits = key in found and (found[key] is None) == flag
            value = key if flag else found.pop(key, None) if fits else None
            if value == b"." and key in self._dots:
                value = None
            values.append(value or b"" if fits else b"")
            if fits and flag:
                del found[key]
        rest = [key if value is None else key + b"=" + value for key, value in found.items()]
        if not repeated and not (self._only and rest):
            self.learn(info)
        return values, rest

    def learn(self, info: bytes) -> None:
        """Take in one record's order; an order that contradicts what is known stays unknown."""
        if not self._lessons:
            return
        self._lessons -= 1
        items = [(key, value is None) for key, value in parse_info(info)[0].items()]
        if len(items) > _MOST_LEARNT or any(len(key) > MOST_KEY_BYTES for key, _ in items):
            return
        known = dict(self._order)
        if any(known.get(key, flag) != flag for key, flag in items):
            return  # of `A=0` and `A` one is known: where both were, `A=0;A` would not be seen to repeat its key
        seen = {*self._seen, *pairwise(items)}
        for expected in (self._expected, set()):
            graph: TopologicalSorter = TopologicalSorter()
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
