"""A model behind a real HTTP server of this process, and the client that talks to it."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING

import httpx
import pandas as pd

from genomicslearning import InputError
from genomicslearning.endpoint import app, server, wire
from genomicslearning.endpoint.interface import Endpoint

if TYPE_CHECKING:
    from genomicslearning.autopilot.model import Model


class HttpEndpoint(Endpoint):
    """Serve a model on 127.0.0.1 and invoke it over HTTP, in requests below SageMaker's size limit.

    The server is a thread of this process: it cannot outlive a notebook whose kernel dies.
    """

    def __init__(self, model: Model, port: int = 0):
        listener = server.listen(port)
        self.url = f"http://{server.HOST}:{listener.getsockname()[1]}"
        self._server = server.server(app.create(model, hosts=server.LOOPBACK_NAMES))
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
        """Stop the server and free its port."""
        self._client.close()
        self._server.should_exit = True
        self._thread.join()
