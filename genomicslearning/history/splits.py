"""Splits of a training set into rows to learn from and rows to judge by: random, by gene, and by release date."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import date
from os import PathLike

import numpy as np
import pandas as pd

from genomicslearning import InputError, clinvar
from genomicslearning.history.past import joined_by_identifier, perhaps_newer, read_past
from genomicslearning.history.releases import SINGLE_SUBMITTER, Release, read_release
from genomicslearning.history.repeated import check_no_variant_on_both_sides, first_of_repeated, repeated_words
from genomicslearning.history.submissions import LATER_COLUMNS, AlignedRelease
from genomicslearning.training_set.table import gene_symbols

KINDS = ("random", "gene", "time")
# Columns of `Split.learning` that no model sees: which row of the table it is, and whether its submission is real.
BOOKKEEPING = ("row", "transition")
# Share of a release's single submitters that lie in genes of the table: .89 of the published table two years later, .08
# of an excerpt of ten genes.
WHOLE_TABLE = 0.75


@dataclass
class Split:
    """Rows to learn from and rows to judge by, both like the table they come from (its index tells which row is which).

    `test_groups` has one gene-group id a test row (split `gene`), else None; `notes` say in words what was done.

    Where features are `prospective`, `learning` are the rows that a model learns from: what a single submission said
    (`prior_*`, real or drawn), how long before the label (`horizon_days`, missing where drawn), and whether it is a
    real `transition`. A time split also has `transitions`, which training rows had a single submitter in an earlier
    release and several in the newest one, and `single_submitters`: the variants with a single submitter in the newest
    earlier release, with `second` = whether they had several by the table's. `horizon_days` is from that release to
    the table, None where a date is not known.
    """

    kind: str
    train: pd.DataFrame
    test: pd.DataFrame
    test_groups: np.ndarray | None = None
    notes: list[str] = field(default_factory=list)
    transitions: np.ndarray | None = None
    single_submitters: pd.DataFrame | None = None
    learning: pd.DataFrame | None = None
    learning_groups: np.ndarray | None = None
    horizon_days: int | None = None
    repeated: int = 0

    def to_learn_from(self) -> tuple[pd.DataFrame, np.ndarray | None]:
        """The rows as a model should see them, and the group of each (rows of a group stay in one fold).

        Split `gene` gives gene groups. Split `time` gives one group a variant: what a model learns of one gene's or
        one variant's own rows says little of a later time (docs/evaluation.md).
        """
        if self.learning is not None:
            return self.learning.drop(columns=list(BOOKKEEPING)).reset_index(drop=True), self.learning_groups
        return self.train, gene_groups(self.train) if self.kind == "gene" else None

    def without(self, rows: np.ndarray) -> tuple[pd.DataFrame, np.ndarray | None]:
        """As `to_learn_from` of a time split, leaving out the training rows with these numbers."""
        learning, groups = self.to_learn_from()
        if self.learning is None or groups is None:
            raise InputError("split time: training rows can be left out of a time split only")
        kept = ~np.isin(self.train.index.get_indexer(self.learning["row"]), rows)
        return learning[kept].reset_index(drop=True), groups[kept]


def split(
    table: pd.DataFrame,
    kind: str = "random",
    *,
    train_fraction: float = 0.8,
    seed: int = 200,
    earlier: Sequence[str | PathLike] = (),
    assembly: str = "",
    features: str = "all",
    release: str | PathLike = "",
    table_date: date | None = None,
) -> Split:
    """Split a training set; of a variant that stands in several rows the first is taken.

    Parameters
    ----------
    table : as `read_table` gives it.
    kind : `random` draws rows, `gene` draws whole gene groups, `time` takes the releases in `earlier` as the past.
    train_fraction : share of rows to learn from (`random` and `gene`).
    earlier : ClinVar VCFs or tab-delimited releases, oldest first (`time`; `random` and `gene` with `prospective`).
    assembly : genome assembly of releases that do not say theirs, where it is not the table's.
    features : with `prospective`, rows under `random` and `gene` get what a single submission said (docs/model.md).
    release : the table's own release, from which single submissions are drawn where there is no earlier one.
    table_date : date of the table's release, for the distance to the labels.

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
    if kind == "time" or (features == "prospective" and earlier):
        past = read_past(table, earlier, assembly, table_date)
        if kind == "time":
            parts = _by_time(table, past, seed, table_date)
        else:
            parts = _from_the_past(table, kind, past, train_fraction, seed, table_date)
        parts.notes += joined_by_identifier(table, past)
    else:
        rows = table
        notes: list[str] = []
        if features == "prospective":
            rows, notes = with_drawn_submissions(table, release, assembly=assembly, seed=seed)
        parts = (_random if kind == "random" else _by_gene)(rows, train_fraction, seed)
        parts.notes += notes
    _check_classes(parts)
    check_no_variant_on_both_sides(parts.train, parts.test)
    parts.repeated = repeated
    if repeated:
        parts.notes.append(repeated_words(repeated))
    return parts


