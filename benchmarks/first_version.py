"""Answers of the project's first version, whose package is on PYTHONPATH: first_version.py ASKED.parquet FOLDS.parquet.

ASKED has rows of a training set with `prior_*`; FOLDS their `fold` and gene `group`, and gets a column `score`: each
fold's rows scored by `prospective`, preset `balanced`, learnt from the rows of the other folds.
"""

from __future__ import annotations

import sys
import tempfile
from pathlib import Path

import pandas as pd

from genomicslearning import autopilot, endpoint

SEED = 200


def main(asked: Path, folds: Path) -> None:
    rows, given = pd.read_parquet(asked), pd.read_parquet(folds)
    for fold in sorted(given["fold"].unique()):
        held = (given["fold"] == fold).to_numpy()
        with tempfile.TemporaryDirectory() as folder:
            job = autopilot.start(
                rows[~held].reset_index(drop=True), folder=Path(folder), name="job", features="prospective", seed=SEED,
                groups=given["group"].to_numpy()[~held], progress=lambda text: None,
            )  # fmt: skip
            job.wait()
            with endpoint.deploy(Path(folder) / "job" / "model") as answering:
                score = answering.invoke(rows[held].drop(columns="CLASS"))["probability"]
        given.loc[held, "score"] = score.to_numpy()
    given.to_parquet(folds)


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]))
