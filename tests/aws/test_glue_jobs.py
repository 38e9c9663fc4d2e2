"""StartJobRun on the emulated account runs the deployed script with spark-submit, with the template's arguments."""

from __future__ import annotations

import io
import json
import time

import pandas as pd
import pyarrow.parquet as pq
import pytest
from conftest import REGION
from policies import decide
from rights_asked import as_deployed, of_role

from genomicslearning import InputError, deploy
from genomicslearning.aws import account as aws_account
from genomicslearning.aws import glue
from genomicslearning.aws.account import find_account
from genomicslearning.deploy import datalake
from genomicslearning.io import accounting
from genomicslearning.runs import chain
from genomicslearning.runs.folder import STEPS, Run
from genomicslearning.training_set.build import build_training_set
from genomicslearning.training_set.table import SCHEMA, read_table

LAKE = f"glue-datalake-123456789012-{REGION}"


@pytest.fixture(scope="module")
def deployed(account, source_tree, demo_pair):
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PIP_NO_INDEX", "1")
        patch.setenv("PIP_FIND_LINKS", str(account.folder / "wheels"))
        settings = deploy.Settings(project="Glue", region=REGION)
        clinvar, annotated = map(str, demo_pair)
        deploy.deploy(
            account.session(),
            settings,
            source_folder=source_tree,
            clinvar=clinvar,
            annotated=annotated,
            progress=print,
        )
    yield account
    assert deploy.teardown(account.session(), settings, print) == []


def finish(glue, name: str, **arguments) -> dict:
    run = glue.start_job_run(JobName=name, Arguments=arguments)["JobRunId"]
    deadline = time.monotonic() + 300
    while time.monotonic() < deadline:
        described = glue.get_job_run(JobName=name, RunId=run)["JobRun"]
        if described["JobRunState"] in ("SUCCEEDED", "FAILED"):
            return described
        time.sleep(0.5)
    raise TimeoutError(name)


def rows(s3, prefix: str):
    """The parquet folder's files, in name order."""
    keys = sorted(
        e["Key"] for e in s3.list_objects_v2(Bucket=LAKE, Prefix=prefix)["Contents"] if e["Key"].endswith(".parquet")
    )
    return [pq.read_table(io.BytesIO(s3.get_object(Bucket=LAKE, Key=key)["Body"].read())) for key in keys]


@pytest.fixture
def runbook(deployed, monkeypatch):
    """The environment of the notebooks: the role's name is the key's id."""
    for name, value in deployed.environment(actor=f"glue-runbook-{REGION}").items():
        monkeypatch.setenv(name, value)
    monkeypatch.setenv("GENOMICSLEARNING_PROJECT", "Glue")
    monkeypatch.setattr(aws_account, "SLOWEST_POLL_SECONDS", 0.5)
    return deployed


def test_the_data_prep_notebook_runs_the_job_and_shows_what_it_prints(runbook, demo_pair, tmp_path):
    """The lake has the VCFs only; what the job writes is what one machine writes."""
    said = []
    chain.execute(tmp_path, {"backend": "sagemaker"}, steps=STEPS[:1], render=False, progress=said.append)
    text = "\n".join(said)
    assert "started glue-create-training-set, run " in text
    s3 = runbook.client("s3")
    report = json.loads(s3.get_object(Bucket=LAKE, Key=f"{datalake.CSV_KEY}.report.json")["Body"].read())
    assert report["rows_written"] > 1000
    for line in filter(None, accounting.summary(report).splitlines()):
        assert text.count(line) == 1
    clinvar, annotated = demo_pair
    build_training_set(clinvar=clinvar, annotated=annotated, out=tmp_path / "here.csv")
    build_training_set(clinvar=clinvar, annotated=annotated, out=tmp_path / "here.parquet")
    assert s3.get_object(Bucket=LAKE, Key=datalake.CSV_KEY)["Body"].read() == (tmp_path / "here.csv").read_bytes()
    brought = read_table(Run(tmp_path).training_set)
    pd.testing.assert_frame_equal(brought, read_table(tmp_path / "here.parquet"))
    # The folder that the catalog's table reads, in the table's own columns.
    tables = rows(s3, f"{datalake.TRAINING_SET_KEY}.parquet/")
    assert sum(table.num_rows for table in tables) == len(brought)
    described = runbook.client("glue").get_table(DatabaseName="glue", Name="clinvar_conflicting")["Table"]
    assert described["StorageDescriptor"]["Location"] == f"s3://{LAKE}/{datalake.TRAINING_SET_KEY}.parquet/"
    hive = {"string": "string", "large_string": "string", "int64": "bigint", "int8": "tinyint"}
    columns = [(column["Name"], column["Type"]) for column in described["StorageDescriptor"]["Columns"]]
    for table in tables:
        assert [(field.name.lower(), hive[str(field.type)]) for field in table.schema] == columns
    assert len(columns) == len(SCHEMA) == 49


