"""Lines of text from anywhere: pipes, what is no text, and bounds, so that nothing runs for ever or fills memory."""

from __future__ import annotations

import gzip
import os
import subprocess
import sys
import threading

import pyarrow.parquet as pq
import pytest
from vcf_files import AGREE, CONFLICT, write

from genomicslearning import InputError
from genomicslearning.io import lines, vcf
from genomicslearning.io.lines import LineFile, unique_names
from genomicslearning.io.vcf import Vcf, header_fields
from genomicslearning.parquet.tsv import tsv_to_parquet
from genomicslearning.parquet.vcf import vcf_to_parquet
from genomicslearning.training_set.build import build_training_set

RECORDS = [f"1 10 1 A G . . {AGREE}", f"1 20 2 A G . . {CONFLICT}"]


@pytest.fixture
def pipe(tmp_path):
    """Makes a named pipe through which a file's bytes come, some at a time."""
    writers = []

    def make(source, step: int = 7) -> str:
        path = tmp_path / f"{source.name}.pipe"
        os.mkfifo(path)

        def write_all():
            data = source.read_bytes()
            with path.open("wb", buffering=0) as file:
                for start in range(0, len(data), step):
                    file.write(data[start : start + step])

        writer = threading.Thread(target=write_all)
        writer.start()
        writers.append(writer)
        return str(path)

    yield make
    for writer in writers:
        writer.join()


@pytest.mark.parametrize("name", ["a.vcf", "a.vcf.gz"])
def test_pipes_give_what_files_give(tmp_path, pipe, name):
    source = write(tmp_path / name, RECORDS)
    report = build_training_set(clinvar=pipe(source), out=tmp_path / "piped.csv")
    wanted = build_training_set(clinvar=source, out=tmp_path / "t.csv")
    assert (tmp_path / "piped.csv").read_bytes() == (tmp_path / "t.csv").read_bytes()
    assert report["inputs"][0]["sha256"] == wanted["inputs"][0]["sha256"]
    assert report["inputs"][0]["bytes"] == source.stat().st_size


def test_two_pipes_in_different_orders(tmp_path, pipe, monkeypatch):
    """ClinVar's file is looked up in: a pipe is copied, and one line says so."""
    from genomicslearning.training_set import matching

    monkeypatch.setattr(matching, "_AHEAD", 3)
    records = [f"1 {n} {n} A G . . {AGREE if n % 2 else CONFLICT}" for n in range(1, 40)]
    clinvar = write(tmp_path / "c.vcf.gz", records)
    annotated = write(
        tmp_path / "a.vcf", [f"{r};CSQ=G|intron_variant" for r in records[::-1]], csq=["Allele", "Consequence"]
    )
    said = []
    build_training_set(
        clinvar=pipe(clinvar, 999), annotated=pipe(annotated, 999), out=tmp_path / "t.csv", progress=said.append
    )
    build_training_set(clinvar=clinvar, annotated=annotated, out=tmp_path / "wanted.csv")
    assert (tmp_path / "t.csv").read_bytes() == (tmp_path / "wanted.csv").read_bytes()
    assert len([line for line in said if "can be read only once" in line]) == 1


def test_conversions_of_pipes(tmp_path, pipe):
    source = write(tmp_path / "a.vcf.gz", ["1 5 . A G . . NEW=1", *RECORDS])
    report = vcf_to_parquet(pipe(source), tmp_path / "a.parquet")
    assert pq.read_table(tmp_path / "a.parquet")["INFO_OTHER"].to_pylist() == ["NEW=1", None, None]
    assert "a pipe is read once: NEW" in " ".join(report["warnings"])
    table = tmp_path / "a.tsv"
    table.write_text("a\tb\n1\tx\n2\ty\n")
    said = []
    tsv_to_parquet(pipe(table), tmp_path / "b.parquet", progress=said.append)
    assert pq.read_table(tmp_path / "b.parquet").to_pylist() == [{"a": 1, "b": "x"}, {"a": 2, "b": "y"}]
    assert "can be read only once" in said[0]


