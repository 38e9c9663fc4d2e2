"""Tables that people have: text or parquet, told by content; separators, spellings of missing and of CLASS.

One reader for everything that takes a user's table: `read_table`, `predict` and the endpoints.
"""

from __future__ import annotations

import io
import re
from collections.abc import Iterator, Sequence
from functools import lru_cache
from itertools import islice
from typing import BinaryIO

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.csv as pa_csv

from genomicslearning import InputError
from genomicslearning.clinvar import PRIOR_COLUMNS
from genomicslearning.io.limits import advice, limit
from genomicslearning.io.text import first_line, one_line
from genomicslearning.training_set.schema import AF_COLUMNS, COLUMNS, EXTRA_COLUMNS, GNOMAD_COLUMNS, SITE_COLUMNS

#: What R, pandas, spreadsheets and the published table write for a missing cell. Not `N/A`: in Amino_acids that is
#: asparagine to alanine.
MISSING = ("", "nan", "NaN", "NA", "<NA>", "None", "null", "#N/A")
#: In an allele only an empty cell is missing: N and A are bases.
ALLELES = ("REF", "ALT")
SEPARATORS = (",", "\t", ";")
#: Bytes of a line up to which its cells are kept for the next time.
_SHORT = 2048
#: More names than this are no header.
MOST_COLUMNS = 100_000
KNOWN = (*COLUMNS, *EXTRA_COLUMNS, *GNOMAD_COLUMNS, *PRIOR_COLUMNS)
_MOST_SHOWN = 3  # names in a line for people
_CLASSES = {"0": "0", "1": "1", "0.0": "0", "1.0": "1", "false": "0", "true": "1"}
_DECIMALS = (*AF_COLUMNS, "LoFtool", "CADD_PHRED", "CADD_RAW")


# --- the header ------------------------------------------------------------------------------------------------------


def first_cells(line: bytes, separator: str = ",") -> list[str]:
    """Cells of a text table's first line, none where it is not one. (Python's csv module stops at cells of 128 kB.)"""
    if line.count(separator.encode()) > MOST_COLUMNS:  # each would be an array of its own
        return []
    return list(_same_line(line, separator) if len(line) < _SHORT else _cells(line, separator))


def _cells(line: bytes, separator: str) -> tuple[str, ...]:
    try:
        options = pa_csv.ReadOptions(autogenerate_column_names=True, use_threads=False, block_size=len(line) + 2)
        parsing = pa_csv.ParseOptions(delimiter=separator)
        [row] = pa_csv.read_csv(io.BytesIO(line.strip(b"\r\n") + b"\n"), options, parsing).to_pylist()
    except (pa.ArrowInvalid, ValueError):
        return ()
    return tuple("" if cell is None else str(cell) for cell in row.values())


# A served model is sent the same header again and again.
_same_line = lru_cache(maxsize=16)(_cells)


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
    if found := find_header(line):
        return found
    check_capitals(line)
    if re.match(rb"sep=.\s*$", line, re.IGNORECASE):
        raise InputError(f"the first line is {one_line(line.decode('utf-8', 'replace'), 20)!r}, Excel's; take it out")
    shown = one_line(line.decode("utf-8", "replace"), 60)
    raise InputError(
        f"the first line does not name {', '.join(SITE_COLUMNS)}, it is {shown!r}; give a table with a header, "
        "separated by commas, tabs or semicolons, or parquet"
    )


def find_header(line: bytes) -> tuple[list[str], str] | None:
    """Column names and separator of a line that is a header by one of `SEPARATORS`, else None; names are checked."""
    for separator in SEPARATORS:
        if is_header(cells := first_cells(line, separator)):
            check_names(cells)
            return cells, separator
    return None


def check_capitals(line: bytes) -> None:
    """Refuse a first line that would be a header but for the case of its names."""
    for separator in SEPARATORS:
        cells = first_cells(line, separator)
        if set(SITE_COLUMNS) <= {_capitals(cell) for cell in cells}:
            check_names(cells)


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
        first = islice(misspelt.items(), _MOST_SHOWN)
        shown = [f"{one_line(wrong, 40)} where {right} is meant" for wrong, right in first]
        if more := len(misspelt) - len(shown):
            shown.append(f"and {more} more alike")
        raise InputError(
            f"the header says {', '.join(shown)}; write the names exactly as the data dictionary does, capitals count"
        )


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
        read = 0
        try:
            for batch in self._open():
                named = {name: without_missing(name, batch[name]) for name in batch.schema.names}
                if self._separator != ",":
                    _check_decimals(named, read + 1)
                read += batch.num_rows
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


def _check_decimals(columns: dict[str, pa.Array], first_row: int) -> None:
    for name in _DECIMALS:
        if name in columns:
            commas = pc.match_substring_regex(columns[name], r"^-?\d+,\d+$")
            if pc.any(commas).as_py():
                row = pc.index(commas, True).as_py()
                shown = columns[name][row].as_py()
                raise InputError(
                    f"row {row + first_row}, column {name}: {shown!r} has a decimal comma; write numbers with a point"
                )


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
        raise InputError(
            f"row {row + first_row}, column POS: {shown!r} is not a whole number; write digits alone (in a "
            "spreadsheet: a number without separators or decimals)"
        )
    return pc.replace_substring_regex(cells, r"\.0+$", "").cast(pa.int64())
