"""The exact requests that go to AWS: botocore's Stubber refuses any other, and any in another order."""

from __future__ import annotations

import io
import re
import socket
import threading
from dataclasses import replace
from datetime import UTC, datetime

import boto3
import pandas as pd
import pytest
from botocore.response import StreamingBody
from botocore.stub import Stubber
from shapes import violations

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
            # What botocore leaves to the service: patterns, lengths, enumerations.
            client.meta.events.register("before-parameter-build", self._checked)
            self.made[service] = client, Stubber(client)
            self.made[service][1].activate()
        return self.made[service][0]

    def _checked(self, params, model, **_):
        assert violations(model.service_model.service_name, model.name, params) == []

    def expect(self, service: str, operation: str, request: dict, answer: dict | None = None):
        self.client(service)
        self.made[service][1].add_response(operation, answer or {}, request)

    def expect_error(self, service: str, operation: str, code: str, request: dict):
        self.client(service)
        self.made[service][1].add_client_error(operation, code, expected_params=request)


#: With what an administrator may bring, and with the longest project's name that is allowed.
OWN = replace(
    ACCOUNT,
    title="Genomicslearningatlength",
    kms_key="arn:aws:kms:eu-west-1:123456789012:key/mrk-0123456789abcdef0123456789abcdef",
    subnet="subnet-0123456789abcdef0",
    security_group="sg-0123456789abcdef0",
)


@pytest.fixture
def given() -> Account:
    return ACCOUNT


