"""Picture of the comparison of splits."""

from __future__ import annotations

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd

COLOURS = {"random": "#0072B2", "gene": "#D55E00", "time": "#009E73"}
MARKS = {"random": "o", "gene": "s", "time": "D"}


def plot_splits(table: pd.DataFrame, *, ax=None):
    """ROC AUC of every model under every split, with 95 % intervals; marked contrasts are hollow."""
    known = table[table["roc_auc"].notna()]
    names = list(dict.fromkeys(known["model"]))[::-1]
    if ax is None:
        ax = plt.subplots(figsize=(8, 1.6 + 0.45 * len(names)), layout="constrained")[1]
    for number, (kind, rows) in enumerate(known.groupby("split", sort=False)):
        for row in rows.itertuples():
            place = names.index(row.model) + 0.22 * (1 - number)
            hollow = str(row.note).startswith("CONTRAST")
            ax.hlines(place, row.roc_auc_low, row.roc_auc_high, color=COLOURS[kind], lw=2)
            ax.plot(row.roc_auc, place, MARKS[kind], color=COLOURS[kind], mfc="white" if hollow else COLOURS[kind])
        ax.plot([], [], MARKS[kind], color=COLOURS[kind], label=f"{kind} split")
    if known["note"].str.startswith("CONTRAST").any():
        ax.plot([], [], MARKS["time"], color=COLOURS["time"], mfc="white", label="hollow: leaks the future, no result")
    ax.set_yticks(np.arange(len(names)), names)
    ax.set(xlabel="ROC AUC, 95 % interval", title="The same model, under every split")
    ax.grid(alpha=0.25, axis="x")
    ax.legend(loc="lower right", frameon=False)
    return ax


def describe_splits(table: pd.DataFrame) -> str:
    """What `plot_splits` shows, with its numbers."""
    known = table[table["roc_auc"].notna() & (table["note"] != "baseline")]
    parts = [
        f"{row.split} {row.model} {row.roc_auc:.3f}" + (" (leaks the future)" if row.note else "")
        for row in known.itertuples()
    ]
    return f"ROC AUC by split and feature set: {', '.join(parts)}."
