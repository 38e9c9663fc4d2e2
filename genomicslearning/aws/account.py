"""The project's side of an AWS account: where its data lake, role and jobs are, and errors of AWS in plain words.

Needs the extra `aws`; nothing of it is imported before it is used.
"""

from __future__ import annotations

import os
import time
import tomllib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from genomicslearning import InputError, install

#: Written on the notebook instance; `project` in it names the stacks. Elsewhere GENOMICSLEARNING_PROJECT does.
CONFIGURATION = Path("~/.config/genomicslearning.toml")
DEFAULT_PROJECT = "GenomicsLearning"
SLOWEST_POLL_SECONDS = 30

_EXPIRED = {"ExpiredToken", "ExpiredTokenException", "RequestExpired"}
_REFUSED = {"AccessDenied", "AccessDeniedException", "UnauthorizedOperation"}
_UNKNOWN = {"UnrecognizedClientException", "InvalidClientTokenId", "SignatureDoesNotMatch"}


@dataclass(frozen=True)
class Account:
    """What the project's code stack left in the account.

    Attributes
    ----------
    title : the project's name. What the notebooks start carries it as the tag `Project`, by which the budget counts.
    bucket : the data lake's.
    role : ARN of the role of jobs and endpoints.
    job_log : beginning of the names of the Glue jobs' log groups.
    kms_key, subnet, security_group : of the administrator, for what the notebooks start; empty where there are none.
    """

    title: str
    bucket: str
    role: str
    training_set_job: str
    job_log: str
    kms_key: str = ""
    subnet: str = ""
    security_group: str = ""

    @property
    def network(self) -> dict:
        """VpcConfig of a SageMaker request; empty for SageMaker's own network."""
        return {"SecurityGroupIds": [self.security_group], "Subnets": [self.subnet]} if self.subnet else {}

    @property
    def project(self) -> str:
        """In lower case: names of everything that the notebooks start begin with it, as the role's rights require."""
        return self.title.lower()

    @cached_property
    def session(self):
        """The boto3 session of this account."""
        return boto_session()

    def client(self, service: str, *, attempts: int = 11, **settings):
        """A boto3 client that retries what passes by itself, such as throttling; `settings` are botocore's.

        A read that times out is retried like any other failure: give `attempts` 1 where that makes it worse.
        """
        from botocore.config import Config

        retries = {"mode": "standard", "total_max_attempts": attempts}
        return self.session.client(service, config=Config(retries=retries, **settings))

    @property
    def region(self) -> str:
        """The region of the session."""
        return self.session.region_name

    def upload(self, path: Path, key: str) -> str:
        """Put a local file into the data lake; its address."""
        self.client("s3").upload_file(str(path), self.bucket, key)
        return f"s3://{self.bucket}/{key}"

    def download(self, address: str, path: Path) -> bool:
        """Fetch an object, whole or not at all; False where there is none."""
        from botocore.exceptions import ClientError

        bucket, _, key = address.removeprefix("s3://").partition("/")
        path.parent.mkdir(parents=True, exist_ok=True)
        try:
            self.client("s3").download_file(bucket, key, str(path))
        except ClientError as problem:
            if problem.response["Error"]["Code"] in ("404", "NoSuchKey"):
                return False
            raise
        return True

    def download_all(self, prefix: str, folder: Path) -> int:
        """Fetch everything below an address; the number of files."""
        bucket, _, key = prefix.removeprefix("s3://").partition("/")
        pages = self.client("s3").get_paginator("list_objects_v2").paginate(Bucket=bucket, Prefix=key.rstrip("/") + "/")
        keys = [found["Key"] for page in pages for found in page.get("Contents", []) if not found["Key"].endswith("/")]
        for name in keys:
            self.download(f"s3://{bucket}/{name}", folder / name.removeprefix(key.rstrip("/") + "/"))
        return len(keys)


def boto_session(region: str = ""):
    """A boto3 session with a region; `InputError` where the extra or the region is missing."""
    try:
        import boto3
    except ImportError:
        raise InputError(f"AWS needs the extra aws: {install('aws')}") from None
    # boto3 itself reads AWS_DEFAULT_REGION only.
    made = boto3.Session(region_name=region or os.environ.get("AWS_REGION") or None)
    if not made.region_name:
        raise InputError("no AWS region is set; give --region, set AWS_REGION, or run aws configure")
    return made


