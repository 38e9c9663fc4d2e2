"""Write down who called what on which resource, as IAM names them."""

from __future__ import annotations

import io
import json
import re
import threading
from pathlib import Path
from urllib.parse import parse_qsl, unquote

_S3_SUBRESOURCES = {
    "versions": "ListBucketVersions", "uploads": "ListBucketMultipartUploads", "location": "GetBucketLocation",
    "encryption": "EncryptionConfiguration", "versioning": "BucketVersioning", "logging": "BucketLogging",
    "lifecycle": "LifecycleConfiguration", "publicAccessBlock": "BucketPublicAccessBlock", "policy": "BucketPolicy",
    "ownershipControls": "BucketOwnershipControls", "tagging": "BucketTagging", "acl": "BucketAcl",
}  # fmt: skip


class Recorder:
    """WSGI middleware."""

    def __init__(self, application, path: Path) -> None:
        self._application, self._path, self._lock = application, path, threading.Lock()

    def __call__(self, environ, start_response):
        body = b""
        # Large bodies, and those that come in chunks (pyarrow's), are objects for S3: nothing in them is written down.
        if 0 < int(environ.get("CONTENT_LENGTH") or 0) < 50_000_000:
            body = environ["wsgi.input"].read(int(environ["CONTENT_LENGTH"]))
            environ["wsgi.input"] = io.BytesIO(body)
        found = re.search(r"Credential=([^/]+)/\d+/([^/]+)/([^/]+)/", environ.get("HTTP_AUTHORIZATION", ""))
        if found:
            actor, region, service = found.groups()
            statuses = []

            def started(status, headers, *rest):
                statuses.append(status)
                return start_response(status, headers, *rest)

            answer = self._application(environ, started)
            call = self._call(service, environ, body)
            if call and statuses:
                line = json.dumps(
                    {"actor": actor, "region": region, "service": service, "status": statuses[0][:3], **call}
                )
                with self._lock, self._path.open("a") as file:
                    file.write(line + "\n")
            return answer
        return self._application(environ, start_response)

    def _call(self, service: str, environ, body: bytes) -> dict | None:
        if service == "s3":
            return _s3(environ, body)
        if target := environ.get("HTTP_X_AMZ_TARGET"):
            return {"action": target.rsplit(".", 1)[-1], "parameters": _short(json.loads(body or b"{}"))}
        form = dict(parse_qsl(body.decode("utf-8", "replace")))
        if "Action" in form:
            return {"action": form.pop("Action"), "parameters": _short(form)}
        if service == "lambda":
            return {"action": environ["REQUEST_METHOD"] + " " + environ["PATH_INFO"], "parameters": {}}
        return {"action": environ["REQUEST_METHOD"] + " " + environ["PATH_INFO"], "parameters": {}}


def _short(parameters):
    if isinstance(parameters, dict):
        return {key: _short(value) for key, value in parameters.items()}
    if isinstance(parameters, list):
        return [_short(value) for value in parameters[:3]]
    return parameters[:4000] if isinstance(parameters, str) else parameters


def _s3(environ, body: bytes) -> dict:
    method = environ["REQUEST_METHOD"]
    bucket, _, key = unquote(environ["PATH_INFO"]).lstrip("/").partition("/")
    query = dict(parse_qsl(environ.get("QUERY_STRING", ""), keep_blank_values=True))
    if not bucket:
        return {"action": "ListAllMyBuckets", "parameters": {}}
    if key:
        if "tagging" in query:
            action = {"GET": "GetObjectTagging", "PUT": "PutObjectTagging"}[method]
        elif method == "DELETE" and "uploadId" in query:
            action = "AbortMultipartUpload"
        elif method == "DELETE" and "versionId" in query:
            action = "DeleteObjectVersion"
        else:
            action = {
                "GET": "GetObject",
                "HEAD": "GetObject",
                "PUT": "PutObject",
                "POST": "PutObject",
                "DELETE": "DeleteObject",
            }[method]
        return {"action": action, "parameters": {"Bucket": bucket, "Key": key}}
    if "delete" in query:
        action = "DeleteObjectVersion" if b"<VersionId>" in body else "DeleteObject"
        return {"action": action, "parameters": {"Bucket": bucket, "Key": "any"}}
    for name, what in _S3_SUBRESOURCES.items():
        if name in query:
            if what.startswith(("List", "GetBucketLocation")):
                return {"action": what, "parameters": {"Bucket": bucket}}
            return {
                "action": {"GET": "Get", "PUT": "Put", "DELETE": "Delete"}[method] + what,
                "parameters": {"Bucket": bucket},
            }
    action = {"GET": "ListBucket", "HEAD": "ListBucket", "PUT": "CreateBucket", "DELETE": "DeleteBucket"}[method]
    return {"action": action, "parameters": {"Bucket": bucket}}
