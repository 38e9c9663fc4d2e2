"""What every endpoint does: answer a table for a table, piece by piece."""

from __future__ import annotations

import abc
from collections.abc import Callable
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from genomicslearning import InputError
from genomicslearning.endpoint import wire

if TYPE_CHECKING:
    from genomicslearning.autopilot.model import Model


class Endpoint(abc.ABC):
    """Something that answers for variants. A subclass says how one piece of a table is answered."""

    def invoke(
        self, table: pd.DataFrame, *, chunk: int = 5000, progress: Callable[[str], None] | None = None
    ) -> pd.DataFrame:
        """Predict every row of a table as `read_table` gives it; CLASS is not needed and never sent.

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
            return wire.predictions(np.zeros(0), 0.5).set_index(table.index)
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
