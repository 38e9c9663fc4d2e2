"""Predictions from SageMaker: batch transform, which leaves nothing running, or a real-time endpoint, then deleted.

Everything that is created here is deleted again on every way out: the end of a `with` block, an error in it, an
interrupted kernel, the end of the process.
"""

from __future__ import annotations

import ast
import atexit
import csv
import io
import logging
import secrets
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.csv as pa_csv

from genomicslearning import InputError, install
from genomicslearning.autopilot.remote_rows import RemoteRows
from genomicslearning.aws.account import Account, aws_errors, find_account, poll
from genomicslearning.endpoint import wire
from genomicslearning.endpoint.interface import Endpoint

if TYPE_CHECKING:
    from genomicslearning.autopilot.sagemaker import SageMakerModel

INSTANCE_TYPE = "ml.m5.xlarge"
#: SageMaker gives a container 60 seconds; what has not answered then will not.
READ_TIMEOUT_SECONDS = 70
ATTEMPTS = 6
PASSING = {
    "ThrottlingException",
    "ServiceUnavailable",
    "InternalFailure",
    "InternalDependencyException",
    "ModelNotReadyException",
}


class _Hosted(Endpoint):
    """A SageMaker model made of the containers of an Autopilot candidate or of a package, and what runs it."""

    def __init__(
        self,
        rows: RemoteRows,
        containers: list[dict],
        threshold: float,
        *,
        account: Account | None = None,
        instance_type: str = INSTANCE_TYPE,
        keep: bool = False,
        progress: Callable[[str], None] = print,
    ):
        self.account = account or find_account()
        self.name = f"{self.account.project}-{secrets.token_hex(4)}"
        self._rows, self._threshold, self._instance_type = rows, threshold, instance_type
        self._keep, self._progress = keep, progress
        self._created: list = []
        atexit.register(self.close)
        try:
            with aws_errors():
                self._create_model(containers)
                self._start()
        except BaseException:
            self._keep = False
            self.close()
            raise

    def _create_model(self, containers: list[dict]) -> None:
        resources = _sdk()
        shapes = [
            resources.ContainerDefinition(
                image=one["Image"], model_data_url=one["ModelDataUrl"], environment=one["Environment"]
            )
            for one in containers
        ]
        self._created.append(
            resources.Model.create(
                model_name=self.name,
                containers=shapes,
                execution_role_arn=self.account.role,
                tags=self._tags(),
                **self._network(resources),
                session=self.account.session,
                region=self.account.region,
            )
        )

    def _start(self) -> None:
        """Create what answers, beyond the model."""

    def _tags(self) -> list[dict]:
        """Not as the SDK's Tag: it has two of them, and each resource takes one or the other."""
        return [{"key": "Project", "value": self.account.title}]

    def _network(self, resources) -> dict:
        """The administrator's subnet, if there is one."""
        if not self.account.network:
            return {}
        groups, subnets = self.account.network["SecurityGroupIds"], self.account.network["Subnets"]
        return {"vpc_config": resources.VpcConfig(security_group_ids=groups, subnets=subnets)}

    def _key(self, name: str) -> dict[str, str]:
        """The administrator's key under the name that a request has for it, if there is one."""
        return {name: self.account.kms_key} if self.account.kms_key else {}

    def close(self) -> None:
        """Delete what was created, the last first; what cannot be deleted is named, since it may still cost money."""
        atexit.unregister(self.close)
        while self._created and not self._keep:
            resource = self._created.pop()
            try:
                resource.delete()
            except Exception as problem:
                what = f"{type(resource).__name__} {self.name}"
                self._progress(f"{what} could not be deleted ({problem}): genomicslearning endpoints --delete")

    def _labelled(self, answer: bytes, count: int) -> pd.DataFrame:
        probabilities = np.array(positive_probabilities(answer))
        if len(probabilities) != count:
            raise InputError(f"SageMaker answered {len(probabilities)} rows for {count}; its answer cannot be used")
        return wire.predictions(probabilities, self._threshold)


