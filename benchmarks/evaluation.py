"""Figures of docs/evaluation.md: comparison of splits, cross-validation, what becomes of variants, the watch list.

Run:  python benchmarks/evaluation.py [SECTION…] --data ../shared/data --out FOLDER
Sections (default: all): splits, folds, prospective, ten_years, more_genes, first_version (the last commit before models
learnt from history, checked out beside the results; a clone of full depth is needed), later, leakage, watchlist, beside
and growth (both after watchlist, whose list and model they take), changes. Fits are kept in FOLDER: a second run takes
up where the first ended.
"""

from __future__ import annotations

import gzip
import json
import multiprocessing
import re
import time
from collections.abc import Callable
from datetime import date
from pathlib import Path

import numpy as np
import pandas as pd
import ten_years
from sections import run_sections
from sklearn.model_selection import KFold

from genomicslearning import autopilot, evaluation, watchlist
from genomicslearning.evaluation import baselines, leakage, split_comparison
from genomicslearning.evaluation.explain import agreement, permutation_importance
from genomicslearning.features import BLOCKS
from genomicslearning.history import horizons
from genomicslearning.history.changes_files import compare_files, write
from genomicslearning.history.dates import date_in_name
from genomicslearning.history.releases import Release, read_release
from genomicslearning.history.splits import split
from genomicslearning.history.submissions import AlignedRelease, stated_class
from genomicslearning.training_set.build import build_training_set
from genomicslearning.training_set.table import read_table

SEED = 200
ASSEMBLY = "GRCh37"
AGREEMENT = b"CLNREVSTAT=criteria_provided,_multiple_submitters,_no_conflicts"
CONFLICT = b"CLNREVSTAT=criteria_provided,_conflicting_classifications"
TABLE_DATE = date(2018, 4, 1)


