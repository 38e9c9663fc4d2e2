"""Pictures of an evaluation. `plot_…` draws on an axes; its `describe_…` says in words and numbers what it shows.

Colours are Okabe and Ito's (2008), which colour-blind readers can tell apart; lines differ in style as well.
"""

from __future__ import annotations

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd

from genomicslearning.evaluation.scores import average_precision, roc_auc

BLUE, ORANGE, GREEN, PURPLE, GREY, BLACK = "#0072B2", "#D55E00", "#009E73", "#CC79A7", "#767676", "#000000"


def _axes(ax, size=(6.4, 5.2)):
    return plt.subplots(figsize=size, layout="constrained")[1] if ax is None else ax


def _share(ax, *, x: str, y: str, title: str) -> None:
    ax.set(xlabel=x, ylabel=y, title=title, xlim=(0, 1), ylim=(0, 1.02))
    ax.grid(alpha=0.25)


def label(name: object, longest: int = 42) -> str:
    """A group's name beside its bar; a very long one ends in an ellipsis, so that the figure keeps its width."""
    text = str(name)
    return text if len(text) <= longest else f"{text[: longest - 1]}…"


def _legend_below(ax) -> None:
    """A legend under the axis label, where no curve can run through it."""
    ax.legend(loc="upper center", bbox_to_anchor=(0.5, -0.13), frameon=False, fontsize="small")


def plot_roc(band: pd.DataFrame, *, auc: float, ci, ax=None):
    """ROC curve with its bootstrap band; `band` from `roc_band`, `auc` and `ci` from `metrics`."""
    ax = _axes(ax)
    ax.fill_between(band["fpr"], band["low"], band["high"], color=BLUE, alpha=0.2, lw=0, label="95 % bootstrap band")
    ax.plot(band["fpr"], band["tpr"], color=BLUE, lw=2, label=f"model, AUC {auc:.3f} ({ci[0]:.3f} to {ci[1]:.3f})")
    ax.plot([0, 1], [0, 1], color=GREY, ls="--", lw=1, label="chance, AUC 0.500")
    _share(
        ax,
        x="agreeing variants called (false-positive rate)",
        y="conflicting variants called (recall)",
        title="ROC curve",
    )
    _legend_below(ax)
    return ax


def describe_roc(band: pd.DataFrame, *, auc: float, ci) -> str:
    """What `plot_roc` shows, with its numbers."""
    at = band.iloc[(band["fpr"] - 0.1).abs().argmin()]
    return (
        f"ROC curve: area {auc:.3f}, 95 % interval {ci[0]:.3f} to {ci[1]:.3f}. At a false-positive rate of 10 % it "
        f"finds {at['tpr']:.0%} of the conflicting variants (band {at['low']:.0%} to {at['high']:.0%})."
    )


def plot_precision_recall(band: pd.DataFrame, *, ap: float, ci, prevalence: float, ax=None):
    """Precision against recall with its bootstrap band; `band` from `precision_recall_band`."""
    ax = _axes(ax)
    ax.fill_between(
        band["recall"], band["low"], band["high"], color=ORANGE, alpha=0.2, lw=0, label="95 % bootstrap band"
    )
    ax.plot(
        band["recall"], band["precision"], color=ORANGE, lw=2, label=f"model, AP {ap:.3f} ({ci[0]:.3f} to {ci[1]:.3f})"
    )
    ax.axhline(prevalence, color=GREY, ls="--", lw=1, label=f"chance, {prevalence:.3f}")
    _share(
        ax, x="conflicting variants called (recall)", y="calls that are right (precision)", title="Precision and recall"
    )
    _legend_below(ax)
    return ax


def describe_precision_recall(band: pd.DataFrame, *, ap: float, ci, prevalence: float) -> str:
    """What `plot_precision_recall` shows, with its numbers."""
    at = band.iloc[(band["recall"] - 0.5).abs().argmin()]
    return (
        f"Precision-recall curve: average precision {ap:.3f}, 95 % interval {ci[0]:.3f} to {ci[1]:.3f}, chance "
        f"{prevalence:.3f}. At 50 % recall, precision is {at['precision']:.0%} "
        f"(band {at['low']:.0%} to {at['high']:.0%})."
    )


