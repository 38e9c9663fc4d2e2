"""The notebooks as a user meets them: each alone with its defaults (nbval), and in the chain on real data."""

from __future__ import annotations

import ast
import json
import os
import re
import subprocess
import sys
from pathlib import Path

import nbformat
import numpy as np
import pandas as pd
import pytest
from browser import NARROW, WIDE, chromium, open_at, serious_findings
from places import documented
from typer.testing import CliRunner

from genomicslearning.cli.app import app as cli
from genomicslearning.runs.folder import PRODUCTS, STEPS, Run
from genomicslearning.training_set.table import COLUMNS

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture(scope="module")
def executed(tmp_path_factory):
    """Every notebook in a kernel of its own, its cells as tests of nbval: what that says, and the run that they leave.

    They have a cache of their own, so it is the run on the embedded sample.
    """
    cache = tmp_path_factory.mktemp("cache")
    command = [sys.executable, "-m", "pytest", "--nbval-lax", "--nbval-current-env", "--nbval-cell-timeout=300"]
    done = subprocess.run(
        [*command, "-p", "no:cacheprovider", "-v", *(str(ROOT / "notebooks" / f"{step}.ipynb") for step in STEPS)],
        env=os.environ | {"XDG_CACHE_HOME": str(cache)},
        cwd=cache,
        capture_output=True,
        text=True,
    )
    return done.stdout, cache / "genomicslearning" / "sample"


@pytest.mark.parametrize("step", STEPS)
def test_notebook_runs_with_its_defaults(step, executed):
    said, sample = executed
    stored = json.loads((ROOT / "notebooks" / f"{step}.ipynb").read_text())
    cells = sum(cell["cell_type"] == "code" for cell in stored["cells"])
    assert len(re.findall(rf"/{step}::ipynb::Cell \d+ PASSED", said)) == cells, said[-4000:]
    assert all((sample / product).exists() for product in PRODUCTS[step])


@pytest.mark.parametrize("notebook", sorted((ROOT / "notebooks").rglob("*.ipynb")), ids=lambda path: path.stem)
def test_a_cell_can_be_executed_again(notebook):
    """None deletes what a cell before has made, nor lets it grow: then it would be gone, or there twice."""
    for cell in nbformat.read(notebook, 4).cells:
        if cell.cell_type == "code" and "{{" not in cell.source:
            nodes = list(ast.walk(ast.parse(cell.source)))
            changed = [node.target for node in nodes if isinstance(node, ast.AugAssign)]
            calls = [node.func for node in nodes if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute)]
            changed += [call.value for call in calls if call.attr in ("append", "extend", "insert")]
            names = [node for node in nodes if isinstance(node, ast.Name)]
            used = {name.id for name in names if isinstance(name.ctx, ast.Del)}
            used |= {name.id for name in changed if isinstance(name, ast.Name)}
            made = {name.id for name in names if isinstance(name.ctx, ast.Store) and name not in changed}
            assert used <= made, cell.source


def test_the_sample_learns_like_clinvar(executed):
    metrics = json.loads((executed[1] / "metrics.json").read_text())
    assert metrics["synthetic"] is True and metrics["preset"] == "quick"
    assert 0.75 <= metrics["roc_auc"] <= 0.92
    assert metrics["roc_auc_ci"][0] < metrics["roc_auc"] < metrics["roc_auc_ci"][1]
    assert metrics["n"] == 1200


