"""Figures of docs/evaluation.md: comparison of splits, cross-validation, what becomes of variants, the watch list.

Run:  python benchmarks/evaluation.py [SECTION…] --data ../shared/data --out FOLDER
Sections (default: all): splits, folds, prospective, later, leakage, watchlist, growth (after watchlist, whose model it
takes). Fits are kept in FOLDER, so that a second run takes up where the first ended.
"""

from __future__ import annotations

import argparse
import json
import re
import time
from pathlib import Path

import numpy as np
import pandas as pd

from genomicslearning import autopilot, evaluation, watchlist
from genomicslearning.evaluation import leakage, split_comparison
from genomicslearning.evaluation.explain import agreement, permutation_importance
from genomicslearning.features import BLOCKS
from genomicslearning.history.splits import split
from genomicslearning.training_set.build import build_training_set
from genomicslearning.training_set.table import read_table

SEED = 200
ASSEMBLY = "GRCh37"


class Bench:
    """The data, and the folder that keeps fits and results."""

    def __init__(self, data: Path, out: Path):
        self.data, self.out = data, out
        self.earlier = [data / "clinvar_tsv" / f"clinvar_{day}_b37.tsv.gz" for day in ("2015-11-16", "2016-05-20")]
        self.table = read_table(data / "clinvar_kaggle" / "clinvar_conflicting.csv.zip")

    def quick(self) -> split_comparison.CachedFits:
        fit = split_comparison.autopilot_fit(self.out / "jobs", preset="quick", seed=SEED)
        return split_comparison.CachedFits(self.out / "fits", fit, say=lambda text: print(f"  {text}", flush=True))

    def keep(self, name: str, found: pd.DataFrame | dict) -> None:
        path = self.out / f"{name}.json"
        content = found.to_dict("records") if isinstance(found, pd.DataFrame) else found
        path.write_text(json.dumps(content, indent=1, default=float) + "\n")
        if isinstance(found, pd.DataFrame):
            print(found.round(4).to_string(index=False), flush=True)
        else:
            print(json.dumps(found, indent=1, default=float), flush=True)

    # --- sections

    def splits(self) -> None:
        table = split_comparison.compare_splits(
            self.table, self.quick(), earlier=self.earlier, assembly=ASSEMBLY, seed=SEED
        )
        self.keep("splits", table)

    def folds(self) -> None:
        table = split_comparison.cross_validation(
            self.table, self.quick(), earlier=self.earlier, assembly=ASSEMBLY, seed=SEED
        )
        self.keep("folds", table)

    def prospective(self) -> None:
        """The time split with the preset `balanced`, and what the weight of transitions changes (`quick`)."""
        parts = split(self.table, "time", earlier=self.earlier, assembly=ASSEMBLY)
        labels, rows = parts.test["CLASS"].to_numpy(), []
        for note in parts.notes:
            print(note)
        for preset, weight in (("quick", 1), ("quick", 3), ("quick", 6), ("balanced", 1), ("balanced", 3)):
            repeated = np.repeat(np.arange(len(parts.train)), np.where(parts.transitions, weight, 1))
            train = parts.train.iloc[repeated].reset_index(drop=True)
            name = f"prospective-{preset}-{weight}"
            job = autopilot.start(
                train,
                folder=self.out / "jobs",
                name=name,
                preset=preset,
                features="prospective",
                seed=SEED,
                groups=repeated,
                progress=lambda text: None,
            )
            model = job.wait().model()
            score = model.predict(parts.test)
            found = evaluation.metrics(labels, score, model.threshold, seed=SEED)
            top = evaluation.precision_at(labels, score).set_index("top")["precision"]
            rows.append(
                {"preset": preset, "weight": weight}
                | {
                    key: found[key]
                    for key in ("roc_auc", "roc_auc_ci", "average_precision", "average_precision_ci", "ece")
                }
                | {f"top_{top_}": value for top_, value in top.items()}
                | {"mean_probability": score.mean(), "observed": labels.mean()}
            )
            print(rows[-1], flush=True)
        self.keep("prospective", pd.DataFrame(rows))
        importance = permutation_importance(model.predict, parts.test, seed=SEED)
        self.keep("prospective_importance", importance)

    def later(self) -> None:
        """The 5,597 variants whose status in 2026 is known: does the score of 2018 foresee who will disagree?"""
        later = pd.read_csv(self.data / "clinvar_2026" / "kaggle2018_then_20260226.tsv.gz", sep="\t", dtype=str)
        later["POS"] = later.pop("POS_GRCh37").astype("int64")
        site = ["CHROM", "POS", "REF", "ALT"]
        table = self.table.reset_index().merge(later, on=site, how="inner", suffixes=("", "_later")).set_index("index")
        agreed = table[table["CLASS"] == 0]
        conflicts = agreed["CLNREVSTAT_2026"].str.contains("conflicting").astype(int)
        several = conflicts.eq(1) | agreed["CLNREVSTAT_2026"].str.contains("multiple_submitters")
        rows = []
        for features in ("all", "biology"):
            # Trained without the variants that are asked about.
            train = self.table.drop(agreed.index)
            score = self.quick()("later", train, None, self.table.loc[agreed.index], features)
            for who, keep in (
                ("all that agreed", np.ones(len(agreed), bool)),
                ("with several submitters now", several),
            ):
                labels, shown = conflicts.to_numpy()[keep], score[np.asarray(keep)]
                found = evaluation.metrics(labels, shown, 0.5, seed=SEED)
                rows.append(
                    {"features": features, "variants": who, "n": found["n"], "conflicting_2026": found["n_positive"]}
                    | {
                        key: found[key]
                        for key in ("roc_auc", "roc_auc_ci", "average_precision", "average_precision_ci")
                    }
                    | {"top_500": evaluation.precision_at(labels, shown, (500,))["precision"].iloc[0]}
                )
        self.keep("later", pd.DataFrame(rows))

    def leakage(self) -> None:
        parts = split(self.table, "random", seed=SEED)
        audit = leakage.block_audit(parts.train, parts.test, seed=SEED)
        self.keep("leakage_blocks", audit)
        self.keep("leakage_proxies", leakage.submission_proxies(parts.train))
        job = autopilot.start(
            parts.train,
            folder=self.out / "jobs",
            name="random-all",
            preset="quick",
            seed=SEED,
            progress=lambda text: None,
        )
        predict = job.wait().model().predict
        self.keep("leakage_masked", leakage.masked_as_single(predict, parts.test))
        blocks = permutation_importance(predict, parts.test, seed=SEED)
        self.keep("importance_all", blocks)
        self.keep("importance_columns", permutation_importance(predict, parts.test, seed=SEED, by_column=True))
        audit = audit.set_index("block")
        drop = audit.loc["(all blocks)", "roc_auc_alone"] - audit["roc_auc_without"].dropna()
        drop = drop.groupby({name: block.evidence for name, block in BLOCKS.items()}).max()
        print(agreement(blocks.set_index("evidence")["roc_auc_drop"], drop)["words"])

    def watchlist(self) -> None:
        """The modern excerpt, scored by a model of its own labelled rows."""
        release = self.data / "clinvar_2026" / "clinvar_20260226_GRCh38_excerpt.vcf.gz"
        place = self.out / "excerpt.parquet"
        build_training_set(clinvar=release, out=place)
        job = autopilot.start(
            read_table(place),
            folder=self.out / "jobs",
            name="excerpt",
            preset="quick",
            features="biology",
            seed=SEED,
            progress=lambda text: None,
        )
        job.wait()
        self.keep("watchlist", self._watch(release, "excerpt"))

    def growth(self) -> None:
        """Memory and time of the watch list at 1, 4 and 16 copies of the excerpt (positions shifted)."""
        import gzip

        release = self.data / "clinvar_2026" / "clinvar_20260226_GRCh38_excerpt.vcf.gz"
        lines = gzip.open(release, "rb").read().split(b"\n")
        header = [line for line in lines if line.startswith(b"#")]
        records = [line for line in lines if line and not line.startswith(b"#")]
        for copies in (1, 4, 16):
            many = self.out / f"excerpt_{copies}.vcf"
            with many.open("wb") as file:
                file.write(b"\n".join(header) + b"\n")
                for copy in range(copies):
                    for line in records:
                        chrom, pos, rest = line.split(b"\t", 2)
                        file.write(b"\t".join((chrom, b"%d" % (int(pos) + copy), rest)) + b"\n")
            self.keep(f"growth_{copies}", self._watch(many, f"growth_{copies}"))
            many.unlink()

    def _watch(self, release: Path, name: str) -> dict:
        """Cost of one watch list, in a process of its own, so that its peak memory is its own."""
        import multiprocessing

        with multiprocessing.get_context("spawn").Pool(1) as pool:
            return pool.apply(_watch, (release, self.out / "jobs" / "excerpt" / "model", self.out / name))