def test_vcf_job_converts_what_deploy_uploaded(deployed):
    run = finish(deployed.client("glue"), "glue-vcf-to-parquet")
    assert run["JobRunState"] == "SUCCEEDED", run.get("ErrorMessage")
    tables = rows(deployed.client("s3"), "annotation/clinvar/parquet/vcf")
    assert sum(table.num_rows for table in tables) > 1000
    assert {"CHROM", "POS", "REF", "ALT"} <= {name.upper() for name in tables[0].column_names}


def test_tsv_job_converts_a_table(deployed):
    s3 = deployed.client("s3")
    s3.put_object(Bucket=LAKE, Key="annotation/clinvar/clinvar.tsv", Body=b"chrom\tpos\tref\n1\t10\tA\n2\t20\tC\n")
    run = finish(deployed.client("glue"), "glue-tsv-to-parquet", **{"--input_key": "annotation/clinvar/clinvar.tsv"})
    assert run["JobRunState"] == "SUCCEEDED", run.get("ErrorMessage")
    tables = rows(s3, "annotation/clinvar/parquet/tsv")
    assert [value for table in tables for value in table.column("chrom").to_pylist()] == [1, 2]


def test_a_failing_job_says_why_and_shows_its_last_lines(runbook):
    said = []
    why = (
        "glue-create-training-set failed: .*nonsense: no transcript rule; .* see /aws-glue/jobs/glue/error, stream jr_"
    )
    with pytest.raises(InputError, match=why):
        glue.build_training_set(find_account(), pick="nonsense", progress=said.append)
    assert any(line.startswith("create_training_set: nonsense: no transcript rule") for line in said)
    assert "ShutdownHookManager" in said[-1]  # the end of Spark's own log
    # What was there before is there still.
    keys = [entry["Key"] for entry in runbook.client("s3").list_objects_v2(Bucket=LAKE)["Contents"]]
    assert datalake.CSV_KEY in keys


@pytest.mark.parametrize(
    ("role", "name", "at_least"),
    [
        ("JobRole", "job", "s3:GetObject s3:PutObject s3:ListBucket logs:CreateLogStream logs:PutLogEvents"),
        ("RunbookRole", "runbook", "glue:StartJobRun logs:DescribeLogStreams logs:GetLogEvents s3:GetObject"),
    ],
    ids=["JobRole", "RunbookRole"],
)
def test_roles_grant_what_the_jobs_and_who_follows_them_did(deployed, role, name, at_least):
    calls = [json.loads(line) for line in (deployed.folder / "calls.jsonl").read_text().splitlines()]
    asked = of_role(calls, f"glue-{name}-{REGION}")
    assert {action for action, _, _ in asked} >= set(at_least.split())
    documents = as_deployed("code", role, "Glue")
    assert [(action, resource) for action, resource, _ in asked if not decide(documents, None, action, resource)] == []