def plot_calibration(table: pd.DataFrame, *, ece: float, ax=None):
    """Observed against predicted; `table` from `calibration_table`."""
    ax = _axes(ax)
    error = np.abs(np.vstack([table["observed"] - table["low"], table["high"] - table["observed"]]))
    ax.plot([0, 1], [0, 1], color=GREY, ls="--", lw=1, label="perfect")
    of = f"{len(table)} bins of {table['rows'].min():,} rows or more"
    ax.errorbar(
        table["predicted"], table["observed"], yerr=error, color=BLUE, marker="o", ms=5, capsize=2,
        label=f"model, 95 %\n({of})",
    )  # fmt: skip
    _share(ax, x="predicted probability (mean of bin)", y="share that conflicts", title=f"Calibration, ECE {ece:.3f}")
    ax.legend(loc="upper left", frameon=False)
    return ax


def describe_calibration(table: pd.DataFrame, *, ece: float) -> str:
    """What `plot_calibration` shows, with its numbers."""
    worst = table.loc[(table["observed"] - table["predicted"]).abs().idxmax()]
    return (
        f"Calibration in {len(table)} bins of equal count: expected calibration error {ece:.3f}. The largest gap is "
        f"where {worst['predicted']:.0%} is predicted and {worst['observed']:.0%} conflict."
    )


def plot_thresholds(table: pd.DataFrame, *, threshold: float, ax=None):
    """Precision, recall, F1 and share called at each threshold; `table` from `threshold_table`."""
    ax = _axes(ax)
    styles = {"precision": (BLUE, "-"), "recall": (ORANGE, "--"), "f1": (GREEN, "-.")}
    for name, (colour, style) in styles.items():
        ax.plot(table["threshold"], table[name], color=colour, ls=style, lw=2, label="F1" if name == "f1" else name)
    ax.plot(
        table["threshold"],
        table["alerts_per_1000"] / 1000,
        color=PURPLE,
        ls=":",
        lw=2,
        label="share of variants called",
    )
    ax.axvline(threshold, color=BLACK, lw=1, label=f"chosen threshold {threshold:.3f}")
    _share(ax, x="threshold on the probability", y="share", title="What each threshold gives")
    ax.legend(loc="upper center", bbox_to_anchor=(0.46, -0.14), ncols=3, frameon=False, fontsize=9.5, columnspacing=1)
    return ax


def describe_thresholds(table: pd.DataFrame, *, threshold: float) -> str:
    """What `plot_thresholds` shows, with its numbers."""
    at = table.iloc[(table["threshold"] - threshold).abs().argmin()]
    best = table.loc[table["f1"].idxmax()]
    precision = "no precision (nothing is called)" if np.isnan(at["precision"]) else f"precision {at['precision']:.0%}"
    return (
        f"Precision, recall and F1 at each threshold. Near the chosen {threshold:.3f}: "
        f"{precision}, recall {at['recall']:.0%}, "
        f"{at['alerts_per_1000']:.0f} alerts per 1,000 variants. "
        f"F1 is highest, {best['f1']:.3f}, at {best['threshold']:.2f}."
    )


def plot_cost(table: pd.DataFrame, *, missed: float, false_alert: float, ax=None):
    """Cost at each threshold; `table` from `cost_curve` with the same costs."""
    ax = _axes(ax)
    best = table.loc[table["cost_per_1000"].idxmin()]
    ax.plot(table["threshold"], table["cost_per_1000"], color=BLUE, lw=2)
    ax.plot(best["threshold"], best["cost_per_1000"], "o", color=ORANGE, ms=8)
    ax.annotate(
        f"lowest at {best['threshold']:.2f}",
        (best["threshold"], best["cost_per_1000"]),
        (0, -12),
        textcoords="offset points",
        ha="left" if best["threshold"] < 0.15 else "center",
        va="top",
    )
    ax.set(
        xlabel="threshold on the probability",
        ylabel="cost per 1,000 variants",
        title=f"Cost: missed conflict {missed:g}, false alert {false_alert:g}",
        xlim=(0, 1),
        ylim=(0, None),
    )
    ax.yaxis.set_major_formatter("{x:,.0f}")
    ax.grid(alpha=0.25)
    return ax


