"""The setup stack's function really runs on create, update and delete, on ministack, which runs Lambda functions and
custom resources by its own means (and knows CodeBuild only by name: here the test plays the build). With the whole
solution behind it, it runs in test_rights.py.
"""

from __future__ import annotations

import io
import json
import queue
import threading
import time
import zipfile
from http.server import BaseHTTPRequestHandler, HTTPServer

import pytest
from conftest import ROOT, running_ministack
from templates import rendered

from genomicslearning.deploy import stacks

REGION = "eu-west-1"
PREFIX = "genomicslearning/0.1.0"
TEMPLATE = rendered("setup")


def zipped(files: dict[str, bytes]) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        for name, content in files.items():
            archive.writestr(name, content)
    return buffer.getvalue()


def parameters(**more) -> list[dict]:
    values = {"Project": "Setup", "SourceBucket": "solutions", "SourcePrefix": PREFIX} | more
    return [{"ParameterKey": key, "ParameterValue": value} for key, value in values.items()]


def put_assets(s3, source_zip: bytes, region: str = REGION) -> None:
    """Fill the bucket of published assets, which tests of one account share."""
    if f"solutions-{region}" not in [bucket["Name"] for bucket in s3.list_buckets()["Buckets"]]:
        s3.create_bucket(Bucket=f"solutions-{region}", CreateBucketConfiguration={"LocationConstraint": region})
    function = (ROOT / "cloudformation" / "setup_function.py").read_bytes()
    s3.put_object(
        Bucket=f"solutions-{region}", Key=f"{PREFIX}/setup_function.zip", Body=zipped({"setup_function.py": function})
    )
    s3.put_object(Bucket=f"solutions-{region}", Key=f"{PREFIX}/source.zip", Body=source_zip)


def wait(client, name: str, *, seconds: float = 3600) -> str:
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        stack = stacks.describe(client, name)
        if stack is None or not stack["StackStatus"].endswith("_IN_PROGRESS"):
            return stack["StackStatus"] if stack else "gone"
        time.sleep(0.5)
    raise TimeoutError(name)


class Builds(BaseHTTPRequestHandler):
    """CodeBuild as the function sees it. (ministack's forgets the variables that a build is started with.)"""

    started: queue.Queue = queue.Queue()

    def do_POST(self):
        assert self.headers["X-Amz-Target"].endswith(".StartBuild")
        self.started.put(json.loads(self.rfile.read(int(self.headers["Content-Length"]))))
        body = b'{"build": {"id": "Mini-setup:1"}}'
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_):
        pass


@pytest.fixture(scope="module")
def ministack(tmp_path_factory):
    builds = HTTPServer(("127.0.0.1", 0), Builds)
    threading.Thread(target=builds.serve_forever, daemon=True).start()
    address = f"http://127.0.0.1:{builds.server_port}"  # functions inherit it
    with running_ministack(tmp_path_factory.mktemp("ministack"), AWS_ENDPOINT_URL_CODEBUILD=address) as client:
        yield client
    builds.shutdown()


def play_build(ministack, request_type: str, status: str) -> None:
    """Wait until the function has started a build, and let EventBridge tell it how that ended."""
    started = Builds.started.get(timeout=300)
    assert started["projectName"] == "Mini-setup"
    variables = {entry["name"]: entry["value"] for entry in started["environmentVariablesOverride"]}
    assert variables["REQUEST_TYPE"] == request_type
    detail = {
        "build-status": status,
        "project-name": "Mini-setup",
        "additional-information": {
            "environment": {"environment-variables": started["environmentVariablesOverride"]},
            "phases": [{"phase-type": "BUILD", "phase-status": status, "phase-context": ["exit status 1"]}],
            "logs": {"deep-link": "https://example.org/log"},
        },
    }
    # Events of AWS's own services cannot be put by others: the rule's target gets it as EventBridge would hand it over.
    event = {"source": "aws.codebuild", "detail-type": "CodeBuild Build State Change", "detail": detail}
    event |= {"id": "1", "account": "000000000000", "time": "2026-01-01T00:00:00Z", "region": REGION, "resources": []}
    events = ministack("events")
    [rule] = events.list_rules()["Rules"]
    assert events.test_event_pattern(EventPattern=rule["EventPattern"], Event=json.dumps(event))["Result"]
    [target] = events.list_targets_by_rule(Rule=rule["Name"])["Targets"]
    answer = ministack("lambda").invoke(FunctionName=target["Arn"], Payload=json.dumps(event).encode())
    assert "FunctionError" not in answer, answer["Payload"].read()


def test_function_answers_create_update_and_delete_on_ministack(ministack):
    put_assets(ministack("s3"), b"not read here")
    client = ministack("cloudformation")
    request = {"StackName": "Mini", "TemplateBody": TEMPLATE, "Capabilities": ["CAPABILITY_NAMED_IAM"]}
    client.create_stack(**request, Parameters=parameters())
    play_build(ministack, "Create", "SUCCEEDED")
    assert wait(client, "Mini") == "CREATE_COMPLETE"

    # ministack takes a resource for changed only where its text in the template is.
    changed = TEMPLATE.replace("ServiceTimeout: 3600", "ServiceTimeout: 3599")
    client.update_stack(**(request | {"TemplateBody": changed}), Parameters=parameters())
    play_build(ministack, "Update", "SUCCEEDED")
    assert wait(client, "Mini") == "UPDATE_COMPLETE"

    client.delete_stack(StackName="Mini")
    play_build(ministack, "Delete", "SUCCEEDED")
    assert wait(client, "Mini") in ("gone", "DELETE_COMPLETE")


def test_failed_build_fails_the_stack_with_its_reason_on_ministack(ministack):
    client = ministack("cloudformation")
    request = {"StackName": "Mini", "TemplateBody": TEMPLATE, "Capabilities": ["CAPABILITY_NAMED_IAM"]}
    client.create_stack(**request, Parameters=parameters(), OnFailure="DO_NOTHING")
    play_build(ministack, "Create", "FAILED")
    assert wait(client, "Mini") in ("CREATE_FAILED", "ROLLBACK_COMPLETE", "ROLLBACK_FAILED")
    events = client.describe_stack_events(StackName="Mini")["StackEvents"]
    reasons = [event.get("ResourceStatusReason", "") for event in events]
    assert any("Build FAILED. BUILD: exit status 1 See https://example.org/log" in reason for reason in reasons), (
        reasons
    )
