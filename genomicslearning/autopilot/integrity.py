"""A model is one thing: its files belong together, hold no more than a model does, and point nowhere outside of it.

Checksums tell damage and files of another model. They do not tell who made a model: whoever can write a model's folder
can write its checksums too. What a forged model could make a library do is therefore checked apart: sizes before
anything is parsed, types by skops, and every node of every tree before it is walked.
"""

from __future__ import annotations

import hashlib
import json
import math
import re
import zipfile
from collections.abc import Iterator, Mapping
from io import BytesIO
from pathlib import Path

import numpy as np

from genomicslearning import InputError
from genomicslearning.io.limits import advice, limit

CHECKSUM = "checksum"
WEIGHTS_CHECKSUM = "weights_sha256"
_BLANK = "0" * 64
_OLDEST = (1980, 1, 1, 0, 0, 0)  # a zip entry needs a date; this is the first there is
#: Objects in schema.json, each some 3 kB of memory while it is checked.
_MOST_OBJECTS = 200_000
#: Lists, objects and commas in schema.json: the text of LightGBM's trees, which is most of it, has none of them.
_MOST_SEPARATORS = 2_000_000


# --- the manifest ----------------------------------------------------------------------------------------------------


def sealed(manifest: Mapping, weights: bytes) -> str:
    """A manifest's text with checksums: of the weights and, last, of the text itself, as it is with 64 zeros there."""
    content = {name: value for name, value in manifest.items() if name != CHECKSUM}
    text = json.dumps(content | {WEIGHTS_CHECKSUM: _sha256(weights), CHECKSUM: _BLANK}, indent=1) + "\n"
    return _with_checksum(text, _sha256(text.encode()))


