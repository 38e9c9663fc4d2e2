"""Commands around a run: the whole chain, its reports, the notebooks, this machine."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated, Any

import typer
from typer.core import TyperCommand

from genomicslearning import InputError
from genomicslearning.cli.common import coloured, say, teller

RUNS_DIR = typer.Option(help="Folder that holds the runs.")


class RunCommand(TyperCommand):
    """`run`, whose help ends with the parameters of the notebooks."""

    def format_epilog(self, ctx: Any, formatter: Any) -> None:
        """Write the notebooks' parameters below the options."""
        from genomicslearning.runs import parameters

        for step in (parameters.ANNOTATE, *parameters.STEPS):
            rows = [
                (f"{item.name} {_shown(item.default)}".rstrip(), item.help)
                for item in parameters.of(step).values()
                if item.name != "run_dir"
            ]
            with formatter.section(f"Parameters of {step} (-p NAME=VALUE)"):
                formatter.write_dl(rows)


def _shown(default: object) -> str:
    return "" if default == "" else f"[{str(default).lower() if isinstance(default, bool) else default}]"


# Options of `run` that are short forms of a notebook's parameter of the same name.
VCF = typer.Option(metavar="VCF", help="ClinVar VCF(.gz).")
ANNOTATED = typer.Option(metavar="VCF", help="The same variants annotated by Ensembl VEP.")
VEP_CACHE = typer.Option(metavar="DIR", help="VEP's cache: annotate --clinvar first, instead of --annotated.")
FASTA = typer.Option(metavar="FA", help="Goes with --vep-cache: reference FASTA.")
TABLE = typer.Option(metavar="TABLE", help="A table (.csv, .tsv, .gz, .zip, .parquet).")
BACKEND = typer.Option(metavar="local|sagemaker", help="Where to train and predict.")
SPLIT = typer.Option(metavar="random|gene|time", help="How test rows are chosen (random).")
FEATURES = typer.Option(metavar="all|biology|prospective", help="What the model may know (all).")
PRESET = typer.Option(metavar="quick|balanced|best", help="How long to search (balanced).")
DEPTH = typer.Option(metavar="standard|full", help="How much to evaluate (standard).")
TRAIN_FRACTION = typer.Option(metavar="SHARE", help="Share of rows to learn from (0.8).")
SEED = typer.Option(metavar="NUMBER", help="Fixes split, model and intervals (200).")
EARLIER = typer.Option(
    metavar="RELEASE", help="Earlier ClinVar release (--split time, --features prospective); repeat it, oldest first."
)
SHORT_FORMS = (
    "clinvar", "annotated", "vep_cache", "fasta", "training_set", "backend", "split", "features", "preset", "depth",
    "train_fraction", "seed",
)  # fmt: skip
# What is asked of the run itself.
PARAMETER = typer.Option("--parameter", "-p", metavar="NAME=VALUE", help="Set a notebook's parameter; repeatable.")
RESUME = typer.Option("--resume", help="Go on with a run; unchanged steps are kept.")


def run(
    context: typer.Context,
    clinvar: Annotated[str, VCF] = "",
    annotated: Annotated[str, ANNOTATED] = "",
    vep_cache: Annotated[str, VEP_CACHE] = "",
    fasta: Annotated[str, FASTA] = "",
    training_set: Annotated[str, TABLE] = "",
    backend: Annotated[str, BACKEND] = "",
    split: Annotated[str, SPLIT] = "",
    features: Annotated[str, FEATURES] = "",
    preset: Annotated[str, PRESET] = "",
    depth: Annotated[str, DEPTH] = "",
    train_fraction: Annotated[str, TRAIN_FRACTION] = "",
    seed: Annotated[str, SEED] = "",
    earlier: Annotated[list[str] | None, EARLIER] = None,
    name: Annotated[str, typer.Option(help="Name of the run; default: the time in UTC.")] = "",
    runs_dir: Annotated[str, RUNS_DIR] = "runs",
    resume: Annotated[bool, RESUME] = False,
    parameter: Annotated[list[str] | None, PARAMETER] = None,
    quiet: Annotated[bool, typer.Option("--quiet", help="Say nothing of progress.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print the outcome as JSON, for scripts.")] = False,
) -> None:
    """Run the whole chain: training set, model, predictions, evaluation, reports. With no data: the embedded sample.

    Example: genomicslearning run --clinvar clinvar.vcf.gz --annotated clinvar.annotated.vcf.gz --name first
    """
    from genomicslearning.runs import chain

    short = {option: context.params[option] for option in SHORT_FORMS}
    given = _together(short | {"earlier": json.dumps(earlier) if earlier else ""}, _pairs(parameter or []))
    try:
        index = chain.run(given, name=name, runs_dir=runs_dir, resume=resume, progress=teller(quiet))
    except chain.StepFailed as problem:
        say(f"{coloured('genomicslearning:', fg='red', bold=True)} {problem}")
        raise typer.Exit(1) from None
    typer.echo(_outcome(index.parent) if as_json else index)


