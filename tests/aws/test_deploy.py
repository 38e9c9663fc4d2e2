"""`genomicslearning deploy`, `status` and `teardown` against the emulated account."""

from __future__ import annotations

import hashlib
import io
import json
import subprocess
import sys
import zipfile

import policies
import pytest
from templates import STACKS, template

from genomicslearning import InputError, deploy
from genomicslearning.deploy import datalake

REGION = "eu-west-1"
NUMBER = "123456789012"


pytestmark = pytest.mark.usefixtures("no_network")


def settings(project="Whole", region=REGION, **more):
    return deploy.Settings(project=project, region=region, **more)


class Lines(list):
    """Progress, kept."""

    def __call__(self, text):
        self.append(text)


def cli(account, *arguments, actor="administrator", **more):
    command = [sys.executable, "-m", "genomicslearning", *arguments]
    import os

    environment = {key: value for key, value in os.environ.items() if not key.startswith("AWS_")}
    return subprocess.run(command, capture_output=True, text=True, env=environment | account.environment(actor), **more)


# ---------------------------------------------------------------------- what is there
def found_through_its_own_api(account, kind: str, physical_id: str, properties: dict) -> bool:
    """Ask the service, not CloudFormation."""
    name = physical_id.rsplit("/", 1)[-1]
    ask = {
        "AWS::S3::Bucket": lambda: account.client("s3").head_bucket(Bucket=name),
        "AWS::S3::BucketPolicy": lambda: account.client("s3").get_bucket_policy(Bucket=name.removesuffix("-policy")),
        "AWS::IAM::Role": lambda: account.client("iam").get_role(RoleName=name),
        "AWS::IAM::ManagedPolicy": lambda: account.client("iam").get_policy(PolicyArn=physical_id),
        "AWS::CodeCommit::Repository": lambda: account.client("codecommit").get_repository(repositoryName=name),
        "AWS::CodeBuild::Project": lambda: account.client("codebuild").batch_get_projects(names=[name])["projects"][0],
        "AWS::CodePipeline::Pipeline": lambda: account.client("codepipeline").get_pipeline(name=name),
        "AWS::Events::Rule": lambda: account.client("events").describe_rule(Name=name),
        "AWS::Logs::LogGroup": lambda: account.client("logs").describe_log_groups(logGroupNamePrefix=physical_id)[
            "logGroups"
        ][0],
        "AWS::Glue::Job": lambda: account.client("glue").get_job(JobName=name),
        "AWS::Glue::Database": lambda: account.client("glue").get_database(Name=name),
        "AWS::Glue::Table": lambda: account.client("glue").get_table(DatabaseName="whole", Name=name),
        "AWS::Glue::Crawler": lambda: account.client("glue").get_crawler(Name=name),
        "AWS::SageMaker::NotebookInstance": lambda: account.client("sagemaker").describe_notebook_instance(
            NotebookInstanceName=name
        ),
        "AWS::SageMaker::NotebookInstanceLifecycleConfig": lambda: account.client(
            "sagemaker"
        ).describe_notebook_instance_lifecycle_config(NotebookInstanceLifecycleConfigName=name),
        "AWS::Budgets::Budget": lambda: account.client("budgets").describe_budget(AccountId=NUMBER, BudgetName=name),
        "AWS::Athena::WorkGroup": lambda: account.client("athena").get_work_group(WorkGroup=name),
        "AWS::Athena::NamedQuery": lambda: account.client("athena").get_named_query(NamedQueryId=name),
        "AWS::CloudFormation::WaitConditionHandle": lambda: None,  # an address, which no service lists
    }
    ask[kind]()
    return True


