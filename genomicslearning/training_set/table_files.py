"""Files of the tables that people have: opened by content, within limits, with checks before any work."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from typing import BinaryIO

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from genomicslearning import InputError
from genomicslearning.io import archives, lake
from genomicslearning.io.limits import advice, limit
from genomicslearning.io.text import first_line
from genomicslearning.training_set.schema import SITE_COLUMNS
from genomicslearning.training_set.user_table import KNOWN, TextTable, check_names, classes, read_header, text_columns


class OpenTable:
    """A user's table being read: `names` are its columns, iterating gives Arrow batches of text, missing cells null."""

    def __init__(self, names: list[str], batches: Iterator[pa.RecordBatch]):
        self.names = names
        self._batches = batches

    def __iter__(self) -> Iterator[pa.RecordBatch]:
        return self._batches


@contextmanager
def open_table(
    path: str | os.PathLike, *, wanted: Sequence[str] = KNOWN, rows: int = 16384, block_bytes: int = 1 << 24
) -> Iterator[OpenTable]:
    """Open a user's table: CSV, TSV or `;`-separated text, plain, gzip or zip, or parquet, told by content.

    Parameters
    ----------
    path
        Local, ``s3://``, a pipe, or ``-``; a folder of parquet parts is one table.
    wanted
        Columns to read.
    rows, block_bytes
        Rows of a batch (of parquet), and bytes of text that become one.

    Raises
    ------
    InputError
        The file is missing, damaged, too large, no table, or its header is not one; names the file.
    """
    with ExitStack() as stack:
        with naming(path):
            opened = _open(path, wanted, rows, block_bytes, stack)
        yield OpenTable(opened.names, _named(path, opened))


def _open(path: str | os.PathLike, wanted: Sequence[str], rows: int, block_bytes: int, stack: ExitStack) -> OpenTable:
    """The table in a file or a folder of parts; `stack` closes it."""
    found = lake.parts(path, ".parquet") or [os.fspath(path)]
    if found != [os.fspath(path)]:
        return _parquet_parts(found, wanted, rows)
    raw = stack.enter_context(lake.open_input(path))
    start, file = archives.first_bytes(path, raw)
    if start.startswith(archives.PARQUET):
        return _parquet(archives.seekable(file, limit("TABLE_MB") << 20), wanted, rows)
    if str(path).endswith(".parquet"):
        raise InputError("not a parquet file; give a table with its own ending: .csv, .csv.gz, .zip")
    text = stack.enter_context(archives.open_text(path, start, file))
    line = text.readline(limit("ROW_MB") << 20)
    if not line.strip():
        raise InputError("not a table, it is empty; give .csv, .csv.gz, .zip (with a CSV in it) or .parquet")
    names, separator = read_header(line)
    block = min(block_bytes, limit("ROW_MB") << 20)
    return OpenTable(names, iter(TextTable(text, names, separator=separator, wanted=wanted, block_bytes=block)))


@contextmanager
def naming(path: str | os.PathLike) -> Iterator[None]:
    """Errors that do not name the file yet, with its name."""
    try:
        yield
    except InputError as problem:
        said = str(problem)
        raise InputError(said if said.startswith(f"{path}: ") else f"{path}: {said}") from None


