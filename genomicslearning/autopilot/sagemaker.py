"""An Autopilot job on Amazon SageMaker, behind the interface of the local one.

The job's name follows from the training rows and the settings, so that a run that is repeated finds its job again and
starts, and pays for, nothing twice. Rows, candidates, notebooks and reports end up where the local backend puts them.
"""

from __future__ import annotations

import hashlib
import json
import re
import tempfile
from collections.abc import Callable
from datetime import UTC
from functools import cached_property
from pathlib import Path

import pandas as pd

from genomicslearning import InputError
from genomicslearning.autopilot.job import Candidate, Job, JobSettings, SageMakerSettings
from genomicslearning.autopilot.remote_rows import RemoteRows
from genomicslearning.autopilot.vocabulary import OBJECTIVES
from genomicslearning.aws import prices
from genomicslearning.aws.account import Account, aws_errors, find_account, poll
from genomicslearning.io import lake

MODES = ("ENSEMBLING", "HYPERPARAMETER_TUNING", "AUTO")
#: Objectives of the local backend that SageMaker has too.
METRICS = ("AUC", "F1", "Accuracy")
#: SageMaker labels a variant 1 where this probability is reached; Autopilot does not tune it.
THRESHOLD = 0.5
#: What containers are asked to answer. SageMaker's own `probability` is that of the predicted label in ENSEMBLING and
#: that of CLASS 1 in HYPERPARAMETER_TUNING; `probabilities` with `labels` mean the same in both.
OUTPUTS = ("predicted_label", "probability", "probabilities", "labels")
BACKEND = "sagemaker"


def _request(
    account: Account, objective: str, mode: str, runtime: int, candidates: int | None, definitions_only: bool
) -> dict:
    """What CreateAutoMLJobV2 is asked for, less what carries the job's name."""
    criteria: dict[str, int] = {"MaxAutoMLJobRuntimeInSeconds": runtime}
    if candidates:
        criteria["MaxCandidates"] = candidates
    tabular: dict[str, object] = {
        "TargetAttributeName": "CLASS",
        "ProblemType": "BinaryClassification",
        "Mode": mode,
        "CompletionCriteria": criteria,
    }
    if definitions_only:
        tabular["GenerateCandidateDefinitionsOnly"] = True
    request: dict[str, object] = {
        "AutoMLProblemTypeConfig": {"TabularJobConfig": tabular},
        "AutoMLJobObjective": {"MetricName": objective},
        "RoleArn": account.role,
    }
    security: dict[str, object] = {}
    if account.kms_key:
        security["VolumeKmsKeyId"] = account.kms_key
    if account.network:
        security["VpcConfig"] = account.network
    return request | ({"SecurityConfig": security} if security else {})


def _name_and_description(account: Account, identity: list) -> tuple[str, dict | None]:
    """The job's name, at most 32 characters, and its description where it exists and can still give a model.

    A job cannot be deleted from SageMaker: one that failed keeps its name, and the next attempt gets another.
    """
    for attempt in range(1, 100):
        digest = hashlib.sha256(json.dumps([*identity, attempt], sort_keys=True).encode()).hexdigest()
        name = f"{account.project}-{digest[: min(10, 31 - len(account.project))]}"
        found = _describe(account, name)
        if found is None or "BestCandidate" in found:
            return name, found
        if found["AutoMLJobStatus"] not in ("Failed", "Stopping", "Stopped"):
            return name, found
    raise InputError("100 jobs with these rows and settings have failed; look at their reasons in the console")


def _describe(account: Account, auto_ml_name: str) -> dict | None:
    from botocore.exceptions import ClientError

    try:
        return account.client("sagemaker").describe_auto_ml_job_v2(AutoMLJobName=auto_ml_name)
    except ClientError as problem:
        if problem.response["Error"]["Code"] in ("ResourceNotFound", "ResourceNotFoundException"):
            return None
        raise


