"""Figures of docs/model.md: presets, feature sets, held-out genes, other splits, permuted labels, cost by size.

Run:  python benchmarks/model.py [SECTION…] --table TABLE --out FOLDER
Sections (default: all): balanced, quick, biology, genes, seeds, permuted, speed, growth. Each writes
FOLDER/<section>.json, and growth also FOLDER/model_growth.svg. `genes` and `seeds` need `balanced` in the same folder.
"""

from __future__ import annotations

import argparse
import json
import multiprocessing
import resource
import time
from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np
import optuna
import pandas as pd
from sklearn.model_selection import GroupKFold

from genomicslearning import autopilot, evaluation, training_set
from genomicslearning.autopilot.candidates import DEFINITIONS, Evidence
from genomicslearning.autopilot.local import in_canonical_order
from genomicslearning.autopilot.model import Model
from genomicslearning.autopilot.selection import CrossValidation
from genomicslearning.features import Variants
from genomicslearning.splits import gene_groups, split

SEED = 200
OTHER_SEEDS = (201, 202, 203, 204, 205)


def cpu_seconds() -> float:
    """CPU time of this process and of those it started."""
    own, children = (resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN))
    return sum(usage.ru_utime + usage.ru_stime for usage in (own, children))


def judge(model: Model, test: pd.DataFrame, **settings) -> dict:
    """Metrics of a model on test rows, with bootstrap intervals."""
    return evaluation.metrics(test["CLASS"].to_numpy(), model.predict(test), model.threshold, seed=SEED, **settings)


