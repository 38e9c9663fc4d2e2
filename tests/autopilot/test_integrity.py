"""A model is one thing: what was changed, mixed, forged or made by other versions is refused, in one line."""

from __future__ import annotations

import json
import os
import random
import re
import subprocess
import sys
import zipfile
from copy import deepcopy
from io import BytesIO
from pathlib import Path

import lightgbm
import numpy as np
import optuna
import pytest
import skops.io

from genomicslearning import InputError
from genomicslearning.autopilot import integrity, probe
from genomicslearning.autopilot.candidates import DEFINITIONS, Evidence, light_boosting
from genomicslearning.autopilot.cross_validation import one_thread
from genomicslearning.autopilot.manifest import FORMAT
from genomicslearning.autopilot.model import MANIFEST, WEIGHTS, Model
from genomicslearning.autopilot.vocabulary import LIBRARY_OF
from genomicslearning.training_set.build import build_training_set
from genomicslearning.training_set.table import read_table


@pytest.fixture(scope="module")
def table(demo_pair, tmp_path_factory):
    out = tmp_path_factory.mktemp("rows") / "table.parquet"
    build_training_set(clinvar=str(demo_pair[0]), annotated=str(demo_pair[1]), out=str(out))
    return read_table(out).sample(600, random_state=3)


def fitted(table, iterations: int = 12) -> Model:
    names = ("histogram_boosting", "extra_trees", "boosting")
    pipelines = {}
    for name in names:
        definition = DEFINITIONS[name]
        small = {"max_iter": iterations, "n_estimators": 5}
        parameters = {key: small.get(key, value) for key, value in definition.first.items()}
        pipeline = definition.build(optuna.trial.FixedTrial(parameters), Evidence("biology", grouped=False, seed=0), 0)
        with one_thread():  # as a job fits: sums of several threads end in other bits
            pipelines[name] = pipeline.fit(table, table["CLASS"].to_numpy())
    manifest = {
        "format": FORMAT,
        "features": "biology",
        "threshold": 0.5,
        "members": {name: {"weight": 0.5} for name in names},
        "calibration": {"method": "beta", "low": 1.0, "high": 1.0, "intercept": 0.0},
        "versions": {"skops": skops.__version__},
    }
    return Model(pipelines, manifest)


@pytest.fixture(scope="module")
def folder(table, tmp_path_factory):
    return fitted(table).save(tmp_path_factory.mktemp("models") / "model")


@pytest.fixture
def copy(folder, tmp_path):
    for name in (MANIFEST, WEIGHTS):
        (tmp_path / name).write_bytes((folder / name).read_bytes())
    return tmp_path


def seal(folder, change=lambda manifest: None) -> None:
    """What a forger does: checksums that fit."""
    manifest = json.loads((folder / MANIFEST).read_text())
    change(manifest)
    (folder / MANIFEST).write_text(integrity.sealed(manifest, (folder / WEIGHTS).read_bytes()))


def refused(folder, match=".") -> str:
    with pytest.raises(InputError, match=match) as caught:
        Model.load(folder)
    said = str(caught.value)
    assert said.startswith(str(folder)) and "\n" not in said
    return said


def test_a_saved_model_predicts_the_same(folder, table):
    np.testing.assert_array_equal(Model.load(folder).predict(table), fitted(table).predict(table))


def test_equal_models_have_equal_bytes_in_any_process(folder, table, tmp_path):
    fitted(table).save(tmp_path / "again")
    table.to_parquet(tmp_path / "t.parquet")
    script = (
        "import sys, pandas\nfrom test_integrity import fitted\n"
        "fitted(pandas.read_parquet(sys.argv[1])).save(sys.argv[2])"
    )
    run = [sys.executable, "-c", script, tmp_path / "t.parquet", tmp_path / "other"]
    here = {"PYTHONPATH": str(Path(__file__).parent), "PYTHONHASHSEED": "7", "OMP_NUM_THREADS": "1"}
    subprocess.run(run, check=True, env=os.environ | here)
    for name in (MANIFEST, WEIGHTS):
        assert (tmp_path / "again" / name).read_bytes() == (folder / name).read_bytes()
        assert (tmp_path / "other" / name).read_bytes() == (folder / name).read_bytes()


