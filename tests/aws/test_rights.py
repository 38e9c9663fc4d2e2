"""Roles against the calls that were recorded while the product ran, and against a list of calls that must fail.

The calls come from the emulator's record: CloudFormation under its role making the code stack, and the setup stack's
function and build.
"""

from __future__ import annotations

import json
import re
import subprocess
import time
from pathlib import Path

import policies
import pytest
from conftest import refused_by_models, running_ministack
from rights_asked import arn as arn_of
from rights_asked import asked_rights, listed_rights, of_role, recorded_rights
from test_setup import TEMPLATE, parameters, put_assets, wait, zipped
from test_templates import policy_tool
from test_values import LONGEST_PROJECT, longest

from genomicslearning import deploy
from genomicslearning.deploy import codecommit as source
from genomicslearning.deploy import rights as asked_by_the_check
from genomicslearning.deploy import stacks

pytestmark = pytest.mark.slow

NUMBER = "123456789012"
ROLES = ("cloudformation", "codebuild", "codepipeline", "source-event", "job", "runbook")
# The longest names that there are, so that the recorded calls tell whether the services take them.
PROJECT, REGION = LONGEST_PROJECT, longest().region
LOWER, SETUP = PROJECT.lower(), f"{PROJECT}Setup"


def arn(service: str, rest: str) -> str:
    return arn_of(service, rest, region=REGION)


class Rights:
    """Policies and boundaries as they were deployed, fetched from IAM, and the calls under each role."""

    def __init__(self, account) -> None:
        self.iam = account.client("iam", REGION)
        self.calls = account.calls()
        names = [f"{LOWER}-{role}-{REGION}" for role in ROLES]
        self.setup = {}
        for logical in ("FunctionRole", "BuildRole"):
            found = account.client("cloudformation", REGION).describe_stack_resource(
                StackName=SETUP, LogicalResourceId=logical
            )
            self.setup[logical] = found["StackResourceDetail"]["PhysicalResourceId"]
        self.names = [*names, *self.setup.values()]
        self.documents = {name: policies.role_policies(self.iam, name) for name in self.names}
        self.limits = {name: policies.boundary(self.iam, name) for name in self.names}
        buckets = account.client("s3", REGION)
        self.bucket_policies = [
            json.loads(buckets.get_bucket_policy(Bucket=f"{LOWER}-{kind}-{NUMBER}-{REGION}")["Policy"])
            for kind in ("build", "resources", "datalake", "logs")
        ]

    def may(self, name: str, action: str, resource: str, **context) -> bool:
        name = self.setup.get(name, name if name in self.documents else f"{LOWER}-{name}-{REGION}")
        context = {key.replace("__", ":"): value for key, value in context.items()}
        return policies.decide(self.documents[name], self.limits[name], action, resource, context)


