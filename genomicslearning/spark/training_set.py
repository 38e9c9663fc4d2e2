"""The training set on Spark: Spark reads, joins, sorts and writes; each record becomes rows as on one machine."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from functools import partial

import pyarrow as pa
from pyspark import StorageLevel
from pyspark.sql import DataFrame, SparkSession
from pyspark.sql import functions as F

from genomicslearning import InputError
from genomicslearning.clinvar import LABELS
from genomicslearning.io import lake
from genomicslearning.io.accounting import Account, Stopwatch
from genomicslearning.io.text import write_json
from genomicslearning.io.vcf import Vcf, problem
from genomicslearning.spark import job
from genomicslearning.spark.lines import read_lines
from genomicslearning.training_set import transcripts
from genomicslearning.training_set.build import reference_warning
from genomicslearning.training_set.matching import begins, clinvar_keys, essence, join_keys, kept_marks
from genomicslearning.training_set.rows import OWN, RowMaker, csv_line, to_table
from genomicslearning.training_set.table import COLUMNS, SCHEMA

_STAGED = pa.schema([*SCHEMA, pa.field("csv", pa.string())])
_KEPT = kept_marks(LABELS)
_KEYS = "key binary, block long, number long, line binary, malformed binary"


def build_on_spark(
    session: SparkSession,
    *,
    clinvar: str | None = None,
    annotated: str | None = None,
    out: str,
    pick: str = "mane",
    csq_key: str | None = None,
    strict: bool = False,
    progress: Callable[[str], None] | None = None,
) -> dict:
    """Build a training set as `training_set.build` does, on a Spark session.

    `out` is the CSV (one object); beside it come a folder of parquet files, ``.csv`` replaced by ``.parquet``, the
    report and the quarantine. Rows are in the order of the input.
    """
    if clinvar is None and annotated is None:
        raise InputError("no input: give a ClinVar VCF, a VEP-annotated VCF, or both")
    if not str(out).endswith(".csv"):
        raise InputError(f"{out}: the output is a CSV with a parquet folder beside it, name it ….csv")
    if pick not in transcripts.PICKS:
        raise InputError(f"{pick}: no transcript rule; choose one of {', '.join(transcripts.PICKS)}")
    watch = Stopwatch(progress, "training-set on Spark")
    source = annotated if annotated is not None else clinvar
    both = annotated is not None and clinvar is not None
    with Vcf(source) as vcf:
        key, fields = transcripts.fields(vcf, csq_key) if annotated is not None else (None, None)
        maker = RowMaker(path=vcf.path, columns=vcf.columns, csq_key=key, csq_fields=fields, pick=pick, strict=strict)
    lines = _data_lines(read_lines(session, source, progress))
    known = None
    if both:
        known = _known(_data_lines(read_lines(session, clinvar, progress))).persist(StorageLevel.DISK_ONLY)
        lines = _with_candidates(lines, known)
    else:
        lines = lines.withColumn("candidates", F.lit(None).cast("array<array<struct<at:array<long>,line:binary>>>"))
    rows, parts, aside, folder = job.staged(lines, partial(_rows, maker, both), _STAGED)
    try:
        account = Account()
        for part in parts:
            account.merge(part)
        account.check_malformed(str(source))
        account.check_classes(str(source))
        report = account.report()
        report["inputs"], report["warnings"] = _inputs(clinvar, annotated)
        if known is not None:
            report |= _unannotated(lines, known)
            aside += [bytes(row[0]) for row in known.where("malformed is not null").select("malformed").collect()]
        job.write_parquet(rows, SCHEMA.names, f"{out.removesuffix('.csv')}.parquet")
        with lake.output(f"{out}.quarantine.vcf", f"{out}.report.json") as [quarantine, report_part]:
            if aside:
                quarantine.write_bytes("\n".join(vcf.header).encode() + b"\n" + b"\n".join(aside) + b"\n")
            report |= {"engine": f"Spark {session.version}", "rule": pick, **watch.cost()}
            write_json(report, report_part)
        job.write_text(rows, "csv", ",".join(COLUMNS), out)
    finally:
        job.remove(session, folder)
        if known is not None:
            known.unpersist()
    return report


def _data_lines(lines: DataFrame) -> DataFrame:
    """Lines that are no header; the header was read before."""
    return lines.where(~F.col("line").startswith(F.lit(b"#")) & (F.length("line") > 0))


def _known(lines: DataFrame) -> DataFrame:
    """ClinVar's records under each of their keys, and its lines that are no records."""
    return lines.mapInArrow(_clinvar_keys, _KEYS)