def test_every_resource_is_found_through_its_own_service(account, whole):
    """No type is left to a mock: the emulator makes each through its service's API, and is asked for it there."""
    seen = {}
    for kind in ("Zone", "Pipe", "Code"):
        client = account.client("cloudformation")
        for resource in client.describe_stack_resources(StackName=f"Whole{kind}")["StackResources"]:
            seen[f"{kind.lower()}.{resource['LogicalResourceId']}"] = resource
    # With e-mail, CodeCommit and a boundary of its own, every condition of the three templates holds.
    expected = {f"{name}.{key}" for name in ("zone", "pipe", "code") for key in template(name)["Resources"]}
    assert set(seen) == expected
    for resource in seen.values():
        assert found_through_its_own_api(account, resource["ResourceType"], resource["PhysicalResourceId"], {})


def test_emulator_has_every_type_of_the_templates():
    from emulator.resources import TYPES

    used = {resource["Type"] for name in STACKS for resource in template(name)["Resources"].values()}
    assert {kind for kind in used if not kind.startswith("Custom::")} <= set(TYPES)


def test_buckets_as_s3_sees_them(account, whole):
    s3 = account.client("s3")
    for kind in ("build", "resources", "datalake", "logs"):
        bucket = f"whole-{kind}-{NUMBER}-{REGION}"
        rule = s3.get_bucket_encryption(Bucket=bucket)["ServerSideEncryptionConfiguration"]["Rules"][0]
        assert rule["ApplyServerSideEncryptionByDefault"]["SSEAlgorithm"] == "AES256"
        assert s3.get_bucket_versioning(Bucket=bucket)["Status"] == "Enabled"
        assert set(s3.get_public_access_block(Bucket=bucket)["PublicAccessBlockConfiguration"].values()) == {True}
        policy = json.loads(s3.get_bucket_policy(Bucket=bucket)["Policy"])
        tls = next(statement for statement in policy["Statement"] if statement["Sid"] == "TlsOnly")
        assert (tls["Effect"], tls["Action"]) == ("Deny", "s3:*")
        assert tls["Condition"] == {"Bool": {"aws:SecureTransport": "false"}}
        if kind != "logs":
            target = s3.get_bucket_logging(Bucket=bucket)["LoggingEnabled"]
            assert (target["TargetBucket"], target["TargetPrefix"]) == (f"whole-logs-{NUMBER}-{REGION}", f"{kind}/")


def test_resources_bucket_holds_the_build(account, whole, source_tree):
    outputs = whole.outputs
    s3, bucket = account.client("s3"), f"whole-resources-{NUMBER}-{REGION}"
    keys = [entry["Key"] for entry in s3.list_objects_v2(Bucket=bucket)["Contents"]]
    version = outputs["Version"]
    scripts = {f"{version}/glue/{path.name}" for path in (source_tree / "glue").glob("*.py")}
    assert scripts | {f"{version}/lifecycle/on_create.sh", f"{version}/lifecycle/on_start.sh"} <= set(keys)
    whl = s3.get_object(Bucket=bucket, Key=f"{version}/genomicslearning.zip")["Body"].read()
    assert version.endswith(hashlib.sha256(whl).hexdigest()[:12])
    assert {"genomicslearning/io/vcf.py", "genomicslearning/training_set/table.py"} <= set(
        zipfile.ZipFile(io.BytesIO(whl)).namelist()
    )
    wheelhouse = s3.get_object(Bucket=bucket, Key=f"{version}/wheelhouse.txt")["Body"].read().decode().split()
    assert wheelhouse[1] == "3.12"
    inside = {key.rsplit("/", 1)[-1].split("-")[0] for key in keys if key.startswith(f"wheelhouse/{wheelhouse[0]}/")}
    assert inside == {"idna", "six", "requirements.txt"}
    notebooks = s3.get_object(Bucket=bucket, Key=f"{version}/notebooks.zip")["Body"].read()
    names = zipfile.ZipFile(io.BytesIO(notebooks)).namelist()
    assert {
        str(path.relative_to(source_tree / "notebooks")) for path in (source_tree / "notebooks").rglob("*.ipynb")
    } == set(names)


