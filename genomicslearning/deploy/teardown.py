"""Remove everything that a deployment made, in the order in which things depend on each other, and say what is left."""

from __future__ import annotations

from collections.abc import Iterator

from genomicslearning.deploy import stacks
from genomicslearning.deploy.settings import BUCKETS, ROLES, STACKS, Settings
from genomicslearning.deploy.stacks import DeployFailed, Progress

# Access logs arrive up to hours later: a bucket that was emptied may hold objects again when its stack goes.
_TRIES = 3


def teardown(session, settings: Settings, progress: Progress) -> list[str]:
    """Remove the deployment; return what is left, one line each. What is gone already is no error.

    Raises
    ------
    DeployFailed
        A stack could not be deleted. Calling again carries on from there.
    """
    account = session.client("sts").get_caller_identity()["Account"]
    cloudformation = session.client("cloudformation")
    _stop_pipeline(session, settings, progress)
    delete_sagemaker(session, settings, progress)
    stacks.delete(cloudformation, settings.stack("Code"), progress=progress)
    # The buckets go with the pipeline's stack; the one that receives access logs is emptied last.
    buckets = [settings.bucket(kind, account) for kind in BUCKETS]
    for attempt in range(1, _TRIES + 1):
        for bucket in buckets:
            empty_bucket(session.client("s3"), bucket, progress)
        try:
            stacks.delete(cloudformation, settings.stack("Pipe"), progress=progress)
            break
        except DeployFailed:
            if attempt == _TRIES:
                raise
            progress(f"{settings.stack('Pipe')}: trying again")
    stacks.delete(cloudformation, settings.stack("Zone"), progress=progress)
    _delete_log_groups(session.client("logs"), settings, progress)
    return leftovers(session, settings)


def _stop_pipeline(session, settings: Settings, progress: Progress) -> None:
    """A run under way would create again what is being deleted."""
    client = session.client("codepipeline")
    name = f"{settings.lower}-pipeline"
    try:
        runs = client.list_pipeline_executions(pipelineName=name)["pipelineExecutionSummaries"]
    except client.exceptions.PipelineNotFoundException:
        return
    for run in runs:
        if run["status"] == "InProgress":
            client.stop_pipeline_execution(
                pipelineName=name, pipelineExecutionId=run["pipelineExecutionId"], abandon=True, reason="teardown"
            )
            progress(f"{name}: stopped a run")


def delete_sagemaker(session, settings: Settings, progress: Progress) -> None:
    """Endpoints, their configurations and models that notebooks left: endpoints bill by the hour.

    The project's are those whose names begin with it and whose tag `Project` is its name; others are named and stay.
    """
    client = session.client("sagemaker")
    for kind, name in _HOSTED:
        for found, ours in _hosted(client, kind, name, settings):
            if ours:
                getattr(client, f"delete_{kind[:-1]}")(**{name: found})
            verb = "deleted" if ours else f"left alone, its tag Project is not {settings.project}:"
            progress(f"SageMaker: {verb} {name[:-4].lower()} {found}")


_HOSTED = (("endpoints", "EndpointName"), ("endpoint_configs", "EndpointConfigName"), ("models", "ModelName"))


def _hosted(client, kind: str, name: str, settings: Settings) -> Iterator[tuple[str, bool]]:
    """Names of one kind that begin with the project's, and whether their tag says that they are its own."""
    listed = (one for page in client.get_paginator(f"list_{kind}").paginate() for one in page[_LISTS[kind]])
    for one in [one for one in listed if one[name].startswith(f"{settings.lower}-")]:
        tags = client.list_tags(ResourceArn=one[name.replace("Name", "Arn")])["Tags"]
        yield one[name], {"Key": "Project", "Value": settings.project} in tags


_LISTS = {"endpoints": "Endpoints", "endpoint_configs": "EndpointConfigs", "models": "Models"}


