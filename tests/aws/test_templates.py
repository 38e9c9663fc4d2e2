"""The templates and scripts themselves: linters find nothing, and what no linter looks at."""

from __future__ import annotations

import json
import os
import platform
import re
import subprocess
import sys
import tarfile
from pathlib import Path

import pytest
import yaml
from templates import ROOT, STACKS, Loader, rendered, resources, template

REGIONS = ("us-east-1", "eu-west-1", "ap-southeast-2", "us-gov-west-1")


def policy_tool(name: str) -> str:
    """A program of the environment for policy linters, which has libraries of its own."""
    folder = Path(os.environ.get("GENOMICSLEARNING_POLICY_VENV", ROOT / ".venv-policy"))
    program = folder / "bin" / name
    if not program.exists():
        pytest.skip(
            f"{program} is not there: `make test` sets that environment up, or GENOMICSLEARNING_POLICY_VENV names it"
        )
    return str(program)


def run(*command: str, **more) -> str:
    done = subprocess.run(command, capture_output=True, text=True, cwd=ROOT, **more)
    assert done.returncode == 0, done.stdout[-4000:] + done.stderr[-4000:]
    return done.stdout


def test_cfn_lint_finds_nothing_in_any_region(built):
    program = str(Path(sys.executable).parent / "cfn-lint")
    run(program, *(str(built / f"{name}.yml") for name in STACKS), "--regions", *REGIONS)


def test_checkov_finds_nothing(built):
    command = [
        policy_tool("checkov"),
        "--framework",
        "cloudformation",
        "--skip-download",
        "--output",
        "json",
        "--directory",
    ]
    report = json.loads(run(*command, str(built)))
    assert report["summary"]["failed"] == 0 and report["summary"]["parsing_errors"] == 0
    assert report["summary"]["passed"] > 80
    assert all(check["check_result"]["suppress_comment"] for check in report["results"]["skipped_checks"])


@pytest.fixture(scope="module")
def built(tmp_path_factory):
    """The templates as they are deployed, as files."""
    folder = tmp_path_factory.mktemp("built")
    for name in STACKS:
        (folder / f"{name}.yml").write_text(rendered(name))
    return folder


# What AWS's Control Tower rules find, and why it stays. A finding that is not here fails, and so does one that is gone.
GUARD = {
    ("code", "athena_workgroup_results_encrypted_at_rest_check"): "SSE_S3 or SSE_KMS: the rule reads no Fn::If",
    ("code", "athena_workgroup_results_encrypted_at_rest_kms_check"): "SSE_S3, or the administrator's key: Fn::If",
    ("code", "cloudwatch_log_group_encrypted_check"): "CloudWatch encrypts with its own key; the jobs log counts",
    ("code", "glue_job_security_config_check"): "buckets encrypt what is written, bookmarks are off, logs encrypted",
    ("code", "sagemaker_notebook_no_direct_internet_access_check"): "off in a subnet of the administrator's: Fn::If",
    ("code", "sagemaker_notebook_instance_inside_vpc_check"): "in a subnet where the administrator gives one: Fn::If",
    ("pipe", "cloudwatch_log_group_encrypted_check"): "CloudWatch encrypts with its own key; build logs hold no data",
    ("pipe", "s3_bucket_default_encryption_kms_check"): "AES256 by default, the administrator's key by parameter",
    ("pipe", "s3_bucket_logging_enabled_check"): "the bucket that receives access logs would log itself for ever",
    ("pipe", "s3_event_notifications_enabled_check"): "nothing acts on objects that appear",
    ("pipe", "s3_bucket_policy_ssl_requests_only_check"): "the rule reads no Fn::Sub in Resource; "
    "test_buckets_are_hardened and test_buckets_as_s3_sees_them do",
    ("pipe", "s3_bucket_object_lock_enabled_check"): "locked objects could not be removed with the solution",
    ("setup", "cloudwatch_log_group_encrypted_check"): "CloudWatch encrypts with its own key; request types only",
    ("setup", "iam_managed_policy_no_statements_with_full_access_check"): "a boundary grants nothing, it limits",
    ("setup", "lambda_function_public_access_prohibited_check"): "the rule reads no Fn::GetAtt: SourceArn is one rule",
    ("setup", "lambda_inside_vpc_check"): "it calls CodeBuild and CloudFormation's address, nothing in a network",
    ("zone", "iam_managed_policy_no_statements_with_full_access_check"): "a boundary grants nothing, it limits",
}


