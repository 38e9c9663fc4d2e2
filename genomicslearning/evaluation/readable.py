"""Tables of an evaluation as a reader wants them: words for columns, one cell for a figure and its interval."""

from __future__ import annotations

import numpy as np
import pandas as pd

from genomicslearning.evaluation.explain import reasons as _reasons
from genomicslearning.evaluation.split_comparison import TOP
from genomicslearning.training_set.table import gene_symbols

BRIER_PARTS = {
    "brier": "mean squared error of the probability; 0 is perfect",
    "reliability": "gap between predicted and observed, bin by bin; low is good",
    "resolution": "how far the bins' outcomes lie from the mean; high is good",
    "uncertainty": "of the outcome itself, the same for every model",
    "within_bins": "what the 15 bins hide; Brier = reliability − resolution + uncertainty + this",
    "skill": "share of the uncertainty that the model takes away; 0 is no better than the mean",
}
_MEASURES = {"roc_auc": "ROC AUC", "average_precision": "average precision"}
INTERVAL = "(95 %)"


def metrics(figures: dict) -> pd.DataFrame:
    """The single figures of metrics.json; its tables and notes stand elsewhere in the report."""
    shown = {name: value for name, value in figures.items() if not isinstance(value, dict)}
    return pd.DataFrame({"measure": shown.keys(), "value": [_written(value) for value in shown.values()]})


def _written(value: object) -> str:
    if isinstance(value, list):
        return " to ".join(_written(one) for one in value)
    if isinstance(value, float):
        return f"{value:.4f}"
    return "–" if value is None else f"{value:,}" if type(value) is int else str(value)


def leaderboard(table: pd.DataFrame) -> pd.DataFrame:
    """A job's leaderboard; the log loss as such (low is good), dashes for times and weights that do not exist."""
    shown = table.copy()
    if "LogLoss" in shown:
        shown["LogLoss"] = -shown["LogLoss"]
    if "weight" in shown:
        shown["weight"] = shown["weight"].mask(shown["weight"] == 0)
    if "seconds" in shown:
        shown["seconds"] = shown["seconds"].mask(shown["seconds"] == 0).map("{:.1f}".format, na_action="ignore")
    names = {"LogLoss": "log loss", "AveragePrecision": "average precision", "Accuracy": "accuracy"}
    return shown.rename(columns=names)


def models(table: pd.DataFrame) -> pd.DataFrame:
    """Rows of `split_comparison.baseline_table` or `split_comparison.compare_splits`."""
    words = {"split": "split", "model": "model or features", "note": "note"}
    figures = {
        f"{name} {INTERVAL}": _with_interval(table, key, f"{key}_low", f"{key}_high") for key, name in _MEASURES.items()
    } | {
        f"right of the best {TOP:,}": table[f"top_{TOP}"].map("{:.0%}".format, na_action="ignore"),
        "ECE": table["ece"],
        "rows": _count(table["n"]),
        "conflicting": _count(table["n_positive"]),
    }
    named = {words[key]: table[key] for key in ("split", "model") if key in table}
    noted = {"note": table["note"].fillna("")} if "note" in table else {}
    return pd.DataFrame(named | figures | noted)


def differences(table: pd.DataFrame) -> pd.DataFrame:
    """Rows of `compare_models`; p-values are those corrected for all rows."""
    return pd.DataFrame(
        {
            "baseline": table["against"],
            "measure": table["measure"].map(_MEASURES),
            "model's": table["first"],
            "baseline's": table["second"],
            f"difference {INTERVAL}": _with_interval(table, "difference", "low", "high", between=" to "),
            "p": table["p"],
            "p, corrected": table["p_holm"],
        }
    )


def strata(table: pd.DataFrame, by: str) -> pd.DataFrame:
    """Rows of `stratum_table`, in its order."""
    return pd.DataFrame(
        {
            by: table["stratum"],
            "rows": _count(table["rows"]),
            "conflicting": _count(table["conflicting"]),
            "observed": table["observed"].map("{:.1%}".format),
            "predicted": table["predicted"].map("{:.1%}".format),
            f"ROC AUC {INTERVAL}": _with_interval(table, "roc_auc", "low", "high"),
            "ROC AUC, shrunk": table["roc_auc_shrunk"],
            "average precision": table["average_precision"],
        }
    )


def thresholds(table: pd.DataFrame) -> pd.DataFrame:
    """Rows of `threshold_table`."""
    return pd.DataFrame(
        {
            "threshold": table["threshold"].map("{:.2f}".format),
            "precision": table["precision"],
            "recall": table["recall"],
            "F1": table["f1"],
            "alerts per 1,000": table["alerts_per_1000"].map("{:.0f}".format),
            "called, right": _count(table["true_positive"]),
            "called, wrong": _count(table["false_positive"]),
            "missed": _count(table["false_negative"]),
            "rightly left": _count(table["true_negative"]),
        }
    )


