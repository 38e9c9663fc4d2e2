"""Predictions on the emulated account: batch transform and endpoints that really predict; and what goes wrong."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys

import numpy as np
import pytest
from notebooks_account import BUCKET, recorded
from rights_asked import asked_rights, check_notebooks, listed_rights, recorded_rights

from genomicslearning import InputError, endpoint
from genomicslearning.aws.account import find_account
from genomicslearning.endpoint import inventory


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
    sagemaker = runbook.client("sagemaker")
    before = sagemaker.list_transform_jobs(StatusEquals="Stopped")["TransformJobSummaries"]
    faults({"at": "TransformJob", "seconds": 2})
    with endpoint.deploy(model_folder, progress=interrupt_at("InProgress")) as service:
        with pytest.raises(KeyboardInterrupt):
            service.invoke(test_rows)
    after = sagemaker.list_transform_jobs(StatusEquals="Stopped")["TransformJobSummaries"]
    assert len(after) == len(before) + 1


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
        "import pandas, signal\n"
        # As kernels do; what a shell starts in the background ignores the signal, and so would this.
        "signal.signal(signal.SIGINT, signal.default_int_handler)\n"
        "from genomicslearning import endpoint\n"
        f"table = pandas.read_parquet({str(rows)!r})\n"
        f"service = endpoint.deploy({str(model_folder)!r}, mode='real-time')\n"
        "while True:\n"
        "    service.invoke(table, chunk=50)\n"
        "    print('predicted', flush=True)\n"
    )
    process = subprocess.Popen([sys.executable, script], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    assert any("predicted" in line for line in process.stdout)
    assert [left.kind for left in inventory.find(find_account())] == ["endpoint", "endpoint configuration", "model"]
    process.send_signal(signal.SIGINT)
    _, errors = process.communicate(timeout=300)
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


def test_every_call_is_within_the_rights_of_the_notebooks_role(runbook, model_folder, test_rows):
    with endpoint.deploy(model_folder, progress=lambda text: None) as service:
        service.invoke(test_rows.head())
    rights = "sagemaker:CreateModel sagemaker:CreateTransformJob sagemaker:DeleteModel iam:PassRole"
    check_notebooks(recorded(runbook), rights)


def test_the_list_that_the_check_asks_of_is_what_was_recorded(runbook, faults, model_folder, test_rows):
    """RunbookRole's doings on SageMaker; the rest is in test_glue_jobs.py."""
    rows = test_rows.head()
    with endpoint.deploy(model_folder, mode="real-time", progress=lambda text: None) as service:
        service.invoke(rows)
        inventory.find(find_account())
    faults({"at": "TransformJob", "seconds": 1})
    with endpoint.deploy(model_folder, progress=interrupt_at("InProgress")) as service:
        with pytest.raises(KeyboardInterrupt):
            service.invoke(rows)
    recorded = recorded_rights(runbook.calls())
    assert recorded - asked_rights() == set()
    elsewhere = {one for one in listed_rights("runbook") if one[2].startswith(("glue:", "logs:"))}
    assert listed_rights("runbook") - elsewhere - recorded == set()
