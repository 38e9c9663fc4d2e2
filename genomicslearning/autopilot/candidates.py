"""The candidates: each a function that builds a scikit-learn Pipeline from a trial of its search space.

A pipeline's first step is its evidence. `trial` is an Optuna trial (or a FixedTrial, to build one known set of
hyperparameters). The candidate definition notebook of a job shows these functions as its cells.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from importlib import import_module

from sklearn.dummy import DummyClassifier
from sklearn.ensemble import ExtraTreesClassifier, HistGradientBoostingClassifier, RandomForestClassifier
from sklearn.impute import SimpleImputer
from sklearn.linear_model import LogisticRegression
from sklearn.naive_bayes import ComplementNB
from sklearn.pipeline import Pipeline
from sklearn.preprocessing import QuantileTransformer

from genomicslearning import InputError, install
from genomicslearning.autopilot.vocabulary import LIBRARY_OF
from genomicslearning.features import (
    GeneRates,
    PartedColumns,
    ScoredFeatures,
    TokenScore,
    VariantFeatures,
    VariantTokens,
)


class Evidence:
    """The three kinds of evidence that candidates read."""

    def __init__(self, features: str, *, grouped: bool, seed: int):
        self.features = features
        self.grouped = grouped
        # Every training row has a gene that was seen, and no held-out row has: what is learnt a gene would mislead.
        self.without = ("locus", "gene") if grouped else ()
        self.seed = seed

    def tokens(self):
        """Crossed tokens, sparse."""
        return VariantTokens(self.features)

    def columns(self):
        """Numeric columns of the evidence blocks."""
        return VariantFeatures(self.features, without=self.without)

    def all_columns(self):
        """The columns and, but for `prospective`, beside them what is learnt from labels, cross-fitted.

        That is what a linear model makes of the tokens, and for `biology`, where genes are not held out, how often
        variants of the gene are of CLASS 1.
        """
        # Drawn submissions name other conditions than real ones, and tokens learn them (docs/model.md).
        if self.features == "prospective":
            return self.columns()
        rates = GeneRates(self.features, seed=self.seed) if self.features == "biology" and not self.grouped else None
        return ScoredFeatures(self.columns(), TokenScore(self.features, seed=self.seed), rates)

    def before_boosting(self):
        """Steps before a boosting: the columns and the token score; for `prospective` the columns, parted by the claim.

        What makes others contradict a variant that is called uncertain is not what makes them contradict other claims.
        """
        parted = [("parted", PartedColumns("prior_uncertain"))] if self.features == "prospective" else []
        return [("evidence", self.all_columns()), *parted]


def majority(trial, evidence, seed):
    """Every variant gets the share of CLASS 1."""
    return Pipeline([("evidence", evidence.tokens()), ("classifier", DummyClassifier(strategy="prior"))])


def token_bayes(trial, evidence, seed):
    """Naive Bayes on crossed tokens."""
    classifier = ComplementNB(alpha=trial.suggest_float("alpha", 0.01, 10, log=True))
    return Pipeline([("evidence", evidence.tokens()), ("classifier", classifier)])


def token_logistic(trial, evidence, seed):
    """Logistic regression on crossed tokens."""
    classifier = LogisticRegression(C=trial.suggest_float("C", 0.5, 10, log=True), solver="newton-cg")
    return Pipeline([("evidence", evidence.tokens()), ("classifier", classifier)])


def linear_columns(trial, evidence, seed):
    """Logistic regression on the evidence columns and the token score."""
    classifier = LogisticRegression(C=trial.suggest_float("C", 1e-4, 1, log=True), solver="newton-cg", tol=1e-3)
    return Pipeline(
        [
            ("evidence", evidence.all_columns()),
            ("impute", SimpleImputer(strategy="median")),
            ("scale", QuantileTransformer(n_quantiles=100, output_distribution="normal", random_state=seed)),
            ("classifier", classifier),
        ]
    )


def light_boosting(seed, **settings):
    """LightGBM's classifier with what every candidate has in common: one core, few bins, equal trees in every run."""
    from lightgbm import LGBMClassifier

    common = dict(max_bin=63, deterministic=True, force_col_wise=True, n_jobs=1, random_state=seed, verbosity=-1)
    return LGBMClassifier(**settings, **common)