class TransformEndpoint(_Hosted):
    """Each `invoke` is one batch-transform job over all its rows: nothing runs, or is paid for, between calls."""

    def invoke(
        self, table: pd.DataFrame, *, chunk: int = 5000, progress: Callable[[str], None] | None = None
    ) -> pd.DataFrame:
        """As `Endpoint.invoke`; `chunk` is not used, SageMaker cuts the rows itself."""
        return super().invoke(table, chunk=max(len(table), 1), progress=progress or self._progress)

    def _answer(self, rows: pd.DataFrame) -> pd.DataFrame:
        with aws_errors():
            return self._labelled(self._transform(_csv(self._rows.frame(rows))), len(rows))

    def _start_transform(self, name: str, address: str):
        """A batch transform of `rows.csv` under this address; its answers come beside it."""
        resources = _sdk()
        rows = resources.TransformS3DataSource(s3_data_type="S3Prefix", s3_uri=f"{address}/rows.csv")
        return resources.TransformJob.create(
            transform_job_name=name,
            model_name=self.name,
            max_payload_in_mb=6,
            batch_strategy="MultiRecord",
            transform_input=resources.TransformInput(
                data_source=resources.TransformDataSource(s3_data_source=rows),
                content_type=wire.CSV,
                split_type="Line",
            ),
            transform_output=resources.TransformOutput(
                s3_output_path=address, accept=wire.CSV, assemble_with="Line", **self._key("kms_key_id")
            ),
            transform_resources=resources.TransformResources(
                instance_type=self._instance_type, instance_count=1, **self._key("volume_kms_key_id")
            ),
            tags=self._tags(),
            session=self.account.session,
            region=self.account.region,
        )

    def _transform(self, body: bytes) -> bytes:
        name = f"{self.account.project}-{secrets.token_hex(4)}"
        prefix = f"predictions/{name}"
        storage = self.account.client("s3")
        storage.put_object(Bucket=self.account.bucket, Key=f"{prefix}/rows.csv", Body=body)
        job = self._start_transform(name, f"s3://{self.account.bucket}/{prefix}")

        def state() -> str | None:
            job.refresh()
            return None if job.transform_job_status in ("Completed", "Failed", "Stopped") else job.transform_job_status

        try:
            poll(state, lambda text: self._progress(f"batch transform {name}: {text}"))
            if job.transform_job_status != "Completed":
                raise InputError(f"batch transform {name} {job.transform_job_status.lower()}: {_reason(job)}")
            return storage.get_object(Bucket=self.account.bucket, Key=f"{prefix}/rows.csv.out")["Body"].read()
        except BaseException:
            if job.transform_job_status == "InProgress":
                job.stop()
            raise
        finally:
            for key in ("rows.csv", "rows.csv.out"):
                storage.delete_object(Bucket=self.account.bucket, Key=f"{prefix}/{key}")


class RealTimeEndpoint(_Hosted):
    """An instance that answers at once, and is paid for until it is closed."""

    def _start(self) -> None:
        resources = _sdk()
        where = {"session": self.account.session, "region": self.account.region, "tags": self._tags()}
        variant = resources.ProductionVariant(
            variant_name="AllTraffic",
            model_name=self.name,
            instance_type=self._instance_type,
            initial_instance_count=1,
            initial_variant_weight=1.0,
        )
        self._created.append(
            resources.EndpointConfig.create(
                endpoint_config_name=self.name, production_variants=[variant], **self._key("kms_key_id"), **where
            )
        )
        running = resources.Endpoint.create(endpoint_name=self.name, endpoint_config_name=self.name, **where)
        self._created.append(running)

        def state() -> str | None:
            running.refresh()
            return running.endpoint_status if running.endpoint_status in ("Creating", "Updating") else None

        poll(state, lambda text: self._progress(f"endpoint {self.name}: {text}"))
        if running.endpoint_status != "InService":
            raise InputError(f"endpoint {self.name} is {running.endpoint_status}: {_reason(running)}")
        self._open()

    def _open(self) -> None:
        # boto3: the SDK's Endpoint.invoke hides the status that tells a passing error from a bad row.
        # Once only: what takes too long is halved, and what else may pass is tried again here.
        self._runtime = self.account.client("sagemaker-runtime", attempts=1, read_timeout=READ_TIMEOUT_SECONDS)

    def _answer(self, rows: pd.DataFrame) -> pd.DataFrame:
        frame = self._rows.frame(rows)
        with aws_errors():
            return self._labelled(self._invoke(frame), len(rows))

    def _invoke(self, frame: pd.DataFrame) -> bytes:
        """Answer for rows; halved where they exceed SageMaker's 6 MB, or take longer than its 60 seconds."""
        from botocore.exceptions import ClientError, ReadTimeoutError

        body = _csv(frame)
        if len(body) > wire.MAX_BODY_BYTES and len(frame) > 1:
            return self._halves(frame)
        for attempt in range(1, ATTEMPTS + 1):
            try:
                response = self._runtime.invoke_endpoint(
                    EndpointName=self.name, ContentType=wire.CSV, Accept=wire.CSV, Body=body
                )
                return response["Body"].read()
            except ReadTimeoutError:
                if len(frame) == 1:
                    raise
                return self._halves(frame)
            except ClientError as problem:
                if _too_slow(problem) and len(frame) > 1:
                    return self._halves(frame)
                if attempt == ATTEMPTS or not _passes(problem):
                    raise
                time.sleep(min(2**attempt, 30) * 0.1 * (1 + secrets.randbelow(100) / 100))
        raise AssertionError("the last attempt returns or raises")

    def _halves(self, frame: pd.DataFrame) -> bytes:
        half = len(frame) // 2
        first, second = self._invoke(frame.iloc[:half]), self._invoke(frame.iloc[half:])
        return first.rstrip(b"\n") + b"\n" + second


