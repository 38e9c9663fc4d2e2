"""What the setup stack's build runs for each choice, and its right to read the data it is given."""

from __future__ import annotations

import os
import re
import shlex
import subprocess

import policies
import pytest
import yaml
from places import ROOT
from situations import SITUATIONS, Stack

SPEC = yaml.safe_load((ROOT / "cloudformation/setup_buildspec.yml").read_text())
PLAIN = {"REQUEST_TYPE": "Create", "PROJECT": "Lab", "DATA": "", "ANNOTATED_DATA": "", "APPROVAL": "no", "CHECK": "yes",
         "DELIVERY_BOUNDARY": "d", "RUNTIME_BOUNDARY": "r", "NOTEBOOK_INSTANCE_TYPE": "ml.t3", "IDLE_MINUTES": "60",
         "SUBNET": "", "SECURITY_GROUP": "", "KMS_KEY": "", "EMAIL": "", "BUDGET": "50", "CONNECTION": "",
         "GITHUB": ""}  # fmt: skip


def commands(tmp_path, *, failing: str = "", **given: str) -> tuple[int, list[list[str]]]:
    """The exit code, and what the build calls `genomicslearning` with."""
    program, log = tmp_path / "genomicslearning", tmp_path / "calls"
    program.write_text(f'#!/bin/bash\nprintf "%q " "$@" >> {log}; echo >> {log}; [ "$1" != "{failing}" ]\n')
    program.chmod(0o755)
    script = "set -e\n" + "\n".join(SPEC["phases"]["build"]["commands"])
    environment = os.environ | PLAIN | given | {"PATH": f"{tmp_path}:{os.environ['PATH']}"}
    done = subprocess.run(["bash", "-c", script], env=environment)
    return done.returncode, [shlex.split(line) for line in log.read_text().splitlines()]


@pytest.mark.parametrize(
    ("given", "options"),
    [
        ({}, []),
        ({"DATA": "fetch"}, ["--clinvar", "fetch"]),
        ({"DATA": "s3://theirs/a b.vcf.gz"}, ["--clinvar", "s3://theirs/a b.vcf.gz"]),
        (
            {"DATA": "s3://theirs/c.vcf", "ANNOTATED_DATA": "s3://theirs/v.vcf.gz"},
            ["--clinvar", "s3://theirs/c.vcf", "--annotated", "s3://theirs/v.vcf.gz"],
        ),
        ({"DATA": "s3://theirs/table.csv"}, ["--training-set", "s3://theirs/table.csv"]),
        ({"APPROVAL": "yes"}, ["--approval"]),
    ],
)
def test_the_build_deploys_with_the_data_and_checks_before_it_succeeds(tmp_path, given, options):
    code, called = commands(tmp_path, **given)
    assert code == 0
    assert [one[0] for one in called] == ["deploy", "status"]
    start = called[0].index(".") + 1
    assert called[0][start : start + len(options)] == options
    assert called[1] == ["status", "--project", "Lab", "--check"]


def test_a_check_that_fails_fails_the_build(tmp_path):
    code, called = commands(tmp_path, failing="status")
    assert code == 1 and [one[0] for one in called] == ["deploy", "status"]


def test_a_delete_tears_down(tmp_path):
    assert commands(tmp_path, REQUEST_TYPE="Delete") == (0, [["teardown", "--project", "Lab", "--yes"]])


def test_every_option_that_the_build_gives_is_one_of_the_command():
    from typer.main import get_command

    from genomicslearning.cli.app import app

    known = {option for one in get_command(app).commands["deploy"].params for option in one.opts}
    text = "\n".join(SPEC["phases"]["build"]["commands"])
    used = {word.strip('"()') for word in re.findall(r"--[a-z-]+", text)} - {"--yes", "--check"}
    assert used <= known and len(used) > 12


def test_the_build_may_read_the_data_that_the_administrator_names_and_nothing_beside_it():
    stack = Stack("setup", SITUATIONS[0])
    assert stack.parameters["Data"] == "s3://their-data/clinvar.vcf.gz"
    documents = [one["PolicyDocument"] for one in stack.resources["BuildRole"]["Properties"]["Policies"]]
    reads = {key: policies.decide(documents, None, "s3:GetObject", f"arn:aws:s3:::their-data/{key}")
             for key in ("clinvar.vcf.gz", "other.vcf.gz", "clinvar.vcf.gz.tbi")}  # fmt: skip
    assert reads == {"clinvar.vcf.gz": True, "other.vcf.gz": False, "clinvar.vcf.gz.tbi": False}
    assert not policies.decide(documents, None, "s3:PutObject", "arn:aws:s3:::their-data/clinvar.vcf.gz")
    variables = {
        one["Name"] for one in stack.resources["BuildProject"]["Properties"]["Environment"]["EnvironmentVariables"]
    }
    assert variables == PLAIN.keys() - {"REQUEST_TYPE"}
    assert "s3://their-data/clinvar.vcf.gz" in stack.resources["Solution"]["Properties"]["Settings"]