@pytest.mark.parametrize("name", ["-", "/dev/stdin"])
def test_standard_input_of_the_command(tmp_path, name):
    source = write(tmp_path / "a.vcf.gz", RECORDS)
    command = [sys.executable, "-m", "genomicslearning", "training-set", "--clinvar", name, "--out", tmp_path / "t.csv"]
    with source.open("rb") as file:
        done = subprocess.run(command, stdin=file, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    piped = subprocess.run(command, input=source.read_bytes(), capture_output=True)
    assert piped.returncode == 0, piped.stderr
    assert (tmp_path / "t.csv").read_text().count("\n") == 3


FOREIGN = {
    "zip": (b"PK\x03\x04rest", "is a zip archive"),
    "bzip2": (b"BZh91AY", "is compressed by bzip2"),
    "xz": (b"\xfd7zXZ\0", "is compressed by xz"),
    "zstd": (b"\x28\xb5\x2f\xfd", "is compressed by zstd"),
    "UTF-16": ("##fileformat=VCFv4.1\n".encode("utf-16"), "is UTF-16 text"),
    "CR alone": (b"##fileformat=VCFv4.1\r#CHROM\tPOS\r1\t2\r", r"a\.vcf:1: a carriage return within the line"),
    "NUL": (b"##fileformat=VCFv4.1\n##x=\0\n", r"a\.vcf:2: a NUL byte in the header"),
    "HTML": (b"<!DOCTYPE html>\n", "not a VCF, it has no header"),
    "gzip of nothing": (gzip.compress(b""), "not a VCF, it has no header"),
    "gzip without its rest": (b"\x1f\x8b\x08", "the gzip stream ends early|damaged"),
    "gzip that is none": (b"\x1f\x8b\x08\x04" + b"x" * 50, "damaged|ends early"),
}


@pytest.mark.parametrize("what", FOREIGN)
def test_what_is_no_vcf_is_told_by_its_content(tmp_path, what):
    data, message = FOREIGN[what]
    (tmp_path / "a.vcf").write_bytes(data)
    with pytest.raises(InputError, match=message) as caught:
        Vcf(tmp_path / "a.vcf")
    assert "\n" not in str(caught.value)


def test_names_say_nothing(tmp_path):
    """A plain file named .gz and a compressed one without are read as what they are."""
    plain, packed = write(tmp_path / "a.vcf", RECORDS), write(tmp_path / "b.vcf.gz", RECORDS)
    plain.rename(tmp_path / "a.vcf.gz")
    packed.rename(tmp_path / "b.vcf")
    for name in ("a.vcf.gz", "b.vcf"):
        assert build_training_set(clinvar=tmp_path / name, out=tmp_path / "t.csv")["rows_written"] == 2
    from genomicslearning.runs.data_source import is_synthetic

    assert not is_synthetic(str(tmp_path / "a.vcf.gz")) and not is_synthetic(str(tmp_path / "b.vcf"))


def test_a_line_without_an_end(tmp_path, monkeypatch):
    """It is refused once it is longer than what is read; what is as long is read, in a time that grows with it."""
    monkeypatch.setattr(lines, "MOST_LINE_BYTES", 3 << 20)
    start = "##fileformat=VCFv4.1\n#CHROM\tPOS\tID\tREF\tALT\tQUAL\tFILTER\tINFO\n1\t5\t.\tA\tG\t.\t.\tX="
    for length, ok in ((2 << 20, True), (4 << 20, False)):
        for text in (start + "x" * length, start + "x" * length + "\n"):
            (tmp_path / "a.vcf").write_text(text)
            if ok:
                with Vcf(tmp_path / "a.vcf") as file:
                    assert [len(line) for batch in file.batches() for line in batch] == [length + 16]
            else:
                with (
                    pytest.raises(InputError, match=r"a\.vcf:3: a line has more than 3 MB"),
                    Vcf(tmp_path / "a.vcf") as file,
                ):
                    list(file.batches())


def test_an_endless_header(tmp_path, monkeypatch):
    (tmp_path / "a.vcf").write_text("##fileformat=VCFv4.1\n" + "##x\n" * 3000)
    monkeypatch.setattr(vcf, "MOST_HEADER_LINES", 2000)
    with pytest.raises(InputError, match=r"a\.vcf:2001: the header has more than 32 MB or 2,000 lines"):
        Vcf(tmp_path / "a.vcf")
    monkeypatch.setattr(vcf, "MOST_HEADER_LINES", 500_000)
    monkeypatch.setattr(vcf, "MOST_HEADER_BYTES", 5000)
    with pytest.raises(InputError, match="the header has more than"):
        Vcf(tmp_path / "a.vcf")


def test_a_key_of_four_megabytes_is_no_column(tmp_path):
    key = "K" * (4 << 20)
    source = write(tmp_path / "a.vcf", [f"1 5 . A G . . {key}=1;NEW=2", "1 6 . A G . . NEW=3"])
    said = []
    report = vcf_to_parquet(source, tmp_path / "a.parquet", progress=said.append)
    table = pq.read_table(tmp_path / "a.parquet")
    assert (table["NEW"].to_pylist(), table["INFO_OTHER"].to_pylist()) == (["2", "3"], [f"{key}=1", None])
    assert report["undeclared_keys"] == ["NEW"]
    assert all(len(line) < 500 for line in said)


def test_many_equal_names_take_no_longer_than_others():
    names = unique_names(["a"] * 50_000)
    assert names[0] == "a" and names[-1] == "a_50000" and len(set(names)) == 50_000


def test_conflicting_classifications_without_an_end():
    """Text without a count took a time that grew with its square."""
    from genomicslearning import clinvar

    assert clinvar.submissions("a" * 2_000_000) == {}
    assert clinvar.submissions("a" * 1_000_000 + "(2)") == {"a" * 1_000_000: 2}
    assert clinvar.submissions("Benign(٣)|Benign(0)|Pathogenic(2)|Likely_benign(99999999999999)") == {"Pathogenic": 2}


HEADER_LINES = {
    '##INFO=<ID=A,Number=1,Type=Integer>': {"ID": "A", "Number": "1", "Type": "Integer"},
    '##INFO=<Description="a, b=c",ID=A>': {"Description": "a, b=c", "ID": "A"},
    r'##INFO=<ID=A,Description="says \"x, Type=Y\" > z">': {"ID": "A", "Description": 'says "x, Type=Y" > z'},
    '##INFO=<ID=A,Description="an unescaped "word" here">': {"ID": "A", "Description": 'an unescaped "word" here'},
    '##INFO=<ID = A , Number=.>': {"ID": "A", "Number": "."},
    '##INFO=<ID=A,Description="no end>': {"ID": "A", "Description": '"no end'},
    "##fileDate=2026": {},
    "##x=<>": {},
}  # fmt: skip


@pytest.mark.parametrize("line", HEADER_LINES)
def test_header_lines_are_keys_and_values(line):
    assert header_fields(line) == HEADER_LINES[line]


def test_end_marker_of_a_piped_bgzip(tmp_path, pipe):
    from vcf_files import bgzip

    whole = bgzip(write(tmp_path / "a.vcf", RECORDS), tmp_path / "b.vcf.gz")
    cut = tmp_path / "cut.vcf.gz"
    cut.write_bytes(whole.read_bytes()[:-28])
    for path, warned in ((whole, False), (cut, True)):
        for source in (path, pipe(path)):
            with LineFile(source) as file:
                list(file.batches())
                file.facts()
                assert any("end marker" in warning for warning in file.warnings) == warned