def boosting(trial, evidence, seed):
    """Gradient boosting by LightGBM on the evidence columns and the token score."""
    classifier = light_boosting(
        seed,
        learning_rate=trial.suggest_float("learning_rate", 0.02, 0.15, log=True),
        n_estimators=trial.suggest_int("n_estimators", 50, 400),
        num_leaves=trial.suggest_int("num_leaves", 24, 512, log=True),
        min_child_samples=trial.suggest_int("min_child_samples", 5, 60, log=True),
        reg_lambda=trial.suggest_float("reg_lambda", 0.01, 50, log=True),
        feature_fraction=trial.suggest_float("feature_fraction", 0.1, 0.6),
    )
    return Pipeline([*evidence.before_boosting(), ("classifier", classifier)])


def boosting_columns(trial, evidence, seed):
    """Gradient boosting by LightGBM on the evidence columns alone."""
    classifier = light_boosting(
        seed,
        learning_rate=trial.suggest_float("learning_rate", 0.02, 0.15, log=True),
        n_estimators=trial.suggest_int("n_estimators", 50, 400),
        num_leaves=trial.suggest_int("num_leaves", 24, 512, log=True),
        min_child_samples=trial.suggest_int("min_child_samples", 5, 60, log=True),
        reg_lambda=trial.suggest_float("reg_lambda", 0.01, 50, log=True),
        feature_fraction=trial.suggest_float("feature_fraction", 0.1, 0.6),
    )
    return Pipeline([("evidence", evidence.columns()), ("classifier", classifier)])


def boosting_regularised(trial, evidence, seed):
    """Gradient boosting by LightGBM of smaller trees, leaves drawn to their parents, on columns and token score."""
    classifier = light_boosting(
        seed,
        learning_rate=trial.suggest_float("learning_rate", 0.02, 0.15, log=True),
        n_estimators=trial.suggest_int("n_estimators", 50, 400),
        num_leaves=trial.suggest_int("num_leaves", 12, 256, log=True),
        min_child_samples=trial.suggest_int("min_child_samples", 5, 60, log=True),
        reg_lambda=trial.suggest_float("reg_lambda", 1, 50, log=True),
        path_smooth=trial.suggest_float("path_smooth", 5, 60),
        feature_fraction=trial.suggest_float("feature_fraction", 0.1, 0.6),
    )
    return Pipeline([*evidence.before_boosting(), ("classifier", classifier)])


def boosting_random(trial, evidence, seed):
    """Gradient boosting by LightGBM with cuts drawn at random, as extra trees have them, on columns and token score."""
    classifier = light_boosting(
        seed,
        learning_rate=trial.suggest_float("learning_rate", 0.03, 0.2, log=True),
        n_estimators=trial.suggest_int("n_estimators", 50, 400),
        num_leaves=trial.suggest_int("num_leaves", 24, 512, log=True),
        min_child_samples=trial.suggest_int("min_child_samples", 5, 60, log=True),
        reg_lambda=trial.suggest_float("reg_lambda", 0.01, 50, log=True),
        feature_fraction=trial.suggest_float("feature_fraction", 0.1, 0.8),
        extra_trees=True,
    )
    return Pipeline([*evidence.before_boosting(), ("classifier", classifier)])


