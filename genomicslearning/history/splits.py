"""Splits of a training set into rows to learn from and rows to judge by: random, by gene, and by release date."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from os import PathLike

import numpy as np
import pandas as pd
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components

from genomicslearning import InputError, clinvar
from genomicslearning.history.releases import SINGLE_SUBMITTER, Release, assembly_name, assembly_of, read_release

KINDS = ("random", "gene", "time")
# Of 1, 3 and 6 the middle one; they differ by less than their intervals (docs/evaluation.md).
TRANSITION_WEIGHT = 3


@dataclass
class Split:
    """Rows to learn from and rows to judge by, both like the table they come from (its index tells which row is which).

    `test_groups` has one gene-group id a test row (split `gene`), else None; `notes` say in words what was done.

    A time split also has `transitions`, which training rows had a single submitter in an earlier release and several in
    the newest one, and `single_submitters`: the variants with a single submitter in the newest earlier release, with
    `second` = whether they had several by the table's.
    """

    kind: str
    train: pd.DataFrame
    test: pd.DataFrame
    test_groups: np.ndarray | None = None
    notes: list[str] = field(default_factory=list)
    transitions: np.ndarray | None = None
    single_submitters: pd.DataFrame | None = None

    def to_learn_from(self) -> tuple[pd.DataFrame, np.ndarray | None]:
        """The training rows as a model should see them, and the group of each (rows of a group stay in one fold).

        Split `gene` gives gene groups. Split `time` gives each transition three times, since transitions are the
        variants most like those that are asked for, and one group a variant, so that no fold learns its own rows.
        """
        if self.kind == "gene":
            return self.train, gene_groups(self.train)
        if self.transitions is None:
            return self.train, None
        rows = np.repeat(np.arange(len(self.train)), np.where(self.transitions, TRANSITION_WEIGHT, 1))
        return self.train.iloc[rows].reset_index(drop=True), rows


def split(
    table: pd.DataFrame,
    kind: str = "random",
    *,
    train_fraction: float = 0.8,
    seed: int = 200,
    earlier: Sequence[str | PathLike] = (),
    assembly: str = "",
) -> Split:
    """Split a training set; of a variant that stands in several rows the first is taken.

    Parameters
    ----------
    table : as `read_table` gives it.
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
    table, repeated = first_of_repeated(table)
    if kind == "random":
        parts = _random(table, train_fraction, seed)
    elif kind == "gene":
        parts = _by_gene(table, train_fraction, seed)
    else:
        parts = _by_time(table, earlier, assembly)
    for side, rows in (("training", parts.train), ("test", parts.test)):
        if rows["CLASS"].nunique() < 2:
            raise InputError(
                f"split {kind}: the {side} side has {len(rows):,} rows and {rows['CLASS'].nunique()} class(es), "
                "two are needed; use a larger table, another seed or another train_fraction"
            )
    check_no_variant_on_both_sides(parts.train, parts.test)
    if repeated:
        parts.notes.append(repeated_words(repeated))
    return parts


def first_of_repeated(table: pd.DataFrame) -> tuple[pd.DataFrame, int]:
    """The table with the first row of each variant (CHROM, POS, REF, ALT), and how many rows were left out."""
    repeated = variant_key(table).duplicated()
    count = int(repeated.sum())
    return (table.loc[~repeated].reset_index(drop=True) if count else table), count


def repeated_words(count: int) -> str:
    """What is said of rows of a variant that stands in an earlier row."""
    return f"{count:,} rows are of a variant that stands in an earlier row; the first row of each is learnt from."


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


# Cells of the later release that say who has submitted what by then. Not known when the prediction is made.
LATER_COLUMNS = (*sorted(clinvar.GROWS_WITH_SUBMITTERS), "CONFLICT")