def _named(path: str | os.PathLike, batches: Iterable[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
    with naming(path):
        yield from batches


def _parquet_parts(paths: list[str], wanted: Sequence[str], rows: int) -> OpenTable:
    """Parts in the order of their names, as one table."""

    def batches() -> Iterator[pa.RecordBatch]:
        for path in paths:
            with lake.open_input(path) as file, naming(path):
                yield from _parquet(file, wanted, rows)

    with lake.open_input(paths[0]) as file, naming(paths[0]):
        names = _parquet(file, wanted, rows).names
    return OpenTable(names, batches())


def _parquet(file: BinaryIO, wanted: Sequence[str], rows: int) -> OpenTable:
    parquet = _parquet_file(file)
    names = parquet.schema_arrow.names
    check_names(names)
    return OpenTable(names, _parquet_batches(parquet, [name for name in names if name in wanted], rows))


def _parquet_file(file: BinaryIO) -> pq.ParquetFile:
    """The file with its footer read, within the limits."""
    metadata_bytes = limit("METADATA_MB") << 20
    _check_footer(file, metadata_bytes)
    try:
        parquet = pq.ParquetFile(
            pa.PythonFile(file, "r"),
            thrift_string_size_limit=metadata_bytes,
            thrift_container_size_limit=1_000_000,
        )
        _check_parquet(parquet)
        return parquet
    except InputError:
        raise
    except (pa.ArrowException, *archives.DAMAGED) as problem:
        raise InputError(f"not a parquet file that can be read ({first_line(problem)})") from None


def _parquet_batches(parquet: pq.ParquetFile, columns: list[str], rows: int) -> Iterator[pa.RecordBatch]:
    try:
        for batch in parquet.iter_batches(rows, columns=columns, use_threads=False):
            yield pa.RecordBatch.from_pydict(text_columns(batch, columns))
    except InputError:
        raise
    except (pa.ArrowException, *archives.DAMAGED) as problem:
        raise InputError(f"parquet that cannot be read ({first_line(problem)}); get the file again") from None


def _check_footer(file: BinaryIO, largest: int) -> None:
    """Refuse a footer beyond the limit before it is parsed: a few megabytes of it can become gigabytes."""
    end = file.seek(0, os.SEEK_END)
    if end < 12:
        raise InputError("not a parquet file, it is cut off")
    file.seek(end - 8)
    size = int.from_bytes(file.read(4), "little")
    file.seek(0)
    if size > largest:
        raise InputError(f"a parquet footer of {size >> 20:,} MB; {advice('METADATA_MB')}")


def _check_parquet(parquet: pq.ParquetFile) -> None:
    facts = parquet.metadata
    largest = limit("TABLE_MB") << 20
    # num_rows is one number that a file only claims; row groups are what is read.
    sizes = [facts.row_group(number).total_byte_size for number in range(facts.num_row_groups)]
    if sum(sizes) > largest:
        raise InputError(f"more than {largest >> 20:,} MB unpacked; {advice('TABLE_MB')}")


def check_rows(path: str | os.PathLike, most: int) -> None:
    """Refuse a table with more rows than may be held in memory, before any is.

    Line feeds of the text are counted, of parquet what its footer says; a pipe is not looked at.
    """
    if lake.is_stream(path):
        return
    rows = 0
    for part in lake.parts(path, ".parquet") or [os.fspath(path)]:
        with lake.open_input(part) as raw, naming(part):
            start, file = archives.first_bytes(part, raw)
            if start.startswith(archives.PARQUET):
                rows += _parquet_file(file).metadata.num_rows
            else:
                with archives.open_text(part, start, file) as text:
                    while rows <= most and (chunk := text.read(1 << 20)):
                        rows += chunk.count(b"\n")
    if rows > most + 1:  # the header is a line too
        raise InputError(f"{path}: more than {most:,} rows; {advice('TABLE_ROWS')}")


def read_classes(path: str | os.PathLike) -> np.ndarray:
    """CLASS of every row of a table (int8), without reading anything else: quick, for checks before any work.

    Raises
    ------
    InputError
        As `open_table`, and where CLASS is missing or has other values.
    """
    labels: list[np.ndarray] = []
    rows = 0
    with open_table(path, wanted=("CLASS",), rows=1 << 18) as table, naming(path):
        if lacking := [name for name in (*SITE_COLUMNS, "CLASS") if name not in table.names]:
            raise InputError(f"no column {', '.join(lacking)}; a training set has {', '.join(SITE_COLUMNS)}, CLASS")
        for batch in table:
            labels.append(classes(batch.column("CLASS"), rows + 1).to_numpy(zero_copy_only=False))
            rows += batch.num_rows
    return np.concatenate(labels) if labels else np.zeros(0, np.int8)


def check_enough(path: str | os.PathLike, labels: np.ndarray, folds: int, when: str = "") -> None:
    """Refuse a table with fewer rows of a class than folds need: each learns from both classes, and tests on both.

    Parameters
    ----------
    labels : CLASS of every row, as `read_classes` gives it.
    folds : folds that the model is cross-validated with.
    when : words before the number, such as ``after the split``.
    """
    if not len(labels):
        raise InputError(f"{path}: has a header and no rows; give a table with variants")
    counts = np.bincount(labels, minlength=2)
    few = int(counts.argmin())
    if not counts[few] and not when:
        raise InputError(f"{path}: every row has CLASS {1 - few}; a model needs rows of both classes")
    if counts[few] < folds:
        raise InputError(
            f"{path}: {when}{counts[few]:,} rows of CLASS {few}, {folds} are needed to learn and test; give more rows"
        )
