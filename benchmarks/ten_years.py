"""Ten years of genes that a model has not seen: sections `ten_years`, `more_genes`, `first_version` of evaluation.py.

Judged are variants of the published table that had one submitter in 2016-05 and have several in 2026-02, labelled by
2026. What became of a variant is known of half of the genes (the shared release) and, by the modern excerpt, of six
genes more. Whole gene groups are held out in five folds, drawn three times.
"""

from __future__ import annotations

import csv
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
from sklearn.model_selection import GroupKFold

from genomicslearning import evaluation
from genomicslearning.evaluation.baselines import classification_baselines
from genomicslearning.history.past import read_past
from genomicslearning.history.releases import Release, locus_keys, read_release
from genomicslearning.history.splits import BOOKKEEPING, gene_groups, learning_rows
from genomicslearning.history.submissions import UNCERTAIN, AlignedRelease, stated_class

if TYPE_CHECKING:
    from evaluation import Bench

LATEST = date(2026, 2, 26)
SHUFFLES = (200, 201, 202)
FOLDS = 5
# The last commit whose models neither learnt from drawn submissions nor knew how far ahead they look.
FIRST_VERSION = "38b7175"


@dataclass
class Labelled:
    """The rows of the published table whose label of 2026 is known.

    `table` has that label as CLASS, and `groups` its gene groups. `asked` are its rows with a single submitter in the
    newest of the releases `past`, with what that one said; `half` is the index of rows of the shared half of the genes.
    """

    table: pd.DataFrame
    groups: pd.Series
    asked: pd.DataFrame
    half: pd.Index
    past: list[Release]

    def folds(self, shuffle: int) -> Iterator[tuple[np.ndarray, pd.DataFrame]]:
        """Numbers of the asked rows of each fold, and the table's rows of other genes."""
        groups = self.groups[self.asked.index]
        for _, held in GroupKFold(FOLDS, shuffle=True, random_state=shuffle).split(self.asked, groups=groups):
            yield held, self.table[~self.groups.isin(set(groups.iloc[held]))]

    def part(self, rows: pd.DataFrame, share: float, seed: int) -> pd.DataFrame:
        """The rows of so many of their gene groups, drawn."""
        groups = self.groups[rows.index]
        drawn = np.random.default_rng(seed).permutation(groups.unique())
        return rows[groups.isin(drawn[: round(share * len(drawn))])]


def label_rows(bench: Bench) -> Labelled:
    """What the shared data tells of 2026."""
    known_place, latest = bench.out / "clinvar_2026-02-26_known_b37.tsv.gz", bench.latest()
    write_release(bench.latest_path, bench.data / "clinvar_2026" / "kaggle2018_then_20260226.tsv.gz", known_place)
    label = AlignedRelease(read_release(known_place, assembly=latest.assembly), bench.table).label().dropna()
    table = bench.table.loc[label.index].assign(CLASS=label.astype("int8"))
    past = read_past(table, bench.earlier, latest.assembly)
    then = AlignedRelease(past[-1], table)
    half = table.index[np.isin(locus_keys(table), latest.variants["key"])]
    groups = pd.Series(gene_groups(table), index=table.index)
    return Labelled(table, groups, table.assign(**then.prior())[then.single], half, past)


def write_release(shared: Path, excerpt: Path, out: Path) -> None:
    """One tab-delimited release of both; where both have a variant (99 % alike) the shared half's word counts."""
    names = {"CHROM": "chrom", "POS_GRCh37": "pos", "REF": "ref", "ALT": "alt", "SYMBOL": "symbol"}
    names |= {"CLNSIG_2026": "clinical_significance", "CLNREVSTAT_2026": "review_status"}
    tables = [pd.read_csv(path, sep="\t", dtype=str, quoting=csv.QUOTE_NONE) for path in (shared, excerpt)]
    both = pd.concat([tables[0], tables[1].rename(columns=names)])[list(names.values())]
    both = both.drop_duplicates(["chrom", "pos", "ref", "alt"])
    both["review_status"] = both["review_status"].str.replace("_", " ")
    both.to_csv(out, sep="\t", index=False, quoting=csv.QUOTE_NONE)


def learnt(bench: Bench, name: str, rows: Labelled, others: pd.DataFrame, asked: pd.DataFrame):
    """Scores of the asked rows by `balanced`, learnt from the others as the product learns, and what it learnt from."""
    states = [AlignedRelease(release, others) for release in rows.past]
    learning = learning_rows(others, states, states[-1], LATEST, seed=SHUFFLES[0])
    together = rows.groups[learning["row"]].to_numpy()
    learning = learning.drop(columns=list(BOOKKEEPING)).reset_index(drop=True)
    return bench.balanced(name, learning, together, asked)[0], learning


