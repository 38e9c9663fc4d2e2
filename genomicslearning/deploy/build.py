"""What the stacks need from this package: the wheel, the wheelhouse of the lock, the zips, and the finished templates.

Everything is taken from one wheel, so that a checkout, an unpacked archive and an installed package deploy alike.
In ResourcesBucket::

    VERSION/genomicslearning.zip         the wheel under a name that Spark accepts
    VERSION/genomicslearning-*.whl       the same wheel for pip
    VERSION/glue/*.py                    the jobs' scripts
    VERSION/no_classes.jar               an empty one, so that who starts a job cannot name another
    VERSION/lifecycle/*.sh               the notebook instance's scripts
    VERSION/notebooks.zip                what the notebook instance shows
    VERSION/wheelhouse.txt               which wheelhouse, and for which Python
    wheelhouse/KEY/*.whl, requirements.txt   every dependency of the lock
"""

from __future__ import annotations

import hashlib
import io
import re
import sys
import tempfile
import zipfile
from importlib.metadata import distribution
from pathlib import Path

from genomicslearning import __version__
from genomicslearning.deploy import wheelhouse
from genomicslearning.deploy.render import render
from genomicslearning.deploy.stacks import Progress

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
        self.requirements = wheelhouse.resolved(self.lock)
        self.version = f"{__version__}-{hashlib.sha256(self.wheel).hexdigest()[:12]}"
        self.wheelhouse_key = wheelhouse.key(self.requirements)

    def text(self, name: str) -> str:
        """A file of the source as text."""
        return self._share[name].decode()

    @property
    def regions(self) -> list[str]:
        """Where AWS keeps every container image that the notebooks use."""
        return re.findall(r"^([a-z0-9-]+):", self.text("cloudformation/image_accounts.yml"), re.MULTILINE)

    def template(self, name: str) -> str:
        """A stack's template, finished."""
        texts = (".sh", ".sql", ".toml", ".yml")
        files = {name: self.text(name) for name in self._share if name.endswith(texts)}
        return render(self.text(f"cloudformation/{name}.yml"), files, self.lock)

    def files(self) -> dict[str, bytes]:
        """What goes under VERSION/ in ResourcesBucket, the marker that all is there last."""
        scripts = {
            name: self._share[name] for name in self._share if re.fullmatch(r"(glue|lifecycle)/\w+\.(py|sh)", name)
        }
        folder = "notebooks/"
        notebooks = {name.removeprefix(folder): self._share[name] for name in self._share if name.startswith(folder)}
        return {
            "genomicslearning.zip": self.wheel,
            self.wheel_name: self.wheel,
            **scripts,
            "no_classes.jar": zip_bytes({"META-INF/MANIFEST.MF": b"Manifest-Version: 1.0\r\n\r\n"}),
            "notebooks.zip": zip_bytes(notebooks),
            "wheelhouse.txt": f"{self.wheelhouse_key}\n{wheelhouse.NOTEBOOK_PYTHON}\n".encode(),
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
            wheels = wheelhouse.download(self.requirements, Path(scratch), progress)
            for wheel in wheels:
                s3.upload_file(str(wheel), bucket, f"{folder}/{wheel.name}")
            s3.put_object(Bucket=bucket, Key=f"{folder}/requirements.txt", Body=self.requirements.encode())
            size = sum(wheel.stat().st_size for wheel in wheels) / 1e6
            progress(f"wheelhouse: {len(wheels)} wheels, {size:,.0f} MB copied to {bucket}")


def _wheel(source: Path | None) -> tuple[str, bytes]:
    """Name and bytes of this package's wheel: built from the source, or put together again from the installed files."""
    if source is None:
        return f"genomicslearning-{__version__}-py3-none-any.whl", _repack()
    with tempfile.TemporaryDirectory() as folder:
        wheelhouse.run_pip(
            [sys.executable, "-m", "pip", "wheel", "--quiet", "--disable-pip-version-check", "--no-deps"]
            + ["--no-build-isolation", "--wheel-dir", folder, str(source)],
            "building the wheel",
        )
        wheel = next(Path(folder).glob("genomicslearning-*.whl"))
        return wheel.name, wheel.read_bytes()


def _repack() -> bytes:
    installed = distribution("genomicslearning")
    files = {
        str(file): Path(str(installed.locate_file(file))).read_bytes()
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
