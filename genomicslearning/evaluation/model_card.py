"""The model card: what a model is for, what it was made from, how good it is, and where it is weak (Mitchell 2019)."""

from __future__ import annotations

from collections.abc import Sequence

import pandas as pd

from genomicslearning.evaluation.scores import RESAMPLES
from genomicslearning.evaluation.verdict import NO_CLINICAL_USE, SELECTION, headline
from genomicslearning.training_set.table import gene_symbols

INTENDED = (
    "Research and curation: to rank variants in ClinVar by the chance that laboratories' classifications "
    "conflict, so that "
    "curators look first where disagreement is likely."
)
OUT_OF_SCOPE = (
    NO_CLINICAL_USE,
    "No judgement of pathogenicity: conflict is not a class of it.",
    "No somatic, mitochondrial or structural variants: the training data has hardly any.",
)
FREQUENCIES = (
    "Allele frequencies come from ESP (European and African Americans), ExAC (60 % European) and 1000 "
    "Genomes. Variants of "
    "ancestries that these cohorts lack look rarer than they are, and the model takes rarity for evidence."
)
GENE_RATES = (
    "How often a gene's other variants conflict is evidence itself (features biology, split random): where "
    "laboratories have disagreed much a new variant is taken for likelier to conflict; a gene without training rows "
    "has the share of all. With genes held out (split gene) a model does without."
)
RECLASSIFIED = (
    "Labels follow ClinVar's review status of one release; laboratories reclassify, and labels change with them."
)


def model_card(
    *,
    manifest: dict,
    metrics: dict,
    verdict: pd.DataFrame,
    train: pd.DataFrame,
    data: dict,
    notes: list[str] | None = None,
    groups: Sequence | None = None,
) -> str:
    """The card as Markdown.

    Parameters
    ----------
    manifest : of the model folder.
    metrics : as in `metrics.json`.
    verdict : from `verdict.verdict`.
    train : the training rows, for what is over-represented in them.
    data : the training set's report (`inputs` with name, sha256, fileDate).
    notes : what the split says of itself.
    groups : gene group of each test row, where whole genes were held out.
    """
    parts = [
        f"# Model card: {manifest.get('job', 'model')}",
        headline(verdict),
        "## Intended use",
        INTENDED,
        "## Out of scope",
        _list(OUT_OF_SCOPE),
        "## What is estimated",
        SELECTION
        if metrics["split"] == "time"
        else "P(conflicting) of a variant that several laboratories have classified, for variants like the test rows.",
        "## Data",
        _list([_input(one) for one in data.get("inputs", [])] or ["not recorded"]),
        _rows(train, metrics),
        _list(notes or []),
        "## Evaluation",
        _measures(metrics),
        _intervals(metrics, groups),
        "## Verdict",
        _table(["use", "answer", "because"], verdict[["question", "answer", "because"]].itertuples(index=False)),
        "## Known biases",
        _list([_genes(train), *_rates_of_genes(metrics), FREQUENCIES, _laboratories(train)]),
        "## Limits",
        _list([SELECTION, RECLASSIFIED, *manifest.get("notes", [])]),
        "## Versions",
        _list([f"{name} {version}" for name, version in manifest.get("versions", {}).items()]),
        f"Training set sha256 {manifest.get('training_set', {}).get('sha256', 'not recorded')}; model made "
        f"weights {manifest.get('weights_sha256', 'unknown')[:16]}; licence {manifest.get('licence', 'not recorded')}.",
    ]
    return "\n\n".join(part for part in parts if part) + "\n"


def _rows(train: pd.DataFrame, metrics: dict) -> str:
    """How many rows there are on each side, and how many of them conflict."""
    return (
        f"{len(train):,} training rows ({train['CLASS'].mean():.1%} conflicting), {metrics['n']:,} test rows "
        f"({metrics['n_positive'] / metrics['n']:.1%} conflicting)."
    )


def _measures(metrics: dict) -> str:
    return _table(
        ["measure", "value"],
        [
            ("split", metrics["split"]),
            ("features", metrics["features"]),
            ("ROC AUC", _with_interval(metrics, "roc_auc")),
            ("average precision", _with_interval(metrics, "average_precision")),
            ("ECE", f"{metrics['ece']:.3f}"),
            ("Brier score", f"{metrics['brier']:.4f}"),
            ("precision at the threshold", f"{metrics['precision']:.3f}"),
            ("recall at the threshold", f"{metrics['recall']:.3f}"),
            ("threshold", f"{metrics['threshold']:.3f}"),
        ],
    )


def _intervals(metrics: dict, groups: Sequence | None) -> str:
    """What was drawn: of one gene group there is nothing to draw but its rows."""
    drawn = "whole genes" if groups is not None and len(set(groups)) > 1 else "test rows within each class"
    return f"Intervals: 95 %, bootstrap of {drawn}, {RESAMPLES:,} resamples, seed {metrics['bootstrap_seed']}."


def _with_interval(metrics: dict, key: str) -> str:
    low, high = metrics[f"{key}_ci"]
    return f"{metrics[key]:.3f} ({low:.3f} to {high:.3f})"


def _input(one: dict) -> str:
    date = one.get("fileDate") or "release date not recorded"
    name = str(one.get("name", "")).replace("`", "")
    return f"{one.get('role', 'input')}: `{name}`, {date}, sha256 `{one.get('sha256', '')}`"


def _rates_of_genes(metrics: dict) -> list[str]:
    return [GENE_RATES] if (metrics.get("features"), metrics["split"]) == ("biology", "random") else []


def _genes(train: pd.DataFrame) -> str:
    counts = gene_symbols(train).value_counts().drop("", errors="ignore")
    if counts.empty:
        return "Genes: no training row names its gene."
    few = len(counts) <= 10
    shown = counts if few else counts.head(5)
    named = ", ".join(f"{_plain(name)} {rows / len(train):.1%}" for name, rows in shown.items())
    if few:
        return f"Genes: {named} of the training rows; no other is named."
    share = counts.head(10).sum() / len(train)
    return f"Genes: ten of {len(counts):,} genes are {share:.0%} of the training rows ({named}); others less."


def _laboratories(train: pd.DataFrame) -> str:
    said = "Laboratories that submit much shape the labels: what they call alike agrees, whoever is right."
    if "CLNVI" not in train or train["CLNVI"].isna().all():
        return said + " The training rows do not name sources."
    sources = train["CLNVI"].dropna().str.split("|").explode().str.partition(":")[0].value_counts().head(3)
    named = ", ".join(f"{_plain(name)} {rows / len(train):.1%}" for name, rows in sources.items())
    return f"{said} Sources named most often: {named} of the rows."


def _plain(text: str) -> str:
    """Text of ClinVar in Markdown: nothing in it is markup."""
    kept = "".join(letter for letter in str(text) if letter not in "`|[]<>*\n\r")
    return kept.replace("_", " ")[:80]


def _list(items) -> str:
    return "\n".join(f"- {item}" for item in items)


def _table(head: list[str], rows) -> str:
    lines = ["| " + " | ".join(head) + " |", "|" + " :--- |" * len(head)]
    lines += ["| " + " | ".join(str(cell).replace("|", r"\|") for cell in row) + " |" for row in rows]
    return "\n".join(lines)
