"""Commands that use a finished model: serve it, predict with it, pack it for SageMaker."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from genomicslearning import InputError
from genomicslearning.cli.common import Pick, say

MODEL = Annotated[
    Path,
    typer.Argument(metavar="MODEL", help="A run's folder, for the model that its predictions are of, or a model's."),
]


def serve(
    model: MODEL,
    port: Annotated[int, typer.Option(help="Port; 0 takes a free one.", min=0, max=65535)] = 8080,
    host: Annotated[str, typer.Option(help="Address to listen on; 0.0.0.0 lets other machines in.")] = "127.0.0.1",
    allow_host: Annotated[
        list[str] | None, typer.Option(metavar="NAME", help="Host name that clients may use; repeatable.")
    ] = None,
    token_file: Annotated[
        Path | None, typer.Option(help="File with the token that clients must send; else GENOMICSLEARNING_TOKEN.")
    ] = None,
    quiet: Annotated[bool, typer.Option("--quiet", help="No line a request on stderr.")] = False,
) -> None:
    """Serve a model over HTTP, in SageMaker's protocol (/ping, /invocations) and /health, /metrics; prints its address.

    Example: genomicslearning serve runs/latest --port 8080
    """
    from genomicslearning.runs.folder import model_folder

    folder = model_folder(model)  # before what takes seconds to import
    from genomicslearning.autopilot.model import Model
    from genomicslearning.endpoint import app as application
    from genomicslearning.endpoint import gate, server

    token = gate.read_token(token_file)
    local = server.is_loopback(host)
    hosts = [*(allow_host or ()), *(server.LOOPBACK_NAMES if local else ())]
    if not local and not token:
        say("warning: other machines can ask this server and no token is needed; set GENOMICSLEARNING_TOKEN")
    log = None if quiet else say
    created = application.create(Model.load(folder), token=token, hosts=hosts, log=log)
    server.serve(created, port=port, host=host, ready=typer.echo)


def predict(
    model: MODEL,
    source: Annotated[
        str, typer.Argument(metavar="IN", help="Variants: .csv, .tsv, .gz, .zip, .parquet; or .vcf, .vcf.gz; or s3://.")
    ],
    out: Annotated[
        str, typer.Argument(metavar="OUT", help="Predictions to write: .csv, .parquet (tables), .vcf.gz (VCFs), s3://.")
    ],
    pick: Annotated[Pick, typer.Option(help="VCF: which transcript's annotation a variant gets.")] = Pick.mane,
    csq_key: Annotated[str | None, typer.Option(help="VCF: INFO key of VEP's annotation, if it is not CSQ.")] = None,
    classification: Annotated[
        str | None, typer.Option(metavar="FIELD", help="VCF: INFO key of the classification so far, for `prospective`.")
    ] = None,
    clinvar: Annotated[
        str | None, typer.Option(metavar="RELEASE", help="VCF: a ClinVar release; says which variants it knows.")
    ] = None,
    horizons: Annotated[
        str, typer.Option(metavar="YEARS", help="Whole years ahead for which `prospective` states a chance too.")
    ] = "2 8",
    vep_cache: Annotated[
        str | None, typer.Option(metavar="DIR", help="VCF without annotation: VEP's cache, to annotate it first.")
    ] = None,
    fasta: Annotated[str | None, typer.Option(metavar="FA", help="Goes with --vep-cache: reference FASTA.")] = None,
    plugin_cache: Annotated[str | None, typer.Option(metavar="DIR", help="Goes with --vep-cache: plugins.")] = None,
    program: Annotated[str | None, typer.Option(metavar="PATH", help="Goes with --vep-cache: the annotator.")] = None,
) -> None:
    """Predict every variant of a table or of a VCF, of any size, in its order; CLASS is not needed.

    A model of features `prospective` reads what the one submission said (prior_CLNSIG, prior_CLNDN of a table, or
    --classification of a VCF); then probability_2y and probability_8y stand behind probability.

    A VCF carries VEP's CSQ, or is annotated first (--vep-cache, --fasta). To .vcf.gz its records are written as they
    are, with the INFO keys CONFLICT_P and CONFLICT_LABEL.

    Example: genomicslearning predict runs/latest variants.csv predictions.csv

    Example: genomicslearning predict runs/latest my.vcf.gz answers.csv
    """
    from genomicslearning.io import lake
    from genomicslearning.runs.folder import model_folder

    folder = model_folder(model)  # before what takes seconds to import
    lake.check_there(source, clinvar, vep_cache, fasta, plugin_cache)
    from genomicslearning.endpoint import batch, vcf
    from genomicslearning.history.horizons import years_list

    years = years_list(horizons)
    if vcf.is_vcf(source):
        report = vcf.annotate_and_predict(
            folder, source, out, pick=pick.value, csq_key=csq_key, classification=classification, clinvar=clinvar,
            horizons=years, vep_cache=vep_cache, fasta=fasta, plugin_cache=plugin_cache, program=program, progress=say,
        )  # fmt: skip
        typer.echo(vcf.summary(report))
        return
    options = {"--csq-key": csq_key, "--classification": classification, "--clinvar": clinvar,
               "--vep-cache": vep_cache, "--fasta": fasta, "--plugin-cache": plugin_cache}  # fmt: skip
    if given := [name for name, value in options.items() if value]:
        raise InputError(f"{', '.join(given)}: goes with a VCF; {source} is a table by its name")
    rows = batch.predict_file(folder, source, out, horizons=years, progress=say)
    typer.echo(f"{rows:,} rows predicted in {out}")


def package(
    model: MODEL,
    out: Annotated[str, typer.Argument(metavar="OUT", help="Archive to write: .tar.gz, or s3://.")],
) -> None:
    """Pack a local model as a SageMaker inference archive: the model, the code that serves it, pinned requirements.

    Example: genomicslearning package runs/latest model.tar.gz
    """
    from genomicslearning.runs.folder import model_folder

    folder = model_folder(model)  # before what takes seconds to import
    from genomicslearning.endpoint.package import write

    write(folder, out)
    typer.echo(out)
