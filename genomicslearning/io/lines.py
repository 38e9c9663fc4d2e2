"""Read a text file, plain, gzip or bgzip, local or s3://, as batches of lines; its checksum comes with it."""

from __future__ import annotations

import hashlib
import os
import shutil
import tempfile
import zlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from itertools import chain

import numpy as np
from isal import igzip, isal_zlib

from genomicslearning import InputError
from genomicslearning.io import lake

# About 200 lines of ClinVar: batches that stay in the processor's cache are split fastest (measured).
_CHUNK = 128 << 10
_LINE_END = ord("\n")
# Empty last block that ends every whole bgzip file (SAM specification, 4.1.2).
_BGZF_END = bytes.fromhex("1f8b08040000000000ff0600424302001b0003000000000000000000")


# The longest line that is read, so that memory has a bound: half a million samples of a VCF take less.
MOST_LINE_BYTES = 32 << 20
# Files by their first bytes that are no text, and what to do about them.
_FOREIGN = {
    b"PK\x03\x04": "is a zip archive; unpack it, or compress with gzip or bgzip",
    b"BZh": "is compressed by bzip2; compress with gzip or bgzip",
    b"\xfd7zXZ": "is compressed by xz; compress with gzip or bgzip",
    b"\x28\xb5\x2f\xfd": "is compressed by zstd; compress with gzip or bgzip",
    b"BCF": "is a BCF, the binary form of VCF; convert it with bcftools view",
    b"PAR1": "is a parquet file already",
    b"\xff\xfe": "is UTF-16 text; save it as UTF-8",
    b"\xfe\xff": "is UTF-16 text; save it as UTF-8",
}


class _Hashing:
    """A raw file that takes the SHA-256 of what is read from it: the input is read once, and so may be a pipe."""

    def __init__(self, file) -> None:
        self._file = file
        self._digest = hashlib.sha256()
        self._start = b""
        self.size = 0
        self.tail = b""

    def peek(self, size: int) -> bytes:
        """The first bytes, which will be read again."""
        while len(self._start) < size and (more := self._file.read(size - len(self._start))):
            self._start += more
        return self._start

    def read(self, size: int = -1) -> bytes:
        if self._start:
            data, self._start = self._start, b""
        else:
            data = self._file.read(size)
        self._take(data)
        return data

    def readinto(self, buffer) -> int:
        if self._start:
            count = len(self._start)
            buffer[:count], self._start = self._start, b""
        else:
            count = self._file.readinto(buffer)
        self._take(bytes(memoryview(buffer)[:count]))
        return count

    def _take(self, data: bytes) -> None:
        self._digest.update(data)
        self.size += len(data)
        self.tail = data if len(data) >= len(_BGZF_END) else (self.tail + data)[-len(_BGZF_END) :]

    def finish(self) -> str:
        """Digest of the whole file, in hexadecimal, after reading what is left."""
        while self.read(1 << 20):
            pass
        return self._digest.hexdigest()


@contextmanager
def rereadable(
    path: str | os.PathLike, why: str, progress: Callable[[str], None] | None = None
) -> Iterator[str | os.PathLike]:
    """The path, or, of a pipe, that of a temporary copy, which is removed in the end; `why` says what it is for."""
    if not lake.is_stream(path):
        yield path
        return
    if progress:
        progress(f"{path}: a pipe can be read only once; it is copied to a temporary file, since {why}")
    with tempfile.NamedTemporaryFile(prefix="genomicslearning-") as copy, lake.open_input(path) as source:
        shutil.copyfileobj(source, copy, _CHUNK)
        copy.flush()
        yield copy.name


