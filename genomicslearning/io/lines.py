"""Read a text file, plain, gzip or bgzip, local or s3://, as batches of lines; its checksum comes with it."""

from __future__ import annotations

import hashlib
import os
import zlib
from collections.abc import Iterator
from itertools import chain

from isal import igzip, isal_zlib

from genomicslearning import InputError
from genomicslearning.io import lake

# About 200 lines of ClinVar: batches that stay in the processor's cache are split fastest (measured).
_CHUNK = 128 << 10
# Empty last block that ends every whole bgzip file (SAM specification, 4.1.2).
_BGZF_END = bytes.fromhex("1f8b08040000000000ff0600424302001b0003000000000000000000")


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


class LineFile:
    """A text file being read.

    Attributes
    ----------
    line
        Number of lines before the current batch: a line's number is ``line`` + its place in the batch, from 1.
    warnings
        What is odd about the file, for the report.

    Raises
    ------
    InputError
        The file is missing, or damaged (then while it is read, with the line reached).
    """

    def __init__(self, path: str | os.PathLike) -> None:
        self.path = str(path)
        self.line = 0
        self.warnings: list[str] = []
        self._file = lake.open_input(path)
        self._raw = _Hashing(self._file)
        self._text, self._compressed = self._unpacked()
        self._text_pieces = self._pieces()
        self._pending = b""  # what follows the header in the piece that it ends in

    def __enter__(self):
        return self

    def __exit__(self, *_) -> None:
        self._file.close()

    def _unpacked(self):
        start = self._file.read(18)
        self._file.seek(0)
        if start[:2] != b"\x1f\x8b":
            return self._raw, False
        if start[12:14] == b"BC":  # bgzip
            self._file.seek(max(lake.size(self.path) - len(_BGZF_END), 0))
            if self._file.read() != _BGZF_END:
                self.warnings.append(f"{self.path}: bgzip end marker is missing; the file may be cut off")
            self._file.seek(0)
        return igzip.open(self._raw, "rb"), True

    def _read(self) -> bytes:
        try:
            # read1 gives what one step of decompression yields, instead of filling up the size asked for.
            return self._text.read1(_CHUNK) if self._compressed else self._text.read(_CHUNK)
        except EOFError:
            raise InputError(f"{self.path}:{self.line + 1}: the gzip stream ends early; get the whole file") from None
        except (OSError, zlib.error, isal_zlib.IsalError) as problem:
            raise InputError(f"{self.path}:{self.line + 1}: damaged ({problem}); get the file again") from None

    def _pieces(self) -> Iterator[bytes]:
        """The text in pieces of whole lines, each ended by LF (CRLF is made LF)."""
        rest = b""
        while chunk := self._read():
            text = rest + chunk if rest else chunk
            if b"\r" in text:
                text = text.replace(b"\r\n", b"\n")
            end = text.rfind(b"\n") + 1
            rest = text[end:]
            if end:
                yield text[:end]
        if rest := rest.removesuffix(b"\r"):
            yield rest + b"\n"

    def texts(self) -> Iterator[bytes]:
        """The text after the header in pieces of whole lines, each ended by LF; ``line`` counts the lines before."""
        for piece in chain([self._pending] if self._pending else [], self._text_pieces):
            yield piece
            self.line += piece.count(b"\n")

    def batches(self) -> Iterator[list[bytes]]:
        """The lines after the header, in lists; ``line`` counts the lines before the list."""
        for piece in self.texts():
            lines = piece.split(b"\n")
            lines.pop()
            yield lines

    def facts(self) -> dict:
        """What a report says of the input: its name, size in bytes and SHA-256."""
        digest = self._raw.finish()
        return {"name": lake.name(self.path), "bytes": self._raw.size, "sha256": digest}


def unique_names(names: list[str]) -> list[str]:
    """Column names made unique: an empty one is `column_<place>`, a repeated one gets `_2`, `_3` …"""
    taken: set[str] = set()
    made = []
    for place, name in enumerate(names, 1):
        base = unique = name or f"column_{place}"
        number = 2
        while unique in taken or (unique != base and unique in names):
            unique = f"{base}_{number}"
            number += 1
        taken.add(unique)
        made.append(unique)
    return made