# Which variants a side of a time split has: neither seed nor share draws them.
_MORE_OF_TIME = {
    "training": "several submitters in the newest earlier release, labelled as they were then",
    "test": "a single submitter in the newest earlier release, labelled as they are now",
}


def _check_classes(parts: Split) -> None:
    """Refuse a side without rows of both classes."""
    for side, rows in (("training", parts.train), ("test", parts.test)):
        if rows["CLASS"].nunique() == 2:
            continue
        found = f"split {parts.kind}: the {side} side has {len(rows):,} rows and {rows['CLASS'].nunique()} class(es)"
        if parts.kind == "time":
            raise InputError(
                f"{found}, two are needed; it has the table's variants that had {_MORE_OF_TIME[side]}: give a larger "
                "table or another earlier release"
            )
        raise InputError(f"{found}, two are needed; use a larger table, another seed or another train_fraction")


def _random(table: pd.DataFrame, train_fraction: float, seed: int) -> Split:
    train = table.sample(frac=train_fraction, random_state=seed)
    test = table.drop(train.index)
    return Split("random", train, test, notes=[f"{len(train):,} rows drawn at random with seed {seed} to learn from."])


def _by_gene(table: pd.DataFrame, train_fraction: float, seed: int, groups: np.ndarray | None = None) -> Split:
    groups = gene_groups(table) if groups is None else pd.factorize(groups)[0]
    sizes = np.bincount(groups)
    if len(sizes) == 1:
        raise InputError("split gene: all rows are in one gene group, so none can be held out; choose split random")
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
    notes = [note]
    if nameless := int((gene_symbols(table).fillna("") == "").sum()):
        notes.append(f"{nameless:,} rows name no gene and stand alone: their genes may be on both sides all the same.")
    return Split("gene", table[train_rows], table[~train_rows], groups[~train_rows], notes)


def _by_time(table: pd.DataFrame, releases: list[Release], seed: int, table_date: date | None) -> Split:
    *past, newest = releases
    then = AlignedRelease(newest, table)
    label_then = then.label()
    is_test, is_train = then.single, label_then.notna().to_numpy()
    train = table[is_train].copy()
    train["CLASS"] = label_then[is_train].astype(table["CLASS"].dtype)
    states = [AlignedRelease(release, train) for release in past]
    source = AlignedRelease(newest, train)
    learning = learning_rows(train, states, source, newest.date, seed=seed)
    real = learning[learning["transition"]]
    transitions = np.isin(np.arange(len(train)), train.index.get_indexer(real["row"]))
    train = train.assign(**{name: real.set_index("row")[name].reindex(train.index) for name in clinvar.PRIOR_COLUMNS})
    test = table[is_test].assign(**then.prior()[is_test])
    conflict_then = then.column("CONFLICT")[is_train]
    for rows in (train, test, learning):
        _forget_later(rows)
    for rows in (train, test):
        rows["first_seen"] = _first_seen(rows, releases)
    train["CONFLICT"] = conflict_then
    learning["CONFLICT"] = conflict_then.reindex(learning["row"]).to_numpy()

    singles, where = _single_submitters(newest, then.rows[is_test], table)
    notes = _notes_of_time(newest, train, test, learning, int(transitions.sum()), singles, where)
    notes += [source.why_none_drawn] if source.why_none_drawn else []
    notes += perhaps_newer(then, table_date)
    return Split(
        "time",
        train,
        test,
        notes=notes,
        transitions=transitions,
        single_submitters=singles.drop(columns="key"),
        learning=learning,
        learning_groups=pd.factorize(learning["row"])[0],
        horizon_days=_days(newest.date, table_date),
    )


