"""A run's index page: what the model can be used for, what to do next, and where everything is."""

from __future__ import annotations

import ast
import json
import re
import shlex
from pathlib import Path

import nbformat

from genomicslearning import InputError
from genomicslearning.io.text import page_policy
from genomicslearning.report import text as page_text
from genomicslearning.report.page import SYNTHETIC, marked, read_notebook, run_record, write

STEPS = {
    "data_prep": "Which records became rows, which were left out and why; how the classes lie",
    "variant_classifier-autopilot": "Which candidates competed, which won, and by how much",
    "variant_predictor": "A probability for every test variant, and how the labels fit",
    "evaluation": "What the predictions can be trusted for, and for which variants not",
    "release_changes": "What changed between two releases",
}
JOB_NOTEBOOKS = {
    "data_exploration": "The training rows, column by column, and what may mislead a model",
    "candidate_definition": "The candidates as code, to edit and run for a model of your own",
}
FILES = {
    "data/training_set.csv": "The training set: a row a variant, the 46 columns",
    "data/training_set.parquet": "The same with VARIATION_ID, GENEINFO and CONFLICT",
    "data/training_set.parquet.report.json": "Where every record went: written, dropped for a reason, quarantined",
    "data/train.csv": "The rows that the model learnt from",
    "data/test.csv": "The rows that it is judged by",
    "data/test.parquet": "The test rows with the columns beside the 46",
    "autopilot/job.json": "Which job the predictions come from, and its settings",
    "predictions.csv": "Every test variant with its class, predicted label and probability",
    "metrics.json": "The figures of this page for programs",
    "model_card.md": "The model card: intended use, data, figures, limits",
    "watchlist/watchlist.html": "The watch list as a page that filters and sorts",
    "watchlist/watchlist.csv": "Every single-submitter variant of the release, ranked",
    "watchlist/watchlist.json": "The watch list's counts, inputs and warnings",
    "run.json": "Everything about the run for programs",
}
ANSWERS = {
    "yes": ("yes", "Use it to"),
    "with limits": ("limits", "Use it, with limits, to"),
    "no": ("no", "Do not use it to"),
}
FLATTERS = (
    "These figures flatter. The test rows were drawn at random from the same genes as the training rows, and features "
    "“all” read lists of conditions and sources that grow with every laboratory that submits. A variant on your bench "
    "has one submission or none and so lacks that evidence: expect it to be judged worse than here."
)

_SAID_ABOVE = "The data is synthetic"  # every page of such a run has it in its head


def render_index(folder: Path) -> Path:
    """Write a run's `index.html` from its `run.json` and executed notebooks; return its path.

    Raises
    ------
    InputError
        There is no `run.json`.
    """
    run = run_record(folder)
    if run is None:
        raise InputError(f"{folder}: has no run.json, so it is not a run's folder, or no longer; run it again")
    outdated = {step["name"] for step in run["steps"] if step["status"] == "stale" or step.get("by_hand")}
    # Figures of a model that is no longer the run's are not shown.
    metrics = None if outdated else _json(folder / "metrics.json")
    # What the reader came for is judged last and stands first.
    notebooks = {step["name"]: folder / f"{step['name']}.ipynb" for step in reversed(run["steps"])}
    read = {name: read_notebook(path) for name, path in notebooks.items() if path.is_file()}
    changed, unchanged = _parameters(run, reversed(read.values()))
    page = (
        page_text.templates()
        .get_template("index.html.j2")
        .render(
            run=run,
            tiles=_tiles(metrics) if metrics else [],
            flatters=FLATTERS if metrics and (metrics["split"], metrics["features"]) == ("random", "all") else "",
            next=next_commands(run, metrics, folder.absolute().parent.name),
            reports=_reports(folder, run),
            files=_files(folder, run),
            changed=changed,
            unchanged=unchanged,
            synthetic=SYNTHETIC if run.get("synthetic") else "",
            css=page_text.asset("page.css"),
            policy=page_policy(),
            **quoted({name: nb for name, nb in read.items() if name not in outdated}),
        )
    )
    target = folder / "index.html"
    write(target, page)
    return target