def _watch(release: Path, model: Path, out: Path) -> dict:
    wall, cpu = time.monotonic(), time.process_time()
    summary = watchlist.build(clinvar=release, model=model, out=out)
    return {
        "variants": summary["variants"],
        "expected_conflict": summary["expected_conflict"],
        "seconds": time.monotonic() - wall,
        "cpu_seconds": time.process_time() - cpu,
        "peak_rss_mb": _peak_mb(),
    }


def _peak_mb() -> float:
    """This process's own peak; getrusage would give the parent's, where that was larger."""
    status = Path("/proc/self/status").read_text()
    return int(re.search(r"VmHWM:\s*(\d+)", status)[1]) / 1024


SECTIONS = ("splits", "folds", "prospective", "later", "leakage", "watchlist", "growth")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("sections", nargs="*", choices=[*SECTIONS, []], default=[])
    parser.add_argument("--data", type=Path, default=Path("../shared/data"))
    parser.add_argument("--out", type=Path, default=Path("runs/benchmarks/evaluation"))
    given = parser.parse_args()
    given.out.mkdir(parents=True, exist_ok=True)
    bench = Bench(given.data, given.out)
    for section in given.sections or SECTIONS:
        started = time.monotonic(), time.process_time()
        print(f"== {section}", flush=True)
        getattr(bench, section)()
        print(
            f"== {section}: {time.monotonic() - started[0]:.0f} s, {time.process_time() - started[1]:.0f} CPU-s",
            flush=True,
        )


if __name__ == "__main__":
    main()