def test_cfn_guard_finds_what_is_explained_and_nothing_else(built, tmp_path):
    """With AWS's own rules; program and rules come out of one package, and nothing is downloaded."""
    site = Path(policy_tool("python")).parent.parent / "lib"
    archives = list(site.glob("python*/site-packages/cdklabs/cdk_validator_cfnguard/_jsii/*.tgz"))
    if not archives:
        pytest.skip(f"no cfn-guard below {site}: `make test` installs requirements/policy_tools.txt there")
    system = "macos" if sys.platform == "darwin" else "ubuntu"
    program = f"package/bin/{system}/{'x86_64' if platform.machine() == 'x86_64' else 'aarch64'}/cfn-guard"
    with tarfile.open(archives[0]) as archive:
        wanted = [entry for entry in archive if entry.name == program or entry.name.endswith(".guard")]
        archive.extractall(tmp_path, wanted, filter="data")
    command = [str(tmp_path / program), "validate", "--data", str(built), "--rules", str(tmp_path / "package/rules")]
    options = ["--structured", "--output-format", "json", "--show-summary", "none"]
    done = subprocess.run([*command, *options], capture_output=True, text=True)
    reports = {Path(report["name"]).stem: report for report in json.loads(done.stdout)}
    assert set(reports) == set(STACKS)
    found = {(name, entry["Rule"]["name"]) for name, report in reports.items() for entry in report["not_compliant"]}
    assert found == set(GUARD)
    assert sum(len(report["compliant"]) for report in reports.values()) >= 25


def test_templates_fit_into_a_request(built):
    assert max((built / f"{name}.yml").stat().st_size for name in STACKS) <= 51_200


def test_no_partition_is_hard_coded():
    for name in STACKS:
        text = (ROOT / "cloudformation" / f"{name}.yml").read_text()
        assert "arn:aws:" not in text and "amazonaws.com/" not in text


def test_each_check_that_is_left_out_says_why():
    for name in STACKS:
        for logical_id, resource in template(name)["Resources"].items():
            for skip in resource.get("Metadata", {}).get("checkov", {}).get("skip", []):
                assert len(skip["comment"]) > 30, (name, logical_id, skip)


def test_setup_and_landing_zone_make_the_same_boundaries():
    for kind in ("DeliveryBoundary", "RuntimeBoundary"):
        zone, setup = (template(name)["Resources"][kind]["Properties"] for name in ("zone", "setup"))
        assert json.loads(json.dumps(setup).replace("${Names.Lower}", "${ProjectLower}")) == zone


def test_metrics_are_off_and_have_no_address():
    document = template("setup")
    assert document["Mappings"]["Send"] == {"AnonymousUsage": {"Data": "No", "Address": ""}}
    assert document["Conditions"]["SendMetrics"] == {
        "Equals": [{"FindInMap": ["Send", "AnonymousUsage", "Data"]}, "Yes"]
    }


def test_every_role_that_the_pipeline_makes_is_under_the_boundary():
    roles = {key: role for key, role in resources("AWS::IAM::Role").items() if not key.startswith("setup.")}
    assert set(roles) == {
        "pipe.CloudFormationRole", "pipe.CodeBuildRole", "pipe.CodePipelineRole", "pipe.SourceEventRole",
        "code.JobRole", "code.RunbookRole",
    }  # fmt: skip
    for key, role in roles.items():
        wanted = "RuntimeBoundaryArn" if key.startswith("code.") else "DeliveryBoundaryArn"
        assert role["Properties"]["PermissionsBoundary"] == {"Ref": wanted}, key


def _statements():
    for key, role in resources("AWS::IAM::Role").items():
        for policy in role["Properties"]["Policies"]:
            for statement in policy["PolicyDocument"]["Statement"]:
                branches = (
                    [entry for entry in statement["If"][1:] if "Ref" not in entry] if "If" in statement else [statement]
                )
                for entry in branches:
                    yield key, entry


def test_roles_are_passed_only_by_name_and_to_a_named_service():
    found = 0
    for key, statement in _statements():
        actions = statement["Action"] if isinstance(statement["Action"], list) else [statement["Action"]]
        if "iam:PassRole" in actions:
            found += 1
            assert actions == ["iam:PassRole"], key
            assert "iam:PassedToService" in statement["Condition"]["StringEquals"], key
            assert "*" not in json.dumps(statement["Resource"]), key
        if {"iam:CreateRole", "iam:PutRolePolicy", "iam:AttachRolePolicy", "iam:PutRolePermissionsBoundary"} & set(
            actions
        ):
            assert set(statement["Condition"]["ArnEquals"]) == {"iam:PermissionsBoundary"}, key
        assert not {action for action in actions if action.endswith(":*") or action == "*"}, key
    assert found == 6


