"""ClinVar and Ensembl VEP to the training set: one streaming pass, every record accounted for."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing, contextmanager
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from genomicslearning import InputError
from genomicslearning.io import lake
from genomicslearning.io.accounting import Account, Stopwatch, check_malformed
from genomicslearning.io.lines import rereadable
from genomicslearning.io.text import write_json
from genomicslearning.io.vcf import Quarantine, Vcf
from genomicslearning.training_set import transcripts
from genomicslearning.training_set.blocks import Block, with_usual_rows
from genomicslearning.training_set.frequencies import of_files
from genomicslearning.training_set.matching import Partners, check_assemblies
from genomicslearning.training_set.row_writer import to_table
from genomicslearning.training_set.rows import RowMaker
from genomicslearning.training_set.table import COLUMNS, SCHEMA
from genomicslearning.training_set.usual import SELF_CLASSIFIED

# Rows that become one parquet row group: enough to compress well, little enough to hold.
_GROUP_BYTES = 12 << 20
# A dictionary of values that hardly repeat costs time and no less space.
_PARQUET = {
    "compression": "zstd",
    "use_dictionary": [column for column in SCHEMA.names if column not in ("POS", "CLNHGVS", "VARIATION_ID")],
    "write_statistics": ["CHROM", "POS"],
}


def build_training_set(
    *,
    clinvar: str | os.PathLike | None = None,
    annotated: str | os.PathLike | None = None,
    out: str | os.PathLike,
    pick: str = "mane",
    csq_key: str | None = None,
    strict: bool = False,
    progress: Callable[[str], None] | None = None,
) -> dict:
    """Build a training set from a ClinVar VCF, a VEP-annotated VCF, or both.

    Parameters
    ----------
    clinvar, annotated
        VCF, plain, gzip or bgzip, local, ``s3://``, a pipe, or ``-`` for standard input; at least one. Given both, each
        ALT of an annotated record takes its classification from the ClinVar record of its place and alleles.
    out
        ``….csv`` (the 46 columns) or ``….parquet`` (those, VARIATION_ID, GENEINFO and CONFLICT, and gnomAD's
        frequencies where the annotation has them).
    pick
        ``mane``, ``canonical``, ``severe``, ``first`` or ``flagged``: which transcript's annotation a row gets.
    csq_key
        INFO key of VEP's annotation where it is not CSQ.
    strict
        Fail at the first malformed record instead of setting it aside in ``<out>.quarantine.vcf``.
    progress
        Called with a line of text every two seconds.

    Returns
    -------
    dict
        The report, also written to ``<out>.report.json``; docs/data_dictionary.md names its keys.

    Raises
    ------
    InputError
        An input is missing, damaged, not a VCF or not annotated, the two are of different assemblies, a class stays
        empty, or `out` cannot be written. Then nothing is written, and an earlier output stays.
    """
    if not str(out).endswith((".csv", ".parquet")):
        raise InputError(f"{out}: the output is a table, name it ….csv or ….parquet")
    check_arguments(clinvar, annotated, pick)
    watch = Stopwatch(progress, "training-set")
    as_csv = str(out).endswith(".csv")
    with ExitStack() as stack:
        inputs = stack.enter_context(_opened(clinvar, annotated, csq_key, progress))
        maker = _maker(inputs, pick=pick, as_csv=as_csv, strict=strict)
        places = (f"{out}.quarantine.vcf", f"{out}.report.json", out)
        quarantine_part, report_part, part = stack.enter_context(
            lake.output(*places, inputs=filter(None, (clinvar, annotated)))
        )
        with Quarantine(quarantine_part, inputs.source.header) as quarantine:
            with _writer(part, maker.schema, as_csv=as_csv) as write:
                _make_rows(inputs, maker, write, quarantine, watch)
            account = maker.finish()
            repeated = maker.ledger.settle(account)
            account.check(inputs.source.path, inputs.layout.key if inputs.layout else None)
            report = _report(account, inputs, maker, quarantine)
        if len(repeated):
            _leave_out(part, repeated, maker.schema, as_csv=as_csv)
        report |= {"engine": "one machine", "rule": pick, **watch.cost()}
        write_json(report, report_part)
    return report


def check_arguments(clinvar: object, annotated: object, pick: str) -> None:
    """Refuse what can be refused before any work."""
    if clinvar is None and annotated is None:
        raise InputError("no input: give a ClinVar VCF (--clinvar), a VEP-annotated VCF (--annotated), or both")
    if str(clinvar) == str(annotated) == "-":
        raise InputError("-: standard input can be one of the two files, not both")
    if pick not in transcripts.PICKS:
        raise InputError(f"{pick or 'an empty pick'}: no transcript rule; choose one of {', '.join(transcripts.PICKS)}")


@dataclass
class Inputs:
    """The files of a training set, open.

    `source`: the annotated VCF, or ClinVar's where it is alone. `clinvar`: ClinVar's where there are both, with its
    `partners`. `layout`: VEP's annotation, None without it.
    """

    source: Vcf
    clinvar: Vcf | None
    partners: Partners | None
    layout: transcripts.Layout | None


@contextmanager
def _opened(
    clinvar: str | os.PathLike | None,
    annotated: str | os.PathLike | None,
    csq_key: str | None,
    progress: Callable[[str], None] | None,
) -> Iterator[Inputs]:
    with ExitStack() as stack:
        if annotated is None:
            assert clinvar is not None
            source = stack.enter_context(Vcf(clinvar))
            check_assemblies(source)
            yield Inputs(source, None, None, None)
            return
        source = stack.enter_context(Vcf(annotated))
        layout = transcripts.layout(source, csq_key)
        if clinvar is None:
            check_assemblies(source)
            yield Inputs(source, None, None, layout)
            return
        why = "records in another order are looked up in it"
        path = stack.enter_context(rereadable(clinvar, why, progress))
        known = stack.enter_context(Vcf(path, called=clinvar))
        same = check_assemblies(known, source)
        partners = Partners(known, lambda: Vcf(path, called=clinvar), same_assembly=same)
        stack.callback(partners.close)
        yield Inputs(source, known, partners, layout)


def _maker(inputs: Inputs, **chosen) -> RowMaker:
    """What makes the rows of the source; `chosen` are further arguments of `RowMaker`."""
    fields = inputs.layout.fields if inputs.layout else ()
    return RowMaker(
        path=inputs.source.path,
        columns=inputs.source.columns,
        layout=inputs.layout,
        frequencies=of_files(fields, inputs.source, inputs.clinvar),
        **chosen,
    )


def _make_rows(
    inputs: Inputs, maker: RowMaker, write: Callable[[list[bytes]], None], quarantine: Quarantine, watch: Stopwatch
) -> None:
    """Read the source to its end, and hand rows and malformed lines on."""
    with closing(with_usual_rows(_blocks(inputs), maker)) as blocks:
        for block, usual in blocks:
            rows: list[bytes] = []
            malformed: list[bytes] = []
            maker.take(usual, block.lines, block.partners, block.first, rows, malformed)
            write(rows)
            quarantine.add(malformed)
            watch.tick(maker.account.read, f", {maker.rows:,} rows")


def _blocks(inputs: Inputs) -> Iterator[Block]:
    """The source's lines with their partners."""
    source, partners = inputs.source, inputs.partners
    for lines in source.batches():
        found = partners.of(lines) if partners else [SELF_CLASSIFIED] * len(lines)
        yield Block(lines, found, source.line + 1, source.plain)


