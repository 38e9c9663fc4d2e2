"""What changed between two ClinVar releases: every variant that is new, gone or changed, and what became of conflicts.

Words are ClinGen's: a conflict is *medically significant* where P/LP stands against the rest (ClinGen Sequence Variant
Inter-Laboratory Discrepancy Resolution, 2017 on), and the *outlier* is a group with a third of the submissions or
fewer.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import pandas as pd

from genomicslearning import InputError, clinvar
from genomicslearning.history.releases import SINGLE_SUBMITTER, Release

NEW, GONE, CHANGED = "new", "gone", "changed"
# What became of a conflict, or how one came about.
APPEARED = "conflict appeared"
NEW_CONFLICT = "new and in conflict"
BY_AGREEMENT = "resolved by agreement"
BY_PANEL = "resolved by expert panel"
BY_REMOVAL = "resolved by removal"
KIND_CHANGED = "conflict of another kind"
PERSISTS = "conflict persists"
CONFLICT_EVENTS = (APPEARED, NEW_CONFLICT, BY_AGREEMENT, BY_PANEL, BY_REMOVAL, KIND_CHANGED, PERSISTS)
PANEL = ("reviewed by expert panel", "practice guideline")
SIGNIFICANT = "medically significant"
OUTLIER_SHARE = 1 / 3

COLUMNS = (
    "change",
    "conflict",
    "gene",
    "CHROM",
    "POS",
    "REF",
    "ALT",
    "VARIATION_ID",
    "review_status_before",
    "review_status_after",
    "classification_before",
    "classification_after",
    "kind_before",
    "kind_after",
    "medically_significant",
    "outlier",
    "my_gene",
)
_PIECE = 100_000  # changed variants that are worded at a time


@dataclass
class Changes:
    """Two releases, joined: for every variant of either its row in both (-1: not there) and what became of it."""

    old: Release
    new: Release
    old_rows: np.ndarray
    new_rows: np.ndarray
    genes: frozenset[str] = frozenset()

    @cached_property
    def change(self) -> np.ndarray:
        """`new`, `gone`, `changed` (review status, classification or kind of conflict) or empty, a variant each."""
        there, here = self.old_rows >= 0, self.new_rows >= 0
        both = there & here
        same = ~both | self._equal("review_status", _review)
        # Releases of some eras list a conflict's classes here and others do not: its kind, where both say it, decides.
        kinds = [_kind(release, rows) for release, rows in self._sides]
        in_conflict = (kinds[0] != "") & (kinds[1] != "")
        unsaid = np.isin(kinds[0], _UNSAID) | np.isin(kinds[1], _UNSAID)
        same &= np.where(in_conflict, (kinds[0] == kinds[1]) | unsaid, ~both | self._equal("CLNSIG", _classification))
        return np.select([~there, ~here, ~same], [NEW, GONE, CHANGED], default="")

    @property
    def _sides(self) -> tuple[tuple[Release, np.ndarray], tuple[Release, np.ndarray]]:
        return (self.old, self.old_rows), (self.new, self.new_rows)

    def _equal(self, name: str, meaning: Callable[[str | None], str]) -> np.ndarray:
        """Whether both releases mean the same by a column, whatever the era's wording and the order of terms."""
        before, after = (_mapped(release, rows, name, meaning) for release, rows in self._sides)
        return before == after

    @cached_property
    def conflict(self) -> np.ndarray:
        """Which of `CONFLICT_EVENTS` it was, empty where neither release has a conflict."""
        before, after = (_status(release, rows) for release, rows in self._sides)
        kinds = [_kind(release, rows) for release, rows in self._sides]
        was, now = before == "conflict", after == "conflict"
        other = was & now & (kinds[0] != kinds[1]) & ~np.isin(kinds[0], _UNSAID) & ~np.isin(kinds[1], _UNSAID)
        return np.select(
            [
                ~was & now & (self.old_rows < 0),
                ~was & now,
                was & (after == "panel"),
                was & (after == "agreement"),
                was & ~now,
                other,
                was & now,
            ],
            [NEW_CONFLICT, APPEARED, BY_PANEL, BY_AGREEMENT, BY_REMOVAL, KIND_CHANGED, PERSISTS],
            default="",
        )

    def pieces(self) -> Iterator[pd.DataFrame]:
        """The variants that are new, gone or changed, in words, my genes first, then in the releases' order."""
        listed = np.flatnonzero(self.change != "")
        if self.genes:
            mine = np.isin(self._gene(listed), list(self.genes))
            listed = np.concatenate([listed[mine], listed[~mine]])
        for start in range(0, len(listed), _PIECE):
            yield self._worded(listed[start : start + _PIECE])

    def summary(self) -> dict:
        """Counts: of changes, conflict events, by kind, by review status, by gene."""
        change, conflict = self.change, self.conflict
        return {
            "old": _facts(self.old),
            "new": _facts(self.new),
            "days": (self.new.date - self.old.date).days if self.old.date and self.new.date else None,
            "variants": {"old": len(self.old.variants), "new": len(self.new.variants)},
            "changes": {name: int((change == name).sum()) for name in (NEW, GONE, CHANGED)},
            "conflicts": {name: int((conflict == name).sum()) for name in CONFLICT_EVENTS},
            "medically_significant": {
                "old": _significant(self.old),
                "new": _significant(self.new),
            },
            "kinds": {"old": _kind_counts(self.old), "new": _kind_counts(self.new)},
            "review_status": self._moves(),
            "genes": self._by_gene(conflict),
            "single_submitters": self._second_submissions(),
        }

    def _moves(self) -> list[dict]:
        """How many variants moved from which review status to which, most first."""
        moved = self.change != ""
        before = _column(self.old, self.old_rows[moved], "review_status").fillna("not in the release")
        after = _column(self.new, self.new_rows[moved], "review_status").fillna("not in the release")
        counts = pd.DataFrame({"before": before, "after": after}).value_counts()
        return [
            {"before": before, "after": after, "variants": int(number)} for (before, after), number in counts.items()
        ]

    def _by_gene(self, conflict: np.ndarray) -> list[dict]:
        """Conflict events of each gene that has any, my genes first, then by how many."""
        rows = np.flatnonzero(~np.isin(conflict, ("", PERSISTS)))
        if not len(rows):
            return []
        table = pd.crosstab(pd.Series(self._gene(rows), name="gene"), conflict[rows])
        table = table.drop(index="", errors="ignore").reindex(columns=list(CONFLICT_EVENTS[:-1]), fill_value=0)
        table = table.assign(all=table.sum(axis=1), mine=table.index.isin(list(self.genes)))
        table = table.sort_values(["mine", "all"], ascending=False, kind="stable").drop(columns=["all", "mine"])
        return [{"gene": gene, **{name: int(number) for name, number in row.items()}} for gene, row in table.iterrows()]

    def _second_submissions(self) -> dict:
        """What became of variants with one submitter: how many have several, are gone, are in conflict now."""
        before = _column(self.old, self.old_rows, "review_status") == SINGLE_SUBMITTER
        after = _status(self.new, self.new_rows)
        single = before.to_numpy()
        return {
            "old": int(single.sum()),
            "several": int((single & np.isin(after, ("agreement", "conflict"))).sum()),
            "conflict": int((single & (after == "conflict")).sum()),
            "expert_panel": int((single & (after == "panel")).sum()),
            "gone": int((single & (self.new_rows < 0)).sum()),
        }

    def _gene(self, rows: np.ndarray) -> np.ndarray:
        after = _column(self.new, self.new_rows[rows], "SYMBOL")
        return after.where(after.notna(), _column(self.old, self.old_rows[rows], "SYMBOL")).fillna("").to_numpy(object)

    def _worded(self, rows: np.ndarray) -> pd.DataFrame:
        old, new = self.old_rows[rows], self.new_rows[rows]
        here = new >= 0
        gene = self._gene(rows)
        frame = pd.DataFrame({"change": self.change[rows], "conflict": self.conflict[rows], "gene": gene})
        for name in ("CHROM", "POS", "REF", "ALT", "VARIATION_ID"):
            after = _column(self.new, new, name)
            frame[name] = after.where(here, _column(self.old, old, name)).fillna("")
        for ours, theirs in (("review_status", "review_status"), ("classification", "CLNSIG"), ("kind", "CONFLICT")):
            frame[f"{ours}_before"] = _column(self.old, old, theirs).fillna("")
            frame[f"{ours}_after"] = _column(self.new, new, theirs).fillna("")
        kind = frame["kind_after"].where(frame["kind_after"] != "", frame["kind_before"])
        frame["medically_significant"] = kind.map({one: significance(one) for one in kind.unique()})
        counts = _column(self.new, new, "CLNSIGCONF").fillna("")
        frame["outlier"] = counts.map({one: outlier(one) for one in counts.unique()})
        frame["my_gene"] = np.where(np.isin(gene, list(self.genes)), "yes", "")
        return frame[list(COLUMNS)]


