"""bgzip: blocks are gzip members of at most 64 kB, so that many readers can share one file; read a part, or write one.

BGZF: SAM specification, section 4.1.
"""

from __future__ import annotations

import os
import struct
from collections.abc import Iterator

from isal import isal_zlib

from genomicslearning.io import lake

_MAGIC = b"\x1f\x8b\x08\x04"
_BLOCK = 1 << 16
_HEAD = _MAGIC + bytes.fromhex("0000000000ff060042430200")
#: The empty block that ends every whole bgzip file (SAM specification, 4.1.2).
END = bytes.fromhex("1f8b08040000000000ff0600424302001b0003000000000000000000")


def is_bgzf(path: str) -> bool:
    """Whether a file is compressed by bgzip."""
    with lake.open_input(path) as file:
        start = file.read(18)
    return start[:4] == _MAGIC and start[12:14] == b"BC"


def ranges(path: str, parts: int, *, smallest: int = 1 << 20) -> list[tuple[int, int]]:
    """Byte ranges that cut a file into about `parts` parts, none much smaller than `smallest` bytes."""
    size = lake.size(path)
    step = max(smallest, -(-size // max(parts, 1)))
    return [(start, min(start + step, size)) for start in range(0, size, step)]


def lines(path: str, start: int, end: int) -> Iterator[bytes]:
    """Lines, without line ends, that begin in the blocks that begin in a byte range.

    The ranges of a file give each of its lines once, in order.
    """
    with lake.open_input(path) as file:
        blocks = _blocks(file, start, lake.size(path))
        # A line that runs into the range belongs to the range before; one that runs out of it is read to its end.
        skip = start > 0
        rest = b""
        for place, text in blocks:
            if place >= end:
                if skip:  # no line begins in the range
                    return
                first, newline, _ = text.partition(b"\n")
                rest += first
                if newline:
                    break
                continue
            if skip:
                _, newline, text = text.partition(b"\n")
                if not newline:
                    continue
                skip = False
            found = (rest + text).split(b"\n")
            rest = found.pop()
            for line in found:
                yield line.removesuffix(b"\r")
        if rest:
            yield rest.removesuffix(b"\r")


def _blocks(file, start: int, size: int) -> Iterator[tuple[int, bytes]]:
    """Place and text of each block, from the first that begins at or after `start`."""
    place = _first_block(file, start, size)
    while place is not None and place < size:
        file.seek(place)
        head = file.read(18)
        length = int.from_bytes(head[16:18], "little") + 1
        body = head + file.read(length - 18)
        yield place, isal_zlib.decompress(body, 31)
        place += length


def _first_block(file, start: int, size: int) -> int | None:
    """Place of the first block at or after `start`: a header whose length leads to another header or to the end."""
    if start == 0:
        return 0
    file.seek(start)
    window = file.read(2 * _BLOCK + 64)
    found = window.find(_MAGIC)
    while found >= 0:
        head = window[found : found + 18]
        if len(head) == 18 and head[12:16] == b"BC\x02\x00":
            following = found + int.from_bytes(head[16:18], "little") + 1
            if start + following == size or window[following : following + 4] == _MAGIC:
                return start + found
        found = window.find(_MAGIC, found + 1)
    return None


class Writer:
    """Write text as bgzip, which indexers (tabix) and `lines` can read in parts; use it as a context manager."""

    # As bgzip itself: a block that does not shrink still fits its 64 kB.
    _PAYLOAD = 0xFF00
    _LEVEL = 2

    def __init__(self, path: str | os.PathLike) -> None:
        self._file = open(path, "wb", buffering=1 << 20)
        self._waiting: list[bytes] = []
        self._size = 0

    def __enter__(self) -> Writer:
        return self

    def __exit__(self, kind, *_) -> None:
        try:
            if kind is None:
                self._put(b"".join(self._waiting), last=True)
                self._file.write(END)
        finally:
            self._file.close()

    def write(self, text: bytes) -> None:
        """Add text; it may begin and end anywhere in a line."""
        self._waiting.append(text)
        self._size += len(text)
        if self._size >= 16 * self._PAYLOAD:
            text = b"".join(self._waiting)
            self._waiting = [self._put(text)]
            self._size = len(self._waiting[0])

    def _put(self, text: bytes, last: bool = False) -> bytes:
        """Write whole blocks and return what is left over."""
        whole = len(text) if last else len(text) - len(text) % self._PAYLOAD
        for start in range(0, whole, self._PAYLOAD):
            self._file.write(_block(text[start : start + self._PAYLOAD], self._LEVEL))
        return text[whole:]


def _block(text: bytes, level: int) -> bytes:
    packed = isal_zlib.compress(text, level, -15)
    size = len(packed) + len(_HEAD) + 2 + 8
    crc = isal_zlib.crc32(text)
    return b"".join((_HEAD, (size - 1).to_bytes(2, "little"), packed, struct.pack("<II", crc, len(text))))
