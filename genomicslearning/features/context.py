"""Features that are learnt from the training rows, never from their labels: the gene's usual values, other variants
nearby, and what conditions have in common."""

from __future__ import annotations

import numpy as np
from scipy import sparse
from sklearn.decomposition import TruncatedSVD

from genomicslearning.features.block import MISSING
from genomicslearning.features.blocks import WINDOWS
from genomicslearning.features.ragged import Ragged, in_several
from genomicslearning.features.variants import Variants

_FAR = 1e6
_MEANS = {
    "gene_high_impact": lambda columns: columns["impact"] == 3,
    "gene_moderate_impact": lambda columns: columns["impact"] == 2,
    "gene_log_af": lambda columns: columns["log_af_max"],
    "gene_cadd": lambda columns: np.nan_to_num(columns["cadd_phred"]),
    "gene_unseen": lambda columns: columns["af_known"] == 0,
    "gene_common": lambda columns: columns["log_af_max"] > -3,
}
_SUBMISSION_MEANS = {
    "gene_conditions": lambda columns: columns["conditions"],
    "gene_not_specified": lambda columns: columns["not_specified"],
    "gene_illumina": lambda columns: columns["source_illumina"],
}


class GeneContext:
    """What the training variants of the same gene, and those nearby, look like.

    A row that is itself among the training variants is not counted as its own neighbour, so that training rows and
    new rows mean the same by "other variants". An unseen gene gets missing values.
    """

    def fit(self, variants: Variants) -> GeneContext:
        """Learn from the training rows."""
        self.genes_, gene = np.unique(variants.gene, return_inverse=True)
        self.rows_ = np.bincount(gene, minlength=len(self.genes_)).astype(np.float64)
        columns = variants.columns
        means = _MEANS | (_SUBMISSION_MEANS if "conditions" in columns else {})
        self.means_ = {
            name: np.bincount(gene, value(columns).astype(np.float64), len(self.genes_)) / self.rows_
            for name, value in means.items()
        }
        squares = np.bincount(gene, columns["log_af_max"].astype(np.float64) ** 2, len(self.genes_)) / self.rows_
        self.means_["gene_af_spread"] = np.sqrt(np.maximum(squares - self.means_["gene_log_af"] ** 2, 0))
        self.ranked_ = {name: np.sort(_in_gene(gene, columns[name])) for name in ("log_af_max", "cadd_phred")}
        self.starts_ = np.concatenate([[0], np.cumsum(self.rows_)]).astype(np.int64)
        self.longest_ = np.full(len(self.genes_), np.nan)
        np.fmax.at(self.longest_, gene, columns["protein_position"].astype(np.float64))
        self.positions_ = np.sort(variants.position)
        self.variants_ = np.unique(variants.variant)
        self.sets_, self.set_rows_ = np.unique(_set_hash(variants), return_counts=True)
        return self

    def transform(self, variants: Variants) -> dict[str, np.ndarray]:
        """Values for rows, new ones or those that were learnt from."""
        gene, known_gene = find(self.genes_, variants.gene)
        itself = find(self.variants_, variants.variant)[1]
        columns = variants.columns
        found = {name: np.where(known_gene, values[gene], MISSING) for name, values in self.means_.items()}
        found["gene_variants"] = np.where(known_gene, self.rows_[gene] - itself, 0)
        found["af_to_gene"] = columns["log_af_max"] - found["gene_log_af"]
        for name, column in (("af_rank_in_gene", "log_af_max"), ("cadd_rank_in_gene", "cadd_phred")):
            below = np.searchsorted(self.ranked_[column], _in_gene(gene, columns[column]), "left") - self.starts_[gene]
            found[name] = np.where(known_gene, below / np.maximum(self.rows_[gene] - itself, 1), MISSING)
        found["protein_fraction"] = np.where(known_gene, columns["protein_position"] / self.longest_[gene], MISSING)
        found |= self._nearby(variants.position, itself)
        if "conditions" in columns:
            found["conditions_to_gene"] = columns["conditions"] - found["gene_conditions"]
            which, known = find(self.sets_, _set_hash(variants))
            found["condition_set_rows"] = np.where(known, self.set_rows_[which] - itself, 0)
        return found

    def _nearby(self, position: np.ndarray, itself: np.ndarray) -> dict[str, np.ndarray]:
        ordered = self.positions_
        left, right = np.searchsorted(ordered, position, "left"), np.searchsorted(ordered, position, "right")
        before = np.where(left > 0, position - ordered[np.maximum(left - 1, 0)], _FAR)
        after = np.where(right < len(ordered), ordered[np.minimum(right, len(ordered) - 1)] - position, _FAR)
        found = {
            "variants_at_position": right - left - itself,
            "log_distance_before": np.log1p(np.clip(before, 0, _FAR)),
            "log_distance_after": np.log1p(np.clip(after, 0, _FAR)),
        }
        for window in WINDOWS:
            first, last = (
                np.searchsorted(ordered, position - window, "left"),
                np.searchsorted(ordered, position + window, "right"),
            )
            found[f"variants_within_{window}"] = last - first - itself
        return found