class LineFile:
    """A text file being read, from its beginning to its end: it may be a pipe.

    Parameters
    ----------
    path
        Local, ``s3://``, or ``-`` for standard input.
    called
        What messages and reports call it, where that is not `path`.

    Attributes
    ----------
    line
        Number of lines before the current batch: a line's number is ``line`` + its place in the batch, from 1.
    plain
        Whether the current batch is ASCII without NUL bytes, told of all its lines at once.
    warnings
        What is odd about the file, for the report.

    Raises
    ------
    InputError
        The file is missing, is no text, is damaged, or has a line of more than 32 MB (then while it is read, with the
        line reached).
    """

    def __init__(self, path: str | os.PathLike, called: str | os.PathLike | None = None) -> None:
        self.path = str(path if called is None else called)
        self.line = 0
        self.plain = False
        self.warnings: list[str] = []
        self._file = lake.open_input(path)
        self._raw = _Hashing(self._file)
        try:
            self._text, self._compressed = self._unpacked()
        except BaseException:
            self._file.close()
            raise
        self._text_pieces = self._pieces()
        self._pending = b""  # what follows the header in the piece that it ends in

    def __enter__(self):
        return self

    def __exit__(self, *_) -> None:
        self._file.close()

    def _unpacked(self):
        start = self._raw.peek(18)
        for mark, what in _FOREIGN.items():
            if start.startswith(mark):
                raise InputError(f"{self.path}: {what}")
        self._bgzip = start[:2] == b"\x1f\x8b" and start[12:14] == b"BC"
        if start[:2] != b"\x1f\x8b":
            return self._raw, False
        return igzip.open(self._raw, "rb"), True

    def _read(self) -> bytes:
        try:
            # read1 gives what one step of decompression yields, instead of filling up the size asked for.
            return self._text.read1(_CHUNK) if self._compressed else self._text.read(_CHUNK)
        except EOFError:
            raise InputError(f"{self.path}:{self.line + 1}: the gzip stream ends early; get the whole file") from None
        except (OSError, zlib.error, isal_zlib.error) as problem:  # type: ignore[misc]  # isal has no types
            raise InputError(f"{self.path}:{self.line + 1}: damaged ({problem}); get the file again") from None

    def _pieces(self) -> Iterator[bytes]:
        """The text in pieces of whole lines, each ended by LF (CRLF is made LF)."""
        parts: list[bytes] = []  # of a line that has not ended yet
        size = 0
        while chunk := self._read():
            end = chunk.rfind(b"\n") + 1
            if size + (chunk.find(b"\n") if end else len(chunk)) > MOST_LINE_BYTES:
                raise InputError(
                    f"{self.path}:{self.line + 1}: a line has more than {MOST_LINE_BYTES >> 20} MB, the most that is "
                    "read; is it a text file with line ends?"
                )
            if not end:
                parts.append(chunk)
                size += len(chunk)
                continue
            parts.append(chunk[:end])
            text = b"".join(parts)
            parts = [chunk[end:]]
            size = len(chunk) - end
            yield text.replace(b"\r\n", b"\n") if b"\r" in text else text
        if rest := b"".join(parts).removesuffix(b"\r"):
            yield rest + b"\n"

    def texts(self) -> Iterator[bytes]:
        """The text after the header in pieces of whole lines, each ended by LF; ``line`` counts the lines before."""
        for piece in self._following():
            yield piece
            # Several times as fast as `piece.count`.
            self.line += int(np.count_nonzero(np.frombuffer(piece, np.uint8) == _LINE_END))

    def _following(self) -> Iterator[bytes]:
        """The text after the header in pieces."""
        return chain([self._pending] if self._pending else [], self._text_pieces)

    def batches(self) -> Iterator[list[bytes]]:
        """The lines after the header, in lists; ``line`` counts the lines before the list."""
        for piece in self._following():
            self.plain = is_plain(piece)
            lines = piece.split(b"\n")
            lines.pop()
            count = len(lines)  # now, since the list is the caller's
            yield lines
            self.line += count

    def facts(self) -> dict:
        """What a report says of the input: its name, size in bytes and SHA-256."""
        digest = self._raw.finish()
        marker = f"{self.path}: bgzip end marker is missing; the file may be cut off"
        if self._bgzip and not self._raw.tail.endswith(_BGZF_END) and marker not in self.warnings:
            self.warnings.append(marker)
        # A name that is not UTF-8 is written with its bytes escaped: reports are UTF-8.
        name = lake.name(self.path).encode("utf-8", "backslashreplace").decode()
        return {"name": name, "bytes": self._raw.size, "sha256": digest}


def is_plain(text: bytes) -> bool:
    """Whether a text is ASCII without NUL bytes."""
    return text.isascii() and b"\0" not in text


def unique_names(names: list[str]) -> list[str]:
    """Column names made unique: an empty one is `column_<place>`, a repeated one gets `_2`, `_3` …"""
    given = set(names)
    taken: set[str] = set()
    numbers: dict[str, int] = {}  # the number that a repeated name got last
    made = []
    for place, name in enumerate(names, 1):
        base = unique = name or f"column_{place}"
        number = numbers.get(base, 1)
        while unique in taken or (unique != base and unique in given):
            number += 1
            unique = f"{base}_{number}"
        numbers[base] = number
        taken.add(unique)
        made.append(unique)
    return made
