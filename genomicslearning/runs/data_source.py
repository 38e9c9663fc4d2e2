"""Where a run's training set comes from: the user's VCFs or table, the data lake, or the embedded sample."""

from __future__ import annotations

import os
from collections.abc import Callable

from genomicslearning import InputError, demo
from genomicslearning.io import lake as files
from genomicslearning.io.vcf import Vcf
from genomicslearning.runs.folder import Run, settings
from genomicslearning.runs.inputs import TRAINING_DATA
from genomicslearning.training_set.build import build_training_set
from genomicslearning.training_set.table import adopt_table, read_table, write_table_csv

# The archived solution's keys in the data lake. The parquet, a file or a folder of parts, carries VARIATION_ID,
# GENEINFO and CONFLICT, which the CSV has not.
LAKE_TABLES = (
    "annotation/clinvar/conflicting/clinvar_conflicting.parquet",
    "annotation/clinvar/conflicting/clinvar_conflicting.csv",
)
LAKE_VCFS = ("annotation/clinvar/clinvar.vcf.gz", "annotation/clinvar/clinvar.annotated.vcf.gz")


def write_training_set(
    run: Run,
    *,
    clinvar: str | os.PathLike = "",
    annotated: str | os.PathLike = "",
    table: str | os.PathLike = "",
    pick: str = "mane",
    csq_key: str = "",
    strict: bool = False,
    backend: str = "",
    lake: str | os.PathLike = "",
    progress: Callable[[str], None] = print,
) -> dict:
    """Write the run's training set as parquet and CSV and return its accounting.

    With neither VCFs nor a table, the data lake's training set or VCFs are used, where there is a lake; else the
    embedded sample is written into the run's folder and used, and the accounting has `synthetic`: true. A run whose
    training set came from given files keeps to them. With the
    backend `sagemaker` the lake is the project's in AWS unless one is named; if it has VCFs only, the Glue job builds
    its training set first.

    Raises
    ------
    InputError
        Both a table and VCFs are given, or the data is not usable.
    """
    table, clinvar, annotated, lake = (os.fspath(place) for place in (table, clinvar, annotated, lake))
    if table and (clinvar or annotated):
        raise InputError("give either training_set or clinvar/annotated, not both")
    out = str(run.training_set)
    table, clinvar, annotated = _source(run, table, clinvar, annotated, pick, backend, lake, progress)
    files.check_outputs([out, str(run.training_set_csv)], filter(None, (table, clinvar, annotated)))
    run.keep_release("")
    if table:
        accounting = adopt_table(table, out)
    else:
        if not (clinvar or annotated):
            clinvar, annotated = map(str, demo.write(run.folder / "data" / "demo"))
        accounting = build_training_set(
            clinvar=clinvar or None,
            annotated=annotated or None,
            out=out,
            pick=pick,
            csq_key=csq_key or None,
            strict=strict,
            progress=progress,
        )
        run.keep_release(clinvar or annotated)
    if any(is_synthetic(path) for path in (clinvar, annotated) if path):
        accounting["synthetic"] = True
        files.write_json(accounting, run.training_set_report)
    write_table_csv(read_table(out), run.training_set_csv)
    return accounting


def _source(
    run: Run,
    table: str,
    clinvar: str,
    annotated: str,
    pick: str,
    backend: str,
    lake: str,
    progress: Callable[[str], None],
) -> tuple[str, str, str]:
    """What the training set is made from, as (table, clinvar, annotated): given now or before, else of the lake."""
    if run.inputs_before and not (table or clinvar or annotated):
        clinvar, annotated, table = (str(run.inputs_before.get(name) or "") for name in TRAINING_DATA)
        progress(f"no data given: made again from {', '.join(files.name(p) for p in (clinvar, annotated, table) if p)}")
    lake = lake or settings()["lake"]
    if not (table or clinvar or annotated):
        backend = backend or settings()["backend"]
        if backend == "sagemaker":
            table = _in_aws(lake, pick, progress)
        elif lake:
            table, clinvar, annotated = _in_lake(lake.rstrip("/"))
    return table, clinvar, annotated


def _in_lake(lake: str) -> tuple[str, str, str]:
    """The lake's training set, else its VCFs, as (table, clinvar, annotated)."""
    for key in LAKE_TABLES:
        if files.parts(f"{lake}/{key}", ".parquet"):
            return f"{lake}/{key}", "", ""
    clinvar, annotated = (f"{lake}/{key}" if files.exists(f"{lake}/{key}") else "" for key in LAKE_VCFS)
    if not (clinvar or annotated):
        raise InputError(f"{lake}: no data under annotation/clinvar/; run `genomicslearning fetch` or give the files")
    return "", clinvar, annotated


def _in_aws(lake: str, pick: str, progress: Callable[[str], None]) -> str:
    """The training set that lies in the project's data lake, built there first if there are only VCFs."""
    from genomicslearning.aws import glue
    from genomicslearning.aws.account import find_account

    account = find_account()
    lake = lake or f"s3://{account.bucket}"
    table, clinvar, annotated = _in_lake(lake.rstrip("/"))
    if table:
        progress(f"using the training set that is there: {table}")
        return table
    if lake != f"s3://{account.bucket}":
        raise InputError(f"{lake}: has no training set, and the Glue job builds one only in s3://{account.bucket}")
    glue.build_training_set(account, pick=pick, progress=progress)
    table, _, _ = _in_lake(lake)
    if not table:
        raise InputError(f"{account.training_set_job} succeeded, but {lake} has no training set; see {account.job_log}")
    return table


def is_synthetic(path: str) -> bool:
    """Whether a VCF's header says that it is the embedded sample."""
    with Vcf(path) as vcf:
        return vcf.meta("SYNTHETIC") is not None