def _ask_for_money(runtime: int, cost_limit: float, confirm_cost: bool, progress: Callable[[str], None]) -> None:
    bound = prices.autopilot_job(runtime)
    progress(
        f"this job can cost at most about ${bound:.0f} ({prices.dated()}; "
        f"{runtime:,} s at most, {prices.AUTOPILOT_MACHINES} × {prices.AUTOPILOT_MACHINE})"
    )
    if bound > cost_limit and not confirm_cost:
        raise InputError(
            f"the job may cost ${bound:.0f}, more than cost_limit {cost_limit:.0f}; shorten max_runtime_seconds, raise "
            "cost_limit, or set confirm_cost"
        )


class SageMakerJob(Job):
    """See `autopilot.start`, `JobSettings` and `SageMakerSettings`.

    Preset and seed are noted in the job's tags, since Autopilot has neither. It validates on random rows always.
    Raises `InputError` for settings that SageMaker lacks, and above the cost limit.
    """

    def __init__(
        self,
        train: pd.DataFrame,
        settings: JobSettings,
        remote: SageMakerSettings,
        *,
        folder: Path,
        progress: Callable[[str], None],
    ):
        objective, features, seed = settings.objective, settings.features, settings.seed
        if remote.mode not in MODES:
            raise InputError(f"mode {remote.mode!r} is unknown; choose one of {', '.join(MODES)}")
        if objective not in METRICS:
            raise InputError(f"SageMaker Autopilot has no objective {objective}; choose one of {', '.join(METRICS)}")
        self.folder, self.name, self.objective = folder, folder.name, objective
        self.notes: list[str] = []
        self._progress = progress
        self._rows, self._training_rows = RemoteRows.fit(train, table=remote.table, features=features, seed=seed)
        self._tags = {"preset": settings.preset, "features": features, "seed": str(seed), "table": remote.table}
        runtime = int(settings.max_runtime_seconds)
        self._cost = (runtime, remote.cost_limit, remote.confirm_cost)
        if settings.grouped:
            self._note("Autopilot validates on random rows, genes on both sides: its scores look better than they are")
        self.account = find_account()
        self._client = self.account.client("sagemaker")
        self._request = _request(
            self.account, objective, remote.mode, runtime, settings.max_candidates, remote.candidate_definitions_only
        )

    def start(self) -> SageMakerJob:
        """Start the job, or attach to the one that was started before with the same rows and settings."""
        with aws_errors(), tempfile.TemporaryDirectory() as scratch:
            rows = Path(scratch, "train.csv")
            self._training_rows.to_csv(rows, index=False, lineterminator="\n")
            identity = [lake.sha256(rows), self._request, self._tags]
            self.auto_ml_name, found = _name_and_description(self.account, identity)
            if found:
                self._progress(f"attached to the Autopilot job {self.auto_ml_name}: {found['AutoMLJobStatus']}")
                return self
            _ask_for_money(*self._cost, self._progress)
            self._create(rows)
        self._progress(f"started the Autopilot job {self.auto_ml_name} in {self.account.region}")
        return self

    def _create(self, rows: Path) -> None:
        prefix = f"autopilot/{self.auto_ml_name}"
        address = self.account.upload(rows, f"{prefix}/input/train.csv")
        source = {"S3DataSource": {"S3DataType": "S3Prefix", "S3Uri": address}}
        output = {"S3OutputPath": f"s3://{self.account.bucket}/{prefix}/output"}
        if self.account.kms_key:
            output["KmsKeyId"] = self.account.kms_key
        # boto3: the SDK writes the runtime cap under a name that the service does not know.
        self._client.create_auto_ml_job_v2(
            AutoMLJobName=self.auto_ml_name,
            AutoMLJobInputDataConfig=[
                {"ChannelType": "training", "ContentType": "text/csv;header=present", "DataSource": source}
            ],
            OutputDataConfig=output,
            Tags=[{"Key": "Project", "Value": self.account.title}]
            + [{"Key": f"genomicslearning:{key}", "Value": value} for key, value in self._tags.items()],
            **self._request,
        )

    def _note(self, text: str) -> None:
        self.notes.append(text)
        self._progress(text)

    # Asked of AWS each time, where the local job writes it down.
    @property
    def status(self) -> str:  # type: ignore[override]
        """The job's state, as SageMaker has it now."""
        with aws_errors():
            return self._describe()["AutoMLJobStatus"]

    def wait(self) -> SageMakerJob:
        """Wait for the job's end, then fetch its candidates, notebooks and reports.

        Raises `InputError` with SageMaker's reason for a job that failed. Waiting may be interrupted: the job goes on,
        and a repeated run attaches to it.
        """
        with aws_errors():
            try:
                poll(self._state, self._progress)
            except KeyboardInterrupt:
                self._progress(f"{self.auto_ml_name} goes on, and is paid for: run again to attach, or job.stop()")
                raise
            described = self._describe()
            for reason in described.get("PartialFailureReasons", []):
                self._note(f"partial failure: {reason['PartialFailureMessage']}")
            if described["AutoMLJobStatus"] == "Failed":
                reason = described.get("FailureReason", "SageMaker gives no reason")
                raise InputError(f"Autopilot job {self.auto_ml_name} failed: {reason}")
            self._fetch(described)
        return self

    def _describe(self) -> dict:
        return self._client.describe_auto_ml_job_v2(AutoMLJobName=self.auto_ml_name)

    def _state(self) -> str | None:
        described = self._describe()
        if described["AutoMLJobStatus"] in ("InProgress", "Stopping"):
            return f"{described['AutoMLJobStatus']}: {described['AutoMLJobSecondaryStatus']}"
        return None

    def stop(self) -> None:
        """Stop the job; what is done stays."""
        with aws_errors():
            # boto3: the SDK's AutoMLJobV2 has no stop.
            self._client.stop_auto_ml_job(AutoMLJobName=self.auto_ml_name)

    @property
    def candidates(self) -> list[Candidate]:  # type: ignore[override]
        """The candidates that SageMaker has so far."""
        return [_candidate(listed) for listed in self._listed]

    @cached_property
    def _listed(self) -> list[dict]:
        with aws_errors():
            # boto3: the SDK's AutoMLJobV2 does not list candidates.
            pages = self._client.get_paginator("list_candidates_for_auto_ml_job")
            pages = pages.paginate(AutoMLJobName=self.auto_ml_name)
            return [candidate for page in pages for candidate in page["Candidates"]]

    def model(self) -> SageMakerModel:  # type: ignore[override]  # it predicts through an endpoint only
        """The best candidate, as SageMaker chose it, in `<folder>/model`: what `endpoint.deploy` needs to run it."""
        self.wait()
        with aws_errors():
            described = self._describe()
        if "BestCandidate" not in described:
            raise InputError(f"Autopilot job {self.auto_ml_name} has no model: {described['AutoMLJobSecondaryStatus']}")
        best = described["BestCandidate"]
        manifest = {
            "backend": BACKEND,
            "auto_ml_job": self.auto_ml_name,
            "candidate": best["CandidateName"],
            "region": self.account.region,
            "objective": self.objective,
            "metrics": _candidate(best).scores,
            "threshold": THRESHOLD,
            "table": self._rows.table,
            "containers": containers(best["InferenceContainers"]),
            "created": _iso(described.get("EndTime")),
        }
        return SageMakerModel(manifest, self._rows).save(self.folder / "model")

    def _fetch(self, described: dict) -> None:
        """Write `candidates.json`, the notebooks and the reports.

        CandidateDefinition is promised for hyper-parameter tuning only, and a job that was stopped may have neither.
        """
        listed = {
            "job": self.name,
            "backend": BACKEND,
            "auto_ml_job": self.auto_ml_name,
            "status": described["AutoMLJobStatus"],
            "objective": self.objective,
            "notes": self.notes,
            "candidates": [candidate.as_dict() for candidate in self.candidates],
        }
        lake.write_json(listed, self.folder / "candidates.json")
        artifacts = described.get("AutoMLJobArtifacts", {})
        for kind in ("DataExplorationNotebookLocation", "CandidateDefinitionNotebookLocation"):
            address = artifacts.get(kind)
            if not address:
                self._note(f"the job wrote no {kind.removesuffix('NotebookLocation')} notebook")
            elif not self.account.download(address, self.folder / "notebooks" / lake.name(address)):
                self._note(f"missing: {address}")
        properties = described.get("BestCandidate", {}).get("CandidateProperties", {})
        for kind, prefix in properties.get("CandidateArtifactLocations", {}).items():
            fetched = self.account.download_all(prefix, self.folder / "reports" / kind.lower())
            if not fetched:
                self._note(f"missing: {prefix}")


