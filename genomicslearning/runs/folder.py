"""A run's folder: which file is where, and what each step leaves there."""

from __future__ import annotations

import json
import shutil
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, date, datetime
from pathlib import Path
from typing import TYPE_CHECKING

from genomicslearning import InputError, share
from genomicslearning.io import lake
from genomicslearning.io.text import formula_read_table, formula_safe_table

if TYPE_CHECKING:
    import pandas as pd

    from genomicslearning.autopilot.model import Model
    from genomicslearning.history.splits import Split

# Goes before the others where a run lets its VCF be annotated (parameter vep_cache).
ANNOTATE = "annotate"
STEPS = ("data_prep", "variant_classifier-autopilot", "variant_predictor", "evaluation")

# Tells a notebook's process that a runner has started it, for the run in this folder, and keeps the run's record.
AT_WORK = "GENOMICSLEARNING_RUN"

# What a step leaves in the run folder, and so what the next one needs. `autopilot` is the job's folder.
PRODUCTS = {
    ANNOTATE: ("data/clinvar.annotated.vcf.gz", "data/clinvar.annotated.vcf.gz.report.json"),
    "data_prep": ("data/training_set.csv", "data/training_set.parquet", "data/training_set.parquet.report.json"),
    "variant_classifier-autopilot": ("data/train.csv", "data/test.csv", "data/test.parquet", "autopilot/job.json"),
    "variant_predictor": ("predictions.csv",),
    "evaluation": ("metrics.json",),
}

# What a step leaves beside its products, where the run asks for it.
EXTRAS = {
    "variant_predictor": ("own_variants.csv", "own_variants.csv.report.json"),
    "evaluation": ("model_card.md", "watchlist/watchlist.html", "watchlist/watchlist.csv"),
}


def steps_of(values: Mapping[str, object]) -> tuple[str, ...]:
    """The steps of a run with these parameters."""
    return (ANNOTATE, *STEPS) if values.get("vep_cache") else STEPS


# Columns of watchlist.csv that the evaluation's report leaves to it: with them the table is twice as wide as a window.
_NOT_ON_THE_PAGE = (
    "meaning", "expected_conflict_probability", "reason_2", "reason_3", "VARIATION_ID", "CHROM", "POS", "REF", "ALT",
    "link",
)  # fmt: skip
CONFIGURATION = Path("~/.config/genomicslearning.toml")  # written on the notebook instance; absent elsewhere


