"""Which conflict to expect (`P/LP vs VUS`, `VUS vs B/LB`, …), learnt from the release's own conflicting variants."""

from __future__ import annotations

import numpy as np
import pandas as pd
from sklearn.ensemble import HistGradientBoostingClassifier
from sklearn.model_selection import StratifiedKFold, cross_val_predict
from threadpoolctl import threadpool_limits

from genomicslearning import clinvar
from genomicslearning.features import VariantFeatures

LEAST_ROWS = 200
FOLDS = 3


class ConflictKinds:
    """Classifier of conflicts by biology; what the one submission said rules out the conflicts that it is no part
    of."""

    def __init__(self, features: VariantFeatures | None, classifier, summary: dict, note: str):
        self._features, self._classifier = features, classifier
        self.summary, self.note = summary, note

    @classmethod
    def learn(cls, conflicting: pd.DataFrame, *, seed: int) -> ConflictKinds:
        """Fit on rows with a known CONFLICT; kinds with fewer than 200 rows are left out, two are needed."""
        counts = conflicting["CONFLICT"].value_counts()
        known = [kind for kind in clinvar.CONFLICTS if counts.get(kind, 0) >= LEAST_ROWS]
        table = {kind: int(counts.get(kind, 0)) for kind in clinvar.CONFLICTS}
        if len(known) < 2:
            note = (
                f"which conflict to expect is not said: it takes two kinds of conflict with {LEAST_ROWS} variants or "
                f"more to learn from, there are {', '.join(f'{kind} {rows:,}' for kind, rows in table.items())}"
            )
            return cls(None, None, {"given": False, "why": note, "rows": table}, note)
        rows = conflicting[conflicting["CONFLICT"].isin(known)]
        features = VariantFeatures("biology").fit(rows)
        matrix, kinds = features.transform(rows), rows["CONFLICT"].to_numpy(dtype=object)
        classifier = HistGradientBoostingClassifier(
            max_iter=60, max_leaf_nodes=15, learning_rate=0.1, early_stopping=False, random_state=seed
        )
        folds = StratifiedKFold(FOLDS, shuffle=True, random_state=seed)
        with threadpool_limits(1):  # small trees: on a busy machine threads would mostly wait for each other
            held_out = cross_val_predict(classifier, matrix, kinds, cv=folds)
            classifier.fit(matrix, kinds)
        accuracy, majority = float((held_out == kinds).mean()), float(counts[known].max() / counts[known].sum())
        note = (
            f"which conflict to expect is learnt from {len(rows):,} conflicting variants of the release, right for "
            f"{accuracy:.0%} of held-out ones (always the most common kind: {majority:.0%})"
        )
        summary = {
            "given": True,
            "rows": table,
            "kinds": known,
            "accuracy": accuracy,
            "majority": majority,
            "note": note,
        }
        return cls(features, classifier, summary, note)

    def expected(self, table: pd.DataFrame) -> tuple[list[str], list[str]]:
        """The likeliest conflict that each variant's classification can be part of, and its probability, as text."""
        if self._classifier is None or self._features is None:
            return [""] * len(table), [""] * len(table)
        with threadpool_limits(1):
            chances = self._classifier.predict_proba(self._features.transform(table))
        kinds = list(self._classifier.classes_)
        for row, said in enumerate(table["prior_CLNSIG"]):
            group = clinvar.group(said) if isinstance(said, str) else None
            if group is not None:
                chances[row] *= [group in kind.split(" vs ") for kind in kinds]
        total = chances.sum(axis=1)
        best = chances.argmax(axis=1)
        share = np.divide(chances.max(axis=1), total, out=np.zeros(len(table)), where=total > 0)
        names = [kinds[place] if all_ > 0 else "" for place, all_ in zip(best, total, strict=True)]
        return names, [f"{value:.3f}" if name else "" for name, value in zip(names, share, strict=True)]
