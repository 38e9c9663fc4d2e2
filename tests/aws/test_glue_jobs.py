"""StartJobRun on the emulated account runs the deployed script with spark-submit, with the template's arguments."""

from __future__ import annotations

import io
import json
import re
import time
from collections.abc import Iterator
from contextlib import contextmanager

import pandas as pd
import pyarrow.parquet as pq
import pytest
from conftest import REGION
from policies import decide
from rights_asked import as_deployed, asked_rights, listed_rights, of_role, recorded_rights

from genomicslearning import InputError
from genomicslearning.aws import account as aws_account
from genomicslearning.aws import glue
from genomicslearning.aws.account import find_account
from genomicslearning.deploy import datalake
from genomicslearning.io import accounting
from genomicslearning.runs import chain
from genomicslearning.runs.folder import STEPS, Run
from genomicslearning.training_set.build import build_training_set
from genomicslearning.training_set.table import SCHEMA, read_table

pytestmark = pytest.mark.slow
LAKE = f"whole-datalake-123456789012-{REGION}"


@pytest.fixture(scope="module")
def deployed(account, whole, demo_pair):
    """The shared deployment, with VCFs in its lake."""
    clinvar, annotated = map(str, demo_pair)
    datalake.fill(account.client("s3"), whole.lake, clinvar=clinvar, annotated=annotated, progress=print)
    return account


def finish(glue, name: str, **arguments) -> dict:
    run = glue.start_job_run(JobName=name, Arguments=arguments)["JobRunId"]
    deadline = time.monotonic() + 1200  # on a machine that many share
    while time.monotonic() < deadline:
        described = glue.get_job_run(JobName=name, RunId=run)["JobRun"]
        if described["JobRunState"] in ("SUCCEEDED", "FAILED"):
            return described
        time.sleep(0.2)
    raise TimeoutError(name)


def rows(s3, prefix: str):
    """The parquet folder's files, in name order."""
    keys = sorted(
        e["Key"] for e in s3.list_objects_v2(Bucket=LAKE, Prefix=prefix)["Contents"] if e["Key"].endswith(".parquet")
    )
    return [pq.read_table(io.BytesIO(s3.get_object(Bucket=LAKE, Key=key)["Body"].read())) for key in keys]


@contextmanager
def as_runbook(account) -> Iterator[None]:
    """The environment of the notebooks: the role's name is the key's id."""
    with pytest.MonkeyPatch.context() as patch:
        for name, value in account.environment(actor=f"whole-runbook-{REGION}").items():
            patch.setenv(name, value)
        patch.setenv("GENOMICSLEARNING_PROJECT", "Whole")
        patch.setattr(aws_account, "SLOWEST_POLL_SECONDS", 0.5)
        yield


@pytest.fixture(scope="module")
def ran(deployed, tmp_path_factory) -> dict:
    """Each job has run once: the training set's for the data_prep notebook, and failing; the others by themselves."""
    folder, said, failing = tmp_path_factory.mktemp("run"), [], []
    with as_runbook(deployed):
        chain.execute(folder, {"backend": "sagemaker"}, steps=STEPS[:1], render=False, progress=said.append)
        with pytest.raises(InputError) as failure:
            glue.build_training_set(find_account(), pick="nonsense", progress=failing.append)
    table = b"chrom\tpos\tref\n1\t10\tA\n2\t20\tC\n"
    deployed.client("s3").put_object(Bucket=LAKE, Key="annotation/clinvar/clinvar.tsv", Body=table)
    jobs = deployed.client("glue")
    return {
        "folder": folder,
        "said": said,
        "failure": str(failure.value),
        "failing": failing,
        "vcf": finish(jobs, "whole-vcf-to-parquet"),
        "tsv": finish(jobs, "whole-tsv-to-parquet", **{"--input_key": "annotation/clinvar/clinvar.tsv"}),
    }


