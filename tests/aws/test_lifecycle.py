"""The notebook instance's scripts, run as a plain user in a scratch home, offline, with the emulator's S3."""

from __future__ import annotations

import base64
import io
import json
import os
import re
import shutil
import subprocess
import sys
import threading
import time
import zipfile
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path

import pytest
import wheels
from conftest import REGION, ROOT

BUCKET = "scripts-resources"
STATUS = "SageMaker/genomicslearning-status.txt"
# The AWS CLI that is on the instance, as far as the scripts use it, on boto3 (the CLI itself pins another botocore).
AWS = f"""#!{sys.executable}
import fnmatch, os, sys
import boto3
from botocore.exceptions import BotoCoreError, ClientError

words = sys.argv[1:]
try:
    if words[:2] == ["sagemaker", "stop-notebook-instance"]:
        boto3.client("sagemaker").stop_notebook_instance(NotebookInstanceName=words[3])
        sys.exit()
    assert words[:3] == ["s3", "cp", "--only-show-errors"], words
    rest, only = words[3:], "*"
    recursive = "--recursive" in rest
    if "--exclude" in rest:
        assert rest[rest.index("--exclude") + 1] == "*"
        only = rest[rest.index("--include") + 1]
    source, target = rest[-2:]
    bucket, _, key = source.removeprefix("s3://").partition("/")
    s3 = boto3.client("s3")
    if not recursive:
        s3.download_file(bucket, key, target)
    else:
        for entry in s3.list_objects_v2(Bucket=bucket, Prefix=key.rstrip("/") + "/").get("Contents", []):
            name = entry["Key"][len(key.rstrip("/")) + 1 :]
            if fnmatch.fnmatch(name, only):
                os.makedirs(os.path.dirname(os.path.join(target, name)), exist_ok=True)
                s3.download_file(bucket, entry["Key"], os.path.join(target, name))
except (BotoCoreError, ClientError) as problem:
    sys.exit(f"fatal error: {{problem}}")
"""


def notebooks_zip(**notebooks: str) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        for name, text in notebooks.items():
            archive.writestr(f"{name}.ipynb", text)
        archive.writestr("../outside.ipynb", "never")
    return buffer.getvalue()


@pytest.fixture(scope="module")
def resources(account, tmp_path_factory):
    """Two versions of the notebooks, and a wheelhouse for this Python: a kernel and what it needs."""
    s3 = account.client("s3")
    s3.create_bucket(Bucket=BUCKET, CreateBucketConfiguration={"LocationConstraint": REGION})
    folder = tmp_path_factory.mktemp("wheelhouse")
    made = [wheels.pack(name, folder) for name in wheels.closure("ipykernel")]
    for wheel in made:
        s3.upload_file(str(wheel), BUCKET, f"wheelhouse/small/{wheel.name}")
    s3.put_object(Bucket=BUCKET, Key="wheelhouse/small/requirements.txt", Body=wheels.lock(made).encode())
    command = [sys.executable, "-m", "pip", "wheel", "--quiet", "--no-deps", "--no-build-isolation"]
    subprocess.run([*command, "--wheel-dir", str(folder), str(ROOT)], check=True)
    package = next(folder.glob("genomicslearning-*.whl"))
    here = f"{sys.version_info[0]}.{sys.version_info[1]}"
    for version, text in (("v1", "one"), ("v2", "two")):
        s3.upload_file(str(package), BUCKET, f"{version}/{package.name}")
        s3.put_object(Bucket=BUCKET, Key=f"{version}/wheelhouse.txt", Body=f"small\n{here}\n".encode())
        s3.put_object(
            Bucket=BUCKET, Key=f"{version}/notebooks.zip", Body=notebooks_zip(data_prep=text, evaluation=text)
        )
        script = (ROOT / "lifecycle/on_create.sh").read_bytes()
        s3.put_object(Bucket=BUCKET, Key=f"{version}/lifecycle/on_create.sh", Body=script)
    return account


