"""Recorded calls as questions to IAM: which action, on which resource; and held to the list that the check asks of."""

from __future__ import annotations

import json
import re

import policies
from situations import Situation, role_documents

from genomicslearning.deploy.rights import DOCUMENTED, RECORDED

REGION, NUMBER = "eu-west-1", "123456789012"


def arn(service: str, rest: str, *, region: str = REGION) -> str:
    return f"arn:aws:{service}:{region}:{NUMBER}:{rest}"


# API call -> IAM action, where the two have different names, and the resource that IAM asks about.
_ACTIONS = {"budgets:CreateBudget": "budgets:ModifyBudget", "budgets:DeleteBudget": "budgets:ModifyBudget",
            "logs:ListTagsLogGroup": "logs:ListTagsForResource"}  # fmt: skip
_LISTS = {"ListEndpoints", "ListEndpointConfigs", "ListModels", "ListNotebookInstances", "ListRepositories",
          "ListAutoMLJobs", "ListTransformJobs", "ListCandidatesForAutoMLJob"}  # fmt: skip
_NO_RESOURCE = {"DescribeLogGroups", "GetJobs", "CreateCrawler", "ListAllMyBuckets", *_LISTS}
_FREE = {"sts:GetCallerIdentity"}  # needs no right


def question(call: dict) -> tuple[str, str, dict] | None:
    """Action, resource and context of a recorded call."""
    service, action, p = call["service"], call["action"], call["parameters"]
    full = f"{service}:{action}"
    if full in _FREE:
        return None
    name, region = _ACTIONS.get(full, full), call["region"]
    if "ResourceArn" in p and "Tags" in action:
        return name, p["ResourceArn"], {}
    if full == "iam:SimulatePrincipalPolicy":
        return name, p["PolicySourceArn"], {}
    if service == "ecr":
        return name, f"arn:aws:ecr:{region}:{p['registryId']}:repository/{p['repositoryName']}", {}
    if action in _NO_RESOURCE:
        return name, "*", {}
    if service == "s3":
        key = p.get("Key") or ("any" if "Delete" in p else "")
        return name, f"arn:aws:s3:::{p['Bucket']}" + (f"/{key}" if key else ""), {}
    if service == "iam":
        context = {"iam:PermissionsBoundary": p["PermissionsBoundary"]} if "PermissionsBoundary" in p else {}
        return name, f"arn:aws:iam::{NUMBER}:role/{p['RoleName']}", context
    if service == "cloudformation":
        stack = p["StackName"].rsplit(":stack/", 1)[-1].split("/")[0]
        return name, arn("cloudformation", f"stack/{stack}/some-id", region=region), {}
    resource = {
        "codecommit": lambda: p["repositoryName"],
        "codebuild": lambda: f"project/{p.get('projectName') or p.get('name') or p['names'][0]}",
        "codepipeline": lambda: p.get("pipelineName") or p.get("name") or p["pipeline"]["name"],
        "events": lambda: f"rule/{p.get('Rule') or p['Name']}",
        "logs": lambda: _logs(action, p),
        "budgets": lambda: f"budget/{p.get('BudgetName') or p['Budget']['BudgetName']}",
        "glue": lambda: _glue(action, p),
        "athena": lambda: f"workgroup/{p.get('WorkGroup') or p['Name']}",
        "sagemaker": lambda: _sagemaker(action, p),
    }[service]()
    return name, arn(service, resource, region="" if service == "budgets" else region), {}


def _logs(action: str, p: dict) -> str:
    """A group, or the streams in it."""
    inside = f":log-stream:{p.get('logStreamName', '')}" if "Stream" in action or "Event" in action else ""
    return f"log-group:{p['logGroupName']}{inside}"


def _glue(action: str, p: dict) -> str:
    if "Table" in action:
        return f"table/{p['DatabaseName']}/{p.get('Name') or p['TableInput']['Name']}"
    if "Database" in action:
        return f"database/{p.get('Name') or p['DatabaseInput']['Name']}"
    return ("crawler/" if "Crawler" in action else "job/") + (p.get("Name") or p["JobName"])


_SAGEMAKER = {
    "NotebookInstanceName": "notebook-instance",
    "NotebookInstanceLifecycleConfigName": "notebook-instance-lifecycle-config",
    "AutoMLJobName": "automl-job",
    "TransformJobName": "transform-job",
    "EndpointName": "endpoint",
    "EndpointConfigName": "endpoint-config",
    "ModelName": "model",
}


def _sagemaker(action: str, p: dict) -> str:
    # CreateEndpoint names its configuration, too: the action says which of them it is about.
    keys = [key for key in _SAGEMAKER if key in p]
    kinds = {key: key.removesuffix("Name") for key in keys}
    key = next((key for key, kind in kinds.items() if action.endswith((kind, f"{kind}V2"))), keys[0])
    return f"{_SAGEMAKER[key]}/{p[key]}"


