"""What is learnt from labels must not tell a training row its own: folds, and what is fitted across them."""

from __future__ import annotations

import warnings

import numpy as np
from sklearn.base import BaseEstimator, TransformerMixin
from sklearn.model_selection import GroupKFold, KFold, StratifiedGroupKFold, StratifiedKFold

# Where a class has fewer rows than there are folds, some learn nothing of it: so it is meant (`TokenScore`).
warnings.filterwarnings("ignore", message="The least populated class in y has only")


def folds(count: int, y: np.ndarray, groups: np.ndarray | None, seed: int) -> list[tuple[np.ndarray, np.ndarray]]:
    """Cross-validation folds: whole groups where there are groups, else the same share of each class in every fold.

    Groups are shared out by the classes too where one class is so rare that a fold would learn from the other alone.
    There are fewer folds than `count` where the groups, or the rows of either class, are fewer. Rows of a single group
    are shared out like rows without groups: there is no other to learn from.
    """
    y = np.asarray(y)
    if groups is not None and (there := len(np.unique(groups))) > 1:
        return _of_groups(min(count, there), y, groups, seed)
    rows, most = np.zeros(len(y)), int(np.unique(y, return_counts=True)[1].max())
    if most == 1:  # a row of each class
        return list(KFold(len(y)).split(rows))
    return list(StratifiedKFold(min(count, most), shuffle=True, random_state=seed).split(rows, y))


def _of_groups(count: int, y: np.ndarray, groups: np.ndarray, seed: int) -> list[tuple[np.ndarray, np.ndarray]]:
    rows = np.zeros(len(y))
    parts = list(GroupKFold(count, shuffle=True, random_state=seed).split(rows, y, groups))
    most = int(np.unique(y, return_counts=True)[1].max())
    if most < 2 or all(len(np.unique(y[fitted])) > 1 for fitted, _ in parts):
        return parts
    by_class = StratifiedGroupKFold(min(count, most), shuffle=True, random_state=seed).split(rows, y, groups)
    return [(fitted, scored) for fitted, scored in by_class if len(scored)]


class CrossFitted(TransformerMixin, BaseEstimator):
    """`fit_transform` gives each training row what rows of other folds teach, `transform` a new row what all do.

    ``fit(X, y).transform(X)`` would leak labels into training.
    """

    def fit(self, X, y):
        """Learn from training rows and their labels."""
        self.fit_transform(X, y)
        return self
