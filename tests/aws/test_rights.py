"""Roles against the calls that were recorded while the product ran, and against a list of calls that must fail.

The calls come from the emulator's record: CloudFormation under its role making the code stack, and the setup stack's
function and build.
"""

from __future__ import annotations

import json
import re
import subprocess
from pathlib import Path

import policies
import pytest
from conftest import running_ministack
from rights_asked import REGION, arn, of_role
from test_setup import TEMPLATE, parameters, put_assets, wait, zipped
from test_templates import policy_tool

from genomicslearning import deploy
from genomicslearning.deploy import codecommit as source
from genomicslearning.deploy import stacks

NUMBER = "123456789012"
ROLES = ("cloudformation", "codebuild", "codepipeline", "source-event", "job", "runbook")


class Rights:
    """Policies and boundaries as they were deployed, fetched from IAM, and the calls under each role."""

    def __init__(self, account) -> None:
        self.iam = account.client("iam")
        self.calls = [json.loads(line) for line in (account.folder / "calls.jsonl").read_text().splitlines()]
        names = [f"rights-{role}-{REGION}" for role in ROLES]
        self.setup = {}
        for logical in ("FunctionRole", "BuildRole"):
            found = account.client("cloudformation").describe_stack_resource(
                StackName="RightsSetup", LogicalResourceId=logical
            )
            self.setup[logical] = found["StackResourceDetail"]["PhysicalResourceId"]
        self.names = [*names, *self.setup.values()]
        self.documents = {name: policies.role_policies(self.iam, name) for name in self.names}
        self.limits = {name: policies.boundary(self.iam, name) for name in self.names}
        buckets = account.client("s3")
        self.bucket_policies = [
            json.loads(buckets.get_bucket_policy(Bucket=f"rights-{kind}-{NUMBER}-{REGION}")["Policy"])
            for kind in ("build", "resources", "datalake", "logs")
        ]

    def may(self, name: str, action: str, resource: str, **context) -> bool:
        name = self.setup.get(name, name if name in self.documents else f"rights-{name}-{REGION}")
        context = {key.replace("__", ":"): value for key, value in context.items()}
        return policies.decide(self.documents[name], self.limits[name], action, resource, context)


class Life:
    """One setup stack from its creation to its end, with what was there in between."""

    def __init__(self, account, client) -> None:
        self.account, self.client = account, client
        # What the check itself does is tried in test_check.py; here it would take longer than all the rest.
        request = {"StackName": "RightsSetup", "TemplateBody": TEMPLATE, "Capabilities": ["CAPABILITY_NAMED_IAM"]}
        client.create_stack(**request, Parameters=parameters(Project="Rights", Check="no"))
        self.created, self.why = wait(client, "RightsSetup"), why(account)
        self.states = self._states()
        zone = client.describe_stack_resources(StackName="RightsZone")["StackResources"]
        self.zone = [resource["LogicalResourceId"] for resource in zone]
        self.rights = Rights(account)

        client.update_stack(**request, Parameters=parameters(Project="Rights", Check="no", IdleMinutes="20"))
        self.updated, self.why = wait(client, "RightsSetup"), why(account)
        self.states_after = self._states()
        given = stacks.describe(client, "RightsPipe")["Parameters"]
        self.given = {p["ParameterKey"]: p["ParameterValue"] for p in given}

        client.delete_stack(StackName="RightsSetup")
        self.deleted = wait(client, "RightsSetup")
        self.rights.calls = [json.loads(line) for line in (account.folder / "calls.jsonl").read_text().splitlines()]

    def _states(self) -> dict[str, str | None]:
        found = {kind: stacks.describe(self.client, f"Rights{kind}") for kind in ("Zone", "Pipe", "Code")}
        return {kind: stack and stack["StackStatus"] for kind, stack in found.items()}


@pytest.fixture(scope="module")
def life(account, source_tree):
    """A deployment through the setup stack, so that every role has worked."""
    put_assets(account.client("s3"), zipped(source.source_files(source_tree)))
    return Life(account, account.session().client("cloudformation"))


@pytest.fixture(scope="module")
def rights(life):
    assert life.created == "CREATE_COMPLETE", life.why
    return life.rights


def why(account) -> str:
    events = account.client("cloudformation").describe_stack_events(StackName="RightsSetup")["StackEvents"]
    reasons = [
        f"{e['LogicalResourceId']}: {e['ResourceStatusReason']}" for e in events if e.get("ResourceStatusReason")
    ]
    logs = [account.folder / name for name in ("functions.log", "RightsSetup-setup.log")]
    return "\n".join(reasons) + "\n".join(log.read_text()[-3000:] for log in logs if log.exists())