def signed_in_session(region: str = ""):
    """A boto3 session with a region and credentials that work; `InputError` says which is missing."""
    made = boto_session(region)
    from botocore.exceptions import BotoCoreError, ClientError

    try:
        made.client("sts").get_caller_identity()
    except (BotoCoreError, ClientError) as problem:
        raise InputError(f"AWS does not know you: {problem}; set AWS_PROFILE or run `aws configure`") from None
    return made


def find_account() -> Account:
    """Find the project's account through the outputs of its code stack."""
    return account_of(os.environ.get("GENOMICSLEARNING_PROJECT") or _configured_project())


def account_of(project: str, made=None) -> Account:
    """A project's account, in the region of a session (default: the settings')."""
    stack = f"{project}Code"
    with aws_errors():
        from botocore.exceptions import ClientError

        made = made or boto_session()
        try:
            [found] = made.client("cloudformation").describe_stacks(StackName=stack)["Stacks"]
        except ClientError as problem:
            if "does not exist" not in str(problem):
                raise
            raise InputError(
                f"there is no stack {stack} in {made.region_name}; run genomicslearning deploy, or set "
                "GENOMICSLEARNING_PROJECT or AWS_DEFAULT_REGION to where it is"
            ) from None
    outputs = {output["OutputKey"]: output["OutputValue"] for output in found.get("Outputs", [])}
    try:
        wanted = ("DataLakeBucket", "RunbookRoleArn", "TrainingSetJob", "JobLogs")
        own = (outputs.get(name, "") for name in ("KmsKeyArn", "VpcSubnetId", "VpcSecurityGroupId"))
        return Account(project, *(outputs[name] for name in wanted), *own)
    except KeyError as missing:
        raise InputError(
            f"stack {stack} ({found['StackStatus']}) has no output {missing}; finish genomicslearning deploy"
        ) from None


def _configured_project() -> str:
    path = CONFIGURATION.expanduser()
    settings = tomllib.loads(path.read_text()) if path.is_file() else {}
    return settings.get("project", DEFAULT_PROJECT)


@contextmanager
def aws_errors() -> Iterator[None]:
    """Turn what AWS says when the caller can mend it into `InputError`; anything else stays what it is."""
    try:
        from botocore.exceptions import ClientError, EndpointConnectionError, NoCredentialsError, TokenRetrievalError
    except ImportError:
        raise InputError(f"AWS needs the extra aws: {install('aws')}") from None
    try:
        yield
    except (NoCredentialsError, TokenRetrievalError) as problem:
        raise InputError(f"AWS credentials: {problem}; sign in, such as with aws sso login") from problem
    except EndpointConnectionError as problem:
        raise InputError(f"{problem}; check the network and the region") from problem
    except ClientError as problem:
        code, message = problem.response["Error"]["Code"], problem.response["Error"]["Message"]
        if code in _EXPIRED:
            raise InputError(
                "AWS credentials have expired; sign in and run this again: a job that was started goes on meanwhile "
                "and is picked up"
            ) from problem
        if code in _UNKNOWN:
            raise InputError(f"AWS does not accept these credentials ({code}); sign in again") from problem
        if code in _REFUSED:
            raise InputError(f"AWS refuses {problem.operation_name}: {message}") from problem
        raise


def poll(look: Callable[[], str | None], progress: Callable[[str], None]) -> None:
    """Call `look` until it answers None; tell `progress` each new answer with the time elapsed."""
    started, pause, said = time.monotonic(), 0.2, None
    while (state := look()) is not None:
        if state != said:
            progress(f"{elapsed(time.monotonic() - started)} {state}")
            said = state
        time.sleep(pause)
        pause = min(pause * 1.5, SLOWEST_POLL_SECONDS)


def elapsed(seconds: float) -> str:
    """Seconds as ``m:ss``."""
    minutes, rest = divmod(int(seconds), 60)
    return f"{minutes}:{rest:02d}"
