"""A run's first step where it annotates its VCF itself: ClinVar's release with VEP's annotation."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pandas as pd

from genomicslearning import InputError
from genomicslearning.annotate import annotate_vcf
from genomicslearning.runs.folder import Run


def annotate_clinvar(
    run_dir: str,
    *,
    clinvar: str,
    vep_cache: str,
    fasta: str,
    plugin_cache: str = "",
    annotator: str = "",
    progress: Callable[[str], None] = print,
) -> tuple[Run, dict]:
    """Annotate a ClinVar VCF into a run's folder (without `run_dir`: the folder one is in).

    Returns
    -------
    The run, whose `annotated` is the file, and the report of `annotate.annotate_vcf`; the report is empty where neither
    a VCF nor a cache is given, and nothing is done.

    Raises
    ------
    InputError
        As `annotate_vcf` does, or some of the three (VCF, cache, FASTA) are given and not all.
    """
    run = Run(Path(run_dir or ".").expanduser().resolve())
    given = [clinvar, vep_cache, fasta]
    if not any(given):
        return run, {}
    if not all(given):
        raise InputError("to annotate, give all three: clinvar, vep_cache and fasta")
    report = annotate_vcf(
        clinvar,
        run.annotated,
        vep_cache=vep_cache,
        fasta=fasta,
        plugin_cache=plugin_cache or None,
        program=annotator or None,
        progress=progress,
    )
    return run, report


def account(report: dict) -> pd.DataFrame:
    """What became of every allele, as a table with the columns `what` and `alleles`."""
    rows = [(f"annotated by {report['program']}, cache {report['cache']}", report["alleles_annotated"])]
    rows += [(f"not annotated: {why.replace('_', ' ')}", count) for why, count in report["not_annotated"].items()]
    return pd.DataFrame([*rows, ("in all", report["alleles"])], columns=["what", "alleles"])


def empty_columns(report: dict) -> pd.DataFrame:
    """Columns of the training set that stay empty, and what would fill them."""
    return pd.DataFrame(sorted(report["empty_columns"].items()), columns=["column", "filled by"])
