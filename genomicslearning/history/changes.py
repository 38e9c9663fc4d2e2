"""What changed between two ClinVar releases: every variant that is new, gone or changed, and what became of conflicts.

Words are ClinGen's: a conflict is *medically significant* where P/LP stands against the rest (ClinGen Sequence Variant
Inter-Laboratory Discrepancy Resolution, 2017 on), and the *outlier* is a group with a third of the submissions or
fewer.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cached_property
from typing import TypeVar

import numpy as np
import pandas as pd
import pyarrow as pa

from genomicslearning import InputError, clinvar
from genomicslearning.history.assemblies import KNOWN_ASSEMBLIES
from genomicslearning.history.releases import OVERLAP, SINGLE_SUBMITTER
from genomicslearning.history.stored_releases import Match, StoredRelease, joined, matched
from genomicslearning.io.partitions import Partitions

NEW, GONE, CHANGED = "new", "gone", "changed"
# What became of a conflict, or how one came about.
APPEARED = "conflict appeared"
NEW_CONFLICT = "new and in conflict"
BY_AGREEMENT = "resolved by agreement"
BY_PANEL = "resolved by expert panel"
BY_REMOVAL = "resolved by removal"
KIND_CHANGED = "conflict of another kind"
PERSISTS = "conflict persists"
MOST_GONE = 0.3  # share of the older release's variants; releases lose few, a part of one lacks whole genes
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
T = TypeVar("T")
_MINE, _OTHER = 0, 1  # parts of the listed rows


class Changes:
    """What became of every variant of two releases, counted, and those that are new, gone or changed, on disk."""

    def __init__(
        self, old: StoredRelease, new: StoredRelease, match: Match, genes: frozenset[str] = frozenset()
    ) -> None:
        self.old, self.new, self._by_place = old, new, match.by_place
        # Symbols are compared in capitals: C9ORF72 and C9orf72 are one gene, and no two of ours differ by case alone.
        self._genes = {gene.upper(): gene for gene in genes}
        self._absent = set(self._genes)
        self._counts = _Counts()
        self._listed = Partitions(pa.schema([(name, pa.large_string()) for name in COLUMNS]))
        for pair in joined(old, new, match):
            some = _Joined(pair.old, pair.new, pair.old_rows, pair.new_rows, frozenset(self._genes))
            self._counts.add(some)
            if self._absent:
                self._absent -= some.symbols()
            listed = some.worded(np.flatnonzero(some.change != ""))
            mine = listed["my_gene"] == "yes"
            for part, rows in ((_MINE, listed[mine]), (_OTHER, listed[~mine])):
                cells = [pa.array(rows[name], pa.large_string(), from_pandas=True) for name in COLUMNS]
                self._listed.add(part, pa.table(cells, self._listed.schema))

    def pieces(self) -> Iterator[pd.DataFrame]:
        """The variants that are new, gone or changed, in words, my genes first, then in the releases' order."""
        for part in (_MINE, _OTHER):
            for table in self._listed.chunks(part):
                yield table.to_pandas(types_mapper={pa.large_string(): pd.StringDtype(na_value=np.nan)}.get)

    def summary(self) -> dict:
        """Counts: of changes, conflict events, by kind, by review status, by gene."""
        old, new, counts = self.old, self.new, self._counts
        kinds = [_most_first(Counter(dict(sorted(found.items())))) for found in counts.kinds]
        return {
            "old": _facts(old),
            "new": _facts(new),
            "days": (new.date - old.date).days if old.date and new.date else None,
            "variants": {"old": old.variants, "new": new.variants},
            "changes": {name: counts.changes[name] for name in (NEW, GONE, CHANGED)},
            "conflicts": {name: counts.conflicts[name] for name in CONFLICT_EVENTS},
            "medically_significant": {"old": _significant(kinds[0]), "new": _significant(kinds[1])},
            "kind_not_told": {"old": _untold(kinds[0]), "new": _untold(kinds[1])},
            "kinds": {"old": kinds[0], "new": kinds[1]},
            "review_status": [
                {"before": before, "after": after, "variants": number}
                for (before, after), number in _most_first(counts.moves).items()
            ],
            "genes": self._by_gene(),
            "my_genes": {"given": len(self._genes), "in_neither_release": sorted(map(self._genes.get, self._absent))},
            "single_submitters": {name: counts.singles[name] for name in _SINGLES},
            "warnings": [*self._warnings()],
        }

    def _warnings(self) -> Iterator[str]:
        """What makes counts be of the files rather than of ClinVar."""
        if not self._by_place:
            yield (
                f"{self.old.name} and {self.new.name} are of different genome assemblies, by what they say or by where "
                "their variants lie: they are joined by VariationIDs alone, and a variant without one counts as gone "
                "from the one and new in the other"
            )
        gone, before = self._counts.changes[GONE], self.old.variants
        if gone > MOST_GONE * before:
            yield (
                f"{gone:,} of the {before:,} variants of {self.old.name} are not in {self.new.name}: so many that "
                "this is likely a part of a release. Then what is gone or resolved by removal is a matter of the "
                "files, not of ClinVar"
            )

    def _by_gene(self) -> list[dict]:
        """Conflict events of each gene that has any, my genes first, then by how many."""
        genes = self._counts.genes
        order = sorted(genes, key=lambda gene: (gene.upper() not in self._genes, -genes[gene].total(), gene))
        return [{"gene": gene} | {name: genes[gene][name] for name in CONFLICT_EVENTS[:-1]} for gene in order]