def histogram_boosting(trial, evidence, seed):
    """Gradient boosting by scikit-learn on the evidence columns and the token score."""
    classifier = HistGradientBoostingClassifier(
        learning_rate=trial.suggest_float("learning_rate", 0.03, 0.3, log=True),
        max_iter=trial.suggest_int("max_iter", 50, 300),
        max_leaf_nodes=trial.suggest_int("max_leaf_nodes", 6, 255, log=True),
        min_samples_leaf=trial.suggest_int("min_samples_leaf", 5, 60, log=True),
        l2_regularization=trial.suggest_float("l2_regularization", 0.1, 50, log=True),
        max_features=trial.suggest_float("max_features", 0.05, 0.6),
        max_bins=63,
        early_stopping=False,
        random_state=seed,
    )
    return Pipeline([("evidence", evidence.all_columns()), ("classifier", classifier)])


def random_forest(trial, evidence, seed):
    """Random forest on the evidence columns and the token score."""
    classifier = RandomForestClassifier(
        n_estimators=trial.suggest_int("n_estimators", 20, 150),
        min_samples_leaf=trial.suggest_int("min_samples_leaf", 2, 10),
        max_features=trial.suggest_float("max_features", 0.05, 0.3),
        max_samples=0.5,
        random_state=seed,
    )
    return Pipeline(
        [
            ("evidence", evidence.all_columns()),
            ("impute", SimpleImputer(strategy="constant", fill_value=-9)),
            ("classifier", classifier),
        ]
    )


def extra_trees(trial, evidence, seed):
    """Extremely randomised trees on the evidence columns alone."""
    classifier = ExtraTreesClassifier(
        n_estimators=trial.suggest_int("n_estimators", 20, 200),
        min_samples_leaf=trial.suggest_int("min_samples_leaf", 2, 8),
        max_features=trial.suggest_float("max_features", 0.05, 0.4),
        random_state=seed,
    )
    return Pipeline(
        [
            ("evidence", evidence.columns()),
            ("impute", SimpleImputer(strategy="constant", fill_value=-9)),
            ("classifier", classifier),
        ]
    )


def lightgbm(trial, evidence, seed):
    """Gradient boosting by LightGBM, columns drawn anew at every cut, on the evidence columns and the token score."""
    classifier = light_boosting(
        seed,
        learning_rate=trial.suggest_float("learning_rate", 0.03, 0.15, log=True),
        n_estimators=trial.suggest_int("n_estimators", 50, 300),
        num_leaves=trial.suggest_int("num_leaves", 12, 255, log=True),
        min_child_samples=trial.suggest_int("min_child_samples", 5, 60, log=True),
        reg_lambda=trial.suggest_float("reg_lambda", 0.1, 50, log=True),
        feature_fraction_bynode=trial.suggest_float("feature_fraction_bynode", 0.05, 0.6),
    )
    return Pipeline([("evidence", evidence.all_columns()), ("classifier", classifier)])


# LightGBM's trees start with as many leaves as were best for so many training rows, fewer rows with fewer leaves in
# proportion, and no fewer than for the smaller number (docs/model.md, "Trees and rows").
FEW_ROWS, MANY_ROWS = 5_000, 50_000
# Up to so many training rows a forest costs little, and a mean with it ranks better (docs/model.md, "Few rows").
FOREST_ROWS = 20_000
# Read tokens alone, and so are no candidates where submissions are drawn.
_OF_TOKENS = ("token_bayes", "token_logistic")


@dataclass(frozen=True)
class Definition:
    """A candidate: its builder, its algorithm, and the hyperparameters that its search starts from.

    `first` is tried first, and alone where there is one trial. `cost` is about how many seconds one fit takes, relative
    to the other candidates: it only tells the time left.
    """

    build: Callable
    algorithm: str
    first: dict = field(default_factory=dict)
    cost: float = 1.0

    @property
    def description(self) -> str:
        """What the candidate is, from its function."""
        return (self.build.__doc__ or "").strip().rstrip(".")

    def for_rows(self, rows: int) -> Definition:
        """The same, starting from trees that so many training rows can fill."""
        if "num_leaves" not in self.first:
            return self
        share = min(1.0, max(FEW_ROWS, rows) / MANY_ROWS)
        return replace(self, first=self.first | {"num_leaves": round(self.first["num_leaves"] * share)})


