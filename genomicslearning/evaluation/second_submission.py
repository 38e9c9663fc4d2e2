"""Which single-submitter variants get a second submission: the selection behind every figure of a time split."""

from __future__ import annotations

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd

from genomicslearning import clinvar
from genomicslearning.evaluation.scores import wilson
from genomicslearning.evaluation.strata import variant_type

SMALLEST = 100
BLUE, GREY = "#0072B2", "#767676"


def second_submissions(single_submitters: pd.DataFrame, *, genes: int = 8) -> pd.DataFrame:
    """How often single-submitter variants had several submitters in the later table, group by group.

    Parameters
    ----------
    single_submitters : of a time `Split`; `second` says whether the variant had several submitters later.
    genes : how many of the largest genes to list.

    Returns
    -------
    DataFrame with `by`, `group`, `variants`, `share` (with a second submission), `low`, `high` (95 %, Wilson).
    """
    said = single_submitters["CLNSIG"].fillna("")
    named = single_submitters["CLNDN"].fillna("")
    largest = single_submitters["SYMBOL"].value_counts().head(genes).index
    groupings = {
        "all": pd.Series("all", index=said.index),
        "classification": said.map(_classification),
        "condition": named.map(_condition),
        "variant type": variant_type(single_submitters),
        "gene": single_submitters["SYMBOL"].where(single_submitters["SYMBOL"].isin(largest)),
    }
    tables = []
    for by, groups in groupings.items():
        counts = single_submitters["second"].groupby(groups.to_numpy(dtype=object)).agg(["size", "sum"])
        counts = counts[counts["size"] >= SMALLEST].sort_values("size", ascending=False)
        low, high = wilson(counts["sum"].to_numpy(), counts["size"].to_numpy())
        tables.append(
            pd.DataFrame(
                {
                    "by": by,
                    "group": counts.index,
                    "variants": counts["size"].to_numpy(),
                    "share": (counts["sum"] / counts["size"]).to_numpy(),
                    "low": low,
                    "high": high,
                }
            )
        )
    return pd.concat(tables, ignore_index=True)


def _classification(text: str) -> str:
    groups = {clinvar.group(term) for term in text.split("|")} - {None}
    return " and ".join(group for group in clinvar.GROUPS if group in groups) or "other"


def _condition(text: str) -> str:
    lower = text.lower().replace(" ", "_")
    if "not_specified" in lower:
        return "not specified"
    return "not provided" if "not_provided" in lower or not lower else "a named condition"


def plot_second_submissions(table: pd.DataFrame, *, ax=None):
    """Share with a second submission in each group; `table` from `second_submissions`."""
    shown = table[table["by"] != "all"].iloc[::-1]
    overall = table.loc[table["by"] == "all", "share"].iloc[0]
    if ax is None:
        ax = plt.subplots(figsize=(7.5, 1.4 + 0.28 * len(shown)), layout="constrained")[1]
    places = np.arange(len(shown))
    ax.barh(places, shown["share"], color=BLUE, height=0.65)
    ax.errorbar(
        shown["share"],
        places,
        xerr=[shown["share"] - shown["low"], shown["high"] - shown["share"]],
        fmt="none",
        color="k",
    )
    ax.axvline(overall, color=GREY, ls="--", lw=1.2, label=f"all, {overall:.0%}")
    ax.set_yticks(places, [f"{row.by}: {str(row.group)[:30]} ({row.variants:,})" for row in shown.itertuples()])
    ax.set(xlabel="share with several submitters later", title="Who gets a second submission", xlim=(0, 1))
    ax.legend(loc="lower right", frameon=False)
    return ax


def describe_second_submissions(table: pd.DataFrame) -> str:
    """What `plot_second_submissions` shows, with its numbers."""
    overall = table[table["by"] == "all"].iloc[0]
    rest = table[table["by"] != "all"]
    told = f"Of {overall['variants']:,} variants with a single submitter {overall['share']:.0%} had several later. "
    if rest.empty:
        told += f"No group of them has {SMALLEST} variants. "
    else:
        low, high = rest.loc[rest["share"].idxmin()], rest.loc[rest["share"].idxmax()]
        told += (
            f"Least often: {low['by']} {low['group']}, {low['share']:.0%} of {low['variants']:,}. "
            f"Most often: {high['by']} {high['group']}, {high['share']:.0%} of {high['variants']:,}. "
        )
    return f"{told}The evaluation sees only those that had."
