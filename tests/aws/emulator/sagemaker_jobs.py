"""SageMaker as far as the notebooks use it: Autopilot jobs that train, batch transform and endpoints that predict.

A job trains with the local autopilot (an engineered table with scikit-learn's gradient boosting) and leaves SageMaker's
layout in S3; its model is the product's own inference archive. Answers have the formats of Autopilot's containers,
which differ between the modes. `FOLDER/faults.json` says what goes wrong: a list of `{"at": ACTION, "times": N, …}`.
"""

from __future__ import annotations

import csv
import hashlib
import io
import json
import tarfile
import tempfile
import threading
import time
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import pandas as pd
from moto.core.exceptions import JsonRESTError
from moto.core.responses import ActionResult
from moto.sagemaker import models, responses
from moto.sagemakerruntime.responses import SageMakerRuntimeResponse

from emulator import here

STAGES = ("Starting", "AnalyzingData", "FeatureEngineering", "ModelTuning")
HPO = "HYPERPARAMETER_TUNING"
EMPTY_NOTEBOOK = b'{"cells": [], "metadata": {}, "nbformat": 4, "nbformat_minor": 5}'
COMPUTED = "predicted_label,probability,probabilities"
MAX_BODY = 6 * 1024 * 1024

_lock = threading.Lock()
_models: dict[str, object] = {}


# ---------------------------------------------------------------------- faults
def fault(action: str) -> dict | None:
    """The next fault that waits for this action, counted down; `skip` lets so many calls pass first."""
    path = here.FOLDER / "faults.json"
    with _lock:
        waiting = json.loads(path.read_text()) if path.exists() else []
        for found in waiting:
            if found["at"] != action or found.get("times", 1) == 0:
                continue
            if found.get("skip", 0):
                found["skip"] -= 1
                found = None
            else:
                found["times"] = found.get("times", 1) - 1
            path.write_text(json.dumps(waiting))
            return found
    return None


def _raise(found: dict | None) -> None:
    if found:
        problem = JsonRESTError(found["error"], found.get("message", found["error"]))
        problem.code = found.get("status", 400)
        raise problem


# ---------------------------------------------------------------------- Autopilot
def create_auto_ml_job_v2(self):
    _raise(fault("CreateAutoMLJobV2"))
    tabular = self._get_param("AutoMLProblemTypeConfig")["TabularJobConfig"]
    if "MaxAutoMLJobRuntimeInSeconds" not in tabular.get("CompletionCriteria", {}):
        raise JsonRESTError("ValidationException", "this emulator wants MaxAutoMLJobRuntimeInSeconds")
    answer = _create(self)
    job = self.sagemaker_backend.auto_ml_jobs[self._get_param("AutoMLJobName")]
    job.best_candidate, job.partial_failure_reasons, job.auto_ml_job_artifacts, job.end_time = None, [], {}, None
    job.all_candidates, job.looks, job.auto_ml_job_secondary_status = [], 0, STAGES[0]
    job.outcome = fault("AutoMLJob") or {}
    job.thread = threading.Thread(target=_train, args=(self.region, job), daemon=True)
    job.thread.start()
    return answer