def test_statements_on_everything_hold_only_actions_without_a_resource_type():
    """By the service authorization reference that parliament carries."""
    lookup = (
        "import json, parliament\n"
        "found = {}\n"
        "for service in parliament.iam_definition:\n"
        "    for privilege in service['privileges']:\n"
        "        types = [t['resource_type'] for t in privilege['resource_types'] if t['resource_type']]\n"
        "        found[(service['prefix'] + ':' + privilege['privilege']).lower()] = types\n"
        "print(json.dumps(found))"
    )
    reference = json.loads(run(policy_tool("python"), "-c", lookup))
    everything = {}
    for key, statement in _statements():
        if statement["Resource"] == "*":
            for action in [statement["Action"]] if isinstance(statement["Action"], str) else statement["Action"]:
                everything.setdefault(action, set()).add(key)
    scoped = {action: reference[action.lower()] for action in everything if reference[action.lower()]}
    assert scoped == {}


def test_every_star_is_explained_in_the_documentation():
    documented = (ROOT / "docs" / "security.md").read_text()
    for key, statement in _statements():
        if statement["Resource"] == "*":
            assert f"`{key.split('.')[1]}` / `{statement['Sid']}`" in documented


def test_buckets_are_hardened():
    buckets = resources("AWS::S3::Bucket")
    assert set(buckets) == {"pipe.BuildBucket", "pipe.ResourcesBucket", "pipe.DataLakeBucket", "pipe.LogsBucket"}
    for key, bucket in buckets.items():
        properties = bucket["Properties"]
        assert properties["OwnershipControls"] == {"Rules": [{"ObjectOwnership": "BucketOwnerEnforced"}]}
        assert set(properties["PublicAccessBlockConfiguration"].values()) == {True}
        assert properties["VersioningConfiguration"] == {"Status": "Enabled"}
        default = properties["BucketEncryption"]["ServerSideEncryptionConfiguration"][0][
            "ServerSideEncryptionByDefault"
        ]
        assert default["SSEAlgorithm"] in ("AES256", {"If": ["UseKey", "aws:kms", "AES256"]})
        assert bucket["DeletionPolicy"] == "Delete" and bucket["UpdateReplacePolicy"] == "Retain"
        assert properties["LifecycleConfiguration"]["Rules"]
        assert key == "pipe.LogsBucket" or properties["LoggingConfiguration"]["DestinationBucketName"] == {
            "Ref": "LogsBucket"
        }


def test_notebook_instance_is_hardened():
    properties = template("code")["Resources"]["NotebookInstance"]["Properties"]
    assert properties["PlatformIdentifier"] == "notebook-al2023-v1"
    assert properties["RootAccess"] == "Disabled"
    assert properties["InstanceMetadataServiceConfiguration"] == {"MinimumInstanceMetadataServiceVersion": "2"}


def test_glue_jobs_are_glue_5_with_two_small_workers():
    jobs = resources("AWS::Glue::Job")
    assert len(jobs) == 3
    for job in jobs.values():
        properties = job["Properties"]
        assert (properties["GlueVersion"], properties["WorkerType"], properties["NumberOfWorkers"]) == (
            "5.0",
            "G.1X",
            2,
        )
        assert properties["Timeout"] == 60 and properties["ExecutionProperty"]["MaxConcurrentRuns"] == 3
        fixed = properties["NonOverridableArguments"]
        assert fixed["--extra-py-files"]["Sub"].endswith("genomicslearning.zip")
        assert fixed["--scriptLocation"] == properties["Command"]["ScriptLocation"]
        assert {"--extra-files", "--additional-python-modules", "--conf", "--TempDir"} <= set(fixed)
        # Nor a jar, a class of Scala's, or another index for pip (docs.aws.amazon.com/glue/latest/dg, job parameters).
        assert fixed["--job-language"] == "python" and fixed["--extra-jars"]["Sub"].endswith("/no_classes.jar")
        assert fixed["--python-modules-installer-option"] == "--no-deps"
        assert not set(fixed) & set(properties["DefaultArguments"])


