"""The chain twice on the sample, with one thread and with two: the same bytes, the model's among them."""

from __future__ import annotations

import sys

from places import ROOT

sys.path.insert(0, str(ROOT / "benchmarks"))
import equal_bytes


def test_two_runs_of_the_chain_give_the_same_bytes_and_shuffled_rows_the_same_predictions(tmp_path):
    given = {"preset": "quick", "max_candidates": "1", "features": "biology"}
    found = equal_bytes.compare(given, tmp_path)
    names = {name.rpartition("/")[2] for name in equal_bytes.FILES} | {"manifest.json", "model.skops"}
    assert found["equal"] == dict.fromkeys(names, True)
    assert found["shuffled"] and found["rows"] > 3000
