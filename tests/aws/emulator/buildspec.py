"""Run a buildspec as CodeBuild does: phases in order, commands in one shell each phase, the first failure ends it."""

from __future__ import annotations

import os
import subprocess
import sys
import sysconfig
from pathlib import Path

import yaml

PHASES = ("install", "pre_build", "build", "post_build")


def clean_environment(folder: Path) -> Path:
    """A fresh virtual environment that sees the installed packages of this one, but not this project's checkout.

    What pip installs goes there; what the lock names is found installed, so that no network is needed.
    """
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", str(folder)], check=True)
    version = f"python{sys.version_info[0]}.{sys.version_info[1]}"
    inside = folder / "lib" / version / "site-packages"
    (inside / "installed.pth").write_text(sysconfig.get_path("purelib") + "\n")
    return folder


def lend_tools(source: Path) -> None:
    """The environments that the build would make of the index: this checkout's own, for make to find ready."""
    root = Path(__file__).resolve().parents[3]
    source.mkdir(parents=True, exist_ok=True)
    for name in (".venv-policy", ".venv-glue"):
        if (root / name / "ready").exists():
            (source / name).symlink_to((root / name).resolve())


def run(spec: Path, source: Path, environment: dict[str, str], log: Path) -> str | None:
    """None where all went well, else the phase that failed."""
    document = yaml.safe_load(spec.read_text())
    phases, environment = document["phases"], document.get("env", {}).get("variables", {}) | environment
    for path in (source / "requirements").glob("*.txt"):
        os.utime(path, (0, 0))  # what is lent was made of them
    for phase in PHASES:
        script = "\n".join(["set -e", *phases.get(phase, {}).get("commands", [])])
        with log.open("a") as file:
            file.write(f"== {phase}\n")
            file.flush()
            done = subprocess.run(
                ["bash", "-c", script], cwd=source, env=environment, stdout=file, stderr=subprocess.STDOUT
            )
        if done.returncode:
            return phase.upper()
    return None


def with_environment(environment: dict[str, str], folder: Path) -> dict[str, str]:
    """These variables, with the virtual environment's programs first, and pip kept away from the network."""
    made = environment | {"PATH": f"{folder / 'bin'}:{environment['PATH']}", "VIRTUAL_ENV": str(folder)}
    return made | {"PIP_NO_INDEX": "1", "PIP_DISABLE_PIP_VERSION_CHECK": "1"}
