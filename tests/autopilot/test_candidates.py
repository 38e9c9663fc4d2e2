"""Which candidates a preset has, and where their search starts."""

from __future__ import annotations

import warnings

import optuna
import pytest

from genomicslearning import autopilot
from genomicslearning.autopilot.candidates import (
    DEFINITIONS,
    EXTRA,
    FOREST_ROWS,
    PRESETS,
    STAND_IN,
    Evidence,
    definitions,
    trials,
)
from genomicslearning.features import ScoredFeatures, VariantFeatures


def test_presets_have_candidates_enough():
    assert len(DEFINITIONS) >= 8
    learners = {type(_classifier(name)).__name__ for name in DEFINITIONS} - {"DummyClassifier"}
    assert len(learners) >= 5
    assert set(PRESETS["quick"].trials) < set(PRESETS["balanced"].trials) < set(PRESETS["best"].trials)
    assert set(PRESETS["best"].trials) == set(DEFINITIONS) - {STAND_IN}
    assert tuple(PRESETS) == autopilot.PRESET_NAMES and tuple(EXTRA) == autopilot.EXTRA_CANDIDATES


@pytest.mark.parametrize(("rows", "leaves"), [(1_000, 26), (10_000, 51), (25_000, 128), (50_000, 255), (800_000, 255)])
def test_trees_start_with_leaves_in_proportion_to_the_rows(rows, leaves):
    chosen = definitions("balanced", [], rows)
    assert chosen["boosting"].first["num_leaves"] == leaves
    assert chosen["boosting_regularised"].first["num_leaves"] == pytest.approx(leaves / 2, abs=1)
    for name in chosen:  # the search knows the place that it starts from
        trial = optuna.trial.FixedTrial(chosen[name].first)
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            chosen[name].build(trial, Evidence("all", grouped=False, seed=0), 0)


def test_few_rows_have_a_forest_beside_the_boosting():
    few, many = (definitions("balanced", [], rows) for rows in (FOREST_ROWS, FOREST_ROWS + 1))
    assert set(few) - set(many) == {"extra_trees"} and list(few)[: len(many)] == list(many)
    assert few["extra_trees"].first["min_samples_leaf"] == 4
    assert trials("balanced", [], FOREST_ROWS) == dict.fromkeys(few, 1)
    assert "extra_trees" not in definitions("quick", [], 100)
    assert trials("best", [], FOREST_ROWS) == trials("best", [], FOREST_ROWS + 1)  # has one whatever the rows


@pytest.mark.parametrize("preset", list(PRESETS))
def test_what_reads_drawn_submissions_reads_no_tokens(preset):
    chosen = definitions(preset, [], 1_000, "prospective")
    assert set(definitions(preset, [], 1_000)) - set(chosen) <= {"token_bayes", "token_logistic"}
    assert list(trials(preset, [], 1_000, "prospective")) == list(chosen)
    evidence, others = (Evidence(features, grouped=False, seed=0) for features in ("prospective", "biology"))
    for name in set(chosen) - {"majority"}:
        trial = optuna.trial.FixedTrial(chosen[name].first)
        assert isinstance(chosen[name].build(trial, evidence, 0)[0], VariantFeatures)
    assert isinstance(
        chosen["boosting"].build(optuna.trial.FixedTrial(chosen["boosting"].first), others, 0)[0], ScoredFeatures
    )


def _classifier(name):
    trial = optuna.trial.FixedTrial(DEFINITIONS[name].first)
    return DEFINITIONS[name].build(trial, Evidence("all", grouped=False, seed=0), 0)[-1]