@dataclass(frozen=True)
class Run:
    """Where a run keeps what; the one place that knows the layout of a run folder."""

    folder: Path
    # What the training set was made from the last time, where a notebook is executed again without saying so.
    inputs_before: Mapping[str, object] = field(default_factory=dict)

    @property
    def annotated(self) -> Path:
        """The run's ClinVar VCF with VEP's annotation, where the run made it."""
        return self.folder / PRODUCTS[ANNOTATE][0]

    @property
    def training_set(self) -> Path:
        """The training set, with the columns beside the 46."""
        return self.folder / "data" / "training_set.parquet"

    @property
    def training_set_csv(self) -> Path:
        """The training set, exactly the 46 columns."""
        return self.folder / "data" / "training_set.csv"

    @property
    def training_set_report(self) -> Path:
        """The training set's accounting."""
        return self.folder / "data" / "training_set.parquet.report.json"

    @property
    def train_csv(self) -> Path:
        """The rows to learn from."""
        return self.folder / "data" / "train.csv"

    @property
    def test_csv(self) -> Path:
        """The rows to judge by."""
        return self.folder / "data" / "test.csv"

    @property
    def test(self) -> Path:
        """The test rows of `test.csv` with the columns beside the 46."""
        return self.folder / "data" / "test.parquet"

    @property
    def autopilot(self) -> Path:
        """The folder of the run's jobs."""
        return self.folder / "autopilot"

    @property
    def job(self) -> dict:
        """The job that this run's predictions come from, as the classifier notebook wrote it."""
        return json.loads((self.autopilot / "job.json").read_text())

    @property
    def model(self) -> Path:
        """The folder of the model of the run's job."""
        return self.autopilot / self.job["name"] / "model"

    @property
    def predictions(self) -> Path:
        """Predictions of the test rows."""
        return self.folder / "predictions.csv"

    @property
    def metrics(self) -> Path:
        """The figures of the evaluation."""
        return self.folder / "metrics.json"

    @property
    def synthetic(self) -> bool:
        """Whether the run's data is the embedded sample."""
        return bool(self.data_report().get("synthetic"))

    @property
    def release(self) -> str:
        """The ClinVar release that the training set was built from, empty where it was a table."""
        place = self.folder / "data" / "release.json"
        path = json.loads(place.read_text(encoding="utf-8"))["release"] if place.is_file() else ""
        return path if path and lake.exists(path) else ""

    def keep_release(self, path: str) -> None:
        """Note which release the training set was built from: single submissions are drawn from it."""
        lake.write_json({"release": path}, self.folder / "data" / "release.json")

    def table_date(self, given: str) -> date | None:
        """Date of the training set's release: as given, else as its VCF's header or name tells, else unknown."""
        if given:
            try:
                return date.fromisoformat(given)
            except ValueError:
                raise InputError(f"table_date: {given!r} is not a date; write it as 2018-04-01") from None
        from genomicslearning.history.dates import date_of_input

        vcfs = [one for one in self.data_report().get("inputs", []) if "fileDate" in one]
        return next(filter(None, map(date_of_input, vcfs)), None)

    def keep_split(self, parts: Split) -> None:
        """Write `train.csv` and `test.csv`, exactly the 46 columns, and the test rows with the columns beside them."""
        from genomicslearning.training_set.table import write_table_csv

        write_table_csv(parts.train, self.train_csv)
        write_table_csv(parts.test, self.test_csv)
        with lake.output(self.test) as [part]:
            parts.test.to_parquet(part, index=False)

    def read_test(self, *, rows: int | None = None) -> pd.DataFrame:
        """The test rows, in the order of `test.csv`; all of them, or the first so many."""
        import pandas as pd
        import pyarrow as pa
        import pyarrow.parquet as pq

        if rows is None:
            return pd.read_parquet(self.test)
        with pq.ParquetFile(self.test) as file:
            return pa.Table.from_batches([next(file.iter_batches(rows))]).to_pandas()

    def keep_job(self, name: str, **facts: object) -> None:
        """Note which job this run's predictions come from, and what it was asked for."""
        lake.write_json({"name": name, **facts}, self.autopilot / "job.json")

    def keep_predictions(self, test: pd.DataFrame, answers: pd.DataFrame) -> pd.DataFrame:
        """Write `predictions.csv`, a row a test row in its order, and return it."""
        from genomicslearning.training_set.table import identity

        predictions = identity(test).assign(CLASS=test["CLASS"]).join(answers)
        with lake.output(self.predictions) as [part]:
            # Floats as repr: they read back exactly.
            formula_safe_table(predictions).to_csv(part, index=False, lineterminator="\n")
        return predictions

    def read_predictions(self) -> pd.DataFrame:
        """`predictions.csv`; probabilities read back exactly as they were written."""
        import pandas as pd

        texts = dict.fromkeys(("VARIATION_ID", "CHROM", "REF", "ALT", "SYMBOL"), str)
        return formula_read_table(pd.read_csv(self.predictions, dtype=texts, keep_default_na=False, na_values=[""]))

    def read_training_set(self) -> pd.DataFrame:
        """The training set."""
        from genomicslearning.training_set.table import read_table

        return read_table(self.training_set)

    def split_again(self, table: pd.DataFrame) -> Split:
        """The split of the training set from which the job's test rows came; it has the training rows beside them.

        Raises
        ------
        InputError
            It is not the split that the test rows came from.
        """
        import numpy as np
        import pandas as pd

        from genomicslearning.history.splits import split

        job = self.job
        parts = split(
            table,
            job["split"],
            train_fraction=job.get("train_fraction", 0.8),
            seed=job["seed"],
            earlier=job.get("earlier", []),
            assembly=job.get("assembly", ""),
            features=job["features"],
            release=self.release,
            table_date=self.table_date(job.get("table_date", "")),
        )
        if not np.array_equal(parts.test["POS"], pd.read_parquet(self.test, columns=["POS"])["POS"]):
            raise InputError(f"{self.folder}: the test rows are of another training set; run the classifier again")
        return parts

    def local_model(self) -> Model | None:
        """The job's model; None, which is said, where it is on SageMaker and cannot be asked here."""
        if self.job.get("backend", "local") != "local":
            print("The model is on SageMaker: what needs a local model is left out.")
            return None
        from genomicslearning.autopilot.model import Model

        return Model.load(self.model)

    def keep_metrics(self, metrics: dict) -> None:
        """Write `metrics.json`."""
        lake.write_json(metrics | ({"synthetic": True} if self.synthetic else {}), self.metrics)

    def read_watchlist(self, *, rows: int) -> pd.DataFrame:
        """The first rows of the watch list, of its columns those that fit on a page."""
        import pandas as pd

        path = self.folder / "watchlist" / "watchlist.csv"
        found = pd.read_csv(path, nrows=rows, usecols=lambda name: name not in _NOT_ON_THE_PAGE)
        texts = ["condition", "classification"]
        readable = found.assign(**found[texts].replace({"_": " ", r"\|": "; "}, regex=True))
        return readable.rename(columns=lambda name: name.replace("_", " "))  # so that heads wrap

    def keep_model_card(self, card: str) -> None:
        """Write `model_card.md`."""
        with lake.output(self.folder / "model_card.md") as [part]:
            part.write_text(card, encoding="utf-8")

    def data_report(self) -> dict:
        """The accounting of the training set, `{}` before there is one."""
        path = self.training_set_report
        return json.loads(path.read_text()) if path.is_file() else {}


