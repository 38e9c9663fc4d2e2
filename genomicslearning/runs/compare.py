"""What differs between two runs: figures, with intervals where the rows are the same, parameters, inputs, versions."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from genomicslearning import InputError
from genomicslearning.io import lake
from genomicslearning.io.run_record import load
from genomicslearning.runs import inputs
from genomicslearning.runs.folder import Run

if TYPE_CHECKING:
    import numpy as np
    import pandas as pd

RESAMPLES = 500
#: What of a run is read.
READ = ("run.json", "metrics.json", "predictions.csv")
SITE = ["CHROM", "POS", "REF", "ALT"]
# What a run was told; numbers too, but a difference of them says nothing.
SETTINGS = ("synthetic", "seed", "bootstrap_seed")
# Figures where less is better.
ERRORS = ("brier", "log_loss", "ece")
NAMES = {"roc_auc": "ROC AUC", "average_precision": "average precision", "brier": "Brier score", "ece": "ECE"}


def comparison(first: Path, second: Path) -> dict:
    """What differs between two runs, as plain data.

    Returns
    -------
    dict
        `runs` (two: `id`, `started`, `status`, `synthetic`); `test_rows` (`first`, `second`, `common`, `same`,
        `words`); `metrics`, each with `name`, `first`, `second` and, where both are numbers, `difference` (second minus
        first), and where the test rows are the same `low`, `high` (95 %), `method` and `words`; `parameters`,
        `versions` (`name`, `first`, `second`) and `inputs` (`role`, `name`, `first`, `second`: sha256) that differ.

    Raises
    ------
    InputError
        A run's record is cut off or not a run's.
    """
    one, two = (_loaded(folder) for folder in (first, second))
    rows, intervals = _paired(first, second, one, two)
    return {
        "runs": [{key: facts.get(key) for key in ("id", "started", "status", "synthetic")} for facts in (one, two)],
        "test_rows": rows,
        "metrics": _metrics(one["metrics"] or {}, two["metrics"] or {}, intervals),
        "parameters": _differing(_told(one["parameters"]), _told(two["parameters"])),
        "inputs": _inputs(one["inputs"], two["inputs"]),
        "versions": _differing(one["versions"], two["versions"]),
    }


def as_text(found: dict) -> str:
    """The comparison for a terminal, in columns."""
    one, two = found["runs"]
    lines = [f"{'':28} {one['id']:>24} {two['id']:>24}   second minus first (95 %)"]
    lines.append(found["test_rows"]["words"])
    for row in found["metrics"]:
        said = ""
        if "difference" in row:
            difference = row["difference"]
            said = f"   {difference:+,}" if isinstance(difference, int) else f"   {difference:+.4f}"
        if "low" in row:
            said += f" ({row['low']:+.4f} to {row['high']:+.4f}, {row['method']}): {row['words']}"
        lines.append(f"  {row['name']:26} {_cell(row['first']):>24} {_cell(row['second']):>24}{said}")
    for title in ("parameters", "versions"):
        rows = found[title]
        lines.append(f"{title} that differ" if rows else f"{title}: equal")
        lines += [f"  {row['name']:26} {_cell(row['first']):>24} {_cell(row['second']):>24}" for row in rows]
    lines.append("inputs that differ" if found["inputs"] else "inputs: equal")
    for row in found["inputs"]:
        a, b = (str(row[key] or "–")[:12] for key in ("first", "second"))
        lines.append(f"  {row['role'] + ' ' + row['name']:26} {a:>24} {b:>24}")
    return "\n".join(lines)


def _loaded(folder: Path) -> dict:
    facts = load(folder)
    if not facts:
        raise InputError(f"{folder}: has no run.json, so it is not a run's folder")
    return facts


def _metrics(one: dict, two: dict, intervals: dict[str, dict]) -> list[dict]:
    rows = []
    for name in one | two:
        a, b = one.get(name), two.get(name)
        if a == b or isinstance(a, dict) or isinstance(b, dict) or name.endswith("_ci"):
            continue
        row = {"name": name, "first": a, "second": b}
        if isinstance(a, (int, float)) and isinstance(b, (int, float)) and name not in SETTINGS:
            row["difference"] = b - a
        rows.append(row | intervals.get(name, {}))
    return rows


def _told(parameters: dict) -> dict:
    """A run's parameters, files by their names: what is in them is compared by their checksums."""
    named = {
        name: ", ".join(lake.name(path.rstrip("/")) for path in inputs.named(name, parameters[name]))
        for name in (*inputs.ROLES, *inputs.ANNOTATION)
        if parameters.get(name)
    }
    return {name: value for name, value in (parameters | named).items() if name != "run_dir"}