def test_repository_holds_the_source(account, whole, source_tree):
    from genomicslearning.deploy import codecommit as source

    client = account.client("codecommit")
    head = client.get_branch(repositoryName="whole-code", branchName="main")["branch"]["commitId"]
    there = source._blobs(client, "whole-code", head)
    files = source.source_files(source_tree)
    assert {name: source._blob_id(content) for name, content in files.items()} == there
    assert len(files) > 100 and "genomicslearning/runs/chain.py" in files  # more than one commit's worth, and whole
    with pytest.raises(client.exceptions.BranchDoesNotExistException):
        client.get_branch(repositoryName="whole-code", branchName=source._UPLOAD)


def test_a_source_of_many_megabytes_is_sent_in_commits_that_codecommit_takes(account):
    """Files up to 6 MB, 7 MB in one commit: FileContentSizeLimitExceededException's documentation in botocore."""
    from genomicslearning.deploy import codecommit as source

    client = account.session().client("codecommit")
    client.create_repository(repositoryName="large-code")
    files = {f"part/{number}": bytes([number]) * 2_900_000 for number in range(5)} | {"small": b"1"}
    said = Lines()
    assert source.commit(client, "large-code", "main", files, "Large", said)
    head = client.get_branch(repositoryName="large-code", branchName="main")["branch"]["commitId"]
    there = source._blobs(client, "large-code", head)
    assert there == {name: source._blob_id(content) for name, content in files.items()}
    with pytest.raises(InputError, match=r"huge: 6.1 MB, and CodeCommit takes files up to 6 MB"):
        source.commit(client, "large-code", "main", files | {"huge": bytes(6_100_000)}, "Huge", said)
    client.delete_repository(repositoryName="large-code")


def test_sample_goes_under_demo_and_nowhere_else(whole):
    assert whole.first_objects == {
        "demo/annotation/clinvar/clinvar.vcf.gz",
        "demo/annotation/clinvar/clinvar.annotated.vcf.gz",
        "demo/annotation/clinvar/conflicting/clinvar_conflicting.csv",
        "demo/annotation/clinvar/conflicting/clinvar_conflicting.parquet/part-00000.parquet",
    }


def test_job_arguments_and_lifecycle_name_this_build(account, whole):
    import base64

    outputs = whole.outputs
    job = account.client("glue").get_job(JobName="whole-create-training-set")["Job"]
    place = f"s3://whole-resources-{NUMBER}-{REGION}/{outputs['Version']}"
    assert job["Command"]["ScriptLocation"] == f"{place}/glue/create_training_set.py"
    assert job["NonOverridableArguments"]["--extra-py-files"] == f"{place}/genomicslearning.zip"
    hooks = account.client("sagemaker").describe_notebook_instance_lifecycle_config(
        NotebookInstanceLifecycleConfigName="whole-notebook"
    )
    for hook, name in (("OnCreate", "on_create.sh"), ("OnStart", "on_start.sh")):
        encoded = hooks[hook][0]["Content"]
        assert len(encoded) <= 16_384
        lines = base64.b64decode(encoded).decode().split("\n", 2)
        assert lines[:2] == [
            "#!/bin/bash",
            f"PROJECT=Whole RESOURCES={place} LAKE=s3://whole-datalake-{NUMBER}-{REGION} IDLE_MINUTES=60",
        ]
        from genomicslearning import share

        assert lines[2] == share("lifecycle", name).read_text()


# ---------------------------------------------------------------------- again, changed, failed, removed
def test_again_changes_nothing(account, whole, source_tree):
    chosen, outputs = whole.settings, whole.outputs
    said = Lines()
    assert deploy.deploy(account.session(), chosen, source_folder=source_tree, progress=said) == outputs
    for line in (
        "WholeZone: nothing to change",
        "WholePipe: nothing to change",
        "WholeCode: nothing to change",
        f"resources: version {outputs['Version']} is there already",
        "wheelhouse: there already",
        "whole-code: main is up to date",
        "data lake: demo/annotation/clinvar/clinvar.vcf.gz is there already",
    ):
        assert line in said
    assert not [line for line in said if "IN_PROGRESS" in line]