class Instance:
    """A home directory, and the scripts with the lines that the stack puts before them."""

    def __init__(self, account, home: Path) -> None:
        self.home, self.account = home, account
        programs = home.parent / "programs"
        programs.mkdir(parents=True)
        (home / "SageMaker").mkdir(parents=True)
        (programs / "aws").write_text(AWS)
        (programs / "aws").chmod(0o755)
        path = f"{programs}:{Path(sys.executable).parent}:{os.environ['PATH']}"
        plain = {key: value for key, value in os.environ.items() if not key.startswith(("AWS_", "PYTHON", "PIP_"))}
        owner = subprocess.run(["id", "-un"], capture_output=True, text=True, check=True).stdout.strip()
        self.environment = (
            plain | account.environment("lifecycle") | {"PATH": path, "USER_HOME": str(home), "OWNER": owner}
        )
        self.environment |= {"HOME": str(home), "PIP_INDEX_URL": "http://127.0.0.1:9/"}  # nothing may be fetched

    def run(self, name: str, version: str = "v1", *, idle: int = 0, project: str = "Scripts", **more) -> None:
        settings = f"RESOURCES=s3://{BUCKET}/{version} LAKE=s3://scripts-lake IDLE_MINUTES={idle}"
        header = f"#!/bin/bash\nPROJECT={project} {settings}\n"
        script = header + (ROOT / "lifecycle" / name).read_text()
        started = time.monotonic()
        done = subprocess.run(
            ["bash"], input=script, env=self.environment | more, text=True, capture_output=True, cwd=self.home
        )
        assert done.returncode == 0, done.stderr
        assert time.monotonic() - started < 300  # SageMaker ends a script that takes longer

    def installed(self, *versions: str) -> None:
        """As if these versions' environment were there: most tests are not about it."""
        (self.home / STATUS).write_text("".join(f"ready {version}\n" for version in versions))
        python = self.home / "SageMaker/.genomicslearning/env/bin/python"
        python.parent.mkdir(parents=True)
        python.write_text(f'#!/bin/sh\nexec "{sys.executable}" "$@"\n')
        python.chmod(0o755)

    def notebook(self, name: str) -> str:
        return (self.home / "SageMaker/genomicslearning" / name).read_text()

    def wait_for_status(self, *wanted: str) -> str:
        deadline = time.monotonic() + 180
        while time.monotonic() < deadline:
            status = (self.home / STATUS).read_text().strip() if (self.home / STATUS).exists() else ""
            if status.startswith(wanted):
                return status
            time.sleep(0.2)
        log = self.home / "SageMaker/.genomicslearning/install.log"
        raise TimeoutError(log.read_text() if log.exists() else "no log")


@pytest.fixture
def instance(resources, tmp_path):
    made = Instance(resources, tmp_path / "home")
    yield made
    pid = made.home / "SageMaker/.genomicslearning/idle.pid"
    if pid.exists():
        subprocess.run(["kill", pid.read_text().strip()], check=False)


def test_environment_and_kernel_are_installed_from_the_wheelhouse(instance):
    instance.run("on_create.sh")
    instance.run("on_start.sh")
    assert instance.wait_for_status("ready", "failed") == "ready v1"
    kernel = json.loads((instance.home / ".local/share/jupyter/kernels/genomicslearning/kernel.json").read_text())
    # The kernel is a real one: it starts, imports the package and answers.
    from jupyter_client import KernelManager
    from jupyter_client.kernelspec import KernelSpec

    manager = KernelManager()
    manager._kernel_spec = KernelSpec(argv=kernel["argv"], display_name="x", language="python")
    manager.start_kernel(cwd=str(instance.home), env=instance.environment)
    try:
        client = manager.blocking_client()
        client.start_channels()
        client.wait_for_ready(timeout=300)
        reply = client.execute_interactive(
            "import genomicslearning as g; assert g.share('notebooks').is_dir()", timeout=300
        )
        assert reply["content"]["status"] == "ok", reply["content"]
        client.stop_channels()
    finally:
        manager.shutdown_kernel(now=True)
    # A stop loses the home directory but for SageMaker/: the next start brings the kernel back, without installing.
    shutil.rmtree(instance.home / ".local")
    shutil.rmtree(instance.home / ".config")
    made = (instance.home / "SageMaker/.genomicslearning/env-v1").stat().st_mtime_ns
    instance.run("on_start.sh")
    assert (instance.home / ".local/share/jupyter/kernels/genomicslearning/kernel.json").exists()
    assert (instance.home / "SageMaker/.genomicslearning/env-v1").stat().st_mtime_ns == made
    assert instance.wait_for_status("ready") == "ready v1"


