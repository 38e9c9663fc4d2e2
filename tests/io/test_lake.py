"""Files in a folder and in an S3 bucket; outputs whole or absent."""

from __future__ import annotations

from pathlib import Path

import boto3
import pandas as pd
import pyarrow.parquet as pq
import pytest
from moto.server import ThreadedMotoServer
from vcf_files import AGREE, CONFLICT, write

from genomicslearning import InputError
from genomicslearning.io import lake
from genomicslearning.parquet.tsv import tsv_to_parquet
from genomicslearning.parquet.vcf import vcf_to_parquet
from genomicslearning.runs.data_source import write_training_set
from genomicslearning.runs.folder import Run
from genomicslearning.training_set.build import build_training_set
from genomicslearning.training_set.table import read_table


@pytest.fixture(scope="module")
def bucket():
    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0)
    server.start()
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("AWS_ENDPOINT_URL", "http://{}:{}".format(*server.get_host_and_port()))
        for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
            patch.setenv(name, "testing")
        patch.setenv("AWS_DEFAULT_REGION", "us-east-1")
        patch.delenv("AWS_PROFILE", raising=False)
        found = boto3.resource("s3").create_bucket(Bucket="lake")
        yield found
    server.stop()


def keys(bucket) -> set[str]:
    return {item.key for item in bucket.objects.all()}


def test_training_set_on_s3(bucket, tmp_path):
    local = write(
        tmp_path / "a.vcf.gz", [f"1 {n} {n} A G . . {AGREE if n % 2 else CONFLICT}" for n in range(40)] + ["x"]
    )
    bucket.upload_file(str(local), "annotation/clinvar/clinvar.vcf.gz")
    source = "s3://lake/annotation/clinvar/clinvar.vcf.gz"
    for out in ("s3://lake/out/t.csv", "s3://lake/out/t.parquet"):
        report = build_training_set(clinvar=source, out=out)
        assert (report["rows_written"], report["quarantined"]) == (40, 1)
        assert report["inputs"][0]["sha256"] == lake.sha256(local) == lake.sha256(source)
        assert len(read_table(out)) == 40
        assert {out[10:], f"{out[10:]}.report.json", f"{out[10:]}.quarantine.vcf"} <= keys(bucket)
    with pytest.raises(InputError, match="no such object"):
        build_training_set(clinvar="s3://lake/no.vcf.gz", out="s3://lake/bad.csv")
    with pytest.raises(InputError, match="no row for CLASS"):
        build_training_set(clinvar=write(tmp_path / "b.vcf", [f"1 1 1 A G . . {AGREE}"]), out="s3://lake/bad.csv")
    assert not any(key.startswith("bad") for key in keys(bucket))
    build_training_set(clinvar=write(tmp_path / "c.vcf", local_records()), out="s3://lake/out/t.csv")
    assert "out/t.csv.quarantine.vcf" not in keys(bucket)


def local_records() -> list[str]:
    return [f"1 1 1 A G . . {AGREE}", f"1 2 2 A G . . {CONFLICT}"]


def test_conversions_on_s3(bucket, tmp_path):
    bucket.upload_file(str(write(tmp_path / "a.vcf", local_records())), "a.vcf")
    vcf_to_parquet("s3://lake/a.vcf", "s3://lake/vcf.parquet")
    bucket.put_object(Key="a.tsv", Body=b"a\tb\n1\tx\n")
    tsv_to_parquet("s3://lake/a.tsv", "s3://lake/tsv.parquet")
    assert {"vcf.parquet", "vcf.parquet.report.json", "tsv.parquet"} <= keys(bucket)
    assert lake.exists("s3://lake/tsv.parquet") and not lake.exists("s3://lake/none")


@pytest.mark.parametrize("place", ["folder", "bucket"])
def test_a_folder_of_parts_is_a_table_with_all_its_columns(place, bucket, tmp_path):
    """As the Glue job leaves it in the data lake: a run takes it before the CSV, which lacks three columns."""
    table = "annotation/clinvar/conflicting/clinvar_conflicting"
    vcf = write(
        tmp_path / "a.vcf",
        [f"1 {n} {n} A G . . {AGREE if n % 2 else CONFLICT};GENEINFO=G{n}:{n}" for n in range(1, 41)],
    )
    root = tmp_path / "lake"
    build_training_set(clinvar=vcf, out=root / f"{table}.csv")
    build_training_set(clinvar=vcf, out=tmp_path / "whole.parquet")
    whole = pq.read_table(tmp_path / "whole.parquet")
    parts = root / f"{table}.parquet"
    parts.mkdir()
    for number in (2, 0, 1, 3):  # names, not times, give the order
        pq.write_table(whole.slice(number * 11, 11), parts / f"part-0000{number}-ab.snappy.parquet")
    (parts / "_SUCCESS").touch()
    (parts / ".part-00000-ab.snappy.parquet.crc").write_bytes(b"crc")
    if place == "bucket":
        for path in filter(Path.is_file, root.rglob("*")):
            bucket.upload_file(str(path), f"mine/{path.relative_to(root)}")
        root = "s3://lake/mine"
    read = read_table(f"{root}/{table}.parquet")
    pd.testing.assert_frame_equal(read, read_table(tmp_path / "whole.parquet"))
    run = Run(tmp_path / "run")
    accounting = write_training_set(run, lake=root)
    assert [entry["bytes"] > 0 for entry in accounting["inputs"]] == [True] * 4
    brought = read_table(run.training_set)
    assert brought["VARIATION_ID"].tolist() == [str(n) for n in range(1, 41)]
    assert brought["GENEINFO"].tolist() == [f"G{n}:{n}" for n in range(1, 41)]
    assert lake.parts(f"{root}/none.parquet", ".parquet") == []


def test_no_bucket(bucket, tmp_path):
    source = write(tmp_path / "a.vcf", local_records())
    with pytest.raises(InputError, match="s3://nowhere/t.csv"):
        build_training_set(clinvar=source, out="s3://nowhere/t.csv")


def test_output_is_whole_or_absent(tmp_path):
    first, second = tmp_path / "new" / "a", tmp_path / "new" / "b"
    with pytest.raises(ZeroDivisionError), lake.output(first, second) as [part, _]:
        part.write_text("half")
        raise ZeroDivisionError
    assert list(tmp_path.iterdir()) == []
    with lake.output(first, second) as parts:
        for part in parts:
            part.write_text("whole")
    with lake.output(first, second) as [_, part]:
        part.write_text("newer")
    assert not first.exists()
    assert second.read_text() == "newer"
    assert list((tmp_path / "new").iterdir()) == [second]


def test_bad_places(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(InputError, match="cannot write"), lake.output(tmp_path / "file" / "a"):
        pass
    with pytest.raises(InputError, match="is a folder"), lake.output(tmp_path):
        pass
    with pytest.raises(InputError, match="no such file"):
        lake.open_input(tmp_path / "none")
    assert lake.exists(tmp_path / "file") and not lake.exists(tmp_path)
    assert lake.size(tmp_path / "file") == 0
