"""Kernels forked from one process that has imported what every step needs: a run of four steps imports it once.

`python -m genomicslearning.runs.warm` is that process. It reads requests from its standard input, a line of JSON each,
and answers each with a line; it ends when the input does, and its kernels end with it. The first step's kernel is
forked as soon as its own imports are there; what later steps need is imported while the first one works.
"""

from __future__ import annotations

import gc
import json
import os
import select
import signal
import subprocess
import sys
import time
import warnings
from contextlib import suppress
from importlib import import_module
from typing import Any, NoReturn

from jupyter_client.provisioning import LocalProvisioner

_LAUNCHER = "ipykernel_launcher"
# What the first step's notebook imports. None of it may start a thread: a fork would not take it along.
_FIRST = (
    "ipykernel.kernelapp",
    "IPython.core.completerlib",
    "IPython.extensions.storemagic",
    "matplotlib.pyplot",
    "matplotlib_inline.backend_inline",
    "genomicslearning.report.display",
    "genomicslearning.runs.opening",
    "genomicslearning.runs.data_source",
    "genomicslearning.training_set.build",
    "genomicslearning.demo.sample",
    "genomicslearning.evaluation.quality",
    "genomicslearning.evaluation.strata",
)
# What those of later steps import, in pieces of a tenth of a second: between two of them requests are answered.
_LATER = (
    "scipy.optimize",
    "scipy.stats",
    "sklearn.linear_model",
    "sklearn.ensemble",
    "lightgbm",
    "optuna",
    "skops.io",
    "genomicslearning.autopilot.local",
    "genomicslearning.endpoint",
    "genomicslearning.evaluation.attributions",
    "genomicslearning.evaluation.split_comparison",
    "genomicslearning.evaluation.plots",
    "nbconvert.filters.markdown_mistune",
    "shap",
)
# What is done without: a debugger that every kernel would load, and a checker of international web addresses that
# jsonschema, which nbformat imports, asks for and that compiles a grammar for a second. Their importers do without.
_WITHOUT = ("debugpy", "rfc3987_syntax")
# OpenMP's threads sleep while they wait for each other. By default they spin: on cores that others use too, a fit by
# two threads then takes three times the CPU time and four times as long as by one. Read when a library loads.
WAITING = {"OMP_WAIT_POLICY": "PASSIVE"}
_INLINE = "module://matplotlib_inline.backend_inline"


# --- the process that is forked --------------------------------------------------------------------------------------


def main() -> None:
    """Answer requests until the input ends."""
    # ipykernel reads it once, when it is imported: a kernel whose parent is gone ends.
    os.environ["JPY_PARENT_PID"] = str(os.getpid())
    sys.modules.update(dict.fromkeys(_WITHOUT))  # type: ignore[arg-type]  # None: there is no such module
    for name in _FIRST:
        import_module(name)
    for name in _LATER:
        while select.select([sys.stdin], [], [], 0)[0]:
            if not _answer():
                return
        _import_if_it_loads(name)
    gc.freeze()  # what is there stays where it is, and kernels share it
    while _answer():
        pass


def import_all() -> None:
    """Import what any step needs: a set-up does it once, so that Python has compiled it before the first run."""
    for name in (*_FIRST, *_LATER):
        _import_if_it_loads(name)


def _answer() -> bool:
    """Answer the next request; False where there will be none. One asks at a time, so that none waits in a buffer."""
    line = sys.stdin.readline()
    if line:
        request = json.loads(line)
        print(json.dumps(_start(request) if "arguments" in request else _state(request["pid"])), flush=True)
    return bool(line)


def _import_if_it_loads(name: str) -> None:
    """Import a module; one that does not load here (LightGBM without its OpenMP) is left to the notebook that asks.

    What it warns of, such as widgets that a progress bar would like, is no news to whoever sets up or starts a run.
    """
    with suppress(ImportError, OSError), warnings.catch_warnings():
        warnings.simplefilter("ignore")
        import_module(name)


def _start(request: dict) -> int:
    pid = os.fork()
    return pid or _become_kernel(request)


def _state(pid: int) -> int | None:
    """A kernel's exit code, None while it runs."""
    ended, status = os.waitpid(pid, os.WNOHANG)
    return os.waitstatus_to_exitcode(status) if ended else None


