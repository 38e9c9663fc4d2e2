"""Kernels are forked from a process that imports nothing of the folder it was started in, and end with it."""

from __future__ import annotations

import os
import subprocess
import sys

import IPython
import pytest

from genomicslearning.runs.warm import Forked, Warm


@pytest.fixture
def warm(tmp_path, monkeypatch):
    """Started in a folder whose modules would end it."""
    for name in ("json", "pandas", "genomicslearning", "ipykernel"):
        (tmp_path / f"{name}.py").write_text("raise SystemExit(7)")
    monkeypatch.chdir(tmp_path)
    process = Warm()
    yield process
    process.close()


def kernel(warm: Warm, tmp_path, *arguments: str) -> Forked:
    log = tmp_path / "log"
    log.touch()
    asked = {"arguments": arguments, "cwd": str(tmp_path), "env": dict(os.environ), "log": str(log)}
    return Forked(warm, warm.ask(asked))


def test_a_kernel_starts_ends_and_is_ended(warm, tmp_path):
    ended = kernel(warm, tmp_path, "--version")
    assert ended.wait() == 0 == ended.poll()
    assert (tmp_path / "log").read_text().strip() == IPython.__version__
    at_work = kernel(warm, tmp_path, "-f", str(tmp_path / "connection.json"))
    assert at_work.poll() is None
    at_work.kill()
    assert at_work.wait() == -9
    at_work.kill()  # nobody is hit


def test_a_kernel_whose_parent_is_gone_counts_as_ended(warm, tmp_path):
    at_work = kernel(warm, tmp_path, "-f", str(tmp_path / "connection.json"))
    warm.close()
    assert at_work.poll() == -9


def test_the_set_up_imports_without_a_word():
    """The first thing that a new user reads is not a library's advice."""
    asked = [sys.executable, "-c", "from genomicslearning.runs import warm; warm.import_all()"]
    said = subprocess.run(asked, capture_output=True, text=True, check=True)
    assert (said.stdout, said.stderr) == ("", "")
