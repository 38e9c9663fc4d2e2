"""Boostings by several seeds: the mean of their log odds, as one boosting that is saved and checked like any other."""

from __future__ import annotations

import numpy as np
import pytest
import skops.io
from sklearn.base import clone
from sklearn.pipeline import Pipeline

from genomicslearning.autopilot import integrity
from genomicslearning.autopilot.averaging import averaged
from genomicslearning.autopilot.candidates import PRESETS, boosting_seeds, light_boosting
from genomicslearning.autopilot.cross_validation import CrossValidation, search_folds
from genomicslearning.autopilot.model import TRUSTED
from genomicslearning.features import VariantFeatures, Variants

pytest.importorskip("lightgbm")


def boosting(seed):
    return light_boosting(seed, n_estimators=5, num_leaves=7, min_child_samples=5, feature_fraction=0.3)


@pytest.fixture(scope="module")
def rows():
    random = np.random.default_rng(3)
    x = random.normal(size=(600, 8))
    x[random.random(x.shape) < 0.1] = np.nan
    y = (np.nan_to_num(x[:, 0] * x[:, 1]) + random.normal(size=len(x)) > 0).astype(int)
    return x, y


def test_the_mean_of_three_is_one_boosting_of_the_trees_of_all(rows):
    x, y = rows
    fitted = [boosting(seed).fit(x, y) for seed in (1, 2, 3)]
    odds = [one.booster_.predict(x, raw_score=True) for one in fitted]
    shares = [one.booster_.predict(x, pred_contrib=True) for one in fitted]
    assert np.abs(odds[0] - odds[1]).max() > 0.05
    mean = averaged(fitted)
    assert mean is fitted[0] and mean.n_estimators_ == 15
    np.testing.assert_allclose(mean.booster_.predict(x, raw_score=True), np.mean(odds, axis=0), atol=1e-12)
    np.testing.assert_allclose(mean.booster_.predict(x, pred_contrib=True), np.mean(shares, axis=0), atol=1e-12)


def test_it_is_saved_checked_and_loaded_like_any_other(rows, tmp_path):
    x, y = rows
    mean = averaged([boosting(seed).fit(x, y) for seed in (1, 2)])
    integrity.check_lightgbm(tmp_path, mean.booster_.model_to_string())
    loaded = skops.io.loads(skops.io.dumps(mean), trusted=TRUSTED)
    np.testing.assert_array_equal(loaded.predict_proba(x), mean.predict_proba(x))
    assert loaded.booster_.model_to_string() == mean.booster_.model_to_string()


def test_one_alone_stays_as_it_is(rows):
    one = boosting(1).fit(*rows)
    before = one.booster_.model_to_string()
    assert averaged([one]) is one and one.booster_.model_to_string() == before


def test_trees_without_a_cut_are_averaged_too(rows):
    x, y = rows
    stumps = [light_boosting(seed, n_estimators=2, min_child_samples=len(y)).fit(x, y) for seed in (1, 2)]
    np.testing.assert_allclose(averaged(stumps).predict_proba(x)[:, 1], y.mean(), atol=1e-9)


@pytest.fixture(scope="module")
def table(labelled_table):
    return labelled_table.sample(700, random_state=7).reset_index(drop=True)


def test_each_boosting_is_fitted_by_its_seed_and_those_after_it(table):
    y = table["CLASS"].to_numpy(np.int64)
    fits = CrossValidation(Variants.read(table), y, search_folds(2, y, None, 1))
    one = Pipeline([("evidence", VariantFeatures()), ("classifier", boosting(10))])
    mean = fits.fit_all({"mine": one}, seeds=3)["mine"]
    odds = []
    for seed in (10, 11, 12):
        again = clone(one).set_params(classifier__random_state=seed)
        odds.append(fits.fit_all({"mine": again})["mine"].predict_proba(table)[:, 1])
    odds = np.log(odds) - np.log1p(-np.array(odds))
    found = mean.predict_proba(table)[:, 1]
    np.testing.assert_allclose(np.log(found) - np.log1p(-found), odds.mean(axis=0), atol=1e-9)
    assert mean[-1].random_state == 10 and np.ptp(odds, axis=0).max() > 0.05


def test_rows_set_aside_are_back_after_a_fit_that_failed(table):
    y = table["CLASS"].to_numpy(np.int64)
    variants = Variants.read(table)
    fits = CrossValidation(variants, y, search_folds(2, y, None, 1, rows=300), aside=np.arange(600, 700))
    wrong = Pipeline([("evidence", VariantFeatures()), ("classifier", light_boosting(1, n_estimators=2, num_leaves=1))])
    with pytest.raises(Exception, match="num_leaves"):
        fits.fit_all({"wrong": wrong})
    assert fits.variants is variants


def test_where_there_is_less_to_tell_by_balanced_takes_three_seeds_and_best_everywhere():
    asked = [("all", False), ("all", True), ("biology", False), ("biology", True)]
    found = {name: [boosting_seeds(name, features, grouped=grouped) for features, grouped in asked] for name in PRESETS}
    assert found == {"quick": [1, 1, 1, 1], "balanced": [1, 3, 3, 3], "best": [3, 3, 3, 3]}
