"""The HTTP application: SageMaker's container contract, and the route of SageMaker's runtime beside it.

`GET /ping`, `POST /invocations`, and `POST /endpoints/{name}/invocations`, so that an unmodified
`boto3.client("sagemaker-runtime", endpoint_url=…).invoke_endpoint(EndpointName=…)` finds it. `GET /health` says which
model answers, `GET /metrics` what was asked so far.
"""

from __future__ import annotations

import asyncio
import os
from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING

from starlette.applications import Starlette
from starlette.concurrency import run_in_threadpool
from starlette.requests import ClientDisconnect, Request
from starlette.responses import JSONResponse, PlainTextResponse, Response
from starlette.routing import Route

from genomicslearning import InputError, __version__
from genomicslearning.endpoint import wire
from genomicslearning.endpoint.gate import Gate, Metrics
from genomicslearning.endpoint.together import SMALL_BYTES, Answered, Asked, Together, answer
from genomicslearning.io.memory import give_back

if TYPE_CHECKING:
    from genomicslearning.autopilot.model import Model

VARIANT = "AllTraffic"
#: Seconds for a request's body.
BODY_SECONDS = 60.0
# After a body of this size memory goes back to the system: its rows took many times as much.
_LARGE = 256 << 10


class _BodyTooLarge(Exception):
    pass


def create(
    model: Model,
    outputs: tuple[str, ...] = wire.DEFAULT_OUTPUTS,
    *,
    token: str = "",
    hosts: Iterable[str] = (),
    log: Callable[[str], None] | None = None,
) -> Gate:
    """The application that answers for one model.

    Parameters
    ----------
    outputs : what an answer holds unless a request asks.
    token, hosts, log : as `gate.Gate` takes them.
    """
    metrics = Metrics()
    return Gate(
        Starlette(routes=_Answers(model, outputs, metrics).routes()), metrics, token=token, hosts=hosts, log=log
    )


class _Answers:
    """What one model's application answers under each address."""

    def __init__(self, model: Model, outputs: tuple[str, ...], metrics: Metrics) -> None:
        self._model, self._outputs, self._metrics = model, outputs, metrics
        # More at a time would wait for each other, and hold their rows meanwhile.
        self._turns = asyncio.Semaphore(os.cpu_count() or 1)
        self._together = Together(model, self._turns)
        manifest = model.manifest
        self._about = {"status": "ok", "version": __version__, "features": manifest.get("features")}
        self._about["weights_sha256"] = manifest.get("weights_sha256")

    def routes(self) -> list[Route]:
        """Every address, with the method that it takes."""
        return [
            Route("/ping", self._ping, methods=["GET"]),
            Route("/health", self._health, methods=["GET"]),
            Route("/metrics", self._counts, methods=["GET"]),
            Route("/invocations", self._invocations, methods=["POST"]),
            Route("/endpoints/{name}/invocations", self._invocations, methods=["POST"]),
        ]

    async def _ping(self, _request: Request) -> Response:
        return Response()

    async def _health(self, _request: Request) -> Response:
        return JSONResponse(self._about)

    async def _counts(self, _request: Request) -> Response:
        return PlainTextResponse(self._metrics.text(), media_type="text/plain; version=0.0.4")

    async def _invocations(self, request: Request) -> Response:
        try:
            async with asyncio.timeout(BODY_SECONDS):
                body = await _body(request)
            asked = _asked(request, body, self._outputs)
            if len(body) <= SMALL_BYTES:
                answered = await self._together.answer(asked)
            else:
                async with self._turns:
                    answered = await run_in_threadpool(_answer, self._model, asked)
            self._metrics.rows += answered.rows
            return Response(
                answered.content, media_type=asked.kind, headers={"x-Amzn-Invoked-Production-Variant": VARIANT}
            )
        except _REFUSED as problem:
            return _refused(problem)


_REFUSED = (ClientDisconnect, TimeoutError, _BodyTooLarge, InputError)


def _refused(problem: BaseException) -> Response:
    """What a request that cannot be answered gets: a status, and a line that says why."""
    match problem:
        case ClientDisconnect():
            return Response(status_code=499)  # nobody reads it; the log's word for a client that left
        case TimeoutError():
            return _refusal(408, f"the request did not arrive within {BODY_SECONDS:g} s", close=True)
        case _BodyTooLarge():
            limit = wire.MAX_BODY_BYTES >> 20
            why = f"the request is larger than {limit} MB; send fewer rows at a time, or use predict"
            return _refusal(413, why, close=True)
        case wire.UnsupportedAnswer():
            return _refusal(406, str(problem))
        case wire.UnsupportedFormat():
            return _refusal(415, str(problem))
        case _:
            return _refusal(400, str(problem))


async def _body(request: Request) -> bytes:
    """The request's body; reading stops at the limit, whatever length the client announced."""
    length = request.headers.get("content-length", "0")
    if length.isdigit() and int(length) > wire.MAX_BODY_BYTES:
        raise _BodyTooLarge
    body = bytearray()
    async for piece in request.stream():
        body += piece
        if len(body) > wire.MAX_BODY_BYTES:
            raise _BodyTooLarge
    return bytes(body)


def _asked(request: Request, body: bytes, default_outputs: tuple[str, ...]) -> Asked:
    content_type = request.headers.get("content-type", wire.CSV)
    outputs = request.headers.get("x-amzn-sagemaker-inference-output") or request.query_params.get("output")
    kind = wire.choose_format(request.headers.get("accept"), content_type)
    return Asked(body, content_type, wire.choose_outputs(outputs, default_outputs), kind)


def _answer(model: Model, asked: Asked) -> Answered:
    try:
        return answer(model, asked)
    finally:
        if len(asked.body) > _LARGE:
            give_back()


def _refusal(status: int, message: str, *, close: bool = False) -> JSONResponse:
    """An error that boto3 raises as `ModelError` with this message."""
    headers = {"x-amzn-ErrorType": "ModelError"} | ({"connection": "close"} if close else {})
    return JSONResponse({"Message": message}, status_code=status, headers=headers)
