"""Stream a VCF (plain, gzip or bgzip): its header, its data lines in batches, values of INFO keys as text.

VCF: https://samtools.github.io/hts-specs/VCFv4.3.pdf. Values stay bytes exactly as written; nothing is decoded or rounded.
"""

from __future__ import annotations

import hashlib
import os
import re
import zlib
from collections.abc import Iterator, Sequence
from typing import NamedTuple

from isal import igzip, isal_zlib

from genomicslearning import InputError, lake

# About 200 lines of ClinVar: batches that stay in the processor's cache are split fastest (measured).
_CHUNK = 128 << 10
_FIXED = ["#CHROM", "POS", "ID", "REF", "ALT", "QUAL", "FILTER", "INFO"]
_DEFINITION = re.compile(r"##(INFO|FORMAT)=<ID=([^,>]+)(?:,Number=([^,>]+))?(?:,Type=([^,>]+))?")
# Empty last block that ends every whole bgzip file (SAM specification, 4.1.2).
_BGZF_END = bytes.fromhex("1f8b08040000000000ff0600424302001b0003000000000000000000")


class Definition(NamedTuple):
    """An ``##INFO`` or ``##FORMAT`` line: Number (``1``, ``A``, ``.`` …) and Type (``Integer`` … ``String``)."""

    number: str
    type: str


class _Hashing:
    """A raw file that takes the SHA-256 of what is read from it: the input is read once."""

    def __init__(self, file) -> None:
        self._file = file
        self._digest = hashlib.sha256()
        self.size = 0

    def read(self, size: int = -1) -> bytes:
        data = self._file.read(size)
        self._digest.update(data)
        self.size += len(data)
        return data

    def readinto(self, buffer) -> int:
        count = self._file.readinto(buffer)
        self._digest.update(memoryview(buffer)[:count])
        self.size += count
        return count

    def finish(self) -> str:
        """Digest of the whole file, in hexadecimal, after reading what is left."""
        while self.read(1 << 20):
            pass
        return self._digest.hexdigest()

    def close(self) -> None:
        self._file.close()