def deploy(
    model: SageMakerModel,
    *,
    real_time: bool = False,
    keep_endpoint: bool = False,
    instance_type: str = INSTANCE_TYPE,
    progress: Callable[[str], None] = print,
) -> TransformEndpoint | RealTimeEndpoint:
    """Run a model that Autopilot trained: by batch transform, or as an endpoint that stays only if `keep_endpoint`."""
    kind = RealTimeEndpoint if real_time else TransformEndpoint
    return kind(
        model.rows,
        model.manifest["containers"],
        model.threshold,
        instance_type=instance_type,
        keep=keep_endpoint,
        progress=progress,
    )


def deploy_local(
    model_folder: Path,
    *,
    real_time: bool = False,
    keep_endpoint: bool = False,
    instance_type: str = INSTANCE_TYPE,
    account: Account | None = None,
    progress: Callable[[str], None] = print,
) -> TransformEndpoint | RealTimeEndpoint:
    """Run a model of the local backend on SageMaker: packed, uploaded to the data lake, and served by its own code."""
    from genomicslearning.endpoint import package

    account = account or find_account()
    with tempfile.TemporaryDirectory() as scratch, aws_errors():
        archive = Path(scratch, "model.tar.gz")
        manifest = package.write(model_folder, archive)
        address = account.upload(archive, f"models/{package.identity(manifest)}/model.tar.gz")
    container = {
        "Image": package.image(account.region, instance_type),
        "ModelDataUrl": address,
        "Environment": package.environment(),
    }
    kind = RealTimeEndpoint if real_time else TransformEndpoint
    return kind(
        RemoteRows(),
        [container],
        manifest["threshold"],
        account=account,
        instance_type=instance_type,
        keep=keep_endpoint,
        progress=progress,
    )


def positive_probabilities(answer: bytes) -> list[float]:
    """P(CLASS = 1) of each row of an answer `predicted_label,probability,probabilities,labels`.

    SageMaker writes the two lists as text in one cell; labels may be numbers or texts.
    """
    places: dict[str, int] = {}
    found = []
    for cells in csv.reader(io.StringIO(answer.decode())):
        if len(cells) != 4:
            raise InputError(f"SageMaker answered {','.join(cells)[:80]!r}; four outputs were asked for")
        _, _, probabilities, labels = cells
        if labels not in places:
            places[labels] = [str(label) in ("1", "1.0") for label in ast.literal_eval(labels)].index(True)
        found.append(float(ast.literal_eval(probabilities)[places[labels]]))
    return found


def _csv(frame: pd.DataFrame) -> bytes:
    sink = io.BytesIO()
    options = pa_csv.WriteOptions(include_header=False, quoting_style="needed")
    pa_csv.write_csv(pa.Table.from_pandas(frame, preserve_index=False), sink, options)
    return sink.getvalue()


def _passes(problem) -> bool:
    """Whether an error is likely to pass: throttling, or a fault of the container that is not about the rows."""
    code, status = problem.response["Error"]["Code"], problem.response.get("OriginalStatusCode", 500)
    return code in PASSING or (code == "ModelError" and (status >= 500 or status == 429))


def _too_slow(problem) -> bool:
    """SageMaker gives a container 60 seconds; what takes longer is a ModelError that says so."""
    error = problem.response["Error"]
    return error["Code"] == "ModelError" and "timed out" in error["Message"].lower()


def _reason(resource) -> str:
    from sagemaker.core.utils.utils import Unassigned

    reason = getattr(resource, "failure_reason", None)
    return reason if reason and not isinstance(reason, Unassigned) else "SageMaker gives no reason"


def _sdk():
    """The SageMaker SDK's resources: slow to import, so only where they are used; its own log lines are silenced."""
    try:
        from sagemaker.core import resources
    except ImportError:
        raise InputError(f"SageMaker needs the extra aws: {install('aws')}") from None
    logging.getLogger("sagemaker").setLevel(logging.WARNING)
    return resources