def describe_cost(table: pd.DataFrame, *, missed: float, false_alert: float) -> str:
    """What `plot_cost` shows, with its numbers."""
    best = table.loc[table["cost_per_1000"].idxmin()]
    return (
        f"Cost per 1,000 variants when a missed conflict costs {missed:g} and a false alert {false_alert:g}: lowest, "
        f"{best['cost_per_1000']:,.0f}, at threshold {best['threshold']:.2f}; "
        f"calling nothing costs {table['cost_per_1000'].iloc[-1]:,.0f}."
    )


def plot_confusion(labels, predicted, *, ax=None):
    """Confusion matrix with counts and the share of each row."""
    ax = _axes(ax, (5.2, 4.4))
    counts = confusion(labels, predicted)
    share = counts / counts.sum(axis=1, keepdims=True).clip(min=1)
    ax.imshow(share, cmap="Blues", vmin=0, vmax=1)
    for (row, column), count in np.ndenumerate(counts):
        colour = "white" if share[row, column] > 0.55 else "black"
        ax.text(column, row, f"{count:,}\n{share[row, column]:.0%} of row", ha="center", va="center", color=colour)
    ax.grid(False)
    ax.set_xticks([0, 1], ["agreeing", "conflicting"])
    ax.set_yticks([0, 1], ["agreeing", "conflicting"], rotation=90, va="center")
    ax.set(xlabel="predicted", ylabel="truth", title="Confusion matrix")
    return ax


def describe_confusion(labels, predicted) -> str:
    """What `plot_confusion` shows, with its numbers."""
    counts = confusion(labels, predicted)
    return (
        f"Confusion matrix: of {counts[1].sum():,} conflicting variants {counts[1, 1]:,} are called and "
        f"{counts[1, 0]:,} missed; of {counts[0].sum():,} agreeing ones {counts[0, 1]:,} are called by mistake."
    )


def confusion(labels, predicted) -> np.ndarray:
    """Counts, truth in rows and prediction in columns."""
    pairs = 2 * np.asarray(labels).astype(int) + np.asarray(predicted).astype(int)
    return np.bincount(pairs, minlength=4).reshape(2, 2)


def plot_precision_at(table: pd.DataFrame, *, prevalence: float, ax=None):
    """Precision among the top scores; `table` from `precision_at`."""
    ax = _axes(ax, (5.6, 4.2))
    places = np.arange(len(table))
    error = np.abs(np.vstack([table["precision"] - table["low"], table["high"] - table["precision"]]))
    ax.bar(places, table["precision"], yerr=error, color=BLUE, width=0.6, capsize=4)
    ax.axhline(prevalence, color=GREY, ls="--", lw=1, label=f"chance, {prevalence:.0%}")
    for place, value in zip(places, table["precision"], strict=True):
        ax.text(place, 0.02, f"{value:.0%}", ha="center", color="white", fontweight="bold")
    ax.set_xticks(places, [f"top {top:,}" for top in table["top"]])
    ax.set(ylabel="share that conflicts", ylim=(0, 1.02), title="Precision among the highest scores")
    ax.grid(visible=False, axis="x")
    _legend_below(ax)
    return ax


def describe_precision_at(table: pd.DataFrame, *, prevalence: float) -> str:
    """What `plot_precision_at` shows, with its numbers."""
    parts = [
        f"{row.precision:.0%} of the top {row.top:,} ({row.low:.0%} to {row.high:.0%})" for row in table.itertuples()
    ]
    return f"Share that conflicts among the highest scores: {', '.join(parts)}; chance is {prevalence:.0%}."


