"""VCF and TSV to parquet on Spark: the conversions of one machine, record by record, in parallel."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Iterator
from functools import partial

import pyarrow as pa
from pyspark.sql import DataFrame, SparkSession
from pyspark.sql import functions as F

from genomicslearning import InputError
from genomicslearning.io import lake
from genomicslearning.io.accounting import MALFORMED_RECORDS, MALFORMED_SHARE, Stopwatch
from genomicslearning.io.text import write_json
from genomicslearning.io.vcf import Vcf, check_columns
from genomicslearning.parquet.tsv import Candidates, Tsv, misfit, text_table
from genomicslearning.parquet.vcf import Converter
from genomicslearning.spark import job
from genomicslearning.spark.lines import read_lines


def vcf_to_parquet(
    session: SparkSession, source: str, out: str, *, text: bool = False, progress: Callable[[str], None] | None = None
) -> dict:
    """Convert a VCF to a folder of parquet files, as `parquet.vcf.vcf_to_parquet` does to one."""
    watch = Stopwatch(progress, "vcf-to-parquet on Spark")
    lines = read_lines(session, source, progress)
    lines = lines.where(~F.col("line").startswith(F.lit(b"#")))
    undeclared: dict[str, bool] = {}
    while True:
        with Vcf(source) as vcf:
            converter = Converter(vcf, text=text, undeclared=undeclared)
            facts = {"undeclared_keys": sorted(undeclared), "inputs": [vcf.facts()], "warnings": vcf.warnings}
        staged = job.staged(lines, partial(_vcf_rows, converter, vcf.columns), converter.schema)
        for part in staged[1]:
            converter.meet(part.pop("undeclared"))
        if not converter.asks_for_columns:
            break
        job.remove(session, staged[-1])
        undeclared = converter.undeclared
    header = "\n".join(vcf.header).encode()
    return _convert(staged, converter.schema, source, out, ("vcf", header), facts, watch)


def tsv_to_parquet(
    session: SparkSession, source: str, out: str, *, text: bool = False, progress: Callable[[str], None] | None = None
) -> dict:
    """Convert a tab-delimited table to a folder of parquet files, as `tsv_parquet.tsv_to_parquet` does to one."""
    watch = Stopwatch(progress, "tsv-to-parquet on Spark")
    with Tsv(source) as tsv:
        names, header = tsv.names, tsv.header
        facts = {"inputs": [tsv.facts()], "warnings": tsv.warnings}
    lines = read_lines(session, source, progress)
    types = dict.fromkeys(names, pa.string())
    if not text:
        candidates = Candidates(names)
        for row in lines.mapInArrow(partial(_tsv_candidates, names, header), "found string").collect():
            candidates.narrow(json.loads(row[0]))
        types = candidates.types()
    schema = pa.schema(list(types.items()))
    facts["columns"] = {name: str(kind) for name, kind in types.items()}
    staged = job.staged(lines, partial(_tsv_rows, names, header, schema), schema)
    return _convert(staged, schema, source, out, ("tsv", header), facts, watch)


def _convert(
    staged: tuple[DataFrame, list[dict], list[bytes], str],
    schema: pa.Schema,
    source: str,
    out: str,
    kind: tuple[str, bytes],
    facts: dict,
    watch: Stopwatch,
) -> dict:
    extension, header = kind
    rows, parts, aside, folder = staged
    session = rows.sparkSession
    try:
        counts = {name: sum(part[name] for part in parts) for name in parts[0]} if parts else {}
        read = counts.pop("read", 0)
        if len(aside) > MALFORMED_RECORDS and len(aside) > MALFORMED_SHARE * read:
            raise InputError(f"{source}: {len(aside):,} of {read:,} records are malformed, more than 0.1 %")
        report = {
            "records_read": read,
            "records_written": read - len(aside),
            "rows_written": read - len(aside),
            "dropped": {},
            "quarantined": len(aside),
            **counts,
            **facts,
            "engine": f"Spark {session.version}",
            **watch.cost(),
        }
        with lake.output(f"{out}.quarantine.{extension}", f"{out}.report.json") as [quarantine, report_part]:
            if aside:
                quarantine.write_bytes(b"\n".join([header, *aside]) + b"\n")
            write_json(report, report_part)
        job.write_parquet(rows, schema.names, out)
    finally:
        job.remove(session, folder)
    return report


def _vcf_rows(converter: Converter, columns: int, batches: Iterable[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
    read = 0
    aside: list[tuple[int, int, bytes]] = []
    for batch in batches:
        found = [
            (block, number, line.removesuffix(b"\r"))
            for block, number, line in job.cells(batch, "block", "number", "line")
        ]
        if not found:
            continue
        table, bad = converter.convert(b"".join(line + b"\n" for _, _, line in found))
        places = [(block, number, 0) for place, (block, number, _) in enumerate(found) if place not in bad]
        read += len(places)
        for place, line in sorted(bad.items()):
            if line.strip():
                read += 1
                check_columns(line, columns, converter.path)
                aside.append((*found[place][:2], line))
        if places:
            yield from job.placed(table, places)
    account = {
        "read": read,
        "repeated_keys": converter.repeated,
        "untyped_values": converter.untyped,
        "undeclared": converter.undeclared,
    }
    yield from job.rest_batches(converter.schema, account, aside)


def _fitting(names: list[str], header: bytes, batch: pa.RecordBatch) -> Iterator[tuple[int, int, bytes, bool]]:
    """Rows of a batch, without the header, and whether each fits it."""
    tabs = len(names) - 1
    for block, number, line in job.cells(batch, "block", "number", "line"):
        line = line.removesuffix(b"\r")
        first = block == 0 and line.removeprefix(b"\xef\xbb\xbf") == header
        if not first and (line or not tabs):
            yield block, number, line, misfit(line, tabs) is None


def _tsv_candidates(names: list[str], header: bytes, batches: Iterable[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
    candidates = Candidates(names)
    for batch in batches:
        candidates.see(text_table(names, [line for _, _, line, fits in _fitting(names, header, batch) if fits]))
    yield pa.RecordBatch.from_pylist([{"found": json.dumps(candidates.as_dict())}])


def _tsv_rows(
    names: list[str], header: bytes, schema: pa.Schema, batches: Iterable[pa.RecordBatch]
) -> Iterator[pa.RecordBatch]:
    read = 0
    aside: list[tuple[int, int, bytes]] = []
    for batch in batches:
        rows: list[bytes] = []
        places: list[tuple[int, int, int]] = []
        for block, number, line, fits in _fitting(names, header, batch):
            read += 1
            if fits:
                rows.append(line)
                places.append((block, number, 0))
            else:
                aside.append((block, number, line))
        if rows:
            yield from job.placed(text_table(names, rows).cast(schema), places)
    yield from job.rest_batches(schema, {"read": read}, aside)