class Life:
    """One setup stack from its creation, with the check, to its end, a push in between; what was there at each step."""

    def __init__(self, account, source_tree) -> None:
        self.account = account
        self.client = account.session(region=REGION).client("cloudformation")
        request = {"StackName": SETUP, "TemplateBody": TEMPLATE, "Capabilities": ["CAPABILITY_NAMED_IAM"]}
        chosen = {"Project": PROJECT, "NotificationEmail": "me@example.org"}
        self.client.create_stack(**request, Parameters=parameters(**chosen))
        self.created, self.why = wait(self.client, SETUP), why(account)
        assert self.created == "CREATE_COMPLETE", self.why
        self.log = (account.folder / f"{SETUP}-setup.log").read_text()
        self.states = self._states()
        zone = self.client.describe_stack_resources(StackName=f"{PROJECT}Zone")["StackResources"]
        self.zone = [resource["LogicalResourceId"] for resource in zone]
        self.left_by_the_check = self._left_by_the_check()
        self.rights = Rights(account)
        self._push(source_tree)

        changed = parameters(**chosen, Check="no", IdleMinutes="20")
        self.client.update_stack(**request, Parameters=changed)
        self.updated, self.why = wait(self.client, SETUP), why(account)
        self.states_after = self._states()
        given = stacks.describe(self.client, f"{PROJECT}Pipe")["Parameters"]
        self.given = {p["ParameterKey"]: p["ParameterValue"] for p in given}

        self.client.delete_stack(StackName=SETUP)
        self.deleted = wait(self.client, SETUP)
        self.rights.calls = account.calls()

    def _states(self) -> dict[str, str | None]:
        found = {kind: stacks.describe(self.client, f"{PROJECT}{kind}") for kind in ("Zone", "Pipe", "Code")}
        return {kind: stack and stack["StackStatus"] for kind, stack in found.items()}

    def _left_by_the_check(self) -> list[str]:
        s3, lake = self.account.client("s3", REGION), f"{LOWER}-datalake-{NUMBER}-{REGION}"
        listed = [s3.list_objects_v2(Bucket=lake, Prefix=prefix) for prefix in ("temporary/", "predictions/")]
        models = self.account.client("sagemaker", REGION).list_models()["Models"]
        return [e["Key"] for one in listed for e in one.get("Contents", [])] + [m["ModelName"] for m in models]

    def _push(self, source_tree) -> None:
        """A changed source, where the code stack was deleted: the pipeline makes it again, at another version."""
        account, name = self.account, f"{LOWER}-pipeline"
        self.before = stacks.outputs(self.client, f"{PROJECT}Code")
        stacks.delete(self.client, f"{PROJECT}Code", progress=print)
        # The whole suite has this test in it.
        narrowed = {"TESTS": "tests/aws/test_templates.py::test_buckets_are_hardened"}
        (account.folder / "pipelines.json").write_text(json.dumps({name: narrowed}))
        files = source.source_files(source_tree) | {"README.md": b"# Changed\n"}
        codecommit = account.session(region=REGION).client("codecommit")
        assert source.commit(codecommit, f"{LOWER}-code", "main", files, "Changed", print)
        pipelines, deadline = account.client("codepipeline", REGION), time.monotonic() + 1200
        while (run := _last_run(pipelines, name))["status"] == "InProgress" and time.monotonic() < deadline:
            time.sleep(0.5)
        (account.folder / "pipelines.json").unlink()
        self.run, self.build_log = run, (account.folder / f"{LOWER}-build.log").read_text()
        self.after = stacks.outputs(self.client, f"{PROJECT}Code")
        self.pushed = stacks.describe(self.client, f"{PROJECT}Code")
        self.job = account.client("glue", REGION).get_job(JobName=self.after["TrainingSetJob"])["Job"]
        script = f"{self.after['Version']}/glue/create_training_set.py"
        account.client("s3", REGION).head_object(Bucket=f"{LOWER}-resources-{NUMBER}-{REGION}", Key=script)


def _last_run(pipelines, name: str) -> dict:
    listed = pipelines.list_pipeline_executions(pipelineName=name)["pipelineExecutionSummaries"]
    about = {"pipelineName": name, "pipelineExecutionId": listed[0]["pipelineExecutionId"]}
    return pipelines.get_pipeline_execution(**about)["pipelineExecution"]


@pytest.fixture(scope="module")
def life(account, source_tree):
    """A deployment through the setup stack, so that every role has worked."""
    put_assets(account.client("s3", REGION), zipped(source.source_files(source_tree)), REGION)
    return Life(account, source_tree)


@pytest.fixture(scope="module")
def rights(life):
    return life.rights


def why(account) -> str:
    events = account.client("cloudformation", REGION).describe_stack_events(StackName=SETUP)["StackEvents"]
    reasons = [
        f"{e['LogicalResourceId']}: {e['ResourceStatusReason']}" for e in events if e.get("ResourceStatusReason")
    ]
    logs = [account.folder / name for name in ("functions.log", f"{SETUP}-setup.log")]
    return "\n".join(reasons) + "\n".join(log.read_text()[-3000:] for log in logs if log.exists())


def test_one_template_deploys_checks_updates_and_removes_everything(account, life):
    """Its function and its build really run, with the whole solution behind them."""
    assert (life.created, life.updated, life.deleted) == ("CREATE_COMPLETE", "UPDATE_COMPLETE", "gone"), life.why
    assert set(life.states.values()) == {"CREATE_COMPLETE"}
    # The boundaries are the setup stack's: the landing zone makes none that the build could change.
    assert set(life.zone) == {"PipeRepository", "Always"}
    assert life.states_after["Code"] == "UPDATE_COMPLETE" and life.given["IdleMinutes"] == "20"
    settings = deploy.Settings(project=PROJECT, region=REGION)
    assert deploy.leftovers(account.session(region=REGION), settings) == []
    assert [stacks.describe(life.client, f"{PROJECT}{kind}") for kind in ("Zone", "Pipe", "Code")] == [None] * 3


