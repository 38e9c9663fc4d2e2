"""Figures of docs/model.md: presets, feature sets, held-out genes, other splits, permuted labels, cost by size.

Run:  python benchmarks/model.py [SECTION…] --table TABLE --out FOLDER
Sections (default: all but the last): balanced, sampled, quick, biology, genes, seeds, permuted, best, speed, growth,
tables, whole. `sampled` is `balanced` as a million rows are learnt from: candidates compared on an eighth of the
training rows. `whole` is the other way round, for a large TABLE (`scale.py` makes one): `quick` with candidates
compared on all rows.

Every figure is of a whole job: nothing is fitted, searched, weighed, calibrated or thresholded on rows that it is
judged by. A job runs in a process of its own and leaves FOLDER/<job>.json; one that is there is not run again, so that
a benchmark that was interrupted goes on where it was. `speed` needs `balanced`. `growth` also writes
FOLDER/model_growth.svg, and `tables` prints what docs/model.md quotes.
"""

from __future__ import annotations

import argparse
import json
import multiprocessing
import resource
import time
from collections.abc import Callable
from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from sklearn.model_selection import GroupKFold

from genomicslearning import autopilot, evaluation
from genomicslearning.autopilot import cross_validation
from genomicslearning.autopilot.model import Model
from genomicslearning.features import Variants
from genomicslearning.history.splits import gene_groups, split
from genomicslearning.training_set.table import read_table

SEED = 200
OTHER_SEEDS = (201, 202, 203, 204, 205)
GENE_FOLDS = 5
# Rows of `growth`, as multiples of a sixteenth of the table: 16 is the table itself, 64 four copies of it.
GROWTH = (1, 4, 16, 64)


def cpu_seconds() -> float:
    """CPU time of this process and of those it started and that have ended."""
    own, children = (resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN))
    return sum(usage.ru_utime + usage.ru_stime for usage in (own, children))


def peak_gb() -> float:
    """The most memory that this process had, and beside it the largest of those it started."""
    return sum(resource.getrusage(who).ru_maxrss for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)) / 1e6


def in_own_process(work: Callable, *arguments) -> dict:
    """Run in a fresh process, so that its time and memory are its own."""
    with multiprocessing.get_context("spawn").Pool(1) as process:
        return process.apply(work, arguments)


# --- the rows of each job ---------------------------------------------------------------------------------------------


def random_rows(table: pd.DataFrame, seed: int) -> tuple:
    """Training rows, test rows, and neither's groups."""
    parts = split(table, "random", seed=seed)
    return parts.train, parts.test, None, None


def gene_rows(table: pd.DataFrame, fold: int) -> tuple:
    """Training rows, test rows and their genes, of one of the folds of whole genes."""
    groups = gene_groups(table)
    train, test = list(GroupKFold(GENE_FOLDS).split(table, groups=groups))[fold - 1]
    return table.iloc[train], table.iloc[test], groups[train], groups[test]


def permuted_rows(table: pd.DataFrame, seed: int) -> tuple:
    """The reference split with training labels without meaning."""
    train, test, *groups = random_rows(table, seed)
    labels = np.random.default_rng(seed).permutation(train["CLASS"].to_numpy())
    return train.assign(CLASS=labels), test, *groups


def sampled_rows(table: pd.DataFrame, seed: int) -> tuple:
    """The reference split, in a process where candidates are compared on the share that a million rows are."""
    parts = random_rows(table, seed)
    share = len(parts[0]) / 831_702
    cross_validation.search_folds.__kwdefaults__["rows"] = int(cross_validation.SEARCH_ROWS * share)
    cross_validation.CALIBRATION_ROWS = int(cross_validation.CALIBRATION_ROWS * share)
    cross_validation.FEWEST_CALIBRATION_ROWS = 0
    return parts


def whole_rows(table: pd.DataFrame, seed: int) -> tuple:
    """The reference split, in a process where candidates are compared on all training rows, and none is set aside."""
    cross_validation.search_folds.__kwdefaults__["rows"] = len(table)
    return random_rows(table, seed)