def _by_time(table: pd.DataFrame, earlier: Sequence[str | PathLike], assembly: str) -> Split:
    if not earlier:
        raise InputError("split time: needs at least one earlier release (--earlier clinvar_2016.vcf.gz, oldest first)")
    releases = [read_release(path, assembly=assembly, like=table) for path in earlier]
    _check_assemblies(table, releases, assembly)
    *past, newest = releases
    then = AlignedRelease(newest, table)
    label_then = then.status.map(clinvar.label, na_action="ignore")
    is_test, is_train = (then.status == SINGLE_SUBMITTER).to_numpy(), label_then.notna().to_numpy()

    train = table[is_train].copy()
    train["CLASS"] = label_then[is_train].astype(table["CLASS"].dtype)
    prior = pd.DataFrame(np.nan, index=train.index, columns=list(clinvar.PRIOR_COLUMNS), dtype="str")
    transitions = np.zeros(len(train), dtype=bool)
    for release in past:  # oldest first: the last word of a single submitter before the others came is kept
        before = AlignedRelease(release, train)
        single = (before.status == SINGLE_SUBMITTER).to_numpy()
        prior.loc[single] = before.prior()[single]
        transitions |= single
    train = train.assign(**prior)
    test = table[is_test].assign(**then.prior()[is_test])
    for rows in (train, test):
        rows["first_seen"] = _first_seen(rows, releases)
        for column in LATER_COLUMNS:
            if column in rows:
                rows[column] = pd.Series(np.nan, index=rows.index, dtype="str")
    train["CONFLICT"] = then.column("CONFLICT")[is_train]

    singles = newest.variants[newest.variants["review_status"] == SINGLE_SUBMITTER].copy()
    singles["second"] = np.isin(singles.index, then.rows[is_test])
    notes = [
        f"{len(test):,} variants with a single submitter in {newest.name} and several in the table to judge by, "
        f"labelled as they are now; {test['CLASS'].mean():.1%} of them conflict.",
        f"{len(train):,} variants with several submitters in {newest.name} to learn from, labelled as they were then; "
        + (
            f"{int(transitions.sum()):,} of them had a single submitter before (transitions)."
            if past
            else "no transitions, which need two earlier releases."
        ),
        f"{len(singles):,} variants had a single submitter in {newest.name}; "
        f"{singles['second'].mean():.0%} of them have several in the table. What is estimated is the chance of "
        "conflict given that several laboratories have classified the variant by the later release.",
    ]
    return Split(
        "time", train, test, notes=notes, transitions=transitions, single_submitters=singles.drop(columns="key")
    )


def with_prior(table: pd.DataFrame, earlier: Sequence[str | PathLike], *, assembly: str = "") -> pd.DataFrame:
    """The table with `prior_*` for the variants that had a single submitter in the newest of these releases."""
    releases = [read_release(earlier[-1], assembly=assembly, like=table)]
    _check_assemblies(table, releases, assembly)
    known = AlignedRelease(releases[0], table)
    return table.assign(**known.prior().where(known.status == SINGLE_SUBMITTER))


class AlignedRelease:
    """What a release said about each row of a table; missing where it does not have the variant."""

    def __init__(self, release: Release, table: pd.DataFrame):
        self.rows = release.rows_of(table)
        self._release, self._index = release, table.index
        self.status = self.column("review_status")

    def column(self, name: str) -> pd.Series:
        """A column of the release, aligned with the table."""
        known = self._release.variants[name].to_numpy(dtype=object)[self.rows]
        return pd.Series(np.where(self.rows >= 0, known, np.nan), index=self._index).astype("str")

    def prior(self) -> pd.DataFrame:
        """The release's classification, condition and review status under the names of `PRIOR_COLUMNS`."""
        return pd.DataFrame({ours: self.column(theirs) for ours, theirs in clinvar.PRIOR_COLUMNS.items()})


def _first_seen(rows: pd.DataFrame, releases: Sequence[Release]) -> pd.Series:
    seen = pd.Series(np.nan, index=rows.index, dtype="str")
    for number, release in reversed(list(enumerate(releases))):
        present = release.rows_of(rows) >= 0
        seen[present] = release.name if number else f"{release.name} or before"
    return seen


def _check_assemblies(table: pd.DataFrame, releases: Sequence[Release], assembly: str) -> None:
    ours = (assembly_of(table["CLNHGVS"]) if "CLNHGVS" in table else None) or assembly_name(assembly)
    if ours is None:
        raise InputError(
            "split time: the table does not say its genome assembly (no CLNHGVS); give the parameter assembly"
        )
    for release in releases:
        if release.assembly != ours:
            raise InputError(
                f"split time: {release.name} is {release.assembly}, the table is {ours}; "
                "give releases of the table's assembly"
            )


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
