"""The conformance files of the VCF specification and every case file: Spark gives one machine's cells and account.

A Spark job takes seconds whatever its size, so files whose columns and annotation are alike are read as one.
"""

from __future__ import annotations

import re
import zipfile
from pathlib import Path

import pyarrow.parquet as pq
import pytest

from genomicslearning import InputError
from genomicslearning.io.vcf import problem
from genomicslearning.parquet.vcf import vcf_to_parquet
from genomicslearning.training_set.build import build_training_set

pytest.importorskip("pyspark")

from test_spark import same_report, session  # noqa: F401  # `session` is a fixture

FEW = 8  # malformed lines of a file: with more than ten it would be refused


class Lines:
    """Files read as one: their header lines, each once, and their records."""

    def __init__(self) -> None:
        self.header: dict[bytes, None] = {}
        self.columns = b""
        self.records: list[bytes] = []
        self.malformed = 0

    def add(self, text: bytes, chromosome: bytes | None = None) -> None:
        for line in text.replace(b"\r\n", b"\n").split(b"\n"):
            if line.startswith(b"##"):
                self.header[line] = None
            elif line.startswith(b"#CHROM"):
                self.columns = self.columns or line
            elif line and not line.startswith(b"#"):
                self.malformed += bool(bad := problem(line, self.columns.count(b"\t") + 1))
                if not bad or self.malformed <= FEW:
                    self.records.append(re.sub(rb"^[^\t]*", chromosome, line) if chromosome else line)

    def write(self, path: Path) -> Path:
        # The first line of all is ##fileformat; another one in the header is a line like others.
        path.write_bytes(b"\n".join([*self.header, self.columns, *self.records]) + b"\n")
        return path


def alike(texts: list[bytes], *annotation: str) -> dict[tuple, Lines]:
    """The files by their number of columns and the definitions of these INFO keys."""
    found: dict[tuple, Lines] = {}
    for text in texts:
        columns = re.search(rb"^#CHROM[^\r\n]*", text, re.MULTILINE)
        if not columns or b"\0" in text:
            continue  # refused, which no Spark is needed for
        keys = "|".join(annotation).encode() or rb"\Z"
        defined = tuple(re.findall(rb"^##INFO=<ID=(?:%b),.*" % keys, text, re.MULTILINE))
        found.setdefault((columns[0].count(b"\t"), defined), Lines()).add(text)
    return found


def equal_parquet(session, source: Path, folder: Path, **arguments) -> dict:  # noqa: F811
    from genomicslearning.spark.parquet import vcf_to_parquet as on_spark

    one = vcf_to_parquet(source, folder / "one.parquet", **arguments)
    on_spark(session, str(source), str(folder / "spark.parquet"), **arguments)
    spark, alone = (pq.read_table(folder / f"{name}.parquet") for name in ("spark", "one"))
    assert spark.schema.equals(alone.schema)
    # As text, since NaN, which QUAL may be, does not equal itself.
    assert str(spark.to_pylist()) == str(alone.to_pylist())
    same_report(one, folder / "spark.parquet.report.json")
    return one


@pytest.mark.parametrize(("kind", "count"), [("passed", 464), ("failed", 708)])
def test_conformance_files(session, shared_data, tmp_path, kind, count):  # noqa: F811
    with zipfile.ZipFile(shared_data / "hts_specs_vcf.zip") as archive:
        texts = [
            archive.read(name) for name in sorted(archive.namelist()) if f"/{kind}/" in name and name[-4:] == ".vcf"
        ]
    read = 0
    for number, lines in enumerate(alike(texts).values()):
        read += equal_parquet(session, lines.write(tmp_path / f"{number}.vcf"), tmp_path)["records_read"]
    assert read == count


def test_case_files_to_parquet(session, shared_data, tmp_path):  # noqa: F811
    texts = [path.read_bytes() for path in sorted((shared_data / "cases").glob("*.vcf"))]
    groups = alike(texts, "CSQ", "vep", "BCSQ")
    read = 0
    for number, ((_, defined), lines) in enumerate(groups.items()):
        source = lines.write(tmp_path / f"{number}.vcf")
        key = {"csq_key": "vep"} if any(b"ID=vep," in one for one in defined) else {}
        read += equal_parquet(session, source, tmp_path, **key)["records_read"]
    assert read == sum(line[:1] not in (b"#", b"") for text in texts for line in text.split(b"\n"))


# Case files that stand alone: with what they are read.
ALONE: dict[str, dict[str, str]] = {
    "csqdot": {}, "dups": {}, "keepcsq": {}, "vepkey": {"csq_key": "vep"}, "flagpick": {"pick": "flagged"},
}  # fmt: skip


def test_case_files_to_training_sets(session, shared_data, tmp_path):  # noqa: F811
    """Each file or pair has a chromosome of its own; those whose annotation is alike go together."""
    from genomicslearning.spark.training_set import build_on_spark

    cases = shared_data / "cases"
    every = {
        path.name.removesuffix("_clinvar.vcf"): {
            "clinvar": path,
            "annotated": path.with_name(path.name.replace("clinvar", "annot")),
        }
        for path in sorted(cases.glob("*_clinvar.vcf"))
    }
    every |= {name: {"annotated": cases / f"{name}.vcf"} for name in ALONE}
    every["extratab"] = {"clinvar": cases / "extratab.vcf"}
    assert len(every) == 12
    jobs: dict[tuple, dict[str, Lines]] = {}
    for number, (name, files) in enumerate(every.items(), 1):
        annotation = files.get("annotated", files.get("clinvar")).read_bytes()
        defined = tuple(re.findall(rb"^##INFO=<ID=(?:CSQ|vep),.*", annotation, re.MULTILINE))
        key = (tuple(files), defined, tuple(ALONE.get(name, {}).items()))
        job = jobs.setdefault(key, {role: Lines() for role in files})
        for role, path in files.items():
            job[role].add(path.read_bytes(), b"%d" % number)
    rows = 0
    for (_, _, arguments), job in jobs.items():
        given = {role: str(lines.write(tmp_path / f"{role}.vcf")) for role, lines in job.items()} | dict(arguments)
        one = build_training_set(**given, out=tmp_path / "one.csv")
        build_on_spark(session, **given, out=str(tmp_path / "spark.csv"))
        assert (tmp_path / "spark.csv").read_bytes() == (tmp_path / "one.csv").read_bytes(), given
        same_report(one, tmp_path / "spark.csv.report.json")
        rows += one["rows_written"]
    assert rows == 32  # as many as tests/training_set/test_case_files.py lists


def test_a_file_of_another_program_is_refused_alike(session, shared_data, tmp_path):  # noqa: F811
    from genomicslearning.spark.training_set import build_on_spark

    given = {"annotated": str(shared_data / "cases" / "bcsq.vcf"), "out": str(tmp_path / "t.csv")}
    for build in (build_training_set, lambda **given: build_on_spark(session, **given)):
        with pytest.raises(InputError, match="bcftools csq"):
            build(**given)
