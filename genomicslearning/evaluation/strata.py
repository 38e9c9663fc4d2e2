"""For whom the model works: performance by consequence, frequency, gene, era and variant type."""

from __future__ import annotations

import numpy as np
import pandas as pd
from scipy.special import expit, ndtri

from genomicslearning.evaluation.comparison import delong
from genomicslearning.evaluation.scores import average_precision
from genomicslearning.training_set.schema import AF_COLUMNS
from genomicslearning.training_set.table import gene_symbols

FREQUENCY_BANDS = ("not seen", "below 0.01 %", "0.01 to 0.1 %", "0.1 to 1 %", "1 % and above")


def groupings(table: pd.DataFrame) -> dict[str, pd.Series]:
    """The ways in which the rows of a training set are grouped to look for weak spots, name -> group of each row.

    `first seen` (the review era) is there where a time split knows it or where VariationIDs, which ClinVar counts up
    over the years, give it; `missing_groupings` says what is not there and why.
    """
    found = {
        "consequence": consequence(table),
        "allele frequency": frequency_band(table),
        "gene": gene(table),
        "variant type": variant_type(table),
    }
    if "first_seen" in table:
        found["first seen"] = table["first_seen"]
    elif "VARIATION_ID" in table and pd.to_numeric(table["VARIATION_ID"], errors="coerce").notna().any():
        found["first seen"] = _era_by_identifier(table["VARIATION_ID"])
    return found


def missing_groupings(table: pd.DataFrame) -> dict[str, str]:
    """Strata that cannot be made from this table, name -> why."""
    if "first seen" in groupings(table):
        return {}
    return {
        "first seen": "needs VariationIDs or earlier releases: this table does not say when a variant was first seen"
    }


def _era_by_identifier(identifier: pd.Series) -> pd.Series:
    number = pd.to_numeric(identifier, errors="coerce")
    quarter = pd.qcut(number, 4, duplicates="drop")
    names = {band: f"VariationID {int(band.left) + 1:,} to {int(band.right):,}" for band in quarter.cat.categories}
    return quarter.cat.rename_categories(names)


def consequence(table: pd.DataFrame) -> pd.Series:
    """The worst consequence term: VEP writes it first; ClinVar's own MC stands in where VEP is silent."""
    ours = (
        table["Consequence"].str.partition("&")[0] if "Consequence" in table else pd.Series(np.nan, index=table.index)
    )
    if "MC" in table:
        clinvars = table["MC"].str.extract(r"^[^|,]*\|([^,]*)", expand=False)
        ours = ours.where(ours.notna(), clinvars)
    return ours.where(ours.notna() & (ours != ""), "not annotated")


def frequency_band(table: pd.DataFrame) -> pd.Series:
    """Band of the highest of the three population frequencies that ClinVar carries, as ordered categories; 0 and
    missing are `not seen`."""
    known = [column for column in AF_COLUMNS if column in table]
    if not known:
        bands = pd.CategoricalDtype(FREQUENCY_BANDS, ordered=True)
        return pd.Series(FREQUENCY_BANDS[0], index=table.index, dtype=bands)
    highest = table[known].apply(pd.to_numeric, errors="coerce").max(axis=1).fillna(0.0)
    edges = [-np.inf, 0.0, 1e-4, 1e-3, 1e-2, np.inf]
    # Right-closed at 0 only: 0.01 % itself belongs to the band it begins.
    shifted = highest.where(highest <= 0, np.nextafter(highest, np.inf))
    return pd.Series(pd.cut(shifted, edges, labels=list(FREQUENCY_BANDS)), index=table.index)


def gene(table: pd.DataFrame) -> pd.Series:
    """VEP's SYMBOL, else the first symbol of GENEINFO."""
    symbol = gene_symbols(table)
    return symbol.where(symbol.notna() & (symbol != ""), "no gene")


def variant_type(table: pd.DataFrame) -> pd.Series:
    """Substitution, insertion, deletion or both, from the alleles."""
    before, after = table["REF"].str.len(), table["ALT"].str.len()
    kinds = np.select(
        [(before == 1) & (after == 1), before == after, (before == 1) & (after > 1), (after == 1) & (before > 1)],
        ["single nucleotide", "several nucleotides", "insertion", "deletion"],
        "deletion and insertion",
    )
    return pd.Series(kinds, index=table.index)