def _single_submitters(release: Release, judged: np.ndarray, table: pd.DataFrame) -> tuple[pd.DataFrame, str]:
    """The release's variants with a single submitter, and which they are in words.

    `second` tells which are `judged`, by their row in the release. Of a table of some genes those of its genes: it does
    not tell what became of the others.
    """
    singles = release.variants[release.variants["review_status"] == SINGLE_SUBMITTER].copy()
    repeating = singles.select_dtypes("category").columns
    singles = singles.astype(dict.fromkeys(repeating, "str"))
    singles["second"] = np.isin(singles.index, judged)
    genes = gene_symbols(table).dropna()
    of_its_genes = singles["SYMBOL"].isin(genes) | singles["second"]
    if genes.empty or of_its_genes.mean() >= WHOLE_TABLE:
        return singles, f"had a single submitter in {release.name}"
    words = f"of the table's genes had a single submitter in {release.name} ({len(singles):,} of all genes)"
    return singles[of_its_genes], words


def _notes_of_time(
    newest: Release,
    train: pd.DataFrame,
    test: pd.DataFrame,
    learning: pd.DataFrame,
    transitions: int,
    singles: pd.DataFrame,
    where: str,
) -> list[str]:
    drawn = int((~learning["transition"] & learning["prior_CLNSIG"].notna()).sum())
    return [
        f"{len(test):,} variants with a single submitter in {newest.name} and several in the table to judge by, "
        f"labelled as they are now; {test['CLASS'].mean():.1%} of them conflict.",
        f"{len(train):,} variants with several submitters in {newest.name} to learn from, labelled as they were then; "
        f"{transitions:,} of them had a single submitter in an earlier release (transitions). With features "
        f"prospective one submission is drawn of each of the others, as if it stood alone ({drawn:,}).",
        f"{len(singles):,} variants {where}; "
        f"{singles['second'].mean():.0%} of them have several in the table. What is estimated is the chance of "
        "conflict given that several laboratories have classified the variant by the later release.",
    ]


def _from_the_past(
    table: pd.DataFrame, kind: str, releases: list[Release], train_fraction: float, seed: int, table_date: date | None
) -> Split:
    """Random or gene split of the variants that had a single submitter in the newest earlier release.

    The table's label is what became of each by the table's date: the split holds out variants or genes, not time. The
    table's other rows teach beside the training rows (older transitions, drawn submissions), but for those that share
    a gene with a test row under `gene`.
    """
    newest = releases[-1]
    then = AlignedRelease(newest, table)
    singles = table.assign(**then.prior())[then.single]
    if singles.empty:
        raise InputError(f"split {kind}: no variant of the table had a single submitter in {newest.name}")
    groups = pd.Series(gene_groups(table), index=table.index)
    if kind == "gene":
        parts = _by_gene(singles, train_fraction, seed, groups[singles.index].to_numpy())
    else:
        parts = _random(singles, train_fraction, seed)
    teaching = table.index.isin(parts.train.index) | ~then.single
    if kind == "gene":
        teaching &= ~groups.isin(set(groups[parts.test.index])).to_numpy()
    rows = table[teaching]
    states = [AlignedRelease(release, rows) for release in releases]
    learning = learning_rows(rows, states, states[-1], table_date, seed=seed)
    for side in (parts.train, parts.test, learning):
        _forget_later(side)
    parts.learning = learning
    parts.learning_groups = groups[learning["row"]].to_numpy() if kind == "gene" else pd.factorize(learning["row"])[0]
    parts.horizon_days = _days(newest.date, table_date)
    parts.notes.append(
        f"{len(singles):,} variants of the table had a single submitter in {newest.name}; they carry what it said and "
        f"are labelled by the table. {int(learning['transition'].sum()):,} transitions to learn from, and "
        f"{int((~learning['transition']).sum()):,} other variants, of each that had several submitters by then one "
        "submission drawn."
    )
    parts.notes += [states[-1].why_none_drawn] if states[-1].why_none_drawn else []
    parts.notes += perhaps_newer(then, table_date)
    return parts


