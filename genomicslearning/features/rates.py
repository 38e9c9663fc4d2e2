"""How often variants of a gene are of CLASS 1: learnt from labels of training rows, and so cross-fitted."""

from __future__ import annotations

import numpy as np
import pandas as pd
from sklearn.utils.validation import check_is_fitted

from genomicslearning.features.context import find
from genomicslearning.features.cross_fitting import CrossFitted, folds
from genomicslearning.features.tokens import COARSE_BANDS
from genomicslearning.features.variants import Variants

# A share counts as if so many more rows had the share that stands behind it: that of all rows behind a gene's, the
# gene's behind that of a part of its variants.
PRIOR_ROWS = 8.0
# What parts a gene's variants, and into how many.
_PARTS = {
    "gene_rate": (1, lambda columns: np.zeros(len(columns["impact"]), np.int64)),
    "gene_rate_of_impact": (5, lambda columns: np.nan_to_num(columns["impact"], nan=4).astype(np.int64)),
    "gene_rate_of_frequency": (len(COARSE_BANDS) + 1, lambda columns: np.digitize(columns["log_af_max"], COARSE_BANDS)),
}


class GeneRates(CrossFitted):
    """Share of CLASS 1 among a gene's training variants: all, those of the same impact, those about as frequent.

    Like scikit-learn's `TargetEncoder`, `fit_transform` gives each training row the shares among rows of other folds,
    and `transform` those among all; ``fit(X, y).transform(X)`` would leak labels into training. A gene that was not
    seen has the share of all rows.

    Parameters
    ----------
    features
        A name in `FEATURE_SETS`.
    cv
        Number of folds.
    seed
        Of the folds.
    """

    def __init__(self, features: str = "all", cv: int = 5, seed: int = 0):
        self.features = features
        self.cv = cv
        self.seed = seed

    def fit_transform(self, X, y) -> pd.DataFrame:
        """Learn from training rows; gives their own values, each from rows of other folds."""
        variants, y = Variants.read(X, self.features), np.asarray(y, np.float64)
        self.genes_, gene = np.unique(variants.gene, return_inverse=True)
        parts = {name: gene * count + kind(variants.columns) for name, (count, kind) in _PARTS.items()}
        found = {name: np.empty(len(y), np.float32) for name in parts}
        for fitted, scored in folds(self.cv, y, None, self.seed):
            rates = self._rates({name: part[fitted] for name, part in parts.items()}, y[fitted])
            for name, part in parts.items():
                found[name][scored] = rates[name][part[scored]]
        self.rates_, self.rate_ = self._rates(parts, y), float(y.mean())
        return pd.DataFrame(found, index=X.index if isinstance(X, pd.DataFrame) else None)

    def transform(self, X) -> pd.DataFrame:
        """Values of rows that were not learnt from."""
        check_is_fitted(self, "rates_")
        variants = Variants.read(X, self.features)
        gene, known = find(self.genes_, variants.gene)
        found = {
            name: np.where(known, self.rates_[name][gene * count + kind(variants.columns)], self.rate_)
            for name, (count, kind) in _PARTS.items()
        }
        return pd.DataFrame(found, dtype=np.float32, index=X.index if isinstance(X, pd.DataFrame) else None)

    def get_feature_names_out(self, input_features=None) -> np.ndarray:
        """Names of the columns."""
        return np.array(list(_PARTS), dtype=object)

    def _rates(self, parts: dict[str, np.ndarray], y: np.ndarray) -> dict[str, np.ndarray]:
        """Share of CLASS 1 in each gene's parts, drawn to what stands behind it."""
        found: dict[str, np.ndarray] = {}
        behind = np.full(len(self.genes_), y.mean())
        for name, part in parts.items():
            count = _PARTS[name][0]
            rows, of_class_1 = (np.bincount(part, weights, len(self.genes_) * count) for weights in (None, y))
            found[name] = (of_class_1 + PRIOR_ROWS * np.repeat(behind, count)) / (rows + PRIOR_ROWS)
            behind = found["gene_rate"]
        return found
