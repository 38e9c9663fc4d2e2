"""The variants of a person's own VCF, scored by a run's model and ranked, with reasons for the first."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd

from genomicslearning.autopilot.model import Model
from genomicslearning.endpoint.vcf import predict_vcf, rows_of
from genomicslearning.evaluation.explain import contributions, reasons
from genomicslearning.io.text import one_line

REASONS = 3
_LONGEST_ALLELE = 12


def rank(
    model: str | os.PathLike,
    vcf: str | os.PathLike,
    out: Path,
    *,
    top: int = 20,
    progress: Callable[[str], None] = print,
) -> tuple[dict, pd.DataFrame]:
    """Score a VCF into a table and rank it.

    Parameters
    ----------
    model
        Folder of a model of features `biology` or `prospective`.
    vcf
        VCF with VEP's annotation.
    out
        The answers, as `endpoint.vcf.predict_vcf` writes them.
    top
        How many of the first are explained.

    Returns
    -------
    The report, and the first `top` alleles by probability: `rank`, `variant`, `gene`, `consequence`, `probability`,
    `reasons`, what moved the probability most.

    Raises
    ------
    InputError
        As `predict_vcf` does.
    """
    report = predict_vcf(model, vcf, out, progress=progress)
    answers = pd.read_csv(out, usecols=["probability"])["probability"].to_numpy()
    order = np.argsort(-np.nan_to_num(answers, nan=-1.0), kind="stable")[:top]
    first = order[~np.isnan(answers[order])]
    rows = rows_of(vcf, first, Model.load(model))
    parts = contributions(Model.load(model).predict, rows, probability=answers[first])
    words = reasons(parts, rows, top=REASONS)
    shown = pd.DataFrame(
        {
            "rank": np.arange(1, len(first) + 1),
            "variant": [_named(row) for row in rows.itertuples()],
            "gene": rows["SYMBOL"].fillna("").to_numpy(),
            "consequence": rows["Consequence"].fillna("").str.replace("_", " ").str.replace("&", ", ").to_numpy(),
            "probability": answers[first],
            "reasons": ["; ".join(found) for found in words],
        }
    )
    return report, shown


def _named(row) -> str:
    ref, alt = (
        allele if len(allele) <= _LONGEST_ALLELE else f"{allele[:_LONGEST_ALLELE]}… ({len(allele)} bases)"
        for allele in (row.REF, row.ALT)
    )
    return one_line(f"{row.CHROM}:{row.POS} {ref}>{alt}")