def _clinvar_keys(batches: Iterable[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
    for batch in batches:
        found = []
        for block, number, line in job.cells(batch, "block", "number", "line"):
            line = line.removesuffix(b"\r")
            if problem(line):
                if line.strip():
                    found.append((None, block, number, None, line))
                continue
            kept = essence(line, _KEPT)
            found += [(key, block, number, kept, None) for key in dict.fromkeys(clinvar_keys(line))]
        schema = pa.schema(
            [("key", pa.binary()), ("block", pa.int64()), ("number", pa.int64()), ("line", pa.binary())]
            + [("malformed", pa.binary())]
        )
        yield pa.record_batch(list(zip(*found, strict=True)) or [[]] * 5, schema=schema)


def _with_candidates(lines: DataFrame, known: DataFrame) -> DataFrame:
    """Annotated lines with the ClinVar lines that each of their ALTs may belong to."""
    # Whole lines of the file: kept on disk, since a task's memory may be no more than Spark's default of 1 GB.
    keyed = lines.mapInArrow(_annotated_keys, "block long, number long, line binary, keys array<binary>")
    keyed = keyed.persist(StorageLevel.DISK_ONLY)
    by_key = (
        known.where("key is not null")
        .groupBy("key")
        .agg(F.sort_array(F.collect_list(F.struct(F.array("block", "number").alias("at"), "line"))).alias("found"))
    )
    # Nearly every record has one key; only those with several ALTs and no ID need to be put together again.
    single = keyed.where("size(keys) <= 1").withColumn("key", F.expr("get(keys, 0)"))
    single = single.join(by_key, "key", "left").select("block", "number", "line", F.array("found").alias("candidates"))
    several = keyed.where("size(keys) > 1").select("block", "number", "line", F.posexplode("keys").alias("alt", "key"))
    several = (
        several.join(by_key, "key", "left")
        .groupBy("block", "number")
        .agg(F.first("line").alias("line"), F.sort_array(F.collect_list(F.struct("alt", "found"))).alias("found"))
        .select("block", "number", "line", F.col("found.found").alias("candidates"))
    )
    return single.unionByName(several)


def _annotated_keys(batches: Iterable[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
    for batch in batches:
        found = []
        for block, number, line in job.cells(batch, "block", "number", "line"):
            line = line.removesuffix(b"\r")
            keys = join_keys(line)
            found.append((block, number, line, keys[:1] if len(set(keys)) == 1 else keys))
        schema = pa.schema(
            [("block", pa.int64()), ("number", pa.int64()), ("line", pa.binary()), ("keys", pa.list_(pa.binary()))]
        )
        yield pa.record_batch(list(zip(*found, strict=True)) or [[]] * 4, schema=schema)


def _rows(maker: RowMaker, both: bool, batches: Iterable[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
    """Staged rows of annotated lines, with the account of the task at the end."""
    malformed: list[bytes] = []
    aside: list[tuple[int, int, bytes]] = []
    for batch in batches:
        rows: list[bytes] = []
        places: list[tuple[int, int, int]] = []
        for block, number, line, candidates in job.cells(batch, "block", "number", "line", "candidates"):
            line = line.removesuffix(b"\r")
            partner = _partner(line, candidates) if both else OWN
            maker.make([line], [partner], 0, rows, malformed)
            places += [(block, number, part) for part in range(len(rows) - len(places))]
            aside += [(block, number, line) for line in malformed]
            malformed.clear()
        if rows:
            csv = pa.array([csv_line(row) for row in rows], pa.string())
            yield from job.placed(to_table(rows).append_column("csv", csv), places)
    yield from job.rest_batches(_STAGED, maker.finish().as_dict(), aside)


def _partner(line: bytes, candidates: list | None):
    """The ClinVar line of each ALT: the one that the annotated line repeats, else that at its site, else the first."""
    alts = line.split(b"\t", 5)[4].count(b",") + 1 if line.count(b"\t") >= 5 else 1
    chosen = []
    for found in candidates or []:
        lines = [candidate["line"] for candidate in found or []]
        if alts == 1 and any(begins(line, other) for other in lines):
            return OWN
        site = line.split(b"\t", 2)[:2]
        chosen.append(
            next((other for other in lines if other.split(b"\t", 2)[:2] == site), lines[0] if lines else None)
        )
    if len(chosen) == 1:
        chosen *= alts
    return chosen if any(other is not None for other in chosen) else None


def _unannotated(lines: DataFrame, known: DataFrame) -> dict:
    """How many ClinVar records there are, and how many no annotated record belongs to."""
    records = known.where("key is not null").select("block", "number").distinct().count()
    at = F.explode(F.flatten(F.transform("candidates", lambda found: F.slice(found, 1, 1))))
    matched = lines.select(at.alias("one")).select("one.at").distinct().count()
    malformed = known.where("malformed is not null").count()
    return {"clinvar_records": records, "unannotated": records - matched, "clinvar_quarantined": malformed}


def _inputs(clinvar: str | None, annotated: str | None) -> tuple[list[dict], list[str]]:
    """What the report says of the input files."""
    facts, warnings, vcfs = [], [], []
    for role, path in (("clinvar", clinvar), ("annotated", annotated)):
        if path is not None:
            with Vcf(path) as vcf:
                facts.append({"role": role, **vcf.facts()})
                warnings += vcf.warnings
                vcfs.append(vcf)
    return facts, warnings + (reference_warning(*vcfs) if len(vcfs) == 2 else [])
