"""`genomicslearning status --check`: whether a deployment works, asked of the account itself, a line for each thing.

What is looked at and tried is the deployment's own: its roles are simulated by IAM, its Glue job runs on the embedded
sample, and a model of that sample predicts ten rows by batch transform. Everything that is made is taken away again.
"""

from __future__ import annotations

import base64
import json
import re
import tempfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cached_property, partial
from pathlib import Path

import numpy as np

from genomicslearning import InputError
from genomicslearning.aws import glue
from genomicslearning.aws.account import Account, account_of
from genomicslearning.deploy import rights, stacks
from genomicslearning.deploy.settings import BUCKETS, ROLES, STACKS, Settings
from genomicslearning.deploy.stacks import Progress

OK, FAILED, UNKNOWN = "ok", "failed", "could not tell"
ROWS = 10
_PREFIX = "temporary/check"
_REFUSED = ("AccessDenied", "AccessDeniedException", "UnauthorizedOperation", "AuthorizationError")
_QUOTA = (
    "ResourceLimitExceeded", "LimitExceededException", "ConcurrentRunsExceededException",
    "ServiceQuotaExceededException", "ResourceNumberLimitExceededException",
)  # fmt: skip
_QUOTA_REMEDY = "ask for the quota in Service Quotas and check again"
_BUSY = ("Throttling", "ThrottlingException", "TooManyRequestsException", "RequestLimitExceeded", "SlowDown")


@dataclass(frozen=True)
class Finding:
    """One line: what was looked at, whether it works, what was seen, and what to do where it does not."""

    what: str
    state: str
    seen: str = ""
    remedy: str = ""

    def __str__(self) -> str:
        said = ": ".join(filter(None, (self.what, self.seen)))
        return f"{self.state:<14} {said}" + (f"; {self.remedy}" if self.remedy else "")


class Deployment:
    """What the checks ask: the session, the names, and the code stack's outputs."""

    def __init__(self, session, settings: Settings, progress: Progress):
        self.session, self.settings, self.progress = session, settings, progress

    def client(self, service: str):
        """A boto3 client of the session."""
        return self.session.client(service)

    @cached_property
    def number(self) -> str:
        """The account's."""
        return self.client("sts").get_caller_identity()["Account"]

    @cached_property
    def names(self) -> dict[str, str]:
        """Names of the stacks by their kind."""
        settings = self.settings
        partition = self.session.get_partition_for_region(settings.region)
        own = {"partition": partition, "region": settings.region, "account": self.number}
        return own | {"project": settings.project, "lower": settings.lower}

    @cached_property
    def boundary(self) -> str:
        """ARN of the run-time boundary, as the pipeline's stack hands it on; empty where that is not there."""
        pipe = stacks.outputs(self.client("cloudformation"), self.settings.stack("Pipe"))
        return json.loads(pipe.get("CodeParameters", "{}")).get("RuntimeBoundaryArn", "")

    @cached_property
    def account(self) -> Account:
        """The notebooks' view, but with this session's credentials."""
        found = account_of(self.settings.project, self.session)
        found.__dict__["session"] = self.session
        return found


def examine(session, settings: Settings, *, progress: Progress) -> Iterator[Finding]:
    """Look at a deployment and try it; findings come as they are made. Raises nothing that AWS says."""
    deployment = Deployment(session, settings, progress)
    for what, look in CHECKS:
        yield from _guarded(what, look, deployment)


def _guarded(what: str, look: Callable[[Deployment], Iterator[Finding]], deployment: Deployment) -> Iterator[Finding]:
    from botocore.exceptions import BotoCoreError, ClientError

    try:
        yield from look(deployment)
    except ClientError as problem:
        code, said = problem.response["Error"]["Code"], problem.response["Error"]["Message"]
        if code in _REFUSED:
            remedy = f"check as somebody who has the right {problem.operation_name}"
            yield Finding(what, UNKNOWN, f"AWS refuses {problem.operation_name} to this caller", remedy)
        elif code in _QUOTA:
            yield Finding(what, UNKNOWN, said, _QUOTA_REMEDY)
        elif code in _BUSY:
            yield Finding(what, UNKNOWN, said, "check again in some minutes")
        else:
            yield Finding(what, FAILED, f"{problem.operation_name}: {said}", "run genomicslearning deploy again")
    except (BotoCoreError, InputError) as problem:
        refused = "AWS refuses" in str(problem)
        remedy = "check as somebody who has this right" if refused else "run genomicslearning deploy again"
        yield Finding(what, UNKNOWN if refused else FAILED, str(problem), remedy)


