"""The four notebooks on real variants: from SageMaker's side the same artifacts and figures as from the local backend.

Equal figures prove the transport: the emulated Autopilot trains with the local one. They say nothing of Autopilot's own
models.
"""

from __future__ import annotations

import json

import pandas as pd
import pytest
from notebooks_account import BUCKET, ROLE, calls, recorded
from rights_asked import check_notebooks

from genomicslearning import evaluation
from genomicslearning.aws.account import find_account
from genomicslearning.endpoint import inventory
from genomicslearning.runs import chain
from genomicslearning.runs.folder import STEPS
from genomicslearning.training_set.table import write_table_csv

GIVEN = {"backend": "sagemaker", "preset": "quick"}
RIGHTS = "sagemaker:CreateAutoMLJobV2 sagemaker:CreateModel sagemaker:CreateTransformJob iam:PassRole"


@pytest.fixture(scope="module")
def runs_dir(lake, labelled_table, tmp_path_factory):
    """Runs `aws` and `local` on 5,000 rows of the published table; for `aws` they lie in the data lake."""
    folder = tmp_path_factory.mktemp("runs")
    rows = folder / "rows.csv"
    write_table_csv(labelled_table.sample(5000, random_state=200), rows)
    lake.client("s3").upload_file(str(rows), BUCKET, "annotation/clinvar/conflicting/clinvar_conflicting.csv")
    local = {"backend": "local", "preset": "quick", "training_set": str(rows)}
    chain.run(local, name="local", runs_dir=str(folder), progress=lambda text: None)
    with pytest.MonkeyPatch.context() as patch:
        for name, value in lake.environment(actor=ROLE).items():
            patch.setenv(name, value)
        chain.run(GIVEN, name="aws", runs_dir=str(folder), progress=lambda text: None)
    return folder


def test_the_artifacts_are_those_of_a_local_run(runs_dir):
    made = {
        name: {str(path.relative_to(runs_dir / name)) for path in (runs_dir / name).rglob("*") if path.is_file()}
        for name in ("aws", "local")
    }
    job = "autopilot/variant-classifier/"
    outside = {name: {path for path in paths if not path.startswith(job)} for name, paths in made.items()}
    assert outside["aws"] == outside["local"]
    steps = {f"{step}.{kind}" for step in STEPS for kind in ("ipynb", "html")}
    data = {f"data/{name}" for name in ("training_set.csv", "training_set.parquet", "train.csv", "test.csv")}
    assert steps | data | {"index.html", "run.json", "predictions.csv", "metrics.json"} <= outside["aws"]
    assert {f"{job}candidates.json", f"{job}model/manifest.json"} <= made["aws"] & made["local"]
    assert any(path.startswith(f"{job}notebooks/") for path in made["aws"])
    for name in ("train.csv", "test.csv"):
        assert (runs_dir / "aws/data" / name).read_bytes() == (runs_dir / "local/data" / name).read_bytes()
    run = json.loads((runs_dir / "aws/run.json").read_text())
    assert (run["status"], run["backend"]) == ("done", "sagemaker")


def test_the_figures_are_those_of_a_local_run(runs_dir):
    remote, local = (json.loads((runs_dir / name / "metrics.json").read_text()) for name in ("aws", "local"))
    assert remote.keys() == local.keys() and remote["n"] == 1000
    predictions = {name: pd.read_csv(runs_dir / name / "predictions.csv", dtype=str) for name in ("aws", "local")}
    columns = ["CHROM", "POS", "REF", "ALT", "SYMBOL", "CLASS"]
    pd.testing.assert_frame_equal(predictions["aws"][columns], predictions["local"][columns])
    # SageMaker labels at 0.5 and the local backend at a threshold of its own: what depends on it is taken at 0.5.
    probability = predictions["local"]["probability"].astype(float).to_numpy()
    truth = predictions["local"]["CLASS"].astype(int).to_numpy()
    at_half = evaluation.metrics(truth, probability, remote["threshold"])
    for name in ("accuracy", "precision", "recall", "f1"):
        assert remote[name] == pytest.approx(at_half[name], abs=1e-6), name
    for name in local.keys() - {"accuracy", "precision", "recall", "f1", "threshold"}:
        if isinstance(local[name], int | float | list):
            assert remote[name] == pytest.approx(local[name], abs=1e-6), name
        else:
            assert remote[name] == local[name], name
    assert remote["roc_auc"] > 0.6


def test_nothing_is_left_running(runs_dir, runbook):
    assert inventory.find(find_account()) == []
    left = runbook.client("s3").list_objects_v2(Bucket=BUCKET, Prefix="predictions/")
    assert left["KeyCount"] == 0


def test_a_second_run_attaches_to_the_finished_job_and_starts_none(runs_dir, runbook, tmp_path):
    before = calls(runbook, "CreateAutoMLJobV2")
    said = []
    chain.execute(tmp_path, GIVEN, steps=STEPS[:2], render=False, progress=said.append)
    assert any("attached to the Autopilot job genomicslearning-" in line for line in said)
    assert calls(runbook, "CreateAutoMLJobV2") == before != [] and calls(runbook, "StartJobRun") == []


def test_every_call_is_within_the_rights_of_the_notebooks_role(runs_dir, runbook):
    check_notebooks(recorded(runbook), RIGHTS)