def test_settings_name_the_backend_and_the_lake(instance):
    import tomllib

    instance.installed("v1")
    instance.run("on_start.sh")
    settings = tomllib.loads((instance.home / ".config/genomicslearning.toml").read_text())
    assert settings == {"backend": "sagemaker", "lake": "s3://scripts-lake", "project": "Scripts"}


def test_the_notebook_finds_its_stack_and_tags_what_the_budget_counts(instance, monkeypatch):
    """With the line that the code stack puts before the script; names of stacks on AWS are case sensitive."""
    from situations import SITUATIONS, Stack

    from genomicslearning.aws import account as aws_account

    stack = Stack("code", SITUATIONS[0])
    hook = base64.b64decode(stack.resources["NotebookLifecycle"]["Properties"]["OnStart"][0]["Content"]).decode()
    told = re.search(r"^PROJECT=(\S+)", hook, re.MULTILINE)[1]
    instance.installed("v1")
    instance.run("on_start.sh", project=told)
    formation = instance.account.client("cloudformation")
    title = stack.situation.project
    made = {
        "Resources": {
            "Log": {"Type": "AWS::Logs::LogGroup", "Properties": {"LogGroupName": "w", "RetentionInDays": 1}}
        },
        "Outputs": {
            name: {"Value": name} for name in ("DataLakeBucket", "RunbookRoleArn", "TrainingSetJob", "JobLogs")
        },
    }
    formation.create_stack(StackName=f"{title}Code", TemplateBody=json.dumps(made))
    formation.get_waiter("stack_create_complete").wait(StackName=f"{title}Code", WaiterConfig={"Delay": 1})
    monkeypatch.setattr(aws_account, "CONFIGURATION", instance.home / ".config/genomicslearning.toml")
    monkeypatch.delenv("GENOMICSLEARNING_PROJECT", raising=False)
    for name, value in instance.account.environment("notebook").items():
        monkeypatch.setenv(name, value)
    found = aws_account.find_account()
    filters = stack.resources["MonthlyCost"]["Properties"]["Budget"]["CostFilters"]["TagKeyValue"]
    assert filters == [f"user:Project${found.title}"]
    formation.delete_stack(StackName=f"{title}Code")


def test_edited_notebooks_survive_and_new_versions_arrive_beside_them(instance):
    instance.installed("v1", "v2")
    instance.run("on_start.sh", "v1")
    assert (instance.notebook("data_prep.ipynb"), instance.notebook("evaluation.ipynb")) == ("one", "one")
    edited = instance.home / "SageMaker/genomicslearning/data_prep.ipynb"
    edited.write_text("mine")
    instance.run("on_start.sh", "v1")
    assert instance.notebook("data_prep.ipynb") == "mine"
    instance.run("on_start.sh", "v2")
    assert instance.notebook("data_prep.ipynb") == "mine"
    assert instance.notebook("data_prep.v2.ipynb") == "two"
    assert instance.notebook("evaluation.ipynb") == "two"  # nobody had touched it
    (instance.home / "SageMaker/genomicslearning/data_prep.v2.ipynb").write_text("mine too")
    instance.run("on_start.sh", "v2")
    assert instance.notebook("data_prep.v2.ipynb") == "mine too"
    assert not list(instance.home.rglob("outside.ipynb"))


def test_failing_download_does_not_keep_the_instance_from_starting(instance):
    instance.installed("v1")
    instance.run("on_start.sh", "v1")
    (instance.home / "SageMaker/genomicslearning/data_prep.ipynb").write_text("mine")
    unreachable = {"AWS_ENDPOINT_URL": "http://127.0.0.1:9", "AWS_MAX_ATTEMPTS": "1"}
    instance.run("on_create.sh", "v3", **unreachable)
    instance.run("on_start.sh", "v3", **unreachable)
    assert instance.wait_for_status("failed").startswith("failed: cannot read s3://scripts-resources/v3")
    assert instance.notebook("data_prep.ipynb") == "mine"
    assert (instance.home / ".config/genomicslearning.toml").exists()


