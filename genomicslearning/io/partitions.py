"""Rows in numbered parts on disk: what is too much for memory is taken apart there and joined part by part."""

from __future__ import annotations

import tempfile
import weakref
from collections import defaultdict
from collections.abc import Iterator

import numpy as np
import pyarrow as pa

_PACKED = pa.ipc.IpcWriteOptions(compression="lz4")


class Partitions:
    """Tables of one schema, by the number of a part; the rows of a part stay in the order in which they came.

    They are in a file without a name in the folder for temporary files (`TMPDIR`), so that nothing is left behind
    however the process ends. In memory are only the places of what was added.
    """

    def __init__(self, schema: pa.Schema) -> None:
        self.schema = schema
        self._file = tempfile.TemporaryFile()
        weakref.finalize(self, self._file.close)
        self._places: dict[int, list[tuple[int, int]]] = defaultdict(list)
        self._end = 0

    def add(self, part: int, rows: pa.Table) -> None:
        """Append rows to a part."""
        if not rows.num_rows:
            return
        sink = pa.BufferOutputStream()
        with pa.ipc.new_stream(sink, self.schema, options=_PACKED) as stream:
            stream.write_table(rows)
        packed = sink.getvalue()
        self._file.seek(self._end)
        self._file.write(packed)
        self._places[part].append((self._end, packed.size))
        self._end += packed.size

    def split(self, rows: pa.Table, parts: np.ndarray) -> None:
        """Append each row to the part whose number stands beside it."""
        order = np.argsort(parts, kind="stable")
        numbers, starts, counts = np.unique(parts[order], return_index=True, return_counts=True)
        rows = rows.take(pa.array(order))
        for number, start, count in zip(numbers, starts, counts, strict=True):
            self.add(int(number), rows.slice(start, count))

    def chunks(self, part: int) -> Iterator[pa.Table]:
        """What was added to a part, one addition at a time."""
        for start, size in self._places.get(part, ()):
            self._file.seek(start)
            yield pa.ipc.open_stream(self._file.read(size)).read_all()

    def read(self, part: int) -> pa.Table:
        """All rows of a part; none where nothing was added."""
        found = [*self.chunks(part)]
        return pa.concat_tables(found).unify_dictionaries().combine_chunks() if found else self.schema.empty_table()