def _train(region: str, job) -> None:
    """The work of a job, in the background; its end shows in the next description."""
    role = here.role_name(job.role_arn)
    try:
        s3 = here.client("s3", region, role)
        rows = _get(s3, job.auto_ml_job_input_data_config[0]["DataSource"]["S3DataSource"]["S3Uri"])
        tabular = job.auto_ml_problem_type_config["TabularJobConfig"]
        tags = {tag["Key"].removeprefix("genomicslearning:"): tag["Value"] for tag in job.tags}
        trained = _fitted(rows, tags)
        output = f"{job.output_data_config['S3OutputPath']}/{job.auto_ml_job_name}"
        notebooks = f"{output}/sagemaker-automl-candidates/{job.auto_ml_job_name}-pr-1/notebooks"
        hpo = tabular.get("Mode") == HPO
        for kind in ("DataExploration", *(("CandidateDefinition",) if hpo else ())):
            address = f"{notebooks}/SageMakerAutopilot{kind}Notebook.ipynb"
            job.auto_ml_job_artifacts[f"{kind}NotebookLocation"] = address
            if not job.outcome.get("missing_artifact"):
                _put(s3, address, EMPTY_NOTEBOOK)
        if tabular.get("GenerateCandidateDefinitionsOnly"):
            return
        model = f"{output}/tuning/{job.auto_ml_job_name}-dpp0-1/output/model.tar.gz"
        _put(s3, model, (trained / "model.tar.gz").read_bytes())
        reports = {kind: f"{output}/documentation/{kind.lower()}" for kind in ("Explainability", "ModelInsights")}
        for prefix in reports.values():
            _put(s3, f"{prefix}/output/report.json", b"{}")
        metric = job.auto_ml_job_objective["MetricName"]
        listed = json.loads((trained / "candidates.json").read_text())
        job.all_candidates = [_candidate(entry, metric, _containers(region, model, hpo), reports) for entry in listed]
    except Exception as problem:
        job.outcome = {"status": "Failed", "reason": f"{type(problem).__name__}: {problem}"}


def _fitted(rows: bytes, tags: dict) -> Path:
    """Train once on each table and settings; a folder with model.tar.gz and candidates.json."""
    key = hashlib.sha256(rows + json.dumps(tags, sort_keys=True).encode()).hexdigest()[:16]
    folder = here.FOLDER / "trained" / key
    with _lock:
        if (folder / "candidates.json").exists():
            return folder
    folder.mkdir(parents=True, exist_ok=True)
    (_fit_engineered if tags["table"] == "engineered" else _fit_raw)(rows, tags, folder)
    return folder


def _fit_raw(rows: bytes, tags: dict, folder: Path) -> None:
    from genomicslearning import autopilot
    from genomicslearning.endpoint import package
    from genomicslearning.training_set import table

    source = folder / "train.csv"
    source.write_bytes(rows)
    job = autopilot.start(
        table.read_table(source), folder=folder, name="job", preset=tags["preset"], features=tags["features"],
        seed=int(tags["seed"]), progress=lambda text: None,
    ).wait()  # fmt: skip
    package.write(folder / "job" / "model", folder / "model.tar.gz")
    (folder / "candidates.json").write_text(json.dumps([candidate.as_dict() for candidate in job.candidates]))


def _fit_engineered(rows: bytes, tags: dict, folder: Path) -> None:
    import skops.io
    from sklearn.ensemble import HistGradientBoostingClassifier
    from sklearn.metrics import roc_auc_score
    from sklearn.model_selection import cross_val_predict

    table = pd.read_csv(io.BytesIO(rows))
    columns, labels = table.drop(columns="CLASS").to_numpy(np.float32), table["CLASS"]
    estimator = HistGradientBoostingClassifier(max_iter=30, early_stopping=False, random_state=int(tags["seed"]))
    score = roc_auc_score(labels, cross_val_predict(estimator, columns, labels, cv=3, method="predict_proba")[:, 1])
    skops.io.dump(estimator.fit(columns, labels), folder / "model.skops")
    with tarfile.open(folder / "model.tar.gz", "w:gz") as archive:
        archive.add(folder / "model.skops", "engineered.skops")
    entry = {"name": "boosting", "algorithm": "gradient boosting", "scores": {"AUC": score}, "seconds": 1.0}
    (folder / "candidates.json").write_text(json.dumps([entry]))


def _containers(region: str, model: str, hpo: bool) -> list[dict]:
    pipeline = ("sagemaker-sklearn-automl", "sagemaker-xgboost", "sagemaker-sklearn-automl")
    registry = f"000000000000.dkr.ecr.{region}.amazonaws.com"
    supported = {"SAGEMAKER_INFERENCE_OUTPUT": "predicted_label", "SAGEMAKER_INFERENCE_SUPPORTED": f"{COMPUTED},labels"}
    return [
        {"Image": f"{registry}/{name}:1", "ModelDataUrl": model, "Environment": dict(supported)}
        for name in (pipeline if hpo else ("autogluon-inference",))
    ]


