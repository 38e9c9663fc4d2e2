"""The data lake: files in a local folder or an S3 bucket behind one kind of path; outputs appear whole or not at all.

``s3://bucket/key`` goes through ``pyarrow.fs`` with the usual AWS credentials; ``AWS_ENDPOINT_URL`` (or
``AWS_ENDPOINT_URL_S3``) points it at another server.
"""

from __future__ import annotations

import hashlib
import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import BinaryIO

from genomicslearning import InputError

_CHUNK = 1 << 20


def is_s3(path: str | os.PathLike) -> bool:
    """Whether the path is an S3 address."""
    return str(path).startswith("s3://")


def name(path: str | os.PathLike) -> str:
    """Last part of a path, the file's name."""
    return str(path).rstrip("/").rsplit("/", 1)[-1]


def _s3(path: str | os.PathLike):
    """File system and ``bucket/key`` of an S3 address."""
    from pyarrow import fs

    endpoint = os.environ.get("AWS_ENDPOINT_URL_S3") or os.environ.get("AWS_ENDPOINT_URL") or None
    region = os.environ.get("AWS_REGION") or os.environ.get("AWS_DEFAULT_REGION") or ("us-east-1" if endpoint else None)
    return fs.S3FileSystem(endpoint_override=endpoint, region=region), str(path)[len("s3://") :]


def _why(problem: Exception) -> str:
    """First sentence of an error of the file system or of AWS, on one line."""
    text = getattr(problem, "strerror", None) or str(problem).split(". Detail")[0]
    return " ".join(text.split())


def exists(path: str | os.PathLike) -> bool:
    """Whether there is a file at this path."""
    if not is_s3(path):
        return Path(path).is_file()
    from pyarrow import fs

    system, key = _s3(path)
    try:
        return system.get_file_info(key).type == fs.FileType.File
    except OSError as problem:
        raise InputError(f"{path}: {_why(problem)}; check the address, the region and your AWS credentials") from None


def parts(path: str | os.PathLike, suffix: str) -> list[str]:
    """The files that a table is made of, in the order of their names: those in a folder, or the one at this path.

    In a folder, such as Spark writes, they are those with this suffix; empty where there is nothing.
    """
    if exists(path):
        return [str(path)]
    if is_s3(path):
        from pyarrow import fs

        system, key = _s3(path)
        found = system.get_file_info(fs.FileSelector(key.rstrip("/"), allow_not_found=True))
        names = [info.base_name for info in found if info.type == fs.FileType.File]
    else:
        names = [entry.name for entry in Path(path).iterdir()] if Path(path).is_dir() else []
    kept = sorted(part for part in names if part.endswith(suffix) and not part.startswith((".", "_")))
    return [f"{str(path).rstrip('/')}/{part}" for part in kept]


def open_input(path: str | os.PathLike) -> BinaryIO:
    """Open a file's raw bytes for reading.

    Raises
    ------
    InputError
        The file is missing, is a folder, or may not be read.
    """
    if is_s3(path):
        if not exists(path):
            raise InputError(f"{path}: no such object; check the bucket and the key")
        system, key = _s3(path)
        try:
            return system.open_input_file(key)
        except OSError as problem:
            raise InputError(f"{path}: {_why(problem)}; check your AWS credentials") from None
    try:
        return open(path, "rb", buffering=_CHUNK)
    except FileNotFoundError:
        raise InputError(f"{path}: no such file; check the path") from None
    except IsADirectoryError:
        raise InputError(f"{path}: is a folder; give a file in it") from None
    except OSError as problem:
        raise InputError(f"{path}: {_why(problem)}") from None


def size(path: str | os.PathLike) -> int:
    """Size of a file in bytes."""
    if is_s3(path):
        system, key = _s3(path)
        return system.get_file_info(key).size
    return Path(path).stat().st_size


def sha256(path: str | os.PathLike) -> str:
    """SHA-256 of a file, in hexadecimal."""
    digest = hashlib.sha256()
    with open_input(path) as file:
        while chunk := file.read(_CHUNK):
            digest.update(chunk)
    return digest.hexdigest()


@contextmanager
def output(*paths: str | os.PathLike) -> Iterator[list[Path]]:
    """Local files to write in place of `paths`; they take their places, in the order given, only if the block succeeds.

    A file that the block did not create is removed from its place too (yesterday's quarantine is not today's). Name the
    file that others wait for last. A local file is written beside its place and renamed, an S3 object is uploaded
    whole, so that a reader, or a process that is killed, sees the earlier output or the new one and nothing between.

    Raises
    ------
    InputError
        The folder cannot be written.
    """
    made: list[Path] = []
    parts: list[Path] = []
    try:
        for path in paths:
            parts.append(_part(path, made))
        yield parts
        for part, path in zip(parts, paths, strict=True):
            _publish(part, path)
    except BaseException:
        for part in parts:
            part.unlink(missing_ok=True)
        for folder in reversed(made):
            with suppress(OSError):
                folder.rmdir()
        raise


def _part(path: str | os.PathLike, made: list[Path]) -> Path:
    """A free name beside `path` (in the temporary folder for S3); folders that had to be made are added to `made`."""
    unique = f".{name(path)}.{os.getpid()}-{os.urandom(4).hex()}.part"
    if is_s3(path):
        return Path(tempfile.gettempdir(), unique)
    target = Path(path)
    if target.is_dir():
        raise InputError(f"{path}: is a folder; give a file name in it")
    missing = []
    folder = target.absolute().parent
    while not folder.exists():
        missing.append(folder)
        folder = folder.parent
    try:
        for folder in reversed(missing):
            folder.mkdir()
            made.append(folder)
        part = target.absolute().parent / unique
        part.touch()
        part.unlink()
    except OSError as problem:
        raise InputError(f"{path}: cannot write in its folder ({_why(problem)}); choose another output") from None
    return part


def _publish(part: Path, path: str | os.PathLike) -> None:
    """Move a finished part to its place, or clear the place where there is no part."""
    if is_s3(path):
        system, key = _s3(path)
        try:
            if part.exists():
                with part.open("rb") as source, system.open_output_stream(key) as target:
                    shutil.copyfileobj(source, target, 8 << 20)
                part.unlink()
            elif exists(path):
                system.delete_file(key)
        except OSError as problem:
            raise InputError(f"{path}: {_why(problem)}; check the bucket and your AWS credentials") from None
        return
    if not part.exists():
        Path(path).unlink(missing_ok=True)
        return
    with part.open("rb+") as file:
        os.fsync(file.fileno())
    os.replace(part, path)
