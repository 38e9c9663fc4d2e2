"""Two runs side by side: intervals where they judged the same rows, plain words where not."""

from __future__ import annotations

import json

import numpy as np
import pandas as pd
import pytest

from genomicslearning.evaluation import delong_test, paired_bootstrap
from genomicslearning.history.splits import gene_groups
from genomicslearning.runs.compare import RESAMPLES, as_text, comparison

ROWS = 400


@pytest.fixture
def rows():
    random = np.random.default_rng(1)
    labels = (random.random(ROWS) < 0.3).astype(int)
    site = {"CHROM": "1", "POS": np.arange(ROWS) + 1, "REF": "A", "ALT": "G"}
    genes = [f"G{number // 8}" for number in range(ROWS)]
    return pd.DataFrame({"VARIATION_ID": "", **site, "SYMBOL": genes, "CLASS": labels})


def make_run(folder, rows, noise, *, seed=0, split="random", inputs=(), **parameters):
    """What a run leaves that comparing reads."""
    random = np.random.default_rng(seed)
    raw = rows["CLASS"] + noise * random.normal(size=len(rows))
    probability = 1 / (1 + np.exp(-(raw - raw.mean())))
    brier = float(np.mean((probability - rows["CLASS"]) ** 2))
    (folder / "data").mkdir(parents=True)
    rows.assign(predicted_label=0, probability=probability).to_csv(folder / "predictions.csv", index=False)
    rows.to_parquet(folder / "data" / "test.parquet")
    metrics = {"roc_auc": 0.5 + noise / 100, "roc_auc_ci": [0, 1], "brier": brier, "n": len(rows), "split": split}
    facts = {"id": folder.name, "started": "2026-01-01T00:00:00Z", "status": "done", "backend": "local"}
    facts |= {"parameters": parameters, "versions": {"python": "3.11"}, "steps": [], "artifacts": []}
    facts |= {"inputs": [dict(zip(("role", "name", "sha256"), one, strict=True)) | {"bytes": 1} for one in inputs]}
    (folder / "run.json").write_text(json.dumps(facts | {"metrics": metrics}))
    return probability.to_numpy()


def test_settings_have_no_difference_and_counts_are_whole(rows, tmp_path):
    for name, seed in (("one", 1), ("two", 2)):
        make_run(tmp_path / name, rows, 2.0, seed=seed)
        record = json.loads((tmp_path / name / "run.json").read_text())
        record["metrics"] |= {"seed": seed, "n_positive": 1000 + 500 * seed}
        (tmp_path / name / "run.json").write_text(json.dumps(record))
    lines = {
        line.split()[0]: line.split() for line in as_text(comparison(tmp_path / "one", tmp_path / "two")).splitlines()
    }
    assert lines["seed"] == ["seed", "1", "2"]
    assert lines["n_positive"] == ["n_positive", "1,500", "2,000", "+500"]


def test_the_same_rows_give_intervals_of_the_difference(rows, tmp_path):
    one = make_run(tmp_path / "one", rows, 2.0, seed=1)
    # The other run's rows stand in another order: they are the same rows all the same.
    mixed = rows.sample(frac=1, random_state=3)
    two = make_run(tmp_path / "two", mixed, 0.7, seed=2)
    found = comparison(tmp_path / "one", tmp_path / "two")
    assert found["test_rows"]["same"] and found["test_rows"]["common"] == ROWS
    aligned = pd.Series(two, index=mixed.index)[rows.index].to_numpy()
    exact = delong_test(rows["CLASS"], aligned, one)
    auc = next(row for row in found["metrics"] if row["name"] == "roc_auc")
    assert auc["method"] == "DeLong" and auc["words"] == "the second is better"
    assert [auc["low"], auc["high"]] == pytest.approx([exact["low"], exact["high"]])
    assert exact["low"] > 0
    assert "the second is better" in as_text(found)
    # Of an error less is better: second minus first is below zero where the second is.
    brier = next(row for row in found["metrics"] if row["name"] == "brier")
    assert brier["low"] < brier["difference"] < brier["high"] < 0 and brier["words"] == "the second is better"
    back = comparison(tmp_path / "two", tmp_path / "one")
    assert next(row for row in back["metrics"] if row["name"] == "brier")["words"] == "the first is better"
    assert next(row for row in back["metrics"] if row["name"] == "roc_auc")["words"] == "the first is better"


