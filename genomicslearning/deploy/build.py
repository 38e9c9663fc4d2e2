"""What the stacks need from this package: the wheel, the wheelhouse of the lock, the zips, and the finished templates.

Everything is taken from one wheel, so that a checkout, an unpacked archive and an installed package deploy alike.
In ResourcesBucket::

    VERSION/genomicslearning.zip         the wheel under a name that Spark accepts
    VERSION/genomicslearning-*.whl       the same wheel for pip
    VERSION/glue/*.py                    the jobs' scripts
    VERSION/lifecycle/*.sh               the notebook instance's scripts
    VERSION/notebooks.zip                what the notebook instance shows
    VERSION/wheelhouse.txt               which wheelhouse, and for which Python
    wheelhouse/KEY/*.whl, requirements.txt   every dependency of the lock
"""

from __future__ import annotations

import hashlib
import io
import json
import os
import re
import subprocess
import sys
import tempfile
import zipfile
from importlib.metadata import distribution
from pathlib import Path

from genomicslearning import __version__
from genomicslearning.deploy.stacks import DeployFailed, Progress

# The notebook instance's environment: Amazon Linux 2023 has glibc 2.34, and python3.12 in its repositories.
NOTEBOOK_PYTHON = "3.12"
PLATFORMS = ("manylinux_2_34", "manylinux_2_28", "manylinux_2_17", "manylinux2014", "manylinux_2_12", "manylinux1")
# What the jobs import that Glue 5.0 has not: igzip. (pyarrow, pandas and numpy are there.)
GLUE_LACKS = ("isal",)
_DATE = (1980, 1, 1, 0, 0, 0)
_SHARE = "genomicslearning/_share/"


class Build:
    """One build of the package, in memory: its wheel, its version, and the files made from it."""

    def __init__(self, source: Path | None) -> None:
        self.wheel_name, self.wheel = _wheel(source)
        with zipfile.ZipFile(io.BytesIO(self.wheel)) as archive:
            self._share = {
                name.removeprefix(_SHARE): archive.read(name) for name in archive.namelist() if name.startswith(_SHARE)
            }
        self.lock = self.text("requirements/aws.txt")
        self.version = f"{__version__}-{hashlib.sha256(self.wheel).hexdigest()[:12]}"
        key = f"{NOTEBOOK_PYTHON} {PLATFORMS} {self.lock}"
        self.wheelhouse_key = hashlib.sha256(key.encode()).hexdigest()[:12]

    def text(self, name: str) -> str:
        return self._share[name].decode()

    def template(self, name: str) -> str:
        """A stack's template, finished."""
        scripts = {name: self.text(name) for name in self._share if name.startswith("lifecycle/")}
        return render(self.text(f"cloudformation/{name}.yml"), scripts, self.lock)

    def files(self) -> dict[str, bytes]:
        """What goes under VERSION/ in ResourcesBucket, the marker that all is there last."""
        scripts = {name: self._share[name] for name in self._share if name.startswith(("glue/", "lifecycle/"))}
        folder = "notebooks/"
        notebooks = {name.removeprefix(folder): self._share[name] for name in self._share if name.startswith(folder)}
        return {
            "genomicslearning.zip": self.wheel,
            self.wheel_name: self.wheel,
            **scripts,
            "notebooks.zip": zip_bytes(notebooks),
            "wheelhouse.txt": f"{self.wheelhouse_key}\n{NOTEBOOK_PYTHON}\n".encode(),
        }

    def upload(self, s3, bucket: str, progress: Progress) -> None:
        """Copy this build's files and its wheelhouse to ResourcesBucket; what is there already is not sent again."""
        if _there(s3, bucket, f"{self.version}/wheelhouse.txt"):
            progress(f"resources: version {self.version} is there already")
        else:
            for name, content in self.files().items():
                s3.put_object(Bucket=bucket, Key=f"{self.version}/{name}", Body=content)
            progress(f"resources: version {self.version} copied to {bucket}")
        folder = f"wheelhouse/{self.wheelhouse_key}"
        if _there(s3, bucket, f"{folder}/requirements.txt"):
            progress("wheelhouse: there already")
            return
        with tempfile.TemporaryDirectory() as scratch:
            wheels = download_wheels(self.lock, Path(scratch), progress)
            for wheel in wheels:
                s3.upload_file(str(wheel), bucket, f"{folder}/{wheel.name}")
            s3.put_object(Bucket=bucket, Key=f"{folder}/requirements.txt", Body=self.lock.encode())
            size = sum(wheel.stat().st_size for wheel in wheels) / 1e6
            progress(f"wheelhouse: {len(wheels)} wheels, {size:,.0f} MB copied to {bucket}")


