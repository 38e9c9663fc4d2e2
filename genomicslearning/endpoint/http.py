"""A model behind a real HTTP server of this process, and the client that talks to it."""

from __future__ import annotations

import socket
import threading
from collections.abc import Callable
from typing import TYPE_CHECKING

import httpx
import pandas as pd
import uvicorn

from genomicslearning import InputError
from genomicslearning.endpoint import Endpoint, app, wire

if TYPE_CHECKING:
    from genomicslearning.autopilot.model import Model

HOST = "127.0.0.1"


class HttpEndpoint(Endpoint):
    """Serve a model on 127.0.0.1 and invoke it over HTTP, in requests below SageMaker's size limit.

    The server is a thread of this process: it cannot outlive a notebook whose kernel dies.
    """

    def __init__(self, model: Model, port: int = 0):
        listener = listen(HOST, port)
        self.url = f"http://{HOST}:{listener.getsockname()[1]}"
        self._server = uvicorn.Server(uvicorn.Config(app.create(model), log_level="warning", lifespan="off"))
        self._thread = threading.Thread(target=self._server.run, args=([listener],), daemon=True, name=self.url)
        self._thread.start()
        # The socket listens already, so a first request waits for the server instead of being refused.
        self._client = httpx.Client(base_url=self.url, timeout=60, trust_env=False)

    def _answer(self, rows: pd.DataFrame) -> pd.DataFrame:
        body = wire.write_rows(rows)
        if len(body) > wire.MAX_BODY_BYTES and len(rows) > 1:
            half = len(rows) // 2
            return pd.concat([self._answer(rows.iloc[:half]), self._answer(rows.iloc[half:])], ignore_index=True)
        response = self._client.post("/invocations", content=body, headers={"Content-Type": wire.CSV})
        if response.is_client_error:
            raise InputError(response.json()["Message"])
        response.raise_for_status()
        return wire.read_predictions(response.content)

    def close(self) -> None:
        self._client.close()
        self._server.should_exit = True
        self._thread.join()


def listen(host: str, port: int) -> socket.socket:
    """A listening socket; port 0 takes a free one."""
    listener = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listener.bind((host, port))
    except OSError as problem:
        listener.close()
        raise InputError(f"cannot listen on {host}:{port}: {problem.strerror}; choose another --port") from None
    listener.listen(128)
    return listener


def serve(model: Model, *, port: int = 8080, ready: Callable[[str], None] = print) -> None:
    """Serve a model on 127.0.0.1 until the process is told to end; `ready` is told the address."""
    listener = listen(HOST, port)
    server = uvicorn.Server(uvicorn.Config(app.create(model), log_level="warning", lifespan="off"))
    ready(f"http://{HOST}:{listener.getsockname()[1]}")
    server.run(sockets=[listener])
