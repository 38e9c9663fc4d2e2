"""What is learnt from labels must not tell a training row its own: folds, and what is fitted across them."""

from __future__ import annotations

import numpy as np
from sklearn.base import BaseEstimator, TransformerMixin
from sklearn.model_selection import GroupKFold, StratifiedGroupKFold, StratifiedKFold


def folds(count: int, y: np.ndarray, groups: np.ndarray | None, seed: int) -> list[tuple[np.ndarray, np.ndarray]]:
    """Cross-validation folds: whole groups where there are groups, else the same share of each class in every fold.

    Groups are shared out by the classes too where one class is so rare that a fold would learn from the other alone.
    """
    rows = np.zeros(len(y))
    if groups is not None:
        parts = list(GroupKFold(count, shuffle=True, random_state=seed).split(rows, y, groups))
        if all(len(np.unique(y[fitted])) > 1 for fitted, _ in parts):
            return parts
        return list(StratifiedGroupKFold(count, shuffle=True, random_state=seed).split(rows, y, groups))
    return list(StratifiedKFold(count, shuffle=True, random_state=seed).split(rows, y))


class CrossFitted(TransformerMixin, BaseEstimator):
    """`fit_transform` gives each training row what rows of other folds teach, `transform` a new row what all do.

    ``fit(X, y).transform(X)`` would leak labels into training.
    """

    def fit(self, X, y):
        """Learn from training rows and their labels."""
        self.fit_transform(X, y)
        return self
