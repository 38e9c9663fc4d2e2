"""The text that travels to an endpoint and back: rows of variants one way, predictions the other.

The formats are those of a SageMaker inference container: text/csv, application/json, application/jsonlines.
"""

from __future__ import annotations

import csv
import io
import json
import re

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.csv as pa_csv

from genomicslearning import InputError
from genomicslearning.clinvar import PRIOR_COLUMNS
from genomicslearning.io.text import one_line
from genomicslearning.training_set import user_table
from genomicslearning.training_set.schema import COLUMNS, EXTRA_COLUMNS, GNOMAD_COLUMNS, SITE_COLUMNS

CSV, JSON, JSONLINES = "text/csv", "application/json", "application/jsonlines"
FORMATS = (CSV, JSON, JSONLINES)
#: SageMaker's limit on the body of a real-time request.
MAX_BODY_BYTES = 6 * 1024 * 1024
#: What an answer may hold, in SageMaker Autopilot's words. Here `probability` is always P(CLASS = 1).
OUTPUTS = ("predicted_label", "probability", "probabilities", "labels")
DEFAULT_OUTPUTS = ("predicted_label", "probability")

FEATURE_COLUMNS = tuple(name for name in COLUMNS if name != "CLASS")
#: Columns that a row may have beside the training set's; `prior_*` say what a single submission said.
BESIDE = (*EXTRA_COLUMNS, *GNOMAD_COLUMNS, *PRIOR_COLUMNS)
READ_COLUMNS = (*FEATURE_COLUMNS, *BESIDE)


class UnsupportedFormat(InputError):
    """A content type that the endpoint does not read."""


class UnsupportedAnswer(InputError):
    """An Accept header that names only formats that the endpoint does not write."""


# --- rows in ---------------------------------------------------------------------------------------------------------


def read_rows(body: bytes, content_type: str = CSV) -> pd.DataFrame:
    """Rows of a request as a table, shaped as `read_table` shapes one, without CLASS.

    `content_type` may carry `; header=present|absent` (RFC 4180); otherwise a first line that names CHROM, POS, REF and
    ALT is a header. Rows without a header have the 45 columns of the training set's schema without CLASS, or all 46.
    Raises `InputError` that names the row (first row = 1) and the column; `UnsupportedFormat` for another type.
    """
    kind, _, parameters = content_type.partition(";")
    kind = kind.strip().lower() or CSV
    if kind == CSV:
        return _read_csv(body, _parameter(parameters, "header"))
    if kind == JSON:
        return _read_records(_json_instances(body))
    if kind == JSONLINES:
        return _read_records(_json_lines(body))
    raise UnsupportedFormat(f"content type {kind!r} is not supported; send one of {', '.join(FORMATS)}")


def _parameter(parameters: str, name: str) -> str | None:
    found = re.search(rf"(?:^|;)\s*{name}\s*=\s*\"?([\w-]+)", parameters, re.IGNORECASE)
    return found[1].lower() if found else None


def _read_csv(body: bytes, header: str | None) -> pd.DataFrame:
    if b"\0" in body:
        raise InputError("the request has a NUL character; send text")
    body = body.removeprefix(b"\xef\xbb\xbf")
    line, _, rest = body.partition(b"\n")
    if not line.strip():
        raise InputError("the request has no rows")
    names, separator, has_header = _layout(line, header)
    if has_header and not rest.strip():
        raise InputError(
            "the request has no rows: it is one line, the header (curl: send with --data-binary; -d joins the lines)"
        )
    rows = user_table.TextTable(
        io.BytesIO(body), names, separator=separator, has_header=has_header, wanted=READ_COLUMNS
    )
    return read_text(rows.read_all())


def _layout(line: bytes, header: str | None) -> tuple[list[str], str, bool]:
    """Column names, separator and whether there is a header, by the first line of a CSV."""
    if header != "absent" and (found := user_table.find_header(line)):
        return *found, True
    first = user_table.first_cells(line)
    if header == "present":
        return csv_names(first, True), ",", True
    if header is None and len(first) not in (len(COLUMNS), len(FEATURE_COLUMNS)):
        if line.startswith(b"##fileformat=VCF"):
            raise InputError("is a VCF, and rows of a table are answered here; genomicslearning predict takes a VCF")
        user_table.check_capitals(line)
    if "CHROM" in first:
        raise InputError(
            f"the first line names columns, but not all of {', '.join(user_table.SITE_COLUMNS)} (curl: send with "
            "--data-binary; -d joins the lines)"
        )
    return csv_names(first, False), ",", False


