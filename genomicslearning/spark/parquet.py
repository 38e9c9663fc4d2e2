"""VCF and TSV to parquet on Spark: the conversions of one machine, record by record, in parallel."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Iterator
from functools import partial

import pyarrow as pa
from pyspark.sql import SparkSession

from genomicslearning.io import lake
from genomicslearning.io.accounting import Stopwatch, check_malformed
from genomicslearning.io.text import write_json
from genomicslearning.io.vcf import Vcf, check_no_header, problem
from genomicslearning.parquet.columns import PADDING
from genomicslearning.parquet.converter import Converter
from genomicslearning.parquet.tsv import Candidates, Tsv, misfit, text_table
from genomicslearning.parquet.vcf import counts_of
from genomicslearning.spark import job
from genomicslearning.spark.lines import data_lines, read_lines


def vcf_to_parquet(
    session: SparkSession,
    source: str,
    out: str,
    *,
    text: bool = False,
    csq_key: str | None = None,
    progress: Callable[[str], None] | None = None,
) -> dict:
    """Convert a VCF to a folder of parquet files, as `parquet.vcf.vcf_to_parquet` does to one."""
    job.check_outputs(session, _beside(out, "vcf"), out, [source])
    watch = Stopwatch(progress, "vcf-to-parquet on Spark")
    undeclared: dict[str, bool] = {}
    while True:
        with Vcf(source) as vcf:
            converter = Converter(vcf, text=text, csq_key=csq_key, undeclared=undeclared)
            inputs = [vcf.facts()]
        lines = data_lines(read_lines(session, source, progress), len(vcf.header))
        staged = job.staged(lines, partial(_vcf_rows, converter, vcf.columns), converter.schema)
        for part in staged.accounts:
            converter.take(part)
        if not converter.asks_for_columns:
            break
        job.remove(session, staged.folder)
        undeclared = converter.undeclared
    facts = converter.counts() | {
        "undeclared_keys": sorted(undeclared),
        "inputs": inputs,
        "warnings": [*vcf.warnings, *converter.warnings()],
    }
    header = "\n".join(vcf.header).encode()
    return _convert(staged, converter.schema, source, out, ("vcf", header), facts, watch)


def tsv_to_parquet(
    session: SparkSession, source: str, out: str, *, text: bool = False, progress: Callable[[str], None] | None = None
) -> dict:
    """Convert a tab-delimited table to a folder of parquet files, as `parquet.tsv.tsv_to_parquet` does to one."""
    job.check_outputs(session, _beside(out, "tsv"), out, [source])
    watch = Stopwatch(progress, "tsv-to-parquet on Spark")
    with Tsv(source) as tsv:
        names, header = tsv.names, tsv.header
        facts = {"inputs": [tsv.facts()], "warnings": tsv.warnings}
    lines = data_lines(read_lines(session, source, progress), len(tsv.comments) + 1)
    types = dict.fromkeys(names, pa.string())
    if not text:
        candidates = Candidates(names)
        for row in lines.mapInArrow(partial(_tsv_candidates, names), "found string").collect():
            candidates.narrow(json.loads(row[0]))
        types = candidates.types()
    schema = pa.schema(list(types.items()))
    facts["columns"] = {name: str(kind) for name, kind in types.items()}
    staged = job.staged(lines, partial(_tsv_rows, names, schema), schema)
    return _convert(staged, schema, source, out, ("tsv", b"\n".join([*tsv.comments, header])), facts, watch)


def _beside(out: str, extension: str) -> tuple[str, str]:
    """The files beside the folder of parts: what was set aside, the report."""
    return f"{out}.quarantine.{extension}", f"{out}.report.json"


def _convert(
    staged: job.Staged,
    schema: pa.Schema,
    source: str,
    out: str,
    kind: tuple[str, bytes],
    facts: dict,
    watch: Stopwatch,
) -> dict:
    extension, header = kind
    session = staged.rows.sparkSession
    try:
        read = sum(part["read"] for part in staged.accounts)
        first = min(((part["first"], part["why"]) for part in staged.accounts if part["why"]), default=(None, None))
        why = f"{source}: {first[1]}" if first[1] else None
        check_malformed(source, read, len(staged.aside), why, "records" if extension == "vcf" else "rows")
        report = counts_of(read, len(staged.aside)) | facts | {"engine": f"Spark {session.version}", **watch.cost()}
        with lake.output(*_beside(out, extension), inputs=[source]) as [quarantine, report_part]:
            if staged.aside:
                quarantine.write_bytes(b"\n".join([header, *staged.aside]) + b"\n")
            write_json(report, report_part)
        job.write_parquet(staged.rows, schema.names, out)
    finally:
        job.remove(session, staged.folder)
    return report


class _Task:
    """What a task counts: rows, and the lines that are none."""

    def __init__(self) -> None:
        self.read = 0
        self.aside: list[tuple[int, int, bytes]] = []
        self._first: list[int] | None = None
        self._why: str | None = None

    def set_aside(self, block: int, number: int, line: bytes, why: str | None) -> None:
        self.read += 1
        self.aside.append((block, number, line))
        if self._first is None:
            self._first, self._why = [block, number], why

    def account(self) -> dict:
        return {"read": self.read, "first": self._first, "why": self._why}


def _vcf_rows(converter: Converter, columns: int, batches: Iterable[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
    task = _Task()
    for batch in batches:
        found = [
            (block, number, line.removesuffix(b"\r"))
            for block, number, line in job.cells(batch, "block", "number", "line")
        ]
        if not found:
            continue
        table, bad = converter.convert(b"".join(line + b"\n" for _, _, line in found) + PADDING)
        places = [(block, number, 0) for place, (block, number, _) in enumerate(found) if place not in bad]
        task.read += len(places)
        for place, line in sorted(bad.items()):
            if line.strip():
                check_no_header(line, converter.path)
                task.set_aside(*found[place][:2], line, problem(line, columns))
        if places:
            yield from job.placed(table, places)
    yield from job.rest_batches(converter.schema, task.account() | converter.given(), task.aside)


def _rows_of(batch: pa.RecordBatch, tabs: int) -> Iterator[tuple[int, int, bytes]]:
    """Rows of a batch with their places."""
    for block, number, line in job.cells(batch, "block", "number", "line"):
        line = line.removesuffix(b"\r")
        if line or not tabs:
            yield block, number, line


def _tsv_candidates(names: list[str], batches: Iterable[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
    candidates = Candidates(names)
    tabs = len(names) - 1
    for batch in batches:
        rows = [line for _, _, line in _rows_of(batch, tabs) if misfit(line, tabs) is None]
        candidates.see(text_table(names, rows))
    yield pa.RecordBatch.from_pylist([{"found": json.dumps(candidates.as_dict())}])


def _tsv_rows(names: list[str], schema: pa.Schema, batches: Iterable[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
    task = _Task()
    tabs = len(names) - 1
    for batch in batches:
        rows: list[bytes] = []
        places: list[tuple[int, int, int]] = []
        for block, number, line in _rows_of(batch, tabs):
            if why := misfit(line, tabs):
                task.set_aside(block, number, line, why)
                continue
            task.read += 1
            rows.append(line)
            places.append((block, number, 0))
        if rows:
            yield from job.placed(text_table(names, rows).cast(schema), places)
    yield from job.rest_batches(schema, task.account(), task.aside)
