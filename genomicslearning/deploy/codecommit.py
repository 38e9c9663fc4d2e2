"""Put files into a CodeCommit repository through its API, so that neither git nor credentials for git are needed."""

from __future__ import annotations

import hashlib
import subprocess
from collections.abc import Iterator
from pathlib import Path

from genomicslearning import InputError
from genomicslearning.deploy.stacks import Progress

# Limits of CreateCommit: 100 files, 6 MB a file, and 7 MB of changes together (FileContentSizeLimitExceededException in
# botocore's model of CodeCommit).
_FILES_A_COMMIT = 100
_BYTES_A_FILE = 6_000_000
_BYTES_A_COMMIT = 6_000_000
_UPLOAD = "genomicslearning-upload"
# Of an unpacked archive's root; the package has a room `runs` too.
_NOT_SOURCE = {"runs", "build", "dist", "lake"}


def source_files(root: Path) -> dict[str, bytes]:
    """What git tracks in a checkout (as it is on disk), or everything in an unpacked source archive."""
    if (root / ".git").exists():
        listed = subprocess.run(["git", "-C", str(root), "ls-files", "-z"], capture_output=True, text=True, check=True)
        names = [name for name in listed.stdout.split("\0") if name]
    else:
        names = [str(path.relative_to(root)) for path in sorted(root.rglob("*")) if path.is_file()]
        names = [name for name in names if _is_source(Path(name))]
    return {name: (root / name).read_bytes() for name in names if (root / name).is_file()}


def _is_source(name: Path) -> bool:
    first = name.parts[0]
    made = (".egg-info", "_cache", "__pycache__", ".ipynb_checkpoints")
    return (
        not (first in _NOT_SOURCE and len(name.parts) > 1)
        and not first.startswith(".venv")
        and not any(part.endswith(made) for part in name.parts)
    )


def commit(client, repository: str, branch: str, files: dict[str, bytes], message: str, progress: Progress) -> bool:
    """Make the branch hold exactly these files; False where it does already.

    The files travel in several commits on a branch of their own; the pipeline's branch moves once, at the end.
    """
    for name, content in files.items():
        if len(content) > _BYTES_A_FILE:
            size = f"{len(content) / 1e6:.1f} MB"
            raise InputError(f"{name}: {size}, and CodeCommit takes files up to 6 MB through its API; push it with git")
    head = _head(client, repository, branch)
    before = _blobs(client, repository, head) if head else {}
    changed = [name for name, content in files.items() if before.get(name) != _blob_id(content)]
    removed = [name for name in before if name not in files]
    if not changed and not removed:
        progress(f"{repository}: {branch} is up to date")
        return False

    if _head(client, repository, _UPLOAD):  # left by an upload that was cut off
        client.delete_branch(repositoryName=repository, branchName=_UPLOAD)
    if head:
        client.create_branch(repositoryName=repository, branchName=_UPLOAD, commitId=head)
    parent = head
    for puts, deletes in _portions(changed, removed, files):
        request: dict[str, object] = {"repositoryName": repository, "branchName": _UPLOAD, "commitMessage": message}
        request["putFiles"] = [{"filePath": name, "fileMode": "NORMAL", "fileContent": files[name]} for name in puts]
        request["deleteFiles"] = [{"filePath": name} for name in deletes]
        if parent:
            request["parentCommitId"] = parent
        parent = client.create_commit(**request)["commitId"]
    if head:
        client.merge_branches_by_fast_forward(
            repositoryName=repository,
            sourceCommitSpecifier=_UPLOAD,
            destinationCommitSpecifier=branch,
            targetBranch=branch,
        )
    else:
        client.create_branch(repositoryName=repository, branchName=branch, commitId=parent)
        client.update_default_branch(repositoryName=repository, defaultBranchName=branch)
    client.delete_branch(repositoryName=repository, branchName=_UPLOAD)
    progress(f"{repository}: {branch} has {len(changed)} new or changed and {len(removed)} removed files")
    return True


def _portions(changed: list[str], removed: list[str], files: dict[str, bytes]) -> Iterator[tuple[list[str], list[str]]]:
    puts: list[str] = []
    size = 0
    for name in changed:
        if puts and (len(puts) == _FILES_A_COMMIT or size + len(files[name]) > _BYTES_A_COMMIT):
            yield puts, []
            puts, size = [], 0
        puts.append(name)
        size += len(files[name])
    room = _FILES_A_COMMIT - len(puts)
    yield puts, removed[:room]
    for start in range(room, len(removed), _FILES_A_COMMIT):
        yield [], removed[start : start + _FILES_A_COMMIT]


def _head(client, repository: str, branch: str) -> str | None:
    try:
        return client.get_branch(repositoryName=repository, branchName=branch)["branch"]["commitId"]
    except client.exceptions.BranchDoesNotExistException:
        return None


def _blobs(client, repository: str, commit_id: str, folder: str = "/") -> dict[str, str]:
    content = client.get_folder(repositoryName=repository, commitSpecifier=commit_id, folderPath=folder)
    blobs = {file["absolutePath"]: file["blobId"] for file in content.get("files", [])}
    for sub in content.get("subFolders", []):
        blobs |= _blobs(client, repository, commit_id, sub["absolutePath"])
    return blobs


def _blob_id(content: bytes) -> str:
    return hashlib.sha1(b"blob %d\0" % len(content) + content, usedforsecurity=False).hexdigest()