_SINGLES = ("old", "several", "conflict", "expert_panel", "gone")


class _Counts:
    """What is counted over all variants, added up piece by piece."""

    def __init__(self) -> None:
        self.changes: Counter[str] = Counter()
        self.conflicts: Counter[str] = Counter()
        self.moves: Counter[tuple[str, str]] = Counter()  # in the order in which they first come
        self.genes: defaultdict[str, Counter[str]] = defaultdict(Counter)
        self.kinds: tuple[Counter[str], Counter[str]] = (Counter(), Counter())
        self.singles: Counter[str] = Counter()

    def add(self, some: _Joined) -> None:
        for counted, values in ((self.changes, some.change), (self.conflicts, some.conflict)):
            counted.update(pd.Series(values).value_counts().to_dict())
        self.moves.update(some.moves())
        for (gene, event), number in some.gene_events().items():
            self.genes[gene][event] += number
        for counted, release in zip(self.kinds, (some.old, some.new), strict=True):
            counted.update(_counted(release["CONFLICT"]))
        self.singles.update(some.second_submissions())


@dataclass
class _Joined:
    """Some variants of two releases, joined: for each of either its row in both (-1: not there).

    `genes` are mine, in capitals.
    """

    old: pd.DataFrame
    new: pd.DataFrame
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
    def _sides(self) -> tuple[tuple[pd.DataFrame, np.ndarray], tuple[pd.DataFrame, np.ndarray]]:
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

    def moves(self) -> dict[tuple[str, str], int]:
        """How many variants moved from which review status to which, in the order in which they first come."""
        moved = self.change != ""
        before = _column(self.old, self.old_rows[moved], "review_status").fillna("not in the release")
        after = _column(self.new, self.new_rows[moved], "review_status").fillna("not in the release")
        return pd.DataFrame({"before": before, "after": after}).value_counts(sort=False).to_dict()

    def gene_events(self) -> dict[tuple[str, str], int]:
        """How many conflict events of which kind each gene has, where one is named and they do not just persist."""
        rows = np.flatnonzero(~np.isin(self.conflict, ("", PERSISTS)))
        events = pd.DataFrame({"gene": self._gene(rows), "event": self.conflict[rows]})
        return events[events["gene"] != ""].value_counts().to_dict()

    def second_submissions(self) -> dict[str, int]:
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

    def symbols(self) -> set[str]:
        """Every gene symbol of the variants, in capitals."""
        named = set(self.old["SYMBOLS"].dropna().unique()) | set(self.new["SYMBOLS"].dropna().unique())
        return {symbol.upper() for text in named for symbol in text.split("|")}

    def _gene(self, rows: np.ndarray) -> np.ndarray:
        """The gene of mine that a variant lies in, in either release; else the first that the newer one names."""
        after, before = (
            _mapped(release, of[rows], "SYMBOLS", self._shown)
            for release, of in ((self.new, self.new_rows), (self.old, self.old_rows))
        )
        first = (after != "") & (self._is_mine(after) | ~self._is_mine(before))
        return np.where(first, after, before)

    def _shown(self, symbols: str | None) -> str:
        named = (symbols or "").split("|")
        return next((one for one in named if one.upper() in self.genes), named[0])

    def _is_mine(self, genes: np.ndarray) -> np.ndarray:
        if not self.genes:
            return np.zeros(len(genes), bool)
        mine = [one for one in pd.unique(genes) if one.upper() in self.genes]
        return np.isin(genes, mine)

    def worded(self, rows: np.ndarray) -> pd.DataFrame:
        """Some of the variants with `COLUMNS`."""
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
        frame["my_gene"] = np.where(self._is_mine(gene), "yes", "")
        return frame[list(COLUMNS)]


# Kinds that do not say which groups disagree; a change from or to them is none.
_UNSAID = ("", clinvar.UNKNOWN_CONFLICT, clinvar.OTHER_CONFLICT)