def test_the_data_prep_notebook_runs_the_job_and_shows_what_it_prints(deployed, ran, demo_pair, tmp_path):
    """The lake has the VCFs only; what the job writes is what one machine writes."""
    text = "\n".join(ran["said"])
    assert "started whole-create-training-set, run " in text
    s3 = deployed.client("s3")
    report = json.loads(s3.get_object(Bucket=LAKE, Key=f"{datalake.CSV_KEY}.report.json")["Body"].read())
    assert report["rows_written"] > 1000
    for line in filter(None, accounting.summary(report).splitlines()):
        assert text.count(line) == 1
    clinvar, annotated = demo_pair
    build_training_set(clinvar=clinvar, annotated=annotated, out=tmp_path / "here.csv")
    build_training_set(clinvar=clinvar, annotated=annotated, out=tmp_path / "here.parquet")
    assert s3.get_object(Bucket=LAKE, Key=datalake.CSV_KEY)["Body"].read() == (tmp_path / "here.csv").read_bytes()
    brought = read_table(Run(ran["folder"]).training_set)
    pd.testing.assert_frame_equal(brought, read_table(tmp_path / "here.parquet"))
    # The folder that the catalog's table reads, in the table's own columns.
    tables = rows(s3, f"{datalake.TRAINING_SET_KEY}.parquet/")
    assert sum(table.num_rows for table in tables) == len(brought)
    described = deployed.client("glue").get_table(DatabaseName="whole", Name="clinvar_conflicting")["Table"]
    assert described["StorageDescriptor"]["Location"] == f"s3://{LAKE}/{datalake.TRAINING_SET_KEY}.parquet/"
    hive = {"string": "string", "large_string": "string", "int64": "bigint", "int8": "tinyint"}
    columns = [(column["Name"], column["Type"]) for column in described["StorageDescriptor"]["Columns"]]
    for table in tables:
        assert [(field.name.lower(), hive[str(field.type)]) for field in table.schema] == columns
    assert len(columns) == len(SCHEMA) == 49


def test_vcf_job_converts_what_deploy_uploaded(deployed, ran):
    assert ran["vcf"]["JobRunState"] == "SUCCEEDED", ran["vcf"].get("ErrorMessage")
    tables = rows(deployed.client("s3"), "annotation/clinvar/parquet/vcf")
    assert sum(table.num_rows for table in tables) > 1000
    assert {"CHROM", "POS", "REF", "ALT"} <= {name.upper() for name in tables[0].column_names}


def test_tsv_job_converts_a_table(deployed, ran):
    assert ran["tsv"]["JobRunState"] == "SUCCEEDED", ran["tsv"].get("ErrorMessage")
    tables = rows(deployed.client("s3"), "annotation/clinvar/parquet/tsv")
    assert [value for table in tables for value in table.column("chrom").to_pylist()] == [1, 2]


def test_a_failing_job_says_why_and_shows_its_last_lines(deployed, ran):
    why = "whole-create-training-set failed: .*nonsense: no transcript rule; .* see /aws-glue/jobs/whole/error, stream"
    assert re.search(why, ran["failure"])
    assert any(line.startswith("create_training_set: nonsense: no transcript rule") for line in ran["failing"])
    assert "ShutdownHookManager" in ran["failing"][-1]  # the end of Spark's own log
    # What was there before is there still.
    keys = [entry["Key"] for entry in deployed.client("s3").list_objects_v2(Bucket=LAKE)["Contents"]]
    assert datalake.CSV_KEY in keys


@pytest.mark.parametrize(
    ("role", "name", "at_least"),
    [
        ("JobRole", "job", "s3:GetObject s3:PutObject s3:ListBucket logs:CreateLogStream logs:PutLogEvents"),
        ("RunbookRole", "runbook", "glue:StartJobRun logs:DescribeLogStreams logs:GetLogEvents s3:GetObject"),
    ],
    ids=["JobRole", "RunbookRole"],
)
def test_roles_grant_what_the_jobs_and_who_follows_them_did(deployed, ran, role, name, at_least):
    asked = of_role(deployed.calls(), f"whole-{name}-{REGION}")
    assert {action for action, _, _ in asked} >= set(at_least.split())
    documents = as_deployed("code", role, "Whole")
    assert [(action, resource) for action, resource, _ in asked if not decide(documents, None, action, resource)] == []


def test_the_list_that_the_check_asks_of_is_what_was_recorded(deployed, ran):
    """RunbookRole's doings with jobs, and JobRole's in all three; the rest is in test_rights.py (temporary/, too)."""
    recorded = recorded_rights(deployed.calls())
    assert recorded - asked_rights() == set()
    here = {one for one in listed_rights("job") if "/temporary/" not in one[1]}
    here |= {one for one in listed_rights("runbook") if one[2].startswith(("glue:", "logs:"))}
    assert here - recorded == set()