def _sha256(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


def _with_checksum(text: str, checksum: str) -> str:
    head, key, tail = text.rpartition(f'"{CHECKSUM}": "')
    return head + key + checksum + tail[64:]


def check_seal(folder: Path, text: bytes, weights: bytes) -> None:
    """Refuse a manifest that was changed, even by a byte, or that has other weights beside it."""
    found = re.search(rb'"checksum": "([0-9a-f]{64})"\n}\n\Z', text)
    if not found:
        raise InputError(f"{folder}: the manifest has no checksum at its end; it was changed, or cut off: train again")
    if _sha256(text[: found.start(1)] + _BLANK.encode() + text[found.end(1) :]) != found[1].decode():
        raise InputError(f"{folder}: the manifest was changed after it was written; copy the whole folder again")
    if json.loads(text).get(WEIGHTS_CHECKSUM) != _sha256(weights):
        raise InputError(f"{folder}: the weights are not those of the manifest; copy the whole folder again")


def check_manifest(folder: Path, manifest: dict) -> None:
    """Refuse a manifest that lacks what a prediction needs, or has it in another form."""
    members, calibration = manifest.get("members"), manifest.get("calibration")
    fine = manifest.get("features") in ("all", "biology", "prospective")
    numbers = [manifest.get("threshold")]
    if isinstance(members, dict) and members and isinstance(calibration, dict):
        numbers += [member.get("weight") if isinstance(member, dict) else None for member in members.values()]
        numbers += [value for key, value in calibration.items() if key != "method"]
    else:
        fine = False
    if not fine or not all(isinstance(value, int | float) and math.isfinite(value) for value in numbers):
        raise InputError(f"{folder}: the manifest lacks features, threshold, members or calibration; train again")


# --- the weights' archive --------------------------------------------------------------------------------------------


def same_bytes(archive: bytes) -> bytes:
    """A skops archive that equal models have in common: objects numbered by place, not by address; no times."""
    with zipfile.ZipFile(BytesIO(archive)) as source:
        schema = json.loads(source.read("schema.json"))
        files = _renumber(schema)
        sink = BytesIO()
        with zipfile.ZipFile(sink, "w") as target:
            for old, new in files.items():
                _write_entry(target, new, source.read(old))
            _write_entry(target, "schema.json", json.dumps(schema).encode())
    return sink.getvalue()


def _renumber(schema: dict) -> dict[str, str]:
    """Number objects and files by their first appearance, in place; gives old file -> new file."""
    ids: dict[int, int] = {}
    files: dict[str, str] = {}
    for node in _nodes(schema):
        if node.get("__id__"):
            node["__id__"] = ids.setdefault(node["__id__"], len(ids) + 1)
        if "file" in node and "__loader__" in node:
            old = node["file"]
            node["file"] = files.setdefault(old, f"{len(files)}.{old.rpartition('.')[2]}")
    return files


def _nodes(schema: object) -> Iterator[dict]:
    """Every object of a JSON document, in the order of the text."""
    waiting = [schema]
    while waiting:
        node = waiting.pop()
        if isinstance(node, dict):
            yield node
            waiting.extend(reversed(node.values()))
        elif isinstance(node, list):
            waiting.extend(reversed(node))


def _write_entry(archive: zipfile.ZipFile, name: str, content: bytes) -> None:
    entry = zipfile.ZipInfo(name, _OLDEST)
    entry.external_attr = 0o644 << 16
    archive.writestr(entry, content, zipfile.ZIP_DEFLATED, 6)


def check_archive(folder: Path, weights: bytes) -> None:
    """Refuse weights that unpack to more than the limits, before anything of them is parsed; check LightGBM's text."""
    with zipfile.ZipFile(BytesIO(weights)) as archive:
        entries = archive.infolist()
        if sum(entry.file_size for entry in entries) > limit("MODEL_MB") << 20:
            raise InputError(f"{folder}: weights of more than {limit('MODEL_MB'):,} MB; {advice('MODEL_MB')}")
        largest = limit("MODEL_SCHEMA_MB")
        if archive.getinfo("schema.json").file_size > largest << 20:
            raise InputError(f"{folder}: a schema.json of more than {largest:,} MB; {advice('MODEL_SCHEMA_MB')}")
        schema = archive.read("schema.json")
    if sum(schema.count(separator) for separator in (b"[", b"{", b",")) > _MOST_SEPARATORS:
        raise InputError(f"{folder}: more than {_MOST_SEPARATORS:,} values in schema.json; no model of ours")
    if schema.count(b'"__loader__"') > _MOST_OBJECTS:
        raise InputError(f"{folder}: more than {_MOST_OBJECTS:,} objects in schema.json; no model of ours")
    for node in _nodes(json.loads(schema)):
        content = node.get("content")
        if node.get("__loader__") == "JsonNode" and isinstance(content, str) and content.startswith('"tree'):
            check_lightgbm(folder, json.loads(content))


# --- trees -----------------------------------------------------------------------------------------------------------


def check_lightgbm(folder: Path, text: str) -> None:
    """Refuse a LightGBM model whose trees are not whole, or point outside of themselves or of the features."""
    head, *blocks = re.split(r"(?m)^(?=Tree=\d+$)", text)
    try:
        header = _settings(head)
        if blocks:
            blocks[-1] = blocks[-1].partition("end of trees")[0]
        sizes = [int(size) for size in header["tree_sizes"].split()]
        fine = sizes == [len(block.encode()) for block in blocks] and header["num_tree_per_iteration"] == "1"
        features = int(header["max_feature_idx"]) + 1
        fine = fine and all(_is_lightgbm_tree(_settings(block), features) for block in blocks)
    except (KeyError, ValueError, IndexError, OverflowError):
        fine = False
    if not fine:
        raise InputError(f"{folder}: LightGBM's trees are damaged or forged; copy the model folder again")


def _settings(block: str) -> dict[str, str]:
    return dict(line.split("=", 1) for line in block.splitlines() if "=" in line)


def _is_lightgbm_tree(tree: dict[str, str], features: int) -> bool:
    leaves = int(tree["num_leaves"])
    values = np.array(tree["leaf_value"].split(), np.float64)
    if leaves < 1 or len(values) != leaves or not np.isfinite(values).all():
        return False
    if leaves == 1:
        return True
    left, right, split, kinds = (
        np.array(tree[name].split(), np.int64)
        for name in ("left_child", "right_child", "split_feature", "decision_type")
    )
    thresholds = np.array(tree["threshold"].split(), np.float64)  # may be infinite
    if not {len(left), len(right), len(split), len(kinds), len(thresholds)} == {leaves - 1}:
        return False
    if split.min() < 0 or split.max() >= features or not _is_lightgbm_categories(tree, thresholds[kinds & 1 == 1]):
        return False
    children = np.concatenate([left, right])
    parents = np.tile(np.arange(leaves - 1), 2)
    inner = children >= 0
    # Every node but the root, and every leaf, is somebody's child once, and comes after its parent: no circles.
    return bool(
        np.array_equal(np.sort(children[inner]), np.arange(1, leaves - 1))
        and np.array_equal(np.sort(~children[~inner]), np.arange(leaves))
        and (children[inner] > parents[inner]).all()
    )


def _is_lightgbm_categories(tree: dict[str, str], places: np.ndarray) -> bool:
    count = int(tree["num_cat"])
    if not count:
        return not len(places)
    bounds = np.array(tree["cat_boundaries"].split(), np.int64)
    words = tree["cat_threshold"].split()
    return (
        len(bounds) == count + 1
        and bounds[0] == 0
        and bool((np.diff(bounds) >= 0).all())
        and bounds[-1] == len(words)
        and bool(((places >= 0) & (places < count)).all())
    )


def check_trees(folder: Path, estimator: object) -> None:
    """Refuse scikit-learn trees that point outside of themselves or of the features: walking them is not checked."""
    features = getattr(estimator, "n_features_in_", None)
    for predictors in getattr(estimator, "_predictors", []):
        for predictor in predictors:
            nodes = predictor.nodes
            inner = nodes["is_leaf"] == 0
            bitsets = len(predictor.raw_left_cat_bitsets)
            categories = nodes["bitset_idx"][inner & (nodes["is_categorical"] != 0)]
            if len(categories) and categories.max() >= bitsets:
                raise InputError(f"{folder}: a tree is damaged or forged; copy the model folder again")
            _check_nodes(folder, nodes["left"], nodes["right"], nodes["feature_idx"], inner, features)
    for tree in (part.tree_ for part in getattr(estimator, "estimators_", []) if hasattr(part, "tree_")):
        inner = tree.children_left != -1
        _check_nodes(folder, tree.children_left, tree.children_right, tree.feature, inner, features)


def _check_nodes(
    folder: Path, left: np.ndarray, right: np.ndarray, feature: np.ndarray, inner: np.ndarray, features: int | None
) -> None:
    places = np.flatnonzero(inner)
    fine = len(left) > 0
    for children in (left[inner].astype(np.int64), right[inner].astype(np.int64)):
        fine = fine and bool(((children > places) & (children < len(left))).all())
    used = feature[inner].astype(np.int64)
    if not fine or features is None or (len(used) and not (0 <= used.min() and used.max() < features)):
        raise InputError(f"{folder}: a tree is damaged or forged; copy the model folder again")
