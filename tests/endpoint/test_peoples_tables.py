"""`predict` on tables that people have: equal probabilities however missing is spelled; what is lacking is said."""

from __future__ import annotations

import gzip
import json
import os
import sys
import threading

import numpy as np
import pandas as pd
import pytest
from command import command
from places import ROOT

from genomicslearning import InputError
from genomicslearning.autopilot import manifest as manifests
from genomicslearning.autopilot.model import MANIFEST, Model
from genomicslearning.endpoint import batch
from genomicslearning.io.text import formula_read_table
from genomicslearning.training_set import user_table
from genomicslearning.training_set.table import read_table

sys.path.insert(0, str(ROOT / "benchmarks"))
import fuzz


@pytest.fixture(scope="module")
def place(tmp_path_factory):
    """A folder with a model, and the embedded sample's training set."""
    folder = tmp_path_factory.mktemp("place")
    fuzz.small_model(folder)
    model = Model.load(folder / "model")
    rows = read_table(folder / "t.parquet")
    model.manifest["evidence"] = manifests.evidence_by_column(model.predict, rows)
    Model(model.pipelines, model.manifest).save(folder / "model")
    return folder


@pytest.fixture(scope="module")
def rows(place):
    return read_table(place / "t.parquet").sample(120, random_state=5).reset_index(drop=True)


def probabilities(place, source, tmp_path) -> np.ndarray:
    batch.predict_file(place / "model", source, tmp_path / "out.csv")
    return pd.read_csv(tmp_path / "out.csv")["probability"].to_numpy()


@pytest.fixture(scope="module")
def expected(place, rows):
    return Model.load(place / "model").predict(rows)


@pytest.mark.parametrize("spelling", user_table.MISSING)
@pytest.mark.parametrize("separator", [",", "\t", ";"])
def test_probabilities_do_not_depend_on_how_missing_is_spelled(place, rows, expected, tmp_path, spelling, separator):
    rows.to_csv(tmp_path / "t.txt", index=False, sep=separator, na_rep=spelling)
    np.testing.assert_array_equal(probabilities(place, tmp_path / "t.txt", tmp_path), expected)


def test_parquet_with_text_for_missing(place, rows, expected, tmp_path):
    rows.fillna("NA").to_parquet(tmp_path / "t")
    np.testing.assert_array_equal(probabilities(place, tmp_path / "t", tmp_path), expected)


@pytest.mark.parametrize("pack", [bytes, gzip.compress])
def test_a_pipe_is_a_file(place, rows, expected, tmp_path, pack):
    read, write = os.pipe()
    content = pack(rows.to_csv(index=False).encode())

    def feed():
        with os.fdopen(write, "wb") as file:
            file.write(content)

    feeder = threading.Thread(target=feed)
    feeder.start()
    np.testing.assert_array_equal(probabilities(place, f"/dev/fd/{read}", tmp_path), expected)
    feeder.join()
    os.close(read)


def test_what_a_table_lacks_is_said_with_its_share(place, rows, tmp_path):
    shares = json.loads((place / "model" / MANIFEST).read_text())["evidence"]
    assert sum(shares.values()) == pytest.approx(1, abs=0.01)
    most, second, third = sorted(shares, key=lambda name: -shares[name])[:3]
    said = []
    rows.drop(columns=[most, second]).assign(**{third: None}).to_csv(tmp_path / "t.csv", index=False)
    batch.predict_file(place / "model", tmp_path / "t.csv", tmp_path / "out.csv", progress=said.append)
    absent, empty = [text for text in said if text.startswith("warning: ")]
    percent = f"{shares[most] + shares[second]:.0%}"
    assert f"no column {most}, {second}; the model has learnt from them, {percent} of its evidence" in absent
    assert f"nothing in column {third}; the model has learnt from it, {shares[third]:.0%} of its evidence" in empty
    said.clear()
    rows.to_csv(tmp_path / "t.csv", index=False)
    batch.predict_file(place / "model", tmp_path / "t.csv", tmp_path / "out.csv", progress=said.append)
    assert not [text for text in said if "no column" in text]


def test_a_share_of_evidence_is_how_far_the_log_odds_move():
    """A model that reads one column, and half as much of another."""
    table = pd.DataFrame(
        {"CHROM": "1", "POS": [1, 2], "REF": "A", "ALT": "G", "SYMBOL": ["B", "B"], "SIFT": ["x", "x"]}
    )
    table["EXON"] = pd.Series([None, None], dtype="str")

    def predict(rows: pd.DataFrame) -> np.ndarray:
        return 1 / (1 + np.exp(-2.0 * rows["SYMBOL"].notna() - 1.0 * rows["SIFT"].notna()))

    assert manifests.evidence_by_column(predict, table) == {"SYMBOL": 0.6667, "SIFT": 0.3333}


def test_a_csv_for_people_is_formula_safe_and_reads_back(place, tmp_path):
    odd = pd.DataFrame(
        {"CHROM": ["1", "=1", "+2"], "POS": [1, 2, 3], "REF": ["-", "@A", "A"], "ALT": ["G", "'=x", "C"]}
    )
    odd["SYMBOL"] = ['=HYPERLINK("http://x","y")', "\ttab", "A"]
    odd.to_csv(tmp_path / "t.csv", index=False)
    batch.predict_file(place / "model", tmp_path / "t.csv", tmp_path / "out.csv")
    found = pd.read_csv(tmp_path / "out.csv", dtype=str, keep_default_na=False)
    texts = found[["CHROM", "REF", "ALT", "SYMBOL"]]
    assert not texts.map(lambda cell: cell.startswith(("=", "+", "-", "@", "\t"))).any(axis=None)
    pd.testing.assert_frame_equal(
        formula_read_table(found)[["CHROM", "REF", "ALT", "SYMBOL"]],
        odd[["CHROM", "REF", "ALT", "SYMBOL"]],
        check_dtype=False,
    )


def test_predictions_never_take_the_place_of_an_input(place, rows, tmp_path):
    rows.to_csv(tmp_path / "same.csv", index=False)
    (tmp_path / "link.csv").symlink_to(tmp_path / "same.csv")
    before = (tmp_path / "same.csv").read_bytes()
    for out in ("same.csv", "link.csv", "../" + tmp_path.name + "/same.csv"):
        done = command("predict", place / "model", "same.csv", out, cwd=tmp_path)
        assert done.returncode == 2 and "is the input same.csv" in done.stderr
        assert len(done.stderr.strip().splitlines()) == 1
    with pytest.raises(InputError, match="is the input"):
        batch.predict_file(tmp_path, tmp_path / "same.csv", tmp_path / "same.csv")
    assert (tmp_path / "same.csv").read_bytes() == before
    assert {path.name for path in tmp_path.iterdir()} == {"same.csv", "link.csv"}
