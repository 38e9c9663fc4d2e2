"""The data lake: files in a local folder or an S3 bucket behind one kind of path; outputs appear whole or not at all.

``s3://bucket/key`` goes through ``pyarrow.fs`` with the usual AWS credentials; ``AWS_ENDPOINT_URL`` (or
``AWS_ENDPOINT_URL_S3``) points it at another server.
"""

from __future__ import annotations

import errno
import fcntl
import glob
import hashlib
import json
import os
import re
import shutil
import stat
import sys
import tempfile
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from functools import lru_cache
from pathlib import Path
from typing import BinaryIO

from genomicslearning import InputError
from genomicslearning.io import limits, text

_CHUNK = 1 << 20
_NO_ROOM = {errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EROFS, errno.EIO}
#: Standard input, as a file's name.
STDIN = ("-", "/dev/stdin")


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
    key = str(path)[len("s3://") :]
    region = os.environ.get("AWS_REGION") or os.environ.get("AWS_DEFAULT_REGION")
    region = region or ("us-east-1" if endpoint else _region_of(key.partition("/")[0]))
    return fs.S3FileSystem(endpoint_override=endpoint, region=region), key


@lru_cache
def _region_of(bucket: str) -> str:
    """Where a bucket is, as S3 says: without a region pyarrow takes us-east-1, and other regions refuse it."""
    from pyarrow import fs

    try:
        return fs.resolve_s3_region(bucket)
    except OSError as problem:
        raise InputError(f"s3://{bucket}: {_why(problem)}; check the name, or set AWS_REGION to its region") from None


def _why(problem: Exception) -> str:
    """First sentence of an error of the file system or of AWS, on one line."""
    said = getattr(problem, "strerror", None) or str(problem).split(". Detail")[0]
    return " ".join(said.split())


def exists(path: str | os.PathLike) -> bool:
    """Whether there is a file at this path, or a pipe to read from."""
    if not is_s3(path):
        return is_stream(path) or os.path.isfile(path)
    from pyarrow import fs

    system, key = _s3(path)
    try:
        return system.get_file_info(key).type == fs.FileType.File
    except OSError as problem:
        raise InputError(f"{path}: {_why(problem)}; check the address, the region and your AWS credentials") from None


def check_there(*paths: str | os.PathLike | None) -> None:
    """Refuse local files that do not exist, before anything that reads them is imported; what is empty is skipped."""
    for path in paths:
        if path and not is_s3(path) and not is_stream(path) and not os.path.exists(path):
            check_name(path)
            raise InputError(f"{path}: no such file; check the path")


def is_stream(path: str | os.PathLike) -> bool:
    """Whether the path is standard input, a pipe or another thing that can be read once."""
    if str(path) in STDIN:
        return True
    try:
        mode = os.stat(path).st_mode
    except (OSError, ValueError):
        return False
    return stat.S_ISFIFO(mode) or stat.S_ISSOCK(mode) or stat.S_ISCHR(mode)


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
    """Open a file's raw bytes for reading; ``-`` is standard input.

    Raises
    ------
    InputError
        The file is missing, is a folder, or may not be read.
    """
    check_name(path)
    if str(path) == "-":
        return os.fdopen(os.dup(sys.stdin.fileno()), "rb", buffering=_CHUNK)
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
    return 0 if is_stream(path) else Path(path).stat().st_size


def sha256(path: str | os.PathLike) -> str:
    """SHA-256 of a file, in hexadecimal."""
    digest = hashlib.sha256()
    with open_input(path) as file:
        while chunk := file.read(_CHUNK):
            digest.update(chunk)
    return digest.hexdigest()


@contextmanager
def output(*paths: str | os.PathLike, inputs: Iterable[str | os.PathLike] = ()) -> Iterator[list[Path]]:
    """Local files to write in place of `paths`; they take their places, in the order given, only if the block succeeds.

    A file that the block did not create is removed from its place too (yesterday's quarantine is not today's). Name the
    file that others wait for last. A local file is written beside its place and renamed, an S3 object is uploaded
    whole, so that a reader, or a process that is killed, sees the earlier output or the new one and nothing between.
    What killed processes left beside a place is removed; a symbolic link is followed, not replaced.

    Parameters
    ----------
    inputs
        Files (or folders of parts) that the block reads; an output that is one of them, under any name, is refused.

    Raises
    ------
    InputError
        An output is an input, or twice the same file, or no plain file (a folder, a device, a pipe), its folder cannot
        be written, or the disk is full.
    """
    check_outputs(paths, inputs)
    made: list[Path] = []
    scratch: list[_Scratch] = []
    try:
        for path in paths:
            scratch.append(_Scratch(path, made))
        yield [one.file for one in scratch]
        for one, path in zip(scratch, paths, strict=True):
            _publish(one.file, path)
    except BaseException as problem:
        for one in scratch:
            one.remove()
        for folder in reversed(made):
            with suppress(OSError):
                folder.rmdir()
        if isinstance(problem, OSError):
            raise _no_room(paths[-1], problem) from None
        raise
    for one in scratch:
        one.remove()


