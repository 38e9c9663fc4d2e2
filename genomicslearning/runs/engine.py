"""Execute one notebook with papermill in a kernel of its own, and say how it goes on."""

from __future__ import annotations

import os
import re
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from queue import Empty
from typing import Any

import papermill
from jupyter_client.asynchronous import AsyncKernelClient
from jupyter_client.client import KernelClient
from jupyter_client.kernelspec import NoSuchKernel
from jupyter_client.manager import AsyncKernelManager
from nbclient.exceptions import DeadKernelError
from papermill.engines import NBClientEngine, NotebookExecutionManager, papermill_engines
from traitlets import Type
from traitlets.config import Config

from genomicslearning import InputError
from genomicslearning.runs import parameters
from genomicslearning.runs.folder import AT_WORK
from genomicslearning.runs.warm import WAITING, Warm, WarmProvisioner

SAVE_SECONDS = 2.0
# How long a kernel's answer is waited for before it is asked again, and how often it is asked whether it has ended.
ASK_AGAIN_SECONDS, ENDED_SECONDS = 0.05, 0.01


def execute_notebook(name: str, values: dict, folder: Path, progress: Callable[[str], None], warm: Warm | None) -> None:
    """Execute a step's notebook into the run's folder, in a kernel that `warm` is forked into, where it is given.

    Raises
    ------
    PapermillExecutionError
        A cell failed, the kernel died, or the notebook ended before its last cell.
    """
    with tempfile.NamedTemporaryFile() as log:
        try:
            executed = papermill.execute_notebook(
                str(parameters.notebook(name)),
                str(folder / f"{name}.ipynb"),
                values,
                engine_name=_Engine.name,
                progress_bar=False,
                cwd=str(folder),
                # Other users of the machine cannot listen.
                config=Config(KernelManager={"transport_encryption": "auto"}),
                kernel_manager_class=_kernels(log, folder, warm),
                say=lambda text: progress(f"{name} · {text}"),
            )
        except NoSuchKernel as problem:
            raise InputError(
                f"no Jupyter kernel {problem.name}: install it with: python -m ipykernel install --sys-prefix"
            ) from None
        except DeadKernelError as problem:
            log.seek(0)
            last = log.read().decode("utf-8", "replace").strip()[-500:]
            why = "the notebook's process ended; most often the machine has no memory left."
            reason = f"{problem if isinstance(problem, _NotReady) else why} {last}".strip()
            raise papermill.PapermillExecutionError(0, 0, "", "DeadKernelError", reason, []) from None
    # papermill takes sys.exit(0) in a cell for success, though the cells after it were not executed.
    for index, cell in enumerate(executed.cells):
        if cell.cell_type == "code" and cell.metadata["papermill"]["status"] != NotebookExecutionManager.COMPLETED:
            reason = "the notebook ended here, before its last cell"
            raise papermill.PapermillExecutionError(index, index, cell.source, "IncompleteNotebook", reason, [])


def _kernels(log: Any, folder: Path, warm: Warm | None) -> type[AsyncKernelManager]:
    """Kernels that know which run they work for, and whose own messages go to a file.

    What cells print comes another way, and a kernel that is told to end may report a socket that was closed before it.
    """

    class Kernels(AsyncKernelManager):
        client_factory = Type(_Client, klass=KernelClient)

        async def _async_finish_shutdown(self, waittime=None, pollinterval=ENDED_SECONDS, restart=False) -> None:
            await super()._async_finish_shutdown(waittime, pollinterval, restart)

        async def start_kernel(self, **settings) -> None:  # type: ignore[override]
            if warm:
                self.provisioner = WarmProvisioner(kernel_id="", kernel_spec=self.kernel_spec, parent=self)
                self.provisioner.warm, self.provisioner.messages = warm, log.name
            await super().start_kernel(**settings, stderr=log, env=WAITING | os.environ | {AT_WORK: str(folder)})

    return Kernels


class _NotReady(DeadKernelError):
    """Why a kernel executes nothing, for people."""


class _Client(AsyncKernelClient):
    """A client that is ready once the kernel has done its first request.

    jupyter_client's own then listens on until it has heard nothing for 0.2 seconds: most of a second a run.
    """

    async def wait_for_ready(self, timeout: float | None = None) -> None:
        """Ask the kernel what it is until it says that it has answered; `timeout` is in seconds.

        Raises
        ------
        DeadKernelError
            The kernel has ended, or did not answer in time.
        """
        latest = time.monotonic() + (float("inf") if timeout is None else timeout)
        asked = {self.kernel_info()}
        while True:
            try:
                message = await self.iopub_channel.get_msg(timeout=ASK_AGAIN_SECONDS)
            except Empty:  # it is still starting, or was not listened to yet when it answered
                if not await self.is_alive():
                    raise _NotReady(
                        "the notebook's kernel ended before the first cell; is it what IPython runs at its start (the "
                        "configuration and the startup folder of its profile)?"
                    ) from None
                if time.monotonic() > latest:
                    raise _NotReady(
                        f"the notebook's kernel did not answer within {timeout:g} seconds; the machine may be busy: "
                        "run again with --resume"
                    ) from None
                asked.add(self.kernel_info())
                continue
            if message["parent_header"].get("msg_id") in asked and message["content"].get("execution_state") == "idle":
                break
        self._handle_kernel_info_reply(await self.shell_channel.get_msg(timeout=timeout))


class _SaveNowAndThen:
    """Saves the notebook that is being executed at most every two seconds, and once it is done.

    papermill writes it whole before and after each cell: a hundred times a few megabytes, while nothing else goes on.
    """

    def __init__(self, nb_man: NotebookExecutionManager):
        self._nb_man, self._save = nb_man, nb_man.save
        self._last = time.monotonic()

    def __call__(self, **kwargs: Any) -> None:
        if self._nb_man.end_time or time.monotonic() - self._last > SAVE_SECONDS:
            self._save(**kwargs)
            self._last = time.monotonic()


class _Engine(NBClientEngine):
    """papermill's own engine, which also says which cell runs and passes on what the cell prints."""

    name = "genomicslearning"

    @classmethod
    def execute_managed_notebook(cls, nb_man, kernel_name, say=print, **kwargs):
        started = time.monotonic()
        headings, heading = [], ""
        for cell in nb_man.nb.cells:
            if cell.cell_type == "markdown" and (found := re.findall(r"^#+ +(.+)$", cell.source, flags=re.MULTILINE)):
                heading = found[-1]
            headings.append(heading)

        def elapsed() -> str:
            minutes, seconds = divmod(int(time.monotonic() - started), 60)
            return f"{minutes}:{seconds:02d}"

        class Lines:
            def write(self, text: str) -> None:
                for line in text.splitlines():
                    if line.strip():
                        say(f"{elapsed()} · {line.strip()}")

            def flush(self) -> None:
                pass

        cell_start = nb_man.cell_start

        def announce(cell, cell_index=None, **rest):
            if cell.cell_type == "code":
                say(f"cell {cell_index + 1}/{len(headings)} {headings[cell_index]} · {elapsed()}")
            return cell_start(cell, cell_index, **rest)

        nb_man.cell_start = announce
        nb_man.save = _SaveNowAndThen(nb_man)
        super().execute_managed_notebook(nb_man, kernel_name, **kwargs | {"stdout_file": Lines()})


papermill_engines.register(_Engine.name, _Engine)