def test_the_check_passed_before_the_stack_was_complete(life):
    """A line each, from the build's own log; and what ran was taken away again."""
    lines = [line for line in life.log.splitlines() if re.match("(ok|failed|could not tell) ", line)]
    assert all(line.startswith("ok ") for line in lines)
    for wanted in (
        f"stack {PROJECT}Code: CREATE_COMPLETE",
        f"role {LOWER}-runbook-{REGION}: IAM's simulation allows all ",
        f"bucket {LOWER}-datalake-{NUMBER}-{REGION}: encrypted, versioned, closed to the public",
        f"notebook instance {LOWER}-notebook: InService",
        f"the notebook's stack: found as {PROJECT}Code",
        "pytorch-inference:2.6.0-cpu-py312",
        f"Glue job {LOWER}-create-training-set: 6,000 rows of the sample",
        "batch transform: 10 rows, as predicted here",
    ):
        assert len([line for line in lines if wanted in line]) == 1, wanted
    assert len(lines) == 3 + 6 + 4 + 2 + 1 + 1 + 1
    assert life.left_by_the_check == []


def test_a_push_starts_the_pipeline_which_tests_builds_and_creates_the_code_stack(life):
    """Source, Build (the buildspec in a clean folder) and CreateStack, as pipe.yml defines them."""
    assert life.run["status"] == "Succeeded", life.run.get("statusSummary")
    assert "1 passed" in life.build_log
    assert life.pushed["StackStatus"] == "CREATE_COMPLETE"
    before, after = life.before, life.after
    assert after["Version"] != before["Version"] and after | {"Version": ""} == before | {"Version": ""}
    assert life.job["Command"]["ScriptLocation"].endswith(f"/{after['Version']}/glue/create_training_set.py")


def test_the_list_that_the_check_asks_of_is_what_was_recorded(life):
    """Each recorded call is in it, and each of its entries was recorded here, but for RunbookRole's: see test_glue_jobs
    and test_sagemaker_predictions. (The check's job works in temporary/; for the rest of JobRole's see test_glue_jobs.)
    """
    recorded = {one for one in recorded_rights(life.rights.calls) if one[0] != "runbook"}
    assert recorded - asked_rights() == set()
    elsewhere = {one for one in listed_rights("job") if one[1].endswith("/annotation/*") or "crawler/" in one[1]}
    assert listed_rights(*asked_by_the_check.RECORDED.keys() - {"runbook"}) - recorded - elsewhere == set()


def test_every_recorded_call_is_one_that_its_service_takes(life):
    """Patterns, lengths, enumerations and types of botocore's models, with the longest names that there are."""
    calls = [call for call in life.rights.calls if call["actor"] not in ("test", "emulator")]
    assert refused_by_models(calls) == []
    assert len({(call["service"], call["action"]) for call in calls}) > 90
    assert {call["region"] for call in calls} >= {REGION} and len(LOWER) == 24


@pytest.mark.parametrize(
    ("role", "at_least"),
    [
        ("cloudformation", 25),
        ("BuildRole", 60),
        ("FunctionRole", 1),
        ("codepipeline", 6),
        ("codebuild", 2),
        ("job", 6),
        ("source-event", 1),
    ],
)
def test_every_recorded_call_is_allowed(rights, role, at_least):
    name = rights.setup.get(role, f"{LOWER}-{role}-{REGION}")
    wanted = of_role(rights.calls, name)
    assert len(wanted) >= at_least, wanted
    refused = [
        (action, resource)
        for action, resource, context in sorted(wanted)
        if not policies.decide(
            rights.documents[name], rights.limits[name], action, resource, json.loads(context) | _extra(role, action)
        )
    ]
    assert refused == []


def _extra(role: str, action: str) -> dict[str, str]:
    """PutRolePolicy's request does not repeat the boundary: IAM takes it from the role."""
    kind = "delivery" if role == "BuildRole" else "runtime"
    boundary = f"arn:aws:iam::{NUMBER}:policy/{LOWER}-{kind}-boundary-{REGION}"
    return {"iam:PermissionsBoundary": boundary} if action == "iam:PutRolePolicy" else {}


# What the services themselves call under the role, which no emulator does: the pipeline's, by AWS's
# documentation of its action types.
LAKE, RESOURCES, BUILD = (
    f"arn:aws:s3:::{LOWER}-{kind}-{NUMBER}-{REGION}" for kind in ("datalake", "resources", "build")
)