def _candidate(entry: dict, metric: str, containers: list[dict], reports: dict) -> dict:
    started = datetime(2026, 1, 1, tzinfo=UTC)
    value = entry["scores"][metric]
    return {
        "CandidateName": entry["name"],
        "FinalAutoMLJobObjectiveMetric": {
            "Type": "Maximize", "MetricName": metric, "Value": value, "StandardMetricName": metric,
        },
        "ObjectiveStatus": "Succeeded",
        "CandidateSteps": [],
        "CandidateStatus": "Completed",
        "InferenceContainers": containers,
        "CreationTime": started,
        "EndTime": datetime.fromtimestamp(started.timestamp() + entry["seconds"], UTC),
        "LastModifiedTime": started,
        "CandidateProperties": {
            "CandidateArtifactLocations": reports,
            "CandidateMetrics": [
                {"MetricName": name, "StandardMetricName": name, "Set": "Validation", "Value": entry["scores"][name]}
                for name in ("AUC", "F1", "Accuracy") if name in entry["scores"]
            ] + [
                {"StandardMetricName": "LogLoss", "Set": "Validation", "Value": -entry["scores"]["LogLoss"]}
                for _ in [0] if "LogLoss" in entry["scores"]
            ],
        },
    }  # fmt: skip


def describe_auto_ml_job_v2(self):
    _raise(fault("DescribeAutoMLJobV2"))
    described = _describe(self)
    job = self.sagemaker_backend.auto_ml_jobs[self._get_param("AutoMLJobName")]
    if job.auto_ml_job_status == "InProgress":
        _advance(job)
    described = {key: value for key, value in job.describe().items() if value not in (None, {}, [], "")}
    return ActionResult(described)


def _advance(job) -> None:
    """A job goes on by a stage each time somebody looks, and ends when its work is done."""
    job.looks += 1
    if job.looks < len(STAGES) or job.thread.is_alive():
        job.auto_ml_job_secondary_status = STAGES[min(job.looks, len(STAGES) - 1)]
        return
    job.end_time = datetime.now(UTC)
    status = job.outcome.get("status", "Completed")
    job.auto_ml_job_status = job.auto_ml_job_secondary_status = status
    job.failure_reason = job.outcome.get("reason", "")
    job.partial_failure_reasons = [{"PartialFailureMessage": text} for text in job.outcome.get("partial", [])]
    if status == "Failed":
        job.all_candidates = []
    if job.auto_ml_problem_type_config["TabularJobConfig"].get("GenerateCandidateDefinitionsOnly"):
        job.auto_ml_job_secondary_status = "CandidateDefinitionsGenerated"
    if job.all_candidates:
        value = "FinalAutoMLJobObjectiveMetric"
        job.best_candidate = max(job.all_candidates, key=lambda candidate: candidate[value]["Value"])


def list_candidates_for_auto_ml_job(self):
    """Two a page, so that a client that does not page misses some."""
    job = self.sagemaker_backend.auto_ml_jobs[self._get_param("AutoMLJobName")]
    start = int(self._get_param("NextToken") or 0)
    answer = {"Candidates": job.all_candidates[start : start + 2]}
    if start + 2 < len(job.all_candidates):
        answer["NextToken"] = str(start + 2)
    return ActionResult(answer)


