"""Files told by their first bytes, unpacked within limits; whatever is wrong in an archive is one error."""

from __future__ import annotations

import gzip
import io
import lzma
import os
import struct
import tempfile
import zipfile
import zlib
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from typing import BinaryIO

from isal import igzip, isal_zlib

from genomicslearning import InputError
from genomicslearning.io.limits import RATIO_FREE_BYTES, advice, limit
from genomicslearning.io.text import first_line

#: All that reading a damaged, encrypted or unusual zip, gzip or bgzip file can raise.
DAMAGED: tuple[type[BaseException], ...] = (  # type: ignore[assignment] # isal's stub calls a class an instance
    OSError,  # gzip.BadGzipFile, and what bz2 says
    EOFError,
    zlib.error,
    isal_zlib.IsalError,
    igzip.BadGzipFile,
    gzip.BadGzipFile,
    lzma.LZMAError,
    zipfile.BadZipFile,
    zipfile.LargeZipFile,
    RuntimeError,  # encrypted; NotImplementedError: an unknown method; RecursionError
    struct.error,
    ValueError,  # places outside the file, names that are no text
    OverflowError,
    LookupError,
    MemoryError,  # sizes that a damaged entry only claims
)

PARQUET, ZIP, GZIP = b"PAR1", b"PK\x03\x04", b"\x1f\x8b"
#: First bytes of what is not read -> what it is, and what to do.
FOREIGN = {
    b"BZh": "compressed by bzip2; unpack it, or compress it with gzip",
    b"\xfd7zXZ": "compressed by xz; unpack it, or compress it with gzip",
    b"\x28\xb5\x2f\xfd": "compressed by zstd; unpack it, or compress it with gzip",
    b"7z\xbc\xaf": "a 7-Zip archive; unpack it",
    b"Rar!": "a RAR archive; unpack it",
    b"\xd0\xcf\x11\xe0": "an Excel workbook (.xls); in Excel, save it as “CSV UTF-8” and give that",
    b"\xff\xfe": "UTF-16 text; save it as UTF-8 (in Excel: “CSV UTF-8”)",
    b"\xfe\xff": "UTF-16 text; save it as UTF-8 (in Excel: “CSV UTF-8”)",
    b"PK\x05\x06": "an empty zip archive; give one with a table in it",
}
_TABLES = (".csv", ".tsv", ".txt", ".tab")


@contextmanager
def unpacking(path: str | os.PathLike) -> Iterator[None]:
    """Whatever goes wrong while an archive is unpacked, as one `InputError`."""
    try:
        yield
    except DAMAGED as problem:
        raise InputError(
            f"{path}: cannot be unpacked ({first_line(problem)}); it is damaged or cut off, or encrypted: get it again"
        ) from None


def first_bytes(path: str | os.PathLike, file: BinaryIO, count: int = 8) -> tuple[bytes, BinaryIO]:
    """A file's first bytes, and the file to read from its start: a pipe's are put before the rest."""
    with unpacking(path):
        start = file.read(count)
        while len(start) < count and (more := file.read(count - len(start))):
            start += more
        if file.seekable():
            file.seek(0)
            return start, file
    return start, io.BufferedReader(_Prefixed(start, file), 1 << 20)


def seekable(file: BinaryIO, largest: int) -> BinaryIO:
    """The file, or a temporary copy of a pipe, for formats that are read from their end."""
    if file.seekable():
        return file
    copy = tempfile.TemporaryFile()
    while chunk := file.read(1 << 20):
        copy.write(chunk)
        if copy.tell() > largest:
            copy.close()
            raise InputError(f"standard input: more than {largest >> 20:,} MB; {advice('TABLE_MB')}")
    copy.seek(0)
    return copy


def refuse_foreign(path: str | os.PathLike, start: bytes) -> None:
    """Refuse, by name, what is a known format and none that is read here."""
    for magic, what in FOREIGN.items():
        if start.startswith(magic):
            raise InputError(f"{path}: is {what}")


