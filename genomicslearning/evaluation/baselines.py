"""Models that know next to nothing, beside which a model is held: frequency, CADD, or the present class alone."""

from __future__ import annotations

import numpy as np
import pandas as pd
from sklearn.compose import make_column_transformer
from sklearn.dummy import DummyClassifier
from sklearn.ensemble import HistGradientBoostingClassifier
from sklearn.impute import SimpleImputer
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder, StandardScaler
from threadpoolctl import threadpool_limits

from genomicslearning.evaluation.strata import consequence
from genomicslearning.history.submissions import UNCERTAIN, stated_class
from genomicslearning.training_set.schema import AF_COLUMNS

BASELINES = ("majority", "allele frequency alone", "CADD alone", "logistic regression")
# The names of the baselines in metrics.json.
BASELINE_KEYS = {
    "majority": "majority",
    "allele frequency alone": "allele_frequency",
    "CADD alone": "cadd",
    "logistic regression": "logistic_regression",
    "classification alone": "classification",
    "VUS alone": "vus",
}
NO_CADD = "no training row has a CADD score (column CADD_PHRED); VEP's CADD plugin gives one"
# What the present classification alone is worth, where a single submission's is known.
CLASSIFICATION_BASELINES = ("classification alone", "VUS alone")


def impossible_baselines(train: pd.DataFrame) -> dict[str, str]:
    """Baselines that cannot be learnt from these rows, name -> why."""
    scored = "CADD_PHRED" in train and pd.to_numeric(train["CADD_PHRED"], errors="coerce").notna().any()
    return {} if scored else {"CADD alone": NO_CADD}


def classification_baselines(learning: pd.DataFrame, test: pd.DataFrame) -> dict[str, np.ndarray]:
    """P(CLASS=1) of the test rows from nothing but what the single submission said (`CLASSIFICATION_BASELINES`).

    `classification alone`: the share of conflicts among the rows to learn from that said the same, drawn towards the
    share of all by ten rows. `VUS alone`: whether it said uncertain significance. Empty where no row of either says.
    """
    if "prior_CLNSIG" not in test or "prior_CLNSIG" not in learning or learning["prior_CLNSIG"].notna().sum() == 0:
        return {}
    overall = learning["CLASS"].mean()
    said = (
        learning["CLASS"].groupby(learning["prior_CLNSIG"].map(stated_class, na_action="ignore")).agg(["sum", "size"])
    )
    rates = (said["sum"] + 10 * overall) / (said["size"] + 10)
    now = test["prior_CLNSIG"].map(stated_class, na_action="ignore")
    return {
        "classification alone": now.map(rates).astype(float).fillna(overall).to_numpy(),
        "VUS alone": (now == UNCERTAIN).to_numpy(dtype=float),
    }


def baselines(train: pd.DataFrame, test: pd.DataFrame) -> dict[str, np.ndarray]:
    """P(CLASS=1) of the test rows from models that know next to nothing, by name (`BASELINES`).

    Those of `impossible_baselines` are left out. The single numbers go through a small gradient boosting, because the
    chance of conflict rises and falls again with allele frequency. The logistic regression reads frequencies, CADD and
    the worst consequence.
    """
    labels = train["CLASS"].to_numpy()
    one, two = _numbers(train), _numbers(test)
    frequency = [f"log {column}" for column in AF_COLUMNS]
    regression = make_pipeline(
        make_column_transformer(
            (
                make_pipeline(SimpleImputer(add_indicator=True, keep_empty_features=True), StandardScaler()),
                [*frequency, "CADD"],
            ),
            (OneHotEncoder(handle_unknown="ignore", min_frequency=20), ["consequence"]),
        ),
        LogisticRegression(max_iter=1000),
    )
    models = {
        "majority": (DummyClassifier(strategy="prior"), frequency),
        "allele frequency alone": (_small_boosting(), frequency),
        "CADD alone": (_small_boosting(), ["CADD"]),
        "logistic regression": (regression, [*frequency, "CADD", "consequence"]),
    }
    for name in impossible_baselines(train):
        del models[name]
    with threadpool_limits(1):  # so little work a tree that threads would mostly wait for each other
        return {
            name: model.fit(one[columns], labels).predict_proba(two[columns])[:, 1]
            for name, (model, columns) in models.items()
        }


def _small_boosting() -> HistGradientBoostingClassifier:
    return HistGradientBoostingClassifier(max_iter=60, max_leaf_nodes=8, early_stopping=False, random_state=0)


def _numbers(table: pd.DataFrame) -> pd.DataFrame:
    found = {
        f"log {column}": np.log10(pd.to_numeric(table[column], errors="coerce").fillna(0.0) + 1e-6)
        for column in AF_COLUMNS
    }
    found["CADD"] = pd.to_numeric(table["CADD_PHRED"], errors="coerce") if "CADD_PHRED" in table else np.nan
    found["consequence"] = consequence(table)
    return pd.DataFrame(found)
