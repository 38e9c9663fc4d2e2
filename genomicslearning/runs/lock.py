"""One run folder, one worker: a lock that its owner's end gives back, however it ended."""

from __future__ import annotations

import fcntl
import os
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path

from genomicslearning import InputError

NAME = ".lock"


@contextmanager
def hold(folder: Path) -> Iterator[None]:
    """Be the one process that works on a run folder, until the block ends.

    The lock is the kernel's (`flock`), so that it ends with its process: a file that a killed run has left is no lock.

    Raises
    ------
    InputError
        Another process works there; the message names it.
    """
    file = _open(folder / NAME)
    try:
        yield
    finally:
        # Removed while it is held: whoever waits for this very file sees that it is gone, and takes a new one.
        (folder / NAME).unlink(missing_ok=True)
        os.close(file)


def _open(path: Path) -> int:
    while True:
        file = os.open(path, os.O_RDWR | os.O_CREAT, 0o644)
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            owner = os.read(file, 200).decode("utf-8", "replace").strip()
            os.close(file)
            raise InputError(
                f"{path.parent}: another process works on this run ({owner}); wait for its end, or give another name"
            ) from None
        if _is_still(file, path):
            break
        os.close(file)
    os.ftruncate(file, 0)
    started = datetime.now(UTC).isoformat(timespec="seconds").replace("+00:00", "Z")
    os.write(file, f"process {os.getpid()} on {socket.gethostname()}, since {started}\n".encode())
    return file


def _is_still(file: int, path: Path) -> bool:
    """Whether the file that was locked is still the one at this path."""
    try:
        return os.fstat(file).st_ino == path.stat().st_ino
    except FileNotFoundError:
        return False
