"""Commands for the AWS side: deploy it, look at it, remove it, and what notebooks have left on SageMaker."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated

import typer

from genomicslearning import InputError
from genomicslearning.cli.common import say

PROJECT = Annotated[str, typer.Option(help="Stacks are named after it; other names use its lower-case form.")]
REGION = Annotated[str, typer.Option(help="AWS region; default: your settings'.")]


def deploy(
    project: PROJECT = "GenomicsLearning",
    region: REGION = "",
    training_set: Annotated[str, typer.Option(help="Table for the data lake.")] = "",
    clinvar: Annotated[str, typer.Option(help="ClinVar VCF for the data lake, or fetch for the current one.")] = "",
    annotated: Annotated[str, typer.Option(help="The same annotated by VEP, for the data lake.")] = "",
    notebook_instance_type: Annotated[str, typer.Option(help="Size of the notebook instance.")] = "ml.t3.medium",
    idle_minutes: Annotated[int, typer.Option(min=0, help="Idle minutes until it stops; 0 never.")] = 60,
    email: Annotated[str, typer.Option(help="Hears of a month above the budget.")] = "",
    budget: Annotated[int, typer.Option(min=1, help="US dollars a month.")] = 50,
    subnet: Annotated[str, typer.Option(help="Subnet of the notebook instance.")] = "",
    security_group: Annotated[str, typer.Option(help="Its security group.")] = "",
    kms_key: Annotated[str, typer.Option(help="ARN of the key for buckets and volume.")] = "",
    connection: Annotated[str, typer.Option(help="CodeConnections ARN, for source on GitHub.")] = "",
    github: Annotated[str, typer.Option(help="OWNER/NAME of that source.")] = "",
    branch: Annotated[str, typer.Option(help="Branch that the pipeline follows.")] = "main",
    approval: Annotated[bool, typer.Option("--approval", help="The pipeline waits for an approval.")] = False,
    delivery_boundary: Annotated[str, typer.Option(help="ARN: boundary of the pipeline's roles, not made.")] = "",
    runtime_boundary: Annotated[str, typer.Option(help="ARN: boundary of jobs' and notebooks' roles.")] = "",
    source: Annotated[str, typer.Option(help="Folder of the source, where it is not this package's own.")] = "",
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Print the plan and its cost; change nothing.")] = False,
    only_build: Annotated[bool, typer.Option("--only-build", help="The pipeline's build: resources, template")] = False,
    out: Annotated[str, typer.Option(help="With --only-build: folder of the finished template.")] = "build/aws",
    resources_bucket: Annotated[str, typer.Option(help="With --only-build: where the resources go.")] = "",
    parameters: Annotated[str, typer.Option(help="With --only-build: the code stack's parameters, JSON.")] = "",
) -> None:
    """Deploy or update the AWS side: landing zone, pipeline, jobs, catalog, notebook instance.

    Example: genomicslearning deploy --region eu-west-1 --email me@example.org --dry-run
    """
    given = dict(locals())  # every option under its own name
    with _aws_errors():
        (_only_build if only_build else _deploy)(given)


def _only_build(given: dict) -> None:
    from genomicslearning.aws.account import signed_in_session
    from genomicslearning.deploy.deployment import only_build

    if not given["resources_bucket"] or not given["parameters"]:
        raise InputError("--only-build needs --resources-bucket and --parameters")
    chosen = {name: given[name] for name in ("resources_bucket", "parameters")}
    only_build(signed_in_session(given["region"]).client("s3"), Path(given["out"]), **chosen, progress=say)


def _deploy(given: dict) -> None:
    from dataclasses import fields

    from genomicslearning.aws.account import signed_in_session
    from genomicslearning.deploy import deployment
    from genomicslearning.deploy.settings import Settings

    session = signed_in_session(given["region"])
    chosen = {one.name: given[one.name] for one in fields(Settings)} | {"region": session.region_name}
    settings = Settings(**chosen)
    typer.echo(deployment.plan(session, settings))
    if given["dry_run"]:
        return
    data = {name: given[name] for name in ("training_set", "clinvar", "annotated")}
    source = Path(given["source"]) if given["source"] else None
    for name, value in deployment.deploy(session, settings, source_folder=source, **data, progress=say).items():
        typer.echo(f"{name}: {value}")


def status(
    project: PROJECT = "GenomicsLearning",
    region: REGION = "",
    check: Annotated[bool, typer.Option("--check", help="Try everything, a Glue run and ten predictions too.")] = False,
) -> None:
    """Show the stacks, their outputs, the pipeline's last run, and what is running; with --check, whether it works.

    The check costs some cents and a quarter of an hour. Each line is ok, failed or could not tell; one that failed is
    exit 1.

    Example: genomicslearning status --region eu-west-1 --check
    """
    from genomicslearning.aws.account import signed_in_session
    from genomicslearning.deploy import deployment
    from genomicslearning.deploy.settings import Settings, check_project

    with _aws_errors():
        check_project(project)
        session = signed_in_session(region)
        if not check:
            typer.echo(deployment.status(session, project))
            return
        from genomicslearning.deploy.check import FAILED, examine

        failed = 0
        for finding in examine(session, Settings(project=project, region=session.region_name), progress=say):
            typer.echo(str(finding))
            failed += finding.state == FAILED
        if failed:
            raise typer.Exit(1)


def teardown(
    project: PROJECT = "GenomicsLearning",
    region: REGION = "",
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask.")] = False,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Print what is there; change nothing.")] = False,
) -> None:
    """Remove the AWS side with all its data, and list what is left.

    Example: genomicslearning teardown --region eu-west-1
    """
    from genomicslearning.aws.account import signed_in_session
    from genomicslearning.deploy.settings import Settings
    from genomicslearning.deploy.teardown import leftovers
    from genomicslearning.deploy.teardown import teardown as remove

    with _aws_errors():
        session = signed_in_session(region)
        settings = Settings(project=project, region=session.region_name)
        if dry_run:
            there = leftovers(session, settings)
            typer.echo("\n".join(["Would remove:", *there]) if there else "Nothing to remove.")
            return
        if not yes and typer.prompt(f"This deletes all data of {project}. Type the project's name to go on") != project:
            raise InputError("not removed: the name was another one")
        left = remove(session, settings, say)
    for entry in left:
        typer.echo(f"left: {entry}")
    if left:
        raise typer.Exit(1)
    typer.echo("Nothing is left.")


@contextmanager
def _aws_errors() -> Iterator[None]:
    """A stack that failed is one line and exit 1, not a traceback."""
    from genomicslearning.deploy import DeployFailed

    try:
        yield
    except DeployFailed as problem:
        say(f"genomicslearning: {problem}")
        raise typer.Exit(1) from None


def endpoints(
    delete: Annotated[bool, typer.Option("--delete", help="Delete them, and stop jobs that run.")] = False,
) -> None:
    """List what the notebooks have left on SageMaker, what costs money first; with --delete, take it away.

    Example: genomicslearning endpoints --delete
    """
    from genomicslearning.aws.account import find_account
    from genomicslearning.endpoint import inventory

    account = find_account()
    found = inventory.find(account)
    for one in found:
        typer.echo(one)
    if not found:
        typer.echo(f"nothing of {account.project} is on SageMaker in {account.region}")
    if delete:
        inventory.delete(account, found, say)