@pytest.mark.parametrize(
    ("role", "action", "resource", "context"),
    [
        ("codepipeline", "s3:PutObject", f"{BUILD}/x", {}),
        ("codepipeline", "codecommit:GetBranch", arn("codecommit", f"{LOWER}-code"), {}),
        ("codepipeline", "codecommit:UploadArchive", arn("codecommit", f"{LOWER}-code"), {}),
        ("codepipeline", "codebuild:StartBuild", arn("codebuild", f"project/{LOWER}-build"), {}),
        ("codepipeline", "cloudformation:CreateStack", arn("cloudformation", f"stack/{PROJECT}Code/x"), {}),
        ("codepipeline", "cloudformation:UpdateStack", arn("cloudformation", f"stack/{PROJECT}Code/x"), {}),
        ("codepipeline", "iam:PassRole", f"arn:aws:iam::{NUMBER}:role/{LOWER}-cloudformation-{REGION}",
         {"iam__PassedToService": "cloudformation.amazonaws.com"}),
        ("source-event", "codepipeline:StartPipelineExecution", arn("codepipeline", f"{LOWER}-pipeline"), {}),
        ("codebuild", "s3:PutObject", f"{RESOURCES}/version/file", {}),
        ("codebuild", "logs:PutLogEvents", arn("logs", f"log-group:/aws/codebuild/{LOWER}-build:log-stream:x"), {}),
        ("cloudformation", "iam:PassRole", f"arn:aws:iam::{NUMBER}:role/{LOWER}-job-{REGION}",
         {"iam__PassedToService": "glue.amazonaws.com"}),
        ("job", "s3:GetObject", f"{LAKE}/annotation/clinvar/clinvar.vcf.gz", {}),
        ("job", "s3:PutObject", f"{LAKE}/annotation/clinvar/conflicting/clinvar_conflicting.csv", {}),
        ("job", "s3:GetObject", f"{RESOURCES}/version/glue/create_training_set.py", {}),
        ("job", "glue:CreateTable", arn("glue", f"table/{LOWER}/clinvar_vcf"), {}),
        ("runbook", "glue:StartJobRun", arn("glue", f"job/{LOWER}-create-training-set"), {}),
        ("runbook", "sagemaker:CreateAutoMLJobV2", arn("sagemaker", f"automl-job/{LOWER}-one"), {}),
        ("runbook", "sagemaker:CreateEndpoint", arn("sagemaker", f"endpoint/{LOWER}-one"), {}),
        ("runbook", "sagemaker:InvokeEndpoint", arn("sagemaker", f"endpoint/{LOWER}-one"), {}),
        ("runbook", "sagemaker:StopNotebookInstance", arn("sagemaker", f"notebook-instance/{LOWER}-notebook"), {}),
        ("runbook", "iam:PassRole", f"arn:aws:iam::{NUMBER}:role/{LOWER}-runbook-{REGION}",
         {"iam__PassedToService": "sagemaker.amazonaws.com"}),
    ],
    # pytest-xdist would take the colons of an ARN for those between a module and its tests.
    ids=lambda value: re.sub("[^A-Za-z]+", "-", value) if isinstance(value, str) else "",
)  # fmt: skip
def test_what_the_services_do_under_the_roles_is_allowed(rights, role, action, resource, context):
    assert rights.may(role, action, resource, **context)