class Bench:
    """The data, and the folder that keeps fits and results."""

    def __init__(self, data: Path, out: Path):
        self.data, self.out = data, out
        self.earlier = [data / "clinvar_tsv" / f"clinvar_{day}_b37.tsv.gz" for day in ("2015-11-16", "2016-05-20")]
        self.latest_path = data / "clinvar_2026" / "clinvar_2026-02_half_of_genes_b37.tsv.gz"
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
        """The time split, `balanced`: two releases and one; by 2018, and at eight years by 2026."""
        rows = []
        for releases in (self.earlier, self.earlier[1:]):
            parts = split(self.table, "time", earlier=releases, assembly=ASSEMBLY, table_date=TABLE_DATE)
            learning, groups = parts.to_learn_from()
            score, learnt = self.balanced(f"prospective-{len(releases)}", learning, groups, parts.test)
            scores = {"probability": score} | baselines.classification_baselines(learning, parts.test)
            for years in (2, 8):
                scores[f"probability_{years}y"] = horizons.at_horizon(score, parts.test, years, learnt)
            rows += [self.judged(f"{len(releases)} releases, 2018", parts.test, name, scores[name]) for name in scores]
            now = AlignedRelease(self.latest(), parts.test).label()
            known = now.notna().to_numpy()
            test = parts.test[known].assign(CLASS=now[known].astype(int))
            # The labels of 2026 are further off than eight years; here is what is said of their own distance.
            far = (ten_years.LATEST - date_in_name(releases[-1].name)).days / horizons.YEAR
            scores[f"carried to {far:.1f} years"] = horizons.at_horizon(score, parts.test, far, learnt)
            rows += [
                self.judged(f"{len(releases)} releases, 2026", test, name, values[known])
                for name, values in scores.items()
            ]
        self.keep("prospective", pd.DataFrame(rows))

    def ten_years(self) -> None:
        ten_years.ten_years(self)

    def more_genes(self) -> None:
        ten_years.more_genes(self)

    def first_version(self) -> None:
        ten_years.first_version(self)

    def latest(self) -> Release:
        return read_release(self.latest_path, assembly=ASSEMBLY)

    def balanced(self, name: str, learning: pd.DataFrame, groups, test: pd.DataFrame) -> tuple[np.ndarray, dict]:
        """A `balanced` job's answers for the test rows, and what carries them to a horizon."""
        job = autopilot.start(
            learning, folder=self.out / "jobs", name=name, features="prospective", groups=groups, seed=SEED,
            progress=lambda text: None,
        )  # fmt: skip
        return job.wait().model().predict(test), horizons.learnt_rates(learning)

    def judged(self, what: str, test: pd.DataFrame, name: str, score: np.ndarray) -> dict:
        """Figures of a score of test rows, whose CLASS is the truth and `prior_CLNSIG` the class that they had."""
        truth = test["CLASS"].to_numpy()
        within = split_comparison.within_classification(test, score).set_index("classification")["roc_auc"]
        top = evaluation.precision_at(truth, score, (500, 2000)).set_index("top")["precision"]
        row = {
            "what": what,
            "score": name,
            "n": len(truth),
            "observed": truth.mean(),
            "predicted": score.mean(),
            "roc_auc": evaluation.roc_auc(truth, score),
            "average_precision": evaluation.average_precision(truth, score),
            "top_500": top.get(500, np.nan),
            "top_2000": top.get(2000, np.nan),
            "ece": evaluation.expected_calibration_error(truth, score),
            "within_uncertain": within.get("uncertain", np.nan),
            "within_benign": within.get("benign side", np.nan),
            "within_pathogenic": within.get("pathogenic side", np.nan),
        }
        print(row, flush=True)
        return row

    def later(self) -> None:
        """Variants that agreed in 2018: does a model of other rows of 2018 foresee which conflict in 2026?

        Each is asked of a model of four fifths of the table. A model of all rows but the asked ones would have learnt
        of their genes the rows that conflict and few of those that agree.
        """
        label = AlignedRelease(self.latest(), self.table).label()
        asked = (self.table["CLASS"] == 0).to_numpy() & label.notna().to_numpy()
        truth, rows = label[asked].to_numpy(int), []
        for features in ("all", "biology"):
            score = np.full(len(self.table), np.nan)
            for number, (learnt, held) in enumerate(KFold(5, shuffle=True, random_state=SEED).split(self.table)):
                held = held[asked[held]]
                parts = self.table.iloc[learnt], None, self.table.iloc[held]
                score[held] = self.quick()(f"later-{number}", *parts, features)
            found = evaluation.metrics(truth, score[asked], 0.5, seed=SEED)
            names = ("n", "n_positive", "roc_auc", "roc_auc_ci", "average_precision", "average_precision_ci")
            rows.append({"features": features} | {name: found[name] for name in names})
            rows[-1]["top_500"] = evaluation.precision_at(truth, score[asked], (500,))["precision"].iloc[0]
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

    def beside(self) -> None:
        """The excerpt's list learnt from the release alone (prospective), beside that of `biology`: which move."""
        release = self.data / "clinvar_2026" / "clinvar_20260226_GRCh38_excerpt.vcf.gz"
        cost = self._watch(release, "excerpt-prospective", model=None)
        lists = [pd.read_csv(self.out / name / "watchlist.csv", dtype=str, keep_default_na=False)
                 for name in ("excerpt", "excerpt-prospective")]  # fmt: skip
        key = ["CHROM", "POS", "REF", "ALT"]
        kept = [
            "gene",
            "hgvs",
            "condition",
            "classification",
            "probability",
            "rank",
            "reason_1",
            "reason_2",
            "reason_3",
        ]
        both = lists[0][[*key, "rank"]].merge(lists[1][[*key, *kept]], on=key, suffixes=("_biology", ""))
        both[["rank", "rank_biology"]] = both[["rank", "rank_biology"]].astype(int)
        said = both["classification"].map(stated_class)
        found = {"variants": len(both), "rank_correlation": both["rank"].corr(both["rank_biology"], method="spearman"),
                 **{f"shared_of_top_{n}": int(((both["rank"] <= n) & (both["rank_biology"] <= n)).sum())
                    for n in (500, 2000)}}  # fmt: skip
        for name in ("rank", "rank_biology"):
            found[f"top_2000_by_{name}"] = said[both[name] <= 2000].value_counts(normalize=True).round(3).to_dict()
        self.keep("beside", found | cost)
        both["up"] = both["rank_biology"] - both["rank"]
        risen = both[both["rank"] <= 500].nlargest(200, "up").drop_duplicates(["gene", "classification"])
        fallen = both[both["rank_biology"] <= 500].nsmallest(200, "up").drop_duplicates(["gene", "classification"])
        self.keep("beside_movers", pd.concat([risen.head(6), fallen.head(6)]))

    def growth(self) -> None:
        """Memory and time of the watch list at 1, 4 and 16 copies of the excerpt (positions shifted)."""
        excerpt = self.data / "clinvar_2026" / "clinvar_20260226_GRCh38_excerpt.vcf.gz"
        for copies in (1, 4, 16):
            many = self.out / f"excerpt_{copies}.vcf"
            write_copies(excerpt, many, copies)
            self.keep(f"growth_{copies}", self._watch(many, f"growth_{copies}"))
            many.unlink()

    def changes(self) -> None:
        """Memory and time of `changes` at 4, 16 and 52 copies (3.6 million records) against one altered in places."""
        excerpt = self.data / "clinvar_2026" / "clinvar_20260226_GRCh38_excerpt.vcf.gz"
        for copies in (4, 16, 52):
            old, new = self.out / "old_20260226.vcf", self.out / "new_20260326.vcf"
            write_copies(excerpt, old, copies)
            altered = write_copies(excerpt, new, copies, alter_every=700)
            found = in_a_process(_changes, old, new, self.out / f"changes_{copies}")
            self.keep(f"changes_{copies}", {"altered": altered} | found)
            old.unlink()
            new.unlink()

    def _watch(self, release: Path, name: str, model: str | None = "excerpt") -> dict:
        """Cost of one watch list; model None: learnt from the release."""
        return in_a_process(_watch, release, model and self.out / "jobs" / model / "model", self.out / name)


