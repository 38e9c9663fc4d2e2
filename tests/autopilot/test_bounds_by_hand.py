"""Each bound of a model's files by itself: a tree of three leaves, an archive, a manifest, one fault at a time."""

from __future__ import annotations

import json
import zipfile
from io import BytesIO
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest

from genomicslearning import InputError
from genomicslearning.autopilot import integrity

PLACE = Path("model")
# The root cuts feature 0, its left child feature 1 by a category.
TREE = {
    "num_leaves": "3", "num_cat": "1", "split_feature": "0 1", "threshold": "0.5 0", "decision_type": "2 1",
    "left_child": "1 -2", "right_child": "-1 -3", "leaf_value": "0.1 0.2 0.3", "cat_boundaries": "0 1",
    "cat_threshold": "5",
}  # fmt: skip
# Nodes 1 and 2 are each other's child; every node and leaf is a child once.
CIRCLE = {
    "num_leaves": "4", "num_cat": "0", "split_feature": "0 0 0", "threshold": "1 2 3", "decision_type": "2 2 2",
    "left_child": "-1 2 1", "right_child": "-2 -3 -4", "leaf_value": "1 2 3 4",
}  # fmt: skip


def lightgbm_text(tree: dict[str, str], trees_at_once: str = "1") -> str:
    block = "Tree=0\n" + "".join(f"{name}={value}\n" for name, value in tree.items()) + "\n\n"
    head = f"tree\nnum_tree_per_iteration={trees_at_once}\nmax_feature_idx=1\ntree_sizes={len(block)}\n\n"
    return f"{head}{block}end of trees\n"


@pytest.mark.parametrize(
    "fine", [{}, {"threshold": "inf 0"}, {"cat_boundaries": "0 2", "cat_threshold": "5 1"}, {"split_feature": "1 1"}]
)
def test_a_sound_tree_of_lightgbm_passes(fine):
    integrity.check_lightgbm(PLACE, lightgbm_text(TREE | fine))
    integrity.check_lightgbm(PLACE, lightgbm_text({"num_leaves": "1", "num_cat": "0", "leaf_value": "0.5"}))


@pytest.mark.parametrize(
    "fault",
    [
        {"split_feature": "0 2"},
        {"split_feature": "-1 1"},
        {"leaf_value": "0.1 inf 0.3"},
        {"leaf_value": "0.1 0.2"},
        {"num_leaves": "0", "leaf_value": ""},
        {"left_child": "1 -1"},  # leaf 0 twice
        {"left_child": "1 -4"},  # a leaf that is not there
        {"left_child": "-2 -2"},  # nothing leads to node 1
        {"left_child": "2 -2"},
        {"threshold": "0.5 1"},  # the second of one category
        {"threshold": "0.5 -1"},
        {"num_cat": "0"},
        {"cat_boundaries": "0 2"},
        {"cat_boundaries": "1 1"},
        {"cat_boundaries": "0"},
        {"num_cat": "2", "cat_boundaries": "0 7 1"},
        CIRCLE,
    ],
)
def test_a_tree_of_lightgbm_with_one_fault_is_refused(fault):
    with pytest.raises(InputError, match="LightGBM's trees are damaged or forged"):
        integrity.check_lightgbm(PLACE, lightgbm_text(TREE | fault))


def test_trees_of_several_classes_are_no_model_of_ours():
    with pytest.raises(InputError, match="LightGBM's trees"):
        integrity.check_lightgbm(PLACE, lightgbm_text(TREE, trees_at_once="2"))


def forest(left=(1, -1, -1), right=(2, -1, -1), feature=(1, -2, -2), features=2) -> SimpleNamespace:
    arrays = {"children_left": left, "children_right": right, "feature": feature}
    tree = SimpleNamespace(**{name: np.array(values, np.int64) for name, values in arrays.items()})
    return SimpleNamespace(n_features_in_=features, estimators_=[SimpleNamespace(tree_=tree)])