def _become_kernel(request: dict) -> NoReturn:
    code = 1
    try:
        os.setsid()
        nothing, log = os.open(os.devnull, os.O_RDONLY), os.open(request["log"], os.O_WRONLY | os.O_APPEND)
        for source, target in ((nothing, 0), (log, 1), (log, 2)):
            os.dup2(source, target)
        os.chdir(request["cwd"])
        os.environ.clear()
        os.environ.update(request["env"])
        sys.argv = [_LAUNCHER, *request["arguments"]]
        import_module("ipykernel.kernelapp").launch_new_instance()
        code = 0
    except SystemExit as ended:
        code = ended.code if isinstance(ended.code, int) else int(ended.code is not None)
    finally:
        os._exit(code)


# --- the process that asks -------------------------------------------------------------------------------------------


class Warm:
    """The process that kernels are forked from, started at once; `close` ends it."""

    def __init__(self) -> None:
        # -P: what lies in the folder in which a run is started is no module of ours.
        self._process = subprocess.Popen(
            [sys.executable, "-P", "-m", __name__],
            env=WAITING | os.environ | {"MPLBACKEND": os.environ.get("MPLBACKEND", _INLINE)},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
            start_new_session=True,
        )

    def close(self) -> None:
        """End it, and the kernels that are left with it."""
        for stream in (self._process.stdin, self._process.stdout):
            if stream:
                stream.close()
        self._process.wait()

    @property
    def ended(self) -> bool:
        """Whether the process has ended."""
        return self._process.poll() is not None

    def ask(self, request: dict) -> int | None:
        """Send a request and wait for its answer.

        Raises
        ------
        OSError, ValueError
            The process has ended.
        """
        assert self._process.stdin is not None and self._process.stdout is not None
        self._process.stdin.write(json.dumps(request) + "\n")
        self._process.stdin.flush()
        return json.loads(self._process.stdout.readline())


class Forked:
    """A kernel's process, with what jupyter_client asks of a `subprocess.Popen`."""

    stdin = stdout = stderr = None

    def __init__(self, warm: Warm, pid: int):
        self._warm, self.pid = warm, pid
        self.returncode: int | None = None
        self._ends: int | None = None  # readable once the process has ended; None where the kernel has no such thing
        with suppress(OSError, AttributeError):
            self._ends = os.pidfd_open(pid)

    def poll(self) -> int | None:
        """The exit code, None while it runs."""
        if self.returncode is None and (self._warm.ended or self._may_have_ended()):
            try:
                self.returncode = self._warm.ask({"pid": self.pid})
            except (OSError, ValueError):  # its parent has ended, and so it ends
                self.returncode = -signal.SIGKILL
            if self.returncode is not None and self._ends is not None:
                os.close(self._ends)
        return self.returncode

    def _may_have_ended(self) -> bool:
        """Whether it is worth asking: the process that answers may be importing, and an answer be long in coming."""
        return self._ends is None or bool(select.select([self._ends], [], [], 0)[0])

    def wait(self) -> int:
        """Wait for its end."""
        while (code := self.poll()) is None:
            time.sleep(0.05)
        return code

    def send_signal(self, number: int) -> None:
        """Send it a signal."""
        if self.returncode is None:
            os.kill(self.pid, number)

    def kill(self) -> None:
        """End it now."""
        self.send_signal(signal.SIGKILL)

    def terminate(self) -> None:
        """Ask it to end."""
        self.send_signal(signal.SIGTERM)


class WarmProvisioner(LocalProvisioner):
    """Launches IPython's kernel of this interpreter by forking `warm`; any other kernel as jupyter_client does."""

    warm: Warm
    messages: str  # a file

    async def launch_kernel(self, cmd: list[str], **kwargs: Any) -> Any:
        """See `LocalProvisioner.launch_kernel`."""
        if _LAUNCHER not in cmd or os.path.realpath(cmd[0]) != os.path.realpath(sys.executable):
            return await super().launch_kernel(cmd, **kwargs)
        request = {
            "arguments": cmd[cmd.index(_LAUNCHER) + 1 :],
            "cwd": kwargs.get("cwd") or os.getcwd(),
            "env": dict(kwargs.get("env") or os.environ),
            "log": self.messages,
        }
        try:
            self.process: Any = Forked(self.warm, self.warm.ask(request) or 0)
        except (OSError, ValueError):
            return await super().launch_kernel(cmd, **kwargs)
        self.pid = self.pgid = self.process.pid  # it leads a session of its own
        return self.connection_info


if __name__ == "__main__":
    main()