# ---------------------------------------------------------------------- predictions
def answer(region: str, model, body: str) -> str:
    """What the containers of a model answer, as text/csv."""
    containers = [dict(one) for one in (model.containers or [model.primary_container])]
    environment = [one.get("Environment", {}) for one in containers]
    outputs = environment[-1].get("SAGEMAKER_INFERENCE_OUTPUT", "predicted_label").split(",")
    if len(containers) == 3:
        asked = environment[1].get("SAGEMAKER_INFERENCE_OUTPUT", "predicted_label")
        given = environment[2].get("SAGEMAKER_INFERENCE_INPUT", "predicted_label")
        if "labels" in asked or asked != given or not set(outputs) <= {*given.split(","), "labels"}:
            raise ValueError(f"containers do not fit each other: {asked} into {given}")
    probability = _predict(region, containers[0]["ModelDataUrl"], here.role_name(model.execution_role_arn), body)
    if "pytorch-inference" in containers[0]["Image"]:
        return _inference_code(outputs, probability)
    lines = []
    for p in probability.tolist():
        label = int(p >= 0.5)
        if len(containers) == 3:
            cells = {"probability": p, "probabilities": f"[{p!r}, {1 - p!r}]", "labels": "['1', '0']"}
        else:
            cells = {"probability": max(p, 1 - p), "probabilities": f"[{1 - p!r}, {p!r}]", "labels": "[0, 1]"}
        cells["predicted_label"] = label
        lines.append([str(cells[name]) for name in outputs])
    text = io.StringIO()
    csv.writer(text, lineterminator="\n").writerows(lines)
    return text.getvalue()


def _inference_code(outputs: list[str], probability: np.ndarray) -> str:
    """A package of the product answers through its own code."""
    from genomicslearning.endpoint import wire

    return wire.write_predictions(wire.predictions(probability, 0.5), tuple(outputs)).decode()


def _predict(region: str, address: str, role: str, body: str) -> np.ndarray:
    model = _loaded(region, address, role)
    if isinstance(model, Path):
        import skops.io

        own = skops.io.get_untrusted_types(file=model / "engineered.skops")  # written here, by `_fit_engineered`
        unpacked = skops.io.load(model / "engineered.skops", trusted=own)
        return unpacked.predict_proba(pd.read_csv(io.StringIO(body), header=None).to_numpy(np.float32))[:, 1]
    from genomicslearning.endpoint import wire

    return model.predict(wire.read_rows(body.encode(), "text/csv; header=absent"))


def _loaded(region: str, address: str, role: str):
    content = _get(here.client("s3", region, role), address)
    digest = hashlib.sha256(content).hexdigest()
    with _lock:
        if digest not in _models:
            from genomicslearning.autopilot.model import Model

            folder = Path(tempfile.mkdtemp(dir=here.FOLDER))
            with tarfile.open(fileobj=io.BytesIO(content)) as archive:
                archive.extractall(folder, filter="data")
            _models[digest] = folder if (folder / "engineered.skops").exists() else Model.load(folder / "model")
        return _models[digest]


def invoke_endpoint(self):
    backend = models.sagemaker_backends[self.current_account][self.region]
    name = self.path.split("/")[2]
    if name not in backend.endpoints:
        return _error(400, "ValidationError", f"Endpoint {name} of account {self.current_account} not found.")
    if len(self.body) > MAX_BODY:
        return _error(413, "ValidationError", "request body exceeds 6 MB")
    if found := fault("InvokeEndpoint"):
        if found["error"] == "ModelError":
            body = {"OriginalStatusCode": found.get("status", 500), "OriginalMessage": found.get("message", "")}
            return _error(424, "ModelError", found.get("message", "fault"), body)
        return _error(found.get("status", 400), found["error"], found.get("message", "fault"))
    variant = backend.endpoint_configs[backend.endpoints[name].endpoint_config_name].production_variants[0]
    body = self.body if isinstance(self.body, str) else self.body.decode()
    try:
        text = answer(self.region, backend._models[variant["ModelName"]], body)
    except Exception as problem:
        return _error(424, "ModelError", str(problem), {"OriginalStatusCode": 500})
    return 200, {"Content-Type": "text/csv", "x-Amzn-Invoked-Production-Variant": "AllTraffic"}, text


def _error(status: int, code: str, message: str, more: dict | None = None):
    headers = {"status": status, "x-amzn-ErrorType": code}
    return status, headers, json.dumps({"Message": message, **(more or {})})


