"""The training set on Spark: Spark reads, joins, sorts and writes; each record becomes rows as on one machine."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Iterator
from contextlib import ExitStack
from functools import partial

import pyarrow as pa
from pyspark import StorageLevel
from pyspark.sql import DataFrame, SparkSession, Window
from pyspark.sql import functions as F

from genomicslearning import InputError
from genomicslearning.clinvar import LABELS
from genomicslearning.io import lake
from genomicslearning.io.accounting import Account, Stopwatch, check_malformed
from genomicslearning.io.text import write_json
from genomicslearning.io.vcf import Vcf, check_no_header, problem
from genomicslearning.spark import job
from genomicslearning.spark.lines import data_lines, read_lines
from genomicslearning.training_set import transcripts
from genomicslearning.training_set.build import check_arguments, reference_warning
from genomicslearning.training_set.frequencies import of_files
from genomicslearning.training_set.matching import (
    Known,
    check_assemblies,
    choose,
    clinvar_keys,
    essence,
    kept_marks,
    partner,
    wanted,
)
from genomicslearning.training_set.row_writer import csv_line, to_table
from genomicslearning.training_set.rows import RowMaker
from genomicslearning.training_set.table import COLUMNS, SITE_COLUMNS
from genomicslearning.training_set.usual import SELF_CLASSIFIED

_KEPT = kept_marks(LABELS)
# ClinVar's records under each of their keys; or a line that is none, and why.
_KNOWN = "key binary, block long, number long, line binary, malformed binary, why string"
# Annotated lines: `own`, whether their classification is their own; else ClinVar's line of each ALT, if any is known;
# and the places of those lines.
_MATCHED = "block long, number long, line binary, own boolean, partners array<binary>, at array<array<long>>"
_MATCHED_SCHEMA = pa.schema(
    [
        ("block", pa.int64()),
        ("number", pa.int64()),
        ("line", pa.binary()),
        ("own", pa.bool_()),
        ("partners", pa.list_(pa.binary())),
        ("at", pa.list_(pa.list_(pa.int64()))),
    ]
)


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
    check_arguments(clinvar, annotated, pick)
    read = [path for path in (clinvar, annotated) if path is not None]
    parquet, beside = _outputs(session, out, read)
    watch = Stopwatch(progress, "training-set on Spark")
    vcfs = _headers(clinvar, annotated)
    same_assembly = check_assemblies(*vcfs)
    layout = transcripts.layout(vcfs[-1], csq_key) if annotated is not None else None
    maker = _row_maker(vcfs, layout, pick=pick, strict=strict)
    with ExitStack() as stack:
        lines, known = _records(session, read, vcfs, same_assembly, stack, progress)
        staged = job.staged(lines, partial(_rows, maker), _staged(maker))
        stack.callback(job.remove, session, staged.folder)
        rows = _first_of_repeated(staged.rows).persist(StorageLevel.DISK_ONLY)
        stack.callback(rows.unpersist)
        account = _account(staged, rows)
        account.check(read[-1], layout.key if layout else None)
        report, aside = _described(account, maker, clinvar, annotated), staged.aside
        if known is not None:
            report |= _unannotated(lines, known, vcfs[0].path)
            report["warnings"] += reference_warning(*vcfs)
            aside = aside + _malformed(known)
        job.write_parquet(rows, maker.schema.names, parquet)
        with lake.output(*beside, inputs=read) as [quarantine, report_part]:
            if aside:
                quarantine.write_bytes("\n".join(vcfs[-1].header).encode() + b"\n" + b"\n".join(aside) + b"\n")
            report |= {"engine": f"Spark {session.version}", "rule": pick, **watch.cost()}
            write_json(report, report_part)
        job.write_text(rows, "csv", ",".join(COLUMNS), out)
    return report


def _outputs(session: SparkSession, out: str, read: list[str]) -> tuple[str, tuple[str, str]]:
    """The parquet folder, and quarantine and report, that come beside the CSV; none of them is an input."""
    if not str(out).endswith(".csv"):
        raise InputError(f"{out}: the output is a CSV with a parquet folder beside it, name it ….csv")
    parquet = f"{out.removesuffix('.csv')}.parquet"
    beside = (f"{out}.quarantine.vcf", f"{out}.report.json")
    job.check_outputs(session, [*beside, out], parquet, read)
    return parquet, beside


def _row_maker(vcfs: list, layout: transcripts.Layout | None, *, pick: str, strict: bool) -> RowMaker:
    """What makes rows of the last file's records, with VEP's blocks where there is a layout of them."""
    vcf, frequencies = vcfs[-1], of_files(layout.fields if layout else (), *vcfs)
    return RowMaker(
        path=vcf.path, columns=vcf.columns, layout=layout, pick=pick, strict=strict, frequencies=frequencies
    )


def _described(account, maker: RowMaker, clinvar: str | None, annotated: str | None) -> dict:
    """The report's part that both files have: counts, inputs, warnings."""
    inputs, said = _inputs(clinvar, annotated)
    warnings = [*said[-1], *maker.warnings(), *account.warnings(), *(said[0] if len(said) > 1 else ())]
    return account.report() | {"frequencies": maker.frequencies(account), "inputs": inputs, "warnings": warnings}