def learning_rows(
    rows: pd.DataFrame, states: Sequence[AlignedRelease], source: AlignedRelease, labelled: date | None, *, seed: int
) -> pd.DataFrame:
    """The rows with what a single submission said: really, where a state shows one, else drawn from the source.

    Each variant counts once (docs/evaluation.md, What teaches).

    Parameters
    ----------
    rows : labelled variants.
    states : releases before the label, oldest first: of several single submissions the last one counts.
    source : release from which a submission of every other variant is drawn.
    labelled : date of the labels, for `horizon_days` (from the state to the label).
    """
    drawn = source.drawn(rows, seed=seed)
    transition = np.zeros(len(rows), dtype=bool)
    horizon = pd.Series(np.nan, index=rows.index)
    for state in states:
        drawn.loc[state.single] = state.prior()[state.single]
        transition |= state.single
        if (days := _days(state.release.date, labelled)) is not None:
            horizon[state.single] = days
    return rows.assign(**drawn, horizon_days=horizon, transition=transition, row=rows.index)


def with_drawn_submissions(
    table: pd.DataFrame, release: str | PathLike, *, assembly: str = "", seed: int
) -> tuple[pd.DataFrame, list[str]]:
    """The table with one submission of each variant's drawn from its own release, and a note that says so."""
    if not release:
        note = (
            "No release to draw single submissions from: what a single submission says stays unknown, and the model is "
            "one of biology. Give the ClinVar VCF of the training set (clinvar), or earlier releases (earlier)."
        )
        return table, [note]
    newest = read_release(release, assembly=assembly, like=table)
    aligned = AlignedRelease(newest, table)
    drawn = aligned.drawn(table, seed=seed)
    note = aligned.why_none_drawn or (
        f"One submission drawn of each variant's in {newest.name}, as if it stood alone: "
        f"{int(drawn['prior_CLNSIG'].notna().sum()):,} of {len(table):,} rows."
    )
    return table.assign(**drawn), [note]


def _forget_later(rows: pd.DataFrame) -> None:
    """Empty the cells that say who has submitted what by the later release."""
    for column in LATER_COLUMNS:
        if column in rows:
            rows[column] = pd.Series(np.nan, index=rows.index, dtype="str")


def _days(before: date | None, after: date | None) -> int | None:
    return (after - before).days if before and after else None


def _first_seen(rows: pd.DataFrame, releases: Sequence[Release]) -> pd.Series:
    """The first of the releases that has each row's variant, by its date, where it has none by its name."""
    seen = pd.Series(np.nan, index=rows.index, dtype="str")
    for number, release in reversed(list(enumerate(releases))):
        present = release.rows_of(rows) >= 0
        named = str(release.date or release.name)
        seen[present] = named if number else f"{named} or before"
    return seen


def gene_groups(table: pd.DataFrame) -> np.ndarray:
    """Which rows must stay together so that no gene is on both sides of a split.

    Groups are the connected components over the symbols in GENEINFO (`BRCA2:675|ZAR1L:646799`); SYMBOL stands in where
    GENEINFO is missing, and a row with neither is a group of its own.

    Returns
    -------
    ndarray of int, one id a row, numbered from 0 in order of first appearance.
    """
    # Imported where they are used: a run's first step only asks for a variant's key.
    from scipy.sparse import coo_array
    from scipy.sparse.csgraph import connected_components

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
