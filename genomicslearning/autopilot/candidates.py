"""The candidates: each a function that builds a scikit-learn Pipeline from a trial of its search space.

A pipeline's first step is its evidence. `trial` is an Optuna trial (or a FixedTrial, to build one known set of
hyperparameters). The candidate definition notebook of a job shows these functions as its cells.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

from sklearn.dummy import DummyClassifier
from sklearn.ensemble import ExtraTreesClassifier, HistGradientBoostingClassifier, RandomForestClassifier
from sklearn.impute import SimpleImputer
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import Pipeline
from sklearn.preprocessing import QuantileTransformer

from genomicslearning.features import ScoredFeatures, TokenScore, VariantFeatures, VariantTokens


class Evidence:
    """The three kinds of evidence that candidates read."""

    def __init__(self, features: str, *, grouped: bool, seed: int):
        self.features = features
        self.without = ("locus",) if grouped else ()
        self.seed = seed

    def tokens(self):
        """Crossed tokens, sparse."""
        return VariantTokens(self.features)

    def columns(self):
        """Numeric columns of the evidence blocks."""
        return VariantFeatures(self.features, without=self.without)

    def columns_and_token_score(self):
        """The columns, and beside them what a cross-fitted linear model makes of the tokens."""
        return ScoredFeatures(self.columns(), TokenScore(self.features, seed=self.seed))


def majority(trial, evidence, seed):
    return Pipeline([("evidence", evidence.tokens()), ("classifier", DummyClassifier(strategy="prior"))])


def token_logistic(trial, evidence, seed):
    classifier = LogisticRegression(C=trial.suggest_float("C", 0.5, 10, log=True), solver="newton-cg")
    return Pipeline([("evidence", evidence.tokens()), ("classifier", classifier)])


def linear_columns(trial, evidence, seed):
    return Pipeline(
        [
            ("evidence", evidence.columns_and_token_score()),
            ("impute", SimpleImputer(strategy="median", add_indicator=True)),
            ("scale", QuantileTransformer(n_quantiles=100, output_distribution="normal", random_state=seed)),
            (
                "classifier",
                LogisticRegression(C=trial.suggest_float("C", 1e-3, 1, log=True), solver="lbfgs", max_iter=300),
            ),
        ]
    )


def extra_trees(trial, evidence, seed):
    classifier = ExtraTreesClassifier(
        n_estimators=trial.suggest_int("n_estimators", 60, 200),
        min_samples_leaf=trial.suggest_int("min_samples_leaf", 2, 8),
        max_features=trial.suggest_float("max_features", 0.05, 0.4),
        random_state=seed,
    )
    return Pipeline(
        [
            ("evidence", evidence.columns_and_token_score()),
            ("impute", SimpleImputer(strategy="constant", fill_value=-9)),
            ("classifier", classifier),
        ]
    )


def random_forest(trial, evidence, seed):
    classifier = RandomForestClassifier(
        n_estimators=trial.suggest_int("n_estimators", 40, 150),
        min_samples_leaf=trial.suggest_int("min_samples_leaf", 2, 10),
        max_features=trial.suggest_float("max_features", 0.05, 0.3),
        max_samples=0.5,
        random_state=seed,
    )
    return Pipeline(
        [
            ("evidence", evidence.columns_and_token_score()),
            ("impute", SimpleImputer(strategy="constant", fill_value=-9)),
            ("classifier", classifier),
        ]
    )


def boosting(trial, evidence, seed):
    classifier = HistGradientBoostingClassifier(
        learning_rate=trial.suggest_float("learning_rate", 0.03, 0.15, log=True),
        max_iter=trial.suggest_int("max_iter", 100, 400),
        max_leaf_nodes=trial.suggest_int("max_leaf_nodes", 8, 96, log=True),
        min_samples_leaf=trial.suggest_int("min_samples_leaf", 5, 60, log=True),
        l2_regularization=trial.suggest_float("l2_regularization", 0.01, 30, log=True),
        max_features=trial.suggest_float("max_features", 0.1, 0.8),
        max_bins=63,
        early_stopping=False,
        random_state=seed,
    )
    return Pipeline([("evidence", evidence.columns_and_token_score()), ("classifier", classifier)])


def boosting_columns(trial, evidence, seed):
    classifier = HistGradientBoostingClassifier(
        learning_rate=trial.suggest_float("learning_rate", 0.03, 0.15, log=True),
        max_iter=trial.suggest_int("max_iter", 100, 400),
        max_leaf_nodes=trial.suggest_int("max_leaf_nodes", 8, 96, log=True),
        min_samples_leaf=trial.suggest_int("min_samples_leaf", 5, 60, log=True),
        l2_regularization=trial.suggest_float("l2_regularization", 0.01, 30, log=True),
        max_features=trial.suggest_float("max_features", 0.1, 0.8),
        max_bins=63,
        early_stopping=False,
        random_state=seed,
    )
    return Pipeline([("evidence", evidence.columns()), ("classifier", classifier)])


@dataclass(frozen=True)
class Definition:
    """A candidate's builder, its algorithm and what it is, and the hyperparameters that its search starts from."""

    build: Callable
    algorithm: str
    description: str
    first: dict = field(default_factory=dict)


_BOOSTING = dict(
    learning_rate=0.06, max_iter=250, max_leaf_nodes=48, min_samples_leaf=10, l2_regularization=1.0, max_features=0.3
)
DEFINITIONS = {
    "majority": Definition(majority, "Majority baseline", "every variant gets the share of CLASS 1"),
    "token_logistic": Definition(token_logistic, "Logistic regression", "sparse crossed tokens", {"C": 3.0}),
    "linear_columns": Definition(
        linear_columns, "Logistic regression", "evidence columns and token score", {"C": 0.03}
    ),
    "boosting": Definition(boosting, "Histogram gradient boosting", "evidence columns and token score", _BOOSTING),
    "boosting_columns": Definition(boosting_columns, "Histogram gradient boosting", "evidence columns", _BOOSTING),
    "random_forest": Definition(
        random_forest,
        "Random forest",
        "evidence columns and token score",
        {"n_estimators": 60, "min_samples_leaf": 5, "max_features": 0.1},
    ),
    "extra_trees": Definition(
        extra_trees,
        "Extra trees",
        "evidence columns and token score",
        {"n_estimators": 100, "min_samples_leaf": 3, "max_features": 0.15},
    ),
}


@dataclass(frozen=True)
class Preset:
    """How much a job does: trials of each candidate, and folds of the cross-validation that chooses."""

    trials: dict[str, int]
    folds: int


PRESETS = {
    "quick": Preset({"majority": 1, "token_logistic": 1, "boosting": 1}, folds=3),
    "balanced": Preset(
        {
            "majority": 1,
            "token_logistic": 3,
            "linear_columns": 1,
            "boosting": 1,
            "boosting_columns": 1,
            "random_forest": 1,
            "extra_trees": 1,
        },
        folds=4,
    ),
    "best": Preset(
        {
            "majority": 1,
            "token_logistic": 5,
            "linear_columns": 3,
            "boosting": 12,
            "boosting_columns": 8,
            "random_forest": 4,
            "extra_trees": 6,
        },
        folds=5,
    ),
}