def empty_bucket(s3, bucket: str, progress: Progress) -> None:
    """Delete every version, delete marker and unfinished upload; no such bucket is fine."""
    try:
        versions = [
            {"Key": entry["Key"], "VersionId": entry["VersionId"]}
            for page in s3.get_paginator("list_object_versions").paginate(Bucket=bucket)
            for entry in page.get("Versions", []) + page.get("DeleteMarkers", [])
        ]
    except s3.exceptions.NoSuchBucket:
        return
    for start in range(0, len(versions), 1000):
        answer = s3.delete_objects(Bucket=bucket, Delete={"Objects": versions[start : start + 1000], "Quiet": True})
        if answer.get("Errors"):
            first = answer["Errors"][0]
            raise DeployFailed(f"{bucket}: cannot delete {first['Key']}: {first.get('Message', first['Code'])}")
    for upload in s3.list_multipart_uploads(Bucket=bucket).get("Uploads", []):
        s3.abort_multipart_upload(Bucket=bucket, Key=upload["Key"], UploadId=upload["UploadId"])
    if versions:
        progress(f"{bucket}: {len(versions):,} object versions deleted")


def clear_logs(session, stack_id: str, progress: Progress) -> None:
    """Empty the bucket of access logs of a stack whose creation failed: S3 may have written to it meanwhile.

    Only that bucket, and only where it is the stack's own: nothing else can have been filled yet.
    """
    resources = session.client("cloudformation").describe_stack_resources(StackName=stack_id)["StackResources"]
    for resource in resources:
        there = resource["ResourceStatus"] not in ("CREATE_FAILED", "DELETE_COMPLETE")
        if resource["LogicalResourceId"] == "LogsBucket" and there:
            empty_bucket(session.client("s3"), resource["PhysicalResourceId"], progress)


def _delete_log_groups(client, settings: Settings, progress: Progress) -> None:
    """Log groups that a late writer made again after their stack was gone."""
    for name in _log_groups(client, settings):
        client.delete_log_group(logGroupName=name)
        progress(f"logs: deleted {name}")


def _log_groups(client, settings: Settings) -> list[str]:
    jobs = (f"/aws-glue/jobs/{settings.lower}/{kind}" for kind in ("output", "error"))
    exact = (f"/aws/codebuild/{settings.lower}-build", *jobs)
    prefixes = (*exact, f"/aws/sagemaker/Endpoints/{settings.lower}-")
    pages = (client.get_paginator("describe_log_groups").paginate(logGroupNamePrefix=prefix) for prefix in prefixes)
    names = [group["logGroupName"] for of_prefix in pages for page in of_prefix for group in page["logGroups"]]
    return [name for name in names if name in exact or name.startswith(prefixes[-1])]


def leftovers(session, settings: Settings) -> list[str]:
    """Whatever still exists under the project's names."""
    account = session.client("sts").get_caller_identity()["Account"]
    left: list[str] = []
    cloudformation = session.client("cloudformation")
    names = [settings.stack(kind) for kind in STACKS]
    left += [f"stack {name}" for name in names if stacks.describe(cloudformation, name)]
    ours = {settings.bucket(kind, account) for kind in BUCKETS}
    left += [f"bucket {b['Name']}" for b in session.client("s3").list_buckets()["Buckets"] if b["Name"] in ours]
    left += [f"log group {name}" for name in _log_groups(session.client("logs"), settings)]
    repositories = _names(session.client("codecommit"), "list_repositories", "repositoryName", "")
    made = (f"{settings.lower}-pipe", f"{settings.lower}-code")
    left += [f"repository {name}" for name in repositories if name in made]
    left += [f"Glue job {name}" for name in _names(session.client("glue"), "get_jobs", "Name", f"{settings.lower}-")]
    sagemaker = session.client("sagemaker")
    notebooks = _names(sagemaker, "list_notebook_instances", "NotebookInstanceName", f"{settings.lower}-notebook")
    left += [f"SageMaker notebookinstance {name}" for name in notebooks]
    for kind, name in _HOSTED:
        found = [entry for entry, ours in _hosted(sagemaker, kind, name, settings) if ours]
        left += [f"SageMaker {name[:-4].lower()} {entry}" for entry in found]
    iam = session.client("iam")
    for role in ROLES:
        name = f"{settings.lower}-{role}-{settings.region}"
        try:
            iam.get_role(RoleName=name)
            left.append(f"role {name}")
        except iam.exceptions.NoSuchEntityException:
            pass
    return left


def _names(client, operation: str, key: str, prefix: str) -> list[str]:
    found = []
    for page in client.get_paginator(operation).paginate():
        for value in page.values():
            if isinstance(value, list):
                found += [entry[key] for entry in value if key in entry and entry[key].startswith(prefix)]
    return found
