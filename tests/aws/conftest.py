"""The emulated account (moto's server with what it lacks, in a process of its own), and a source tree to deploy."""

from __future__ import annotations

import functools
import json
import os
import re
import shutil
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import boto3
import notebooks_account
import pytest
from notebooks_account import BUCKET

HERE = Path(__file__).resolve().parent
ROOT = HERE.parent.parent
sys.path.insert(0, str(HERE))  # emulator and wheels are no product code and are not installed

REGION = "eu-west-1"
# What may be absent anywhere: everything else that a test here needs, `make test` and the pipeline's build set up.
MAY_BE_ABSENT = ("real data not found", "no Python ")


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item, call):
    """Where GENOMICSLEARNING_SKIPS is `fail` (in CI and in the pipeline), a test here that is skipped has failed."""
    report = yield
    return judged(report) if os.environ.get("GENOMICSLEARNING_SKIPS") == "fail" else report


def judged(report):
    if report.skipped and not hasattr(report, "wasxfail"):
        reason = report.longrepr[2].removeprefix("Skipped: ") if isinstance(report.longrepr, tuple) else ""
        if not reason.startswith(MAY_BE_ABSENT):
            report.outcome, report.longrepr = "failed", f"skipped, which is a failure here: {reason}"
    return report


@dataclass
class Account:
    """An emulated account: clients for it, the environment for programs, and the folder of its logs."""

    url: str
    folder: Path
    made: dict = field(default_factory=dict)  # sessions and clients: each making reads the services' models

    def environment(self, actor: str = "administrator", region: str = REGION) -> dict[str, str]:
        return {
            "AWS_ENDPOINT_URL": self.url,
            "AWS_REGION": region,
            "AWS_DEFAULT_REGION": region,
            "AWS_ACCESS_KEY_ID": actor,
            "AWS_SECRET_ACCESS_KEY": "none",
            "AWS_EC2_METADATA_DISABLED": "true",
        }

    def session(self, actor: str = "administrator", region: str = REGION) -> boto3.Session:
        if (actor, region) not in self.made:
            keys = {"aws_access_key_id": actor, "aws_secret_access_key": "none"}
            self.made[actor, region] = _Session(self.url, region_name=region, **keys)
        return self.made[actor, region]

    def calls(self) -> list[dict]:
        """What was recorded until now."""
        path = self.folder / "calls.jsonl"
        return [json.loads(line) for line in path.read_text().splitlines()] if path.exists() else []

    def client(self, service: str, region: str = REGION):
        """For the test's own looks and doings, which are not recorded as the product's."""
        if (service, region, "test") not in self.made:
            self.made[service, region, "test"] = self.session("test", region).client(service)
        return self.made[service, region, "test"]


class _Session(boto3.Session):
    def __init__(self, url: str, **settings) -> None:
        super().__init__(**settings)
        self._url = url

    def client(self, service, **settings):
        return super().client(service, endpoint_url=self._url, **settings)


def start_server(command: list[str], port: int, path: str, environment: dict[str, str], log: Path) -> subprocess.Popen:
    with log.open("w") as file:
        process = subprocess.Popen(command, env=environment, stdout=file, stderr=subprocess.STDOUT, cwd=HERE)
    deadline = time.monotonic() + 600  # on a machine that many share
    while True:
        try:
            urllib.request.urlopen(f"http://127.0.0.1:{port}{path}", timeout=5).close()
            return process
        except OSError as problem:
            if process.poll() is not None or time.monotonic() > deadline:
                process.kill()
                raise RuntimeError(f"{command[2]} did not start: {log.read_text()[-2000:]}") from problem
            time.sleep(0.1)


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


@contextmanager
def running_ministack(folder: Path, **more: str) -> Iterator[Callable]:
    """ministack, out of the policy linters' environment, in a process of its own; gives what makes clients of it."""
    from test_templates import policy_tool

    port = free_port()
    environment = {key: value for key, value in os.environ.items() if not key.startswith("AWS_")} | {
        "BIND_HOST": "127.0.0.1",
        "MINISTACK_HOST": "127.0.0.1",
        "GATEWAY_PORT": str(port),
        "AWS_ACCESS_KEY_ID": "test",
        "AWS_SECRET_ACCESS_KEY": "test",
        "HOME": str(folder),
        "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}",
    }
    command = [policy_tool("python"), "-m", "ministack"]
    process = start_server(command, port, "/_ministack/health", environment | more, folder / "log")
    keys = {"aws_access_key_id": "test", "aws_secret_access_key": "test", "region_name": REGION}
    try:
        yield lambda service: boto3.client(service, endpoint_url=f"http://127.0.0.1:{port}", **keys)
    finally:
        process.terminate()
        process.wait(10)


@pytest.fixture(scope="session")
def account(tmp_path_factory):
    folder, port = tmp_path_factory.mktemp("account"), free_port()
    environment = {key: value for key, value in os.environ.items() if not key.startswith("AWS_")}
    environment["PIP_FIND_LINKS"] = str(folder / "wheels")
    command = [sys.executable, "-m", "emulator", str(port), str(folder)]
    process = start_server(command, port, "/moto-api/", environment, folder / "server.log")
    made = Account(f"http://127.0.0.1:{port}", folder)
    yield made
    process.terminate()
    process.wait(10)
    hold_to_what_aws_publishes(made.calls())


def hold_to_what_aws_publishes(calls: list[dict]) -> None:
    """Whatever ran: each call fits its service's model, and each call of a role is in the list of the check."""
    from rights_asked import asked_rights, recorded_rights

    assert refused_by_models(calls) == []
    assert sorted(recorded_rights(calls) - asked_rights()) == []


