"""The SageMaker backend against the emulated account: jobs that train, endpoints that predict, and what goes wrong."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
import zipfile
from pathlib import Path

import numpy as np
import pandas as pd
import policies
import pytest

import genomicslearning
from genomicslearning import InputError, autopilot, aws, endpoint, evaluation, training_set
from genomicslearning.endpoint import inventory

PROJECT = "genomicslearning"
BUCKET = "genomicslearning-lake"
JOB = "genomicslearning-create-training-set"
ROLE = "genomicslearning-runbook-eu-west-1"
ARN = f"arn:aws:iam::123456789012:role/{ROLE}"


@pytest.fixture(scope="module")
def lake(account):
    """What the notebooks need of the code stack: its outputs, the lake and the role."""
    place = {"LocationConstraint": "eu-west-1"}
    account.client("s3").create_bucket(Bucket=BUCKET, CreateBucketConfiguration=place)
    outputs = {"DataLakeBucket": BUCKET, "RunbookRoleArn": ARN, "TrainingSetJob": JOB, "JobLogs": "none"}
    log = {"LogGroupName": "outputs-only", "RetentionInDays": 1}
    template = {
        "Resources": {"Log": {"Type": "AWS::Logs::LogGroup", "Properties": log}},
        "Outputs": {name: {"Value": value} for name, value in outputs.items()},
    }
    formation = account.client("cloudformation")
    formation.create_stack(StackName="GenomicsLearningCode", TemplateBody=json.dumps(template))
    formation.get_waiter("stack_create_complete").wait(StackName="GenomicsLearningCode", WaiterConfig={"Delay": 1})
    yield account
    formation.delete_stack(StackName="GenomicsLearningCode")


@pytest.fixture
def runbook(lake, monkeypatch):
    """The environment of the notebooks: the role's name is the key's id, and no fault waits."""
    for name, value in lake.environment(actor=ROLE).items():
        monkeypatch.setenv(name, value)
    monkeypatch.setattr(aws, "SLOWEST_POLL_SECONDS", 0.2)
    (lake.folder / "faults.json").unlink(missing_ok=True)
    yield lake
    assert [str(left) for left in inventory.find(aws.account())] == []


@pytest.fixture
def faults(runbook):
    def wait_for(*waiting: dict):
        (runbook.folder / "faults.json").write_text(json.dumps(waiting))

    return wait_for


@pytest.fixture(scope="module")
def table(demo_pair, tmp_path_factory):
    out = tmp_path_factory.mktemp("rows") / "table.parquet"
    training_set.build(clinvar=str(demo_pair[0]), annotated=str(demo_pair[1]), out=str(out))
    columns = list(training_set.COLUMNS)  # what a CSV can carry
    return training_set.read_table(out)[columns].sample(900, random_state=1).reset_index(drop=True)


@pytest.fixture(scope="module")
def train(table):
    return table.iloc[:600]


@pytest.fixture(scope="module")
def test_rows(table):
    return table.iloc[600:]


@pytest.fixture(scope="module")
def local(train, tmp_path_factory):
    """The local backend's model of the same rows and seed."""
    folder = tmp_path_factory.mktemp("local")
    return autopilot.start(train, folder=folder, name="job", preset="quick").wait()


def start(train, folder, said=None, **settings):
    tell = said.append if said is not None else lambda text: None
    defaults = {"name": "job", "backend": "sagemaker", "preset": "quick", "progress": tell}
    return autopilot.start(train, folder=folder, **(defaults | settings))


def calls(runbook, action: str) -> list[dict]:
    lines = map(json.loads, (runbook.folder / "calls.jsonl").read_text().splitlines())
    return [call["parameters"] for call in lines if call["action"] == action and call["actor"] == ROLE]


# ---------------------------------------------------------------------- jobs


def test_a_job_trains_and_predicts_as_the_local_backend(runbook, train, test_rows, local, tmp_path):
    said = []
    job = start(train, tmp_path, said).wait()
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
    assert list(sent.columns) == list(training_set.COLUMNS) and len(sent) == len(train)
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


# ---------------------------------------------------------------------- predictions


@pytest.fixture
def model_folder(runbook, train, tmp_path):
    job = start(train, tmp_path)
    job.model()
    return job.folder / "model"


