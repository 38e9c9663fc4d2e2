"""The training set as a table: its columns, reading it from a file that people have, writing it as CSV."""

from __future__ import annotations

import os
import time
from collections.abc import Sequence
from typing import TYPE_CHECKING

import pyarrow as pa
import pyarrow.parquet as pq

from genomicslearning import InputError, clinvar
from genomicslearning.io import lake
from genomicslearning.io.limits import advice, limit
from genomicslearning.io.separated import csv_lines
from genomicslearning.io.text import write_json
from genomicslearning.training_set import table_files, user_table
from genomicslearning.training_set.schema import (
    AF_COLUMNS,
    CLN_COLUMNS,
    COLUMNS,
    EXTRA_COLUMNS,
    GNOMAD_COLUMNS,
    SCHEMA,
    SITE_COLUMNS,
    VEP_COLUMNS,
)

if TYPE_CHECKING:
    import pandas as pd

__all__ = [
    "AF_COLUMNS", "CLN_COLUMNS", "COLUMNS", "EXTRA_COLUMNS", "GNOMAD_COLUMNS", "SCHEMA", "SITE_COLUMNS", "VEP_COLUMNS",
    "adopt_table", "identity", "lacking_columns", "read_table", "write_table_csv",
]  # fmt: skip

# Rows that are text at a time while a CSV is written.
_PIECE = 16_384


def read_table(
    path: str | os.PathLike, *, labelled: bool = True, only: Sequence[str] = user_table.KNOWN
) -> pd.DataFrame:
    """Read a training set: text separated by commas, tabs or semicolons, plain, gzip or zip (one table in it), or
    parquet, told by content; local or s3://.

    Parquet may be a folder of parts, as the Glue job writes it.

    Parameters
    ----------
    path
        The table. Columns may stand in any order; others than the known ones are left out.
    labelled
        Whether CLASS has to be there, with both classes. Without it, CLASS comes where the table has it.
    only
        Columns to read; those that are needed have to be among them.

    Returns
    -------
    DataFrame
        The 46 columns in their order, then those of ``EXTRA_COLUMNS`` and ``GNOMAD_COLUMNS`` that the file has. Cells
        are the source's text (dtype ``str``), except POS (int64) and CLASS (int8); missing (`user_table.MISSING`) is
        NaN. Columns that the file lacks are missing throughout.

    Raises
    ------
    InputError
        The file is missing or no table, lacks CHROM, POS, REF, ALT or CLASS, or has one class only.
    """
    table = _read_text(path, only)
    needed = [*SITE_COLUMNS, "CLASS"] if labelled else SITE_COLUMNS
    if lacking := [column for column in needed if column not in table.column_names]:
        raise InputError(
            f"{path}: no column {', '.join(lacking)}; a training set has {', '.join(needed)} "
            "(see docs/data_dictionary.md)"
        )
    beside = [column for column in (*EXTRA_COLUMNS, *GNOMAD_COLUMNS) if column in table.column_names]
    wanted = [column for column in (*COLUMNS, *beside) if column in only]
    if "CLASS" not in table.column_names:
        wanted.remove("CLASS")
    if not table.num_rows:
        raise InputError(f"{path}: has a header and no rows; give a table with variants")
    frame = _frame(path, table, wanted)
    if labelled and frame["CLASS"].nunique() == 1:
        raise InputError(f"{path}: every row has CLASS {frame['CLASS'].iloc[0]}; a model needs rows of both classes")
    return frame


def _frame(path: str | os.PathLike, table: pa.Table, wanted: list[str]) -> pd.DataFrame:
    """These columns in pandas. Each column's text is let go of as soon as pandas has its own."""
    import pandas as pd

    mapper = _pandas_types().get
    taken = {}
    for column in wanted:
        cells = _column(path, table, column)
        if column in table.column_names:
            table = table.drop_columns([column])
        taken[column] = pa.table([cells], names=[column]).to_pandas(types_mapper=mapper)[column]
    return pd.DataFrame(taken, copy=False)


def _read_text(path: str | os.PathLike, wanted: Sequence[str]) -> pa.Table:
    """All rows as text, these of the known columns only, missing cells null."""
    most = limit("TABLE_ROWS")
    table_files.check_rows(path, most)
    with table_files.open_table(path, wanted=wanted) as opened:
        batches, rows = [], 0
        for batch in opened:
            batches.append(batch)
            rows += batch.num_rows
            if rows > most:
                raise InputError(f"{path}: more than {most:,} rows; {advice('TABLE_ROWS')}")
        if batches:
            return pa.Table.from_batches(batches)
        known = [name for name in opened.names if name in wanted]
        return pa.table({name: pa.array([], pa.string()) for name in known})


