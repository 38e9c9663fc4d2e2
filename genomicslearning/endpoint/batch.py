"""Predict a file of any size: read a piece, predict it, write it; memory does not grow with the file."""

from __future__ import annotations

import gzip
import io
import os
import zipfile
from collections import deque
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import BinaryIO

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from genomicslearning import InputError
from genomicslearning.autopilot.model import Model
from genomicslearning.endpoint import wire
from genomicslearning.io import lake
from genomicslearning.training_set.table import SITE_COLUMNS

#: Columns of a predictions file, in order.
PREDICTION_COLUMNS = ("VARIATION_ID", *SITE_COLUMNS, "SYMBOL", "CLASS", "predicted_label", "probability")
PIECE_ROWS = 16384
BLOCK_BYTES = 16 << 20
# Pieces predicted side by side. A quarter of the work holds Python's lock, so that more would wait for it.
THREADS = min(4, os.cpu_count() or 1)


def predict_file(
    model_folder: str | Path,
    source: str | Path,
    target: str | Path,
    *,
    progress: Callable[[str], None] | None = None,
) -> int:
    """Predict every row of a table and write `PREDICTION_COLUMNS`, in the table's row order.

    Parameters
    ----------
    source : CSV with a header, .csv.gz, .zip with one CSV, or parquet; local or s3://. CLASS is copied where it is.
    target : .csv or .parquet, local or s3://; it appears whole or not at all.

    Returns the number of rows. Raises `InputError` that names the file, the row and the column.
    """
    if not str(target).endswith((".csv", ".parquet")):
        raise InputError(f"{target}: predictions are written as .csv or .parquet; choose such a name")
    rows = 0
    with ExitStack() as stack:
        pieces = stack.enter_context(open_pieces(source))
        model = Model.load(model_folder)
        [part] = stack.enter_context(lake.output(target))
        write = stack.enter_context(_writer(part, parquet=str(target).endswith(".parquet")))
        try:
            for answer in _in_order(model, pieces):
                write(answer)
                rows += answer.num_rows
                if progress:
                    progress(f"predicted {rows:,} rows")
        except InputError as problem:
            raise InputError(f"{source}: {problem}") from None
        if not rows:
            raise InputError(f"{source}: has no rows; give a table with variants")
    return rows


# --- reading ---------------------------------------------------------------------------------------------------------


@contextmanager
def open_pieces(source: str | Path) -> Iterator[Iterator[pa.Table]]:
    """The rows of a table as text, at most `PIECE_ROWS` at a time."""
    with ExitStack() as stack:
        file = stack.enter_context(lake.open_input(source))
        magic = file.read(4)
        file.seek(0)
        try:
            if magic == b"PAR1":
                yield _parquet_pieces(file)
                return
            if magic == b"PK\x03\x04":
                file = stack.enter_context(_single_member(stack.enter_context(zipfile.ZipFile(file))))
            elif magic[:2] == b"\x1f\x8b":
                from isal import igzip

                file = stack.enter_context(igzip.open(file, "rb"))
            yield _csv_pieces(file)
        except (zipfile.BadZipFile, gzip.BadGzipFile, EOFError) as problem:
            raise InputError(f"{source}: cannot be unpacked ({problem}); the file is damaged or cut off") from None


def _single_member(archive: zipfile.ZipFile) -> BinaryIO:
    names = [n for n in archive.namelist() if n.lower().endswith(".csv") and not n.startswith("__MACOSX")]
    if len(names) != 1:
        found = ", ".join(names) or "none"
        raise InputError(f"expected one .csv in the zip, found {found}; unpack it and name the file")
    return archive.open(names[0])


def _csv_pieces(file: BinaryIO) -> Iterator[pa.Table]:
    buffered = io.BufferedReader(file, BLOCK_BYTES) if not isinstance(file, io.BufferedReader) else file
    header = wire.first_cells(buffered.readline(BLOCK_BYTES))
    if not wire.is_header(header):
        raise InputError(f"the first line does not name {', '.join(SITE_COLUMNS)}; give a CSV with a header or parquet")
    names = wire.csv_names(header, has_header=True)
    yield from _cut(wire.arrow_csv(buffered, names, has_header=False, block_bytes=BLOCK_BYTES))