def ten_years(bench: Bench) -> None:
    """Learnt from all other genes; and, judged by the shared half, from that half alone."""
    rows = label_rows(bench)
    half, everything = rows.asked.index.isin(rows.half), np.full(len(rows.asked), True)
    found = []
    for shuffle in SHUFFLES:
        score, by_half, known_class = np.full((3, len(rows.asked)), np.nan)
        for number, (held, others) in enumerate(rows.folds(shuffle)):
            name, asked = f"ten-years-{shuffle}-{number}", rows.asked.iloc[held]
            score[held], learning = learnt(bench, name, rows, others, asked)
            known_class[held] = classification_baselines(learning, asked)["classification alone"]
            of_half = others[others.index.isin(rows.half)]
            by_half[held], _ = learnt(bench, f"{name}-half", rows, of_half, asked)
        for what, judged, name, values in (
            ("all", everything, "probability", score),
            ("all", everything, "classification alone", known_class),
            ("half", half, "probability", score),
            ("half", half, "learnt from the half", by_half),
        ):
            found.append({"shuffle": shuffle} | bench.judged(what, rows.asked[judged], name, values[judged]))
        if shuffle == SHUFFLES[0]:
            bench.keep("ten_years_intervals", intervals(rows, score))
    keep_means(bench, "ten_years", found)


def more_genes(bench: Bench) -> None:
    """The same with fewer genes to learn from."""
    rows, found = label_rows(bench), []
    for share in (0.25, 0.5):
        for shuffle in SHUFFLES:
            score = np.full(len(rows.asked), np.nan)
            for number, (held, others) in enumerate(rows.folds(shuffle)):
                name, some = f"ten-years-{shuffle}-{number}-{share}", rows.part(others, share, shuffle)
                score[held], _ = learnt(bench, name, rows, some, rows.asked.iloc[held])
            found.append({"shuffle": shuffle} | bench.judged(f"{share} of them", rows.asked, "probability", score))
    keep_means(bench, "more_genes", found)


def first_version(bench: Bench) -> None:
    """The same rows and folds by the project's first version, learnt from ten-year transitions of other genes."""
    rows, checkout, found = label_rows(bench), (bench.out / "first-version").resolve(), []
    if not checkout.exists():
        git = shutil.which("git") or "git"
        subprocess.run([git, "worktree", "add", "--detach", checkout, FIRST_VERSION], check=True)
    half = rows.asked.index.isin(rows.half)
    asked, folds = bench.out / "asked.parquet", bench.out / "folds.parquet"
    rows.asked.reset_index(drop=True).to_parquet(asked)
    for shuffle in SHUFFLES:
        numbers = np.zeros(len(rows.asked), int)
        for number, (held, _) in enumerate(rows.folds(shuffle)):
            numbers[held] = number
        pd.DataFrame({"fold": numbers, "group": rows.groups[rows.asked.index].to_numpy()}).to_parquet(folds)
        command = [sys.executable, Path(__file__).with_name("first_version.py"), asked, folds]
        subprocess.run(command, check=True, env=os.environ | {"PYTHONPATH": str(checkout)})
        score = pd.read_parquet(folds)["score"].to_numpy()
        for what, judged in (("all", np.full(len(half), True)), ("half", half)):
            row = bench.judged(what, rows.asked[judged], "first version", score[judged])
            found.append({"shuffle": shuffle} | row)
    keep_means(bench, "first_version", found)


def keep_means(bench: Bench, name: str, found: list[dict]) -> None:
    """Every shuffle's figures, and their means and how far one shuffle lies from another (standard deviation)."""
    bench.keep(f"{name}_shuffles", pd.DataFrame(found))
    grouped = pd.DataFrame(found).drop(columns="shuffle").groupby(["what", "score"], sort=False)
    spread = grouped[["roc_auc", "average_precision", "within_uncertain"]].std().add_suffix("_sd")
    bench.keep(name, grouped.mean().join(spread).reset_index())


def intervals(rows: Labelled, score: np.ndarray) -> pd.DataFrame:
    """Intervals by whole genes, of all rows and of the uncertain ones, and how few genes most rows are of."""
    said, found = rows.asked["prior_CLNSIG"].map(stated_class, na_action="ignore"), []
    for what, kept in (("all", np.full(len(said), True)), ("uncertain", (said == UNCERTAIN).to_numpy())):
        genes = rows.groups[rows.asked.index[kept]]
        truth = rows.asked["CLASS"].to_numpy()[kept]
        figures = evaluation.metrics(truth, score[kept], 0.5, groups=genes.to_numpy(), seed=SHUFFLES[0])
        sizes = genes.value_counts()
        names = ("n", "roc_auc", "roc_auc_ci", "average_precision", "average_precision_ci")
        found.append({"rows": what} | {name: figures[name] for name in names})
        found[-1] |= {"genes": len(sizes), "share_of_ten_largest": sizes.head(10).sum() / sizes.sum()}
    return pd.DataFrame(found)
