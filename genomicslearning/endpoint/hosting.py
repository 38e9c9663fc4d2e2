"""Make a model answer where it is asked to: in this process, on a local server, or on SageMaker."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

from genomicslearning import InputError
from genomicslearning.endpoint.interface import Endpoint, InProcessEndpoint

MODES = ("in-process", "http", "batch-transform", "real-time")
# What a mode means for a model that SageMaker trained: nothing that stays, or a server.
REMOTE_MODES = {"in-process": "batch-transform", "http": "real-time"}


def deploy(
    model_folder: str | Path,
    *,
    mode: str = "in-process",
    keep_endpoint: bool = False,
    progress: Callable[[str], None] = print,
) -> Endpoint:
    """Make a model answer.

    Parameters
    ----------
    model_folder : the folder that an Autopilot job leaves, of the local or of the SageMaker backend.
    mode : `in-process` calls the model directly; `http` starts a server on 127.0.0.1 that speaks SageMaker's container
        contract and talks to it; `batch-transform` and `real-time` run it on SageMaker, a local model as a package. A
        model that SageMaker trained runs there only: `in-process` then means batch transform, `http` real-time.
    keep_endpoint : leave a real-time endpoint running, and costing money, when this one is closed.

    Close the endpoint, or use it as a context manager, so that nothing is left running.
    """
    if mode not in MODES:
        raise InputError(f"endpoint mode {mode!r} is unknown; choose one of {', '.join(MODES)}")
    remote = _sagemaker_model(Path(model_folder))
    if remote or mode in REMOTE_MODES.values():
        from genomicslearning.endpoint import sagemaker

        real_time = REMOTE_MODES.get(mode, mode) == "real-time"
        if remote:
            return sagemaker.deploy(remote, real_time=real_time, keep_endpoint=keep_endpoint, progress=progress)
        folder = Path(model_folder)
        return sagemaker.deploy_local(folder, real_time=real_time, keep_endpoint=keep_endpoint, progress=progress)

    from genomicslearning.autopilot.model import Model

    model = Model.load(model_folder)
    if mode == "http":
        from genomicslearning.endpoint.http import HttpEndpoint

        return HttpEndpoint(model)
    return InProcessEndpoint(model)


def _sagemaker_model(folder: Path):
    """The model if SageMaker trained it; None for a local one, or where there is none."""
    path = folder / "manifest.json"
    if not path.is_file():
        return None
    try:
        manifest = json.loads(path.read_text(encoding="utf-8"))
    except json.JSONDecodeError:
        return None
    if manifest.get("backend") != "sagemaker":
        return None
    from genomicslearning.autopilot.sagemaker import SageMakerModel

    return SageMakerModel.load(folder, manifest)
