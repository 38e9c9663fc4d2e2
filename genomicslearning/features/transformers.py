"""scikit-learn transformers from a training set to numbers: columns by evidence block, crossed tokens, and their
score."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pandas as pd
from scipy import sparse
from sklearn.base import BaseEstimator, TransformerMixin, clone
from sklearn.linear_model import LogisticRegression
from sklearn.utils.validation import check_is_fitted

from genomicslearning import InputError
from genomicslearning.features.context import ConditionThemes, GeneContext
from genomicslearning.features.cross_fitting import CrossFitted, folds
from genomicslearning.features.ragged import in_several
from genomicslearning.features.rates import GeneRates
from genomicslearning.features.submission_blocks import THEMES
from genomicslearning.features.variants import PIECE, Variants

# From so many training rows on a token score's folds are fitted one by one: a million rows' tokens are half a gigabyte.
MANY_ROWS = 200_000
# Columns that fit behind those of `VariantFeatures` without a copy: the token score, and the rates of genes.
_ROOM = 4


class VariantFeatures(TransformerMixin, BaseEstimator):
    """Numeric features of variants, learnt from training rows without their labels.

    Parameters
    ----------
    features
        ``all``; ``biology``, nothing that grows with the number of submitters; ``prospective``, biology and what an
        earlier release said (`prior_*`).
    without
        Names of blocks to leave out. Leave out `locus` and `gene` (all that is learnt from other rows of the gene)
        where whole genes are held out.

    Notes
    -----
    Input is a table as `read_table` gives it, or `Variants` parsed from one. Columns are read by name,
    so that their order does not matter and nothing but the documented columns (`BLOCKS`) can become a feature. Output
    is a float32 DataFrame with a column a feature; missing stays NaN. Where training rows come in groups, themes are
    learnt from terms that rows of two groups have, as tokens are (`VariantTokens`).
    """

    def __init__(self, features: str = "all", without: tuple[str, ...] = ()):
        self.features = features
        self.without = without

    def fit(self, X, y=None):
        self.fit_transform(X)
        return self

    def fit_transform(self, X, y=None, **fit_params) -> pd.DataFrame:
        variants = Variants.read(X, self.features)
        self.context_ = GeneContext().fit(variants)
        self.themes_ = []
        if variants.condition_terms is not None and variants.condition_words is not None:
            self.themes_ = [
                ConditionThemes(THEMES, min_rows=3).fit(variants.condition_terms, variants.groups),
                ConditionThemes(THEMES, min_rows=5).fit(variants.condition_words, variants.groups),
            ]
        columns = self._columns(variants)
        self.feature_names_ = [name for name, values in columns.items() if _informative(values)]
        return self._frame(X, columns)

    def transform(self, X) -> pd.DataFrame:
        check_is_fitted(self, "feature_names_")
        return self._frame(X, self._columns(Variants.read(X, self.features)))

    def _frame(self, X, columns: dict[str, np.ndarray]) -> pd.DataFrame:
        # Column by column, as it is filled here and as trees and bins read it; behind them there is room for more.
        values = np.empty((len(X), len(self.feature_names_) + _ROOM), np.float32, order="F")
        values[:1, -_ROOM:] = np.nan
        for place, name in enumerate(self.feature_names_):
            # A numeric prior_* column that training had and this table lacks is missing.
            values[:, place] = columns.get(name, np.nan)
        index = X.index if isinstance(X, pd.DataFrame) else None
        return pd.DataFrame(values[:, :-_ROOM], columns=self.feature_names_, index=index, copy=False)

    def get_feature_names_out(self, input_features=None) -> np.ndarray:
        return np.array(self.feature_names_, dtype=object)

    def _columns(self, variants: Variants) -> dict[str, np.ndarray]:
        dropped = {name for block in self.without for name in variants.blocks.get(block, ())}
        columns = {name: values for name, values in variants.columns.items() if name not in dropped}
        if "gene" not in self.without:
            columns |= self.context_.transform(variants)
        if self.themes_ and "disease" not in self.without:
            texts = {"condition": variants.condition_terms, "word": variants.condition_words}
            for (kind, lists), themes in zip(texts.items(), self.themes_, strict=True):
                if lists is None:
                    raise InputError("parsed without conditions, but the features have themes of them; parse again")
                scores = themes.transform(lists)
                columns |= {f"{kind}_theme_{number:02d}": scores[:, number] for number in range(THEMES)}
        return columns


def _informative(values: np.ndarray) -> bool:
    """Whether a column says something about the training rows: ten known values, and not the same in every row."""
    known = ~np.isnan(values)
    if known.sum() < min(10, len(values)):
        return False
    return not known.all() or bool(np.any(values != values[0]))


class VariantTokens(TransformerMixin, BaseEstimator):
    """Crossed tokens as a sparse matrix, TF-IDF weighted, each row of length 1.

    Parameters
    ----------
    features
        A name in `FEATURE_SETS`.
    min_rows
        A token is learnt if at least so many training rows have it.

    Notes
    -----
    Where training rows come in groups (genes that are held out whole), a token is learnt if rows of two groups have it:
    what only one gene has can say nothing of another, and would make training rows look unlike new ones.
    """

    def __init__(self, features: str = "all", min_rows: int = 4):
        self.features = features
        self.min_rows = min_rows

    def fit(self, X, y=None):
        variants = Variants.read(X, self.features)
        rows = np.bincount(variants.tokens.values, minlength=len(variants.token_hashes))
        kept = rows >= self.min_rows
        if variants.groups is not None:
            kept &= in_several(variants.tokens, variants.groups, len(rows))
        if not kept.any():
            kept = rows >= rows.max()
        self.tokens_ = variants.token_hashes[kept]
        self.idf_ = (np.log((1 + len(variants)) / (1 + rows[kept])) + 1).astype(np.float32)
        return self

    def transform(self, X) -> sparse.csr_matrix:
        check_is_fitted(self, "tokens_")
        variants = Variants.read(X, self.features)
        column = self._columns_of(variants.token_hashes)
        offsets = variants.tokens.offsets
        # Some rows at a time, into the matrix itself: what is counted on the way is larger than it.
        most = len(variants.tokens.values)
        weights, indices = np.empty(most, np.float32), np.empty(most, np.int32)
        ends = np.zeros(len(variants) + 1, np.int32)
        for start, end in _pieces(len(variants), PIECE):
            part = self._matrix(column[variants.tokens.values[offsets[start] : offsets[end]]], offsets[start : end + 1])
            first = ends[start]
            weights[first : first + part.nnz], indices[first : first + part.nnz] = part.data, part.indices
            ends[start + 1 : end + 1] = first + part.indptr[1:]
        shape = (len(variants), len(self.tokens_))
        return sparse.csr_matrix((weights[: ends[-1]], indices[: ends[-1]], ends), shape=shape)

    def _columns_of(self, hashes: np.ndarray) -> np.ndarray:
        """The matrix's column of each token, -1 where it was not learnt."""
        found = np.empty(len(hashes), np.int32)
        for start, end in _pieces(len(hashes), 1 << 20):
            piece = hashes[start:end]
            place = np.minimum(np.searchsorted(self.tokens_, piece), len(self.tokens_) - 1)
            found[start:end] = np.where(self.tokens_[place] == piece, place, -1)
        return found

    def _matrix(self, columns: np.ndarray, offsets: np.ndarray) -> sparse.csr_matrix:
        """Rows whose tokens are `columns` of the matrix; -1 stands for a token that was not learnt."""
        count = len(offsets) - 1
        keep = columns >= 0
        rows = np.repeat(np.arange(count), np.diff(offsets))
        lengths = np.bincount(rows[keep], minlength=count)
        indices = columns[keep]
        indptr = np.concatenate([[0], np.cumsum(lengths)]).astype(np.int32)
        matrix = sparse.csr_matrix((self.idf_[indices], indices, indptr), shape=(count, len(self.tokens_)))
        matrix.sum_duplicates()
        squares = np.add.reduceat(np.append(matrix.data**2, 0), matrix.indptr[:-1]) if matrix.nnz else np.ones(count)
        norm = np.sqrt(np.where(np.diff(matrix.indptr) > 0, squares, 1))
        matrix.data /= np.repeat(norm, np.diff(matrix.indptr)).astype(np.float32)
        return matrix


