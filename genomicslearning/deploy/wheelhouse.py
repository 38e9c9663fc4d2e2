"""The wheels of the notebook instance's environment: the lock as that instance would read it, and its files.

Which lines of the lock count is decided by the instance's Python and platform, never by those of whoever deploys: pip's
own options for another platform evaluate environment markers with the interpreter that runs pip.
"""

from __future__ import annotations

import hashlib
import os
import re
import subprocess
import sys
from pathlib import Path

from packaging.requirements import InvalidRequirement, Requirement

from genomicslearning.deploy.stacks import DeployFailed, Progress

# The notebook instance's environment: Amazon Linux 2023 has glibc 2.34, and python3.12 in its repositories.
NOTEBOOK_PYTHON = "3.12"
PLATFORMS = ("manylinux_2_34", "manylinux_2_28", "manylinux_2_17", "manylinux2014", "manylinux_2_12", "manylinux1")
#: Environment markers of the notebook instance (PEP 508).
NOTEBOOK_MARKERS = {
    "implementation_name": "cpython",
    "implementation_version": f"{NOTEBOOK_PYTHON}.0",
    "os_name": "posix",
    "platform_machine": "x86_64",
    "platform_python_implementation": "CPython",
    "platform_release": "",
    "platform_system": "Linux",
    "platform_version": "",
    "python_full_version": f"{NOTEBOOK_PYTHON}.0",
    "python_version": NOTEBOOK_PYTHON,
    "sys_platform": "linux",
    "extra": "",
}


def resolved(lock: str) -> str:
    """The lock's lines that hold on the notebook instance, without their markers: ``name==version --hash=…``.

    Raises
    ------
    DeployFailed
        A line is no pinned requirement, or two lines of one package hold there.
    """
    found: dict[str, str] = {}
    for line in re.sub(r"\\\n\s*", " ", lock).splitlines():
        line = re.sub(r"(^|\s)#.*$", "", line).strip()
        if not line:
            continue
        text, *hashes = re.split(r"\s+(?=--hash=)", line)
        try:
            wanted = Requirement(text)
        except InvalidRequirement as problem:
            raise DeployFailed(f"the lock has a line that is no requirement: {text} ({problem})") from None
        if wanted.marker is not None and not wanted.marker.evaluate(NOTEBOOK_MARKERS):
            continue
        if wanted.name in found:
            raise DeployFailed(f"the lock names {wanted.name} twice for Python {NOTEBOOK_PYTHON}: {text}")
        found[wanted.name] = " ".join([f"{wanted.name}{wanted.specifier}", *(part.strip() for part in hashes)])
    return "".join(f"{line}\n" for line in found.values())


def key(requirements: str) -> str:
    """Name of a wheelhouse: equal for equal contents on an equal target."""
    text = f"{NOTEBOOK_PYTHON} {PLATFORMS} {requirements}"
    return hashlib.sha256(text.encode()).hexdigest()[:12]


def download(requirements: str, folder: Path, progress: Progress) -> list[Path]:
    """Every wheel of the resolved lock for the notebook instance's platform, hashes checked by pip."""
    progress(f"wheelhouse: collecting the lock's wheels for Python {NOTEBOOK_PYTHON} (some minutes, once per lock)")
    listed, wheels = folder / "requirements.txt", folder / "wheels"
    listed.write_text(requirements)
    command = [sys.executable, "-m", "pip", "download", "--quiet", "--disable-pip-version-check", "--require-hashes"]
    command += ["--no-deps", "--only-binary", ":all:", "--python-version", NOTEBOOK_PYTHON, "--implementation", "cp"]
    command += [option for platform in PLATFORMS for option in ("--platform", f"{platform}_x86_64")]
    run_pip([*command, "--requirement", str(listed), "--dest", str(wheels)], "collecting the wheelhouse")
    return sorted(wheels.iterdir()) if wheels.is_dir() else []


def run_pip(command: list[str], what: str) -> None:
    """Run a program; `DeployFailed` with what it said where it fails."""
    done = subprocess.run(command, capture_output=True, text=True, env=os.environ | {"SOURCE_DATE_EPOCH": "1580601600"})
    if done.returncode:
        raise DeployFailed(f"{what} failed: {done.stderr.strip() or done.stdout.strip()}")
