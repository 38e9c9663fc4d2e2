"""What SageMaker's containers look for in an inference archive; also serves the archive by itself.

The four functions are the contract of SageMaker's inference toolkit. `python code/inference.py` in the unpacked archive
serves `/ping` and `/invocations` without any toolkit.
"""

from __future__ import annotations

import argparse
import os
from pathlib import Path

from genomicslearning.autopilot.model import Model
from genomicslearning.endpoint import wire

OUTPUT = "SAGEMAKER_INFERENCE_OUTPUT"  # Autopilot's own containers read the same variable
PORT = "SAGEMAKER_BIND_TO_PORT"


def model_fn(model_dir: str) -> Model:
    """The model in the folder that the archive was unpacked to."""
    return Model.load(Path(model_dir, "model"))


def input_fn(body: bytes | str, content_type: str):
    """Rows of a request."""
    return wire.read_rows(body.encode() if isinstance(body, str) else bytes(body), content_type)


def predict_fn(table, model: Model):
    """Labels and probabilities of rows."""
    return wire.predictions(model.predict(table), model.threshold)


def output_fn(answer, accept: str) -> tuple[bytes, str]:
    """The answer's text and its content type."""
    kind = wire.choose_format(accept, wire.CSV)
    return wire.write_predictions(answer, wire.choose_outputs(os.environ.get(OUTPUT)), kind), kind


def main() -> None:
    """Serve the packaged model, as SageMaker starts the container."""
    from genomicslearning.endpoint import app, gate, server

    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("--host", default="127.0.0.1", help="0.0.0.0 in a container")
    options.add_argument("--port", type=int, default=int(os.environ.get(PORT, 8080)))
    chosen = options.parse_args()
    archive = Path(__file__).resolve().parent.parent
    token = gate.read_token(None)
    served = app.create(model_fn(str(archive)), wire.choose_outputs(os.environ.get(OUTPUT)), token=token)
    server.serve(served, host=chosen.host, port=chosen.port, ready=lambda address: print(address, flush=True))


if __name__ == "__main__":
    main()