def _in_gene(gene: np.ndarray, values: np.ndarray) -> np.ndarray:
    """Gene and value as one sortable number; allele frequency and CADD lie well within ±500, missing sorts first."""
    return gene * 1000.0 + np.clip(np.nan_to_num(values.astype(np.float64), nan=-400.0), -400, 400)


def find(ordered: np.ndarray, values: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Place of each value in a sorted array, and whether it is there."""
    place = np.minimum(np.searchsorted(ordered, values), len(ordered) - 1)
    return place, ordered[place] == values


def _set_hash(variants: Variants) -> np.ndarray:
    """One hash a row of its conditions, in any order (a sum of hashes)."""
    if variants.condition_terms is None:
        return np.zeros(len(variants), np.uint64)
    hashes = variants.condition_terms.values
    sums = np.zeros(len(hashes) + 1, np.uint64)
    np.cumsum(hashes, out=sums[1:])
    return sums[variants.condition_terms.offsets[1:]] - sums[variants.condition_terms.offsets[:-1]]


class ConditionThemes:
    """Conditions and their words as a few themes: TF-IDF, then a truncated SVD (latent semantic analysis)."""

    def __init__(self, themes: int, min_rows: int):
        self.themes = themes
        self.min_rows = min_rows

    def fit(self, lists: Ragged, groups: np.ndarray | None) -> ConditionThemes:
        """Learn from a list of hashes a row; given `groups`, one id a row, from terms that two groups have."""
        values, codes, counts = np.unique(lists.values, return_inverse=True, return_counts=True)
        kept = counts >= self.min_rows
        if groups is not None:
            kept &= in_several(Ragged(codes, lists.offsets), groups, len(values))
        self.terms_ = values[kept]
        self.idf_ = np.ones(len(self.terms_))
        weights = self._weights(lists)
        rows = len(lists.offsets) - 1
        with_term = np.bincount(weights.indices, minlength=len(self.terms_))
        self.idf_ = np.log((1 + rows) / (1 + with_term)) + 1
        weights = self._weights(lists)
        width = min(self.themes, len(self.terms_) - 1)
        self.components_ = np.zeros((len(self.terms_), self.themes), np.float32)
        if width > 0 and weights.nnz:
            svd = TruncatedSVD(width, n_iter=4, random_state=0).fit(weights)
            self.components_[:, :width] = svd.components_.T
        return self

    def transform(self, lists: Ragged) -> np.ndarray:
        """Values for rows, new ones or those that were learnt from."""
        return self._weights(lists) @ self.components_

    def _weights(self, lists: Ragged) -> sparse.csr_array:
        """Rows by terms: 1 + log of how often, times inverse document frequency, each row of length 1."""
        rows = len(lists.offsets) - 1
        if not len(self.terms_):
            return sparse.csr_array((rows, 0), dtype=np.float32)
        place, known = find(self.terms_, lists.values)
        counts = sparse.coo_array(
            (np.ones(int(known.sum())), (lists.rows[known], place[known])), shape=(rows, len(self.terms_))
        ).tocsr()
        counts.data = (1 + np.log(counts.data)) * self.idf_[counts.indices]
        length = np.sqrt(counts.multiply(counts).sum(axis=1))
        counts.data /= np.repeat(np.where(length > 0, length, 1), np.diff(counts.indptr))
        return counts