def test_status_shows_stacks_outputs_and_notebook(account, whole):
    done = cli(account, "status", "--project", "Whole")
    assert done.returncode == 0, done.stderr
    assert "WholeCode                    CREATE_COMPLETE" in done.stdout
    assert "notebook whole-notebook: InService" in done.stdout
    nothing = cli(account, "status", "--project", "Nothing")
    assert "NothingZone                  not deployed" in nothing.stdout


def test_dry_run_prints_plan_and_cost_and_only_reads(account, whole):
    done = cli(account, "deploy", "--project", "Planned", "--dry-run", actor="planner")
    assert done.returncode == 0, done.stderr
    assert "stack   PlannedZone: create" in done.stdout
    assert "Expected cost" in done.stdout and "0.050 an hour" in done.stdout
    mine = {call["action"] for call in account.calls() if call["actor"] == "planner"}
    assert mine == {"GetCallerIdentity", "DescribeStacks"}


@pytest.fixture(scope="module")
def short(account, source_tree):
    """A second project, for what changes and removes things."""
    return settings("Short")


def test_failure_in_the_middle_is_told_and_the_next_call_recovers(account, short, source_tree):
    iam = account.client("iam")
    trust = json.dumps({"Version": "2012-10-17", "Statement": []})
    iam.create_role(RoleName=f"short-codepipeline-{REGION}", AssumeRolePolicyDocument=trust)
    with pytest.raises(deploy.DeployFailed, match="ShortPipe: ROLLBACK.*CodePipelineRole.*EntityAlreadyExists"):
        deploy.deploy(account.session(), short, source_folder=source_tree, progress=Lines())
    failed = cli(account, "deploy", "--project", "Short", "--source", str(source_tree))
    assert failed.returncode == 1
    last = failed.stderr.strip().splitlines()[-1]
    assert last.startswith("genomicslearning: ShortPipe: ROLLBACK") and "CodePipelineRole" in last
    assert "Traceback" not in failed.stderr
    iam.delete_role(RoleName=f"short-codepipeline-{REGION}")
    said = Lines()
    outputs = deploy.deploy(account.session(), short, source_folder=source_tree, progress=said)
    assert outputs["NotebookInstance"] == "short-notebook"
    assert any("an earlier attempt failed" in line for line in said)
    assert not [line for line in said if "ShortZone" in line and "CREATE" in line]  # the first stack was there already


def test_changed_settings_and_changed_source_are_updates(account, short, source_tree, tmp_path):
    import shutil

    before = account.client("glue").get_job(JobName="short-create-training-set")["Job"]
    tree = tmp_path / "tree"
    shutil.copytree(source_tree, tree)
    (tree / "notebooks" / "new.ipynb").write_text("{}")
    (tree / "docs" / "performance.md").unlink(missing_ok=True)
    said = Lines()
    changed = settings("Short", idle_minutes=15)
    outputs = deploy.deploy(account.session(), changed, source_folder=tree, progress=said)
    assert "ShortPipe: UPDATE_COMPLETE" in said and "ShortCode: UPDATE_COMPLETE" in said
    after = account.client("glue").get_job(JobName="short-create-training-set")["Job"]
    assert before["Command"]["ScriptLocation"] != after["Command"]["ScriptLocation"]
    assert outputs["Version"] in after["Command"]["ScriptLocation"]
    head = account.client("codecommit").get_branch(repositoryName="short-code", branchName="main")["branch"]["commitId"]
    folder = account.client("codecommit").get_folder(
        repositoryName="short-code", commitSpecifier=head, folderPath="notebooks"
    )
    assert "notebooks/new.ipynb" in [file["absolutePath"] for file in folder["files"]]