def csv_names(first: list[str], has_header: bool) -> list[str]:
    """Column names of a CSV whose first record is given."""
    if has_header:
        user_table.check_names(first)
        return first
    if len(first) == len(COLUMNS):
        return list(COLUMNS)
    if len(first) == len(FEATURE_COLUMNS):
        return list(FEATURE_COLUMNS)
    raise InputError(
        f"row 1 has {len(first)} cells; without a header a row has the {len(FEATURE_COLUMNS)} columns of the training "
        f"set without CLASS, or all {len(COLUMNS)}"
    )


def _json_instances(body: bytes) -> list:
    try:
        document = json.loads(body)
    except (ValueError, RecursionError) as problem:  # a hundred thousand brackets
        raise InputError(f"the request is not JSON: {problem}") from None
    rows = document.get("instances") if isinstance(document, dict) else document
    if not isinstance(rows, list) or not rows:
        raise InputError('the request has no rows: send a list of rows, or {"instances": [rows]}')
    return rows


def _json_lines(body: bytes) -> list:
    rows = []
    for number, line in enumerate(body.splitlines(), start=1):
        if not line.strip():
            continue
        try:
            rows.append(json.loads(line))
        except (ValueError, RecursionError) as problem:
            raise InputError(f"line {number}: not JSON: {problem}") from None
    if not rows:
        raise InputError("the request has no rows")
    return rows


def _read_records(rows: list) -> pd.DataFrame:
    """Rows given as objects (column → cell) or as lists of 45 or 46 cells in the schema's order."""
    columns: dict[str, list] = {name: [] for name in READ_COLUMNS}
    for number, row in enumerate(rows, start=1):
        if isinstance(row, list):
            if len(row) not in (len(FEATURE_COLUMNS), len(COLUMNS)):
                raise InputError(
                    f"row {number}: {len(row)} cells where {len(FEATURE_COLUMNS)} or {len(COLUMNS)} were expected"
                )
            row = dict(zip(FEATURE_COLUMNS if len(row) == len(FEATURE_COLUMNS) else COLUMNS, row, strict=True))
        elif not isinstance(row, dict):
            raise InputError(f"row {number}: a row is an object or a list, not {_shown(row)}")
        for name, cells in columns.items():
            cells.append(_cell_text(row.get(name), number, name))
    present = {name: cells for name, cells in columns.items() if any(cell is not None for cell in cells)}
    return read_text(pa.table({name: pa.array(cells, pa.string()) for name, cells in present.items()}))


def _shown(value: object) -> str:
    """The beginning of a JSON value, for a message."""
    try:
        return one_line(json.dumps(value)[:40])
    except (ValueError, RecursionError):
        return f"a {type(value).__name__}"


def _cell_text(cell: object, row: int, column: str) -> str | None:
    if cell is None:
        return None
    if isinstance(cell, str):
        # Arrow holds UTF-8; JSON's escapes can name half a character.
        if not cell.isascii() and any("\ud800" <= letter <= "\udfff" for letter in cell):
            raise InputError(f"row {row}, column {column}: a lone surrogate, which is no text")
        return None if user_table.is_missing(column, cell) else cell
    if isinstance(cell, bool) or not isinstance(cell, int | float):
        raise InputError(f"row {row}, column {column}: a cell is text or a number, not {_shown(cell)}")
    return None if cell != cell else str(cell)


def read_text(rows: pa.Table, first_row: int = 1) -> pd.DataFrame:
    """A table of text cells in the shape of `read_table`, without CLASS: POS int64, absent columns empty.

    `first_row` is the number of the first row in its file, for error messages.
    """
    for name in SITE_COLUMNS:
        if name not in rows.column_names:
            raise InputError(f"column {name} is missing; a variant needs {', '.join(SITE_COLUMNS)}")
        if rows[name].null_count:
            row = pc.index(pc.is_null(rows[name]), True).as_py() + first_row
            raise InputError(f"row {row}, column {name}: empty; a variant needs {', '.join(SITE_COLUMNS)}")
    positions = user_table.positions(rows["POS"], first_row).to_numpy()
    empty = pa.nulls(rows.num_rows, pa.string())
    names = [*FEATURE_COLUMNS, *(name for name in BESIDE if name in rows.column_names)]
    texts = {name: rows[name] if name in rows.column_names else empty for name in names}
    table = pa.table(texts).to_pandas()
    table["POS"] = positions
    return table


