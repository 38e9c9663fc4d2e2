"""The pipeline's build in a clean folder, and the files that distributors publish."""

from __future__ import annotations

import subprocess
import sys
import zipfile

import pytest
from conftest import REGION, ROOT

from genomicslearning import InputError
from genomicslearning.deploy import dist

pytestmark = pytest.mark.usefixtures("no_network")


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
