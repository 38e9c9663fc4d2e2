"""Arrow tables from lines of separated text, cell for cell (quotes are text, empty is null), and to lines of CSV."""

from __future__ import annotations

from collections.abc import Sequence

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.csv as pa_csv

from genomicslearning.io.text import FORMULA_PATTERN

# Arrow would take signals while it reads, and hand them on by a thread of its own: a block as small as those here is
# read before that, and Ctrl-C is lost. So they stay Python's, which looks between two blocks.
pa.enable_signal_handlers(False)
read_csv = pa_csv.read_csv


def text_table(schema: pa.Schema, rows: Sequence[bytes], separator: str = "\t") -> pa.Table:
    """Rows of separated cells as an Arrow table, as `table_of`."""
    return table_of(schema, b"\n".join(rows), separator) if rows else schema.empty_table()


def table_of(schema: pa.Schema, text: bytes, separator: str = "\t") -> pa.Table:
    """A text of rows of separated cells as an Arrow table, empty cells null.

    Parameters
    ----------
    schema
        Names and types of the columns; each row has a cell for each.
    text
        Rows in UTF-8, with line ends between them.

    Raises
    ------
    ValueError
        A row has another number of cells, or a cell is not of its column's type.
    """
    # Arrow's reader takes a lone carriage return for a line's end, and skips empty lines.
    if b"\r" in text or len(schema) == 1:
        columns = zip(*(row.split(separator.encode()) for row in text.split(b"\n")), strict=True)
        return pa.table(
            [
                pa.array([cell.decode() or None for cell in column], pa.string()).cast(field.type)
                for column, field in zip(columns, schema, strict=True)
            ],
            schema=schema,
        )
    return read_csv(
        pa.BufferReader(text),
        read_options=pa_csv.ReadOptions(column_names=schema.names, use_threads=False, block_size=len(text) + 1),
        parse_options=pa_csv.ParseOptions(
            delimiter=separator, quote_char=False, escape_char=False, ignore_empty_lines=False, newlines_in_values=False
        ),
        convert_options=pa_csv.ConvertOptions(
            column_types=schema,
            null_values=[""],
            strings_can_be_null=True,
            check_utf8=False,
            include_columns=schema.names,
        ),
    )


def csv_lines(table: pa.Table, *, formula_safe: bool) -> bytes:
    """Some thousand rows as CSV. (Arrow's own writer quotes every text, and pandas' takes ten times as long.)

    Missing cells are empty, cells with a comma, quote or line break are quoted, floats have the digits that read back
    to the same float; with `formula_safe` text cells are as `io.text.formula_safe` gives them.
    """
    cells = [_csv_texts(column, formula_safe) for column in table.combine_chunks().columns]
    lines = pc.binary_join_element_wise(*cells, ",").combine_chunks()
    return pc.binary_join(pa.ListArray.from_arrays([0, len(lines)], lines), "\n")[0].as_py().encode() + b"\n"


def _csv_texts(column: pa.ChunkedArray, formula_safe: bool) -> pa.ChunkedArray:
    texts = pc.fill_null(column.cast(pa.string()), "")
    if not (pa.types.is_string(column.type) or pa.types.is_large_string(column.type)):
        return texts
    if formula_safe:
        formula = pc.match_substring_regex(texts, FORMULA_PATTERN)
        if pc.any(formula).as_py():
            texts = pc.if_else(formula, pc.binary_join_element_wise("'", texts, ""), texts)
    special = pc.match_substring_regex(texts, r'[",\r\n]')
    if not pc.any(special).as_py():
        return texts
    quoted = pc.binary_join_element_wise('"', pc.replace_substring(texts, '"', '""'), '"', "")
    return pc.if_else(special, quoted, texts)
