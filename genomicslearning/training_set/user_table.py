"""Tables that people have: text or parquet, told by content; separators, spellings of missing and of CLASS.

One reader for everything that takes a user's table: `read_table`, `predict` and the endpoints.
"""

from __future__ import annotations

import io
import os
import re
from collections.abc import Iterable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from typing import BinaryIO

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.csv as pa_csv
import pyarrow.parquet as pq

from genomicslearning import InputError
from genomicslearning.clinvar import PRIOR_COLUMNS
from genomicslearning.io import archives, lake
from genomicslearning.io.limits import advice, limit
from genomicslearning.io.text import first_line, one_line
from genomicslearning.training_set.schema import AF_COLUMNS, COLUMNS, EXTRA_COLUMNS, GNOMAD_COLUMNS, SITE_COLUMNS

#: What R, pandas, spreadsheets and the published table write for a missing cell. Not `N/A`: in Amino_acids that is
#: asparagine to alanine.
MISSING = ("", "nan", "NaN", "NA", "<NA>", "None", "null", "#N/A")
#: In an allele only an empty cell is missing: N and A are bases.
ALLELES = ("REF", "ALT")
SEPARATORS = (",", "\t", ";")
#: More names than this are no header.
MOST_COLUMNS = 100_000
KNOWN = (*COLUMNS, *EXTRA_COLUMNS, *GNOMAD_COLUMNS, *PRIOR_COLUMNS)
_CLASSES = {"0": "0", "1": "1", "0.0": "0", "1.0": "1", "false": "0", "true": "1"}
_DECIMALS = (*AF_COLUMNS, "LoFtool", "CADD_PHRED", "CADD_RAW")


# --- the header ------------------------------------------------------------------------------------------------------


def first_cells(line: bytes, separator: str = ",") -> list[str]:
    """Cells of a text table's first line, none where it is not one. (Python's csv module stops at cells of 128 kB.)"""
    if line.count(separator.encode()) > MOST_COLUMNS:  # each would be an array of its own
        return []
    try:
        options = pa_csv.ReadOptions(autogenerate_column_names=True, use_threads=False, block_size=len(line) + 2)
        parsing = pa_csv.ParseOptions(delimiter=separator)
        [row] = pa_csv.read_csv(io.BytesIO(line.strip(b"\r\n") + b"\n"), options, parsing).to_pylist()
    except (pa.ArrowInvalid, ValueError):
        return []
    return ["" if cell is None else str(cell) for cell in row.values()]


def is_header(cells: Sequence[str]) -> bool:
    """Whether a first line names columns: no variant has a chromosome called CHROM."""
    return set(SITE_COLUMNS) <= set(cells)


def read_header(line: bytes) -> tuple[list[str], str]:
    """Column names and separator of a text table, from its first line.

    Raises
    ------
    InputError
        No separator makes it a header, its names are written in another case, or it names a column twice.
    """
    line = line.removeprefix(b"\xef\xbb\xbf")
    if b"\r" in line.rstrip(b"\r\n"):
        raise InputError("the lines end in a lone carriage return (old Macintosh); save the table with LF or CRLF")
    if line.startswith(b"##fileformat=VCF"):
        raise InputError("is a VCF, not a table; build a training set from it with `genomicslearning training-set`")
    readings = {separator: first_cells(line, separator) for separator in SEPARATORS}
    for separator, cells in readings.items():
        if is_header(cells):
            check_names(cells)
            return cells, separator
    for cells in readings.values():
        if set(SITE_COLUMNS) <= {_capitals(cell) for cell in cells}:
            check_names(cells)
    shown = one_line(line.decode("utf-8", "replace"), 60)
    raise InputError(
        f"the first line does not name {', '.join(SITE_COLUMNS)}, it is {shown!r}; give a table with a header, "
        "separated by commas, tabs or semicolons, or parquet"
    )