def run_job(path: str, folder: str, name: str, rows: Callable, which: int, settings: dict) -> dict:
    """A whole job and how good its model is on the test rows."""
    train, test, groups, test_groups = rows(read_table(path), which)
    # A job that was interrupted is taken up, and then its time is not the whole of it.
    taken_up = (Path(folder) / name).exists()
    started, clock = cpu_seconds(), time.perf_counter()
    job = autopilot.start(
        train, folder=folder, name=name, seed=SEED, groups=groups, max_runtime_seconds=1e5, **settings
    )
    model = job.wait().model()
    spent = {"cpu_seconds": cpu_seconds() - started, "seconds": time.perf_counter() - clock}
    found = evaluation.metrics(
        test["CLASS"].to_numpy(),
        model.predict(test),
        model.threshold,
        split="random" if groups is None else "gene",
        groups=test_groups,
        seed=SEED,
    )
    return (
        found
        | (dict.fromkeys(spent) if taken_up else spent)
        | {
            "training_rows": len(train),
            "peak_gb": peak_gb(),
            "model_mb": sum(file.stat().st_size for file in (job.folder / "model").iterdir()) / 1e6,
            "leaderboard": job.leaderboard().to_dict("records"),
        }
    )


def growth_of(path: str, folder: str, times: int) -> dict:
    """Cost of a quick job on a part of the table, or on it and copies whose positions and genes are other ones."""
    table = read_table(path)
    if times < 16:
        table = table.sample(frac=times / 16, random_state=SEED)
    else:
        copies = [
            table.assign(POS=table["POS"] + number * 300_000_000, SYMBOL=table["SYMBOL"] + f"_{number}" * bool(number))
            for number in range(times // 16)
        ]
        table = pd.concat(copies, ignore_index=True)
    started = cpu_seconds()
    settings = {"preset": "quick", "max_runtime_seconds": 1e5, "progress": lambda text: None}
    autopilot.start(table, folder=folder, name=f"growth-{times}", **settings).wait()
    return {"times": times, "rows": len(table), "cpu_seconds": cpu_seconds() - started, "peak_gb": peak_gb()}


class Bench:
    """The table, and the folder that keeps jobs and results."""

    def __init__(self, table: Path, out: Path):
        self.path, self.out = table, out
        self.out.mkdir(parents=True, exist_ok=True)

    def keep(self, name: str, found: dict | list) -> None:
        (self.out / f"{name}.json").write_text(json.dumps(found, indent=1, default=float) + "\n")

    def kept(self, name: str) -> dict | list | None:
        path = self.out / f"{name}.json"
        return json.loads(path.read_text()) if path.exists() else None

    def job(self, name: str, rows: Callable = random_rows, which: int = SEED, **settings) -> dict:
        """The kept result of a job, or the job."""
        found = self.kept(name)
        if found is None:
            found = in_own_process(run_job, str(self.path), str(self.out / "jobs"), name, rows, which, settings)
            self.keep(name, found)
        shown = {key: round(found[key], 4) for key in ("roc_auc", "average_precision", "f1", "ece", "peak_gb")}
        print(name, shown, found["cpu_seconds"], flush=True)
        return found

    # --- sections

    def balanced(self) -> None:
        self.job("balanced", preset="balanced")

    def sampled(self) -> None:
        self.job("sampled", sampled_rows, preset="balanced")

    def quick(self) -> None:
        self.job("quick", preset="quick")

    def whole(self) -> None:
        self.job("whole", whole_rows, preset="quick")

    def biology(self) -> None:
        self.job("biology", preset="balanced", features="biology")

    def permuted(self) -> None:
        self.job("permuted", permuted_rows, preset="quick")

    def best(self) -> None:
        self.job("best", preset="best")

    def genes(self) -> None:
        """A balanced job for each fold of whole genes."""
        for fold in range(1, GENE_FOLDS + 1):
            self.job(f"gene-{fold}", gene_rows, fold, preset="balanced")

    def seeds(self) -> None:
        """A balanced job for each of the other splits."""
        for seed in OTHER_SEEDS:
            self.job(f"seed-{seed}", random_rows, seed, preset="balanced")

    def speed(self) -> None:
        """Rows a second of the balanced model, and of reading features, in this process."""
        table = read_table(self.path)
        model = Model.load(self.out / "jobs" / "balanced" / "model")
        model.predict(table.head(100))
        found = {"rows": len(table)}
        for what, work in (("features", lambda: Variants.read(table)), ("predict", lambda: model.predict(table))):
            clock, cpu = time.perf_counter(), cpu_seconds()
            work()
            found[f"{what}_seconds"] = time.perf_counter() - clock
            found[f"{what}_cpu_seconds"] = cpu_seconds() - cpu
        self.keep("speed", found)
        print("speed", found, flush=True)

    def growth(self) -> None:
        """CPU seconds and peak memory of a quick job on 1, 4, 16 and 64 sixteenths of the table."""
        found = []
        for times in GROWTH:
            found.append(self.kept(f"growth-{times}"))
            if found[-1] is None:
                found[-1] = in_own_process(growth_of, str(self.path), str(self.out / "jobs"), times)
                self.keep(f"growth-{times}", found[-1])
            print("growth", found[-1], flush=True)
        rows = [one["rows"] for one in found]
        figure, (left, right) = plt.subplots(1, 2, figsize=(9, 3.4))
        left.plot(rows, [one["cpu_seconds"] for one in found], "o-")
        left.set(xscale="log", yscale="log", xlabel="training rows", ylabel="CPU seconds")
        right.plot(rows, [one["peak_gb"] for one in found], "o-")
        right.set(xscale="log", xlabel="training rows", ylabel="peak memory, GB", ylim=(0, None))
        figure.suptitle("Cost of a quick job, from a sixteenth of the table up")
        figure.tight_layout()
        figure.savefig(self.out / "model_growth.svg", metadata={"Date": None})

    def tables(self) -> None:
        """What is there of the results, as the tables of docs/model.md."""
        columns = ("job", "AUC", "average precision", "F1", "ECE", "CPU s", "peak GB", "model MB")
        print(f"| {' | '.join(columns)} |\n{'|---' * len(columns)}|")
        for name in ("balanced", "sampled", "biology", "quick", "whole", "permuted", "best"):
            if found := self.kept(name):
                print(line(name, [found]))
        for kind, names in (
            ("gene", [f"gene-{fold}" for fold in range(1, GENE_FOLDS + 1)]),
            ("seed", [f"seed-{seed}" for seed in OTHER_SEEDS]),
        ):
            found = {name: kept for name in names if (kept := self.kept(name))}
            for name, one in found.items():
                print(line(name, [one]))
            if found:
                print(line(f"mean of {len(found)} ({kind})", list(found.values())))
        for name in ("speed", *(f"growth-{times}" for times in GROWTH)):
            print(name, self.kept(name))


def line(name: str, results: list[dict]) -> str:
    """A row of the table: one job's figures, or the mean of several with the interval of that mean.

    The half widths of several jobs' intervals add up in squares, as those of independent test rows do.
    """

    def mean(key: str) -> float:
        return float(np.mean([one[key] for one in results]))

    def with_interval(key: str) -> str:
        half = np.sqrt(sum(((one[f"{key}_ci"][1] - one[f"{key}_ci"][0]) / 2) ** 2 for one in results)) / len(results)
        low, high = results[0][f"{key}_ci"] if len(results) == 1 else (mean(key) - half, mean(key) + half)
        return f"{mean(key):.3f} ({low:.3f}–{high:.3f})"

    timed = [one["cpu_seconds"] for one in results if one["cpu_seconds"]]
    cells = [with_interval("roc_auc"), with_interval("average_precision"), f"{mean('f1'):.3f}", f"{mean('ece'):.3f}"]
    cells += [f"{np.mean(timed):.0f}" if timed else "", f"{mean('peak_gb'):.2f}", f"{mean('model_mb'):.0f}"]
    return f"| {name} | {' | '.join(cells)} |"


SECTIONS = (
    "balanced",
    "sampled",
    "quick",
    "biology",
    "permuted",
    "genes",
    "seeds",
    "best",
    "speed",
    "growth",
    "tables",
)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("sections", nargs="*", choices=[*SECTIONS, "whole", []], metavar="SECTION")
    parser.add_argument("--table", type=Path, required=True, help="the published table; for `whole` a large one")
    parser.add_argument("--out", type=Path, default=Path("runs/bench-model"))
    arguments = parser.parse_args()
    bench = Bench(arguments.table, arguments.out)
    for section in arguments.sections or SECTIONS:
        getattr(bench, section)()


if __name__ == "__main__":
    main()
