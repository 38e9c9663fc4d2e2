"""What is odd about a training set, by stated rules, and how its classes lie."""

from __future__ import annotations

import numpy as np
import pandas as pd

from genomicslearning.evaluation.scores import wilson
from genomicslearning.history.repeated import variant_key
from genomicslearning.training_set.schema import AF_COLUMNS

FEW_ROWS = 1_000
RARE_CLASS = 0.05
MOSTLY = 0.9  # a column that lacks a value in this share of rows says nothing about the rest
ONE_GENE = 0.2
UNANNOTATED = 0.05


def warnings(table: pd.DataFrame, accounting: dict) -> list[str]:
    """Sentences that a reader of the training set should know before trusting a model of it.

    Parameters
    ----------
    table
        As `read_table` gives it.
    accounting
        The report of the job that wrote it.
    """
    found = []
    rate = table["CLASS"].mean()
    if len(table) < FEW_ROWS:
        found.append(f"Only {len(table):,} variants: intervals will be wide and candidates hard to tell apart.")
    if not RARE_CLASS <= rate <= 1 - RARE_CLASS:
        found.append(f"{rate:.1%} of the variants conflict: with so uneven classes, read precision before ROC-AUC.")
    if table["Consequence"].isna().mean() > MOSTLY:
        found.append(
            "No VEP annotation: consequence, SIFT, PolyPhen and CADD are empty. The model works from ClinVar's own"
            " fields; annotate the VCF with Ensembl VEP for a better one."
        )
    elif table["CADD_PHRED"].isna().mean() > MOSTLY:
        found.append("CADD scores are missing: run VEP with its CADD plugin for a better model.")
    frequencies = table[list(AF_COLUMNS)].apply(pd.to_numeric, errors="coerce")
    if (frequencies.max(axis=1) == 0).mean() > MOSTLY:
        found.append("Hardly any variant has an allele frequency, the strongest biological predictor of a conflict.")
    found += _repeated(table)
    genes = table["SYMBOL"].value_counts()
    if len(genes) and genes.iloc[0] > ONE_GENE * len(table):
        share = genes.iloc[0] / len(table)
        found.append(f"{genes.index[0]} alone holds {share:.0%} of the variants: results say little about other genes.")
    if accounting["quarantined"]:
        found.append(f"{accounting['quarantined']:,} malformed records were set aside; look at the quarantine file.")
    unannotated = accounting.get("unannotated", 0)
    if unannotated > UNANNOTATED * (unannotated + accounting["records_read"]):
        found.append(f"{unannotated:,} ClinVar records have no annotated partner: are both files of the same release?")
    return found + accounting.get("warnings", [])


def _repeated(table: pd.DataFrame) -> list[str]:
    key = variant_key(table)
    repeated = key.duplicated(keep=False)
    if not repeated.any():
        return []
    contradictory = table["CLASS"].groupby(key).nunique().gt(1).sum()
    return [
        f"{key[repeated].nunique():,} variants stand in more than one row, {contradictory:,} of them with both classes;"
        " a run learns from the first row of each."
    ]


def class_share(labels: pd.Series, groups: pd.Series) -> pd.DataFrame:
    """Share of CLASS 1 within each group: `group`, `rows`, `share`, `low`, `high` (95 %, Wilson).

    The largest group first; ordered categories in their order.
    """
    counts = labels.groupby(np.asarray(groups, dtype=object)).agg(["size", "sum"])
    if isinstance(groups.dtype, pd.CategoricalDtype) and groups.dtype.ordered:
        counts = counts.reindex([name for name in groups.dtype.categories if name in counts.index])
    else:
        counts = counts.sort_values("size", ascending=False)
    share = counts["sum"] / counts["size"]
    low, high = wilson(counts["sum"], counts["size"])
    return pd.DataFrame(
        {
            "group": counts.index.astype(str),
            "rows": counts["size"].to_numpy(),
            "share": share.to_numpy(),
            "low": np.asarray(low),
            "high": np.asarray(high),
        }
    )