def quoted(notebooks: dict[str, nbformat.NotebookNode]) -> dict:
    """The outputs that asked to be repeated on the index page: uses, verdicts, warnings, figures."""
    found: dict[str, list] = {"uses": [], "verdicts": [], "warnings": [], "figures": []}
    for step, nb in notebooks.items():
        for marks, output in marked(nb):
            if marks.get("uses"):
                found["uses"] = _uses(marks["uses"])
            elif "verdict" in marks:
                found["verdicts"].append(marks["verdict"])
            if "warning" in marks and not marks["warning"].startswith(_SAID_ABOVE):
                found["warnings"].append({"step": step, "text": marks["warning"]})
            if marks.get("headline"):
                png = output["data"]["image/png"].replace("\n", "")
                found["figures"].append({"step": step, "png": png, "alt": output["data"]["text/plain"]})
    return found


def _uses(answers: list[dict]) -> list[dict]:
    """The verdict's answers as lists under "Use it to …", "Do not use it to …"."""
    parts = []
    for answer, (kind, heading) in ANSWERS.items():
        chosen = [
            {
                "question": one["question"].rstrip("?")[:1].lower() + one["question"].rstrip("?")[1:],
                "because": one["because"],
            }
            for one in answers
            if one["answer"] == answer
        ]
        if chosen:
            parts.append({"kind": kind, "heading": heading, "uses": chosen})
    return parts


def _tiles(metrics: dict) -> list[tuple[str, str, str]]:
    """Headline figures as (name, value, detail); a figure that does not exist is a dash."""
    conflicting = f"{100 * metrics['n_positive'] / metrics['n']:.1f} % conflicting" if metrics["n"] else ""
    precision, recall, threshold = (figure(metrics[key], 2) for key in ("precision", "recall", "threshold"))
    at = f"precision {precision}, recall {recall} at {threshold}"
    settings = ", ".join(f"{key} {metrics[key]}" for key in ("features", "preset", "seed") if key in metrics)
    return [
        ("ROC AUC", figure(metrics["roc_auc"]), interval(metrics.get("roc_auc_ci"))),
        ("Average precision", figure(metrics["average_precision"]), interval(metrics.get("average_precision_ci"))),
        ("F1 of conflicting", figure(metrics["f1"]), at),
        ("Calibration error", figure(metrics["ece"]), f"Brier score {figure(metrics['brier'])}"),
        ("Test rows", f"{metrics['n']:,}", conflicting),
        ("Split", str(metrics["split"]), settings),
    ]


def figure(value: float | None, digits: int = 3) -> str:
    """A figure with fixed decimals, a dash where it does not exist."""
    return "–" if value is None or value != value else f"{value:.{digits}f}"


def interval(bounds: list | None) -> str:
    """A 95 % interval in words, empty where there is none."""
    if not bounds or None in bounds:
        return ""
    return f"95 % interval {bounds[0]:.3f} to {bounds[1]:.3f}"


def next_commands(run: dict, metrics: dict | None, runs_dir: str = "runs") -> list[dict]:
    """The commands to run after this one, beside the folder of runs of this name: each with the reason for it."""
    name, data = run["id"], _data_options(run)
    elsewhere = "" if runs_dir == "runs" else f" --runs-dir {shlex.quote(runs_dir)}"
    steps = []
    if run["status"] in ("stale", "unfinished"):
        why = "Notebooks were executed by hand. To bring every step and its report up to date with their parameters:"
        steps.append((why, f"run --name {name}{elsewhere} --resume"))
    elif run["status"] != "done":
        steps.append(
            ("When its cause is mended, go on where the run stopped:", f"run{data} --name {name}{elsewhere} --resume")
        )
    elif run.get("synthetic"):
        own = "run --clinvar clinvar.vcf.gz --annotated clinvar.annotated.vcf.gz --name first"
        steps.append(("This was the sample. With data of your own:", own))
    if metrics and run["status"] == "done":
        if metrics["split"] == "random":
            why = "How well does it do in genes that it has never seen, without evidence that grows with submitters?"
            genes = _name_with(name, "-genes")
            steps.append((why, f"run{data} --split gene --features biology --name {genes}{elsewhere}"))
            steps.append(("Then hold the two against each other:", f"compare {name} {genes}{elsewhere}"))
        elif metrics["split"] == "gene":
            why = "What will become of variants with one submitter? It takes earlier releases of ClinVar, oldest first:"
            command = f"run{data} --split time --features prospective --earlier OLD.vcf.gz --earlier NEWER.vcf.gz"
            steps.append((why, f"{command} --name {_name_with(name, '-time')}{elsewhere}"))
        if any(item.endswith("/model/") for item in run["artifacts"]):
            why = "Predict variants of your own, a table with the same columns:"
            steps.append((why, f"predict {shlex.quote(runs_dir)}/{name} variants.csv predictions.csv"))
    return [{"why": why, "command": f"genomicslearning {command}"} for why, command in steps]


