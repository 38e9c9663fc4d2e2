"""Tab-delimited text to parquet: cells as they are, numbers only where every value can be written back the same."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from contextlib import ExitStack

import pyarrow as pa
import pyarrow.compute as pac
import pyarrow.parquet as pq

from genomicslearning import InputError
from genomicslearning.io import lake, separated
from genomicslearning.io.accounting import Stopwatch, check_malformed
from genomicslearning.io.lines import LineFile, rereadable, unique_names
from genomicslearning.io.text import write_json

_GROUP_BYTES = 8 << 20
_TAB = b"\t"
_NUMBERS = (pa.int64(), pa.float64())
MOST_COLUMNS = 10_000
MOST_COMMENTS = 100_000
_LOOKED_AT = 200  # rows that tell whether the header is the last comment


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
    header's end that no row has a cell for is left out. Lines before the header that begin with ``#`` are comments; the
    header may be the last of them (as in ClinVar's files and VEP's), and its ``#`` is no part of a name. Rows
    with another number of cells, or that are not UTF-8, are set aside in ``<out>.quarantine.tsv``.

    Parameters
    ----------
    source, out
        Text (plain, gzip, bgzip; a pipe, or ``-`` for standard input) and the parquet file, local or ``s3://``.
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
    why = "the types of the columns are found before it is read"
    with ExitStack() as stack:
        path = source if text else stack.enter_context(rereadable(source, why, progress))
        quarantine, report_part, part = stack.enter_context(lake.output(*places, inputs=[source]))
        types = None if text else _types(path, source, watch)
        tsv = stack.enter_context(Tsv(path, called=source))
        types = types or dict.fromkeys(tsv.names, pa.string())
        schema = pa.schema(list(types.items()))
        with pq.ParquetWriter(part, schema, compression="zstd") as writer:
            for table in tsv.tables(strict=strict):
                writer.write_table(table.cast(schema))
                watch.tick(tsv.read)
        check_malformed(tsv.path, tsv.read, len(tsv.ragged), tsv.first_problem, "rows")
        if tsv.ragged:
            quarantine.write_bytes(b"\n".join([*tsv.comments, tsv.header, *tsv.ragged]) + b"\n")
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


def _types(path: str | os.PathLike, called: str | os.PathLike, watch: Stopwatch) -> dict[str, pa.DataType]:
    """The narrowest type of each column in which every value can be written back the same."""
    with Tsv(path, called=called) as tsv:
        candidates = Candidates(tsv.names)
        for table in tsv.tables():
            candidates.see(table)
            watch.tick(tsv.read, " (finding types)")
    return candidates.types()


class Tsv(LineFile):
    """A tab-delimited file being read, as Arrow tables of text.

    Attributes
    ----------
    comments
        Lines before the header.
    header
        The header's line.
    names
        Names of the columns, unique.
    read
        Rows read.
    ragged
        Rows that do not fit the header.
    """

    def __init__(self, path: str | os.PathLike, called: str | os.PathLike | None = None) -> None:
        super().__init__(path, called)
        self.read = 0
        self.ragged: list[bytes] = []
        self.first_problem: str | None = None
        try:
            self._read_header()
        except BaseException:
            self._file.close()
            raise

    def _read_header(self) -> None:
        comments, text = self._comments()
        rows = [line for line in text.split(b"\n")[:_LOOKED_AT] if line]
        widths = {row.count(_TAB) + 1 for row in (rows if comments else rows[1:])}
        if comments and (not rows or _width(comments[-1], widths) in widths):
            self.header = comments.pop()
        elif rows:
            self.header = rows[0]
            widths = {row.count(_TAB) + 1 for row in rows[1:]}
            text = text[text.index(b"\n", text.index(rows[0])) + 1 :]
        else:
            raise InputError(f"{self.path}: has no header; give a tab-delimited table with a line of column names")
        if b"\0" in self.header:
            raise InputError(f"{self.path}: not a text file; give a tab-delimited table")
        found = self.header.removeprefix(b"#").decode("utf-8", "replace").split("\t")
        if len(found) > MOST_COLUMNS:
            raise InputError(f"{self.path}: {len(found):,} columns, more than {MOST_COLUMNS:,}, the most that are read")
        del found[_width(self.header, widths) :]
        self.comments = comments
        self.names = unique_names([name.strip() for name in found])
        self._pending = text
        self.line = len(comments) + 1

    def _comments(self) -> tuple[list[bytes], bytes]:
        """The lines at the beginning that start with ``#``, and the text after them as far as it was read."""
        comments: list[bytes] = []
        text = b""
        for piece in self._text_pieces:
            text += piece
            if not comments:
                text = text.removeprefix(b"\xef\xbb\xbf")
            while text.startswith(b"#"):
                line, _, text = text.partition(b"\n")
                comments.append(line)
                if len(comments) > MOST_COMMENTS:
                    raise InputError(f"{self.path}: more than {MOST_COMMENTS:,} lines begin with #; the most read")
            if text.count(b"\n") > 1 and text.strip():
                break
        return comments, text

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


def _width(header: bytes, widths: set[int]) -> int:
    """Number of columns of a header: without empty names at its end that no row has a cell for."""
    names = header.split(_TAB)
    while widths and len(names) > max(widths) and not names[-1].strip():
        names.pop()
    return len(names)


def text_table(names: list[str], rows: list[bytes]) -> pa.Table:
    """Rows of tab-separated cells as an Arrow table of text, empty cells null."""
    return separated.text_table(pa.schema([(name, pa.string()) for name in names]), rows)


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
