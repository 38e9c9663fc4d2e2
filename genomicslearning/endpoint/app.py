"""The HTTP application: SageMaker's container contract, and the route of SageMaker's runtime beside it.

`GET /ping`, `POST /invocations`, and `POST /endpoints/{name}/invocations`, so that an unmodified
`boto3.client("sagemaker-runtime", endpoint_url=…).invoke_endpoint(EndpointName=…)` finds it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from starlette.applications import Starlette
from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from genomicslearning import InputError
from genomicslearning.endpoint import wire

if TYPE_CHECKING:
    from genomicslearning.autopilot.model import Model

VARIANT = "AllTraffic"


class _BodyTooLarge(Exception):
    pass


def create(model: Model, outputs: tuple[str, ...] = wire.DEFAULT_OUTPUTS) -> Starlette:
    """The application that answers for one model; `outputs` is what an answer holds unless a request asks."""

    async def ping(request: Request) -> Response:
        return Response()

    async def invocations(request: Request) -> Response:
        try:
            body = await _body(request)
            return await run_in_threadpool(_answer, model, outputs, request, body)
        except _BodyTooLarge:
            limit = wire.MAX_BODY_BYTES >> 20
            return _refusal(413, f"the request is larger than {limit} MB; send fewer rows at a time, or use predict")
        except wire.UnsupportedAnswer as problem:
            return _refusal(406, str(problem))
        except wire.UnsupportedFormat as problem:
            return _refusal(415, str(problem))
        except InputError as problem:
            return _refusal(400, str(problem))

    return Starlette(
        routes=[
            Route("/ping", ping, methods=["GET"]),
            Route("/invocations", invocations, methods=["POST"]),
            Route("/endpoints/{name}/invocations", invocations, methods=["POST"]),
        ]
    )


async def _body(request: Request) -> bytes:
    """The request's body; reading stops at the limit, whatever length the client announced."""
    if int(request.headers.get("content-length", 0)) > wire.MAX_BODY_BYTES:
        raise _BodyTooLarge
    body = bytearray()
    async for piece in request.stream():
        body += piece
        if len(body) > wire.MAX_BODY_BYTES:
            raise _BodyTooLarge
    return bytes(body)


def _answer(model: Model, default_outputs: tuple[str, ...], request: Request, body: bytes) -> Response:
    content_type = request.headers.get("content-type", wire.CSV)
    asked = request.headers.get("x-amzn-sagemaker-inference-output") or request.query_params.get("output")
    outputs = wire.choose_outputs(asked, default_outputs)
    kind = wire.choose_format(request.headers.get("accept"), content_type)
    table = wire.read_rows(body, content_type)
    answer = wire.predictions(model.predict(table), model.threshold)
    return Response(
        wire.write_predictions(answer, outputs, kind),
        media_type=kind,
        headers={"x-Amzn-Invoked-Production-Variant": VARIANT},
    )


def _refusal(status: int, message: str) -> JSONResponse:
    """An error that boto3 raises as `ModelError` with this message."""
    return JSONResponse({"Message": message}, status_code=status, headers={"x-amzn-ErrorType": "ModelError"})