def _pieces(count: int, size: int) -> list[tuple[int, int]]:
    return [(start, min(start + size, count)) for start in range(0, max(count, 1), size)]


class TokenScore(CrossFitted):
    """Log odds from a logistic regression on crossed tokens, cross-fitted.

    Like scikit-learn's `TargetEncoder`, `fit_transform` scores each training row by a model that did not see it (or
    its group), and `transform` scores new rows by the mean of those models; ``fit(X, y).transform(X)`` would leak
    labels into training.

    Parameters
    ----------
    features, min_rows
        As in `VariantTokens`.
    C
        Inverse strength of the L2 penalty.
    cv
        Number of folds.
    seed
        Of the folds.
    """

    def __init__(self, features: str = "all", min_rows: int = 4, C: float = 3.0, cv: int = 5, seed: int = 0):
        self.features = features
        self.min_rows = min_rows
        self.C = C
        self.cv = cv
        self.seed = seed

    def fit_transform(self, X, y) -> pd.DataFrame:
        variants = Variants.read(X, self.features)
        tokens = self.tokens().fit(variants)
        return _indexed(X, self.fit_matrix(tokens, tokens.transform(variants), y, variants.groups))

    def tokens(self) -> VariantTokens:
        """The tokens that it reads, not fitted yet."""
        return VariantTokens(self.features, self.min_rows)

    def fit_matrix(
        self, tokens: VariantTokens, matrix: sparse.csr_matrix, y: np.ndarray, groups: np.ndarray | None
    ) -> pd.DataFrame:
        """What `fit_transform` does, where others have fitted the tokens and made them a matrix."""
        self.vectorizer_, y = tokens, np.asarray(y)
        scores = np.zeros(len(y))

        def fit_fold(fold: tuple[np.ndarray, np.ndarray]) -> np.ndarray:
            fitted, scored = fold
            if len(np.unique(y[fitted])) < 2:  # the few rows of the other class are all in this fold: nothing is learnt
                ones = np.sum(y[fitted])
                constant = np.log((ones + 0.5) / (len(fitted) - ones + 0.5))
                scores[scored] = constant
                return np.append(np.zeros(matrix.shape[1]), constant)
            model = LogisticRegression(C=self.C, solver="newton-cg").fit(matrix[fitted], y[fitted])
            scores[scored] = model.decision_function(matrix[scored])
            return np.append(model.coef_[0], model.intercept_)

        # Sparse products are made outside of Python's lock; but each of two fits holds most of the matrix once more.
        with ThreadPoolExecutor(2 if len(y) < MANY_ROWS else 1) as pool:
            coefficients = list(pool.map(fit_fold, folds(self.cv, y, groups, self.seed)))
        self.coef_ = np.mean(coefficients, axis=0)
        return self._frame(scores)

    def transform(self, X) -> pd.DataFrame:
        check_is_fitted(self, "coef_")
        return _indexed(X, self.of_matrix(self.vectorizer_.transform(X)))

    def of_matrix(self, matrix: sparse.csr_matrix) -> pd.DataFrame:
        """The score of rows whose tokens are a matrix already."""
        return self._frame(matrix @ self.coef_[:-1] + self.coef_[-1])

    def get_feature_names_out(self, input_features=None) -> np.ndarray:
        return np.array(["token_score"], dtype=object)

    @staticmethod
    def _frame(scores: np.ndarray) -> pd.DataFrame:
        return pd.DataFrame({"token_score": scores.astype(np.float32)})