def create_transform_job(self):
    _raise(fault("CreateTransformJob"))
    answered = _create_transform(self)
    job = self.sagemaker_backend.transform_jobs[self._get_param("TransformJobName")]
    job.transform_job_status = "InProgress"
    threading.Thread(target=_transform, args=(self.sagemaker_backend, job), daemon=True).start()
    return answered


def _transform(backend, job) -> None:
    """Each line of the input a row, as SplitType Line has it; the output beside it with `.out` added."""
    outcome = fault("TransformJob") or {}
    time.sleep(outcome.get("seconds", 0))
    try:
        model = backend._models[job.model_name]
        s3 = here.client("s3", backend.region_name, here.role_name(model.execution_role_arn))
        source = job.transform_input["DataSource"]["S3DataSource"]["S3Uri"]
        body = _get(s3, source).decode()
        if outcome.get("status") == "Failed":
            raise ValueError(outcome["reason"])
        text = "".join(answer(backend.region_name, model, piece) for piece in _pieces(body.splitlines(keepends=True)))
        _put(s3, f"{job.transform_output['S3OutputPath']}/{source.rsplit('/', 1)[-1]}.out", text.encode())
        status = "Completed"
    except Exception as problem:
        job.failure_reason, status = f"ClientError: {problem}", "Failed"
    if job.transform_job_status == "InProgress":
        job.transform_job_status = status


def _pieces(lines: list[str], size: int = 1000):
    for start in range(0, len(lines), size):
        yield "".join(lines[start : start + size])


def stop_transform_job(self):
    self.sagemaker_backend.transform_jobs[self._get_param("TransformJobName")].transform_job_status = "Stopped"
    return ActionResult({})


def create_endpoint(self):
    _raise(fault("CreateEndpoint"))
    answered = _create_endpoint(self)
    endpoint = self.sagemaker_backend.endpoints[self._get_param("EndpointName")]
    endpoint.endpoint_status, endpoint.looks, endpoint.outcome = "Creating", 0, fault("Endpoint") or {}
    return answered


def describe_endpoint(self):
    endpoint = self.sagemaker_backend.endpoints.get(self._get_param("EndpointName"))
    if endpoint is not None and endpoint.endpoint_status == "Creating":
        endpoint.looks += 1
        if endpoint.looks > 1:
            endpoint.endpoint_status = endpoint.outcome.get("status", "InService")
            endpoint.failure_reason = endpoint.outcome.get("reason")
    return _describe_endpoint(self)


# ---------------------------------------------------------------------- S3
def _get(s3, address: str) -> bytes:
    bucket, _, key = address.removeprefix("s3://").partition("/")
    return s3.get_object(Bucket=bucket, Key=key)["Body"].read()


def _put(s3, address: str, content: bytes) -> None:
    bucket, _, key = address.removeprefix("s3://").partition("/")
    s3.put_object(Bucket=bucket, Key=key, Body=content)


def _without_empty(value):
    """moto answers empty structures that SageMaker leaves out, which the SDK's own shapes refuse."""
    if isinstance(value, dict):
        return {key: _without_empty(inner) for key, inner in value.items() if inner not in ({}, None)}
    return value


def install() -> None:
    global _create, _describe, _create_transform, _create_endpoint, _describe_endpoint
    target = responses.SageMakerResponse
    _create, _describe = target.create_auto_ml_job_v2, target.describe_auto_ml_job_v2
    _create_transform = target.create_transform_job
    _create_endpoint, _describe_endpoint = target.create_endpoint, target.describe_endpoint
    for action in (
        create_auto_ml_job_v2, describe_auto_ml_job_v2, list_candidates_for_auto_ml_job, create_transform_job,
        stop_transform_job, create_endpoint, describe_endpoint,
    ):  # fmt: skip
        setattr(target, action.__name__, action)
    SageMakerRuntimeResponse.invoke_endpoint = invoke_endpoint
    plain = responses.ActionResult
    responses.ActionResult = lambda result: plain(_without_empty(result) if isinstance(result, dict) else result)