def test_one_template_deploys_updates_and_removes_everything(account, life):
    """Its function and its build really run, with the whole solution behind them."""
    assert (life.created, life.updated, life.deleted) == ("CREATE_COMPLETE", "UPDATE_COMPLETE", "gone"), life.why
    assert set(life.states.values()) == {"CREATE_COMPLETE"}
    # The boundaries are the setup stack's: the landing zone makes none that the build could change.
    assert set(life.zone) == {"PipeRepository", "Always"}
    assert life.states_after["Code"] == "UPDATE_COMPLETE" and life.given["IdleMinutes"] == "20"
    assert deploy.leftovers(account.session(), deploy.Settings(project="Rights", region=REGION)) == []
    assert [stacks.describe(life.client, f"Rights{kind}") for kind in ("Zone", "Pipe", "Code")] == [None] * 3


@pytest.mark.parametrize(("role", "at_least"), [("cloudformation", 25), ("BuildRole", 45), ("FunctionRole", 1)])
def test_every_recorded_call_is_allowed(rights, role, at_least):
    name = rights.setup.get(role, f"rights-{role}-{REGION}")
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
    boundary = f"arn:aws:iam::{NUMBER}:policy/rights-{kind}-boundary-{REGION}"
    return {"iam:PermissionsBoundary": boundary} if action == "iam:PutRolePolicy" else {}


# What the services themselves call under the role, which no emulator does: the pipeline's, by AWS's
# documentation of its action types.
LAKE, RESOURCES, BUILD = (
    f"arn:aws:s3:::rights-{kind}-{NUMBER}-{REGION}" for kind in ("datalake", "resources", "build")
)


@pytest.mark.parametrize(
    ("role", "action", "resource", "context"),
    [
        ("codepipeline", "s3:PutObject", f"{BUILD}/x", {}),
        ("codepipeline", "codecommit:GetBranch", arn("codecommit", "rights-code"), {}),
        ("codepipeline", "codecommit:UploadArchive", arn("codecommit", "rights-code"), {}),
        ("codepipeline", "codebuild:StartBuild", arn("codebuild", "project/rights-build"), {}),
        ("codepipeline", "cloudformation:CreateStack", arn("cloudformation", "stack/RightsCode/x"), {}),
        ("codepipeline", "cloudformation:UpdateStack", arn("cloudformation", "stack/RightsCode/x"), {}),
        ("codepipeline", "iam:PassRole", f"arn:aws:iam::{NUMBER}:role/rights-cloudformation-{REGION}",
         {"iam__PassedToService": "cloudformation.amazonaws.com"}),
        ("source-event", "codepipeline:StartPipelineExecution", arn("codepipeline", "rights-pipeline"), {}),
        ("codebuild", "s3:PutObject", f"{RESOURCES}/version/file", {}),
        ("codebuild", "logs:PutLogEvents", arn("logs", "log-group:/aws/codebuild/rights-build:log-stream:x"), {}),
        ("cloudformation", "iam:PassRole", f"arn:aws:iam::{NUMBER}:role/rights-job-{REGION}",
         {"iam__PassedToService": "glue.amazonaws.com"}),
        ("job", "s3:GetObject", f"{LAKE}/annotation/clinvar/clinvar.vcf.gz", {}),
        ("job", "s3:PutObject", f"{LAKE}/annotation/clinvar/conflicting/clinvar_conflicting.csv", {}),
        ("job", "s3:GetObject", f"{RESOURCES}/version/glue/create_training_set.py", {}),
        ("job", "glue:CreateTable", arn("glue", "table/rights/clinvar_vcf"), {}),
        ("runbook", "glue:StartJobRun", arn("glue", "job/rights-create-training-set"), {}),
        ("runbook", "sagemaker:CreateAutoMLJobV2", arn("sagemaker", "automl-job/rights-one"), {}),
        ("runbook", "sagemaker:CreateEndpoint", arn("sagemaker", "endpoint/rights-one"), {}),
        ("runbook", "sagemaker:InvokeEndpoint", arn("sagemaker", "endpoint/rights-one"), {}),
        ("runbook", "sagemaker:StopNotebookInstance", arn("sagemaker", "notebook-instance/rights-notebook"), {}),
        ("runbook", "iam:PassRole", f"arn:aws:iam::{NUMBER}:role/rights-runbook-{REGION}",
         {"iam__PassedToService": "sagemaker.amazonaws.com"}),
    ],
    # pytest-xdist would take the colons of an ARN for those between a module and its tests.
    ids=lambda value: re.sub("[^A-Za-z]+", "-", value) if isinstance(value, str) else "",
)  # fmt: skip
def test_what_the_services_do_under_the_roles_is_allowed(rights, role, action, resource, context):
    assert rights.may(role, action, resource, **context)


