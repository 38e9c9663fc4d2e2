"""The exact requests that go to AWS: botocore's Stubber refuses any other, and any in another order."""

from __future__ import annotations

import io
from datetime import UTC, datetime

import boto3
import pandas as pd
import pytest
from botocore.response import StreamingBody
from botocore.stub import Stubber

from genomicslearning import autopilot
from genomicslearning.autopilot import sagemaker as autopilot_sagemaker
from genomicslearning.autopilot.remote_rows import RemoteRows
from genomicslearning.autopilot.sagemaker import SageMakerJob, SageMakerModel, containers
from genomicslearning.aws import account as aws_account
from genomicslearning.aws import glue
from genomicslearning.aws.account import Account
from genomicslearning.endpoint import inventory, sagemaker
from genomicslearning.endpoint import sagemaker as endpoint_sagemaker
from genomicslearning.training_set import table

REGION = "eu-west-1"
BUCKET = "genomicslearning-datalake-123456789012-eu-west-1"
ROLE = "arn:aws:iam::123456789012:role/genomicslearning-runbook-eu-west-1"
ACCOUNT = Account(
    "GenomicsLearning", BUCKET, ROLE, "genomicslearning-create-training-set", "/aws-glue/jobs/genomicslearning"
)
TAGS = [{"Key": "Project", "Value": "GenomicsLearning"}]
NAME = "genomicslearning-00ff"  # of whatever gets a random name
NOW = datetime(2026, 1, 1, tzinfo=UTC)
ROWS = pd.DataFrame({name: ["x", "y"] for name in table.COLUMNS}).assign(POS=[1, 2], CLASS=[0, 1])


class Anything:
    """Equal to the first value that it meets, and from then on to that value only; `in_` puts it into a text."""

    value = None

    def __eq__(self, other):
        self.value = self.value or other
        return self.value == other

    def in_(self, pattern: str) -> Anything:
        name = self

        class Inside:
            def __eq__(self, other):
                return other == pattern.format(name.value)

        return Inside()


class Stubs(boto3.Session):
    """A session with one stubbed client a service, for the product's own calls and for those of the SageMaker SDK."""

    def __init__(self):
        super().__init__(region_name=REGION, aws_access_key_id="nobody", aws_secret_access_key="none")
        self.made = {}

    def client(self, service, *_, **__):
        if service not in self.made:
            client = super().client(service)
            self.made[service] = client, Stubber(client)
            self.made[service][1].activate()
        return self.made[service][0]

    def expect(self, service: str, operation: str, request: dict, answer: dict | None = None):
        self.client(service)
        self.made[service][1].add_response(operation, answer or {}, request)

    def expect_error(self, service: str, operation: str, code: str, request: dict):
        self.client(service)
        self.made[service][1].add_client_error(operation, code, expected_params=request)


@pytest.fixture
def stubs(monkeypatch):
    made = Stubs()
    account = Account(**{name: getattr(ACCOUNT, name) for name in ACCOUNT.__dataclass_fields__})
    monkeypatch.setattr(aws_account, "boto_session", lambda: made)
    for module in (aws_account, autopilot_sagemaker, endpoint_sagemaker):
        monkeypatch.setattr(module, "find_account", lambda: account)
    monkeypatch.setattr("secrets.token_hex", lambda size: "00ff")
    monkeypatch.setattr(Account, "upload", lambda self, path, key: f"s3://{self.bucket}/{key}")
    yield made
    for _, stubber in made.made.values():
        stubber.assert_no_pending_responses()


def quiet(text: str) -> None:
    pass


# ---------------------------------------------------------------------- jobs
MODES = [
    ("ENSEMBLING", {}, {"CompletionCriteria": {"MaxAutoMLJobRuntimeInSeconds": 3600}}),
    (
        "ENSEMBLING",
        {"max_candidates": 7, "max_runtime_seconds": 900},
        {"CompletionCriteria": {"MaxAutoMLJobRuntimeInSeconds": 900, "MaxCandidates": 7}},
    ),
    ("AUTO", {}, {"CompletionCriteria": {"MaxAutoMLJobRuntimeInSeconds": 3600}}),
    (
        "HYPERPARAMETER_TUNING",
        {"max_candidates": 50},
        {"CompletionCriteria": {"MaxAutoMLJobRuntimeInSeconds": 3600, "MaxCandidates": 50}},
    ),
    (
        "HYPERPARAMETER_TUNING",
        {"sagemaker": {"candidate_definitions_only": True}},
        {
            "CompletionCriteria": {"MaxAutoMLJobRuntimeInSeconds": 3600},
            "GenerateCandidateDefinitionsOnly": True,
        },
    ),
]


