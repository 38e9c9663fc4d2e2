"""The `genomicslearning` command. Each command imports its room when it runs, so that `--help` answers at once."""

from __future__ import annotations

import sys
from enum import StrEnum
from typing import Annotated

import typer

from genomicslearning import InputError, __version__

app = typer.Typer(
    name="genomicslearning",
    help=__import__("genomicslearning").__doc__,
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
    context_settings={"help_option_names": ["-h", "--help"]},
)


class Backend(StrEnum):
    local = "local"
    sagemaker = "sagemaker"


class SplitKind(StrEnum):
    random = "random"
    gene = "gene"
    time = "time"


class Pick(StrEnum):
    first = "first"
    severe = "severe"
    mane = "mane"
    canonical = "canonical"


def _version(wanted: bool) -> None:
    if wanted:
        typer.echo(__version__)
        raise typer.Exit


VersionFlag = Annotated[bool, typer.Option("--version", callback=_version, is_eager=True, help="Print the version.")]


@app.callback()
def _root(version: VersionFlag = False) -> None:
    pass


def say(text: str) -> None:
    """Progress goes to stderr, so that stdout stays what a script reads."""
    typer.echo(text, err=True)


@app.command("training-set")
def training_set(
    out: Annotated[str, typer.Option(help="Table to write: FILE.csv or FILE.parquet, local or s3://.")],
    clinvar: Annotated[str | None, typer.Option(help="ClinVar VCF(.gz).")] = None,
    annotated: Annotated[str | None, typer.Option(help="The same variants annotated by Ensembl VEP, VCF(.gz).")] = None,
    pick: Annotated[Pick, typer.Option(help="Which transcript's annotation a row gets.")] = Pick.mane,
    csq_key: Annotated[str | None, typer.Option(help="INFO key of VEP's annotation, if it is not CSQ.")] = None,
    strict: Annotated[bool, typer.Option("--strict", help="Fail at the first malformed record.")] = False,
) -> None:
    """Build the training set from ClinVar and VEP.

    Example: genomicslearning training-set --clinvar clinvar.vcf.gz --annotated annotated.vcf.gz --out conflicts.csv
    """
    from genomicslearning import training_set as room

    report = room.build(
        clinvar=clinvar, annotated=annotated, out=out, pick=pick.value, csq_key=csq_key, strict=strict, progress=say
    )
    typer.echo(room.summary(report))


def main() -> None:
    """Run the command; bad arguments and bad input exit 2 with one line on stderr, anything else exits 1."""
    try:
        app()
    except InputError as problem:
        print(f"genomicslearning: {problem}", file=sys.stderr)
        sys.exit(2)
