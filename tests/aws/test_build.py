"""The pipeline's build in a clean folder, and the files that distributors publish."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import zipfile

import pytest
from conftest import REGION, ROOT
from emulator import buildspec

from genomicslearning import InputError, deploy
from genomicslearning.deploy import dist


@pytest.fixture(scope="module", autouse=True)
def no_network(account):
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PIP_NO_INDEX", "1")
        patch.setenv("PIP_FIND_LINKS", str(account.folder / "wheels"))
        yield


def test_buildspec_runs_in_a_clean_folder_and_the_stack_takes_its_artifacts(account, source_tree, tmp_path):
    """Source, Build and CreateStack as the pipeline does them, one after the other."""
    settings = deploy.Settings(project="Built", region=REGION)
    outputs = deploy.deploy(account.session(), settings, source_folder=source_tree, progress=print)
    client = account.session().client("cloudformation")
    pipe = deploy.stacks.outputs(client, "BuiltPipe")
    variables = account.client("codebuild").batch_get_projects(names=["built-build"])["projects"][0]["environment"]
    variables = {entry["name"]: entry["value"] for entry in variables["environmentVariables"]}
    assert json.loads(variables["CODE_PARAMETERS"]) == json.loads(pipe["CodeParameters"])

    tree = tmp_path / "source"
    shutil.copytree(source_tree, tree)
    environment = buildspec.clean_environment(tmp_path / "environment")
    plain = {key: value for key, value in os.environ.items() if not key.startswith("AWS_")}
    narrowed = {
        "TESTS": "tests/aws/test_templates.py::test_buckets_are_hardened"
    }  # the whole suite would call this test
    everything = plain | account.environment(f"built-codebuild-{REGION}") | variables | narrowed
    log = tmp_path / "build.log"
    failed = buildspec.run(
        tree / "cloudformation/buildspec.yml", tree, buildspec.with_environment(everything, environment), log
    )
    assert failed is None, log.read_text()[-3000:]
    assert "1 passed" in log.read_text()

    configuration = json.loads((tree / "build/aws/configuration.json").read_text())
    assert configuration["Parameters"]["Version"] == outputs["Version"]  # built again, byte for byte
    template = (tree / "build/aws/code.yml").read_text()
    said = []
    again = deploy.stacks.create_or_update(
        client,
        "BuiltCode",
        template,
        configuration["Parameters"],
        role_arn=pipe["CloudFormationRoleArn"],
        progress=said.append,
    )
    assert again == outputs and said == ["BuiltCode: nothing to change"]
    assert deploy.teardown(account.session(), settings, print) == []


def test_dist_is_what_the_setup_stack_reads(account, source_tree, tmp_path):
    dist.build(source_tree, tmp_path, bucket="solutions-of-ours", version="1.2.3")
    template = (tmp_path / "global-s3-assets/genomicslearning.template").read_text()
    assert "Default: solutions-of-ours" in template and "Default: genomicslearning/1.2.3" in template
    run = (
        [str(ROOT / ".venv/bin/cfn-lint")]
        if (ROOT / ".venv/bin/cfn-lint").exists()
        else [f"{sys.prefix}/bin/cfn-lint"]
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
    addresses = dist.publish(
        account.session(), tmp_path, bucket="solutions-of-ours", version="1.2.3", regions=[REGION]
    )
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
