"""The training set as a table: its columns, reading it from a file that people have, writing it as CSV."""

from __future__ import annotations

import os
import time
import zipfile
import zlib
from typing import TYPE_CHECKING

import pyarrow as pa
import pyarrow.csv as pc
import pyarrow.parquet as pq

from genomicslearning import InputError
from genomicslearning.io import lake
from genomicslearning.io.text import write_json

if TYPE_CHECKING:
    import pandas as pd

SITE_COLUMNS = ("CHROM", "POS", "REF", "ALT")
AF_COLUMNS = ("AF_ESP", "AF_EXAC", "AF_TGP")
CLN_COLUMNS = (
    "CLNDISDB", "CLNDISDBINCL", "CLNDN", "CLNDNINCL", "CLNHGVS", "CLNSIGINCL", "CLNVC", "CLNVI", "MC", "ORIGIN", "SSR",
)  # fmt: skip
VEP_COLUMNS = (
    "Allele", "Consequence", "IMPACT", "SYMBOL", "Feature_type", "Feature", "BIOTYPE", "EXON", "INTRON",
    "cDNA_position", "CDS_position", "Protein_position", "Amino_acids", "Codons", "DISTANCE", "STRAND", "BAM_EDIT",
    "SIFT", "PolyPhen", "MOTIF_NAME", "MOTIF_POS", "HIGH_INF_POS", "MOTIF_SCORE_CHANGE", "LoFtool", "CADD_PHRED",
    "CADD_RAW", "BLOSUM62",
)  # fmt: skip
# The published schema of the ClinVar-conflict table, in its order.
COLUMNS = (*SITE_COLUMNS, *AF_COLUMNS, *CLN_COLUMNS, "CLASS", *VEP_COLUMNS)
# Beside them in the parquet file only.
EXTRA_COLUMNS = ("VARIATION_ID", "GENEINFO", "CONFLICT")

_TYPES = {"POS": pa.int64(), "CLASS": pa.int8()}
SCHEMA = pa.schema([(column, _TYPES.get(column, pa.string())) for column in (*COLUMNS, *EXTRA_COLUMNS)])

# What counts as missing in a table that somebody else wrote: the published one has the text `nan`.
MISSING = ("", "nan")


def read_table(path: str | os.PathLike, *, labelled: bool = True) -> pd.DataFrame:
    """Read a training set from ``.csv``, ``.csv.gz``, ``.zip`` (with one CSV in it) or ``.parquet``, local or s3://.

    A ``.parquet`` may be a folder of parts, as the Glue job writes it.

    Parameters
    ----------
    path
        The table. Columns may stand in any order; others than the known ones are left out.
    labelled
        Whether CLASS has to be there, with both classes. Without it, CLASS comes where the table has it.

    Returns
    -------
    DataFrame
        The 46 columns in their order, then those of ``EXTRA_COLUMNS`` that the file has. Cells are the source's text
        (dtype ``str``), except POS (int64) and CLASS (int8); missing (empty or the text ``nan``) is NaN. Columns
        that the file lacks are missing throughout.

    Raises
    ------
    InputError
        The file is missing or no table, lacks CHROM, POS, REF, ALT or CLASS, or has one class only.
    """
    table = _read_parquet(path) if str(path).endswith(".parquet") else _read_csv(path)
    needed = [*SITE_COLUMNS, "CLASS"] if labelled else SITE_COLUMNS
    if lacking := [column for column in needed if column not in table.column_names]:
        raise InputError(
            f"{path}: no column {', '.join(lacking)}; a training set has {', '.join(needed)} "
            "(see docs/data_dictionary.md)"
        )
    wanted = [*COLUMNS, *(column for column in EXTRA_COLUMNS if column in table.column_names)]
    if "CLASS" not in table.column_names:
        wanted.remove("CLASS")
    if not table.num_rows:
        raise InputError(f"{path}: has a header and no rows; give a table with variants")
    columns = [_column(path, table, column) for column in wanted]
    if labelled:
        classes = set(columns[wanted.index("CLASS")].unique().to_pylist())
        if len(classes) == 1:
            raise InputError(f"{path}: every row has CLASS {classes.pop()}; a model needs rows of both classes")
    frame = pa.table(columns, names=wanted).to_pandas(types_mapper=_pandas_types().get)
    return frame


def _pandas_types() -> dict:
    import numpy as np
    import pandas as pd

    return {pa.string(): pd.StringDtype(na_value=np.nan)}


