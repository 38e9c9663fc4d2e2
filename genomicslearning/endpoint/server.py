"""Serve the HTTP application with uvicorn: stuck connections end, as many as there are room for are taken."""

from __future__ import annotations

import asyncio
import ipaddress
import signal
import socket
from collections.abc import Callable
from types import FrameType

import uvicorn
from starlette.types import ASGIApp
from uvicorn.protocols.http.h11_impl import H11Protocol

from genomicslearning import InputError

HOST = "127.0.0.1"
#: Names by which a browser or client may call a server on loopback; another one is a page that plays this host.
LOOPBACK_NAMES = ("127.0.0.1", "localhost", "::1")
#: Seconds for a request's header, from the connection (or the last answer) to its end.
HEADER_SECONDS = 10.0
#: Seconds that an idle connection is kept open for the next request.
KEEP_ALIVE_SECONDS = 5
#: Seconds that a client may take to read what was sent.
WRITE_SECONDS = 30.0
#: Connections at a time; each may hold a body of 6 MB. More are answered 503.
CONNECTIONS = 64
#: Header bytes of a request.
HEADER_BYTES = 32 << 10
#: Seconds for requests that run when the server is told to end.
GRACEFUL_SECONDS = 10


class _Protocol(H11Protocol):
    """uvicorn's protocol, and an end for connections whose client sends no header, or does not read the answer.

    (uvicorn has a time only for connections that wait for their next request; the body's is the application's.)
    """

    _header_timer: asyncio.TimerHandle | None = None
    _write_timer: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        super().connection_made(transport)
        self._await_header()

    def connection_lost(self, exc: Exception | None) -> None:
        self._cancel_timers()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        super().data_received(data)
        self._await_header()

    def on_response_complete(self) -> None:
        super().on_response_complete()
        self.loop.call_later(WRITE_SECONDS, self._abort_if_closing)

    def pause_writing(self) -> None:
        super().pause_writing()
        self._write_timer = self.loop.call_later(WRITE_SECONDS, self.transport.abort)

    def resume_writing(self) -> None:
        if self._write_timer:
            self._write_timer.cancel()
        super().resume_writing()

    def _await_header(self) -> None:
        """Start the header's time, or end it where the request is there."""
        if self.cycle is not None and not self.cycle.response_complete:
            self._cancel_timers()
        elif self._header_timer is None:
            self._header_timer = self.loop.call_later(HEADER_SECONDS, self.transport.close)

    def _cancel_timers(self) -> None:
        if self._header_timer:
            self._header_timer.cancel()
            self._header_timer = None

    def _abort_if_closing(self) -> None:
        if self.transport.is_closing():
            self.transport.abort()


def listen(port: int, host: str = HOST) -> socket.socket:
    """A listening socket; port 0 takes a free one."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    listener = socket.socket(family, socket.SOCK_STREAM)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listener.bind((host, port))
    except OSError as problem:
        listener.close()
        raise InputError(
            f"cannot listen on {host}:{port}: {problem.strerror}; choose another --port or --host"
        ) from None
    listener.listen(128)
    return listener


def is_loopback(host: str) -> bool:
    """Whether only this machine reaches a server that is bound to the host."""
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def server(application: ASGIApp) -> uvicorn.Server:
    """A server that is not running yet."""
    return uvicorn.Server(
        uvicorn.Config(
            application,
            http=_Protocol,
            ws="none",
            log_level="warning",
            access_log=False,
            lifespan="off",
            timeout_keep_alive=KEEP_ALIVE_SECONDS,
            timeout_graceful_shutdown=GRACEFUL_SECONDS,
            limit_concurrency=CONNECTIONS,
            h11_max_incomplete_event_size=HEADER_BYTES,
            server_header=False,
        )
    )


def serve(application: ASGIApp, *, port: int, host: str = HOST, ready: Callable[[str], None]) -> None:
    """Serve until the process is told to end (SIGTERM, SIGINT); requests that run are answered first.

    `ready` is told the address.
    """
    listener = listen(port, host)
    shown = f"[{host}]" if ":" in host else host
    ready(f"http://{shown}:{listener.getsockname()[1]}")

    def end_quietly(_number: int, _frame: FrameType | None) -> None:
        """uvicorn raises the signal again when it is done; being told to end is no error."""

    earlier = {number: signal.signal(number, end_quietly) for number in (signal.SIGTERM, signal.SIGINT)}
    try:
        server(application).run(sockets=[listener])
    finally:
        for number, handler in earlier.items():
            signal.signal(number, handler)
