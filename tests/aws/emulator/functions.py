"""Run Lambda functions: the code that was deployed, in a process of its own, under the function's role."""

from __future__ import annotations

import io
import json
import subprocess
import sys
import tempfile
import threading
import uuid
import zipfile
from http.server import BaseHTTPRequestHandler, HTTPServer

from emulator import here

# A build that runs the check takes about two minutes, and more on a machine that several share; setup.yml gives it an
# hour. Without an end a test whose build never answers would hang.
DEADLINE_SECONDS = 900
_RUN = """
import importlib, json, sys

module, name = sys.argv[1].split(".")
getattr(importlib.import_module(module), name)(json.load(sys.stdin), None)
"""


def invoke(region: str, name: str, event: dict) -> None:
    from moto.awslambda.models import lambda_backends
    from moto.core import DEFAULT_ACCOUNT_ID

    function = lambda_backends[DEFAULT_ACCOUNT_ID][region].get_function(name)
    with tempfile.TemporaryDirectory(dir=here.FOLDER) as folder:
        zipfile.ZipFile(io.BytesIO(function.code_bytes)).extractall(folder)
        done = subprocess.run(
            [sys.executable, "-c", _RUN, function.handler],
            cwd=folder,
            input=json.dumps(event),
            env=here.environment(region, here.role_name(function.role)) | function.environment_vars,
            text=True,
            capture_output=True,
        )
    with (here.FOLDER / "functions.log").open("a") as log:
        log.write(done.stdout + done.stderr)


def ask(region: str, *, request_type, properties, resource_type, logical_id, stack_id, **more) -> dict:
    """A custom resource's request, and the answer that somebody sends for it."""
    answers, came = [], threading.Event()

    class Answer(BaseHTTPRequestHandler):
        def do_PUT(self):
            answers.append(json.loads(self.rfile.read(int(self.headers["Content-Length"]))))
            self.send_response(200)
            self.end_headers()
            came.set()

        def log_message(self, *_):
            pass

    server = HTTPServer(("127.0.0.1", 0), Answer)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    event = {
        "RequestType": request_type,
        "ResponseURL": f"http://127.0.0.1:{server.server_port}/",
        "StackId": stack_id,
        "RequestId": str(uuid.uuid4()),
        "LogicalResourceId": logical_id,
        "ResourceType": resource_type,
        "ResourceProperties": properties,
        **more,
    }
    invoke(region, properties["ServiceToken"], event)
    came.wait(DEADLINE_SECONDS)
    server.shutdown()
    if not answers:
        return {"Status": "FAILED", "Reason": "Custom Resource failed to stabilize in expected time"}
    assert answers[0]["RequestId"] == event["RequestId"] and answers[0]["StackId"] == stack_id
    return answers[0]
