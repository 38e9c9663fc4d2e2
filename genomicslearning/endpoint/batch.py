"""Predict a file of any size: read a piece, predict it, write it; memory does not grow with the file."""

from __future__ import annotations

import gzip
import io
import zipfile
from collections import deque
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ProcessPoolExecutor
from contextlib import ExitStack, contextmanager
from multiprocessing import get_context
from pathlib import Path
from typing import BinaryIO

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from genomicslearning import InputError, lake
from genomicslearning.autopilot.model import Model
from genomicslearning.endpoint import wire
from genomicslearning.table import SITE_COLUMNS

#: Columns of a predictions file, in order.
PREDICTION_COLUMNS = ("VARIATION_ID", *SITE_COLUMNS, "SYMBOL", "CLASS", "predicted_label", "probability")
PIECE_ROWS = 16384  # two parts of the model, one a core
BLOCK_BYTES = 16 << 20


def predict_file(
    model_folder: str | Path,
    source: str | Path,
    target: str | Path,
    *,
    workers: int = 1,
    progress: Callable[[str], None] | None = None,
) -> int:
    """Predict every row of a table and write `PREDICTION_COLUMNS`, in the table's row order.

    Parameters
    ----------
    source : CSV with a header, .csv.gz, .zip with one CSV, or parquet; local or s3://. CLASS is copied where it is.
    target : .csv or .parquet, local or s3://; it appears whole or not at all.
    workers : processes that predict side by side; each loads the model.

    Returns the number of rows. Raises `InputError` that names the file, the row and the column.
    """
    if not str(target).endswith((".csv", ".parquet")):
        raise InputError(f"{target}: predictions are written as .csv or .parquet; choose such a name")
    rows = 0
    with ExitStack() as stack:
        pieces = stack.enter_context(open_pieces(source))
        answer = stack.enter_context(_answering(model_folder, workers))
        [part] = stack.enter_context(lake.output(target))
        write = stack.enter_context(_writer(part, parquet=str(target).endswith(".parquet")))
        try:
            for piece, (labels, probabilities) in answer(pieces):
                write(_result(piece, labels, probabilities))
                rows += piece.num_rows
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


@contextmanager
def _answering(model_folder: str | Path, workers: int):
    """A function that pairs each piece with its answer, in order."""
    if workers == 1:
        _load(model_folder)
        yield lambda pieces: ((piece, _predict(piece, first)) for piece, first in _numbered(pieces))
        return
    # Spawned, not forked: the caller may hold threads (a notebook's kernel does).
    with ProcessPoolExecutor(workers, get_context("spawn"), _load, (model_folder, 1)) as pool:
        try:
            yield lambda pieces: _in_order(pool, pieces, ahead=2 * workers)
        except BaseException:
            pool.shutdown(wait=False, cancel_futures=True)
            raise


def _numbered(pieces: Iterator[pa.Table]) -> Iterator[tuple[pa.Table, int]]:
    first = 1
    for piece in pieces:
        yield piece, first
        first += piece.num_rows


def _in_order(pool: ProcessPoolExecutor, pieces: Iterator[pa.Table], ahead: int):
    """Answers in the order of the pieces; no more than `ahead` pieces wait, so that memory stays flat."""
    waiting: deque[tuple[pa.Table, Future]] = deque()
    for piece, first in _numbered(pieces):
        waiting.append((piece, pool.submit(_predict, piece, first)))
        if len(waiting) > ahead:
            done, future = waiting.popleft()
            yield done, future.result()
    while waiting:
        done, future = waiting.popleft()
        yield done, future.result()


_model: Model


def _load(model_folder: str | Path, threads: int | None = None) -> None:
    """Load the model once in each process; side by side, each process keeps to its own core."""
    global _model
    if threads:
        from threadpoolctl import threadpool_limits

        threadpool_limits(threads)
    _model = Model.load(model_folder)


def _predict(piece: pa.Table, first_row: int) -> tuple[np.ndarray, np.ndarray]:
    answer = wire.predictions(_model.predict(wire.read_text(piece, first_row)), _model.threshold)
    return answer["predicted_label"].to_numpy(), answer["probability"].to_numpy()


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
        # pandas, since Arrow quotes every text; floats are written with the digits that read back to the same float.
        with part.open("w", encoding="utf-8", newline="") as file:
            file.write(",".join(PREDICTION_COLUMNS) + "\n")
            yield lambda table: table.to_pandas().to_csv(file, header=False, index=False, lineterminator="\n")


def _result(piece: pa.Table, labels: np.ndarray, probabilities: np.ndarray) -> pa.Table:
    cells = {name: piece[name] for name in PREDICTION_COLUMNS if name in piece.column_names}
    if "GENEINFO" in piece.column_names:
        gene = pc.struct_field(pc.extract_regex(piece["GENEINFO"], r"^(?P<symbol>[^:|]+)"), "symbol")
        cells["SYMBOL"] = pc.coalesce(cells["SYMBOL"], gene) if "SYMBOL" in cells else gene
    cells |= {"predicted_label": labels, "probability": probabilities, "POS": piece["POS"].cast(pa.int64())}
    empty = pa.nulls(piece.num_rows, pa.string())
    return pa.table({name: cells.get(name, empty) for name in PREDICTION_COLUMNS}, schema=_RESULT_SCHEMA)