def render(template: str, scripts: dict[str, str], lock: str) -> str:
    """Put the lifecycle scripts and the Glue jobs' modules in the places that a template has for them."""
    for name, script in scripts.items():
        template = template.replace(f'"@{name}"', json.dumps(script))
    return template.replace("@glue-modules", ",".join(pinned(lock, module) for module in GLUE_LACKS))


def pinned(lock: str, module: str) -> str:
    """``module==version`` as the lock has it."""
    return re.search(rf"^{re.escape(module)}==[^\s;\\]+", lock, re.MULTILINE).group()


def download_wheels(lock: str, folder: Path, progress: Progress) -> list[Path]:
    """Every wheel of the lock for the notebook instance's platform, hashes checked by pip."""
    progress(f"wheelhouse: collecting the lock's wheels for Python {NOTEBOOK_PYTHON} (some minutes, once per lock)")
    requirements = folder / "requirements.txt"
    requirements.write_text(lock)
    wheels = folder / "wheels"
    command = [sys.executable, "-m", "pip", "download", "--quiet", "--disable-pip-version-check", "--require-hashes"]
    command += ["--only-binary", ":all:", "--python-version", NOTEBOOK_PYTHON, "--implementation", "cp"]
    command += [option for platform in PLATFORMS for option in ("--platform", f"{platform}_x86_64")]
    _run([*command, "--requirement", str(requirements), "--dest", str(wheels)], "collecting the wheelhouse")
    return sorted(wheels.iterdir()) if wheels.is_dir() else []


def _wheel(source: Path | None) -> tuple[str, bytes]:
    """Name and bytes of this package's wheel: built from the source, or put together again from the installed files."""
    if source is None:
        return f"genomicslearning-{__version__}-py3-none-any.whl", _repack()
    with tempfile.TemporaryDirectory() as folder:
        _run(
            [sys.executable, "-m", "pip", "wheel", "--quiet", "--disable-pip-version-check", "--no-deps"]
            + ["--no-build-isolation", "--wheel-dir", folder, str(source)],
            "building the wheel",
        )
        wheel = next(Path(folder).glob("genomicslearning-*.whl"))
        return wheel.name, wheel.read_bytes()


def _repack() -> bytes:
    installed = distribution("genomicslearning")
    files = {
        str(file): Path(installed.locate_file(file)).read_bytes()
        for file in installed.files or []
        if not str(file).startswith("..") and "__pycache__" not in str(file)
    }
    # Written by pip at installation; a wheel has none of them.
    local = ("INSTALLER", "REQUESTED", "direct_url.json")
    return zip_bytes({name: content for name, content in files.items() if not name.endswith(local)})


def zip_bytes(files: dict[str, bytes]) -> bytes:
    """A zip whose bytes depend on its contents only."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        for name in sorted(files):
            entry = zipfile.ZipInfo(name, _DATE)
            entry.external_attr = 0o644 << 16
            archive.writestr(entry, files[name], zipfile.ZIP_DEFLATED)
    return buffer.getvalue()


def _there(s3, bucket: str, key: str) -> bool:
    return any(entry["Key"] == key for entry in s3.list_objects_v2(Bucket=bucket, Prefix=key).get("Contents", []))


def _run(command: list[str], what: str) -> None:
    done = subprocess.run(command, capture_output=True, text=True, env=os.environ | {"SOURCE_DATE_EPOCH": "1580601600"})
    if done.returncode:
        raise DeployFailed(f"{what} failed: {done.stderr.strip() or done.stdout.strip()}")