def test_an_endpoint_retries_what_passes_and_keeps_the_order(runbook, faults, model_folder, local, test_rows):
    with endpoint.deploy(model_folder, mode="real-time", progress=lambda text: None) as service:
        faults(
            {"at": "InvokeEndpoint", "error": "ModelError", "status": 500, "message": "worker died", "skip": 2},
            {"at": "InvokeEndpoint", "error": "ThrottlingException", "message": "Rate exceeded", "skip": 3},
            {"at": "InvokeEndpoint", "error": "ModelError", "message": "Your invocation timed out", "skip": 4},
        )
        answer = service.invoke(test_rows, chunk=40)
    np.testing.assert_allclose(answer["probability"], local.model().predict(test_rows), atol=1e-12)


def test_requests_stay_below_six_megabytes(runbook, model_folder, local, test_rows):
    long = test_rows.head(40).assign(CLNHGVS="NC_000001.11:g." + "A" * 300_000)
    with endpoint.deploy(model_folder, mode="real-time", progress=lambda text: None) as service:
        answer = service.invoke(long)
    np.testing.assert_allclose(answer["probability"], local.model().predict(long), atol=1e-12)


def test_an_error_about_the_rows_is_not_retried_and_leaves_nothing(runbook, faults, model_folder, test_rows):
    from botocore.exceptions import ClientError

    with endpoint.deploy(model_folder, mode="real-time", progress=lambda text: None) as service:
        faults({"at": "InvokeEndpoint", "error": "ModelError", "status": 400, "message": "row 3", "times": 9})
        with pytest.raises(ClientError, match="row 3"):
            service.invoke(test_rows)
    assert json.loads((runbook.folder / "faults.json").read_text())[0]["times"] == 8


def test_an_endpoint_that_does_not_start_says_why_and_leaves_nothing(runbook, faults, model_folder):
    faults({"at": "Endpoint", "status": "Failed", "reason": "The primary container did not pass the ping check"})
    with pytest.raises(InputError, match="did not pass the ping check"):
        endpoint.deploy(model_folder, mode="real-time", progress=lambda text: None)


def test_a_transform_that_fails_says_why_and_leaves_nothing(runbook, faults, model_folder, test_rows):
    faults({"at": "TransformJob", "status": "Failed", "reason": "bad line 7"})
    with endpoint.deploy(model_folder, progress=lambda text: None) as service:
        with pytest.raises(InputError, match="failed: ClientError: bad line 7"):
            service.invoke(test_rows)
    left = runbook.client("s3").list_objects_v2(Bucket=BUCKET, Prefix="predictions/")
    assert left["KeyCount"] == 0


def test_an_interrupt_while_a_transform_runs_stops_it(runbook, faults, model_folder, test_rows):
    faults({"at": "TransformJob", "seconds": 2})
    with endpoint.deploy(model_folder, progress=interrupt_at("InProgress")) as service:
        with pytest.raises(KeyboardInterrupt):
            service.invoke(test_rows)
    jobs = runbook.client("sagemaker").list_transform_jobs(StatusEquals="Stopped")["TransformJobSummaries"]
    assert len(jobs) == 1


def interrupt_at(words: str):
    def tell(text: str):
        if words in text:
            raise KeyboardInterrupt

    return tell