@contextmanager
def output_folder(path: str | os.PathLike) -> Iterator[Path]:
    """A local folder to fill in place of `path`; it takes its place, and an earlier one goes, if the block succeeds.

    Raises
    ------
    InputError
        There is a file, or its folder cannot be written, or the disk is full.
    """
    place = Path(os.path.realpath(path))
    if place.exists() and not place.is_dir():
        raise InputError(f"{path}: is a file; choose another folder")
    made: list[Path] = []
    scratch = _Scratch(place, made)
    try:
        scratch.file.mkdir(mode=0o755)
        yield scratch.file
        with suppress(FileNotFoundError):
            os.replace(place, scratch.file.with_name("earlier"))
        os.replace(scratch.file, place)
    except OSError as problem:
        raise _no_room(path, problem) from None
    finally:
        scratch.remove()


def _no_room(path: str | os.PathLike, problem: OSError) -> Exception:
    """A full or broken disk as an `InputError`; any other problem as it is."""
    if problem.errno not in _NO_ROOM:
        return problem
    return InputError(f"{path}: {_why(problem)}; nothing was written: make room, or choose another output")


def write_json(content: object, path: str | os.PathLike) -> None:
    """Write JSON to its place, whole or not at all."""
    with output(path) as [part]:
        text.write_json(content, part)


def read_json(path: str | os.PathLike, what: str) -> dict:
    """The object in a JSON file.

    Raises
    ------
    InputError
        The file is missing, cut off, no JSON, no object, or larger than any that the project writes.
    """
    largest = limits.limit("MANIFEST_MB") << 20
    with open_input(path) as file:
        content = file.read(largest + 1)
    if len(content) > largest:
        raise InputError(f"{path}: more than {largest >> 20} MB, no {what}; {limits.advice('MANIFEST_MB')}")
    try:
        found = json.loads(content)
    except (ValueError, RecursionError) as problem:
        raise InputError(f"{path}: no {what} ({text.first_line(problem)}); the file is damaged or cut off") from None
    if not isinstance(found, dict):
        raise InputError(f"{path}: no {what}; the file is another's, or damaged")
    return found


def check_outputs(paths: Iterable[str | os.PathLike], inputs: Iterable[str | os.PathLike] = ()) -> None:
    """Refuse an output that is an input, or another output, under any name; a local one that is no plain file, or lies
    where nothing may be written. Links, hard links and other spellings are seen through. Nothing is changed.
    """
    read = [part for path in inputs for part in _files_of(path)]
    taken: list[str] = []
    for path in [os.fspath(path) for path in paths]:
        check_name(path)
        if not is_s3(path):
            _check_replaceable(path)
            _check_writable(path)
        for other in read:
            if _is_same(path, other):
                raise InputError(f"{path}: is the input {other}; writing it would destroy it: choose another output")
        for other in taken:
            if _is_same(path, other):
                raise InputError(f"{path}: is the same file as {other}, another output; choose another name")
        taken.append(path)


def _check_writable(path: str) -> None:
    """Refuse a file in a folder that must not be written, or in one that cannot be made: before the work for it."""
    folder = Path(path).absolute().parent
    while not os.path.exists(folder) and folder != folder.parent:
        folder = folder.parent
    if folder.is_dir() and not os.access(folder, os.W_OK | os.X_OK):
        raise InputError(f"{path}: cannot write in its folder ({os.strerror(errno.EACCES)}); choose another output")


def check_name(path: str | os.PathLike) -> None:
    """Refuse a name that no file of ours can have: with a NUL character, or bytes that are no UTF-8."""
    name_ = os.fspath(path)
    if "\0" in name_:
        raise InputError(f"{name_}: a file's name holds no NUL character; check it")
    if not name_.isascii() and any("\ud800" <= letter <= "\udfff" for letter in name_):
        raise InputError(f"{name_}: its name is not UTF-8; rename the file")


def _files_of(path: str | os.PathLike) -> list[str]:
    """An input's files: itself, or what lies in it where it is a folder of parts."""
    name_ = os.fspath(path)
    if is_s3(name_) or not os.path.isdir(name_):
        return [name_]
    return [name_, *(entry.path for entry in os.scandir(name_) if entry.is_file())]