def compare(old: StoredRelease, new: StoredRelease, *, genes: frozenset[str] = frozenset()) -> Changes:
    """Join two releases by VariationID where both have it, else by place and trimmed alleles.

    One that does not tell its assembly has the other's where their variants lie at the same places.

    Raises
    ------
    InputError
        They are of different assemblies, or hardly any variant of theirs lies at the same place, and have no
        VariationIDs to join by; or the older one is given second.
    """
    if old.date and new.date and old.date > new.date:
        raise InputError(f"{old.name} ({old.date}) is newer than {new.name} ({new.date}); give the older release first")
    identified = old.identified and new.identified
    differ = bool(old.assembly and new.assembly) and old.assembly != new.assembly
    if differ and not identified:
        raise InputError(
            f"{old.name} is {old.assembly}, {new.name} is {new.assembly}, and not both have VariationIDs; "
            "give releases of one assembly"
        )
    match = matched(old, new, by_place=not differ)
    if not (old.assembly and new.assembly):
        match = _recognised(old, new, match, identified)
    return Changes(old, new, match, genes)


def _recognised(old: StoredRelease, new: StoredRelease, match: Match, identified: bool) -> Match:
    """The match of two releases of which one or both do not tell their assembly, by what lies at the same places."""
    known = old.assembly or new.assembly
    smaller = min(old.variants, new.variants)
    if match.same_place >= OVERLAP * smaller:
        old.assembly = new.assembly = known
        return match
    if identified:
        return matched(old, new, by_place=False)
    silent = " and ".join(one.name for one in (old, new) if not one.assembly)
    likely = [f" of the other's ({known}): it is likely {one}" for one in KNOWN_ASSEMBLIES if known and one != known]
    where = likely[0] if likely else " that both have"
    raise InputError(
        f"{silent}: no ##reference or CLNHGVS that tells the genome assembly, no VariationIDs to join by, and only "
        f"{match.same_place:,} of {smaller:,} variants lie at a place{where}; give releases of "
        "one assembly, or the parameter assembly where they are of one and of other genes"
    )


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


def _column(release: pd.DataFrame, rows: np.ndarray, name: str) -> pd.Series:
    """A column of the release at these rows as text, missing where the release has no such row."""
    if not len(release):
        return pd.Series(np.nan, index=range(len(rows)), dtype="str")
    found = release[name].iloc[np.maximum(rows, 0)].reset_index(drop=True)
    return found.astype("str").where(rows >= 0)


def _mapped(release: pd.DataFrame, rows: np.ndarray, name: str, change: Callable[[str | None], str]) -> np.ndarray:
    """A repeating column with each distinct text changed once, `change(None)` where there is none."""
    column = release[name].astype("category")
    values = np.array([*(change(text) for text in column.cat.categories), change(None)], dtype=object)
    codes = column.cat.codes.to_numpy(np.int64)
    codes = np.where(rows >= 0, codes[np.maximum(rows, 0)] if len(codes) else -1, -1)
    return values[codes]


def _status(release: pd.DataFrame, rows: np.ndarray) -> np.ndarray:
    return _mapped(release, rows, "review_status", _status_word)


def _status_word(text: str | None) -> str:
    if text is None:
        return ""
    if text in PANEL:
        return "panel"
    label = clinvar.label(text)
    return "" if label is None else ("agreement", "conflict")[label]


def _kind(release: pd.DataFrame, rows: np.ndarray) -> np.ndarray:
    return _mapped(release, rows, "CONFLICT", lambda text: text or "")


def _classification(text: str | None) -> str:
    terms = sorted(term for term in (text or "").replace("/", "|").replace(",_", "|").split("|") if term)
    # What the review status says already; VCF releases write it here, tab-delimited ones list the classes instead.
    return "|".join(term for term in terms if not term.startswith("Conflicting_"))


def _review(text: str | None) -> str:
    return clinvar.review_status_meaning(text or "")


def _facts(release: StoredRelease) -> dict:
    return {
        "name": release.name,
        "date": str(release.date) if release.date else None,
        "assembly": release.assembly,
    }


def _counted(column: pd.Series) -> dict[str, int]:
    return {str(text): int(number) for text, number in column.value_counts().items() if number}


def _most_first(counts: Counter[T]) -> dict[T, int]:
    """Counts by size; equal ones stay in their order."""
    return dict(sorted(counts.items(), key=lambda one: -one[1]))


def _significant(kinds: dict[str, int]) -> int | None:
    """How many conflicts are medically significant; None where the release names the classes of none of its."""
    if kinds and _untold(kinds) == sum(kinds.values()):
        return None
    return sum(number for kind, number in kinds.items() if significance(kind) == SIGNIFICANT)


def _untold(kinds: dict[str, int]) -> int:
    return kinds.get(clinvar.UNKNOWN_CONFLICT, 0)
