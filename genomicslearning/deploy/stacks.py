"""Create, update and delete one CloudFormation stack, and say what it is doing meanwhile."""

from __future__ import annotations

import time
from collections.abc import Callable

# Ask soon at first (small stacks take seconds), then every five seconds.
_FIRST_PAUSE, _LONGEST_PAUSE = 0.25, 5.0
# A create that failed leaves a stack that cannot be updated: it has to go first.
_DEAD = {"ROLLBACK_COMPLETE", "ROLLBACK_FAILED", "CREATE_FAILED", "DELETE_FAILED", "REVIEW_IN_PROGRESS"}
_GOOD = {"CREATE_COMPLETE", "UPDATE_COMPLETE"}

Progress = Callable[[str], None]


class DeployFailed(Exception):
    """A stack did not get where it should; the message names the resource that failed and AWS's reason."""


def describe(client, name: str) -> dict | None:
    """The stack, or None where there is none (any more)."""
    try:
        return client.describe_stacks(StackName=name)["Stacks"][0]
    except client.exceptions.ClientError as problem:
        if "does not exist" in str(problem):
            return None
        raise


def outputs(client, name: str) -> dict[str, str]:
    """A stack's outputs by key."""
    stack = describe(client, name)
    return {output["OutputKey"]: output["OutputValue"] for output in (stack or {}).get("Outputs", [])}


def create_or_update(
    client,
    name: str,
    template: str,
    parameters: dict[str, str],
    *,
    role_arn: str = "",
    clear: Callable[[str], None] | None = None,
    progress: Progress,
) -> dict[str, str]:
    """Bring a stack to this template and these parameters, whatever state it is in; return its outputs.

    `clear` is called with the id of a stack that failed to be made, before that is deleted.

    Raises
    ------
    DeployFailed
        The stack rolled back. Calling again after the cause is removed carries on.
    """
    stack = _settled(client, name, clear, progress)
    request = {
        "StackName": name,
        "TemplateBody": template,
        "Parameters": [{"ParameterKey": key, "ParameterValue": value} for key, value in parameters.items()],
        "Capabilities": ["CAPABILITY_NAMED_IAM"],
        "Tags": [{"Key": "Project", "Value": parameters["Project"]}],
    }
    if role_arn:
        request["RoleARN"] = role_arn
    seen = _event_ids(client, stack["StackId"]) if stack else set()
    try:
        answer = client.update_stack(**request) if stack else client.create_stack(**request)
    except client.exceptions.ClientError as problem:
        if "No updates are to be performed" in str(problem):
            progress(f"{name}: nothing to change")
            return outputs(client, name)
        raise DeployFailed(f"{name}: {problem.response['Error']['Message']}") from problem
    status, reasons = _wait(client, answer["StackId"], seen, progress)
    if status not in _GOOD:
        raise DeployFailed(f"{name}: {status}. " + ("; ".join(reasons) or "see the stack's events"))
    progress(f"{name}: {status}")
    return outputs(client, name)


def _settled(client, name: str, clear: Callable[[str], None] | None, progress: Progress) -> dict | None:
    """The stack once nothing else is at work on it; None where there is none, or it was dead and is removed now."""
    stack = describe(client, name)
    if stack and stack["StackStatus"].endswith("_IN_PROGRESS") and stack["StackStatus"] != "REVIEW_IN_PROGRESS":
        progress(f"{name}: another operation is under way ({stack['StackStatus']}); waiting for it")
        _wait(client, stack["StackId"], set(), progress)
        stack = describe(client, name)
    if stack and stack["StackStatus"] in _DEAD:
        progress(f"{name}: an earlier attempt failed ({stack['StackStatus']}); removing what it left")
        if clear:
            clear(stack["StackId"])
        delete(client, name, progress=progress)
        stack = None
    return stack


def delete(client, name: str, *, progress: Progress) -> None:
    """Delete a stack and wait until it is gone; none there is fine."""
    stack = describe(client, name)
    if stack is None:
        progress(f"{name}: not there")
        return
    if stack["StackStatus"].endswith("_IN_PROGRESS") and stack["StackStatus"] != "DELETE_IN_PROGRESS":
        _wait(client, stack["StackId"], set(), progress)
    seen = _event_ids(client, stack["StackId"])
    try:
        client.delete_stack(StackName=stack["StackId"])
    except client.exceptions.ClientError as problem:
        raise DeployFailed(f"{name}: {problem.response['Error']['Message']}") from problem
    status, reasons = _wait(client, stack["StackId"], seen, progress)
    if status != "DELETE_COMPLETE":
        raise DeployFailed(f"{name}: {status}. " + ("; ".join(reasons) or "see the stack's events"))
    progress(f"{name}: deleted")


def _events(client, stack_id: str) -> list[dict]:
    """Newest last; empty for a stack whose events are gone."""
    try:
        pages = client.get_paginator("describe_stack_events").paginate(StackName=stack_id)
        return [event for page in pages for event in page["StackEvents"]][::-1]
    except client.exceptions.ClientError:
        return []


def _event_ids(client, stack_id: str) -> set[str]:
    return {event["EventId"] for event in _events(client, stack_id)}


def _wait(client, stack_id: str, seen: set[str], progress: Progress) -> tuple[str, list[str]]:
    """Follow a stack until its operation ends; return its status and the reasons of the resources that failed."""
    reasons, started, pause = [], time.monotonic(), _FIRST_PAUSE
    while True:
        stack = describe(client, stack_id)
        for event in _events(client, stack_id):
            if event["EventId"] in seen:
                continue
            seen.add(event["EventId"])
            reason = event.get("ResourceStatusReason", "")
            progress(
                f"  {time.monotonic() - started:4.0f} s  {event['ResourceStatus']:<24} {event['LogicalResourceId']}"
                + (f": {reason}" if reason and "FAILED" in event["ResourceStatus"] else "")
            )
            # Resources that were only cancelled because another failed say nothing about the cause.
            if "FAILED" in event["ResourceStatus"] and reason and "cancelled" not in reason:
                reasons.append(f"{event['LogicalResourceId']} ({event['ResourceType']}): {reason}")
        if stack is None:
            return "DELETE_COMPLETE", reasons
        if not stack["StackStatus"].endswith("_IN_PROGRESS"):
            return stack["StackStatus"], reasons
        time.sleep(pause)
        pause = min(pause * 1.5, _LONGEST_PAUSE)