def _is_same(path: str, other: str) -> bool:
    """Whether two paths lead to one file, or would if it existed."""
    if is_s3(path) or is_s3(other):
        return is_s3(path) and is_s3(other) and _s3_key(path) == _s3_key(other)
    try:
        return os.path.samefile(path, other)
    except OSError:
        return os.path.realpath(path) == os.path.realpath(other)


def _s3_key(path: str) -> str:
    return re.sub("/+", "/", path[len("s3://") :]).rstrip("/")


def make_folder(path: Path) -> None:
    """Make a local folder, and those above it; a file in the way, or a place where none can be, is told of."""
    try:
        path.mkdir(parents=True, exist_ok=True)
    except OSError as problem:
        raise InputError(f"{path}: cannot make this folder ({_why(problem)}); choose another") from None


def _check_replaceable(path: str) -> None:
    try:
        mode = os.stat(path).st_mode
    except FileNotFoundError:
        return
    except NotADirectoryError:
        raise InputError(
            f"{path}: cannot write there, a file stands where a folder should; choose another output"
        ) from None
    except OSError as problem:
        raise InputError(f"{path}: cannot write there ({_why(problem)}); choose another output") from None
    if stat.S_ISDIR(mode):
        raise InputError(f"{path}: is a folder; give a file name in it")
    if not stat.S_ISREG(mode):
        raise InputError(
            f"{path}: is no plain file (a device or a pipe); only plain files are replaced, choose another name"
        )


class _Scratch:
    """A hidden folder beside an output's place (in the temporary folder for S3) for the file that is being written.

    It is locked as long as its process lives. One that nobody holds is a killed process's, and goes.
    """

    def __init__(self, path: str | os.PathLike, made: list[Path]) -> None:
        name_ = name(path)
        if len(os.fsencode(name_)) > 200:  # a name may have 255 bytes
            name_ = hashlib.sha256(os.fsencode(name_)).hexdigest()
        try:
            beside = Path(tempfile.gettempdir()) if is_s3(path) else _made_folder(path, made)
            _remove_abandoned(beside, name_)
            self._folder, self._lock = _locked_folder(beside, name_)
        except OSError as problem:
            raise InputError(f"{path}: cannot write in its folder ({_why(problem)}); choose another output") from None
        self.file = self._folder / "file"

    def remove(self) -> None:
        """Take the folder away with what is in it."""
        shutil.rmtree(self._folder, ignore_errors=True)
        os.close(self._lock)


def _made_folder(path: str | os.PathLike, made: list[Path]) -> Path:
    """The folder of an output's real place; folders that had to be made are added to `made`."""
    place = Path(os.path.realpath(path)).parent
    missing = []
    folder = place
    while not folder.exists():
        missing.append(folder)
        folder = folder.parent
    for folder in reversed(missing):
        with suppress(FileExistsError):
            folder.mkdir()
            made.append(folder)
    if len(os.fsencode(name(path))) > 255:
        raise OSError(errno.ENAMETOOLONG, os.strerror(errno.ENAMETOOLONG))
    return place


def _locked_folder(beside: Path, name_: str) -> tuple[Path, int]:
    """A new hidden folder, and the descriptor that holds its lock."""
    while True:
        folder = beside / f".{name_}.{os.urandom(4).hex()}.part"
        folder.mkdir(mode=0o700)
        descriptor = os.open(folder, os.O_RDONLY)
        with suppress(OSError):
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            if folder.exists():
                return folder, descriptor
        os.close(descriptor)  # another process took it for abandoned, between these two lines


def _remove_abandoned(beside: Path, name_: str) -> None:
    """Remove what killed processes left of this output."""
    for folder in beside.glob(f".{glob.escape(name_)}.????????.part"):
        with suppress(OSError):
            descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW)
            try:
                fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
                shutil.rmtree(folder)
            finally:
                os.close(descriptor)


def _publish(part: Path, path: str | os.PathLike) -> None:
    """Move a finished part to its place, or clear the place where there is no part."""
    if is_s3(path):
        system, key = _s3(path)
        try:
            if part.exists():
                with part.open("rb") as source, system.open_output_stream(key) as target:
                    shutil.copyfileobj(source, target, 8 << 20)
            elif exists(path):
                system.delete_file(key)
        except OSError as problem:
            raise InputError(f"{path}: {_why(problem)}; check the bucket and your AWS credentials") from None
        return
    place = os.path.realpath(path)
    _check_replaceable(place)
    if not part.exists():
        Path(place).unlink(missing_ok=True)
        return
    with part.open("rb+") as file:
        os.fsync(file.fileno())
    with suppress(FileNotFoundError):
        os.chmod(part, stat.S_IMODE(os.stat(place).st_mode))
    os.replace(part, place)