@pytest.mark.parametrize(("mode", "settings", "asked"), MODES)
def test_create_and_stop_auto_ml_job(stubs, tmp_path, mode, settings, asked):
    name = Anything()
    folder = f"s3://{BUCKET}/autopilot/{{}}"
    stubs.expect_error("sagemaker", "describe_auto_ml_job_v2", "ResourceNotFoundException", {"AutoMLJobName": name})
    settings = {"max_runtime_seconds": 3600} | settings
    settings["sagemaker"] = {"mode": mode} | settings.get("sagemaker", {})
    stubs.expect(
        "sagemaker",
        "create_auto_ml_job_v2",
        {
            "AutoMLJobName": name,
            "AutoMLJobInputDataConfig": [
                {
                    "ChannelType": "training",
                    "ContentType": "text/csv;header=present",
                    "DataSource": {
                        "S3DataSource": {"S3DataType": "S3Prefix", "S3Uri": name.in_(f"{folder}/input/train.csv")}
                    },
                }
            ],
            "OutputDataConfig": {"S3OutputPath": name.in_(f"{folder}/output")},
            "AutoMLProblemTypeConfig": {
                "TabularJobConfig": {
                    "TargetAttributeName": "CLASS", "ProblemType": "BinaryClassification", "Mode": mode, **asked,
                }
            },
            "AutoMLJobObjective": {"MetricName": "AUC"},
            "RoleArn": ROLE,
            "Tags": TAGS
            + [
                {"Key": "genomicslearning:preset", "Value": "quick"},
                {"Key": "genomicslearning:features", "Value": "all"},
                {"Key": "genomicslearning:seed", "Value": "200"},
                {"Key": "genomicslearning:table", "Value": "raw"},
            ],
        },
        {"AutoMLJobArn": "arn:aws:sagemaker:eu-west-1:123456789012:automl-job/x"},
    )  # fmt: skip
    job = autopilot.start(
        ROWS, folder=tmp_path, name="job", backend="sagemaker", preset="quick", seed=200, progress=quiet, **settings
    )
    assert isinstance(job, SageMakerJob) and job.auto_ml_name == name.value
    stubs.expect("sagemaker", "stop_auto_ml_job", {"AutoMLJobName": name.value})
    job.stop()


def test_start_job_run_and_follow_it(stubs, monkeypatch):
    job, run = {"JobName": ACCOUNT.training_set_job}, {"JobName": ACCOUNT.training_set_job, "RunId": "jr_1"}
    stubs.expect(
        "glue", "get_job_runs", {**job, "MaxResults": 10}, {"JobRuns": [{"Id": "jr_0", "JobRunState": "FAILED"}]}
    )
    stubs.expect("glue", "start_job_run", {**job, "Arguments": {"--pick": "mane"}}, {"JobRunId": "jr_1"})
    group = {"logGroupName": "/aws-glue/jobs/genomicslearning/output"}
    streams = {"logStreams": [{"logStreamName": "jr_1"}]}
    for state, place, token, lines in (
        ("RUNNING", {}, "f/1", ["10,000 records read"]),
        ("SUCCEEDED", {"nextToken": "f/1"}, "f/2", ["done", "in 5 s"]),
    ):
        stubs.expect("glue", "get_job_run", run, {"JobRun": {"JobRunState": state}})
        stubs.expect("logs", "describe_log_streams", {**group, "logStreamNamePrefix": "jr_1"}, streams)
        request = {**group, "logStreamName": "jr_1", "startFromHead": True}
        events = [{"message": f"{line}\n", "timestamp": 1} for line in lines]
        stubs.expect("logs", "get_log_events", request | place, {"events": events, "nextForwardToken": token})
        stubs.expect(
            "logs", "get_log_events", request | {"nextToken": token}, {"events": [], "nextForwardToken": token}
        )
    stubs.expect("glue", "get_job_run", run, {"JobRun": {"JobRunState": "SUCCEEDED"}})
    monkeypatch.setattr(aws_account, "SLOWEST_POLL_SECONDS", 0)
    said = []
    glue.build_training_set(aws_account.find_account(), pick="mane", progress=said.append)
    assert said == [
        f"started {ACCOUNT.training_set_job}, run jr_1", "10,000 records read", "0:00 RUNNING", "done", "in 5 s",
    ]  # fmt: skip