def stratum_table(labels, probabilities, groups, *, min_rows: int = 50, top: int | None = None) -> pd.DataFrame:
    """Performance in each group, largest first; of ordered categories in their order.

    Columns: `stratum`, `rows`, `conflicting`, `observed` (share conflicting), `predicted` (mean), `roc_auc` with `low`
    and `high` (95 %, DeLong on the logit scale), `roc_auc_shrunk` and `average_precision`. A group of few rows shows a
    high or low AUC by chance; the shrunk one is drawn towards the mean of all groups by how little it is known (random
    effects, DerSimonian & Laird 1986). AUC is NaN where a group has fewer than two rows of a class. Groups below
    `min_rows` are pooled as `N smaller groups`.
    """
    frame = pd.DataFrame(
        {"y": np.asarray(labels), "p": np.asarray(probabilities), "g": np.asarray(groups, dtype=object)}
    )
    frame = frame[frame["g"].notna()]
    sizes = frame["g"].value_counts()
    kept = sizes[sizes >= min_rows].index[:top]
    small = ~frame["g"].isin(kept)
    others = frame.loc[small, "g"].nunique()
    pooled = "1 smaller group" if others == 1 else f"{others} smaller groups"
    frame.loc[small, "g"] = pooled
    rows = [_performance(name, part) for name, part in frame.groupby("g", sort=False)]
    table = pd.DataFrame(rows)
    if table.empty:
        return table
    last = (table["stratum"] == pooled).astype(int)
    place = -table["rows"]
    if isinstance(getattr(groups, "dtype", None), pd.CategoricalDtype) and groups.dtype.ordered:
        place = table["stratum"].map({name: number for number, name in enumerate(groups.dtype.categories)})
    table = table.assign(last=last, place=place).sort_values(["last", "place"], kind="stable").drop(columns="place")
    table["roc_auc_shrunk"] = _shrunk(table["roc_auc"].to_numpy(), table.pop("variance").to_numpy())
    return table.drop(columns="last").reset_index(drop=True)


def _performance(name: str, part: pd.DataFrame) -> dict:
    labels, probabilities = part["y"].to_numpy(), part["p"].to_numpy()
    positives = int(labels.sum())
    area = variance = low = high = precision = np.nan
    if min(positives, len(labels) - positives) >= 2:
        areas, covariance = delong(labels, probabilities)
        area, variance = areas[0], covariance[0, 0]
        low, high = logit_interval(area, variance)
        precision = average_precision(labels, probabilities)
    return {
        "stratum": name,
        "rows": len(labels),
        "conflicting": positives,
        "observed": labels.mean(),
        "predicted": probabilities.mean(),
        "roc_auc": area,
        "low": low,
        "high": high,
        "average_precision": precision,
        "variance": variance,
    }


def logit_interval(area: float, variance: float) -> tuple[float, float]:
    """95 % interval of an AUC on the logit scale, which stays within 0 and 1."""
    if not 0 < area < 1:
        return (np.nan, np.nan)
    middle, half = np.log(area / (1 - area)), ndtri(0.975) * np.sqrt(variance) / (area * (1 - area))
    return float(expit(middle - half)), float(expit(middle + half))


def _shrunk(areas: np.ndarray, variances: np.ndarray) -> np.ndarray:
    known = np.isfinite(areas) & (variances > 0)
    if known.sum() < 3:
        return areas.copy()
    weight = 1 / variances[known]
    mean = (weight * areas[known]).sum() / weight.sum()
    spread = (weight * (areas[known] - mean) ** 2).sum() - (known.sum() - 1)
    between = max(0.0, spread / (weight.sum() - (weight**2).sum() / weight.sum()))
    weight = 1 / (variances[known] + between)
    mean = (weight * areas[known]).sum() / weight.sum()
    pull = between / (between + variances[known])
    shrunk = np.full_like(areas, np.nan)
    shrunk[known] = mean + pull * (areas[known] - mean)
    return shrunk