def test_data_lake_takes_vcfs_or_a_table(account, short, demo_pair, tmp_path):
    from genomicslearning.training_set.build import build_training_set
    from genomicslearning.training_set.table import read_table

    s3, bucket = account.client("s3"), f"short-datalake-{NUMBER}-{REGION}"
    clinvar, annotated = demo_pair
    datalake.fill(s3, bucket, clinvar=str(clinvar), annotated=str(annotated), progress=Lines())
    for path, key in ((clinvar, datalake.CLINVAR_KEY), (annotated, datalake.ANNOTATED_KEY)):
        assert s3.get_object(Bucket=bucket, Key=key)["Body"].read() == path.read_bytes()
    table = tmp_path / "table.csv"
    build_training_set(clinvar=clinvar, annotated=annotated, out=table)
    datalake.fill(s3, bucket, training_set=str(table), progress=Lines())
    assert s3.get_object(Bucket=bucket, Key=datalake.CSV_KEY)["Body"].read() == table.read_bytes()
    parquet = tmp_path / "there.parquet"
    parquet.write_bytes(s3.get_object(Bucket=bucket, Key=datalake.PARQUET_KEY)["Body"].read())
    assert len(read_table(parquet)) == len(read_table(table)) > 1000


def test_data_lake_takes_clinvars_current_release(account, short, demo_pair, monkeypatch):
    """`--clinvar fetch`, which the setup stack's parameter Data hands on; what fetching does is tested where it is."""
    s3, bucket = account.client("s3"), f"short-datalake-{NUMBER}-{REGION}"
    monkeypatch.setattr(datalake, "fetch_clinvar", lambda folder, progress: {"file": str(demo_pair[0])})
    s3.delete_object(Bucket=bucket, Key=datalake.CLINVAR_KEY)
    datalake.check_inputs(clinvar="fetch")
    datalake.fill(s3, bucket, clinvar="fetch", progress=Lines())
    assert s3.get_object(Bucket=bucket, Key=datalake.CLINVAR_KEY)["Body"].read() == demo_pair[0].read_bytes()


def test_teardown_leaves_nothing_and_may_be_repeated(account, short):
    s3, lake = account.client("s3"), f"short-datalake-{NUMBER}-{REGION}"
    for body in (b"one", b"two"):
        s3.put_object(Bucket=lake, Key="mine", Body=body)
    s3.delete_object(Bucket=lake, Key="mine")  # versions and a delete marker
    s3.create_multipart_upload(Bucket=lake, Key="unfinished")
    sagemaker, role = account.client("sagemaker"), f"arn:aws:iam::{NUMBER}:role/short-runbook-{REGION}"
    ours = {"Tags": [{"Key": "Project", "Value": "Short"}]}
    image = {"ExecutionRoleArn": role, "PrimaryContainer": {"Image": "image"}}
    sagemaker.create_model(ModelName="short-model", **image, **ours)
    sagemaker.create_model(ModelName="short-of-another", **image, Tags=[{"Key": "Project", "Value": "Other"}])
    variant = {
        "VariantName": "AllTraffic",
        "ModelName": "short-model",
        "InstanceType": "ml.m5.large",
        "InitialInstanceCount": 1,
    }
    sagemaker.create_endpoint_config(EndpointConfigName="short-config", ProductionVariants=[variant], **ours)
    sagemaker.create_endpoint(EndpointName="short-endpoint", EndpointConfigName="short-config", **ours)

    asked = cli(account, "teardown", "--project", "Short", input="Other\n")
    assert asked.returncode == 2 and deploy.leftovers(account.session(), short)
    shown = cli(account, "teardown", "--project", "Short", "--dry-run")
    assert "stack ShortCode" in shown.stdout and "SageMaker endpoint short-endpoint" in shown.stdout
    done = cli(account, "teardown", "--project", "Short", "--yes")
    assert (done.returncode, done.stdout.splitlines()[-1]) == (0, "Nothing is left."), done.stdout + done.stderr
    assert "SageMaker: left alone, its tag Project is not Short: model short-of-another" in done.stderr
    assert sagemaker.describe_model(ModelName="short-of-another")
    sagemaker.delete_model(ModelName="short-of-another")
    assert not [b["Name"] for b in s3.list_buckets()["Buckets"] if b["Name"].startswith("short-")]
    assert not [
        r["RoleName"] for r in account.client("iam").list_roles()["Roles"] if r["RoleName"].startswith("short-")
    ]
    again = cli(account, "teardown", "--project", "Short", "--yes")
    assert again.returncode == 0 and "ShortPipe: not there" in again.stderr


