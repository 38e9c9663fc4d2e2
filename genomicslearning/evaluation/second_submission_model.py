"""P(another laboratory classifies it by then), from nothing but what a release says of a variant and its gene.

It is hard: who submits next is decided in laboratories, not in the release. What can be known is that some genes are
tested more than others, that common variants come back, and that a pathogenic one is often a family's own.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd
from sklearn.ensemble import HistGradientBoostingClassifier
from sklearn.model_selection import GroupKFold, cross_val_predict
from threadpoolctl import threadpool_limits

from genomicslearning import InputError, clinvar
from genomicslearning.evaluation.scores import Ranking, expected_calibration_error
from genomicslearning.history.releases import SINGLE_SUBMITTER, Release, read_release
from genomicslearning.history.submissions import CLASSES, OTHER, AlignedRelease, stated_class

LEAST_ROWS = 200
LITTLE, MUCH = 0.75, 0.9  # ROC AUC below which little is known, from which much is
FOLDS = 5


class TooFewSecondSubmissions(InputError):
    """Two releases between which too few variants got a second submission, or too few did not, to learn who does."""


@dataclass
class SecondSubmissions:
    """A model of which single submitters get a second submission, learnt between two releases `days` apart.

    `held_out` are its figures on genes that it did not see: `roc_auc`, `average_precision`, `ece`, `observed`,
    `variants`.
    """

    classifier: HistGradientBoostingClassifier
    days: int | None
    held_out: dict

    @classmethod
    def learn(cls, earlier: Release, later: Release, *, seed: int = 200) -> SecondSubmissions:
        """Learn from every variant with a single submitter in the earlier release that the later one still has.

        Raises
        ------
        TooFewSecondSubmissions
            Too few of them got a second submission, or too few did not.
        """
        singles, second = became(earlier, later)
        if min(int(second.sum()), int((~second).sum())) < LEAST_ROWS:
            raise TooFewSecondSubmissions(
                f"{earlier.name}: of {len(singles):,} variants with a single submitter {int(second.sum()):,} have "
                f"several in {later.name}; it takes {LEAST_ROWS} of either to learn who gets a second submission"
            )
        rows = features(singles, earlier)
        genes = pd.factorize(singles["SYMBOL"].astype("str").fillna(singles["key"]))[0]
        classifier = HistGradientBoostingClassifier(
            max_iter=80, max_leaf_nodes=12, learning_rate=0.08, early_stopping=False, random_state=seed
        )
        with threadpool_limits(1):
            folds = GroupKFold(min(FOLDS, len(np.unique(genes))), shuffle=True, random_state=seed)
            chance = cross_val_predict(classifier, rows, second, groups=genes, cv=folds, method="predict_proba")[:, 1]
            classifier.fit(rows, second)
        days = (later.date - earlier.date).days if earlier.date and later.date else None
        return cls(classifier, days, figures(second, chance))

    def predict(self, singles: pd.DataFrame, release: Release) -> np.ndarray:
        """P(second submission within the distance that was learnt) of single submitters of a release."""
        with threadpool_limits(1):
            return self.classifier.predict_proba(features(singles, release))[:, 1]

    def described(self) -> str:
        """How little it knows, in words."""
        found = self.held_out
        distance = f"{self.days / 365.25:.1f} years" if self.days else "the time between the two releases"
        return (
            f"Who gets a second submission within {distance} was learnt from {found['variants']:,} single submitters, "
            f"of whom {found['observed']:.0%} did. On genes it had not seen it ranks them with a ROC AUC of "
            f"{found['roc_auc']:.2f}, where .50 is chance: it knows {_much(found['roc_auc'])}."
        )


def _much(roc_auc: float) -> str:
    """How much a ranking knows, in words."""
    return "little" if roc_auc < LITTLE else "something" if roc_auc < MUCH else "much"


def became(earlier: Release, later: Release) -> tuple[pd.DataFrame, np.ndarray]:
    """Single submitters of a release that a later one still has, and whether several have classified them by then."""
    singles = earlier.variants[(earlier.variants["review_status"] == SINGLE_SUBMITTER).to_numpy()]
    singles = singles.reset_index(drop=True)
    now = AlignedRelease(later, singles)
    there = now.rows >= 0
    return singles[there].reset_index(drop=True), now.label().notna().to_numpy()[there]


def figures(second: np.ndarray, chance: np.ndarray) -> dict:
    """How well chances of a second submission fit, on all single submitters."""
    auc, precision = Ranking(second.astype(int), chance).both()
    return {
        "variants": len(second),
        "observed": float(second.mean()),
        "predicted": float(chance.mean()),
        "roc_auc": float(auc),
        "average_precision": float(precision),
        "ece": float(expected_calibration_error(second.astype(int), chance)),
    }


def features(singles: pd.DataFrame, release: Release) -> pd.DataFrame:
    """What a release says of its single submitters: classification, condition, kind of variant, and their gene."""
    said = singles["CLNSIG"].astype("str").fillna(OTHER)
    named = singles["CLNDN"].astype("str").fillna("").str.lower()
    symbol = release.variants["SYMBOL"].astype("str")
    status = release.variants["review_status"]
    several = status.isin(
        [text for text in status.unique() if isinstance(text, str) and clinvar.label(text) is not None]
    )
    gene = pd.DataFrame({"symbol": symbol, "several": several, "single": status == SINGLE_SUBMITTER})
    gene = gene.groupby("symbol").agg(
        variants=("several", "size"), several=("several", "mean"), single=("single", "mean")
    )
    ours = singles["SYMBOL"].astype("str")
    before, after = singles["REF"].astype("str").str.len(), singles["ALT"].astype("str").str.len()
    classes = said.map({text: CLASSES.index(stated_class(text)) for text in said.unique()})
    return pd.DataFrame(
        {
            "classification": classes.to_numpy(float),
            "not_specified": named.str.contains("not_specified").to_numpy(float),
            "not_provided": named.str.contains("not_provided").to_numpy(float),
            "conditions": (named.str.count(r"\|") + 1).to_numpy(float),
            "length_change": (after - before).to_numpy(float),
            "substitution": ((before == 1) & (after == 1)).to_numpy(float),
            "gene_variants": np.log1p(ours.map(gene["variants"]).to_numpy(float)),
            "gene_several": ours.map(gene["several"]).to_numpy(float),
            "gene_single": ours.map(gene["single"]).to_numpy(float),
        }
    )


def foretell(earlier: list[str], single_submitters: pd.DataFrame, table: pd.DataFrame, *, assembly: str = "") -> dict:
    """Learn between the two newest earlier releases who gets a second submission, and judge by the table.

    Parameters
    ----------
    earlier : earlier releases, oldest first, two or more.
    single_submitters : of a time `Split`: those of the newest release, `second` by the table's date.

    Returns
    -------
    dict
        `figures` (a table of one row, on all single submitters, not only those that got a second submission), `words`.

    Raises
    ------
    TooFewSecondSubmissions
        As `SecondSubmissions.learn`.
    """
    older, newest = (read_release(path, assembly=assembly, like=table) for path in earlier[-2:])
    model = SecondSubmissions.learn(older, newest)
    second = single_submitters["second"].to_numpy(bool)
    found = figures(second, model.predict(single_submitters, newest))
    words = (
        f"{model.described()} Asked forward, of {found['variants']:,} single submitters in {newest.name}, of whom "
        f"{found['observed']:.0%} have several in the table: ROC AUC {found['roc_auc']:.2f}, and "
        f"{found['predicted']:.0%} foretold, since the distance is another."
    )
    return {"figures": pd.DataFrame([found]), "words": words}
