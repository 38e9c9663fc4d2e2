"""Autopilot jobs on the emulated account: they really train; and what goes wrong with them."""

from __future__ import annotations

import json

import numpy as np
import pandas as pd
import pytest
from notebooks_account import ARN, BUCKET, calls, recorded, start
from rights_asked import check_notebooks

from genomicslearning import InputError, endpoint, evaluation
from genomicslearning.training_set.table import COLUMNS

# ---------------------------------------------------------------------- jobs


def test_a_job_trains_and_predicts_as_the_local_backend(runbook, train, test_rows, local, tmp_path):
    said = []
    job = start(train, tmp_path, said, max_candidates=9).wait()  # a job that no other test has started
    assert job.status == "Completed"
    stages = [text.split("InProgress: ")[1] for text in said if "InProgress" in text]
    assert stages[0] == "AnalyzingData" and stages[-1] == "ModelTuning"
    assert said[0].startswith("this job can cost at most about $29 (prices of us-east-1")

    shown, expected = job.leaderboard(), local.leaderboard()
    assert list(shown.columns) == list(expected.columns)
    assert shown["candidate"].tolist() == expected["candidate"].tolist()
    np.testing.assert_allclose(shown["AUC"], expected["AUC"], atol=1e-9)
    assert job.best.name == local.best.name
    assert {path.name for path in (job.folder / "notebooks").iterdir()} == {
        "SageMakerAutopilotDataExplorationNotebook.ipynb"
    }
    assert (job.folder / "reports" / "modelinsights" / "output" / "report.json").is_file()
    assert len(json.loads((job.folder / "candidates.json").read_text())["candidates"]) == len(shown)
    assert "the job wrote no CandidateDefinition notebook" in job.notes

    model = job.model()
    with endpoint.deploy(job.folder / "model", progress=said.append) as service:
        answer = service.invoke(test_rows)
    probability = local.model().predict(test_rows)
    np.testing.assert_allclose(answer["probability"], probability, atol=1e-12)
    assert (answer["predicted_label"] == (probability >= model.threshold)).all()
    assert answer.index.equals(test_rows.index)
    truth = test_rows["CLASS"].to_numpy()
    remote_metrics = evaluation.metrics(truth, answer["probability"].to_numpy(), model.threshold)
    assert remote_metrics == pytest.approx(evaluation.metrics(truth, probability, model.threshold), abs=1e-6)


def test_a_second_run_attaches_and_starts_nothing(runbook, train, tmp_path):
    first = start(train, tmp_path / "first").wait()
    started = len(calls(runbook, "CreateAutoMLJobV2"))
    said = []
    second = start(train, tmp_path / "second", said)
    assert said == [f"attached to the Autopilot job {first.auto_ml_name}: Completed"]
    assert len(calls(runbook, "CreateAutoMLJobV2")) == started
    assert second.model().manifest["candidate"] == first.best.name
    other = start(train, tmp_path / "other", max_runtime_seconds=3500).wait()
    assert other.auto_ml_name != first.auto_ml_name


def test_the_request_is_what_the_service_takes(runbook, train, tmp_path):
    """Validated by botocore against the service's own model; the cap is always set."""
    job = start(train, tmp_path, max_candidates=5, max_runtime_seconds=1800, sagemaker={"mode": "AUTO"})
    [request] = [one for one in calls(runbook, "CreateAutoMLJobV2") if one["AutoMLJobName"] == job.auto_ml_name]
    assert request["AutoMLProblemTypeConfig"] == {
        "TabularJobConfig": {
            "TargetAttributeName": "CLASS",
            "ProblemType": "BinaryClassification",
            "Mode": "AUTO",
            "CompletionCriteria": {"MaxAutoMLJobRuntimeInSeconds": 1800, "MaxCandidates": 5},
        }
    }
    assert request["AutoMLJobObjective"] == {"MetricName": "AUC"}
    assert request["RoleArn"] == ARN
    prefix = f"s3://{BUCKET}/autopilot/{job.auto_ml_name}"
    assert request["OutputDataConfig"] == {"S3OutputPath": f"{prefix}/output"}
    [channel] = request["AutoMLJobInputDataConfig"]
    assert channel["DataSource"]["S3DataSource"] == {"S3DataType": "S3Prefix", "S3Uri": f"{prefix}/input/train.csv"}
    assert job.auto_ml_name.startswith("genomicslearning-") and len(job.auto_ml_name) <= 32
    body = runbook.client("s3").get_object(Bucket=BUCKET, Key=f"autopilot/{job.auto_ml_name}/input/train.csv")["Body"]
    sent = pd.read_csv(body, dtype=str)
    assert list(sent.columns) == list(COLUMNS) and len(sent) == len(train)
    job.wait()


def test_hyperparameter_tuning_has_three_containers_and_both_notebooks(runbook, train, test_rows, local, tmp_path):
    job = start(train, tmp_path, sagemaker={"mode": "HYPERPARAMETER_TUNING"})
    containers = job.model().manifest["containers"]
    asked = [one["Environment"].get("SAGEMAKER_INFERENCE_OUTPUT") for one in containers]
    computed = "predicted_label,probability,probabilities"
    assert asked[1:] == [computed, f"{computed},labels"]
    assert containers[2]["Environment"]["SAGEMAKER_INFERENCE_INPUT"] == asked[1]
    assert len(list((job.folder / "notebooks").iterdir())) == 2
    with endpoint.deploy(job.folder / "model", mode="http", progress=lambda text: None) as service:
        answer = service.invoke(test_rows, chunk=100)
    np.testing.assert_allclose(answer["probability"], local.model().predict(test_rows), atol=1e-12)


