"""Serve the HTTP application with uvicorn."""

from __future__ import annotations

import socket
from collections.abc import Callable

import uvicorn
from starlette.applications import Starlette

from genomicslearning import InputError

HOST = "127.0.0.1"


def listen(port: int, host: str = HOST) -> socket.socket:
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


def server(application: Starlette) -> uvicorn.Server:
    """A server that is not running yet."""
    return uvicorn.Server(uvicorn.Config(application, log_level="warning", lifespan="off"))


def serve(application: Starlette, *, port: int, host: str = HOST, ready: Callable[[str], None]) -> None:
    """Serve until the process is told to end; `ready` is told the address."""
    listener = listen(port, host)
    ready(f"http://{host}:{listener.getsockname()[1]}")
    server(application).run(sockets=[listener])