def write_copies(excerpt: Path, out: Path, copies: int, *, alter_every: int = 0) -> int:
    """A release of so many copies of an excerpt, each at other places and with other identifiers.

    Every so many records an agreement of several submitters becomes a conflict; how many did is returned.
    """
    with gzip.open(excerpt, "rb") as file:
        lines = file.read().splitlines(keepends=True)
    records = [line.split(b"\t", 3) for line in lines if not line.startswith(b"#")]
    altered = 0
    with out.open("wb") as file:
        file.writelines(line for line in lines if line.startswith(b"#"))
        for copy in range(copies):
            for number, (chrom, position, identifier, rest) in enumerate(records):
                if alter_every and number % alter_every == copy and AGREEMENT in rest:
                    rest, altered = rest.replace(AGREEMENT, CONFLICT), altered + 1
                shifted = b"%d\t%d" % (int(position) + 4_000_000 * copy, int(identifier) + 10_000_000 * copy)
                file.write(b"\t".join((chrom, shifted, rest)))
    return altered


def in_a_process(what: Callable[..., dict], *given: object) -> dict:
    """What a function says and its cost, in a process of its own, so that its peak memory is its own."""
    with multiprocessing.get_context("spawn").Pool(1) as pool:
        return pool.apply(_measured, (what, given))


def _measured(what: Callable[..., dict], given: tuple) -> dict:
    wall, cpu = time.monotonic(), time.process_time()
    found = what(*given)
    return found | {
        "seconds": time.monotonic() - wall,
        "cpu_seconds": time.process_time() - cpu,
        "peak_rss_mb": _peak_mb(),
    }


def _watch(release: Path, model: Path | None, out: Path) -> dict:
    summary = watchlist.build(clinvar=release, model=model, out=out)
    return {name: summary[name] for name in ("variants", "expected_conflict")}


def _changes(old: Path, new: Path, out: Path) -> dict:
    summary = write(compare_files(old, new), out, progress=lambda text: None)
    return {name: summary[name] for name in ("variants", "changes", "conflicts")}


def _peak_mb() -> float:
    """This process's own peak; getrusage would give the parent's, where that was larger."""
    status = Path("/proc/self/status").read_text()
    return int(re.search(r"VmHWM:\s*(\d+)", status)[1]) / 1024


SECTIONS = (
    "splits",
    "folds",
    "prospective",
    "ten_years",
    "more_genes",
    "first_version",
    "later",
    "leakage",
    "watchlist",
    "beside",
    "growth",
    "changes",
)


if __name__ == "__main__":
    run_sections(Bench, SECTIONS, __doc__, "runs/benchmarks/evaluation")