def check_names(names: Sequence[str]) -> None:
    """Refuse a header with a known column twice, or with a column's name in another case, which would go unread."""
    if twice := sorted({name for name in names if name in KNOWN and names.count(name) > 1}):
        raise InputError(f"the header names a column twice: {', '.join(twice)}")
    by_capitals = {_capitals(name): name for name in KNOWN}
    misspelt = {
        name: by_capitals[_capitals(name)]
        for name in names
        if name not in KNOWN and by_capitals.get(_capitals(name), name) not in names
    }
    if misspelt:
        wrong, right = ", ".join(map(one_line, misspelt)), ", ".join(misspelt.values())
        raise InputError(f"the header says {wrong} where {right} is meant; write the names exactly so, capitals count")


def _capitals(name: str) -> str:
    return name.strip().lstrip("#").strip().upper()


# --- the rows --------------------------------------------------------------------------------------------------------


class TextTable:
    """Rows of a text table as Arrow batches of text, missing cells null; errors name row and column.

    Parameters
    ----------
    stream : the text, from its first row without header (from the header where `has_header`).
    names : its columns.
    has_header : whether the first line is the header, to be left out.
    wanted : columns to read, of those known.
    """

    def __init__(
        self,
        stream: BinaryIO,
        names: Sequence[str],
        *,
        separator: str = ",",
        has_header: bool = False,
        wanted: Sequence[str] = KNOWN,
        block_bytes: int = 1 << 24,
    ):
        self._names = list(names)
        self._first = 2 if has_header else 1
        self._separator = separator
        chosen = [name for name in self._names if name in wanted]
        self._open = lambda: pa_csv.open_csv(
            stream,
            # Arrow numbers the rows of its errors only when it reads with one thread.
            read_options=pa_csv.ReadOptions(
                column_names=_unique(self._names),
                skip_rows=self._first - 1,
                use_threads=False,
                block_size=block_bytes,
            ),
            parse_options=pa_csv.ParseOptions(delimiter=separator, newlines_in_values=True),
            # Every column as text: a typed reader would change cells (0.10020 is not 0.1002).
            convert_options=pa_csv.ConvertOptions(
                column_types=dict.fromkeys(chosen, pa.string()), include_columns=chosen, strings_can_be_null=False
            ),
        )

    def __iter__(self) -> Iterator[pa.RecordBatch]:
        try:
            for batch in self._open():
                named = {name: without_missing(name, batch[name]) for name in batch.schema.names}
                if self._separator != ",":
                    _check_decimals(named)
                yield pa.RecordBatch.from_pydict(named)
        except pa.ArrowInvalid as problem:
            if "Empty CSV" not in str(problem):
                raise InputError(self._explain(str(problem))) from None

    def read_all(self) -> pa.Table:
        """All rows at once."""
        batches = list(self)
        if not batches:
            raise InputError("the request has no rows")
        return pa.Table.from_batches(batches)

    def _explain(self, text: str) -> str:
        """Arrow counts lines of the file from 1, header included; a request's rows are counted from 1 without it."""
        row = re.search(r"Row #(\d+)", text)
        where = f"row {int(row[1]) - self._first + 1}" if row else "a row"
        column = re.search(r"CSV column #(\d+)", text)
        if column:
            where += f", column {self._names[int(column[1])]}"
        cells = re.search(r"Expected (\d+) columns, got (\d+)", text)
        if cells:
            hint = "; written by R with row names? use row.names = FALSE" if int(cells[2]) == int(cells[1]) + 1 else ""
            return f"{where}: {cells[2]} cells where {cells[1]} were expected{hint}"
        if "UTF8" in text:
            return f"{where}: not UTF-8 text"
        if "straddling" in text:
            return f"{where}: longer than {limit('ROW_MB')} MB; {advice('ROW_MB')}"
        return f"{where}: {first_line(ValueError(text))}"


def _unique(names: Sequence[str]) -> list[str]:
    """The names, those that are not known made unique: they are not read."""
    return [name if name in KNOWN else f"#{place}" for place, name in enumerate(names)]