def boosting(left=(1, 0, 0), right=(2, 0, 0), feature=(1, 0, 0), bitset=0, features=2) -> SimpleNamespace:
    columns = {
        "left": left, "right": right, "feature_idx": feature, "is_leaf": (0, 1, 1), "is_categorical": (1, 0, 0),
        "bitset_idx": (bitset, 9, 9),
    }  # fmt: skip
    nodes = np.zeros(3, [(name, np.int64) for name in columns])
    for name, values in columns.items():
        nodes[name] = values
    predictor = SimpleNamespace(nodes=nodes, raw_left_cat_bitsets=np.zeros((1, 8)))
    return SimpleNamespace(n_features_in_=features, _predictors=[[predictor]])


def test_sound_trees_of_scikit_learn_pass():
    integrity.check_trees(PLACE, forest())
    integrity.check_trees(PLACE, forest(left=(-1,), right=(-1,), feature=(-2,)))
    integrity.check_trees(PLACE, boosting())
    integrity.check_trees(PLACE, SimpleNamespace())


@pytest.mark.parametrize(
    "forged",
    [
        *(
            made(**fault)
            for made in (forest, boosting)
            for fault in (
                {"left": (0, -1, -1)},
                {"left": (3, -1, -1)},
                {"right": (0, -1, -1)},
                {"right": (3, -1, -1)},
                {"feature": (2, 0, 0)},
                {"feature": (-1, 0, 0)},
                {"features": None},
            )
        ),
        forest(left=(), right=(), feature=()),
        boosting(bitset=1),
    ],
)
def test_a_tree_of_scikit_learn_with_one_fault_is_refused(forged):
    with pytest.raises(InputError, match="a tree is damaged or forged"):
        integrity.check_trees(PLACE, forged)


def archive(**files: bytes) -> bytes:
    sink = BytesIO()
    with zipfile.ZipFile(sink, "w", zipfile.ZIP_DEFLATED) as packed:
        for name, content in files.items():
            packed.writestr(name.replace("_", "."), content)
    return sink.getvalue()


def test_an_archive_is_as_large_as_all_of_its_files(monkeypatch):
    monkeypatch.setenv("GENOMICSLEARNING_MAX_MODEL_MB", "2")
    million = bytes(1 << 20)
    integrity.check_archive(PLACE, archive(schema_json=b"{}", a_npy=million))
    with pytest.raises(InputError, match="weights of more than 2 MB"):
        integrity.check_archive(PLACE, archive(schema_json=b"{}", a_npy=million, b_npy=million))


def test_lightgbm_s_text_in_an_archive_is_looked_at():
    node = {"__loader__": "JsonNode", "content": json.dumps(lightgbm_text(TREE | {"split_feature": "0 2"}))}
    with pytest.raises(InputError, match="LightGBM's trees"):
        integrity.check_archive(PLACE, archive(schema_json=json.dumps({"content": [node]}).encode()))


SOUND = {
    "features": "all",
    "threshold": 0.5,
    "members": {"boosting": {"weight": 1.0}},
    "calibration": {"method": "beta", "low": 1.0, "high": 1, "intercept": 0.0},
}


@pytest.mark.parametrize(
    "fault",
    [
        {"features": "everything"},
        {"features": None},
        {"threshold": float("nan")},
        {"threshold": "0.5"},
        {"members": {}},
        {"members": {"boosting": 1.0}},
        {"members": {"boosting": {"weight": float("inf")}}},
        {"calibration": {"method": "beta", "low": float("nan"), "high": 1, "intercept": 0.0}},
        {"calibration": None},
    ],
)
def test_a_manifest_with_one_fault_is_refused(fault):
    integrity.check_manifest(PLACE, SOUND)
    with pytest.raises(InputError, match="the manifest lacks features, threshold, members or calibration"):
        integrity.check_manifest(PLACE, SOUND | fault)