def _pairs(parameters: list[str]) -> dict[str, str]:
    """`NAME=VALUE` of each `-p`; the same name twice is a mistake."""
    given: dict[str, str] = {}
    for pair in parameters:
        name, equals, value = pair.partition("=")
        if not equals:
            raise InputError(f"-p {pair}: takes a name and a value, such as: -p seed=201")
        if name in given:
            raise InputError(f"-p {name}: given twice, as {given[name]!r} and {value!r}; give it once")
        given[name] = value
    return given


def _together(options: dict[str, str], pairs: dict[str, str]) -> dict[str, str]:
    """Options and parameters of one run; a name that both give differently is a mistake."""
    for name, value in pairs.items():
        if options.get(name) and options[name] != value:
            option = f"--{name.replace('_', '-')}"
            raise InputError(
                f"{name} is given twice, as {option} {options[name]} and as -p {name}={value}; give it once"
            )
    return options | pairs


def _outcome(folder: Path) -> str:
    """What a script wants to know of a run, as JSON."""
    from genomicslearning.io.run_record import load

    facts = load(folder)
    index = str(folder / "index.html")
    kept = {key: facts[key] for key in ("id", "status", "started", "finished", "inputs", "artifacts", "metrics")}
    return json.dumps({"folder": str(folder), "index": index, **kept}, indent=1)


def parameters(
    as_json: Annotated[bool, typer.Option("--json", help="Print them as JSON, for scripts.")] = False,
) -> None:
    """List every parameter that `run -p NAME=VALUE` sets: its notebooks, type, default, what it may be, and its help.

    Example: genomicslearning parameters
    """
    from genomicslearning.runs.parameters import listed as listed_parameters

    listed = listed_parameters()
    if as_json:
        typer.echo(json.dumps(listed, indent=1))
        return
    for item in listed:
        default = "none" if item["default"] == "" else item["default"]
        typer.echo(f"{coloured(item['name'], bold=True)} ({item['type']}, default {default})")
        typer.echo(f"    {item['help']}" + (f" [{item['allowed']}]" if item["allowed"] else ""))
        typer.echo(f"    of {', '.join(item['notebooks'])}")


def report(
    run: Annotated[str, typer.Argument(help="A run's name or folder.")] = "",
    all_runs: Annotated[bool, typer.Option("--all", help="Every run in the folder, and a page of them all.")] = False,
    zipped: Annotated[bool, typer.Option("--zip", help="Also pack the run into NAME.zip beside its folder.")] = False,
    runs_dir: Annotated[str, RUNS_DIR] = "runs",
) -> None:
    """Render the HTML reports of finished runs again; nothing is executed. With --all, also a page of all runs.

    Example: genomicslearning report latest --zip
    """
    from genomicslearning.io import lake
    from genomicslearning.io.run_record import load
    from genomicslearning.runs.folder import find, folders

    if bool(run) == all_runs:
        raise InputError("give one run, or --all")
    if all_runs and zipped:
        raise InputError("--zip packs one run; give its name instead of --all")
    chosen = folders(runs_dir) if all_runs else [find(run, runs_dir)]
    if not all_runs:
        load(chosen[0])  # a record that is cut or another's is refused before anything is rendered
    packed = chosen[0].with_name(f"{chosen[0].name}.zip") if zipped else None
    if packed:
        lake.check_outputs([packed], chosen)
    from genomicslearning.runs import reports

    if all_runs:
        typer.echo(reports.render_all(chosen, Path(runs_dir)))
        return
    typer.echo(reports.render(chosen[0]))
    if packed:
        from genomicslearning.report.archive import archive

        typer.echo(archive(chosen[0], packed))


def compare(
    first: Annotated[str, typer.Argument(help="A run's name or folder.")],
    second: Annotated[str, typer.Argument(help="Another one.")],
    page: Annotated[Path | None, typer.Option(metavar="FILE.html", help="Also write the comparison as a page.")] = None,
    runs_dir: Annotated[str, RUNS_DIR] = "runs",
    as_json: Annotated[bool, typer.Option("--json", help="Print the comparison as JSON, for scripts.")] = False,
) -> None:
    """Print what differs between two runs: figures with intervals, parameters, inputs, versions.

    Example: genomicslearning compare monday tuesday --page comparison.html
    """
    from genomicslearning.io import lake
    from genomicslearning.runs.compare import READ, as_text, comparison
    from genomicslearning.runs.folder import find

    folders = find(first, runs_dir), find(second, runs_dir)
    if page:
        lake.check_outputs([page], [folder / name for folder in folders for name in READ])
    found = comparison(*folders)
    typer.echo(json.dumps(found, indent=1) if as_json else as_text(found))
    if page:
        from genomicslearning.report.comparison import comparison_page

        say(str(comparison_page(found, page)))


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
    from genomicslearning.cli.doctor import examine

    findings = examine()
    for finding in findings:
        typer.echo(f"{'ok     ' if finding.ok else 'missing'}  {finding.what}: {finding.detail}")
    if not all(finding.ok or finding.optional for finding in findings):
        raise typer.Exit(1)