class Vcf:
    """A VCF being read: the header at once, then its data lines.

    Attributes
    ----------
    header
        Header lines without line ends, the last one ``#CHROM …``.
    info, formats
        Definitions by ID, in the header's order.
    samples
        Sample names.
    line
        Number of lines handed out before the current batch: a line's number is ``line`` + its place in the batch, from 1.

    Raises
    ------
    InputError
        The file is missing, not a VCF, or damaged (then while it is read, with the line reached).
    """

    def __init__(self, path: str | os.PathLike) -> None:
        self.path = str(path)
        self.line = 0
        self.warnings: list[str] = []
        self._raw = _Hashing(lake.open_input(path))
        self._file, self.compressed = self._unpacked()
        self._batches = self._split()
        self._first: list[bytes] = []
        try:
            self._read_header()
        except BaseException:
            self.close()
            raise

    def __enter__(self) -> Vcf:
        return self

    def __exit__(self, *_) -> None:
        self.close()

    def close(self) -> None:
        """Close the file."""
        self._raw.close()

    def _unpacked(self):
        start = self._raw._file.read(18)
        self._raw._file.seek(0)
        if start[:2] != b"\x1f\x8b":
            return self._raw, ""
        if start[12:14] != b"BC":
            return igzip.open(self._raw, "rb"), "gzip"
        file = self._raw._file
        file.seek(max(lake.size(self.path) - len(_BGZF_END), 0))
        if file.read() != _BGZF_END:
            self.warnings.append(f"{self.path}: bgzip end marker is missing; the file may be cut off")
        file.seek(0)
        return igzip.open(self._raw, "rb"), "bgzip"

    def _read(self) -> bytes:
        try:
            # read1 gives what one step of decompression yields, instead of filling up the size asked for.
            return self._file.read1(_CHUNK) if self.compressed else self._file.read(_CHUNK)
        except EOFError:
            raise InputError(f"{self.path}:{self.line + 1}: the gzip stream ends early; get the whole file") from None
        except (OSError, zlib.error, isal_zlib.IsalError) as problem:
            raise InputError(f"{self.path}:{self.line + 1}: damaged ({problem}); get the file again") from None

    def _split(self) -> Iterator[list[bytes]]:
        """Lists of lines without line ends (LF or CRLF)."""
        rest = b""
        while chunk := self._read():
            text = rest + chunk if rest else chunk
            if b"\r" in text:
                text = text.replace(b"\r\n", b"\n")
            lines = text.split(b"\n")
            rest = lines.pop()
            if lines:
                yield lines
        if rest := rest.removesuffix(b"\r"):
            yield [rest]

    def _read_header(self) -> None:
        self.header: list[str] = []
        for lines in self._batches:
            for place, line in enumerate(lines):
                if not self.header:
                    line = line.removeprefix(b"\xef\xbb\xbf")
                if line[:1] != b"#":
                    break
                self.header.append(line.decode("utf-8", "replace"))
                if line[:2] != b"##":
                    self._first = lines[place + 1 :]
                    self.line = len(self.header)
                    self._parse_header()
                    return
            else:
                self.line += len(lines)
                continue
            break
        if not self.header:
            raise InputError(f"{self.path}: not a VCF, it has no header (##fileformat=VCF…, #CHROM …)")
        raise InputError(f"{self.path}:{len(self.header) + 1}: not a VCF, its header has no #CHROM line")

    def _parse_header(self) -> None:
        columns = self.header[-1].split("\t")
        if columns[:8] != _FIXED:
            raise InputError(f"{self.path}:{len(self.header)}: the header does not name {' '.join(_FIXED)}, tab-separated")
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

    def batches(self) -> Iterator[list[bytes]]:
        """Data lines, in lists; ``line`` counts the lines before the list."""
        lines = self._first
        self._first = []
        if lines:
            yield lines
            self.line += len(lines)
        for lines in self._batches:
            yield lines
            self.line += len(lines)

    def facts(self) -> dict:
        """What a report says of the input: name, bytes, sha256, fileDate and reference of its header."""
        digest = self._raw.finish()
        return {
            "name": lake.name(self.path),
            "bytes": self._raw.size,
            "sha256": digest,
            "fileDate": self.meta("fileDate"),
            "reference": self.meta("reference"),
        }


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
    """Values of chosen INFO keys, as text: ``b""`` where a key is absent or a flag.

    Files write their keys in one order. The reader learns it from the records, starting from the order of `keys`, and
    matches a whole INFO with one regular expression, twice as fast as a dictionary; a record that does not fit (other
    order, repeated keys) is parsed plainly.
    """

    # Compiling takes milliseconds: a file whose order keeps changing is not worth learning.
    _LESSONS = 200

    def __init__(self, keys: Sequence[str]) -> None:
        self.keys = tuple(key.encode() for key in keys)
        self.repeated = 0
        self._order = [(key, False) for key in self.keys]
        self._assumed = True
        self._lessons = self._LESSONS
        self._compile()

    def _compile(self) -> None:
        # Possessive quantifiers: a value is never cut short to find the next key inside it.
        wanted = [key for key, flag in self._order if key in self.keys and not flag]
        pattern = b""
        for key, flag in self._order:
            name = re.escape(key)
            if flag:
                pattern += rb"(?:%b(?:;|\Z))?+" % name
            elif key in self.keys:
                pattern += rb"(?:%b=([^;]*+)(?:;|\Z))?+" % name
            else:
                pattern += rb"(?:%b=[^;]*+(?:;|\Z))?+" % name
        if len(wanted) < len(self.keys):
            pattern += b"()"
        self._fullmatch = re.compile(pattern).fullmatch
        places = {key: place for place, key in enumerate(wanted)}
        self._places = [places.get(key, len(wanted)) for key in self.keys]
        # In the file's own order no rearranging is needed; the empty last group stands in for keys never seen.
        self._straight = self._places == list(range(len(self.keys)))

    def values(self, info: bytes) -> Sequence[bytes]:
        """Values of the chosen keys in their order."""
        if match := self._fullmatch(info):
            groups = match.groups(b"")
            if self._straight:
                return groups
            return [groups[place] for place in self._places]
        found, repeated = parse_info(info)
        self.repeated += repeated
        if self._lessons and not repeated:
            self._learn(found)
        return [found.get(key) or b"" for key in self.keys]

    def _learn(self, found: dict[bytes, bytes | None]) -> None:
        self._lessons -= 1
        order = self._merged(found)
        if order is None and self._assumed:
            self._order = []
            order = self._merged(found)
        self._assumed = False
        if order is not None and order != self._order:
            self._order = order
            self._compile()

    def _merged(self, found: dict[bytes, bytes | None]) -> list[tuple[bytes, bool]] | None:
        """The order with this record's keys in it, or None if the record contradicts it."""
        order = self._order.copy()
        place = 0
        for key, value in found.items():
            item = (key, value is None)
            if item in order:
                if order.index(item) < place:
                    return None
                place = order.index(item) + 1
            else:
                order.insert(place, item)
                place += 1
        return order