def test_a_start_repairs_an_environment_whose_python_is_gone(instance, tmp_path):
    """A stop discards the volume of the system, and with it the Python that dnf had installed."""
    system = only_python(tmp_path / "system", Path(sys.executable).resolve())
    instance.environment["PATH"] = f"{system}:{instance.environment['PATH']}"
    instance.run("on_create.sh")
    assert instance.wait_for_status("ready", "failed") == "ready v1"
    python = instance.home / "SageMaker/.genomicslearning/env/bin/python"
    made = (python.parent.parent / "python.txt").stat().st_mtime_ns
    assert python.resolve().exists()
    shutil.rmtree(instance.home / ".local")
    python.unlink()
    python.symlink_to(tmp_path / "discarded")  # what it was linked to
    instance.run("on_start.sh")
    assert instance.wait_for_status("ready", "failed") == "ready v1"
    deadline = time.monotonic() + 60
    while not python.exists() and time.monotonic() < deadline:
        time.sleep(0.2)
    subprocess.run([python, "-c", "import genomicslearning"], check=True, cwd=instance.home)
    assert (instance.home / ".local/share/jupyter/kernels/genomicslearning/kernel.json").exists()
    assert (python.parent.parent / "python.txt").stat().st_mtime_ns == made  # not installed again


# ---------------------------------------------------------------------- the image's Python
def only_python(folder: Path, interpreter: Path) -> Path:
    """A folder of programs in which this is the only Python, under its usual names; dnf has none to install."""
    folder.mkdir(parents=True)
    version = subprocess.run(
        [interpreter, "-c", "import sys; print('%d.%d' % sys.version_info[:2])"], capture_output=True, text=True
    ).stdout.strip()
    for name in ("python3", f"python{version}"):
        (folder / name).symlink_to(interpreter)
    (folder / "dnf").write_text("#!/bin/sh\necho 'No match for argument' >&2\nexit 1\n")
    (folder / "dnf").chmod(0o755)
    return folder


def bare_programs(folder: Path) -> Path:
    """What a shell script needs, without any Python."""
    folder.mkdir()
    for directory in ("/usr/bin", "/bin"):
        for program in Path(directory).iterdir():
            if not program.name.startswith(("python", "pypy", "dnf")) and not (folder / program.name).exists():
                (folder / program.name).symlink_to(program)
    return folder


def interpreter(version: str) -> Path:
    found = [Path(sys.executable).resolve()] if sys.version_info[:2] == tuple(map(int, version.split("."))) else []
    found += sorted(Path.home().glob(f".pyenv/versions/{version}.*/bin/python{version}"))
    found += [Path(path) for path in [shutil.which(f"python{version}")] if path]
    if not found:
        pytest.skip(f"no Python {version} on this machine")
    return found[0].resolve()


@pytest.fixture(scope="module")
def pure(resources):
    """A version whose wheels run on any Python, for the Pythons that this one's own wheels are not for."""
    s3 = resources.client("s3")
    folder = resources.folder / "pure"
    made = [wheels.pack(name, folder) for name in ("idna", "six")]
    for wheel in made:
        s3.upload_file(str(wheel), BUCKET, f"wheelhouse/pure/{wheel.name}")
    s3.put_object(Bucket=BUCKET, Key="wheelhouse/pure/requirements.txt", Body=wheels.lock(made).encode())
    package = next(e["Key"] for e in s3.list_objects_v2(Bucket=BUCKET, Prefix="v1/")["Contents"] if ".whl" in e["Key"])
    s3.copy_object(Bucket=BUCKET, Key=package.replace("v1/", "v8/"), CopySource=f"{BUCKET}/{package}")
    s3.put_object(Bucket=BUCKET, Key="v8/wheelhouse.txt", Body=b"pure\n3.12\n")
    return resources


@pytest.mark.parametrize("version", ["3.10", "3.11", "3.12", "3.13"])
def test_the_only_python_of_an_image_is_used_or_named(instance, pure, tmp_path, version):
    """The wheels are for 3.12: with that Python a kernel, with any other a line that says what is there."""
    programs = only_python(tmp_path / "image", interpreter(version))
    aws = Path(instance.environment["PATH"].split(":")[0])
    instance.environment["PATH"] = f"{aws}:{programs}:{bare_programs(tmp_path / 'bare')}"
    instance.run("on_create.sh", "v8")
    status = instance.wait_for_status("failed", "ready")
    if version == "3.12":
        assert status == "ready v8"
        kernel = json.loads((instance.home / ".local/share/jupyter/kernels/genomicslearning/kernel.json").read_text())
        code = "import sys, genomicslearning; print('%d.%d' % sys.version_info[:2])"
        command = [kernel["argv"][0], "-c", code]
        said = subprocess.run(command, capture_output=True, text=True, check=True, cwd=instance.home).stdout
        assert said == "3.12\n"
    else:
        assert status.startswith(
            "failed: there is no Python 3.12, for which the wheels are, and dnf could not install it "
            f"(found: {version}). The log is "
        )
        assert not (instance.home / ".local/share/jupyter/kernels/genomicslearning").exists()
        assert not list((instance.home / "SageMaker/.genomicslearning").glob("env*"))