def _indexed(X, found: pd.DataFrame) -> pd.DataFrame:
    """The rows under the names that they have in the input, where it is a table."""
    return found.set_axis(X.index, axis=0) if isinstance(X, pd.DataFrame) else found


def _with_room(columns: pd.DataFrame, more: int) -> np.ndarray | None:
    """The memory that the columns lie in, with so many behind them where nothing was put yet; None without such."""
    values = columns.to_numpy()
    whole = values.base
    if not isinstance(whole, np.ndarray) or whole.shape != (values.shape[0], values.shape[1] + _ROOM) or more > _ROOM:
        return None
    same = whole.dtype == np.float32 and whole.ctypes.data == values.ctypes.data and whole.strides == values.strides
    free = len(whole) > 0 and np.isnan(whole[0, -_ROOM:]).all()
    return whole[:, : values.shape[1] + more] if same and free else None


class ScoredFeatures(CrossFitted):
    """The columns of `VariantFeatures` and, beside them, what is learnt from labels: `TokenScore`, maybe `GeneRates`.

    (What a scikit-learn FeatureUnion would do; that one keeps pandas objects, which a skops file cannot hold.)

    Parameters
    ----------
    columns : a `VariantFeatures`.
    token_score : a `TokenScore` of the same feature set.
    gene_rates : a `GeneRates` of the same feature set, or None.
    """

    def __init__(self, columns: VariantFeatures, token_score: TokenScore, gene_rates: GeneRates | None = None):
        self.columns = columns
        self.token_score = token_score
        self.gene_rates = gene_rates

    @property
    def scores(self) -> list:
        """What is learnt from labels, not fitted."""
        return [score for score in (self.token_score, self.gene_rates) if score is not None]

    def of(self, columns: VariantFeatures, scores: list) -> ScoredFeatures:
        """The same, of parts that are fitted already."""
        made = clone(self)
        made.columns_, made.scores_ = columns, scores
        return made

    def fit_transform(self, X, y, **fit_params) -> pd.DataFrame:
        self.columns_, self.scores_ = clone(self.columns), [clone(score) for score in self.scores]
        variants = Variants.read(X, self.columns.features)
        columns = self.columns_.fit_transform(variants)
        return _indexed(X, self.joined(columns, *(score.fit_transform(variants, y) for score in self.scores_)))

    def transform(self, X) -> pd.DataFrame:
        check_is_fitted(self, "columns_")
        variants = Variants.read(X, self.columns.features)
        parts = (part.transform(variants) for part in (self.columns_, *self.scores_))
        return _indexed(X, self.joined(*parts))

    def get_feature_names_out(self, input_features=None) -> np.ndarray:
        return np.concatenate([part.get_feature_names_out() for part in (self.columns_, *self.scores_)])

    @staticmethod
    def joined(columns: pd.DataFrame, *scores: pd.DataFrame) -> pd.DataFrame:
        """The parts' outputs for the same rows, side by side, in memory of a column after the other.

        The scores go into the room behind the columns where `VariantFeatures` left some: a million rows of columns are
        not copied, and the columns alone stay what they are.
        """
        names = [*columns.columns, *(name for score in scores for name in score.columns)]
        width = columns.shape[1]
        values = _with_room(columns, len(names) - width)
        if values is None:
            values = np.empty((len(columns), len(names)), np.float32, order="F")
            values[:, :width] = columns
        start = width
        for score in scores:
            values[:, start : start + score.shape[1]] = score
            start += score.shape[1]
        return pd.DataFrame(values, columns=names, index=columns.index, copy=False)