class Bench:
    """The table, and the folder that keeps jobs and results."""

    def __init__(self, table: Path, out: Path):
        self.path, self.out = table, out
        self.table = training_set.read_table(table)
        self.out.mkdir(parents=True, exist_ok=True)

    def keep(self, section: str, found: dict | list) -> None:
        (self.out / f"{section}.json").write_text(json.dumps(found, indent=1, default=float) + "\n")
        print(section, json.dumps(found, indent=1, default=float), flush=True)

    # --- sections

    def preset(self, section: str, **settings) -> None:
        """A job on the reference split."""
        parts = split(self.table, "random", seed=SEED)
        started = cpu_seconds()
        job = autopilot.start(parts.train, folder=self.out / "jobs", name=section, seed=SEED, **settings).wait()
        spent = cpu_seconds() - started
        found = judge(job.model(), parts.test) | {
            "cpu_seconds": spent,
            "leaderboard": job.leaderboard().to_dict("records"),
        }
        found["peak_gb"] = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e6
        found["model_mb"] = sum(file.stat().st_size for file in (job.folder / "model").iterdir()) / 1e6
        self.keep(section, found)

    def balanced(self) -> None:
        self.preset("balanced", preset="balanced")

    def quick(self) -> None:
        self.preset("quick", preset="quick")

    def biology(self) -> None:
        self.preset("biology", preset="balanced", features="biology")

    def again(self, train: pd.DataFrame, groups: np.ndarray | None = None) -> Model:
        """The balanced job's members, hyperparameters, weights, calibration and threshold, fitted on other rows."""
        chosen = json.loads((self.out / "jobs" / "balanced" / "model" / "manifest.json").read_text())
        rows, groups = in_canonical_order(train, groups)
        evidence = Evidence("all", grouped=groups is not None, seed=SEED)
        pipelines = {
            name: DEFINITIONS[name].build(optuna.trial.FixedTrial(member["parameters"]), evidence, SEED)
            for name, member in chosen["members"].items()
        }
        fits = CrossValidation(Variants.read(rows, "all", groups), rows["CLASS"].to_numpy(np.int64), [])
        return Model(fits.fit_all(pipelines), chosen)

    def genes(self) -> None:
        """Five folds of whole genes. Nothing is fitted on held-out genes; hyperparameters are the balanced job's."""
        groups = gene_groups(self.table)
        found = []
        for train, test in GroupKFold(5).split(self.table, groups=groups):
            model = self.again(self.table.iloc[train], groups[train])
            found.append(judge(model, self.table.iloc[test], split="gene", groups=groups[test]))
            print("genes", len(found), found[-1]["roc_auc"], found[-1]["average_precision"], flush=True)
        self.keep("genes", found)

    def seeds(self) -> None:
        found = []
        for seed in OTHER_SEEDS:
            parts = split(self.table, "random", seed=seed)
            found.append(judge(self.again(parts.train), parts.test) | {"split_seed": seed})
            print("seeds", seed, found[-1]["roc_auc"], found[-1]["average_precision"], flush=True)
        self.keep("seeds", found)

    def permuted(self) -> None:
        """The quick preset on labels without meaning."""
        parts = split(self.table, "random", seed=SEED)
        labels = np.random.default_rng(SEED).permutation(parts.train["CLASS"].to_numpy())
        train = parts.train.assign(CLASS=labels)
        job = autopilot.start(train, folder=self.out / "jobs", name="permuted", preset="quick", seed=SEED).wait()
        self.keep("permuted", judge(job.model(), parts.test))

    def speed(self) -> None:
        """Rows a second of the balanced model, and rows a second of reading features."""
        model = Model.load(self.out / "jobs" / "balanced" / "model")
        model.predict(self.table.head(100))
        found = {"rows": len(self.table)}
        for what, work in (
            ("features", lambda: Variants.read(self.table)),
            ("predict", lambda: model.predict(self.table)),
        ):
            clock, cpu = time.perf_counter(), cpu_seconds()
            work()
            found[f"{what}_seconds"] = time.perf_counter() - clock
            found[f"{what}_cpu_seconds"] = cpu_seconds() - cpu
        self.keep("speed", found)

    def growth(self) -> None:
        """CPU seconds and peak memory of a quick job at a sixteenth, a quarter, all and four times the table's rows."""
        found = []
        for times in (1 / 16, 1 / 4, 1, 4):
            context = multiprocessing.get_context("spawn")
            with context.Pool(1) as process:
                found.append(process.apply(cost, (str(self.path), times, str(self.out / "jobs"))))
            print(found[-1], flush=True)
        self.keep("growth", found)
        rows = [one["rows"] for one in found]
        figure, (left, right) = plt.subplots(1, 2, figsize=(9, 3.4))
        left.plot(rows, [one["cpu_seconds"] for one in found], "o-")
        left.set(xscale="log", yscale="log", xlabel="training rows", ylabel="CPU seconds")
        right.plot(rows, [one["peak_gb"] for one in found], "o-")
        right.set(xscale="log", xlabel="training rows", ylabel="peak memory, GB", ylim=(0, None))
        figure.suptitle("Cost of a quick job")
        figure.tight_layout()
        figure.savefig(self.out / "model_growth.svg")


def cost(path: str, times: float, folder: str) -> dict:
    """Cost of a quick job on a part of the table, or on it and copies whose positions and genes are other ones."""
    table = training_set.read_table(path)
    if times < 1:
        table = table.sample(frac=times, random_state=SEED)
    else:
        copies = [
            table.assign(POS=table["POS"] + number * 300_000_000, SYMBOL=table["SYMBOL"] + f"_{number}" * bool(number))
            for number in range(int(times))
        ]
        table = pd.concat(copies, ignore_index=True)
    started = cpu_seconds()
    name = f"growth-{times:g}"
    autopilot.start(table, folder=folder, name=name, preset="quick", progress=lambda text: None).wait()
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e6
    return {"times": times, "rows": len(table), "cpu_seconds": cpu_seconds() - started, "peak_gb": peak}


SECTIONS = ("balanced", "quick", "biology", "genes", "seeds", "permuted", "speed", "growth")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("sections", nargs="*", choices=[*SECTIONS, []], metavar="SECTION")
    parser.add_argument("--table", type=Path, required=True, help="the published table")
    parser.add_argument("--out", type=Path, default=Path("runs/bench-model"))
    arguments = parser.parse_args()
    bench = Bench(arguments.table, arguments.out)
    for section in arguments.sections or SECTIONS:
        getattr(bench, section)()


if __name__ == "__main__":
    main()
