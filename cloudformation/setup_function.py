"""The function behind setup.yml: runs the setup build for CloudFormation and answers when the build has ended.

Standard library and boto3 only, both of which the Lambda runtime has.
"""

from __future__ import annotations

import json
import os
import urllib.request

import boto3

# CloudFormation refuses answers above 4,096 bytes.
LONGEST_REASON = 1000


def handler(event: dict, context) -> None:
    """Called by CloudFormation (a request) and by EventBridge (a build that ended)."""
    if "detail" in event:
        build_ended(event["detail"])
        return
    print(json.dumps({"request": event["RequestType"], "resource": event["LogicalResourceId"]}))
    try:
        if event["ResourceType"] == "Custom::Names":
            lower = event["ResourceProperties"]["Project"].lower()
            answer(event, "SUCCESS", physical_id=f"names-{lower}", data={"Lower": lower})
        else:
            start_build(event)
    except Exception as problem:  # CloudFormation would wait for an hour for an answer that never comes
        answer(event, "FAILED", reason=f"{type(problem).__name__}: {problem}")


def start_build(request: dict) -> None:
    properties = request["ResourceProperties"]
    lower = properties["Project"].lower()
    before = request.get("OldResourceProperties", properties)
    if before["Project"] != properties["Project"]:
        raise ValueError("Project cannot be changed; delete this stack and create another one")
    return_address = {key: request[key] for key in ("ResponseURL", "StackId", "RequestId", "LogicalResourceId")}
    return_address["PhysicalResourceId"] = request.get("PhysicalResourceId") or f"solution-{lower}"
    boto3.client("codebuild").start_build(
        projectName=os.environ["BUILD_PROJECT"],
        environmentVariablesOverride=[
            {"name": "REQUEST_TYPE", "value": request["RequestType"], "type": "PLAINTEXT"},
            {"name": "RETURN_ADDRESS", "value": json.dumps(return_address), "type": "PLAINTEXT"},
        ],
    )


def build_ended(detail: dict) -> None:
    information = detail["additional-information"]
    variables = {entry["name"]: entry["value"] for entry in information["environment"]["environment-variables"]}
    if "RETURN_ADDRESS" not in variables:
        return  # somebody started the project by hand: nobody waits for an answer
    request = json.loads(variables["RETURN_ADDRESS"])
    succeeded = detail["build-status"] == "SUCCEEDED"
    failed = [
        f"{phase['phase-type']}: {' '.join(phase.get('phase-context') or [])}"
        for phase in information.get("phases", [])
        if phase.get("phase-status") not in (None, "SUCCEEDED")
    ]
    log = information.get("logs", {}).get("deep-link", "the build's log")
    answer(
        request,
        "SUCCESS" if succeeded else "FAILED",
        reason=f"Build {detail['build-status']}. {'; '.join(failed)[:LONGEST_REASON]} See {log}",
        physical_id=request["PhysicalResourceId"],
    )
    if os.environ.get("METRICS_ADDRESS") and succeeded:
        send_metrics(variables.get("REQUEST_TYPE", ""))


def answer(request: dict, status: str, *, reason: str = "", physical_id: str = "", data: dict | None = None) -> None:
    body = {
        "Status": status,
        "Reason": reason or "done",
        "PhysicalResourceId": physical_id or request.get("PhysicalResourceId") or request["LogicalResourceId"],
        "StackId": request["StackId"],
        "RequestId": request["RequestId"],
        "LogicalResourceId": request["LogicalResourceId"],
        "Data": data or {},
    }
    print(json.dumps({"answer": status, "reason": body["Reason"]}))
    send(request["ResponseURL"], body, "PUT")


def send_metrics(what: str) -> None:
    """Only where the distributor switched it on and gave an address; a failure harms nothing."""
    try:
        about = {"solution": os.environ["SOLUTION"], "region": os.environ.get("AWS_REGION", ""), "event": what}
        send(os.environ["METRICS_ADDRESS"], about, "POST")
    except OSError as problem:
        print(f"metrics not sent: {problem}")


def send(address: str, body: dict, method: str) -> None:
    # No content type: the address is signed for an empty one.
    request = urllib.request.Request(address, json.dumps(body).encode(), {"Content-Type": ""}, method=method)
    with urllib.request.urlopen(request, timeout=30):
        pass