def plot_strata(table: pd.DataFrame, *, by: str, overall: float, limit: int = 20, ax=None):
    """AUC in each group with its interval; `table` from `stratum_table`. Groups without both classes are left out."""
    shown = table[table["roc_auc"].notna()].head(limit)
    shown = shown.iloc[::-1]
    ax = _axes(ax, (7.2, 1.6 + 0.3 * max(len(shown), 3)))
    places = np.arange(len(shown))
    ax.hlines(places, shown["low"], shown["high"], color=BLUE, lw=2)
    ax.plot(shown["roc_auc"], places, "o", color=BLUE, label="as measured, 95 % interval")
    ax.plot(shown["roc_auc_shrunk"], places, "D", color=ORANGE, ms=5, label="shrunk towards the mean")
    ax.axvline(overall, color=GREY, ls="--", lw=1, label=f"all rows, {overall:.3f}")
    ax.set_ylim(-0.6, len(shown) - 0.4)
    ax.set_yticks(places, [f"{label(row.stratum)} ({row.rows:,})" for row in shown.itertuples()])
    ax.set(xlabel="ROC AUC", title=f"By {by} (rows in brackets)", xlim=(min(0.4, shown["low"].min() - 0.02), 1.0))
    ax.grid(alpha=0.25, axis="x")
    # Of the figure and not of the axes: beside long names these are narrower than the legend.
    ax.figure.legend(loc="outside lower center", ncols=3, frameon=False, fontsize=9.5, columnspacing=1)
    return ax


def describe_strata(table: pd.DataFrame, *, by: str, overall: float) -> str:
    """What `plot_strata` shows, with its numbers."""
    known = table[table["roc_auc"].notna()]
    if known.empty:
        return f"By {by}: no group has both classes."
    low, high = known.loc[known["roc_auc_shrunk"].idxmin()], known.loc[known["roc_auc_shrunk"].idxmax()]
    if len(known) == 1:
        return f"ROC AUC by {by} in 1 group, {low['stratum']}: {low['roc_auc']:.3f} ({low['rows']:,} rows)."
    return (
        f"ROC AUC by {by} in {len(known)} groups, all rows {overall:.3f}. Lowest after shrinkage: {low['stratum']}, "
        f"{low['roc_auc_shrunk']:.3f} ({low['rows']:,} rows). Highest: {high['stratum']}, {high['roc_auc_shrunk']:.3f} "
        f"({high['rows']:,} rows)."
    )


def plot_scores(labels, probabilities, *, threshold: float | None = None, ax=None):
    """How the scores of agreeing and conflicting variants are spread."""
    ax = _axes(ax)
    labels, probabilities = np.asarray(labels), np.asarray(probabilities)
    bins = np.linspace(0, 1, 41)
    ax.hist(
        probabilities[labels == 0],
        bins,
        density=True,
        color=BLUE,
        alpha=0.55,
        label=f"agreeing, {(labels == 0).sum():,}",
    )
    ax.hist(
        probabilities[labels == 1],
        bins,
        density=True,
        histtype="step",
        color=ORANGE,
        lw=2,
        label=f"conflicting, {(labels == 1).sum():,}",
    )
    if threshold is not None:
        ax.axvline(threshold, color=BLACK, lw=1, label=f"threshold {threshold:.3f}")
    ax.set(xlabel="predicted probability", ylabel="density", title="Scores by class", xlim=(0, 1))
    ax.legend(frameon=False)
    return ax


def describe_scores(labels, probabilities, *, threshold: float | None = None) -> str:
    """What `plot_scores` shows, with its numbers."""
    labels, probabilities = np.asarray(labels), np.asarray(probabilities)
    zero, one = (np.median(probabilities[labels == value]) for value in (0, 1))
    return (
        f"Distribution of predicted probabilities: median {zero:.2f} for {int((labels == 0).sum()):,} agreeing "
        f"and {one:.2f} for {int((labels == 1).sum()):,} conflicting variants; "
        f"ROC AUC {roc_auc(labels, probabilities):.3f}, "
        f"average precision {average_precision(labels, probabilities):.3f}."
    )