# ---------------------------------------------------------------------- models and what runs them
def model(count: int) -> SageMakerModel:
    """As Autopilot describes a candidate of one mode or the other."""
    listed = [
        {"Image": f"registry/{number}:1", "ModelDataUrl": f"s3://{BUCKET}/{number}.tar.gz", "Environment": {"A": "b"}}
        for number in range(count)
    ]
    return SageMakerModel({"containers": containers(listed), "threshold": 0.5}, RemoteRows())


WHOLE, COMPUTED = "predicted_label,probability,probabilities,labels", "predicted_label,probability,probabilities"
ENVIRONMENTS = {
    1: [{"A": "b", "SAGEMAKER_INFERENCE_OUTPUT": WHOLE}],
    3: [
        {"A": "b"},
        {"A": "b", "SAGEMAKER_INFERENCE_OUTPUT": COMPUTED},
        {"A": "b", "SAGEMAKER_INFERENCE_INPUT": COMPUTED, "SAGEMAKER_INFERENCE_OUTPUT": WHOLE},
    ],
}


def expect_model(stubs, count: int) -> None:
    wanted = [
        {"Image": f"registry/{number}:1", "ModelDataUrl": f"s3://{BUCKET}/{number}.tar.gz", "Environment": environment}
        for number, environment in enumerate(ENVIRONMENTS[count])
    ]
    request = {"ModelName": NAME, "Containers": wanted, "ExecutionRoleArn": ROLE, "Tags": TAGS}
    stubs.expect("sagemaker", "create_model", request, {"ModelArn": arn("model")})
    described = {"ModelName": NAME, "CreationTime": NOW, "ModelArn": arn("model"), "ExecutionRoleArn": ROLE}
    stubs.expect("sagemaker", "describe_model", {"ModelName": NAME}, described)


def arn(kind: str) -> str:
    return f"arn:aws:sagemaker:{REGION}:123456789012:{kind}/x"


@pytest.mark.parametrize("count", [1, 3])
def test_batch_transform(stubs, count):
    expect_model(stubs, count)
    folder = f"s3://{BUCKET}/predictions/{NAME}"
    keys = [f"predictions/{NAME}/rows.csv", f"predictions/{NAME}/rows.csv.out"]
    body = sagemaker._csv(RemoteRows().frame(ROWS))
    stubs.expect("s3", "put_object", {"Bucket": BUCKET, "Key": keys[0], "Body": body})
    stubs.expect(
        "sagemaker",
        "create_transform_job",
        {
            "TransformJobName": NAME,
            "ModelName": NAME,
            "MaxPayloadInMB": 6,
            "BatchStrategy": "MultiRecord",
            "TransformInput": {
                "DataSource": {"S3DataSource": {"S3DataType": "S3Prefix", "S3Uri": f"{folder}/rows.csv"}},
                "ContentType": "text/csv",
                "SplitType": "Line",
            },
            "TransformOutput": {"S3OutputPath": folder, "Accept": "text/csv", "AssembleWith": "Line"},
            "TransformResources": {"InstanceType": "ml.m5.xlarge", "InstanceCount": 1},
            "Tags": TAGS,
        },
        {"TransformJobArn": arn("transform-job")},
    )
    described = {
        "TransformJobName": NAME,
        "TransformJobArn": arn("transform-job"),
        "TransformJobStatus": "Completed",
        "ModelName": NAME,
        "TransformInput": {"DataSource": {"S3DataSource": {"S3DataType": "S3Prefix", "S3Uri": "s3://a/b"}}},
        "TransformResources": {"InstanceType": "ml.m5.xlarge", "InstanceCount": 1},
        "CreationTime": NOW,
    }
    for _ in range(2):  # the SDK's after creation, and our look at its state
        stubs.expect("sagemaker", "describe_transform_job", {"TransformJobName": NAME}, described)
    stubs.expect("s3", "get_object", {"Bucket": BUCKET, "Key": keys[1]}, {"Body": answer()})
    for key in keys:
        stubs.expect("s3", "delete_object", {"Bucket": BUCKET, "Key": key})
    with sagemaker.deploy(model(count), progress=quiet) as service:
        assert service.invoke(ROWS)["probability"].tolist() == [0.25, 0.75]
        stubs.expect("sagemaker", "delete_model", {"ModelName": NAME})


