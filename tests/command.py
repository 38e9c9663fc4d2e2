"""The command line in this process: what a shell sees of it, without the second that Python takes to start."""

from __future__ import annotations

import io
import os
import signal
import sys
from contextlib import redirect_stderr, redirect_stdout
from pathlib import Path
from subprocess import CompletedProcess

from genomicslearning.cli.app import main
from genomicslearning.cli.common import Without


def command(*arguments: str | Path, cwd: Path) -> CompletedProcess:
    """Run `genomicslearning ARGUMENTS` in a folder; an exception that `main` lets through fails the test."""
    given = [str(argument) for argument in arguments]
    before = os.getcwd(), sys.argv, signal.getsignal(signal.SIGTERM), list(sys.meta_path), dict(os.environ)
    out, said, code = io.StringIO(), io.StringIO(), 0
    try:
        os.chdir(cwd)
        sys.argv = ["genomicslearning", *given]
        with redirect_stdout(out), redirect_stderr(said):
            main()
    except SystemExit as end:
        code = end.code if isinstance(end.code, int) else 0 if end.code is None else 1
    finally:
        os.chdir(before[0])
        sys.argv = before[1]
        signal.signal(signal.SIGTERM, before[2])
        sys.meta_path[:] = [finder for finder in before[3] if not isinstance(finder, Without)]
        os.environ.clear()
        os.environ.update(before[4])
    return CompletedProcess(given, code, out.getvalue(), said.getvalue())