# Kinds that do not say which groups disagree; a change from or to them is none.
_UNSAID = ("", clinvar.UNKNOWN_CONFLICT, clinvar.OTHER_CONFLICT)


def compare(old: Release, new: Release, *, genes: frozenset[str] = frozenset()) -> Changes:
    """Join two releases by VariationID where both have it, else by place and trimmed alleles.

    Raises
    ------
    InputError
        They are of different assemblies and have no VariationIDs to join by, or the older one is given second.
    """
    if old.date and new.date and old.date > new.date:
        raise InputError(f"{old.name} ({old.date}) is newer than {new.name} ({new.date}); give the older release first")
    identified = all(release.variants["VARIATION_ID"].notna().any() for release in (old, new))
    if old.assembly != new.assembly and not identified:
        raise InputError(
            f"{old.name} is {old.assembly}, {new.name} is {new.assembly}, and not both have VariationIDs; "
            "give releases of one assembly"
        )
    in_old = old.rows_of(new.variants)
    # Two variants of the new release may be one of the old: the first has it, the other is new.
    _, first = np.unique(in_old, return_index=True)
    once = np.zeros(len(in_old), dtype=bool)
    once[first] = True
    in_old = np.where(once, in_old, -1)
    gone = np.setdiff1d(np.arange(len(old.variants)), in_old)
    old_rows = np.concatenate([in_old, gone])
    new_rows = np.concatenate([np.arange(len(new.variants)), np.full(len(gone), -1)])
    return Changes(old, new, old_rows, new_rows, genes)