# What a model forbids and the service takes.
_EXPLAINED = {"s3.GetObject.ChecksumMode: enabled is none of ENABLED": "so spells it AWS's C++ SDK, which pyarrow has"}


def refused_by_models(calls: list[dict]) -> list[str]:
    """What the services would refuse of what the product has sent; the tests' own calls are not looked at."""
    found = {line for call in calls if call["actor"] not in ("test", "emulator") for line in call["violations"]}
    return sorted(found - _EXPLAINED.keys())


@pytest.fixture(scope="session")
def source_tree(tmp_path_factory, account) -> Path:
    """A clean copy of the source, as git would clone it with what is being worked on; its lock is a small real one."""
    import wheels

    tree = tmp_path_factory.mktemp("source") / "genomicslearning"
    command = ["git", "-C", str(ROOT), "ls-files", "-z", "--cached", "--others", "--exclude-standard"]
    listed = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    for name in filter(None, listed.split("\0")):
        if (ROOT / name).is_file():
            (tree / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(ROOT / name, tree / name)
    (tree / "glue").mkdir(exist_ok=True)
    made = [wheels.pack(name, account.folder / "wheels") for name in ("idna", "six")]
    # The real pin of what the Glue jobs install, which no platform of the wheelhouse matches here.
    isal = re.search(r"^isal==[^\s;\\]+", (ROOT / "requirements/aws.txt").read_text(), re.MULTILINE).group()
    unused = f"{isal} ; python_version < '3' --hash=sha256:{'0' * 64}\n"
    (tree / "requirements/aws.txt").write_text(wheels.lock(made) + unused)
    return tree


@pytest.fixture(scope="session", autouse=True)
def without_waiting():
    """Stacks take a moment here, and one source makes one wheel."""
    from genomicslearning.deploy import build, stacks

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(stacks, "_LONGEST_PAUSE", 0.5)
        patch.setattr(build, "_wheel", functools.cache(build._wheel))
        yield


@pytest.fixture(scope="module")
def no_network(account):
    """pip finds the small lock's wheels in a folder."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PIP_NO_INDEX", "1")
        patch.setenv("PIP_FIND_LINKS", str(account.folder / "wheels"))
        yield


class Whole:
    """One deployment, with capitals in its name, that several modules look at; who changes it puts it back."""

    def __init__(self, account: Account, source_tree: Path) -> None:
        from genomicslearning import deploy

        self.settings = deploy.Settings(project="Whole", region=REGION, email="me@example.org")
        self.said: list[str] = []
        self.outputs = deploy.deploy(
            account.session(), self.settings, source_folder=source_tree, progress=self.said.append
        )
        self.lake = self.outputs["DataLakeBucket"]
        listed = account.client("s3").list_objects_v2(Bucket=self.lake)["Contents"]
        self.first_objects = {entry["Key"] for entry in listed}


@pytest.fixture(scope="session")
def whole(account, source_tree) -> Iterator[Whole]:
    from genomicslearning import deploy

    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PIP_NO_INDEX", "1")
        patch.setenv("PIP_FIND_LINKS", str(account.folder / "wheels"))
        made = Whole(account, source_tree)
    yield made
    assert deploy.teardown(account.session(), made.settings, lambda text: None) == []


# ---------------------------------------------------------------------- the notebooks' side
@pytest.fixture(scope="session")
def lake(account):
    """The emulated account with what the notebooks need of the code stack."""
    account.client("s3").create_bucket(Bucket=BUCKET, CreateBucketConfiguration={"LocationConstraint": REGION})
    formation = account.client("cloudformation")
    formation.create_stack(StackName="GenomicsLearningCode", TemplateBody=notebooks_account.template())
    formation.get_waiter("stack_create_complete").wait(StackName="GenomicsLearningCode", WaiterConfig={"Delay": 1})
    return account


@pytest.fixture
def runbook(lake, monkeypatch):
    """The environment of the notebooks: the role's name is the key's id, and no fault waits. Nothing is left after."""
    from genomicslearning.aws import account as aws_account
    from genomicslearning.aws.account import find_account
    from genomicslearning.endpoint import inventory

    for name, value in lake.environment(actor=notebooks_account.ROLE).items():
        monkeypatch.setenv(name, value)
    monkeypatch.setattr(aws_account, "SLOWEST_POLL_SECONDS", 0.2)
    (lake.folder / "faults.json").unlink(missing_ok=True)
    yield lake
    assert [str(left) for left in inventory.find(find_account())] == []


@pytest.fixture
def faults(runbook):
    def wait_for(*waiting: dict):
        (runbook.folder / "faults.json").write_text(json.dumps(waiting))

    return wait_for


@pytest.fixture(scope="session")
def sample(demo_pair, tmp_path_factory):
    from genomicslearning.training_set.build import build_training_set
    from genomicslearning.training_set.table import COLUMNS, read_table

    out = tmp_path_factory.mktemp("rows") / "table.parquet"
    build_training_set(clinvar=str(demo_pair[0]), annotated=str(demo_pair[1]), out=str(out))
    columns = list(COLUMNS)  # what a CSV can carry
    return read_table(out)[columns].sample(900, random_state=1).reset_index(drop=True)


@pytest.fixture(scope="session")
def train(sample):
    return sample.iloc[:600]


@pytest.fixture(scope="session")
def test_rows(sample):
    return sample.iloc[600:]


@pytest.fixture(scope="session")
def local(train, tmp_path_factory):
    """The local backend's job on the same rows and seed."""
    from genomicslearning import autopilot

    folder = tmp_path_factory.mktemp("local")
    return autopilot.start(train, folder=folder, name="job", preset="quick").wait()


@pytest.fixture
def model_folder(runbook, train, tmp_path):
    job = notebooks_account.start(train, tmp_path)
    job.model()
    return job.folder / "model"