def _pandas_types() -> dict:
    import numpy as np
    import pandas as pd

    return {pa.string(): pd.StringDtype(na_value=np.nan)}


def _column(path: str | os.PathLike, table: pa.Table, column: str) -> pa.ChunkedArray:
    """One column in its type: text, or for POS and CLASS numbers without gaps."""
    if column not in table.column_names:
        return pa.chunked_array([pa.nulls(table.num_rows, pa.string())])
    cells = table.column(column)
    try:
        if column == "CLASS":
            return user_table.classes(cells)
        if column == "POS":
            return user_table.positions(cells)
    except InputError as problem:
        raise InputError(f"{path}: {problem}") from None
    return cells


def lacking_columns(names: list[str]) -> str:
    """Words for what a table lacks that a model could learn from; empty where it has every column."""
    lacking = [name for name in COLUMNS if name not in names and name not in (*SITE_COLUMNS, "CLASS")]
    return f"no column {', '.join(lacking)}" if lacking else ""


def write_table_csv(table: pd.DataFrame, path: str | os.PathLike) -> None:
    """Write exactly the 46 columns of a training set as CSV, missing cells empty; whole or not at all."""
    with lake.output(path) as [part], part.open("wb", buffering=1 << 20) as file:
        file.write(",".join(COLUMNS).encode() + b"\n")
        for start in range(0, len(table), _PIECE):
            rows = pa.table({name: table[name].iloc[start : start + _PIECE] for name in COLUMNS})
            file.write(csv_lines(rows, formula_safe=False))


def adopt_table(path: str | os.PathLike, out: str | os.PathLike) -> dict:
    """Take an existing training set over as parquet and write `<out>.report.json` beside it, as a build would.

    Returns
    -------
    dict
        The report: every row is a record that was read and written; `engine` is `table`.

    Raises
    ------
    InputError
        As `read_table` does.
    """
    started = time.monotonic()
    table = read_table(path)
    with table_files.open_table(path) as opened:
        lacking = lacking_columns(opened.names)
    whole = pa.schema([*SCHEMA, *((column, pa.string()) for column in GNOMAD_COLUMNS)])
    known = [column for column in whole.names if column in table]
    report = {
        "records_read": len(table),
        "records_written": len(table),
        "rows_written": len(table),
        "dropped": {},
        "quarantined": 0,
        "classes": {str(label): int(count) for label, count in table["CLASS"].value_counts().sort_index().items()},
        "conflicts": table["CONFLICT"].value_counts().to_dict() if "CONFLICT" in table else {},
        "pick": {},
        "inputs": [
            {"name": lake.name(part), "bytes": lake.size(part), "sha256": lake.sha256(part)}
            for part in lake.parts(path, ".parquet")
        ],
        "warnings": [f"{lake.name(path)}: {lacking}; the model learns without them"] if lacking else [],
        "engine": "table",
        "seconds": round(time.monotonic() - started, 2),
    }
    with lake.output(f"{out}.report.json", out, inputs=[path]) as [report_part, part]:
        write_json(report, report_part)
        schema = pa.schema([whole.field(column) for column in known])
        pq.write_table(pa.table(table[known], schema=schema), part, compression="zstd")
    return report


def gene_symbols(table: pd.DataFrame) -> pd.Series:
    """The gene of each row: SYMBOL, else the first symbol of GENEINFO; missing where there is neither."""
    import pandas as pd

    symbol = table["SYMBOL"] if "SYMBOL" in table else pd.Series(pd.NA, index=table.index, dtype="str")
    if "GENEINFO" not in table:
        return symbol
    return symbol.fillna(table["GENEINFO"].map(clinvar.first_symbol, na_action="ignore").astype("str"))


def identity(table: pd.DataFrame) -> pd.DataFrame:
    """Which variant each row is: VARIATION_ID, CHROM, POS, REF, ALT, SYMBOL.

    SYMBOL falls back to the first symbol of GENEINFO; what is unknown is missing.
    """
    import pandas as pd

    nothing = pd.Series(pd.NA, index=table.index, dtype="str")
    known = table["VARIATION_ID"] if "VARIATION_ID" in table else nothing
    sites = {column: table[column] for column in SITE_COLUMNS}
    return pd.DataFrame({"VARIATION_ID": known, **sites, "SYMBOL": gene_symbols(table)})
