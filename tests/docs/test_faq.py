"""The errors that docs/faq.md quotes: each is provoked, and the line that a user sees is the one that is quoted."""

from __future__ import annotations

import gzip
import re
import sys
from pathlib import Path

import pandas as pd
import pytest
from places import ROOT
from typer.testing import CliRunner

from genomicslearning import InputError, watchlist
from genomicslearning.autopilot.model import Model
from genomicslearning.cli import doctor
from genomicslearning.cli.app import app
from genomicslearning.history.splits import split
from genomicslearning.training_set.build import build_training_set
from genomicslearning.training_set.table import COLUMNS

VCF = "##fileformat=VCFv4.1\n##reference={}\n#CHROM\tPOS\tID\tREF\tALT\tQUAL\tFILTER\tINFO\n"
CSQ = '##INFO=<ID=CSQ,Number=.,Type=String,Description="Consequence annotations. Format: Allele|Consequence">\n'
AGREE = "criteria_provided,_multiple_submitters,_no_conflicts"
TEXT = (ROOT / "docs" / "faq.md").read_text(encoding="utf-8")
# The first column of the table of errors: what is quoted, an ellipsis for what differs from case to case.
QUOTED = re.findall(r"^\| `+(.+?)`+(?: \(`doctor`\))? \|", TEXT, flags=re.MULTILINE)


def vcf(path: Path, *records: str, assembly: str = "GRCh38") -> Path:
    path.write_text(
        VCF.format(assembly).replace("#CHROM", CSQ + "#CHROM") + "".join(f"{record}\n" for record in records)
    )
    return path


def record(position: int, status: str = AGREE) -> str:
    return f"1\t{position}\t{position}\tA\tG\t.\t.\tCLNREVSTAT={status};CLNSIG=Benign"


def table(rows: int = 40, **cells) -> pd.DataFrame:
    made = pd.DataFrame({name: [None] * rows for name in COLUMNS}, dtype="str")
    made["CLASS"] = [0, 1] * (rows // 2)
    return made.assign(CHROM="1", POS=range(1, rows + 1), REF="A", ALT="G", **cells)


def of_a_command(*words: object) -> str:
    done = CliRunner().invoke(app, [str(word) for word in words])
    assert isinstance(done.exception, InputError), done.output
    return str(done.exception)


def of_a_call(function, *given, **named) -> str:
    with pytest.raises(InputError) as problem:
        function(*given, **named)
    return str(problem.value)


def run_exists(place, _):
    (place / "runs" / "r").mkdir(parents=True)
    return of_a_command("run", "--name", "r", "--runs-dir", place / "runs")


def no_such_file(place, _):
    return of_a_command("run", "--clinvar", place / "none.vcf", "--runs-dir", place)


def unknown_parameter(place, _):
    return of_a_command("run", "-p", "sed=1", "--runs-dir", place)


def not_a_vcf(place, _):
    (place / "page.vcf").write_text("<html>\n")
    return of_a_call(build_training_set, clinvar=place / "page.vcf", out=place / "t.csv")


def damaged(place, _):
    whole = gzip.compress("".join([VCF.format("GRCh38"), *(f"{record(n)}\n" for n in range(1, 5000))]).encode())
    (place / "cut.vcf.gz").write_bytes(whole[: len(whole) // 2])
    return of_a_call(build_training_set, clinvar=place / "cut.vcf.gz", out=place / "t.csv")


def malformed(place, _):
    path = vcf(place / "c.vcf", *(record(n) for n in range(1, 40)), *["1\tten\t.\tA\tG\t.\t.\t."] * 11)
    return of_a_call(build_training_set, clinvar=path, out=place / "t.csv")


def assemblies(place, _):
    one, two = vcf(place / "a.vcf", record(1)), vcf(place / "b.vcf", record(1), assembly="GRCh37")
    return of_a_call(build_training_set, clinvar=one, annotated=two, out=place / "t.csv")


def another_assembly(place, _):
    old = vcf(place / "old.vcf", record(1), assembly="GRCh37")
    return of_a_call(split, table(CLNHGVS="NC_000001.11:g.1A>G"), "time", earlier=[str(old)])


def no_assembly(place, _):
    return of_a_call(split, table(), "time", earlier=[str(vcf(place / "old.vcf", record(1)))])


def no_row_of_a_class(place, _):
    return of_a_call(build_training_set, clinvar=vcf(place / "c.vcf", record(1), record(2)), out=place / "t.csv")


def one_class(place, _):
    rows = table()
    rows["CLASS"] = [1] + [0] * (len(rows) - 1)
    return of_a_call(split, rows, "random")


def counts_submitters(place, monkeypatch):
    class Counting:
        manifest = {"features": "all"}

    monkeypatch.setattr(Model, "load", lambda folder: Counting())
    return of_a_call(watchlist.build, clinvar=vcf(place / "c.vcf", record(1)), model=place, out=place / "watch")


def no_place(place, _):
    from genomicslearning.features import VariantFeatures

    rows = table()
    fitted = VariantFeatures("biology").fit(rows)
    return of_a_call(fitted.transform, rows.drop(columns="POS"))


def no_boto(place, monkeypatch):
    from genomicslearning.aws import account

    monkeypatch.setitem(sys.modules, "boto3", None)
    return of_a_call(account.boto_session)


def no_record(place, _):
    (place / "r").mkdir()
    (place / "r" / "run.json").write_text('{"name": "package"}')
    return of_a_command("report", place / "r")


def no_kernel(place, monkeypatch):
    from jupyter_client.kernelspec import KernelSpecManager, NoSuchKernel

    def missing(self, name):
        raise NoSuchKernel(name)

    monkeypatch.setattr(KernelSpecManager, "get_kernel_spec", missing)
    monkeypatch.setattr(doctor, "examine", lambda: [doctor._kernel()])
    done = CliRunner().invoke(app, ["doctor"])
    assert done.exit_code == 1
    return done.output


PROVOKED = (
    run_exists, no_such_file, unknown_parameter, not_a_vcf, damaged, malformed, assemblies, another_assembly,
    no_assembly, no_row_of_a_class, one_class, counts_submitters, no_place, no_boto, no_record, no_kernel,
)  # fmt: skip


@pytest.mark.parametrize(
    ("quoted", "provoke"), [*zip(QUOTED, PROVOKED, strict=True)], ids=[provoke.__name__ for provoke in PROVOKED]
)
def test_a_quoted_error_is_what_a_user_sees(quoted, provoke, tmp_path, monkeypatch):
    pattern = ".+?".join(re.escape(part) for part in quoted.split("…"))
    said = provoke(tmp_path, monkeypatch)
    assert re.search(pattern, said, flags=re.DOTALL), f"{quoted!r} is quoted, {said!r} is said"


def test_every_row_of_the_table_is_tried():
    rows = re.search(r"## Errors that people meet\n(.*?)\n## ", TEXT, flags=re.DOTALL)[1].count("\n| ")
    assert rows - 1 == len(PROVOKED), "its header is a row too"
