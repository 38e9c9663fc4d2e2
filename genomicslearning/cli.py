"""The `genomicslearning` command. Each command imports its room when it runs, so that `--help` answers at once."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from enum import StrEnum
from pathlib import Path
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


@app.command()
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


@app.command()
def report(
    run: Annotated[str, typer.Argument(help="A run's name or folder.")] = "",
    all_runs: Annotated[bool, typer.Option("--all", help="Every run in the folder of runs.")] = False,
    runs_dir: Annotated[str, typer.Option(help="Folder that holds the runs.")] = "runs",
) -> None:
    """Render the HTML reports of finished runs again; nothing is executed.

    Example: genomicslearning report latest
    """
    from genomicslearning.runs import chain

    if bool(run) == all_runs:
        raise InputError("give one run, or --all")
    for folder in chain.folders(runs_dir) if all_runs else [chain.find(run, runs_dir)]:
        typer.echo(chain.render(folder))


@app.command()
def compare(
    first: Annotated[str, typer.Argument(help="A run's name or folder.")],
    second: Annotated[str, typer.Argument(help="Another one.")],
    runs_dir: Annotated[str, typer.Option(help="Folder that holds the runs.")] = "runs",
) -> None:
    """Print what differs between two runs: figures, parameters, inputs, versions.

    Example: genomicslearning compare monday tuesday
    """
    from genomicslearning.runs import chain

    typer.echo(chain.compare(chain.find(first, runs_dir), chain.find(second, runs_dir)))


@app.command()
def notebooks(folder: Annotated[Path, typer.Argument(help="Where to copy them.")]) -> None:
    """Copy the notebooks out for editing; a file that is there is never overwritten.

    Example: genomicslearning notebooks ~/my-notebooks
    """
    from genomicslearning import runs

    for path, copied in runs.copy_notebooks(folder):
        typer.echo(path if copied else f"{path} (kept: it was there)")


@app.command()
def doctor() -> None:
    """Check this machine: Python, packages, kernel, Java for Spark, AWS settings, where runs and settings are.

    Example: genomicslearning doctor
    """
    from genomicslearning import doctor as room

    findings = room.examine()
    for finding in findings:
        typer.echo(f"{'ok     ' if finding.ok else 'missing'}  {finding.what}: {finding.detail}")
    if not all(finding.ok or finding.optional for finding in findings):
        raise typer.Exit(1)


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


@app.command("vcf-to-parquet")
def vcf_to_parquet(
    source: Annotated[str, typer.Argument(metavar="IN", help="VCF(.gz), local or s3://.")],
    out: Annotated[str, typer.Argument(metavar="OUT", help="Parquet file to write, local or s3://.")],
    text: Annotated[bool, typer.Option("--text", help="Keep every cell as the VCF's text.")] = False,
    strict: Annotated[bool, typer.Option("--strict", help="Fail at the first malformed record.")] = False,
) -> None:
    """Convert a VCF to parquet: every record, every INFO key, all transcripts.

    Example: genomicslearning vcf-to-parquet clinvar.annotated.vcf.gz clinvar.parquet
    """
    from genomicslearning import accounting, vcf_parquet

    report = vcf_parquet.vcf_to_parquet(source, out, text=text, strict=strict, progress=say)
    typer.echo(accounting.summary(report))


@app.command("tsv-to-parquet")
def tsv_to_parquet(
    source: Annotated[str, typer.Argument(metavar="IN", help="Tab-delimited text(.gz), local or s3://.")],
    out: Annotated[str, typer.Argument(metavar="OUT", help="Parquet file to write, local or s3://.")],
    text: Annotated[bool, typer.Option("--text", help="Keep every column as text.")] = False,
    strict: Annotated[bool, typer.Option("--strict", help="Fail at the first row that does not fit.")] = False,
) -> None:
    """Convert a tab-delimited table to parquet; columns become numbers only where every value round-trips.

    Example: genomicslearning tsv-to-parquet variant_summary.txt.gz variant_summary.parquet
    """
    from genomicslearning import accounting, tsv_parquet

    report = tsv_parquet.tsv_to_parquet(source, out, text=text, strict=strict, progress=say)
    typer.echo(accounting.summary(report))


class Source(StrEnum):
    clinvar = "clinvar"
    table = "table"


@app.command()
def fetch(
    what: Annotated[Source, typer.Argument(help="A ClinVar release (VCF), or the published conflict table.")],
    lake: Annotated[str, typer.Option(help="Folder or s3://bucket to put it in.")] = "lake",
    release: Annotated[str, typer.Option(help="ClinVar release, YYYYMMDD or latest.")] = "latest",
    assembly: Annotated[str, typer.Option(help="GRCh37 or GRCh38.")] = "GRCh38",
    mirror: Annotated[str | None, typer.Option(help="Mirror of NCBI's pub/clinvar, or URL of the table.")] = None,
) -> None:
    """Fetch public data into the data lake, checksum and all; an interrupted download goes on where it stopped.

    Example: genomicslearning fetch clinvar --release 20180401 --assembly GRCh37 --lake lake
    """
    from genomicslearning import fetch as room

    if what is Source.clinvar:
        base = mirror or room.NCBI
        report = room.fetch_clinvar(lake, release=release, assembly=assembly, base=base, progress=say)
    else:
        report = room.fetch_table(lake, url=mirror or room.TABLE_URL, progress=say)
    typer.echo(f"{report['file']}\n{report['bytes']:,} bytes, sha256 {report['sha256']}")


PROJECT = Annotated[str, typer.Option(help="Stacks are named after it; other names use its lower-case form.")]
REGION = Annotated[str, typer.Option(help="AWS region; default: your settings'.")]


@app.command()
def deploy(
    project: PROJECT = "GenomicsLearning",
    region: REGION = "",
    training_set: Annotated[str, typer.Option(help="Table for the data lake.")] = "",
    clinvar: Annotated[str, typer.Option(help="ClinVar VCF for the data lake.")] = "",
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
    boundary_arn: Annotated[str, typer.Option(help="Permissions boundary to use instead of making one.")] = "",
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
    from genomicslearning import deploy as room

    with _aws_errors():
        session = room.session(region)
        if only_build:
            if not resources_bucket or not parameters:
                raise InputError("--only-build needs --resources-bucket and --parameters")
            room.only_build(
                session.client("s3"), Path(out), resources_bucket=resources_bucket, parameters=parameters, progress=say
            )
            return
        settings = room.Settings(
            project=project,
            region=session.region_name,
            notebook_instance_type=notebook_instance_type,
            idle_minutes=idle_minutes,
            email=email,
            budget=budget,
            subnet=subnet,
            security_group=security_group,
            kms_key=kms_key,
            connection=connection,
            github=github,
            branch=branch,
            boundary_arn=boundary_arn,
        )
        typer.echo(room.plan(session, settings))
        if dry_run:
            return
        outputs = room.deploy(
            session,
            settings,
            source_folder=Path(source) if source else None,
            training_set=training_set,
            clinvar=clinvar,
            annotated=annotated,
            progress=say,
        )
        for name, value in outputs.items():
            typer.echo(f"{name}: {value}")


@app.command()
def status(project: PROJECT = "GenomicsLearning", region: REGION = "") -> None:
    """Show the stacks, their outputs, the pipeline's last run, and what is running.

    Example: genomicslearning status --region eu-west-1
    """
    from genomicslearning import deploy as room

    with _aws_errors():
        room.check_project(project)
        typer.echo(room.status(room.session(region), project))


@app.command()
def teardown(
    project: PROJECT = "GenomicsLearning",
    region: REGION = "",
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask.")] = False,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Print what is there; change nothing.")] = False,
) -> None:
    """Remove the AWS side with all its data, and list what is left.

    Example: genomicslearning teardown --region eu-west-1
    """
    from genomicslearning import deploy as room

    with _aws_errors():
        session = room.session(region)
        settings = room.Settings(project=project, region=session.region_name)
        if dry_run:
            there = room.leftovers(session, settings)
            typer.echo("\n".join(["Would remove:", *there]) if there else "Nothing to remove.")
            return
        if not yes and typer.prompt(f"This deletes all data of {project}. Type the project's name to go on") != project:
            raise InputError("not removed: the name was another one")
        left = room.teardown(session, settings, say)
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


@app.command()
def watchlist(
    clinvar: Annotated[str, typer.Option(help="ClinVar VCF(.gz) of the release to watch.")],
    model: Annotated[str, typer.Option(metavar="DIR", help="Model folder; features prospective or biology.")],
    out: Annotated[str, typer.Option(metavar="DIR", help="Folder for watchlist.csv, .html and .json.")],
    annotated: Annotated[str | None, typer.Option(help="The same variants annotated by Ensembl VEP, VCF(.gz).")] = None,
    top: Annotated[int, typer.Option(help="Rows of the HTML page, at most 5000; the CSV has all.")] = 5000,
    pick: Annotated[Pick, typer.Option(help="Which transcript's annotation a row gets.")] = Pick.mane,
    csq_key: Annotated[str | None, typer.Option(help="INFO key of VEP's annotation, if it is not CSQ.")] = None,
) -> None:
    """Rank a release's single-submitter variants by the chance that other laboratories will disagree.

    Example: genomicslearning watchlist --clinvar clinvar.vcf.gz --model runs/latest/autopilot/NAME/model --out watch
    """
    from genomicslearning import watchlist as room

    summary = room.build(
        clinvar=clinvar,
        annotated=annotated,
        model=model,
        out=out,
        shown=top,
        pick=pick.value,
        csq_key=csq_key,
        progress=say,
    )
    ranked, shown = summary["variants"], summary["shown"]
    typer.echo(f"{ranked:,} variants ranked in {out}/watchlist.csv; {shown:,} in watchlist.html")


@app.command()
def serve(
    model_dir: Annotated[Path, typer.Argument(help="Model folder that an Autopilot job left.")],
    port: Annotated[int, typer.Option(help="Port on 127.0.0.1; 0 takes a free one.", min=0, max=65535)] = 8080,
) -> None:
    """Serve a model over HTTP on this machine, in SageMaker's protocol: /ping, /invocations; prints its address.

    Example: genomicslearning serve runs/latest/autopilot/variant-classifier/model --port 8080
    """
    from genomicslearning.autopilot.model import Model
    from genomicslearning.endpoint import app as application
    from genomicslearning.endpoint import server

    server.serve(application.create(Model.load(model_dir)), port=port, ready=typer.echo)


@app.command()
def predict(
    model_dir: Annotated[Path, typer.Argument(help="Model folder that an Autopilot job left.")],
    table: Annotated[str, typer.Argument(metavar="IN", help="Variants: .csv, .csv.gz, .zip or .parquet, or s3://.")],
    out: Annotated[str, typer.Argument(metavar="OUT", help="Predictions to write: .csv or .parquet, or s3://.")],
) -> None:
    """Predict every variant of a table, of any size, in its order; CLASS is not needed.

    Example: genomicslearning predict runs/latest/autopilot/variant-classifier/model variants.csv predictions.csv
    """
    from genomicslearning.endpoint import batch

    rows = batch.predict_file(model_dir, table, out, progress=say)
    typer.echo(f"{rows:,} rows predicted in {out}")


@app.command()
def package(
    model_dir: Annotated[Path, typer.Argument(help="Model folder that a local Autopilot job left.")],
    out: Annotated[str, typer.Argument(metavar="OUT", help="Archive to write: .tar.gz, or s3://.")],
) -> None:
    """Pack a local model as a SageMaker inference archive: the model, the code that serves it, pinned requirements.

    Example: genomicslearning package runs/latest/autopilot/variant-classifier/model model.tar.gz
    """
    from genomicslearning.endpoint import package as room

    room.write(model_dir, out)
    typer.echo(out)


@app.command()
def endpoints(
    delete: Annotated[bool, typer.Option("--delete", help="Delete them, and stop jobs that run.")] = False,
) -> None:
    """List what the notebooks have left on SageMaker, what costs money first; with --delete, take it away.

    Example: genomicslearning endpoints --delete
    """
    from genomicslearning import aws
    from genomicslearning.endpoint import inventory

    account = aws.account()
    found = inventory.find(account)
    for one in found:
        typer.echo(one)
    if not found:
        typer.echo(f"nothing of {account.project} is on SageMaker in {account.region}")
    if delete:
        inventory.delete(account, found, say)


def _pair(arguments: list[str]) -> list[str]:
    """Write papermill's `-p KEY VALUE` as the one word `KEY=VALUE`, since typer's repeated options take one word."""
    words, paired = iter(arguments), []
    for word in words:
        paired.append(word)
        if word in ("-p", "--parameter"):
            key, value = next(words, None), next(words, None)
            if value is None:
                raise InputError(f"{word} takes a name and a value, such as: {word} seed 201")
            paired.append(f"{key}={value}")
    return paired


def main() -> None:
    """Run the command; bad arguments and bad input exit 2 with one line on stderr, anything else exits 1."""
    try:
        app(_pair(sys.argv[1:]) if sys.argv[1:2] == ["run"] else None)
    except InputError as problem:
        print(f"genomicslearning: {problem}", file=sys.stderr)
        sys.exit(2)
