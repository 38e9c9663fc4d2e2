"""Before the application: who may ask, by which name, and what is counted and logged of it (never the payload)."""

from __future__ import annotations

import asyncio
import hmac
import json
import os
import re
import time
from collections import Counter
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import TYPE_CHECKING

from genomicslearning import InputError
from genomicslearning.io.text import one_line

if TYPE_CHECKING:
    from starlette.types import ASGIApp, Message, Receive, Scope, Send

#: Environment variable with the token: a command line can be read by everybody on the machine.
TOKEN = "GENOMICSLEARNING_TOKEN"
SHORTEST_TOKEN = 16
#: Asked by load balancers, which have no token; they tell nothing of the model's answers.
OPEN_PATHS = ("/ping", "/health")
#: Upper ends of the histogram of seconds.
BUCKETS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0)


def read_token(file: str | os.PathLike | None) -> str:
    """The token from a file, else from the environment; empty where there is none.

    Raises
    ------
    InputError
        The file cannot be read, or the token is shorter than 16 characters or no ASCII.
    """
    try:
        token = Path(file).read_text(encoding="ascii").strip() if file else os.environ.get(TOKEN, "")
    except (OSError, UnicodeDecodeError) as problem:
        raise InputError(f"{file}: no token can be read there ({type(problem).__name__})") from None
    if (token or file) and (len(token) < SHORTEST_TOKEN or not token.isascii()):
        raise InputError(f"{file or TOKEN}: a token has at least {SHORTEST_TOKEN} ASCII characters; make a longer one")
    return token


#: Addresses that are counted apart. Anybody may ask for any other, also without a token: those are one.
COUNTED = (*OPEN_PATHS, "/metrics", "/invocations")
NAMED = re.compile("/endpoints/[^/]+/invocations")


def _counted(path: str) -> str:
    if NAMED.fullmatch(path):
        return "/endpoints/{name}/invocations"
    return path if path in COUNTED else "other"


class Metrics:
    """Counts since the start, in Prometheus's text format."""

    def __init__(self) -> None:
        self.requests: Counter[tuple[str, int]] = Counter()
        self.rows = 0
        self.in_progress = 0
        self.seconds = 0.0
        self.slower = [0] * (len(BUCKETS) + 1)

    def done(self, path: str, status: int, seconds: float) -> None:
        """Count an answered request."""
        self.requests[path, status] += 1
        self.seconds += seconds
        self.slower[next((place for place, end in enumerate(BUCKETS) if seconds <= end), len(BUCKETS))] += 1

    def text(self) -> str:
        """The counts, one a line."""
        lines = ["# TYPE genomicslearning_requests_total counter"]
        for (path, status), count in sorted(self.requests.items()):
            lines.append(f'genomicslearning_requests_total{{path="{path}",status="{status}"}} {count}')
        lines += ["# TYPE genomicslearning_rows_total counter", f"genomicslearning_rows_total {self.rows}"]
        lines += ["# TYPE genomicslearning_requests_in_progress gauge"]
        lines += [f"genomicslearning_requests_in_progress {self.in_progress}"]
        lines += ["# TYPE genomicslearning_request_seconds histogram"]
        total = 0
        for end, count in zip([*map(str, BUCKETS), "+Inf"], self.slower, strict=True):
            total += count
            lines.append(f'genomicslearning_request_seconds_bucket{{le="{end}"}} {total}')
        lines += [f"genomicslearning_request_seconds_sum {self.seconds:.6f}"]
        lines += [f"genomicslearning_request_seconds_count {total}"]
        return "\n".join(lines) + "\n"


class Gate:
    """An ASGI application before another one: host and token are checked, requests counted and logged.

    Parameters
    ----------
    application : answers what is let in.
    metrics : counts.
    token : what ``Authorization: Bearer …`` or ``X-Api-Key`` must say; empty lets everybody in.
    hosts : names that the Host header may say; empty allows any.
    log : told one line a request: time, client, method, path, status, bytes, milliseconds. Never query or payload.
    """

    def __init__(
        self,
        application: ASGIApp,
        metrics: Metrics,
        *,
        token: str = "",
        hosts: Iterable[str] = (),
        log: Callable[[str], None] | None = None,
    ):
        self._application = application
        self._metrics = metrics
        self._token = token.encode()
        self._hosts = {host.lower() for host in hosts}
        self._log = log

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Let a request through, or answer it here."""
        started, status = time.perf_counter(), 499

        async def noted(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
            await send(message)

        self._metrics.in_progress += 1
        try:
            refusal = self._refusal(scope)
            if refusal:
                await _refuse(noted, *refusal)
            else:
                await self._application(scope, receive, noted)
        except asyncio.CancelledError:  # the server ends, and this request took longer than it waits
            return
        finally:
            self._metrics.in_progress -= 1
            self._done(scope, status, time.perf_counter() - started)

    def _done(self, scope: Scope, status: int, seconds: float) -> None:
        self._metrics.done(_counted(scope["path"]), status, seconds)
        if self._log:
            client = scope["client"][0] if scope.get("client") else "-"
            size = dict(scope["headers"]).get(b"content-length", b"-").decode("latin-1")
            stamp = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())
            shown = one_line(scope["path"], 200)
            self._log(f"{stamp} {client} {scope['method']} {shown} {status} {size} bytes {1000 * seconds:.1f} ms")

    def _refusal(self, scope: Scope) -> tuple[int, str] | None:
        headers = dict(scope["headers"])
        if self._hosts:
            host = headers.get(b"host", b"").decode("latin-1").lower()
            name = host.partition("]")[0][1:] if host.startswith("[") else host.partition(":")[0]
            if name not in self._hosts:
                return 421, "this server does not answer to that host name; name it with --allow-host"
        if self._token and scope["path"] not in OPEN_PATHS:
            kind, _, given = headers.get(b"authorization", b"").partition(b" ")
            given = given.strip() if kind.lower() == b"bearer" else headers.get(b"x-api-key", b"")
            if not hmac.compare_digest(given, self._token):
                return 401, "a token is needed: send it as Authorization: Bearer …"
        return None


async def _refuse(send: Send, status: int, why: str) -> None:
    body = json.dumps({"Message": why}).encode()
    headers = [(b"content-type", b"application/json"), (b"content-length", str(len(body)).encode())]
    headers.append((b"connection", b"close"))
    if status == 401:
        headers.append((b"www-authenticate", b"Bearer"))
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": body})