def _report(account: Account, inputs: Inputs, maker: RowMaker, quarantine: Quarantine) -> dict:
    """The report, after ClinVar's file was read to its end."""
    report = account.report() | {"frequencies": maker.frequencies(account)}
    source = inputs.source
    report["inputs"] = [{"role": "annotated" if inputs.layout else "clinvar", **source.facts()}]
    warnings = [*source.warnings, *maker.warnings(), *account.warnings()]
    if inputs.clinvar and inputs.partners:
        partners = inputs.partners
        report["clinvar_records"], report["unannotated"] = partners.finish()
        report["clinvar_quarantined"] = len(partners.malformed)
        report["inputs"].insert(0, {"role": "clinvar", **inputs.clinvar.facts()})
        read = report["clinvar_records"] + len(partners.malformed)
        check_malformed(inputs.clinvar.path, read, len(partners.malformed), partners.first_problem)
        warnings += inputs.clinvar.warnings + reference_warning(inputs.clinvar, source)
        quarantine.add(partners.malformed)
    report["warnings"] = warnings
    return report


def reference_warning(clinvar: Vcf, annotated: Vcf) -> list[str]:
    """A warning where the two headers name different reference genomes, though not different assemblies."""
    ours, theirs = clinvar.meta("reference"), annotated.meta("reference")
    if not ours or not theirs or ours == theirs:
        return []
    return [f"reference of {lake.name(clinvar.path)} is {ours}, of {lake.name(annotated.path)} {theirs}"]


@contextmanager
def _writer(part: Path, schema: pa.Schema, *, as_csv: bool) -> Iterator[Callable[[list[bytes]], None]]:
    """Something that rows are handed to, batch by batch."""
    if as_csv:
        with part.open("wb", buffering=1 << 20) as file:
            file.write(",".join(COLUMNS).encode() + b"\n")

            def write(rows: list[bytes]) -> None:
                if rows:
                    file.write(b"\n".join(rows))
                    file.write(b"\n")

            yield write
        return
    waiting: list[bytes] = []
    size = 0
    with pq.ParquetWriter(part, schema, **_PARQUET) as parquet:

        def keep(rows: list[bytes]) -> None:
            nonlocal size
            waiting.extend(rows)
            size += sum(map(len, rows))
            if size > _GROUP_BYTES:
                parquet.write_table(to_table(waiting, schema))
                waiting.clear()
                size = 0
                pa.default_memory_pool().release_unused()

        yield keep
        if waiting:
            parquet.write_table(to_table(waiting, schema))


def _leave_out(part: Path, numbers: np.ndarray, schema: pa.Schema, *, as_csv: bool) -> None:
    """Write a finished table again without the rows of these numbers, in its place."""
    kept = part.with_name(f"{part.name}.kept")
    try:
        if as_csv:
            leave = set(numbers.tolist())
            with part.open("rb") as source, kept.open("wb", buffering=1 << 20) as target:
                target.write(source.readline())
                target.writelines(row for number, row in enumerate(source) if number not in leave)
        else:
            with pq.ParquetFile(part) as source, pq.ParquetWriter(kept, schema, **_PARQUET) as target:
                start = 0
                for group in range(source.num_row_groups):
                    table = source.read_row_group(group)
                    here = np.ones(len(table), bool)
                    here[numbers[(numbers >= start) & (numbers < start + len(table))] - start] = False
                    target.write_table(table.filter(pa.array(here)))
                    start += len(table)
        os.replace(kept, part)
    finally:
        kept.unlink(missing_ok=True)
