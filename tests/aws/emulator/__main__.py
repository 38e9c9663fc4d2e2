"""moto's server with what it lacks: `python -m emulator PORT FOLDER`. Calls are recorded in FOLDER/calls.jsonl."""

import sys
from pathlib import Path

from werkzeug.serving import make_server

from emulator import (
    codebuild,
    codecommit,
    codepipeline,
    glue_jobs,
    here,
    recorder,
    sagemaker_jobs,
    simulation,
    stacks,
    tls,
)  # fmt: skip


def main(port: int, folder: Path) -> None:
    from moto.moto_server.werkzeug_app import DomainDispatcherApplication, create_backend_app

    here.URL, here.FOLDER = f"http://127.0.0.1:{port}", folder
    for plugin in (stacks, codecommit, codebuild, codepipeline, glue_jobs, sagemaker_jobs, simulation, tls):
        plugin.install()
    application = recorder.Recorder(DomainDispatcherApplication(create_backend_app), folder / "calls.jsonl")
    make_server("127.0.0.1", port, application, threaded=True).serve_forever()


main(int(sys.argv[1]), Path(sys.argv[2]))
