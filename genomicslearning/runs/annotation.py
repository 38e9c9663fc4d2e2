"""A run's first step where it annotates its VCF itself: ClinVar's release with VEP's annotation."""

from __future__ import annotations

from collections.abc import Callable

import pandas as pd

from genomicslearning.annotate import annotate_vcf
from genomicslearning.runs.folder import Run


def annotate_clinvar(
    run: Run,
    *,
    clinvar: str,
    vep_cache: str,
    fasta: str,
    plugin_cache: str = "",
    annotator: str = "",
    progress: Callable[[str], None] = print,
) -> dict:
    """Annotate a ClinVar VCF into a run's folder, as `run.annotated`.

    Returns
    -------
    The report of `annotate.annotate_vcf`; empty where no cache is given, and nothing is done.

    Raises
    ------
    InputError
        As `annotate_vcf` does.
    """
    if not vep_cache:
        return {}
    return annotate_vcf(
        clinvar,
        run.annotated,
        vep_cache=vep_cache,
        fasta=fasta,
        plugin_cache=plugin_cache or None,
        program=annotator or None,
        progress=progress,
    )


def account(report: dict) -> pd.DataFrame:
    """What became of every allele, as a table with the columns `what` and `alleles`."""
    rows = [(f"annotated by {report['program']}, cache {report['cache']}", report["alleles_annotated"])]
    rows += [(f"not annotated: {why.replace('_', ' ')}", count) for why, count in report["not_annotated"].items()]
    return pd.DataFrame([*rows, ("in all", report["alleles"])], columns=["what", "alleles"])


def empty_columns(report: dict) -> pd.DataFrame:
    """Columns of the training set that stay empty, and what would fill them."""
    return pd.DataFrame(sorted(report["empty_columns"].items()), columns=["column", "filled by"])