def answer() -> StreamingBody:
    text = b"0,0.75,\"[0.75, 0.25]\",\"['0', '1']\"\n1,0.75,\"[0.25, 0.75]\",\"['0', '1']\"\n"
    return StreamingBody(io.BytesIO(text), len(text))


def test_real_time_endpoint(stubs):
    expect_model(stubs, 1)
    variant = {
        "VariantName": "AllTraffic",
        "ModelName": NAME,
        "InstanceType": "ml.m5.large",
        "InitialInstanceCount": 1,
        "InitialVariantWeight": 1.0,
    }
    configuration, running = {"EndpointConfigName": NAME}, {"EndpointName": NAME}
    stubs.expect(
        "sagemaker",
        "create_endpoint_config",
        {**configuration, "ProductionVariants": [variant], "Tags": TAGS},
        {"EndpointConfigArn": arn("endpoint-config")},
    )
    described = {
        "EndpointConfigName": NAME,
        "EndpointConfigArn": arn("endpoint-config"),
        "ProductionVariants": [variant],
        "CreationTime": NOW,
    }
    stubs.expect("sagemaker", "describe_endpoint_config", configuration, described)
    stubs.expect(
        "sagemaker", "create_endpoint", {**running, **configuration, "Tags": TAGS}, {"EndpointArn": arn("endpoint")}
    )
    described = {
        "EndpointName": NAME,
        "EndpointArn": arn("endpoint"),
        "EndpointStatus": "InService",
        "CreationTime": NOW,
        "LastModifiedTime": NOW,
    }
    for _ in range(2):
        stubs.expect("sagemaker", "describe_endpoint", running, described)
    body = sagemaker._csv(RemoteRows().frame(ROWS))
    request = {"EndpointName": NAME, "ContentType": "text/csv", "Accept": "text/csv", "Body": body}
    stubs.expect("sagemaker-runtime", "invoke_endpoint", request, {"Body": answer()})
    with sagemaker.deploy(model(1), real_time=True, instance_type="ml.m5.large", progress=quiet) as service:
        assert service.invoke(ROWS)["predicted_label"].tolist() == [0, 1]
        stubs.expect("sagemaker", "delete_endpoint", running)
        stubs.expect("sagemaker", "delete_endpoint_config", configuration)
        stubs.expect("sagemaker", "delete_model", {"ModelName": NAME})


def test_deleting_what_is_left(stubs):
    wanted = [
        ("endpoint", "delete_endpoint", {"EndpointName": "e"}),
        ("Autopilot job", "stop_auto_ml_job", {"AutoMLJobName": "j"}),
        ("transform job", "stop_transform_job", {"TransformJobName": "t"}),
        ("endpoint configuration", "delete_endpoint_config", {"EndpointConfigName": "c"}),
        ("model", "delete_model", {"ModelName": "m"}),
    ]
    for _, operation, request in wanted:
        stubs.expect("sagemaker", operation, request)
    left = [inventory.Left(kind, *request.values(), "there", NOW) for kind, _, request in wanted]
    said = []
    inventory.delete(aws_account.find_account(), left, said.append)
    assert said == [
        "deleted endpoint e", "stopped Autopilot job j", "stopped transform job t",
        "deleted endpoint configuration c", "deleted model m",
    ]  # fmt: skip