class SageMakerModel:
    """A model that lives on SageMaker: what is kept of it here is enough to run it there.

    Attributes
    ----------
    threshold, manifest : as a local model's.
    rows : turns tables into what the model was trained on.
    """

    def __init__(self, manifest: dict, rows: RemoteRows):
        self.manifest, self.rows = manifest, rows

    @property
    def threshold(self) -> float:
        """Probability from which a variant is called conflicting."""
        return self.manifest["threshold"]

    def save(self, folder: Path) -> SageMakerModel:
        """Write the folder; the manifest last, so that a folder with one is whole."""
        folder.mkdir(parents=True, exist_ok=True)
        self.rows.save(folder)
        lake.write_json(self.manifest, folder / "manifest.json")
        return self

    @classmethod
    def load(cls, folder: Path, manifest: dict) -> SageMakerModel:
        """The model whose folder holds this manifest."""
        return cls(manifest, RemoteRows.load(folder))


def containers(inference_containers: list[dict]) -> list[dict]:
    """The candidate's containers, asked to answer with `OUTPUTS`.

    One container (ENSEMBLING) answers itself. Of three (HYPERPARAMETER_TUNING) the second computes and the third
    translates its numbers back to labels, so the second cannot be asked for `labels`.
    """
    made = [
        {"Image": one["Image"], "ModelDataUrl": one["ModelDataUrl"], "Environment": dict(one.get("Environment", {}))}
        for one in inference_containers
    ]
    computed = ",".join(name for name in OUTPUTS if name != "labels")
    if len(made) > 1:
        made[1]["Environment"]["SAGEMAKER_INFERENCE_OUTPUT"] = computed
        made[-1]["Environment"]["SAGEMAKER_INFERENCE_INPUT"] = computed
    made[-1]["Environment"]["SAGEMAKER_INFERENCE_OUTPUT"] = ",".join(OUTPUTS)
    return made