@contextmanager
def open_text(path: str | os.PathLike, start: bytes, file: BinaryIO) -> Iterator[io.BufferedReader]:
    """The text of a plain, gzip, bgzip or zip file (with one table in it), within the limits of `io.limits`.

    Raises
    ------
    InputError
        While it is read: the archive is damaged, encrypted or grows beyond the limits, or the text has a NUL character.
    """
    refuse_foreign(path, start)
    with ExitStack() as stack:
        stream: BinaryIO = file
        packed = None
        if start.startswith(ZIP):
            whole = seekable(file, limit("TABLE_MB") << 20)
            with unpacking(path):
                archive = stack.enter_context(zipfile.ZipFile(whole))
                entry = _table_in(path, archive)
                stream = stack.enter_context(archive.open(entry.filename))  # type: ignore[assignment]
            packed = _Counted(stream, entry.compress_size)
        elif start.startswith(GZIP):
            packed = _Counted(file)
            with unpacking(path):
                stream = stack.enter_context(igzip.open(packed, "rb"))
        yield io.BufferedReader(_Bounded(path, stream, packed), 1 << 20)


def _table_in(path: str | os.PathLike, archive: zipfile.ZipFile) -> zipfile.ZipInfo:
    entries = archive.infolist()
    names = {entry.filename for entry in entries}
    if "[Content_Types].xml" in names:
        raise InputError(f"{path}: is an Excel workbook (.xlsx); in Excel, save it as “CSV UTF-8” and give that")
    if "mimetype" in names and "content.xml" in names:
        raise InputError(f"{path}: is an OpenDocument spreadsheet; save it as CSV (UTF-8) and give that")
    # macOS adds __MACOSX/._name.csv entries that hold no table.
    tables = [e for e in entries if e.filename.lower().endswith(_TABLES) and not e.filename.startswith("__MACOSX")]
    if len(tables) != 1:
        found = ", ".join(entry.filename for entry in tables[:5]) or "none"
        raise InputError(f"{path}: expected one .csv in the zip, found {found}; unpack it and name the file")
    return tables[0]


class _Prefixed(io.RawIOBase):
    """A pipe, and before it what was already read of it."""

    def __init__(self, start: bytes, rest: BinaryIO) -> None:
        self._start, self._rest = start, rest

    def readable(self) -> bool:
        return True

    def readinto(self, buffer) -> int:
        count = min(len(buffer), len(self._start))
        if count:
            buffer[:count] = self._start[:count]
            self._start = self._start[count:]
            return count
        chunk = self._rest.read(len(buffer))
        buffer[: len(chunk)] = chunk
        return len(chunk)


class _Counted:
    """A raw file that counts what is read of it; of a zip entry the packed size is known beforehand."""

    def __init__(self, file: BinaryIO, size: int = 0) -> None:
        self._file = file
        self.size = size

    def read(self, size: int = -1) -> bytes:
        data = self._file.read(size)
        self.size += len(data)
        return data

    def readinto(self, buffer) -> int:
        count = self._file.readinto(buffer)  # type: ignore[attr-defined]
        self.size += count
        return count


class _Bounded(io.RawIOBase):
    """Text being unpacked; it ends with an `InputError` where it is damaged or grows too far."""

    def __init__(self, path: str | os.PathLike, stream: BinaryIO, packed: _Counted | None) -> None:
        self._path, self._stream, self._packed = path, stream, packed
        self._size = 0
        self._largest, self._ratio = limit("TABLE_MB") << 20, limit("RATIO")

    def readable(self) -> bool:
        return True

    def readinto(self, buffer) -> int:
        with unpacking(self._path):
            chunk = self._stream.read(min(len(buffer), 1 << 20))
        place = chunk.find(b"\0")
        if place >= 0:
            raise InputError(f"{self._path}: byte {self._size + place + 1:,} is a NUL character; not a table")
        self._size += len(chunk)
        if self._size > self._largest:
            raise InputError(f"{self._path}: more than {self._largest >> 20:,} MB of text; {advice('TABLE_MB')}")
        if self._packed and self._size > RATIO_FREE_BYTES and self._size > self._ratio * max(self._packed.size, 1):
            raise InputError(f"{self._path}: unpacks to more than {self._ratio:,} times its size; {advice('RATIO')}")
        buffer[: len(chunk)] = chunk
        return len(chunk)