def test_teardown_lists_what_it_could_not_know(account):
    """A repository that somebody made again under the project's name: nothing is deleted that no stack made."""
    account.client("codecommit").create_repository(repositoryName="gone-code")
    done = cli(account, "teardown", "--project", "Gone", "--yes")
    assert done.returncode == 1 and done.stdout.strip() == "left: repository gone-code"
    account.client("codecommit").delete_repository(repositoryName="gone-code")


# ---------------------------------------------------------------------- other ways
def test_github_key_and_network(account, source_tree):
    connection = f"arn:aws:codeconnections:{REGION}:{NUMBER}:connection/1111-2222"
    key = f"arn:aws:kms:{REGION}:{NUMBER}:key/1111"
    network = {"subnet": "subnet-1a2b3c", "security_group": "sg-1a2b3c"}
    chosen = settings("Hub", connection=connection, github="someone/genomics", kms_key=key, **network)
    said = Lines()
    deploy.deploy(account.session(), chosen, source_folder=source_tree, progress=said)
    # No CodeCommit where the source is on GitHub.
    assert "pipeline: follows someone/genomics" in said
    source = account.client("codepipeline").get_pipeline(name="hub-pipeline")["pipeline"]["stages"][0]["actions"][0]
    assert source["actionTypeId"]["provider"] == "CodeStarSourceConnection"
    assert source["configuration"] == {
        "ConnectionArn": connection, "FullRepositoryId": "someone/genomics", "BranchName": "main",
    }  # fmt: skip
    names = account.client("codecommit").list_repositories()["repositories"]
    assert not [entry for entry in names if entry["repositoryName"].startswith("hub-")]
    # The key is the buckets' and the volume's.
    bucket = f"hub-datalake-{NUMBER}-{REGION}"
    rule = account.client("s3").get_bucket_encryption(Bucket=bucket)["ServerSideEncryptionConfiguration"]["Rules"][0]
    assert rule["ApplyServerSideEncryptionByDefault"] == {"SSEAlgorithm": "aws:kms", "KMSMasterKeyID": key}
    instance = account.client("sagemaker").describe_notebook_instance(NotebookInstanceName="hub-notebook")
    assert (instance["SubnetId"], instance["KmsKeyId"], instance["DirectInternetAccess"]) == (
        "subnet-1a2b3c", key, "Disabled",
    )  # fmt: skip
    assert deploy.teardown(account.session(), chosen, Lines()) == []


def test_govcloud_has_its_own_partition_and_no_budget(account, source_tree):
    region = "us-gov-west-1"
    chosen = settings("Gov", region, email="me@example.org")
    session = account.session(region=region)
    deploy.deploy(session, chosen, source_folder=source_tree, progress=Lines())
    resources = account.client("cloudformation", region).describe_stack_resources(StackName="GovCode")["StackResources"]
    assert "MonthlyCost" not in [resource["LogicalResourceId"] for resource in resources]
    job = account.client("glue", region).get_job(JobName="gov-create-training-set")["Job"]
    assert job["Role"].startswith("arn:aws-us-gov:iam:")
    assert deploy.teardown(session, chosen, Lines()) == []


