"""Two runs side by side as a page: which is better, whether that is more than chance, and what else differs."""

from __future__ import annotations

from pathlib import Path

from genomicslearning.io.text import page_policy
from genomicslearning.report import text as page_text
from genomicslearning.report.page import write

NAMES = {
    "roc_auc": "ROC AUC", "average_precision": "Average precision", "brier": "Brier score", "log_loss": "Log loss",
    "ece": "Calibration error", "f1": "F1 of conflicting", "precision": "Precision", "recall": "Recall",
    "accuracy": "Accuracy", "threshold": "Threshold", "n": "Test rows", "n_positive": "Conflicting test rows",
}  # fmt: skip
# Stand among the parameters, or above the figures.
_SETTINGS = ("split", "features", "preset", "seed", "bootstrap_seed", "synthetic")
_NO_FIGURES = ("threshold", "n", "n_positive")  # neither better nor worse


def comparison_page(found: dict, target: Path) -> Path:
    """Write a comparison of two runs (`runs.compare.comparison`) as a page; return `target`."""
    first, second = (run["id"] for run in found["runs"])
    synthetic = {bool(run.get("synthetic")) for run in found["runs"]}
    settings = [
        ("Parameters", [(row["name"], _told(row["first"]), _told(row["second"])) for row in found["parameters"]]),
        (
            "Inputs",
            [
                (f"{row['role']} {row['name']}", (row["first"] or "–")[:12], (row["second"] or "–")[:12])
                for row in found["inputs"]
            ],
        ),
        ("Versions", [(row["name"], _shown(row["first"]), _shown(row["second"])) for row in found["versions"]]),
    ]
    page = (
        page_text.templates()
        .get_template("compare.html.j2")
        .render(
            first=first,
            second=second,
            conclusion=_conclusion(found),
            rows_said=found["test_rows"]["words"],
            mixed=len(synthetic) == 2,
            figures=[_figure(row) for row in found["metrics"] if row["name"] not in _SETTINGS],
            settings=settings,
            css=page_text.asset("page.css"),
            policy=page_policy(),
        )
    )
    write(target, page)
    return target


def _conclusion(found: dict) -> str:
    judged = [row for row in found["metrics"] if "words" in row and row["name"] in ("roc_auc", "average_precision")]
    if not found["test_rows"].get("same"):
        return "Which run is better cannot be said from these figures."
    if not judged:
        return "The two rank the same test rows equally well."
    first, second = (run["id"] for run in found["runs"])
    said = []
    for row in judged:
        words = row["words"].replace("the first", first).replace("the second", second)
        said.append(f"{NAMES[row['name']]}: {words} ({_interval(row)})")
    return ". ".join(said) + "."


def _figure(row: dict) -> dict[str, str]:
    untested = "–" if row["name"] in _NO_FIGURES else "not tested"
    return {
        "measure": NAMES.get(row["name"], row["name"].replace("_", " ")),
        "first": _shown(row["first"]),
        "second": _shown(row["second"]),
        "difference": _signed(row["difference"]) if "difference" in row else "–",
        "interval": _interval(row) or "–",
        "words": f"{row['words']} ({row['method']})" if "words" in row else untested,
    }


def _interval(row: dict) -> str:
    return f"{_signed(row['low'])} to {_signed(row['high'])}" if "low" in row else ""


def _signed(value: float) -> str:
    """A difference with its sign; zero has none."""
    text = f"{value:+,}" if isinstance(value, int) else f"{value:+z.4f}"
    return text[1:] if text.strip("+0.") == "" else text


def _told(value: object) -> str:
    return "not given" if value in (None, "") else str(value).lower() if isinstance(value, bool) else _shown(value)


def _shown(value: object) -> str:
    if isinstance(value, float):
        return f"{value:.4f}"
    if isinstance(value, int) and not isinstance(value, bool):
        return f"{value:,}"
    text = str(value)
    return "–" if value in (None, "") else text
