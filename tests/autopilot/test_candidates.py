"""Which candidates a preset has, and where their search starts."""

from __future__ import annotations

import warnings

import optuna
import pytest

from genomicslearning import autopilot
from genomicslearning.autopilot.candidates import DEFINITIONS, EXTRA, PRESETS, STAND_IN, Evidence, definitions


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


def _classifier(name):
    trial = optuna.trial.FixedTrial(DEFINITIONS[name].first)
    return DEFINITIONS[name].build(trial, Evidence("all", grouped=False, seed=0), 0)[-1]
