"""Fill the data lake's keys with a training set or the two VCFs, or demo/ with the synthetic sample."""

from __future__ import annotations

import gzip
import tempfile
from pathlib import Path

from genomicslearning import InputError
from genomicslearning.deploy.stacks import Progress
from genomicslearning.io import lake
from genomicslearning.io.fetch import fetch_clinvar

CLINVAR_KEY = "annotation/clinvar/clinvar.vcf.gz"
ANNOTATED_KEY = "annotation/clinvar/clinvar.annotated.vcf.gz"
TRAINING_SET_KEY = "annotation/clinvar/conflicting/clinvar_conflicting"
# The catalog's table reads a folder, and the Glue job writes one: so does this.
PARQUET_KEY = f"{TRAINING_SET_KEY}.parquet/part-00000.parquet"
CSV_KEY = f"{TRAINING_SET_KEY}.csv"
#: In the place of a ClinVar VCF: ClinVar's current release.
FETCH = "fetch"


def check_inputs(*, training_set: str = "", clinvar: str = "", annotated: str = "") -> None:
    """Refuse what could not be uploaded before anything is deployed."""
    if training_set and (clinvar or annotated):
        raise InputError("give --training-set, or --clinvar and --annotated, not both")
    if annotated and not clinvar:
        raise InputError("--annotated needs --clinvar beside it: the job joins the two")
    if clinvar == FETCH and annotated:
        raise InputError("--annotated needs the ClinVar VCF that VEP read: name it with --clinvar instead of fetch")
    for path in filter(None, (training_set, clinvar, annotated)):
        if path != FETCH and not lake.exists(path):
            raise InputError(f"{path}: no such file; check the path")


def fill(
    s3, bucket: str, *, training_set: str = "", clinvar: str = "", annotated: str = "", progress: Progress
) -> None:
    """Upload what was given; with nothing given, the synthetic sample goes under ``demo/`` and nowhere else."""
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch)
        if training_set:
            _put_table(s3, bucket, "", _tables_of(training_set, folder), progress)
        elif clinvar == FETCH:
            _put(s3, bucket, CLINVAR_KEY, Path(fetch_clinvar(folder, progress=progress)["file"]), progress)
        elif clinvar:
            for path, key in ((clinvar, CLINVAR_KEY), (annotated, ANNOTATED_KEY)):
                if path:
                    _put(s3, bucket, key, _gzipped(path, folder / Path(key).name), progress)
        else:
            _put_sample(s3, bucket, folder, progress)


def _put_sample(s3, bucket: str, folder: Path, progress: Progress) -> None:
    from genomicslearning import demo
    from genomicslearning.training_set.build import build_training_set

    clinvar, annotated = demo.write(folder)
    table = folder / "clinvar_conflicting"
    for suffix in (".csv", ".parquet"):
        build_training_set(clinvar=clinvar, annotated=annotated, out=f"{table}{suffix}")
    _put(s3, bucket, f"demo/{CLINVAR_KEY}", clinvar, progress)
    _put(s3, bucket, f"demo/{ANNOTATED_KEY}", annotated, progress)
    _put_table(s3, bucket, "demo/", table, progress)


def _tables_of(path: str, folder: Path) -> Path:
    """The table as CSV and parquet, without their suffixes."""
    from genomicslearning.training_set.table import adopt_table, read_table, write_table_csv

    table = folder / "clinvar_conflicting"
    adopt_table(path, f"{table}.parquet")
    write_table_csv(read_table(path), f"{table}.csv")
    return table


def _put_table(s3, bucket: str, prefix: str, table: Path, progress: Progress) -> None:
    _put(s3, bucket, f"{prefix}{CSV_KEY}", Path(f"{table}.csv"), progress)
    _put(s3, bucket, f"{prefix}{PARQUET_KEY}", Path(f"{table}.parquet"), progress)


def _gzipped(path: str, beside: Path) -> Path:
    """A local, compressed copy: the key ends in .gz and readers trust that."""
    with lake.open_input(path) as source:
        compressed = source.read(2) == b"\x1f\x8b"
        source.seek(0)
        with open(beside, "wb") if compressed else gzip.open(beside, "wb") as target:
            while block := source.read(1 << 20):
                target.write(block)
    return beside


def _put(s3, bucket: str, key: str, path: Path, progress: Progress) -> None:
    """Upload unless the object holds these bytes already."""
    digest = lake.sha256(path)
    there = {entry["Key"] for entry in s3.list_objects_v2(Bucket=bucket, Prefix=key).get("Contents", [])}
    if key in there and s3.head_object(Bucket=bucket, Key=key)["Metadata"].get("sha256") == digest:
        progress(f"data lake: {key} is there already")
        return
    s3.upload_file(str(path), bucket, key, ExtraArgs={"Metadata": {"sha256": digest}})
    progress(f"data lake: {key} ({path.stat().st_size:,} bytes)")