def _records(
    session: SparkSession,
    paths: list[str],
    vcfs: list[Vcf],
    same_assembly: bool,
    stack: ExitStack,
    progress: Callable[[str], None] | None,
) -> tuple[DataFrame, DataFrame | None]:
    """The last file's records, each with its partners in ClinVar's file where there are two; what ClinVar's holds."""
    lines = data_lines(read_lines(session, paths[-1], progress), len(vcfs[-1].header))
    if len(vcfs) == 1:
        return lines.selectExpr("block", "number", "line", "true as own", "null as partners", "null as at"), None
    theirs = data_lines(read_lines(session, paths[0], progress), len(vcfs[0].header))
    known = _known(theirs, vcfs[0], same_assembly).persist(StorageLevel.DISK_ONLY)
    stack.callback(known.unpersist)
    lines = _matched(lines, known, same_assembly).persist(StorageLevel.DISK_ONLY)
    stack.callback(lines.unpersist)
    return lines, known


def _malformed(known: DataFrame) -> list[bytes]:
    """The lines of ClinVar's file that are no records, in its order."""
    lines = known.where("malformed is not null").orderBy("block", "number")
    return [bytes(row[0]) for row in lines.select("malformed").collect()]


def _headers(*paths: str | None) -> list[Vcf]:
    """The files that are given, of which only the headers are read here; closed again."""
    found = []
    for path in paths:
        if path is not None:
            with Vcf(path) as vcf:
                vcf.assemblies()  # looks at the first records, while the file is open
                found.append(vcf)
    return found


def _known(lines: DataFrame, vcf: Vcf, same_assembly: bool) -> DataFrame:
    """ClinVar's records under each of their keys, and its lines that are no records."""
    return lines.mapInArrow(partial(_clinvar_keys, vcf.path, vcf.columns, same_assembly), _KNOWN)


def _clinvar_keys(
    path: str, columns: int, same_assembly: bool, batches: Iterable[pa.RecordBatch]
) -> Iterator[pa.RecordBatch]:
    names = ("key", "block", "number", "line", "malformed", "why")
    types = (pa.binary(), pa.int64(), pa.int64(), pa.binary(), pa.binary(), pa.string())
    schema = pa.schema(list(zip(names, types, strict=True)))
    for batch in batches:
        found: list[tuple] = []
        for block, number, line in job.cells(batch, "block", "number", "line"):
            line = line.removesuffix(b"\r")
            if not line.strip():
                continue
            check_no_header(line, path)
            if why := problem(line, columns):
                found.append((None, block, number, None, line, why))
                continue
            kept = essence(line, _KEPT)
            keys = dict.fromkeys(clinvar_keys(line, same_assembly=same_assembly))
            found += [(key, block, number, kept, None, None) for key in keys]
        yield from job.batch_of(found, schema)


def _matched(lines: DataFrame, known: DataFrame, same_assembly: bool) -> DataFrame:
    """Annotated lines with the ClinVar line of each of their ALTs."""
    # Whole lines of the file: kept on disk, since a task's memory may be no more than Spark's default of 1 GB.
    keyed = lines.mapInArrow(
        partial(_annotated_keys, same_assembly), "block long, number long, line binary, keys array<binary>"
    ).persist(StorageLevel.DISK_ONLY)
    by_key = (
        known.where("key is not null")
        .groupBy("key")
        .agg(F.collect_list(F.struct(F.array("block", "number").alias("at"), "line")).alias("found"))
    )
    # Nearly every record has one key; only the others need to be put together again.
    single = keyed.where("size(keys) <= 1").withColumn("key", F.expr("get(keys, 0)"))
    single = single.join(by_key, "key", "left").select("block", "number", "line", F.array("found").alias("found"))
    several = keyed.where("size(keys) > 1").select("block", "number", "line", F.explode("keys").alias("key"))
    several = (
        several.join(by_key, "key", "left")
        .groupBy("block", "number")
        .agg(F.first("line").alias("line"), F.collect_list("found").alias("found"))
        .select("block", "number", "line", "found")
    )
    return single.unionByName(several).mapInArrow(partial(_chosen, same_assembly), _MATCHED)