# --- rows out, as a client sends them --------------------------------------------------------------------------------


def write_rows(table: pd.DataFrame, *, header: bool = True) -> bytes:
    """A table as text/csv, without CLASS (an endpoint never needs the answer)."""
    names = [name for name in (READ_COLUMNS if header else FEATURE_COLUMNS) if name in table.columns]
    sink = io.BytesIO()
    pa_csv.write_csv(
        pa.Table.from_pandas(table[names], preserve_index=False),
        sink,
        pa_csv.WriteOptions(include_header=header, quoting_style="needed"),
    )
    return sink.getvalue()


# --- predictions -----------------------------------------------------------------------------------------------------


def predictions(probabilities: np.ndarray, threshold: float) -> pd.DataFrame:
    """`predicted_label` (int) and `probability` (P(CLASS = 1)) of each row; label 1 where it reaches the threshold."""
    probabilities = np.asarray(probabilities, dtype=np.float64)
    return pd.DataFrame({"predicted_label": (probabilities >= threshold).astype(int), "probability": probabilities})


def choose_outputs(asked: str | None, default: tuple[str, ...] = DEFAULT_OUTPUTS) -> tuple[str, ...]:
    """The outputs that a request asks for, as `predicted_label,probability`."""
    if not asked:
        return default
    names = tuple(name.strip() for name in asked.split(",") if name.strip())
    unknown = [name for name in names if name not in OUTPUTS]
    if unknown or not names:
        raise InputError(f"output {', '.join(unknown) or asked} is unknown; ask for any of {', '.join(OUTPUTS)}")
    return names


def choose_format(accept: str | None, content_type: str) -> str:
    """The answer's format: the first of `accept` that is spoken here; without one, the request's own format."""
    own = content_type.partition(";")[0].strip().lower() or CSV
    for entry in (accept or "*/*").split(","):
        kind = entry.partition(";")[0].strip().lower()
        if kind in FORMATS:
            return kind
        if kind in ("*/*", ""):
            return own if own in FORMATS else CSV
        if kind in ("text/*", "application/*"):
            return CSV if kind == "text/*" else JSON
    raise UnsupportedAnswer(f"cannot answer in {accept!r}; accept one of {', '.join(FORMATS)}")


def write_predictions(answer: pd.DataFrame, outputs: tuple[str, ...] = DEFAULT_OUTPUTS, kind: str = CSV) -> bytes:
    """Predictions as text. Probabilities are written with the digits that read back to the same float."""
    columns = {name: _output(answer, name) for name in outputs}
    if kind == CSV:
        text = io.StringIO()
        csv.writer(text, lineterminator="\n").writerows(
            zip(*(map(_csv_cell, cells) for cells in columns.values()), strict=True)
        )
        return text.getvalue().encode()
    records = [dict(zip(columns, cells, strict=True)) for cells in zip(*columns.values(), strict=True)]
    if kind == JSONLINES:
        return "".join(json.dumps(record) + "\n" for record in records).encode()
    return json.dumps({"predictions": records}).encode()


def _output(answer: pd.DataFrame, name: str) -> list:
    probability = answer["probability"].tolist()
    return {
        "predicted_label": lambda: answer["predicted_label"].tolist(),
        "probability": lambda: probability,
        "probabilities": lambda: [[1 - p, p] for p in probability],
        "labels": lambda: [["0", "1"]] * len(probability),
    }[name]()


def _csv_cell(value) -> str:
    """As SageMaker writes them: a list in one cell, in Python's notation."""
    return repr(value)


def read_predictions(body: bytes) -> pd.DataFrame:
    """Predictions from the text/csv answer `predicted_label,probability`; probabilities read back exactly."""
    rows = list(csv.reader(io.StringIO(body.decode())))
    return pd.DataFrame(
        {
            "predicted_label": np.array([row[0] for row in rows], dtype=np.int64),
            "probability": np.array([float(row[1]) for row in rows], dtype=np.float64),
        }
    )