_OTHER_ROLE = f"arn:aws:iam::{NUMBER}:role/Administrator"
_BOUNDARY = f"arn:aws:iam::{NUMBER}:policy/{LOWER}-runtime-boundary-{REGION}"
FORBIDDEN = [
    ("iam:CreateUser", f"arn:aws:iam::{NUMBER}:user/me", {}),
    ("iam:CreateAccessKey", f"arn:aws:iam::{NUMBER}:user/me", {}),
    ("iam:AttachRolePolicy", f"arn:aws:iam::{NUMBER}:role/{LOWER}-runbook-{REGION}", {}),
    (
        "iam:AttachRolePolicy",
        f"arn:aws:iam::{NUMBER}:role/{LOWER}-runbook-{REGION}",
        {"iam__PermissionsBoundary": _BOUNDARY},
    ),
    ("iam:CreateRole", f"arn:aws:iam::{NUMBER}:role/{LOWER}-runbook-{REGION}", {}),
    ("iam:CreateRole", _OTHER_ROLE, {"iam__PermissionsBoundary": _BOUNDARY}),
    ("iam:PutRolePolicy", f"arn:aws:iam::{NUMBER}:role/{LOWER}-job-{REGION}", {}),
    ("iam:PutRolePolicy", _OTHER_ROLE, {"iam__PermissionsBoundary": _BOUNDARY}),
    ("iam:DeleteRolePermissionsBoundary", f"arn:aws:iam::{NUMBER}:role/{LOWER}-job-{REGION}", {}),
    ("iam:PutRolePermissionsBoundary", f"arn:aws:iam::{NUMBER}:role/{LOWER}-job-{REGION}", {}),
    ("iam:CreatePolicyVersion", _BOUNDARY, {}),
    ("iam:SetDefaultPolicyVersion", _BOUNDARY, {}),
    ("iam:DeletePolicy", _BOUNDARY, {}),
    ("iam:PassRole", _OTHER_ROLE, {"iam__PassedToService": "sagemaker.amazonaws.com"}),
    (
        "iam:PassRole",
        f"arn:aws:iam::{NUMBER}:role/{LOWER}-runbook-{REGION}",
        {"iam__PassedToService": "ec2.amazonaws.com"},
    ),
    ("s3:GetObject", "arn:aws:s3:::somebody-elses/x", {}),
    ("s3:PutObject", f"arn:aws:s3:::{LOWER}-logs-{NUMBER}-us-east-1/x", {}),
    ("s3:PutBucketPolicy", "arn:aws:s3:::somebody-elses", {}),
    ("sagemaker:InvokeEndpoint", arn("sagemaker", "endpoint/other"), {}),
    ("sagemaker:DeleteEndpoint", arn("sagemaker", "endpoint/other"), {}),
    ("sagemaker:StopNotebookInstance", arn("sagemaker", "notebook-instance/other"), {}),
    ("sagemaker:CreatePresignedNotebookInstanceUrl", arn("sagemaker", f"notebook-instance/{LOWER}-notebook"), {}),
    ("glue:StartJobRun", arn("glue", "job/other"), {}),
    ("glue:DeleteTable", arn("glue", "table/other/x"), {}),
    ("cloudformation:UpdateStack", arn("cloudformation", "stack/Other/x"), {}),
    ("codecommit:GitPush", arn("codecommit", "other"), {}),
    ("lambda:UpdateFunctionCode", arn("lambda", f"function:{SETUP}-Function-0"), {}),
    ("ec2:RunInstances", arn("ec2", "instance/*"), {}),
    ("kms:Decrypt", arn("kms", "key/other"), {}),
    ("sts:AssumeRole", _OTHER_ROLE, {}),
]


@pytest.mark.parametrize("role", [*ROLES, "FunctionRole", "BuildRole"])
def test_what_no_role_may(rights, role):
    allowed = [
        (action, resource) for action, resource, context in FORBIDDEN if rights.may(role, action, resource, **context)
    ]
    assert allowed == []


def test_notebooks_may_not_what_the_pipeline_may(rights):
    for action, resource in (
        ("s3:PutObject", f"{RESOURCES}/version/file"),
        ("glue:UpdateJob", arn("glue", f"job/{LOWER}-create-training-set")),
        ("cloudformation:UpdateStack", arn("cloudformation", f"stack/{PROJECT}Code/x")),
        ("iam:CreateRole", f"arn:aws:iam::{NUMBER}:role/{LOWER}-job-{REGION}"),
        ("sagemaker:DeleteNotebookInstance", arn("sagemaker", f"notebook-instance/{LOWER}-notebook")),
    ):
        assert not rights.may("runbook", action, resource, iam__PermissionsBoundary=_BOUNDARY), action


def test_a_policy_beyond_the_boundary_gives_nothing(rights):
    """The worst that CloudFormationRole could write into a role that it makes: everything."""
    everything = {"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Action": "*", "Resource": "*"}]}
    limit = rights.limits[f"{LOWER}-runbook-{REGION}"]
    assert limit != rights.limits[f"{LOWER}-cloudformation-{REGION}"]
    beyond = [
        (action, resource)
        for action, resource, context in FORBIDDEN
        if policies.decide([everything], limit, action, resource, {k.replace("__", ":"): v for k, v in context.items()})
    ]
    # Within the envelope are passing itself, and the administrator's key.
    assert {action for action, _ in beyond} <= {"iam:PassRole", "kms:Decrypt"}
    assert not [resource for action, resource in beyond if action == "iam:PassRole" and "-runbook-" not in resource]