@pytest.mark.parametrize("name", ["on_create.sh", "on_start.sh"])
def test_lifecycle_scripts_fit_and_are_clean(name, built, tmp_path):
    content = (ROOT / "lifecycle" / name).read_bytes()
    assert b"\r" not in content
    hooks = yaml.load((built / "code.yml").read_text(), Loader)["Resources"]["NotebookLifecycle"]["Properties"]
    hook = hooks["OnCreate" if "create" in name else "OnStart"][0]["Content"]["Fn::Base64"]["Sub"]
    assert hook[1]["Script"].encode() == content
    # Names grow the first line by some hundred bytes at most.
    assert len(hook[0]) + len(content) + 500 <= 12_288
    shellcheck = str(Path(sys.executable).parent / "shellcheck")
    run(shellcheck, str(ROOT / "lifecycle" / name))
    for marker, inner in re.findall(r"<<'(\w+)'\n(#!/bin/bash\n.*?)^\1$", content.decode(), re.DOTALL | re.MULTILINE):
        (tmp_path / marker).write_text(inner)
        run(shellcheck, str(tmp_path / marker))


def test_what_glue_installs_is_what_its_scripts_import_and_glue_lacks(built):
    """The jobs' own imports, followed through this package, without what Glue 5.0 brings and the standard library."""
    import ast

    brought = {"pyspark", "py4j", "pyarrow", "pandas", "numpy", "boto3", "botocore", "awsglue"}
    seen, outside, waiting = set(), set(), sorted((ROOT / "glue").glob("*.py"))
    assert waiting
    while waiting:
        path = waiting.pop()
        if path in seen:
            continue
        seen.add(path)
        tree = ast.parse(path.read_text())
        # Imports inside functions run when they are called, and type-checking ones never.
        for node in (node for node in tree.body if isinstance(node, ast.Import | ast.ImportFrom)):
            names = [alias.name for alias in node.names]
            if isinstance(node, ast.ImportFrom):
                names = [node.module, *(f"{node.module}.{name}" for name in names)]
            for name in names:
                if name.split(".")[0] != "genomicslearning":
                    outside.add(name.split(".")[0])
                    continue
                place = ROOT.joinpath(*name.split("."))
                waiting += [found for found in (place.with_suffix(".py"), place / "__init__.py") if found.exists()]
    lacking = outside - brought - sys.stdlib_module_names
    arguments = yaml.load((built / "code.yml").read_text(), Loader)["Resources"]["TrainingSetJob"]["Properties"][
        "NonOverridableArguments"
    ]
    installed = arguments["--additional-python-modules"]
    assert lacking <= {"isal"} and re.fullmatch(r"isal==[\d.]+", installed)
    assert f"\n{installed} " in (ROOT / "requirements/aws.txt").read_text()


def test_catalog_table_is_the_training_set():
    from genomicslearning.training_set import table

    columns = template("code")["Resources"]["TrainingSetTable"]["Properties"]["TableInput"]["StorageDescriptor"][
        "Columns"
    ]
    hive = {"string": "string", "int64": "bigint", "int8": "tinyint"}
    assert [(c["Name"], c["Type"]) for c in columns] == [(f.name.lower(), hive[str(f.type)]) for f in table.SCHEMA]


def test_a_job_more_is_an_entry_of_the_list():
    """Resource, output and the right to start it follow; nothing else of a template names a job."""
    from templates import files

    from genomicslearning.deploy.render import render

    entry = '\n[OtherJob]\nname = "other"\ndescription = "Another"\nscript = "other.py"\narguments = {"--x" = "y"}\n'
    more = files() | {"glue/jobs.toml": files()["glue/jobs.toml"] + entry}
    lock = (ROOT / "requirements/aws.txt").read_text()
    made = yaml.load(render(more["cloudformation/code.yml"], more, lock), Loader)
    job = made["Resources"]["OtherJob"]["Properties"]
    assert job["Command"]["ScriptLocation"]["Sub"].endswith("/glue/other.py") and job["DefaultArguments"]["--x"] == "y"
    assert job["NonOverridableArguments"]["--scriptLocation"] == job["Command"]["ScriptLocation"]
    assert made["Outputs"]["OtherJob"]["Value"] == {"Ref": "OtherJob"}
    statements = made["Resources"]["RunbookRole"]["Properties"]["Policies"][0]["PolicyDocument"]["Statement"]
    [started] = [one for one in statements if one.get("Sid") == "Jobs"]
    assert len(started["Resource"]) == 4 and "${OtherJob}" in started["Resource"][-1]["Sub"]