def test_an_installed_wheel_deploys_as_well(account, source_tree, tmp_path):
    """From any folder after a plain `pip install`: everything but the push of the source, which a wheel has not."""
    from emulator import buildspec

    environment = buildspec.clean_environment(tmp_path / "environment")
    settings_ = buildspec.with_environment(_plain(account), environment)
    install = ["python", "-m", "pip", "install", "--quiet", "--no-deps", "--no-build-isolation", str(source_tree)]
    subprocess.run(install, env=settings_, cwd=tmp_path, check=True)
    command = ["genomicslearning", "deploy", "--project", "Wheel"]
    done = subprocess.run(command, env=settings_, cwd=tmp_path, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert "pipeline: waits for a first push" in done.stderr
    assert deploy.teardown(account.session(), settings("Wheel"), Lines()) == []


def _plain(account) -> dict[str, str]:
    import os

    return {key: value for key, value in os.environ.items() if not key.startswith("AWS_")} | account.environment()


# ---------------------------------------------------------------------- refused before anything happens
@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"project": "9lives"}, "a project is 3 to 24 letters"),
        ({"project": "lab-two"}, "letters and digits, a letter first, without hyphens"),
        ({"runtime_boundary": "arn:aws:iam::123456789012:policy/x"}, "belong together"),
        ({"subnet": "subnet-1"}, "--subnet and --security-group belong together"),
        ({"github": "a/b"}, "--connection and --github belong together"),
    ],
)
def test_settings_that_cannot_work_are_refused(wrong, message):
    with pytest.raises(InputError, match=message):
        deploy.Settings(**{"region": REGION, **wrong})


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"training_set": "a.csv", "clinvar": "b.vcf"}, "not both"),
        ({"annotated": "b.vcf"}, "needs --clinvar"),
        ({"training_set": "nowhere.csv"}, "no such file"),
        ({"clinvar": "fetch", "annotated": "b.vcf"}, "needs the ClinVar VCF that VEP read"),
    ],
)
def test_data_that_cannot_be_uploaded_is_refused(given, message):
    with pytest.raises(InputError, match=message):
        datalake.check_inputs(**given)


def test_cost_estimate_adds_up():
    text = deploy.cost_estimate(settings(notebook_instance_type="ml.m5.xlarge", idle_minutes=0))
    assert "0.230 an hour" in text and "never stops by itself" in text and "167.90 for a whole month" in text
    assert f"{1 + 20 * 0.14 + 5 * 0.023:.2f} a month" in text


def test_names_of_other_projects_are_left_alone(account):
    """`lab` beside what a deployment `lab-two` of earlier days, or somebody's own naming, has left."""
    from rights_asked import REGION, as_deployed, of_role

    client, role = account.client("sagemaker"), f"arn:aws:iam::{NUMBER}:role/x"
    made = {"lab-one": "Lab", "lab-two-model": "lab-two", "lab-untagged": None, "labtwo-model": "LabTwo"}
    for name, title in made.items():
        tags = {"Tags": [{"Key": "Project", "Value": title}]} if title else {}
        client.create_model(ModelName=name, ExecutionRoleArn=role, PrimaryContainer={"Image": "image"}, **tags)
    said = Lines()
    deploy.delete_sagemaker(account.session("remover"), settings("Lab"), said)
    there = {model["ModelName"] for model in client.list_models()["Models"]} & made.keys()
    for name in there:
        client.delete_model(ModelName=name)
    assert there == made.keys() - {"lab-one"}
    assert said[0] == "SageMaker: deleted model lab-one"
    assert sorted(said[1:]) == [
        f"SageMaker: left alone, its tag Project is not Lab: model {name}" for name in ("lab-two-model", "lab-untagged")
    ]
    # The setup stack's build, which removes the solution with its stack, has the rights for what was done.
    asked = of_role(account.calls(), "remover")
    assert {action for action, _, _ in asked} >= {"sagemaker:DeleteModel", "sagemaker:ListTags"}
    documents = as_deployed("setup", "BuildRole", "Lab")
    assert [one for one in asked if not policies.decide(documents, None, *one[:2])] == []
    for action, resource in (
        ("sagemaker:DeleteEndpoint", "endpoint/lab-one"), ("sagemaker:DeleteEndpointConfig", "endpoint-config/lab-one"),
    ):  # fmt: skip
        assert policies.decide(documents, None, action, f"arn:aws:sagemaker:{REGION}:{NUMBER}:{resource}")
    group = f"arn:aws:logs:{REGION}:{NUMBER}:log-group:/aws/sagemaker/Endpoints/lab-one"
    assert policies.decide(documents, None, "logs:DeleteLogGroup", group)
