"""The earlier releases of a table: read, of one assembly, and in their order."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date
from itertools import pairwise
from os import PathLike

import pandas as pd

from genomicslearning import InputError, clinvar
from genomicslearning.history.assemblies import assembly_of_table
from genomicslearning.history.releases import Release, read_release
from genomicslearning.history.submissions import AlignedRelease

# Share of a table's variants with one submitter in an earlier release: two thirds two years before, a tenth half a year
# before, and one in 270 in a release that is eight years newer.
FEW_SINGLE = 0.01


def read_past(
    table: pd.DataFrame, earlier: Sequence[str | PathLike], assembly: str, table_date: date | None = None
) -> list[Release]:
    """The earlier releases, oldest first, of the table's assembly or joined to it by VariationIDs.

    The newest is held as a whole, of the others the table's variants: ten releases of today take the memory of one.

    Raises
    ------
    InputError
        There are none, two of them are out of order, one is not older than the table, or is of another assembly and
        shares no VariationIDs with it.
    """
    if not earlier:
        raise InputError(
            "split time: needs at least one earlier release: parameter earlier, oldest first (--earlier, once for each)"
        )
    releases = []
    for number, path in enumerate(earlier, 1):
        release = read_release(path, assembly=assembly, like=table)
        releases.append(release if number == len(earlier) else release.of_interest(table))
    _check_assemblies(table, releases, assembly)
    check_order([(release.name, release.date) for release in releases], table_date)
    return releases


def check_order(releases: Sequence[tuple[str, date | None]], table_date: date | None = None) -> None:
    """Refuse earlier releases, by name and date, that are not oldest first or not older than the table.

    Raises
    ------
    InputError
        Names the release and its date.
    """
    for (older, one), (newer, other) in pairwise(releases):
        if one and other and one >= other:
            raise InputError(f"earlier: {older} is not older than {newer}; give them oldest first")
    for name, day in releases:
        if day and table_date and day >= table_date:
            raise InputError(
                f"earlier: {name} is of {day}, the table of {table_date}; what is learnt from must be older than what "
                "is judged: give an earlier release (or the table's own date, table_date)"
            )


def _check_assemblies(table: pd.DataFrame, releases: Sequence[Release], assembly: str) -> None:
    ours = assembly_of_table(table) or clinvar.assembly_name(assembly)
    if ours is None:
        raise InputError(
            "split time: the table does not say its genome assembly (no CLNHGVS); give the parameter assembly"
        )
    for release in releases:
        if release.assembly != ours and not release.shares_identifiers(table):
            raise InputError(
                f"split time: {release.name} is {release.assembly}, the table is {ours}, and they share too few "
                "VariationIDs to join by; give releases of the table's assembly"
            )


def joined_by_identifier(table: pd.DataFrame, releases: Sequence[Release]) -> list[str]:
    """What is to be said of releases that are of another assembly than the table."""
    elsewhere = [release.name for release in releases if release.elsewhere(table)]
    return [f"{name} is not of the table's genome assembly; it is joined by VariationIDs alone." for name in elsewhere]


def perhaps_newer(then: AlignedRelease, table_date: date | None) -> list[str]:
    """What is to be said of a release that looks newer than the table, where no dates tell that it is older."""
    if then.release.date and table_date:
        return []
    single, several = int(then.single.sum()), int(then.label().notna().sum())
    if single >= FEW_SINGLE * (single + several):
        return []
    return [
        f"Of the table's variants {several:,} have several submitters in {then.release.name} and only {single:,} have "
        "one: it looks newer than the table, or hardly older. Give the table's date (table_date), so that the order "
        "can be checked."
    ]