# ---------------------------------------------------------------------- idle
class Jupyter(BaseHTTPRequestHandler):
    kernels: list[dict] = []
    terminals: list[dict] = []

    def do_GET(self):
        body = json.dumps(self.kernels if self.path.endswith("kernels") else self.terminals).encode()
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_):
        pass


@pytest.fixture
def jupyter():
    server = HTTPServer(("127.0.0.1", 0), Jupyter)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()


def ago(minutes: float) -> str:
    return (datetime.now(UTC) - timedelta(minutes=minutes)).isoformat().replace("+00:00", "Z")


@pytest.mark.parametrize(
    ("kernels", "terminals", "up", "idle"),
    [
        ([], [], 90, True),
        ([], [], 10, False),  # started ten minutes ago
        ([("idle", 61)], [], 90, True),
        ([("idle", 55)], [], 90, False),
        ([("busy", 300)], [], 400, False),  # a long cell
        ([], [5], 90, False),
    ],
)
def test_idle_is_no_busy_kernel_and_nothing_for_an_hour(instance, jupyter, kernels, terminals, up, idle):
    instance.installed("v1")
    instance.run("on_start.sh")
    Jupyter.kernels = [{"execution_state": state, "last_activity": ago(minutes)} for state, minutes in kernels]
    Jupyter.terminals = [{"last_activity": ago(minutes)} for minutes in terminals]
    script = instance.home / "SageMaker/.genomicslearning/idle.py"
    started = time.time() - up * 60
    done = subprocess.run([sys.executable, str(script), jupyter, "60", str(started)], capture_output=True, text=True)
    assert (done.returncode == 0) == idle, done.stdout + done.stderr
    assert "Traceback" not in done.stderr


def test_jupyter_that_does_not_answer_is_not_idle(instance):
    instance.installed("v1")
    instance.run("on_start.sh")
    script = instance.home / "SageMaker/.genomicslearning/idle.py"
    assert (
        subprocess.run([sys.executable, str(script), "http://127.0.0.1:9", "0", "0"], capture_output=True).returncode
        != 0
    )


def test_idle_instance_stops_itself(instance, jupyter):
    sagemaker = instance.account.client("sagemaker")
    role = "arn:aws:iam::123456789012:role/x"
    sagemaker.create_notebook_instance(
        NotebookInstanceName="scripts-notebook", InstanceType="ml.t3.medium", RoleArn=role
    )
    Jupyter.kernels, Jupyter.terminals = [{"execution_state": "idle", "last_activity": ago(61)}], []
    instance.installed("v1")
    instance.run("on_start.sh", idle=1, JUPYTER=jupyter, CHECK_SECONDS="0.2")
    loop = instance.home / "SageMaker/.genomicslearning/stop_when_idle.sh"
    assert (instance.home / "SageMaker/.genomicslearning/idle.pid").exists()
    loop.write_text(loop.read_text().replace("$(date +%s)", "0"))
    environment = instance.environment | {"JUPYTER": jupyter, "CHECK_SECONDS": "0.1"}
    subprocess.run(["bash", str(loop), "scripts-notebook", "1"], env=environment, check=True, timeout=300)
    described = sagemaker.describe_notebook_instance(NotebookInstanceName="scripts-notebook")
    assert described["NotebookInstanceStatus"] in ("Stopping", "Stopped")
    sagemaker.delete_notebook_instance(NotebookInstanceName="scripts-notebook")


def test_no_idle_minutes_is_the_off_switch(instance):
    instance.installed("v1")
    instance.run("on_start.sh", idle=0)
    assert not (instance.home / "SageMaker/.genomicslearning/idle.pid").exists()
