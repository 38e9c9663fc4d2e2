"""Lines of a text file in Spark, each with its place."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Iterator
from functools import partial

import pyarrow as pa
from pyspark.sql import DataFrame, SparkSession
from pyspark.sql import functions as F

from genomicslearning import InputError
from genomicslearning.io import bgzf, lake
from genomicslearning.io.lines import LineFile

# A line and where it stands: byte of its block in the file, then its number among the lines of its task.
LINE = "block long, number long, line binary"
# Names by which Hadoop tells a compressed file.
_CODECS = (".gz", ".bz2", ".deflate", ".lz4", ".snappy", ".zst", ".Z")


def read_lines(spark: SparkSession, path: str, progress: Callable[[str], None] | None = None) -> DataFrame:
    """Lines of a text file with their places; bgzip and plain text are read in parallel, plain gzip by one task."""
    if lake.is_stream(path):
        raise InputError(f"{path}: Spark's tasks read a file in parts, which a pipe does not allow; give a file")
    if bgzf.is_bgzf(path):
        parts = bgzf.ranges(path, spark.sparkContext.defaultParallelism * 3)
        frame = spark.createDataFrame(parts, "start long, stop long").repartition(len(parts), "start")
        return frame.mapInArrow(partial(_bgzf_lines, path), LINE)
    if _is_gzip(path) or str(path).endswith(_CODECS):
        # Spark would tell how a file is compressed by its name.
        if progress and _is_gzip(path):
            progress(
                f"{lake.name(path)} is plain gzip, which one task has to read; compressed with bgzip, all of them would"
            )
        return spark.createDataFrame([(str(path),)], "path string").mapInArrow(_whole_file, LINE)
    frame = spark.read.option("lineSep", "\n").text(hadoop_path(path))
    return frame.select(
        F.col("_metadata.file_block_start").alias("block"),
        F.monotonically_increasing_id().alias("number"),
        F.col("value").cast("binary").alias("line"),
    )


def _is_gzip(path: str) -> bool:
    with lake.open_input(path) as file:
        return file.read(2) == b"\x1f\x8b"


def data_lines(lines: DataFrame, header: int) -> DataFrame:
    """The lines of a file without the first `header` ones, and without empty ones."""
    # Lines of the first block are numbered from 0; Spark has its task's number in the upper bits.
    within = F.col("number").bitwiseAND(F.lit((1 << 33) - 1))
    return lines.where(~((F.col("block") == 0) & (within < header)) & (F.length("line") > 0))


def hadoop_path(path: str) -> str:
    """A path as Spark's file systems name it."""
    return str(path) if "://" in str(path) else os.path.abspath(path)


def _bgzf_lines(path: str, batches: Iterable[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
    for batch in batches:
        for part in batch.to_pylist():
            number = 0
            found: list[bytes] = []
            for line in bgzf.lines(path, part["start"], part["stop"]):
                found.append(line)
                if len(found) == 2000:
                    yield _line_batch(part["start"], number, found)
                    number += len(found)
                    found = []
            yield _line_batch(part["start"], number, found)


def _whole_file(batches: Iterable[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
    """The lines of a file that is read from its beginning to its end."""
    for batch in batches:
        for part in batch.to_pylist():
            with LineFile(part["path"]) as file:
                for lines in file.batches():
                    yield _line_batch(0, file.line, lines)


def _line_batch(block: int, number: int, lines: list[bytes]) -> pa.RecordBatch:
    return pa.record_batch(
        [
            pa.array([block] * len(lines), pa.int64()),
            pa.array(range(number, number + len(lines)), pa.int64()),
            pa.array(lines, pa.binary()),
        ],
        names=["block", "number", "line"],
    )