def _candidate(listed: dict) -> Candidate:
    """A candidate of SageMaker in the words of the local leaderboard; scores are those on validation rows."""
    scores = {
        metric["StandardMetricName"]: metric["Value"]
        for metric in listed.get("CandidateProperties", {}).get("CandidateMetrics", [])
        if metric.get("Set") == "Validation" and "StandardMetricName" in metric
    }
    final = listed.get("FinalAutoMLJobObjectiveMetric")
    if final and listed["ObjectiveStatus"] == "Succeeded":
        scores[final.get("StandardMetricName", final["MetricName"])] = final["Value"]
    if "LogLoss" in scores:
        scores["LogLoss"] = -scores["LogLoss"]
    images = [container["Image"] for container in listed.get("InferenceContainers", [])]
    # The second of three containers is the algorithm; the only one is the whole ensemble.
    image = images[1] if len(images) > 1 else images[0] if images else ""
    ended = listed.get("EndTime", listed["CreationTime"])
    return Candidate(
        name=listed["CandidateName"],
        algorithm=re.sub(r"^.*/|:.*$", "", image),
        description=listed.get("FailureReason", ""),
        scores={name: value for name, value in scores.items() if name in OBJECTIVES},
        status=listed["CandidateStatus"],
        seconds=(ended - listed["CreationTime"]).total_seconds(),
    )


def _iso(moment) -> str | None:
    return moment and moment.astimezone(UTC).isoformat(timespec="seconds")