def _annotated_keys(same_assembly: bool, batches: Iterable[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
    schema = pa.schema(
        [("block", pa.int64()), ("number", pa.int64()), ("line", pa.binary()), ("keys", pa.list_(pa.binary()))]
    )
    for batch in batches:
        found = []
        for block, number, line in job.cells(batch, "block", "number", "line"):
            line = line.removesuffix(b"\r")
            keys = [key for want in wanted(line, same_assembly=same_assembly) for key in want.keys()]
            found.append((block, number, line, list(dict.fromkeys(keys))))
        yield from job.batch_of(found, schema)


def _chosen(same_assembly: bool, batches: Iterable[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
    """The ClinVar line of each ALT, out of those with one of its keys."""
    for batch in batches:
        made = []
        for block, number, line, found in job.cells(batch, "block", "number", "line", "found"):
            candidates = {tuple(one["at"]): one["line"] for several in found or () for one in several or ()}
            places = sorted(candidates)
            known = [Known(rank, candidates[place]) for rank, place in enumerate(places)]
            chosen = [choose(want, known, line) for want in wanted(line, same_assembly=same_assembly)]
            found_partner = partner(line, chosen, _KEPT)
            own = found_partner is SELF_CLASSIFIED
            at = [list(places[one.number]) for one in chosen if one]
            made.append((block, number, line, own, None if own else found_partner, at))
        yield from job.batch_of(made, _MATCHED_SCHEMA)


def _rows(maker: RowMaker, batches: Iterable[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
    """Staged rows of annotated lines, with the account of the task at the end."""
    malformed: list[bytes] = []
    aside: list[tuple[int, int, bytes]] = []
    for batch in batches:
        rows: list[bytes] = []
        places: list[tuple[int, int, int]] = []
        for block, number, line, own, partners in job.cells(batch, "block", "number", "line", "own", "partners"):
            line = line.removesuffix(b"\r")
            maker.make([line], [SELF_CLASSIFIED if own else partners], 0, rows, malformed)
            places += [(block, number, part) for part in range(len(rows) - len(places))]
            aside += [(block, number, line) for line in malformed]
            malformed.clear()
        if rows:
            csv = pa.array([csv_line(row) for row in rows], pa.string())
            kinds = [
                json.dumps(kind._asdict() | {"conflict": kind.conflict.decode()}) for kind in maker.ledger.take_kinds()
            ]
            table = (
                to_table(rows, maker.schema)
                .append_column("csv", csv)
                .append_column("kind", pa.array(kinds, pa.string()))
            )
            yield from job.placed(table, places)
    yield from job.rest_batches(_staged(maker), maker.finish().as_dict(), aside)


def _staged(maker: RowMaker) -> pa.Schema:
    """Rows as they are staged: with their line of the CSV, and what a report counts of them."""
    return pa.schema([*maker.schema, pa.field("csv", pa.string()), pa.field("kind", pa.string())])


def _first_of_repeated(rows: DataFrame) -> DataFrame:
    """The rows without those that repeat an earlier one: its 46 cells and its ID."""
    cells = Window.partitionBy("csv", "VARIATION_ID").orderBy(*job.PLACE)
    return rows.withColumn("_time", F.row_number().over(cells)).where("_time = 1").drop("_time")


def _account(staged: job.Staged, rows: DataFrame) -> Account:
    """What became of every record: what the tasks counted, and the rows that are kept."""
    account = Account()
    for part in staged.accounts:
        account.merge(part)
    for text, count in rows.groupBy("kind").count().collect():
        kind = json.loads(text)
        account.count_rows(kind | {"conflict": kind["conflict"].encode()}, count)
    variants = rows.select(*SITE_COLUMNS).distinct().count()
    records = [frame.select("_block", "_number").distinct().count() for frame in (staged.rows, rows)]
    account.count_repeated(account.rows - variants, records[0] - records[1])
    return account


def _unannotated(lines: DataFrame, known: DataFrame, path: str) -> dict:
    """How many ClinVar records there are, and how many no annotated record belongs to."""
    records = known.where("key is not null").select("block", "number").distinct().count()
    matched = lines.select(F.explode("at").alias("at")).distinct().count()
    malformed = known.where("malformed is not null")
    count = malformed.count()
    first = malformed.orderBy("block", "number").select("why").first()
    check_malformed(path, records + count, count, f"{path}: {first[0]}" if first else None)
    return {"clinvar_records": records, "unannotated": records - matched, "clinvar_quarantined": count}


def _inputs(clinvar: str | None, annotated: str | None) -> tuple[list[dict], list[list[str]]]:
    """What the report says of the input files, and what is odd about each."""
    facts, warnings = [], []
    for role, path in (("clinvar", clinvar), ("annotated", annotated)):
        if path is not None:
            with Vcf(path) as vcf:
                facts.append({"role": role, **vcf.facts()})
                warnings.append(vcf.warnings)
    return facts, warnings