def test_candidate_definitions_only_gives_notebooks_and_no_model(runbook, train, tmp_path):
    options = {"mode": "HYPERPARAMETER_TUNING", "candidate_definitions_only": True}
    job = start(train, tmp_path, sagemaker=options).wait()
    assert len(list((job.folder / "notebooks").iterdir())) == 2
    assert job.leaderboard().empty
    with pytest.raises(InputError, match="has no model: CandidateDefinitionsGenerated"):
        job.model()


def test_the_engineered_table_is_what_local_candidates_get(runbook, train, test_rows, tmp_path):
    job = start(train, tmp_path, features="biology", sagemaker={"table": "engineered"})
    assert job.model().manifest["table"] == "engineered"
    body = runbook.client("s3").get_object(Bucket=BUCKET, Key=f"autopilot/{job.auto_ml_name}/input/train.csv")["Body"]
    sent = pd.read_csv(body)
    assert "token_score" in sent and "CHROM" not in sent and sent.select_dtypes("number").shape == sent.shape
    with endpoint.deploy(job.folder / "model", progress=lambda text: None) as service:
        whole = service.invoke(test_rows)
    assert whole["probability"].between(0, 1).all() and whole["probability"].nunique() > 50


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"objective": "AveragePrecision"}, "SageMaker Autopilot has no objective AveragePrecision"),
        ({"sagemaker": {"mode": "FAST"}}, "mode 'FAST' is unknown"),
        ({"sagemaker": {"table": "wide"}}, "table 'wide' is unknown"),
        ({"features": "biology"}, "features 'biology' on SageMaker needs table engineered"),
        ({"max_runtime_seconds": 7200}, r"the job may cost \$57, more than cost_limit 50"),
    ],
)
def test_what_sagemaker_lacks_or_costs_too_much_is_refused(runbook, train, tmp_path, settings, message):
    before = len(calls(runbook, "CreateAutoMLJobV2"))
    with pytest.raises(InputError, match=message):
        start(train, tmp_path, **settings)
    assert len(calls(runbook, "CreateAutoMLJobV2")) == before


# ---------------------------------------------------------------------- what goes wrong with a job


def test_a_failed_job_says_why_and_the_next_run_tries_again(runbook, faults, train, tmp_path):
    faults({"at": "AutoMLJob", "status": "Failed", "reason": "AlgorithmError: too few rows"})
    first = start(train, tmp_path, max_runtime_seconds=3001)
    with pytest.raises(InputError, match=f"{first.auto_ml_name} failed: AlgorithmError: too few rows"):
        first.wait()
    second = start(train, tmp_path, max_runtime_seconds=3001)
    assert second.auto_ml_name != first.auto_ml_name
    assert second.wait().status == "Completed"


def test_partial_failures_and_missing_artifacts_are_told(runbook, faults, train, tmp_path):
    faults({"at": "AutoMLJob", "partial": ["explainability was not computed"], "missing_artifact": True})
    said = []
    job = start(train, tmp_path, said, max_runtime_seconds=3002).wait()
    assert "partial failure: explainability was not computed" in said
    assert any(text.startswith("missing: s3://") and text.endswith("DataExplorationNotebook.ipynb") for text in said)
    assert job.model().threshold == 0.5


def test_a_stopped_job_keeps_its_best_candidate(runbook, faults, train, tmp_path):
    faults({"at": "AutoMLJob", "status": "Stopped"})
    job = start(train, tmp_path, max_runtime_seconds=3003).wait()
    assert job.status == "Stopped" and job.model().manifest["candidate"] == job.best.name


def test_throttling_passes_unnoticed(runbook, faults, train, tmp_path):
    faults(
        {"at": "CreateAutoMLJobV2", "error": "ThrottlingException", "message": "Rate exceeded"},
        {"at": "DescribeAutoMLJobV2", "error": "ThrottlingException", "message": "Rate exceeded", "skip": 2},
    )
    assert start(train, tmp_path, max_runtime_seconds=3004).wait().status == "Completed"


def test_an_expired_token_is_one_clear_line_and_the_job_is_found_again(runbook, faults, train, tmp_path):
    job = start(train, tmp_path, max_runtime_seconds=3005)
    faults({"at": "DescribeAutoMLJobV2", "error": "ExpiredTokenException", "skip": 1})
    with pytest.raises(InputError, match="AWS credentials have expired; sign in and run this again"):
        job.wait()
    said = []
    start(train, tmp_path, said, max_runtime_seconds=3005).wait()
    assert said[0].startswith(f"attached to the Autopilot job {job.auto_ml_name}")


def test_without_the_stack_it_says_what_to_do(runbook, train, tmp_path, monkeypatch):
    with monkeypatch.context() as patch:
        patch.setenv("GENOMICSLEARNING_PROJECT", "Elsewhere")
        with pytest.raises(InputError, match="no stack ElsewhereCode in eu-west-1; run genomicslearning deploy"):
            start(train, tmp_path)


def test_every_call_is_within_the_rights_of_the_notebooks_role(runbook, model_folder):
    rights = "sagemaker:CreateAutoMLJobV2 sagemaker:DescribeAutoMLJobV2 iam:PassRole s3:GetObject"
    check_notebooks(recorded(runbook), rights)