def test_any_changed_byte_of_the_manifest_is_refused(copy):
    whole = (copy / MANIFEST).read_bytes()
    places = random.Random(1).sample(range(len(whole)), 150)
    for place in places:
        (copy / MANIFEST).write_bytes(whole[:place] + bytes([whole[place] ^ 1]) + whole[place + 1 :])
        refused(copy)
    for changed in (whole + b" ", whole[:-1], whole.replace(b"\n", b"\r\n"), b"", whole[: len(whole) // 2]):
        (copy / MANIFEST).write_bytes(changed)
        refused(copy)


def test_any_changed_byte_of_the_weights_is_refused(copy):
    whole = (copy / WEIGHTS).read_bytes()
    for place in random.Random(2).sample(range(len(whole)), 50):
        (copy / WEIGHTS).write_bytes(whole[:place] + bytes([whole[place] ^ 255]) + whole[place + 1 :])
        refused(copy, "the weights are not those of the manifest")


def test_a_manifest_with_other_weights_is_refused(copy, table, tmp_path):
    fitted(table, iterations=13).save(tmp_path / "other")
    (copy / WEIGHTS).write_bytes((tmp_path / "other" / WEIGHTS).read_bytes())
    refused(copy, "the weights are not those of the manifest")


@pytest.mark.parametrize(
    "change",
    [
        lambda manifest: manifest.pop("threshold"),
        lambda manifest: manifest.update(threshold="0.5"),
        lambda manifest: manifest.update(threshold=float("nan")),
        lambda manifest: manifest.update(members=[]),
        lambda manifest: manifest.update(members={"other": {"weight": 1}}),
        lambda manifest: manifest.update(members={"histogram_boosting": 3, "extra_trees": 4, "boosting": 5}),
        lambda manifest: manifest.update(calibration=None),
        lambda manifest: manifest["calibration"].update(low=None),
        lambda manifest: manifest.update(features="everything"),
        lambda manifest: manifest.update(format=1),
        lambda manifest: manifest.update(format="\x1b[31m"),
    ],
)
def test_a_forged_manifest_is_refused(copy, change):
    seal(copy, change)
    assert "\x1b" not in refused(copy)


def rewritten(weights: bytes, change) -> bytes:
    sink = BytesIO()
    with zipfile.ZipFile(BytesIO(weights)) as source, zipfile.ZipFile(sink, "w", zipfile.ZIP_DEFLATED) as target:
        for name in source.namelist():
            target.writestr(name, change(name, source.read(name)))
    return sink.getvalue()


def of_schema(change):
    return lambda name, content: change(content) if name == "schema.json" else content


def huge(content: bytes) -> bytes:
    """An array of a few values that says it has 100 trillion."""
    header = re.sub(rb"'shape': \(\d+,", b"'shape': (99999999999999,", content[10:128].rstrip())
    return content[:10] + header.ljust(117) + b"\n" + content[128:]


FORGED = {
    "no zip": lambda weights: b"nothing",
    "empty": lambda weights: b"",
    "cut": lambda weights: weights[:-200],
    "no schema": lambda weights: rewritten(weights, of_schema(lambda schema: b"")),
    "schema of lists": lambda weights: rewritten(weights, of_schema(lambda schema: b"[]")),
    "deep schema": lambda weights: rewritten(weights, of_schema(lambda schema: b"[" * 200_000)),
    "no protocol": lambda weights: rewritten(weights, of_schema(lambda s: s.replace(b'"protocol"', b'"protocoll"'))),
    "another node": lambda weights: rewritten(weights, of_schema(lambda s: s.replace(b"NdArrayNode", b"NdArrayNodf"))),
    "a missing file": lambda weights: rewritten(weights, of_schema(lambda s: s.replace(b"3.npy", b"x.npy"))),
    "empty arrays": lambda weights: rewritten(weights, lambda name, content: b"" if name.endswith("npy") else content),
    "pickled arrays": lambda weights: rewritten(
        weights, lambda name, content: content.replace(b"'<f8'", b"'|O' ") if name.endswith("npy") else content
    ),
    "huge arrays": lambda weights: rewritten(
        weights,
        lambda name, content: huge(content) if name.endswith("npy") else content,
    ),
    "another object": lambda weights: skops.io.dumps([1, 2]),
    "a text": lambda weights: skops.io.dumps({"histogram_boosting": "x", "extra_trees": "y", "boosting": "z"}),
}


@pytest.mark.parametrize("kind", FORGED)
def test_forged_weights_are_refused(copy, kind):
    (copy / WEIGHTS).write_bytes(FORGED[kind]((copy / WEIGHTS).read_bytes()))
    seal(copy)
    refused(copy)


def test_a_model_of_many_large_trees_is_loaded(tmp_path):
    values = np.random.default_rng(0).normal(size=(6_000, 3))
    trees = light_boosting(0, n_estimators=100, num_leaves=512, min_child_samples=5, learning_rate=0.02)
    trees.fit(values, values.sum(axis=1) + values[:, 0] ** 2 > 1)
    weights = skops.io.dumps({name: deepcopy(trees) for name in LIBRARY_OF})
    assert zipfile.ZipFile(BytesIO(weights)).getinfo("schema.json").file_size > 24 << 20
    integrity.check_archive(tmp_path, weights)


def test_bombs_are_refused_before_they_are_parsed(copy, monkeypatch):
    weights = (copy / WEIGHTS).read_bytes()
    (copy / WEIGHTS).write_bytes(rewritten(weights, of_schema(lambda schema: schema + b" " * (192 << 20))))
    seal(copy)
    refused(copy, "a schema.json of more than 192 MB; .* raise GENOMICSLEARNING_MAX_MODEL_SCHEMA_MB")
    node = b'{"__loader__":0},'
    (copy / WEIGHTS).write_bytes(rewritten(weights, of_schema(lambda schema: b"[" + node * 200_001 + b"0]")))
    seal(copy)
    refused(copy, "more than 200,000 objects")
    (copy / WEIGHTS).write_bytes(rewritten(weights, of_schema(lambda schema: b"[" + b"[]," * 1_000_001 + b"0]")))
    seal(copy)
    refused(copy, "more than 2,000,000 values")
    (copy / WEIGHTS).write_bytes(rewritten(weights, lambda name, content: content + bytes(3 << 20)))
    seal(copy)
    monkeypatch.setenv("GENOMICSLEARNING_MAX_MODEL_MB", "2")
    refused(copy, "weights of more than 2 MB; the limit is 2; .* raise GENOMICSLEARNING_MAX_MODEL_MB")
    (copy / MANIFEST).write_bytes(b'{"a": "' + b"x" * (17 << 20) + b'"}')
    refused(copy, "more than 16 MB")


@pytest.mark.parametrize("member", ["histogram_boosting", "extra_trees"])
@pytest.mark.parametrize("fault", ["circle", "outside", "feature"])
def test_trees_that_point_elsewhere_are_refused(copy, folder, member, fault):
    model = Model.load(folder)
    estimator = model.pipelines[member][-1]
    if member == "histogram_boosting":
        nodes = estimator._predictors[0][0].nodes
        inner = int(np.flatnonzero(nodes["is_leaf"] == 0)[0])
        left, feature = nodes["left"], nodes["feature_idx"]
    else:
        tree = estimator.estimators_[0].tree_
        inner, left, feature = 0, tree.children_left, tree.feature
    if fault == "feature":
        feature[inner] = 10_000
    else:
        left[inner] = inner if fault == "circle" else 60_000
    (copy / WEIGHTS).write_bytes(integrity.same_bytes(skops.io.dumps(model.pipelines)))
    seal(copy)
    refused(copy, "a tree is damaged or forged")


@pytest.fixture(scope="module")
def lightgbm_text():
    random_rows = np.random.default_rng(0)
    x = np.column_stack([random_rows.normal(size=(400, 3)), random_rows.integers(0, 5, 400)])
    y = (x[:, 0] + (x[:, 3] == 2) > 0).astype(int)
    few = {"min_child_samples": 5, "min_data_per_group": 5, "cat_smooth": 1, "max_cat_to_onehot": 2}
    classifier = lightgbm.LGBMClassifier(n_estimators=4, num_leaves=6, n_jobs=1, verbose=-1, **few)
    return classifier.fit(x, y, categorical_feature=[3]).booster_.model_to_string()


def test_lightgbm_text_as_it_is_written_passes(lightgbm_text, tmp_path):
    assert "num_cat=1" in lightgbm_text
    integrity.check_lightgbm(tmp_path, lightgbm_text)


def test_lightgbm_text_that_is_forged_is_refused(lightgbm_text, tmp_path):
    def changed(key: str, value) -> str:
        lines = lightgbm_text.split("\n")
        place = next(number for number, line in enumerate(lines) if line.startswith(f"{key}="))
        old = lines[place].partition("=")[2]
        lines[place] = f"{key}={value(old)}"
        return "\n".join(lines)

    forged = [
        changed("left_child", lambda old: " ".join(["0", *old.split()[1:]])),
        changed("right_child", lambda old: " ".join([*old.split()[:-1], "4000"])),
        changed("split_feature", lambda old: " ".join(["9", *old.split()[1:]])),
        changed("split_feature", lambda old: " ".join(["-1", *old.split()[1:]])),
        changed("leaf_value", lambda old: " ".join(old.split()[:-1])),
        changed("leaf_value", lambda old: " ".join(["nan", *old.split()[1:]])),
        changed("threshold", lambda old: ""),
        changed("num_leaves", lambda old: "1000000000"),
        changed("num_leaves", lambda old: "x"),
        changed("num_cat", lambda old: "7"),
        changed("cat_boundaries", lambda old: "0 900"),
        changed("tree_sizes", lambda old: " ".join(["99999999", *old.split()[1:]])),
        changed("num_tree_per_iteration", lambda old: "2"),
        changed("max_feature_idx", lambda old: "0"),
        lightgbm_text[: len(lightgbm_text) // 2],
        "tree\n",
    ]
    for text in forged:
        if "tree_sizes=" in text and not text.count("99999999"):  # a careful forger mends the sizes too
            head, *blocks = re.split(r"(?m)^(?=Tree=\d+$)", text)
            blocks[-1] = blocks[-1].partition("end of trees")[0]
            sizes = " ".join(str(len(block.encode())) for block in blocks)
            text = re.sub(r"(?m)^tree_sizes=.*$", f"tree_sizes={sizes}", text)
        with pytest.raises(InputError, match="LightGBM's trees are damaged or forged"):
            integrity.check_lightgbm(tmp_path, text)


def test_other_versions_predict_the_same_or_are_refused(copy, table):
    seal(copy, lambda manifest: manifest["versions"].update(skops="0.1"))
    assert len(Model.load(copy).predict(table)) == len(table)

    def other(manifest):
        manifest["probe"] = [value + 1e-5 for value in manifest["probe"]]

    seal(copy, other)
    refused(
        copy, r"predicts otherwise with skops .*: train again, or go back to what made it: pip install 'skops==0.1'"
    )
    seal(copy, lambda manifest: manifest.update(probe=[]))
    refused(copy, "predicts otherwise")


@pytest.mark.parametrize(
    ("rows", "by", "fits"),
    [
        (48, 1e-7, True),  # sums in another order
        (2, 0.004, True),  # a number in its last bit falls on the other side of a cut
        (5, 0.004, False),  # too many for that
        (1, 0.06, False),  # more than one tree weighs
        (1, float("nan"), False),
    ],
)
def test_another_processor_may_flip_a_cut_and_no_more(copy, table, rows, by, fits):
    def moved(manifest):
        manifest["probe"][:rows] = [value + by for value in manifest["probe"][:rows]]

    seal(copy, moved)
    if fits:
        assert len(Model.load(copy).predict(table)) == len(table)
    else:
        refused(copy, "does not predict what it did when it was saved")


def test_members_with_other_weights_are_refused(copy):
    """Sealed anew: the checksums are right."""

    def swapped(manifest):
        for member, weight in zip(manifest["members"].values(), (0.8, 0.1, 0.1), strict=True):
            member["weight"] = weight

    seal(copy, swapped)
    refused(copy, "does not predict what it did when it was saved")


def test_the_probe_says_something(folder):
    rows, model = probe.rows(), Model.load(folder)
    assert len(rows) == 48 and rows["Consequence"].nunique() > 5 and "CLASS" not in rows
    assert len(set(np.round(model.manifest["probe"], 6))) > 20


def test_a_model_replaces_a_model_and_nothing_else(folder, table, tmp_path):
    model = Model.load(folder)
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "thesis.txt").write_text("precious")
    with pytest.raises(InputError, match="holds something else than a model"):
        model.save(tmp_path / "mine")
    assert (tmp_path / "mine" / "thesis.txt").read_text() == "precious"
    (tmp_path / "file").write_text("precious")
    with pytest.raises(InputError, match="something else"):
        model.save(tmp_path / "file")
    for _ in range(2):
        model.save(tmp_path / "model")
    assert {path.name for path in tmp_path.iterdir()} == {"mine", "file", "model"}
