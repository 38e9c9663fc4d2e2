"""What a single submission said: read from a release that has it alone, or drawn from a variant that has several.

A variant with several submitters holds the submissions it was made of: CLNSIG (in CLNSIGCONF with counts) names the
classes, CLNDN the conditions. One class and one condition, drawn as if that laboratory had been alone, make every
labelled variant of a release a training row for the question what becomes of a single submission.
"""

from __future__ import annotations

import re
from collections.abc import Callable

import numpy as np
import pandas as pd

from genomicslearning import clinvar
from genomicslearning.history.releases import SINGLE_SUBMITTER, Release, locus_keys

# Cells of the later release that say who has submitted what by then. Not known when the prediction is made.
LATER_COLUMNS = (*sorted(clinvar.GROWS_WITH_SUBMITTERS), "CONFLICT")
# Classes that a rate is known for: what a submission says, in one of the five words of ACMG/AMP 2015, else `other`.
UNCERTAIN, OTHER = "Uncertain_significance", "other"
CLASSES = ("Pathogenic", "Likely_pathogenic", UNCERTAIN, "Likely_benign", "Benign", OTHER)
# How often a release has to name the classes of its conflicts, as often as those of its agreements, and the other way.
LEAST_SHARE = 0.5
NAMES_ONE_SIDE = (
    "{name} names the classes of its conflicts (CLNSIGCONF) far less often than those of its agreements, or the other "
    "way, so that no submission is drawn from it: whether a class is named would tell the label."
)
_TERMS = re.compile(r"[|/;,]")


def stated_class(classification: str) -> str:
    """Which of `CLASSES` a classification is; the more cautious of two of a side (`Benign/Likely_benign`)."""
    named = [term.strip().strip("_").replace(" ", "_") for term in _TERMS.split(classification)]
    groups = {clinvar.group(term) for term in named} - {None}
    if len(groups) != 1:
        return OTHER
    found = [term for term in named if term in CLASSES]
    cautious = [term for term in found if term.startswith("Likely")]
    return (cautious or found or [OTHER])[0]


class AlignedRelease:
    """What a release said about each row of a table; missing where it does not have the variant."""

    def __init__(self, release: Release, table: pd.DataFrame):
        self.release, self.rows = release, release.rows_of(table)
        self._index = table.index
        self.status = self.column("review_status")
        self.single = (self.status == SINGLE_SUBMITTER).to_numpy()
        self.why_none_drawn = ""

    def column(self, name: str) -> pd.Series:
        """A column of the release, aligned with the table."""
        if self.release.variants.empty:  # where only those of interest were read, and there are none
            return pd.Series(np.nan, index=self._index, dtype="str")
        column = self.release.variants[name].iloc[np.maximum(self.rows, 0)].astype("str")
        return column.set_axis(self._index).where(self.rows >= 0)

    def label(self) -> pd.Series:
        """CLASS that the release gives each row, missing where it gives none."""
        return self.status.map({status: clinvar.label(status) for status in self.status.dropna().unique()})

    def prior(self) -> pd.DataFrame:
        """The release's classification, condition and review status under the names of `PRIOR_COLUMNS`."""
        return pd.DataFrame({ours: self.column(theirs) for ours, theirs in clinvar.PRIOR_COLUMNS.items()})

    def drawn(self, table: pd.DataFrame, *, seed: int) -> pd.DataFrame:
        """One submission of each row's, drawn as if it stood alone (`draw_submissions`).

        None at all where the release names the classes of its conflicts or of its agreements far more often than of the
        others (VCFs of 2017 lack CLNSIGCONF): that a class is named would then tell the label.
        """
        said = pd.DataFrame({name: self.column(name) for name in ("CLNSIG", "CLNSIGCONF", "CLNDN")})
        found = draw_submissions(said, locus_keys(table), seed=seed)
        if self._tells_label(found["prior_CLNSIG"].notna()):
            self.why_none_drawn = NAMES_ONE_SIDE.format(name=self.release.name)
            return found.mask(found.notna())
        return found

    def _tells_label(self, named: pd.Series) -> bool:
        shares = named.groupby(self.label()).mean()
        return bool(shares.min() < LEAST_SHARE * shares.max())


def draw_submissions(said: pd.DataFrame, keys: np.ndarray, *, seed: int) -> pd.DataFrame:
    """One submission of each variant's, as if that laboratory had been alone.

    Parameters
    ----------
    said : CLNSIG, CLNSIGCONF and CLNDN of the variants, as VCF writes them.
    keys : one text a variant that names it (`locus_keys`); with the seed it decides what is drawn, so that a variant's
        draw depends neither on its place in the table nor on what else is there.

    Returns
    -------
    DataFrame with the columns of `PRIOR_COLUMNS` and the index of `said`: one classification, drawn by the counts of
    CLNSIGCONF where there are counts, else each distinct one alike, and one condition. Missing where no classification
    is named. Nothing in it grows with the number of submitters.
    """
    counted = said["CLNSIGCONF"].where(said["CLNSIGCONF"].notna(), said["CLNSIG"])
    classification = _drawn(counted, _classes, _uniform(keys, seed, "class"))
    condition = _drawn(said["CLNDN"], _conditions, _uniform(keys, seed, "condition"))
    known = classification.notna()
    status = pd.Series(SINGLE_SUBMITTER, index=said.index, dtype="str")
    return pd.DataFrame(
        {
            "prior_CLNSIG": classification,
            "prior_CLNDN": condition.where(known),
            "prior_review_status": status.where(known),
        }
    )


def _classes(text: str) -> dict[str, float]:
    """Each classification of germline disease that the text names, with its number of submissions (1 if unsaid).

    A number said of two classes at once (`Pathogenic/Likely_pathogenic(3)`) is shared by them.
    """
    counts: dict[str, float] = {}
    counted = clinvar.submissions(text)
    for said, number in (counted or dict.fromkeys(text.split("|"), 1)).items():
        named = [term.strip().strip("_") for term in _TERMS.split(said)]
        classes = [term for term in named if clinvar.group(term)]
        for term in classes:
            counts[term] = counts.get(term, 0) + (number / len(classes) if counted else 1)
    return counts


def _conditions(text: str) -> dict[str, float]:
    return dict.fromkeys((name for name in text.split("|") if name), 1)


def _drawn(cells: pd.Series, choices: Callable[[str], dict[str, float]], uniform: np.ndarray) -> pd.Series:
    """One choice of each cell's, by weight."""
    known: dict[str, tuple[list[str], np.ndarray]] = {}
    found: list[str | float] = []
    for text, chance in zip(cells, uniform, strict=True):
        if not isinstance(text, str):
            found.append(np.nan)
            continue
        if text not in known:
            weights = choices(text)
            known[text] = sorted(weights), np.cumsum([weights[name] for name in sorted(weights)])
        names, ends = known[text]
        found.append(names[int(np.searchsorted(ends, chance * ends[-1], side="right"))] if names else np.nan)
    return pd.Series(found, index=cells.index, dtype="str")


def _uniform(keys: np.ndarray, seed: int, purpose: str) -> np.ndarray:
    """A number in [0, 1) for each key, the same on every machine."""
    hashed = pd.util.hash_array(np.asarray(keys, dtype=object), hash_key=f"{purpose[:6]:<6}{seed % 10**10:010d}")
    return (hashed >> np.uint64(11)).astype(np.float64) / float(1 << 53)
