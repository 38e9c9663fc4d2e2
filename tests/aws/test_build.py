"""The pipeline's build in a clean folder, and the files that distributors publish."""

from __future__ import annotations

import json
import subprocess
import sys
import time
import zipfile

import policies
import pytest
from conftest import REGION, ROOT
from rights_asked import of_role

from genomicslearning import InputError, deploy
from genomicslearning.deploy import codecommit as source
from genomicslearning.deploy import dist


@pytest.fixture(scope="module", autouse=True)
def no_network(account):
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PIP_NO_INDEX", "1")
        patch.setenv("PIP_FIND_LINKS", str(account.folder / "wheels"))
        yield


def test_a_push_starts_the_pipeline_which_tests_builds_and_creates_the_code_stack(account, source_tree, tmp_path):
    """Source, Build (the buildspec in a clean folder) and CreateStack, as pipe.yml defines them."""
    settings = deploy.Settings(project="Built", region=REGION)
    before = deploy.deploy(account.session(), settings, source_folder=source_tree, progress=print)
    client, pipelines = account.client("cloudformation"), account.client("codepipeline")
    deploy.stacks.delete(account.session().client("cloudformation"), "BuiltCode", progress=print)
    # The whole suite has this test in it.
    narrowed = {"TESTS": "tests/aws/test_templates.py::test_buckets_are_hardened"}
    (account.folder / "pipelines.json").write_text(json.dumps({"built-pipeline": narrowed}))

    files = source.source_files(source_tree) | {"README.md": b"# Changed\n"}
    assert source.commit(account.session().client("codecommit"), "built-code", "main", files, "Changed", print)
    deadline = time.monotonic() + 300
    while (run := last_run(pipelines))["status"] == "InProgress" and time.monotonic() < deadline:
        time.sleep(0.5)
    assert run["status"] == "Succeeded", run.get("statusSummary")
    assert "1 passed" in (account.folder / "built-build.log").read_text()
    assert deploy.stacks.describe(client, "BuiltCode")["StackStatus"] == "CREATE_COMPLETE"
    after = deploy.stacks.outputs(client, "BuiltCode")
    assert after["Version"] != before["Version"] and after | {"Version": ""} == before | {"Version": ""}
    job = account.client("glue").get_job(JobName=after["TrainingSetJob"])["Job"]
    script = f"{after['Version']}/glue/create_training_set.py"
    assert job["Command"]["ScriptLocation"].endswith(f"/{script}")
    account.client("s3").head_object(Bucket=deploy.stacks.outputs(client, "BuiltPipe")["ResourcesBucket"], Key=script)

    # Each role did its part, and nothing that it may not.
    calls = [json.loads(line) for line in (account.folder / "calls.jsonl").read_text().splitlines()]
    for role, least in (
        ("source-event", "codepipeline:StartPipelineExecution"),
        ("codepipeline", "codecommit:GetBranch s3:PutObject s3:GetObject cloudformation:CreateStack iam:PassRole"),
        ("codebuild", "s3:PutObject"),
    ):
        name, iam = f"built-{role}-{REGION}", account.client("iam")
        asked = of_role(calls, name)
        assert {action for action, _, _ in asked} >= set(least.split()), role
        rights = policies.role_policies(iam, name), policies.boundary(iam, name)
        assert [one for one in asked if not policies.decide(*rights, *one[:2], json.loads(one[2]))] == [], role
    (account.folder / "pipelines.json").unlink()
    assert deploy.teardown(account.session(), settings, print) == []


def last_run(pipelines) -> dict:
    listed = pipelines.list_pipeline_executions(pipelineName="built-pipeline")["pipelineExecutionSummaries"]
    name = {"pipelineName": "built-pipeline", "pipelineExecutionId": listed[0]["pipelineExecutionId"]}
    return pipelines.get_pipeline_execution(**name)["pipelineExecution"]


def test_dist_is_what_the_setup_stack_reads(account, source_tree, tmp_path):
    dist.build(source_tree, tmp_path, bucket="solutions-of-ours", version="1.2.3")
    template = (tmp_path / "global-s3-assets/genomicslearning.template").read_text()
    assert "Default: solutions-of-ours" in template and "Default: genomicslearning/1.2.3" in template
    run = (
        [str(ROOT / ".venv/bin/cfn-lint")] if (ROOT / ".venv/bin/cfn-lint").exists() else [f"{sys.prefix}/bin/cfn-lint"]
    )
    subprocess.run([*run, "--template", str(tmp_path / "global-s3-assets/genomicslearning.template")], check=True)
    names = zipfile.ZipFile(tmp_path / "regional-s3-assets/source.zip").namelist()
    assert {
        "pyproject.toml",
        "cloudformation/setup_buildspec.yml",
        "requirements/aws.txt",
        "glue/create_training_set.py",
    } <= set(names)
    assert zipfile.ZipFile(tmp_path / "regional-s3-assets/setup_function.zip").namelist() == ["setup_function.py"]

    s3 = account.client("s3")
    for name in ("solutions-of-ours", f"solutions-of-ours-{REGION}"):
        s3.create_bucket(Bucket=name, CreateBucketConfiguration={"LocationConstraint": REGION})
    addresses = dist.publish(account.session(), tmp_path, bucket="solutions-of-ours", version="1.2.3", regions=[REGION])
    assert "s3://solutions-of-ours/genomicslearning/1.2.3/genomicslearning.template" in addresses
    for name in ("setup_function.zip", "source.zip"):  # what setup.yml names
        s3.head_object(Bucket=f"solutions-of-ours-{REGION}", Key=f"genomicslearning/1.2.3/{name}")


def test_dist_is_the_same_bytes_each_time(source_tree, tmp_path):
    for folder in ("one", "two"):
        dist.build(source_tree, tmp_path / folder, bucket="ours", version="1")
    for path in (tmp_path / "one").rglob("*.*"):
        assert path.read_bytes() == (tmp_path / "two" / path.relative_to(tmp_path / "one")).read_bytes()


def test_dist_refuses_a_checkout_with_changes(tmp_path):
    (tmp_path / "changed").write_text("x")
    subprocess.run(["git", "init", "--quiet", str(tmp_path)], check=True)
    with pytest.raises(InputError, match="in no commit"):
        dist.build(tmp_path, tmp_path / "dist", bucket="ours", version="1")
    with pytest.raises(InputError, match="DIST_BUCKET="):
        dist.build(tmp_path, tmp_path / "dist", bucket="", version="1")
    with pytest.raises(InputError, match="VERSION="):
        dist.build(tmp_path, tmp_path / "dist", bucket="ours", version="")


def test_make_names_both_targets():
    text = (ROOT / "Makefile").read_text()
    assert "deploy.dist" in text and "\ndist:" in text and "\npublish:" in text
