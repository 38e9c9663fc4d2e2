"""Tab-delimited text to parquet: cells as they are, numbers only where every value can be written back the same."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator

import pyarrow as pa
import pyarrow.compute as pac
import pyarrow.csv as pc
import pyarrow.parquet as pq

from genomicslearning import InputError
from genomicslearning.io import lake
from genomicslearning.io.accounting import MALFORMED_RECORDS, MALFORMED_SHARE, Stopwatch
from genomicslearning.io.lines import LineFile, unique_names
from genomicslearning.io.text import write_json

_GROUP_BYTES = 8 << 20
_TAB = b"\t"
_NUMBERS = (pa.int64(), pa.float64())


def tsv_to_parquet(
    source: str | os.PathLike,
    out: str | os.PathLike,
    *,
    text: bool = False,
    strict: bool = False,
    progress: Callable[[str], None] | None = None,
) -> dict:
    """Convert a tab-delimited table with a header to parquet.

    A column becomes int64 or float64 only where every value, written back, is the text that was read; any other stays
    text. An empty cell is null. Quotes are text. Empty and repeated column names are made unique; an empty name at the
    header's end that no row has a cell for is left out. Rows with another number of cells, or that are not UTF-8,
    are set aside in ``<out>.quarantine.tsv``.

    Parameters
    ----------
    source, out
        Text (plain, gzip, bgzip) and the parquet file, local or ``s3://``.
    text
        Keep every column as text.
    strict
        Fail at the first row that does not fit.
    progress
        Called with a line of text every two seconds.

    Returns
    -------
    dict
        The report, also written to ``<out>.report.json``.

    Raises
    ------
    InputError
        The input is missing, damaged, empty, or has too many rows that do not fit, or `out` cannot be written; then
        nothing is written.
    """
    watch = Stopwatch(progress, "tsv-to-parquet")
    places = (f"{out}.quarantine.tsv", f"{out}.report.json", out)
    with lake.output(*places, inputs=[source]) as [quarantine, report_part, part]:
        with Tsv(source) as tsv:
            names = tsv.names
            types = dict.fromkeys(names, pa.string())
        if not text:
            with Tsv(source) as tsv:
                candidates = Candidates(names)
                for table in tsv.tables():
                    candidates.see(table)
                    watch.tick(tsv.read, " (finding types)")
                types = candidates.types()
        schema = pa.schema(list(types.items()))
        with Tsv(source) as tsv, pq.ParquetWriter(part, schema, compression="zstd") as writer:
            for table in tsv.tables(strict=strict):
                writer.write_table(table.cast(schema))
                watch.tick(tsv.read)
            if len(tsv.ragged) > MALFORMED_RECORDS and len(tsv.ragged) > MALFORMED_SHARE * tsv.read:
                raise InputError(
                    f"{tsv.first_problem}; {len(tsv.ragged):,} of {tsv.read:,} rows do not fit, more than 0.1 %: "
                    "is it tab-delimited?"
                )
            if tsv.ragged:
                quarantine.write_bytes(b"\n".join([tsv.header, *tsv.ragged]) + b"\n")
            report = {
                "records_read": tsv.read,
                "records_written": tsv.read - len(tsv.ragged),
                "rows_written": tsv.read - len(tsv.ragged),
                "dropped": {},
                "quarantined": len(tsv.ragged),
                "columns": {name: str(type_) for name, type_ in types.items()},
                "inputs": [tsv.facts()],
                "warnings": tsv.warnings,
                "engine": "one machine",
                **watch.cost(),
            }
        write_json(report, report_part)
    return report


class Tsv(LineFile):
    """A tab-delimited file being read, as Arrow tables of text."""

    def __init__(self, path: str | os.PathLike) -> None:
        super().__init__(path)
        self.read = 0
        self.ragged: list[bytes] = []
        self.first_problem: str | None = None
        try:
            self._read_header()
        except BaseException:
            self._file.close()
            raise

    def _read_header(self) -> None:
        text = b""
        lines: list[bytes] = []
        for piece in self._text_pieces:  # the header, and the first row, which says how many of its names count
            text += piece
            lines = text.split(b"\n")
            if sum(map(bool, lines)) > 1:
                break
        if not lines or not lines[0].strip():
            raise InputError(
                f"{self.path}: has no header; give a tab-delimited table with column names in its first line"
            )
        self.header = lines[0].removeprefix(b"\xef\xbb\xbf")
        if b"\0" in self.header:
            raise InputError(f"{self.path}: not a text file; give a tab-delimited table")
        found = self.header.decode("utf-8", "replace").split("\t")
        first_row = next((line for line in lines[1:] if line), None)
        if first_row is not None:
            width = first_row.count(b"\t") + 1
            while len(found) > width and not found[-1]:
                found.pop()
        self.names = unique_names([name.strip() for name in found])
        self._pending = text[len(lines[0]) + 1 :]
        self.line = 1

    def tables(self, *, strict: bool = False) -> Iterator[pa.Table]:
        """The rows that fit, as tables of text; the others are kept in `ragged`."""
        rows: list[bytes] = []
        size = 0
        tabs = len(self.names) - 1
        for lines in self.batches():
            for place, line in enumerate(lines, 1):
                if not line and tabs:
                    continue
                self.read += 1
                why = misfit(line, tabs)
                if why is None:
                    rows.append(line)
                    size += len(line)
                    continue
                why = f"{self.path}:{self.line + place}: {why}"
                if strict:
                    raise InputError(f"{why}; repair it, or leave out --strict to set such rows aside")
                self.first_problem = self.first_problem or why
                self.ragged.append(line)
            if size > _GROUP_BYTES:
                yield text_table(self.names, rows)
                rows, size = [], 0
        yield text_table(self.names, rows)


def text_table(names: list[str], rows: list[bytes]) -> pa.Table:
    """Rows of tab-separated cells as an Arrow table of text, empty cells null."""
    types = dict.fromkeys(names, pa.string())
    if not rows:
        return pa.schema(list(types.items())).empty_table()
    text = b"\n".join(rows)
    if b"\r" in text or (len(names) == 1 and b"" in rows):
        # Arrow's reader takes a lone carriage return for a line's end, and skips empty lines.
        columns = zip(*(row.split(b"\t") for row in rows), strict=True)
        return pa.table(
            [pa.array([cell.decode() or None for cell in column], pa.string()) for column in columns], names
        )
    return pc.read_csv(
        pa.BufferReader(text),
        read_options=pc.ReadOptions(column_names=names, use_threads=False, block_size=len(text) + 1),
        parse_options=pc.ParseOptions(delimiter="\t", quote_char=False, escape_char=False),
        convert_options=pc.ConvertOptions(
            column_types=types, null_values=[""], strings_can_be_null=True, check_utf8=False
        ),
    )


def misfit(line: bytes, tabs: int) -> str | None:
    """Why a row does not fit a header with so many tabs, or None."""
    if line.count(b"\t") != tabs:
        return f"has {line.count(_TAB) + 1} cells, the header names {tabs + 1}"
    if not line.isascii():
        try:
            line.decode("utf-8")
        except UnicodeDecodeError:
            return "is not UTF-8"
    return None


class Candidates:
    """Which types the columns of a table may still have, as more of its rows are seen."""

    def __init__(self, names: list[str]) -> None:
        self.kinds = {name: list(_NUMBERS) for name in names}
        self.filled: set[str] = set()

    def see(self, table: pa.Table) -> None:
        """Strike out the types in which a value, written back, is another text."""
        for name, kinds in self.kinds.items():
            column = table.column(name)
            if column.null_count < len(column):
                self.filled.add(name)
                self.kinds[name] = [kind for kind in kinds if _round_trips(column, kind)]

    def as_dict(self) -> dict[str, list[str] | None]:
        """The types left of each column by name; None for a column without a value."""
        return {name: list(map(str, kinds)) if name in self.filled else None for name, kinds in self.kinds.items()}

    def narrow(self, other: dict[str, list[str] | None]) -> None:
        """Take in what was found of other rows, as `as_dict` gives it."""
        for name, left in other.items():
            if left is not None:
                self.filled.add(name)
                self.kinds[name] = [kind for kind in self.kinds[name] if str(kind) in left]

    def types(self) -> dict[str, pa.DataType]:
        """The narrowest type left of each column; text where none is, or where every cell is empty."""
        return {name: kinds[0] if kinds and name in self.filled else pa.string() for name, kinds in self.kinds.items()}


def _round_trips(column: pa.ChunkedArray, kind: pa.DataType) -> bool:
    if kind == pa.float64() and pac.any(pac.match_substring_regex(column, "[A-Za-df-z]"), min_count=0).as_py():
        return False  # "nan" and "inf" are words
    try:
        back = column.cast(kind).cast(pa.string())
    except pa.ArrowInvalid:
        return False
    return pac.all(pac.equal(column, back), min_count=0).as_py()
