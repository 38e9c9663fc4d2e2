"""Deploy a model and invoke it: in this process or over HTTP, the same table in and the same predictions out.

    with endpoint.deploy("runs/demo/autopilot/demo/model") as service:
        predictions = service.invoke(test)
"""

from __future__ import annotations

import abc
import json
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

import pandas as pd

from genomicslearning import InputError
from genomicslearning.endpoint import wire

if TYPE_CHECKING:
    from genomicslearning.autopilot.model import Model

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

        options = {"keep_endpoint": keep_endpoint, "progress": progress}
        options["real_time"] = REMOTE_MODES.get(mode, mode) == "real-time"
        return sagemaker.deploy(remote, **options) if remote else sagemaker.deploy_local(Path(model_folder), **options)

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


class Endpoint(abc.ABC):
    """Something that answers for variants. A subclass says how one piece of a table is answered."""

    def invoke(
        self, table: pd.DataFrame, *, chunk: int = 5000, progress: Callable[[str], None] | None = None
    ) -> pd.DataFrame:
        """Predict every row of a table as `training_set.read_table` gives it; CLASS is not needed and never sent.

        Returns a table in the same row order and with the same index: `predicted_label` (int, 1 = conflicting) and
        `probability` (P(CLASS = 1)). `chunk` rows go at a time; `progress` is told after each.
        """
        if chunk < 1:
            raise InputError(f"chunk is {chunk}; at least one row goes at a time")
        answers = []
        for start in range(0, len(table), chunk):
            answers.append(self._answer(table.iloc[start : start + chunk]))
            if progress:
                progress(f"predicted {min(start + chunk, len(table)):,} of {len(table):,} rows")
        if not answers:
            return wire.predictions([], 0.5).set_index(table.index)
        return pd.concat(answers, ignore_index=True).set_index(table.index)

    def close(self) -> None:  # noqa: B027 (most endpoints have nothing to stop)
        """Stop what was started for this endpoint."""

    def __enter__(self) -> Endpoint:
        return self

    def __exit__(self, *_) -> None:
        self.close()

    @abc.abstractmethod
    def _answer(self, rows: pd.DataFrame) -> pd.DataFrame:
        """Predictions of one piece of a table, in its row order."""


class InProcessEndpoint(Endpoint):
    """A model that answers in this process."""

    def __init__(self, model: Model):
        self.model = model

    def _answer(self, rows: pd.DataFrame) -> pd.DataFrame:
        return wire.predictions(self.model.predict(rows), self.model.threshold)