class PartedColumns(TransformerMixin, BaseEstimator):
    """Columns twice, side by side: where a flag is set, and where it is not; missing elsewhere.

    A tree that cuts such a column leaves the rows of the other side together, so that boosting learns each side's own
    rules and still ranks all rows together.

    Parameters
    ----------
    flag : name of the column of 0 and 1 that parts the rows. Without it there is one side, and columns stay as they
        are; a row whose flag is missing is on the side of 0.
    """

    def __init__(self, flag: str):
        self.flag = flag

    def fit(self, X, y=None):
        self.place_ = list(X.columns).index(self.flag) if self.flag in X.columns else None
        return self

    def transform(self, X) -> np.ndarray:
        values = np.asarray(X, np.float32)
        if self.place_ is None:
            return values
        width = values.shape[1]
        parted = np.full((len(values), 2 * width), np.nan, np.float32, order="F")
        for start, rows in ((0, values[:, self.place_] == 1), (width, values[:, self.place_] != 1)):
            for column in range(width):
                np.copyto(parted[:, start + column], values[:, column], where=rows)
        return parted

    def added_up(self, values: np.ndarray) -> np.ndarray:
        """What numbers of the parted columns, as SHAP values are, make a column that was parted."""
        return values if self.place_ is None else values[:, : values.shape[1] // 2] + values[:, values.shape[1] // 2 :]