def test_simulate_custom_policy_of_ministack_agrees(rights, tmp_path):
    """An evaluator of IAM's logic that is not ours, asked the same questions.

    It reads neither the context of a request nor a boundary, so statements under a condition are left out: what they
    alone allow it refuses, which are the rights about roles.
    """
    decided = 0
    with running_ministack(tmp_path) as client:
        iam = client("iam")
        for name, documents in rights.documents.items():
            plain = [{**d, "Statement": [s for s in d["Statement"] if "Condition" not in s]} for d in documents]
            made = {(action, resource) for action, resource, _ in of_role(rights.calls, name)}
            forbidden = {(action, resource) for action, resource, _ in FORBIDDEN}
            allowed = set()
            for resource in {resource for _, resource in made | forbidden}:
                actions = sorted({action for action, of in made | forbidden if of == resource})
                answer = iam.simulate_custom_policy(
                    PolicyInputList=[json.dumps(document) for document in plain if document["Statement"]],
                    ActionNames=actions,
                    ResourceArns=[resource],
                )["EvaluationResults"]
                allowed |= {(one["EvalActionName"], resource) for one in answer if one["EvalDecision"] == "allowed"}
                decided += len(answer)
            assert allowed == {pair for pair in made | forbidden if policies.decide(plain, None, *pair)}, name
            assert not allowed & forbidden, name
            assert {action for action, _ in made - allowed} <= {"iam:CreateRole", "iam:PutRolePolicy", "iam:PassRole"}
    assert decided > 300


def test_parliament_finds_nothing(rights, tmp_path):
    """Every policy as it was deployed: roles, boundary, buckets."""
    documents = {f"{name}-{i}": d for name, documents in rights.documents.items() for i, d in enumerate(documents)}
    documents["runtime"] = rights.limits[f"{LOWER}-job-{REGION}"]
    documents["delivery"] = rights.limits[f"{LOWER}-codebuild-{REGION}"]
    documents |= {f"bucket-{i}": document for i, document in enumerate(rights.bucket_policies)}
    for name, document in documents.items():
        (tmp_path / f"{name}.json").write_text(json.dumps(document))
    # It reads standard input where that is no terminal, and refuses a file then: hence the folder.
    command = [policy_tool("parliament"), "--directory", str(tmp_path), "--json"]
    lines = subprocess.run(command, capture_output=True, text=True, check=False).stdout.splitlines()
    roles = {f"{physical}-0.json": f"{role}.json" for role, physical in rights.setup.items()}
    names = [(Path(finding["location"]["filepath"]).name, finding["issue"]) for finding in map(json.loads, lines)]
    found = [(roles.get(name, name), issue) for name, issue in names]
    assert len(documents) == 14
    assert sorted(set(found)) == sorted(EXPLAINED)


# What parliament says of the boundaries and why it stands: a boundary grants nothing, it limits what roles are granted.
_NAMES = "service:* on the project's names; actions without such a resource get nothing"
_STAR = "subnets, keys, connections and AWS's images have no names of the project's"
EXPLAINED = {
    ("runtime.json", "RESOURCE_MISMATCH"): _NAMES,
    ("runtime.json", "RESOURCE_STAR"): _STAR,
    ("delivery.json", "RESOURCE_MISMATCH"): _NAMES,
    ("delivery.json", "RESOURCE_STAR"): _STAR,
    (f"{LOWER}-cloudformation-{REGION}-0.json", "RESOURCE_MISMATCH"): "athena:TagResource takes three kinds of "
    "resource, of which the project has one, its workgroup",
    ("BuildRole.json", "RESOURCE_MISMATCH"): "actions named by their beginning (s3:Get*) beside the resource that "
    "they are for; those of another kind get nothing",
}


def test_decide_follows_the_evaluation_logic():
    allow = {"Effect": "Allow", "Action": "s3:Get*", "Resource": "arn:aws:s3:::a/*"}
    deny = {"Effect": "Deny", "Action": "s3:GetObject", "Resource": "arn:aws:s3:::a/secret"}
    document = {"Version": "2012-10-17", "Statement": [allow, deny]}
    assert policies.decide([document], None, "s3:GetObject", "arn:aws:s3:::a/x")
    assert not policies.decide([document], None, "s3:GetObject", "arn:aws:s3:::a/secret")
    assert not policies.decide([document], None, "s3:PutObject", "arn:aws:s3:::a/x")
    assert not policies.decide([document], {"Statement": []}, "s3:GetObject", "arn:aws:s3:::a/x")
    conditional = {"Statement": [allow | {"Condition": {"StringEquals": {"iam:PassedToService": "x"}}}]}
    assert not policies.decide([conditional], None, "s3:GetObject", "arn:aws:s3:::a/x")
    assert policies.decide([conditional], None, "s3:GetObject", "arn:aws:s3:::a/x", {"iam:PassedToService": "x"})