def without_missing(name: str, cells: pa.Array | pa.ChunkedArray) -> pa.Array | pa.ChunkedArray:
    """A column of text, null where its cell is spelled as missing."""
    spellings = pa.array(("",) if name in ALLELES else MISSING, cells.type)
    return pc.if_else(pc.is_in(cells, value_set=spellings), pa.scalar(None, cells.type), cells)


def is_missing(name: str, text: str) -> bool:
    """Whether a cell of this column is spelled as missing."""
    return text == "" if name in ALLELES else text in MISSING


def _check_decimals(columns: dict[str, pa.Array]) -> None:
    for name in _DECIMALS:
        if name in columns:
            commas = pc.match_substring_regex(columns[name], r"^-?\d+,\d+$")
            if pc.any(commas).as_py():
                shown = columns[name][pc.index(commas, True).as_py()].as_py()
                raise InputError(f"column {name}: {shown!r} has a decimal comma; write numbers with a point")


def text_columns(table: pa.Table | pa.RecordBatch, wanted: Sequence[str] = KNOWN) -> dict[str, pa.ChunkedArray]:
    """The known columns of a parquet table as text, missing cells null."""
    made = {}
    for name in table.schema.names:
        if name not in wanted:
            continue
        cells = table.column(name)
        if pa.types.is_dictionary(cells.type):
            cells = cells.cast(cells.type.value_type)
        if pa.types.is_boolean(cells.type) or pa.types.is_primitive(cells.type) or _is_text(cells.type):
            made[name] = without_missing(name, cells.cast(pa.string()))
            continue
        raise InputError(f"column {name}: is {one_line(str(cells.type), 60)}; text or numbers are needed")
    return made


def _is_text(kind: pa.DataType) -> bool:
    views = (pa.types.is_string_view(kind), pa.types.is_binary_view(kind))
    return (
        pa.types.is_string(kind)
        or pa.types.is_large_string(kind)
        or pa.types.is_binary(kind)
        or pa.types.is_large_binary(kind)
        or pa.types.is_null(kind)
        or pa.types.is_decimal(kind)
        or any(views)
    )


def classes(cells: pa.ChunkedArray, first_row: int = 1) -> pa.ChunkedArray:
    """CLASS as int8, from text that says 0 or 1, 0.0 or 1.0, True or False in any case.

    Raises
    ------
    InputError
        A cell says something else, or nothing.
    """
    if cells.null_count:
        row = pc.index(pc.is_null(cells), True).as_py()
        raise InputError(f"row {row + first_row}: CLASS is missing; every row needs it")
    lower = pc.utf8_lower(pc.utf8_trim_whitespace(cells))
    place = pc.index_in(lower, value_set=pa.array(list(_CLASSES)))
    if place.null_count:
        row = pc.index(pc.is_null(place), True).as_py()
        shown = one_line(cells[row].as_py(), 40)
        raise InputError(
            f"row {row + first_row}: CLASS has the value {shown}; 0 (agree) and 1 (conflict) are allowed, also 0.0 and "
            "1.0, True and False"
        )
    return pc.take(pa.array([int(label) for label in _CLASSES.values()], pa.int8()), place)


def positions(cells: pa.ChunkedArray, first_row: int = 1) -> pa.ChunkedArray:
    """POS as int64, from text of ASCII digits (`123`, or `123.0` as pandas writes it).

    Raises
    ------
    InputError
        A cell says something else, or nothing.
    """
    if cells.null_count:
        row = pc.index(pc.is_null(cells), True).as_py()
        raise InputError(f"row {row + first_row}, column POS: empty; a variant needs {', '.join(SITE_COLUMNS)}")
    whole = pc.match_substring_regex(cells, r"^[0-9]{1,18}(?:\.0+)?$")
    if not pc.all(whole).as_py():
        row = pc.index(whole, False).as_py()
        shown = one_line(cells[row].as_py(), 40)
        raise InputError(f"row {row + first_row}, column POS: {shown!r} is not a whole number")
    return pc.replace_substring_regex(cells, r"\.0+$", "").cast(pa.int64())


# --- files -----------------------------------------------------------------------------------------------------------


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
