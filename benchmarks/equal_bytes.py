"""The chain twice, with one thread and with two, and its model from shuffled rows: which files are equal.

    python benchmarks/equal_bytes.py [--table TABLE] [--set preset=quick …] [--out build/equal_bytes.json]

Without a table: the embedded sample. Compared are the training set, its two parts, predictions, metrics and the model.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import os
import sys
import tempfile
import time
from collections.abc import Mapping
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
# What numerical libraries read when a kernel loads them.
THREADS = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "LOKY_MAX_CPU_COUNT")
FILES = (
    "data/training_set.csv", "data/training_set.parquet", "data/train.csv", "data/test.csv", "predictions.csv",
    "metrics.json",
)  # fmt: skip


def run(folder: Path, given: Mapping[str, object], threads: int) -> dict[str, str]:
    """Run the chain in a folder; SHA-256 of each file that counts, the model's among them."""
    from genomicslearning.runs import chain
    from genomicslearning.runs.folder import Run

    before = {name: os.environ.get(name) for name in THREADS}
    os.environ.update(dict.fromkeys(THREADS, str(threads)))
    try:
        folder.mkdir(parents=True)
        chain.execute(folder, chain.check(given), render=False, progress=lambda text: None)
    finally:
        for name, value in before.items():
            os.environ.pop(name) if value is None else os.environ.update({name: value})
    model = Run(folder).model
    paths = [*FILES, *(str((model / name).relative_to(folder)) for name in ("manifest.json", "model.skops"))]
    return {name: hashlib.sha256((folder / name).read_bytes()).hexdigest() for name in paths}


def shuffled(folder: Path, given: Mapping[str, object], scratch: Path) -> bool:
    """Whether a job on the run's training rows in another order predicts each test row the same, to the last bit."""
    import numpy as np

    from genomicslearning import autopilot
    from genomicslearning.autopilot.model import Model
    from genomicslearning.runs.folder import Run
    from genomicslearning.training_set.table import read_table

    options = {key: given[key] for key in ("preset", "features") if key in given}
    if "max_candidates" in given:
        options["max_candidates"] = int(str(given["max_candidates"]))

    def job(order: int | None, name: str) -> Model:
        rows = read_table(folder / "data" / "train.csv")
        rows = rows if order is None else rows.sample(frac=1, random_state=order).reset_index(drop=True)
        autopilot.start(rows, folder=scratch, name=name, progress=lambda text: None, **options).wait()
        return Model.load(scratch / name / "model")

    test = read_table(Run(folder).test)
    order = np.random.default_rng(2).permutation(len(test))
    as_they_are, mixed = job(None, "one").predict(test), job(1, "two").predict(test.iloc[order])
    return np.array_equal(as_they_are[order], mixed)


def compare(given: Mapping[str, object], scratch: Path) -> dict:
    """Two runs and the shuffled job."""
    started = time.monotonic()
    one, two = (run(scratch / f"threads-{threads}", given, threads) for threads in (1, 2))
    files = {name.rpartition("/")[2]: one[name] == two[name] for name in one}
    same = shuffled(scratch / "threads-1", given, scratch / "jobs")
    rows = sum(1 for _ in (scratch / "threads-1" / "data" / "training_set.csv").open("rb")) - 1
    return {"rows": rows, "equal": files, "shuffled": same, "seconds": round(time.monotonic() - started)}


def main() -> None:
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("--table", default="")
    options.add_argument("--set", nargs="*", default=["preset=quick"], metavar="NAME=VALUE")
    options.add_argument("--out", type=Path, default=ROOT / "build" / "equal_bytes.json")
    chosen = options.parse_args()
    given = dict(pair.split("=", 1) for pair in chosen.set) | ({"training_set": chosen.table} if chosen.table else {})
    with tempfile.TemporaryDirectory() as scratch:
        report = {"data": Path(chosen.table).name or "embedded sample"} | compare(given, Path(scratch))
    print(json.dumps(report))
    known = json.loads(chosen.out.read_text()) if chosen.out.is_file() else []
    chosen.out.parent.mkdir(parents=True, exist_ok=True)
    kept = [entry for entry in known if entry["data"] != report["data"]]
    chosen.out.write_text(json.dumps([*kept, report], indent=1) + "\n")
    sys.exit(0 if all(report["equal"].values()) and report["shuffled"] else 1)


if __name__ == "__main__":
    main()
