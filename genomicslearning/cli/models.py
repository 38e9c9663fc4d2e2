"""Commands that use a finished model: serve it, predict with it, pack it for SageMaker."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from genomicslearning.cli.common import say


def serve(
    model_dir: Annotated[Path, typer.Argument(help="Model folder that an Autopilot job left.")],
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

    Example: genomicslearning serve runs/latest/autopilot/variant-classifier/model --port 8080
    """
    from genomicslearning.autopilot.model import Model
    from genomicslearning.endpoint import app as application
    from genomicslearning.endpoint import gate, server

    token = gate.read_token(token_file)
    local = server.is_loopback(host)
    hosts = [*(allow_host or ()), *(server.LOOPBACK_NAMES if local else ())]
    if not local and not token:
        say("warning: other machines can ask this server and no token is needed; set GENOMICSLEARNING_TOKEN")
    log = None if quiet else say
    created = application.create(Model.load(model_dir), token=token, hosts=hosts, log=log)
    server.serve(created, port=port, host=host, ready=typer.echo)


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
