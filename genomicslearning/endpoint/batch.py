"""Predict a file of any size: read a piece, predict it, write it; memory does not grow with the file."""

from __future__ import annotations

import os
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from genomicslearning import InputError, clinvar
from genomicslearning.autopilot.manifest import missing_evidence
from genomicslearning.autopilot.model import Model
from genomicslearning.endpoint import wire
from genomicslearning.history.horizons import at_horizon
from genomicslearning.io import lake
from genomicslearning.io.separated import csv_lines
from genomicslearning.training_set import table_files, user_table
from genomicslearning.training_set.schema import SITE_COLUMNS

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
    horizons: Sequence[int] = (2, 8),
    progress: Callable[[str], None] | None = None,
) -> int:
    """Predict every row of a table and write `PREDICTION_COLUMNS`, in the table's row order.

    A model that learnt from single submissions, given a table with `prior_CLNSIG`, also says the chance at each of the
    `horizons` (whole years from the release): `probability_2y`, … stand behind `probability`.

    Parameters
    ----------
    source : a table as `table_files.open_table` takes it; ``-`` is standard input. CLASS is copied where it is.
    target : .csv or .parquet, local or s3://; it appears whole or not at all. Text cells of a CSV are formula-safe
        (`io.text.formula_safe`).
    progress : called with a line of text after each piece, and with a warning where the table lacks what the model
        learnt from.

    Returns the number of rows. Raises `InputError` that names the file, the row and the column.
    """
    if not str(target).endswith((".csv", ".parquet")):
        raise InputError(f"{target}: predictions are written as .csv or .parquet; choose such a name")
    rows = 0
    say = progress or (lambda text: None)
    with ExitStack() as stack:
        [part] = stack.enter_context(lake.output(target, inputs=[source, model_folder]))
        opened = table_files.open_table(source, rows=PIECE_ROWS, block_bytes=BLOCK_BYTES)
        pieces = Pieces(stack.enter_context(opened))
        model = Model.load(model_folder)
        if lacking := missing_evidence(model.manifest, pieces.names):
            say(f"warning: {source}: {lacking}")
        years = horizons if "prior_CLNSIG" in pieces.names and learnt_from_single_submissions(model) else ()
        write = stack.enter_context(_writer(part, _result_schema(years), parquet=str(target).endswith(".parquet")))
        with table_files.naming(source):
            for answer in _in_order(model, iter(pieces), years):
                write(answer)
                rows += answer.num_rows
                say(f"predicted {rows:,} rows")
        if not rows:
            raise InputError(f"{source}: has no rows; give a table with variants")
        if lacking := missing_evidence(model.manifest, [*pieces.filled, *pieces.absent], least=0.01):
            say(f"warning: {source}: {lacking.replace('no column', 'nothing in column')}")
    return rows


class Pieces:
    """The rows of a table as text, at most `PIECE_ROWS` at a time; which columns hold anything is noted meanwhile."""

    def __init__(self, table: table_files.OpenTable):
        self.names = table.names
        self.absent = [name for name in user_table.KNOWN if name not in table.names]
        self.filled: set[str] = set()
        self._table = table

    def __iter__(self) -> Iterator[pa.Table]:
        for batch in self._table:
            self.filled |= {name for name in batch.schema.names if batch.column(name).null_count < batch.num_rows}
            for start in range(0, batch.num_rows, PIECE_ROWS):
                yield pa.Table.from_batches([batch.slice(start, PIECE_ROWS)])


# --- predicting ------------------------------------------------------------------------------------------------------


def learnt_from_single_submissions(model: Model) -> bool:
    """Whether a model's answers can be carried to a horizon."""
    return model.manifest.get("single_submissions") is not None


def at_horizons(probability: np.ndarray, rows: pd.DataFrame, years: Sequence[int], model: Model) -> list[np.ndarray]:
    """The chance at each horizon; NaN for a row that does not say what its single submission said."""
    silent = rows["prior_CLNSIG"].isna().to_numpy()
    learnt = model.manifest["single_submissions"]
    return [np.where(silent, np.nan, at_horizon(probability, rows, one, learnt)) for one in years]


def with_horizons(names: Sequence[str], years: Sequence[int]) -> tuple[str, ...]:
    """Column names with those of the horizons behind `probability`."""
    place = list(names).index("probability") + 1
    return (*names[:place], *(f"probability_{one}y" for one in years), *names[place:])


def _in_order(model: Model, pieces: Iterator[pa.Table], years: Sequence[int]) -> Iterator[pa.Table]:
    """Answers in the order of the pieces, `THREADS` at a time; few wait, so that memory stays flat."""
    waiting: deque[Future] = deque()
    first_row = 1
    with ThreadPoolExecutor(THREADS) as pool:
        try:
            for piece in pieces:
                waiting.append(pool.submit(_answer, model, piece, first_row, years))
                first_row += piece.num_rows
                if len(waiting) > THREADS:
                    yield waiting.popleft().result()
            while waiting:
                yield waiting.popleft().result()
        except BaseException:
            pool.shutdown(wait=False, cancel_futures=True)
            raise


def _answer(model: Model, piece: pa.Table, first_row: int, years: Sequence[int]) -> pa.Table:
    """A piece's rows of the predictions file."""
    rows = wire.read_text(piece, first_row)
    answer = wire.predictions(model.predict(rows, threads=1), model.threshold)
    answers = {name: answer[name].to_numpy() for name in ("predicted_label", "probability")}
    if years:
        further = at_horizons(answers["probability"], rows, years, model)
        answers |= {f"probability_{one}y": pa.array(p, from_pandas=True) for one, p in zip(years, further, strict=True)}
    return _result(piece, answers, _result_schema(years))


# --- writing ---------------------------------------------------------------------------------------------------------


def _result_schema(years: Sequence[int]) -> pa.Schema:
    kinds = {"POS": pa.int64(), "predicted_label": pa.int64()}
    names = with_horizons(PREDICTION_COLUMNS, years)
    kinds |= {name: pa.float64() for name in names if name.startswith("probability")}
    return pa.schema([(name, kinds.get(name, pa.string())) for name in names])


@contextmanager
def _writer(part: Path, schema: pa.Schema, *, parquet: bool):
    if parquet:
        with pq.ParquetWriter(part, schema, compression="zstd") as file:
            yield file.write_table
    else:
        with part.open("wb") as file:
            file.write(",".join(schema.names).encode() + b"\n")
            yield lambda table: file.write(csv_lines(table, formula_safe=True))


def first_symbols(geneinfo: pa.ChunkedArray) -> pa.Array:
    """First gene symbol of each GENEINFO, null where it names none."""
    distinct = geneinfo.combine_chunks().dictionary_encode()
    symbols = [clinvar.first_symbol(text) or None for text in distinct.dictionary.to_pylist()]
    return pa.array(symbols, pa.string()).take(distinct.indices)


def _result(piece: pa.Table, answers: dict[str, np.ndarray | pa.Array], schema: pa.Schema) -> pa.Table:
    cells = {name: piece[name] for name in PREDICTION_COLUMNS if name in piece.column_names}
    if "GENEINFO" in piece.column_names:
        gene = first_symbols(piece["GENEINFO"])
        cells["SYMBOL"] = pc.coalesce(cells["SYMBOL"], gene) if "SYMBOL" in cells else gene
    cells |= answers | {"POS": user_table.positions(piece["POS"])}
    empty = pa.nulls(piece.num_rows, pa.string())
    return pa.table({name: cells.get(name, empty) for name in schema.names}, schema=schema)