@pytest.fixture(scope="module")
def real_run(labelled_table, tmp_path_factory):
    """The whole chain through the command on 6,000 rows of the published table."""
    folder = tmp_path_factory.mktemp("real")
    labelled_table.sample(n=6_000, random_state=1).sort_index().to_csv(folder / "sample.csv", index=False)
    done = subprocess.run(
        [sys.executable, "-m", "genomicslearning", "run", "--training-set", "sample.csv", "--name", "real"]
        + ["-p", "preset", "quick"],
        cwd=folder,
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr[-4000:]
    assert done.stdout.splitlines()[-1] == str(folder / "runs" / "real" / "index.html")
    return folder / "runs" / "real"


def test_the_chain_leaves_everything_that_the_contract_names(real_run):
    names = ["index.html", "run.json", "metrics.json", "predictions.csv", "data/training_set.csv"]
    names += ["data/training_set.parquet", "data/train.csv", "data/test.csv"]
    names += [f"{step}.{kind}" for step in STEPS for kind in ("ipynb", "html")]
    assert [name for name in names if not (real_run / name).is_file()] == []
    job = Run(real_run).job["name"]
    assert (real_run / "autopilot" / job / "candidates.json").is_file()
    assert (real_run / "autopilot" / job / "model").is_dir()
    record = json.loads((real_run / "run.json").read_text())
    assert record["status"] == "done" and [step["status"] for step in record["steps"]] == ["done"] * 4
    assert record["inputs"][0]["name"] == "sample.csv" and len(record["inputs"][0]["sha256"]) == 64
    assert (real_run.parent / "latest").resolve() == real_run


def test_no_report_shows_a_librarys_warnings(real_run):
    for step in STEPS:
        cells = nbformat.read(real_run / f"{step}.ipynb", 4).cells
        outputs = [output for cell in cells for output in cell.get("outputs", [])]
        assert [output["text"] for output in outputs if output.get("name") == "stderr"] == []


def test_the_split_is_the_published_one(real_run):
    table = pd.read_parquet(real_run / "data" / "training_set.parquet")
    train = table.sample(frac=0.8, random_state=200)
    for name, rows in (("train", train), ("test", table.drop(train.index))):
        written = pd.read_csv(real_run / "data" / f"{name}.csv", dtype=str, keep_default_na=False)
        assert list(written.columns) == list(COLUMNS)
        assert written["POS"].astype(int).tolist() == rows["POS"].tolist()
        assert written["AF_EXAC"].tolist() == rows["AF_EXAC"].tolist()


def test_predictions_are_probabilities_of_conflict_in_the_test_rows_order(real_run):
    predictions = pd.read_csv(real_run / "predictions.csv", dtype={"CHROM": str})
    test = pd.read_csv(real_run / "data" / "test.csv", dtype={"CHROM": str}, low_memory=False)
    assert list(predictions.columns) == [
        *("VARIATION_ID", "CHROM", "POS", "REF", "ALT", "SYMBOL"),
        *("CLASS", "predicted_label", "probability"),
    ]
    assert predictions[["CHROM", "POS", "REF", "ALT"]].equals(test[["CHROM", "POS", "REF", "ALT"]])
    assert predictions["CLASS"].equals(test["CLASS"])
    threshold = json.loads((real_run / "metrics.json").read_text())["threshold"]
    assert (predictions["predicted_label"] == (predictions["probability"] >= threshold)).all()


def test_predict_takes_the_run_for_its_model(real_run, tmp_path):
    done = CliRunner().invoke(
        cli, ["predict", str(real_run), str(real_run / "data" / "test.csv"), str(tmp_path / "a.csv")]
    )
    assert done.exit_code == 0, done.output
    answers = pd.read_csv(tmp_path / "a.csv", float_precision="round_trip")
    predictions = pd.read_csv(real_run / "predictions.csv", float_precision="round_trip")
    np.testing.assert_allclose(answers["probability"], predictions["probability"], rtol=0, atol=1e-12)
    assert answers["predicted_label"].equals(predictions["predicted_label"])


def test_metrics_agree_with_scikit_learn(real_run):
    from sklearn.metrics import average_precision_score, brier_score_loss, f1_score, roc_auc_score

    metrics = json.loads((real_run / "metrics.json").read_text())
    predictions = pd.read_csv(real_run / "predictions.csv")
    truth, probability = predictions["CLASS"], predictions["probability"]
    assert metrics["roc_auc"] == pytest.approx(roc_auc_score(truth, probability), abs=1e-12)
    assert metrics["average_precision"] == pytest.approx(average_precision_score(truth, probability), abs=1e-12)
    assert metrics["brier"] == pytest.approx(brier_score_loss(truth, probability), abs=1e-12)
    assert metrics["f1"] == pytest.approx(f1_score(truth, predictions["predicted_label"]), abs=1e-12)
    assert metrics["roc_auc"] >= 0.80
    assert (metrics["n"], metrics["split"], metrics["features"], metrics["preset"], metrics["seed"]) == (
        1200, "random", "all", "quick", 200,
    )  # fmt: skip
    order = np.argsort(probability.to_numpy(), kind="stable")
    gaps = [
        len(part) * abs(truth.to_numpy()[part].mean() - probability.to_numpy()[part].mean())
        for part in np.array_split(order, 15)
    ]
    assert metrics["ece"] == pytest.approx(sum(gaps) / 1200, abs=1e-12)


def test_every_figure_of_the_run_is_described(real_run):
    metrics = json.loads((real_run / "metrics.json").read_text())
    assert set(metrics) <= documented("metrics.json")
    assert {"majority", "allele_frequency", "cadd", "logistic_regression"} == set(metrics["baselines"])
    assert set(metrics["baselines"]) <= documented("Baselines")


def test_reports_load_nothing_and_name_every_figure(real_run):
    from bs4 import BeautifulSoup

    figures = 0
    for page in real_run.glob("*.html"):
        soup = BeautifulSoup(page.read_text(encoding="utf-8"), "html.parser")
        for tag in soup.find_all(["img", "script", "link", "iframe", "video"]):
            address = tag.get("src") or tag.get("href") or "data:"
            assert address.startswith("data:"), f"{page.name} loads {address[:80]}"
        for image in soup.find_all("img"):
            figures += 1
            assert len(image["alt"]) > 20
    assert figures >= 15


def test_no_page_of_a_run_has_a_serious_accessibility_finding(real_run):
    pages = sorted({*real_run.glob("*.html"), *real_run.glob("autopilot/*/notebooks/*.html")})
    assert len(pages) == 7, "the index, four steps, the job's two notebooks"
    with chromium() as browser:
        for page in pages:
            for size in (WIDE, NARROW):
                open_at(browser, page, size)
                assert serious_findings(browser) == [], f"{page.name} at {size[0]} px"
                width = browser.execute_script("return document.documentElement.scrollWidth")
                assert width <= size[0], f"{page.name} is {width} px wide at {size[0]}"
