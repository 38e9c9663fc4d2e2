"""The columns of the watch list."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator, Mapping, Sequence

import numpy as np
import pandas as pd

from genomicslearning.endpoint.known import single_submitter_meaning
from genomicslearning.evaluation.strata import gene
from genomicslearning.io.text import formula_safe

COLUMNS = (
    "rank",
    "percentile",
    "probability",
    "meaning",
    "gene",
    "hgvs",
    "condition",
    "classification",
    "expected_conflict",
    "expected_conflict_probability",
    "reason_1",
    "reason_2",
    "reason_3",
    "VARIATION_ID",
    "CHROM",
    "POS",
    "REF",
    "ALT",
    "link",
)
RECORD = "https://www.ncbi.nlm.nih.gov/clinvar/variation/{}/"


def columns_with(further: Sequence[str]) -> tuple[str, ...]:
    """`COLUMNS` with those of further probabilities behind `probability`."""
    place = COLUMNS.index("probability") + 1
    return (*COLUMNS[:place], *further, *COLUMNS[place:])


def described(
    table: pd.DataFrame,
    probability: np.ndarray,
    rank: np.ndarray,
    total: int,
    calibrated: bool,
    further: Mapping[str, np.ndarray] | None = None,
) -> pd.DataFrame:
    """The columns of the list that do not need other models, for some rows; `further` probabilities by name."""
    identifier = table["VARIATION_ID"].fillna("")
    meaning = [single_submitter_meaning(value if calibrated else None) for value in probability]
    percentile = 100 * (1 - (rank - 1) / total)
    return pd.DataFrame(
        {
            "rank": rank,
            "percentile": [f"{value:.2f}" for value in percentile],
            "probability": [repr(float(value)) for value in probability],
            **{name: [repr(float(value)) for value in values] for name, values in (further or {}).items()},
            "meaning": meaning,
            "gene": gene(table),
            "hgvs": table["CLNHGVS"].fillna(""),
            "condition": table["CLNDN"].fillna(""),
            "classification": table["prior_CLNSIG"].fillna(""),
            "VARIATION_ID": identifier,
            "CHROM": table["CHROM"],
            "POS": table["POS"],
            "REF": table["REF"].fillna(""),
            "ALT": table["ALT"].fillna(""),
            "link": [RECORD.format(text) if text.isdigit() else "" for text in identifier],
        },
        index=table.index,
    )


def csv_lines(rows: pd.DataFrame, columns: Sequence[str] = COLUMNS) -> Iterator[bytes]:
    """The rows as CSV, one line at a time, in the order of the columns; ClinVar's text is anybody's: formula-safe."""
    buffer = io.StringIO()
    writer = csv.writer(buffer, lineterminator="\n")
    for cells in rows[list(columns)].itertuples(index=False, name=None):
        writer.writerow([formula_safe(cell) if isinstance(cell, str) else cell for cell in cells])
        yield buffer.getvalue().encode()
        buffer.seek(0)
        buffer.truncate()
