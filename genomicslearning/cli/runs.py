"""Commands around a run: the whole chain, its reports, the notebooks, this machine."""

from __future__ import annotations

import json
from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from genomicslearning import InputError
from genomicslearning.cli.common import say


class Backend(StrEnum):
    local = "local"
    sagemaker = "sagemaker"


class SplitKind(StrEnum):
    random = "random"
    gene = "gene"
    time = "time"


def run(
    clinvar: Annotated[str, typer.Option(help="ClinVar VCF(.gz).")] = "",
    annotated: Annotated[str, typer.Option(help="The same variants annotated by Ensembl VEP, VCF(.gz).")] = "",
    training_set: Annotated[str, typer.Option(help="An existing training set (.csv, .gz, .zip, .parquet).")] = "",
    backend: Annotated[Backend | None, typer.Option(help="Where to train and predict.")] = None,
    split: Annotated[SplitKind | None, typer.Option(help="How test rows are chosen (random).")] = None,
    earlier: Annotated[
        list[str] | None,
        typer.Option(metavar="RELEASE", help="An earlier ClinVar release, for --split time; repeat it, oldest first."),
    ] = None,
    name: Annotated[str, typer.Option(help="Name of the run; default: the time in UTC.")] = "",
    runs_dir: Annotated[str, typer.Option(help="Folder that holds the runs.")] = "runs",
    resume: Annotated[bool, typer.Option("--resume", help="Go on with a run; unchanged steps are kept.")] = False,
    parameter: Annotated[
        list[str] | None,
        typer.Option("--parameter", "-p", metavar="KEY VALUE", help="Set a notebook's parameter; repeatable."),
    ] = None,
) -> None:
    """Run the whole chain: training set, model, predictions, evaluation, reports. With no data: the embedded sample.

    Example: genomicslearning run --clinvar clinvar.vcf.gz --annotated clinvar.annotated.vcf.gz --name first
    """
    from genomicslearning.runs import chain

    short = {
        "clinvar": clinvar,
        "annotated": annotated,
        "training_set": training_set,
        "backend": backend.value if backend else "",
        "split": split.value if split else "",
        "earlier": json.dumps(earlier) if earlier else "",
    }
    try:
        given = short | dict(pair.split("=", 1) for pair in parameter or [])
        index = chain.run(given, name=name, runs_dir=runs_dir, resume=resume, progress=say)
    except chain.StepFailed as problem:
        say(f"genomicslearning: {problem}")
        raise typer.Exit(1) from None
    typer.echo(index)


def report(
    run: Annotated[str, typer.Argument(help="A run's name or folder.")] = "",
    all_runs: Annotated[bool, typer.Option("--all", help="Every run in the folder of runs.")] = False,
    runs_dir: Annotated[str, typer.Option(help="Folder that holds the runs.")] = "runs",
) -> None:
    """Render the HTML reports of finished runs again; nothing is executed.

    Example: genomicslearning report latest
    """
    from genomicslearning.runs.folder import find, folders
    from genomicslearning.runs.reports import render

    if bool(run) == all_runs:
        raise InputError("give one run, or --all")
    for folder in folders(runs_dir) if all_runs else [find(run, runs_dir)]:
        typer.echo(render(folder))


def compare(
    first: Annotated[str, typer.Argument(help="A run's name or folder.")],
    second: Annotated[str, typer.Argument(help="Another one.")],
    runs_dir: Annotated[str, typer.Option(help="Folder that holds the runs.")] = "runs",
) -> None:
    """Print what differs between two runs: figures, parameters, inputs, versions.

    Example: genomicslearning compare monday tuesday
    """
    from genomicslearning.runs import compare as comparing
    from genomicslearning.runs.folder import find

    typer.echo(comparing.compare(find(first, runs_dir), find(second, runs_dir)))


def notebooks(folder: Annotated[Path, typer.Argument(help="Where to copy them.")]) -> None:
    """Copy the notebooks out for editing; a file that is there is never overwritten.

    Example: genomicslearning notebooks ~/my-notebooks
    """
    from genomicslearning.runs.folder import copy_notebooks

    for path, copied in copy_notebooks(folder):
        typer.echo(path if copied else f"{path} (kept: it was there)")


def doctor() -> None:
    """Check this machine: Python, packages, kernel, Java for Spark, AWS settings, where runs and settings are.

    Example: genomicslearning doctor
    """
    from genomicslearning.cli import doctor as room

    findings = room.examine()
    for finding in findings:
        typer.echo(f"{'ok     ' if finding.ok else 'missing'}  {finding.what}: {finding.detail}")
    if not all(finding.ok or finding.optional for finding in findings):
        raise typer.Exit(1)
