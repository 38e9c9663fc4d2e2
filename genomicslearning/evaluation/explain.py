"""Why a model says what it says: for all variants by permutation, for one variant by taking evidence away.

Both work on the original columns of the table, grouped into blocks of evidence that a clinician knows, and on the final
calibrated probability, so that they hold for any model.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from itertools import chain
from urllib.parse import unquote

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd

from genomicslearning.evaluation.scores import Ranking
from genomicslearning.evaluation.strata import consequence, frequency_band, gene
from genomicslearning.features import BLOCKS
from genomicslearning.features.variant_blocks import SITE as SITE_EVIDENCE

Predict = Callable[[pd.DataFrame], np.ndarray]
IMPORTANCE = ["evidence", "roc_auc_drop", "average_precision_drop", "spread"]

# Evidence, as a clinician calls it -> the original columns that carry it.
EVIDENCE: dict[str, tuple[str, ...]] = {}
for _block in BLOCKS.values():
    if _block.reads:
        EVIDENCE[_block.evidence] = (*EVIDENCE.get(_block.evidence, ()), *_block.reads)
# Known for every variant, so they cannot be taken away; permuted together they are evidence as well.
SITE = EVIDENCE.pop(SITE_EVIDENCE)
TOGETHER = 16_000  # rows asked for in one call: texts that come again are parsed once a call and core


def present(table: pd.DataFrame) -> dict[str, list[str]]:
    """The blocks of `EVIDENCE` of which the table has something, with the columns that it has."""
    found = {
        name: [column for column in columns if column in table and table[column].notna().any()]
        for name, columns in EVIDENCE.items()
    }
    return {name: columns for name, columns in found.items() if columns}


def without(table: pd.DataFrame, columns: Sequence[str]) -> pd.DataFrame:
    """The table with these columns missing; a frequency becomes `0`, which is how the training set writes missing."""
    empty = {
        column: pd.Series("0" if column.startswith("AF_") else np.nan, index=table.index, dtype="str")
        for column in columns
    }
    return table.assign(**empty)


def permutation_importance(
    predict: Predict | None,
    table: pd.DataFrame,
    *,
    rows: int = 2000,
    repeats: int = 3,
    seed: int = 200,
    by_column: bool = False,
) -> pd.DataFrame:
    """How much ROC AUC and average precision fall on held-out rows when evidence is shuffled among the rows.

    Columns of a block are shuffled together, so that correlated columns cannot stand in for each other. With
    `by_column` each original column is shuffled alone.

    Returns
    -------
    DataFrame with `evidence`, `roc_auc_drop`, `average_precision_drop` (means of `repeats`) and `spread` (standard
    deviation of the AUC's drop), largest first. A drop within two spreads of 0 is no evidence of use. Empty without a
    model that can be asked here.
    """
    if predict is None:
        return pd.DataFrame(columns=IMPORTANCE)
    if len(table) > rows:
        table = table.sample(rows, random_state=seed)
    blocks = present(table) | {SITE_EVIDENCE: [column for column in SITE if column in table]}
    if by_column:
        blocks = {column: [column] for columns in blocks.values() for column in columns}
    drops = _drops_when_shuffled(predict, table, list(blocks.values()), repeats, np.random.default_rng(seed))
    means = drops.mean(axis=1)
    found = pd.DataFrame(
        {
            "evidence": list(blocks),
            "roc_auc_drop": means[:, 0],
            "average_precision_drop": means[:, 1],
            "spread": drops[:, :, 0].std(axis=1, ddof=1) if repeats > 1 else 0.0,
        }
    )
    return found.sort_values("roc_auc_drop", ascending=False, kind="stable", ignore_index=True)


def _drops_when_shuffled(
    predict: Predict, table: pd.DataFrame, blocks: list[list[str]], repeats: int, rng: np.random.Generator
) -> np.ndarray:
    """By how much AUC and average precision fall: blocks × repeats × 2."""
    labels = table["CLASS"].to_numpy()
    codes = {column: pd.factorize(table[column])[0] for columns in blocks for column in columns}
    moved: list[np.ndarray] = []

    def shuffled() -> Iterator[pd.DataFrame]:
        for columns in blocks:
            for _ in range(repeats):
                order = rng.permutation(len(table))
                # A row that gets what it had has the probability that it had.
                rows = np.flatnonzero(np.any([codes[column][order] != codes[column] for column in columns], axis=0))
                moved.append(rows)
                cells = {column: table[column].array[order[rows]] for column in columns}
                yield table.iloc[rows].assign(**cells)

    known = predict(table)
    whole = np.array(Ranking(labels, known).both())
    after = []
    for number, score in enumerate(_predicted(predict, shuffled())):
        probability = known.copy()
        probability[moved[number]] = score
        after.append(Ranking(labels, probability).both())
    return (whole - np.array(after)).reshape(len(blocks), repeats, 2)


def _predicted(predict: Predict, tables: Iterable[pd.DataFrame]) -> Iterator[np.ndarray]:
    """Probabilities of each of many tables that differ in little.

    They are asked for together, some thousand rows at a time: a model parses each distinct text once, and every call
    has a cost of its own.
    """
    waiting: list[pd.DataFrame] = []
    for table in chain(tables, [None]):  # None: what still waits is asked for
        if table is not None:
            waiting.append(table)
        if waiting and (table is None or sum(map(len, waiting)) >= TOGETHER):
            ends = np.cumsum([len(one) for one in waiting])[:-1]
            yield from np.split(predict(pd.concat(waiting)), ends)
            waiting = []


def plot_importance(table: pd.DataFrame, *, ax=None):
    """Drop of ROC AUC when evidence is shuffled, with two spreads; `table` from `permutation_importance`."""
    shown = table.head(15).iloc[::-1]
    if ax is None:
        ax = plt.subplots(figsize=(7.5, 1.4 + 0.3 * len(shown)), layout="constrained")[1]
    ax.barh(shown["evidence"], shown["roc_auc_drop"], xerr=2 * shown["spread"], color="#0072B2", height=0.65, capsize=3)
    ax.axvline(0, color="k", lw=0.8)
    ax.set(xlabel="ROC AUC lost when shuffled (line: two spreads)", title="What the model uses on held-out rows")
    ax.grid(alpha=0.25, axis="x")
    return ax


def describe_importance(table: pd.DataFrame) -> str:
    """What `plot_importance` shows, with its numbers."""
    parts = [f"{row.evidence} {row.roc_auc_drop:.3f}" for row in table.head(5).itertuples()]
    return f"ROC AUC lost when evidence is shuffled among held-out rows, largest first: {', '.join(parts)}."


def contributions(
    predict: Predict | None, table: pd.DataFrame, *, probability: np.ndarray | None = None, by_column: bool = False
) -> pd.DataFrame:
    """How much of each variant's probability hangs on each piece of evidence.

    One column a block of evidence (or an original column, with `by_column`), one row a variant: the probability as it
    is minus the probability with that evidence missing. Positive speaks for conflict. The parts need not add up to the
    probability: evidence overlaps. Site columns cannot be missing and are left out. No column without a model that can
    be asked here.
    """
    if predict is None:
        return pd.DataFrame(index=table.index)
    probability = predict(table) if probability is None else probability
    blocks = present(table)
    if by_column:
        blocks = {column: [column] for columns in blocks.values() for column in columns}
    silent = _predicted(predict, (without(table, columns) for columns in blocks.values()))
    parts = {name: probability - score for name, score in zip(blocks, silent, strict=True)}
    return pd.DataFrame(parts, index=table.index)


def reasons(parts: pd.DataFrame, table: pd.DataFrame, *, top: int = 3, least: float = 0.0005) -> list[list[str]]:
    """The strongest contributions of each variant in words, such as `raises it by 12 points: allele frequency
    0.1 to 1 %`.

    Contributions below `least` (a twentieth of a percentage point) are not reasons.
    """
    words = {name: values.to_numpy(dtype=object) for name, values in _worded(table).items() if name in parts}
    names = [name for name in parts.columns if name in words]
    values = parts[names].to_numpy()
    found = []
    for row, strengths in enumerate(values):
        strongest = [
            place for place in np.argsort(-np.abs(strengths), kind="stable")[:top] if abs(strengths[place]) >= least
        ]
        found.append([_sentence(words[names[place]][row], strengths[place]) for place in strongest])
    return found


def _sentence(words: str, strength: float) -> str:
    verb = "raises" if strength > 0 else "lowers"
    points = abs(strength) * 100
    return f"{words} ({verb} the probability by {points:.{0 if points >= 1 else 1}f} points)"


def _worded(table: pd.DataFrame) -> dict[str, pd.Series]:
    """What each block of evidence says about each variant, in words a clinician reads."""

    def column(name: str) -> pd.Series:
        return table[name] if name in table else pd.Series(np.nan, index=table.index, dtype="str")

    def shown(name: str, missing: str) -> pd.Series:
        return column(name).fillna(missing).astype(str).map(unquote).str.replace("_", " ")

    amino_acids = column("Amino_acids").where(column("Amino_acids").str.contains("/", na=False))
    position = column("Protein_position").fillna("?").astype(str)
    change = ("protein change " + amino_acids.astype("str") + " at residue " + position).where(amino_acids.notna())
    exon = ("exon " + column("EXON").str.replace("/", " of ")).fillna(
        "intron " + column("INTRON").str.replace("/", " of ")
    )
    cadd = pd.to_numeric(column("CADD_PHRED"), errors="coerce")
    condition = shown("CLNDN", "none named").str.split("|", n=1).str[0].str.slice(0, 60)
    prior_condition = shown("prior_CLNDN", "none named").str.split("|", n=1).str[0].str.slice(0, 60)
    return {
        "allele frequency": "allele frequency " + frequency_band(table).astype("str"),
        "consequence": "consequence " + consequence(table).str.replace("_", " "),
        "protein change": change.fillna("no amino-acid change given"),
        "place in the transcript": exon.fillna("place in the transcript not given"),
        "CADD and LoFtool": cadd.map(lambda value: f"CADD {value:.1f}", na_action="ignore")
        .astype("str")
        .fillna("CADD not given"),
        "gene": "gene " + gene(table),
        "regulatory flags": pd.Series("regulatory flags", index=table.index),
        "conditions": "condition " + condition,
        "sources and origin": "sources " + shown("CLNVI", "none").str.slice(0, 60),
        "the single submission": "submitted as " + shown("prior_CLNSIG", "not known") + " for " + prior_condition,
    }


def agreement(first: pd.Series, second: pd.Series) -> dict:
    """Whether two rankings of evidence (index = name) tell the same story.

    Keys: `spearman` over the names that both have, `same_first` (whether both put the same first), `agree`, `words` for
    a report. They disagree where the correlation is below 0.5 or the firsts differ, and are not compared where there
    is no correlation (NaN): fewer than three names, or all of one worth.
    """
    both = first.index.intersection(second.index)
    first, second = first[both], second[both]
    spearman = float(first.rank().corr(second.rank())) if len(both) > 2 else float("nan")
    same = bool(len(both)) and first.idxmax() == second.idxmax()
    agree = same and spearman >= 0.5
    if np.isnan(spearman):
        words = "Shuffling and SHAP values were not compared: too few kinds of evidence count for anything here."
    elif agree:
        words = f"Shuffling and SHAP values agree: both put {first.idxmax()} first, rank correlation {spearman:.2f}."
    else:
        firsts = f"both put {first.idxmax()} first, but" if same else f"{first.idxmax()} or {second.idxmax()} is first,"
        where = "disagree" if spearman < 0.5 else "agree but for what is first"
        settled = "neither order is settled" if spearman < 0.5 else "which of the two comes first is not settled"
        words = (
            f"Shuffling and SHAP values {where}: {firsts} the rank correlation is {spearman:.2f}. Shuffling asks what "
            "the whole model loses without the evidence, SHAP what its tree member computes with it; where evidence "
            f"overlaps these differ, and {settled}."
        )
    return {"spearman": spearman, "same_first": same, "agree": agree, "words": words}