def _differing(one: dict, two: dict) -> list[dict]:
    return [
        {"name": name, "first": one.get(name), "second": two.get(name)}
        for name in one | two
        if one.get(name) != two.get(name)
    ]


def _inputs(one: list[dict], two: list[dict]) -> list[dict]:
    """Files that only one run read, or that had another content; files of one role and name in their order."""
    keyed = []
    for items in (one, two):
        found: dict[tuple[str, str, int], str] = {}
        for item in items:
            role, name = item.get("role", "input"), item["name"]
            number = sum(key[:2] == (role, name) for key in found)
            found[role, name, number] = item["sha256"]
        keyed.append(found)
    return [
        {"role": key[0], "name": key[1], "first": keyed[0].get(key), "second": keyed[1].get(key)}
        for key in keyed[0] | keyed[1]
        if keyed[0].get(key) != keyed[1].get(key)
    ]


def _paired(first: Path, second: Path, one: dict, two: dict) -> tuple[dict, dict[str, dict]]:
    """What is to be said of the two runs' test rows, and the intervals of differences where the rows are the same."""
    runs = (Run(first), Run(second))
    lacking = [facts["id"] for facts in (one, two) if not facts["metrics"]]
    if lacking or not all(run.predictions.is_file() for run in runs):
        words = f"no figures to compare: {' and '.join(lacking) or 'a run'} has none, or none that are current"
        return {"same": False, "words": words}, {}
    a, b = (_keyed(run.read_predictions()) for run in runs)
    common = int(a.index.isin(b.index).sum())
    rows = {"first": len(a), "second": len(b), "common": common}
    if not a.index.sort_values().equals(b.index.sort_values()):
        words = (
            f"the test rows differ ({len(a):,} and {len(b):,}, {common:,} in both): a difference of figures is of the "
            "rows as well as of the models, so no interval is given"
        )
        return rows | {"same": False, "words": words}, {}
    b = b.loc[a.index] if a.index.is_unique else b
    genes = _gene_groups(runs[0]) if "gene" in (one["metrics"].get("split"), two["metrics"].get("split")) else None
    if genes is not None and len(set(genes)) == 1:
        genes = None  # one group cannot be drawn: rows are
    words = f"the same {len(a):,} test rows: differences are of the models"
    return rows | {"same": True, "words": words}, _intervals(a, b, genes)


def _keyed(predictions: pd.DataFrame) -> pd.DataFrame:
    return predictions.set_index([*SITE, "CLASS"], drop=False)


def _gene_groups(run: Run) -> np.ndarray:
    from genomicslearning.history.splits import gene_groups

    return gene_groups(run.read_test())


def _intervals(a: pd.DataFrame, b: pd.DataFrame, genes: np.ndarray | None) -> dict[str, dict]:
    """95 % intervals of second minus first: DeLong for rows drawn alone, else a paired bootstrap (whole genes)."""
    from genomicslearning.evaluation import comparison as tests
    from genomicslearning.evaluation.scores import Ranking, bootstrap_weights, interval

    labels = a["CLASS"].to_numpy()
    one, two = a["probability"].to_numpy(), b["probability"].to_numpy()
    squared = (two - labels) ** 2 - (one - labels) ** 2
    rankings = [Ranking(labels, score) for score in (two, one)]
    drawn = []
    for weights in bootstrap_weights(labels, groups=genes, resamples=RESAMPLES):
        (auc, precision), (auc_before, precision_before) = (ranking.both(weights) for ranking in rankings)
        brier = (weights @ squared) / weights.sum()
        drawn.append((auc - auc_before, precision - precision_before, brier))
    method = "paired bootstrap of whole genes" if genes is not None else "paired bootstrap"
    found = {
        name: _judged(name, interval([row[column] for row in drawn]), method)
        for column, name in enumerate(("roc_auc", "average_precision", "brier"))
    }
    if genes is None:
        exact = tests.delong_test(labels, two, one)
        found["roc_auc"] = _judged("roc_auc", [exact["low"], exact["high"]], "DeLong")
    return found


def _judged(name: str, limits: list[float], method: str) -> dict:
    low, high = limits
    if not low <= high:  # no interval: a class has one row
        return {}
    better = (high < 0) if name in ERRORS else (low > 0)
    worse = (low > 0) if name in ERRORS else (high < 0)
    words = "the second is better" if better else "the first is better" if worse else "no clear difference"
    return {"low": low, "high": high, "method": method, "words": words}


def _cell(value: object) -> str:
    if isinstance(value, float):
        return f"{value:.4f}"
    if isinstance(value, int) and not isinstance(value, bool):
        return f"{value:,}"
    if isinstance(value, list):
        return " – ".join(_cell(item) for item in value)
    return "–" if value is None or value == "" else str(value)