def settings() -> dict:
    """The machine's defaults for `backend` and `lake`, which an empty parameter means."""
    path = CONFIGURATION.expanduser()
    if not path.is_file():
        return {"backend": "local", "lake": ""}
    try:
        return {"backend": "local", "lake": ""} | tomllib.loads(path.read_text())
    except tomllib.TOMLDecodeError as problem:
        raise InputError(f"{path}: not valid TOML ({problem}); mend or remove it") from None


def now() -> str:
    """The time in UTC, as in ``2026-02-26T12:00:00Z``."""
    return datetime.now(UTC).isoformat(timespec="seconds").replace("+00:00", "Z")


def copy_notebooks(folder: Path) -> list[tuple[Path, bool]]:
    """Copy every notebook into `folder`, keeping what is there: each target path, and whether it was written."""
    source = share("notebooks")
    copied = []
    for path in sorted(source.rglob("*.ipynb")):
        if ".ipynb_checkpoints" in path.parts:
            continue
        target = folder.expanduser() / path.relative_to(source)
        try:
            target.parent.mkdir(parents=True, exist_ok=True)
            free = not target.exists()
            if free:
                shutil.copyfile(path, target)
        except OSError as problem:
            raise InputError(f"{target}: cannot write ({problem.strerror}); choose another folder") from None
        copied.append((target, free))
    return copied


def model_folder(given: Path) -> Path:
    """A model's folder: as given, or of the job that a run's predictions come from.

    Raises
    ------
    InputError
        A run's folder without a model in it, or neither a run's folder nor a model's.
    """
    if not (given / "run.json").is_file():
        if not given.exists():
            raise InputError(f"{given}: no such folder; give a run's folder, such as runs/latest, or a model's")
        if not (given / "manifest.json").is_file():
            raise InputError(f"{given}: no manifest.json; give the model folder that a job wrote")
        return given
    try:
        model = Run(given).model
    except (OSError, ValueError, KeyError, TypeError):
        raise InputError(f"{given}: this run has no model yet; go on with it (run --resume), or give another") from None
    if not model.is_dir():
        where = "its model is on SageMaker" if Run(given).job.get("backend") == "sagemaker" else "its model was removed"
        raise InputError(f"{given}: {where}; give a model's folder")
    return model


def folders(runs_dir: str) -> list[Path]:
    """Every run in a folder of runs, oldest first."""
    found = sorted(path.parent for path in Path(runs_dir).glob("*/run.json") if not path.parent.is_symlink())
    if not found:
        raise InputError(f"{runs_dir}: no runs here; make one with `genomicslearning run`")
    return found


def find(run: str, runs_dir: str) -> Path:
    """A run's folder, by its name or path."""
    for folder in (Path(runs_dir) / run, Path(run)):
        if (folder / "run.json").is_file():
            return folder.resolve()
    raise InputError(f"{run}: no such run in {runs_dir}/ and no run's folder")