def _parquet_pieces(file: BinaryIO) -> Iterator[pa.Table]:
    try:
        parquet = pq.ParquetFile(pa.PythonFile(file, "r"))
        columns = [name for name in parquet.schema_arrow.names if name in (*wire.READ_COLUMNS, "CLASS")]
        for batch in parquet.iter_batches(PIECE_ROWS, columns=columns):
            yield pa.table({name: batch[name].cast(pa.string()) for name in columns})
    except (pa.ArrowInvalid, OSError) as problem:
        raise InputError(f"not a parquet file ({str(problem).splitlines()[0]})") from None


def _cut(batches) -> Iterator[pa.Table]:
    for batch in batches:
        for start in range(0, batch.num_rows, PIECE_ROWS):
            yield pa.Table.from_batches([batch.slice(start, PIECE_ROWS)])


# --- predicting ------------------------------------------------------------------------------------------------------


def _in_order(model: Model, pieces: Iterator[pa.Table]) -> Iterator[pa.Table]:
    """Answers in the order of the pieces, `THREADS` at a time; few wait, so that memory stays flat."""
    waiting: deque[Future] = deque()
    first_row = 1
    with ThreadPoolExecutor(THREADS) as pool:
        try:
            for piece in pieces:
                waiting.append(pool.submit(_answer, model, piece, first_row))
                first_row += piece.num_rows
                if len(waiting) > THREADS:
                    yield waiting.popleft().result()
            while waiting:
                yield waiting.popleft().result()
        except BaseException:
            pool.shutdown(wait=False, cancel_futures=True)
            raise


def _answer(model: Model, piece: pa.Table, first_row: int) -> pa.Table:
    """A piece's rows of the predictions file."""
    answer = wire.predictions(model.predict(wire.read_text(piece, first_row), threads=1), model.threshold)
    return _result(piece, answer["predicted_label"].to_numpy(), answer["probability"].to_numpy())


# --- writing ---------------------------------------------------------------------------------------------------------

_RESULT_SCHEMA = pa.schema(
    [
        (name, {"POS": pa.int64(), "predicted_label": pa.int64(), "probability": pa.float64()}.get(name, pa.string()))
        for name in PREDICTION_COLUMNS
    ]
)


@contextmanager
def _writer(part: Path, *, parquet: bool):
    if parquet:
        with pq.ParquetWriter(part, _RESULT_SCHEMA, compression="zstd") as file:
            yield file.write_table
    else:
        with part.open("wb") as file:
            file.write(",".join(PREDICTION_COLUMNS).encode() + b"\n")
            yield lambda table: file.write(_csv_lines(table))


def _csv_lines(table: pa.Table) -> bytes:
    """A table as CSV. (Arrow's own writer quotes every text, and pandas' takes ten times as long.)

    Floats have the digits that read back to the same float.
    """
    cells = [_csv_texts(column) for column in table.combine_chunks().columns]
    lines = pc.binary_join_element_wise(*cells, ",").combine_chunks()
    return pc.binary_join(pa.ListArray.from_arrays([0, len(lines)], lines), "\n")[0].as_py().encode() + b"\n"


def _csv_texts(column: pa.ChunkedArray) -> pa.ChunkedArray:
    """A column's cells, missing ones empty, those with a comma, a quote or a line break quoted."""
    texts = pc.fill_null(column.cast(pa.string()), "")
    if not pa.types.is_string(column.type):
        return texts
    special = pc.match_substring_regex(texts, r'[",\r\n]')
    if not pc.any(special).as_py():
        return texts
    quoted = pc.binary_join_element_wise('"', pc.replace_substring(texts, '"', '""'), '"', "")
    return pc.if_else(special, quoted, texts)


def _result(piece: pa.Table, labels: np.ndarray, probabilities: np.ndarray) -> pa.Table:
    cells = {name: piece[name] for name in PREDICTION_COLUMNS if name in piece.column_names}
    if "GENEINFO" in piece.column_names:
        gene = pc.struct_field(pc.extract_regex(piece["GENEINFO"], r"^(?P<symbol>[^:|]+)"), "symbol")
        cells["SYMBOL"] = pc.coalesce(cells["SYMBOL"], gene) if "SYMBOL" in cells else gene
    cells |= {"predicted_label": labels, "probability": probabilities, "POS": piece["POS"].cast(pa.int64())}
    empty = pa.nulls(piece.num_rows, pa.string())
    return pa.table({name: cells.get(name, empty) for name in PREDICTION_COLUMNS}, schema=_RESULT_SCHEMA)