_BOOSTING = dict(
    learning_rate=0.05, n_estimators=150, num_leaves=255, min_child_samples=20, reg_lambda=0.1, feature_fraction=0.3
)
# Smaller trees whose leaves are drawn towards their parents: better where there is less to learn, as on genes that
# nobody has seen; small leaves learn mostly noise of the token score.
_BOOSTING_REGULARISED = _BOOSTING | dict(num_leaves=128, reg_lambda=10.0, path_smooth=20.0)
_BOOSTING_RANDOM = dict(
    learning_rate=0.08, n_estimators=200, num_leaves=255, min_child_samples=5, reg_lambda=1.0, feature_fraction=0.3
)
_BY_NODE = dict(
    learning_rate=0.05,
    n_estimators=150,
    num_leaves=128,
    min_child_samples=20,
    reg_lambda=10.0,
    feature_fraction_bynode=0.2,
)
_HISTOGRAM = dict(
    learning_rate=0.05, max_iter=150, max_leaf_nodes=128, min_samples_leaf=20, l2_regularization=10.0, max_features=0.2
)
_FOREST = {"n_estimators": 100, "min_samples_leaf": 4, "max_features": 0.38}
DEFINITIONS = {
    "majority": Definition(majority, "Majority baseline", cost=0.3),
    "token_bayes": Definition(token_bayes, "Naive Bayes", {"alpha": 1.0}, cost=0.3),
    "token_logistic": Definition(token_logistic, "Logistic regression", {"C": 3.0}, cost=1),
    "linear_columns": Definition(linear_columns, "Logistic regression", {"C": 0.03}, cost=4),
    "random_forest": Definition(
        random_forest, "Random forest", {"n_estimators": 30, "min_samples_leaf": 4, "max_features": 0.08}, cost=5
    ),
    "extra_trees": Definition(
        extra_trees, "Extra trees", {"n_estimators": 20, "min_samples_leaf": 2, "max_features": 0.2}, cost=10
    ),
    "histogram_boosting": Definition(histogram_boosting, "Gradient boosting (scikit-learn)", _HISTOGRAM, cost=20),
    "boosting": Definition(boosting, "Gradient boosting (LightGBM)", _BOOSTING, cost=6),
    "boosting_columns": Definition(
        boosting_columns, "Gradient boosting (LightGBM)", _BOOSTING | {"reg_lambda": 1.0}, cost=6
    ),
    "boosting_regularised": Definition(
        boosting_regularised, "Gradient boosting (LightGBM)", _BOOSTING_REGULARISED, cost=6
    ),
    "boosting_random": Definition(boosting_random, "Gradient boosting (LightGBM)", _BOOSTING_RANDOM, cost=6),
}
# What takes the place of LightGBM's candidates on a machine without the system's OpenMP library, which LightGBM needs.
STAND_IN = "histogram_boosting"

# Tried where a job asks for them: each needs the library, and the extra of this package, that has its name. (What comes
# of a preset alone must not depend on what happens to be installed.)
EXTRA = {
    "lightgbm": Definition(lightgbm, "Gradient boosting (LightGBM)", _BY_NODE, cost=20),
}


@dataclass(frozen=True)
class Preset:
    """How much a job does: trials of each candidate, folds that choose, and own values to start a search from.

    `of_few_rows` are more candidates, where there are `FOREST_ROWS` at most. `seeds`: fits, each by a seed of its own,
    that a boosting of the model is the mean of; `seeds_of_less`: the same where there is less to tell conflicts by
    (docs/model.md, "Several seeds").
    """

    trials: dict[str, int]
    folds: int
    first: dict[str, dict] = field(default_factory=dict)
    of_few_rows: dict[str, int] = field(default_factory=dict)
    seeds: int = 1
    seeds_of_less: int = 1