@pytest.fixture
def stubs(monkeypatch, given):
    made = Stubs()
    account = replace(given)
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
    assert [re.sub(r"^\d+:\d\d ", "", line) for line in said] == [  # without the time elapsed
        f"started {ACCOUNT.training_set_job}, run jr_1", "10,000 records read", "RUNNING", "done", "in 5 s",
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


# ---------------------------------------------------------------------- the administrator's key and subnet
class Sent(Exception):
    """The request is what is looked at: nothing answers it."""


def sent(monkeypatch, call) -> dict:
    """What goes to SageMaker's creating calls while this runs, by operation; models are answered, the rest is not."""
    requests = {}

    def record(self, operation, params):
        service = self.meta.service_model.service_name
        assert violations(service, operation, params) == []
        requests[operation] = params
        if operation.startswith("Create") and operation != "CreateModel":
            raise Sent
        if operation == "DescribeAutoMLJobV2":
            raise self.exceptions.ClientError({"Error": {"Code": "ResourceNotFound"}}, operation)
        return {"ModelName": NAME, "CreationTime": NOW, "ModelArn": arn("model"), "ExecutionRoleArn": ROLE}

    monkeypatch.setattr("botocore.client.BaseClient._make_api_call", record)
    with pytest.raises(Sent):
        call()
    return requests


@pytest.mark.parametrize("given", [OWN], ids=["own"])
def test_jobs_take_the_key_and_the_subnet(stubs, monkeypatch, tmp_path, given):
    network = {"SecurityGroupIds": [OWN.security_group], "Subnets": [OWN.subnet]}
    start = {"folder": tmp_path, "name": "job", "backend": "sagemaker", "preset": "quick", "progress": quiet}
    made = sent(monkeypatch, lambda: autopilot.start(ROWS, **start))["CreateAutoMLJobV2"]
    assert made["SecurityConfig"] == {"VolumeKmsKeyId": OWN.kms_key, "VpcConfig": network}
    assert made["OutputDataConfig"]["KmsKeyId"] == OWN.kms_key
    assert made["AutoMLJobName"].startswith("genomicslearningatlength-") and len(made["AutoMLJobName"]) <= 32

    def transform():
        with sagemaker.deploy(model(1), progress=quiet) as service:
            service.invoke(ROWS)

    made = sent(monkeypatch, transform)
    assert made["CreateModel"]["VpcConfig"] == network
    assert made["CreateTransformJob"]["TransformOutput"]["KmsKeyId"] == OWN.kms_key
    assert made["CreateTransformJob"]["TransformResources"]["VolumeKmsKeyId"] == OWN.kms_key
    made = sent(monkeypatch, lambda: sagemaker.deploy(model(3), real_time=True, progress=quiet))
    assert made["CreateEndpointConfig"]["KmsKeyId"] == OWN.kms_key and made["CreateModel"]["VpcConfig"] == network


def test_the_account_knows_the_stacks_key_and_subnet(stubs, monkeypatch):
    monkeypatch.undo()
    made = Stubs()
    outputs = {
        "DataLakeBucket": BUCKET, "RunbookRoleArn": ROLE, "TrainingSetJob": "job", "JobLogs": "/aws-glue/jobs/x",
        "KmsKeyArn": OWN.kms_key, "VpcSubnetId": OWN.subnet, "VpcSecurityGroupId": OWN.security_group,
    }  # fmt: skip
    stack = {"StackName": "LabCode", "CreationTime": NOW, "StackStatus": "CREATE_COMPLETE"}
    stack["Outputs"] = [{"OutputKey": key, "OutputValue": value} for key, value in outputs.items()]
    made.expect("cloudformation", "describe_stacks", {"StackName": "LabCode"}, {"Stacks": [stack]})
    found = aws_account.account_of("Lab", made)
    assert (found.kms_key, found.subnet, found.security_group) == (OWN.kms_key, OWN.subnet, OWN.security_group)


# ---------------------------------------------------------------------- an endpoint that takes too long
class Slow:
    """A server that never answers two rows and answers one; it counts what it was asked."""

    def __init__(self):
        self.asked: list[int] = []
        self.socket = socket.create_server(("127.0.0.1", 0))
        self.address = f"http://127.0.0.1:{self.socket.getsockname()[1]}"
        self.held: list[socket.socket] = []
        threading.Thread(target=self._serve, daemon=True).start()

    def _serve(self):
        while True:
            try:
                connection, _ = self.socket.accept()
            except OSError:
                return
            threading.Thread(target=self._answer, args=(connection,), daemon=True).start()

    def _answer(self, connection):
        with connection.makefile("rb") as reader:
            length = 0
            while (line := reader.readline().strip()) != b"":
                if line.lower().startswith(b"content-length:"):
                    length = int(line.split(b":")[1])
                if line.lower().startswith(b"expect:"):
                    connection.sendall(b"HTTP/1.1 100 Continue\r\n\r\n")
            rows = reader.read(length).count(b"\n")
        self.asked.append(rows)
        if rows > 1:
            self.held.append(connection)  # no answer ever
            return
        body = b"0,0.75,\"[0.75, 0.25]\",\"['0', '1']\"\n"
        head = f"HTTP/1.1 200 OK\r\nContent-Type: text/csv\r\nContent-Length: {len(body)}\r\nConnection: close\r\n\r\n"
        connection.sendall(head.encode() + body)
        connection.close()


def test_a_read_that_times_out_is_halved_at_once(monkeypatch):
    """botocore would send the same rows ten times more, each for as long as the container is given."""
    slow = Slow()
    for name, value in {"AWS_ACCESS_KEY_ID": "nobody", "AWS_SECRET_ACCESS_KEY": "none", "AWS_DEFAULT_REGION": REGION,
                        "AWS_ENDPOINT_URL_SAGEMAKER_RUNTIME": slow.address}.items():  # fmt: skip
        monkeypatch.setenv(name, value)
    monkeypatch.setattr(sagemaker, "READ_TIMEOUT_SECONDS", 1)
    service = object.__new__(sagemaker.RealTimeEndpoint)
    service.account, service.name = replace(ACCOUNT), NAME
    service._rows, service._threshold = RemoteRows(), 0.5
    service._open()
    try:
        assert service.invoke(ROWS)["probability"].tolist() == [0.25, 0.25]
    finally:
        slow.socket.close()
    assert slow.asked == [2, 1, 1]


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
    left.append(inventory.Left("endpoint", "another's", "there", NOW, ours=False))
    said = []
    inventory.delete(aws_account.find_account(), left, said.append)
    assert said == [
        "deleted endpoint e", "stopped Autopilot job j", "stopped transform job t",
        "deleted endpoint configuration c", "deleted model m",
    ]  # fmt: skip