# ---------------------------------------------------------------------- what is there
def stacks_are_whole(deployment: Deployment) -> Iterator[Finding]:
    """Whether every stack is there and complete."""
    for kind in STACKS:
        name = deployment.settings.stack(kind)
        stack = stacks.describe(deployment.client("cloudformation"), name)
        state = stack["StackStatus"] if stack else "not there"
        whole = state in ("CREATE_COMPLETE", "UPDATE_COMPLETE")
        yield Finding(f"stack {name}", OK if whole else FAILED, state, "" if whole else "run genomicslearning deploy")


def roles_work(deployment: Deployment) -> Iterator[Finding]:
    """Each is assumed by its service, and IAM's simulation allows what it was recorded to call."""
    iam = deployment.client("iam")
    pipe = stacks.outputs(deployment.client("cloudformation"), deployment.settings.stack("Pipe"))
    for role in ROLES:
        name = f"{deployment.settings.lower}-{role}-{deployment.settings.region}"
        try:
            found = iam.get_role(RoleName=name)["Role"]
        except iam.exceptions.NoSuchEntityException:
            if role != "source-event" or "CodeRepository" in pipe:  # there is none where the source is on GitHub
                yield Finding(f"role {name}", FAILED, "not there", "run genomicslearning deploy")
            continue
        yield from _guarded(f"role {name}", partial(_role, role, found), deployment)


def _role(role: str, found: dict, deployment: Deployment) -> Iterator[Finding]:
    what = f"role {found['RoleName']}"
    trusted = found["AssumeRolePolicyDocument"]
    trusted = json.loads(trusted) if isinstance(trusted, str) else trusted
    services = [statement["Principal"].get("Service") for statement in trusted["Statement"]]
    if rights.SERVICES[role] not in services:
        yield Finding(what, FAILED, f"{rights.SERVICES[role]} may not assume it", "run genomicslearning deploy")
        return
    asked, refused = 0, []
    for question in rights.questions(role, boundary=deployment.boundary, **deployment.names):
        answers = _simulated(deployment, found["Arn"], question)
        asked += len(answers)
        refused += [f"{action} on {question.resource}" for action, allowed in answers.items() if not allowed]
    seen = f"IAM would refuse {'; '.join(refused)}" if refused else f"IAM's simulation allows all {asked} of its calls"
    remedy = "run genomicslearning deploy; if it stays, look for a service control policy" if refused else ""
    yield Finding(what, FAILED if refused else OK, seen, remedy)


def _simulated(deployment: Deployment, arn: str, question: rights.Question) -> dict[str, bool]:
    context = [
        {"ContextKeyName": key, "ContextKeyType": "string", "ContextKeyValues": [value]}
        for key, value in question.context.items()
    ]
    results = deployment.client("iam").simulate_principal_policy(
        PolicySourceArn=arn,
        ActionNames=list(question.actions),
        ResourceArns=[question.resource],
        ContextEntries=context,
    )["EvaluationResults"]
    return {one["EvalActionName"]: one["EvalDecision"] == "allowed" for one in results}


def buckets_are_closed(deployment: Deployment) -> Iterator[Finding]:
    """Whether the buckets are there, and closed to the public."""
    for kind in BUCKETS:
        name = deployment.settings.bucket(kind, deployment.number)
        yield from _guarded(f"bucket {name}", partial(_bucket, name), deployment)


def _bucket(name: str, deployment: Deployment) -> Iterator[Finding]:
    s3 = deployment.client("s3")
    closed = set(s3.get_public_access_block(Bucket=name)["PublicAccessBlockConfiguration"].values()) == {True}
    versioned = s3.get_bucket_versioning(Bucket=name).get("Status") == "Enabled"
    s3.get_bucket_encryption(Bucket=name)  # an error where there is none
    lacking = [
        word for word, there in (("public access is not blocked", closed), ("no versions", versioned)) if not there
    ]
    seen = ", ".join(lacking) or "encrypted, versioned, closed to the public"
    yield Finding(f"bucket {name}", FAILED if lacking else OK, seen, "run genomicslearning deploy" if lacking else "")


def notebook_finds_its_stack(deployment: Deployment) -> Iterator[Finding]:
    """The notebook's own view: the project that its scripts are told, and that project's stack as RunbookRole."""
    sagemaker, name = deployment.client("sagemaker"), f"{deployment.settings.lower}-notebook"
    instance = sagemaker.describe_notebook_instance(NotebookInstanceName=name)
    state, what = instance["NotebookInstanceStatus"], f"notebook instance {name}"
    if state == "Failed":
        yield Finding(what, FAILED, instance.get("FailureReason", state), "see its log in CloudWatch, /aws/sagemaker")
    else:
        yield Finding(what, OK, state)
    config = instance["NotebookInstanceLifecycleConfigName"]
    hooks = sagemaker.describe_notebook_instance_lifecycle_config(NotebookInstanceLifecycleConfigName=config)
    script = base64.b64decode(hooks["OnStart"][0]["Content"]).decode()
    told = re.search(r"^PROJECT=(\S+)", script, re.MULTILINE)
    stack = f"{told[1] if told else ''}Code"
    there = stacks.describe(deployment.client("cloudformation"), stack)
    if there is None:
        yield Finding("the notebook's stack", FAILED, f"the notebook looks for {stack}, which is not there", _AGAIN)
        return
    question = rights.Question(("cloudformation:DescribeStacks",), there["StackId"], {})
    [allowed] = _simulated(deployment, deployment.account.role, question).values()
    seen = f"found as {stack}" if allowed else f"RunbookRole may not look at {stack}"
    yield Finding("the notebook's stack", OK if allowed else FAILED, seen, "" if allowed else _AGAIN)