def _name_with(name: str, ending: str) -> str:
    """A run's name with something behind it, not longer than a name may be."""
    return f"{name[: 64 - len(ending)]}{ending}"


def _data_options(run: dict) -> str:
    """The options that name the run's data, by file name only, and the preset that it was told."""
    told = run["parameters"]
    annotation = ("vep_cache", "fasta") if told.get("vep_cache") else ("annotated",)
    keys = ("clinvar", *annotation, "training_set", "preset")
    return "".join(
        f" --{key.replace('_', '-')} {shlex.quote(Path(str(told[key])).name)}" for key in keys if told.get(key)
    )


def _reports(folder: Path, run: dict) -> list[dict]:
    rows = []
    for step in run["steps"]:
        name = step["name"]
        rows.append(
            _report(folder, f"{name}.ipynb", STEPS.get(name, ""))
            | {"status": _status(step), "seconds": figure(step.get("seconds"), 1)}
        )
    for path in sorted(folder.glob("autopilot/*/notebooks/*.ipynb")):
        if path.stem in JOB_NOTEBOOKS:
            job = path.parent.parent.name
            of_this_run = f"autopilot/{job}/model/" in run["artifacts"]
            rows.append(
                _report(folder, path.relative_to(folder).as_posix(), JOB_NOTEBOOKS[path.stem])
                | {"status": "written by the job" if of_this_run else f"of an earlier job, {job}", "seconds": "–"}
            )
    return rows


def _status(step: dict) -> str:
    """A step's status in words, and whether its report is of what the run holds now."""
    if step["status"] == "stale":
        return "stale: a step before it was executed again"
    return "executed by hand; its report is of an earlier execution" if step.get("by_hand") else step["status"]


def _report(folder: Path, notebook: str, about: str) -> dict:
    page = notebook.removesuffix(".ipynb") + ".html"
    return {
        "name": Path(notebook).stem,
        "file": Path(notebook).name,
        "about": about,
        "page": page if (folder / page).is_file() else "",
        "notebook": notebook if (folder / notebook).is_file() else "",
    }


def _files(folder: Path, run: dict) -> list[dict]:
    rows = []
    for name in [*run["artifacts"], "run.json"]:
        path = folder / name
        if path.exists():
            about = FILES.get(name) or ("The model, in formats that load no code" if name.endswith("model/") else "")
            rows.append({"name": name, "about": about, "bytes": path.stat().st_size if path.is_file() else None})
    return rows


_PARAMETER = re.compile(r"^(?P<name>\w+): \w+ = (?P<default>.+?)(?:  # (?P<help>.*))?$", re.MULTILINE)


def _parameters(run: dict, notebooks) -> tuple[list[dict], list[dict]]:
    """The run's parameters: those that differ from the notebooks' defaults, and the rest."""
    declared: dict[str, tuple[object, str]] = {}
    for nb in notebooks:
        for cell in nb.cells:
            if "parameters" in cell.metadata.get("tags", []):
                for line in _PARAMETER.finditer(cell.source):
                    declared.setdefault(line["name"], (ast.literal_eval(line["default"]), line["help"] or ""))
    changed: list[dict] = []
    unchanged: list[dict] = []
    for name, value in sorted(run["parameters"].items()):
        default, about = declared.get(name, (value, ""))
        if name != "run_dir":
            row = {"name": name, "value": _file_names(value), "default": _file_names(default), "help": about}
            (unchanged if value == default else changed).append(row)
    return changed, unchanged


def _file_names(value: object) -> str:
    """A parameter's value; of files, their names without their folders."""
    text = str(value)
    if text.startswith("["):
        try:
            return ", ".join(_file_names(one) for one in json.loads(text)) or "–"
        except json.JSONDecodeError:
            return text
    return Path(text).name if text.startswith("/") else "–" if value in ("", None) else text


def _json(path: Path) -> dict | None:
    return json.loads(path.read_text(encoding="utf-8")) if path.is_file() else None