def brier(parts: dict) -> pd.DataFrame:
    """Parts of `brier_decomposition`, each with what it is."""
    rows = [(name.replace("_", " "), parts[name], what) for name, what in BRIER_PARTS.items()]
    return pd.DataFrame(rows, columns=["part", "value", "what it is"])


def folds(table: pd.DataFrame) -> pd.DataFrame:
    """Rows of `split_comparison.cross_validation`."""
    figures = {
        f"{name}, mean ± spread": [
            f"{mean:.3f} ± {spread:.3f}" if pd.notna(mean) else "–"
            for mean, spread in zip(table[key], table[f"{key}_spread"], strict=True)
        ]
        for key, name in _MEASURES.items()
        if key in table
    }
    return pd.DataFrame(
        {"split": table["split"], "features": table["model"], **figures, "note": table["note"].fillna("")}
    )


def audit(table: pd.DataFrame) -> pd.DataFrame:
    """Rows of `leakage.block_audit`."""
    return pd.DataFrame(
        {
            "evidence": table["block"],
            "features": table["columns"],
            "ROC AUC alone": table["roc_auc_alone"],
            "ROC AUC without it": table["roc_auc_without"],
            "average precision alone": table["average_precision_alone"],
            "average precision without it": table["average_precision_without"],
            "grows with submitters": table["grows_with_submitters"].map({True: "yes", False: ""}),
        }
    )


def importance(table: pd.DataFrame) -> pd.DataFrame:
    """Rows of `explain.permutation_importance`."""
    return table.rename(
        columns={
            "roc_auc_drop": "ROC AUC lost",
            "average_precision_drop": "average precision lost",
            "spread": "spread of the ROC AUC lost",
        }
    )


def attributions(by_evidence: pd.Series) -> pd.DataFrame:
    """Values of `attributions.by_evidence`, a row each."""
    return by_evidence.rename("mean |SHAP|").rename_axis("evidence").reset_index()


def features(table: pd.DataFrame) -> pd.DataFrame:
    """Rows of `attributions.by_feature`."""
    return table.rename(columns={"mean_abs_shap": "mean |SHAP|"})


def reasons(rows: pd.DataFrame, probability: np.ndarray, parts: pd.DataFrame) -> pd.DataFrame:
    """Variants with their probability and the strongest of its parts (`explain.contributions`) in words."""
    named = rows[["CHROM", "POS", "REF", "ALT", "SYMBOL", "CLASS"]].assign(probability=probability)
    return named.assign(reasons=["; ".join(words) for words in _reasons(parts, rows)]) if parts.size else named.head(0)


def contributions(rows: pd.DataFrame, parts: pd.DataFrame) -> pd.DataFrame:
    """Parts of each variant's probability (`explain.contributions`) in percentage points, a row a kind of evidence, a
    column a variant."""
    symbols = gene_symbols(rows).fillna("")
    named = [f"{symbol} {row.CHROM}:{row.POS}".strip() for symbol, row in zip(symbols, rows.itertuples(), strict=True)]
    return _points(parts).set_axis(named).T.rename_axis("evidence").reset_index()


def strongest(parts: pd.DataFrame, *, top: int = 8) -> pd.DataFrame:
    """The largest parts of the first variant's probability in percentage points, whichever their sign."""
    first = parts.iloc[0].sort_values(key=abs, ascending=False).head(top)
    return _points(first.rename("points").to_frame()).rename_axis("column").reset_index()


def _points(parts: pd.DataFrame) -> pd.DataFrame:
    return parts.map(lambda part: f"{100 * part:z.1f}", na_action="ignore")


def second_submissions(table: pd.DataFrame) -> pd.DataFrame:
    """Rows of `selection.second_submissions`."""
    return pd.DataFrame(
        {
            "by": table["by"],
            "group": table["group"],
            "variants": _count(table["variants"]),
            f"several submitters later {INTERVAL}": [
                f"{row.share:.0%} ({row.low:.0%} to {row.high:.0%})" for row in table.itertuples()
            ],
        }
    )


def _with_interval(table: pd.DataFrame, value: str, low: str, high: str, *, between: str = "–") -> list[str]:
    cells = zip(table[value], table[low], table[high], strict=True)
    texts = [
        "–" if pd.isna(middle) else f"{middle:.3f}" if pd.isna(one) else f"{middle:.3f} ({one:.3f}{between}{two:.3f})"
        for middle, one, two in cells
    ]
    return [text.replace(" ", "\N{NO-BREAK SPACE}") for text in texts]


def _count(numbers: pd.Series) -> pd.Series:
    return numbers.map("{:,.0f}".format, na_action="ignore")