def _column(path: str | os.PathLike, table: pa.Table, column: str) -> pa.ChunkedArray:
    """One column in its type: text, or for POS and CLASS numbers without gaps."""
    if column not in table.column_names:
        return pa.chunked_array([pa.nulls(table.num_rows, pa.string())])
    cells = table.column(column)
    if pa.types.is_dictionary(cells.type):
        cells = cells.cast(cells.type.value_type)
    kind = SCHEMA.field(column).type
    try:
        if cells.type != kind:
            cells = cells.cast(kind)
    except pa.ArrowInvalid as problem:
        raise InputError(f"{path}: column {column}: {problem}; expected {kind}") from None
    if kind == pa.string():
        return cells
    if cells.null_count:
        row = cells.is_null().index(True).as_py()
        raise InputError(f"{path}: row {row + 1}: {column} is missing; every row needs it")
    if column == "CLASS" and (odd := set(cells.unique().to_pylist()) - {0, 1}):
        raise InputError(f"{path}: CLASS has the value {min(odd)}; 0 (agree) and 1 (conflict) are allowed")
    return cells


def _read_parquet(path: str | os.PathLike) -> pa.Table:
    """One file, or a folder of parts as Spark writes them, in the order of their names."""
    return pa.concat_tables(_read_part(part) for part in lake.parts(path, ".parquet") or [path])


def _read_part(path: str | os.PathLike) -> pa.Table:
    with lake.open_input(path) as file:
        try:
            return pq.read_table(pa.PythonFile(file, "r"))
        except (pa.ArrowInvalid, OSError) as problem:
            raise InputError(
                f"{path}: not a parquet file ({_first_line(problem)}); give .csv, .csv.gz, .zip or .parquet"
            ) from None


def _read_csv(path: str | os.PathLike) -> pa.Table:
    with lake.open_input(path) as file:
        try:
            text = _csv_bytes(path, file)
        except (OSError, EOFError, zlib.error, zipfile.BadZipFile) as problem:
            raise InputError(
                f"{path}: cannot be unpacked ({_first_line(problem)}); the file is damaged or cut off"
            ) from None
    if not text.strip() or b"\0" in text[:4096]:
        raise InputError(f"{path}: not a table; give .csv, .csv.gz, .zip (with a CSV in it) or .parquet")
    try:
        return pc.read_csv(
            pa.BufferReader(text),
            # Every column as text: a typed reader would change cells (0.10020 is not 0.1002).
            convert_options=pc.ConvertOptions(
                column_types=dict.fromkeys((*COLUMNS, *EXTRA_COLUMNS), pa.string()),
                null_values=MISSING,
                strings_can_be_null=True,
            ),
            parse_options=pc.ParseOptions(newlines_in_values=True),
        )
    except (pa.ArrowInvalid, UnicodeDecodeError) as problem:
        raise InputError(f"{path}: not a table of comma-separated values ({_first_line(problem)})") from None


def _csv_bytes(path: str | os.PathLike, file) -> bytes:
    """The CSV text inside a plain, gzip or zip file, told apart by its first bytes, not by its name."""
    start = file.read(4)
    file.seek(0)
    if start == b"PK\x03\x04":
        with zipfile.ZipFile(file) as archive:
            # macOS adds __MACOSX/._name.csv entries that hold no table.
            names = [
                entry
                for entry in archive.namelist()
                if entry.lower().endswith(".csv") and not entry.startswith("__MACOSX")
            ]
            if len(names) != 1:
                found = ", ".join(names) or "none"
                raise InputError(f"{path}: expected one .csv in the zip, found {found}; unpack it and name the file")
            return archive.read(names[0])
    if start[:2] == b"\x1f\x8b":
        from isal import igzip

        with igzip.open(file, "rb") as unpacked:
            return unpacked.read()
    return file.read()


def _first_line(problem: Exception) -> str:
    return str(problem).strip().splitlines()[0].rstrip(".") if str(problem).strip() else type(problem).__name__


def write_table_csv(table: pd.DataFrame, path: str | os.PathLike) -> None:
    """Write exactly the 46 columns of a training set as CSV, missing cells empty; whole or not at all."""
    with lake.output(path) as [part]:
        table.to_csv(part, columns=list(COLUMNS), index=False, lineterminator="\n")


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
    known = [column for column in SCHEMA.names if column in table]
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
        "engine": "table",
        "seconds": round(time.monotonic() - started, 2),
    }
    with lake.output(f"{out}.report.json", out, inputs=[path]) as [report_part, part]:
        write_json(report, report_part)
        schema = pa.schema([SCHEMA.field(column) for column in known])
        pq.write_table(pa.table(table[known], schema=schema), part, compression="zstd")
    return report


def identity(table: pd.DataFrame) -> pd.DataFrame:
    """Which variant each row is: VARIATION_ID, CHROM, POS, REF, ALT, SYMBOL.

    SYMBOL falls back to the first symbol of GENEINFO; what is unknown is missing.
    """
    import pandas as pd

    nothing = pd.Series(pd.NA, index=table.index, dtype="str")
    symbol = table["SYMBOL"] if "SYMBOL" in table else nothing
    if "GENEINFO" in table:
        symbol = symbol.fillna(table["GENEINFO"].str.partition(":")[0])
    known = table["VARIATION_ID"] if "VARIATION_ID" in table else nothing
    sites = {column: table[column] for column in SITE_COLUMNS}
    return pd.DataFrame({"VARIATION_ID": known, **sites, "SYMBOL": symbol})
