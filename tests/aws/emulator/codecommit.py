"""CodeCommit's branches, commits and folders, which moto lacks. A branch that moves is an event."""

from __future__ import annotations

import base64
import hashlib
import json

from moto.codecommit.models import codecommit_backends
from moto.codecommit.responses import CodeCommitResponse
from moto.core.exceptions import JsonRESTError
from moto.utilities.utils import get_partition

from emulator import events


class _Error(JsonRESTError):
    code = 400

    def __init__(self, name: str, message: str = "") -> None:
        super().__init__(name, message or name)


def _repository(self):
    repository = codecommit_backends[self.current_account][self.region].repositories.get(
        self._get_param("repositoryName")
    )
    if repository is None:
        raise _Error("RepositoryDoesNotExistException")
    if not hasattr(repository, "branches"):
        repository.branches, repository.commits, repository.blobs = {}, {}, {}
    return repository


def _resolve(repository, specifier: str) -> str:
    commit = repository.branches.get(specifier, specifier)
    if commit not in repository.commits:
        raise _Error("CommitDoesNotExistException", specifier)
    return commit


def _moved(self, what: str, branch: str) -> None:
    """The event in the form that the CodeCommit user guide documents."""
    name = self._get_param("repositoryName")
    arn = f"arn:{get_partition(self.region)}:codecommit:{self.region}:{self.current_account}:{name}"
    detail = {"event": what, "repositoryName": name, "referenceType": "branch", "referenceName": branch}
    event = {"source": "aws.codecommit", "detail-type": "CodeCommit Repository State Change", "region": self.region}
    events.send(self.current_account, self.region, event | {"resources": [arn], "detail": detail})


def get_branch(self):
    repository, name = _repository(self), self._get_param("branchName")
    if name not in repository.branches:
        raise _Error("BranchDoesNotExistException", name)
    return json.dumps({"branch": {"branchName": name, "commitId": repository.branches[name]}})


def create_branch(self):
    repository, name = _repository(self), self._get_param("branchName")
    if name in repository.branches:
        raise _Error("BranchNameExistsException", name)
    repository.branches[name] = _resolve(repository, self._get_param("commitId"))
    _moved(self, "referenceCreated", name)
    return "{}"


def delete_branch(self):
    repository, name = _repository(self), self._get_param("branchName")
    commit = repository.branches.pop(name, None)
    return json.dumps({"deletedBranch": {"branchName": name, "commitId": commit}} if commit else {})


def update_default_branch(self):
    _resolve(_repository(self), self._get_param("defaultBranchName"))
    return "{}"


def create_commit(self):
    repository, branch = _repository(self), self._get_param("branchName")
    parent = self._get_param("parentCommitId")
    if repository.branches.get(branch) != parent:
        raise _Error("ParentCommitIdOutdatedException")
    puts, deletes = self._get_param("putFiles", []) or [], self._get_param("deleteFiles", []) or []
    if len(puts) + len(deletes) > 100:
        raise _Error("MaximumFileEntriesExceededException")
    files = dict(repository.commits.get(parent, {}))
    contents = [base64.b64decode(put["fileContent"]) for put in puts]
    if any(len(content) > 6 << 20 for content in contents) or sum(map(len, contents)) > 7 << 20:
        raise _Error("FileContentSizeLimitExceededException")
    for put, content in zip(puts, contents, strict=True):
        blob = hashlib.sha1(b"blob %d\0" % len(content) + content).hexdigest()
        files[put["filePath"]], repository.blobs[blob] = blob, content
    for delete in deletes:
        if files.pop(delete["filePath"], None) is None:
            raise _Error("FileDoesNotExistException", delete["filePath"])
    if parent and files == repository.commits[parent]:
        raise _Error("NoChangeException")
    commit = hashlib.sha1(json.dumps([parent, sorted(files.items())]).encode()).hexdigest()
    repository.commits[commit], repository.branches[branch] = files, commit
    return json.dumps({"commitId": commit, "treeId": commit})


def get_folder(self):
    repository = _repository(self)
    files = repository.commits[_resolve(repository, self._get_param("commitSpecifier"))]
    folder = (self._get_param("folderPath") or "/").strip("/")
    prefix = f"{folder}/" if folder else ""
    inside = {path: blob for path, blob in files.items() if path.startswith(prefix)}
    here = [{"blobId": blob, "absolutePath": path, "relativePath": path[len(prefix) :], "fileMode": "NORMAL"}
            for path, blob in inside.items() if "/" not in path[len(prefix) :]]  # fmt: skip
    below = sorted({prefix + path[len(prefix) :].split("/")[0] for path in inside if "/" in path[len(prefix) :]})
    answer = {"commitId": "x", "folderPath": folder or "/", "files": here}
    return json.dumps(answer | {"subFolders": [{"treeId": path, "absolutePath": path} for path in below]})


def merge_branches_by_fast_forward(self):
    repository = _repository(self)
    commit = _resolve(repository, self._get_param("sourceCommitSpecifier"))
    repository.branches[self._get_param("targetBranch")] = commit
    _moved(self, "referenceUpdated", self._get_param("targetBranch"))
    return json.dumps({"commitId": commit, "treeId": commit})


def list_repositories(self):
    names = codecommit_backends[self.current_account][self.region].repositories
    return json.dumps({"repositories": [{"repositoryName": name, "repositoryId": name} for name in names]})


def install() -> None:
    operations = (get_branch, create_branch, delete_branch, update_default_branch, create_commit, get_folder)
    for operation in (*operations, merge_branches_by_fast_forward, list_repositories):
        setattr(CodeCommitResponse, operation.__name__, operation)
