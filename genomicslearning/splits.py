"""Splits of a training set into rows to learn from and rows to judge by: random, by gene, and by release date."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from os import PathLike

import numpy as np
import pandas as pd
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components

from genomicslearning import InputError

KINDS = ("random", "gene", "time")


@dataclass
class Split:
    """Rows to learn from and rows to judge by, both like the table they come from (its index tells which row is which).

    `test_groups` has one gene-group id a test row (split `gene`), else None; `notes` say in words what was done.
    """

    kind: str
    train: pd.DataFrame
    test: pd.DataFrame
    test_groups: np.ndarray | None = None
    notes: list[str] = field(default_factory=list)


def split(
    table: pd.DataFrame,
    kind: str = "random",
    *,
    train_fraction: float = 0.8,
    seed: int = 200,
    earlier: Sequence[str | PathLike] = (),
    assembly: str = "",
) -> Split:
    """Split a training set.

    Parameters
    ----------
    table : as `training_set.read_table` gives it.
    kind : `random` draws rows, `gene` draws whole gene groups, `time` takes the releases in `earlier` as the past.
    train_fraction : share of rows to learn from (`random` and `gene`).
    earlier : ClinVar VCFs or tab-delimited releases, oldest first (`time`).
    assembly : genome assembly of releases that do not say theirs, such as `GRCh37` (`time`).

    Raises
    ------
    InputError
        Unknown kind, an impossible fraction, one class on a side, or releases that do not fit the table.
    """
    if kind not in KINDS:
        raise InputError(f"split: {kind!r} is not a split; choose one of {', '.join(KINDS)}")
    if not 0 < train_fraction < 1:
        raise InputError(f"train_fraction: {train_fraction} is not between 0 and 1; 0.8 is usual")
    if kind == "random":
        parts = _random(table, train_fraction, seed)
    elif kind == "gene":
        parts = _by_gene(table, train_fraction, seed)
    else:
        # The time split has a room of its own, which needs this one's Split.
        from genomicslearning.time_split import by_time

        parts = by_time(table, earlier, assembly=assembly)
    for side, rows in (("training", parts.train), ("test", parts.test)):
        if rows["CLASS"].nunique() < 2:
            raise InputError(
                f"split {kind}: the {side} side has {len(rows):,} rows and {rows['CLASS'].nunique()} class(es), "
                "two are needed; use a larger table, another seed or another train_fraction"
            )
    check_no_variant_on_both_sides(parts.train, parts.test)
    return parts


def _random(table: pd.DataFrame, train_fraction: float, seed: int) -> Split:
    train = table.sample(frac=train_fraction, random_state=seed)
    test = table.drop(train.index)
    return Split("random", train, test, notes=[f"{len(train):,} rows drawn at random with seed {seed} to learn from."])


def _by_gene(table: pd.DataFrame, train_fraction: float, seed: int) -> Split:
    groups = gene_groups(table)
    sizes = np.bincount(groups)
    room = round(train_fraction * len(table))
    in_train = np.zeros(len(sizes), dtype=bool)
    for group in np.random.default_rng(seed).permutation(len(sizes)):
        if sizes[group] <= room:
            in_train[group] = True
            room -= sizes[group]
    train_rows = in_train[groups]
    note = (
        f"{int(in_train.sum()):,} gene groups to learn from and {int((~in_train).sum()):,} to judge by, "
        f"shuffled with seed {seed}; no gene is on both sides."
    )
    return Split("gene", table[train_rows], table[~train_rows], groups[~train_rows], [note])


def gene_groups(table: pd.DataFrame) -> np.ndarray:
    """Which rows must stay together so that no gene is on both sides of a split.

    Groups are the connected components over the symbols in GENEINFO (`BRCA2:675|ZAR1L:646799`); SYMBOL stands in where
    GENEINFO is missing, and a row with neither is a group of its own.

    Returns
    -------
    ndarray of int, one id a row, numbered from 0 in order of first appearance.
    """
    symbol = table["SYMBOL"] if "SYMBOL" in table else pd.Series(np.nan, index=table.index)
    genes = table["GENEINFO"].where(table["GENEINFO"].notna(), symbol) if "GENEINFO" in table else symbol
    rows, names = [], []
    for row, text in enumerate(genes):
        if not isinstance(text, str) or not text:
            continue
        for gene in text.split("|"):
            rows.append(row)
            names.append(gene.partition(":")[0])
    codes, distinct = pd.factorize(np.array(names, dtype=object))
    edges = coo_array((np.ones(len(rows)), (rows, codes + len(table))), shape=(len(table) + len(distinct),) * 2)
    component = connected_components(edges, directed=False)[1][: len(table)]
    return pd.factorize(component)[0]


def variant_key(table: pd.DataFrame) -> pd.Series:
    """One text a row that names the variant: chromosome, position and alleles."""
    parts = [table["POS"].astype(str), table["REF"], table["ALT"]]
    return table["CHROM"].astype(str).str.cat(parts, sep=":", na_rep="")


def check_no_variant_on_both_sides(train: pd.DataFrame, test: pd.DataFrame) -> None:
    """A variant that is learnt and then asked for makes every figure of a split worthless.

    Raises
    ------
    InputError
        Names the first such variant and how many there are.
    """
    both = np.intersect1d(variant_key(train), variant_key(test))
    if len(both):
        raise InputError(
            f"split: {len(both):,} variant(s) would be on both sides, the first is {both[0]}; "
            "remove repeated rows from the table (same CHROM, POS, REF, ALT)"
        )
