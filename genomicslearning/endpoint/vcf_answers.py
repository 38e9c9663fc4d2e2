"""The answers to a piece of a VCF, and how they are written: as rows of a CSV, or in the records themselves."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from genomicslearning.autopilot.model import Model
from genomicslearning.endpoint import batch
from genomicslearning.endpoint.known import KNOWN_COLUMNS, SINGLE, single_submitter_meaning
from genomicslearning.io.bgzf import Writer
from genomicslearning.io.separated import csv_lines
from genomicslearning.io.vcf import Vcf
from genomicslearning.training_set.unlabelled import Record

PROBABILITY, LABEL = "CONFLICT_P", "CONFLICT_LABEL"
#: Columns of the answers to a VCF, in order; `not_scored` is the reason where there is no probability.
COLUMNS = (*batch.PREDICTION_COLUMNS, "Consequence", "not_scored")
DEFINITIONS = (
    f'##INFO=<ID={PROBABILITY},Number=A,Type=Float,Description="Probability that the ClinVar classifications of the '
    'allele conflict, given several submitters (genomicslearning)">',
    f"##INFO=<ID={LABEL},Number=A,Type=Integer,Description=\"1 where {PROBABILITY} reaches the model's threshold "
    '{threshold}, else 0">',
)


@dataclass
class Piece:
    """Some records: their lines with the reasons of each ALT, a row for each ALT, and what was said of each."""

    records: list[Record] = field(default_factory=list)
    rows: list[bytes] = field(default_factory=list)
    said: list[bytes] = field(default_factory=list)
    known: list[tuple] = field(default_factory=list)


@dataclass(frozen=True)
class Answer:
    """A piece with its rows as a table, and each row's probability (NaN where it has none)."""

    piece: Piece
    table: pa.Table
    probability: np.ndarray
    labels: np.ndarray
    calibrated: bool  # for variants with one submitter
    horizons: dict[str, np.ndarray]  # chance at a stated distance, by column


@contextmanager
def answer_writer(
    part: Path, vcf: Vcf, model: Model, names: tuple[str, ...] | None
) -> Iterator[Callable[[Answer], None]]:
    """Takes answers: into a CSV with the columns `names`, or into the VCF itself where there are none."""
    if names is None:
        with Writer(part) as out:
            out.write("\n".join(_header(vcf, model)).encode() + b"\n")

            def write_records(answer: Answer) -> None:
                out.write(_vcf_lines(answer))

            yield write_records
        return
    with part.open("wb", buffering=1 << 20) as file:
        file.write(",".join(names).encode() + b"\n")

        def write_rows(answer: Answer) -> None:
            file.write(csv_lines(_csv_table(answer, names), formula_safe=True))

        yield write_rows


def _header(vcf: Vcf, model: Model) -> list[str]:
    own = tuple(f"##INFO=<ID={key}," for key in (PROBABILITY, LABEL))
    lines = [line for line in vcf.header[:-1] if not line.startswith(own)]
    definitions = (line.replace("{threshold}", repr(model.threshold)) for line in DEFINITIONS)
    return [*lines, *definitions, vcf.header[-1]]


def _vcf_lines(answer: Answer) -> bytes:
    """The records with two INFO keys; one of which no ALT has an answer stays as it is."""
    texts = [b"." if value != value else repr(value).encode() for value in answer.probability.tolist()]
    labels = [b"." if text == b"." else b"%d" % label for text, label in zip(texts, answer.labels, strict=True)]
    lines = []
    start = 0
    for line, reasons in answer.piece.records:
        end = start + len(reasons)
        if not all(reasons):
            fields = line.split(b"\t", 8)
            keys = b"CONFLICT_P=%b;CONFLICT_LABEL=%b" % (b",".join(texts[start:end]), b",".join(labels[start:end]))
            info = _without_answers(fields[7])
            fields[7] = keys if info in (b".", b"") else info + b";" + keys
            line = b"\t".join(fields)
        lines.append(line)
        start = end
    return b"\n".join(lines) + b"\n"


def _without_answers(info: bytes) -> bytes:
    """INFO without the answers of an earlier run."""
    if b"CONFLICT_" not in info:
        return info
    return b";".join(item for item in info.split(b";") if not item.startswith((b"CONFLICT_P=", b"CONFLICT_LABEL=")))


def _csv_table(answer: Answer, names: tuple[str, ...]) -> pa.Table:
    table, missing = answer.table, np.isnan(answer.probability)
    gene = batch.first_symbols(table["GENEINFO"])
    reasons = [why or None for record in answer.piece.records for why in record.reasons]
    columns = {
        **{name: table[name] for name in ("VARIATION_ID", "CHROM", "POS", "REF", "ALT", "Consequence")},
        "SYMBOL": pc.coalesce(table["SYMBOL"], gene),
        "CLASS": table["CLASS"].cast(pa.string()),
        "predicted_label": pa.array(answer.labels, pa.int64(), mask=missing),
        "probability": pa.array(answer.probability, pa.float64(), mask=missing),
        "not_scored": pa.array(reasons, pa.string()),
        **{name: pa.array(values, pa.float64(), from_pandas=True) for name, values in answer.horizons.items()},
    }
    if answer.piece.known:
        columns |= _known_columns(answer)
    return pa.table({name: columns[name] for name in names})


def _known_columns(answer: Answer) -> dict[str, pa.Array]:
    """What ClinVar has of each allele; a variant with one submitter is told what its probability means."""
    found = dict(zip(KNOWN_COLUMNS, map(list, zip(*answer.piece.known, strict=True)), strict=True))
    notes = found["clinvar_note"]
    for place, value in enumerate(answer.probability.tolist()):
        if notes[place] == SINGLE:
            known = answer.calibrated and value == value
            notes[place] = single_submitter_meaning(value if known else None)
    return {name: pa.array(cells, pa.string()) for name, cells in found.items()}
