"""ClinVar and Ensembl VEP to the training set: one streaming pass, every record accounted for."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from itertools import repeat
from pathlib import Path

import pyarrow.parquet as pq

from genomicslearning import InputError
from genomicslearning.io import lake
from genomicslearning.io.accounting import Stopwatch
from genomicslearning.io.text import write_json
from genomicslearning.io.vcf import Vcf
from genomicslearning.training_set import transcripts
from genomicslearning.training_set.matching import Partners
from genomicslearning.training_set.rows import OWN, RowMaker, to_table
from genomicslearning.training_set.table import COLUMNS, SCHEMA

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
        VCF, plain, gzip or bgzip, local or ``s3://``; at least one. Given both, each annotated record takes its
        classification from the ClinVar record with its ID (its CHROM, POS, REF, ALT where it has no ID).
    out
        ``….csv`` (the 46 columns) or ``….parquet`` (those and VARIATION_ID, GENEINFO, CONFLICT).
    pick
        ``mane``, ``canonical``, ``severe`` or ``first``: which transcript's annotation a row gets.
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
        An input is missing, damaged, not a VCF or not annotated, a class stays empty, or `out` cannot be written. Then
        nothing is written, and an earlier output stays.
    """
    if clinvar is None and annotated is None:
        raise InputError("no input: give a ClinVar VCF (--clinvar), a VEP-annotated VCF (--annotated), or both")
    if not str(out).endswith((".csv", ".parquet")):
        raise InputError(f"{out}: the output is a table, name it ….csv or ….parquet")
    if pick not in transcripts.PICKS:
        raise InputError(f"{pick}: no transcript rule; choose one of {', '.join(transcripts.PICKS)}")
    watch = Stopwatch(progress, "training-set")
    with ExitStack() as stack:
        source = stack.enter_context(Vcf(annotated if annotated is not None else clinvar))
        partners = None
        if annotated is not None and clinvar is not None:
            second = stack.enter_context(Vcf(clinvar))
            partners = Partners(second, lambda: Vcf(clinvar))
            stack.callback(partners.close)
        key, fields = transcripts.fields(source, csq_key) if annotated is not None else (None, None)
        as_csv = str(out).endswith(".csv")
        maker = RowMaker(
            path=source.path,
            columns=source.columns,
            csq_key=key,
            csq_fields=fields,
            pick=pick,
            as_csv=as_csv,
            strict=strict,
        )
        places = (f"{out}.quarantine.vcf", f"{out}.report.json", out)
        quarantine, report_part, part = stack.enter_context(
            lake.output(*places, inputs=filter(None, (clinvar, annotated)))
        )
        malformed: list[bytes] = []
        with _writer(part, as_csv) as write:
            for lines in source.batches():
                rows: list[bytes] = []
                maker.make(
                    lines, partners.of(lines) if partners else repeat(OWN, len(lines)), source.line + 1, rows, malformed
                )
                write(rows)
                watch.tick(maker.account.read, f", {maker.rows:,} rows")
        account = maker.finish()
        account.check_malformed(source.path)
        account.check_classes(source.path)
        report = account.report()
        report["inputs"] = [{"role": "annotated" if annotated is not None else "clinvar", **source.facts()}]
        report["warnings"] = list(source.warnings)
        if partners:
            report["clinvar_records"], report["unannotated"] = partners.finish()
            report["clinvar_quarantined"] = len(partners.malformed)
            report["inputs"].insert(0, {"role": "clinvar", **second.facts()})
            report["warnings"] += second.warnings + reference_warning(second, source)
            malformed += partners.malformed
        if malformed:
            quarantine.write_bytes("\n".join(source.header).encode() + b"\n" + b"\n".join(malformed) + b"\n")
        report |= {"engine": "one machine", "rule": pick, **watch.cost()}
        write_json(report, report_part)
    return report


def reference_warning(clinvar: Vcf, annotated: Vcf) -> list[str]:
    """A warning where the two headers name different reference genomes."""
    ours, theirs = clinvar.meta("reference"), annotated.meta("reference")
    if not ours or not theirs or ours == theirs:
        return []
    return [f"reference of {lake.name(clinvar.path)} is {ours}, of {lake.name(annotated.path)} {theirs}"]


@contextmanager
def _writer(part: Path, as_csv: bool) -> Iterator[Callable[[list[bytes]], None]]:
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
    with pq.ParquetWriter(part, SCHEMA, **_PARQUET) as file:

        def write(rows: list[bytes]) -> None:
            nonlocal size
            waiting.extend(rows)
            size += sum(map(len, rows))
            if size > _GROUP_BYTES:
                file.write_table(to_table(waiting))
                waiting.clear()
                size = 0

        yield write
        if waiting:
            file.write_table(to_table(waiting))