def significance(kind: str) -> str:
    """`medically significant` where P/LP stands against the rest, `other` conflict, or empty without one."""
    if kind in _UNSAID:
        return "" if kind == "" else "unknown"
    return SIGNIFICANT if "P/LP" in kind else "other"


def outlier(clnsigconf: str) -> str:
    """The group with a third of the submissions or fewer, the smallest if there are two; empty where none is."""
    counts = clinvar.group_submissions(clnsigconf) if clnsigconf else {}
    if len(counts) < 2:
        return ""
    smallest = min(counts.values())
    named = [name for name, number in counts.items() if number == smallest]
    return named[0] if len(named) == 1 and smallest / sum(counts.values()) <= OUTLIER_SHARE else ""


def _column(release: Release, rows: np.ndarray, name: str) -> pd.Series:
    """A column of the release at these rows as text, missing where the release has no such row."""
    if not len(release.variants):
        return pd.Series(np.nan, index=range(len(rows)), dtype="str")
    found = release.variants[name].iloc[np.maximum(rows, 0)].reset_index(drop=True)
    return found.astype("str").where(rows >= 0)


def _mapped(release: Release, rows: np.ndarray, name: str, change: Callable[[str | None], str]) -> np.ndarray:
    """A repeating column with each distinct text changed once, `change(None)` where there is none."""
    column = release.variants[name].astype("category")
    values = np.array([*(change(text) for text in column.cat.categories), change(None)], dtype=object)
    codes = column.cat.codes.to_numpy(np.int64)
    codes = np.where(rows >= 0, codes[np.maximum(rows, 0)] if len(codes) else -1, -1)
    return values[codes]


def _status(release: Release, rows: np.ndarray) -> np.ndarray:
    return _mapped(release, rows, "review_status", _status_word)


def _status_word(text: str | None) -> str:
    if text is None:
        return ""
    if text in PANEL:
        return "panel"
    label = clinvar.label(text)
    return "" if label is None else ("agreement", "conflict")[label]


def _kind(release: Release, rows: np.ndarray) -> np.ndarray:
    return _mapped(release, rows, "CONFLICT", lambda text: text or "")


def _classification(text: str | None) -> str:
    terms = sorted(term for term in (text or "").replace("/", "|").replace(",_", "|").split("|") if term)
    # What the review status says already; VCF releases write it here, tab-delimited ones list the classes instead.
    return "|".join(term for term in terms if not term.startswith("Conflicting_"))


def _review(text: str | None) -> str:
    return (text or "").replace("interpretation", "classification").replace("assertion", "classification")


def _facts(release: Release) -> dict:
    return {
        "name": release.name,
        "date": str(release.date) if release.date else None,
        "assembly": release.assembly,
    }


def _kind_counts(release: Release) -> dict[str, int]:
    counts = release.variants["CONFLICT"].value_counts()
    return {str(kind): int(number) for kind, number in counts.items() if number}


def _significant(release: Release) -> int:
    return sum(number for kind, number in _kind_counts(release).items() if significance(kind) == SIGNIFICANT)