_AGAIN = "run genomicslearning deploy, then stop and start the notebook instance"


# ---------------------------------------------------------------------- what runs
def images_can_be_pulled(deployment: Deployment) -> Iterator[Finding]:
    """Whether the container images are there to be pulled."""
    from genomicslearning.endpoint import package
    from genomicslearning.endpoint.sagemaker import INSTANCE_TYPE

    image = package.image(deployment.settings.region, INSTANCE_TYPE)
    registry, _, place = image.partition("/")
    repository, _, tag = place.partition(":")
    answer = deployment.client("ecr").batch_get_image(
        registryId=registry.partition(".")[0], repositoryName=repository, imageIds=[{"imageTag": tag}]
    )
    found = bool(answer["images"])
    seen = image if found else f"{image}: {answer['failures'][0].get('failureReason', 'not found')}"
    yield Finding("container image", OK if found else FAILED, seen, "" if found else "use another region")


def the_job_runs(deployment: Deployment) -> Iterator[Finding]:
    """The deployed Glue job makes the sample's training set."""
    from genomicslearning import demo

    account, s3 = deployment.account, deployment.client("s3")
    try:
        with tempfile.TemporaryDirectory() as scratch:
            for path, name in zip(demo.write(Path(scratch)), ("clinvar", "annotated"), strict=True):
                s3.upload_file(str(path), account.bucket, f"{_PREFIX}/{name}.vcf.gz")
        arguments = {
            "--clinvar_input_key": f"{_PREFIX}/clinvar.vcf.gz",
            "--clinvar_annotated_input_key": f"{_PREFIX}/annotated.vcf.gz",
            "--output_key": f"{_PREFIX}/table.csv",
        }
        glue.run_job(account, account.training_set_job, arguments, progress=deployment.progress)
        body = s3.get_object(Bucket=account.bucket, Key=f"{_PREFIX}/table.csv.report.json")["Body"].read()
        rows = json.loads(body)["rows_written"]
        yield Finding(f"Glue job {account.training_set_job}", OK, f"{rows:,} rows of the sample")
    finally:
        _remove(s3, account.bucket, f"{_PREFIX}/")


def _remove(s3, bucket: str, prefix: str) -> None:
    for page in s3.get_paginator("list_objects_v2").paginate(Bucket=bucket, Prefix=prefix):
        for entry in page.get("Contents", []):
            s3.delete_object(Bucket=bucket, Key=entry["Key"])


def ten_rows_are_predicted(deployment: Deployment) -> Iterator[Finding]:
    """A local model, packaged, answers by batch transform what it answers here."""
    from genomicslearning import autopilot, demo
    from genomicslearning.endpoint.sagemaker import deploy_local
    from genomicslearning.training_set.build import build_training_set
    from genomicslearning.training_set.table import read_table

    account = deployment.account  # an error where there is none, before a model is trained
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch)
        clinvar, annotated = demo.write(folder)
        build_training_set(clinvar=clinvar, annotated=annotated, out=folder / "table.parquet")
        table = read_table(folder / "table.parquet")
        job = autopilot.start(table, folder=folder, name="check", preset="quick", progress=lambda text: None).wait()
        expected = job.model().predict(table.head(ROWS))
        with deploy_local(job.folder / "model", account=account, progress=deployment.progress) as endpoint:
            answered = endpoint.invoke(table.head(ROWS))["probability"].to_numpy()
    equal = np.allclose(answered, expected, atol=1e-6)
    seen = f"{ROWS} rows, as predicted here" if equal else f"{ROWS} rows, other figures than here: the versions differ"
    remedy = "" if equal else "compare the container's package versions with the model's requirements.txt"
    yield Finding("batch transform", OK if equal else FAILED, seen, remedy)


CHECKS: tuple[tuple[str, Callable[[Deployment], Iterator[Finding]]], ...] = (
    ("stacks", stacks_are_whole),
    ("roles", roles_work),
    ("buckets", buckets_are_closed),
    ("notebook instance", notebook_finds_its_stack),
    ("container image", images_can_be_pulled),
    ("Glue job", the_job_runs),
    ("batch transform", ten_rows_are_predicted),
)
