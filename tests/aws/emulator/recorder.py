"""Write down who called what on which resource, as IAM names it, and what the service's own model says against it.

Requests are read by botocore's models, whatever their protocol. A line of the record has `actor`, `region`, `service`,
`action` (IAM's name), `parameters` (long ones cut), `status`, and `violations`: what the service would refuse of the
whole request by its lengths, patterns, enumerations and types, which this server lets pass.
"""

from __future__ import annotations

import io
import json
import re
import threading
from pathlib import Path

from moto.core.parse import PROTOCOL_PARSERS
from moto.core.request import Request, determine_request_protocol
from moto.core.routing import get_service_router
from shapes import violations
from werkzeug.exceptions import NotFound

# S3's operations whose right has another name.
_S3_RIGHTS = {
    "HeadObject": "GetObject", "CopyObject": "PutObject", "CreateMultipartUpload": "PutObject",
    "UploadPart": "PutObject", "CompleteMultipartUpload": "PutObject", "DeleteObjects": "DeleteObject",
    "ListObjects": "ListBucket", "ListObjectsV2": "ListBucket", "HeadBucket": "ListBucket",
    "ListObjectVersions": "ListBucketVersions", "ListMultipartUploads": "ListBucketMultipartUploads",
    "ListBuckets": "ListAllMyBuckets", "GetPublicAccessBlock": "GetBucketPublicAccessBlock",
    "PutPublicAccessBlock": "PutBucketPublicAccessBlock", "GetBucketEncryption": "GetEncryptionConfiguration",
    "PutBucketEncryption": "PutEncryptionConfiguration", "GetBucketLifecycleConfiguration": "GetLifecycleConfiguration",
    "PutBucketLifecycleConfiguration": "PutLifecycleConfiguration",
}  # fmt: skip
# Contents of objects and rows for an endpoint: nothing of them is written down or held to a shape.
_CONTENTS = ("PutObject", "UploadPart", "InvokeEndpoint")


class Recorder:
    """WSGI middleware."""

    def __init__(self, application, path: Path) -> None:
        self._application, self._path, self._lock = application, path, threading.Lock()

    def __call__(self, environ, start_response):
        found = re.search(r"Credential=([^/]+)/\d+/([^/]+)/([^/]+)/", environ.get("HTTP_AUTHORIZATION", ""))
        if not found:
            return self._application(environ, start_response)
        body = b""
        # Large bodies, and those that come in chunks (pyarrow's), are objects for S3.
        if 0 < int(environ.get("CONTENT_LENGTH") or 0) < 50_000_000:
            body = environ["wsgi.input"].read(int(environ["CONTENT_LENGTH"]))
            environ["wsgi.input"] = io.BytesIO(body)
        call = _call(found[3], environ, body)
        statuses = []

        def started(status, headers, *rest):
            statuses.append(status)
            return start_response(status, headers, *rest)

        answer = self._application(environ, started)
        line = {"actor": found[1], "region": found[2], "status": (statuses or ["000"])[0][:3], **call}
        with self._lock, self._path.open("a") as file:
            file.write(json.dumps(line, default=str) + "\n")
        return answer


def _call(service: str, environ, body: bytes) -> dict:
    model = service
    if service == "sagemaker" and environ["PATH_INFO"].startswith("/endpoints/"):
        model = "sagemaker-runtime"
    request = Request({**environ, "wsgi.input": io.BytesIO(body)})
    try:
        operation, places = get_service_router(model).match(request)
    except NotFound:
        what = f"{environ['REQUEST_METHOD']} {environ['PATH_INFO']}"
        return {"service": service, "action": what, "parameters": {}, "violations": [f"{model}: no {what}"]}
    parameters = _parameters(operation, places, request, b"any" if operation.name in _CONTENTS else body)
    return {
        "service": service,
        "action": _right(service, operation.name, parameters),
        "parameters": _short(parameters),
        "violations": violations(model, operation.name, parameters),
    }


def _parameters(operation, places: dict, request: Request, body: bytes) -> dict:
    protocol = determine_request_protocol(operation.service_model, request.content_type)
    if protocol == "json":
        return json.loads(body or b"{}")  # as it is: the parser would leave out what the shape has not
    about = {"method": request.method, "values": request.values, "headers": request.headers, "body": body}
    parsed = PROTOCOL_PARSERS[protocol](operation).parse({**about, "url_path": request.path, "url_params": places})
    return {name: value for name, value in parsed.items() if value is not None}


def _right(service: str, operation: str, parameters: dict) -> str:
    if service == "s3":
        right = _S3_RIGHTS.get(operation, operation)
        versions = "VersionId" in parameters or any("VersionId" in one for one in _listed(parameters))
        return f"{right}Version" if right == "DeleteObject" and versions else right
    return re.sub(r"\d{8}(v\d)?$", "", operation)  # Lambda's operations end in a date


def _listed(parameters: dict) -> list[dict]:
    return parameters.get("Delete", {}).get("Objects", [])


def _short(parameters):
    if isinstance(parameters, dict):
        return {key: _short(value) for key, value in parameters.items()}
    if isinstance(parameters, list):
        return [_short(value) for value in parameters[:3]]
    return parameters[:4000] if isinstance(parameters, str) else parameters
