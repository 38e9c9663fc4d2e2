"""A run's folder as the runner leaves it, small and made by hand: notebook with outputs, run.json, predictions."""

from __future__ import annotations

import json
from contextlib import contextmanager
from pathlib import Path

import nbformat
import numpy as np
import pandas as pd
from nbformat import v4

METRICS = {
    "roc_auc": 0.8, "roc_auc_ci": [0.75, 0.85], "average_precision": 0.6, "average_precision_ci": [0.5, 0.7],
    "brier": 0.15, "log_loss": 0.45, "ece": 0.02, "accuracy": 0.8, "precision": 0.5, "recall": 0.7,
    "f1": 0.58, "threshold": 0.3, "n": 1234,
    "n_positive": 300, "split": "random", "features": "all", "preset": "quick", "seed": 200,
}  # fmt: skip
PARAMETERS = 'run_dir: str = ""  # folder\nsplit: str = "random"  # random, gene or time\nseed: int = 200  # fixes all'


def code(source: str, *outputs, tags: tuple[str, ...] = ()) -> nbformat.NotebookNode:
    return v4.new_code_cell(source, outputs=list(outputs), execution_count=1, metadata={"tags": list(tags)})


@contextmanager
def captured_outputs():
    """What `report` displays within, as the outputs that a kernel would store."""
    from IPython.core.interactiveshell import InteractiveShell
    from IPython.utils.capture import capture_output

    InteractiveShell.instance()
    outputs: list[nbformat.NotebookNode] = []
    with capture_output() as capture:
        yield outputs
    for shown in capture.outputs:
        outputs.append(v4.new_output("display_data", data=shown.data, metadata=shown.metadata))
    InteractiveShell.clear_instance()


def write_run(folder: Path, outputs=(), *, error=None, status="done", metrics=METRICS, **facts) -> Path:
    """A run of one step, evaluation, whose one cell displayed `outputs`; return its folder."""
    folder.mkdir(parents=True, exist_ok=True)
    cells = [
        v4.new_markdown_cell("# Evaluation\n\nWhat it is."),
        v4.new_markdown_cell("## Parameters"),
        code(PARAMETERS, tags=("parameters",)),
        v4.new_markdown_cell("## Setup"),
        code("import genomicslearning"),
        v4.new_markdown_cell("## Look"),
        code("look()", *outputs, *([error] if error else [])),
    ]
    nbformat.write(v4.new_notebook(cells=cells), folder / "evaluation.ipynb")
    run = {
        "id": folder.name, "started": "2026-01-02T03:04:05Z", "finished": None, "status": status,
        "backend": "local", "git": None, "versions": {"genomicslearning": "0"}, "synthetic": False,
        "parameters": {"seed": 7, "split": "random"},
        "inputs": [{
            "role": "clinvar", "name": "c.vcf.gz", "bytes": 12345, "sha256": "ab" * 32, "fileDate": "2026-01-01",
            "reference": "GRCh38",
        }],
        "artifacts": ["predictions.csv"] if metrics else [], "metrics": metrics,
        "steps": [{"name": "evaluation", "status": status, "seconds": 1.25}],
    }  # fmt: skip
    (folder / "run.json").write_text(json.dumps(run | facts))
    if metrics:
        (folder / "metrics.json").write_text(json.dumps(metrics))
    return folder


def write_predictions(
    folder: Path, *, quality: float, seed: int = 1, rows: int = 600, place: int = 1000
) -> pd.DataFrame:
    """Predictions that tell the classes apart the better the higher `quality` is; the rows are always the same."""
    truth = (np.random.default_rng(0).random(rows) < 0.3).astype(int)
    score = quality * truth + np.random.default_rng(seed).normal(size=rows)
    table = pd.DataFrame(
        {
            "VARIATION_ID": np.arange(rows), "CHROM": "1", "POS": place + np.arange(rows), "REF": "A", "ALT": "G",
            "SYMBOL": [f"GENE{row % 50}" for row in range(rows)], "CLASS": truth,
            "predicted_label": (score > 0.5).astype(int), "probability": 1 / (1 + np.exp(-score)),
        }
    )  # fmt: skip
    table.to_csv(folder / "predictions.csv", index=False)
    return table
