"""What SageMaker gets to see of a variant: the 46 published columns, or the features that local candidates get."""

from __future__ import annotations

from pathlib import Path

import pandas as pd
import skops.io

from genomicslearning import InputError
from genomicslearning.autopilot.candidates import Evidence
from genomicslearning.autopilot.model import TRUSTED
from genomicslearning.features import ScoredFeatures, VariantFeatures
from genomicslearning.training_set.table import COLUMNS

TABLES = ("raw", "engineered")
TRANSFORMER = "features.skops"
RAW_COLUMNS = [name for name in COLUMNS if name != "CLASS"]


class RemoteRows:
    """Turns a table into the columns that go to SageMaker, the same for training and for prediction."""

    def __init__(self, transformer: ScoredFeatures | VariantFeatures | None = None):
        self.transformer = transformer

    @classmethod
    def fit(cls, train: pd.DataFrame, *, table: str, features: str, seed: int) -> tuple[RemoteRows, pd.DataFrame]:
        """Learn what there is to learn from the training rows; also gives them as they go to the job, with CLASS.

        Raises `InputError` for `raw` with a feature set that leaves columns out: SageMaker would see them.
        """
        if table not in TABLES:
            raise InputError(f"table {table!r} is unknown; choose one of {', '.join(TABLES)}")
        if table == "raw":
            if features != "all":
                raise InputError(f"features {features!r} on SageMaker needs table engineered: raw has every column")
            rows = cls()
            return rows, rows.frame(train).assign(CLASS=train["CLASS"])[list(COLUMNS)]
        transformer = Evidence(features, grouped=False, seed=seed).all_columns()
        return cls(transformer), transformer.fit_transform(train, train["CLASS"]).assign(CLASS=train["CLASS"])

    @property
    def table(self) -> str:
        """Which table SageMaker gets: ``raw`` or ``engineered``."""
        return "engineered" if self.transformer else "raw"

    def frame(self, table: pd.DataFrame) -> pd.DataFrame:
        """The columns that go to SageMaker, without CLASS, in the job's order. Line feeds in texts become blanks.

        SageMaker's batch transform takes a line for a row, whatever quotes say.
        """
        if self.transformer:
            return self.transformer.transform(table)
        raw = table.reindex(columns=RAW_COLUMNS)
        texts = {name: raw[name].str.replace(r"[\r\n]+", " ", regex=True) for name in RAW_COLUMNS if name != "POS"}
        return raw.assign(**texts)

    def save(self, folder: Path) -> None:
        """Keep what was learnt beside a model's manifest."""
        if self.transformer:
            skops.io.dump(self.transformer, folder / TRANSFORMER)

    @classmethod
    def load(cls, folder: Path) -> RemoteRows:
        """As it was saved. Nothing that is loaded is executed."""
        path = Path(folder, TRANSFORMER)
        return cls(skops.io.load(path, trusted=TRUSTED) if path.is_file() else None)
