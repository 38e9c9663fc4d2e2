"""Lines of separated text to Arrow tables, cell for cell: quotes are text, empty is null, nothing is guessed."""

from __future__ import annotations

from collections.abc import Sequence

import pyarrow as pa
import pyarrow.csv as pc


def text_table(schema: pa.Schema, rows: Sequence[bytes], separator: str = "\t") -> pa.Table:
    """Rows of separated cells as an Arrow table, empty cells null.

    Parameters
    ----------
    schema
        Names and types of the columns; each row has a cell for each.
    rows
        UTF-8 without line ends.

    Raises
    ------
    ValueError
        A row has another number of cells, or a cell is not of its column's type.
    """
    if not rows:
        return schema.empty_table()
    text = b"\n".join(rows)
    if b"\r" in text or (len(schema) == 1 and b"" in rows):
        # Arrow's reader takes a lone carriage return for a line's end, and skips empty lines.
        columns = zip(*(row.split(separator.encode()) for row in rows), strict=True)
        return pa.table(
            [
                pa.array([cell.decode() or None for cell in column], pa.string()).cast(field.type)
                for column, field in zip(columns, schema, strict=True)
            ],
            schema=schema,
        )
    return pc.read_csv(
        pa.BufferReader(text),
        read_options=pc.ReadOptions(column_names=schema.names, use_threads=False, block_size=len(text) + 1),
        parse_options=pc.ParseOptions(
            delimiter=separator, quote_char=False, escape_char=False, ignore_empty_lines=False, newlines_in_values=False
        ),
        convert_options=pc.ConvertOptions(
            column_types=schema,
            null_values=[""],
            strings_can_be_null=True,
            check_utf8=False,
            include_columns=schema.names,
        ),
    )