_BOOSTINGS = ("boosting", "boosting_columns", "boosting_regularised", "boosting_random")
PRESETS = {
    "quick": Preset({"majority": 1, "token_logistic": 1, "boosting": 1}, folds=2),
    "balanced": Preset(
        dict.fromkeys(("majority", "token_bayes", "token_logistic", *_BOOSTINGS), 1),
        folds=3,
        first={"extra_trees": _FOREST},
        of_few_rows={"extra_trees": 1},
        seeds_of_less=3,
    ),
    "best": Preset(
        {
            "majority": 1,
            "token_bayes": 2,
            "token_logistic": 2,
            "linear_columns": 1,
            "random_forest": 1,
            "extra_trees": 1,
            "boosting": 4,
            "boosting_columns": 4,
            "boosting_regularised": 3,
            "boosting_random": 3,
        },
        folds=5,
        first={
            "extra_trees": _FOREST | {"min_samples_leaf": 2},
            "boosting": _BOOSTING | {"learning_rate": 0.03, "n_estimators": 300},
            "boosting_columns": _BOOSTING | {"learning_rate": 0.03, "n_estimators": 300},
            "boosting_regularised": _BOOSTING_REGULARISED | {"learning_rate": 0.03, "n_estimators": 300},
            "boosting_random": _BOOSTING_RANDOM
            | {"learning_rate": 0.035, "n_estimators": 390, "feature_fraction": 0.6},
        },
        seeds=3,
        seeds_of_less=3,
    ),
}


def definitions(preset: str, extra: Sequence[str], rows: int, features: str = "all") -> dict[str, Definition]:
    """A preset's candidates for so many training rows, in the order in which they run, and after them the extra ones.

    Raises
    ------
    InputError
        The library of an extra candidate is not installed, or does not load.
    """
    for name in extra:
        if problem := not_loading(name):
            raise InputError(f"candidate {name}: {problem}; install it with: {install(name)}")
    own = PRESETS[preset].first
    return {
        name: replace(one, first=own.get(name, one.first)).for_rows(rows)
        for name, one in _chosen(preset, extra, rows, features).items()
    }


def trials(preset: str, extra: Sequence[str], rows: int, features: str = "all") -> dict[str, int]:
    """How many trials each candidate has; a stand-in and the extra ones as many as `boosting`."""
    known = PRESETS[preset].of_few_rows | PRESETS[preset].trials
    return {name: known.get(name, known["boosting"]) for name in _chosen(preset, extra, rows, features)}


def boosting_seeds(preset: str, features: str, *, grouped: bool) -> int:
    """How many fits, each by a seed of its own, a boosting of the model is the mean of."""
    whole = features == "all" and not grouped
    return PRESETS[preset].seeds if whole else PRESETS[preset].seeds_of_less


def _chosen(preset: str, extra: Sequence[str], rows: int, features: str) -> dict[str, Definition]:
    names = list(PRESETS[preset].trials)
    if rows <= FOREST_ROWS:
        names += PRESETS[preset].of_few_rows
    if features == "prospective":
        names = [name for name in names if name not in _OF_TOKENS]
    if not_loading("lightgbm"):
        names = [name for name in names if name not in (*LIBRARY_OF, STAND_IN)] + [STAND_IN]
    return {name: DEFINITIONS[name] for name in names} | {name: EXTRA[name] for name in extra}


def stand_in_note() -> str | None:
    """What a job's notes say where LightGBM does not load; None where it does."""
    if problem := not_loading("lightgbm"):
        return (
            f"LightGBM does not load here ({problem}), so scikit-learn's boosting stands in and another machine may "
            "give another model. It needs OpenMP's library: apt install libgomp1, or brew install libomp."
        )
    return None


def not_loading(library: str) -> str:
    """Why a library cannot be imported; empty where it can."""
    try:
        import_module(library)
    except (ImportError, OSError) as problem:
        return " ".join(str(problem).split())
    return ""