def test_held_out_genes_are_drawn_whole(rows, tmp_path):
    one = make_run(tmp_path / "one", rows, 2.0, seed=1, split="gene")
    two = make_run(tmp_path / "two", rows, 1.9, seed=2, split="gene")
    found = comparison(tmp_path / "one", tmp_path / "two")
    auc = next(row for row in found["metrics"] if row["name"] == "roc_auc")
    expected = paired_bootstrap(
        rows["CLASS"], two, one, statistic="roc_auc", groups=gene_groups(rows), resamples=RESAMPLES
    )
    assert auc["method"] == "paired bootstrap of whole genes"
    assert [auc["low"], auc["high"]] == pytest.approx([expected["low"], expected["high"]])


def test_of_one_gene_group_rows_are_drawn(rows, tmp_path):
    for name, noise in (("one", 2.0), ("two", 1.9)):
        make_run(tmp_path / name, rows.assign(SYMBOL="G"), noise, split="gene")
    found = {row["name"]: row.get("method") for row in comparison(tmp_path / "one", tmp_path / "two")["metrics"]}
    assert (found["roc_auc"], found["brier"]) == ("DeLong", "paired bootstrap")


def test_other_rows_give_no_interval_and_say_so(rows, tmp_path):
    make_run(tmp_path / "one", rows, 2.0)
    make_run(tmp_path / "two", rows.iloc[:300], 1.0)
    found = comparison(tmp_path / "one", tmp_path / "two")
    assert found["test_rows"] | {"words": ""} == {
        "first": 400,
        "second": 300,
        "common": 300,
        "same": False,
        "words": "",
    }
    assert "no interval is given" in found["test_rows"]["words"]
    assert all("low" not in row for row in found["metrics"])


def test_every_input_is_compared_by_role_and_content(rows, tmp_path):
    shared = ("clinvar", "c.vcf", "1" * 64)
    older = [("earlier", "old.vcf", "2" * 64), ("earlier", "old.vcf", "3" * 64)]
    make_run(tmp_path / "one", rows, 2.0, inputs=[shared, *older], seed=1)
    make_run(tmp_path / "two", rows, 2.0, inputs=[shared, older[0], ("watchlist_clinvar", "w.vcf", "4" * 64)])
    found = comparison(tmp_path / "one", tmp_path / "two")
    assert found["inputs"] == [
        {"role": "earlier", "name": "old.vcf", "first": "3" * 64, "second": None},
        {"role": "watchlist_clinvar", "name": "w.vcf", "first": None, "second": "4" * 64},
    ]
    assert found["versions"] == []


def test_files_among_the_parameters_are_shown_by_name_and_compared_by_content(rows, tmp_path):
    given = {"training_set": "/home/ada/mine.csv", "earlier": '["/a/2015.tsv"]', "preset": "quick", "run_dir": "/x"}
    make_run(tmp_path / "one", rows, 2.0, **given)
    moved = {"training_set": "/mnt/data/mine.csv", "earlier": '["/b/2015.tsv", "/b/2016.tsv"]', "preset": ""}
    make_run(tmp_path / "two", rows, 2.0, **moved)
    found = comparison(tmp_path / "one", tmp_path / "two")
    assert found["parameters"] == [
        {"name": "earlier", "first": "2015.tsv", "second": "2015.tsv, 2016.tsv"},
        {"name": "preset", "first": "quick", "second": ""},
    ]
    assert "/home" not in as_text(found)