def test_an_interrupted_kernel_leaves_no_endpoint(runbook, model_folder, tmp_path, test_rows):
    """A process that is told to end in the middle of a prediction, as Jupyter interrupts a kernel."""
    script = tmp_path / "predict.py"
    rows = tmp_path / "rows.parquet"
    test_rows.to_parquet(rows)
    script.write_text(
        "import pandas, sys\n"
        "from genomicslearning import endpoint\n"
        f"table = pandas.read_parquet({str(rows)!r})\n"
        f"service = endpoint.deploy({str(model_folder)!r}, mode='real-time')\n"
        "while True:\n"
        "    service.invoke(table, chunk=50)\n"
        "    print('predicted', flush=True)\n"
    )
    process = subprocess.Popen([sys.executable, script], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    assert any("predicted" in line for line in process.stdout)
    assert [left.kind for left in inventory.find(aws.account())] == ["endpoint", "endpoint configuration", "model"]
    process.send_signal(signal.SIGINT)
    _, errors = process.communicate(timeout=60)
    assert "KeyboardInterrupt" in errors


def test_a_kept_endpoint_is_listed_with_its_price_and_deleted_on_request(runbook, model_folder, test_rows):
    with endpoint.deploy(model_folder, mode="real-time", keep_endpoint=True, progress=lambda text: None) as service:
        service.invoke(test_rows.head())
    command = [sys.executable, "-m", "genomicslearning", "endpoints"]
    shown = subprocess.run(command, capture_output=True, text=True, env=os.environ, check=True).stdout
    assert f"endpoint {service.name}: InService, 0.0 h, about $0.23 an hour, $0.00 so far" in shown.splitlines()[0]
    subprocess.run([*command, "--delete"], capture_output=True, env=os.environ, check=True)
    after = subprocess.run(command, capture_output=True, text=True, env=os.environ, check=True).stdout
    assert after == "nothing of genomicslearning is on SageMaker in eu-west-1\n"


def test_the_local_winner_runs_on_sagemaker(runbook, local, test_rows):
    with endpoint.deploy(local.folder / "model", mode="batch-transform", progress=lambda text: None) as service:
        answer = service.invoke(test_rows)
    expected = local.model()
    np.testing.assert_allclose(answer["probability"], expected.predict(test_rows), atol=1e-12)
    assert (answer["predicted_label"] == (answer["probability"] >= expected.threshold)).all()




# ---------------------------------------------------------------------- the notebooks


GLUE_PARSER = """
def getResolvedOptions(argv, wanted):
    return {name: argv[argv.index("--" + name) + 1] for name in wanted}
"""


@pytest.fixture(scope="module")
def glue_job(lake, tmp_path_factory):
    """The code stack's job, run by the emulator with spark-submit, and the lake's VCFs."""
    from genomicslearning import demo, share

    folder = tmp_path_factory.mktemp("glue")
    for path in demo.write(folder, variants=1500):
        lake.client("s3").upload_file(str(path), BUCKET, f"annotation/clinvar/{path.name}")
    package = Path(genomicslearning.__file__).parent
    with zipfile.ZipFile(folder / "genomicslearning.zip", "w") as library:
        for path in package.rglob("*.py"):
            library.write(path, path.relative_to(package.parent))
        about = f"Metadata-Version: 2.4\nName: genomicslearning\nVersion: {genomicslearning.__version__}\n"
        library.writestr(f"genomicslearning-{genomicslearning.__version__}.dist-info/METADATA", about)
        library.writestr("awsglue/__init__.py", "")  # Glue's own parser, which passes over arguments of Glue itself
        library.writestr("awsglue/utils.py", GLUE_PARSER)
    lake.client("s3").upload_file(str(folder / "genomicslearning.zip"), BUCKET, "resources/genomicslearning.zip")
    script = share("glue", "create_training_set.py")
    lake.client("s3").upload_file(str(script), BUCKET, "resources/create_training_set.py")
    lake.client("glue").create_job(
        Name=JOB,
        Role=ARN,
        Command={"Name": "glueetl", "ScriptLocation": f"s3://{BUCKET}/resources/create_training_set.py"},
        DefaultArguments={
            "--input_bucket": BUCKET,
            "--clinvar_input_key": "annotation/clinvar/clinvar.vcf.gz",
            "--clinvar_annotated_input_key": "annotation/clinvar/clinvar.annotated.vcf.gz",
            "--output_bucket": BUCKET,
            "--output_key": "annotation/clinvar/conflicting/clinvar_conflicting.csv",
            "--extra-py-files": f"s3://{BUCKET}/resources/genomicslearning.zip",
            "--conf": f"spark.genomicslearning.staging=s3://{BUCKET}/temporary",
        },
    )


def test_the_notebooks_run_on_sagemaker_and_leave_what_they_leave_locally(runbook, glue_job, tmp_path):
    """data_prep by Glue, the classifier by Autopilot, the predictor by batch transform, the evaluation here."""
    from genomicslearning.runs import STEPS, chain

    said = []
    given = {"backend": "sagemaker", "preset": "quick"}
    index = chain.run(given, name="aws", runs_dir=str(tmp_path), progress=said.append)
    run = index.parent
    assert any("started genomicslearning-create-training-set" in line for line in said)
    made = {str(path.relative_to(run)) for path in run.rglob("*") if path.is_file()}
    assert {"index.html", "run.json", "data/training_set.csv", "data/train.csv", "data/test.csv"} <= made
    assert {"predictions.csv", "metrics.json", "autopilot/variant-classifier/candidates.json"} <= made
    assert "autopilot/variant-classifier/model/manifest.json" in made

    rows = training_set.read_table(run / "data" / "train.csv")
    test = training_set.read_table(run / "data" / "test.csv")
    job = autopilot.start(rows, folder=tmp_path / "local", name="job", preset="quick", progress=said.append).wait()
    probability = job.model().predict(test)
    metrics = json.loads((run / "metrics.json").read_text())
    expected = evaluation.metrics(test["CLASS"].to_numpy(), probability, metrics["threshold"])
    for name in ("roc_auc", "average_precision", "brier", "log_loss", "ece", "accuracy", "precision", "recall", "f1"):
        assert metrics[name] == pytest.approx(expected[name], abs=1e-6), name

    jobs = len(calls(runbook, "CreateAutoMLJobV2"))
    again = []
    second = tmp_path / "again"
    second.mkdir()
    chain.execute(second, given, steps=STEPS[:2], render=False, progress=again.append)
    assert len(calls(runbook, "CreateAutoMLJobV2")) == jobs
    assert len(calls(runbook, "StartJobRun")) == 1
    assert any("attached to the Autopilot job" in line for line in again)


# ---------------------------------------------------------------------- rights


def test_every_call_is_within_the_rights_of_the_notebooks_role(runbook, glue_job):
    """What was recorded of this file's runs, against RunbookRole's policy as the template has it."""
    from test_templates import template

    role = template("code")["Resources"]["RunbookRole"]["Properties"]
    documents = [_resolved(policy["PolicyDocument"]) for policy in role["Policies"]]
    lines = map(json.loads, (runbook.folder / "calls.jsonl").read_text().splitlines())
    made = {pair for call in lines if call["actor"] == ROLE for pair in _rights(call)}
    if "glue:StartJobRun" not in {action for action, _ in made}:
        pytest.skip("needs the runs of this file's other tests")
    context = {"iam:PassedToService": "sagemaker.amazonaws.com"}
    refused = {pair for pair in made if not policies.decide(documents, None, *pair, context)}
    # One test asks for a project that is not this role's: that it would be refused is as it should be.
    elsewhere = ("cloudformation:DescribeStacks", "arn:aws:cloudformation:eu-west-1:123456789012:stack/ElsewhereCode/1")
    assert refused <= {elsewhere}
    assert ("sagemaker:CreateEndpoint" in {action for action, _ in made}) and len(made) > 30


def _resolved(value):
    """The template's values for this account."""
    names = {"AWS::Partition": "aws", "AWS::Region": "eu-west-1", "AWS::AccountId": "123456789012"}
    names |= {"Project": "GenomicsLearning", "ProjectLower": PROJECT, "TrainingSetJob": JOB}
    names |= {"DataLakeBucket": BUCKET, "ResourcesBucket": BUCKET}
    names |= {"VcfJob": "vcf", "TsvJob": "tsv", "JobLogs.Arn": "arn:aws:logs:eu-west-1:123456789012:log-group:none:*"}
    if isinstance(value, dict):
        if value.keys() == {"Sub"}:
            return re.sub(r"\$\{([^}]+)\}", lambda found: names[found[1]], value["Sub"])
        return {key: _resolved(inner) for key, inner in value.items()}
    if isinstance(value, list):  # without a key of the project's own, what depends on it is not there
        return [_resolved(inner) for inner in value if not (isinstance(inner, dict) and "If" in inner)]
    return value


KINDS = (("AutoMLJob", "automl-job"), ("TransformJob", "transform-job"), ("EndpointConfig", "endpoint-config"))
KINDS += (("Endpoint", "endpoint"), ("Model", "model"))


def _rights(call: dict):
    """IAM's action and resource for a recorded call; what passes the role on needs that right too."""
    service, action, given = call["service"], call["action"], call["parameters"]
    here = "eu-west-1:123456789012"
    if service == "s3":
        yield f"s3:{action}", f"arn:aws:s3:::{given['Bucket']}" + (f"/{given['Key']}" if "Key" in given else "")
    elif service == "glue":
        yield f"glue:{action}", f"arn:aws:glue:{here}:job/{given['JobName']}"
    elif service == "logs":
        yield f"logs:{action}", f"arn:aws:logs:{here}:log-group:{given['logGroupName']}:*"
    elif service == "cloudformation":
        yield f"cloudformation:{action}", f"arn:aws:cloudformation:{here}:stack/{given['StackName']}/1"
    elif action.startswith("POST /endpoints/"):
        yield "sagemaker:InvokeEndpoint", f"arn:aws:sagemaker:{here}:endpoint/{action.split('/')[2]}"
    elif action.startswith("List") and "Candidates" not in action:
        yield f"sagemaker:{action}", "*"
    else:
        word, kind = next((word, kind) for word, kind in KINDS if word in action)
        yield f"sagemaker:{action}", f"arn:aws:sagemaker:{here}:{kind}/{given[word + 'Name']}"
        if action in ("CreateAutoMLJobV2", "CreateModel"):
            yield "iam:PassRole", ARN
