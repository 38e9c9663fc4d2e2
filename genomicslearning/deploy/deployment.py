"""Deploy the AWS side, look at it, and remove it again.

An administrator calls this from a laptop; the setup stack's and the pipeline's builds call the same code.
"""

from __future__ import annotations

import json
from pathlib import Path

from genomicslearning import InputError, share
from genomicslearning.deploy import codecommit, datalake, stacks
from genomicslearning.deploy.build import Build
from genomicslearning.deploy.settings import BUCKETS, STACKS, Settings, cost_estimate
from genomicslearning.deploy.stacks import Progress
from genomicslearning.deploy.teardown import clear_logs


def plan(session, settings: Settings) -> str:
    """What deploying would make, as text; reads only."""
    account = session.client("sts").get_caller_identity()["Account"]
    client = session.client("cloudformation")
    lines = [f"Project {settings.project} in account {account}, region {settings.region}:"]
    for kind in STACKS:
        there = stacks.describe(client, settings.stack(kind))
        what = f"update, now {there['StackStatus']}" if there else "create"
        lines.append(f"  stack   {settings.stack(kind)}: {what}")
    lines += [f"  bucket  {settings.bucket(kind, account)}" for kind in BUCKETS]
    where = f"GitHub {settings.github}" if settings.github else f"CodeCommit {settings.lower}-code"
    lines.append(f"  source  {where}, branch {settings.branch}")
    return "\n".join([*lines, "", cost_estimate(settings)])


def checkout() -> Path | None:
    """The source that this package runs from, if it is one."""
    root = share()
    return root if (root / "pyproject.toml").is_file() else None


def deploy(
    session,
    settings: Settings,
    *,
    source_folder: Path | None = None,
    training_set: str = "",
    clinvar: str = "",
    annotated: str = "",
    progress: Progress,
) -> dict[str, str]:
    """Bring the three stacks, the resources and the data lake to this version; return the code stack's outputs.

    Every step looks at what is there first, so that calling again after a failure carries on.

    Raises
    ------
    InputError
        A file that should go into the data lake is not there, or the region lacks what the notebooks need.
    DeployFailed
        A stack or the build failed.
    """
    datalake.check_inputs(training_set=training_set, clinvar=clinvar, annotated=annotated)
    root = source_folder or checkout()
    build = _checked_build(settings, root)
    progress(f"version {build.version}")
    cloudformation, s3 = session.client("cloudformation"), session.client("s3")

    zone = stacks.create_or_update(
        cloudformation, settings.stack("Zone"), build.template("zone"), settings.zone_parameters(), progress=progress
    )
    pipe = _bring_pipe(session, settings, zone, build, progress)
    build.upload(s3, pipe["ResourcesBucket"], progress)
    datalake.fill(
        s3, pipe["DataLakeBucket"], training_set=training_set, clinvar=clinvar, annotated=annotated, progress=progress
    )
    code = stacks.create_or_update(
        cloudformation,
        settings.stack("Code"),
        build.template("code"),
        json.loads(pipe["CodeParameters"]) | {"Version": build.version},
        role_arn=pipe["CloudFormationRoleArn"],
        progress=progress,
    )
    # Last, so that the pipeline's first run finds the stack finished and the same version in it.
    if settings.connection:
        progress(f"pipeline: follows {settings.github}")
    elif root:
        _commit(session, settings, "code", codecommit.source_files(root), build, progress)
    else:
        progress("pipeline: waits for a first push (an installed package has no source to push)")
    return code


def _checked_build(settings: Settings, root: Path | None) -> Build:
    """What is built of the source, or of this package where `root` is None."""
    if root and not (root / "pyproject.toml").is_file():
        raise InputError(f"--source {root}: no pyproject.toml there; give the folder of the source")
    build = Build(root)
    if settings.region not in build.regions:
        offered = ", ".join(build.regions)
        raise InputError(f"--region {settings.region}: AWS lacks container images there; choose one of {offered}")
    return build


def _bring_pipe(session, settings: Settings, zone: dict[str, str], build: Build, progress: Progress) -> dict[str, str]:
    """The pipe stack at this version, its template committed first where the source is on CodeCommit; its outputs."""
    if not settings.connection:
        template = build.text("cloudformation/pipe.yml").encode()
        _commit(session, settings, "pipe", {"pipe.yml": template}, build, progress)
    return stacks.create_or_update(
        session.client("cloudformation"),
        settings.stack("Pipe"),
        build.template("pipe"),
        settings.pipe_parameters(zone["DeliveryBoundaryArn"], zone["RuntimeBoundaryArn"]),
        clear=lambda stack_id: clear_logs(session, stack_id, progress),
        progress=progress,
    )


def _commit(session, settings: Settings, kind: str, files: dict[str, bytes], build: Build, progress: Progress) -> None:
    client = session.client("codecommit")
    codecommit.commit(client, f"{settings.lower}-{kind}", settings.branch, files, f"Version {build.version}", progress)


def only_build(s3, out: Path, *, resources_bucket: str, parameters: str, progress: Progress) -> str:
    """The pipeline's part: copy the resources, write the code stack's template and configuration; return version."""
    try:
        values = json.loads(parameters)
    except ValueError as problem:
        raise InputError(f"--parameters: not JSON ({problem}); give the pipe stack's output CodeParameters") from None
    build = Build(checkout())
    build.upload(s3, resources_bucket, progress)
    out.mkdir(parents=True, exist_ok=True)
    (out / "code.yml").write_text(build.template("code"))
    configuration = {"Parameters": values | {"Version": build.version}, "Tags": {"Project": values["Project"]}}
    (out / "configuration.json").write_text(json.dumps(configuration, indent=2))
    progress(f"{out}: code.yml and configuration.json of version {build.version}")
    return build.version


def status(session, project: str) -> str:
    """The stacks' states and outputs, the notebook instance, endpoints, and the pipeline's last run, as text."""
    client = session.client("cloudformation")
    settings = Settings(project=project, region=session.region_name)
    lines = []
    for kind in STACKS:
        stack = stacks.describe(client, settings.stack(kind))
        lines.append(f"{settings.stack(kind):<28} {stack['StackStatus'] if stack else 'not deployed'}")
        if stack:
            shown = (output for output in stack.get("Outputs", []) if output["OutputKey"] != "CodeParameters")
            lines += [f"  {output['OutputKey']:<26} {output['OutputValue']}" for output in shown]
    sagemaker = session.client("sagemaker")
    for page in sagemaker.get_paginator("list_notebook_instances").paginate(NameContains=f"{settings.lower}-"):
        for entry in page["NotebookInstances"]:
            lines.append(f"notebook {entry['NotebookInstanceName']}: {entry['NotebookInstanceStatus']}")
    for page in sagemaker.get_paginator("list_endpoints").paginate(NameContains=f"{settings.lower}-"):
        for entry in page["Endpoints"]:
            lines.append(f"endpoint {entry['EndpointName']}: {entry['EndpointStatus']}, bills by the hour")
    pipeline = session.client("codepipeline")
    try:
        runs = pipeline.list_pipeline_executions(pipelineName=f"{settings.lower}-pipeline", maxResults=1)
        lines += [f"pipeline: last run {run['status']}" for run in runs["pipelineExecutionSummaries"][:1]]
    except pipeline.exceptions.PipelineNotFoundException:
        pass
    return "\n".join(lines)