_OTHER_ROLE = f"arn:aws:iam::{NUMBER}:role/Administrator"
_BOUNDARY = f"arn:aws:iam::{NUMBER}:policy/rights-runtime-boundary-{REGION}"
FORBIDDEN = [
    ("iam:CreateUser", f"arn:aws:iam::{NUMBER}:user/me", {}),
    ("iam:CreateAccessKey", f"arn:aws:iam::{NUMBER}:user/me", {}),
    ("iam:AttachRolePolicy", f"arn:aws:iam::{NUMBER}:role/rights-runbook-{REGION}", {}),
    (
        "iam:AttachRolePolicy",
        f"arn:aws:iam::{NUMBER}:role/rights-runbook-{REGION}",
        {"iam__PermissionsBoundary": _BOUNDARY},
    ),
    ("iam:CreateRole", f"arn:aws:iam::{NUMBER}:role/rights-runbook-{REGION}", {}),
    ("iam:CreateRole", _OTHER_ROLE, {"iam__PermissionsBoundary": _BOUNDARY}),
    ("iam:PutRolePolicy", f"arn:aws:iam::{NUMBER}:role/rights-job-{REGION}", {}),
    ("iam:PutRolePolicy", _OTHER_ROLE, {"iam__PermissionsBoundary": _BOUNDARY}),
    ("iam:DeleteRolePermissionsBoundary", f"arn:aws:iam::{NUMBER}:role/rights-job-{REGION}", {}),
    ("iam:PutRolePermissionsBoundary", f"arn:aws:iam::{NUMBER}:role/rights-job-{REGION}", {}),
    ("iam:CreatePolicyVersion", _BOUNDARY, {}),
    ("iam:SetDefaultPolicyVersion", _BOUNDARY, {}),
    ("iam:DeletePolicy", _BOUNDARY, {}),
    ("iam:PassRole", _OTHER_ROLE, {"iam__PassedToService": "sagemaker.amazonaws.com"}),
    (
        "iam:PassRole",
        f"arn:aws:iam::{NUMBER}:role/rights-runbook-{REGION}",
        {"iam__PassedToService": "ec2.amazonaws.com"},
    ),
    ("s3:GetObject", "arn:aws:s3:::somebody-elses/x", {}),
    ("s3:PutObject", f"arn:aws:s3:::rights-logs-{NUMBER}-us-east-1/x", {}),
    ("s3:PutBucketPolicy", "arn:aws:s3:::somebody-elses", {}),
    ("sagemaker:InvokeEndpoint", arn("sagemaker", "endpoint/other"), {}),
    ("sagemaker:DeleteEndpoint", arn("sagemaker", "endpoint/other"), {}),
    ("sagemaker:StopNotebookInstance", arn("sagemaker", "notebook-instance/other"), {}),
    ("sagemaker:CreatePresignedNotebookInstanceUrl", arn("sagemaker", "notebook-instance/rights-notebook"), {}),
    ("glue:StartJobRun", arn("glue", "job/other"), {}),
    ("glue:DeleteTable", arn("glue", "table/other/x"), {}),
    ("cloudformation:UpdateStack", arn("cloudformation", "stack/Other/x"), {}),
    ("codecommit:GitPush", arn("codecommit", "other"), {}),
    ("lambda:UpdateFunctionCode", arn("lambda", "function:RightsSetup-setup"), {}),
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
        ("glue:UpdateJob", arn("glue", "job/rights-create-training-set")),
        ("cloudformation:UpdateStack", arn("cloudformation", "stack/RightsCode/x")),
        ("iam:CreateRole", f"arn:aws:iam::{NUMBER}:role/rights-job-{REGION}"),
        ("sagemaker:DeleteNotebookInstance", arn("sagemaker", "notebook-instance/rights-notebook")),
    ):
        assert not rights.may("runbook", action, resource, iam__PermissionsBoundary=_BOUNDARY), action


def test_a_policy_beyond_the_boundary_gives_nothing(rights):
    """The worst that CloudFormationRole could write into a role that it makes: everything."""
    everything = {"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Action": "*", "Resource": "*"}]}
    limit = rights.limits[f"rights-runbook-{REGION}"]
    assert limit != rights.limits[f"rights-cloudformation-{REGION}"]
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
    documents["runtime"] = rights.limits[f"rights-job-{REGION}"]
    documents["delivery"] = rights.limits[f"rights-codebuild-{REGION}"]
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
    (f"rights-cloudformation-{REGION}-0.json", "RESOURCE_MISMATCH"): "athena:TagResource takes three kinds of "
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