def passed(call: dict) -> tuple[str, str, dict] | None:
    """The right to pass a role on, which a call that hands one to a service needs beside its own."""
    parameters, service = call["parameters"], call["service"]
    targets = parameters.get("Targets")
    inner = parameters.get("pipeline") or (targets[0] if isinstance(targets, list) else {})
    names = ("RoleArn", "ExecutionRoleArn", "Role", "RoleARN", "serviceRole", "roleArn")
    role = next((given[name] for given in (parameters, inner) for name in names if name in given), None)
    return role and ("iam:PassRole", role, {"iam:PassedToService": f"{service}.amazonaws.com"})


#: The right to tag what is being made, which CloudFormation's and the services' own checks ask for beside the making.
_TAGGING = {"sagemaker": "AddTags", "glue": "TagResource", "athena": "TagResource"}


def tagged(call: dict) -> tuple[str, str, dict] | None:
    """The right to set tags, which a call needs that makes something with tags."""
    service = call["service"]
    if service not in _TAGGING or not call["action"].startswith("Create") or not call["parameters"].get("Tags"):
        return None
    _, resource, _ = question(call)
    if call["action"] == "CreateCrawler":  # whose making has no resource type, but the tagging has
        resource = arn("glue", f"crawler/{call['parameters']['Name']}", region=call["region"])
    return f"{service}:{_TAGGING[service]}", resource, {}


def of_role(calls: list[dict], actor: str) -> set[tuple[str, str, str]]:
    """What a role asked for, each question once."""
    made = [call for call in calls if call["actor"] == actor]
    questions = [ask(call) for call in made for ask in (question, passed, tagged)]
    return {(action, resource, json.dumps(context)) for action, resource, context in filter(None, questions)}


# ---------------------------------------------------------------------- the list that `status --check` asks of
# One test asks for a project that is not the role's: that it would be refused is as it should be.
_ELSEWHERE = arn("cloudformation", "stack/ElsewhereCode/some-id").lower()
_ACTOR = re.compile(rf"([a-z][a-z0-9]*)-({'|'.join(RECORDED)})-([a-z0-9-]+)")


def recorded_rights(calls: list[dict]) -> set[tuple[str, str, str]]:
    """Role, the list's resource and action of each recorded call; a resource that the list has not is an ARN."""
    found = set()
    for actor in {call["actor"] for call in calls}:
        if named := _ACTOR.fullmatch(actor):
            lower, role, region = named.groups()
            names = {"partition": "aws", "region": region, "account": NUMBER, "project": lower, "lower": lower}
            for action, resource, _ in of_role(calls, actor):
                place = re.sub("^arn:aws[a-z-]*:", "arn:aws:", resource).lower()  # the project's capitals aside
                if place != _ELSEWHERE:
                    found.add((role, _listed_resource(role, action, place, names), action))
    return found


def _listed_resource(role: str, action: str, resource: str, names: dict[str, str]) -> str:
    """The list's entry that a resource is of."""
    fitting = [
        pattern
        for pattern in {**RECORDED[role], **DOCUMENTED[role]}
        if (pattern == resource == "*")
        or (pattern != "*" and policies.matches(pattern.format(**names).lower(), resource))
    ]
    return next((one for one in fitting if action in _actions(role, one)), (fitting or [resource])[0])


def _actions(role: str, pattern: str) -> list[str]:
    return f"{RECORDED[role].get(pattern, '')} {DOCUMENTED[role].get(pattern, ['', ''])[0]}".split()


def listed_rights(*roles: str) -> set[tuple[str, str, str]]:
    """The same of the list: what it says was recorded."""
    return {
        (role, pattern, action)
        for role in roles or RECORDED
        for pattern, actions in RECORDED[role].items()
        for action in actions.split()
    }


def asked_rights() -> set[tuple[str, str, str]]:
    """The same of all that the check asks."""
    return {
        (role, pattern, action)
        for role in RECORDED
        for pattern in {**RECORDED[role], **DOCUMENTED[role]}
        for action in _actions(role, pattern)
    }


def as_deployed(stack: str, role: str, title: str = "GenomicsLearning") -> list[dict]:
    """A role's policies with the names of a deployment, from its template: for tests that need no stacks."""
    return role_documents(stack, role, Situation("as deployed", title, REGION))


def check_notebooks(calls: list[dict], at_least: str) -> None:
    """Every recorded call of the notebooks is within RunbookRole's policy, as the template has it."""
    asked = of_role(calls, f"genomicslearning-runbook-{REGION}")
    assert {action for action, _, _ in asked} >= set(at_least.split())
    documents = as_deployed("code", "RunbookRole")
    refused = {
        (action, resource)
        for action, resource, context in asked
        if not policies.decide(documents, None, action, resource, json.loads(context))
    }
    assert {one for one in refused if one[1].lower() != _ELSEWHERE} == set()
