"""Files made by hand after what users reported, and the specification's own conformance files, cell by cell."""

from __future__ import annotations

import zipfile

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from genomicslearning import InputError
from genomicslearning.io.vcf import Vcf
from genomicslearning.parquet.columns import PADDING
from genomicslearning.parquet.converter import Converter
from genomicslearning.parquet.tsv import tsv_to_parquet
from genomicslearning.parquet.vcf import vcf_to_parquet

FIXED = ("CHROM", "POS", "ID", "REF", "ALT", "QUAL", "FILTER")
# file: (arguments, the cells of each record beside the site)
VCFS = {
    "bigint": ({}, [{"N": 3}, {"INFO_OTHER": "N=99999999999999999999"}]),
    "bigintlist": ({}, [{"L": [3, 4]}, {"INFO_OTHER": "L=1,99999999999999999999"}]),
    "order": (
        {},
        [
            {"AC1": 3, "DPX": 12, "FLG": True, "AFX": [0.5], "OKN": 7},
            {"AC1": 4, "DPX": 13, "FLG": False, "AFX": [0.25], "OKN": 8},
        ],
    ),
    "quotes": (
        {},
        [{"Q1": 3, "CSQ": [dict(Allele="C", Consequence="missense_variant", IMPACT="MODERATE", SYMBOL="GENEA")]}],
    ),
    "keepcsq": (
        {},
        [
            {"CSQ": [dict(SYMBOL="GENEA", Consequence=f"{term}_variant", EXON=exon, Feature="NM_01", Allele=allele)]}
            for term, exon, allele in (("synonymous", "2/5", "G"), ("missense", "3/5", "T"))
        ],
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", VCFS)
def test_vcf(shared_data, tmp_path, name):
    arguments, wanted = VCFS[name]
    vcf_to_parquet(shared_data / "cases" / f"{name}.vcf", tmp_path / "a.parquet", **arguments)
    found = [
        {
            column: cell
            for column, cell in row.items()
            if cell is not None and column not in FIXED and not column.startswith(("CLN", "GENEINFO"))
        }
        for row in pq.read_table(tmp_path / "a.parquet").to_pylist()
    ]
    assert found == wanted


def test_csq_under_another_key(shared_data, tmp_path):
    source = shared_data / "cases" / "vepkey.vcf"
    vcf_to_parquet(source, tmp_path / "a.parquet", csq_key="vep")
    blocks = pq.read_table(tmp_path / "a.parquet")["vep"].to_pylist()
    assert [[block["Consequence"] for block in one] for one in blocks] == [["synonymous_variant"], ["missense_variant"]]
    with pytest.raises(InputError, match="bcftools csq"):
        vcf_to_parquet(shared_data / "cases" / "bcsq.vcf", tmp_path / "b.parquet", csq_key="BCSQ")
    vcf_to_parquet(shared_data / "cases" / "csqdot.vcf", tmp_path / "c.parquet")
    assert pq.read_table(tmp_path / "c.parquet")["CSQ"].is_null().to_pylist() == [True, False]
    report = vcf_to_parquet(shared_data / "cases" / "extratab.vcf", tmp_path / "d.parquet")
    assert (report["records_written"], report["quarantined"]) == (2, 1)


TSVS = {
    "submission_summary.txt": (["VariationID", "Significance", "Date", "Submitter"], 3),
    "gene_specific.txt": (["Symbol", "GeneID", "Total"], 2),
    "veptab.txt": (["Uploaded_variation", "Location", "Allele", "Consequence"], 2),
}


@pytest.mark.parametrize("name", TSVS)
def test_header_behind_comments(shared_data, tmp_path, name):
    names, count = TSVS[name]
    source = shared_data / "cases" / name
    report = tsv_to_parquet(source, tmp_path / "a.parquet")
    table = pq.read_table(tmp_path / "a.parquet")
    lines = [line.split("\t") for line in source.read_text().splitlines() if not line.startswith("#")]
    assert (table.column_names, table.num_rows, report["quarantined"]) == (names, count, 0)
    assert [[str(cell) for cell in row.values()] for row in table.to_pylist()] == lines


# The conformance files of the VCF specification.


@pytest.fixture(scope="module")
def conformance(shared_data, tmp_path_factory):
    folder = tmp_path_factory.mktemp("conformance")
    with zipfile.ZipFile(shared_data / "hts_specs_vcf.zip") as archive:
        archive.extractall(folder)
    return folder


def plainly(path) -> tuple[list[str], list[list[str]], list[dict[str, str]]]:
    """Columns, fixed cells with the samples' behind them, and INFO of each record, in the plainest way."""
    columns: list[str] = []
    cells, infos = [], []
    for line in path.read_bytes().decode().replace("\r\n", "\n").split("\n"):
        if line.startswith("#CHROM"):
            columns = line.split("\t")
        elif line.strip() and not line.startswith("#"):
            fields = line.split("\t")
            info = {}
            for item in fields[7].split(";"):
                key, equals, value = item.partition("=")
                if item not in ("", "."):
                    info[key] = value if equals else key
            infos.append(info)
            cells.append(fields[:7] + fields[8:])
    return columns, cells, infos


def test_every_file_that_passes_is_read_right(conformance, tmp_path):
    """All cells of all records, as text; the same again when Spark's tasks read them in small batches."""
    paths = sorted(conformance.glob("*/passed/*.vcf"))
    assert len(paths) == 76
    for path in paths:
        report = vcf_to_parquet(path, tmp_path / "a.parquet", text=True)
        columns, cells, infos = plainly(path)
        table = pq.read_table(tmp_path / "a.parquet")
        assert (report["records_written"], report["quarantined"]) == (len(cells), 0), path
        extra = table.column_names[len(table.column_names) - len(columns) + 8 :] if len(columns) > 8 else []
        for row, fixed, info in zip(table.to_pylist(), cells, infos, strict=True):
            assert [row[name] for name in (*FIXED, *extra)][: len(fixed)] == [cell or None for cell in fixed], path
            found = {name: cell for name, cell in row.items() if cell is not None and name not in (*FIXED, *extra)}
            other = dict(item.partition("=")[::2] for item in (found.pop("INFO_OTHER", "") or "").split(";") if item)
            named = {name.rpartition("_")[0] if name not in info else name: cell for name, cell in found.items()}
            assert {**named, **{key: value or key for key, value in other.items()}} == {
                key: value for key, value in info.items() if value
            }, path
        vcf_to_parquet(path, tmp_path / "typed.parquet")
        # As text, since NaN, which QUAL may be, does not equal itself.
        together = pq.read_table(tmp_path / "typed.parquet")
        assert str(in_small_batches(path).to_pylist()) == str(together.to_pylist()), path


def in_small_batches(path) -> pa.Table:
    """The table as tasks that get three lines at a time make it."""
    undeclared: dict[str, bool] = {}
    while True:
        with Vcf(path) as vcf:
            converter = Converter(vcf, undeclared=undeclared)
            lines = [line for batch in vcf.batches() for line in batch]
        tables = [converter.schema.empty_table()]
        for start in range(0, len(lines), 3):
            tables.append(converter.convert(b"".join(line + b"\n" for line in lines[start : start + 3]) + PADDING)[0])
        if not converter.asks_for_columns:
            return pa.concat_tables(tables)
        undeclared = converter.undeclared


def test_what_becomes_of_the_files_that_fail(conformance, tmp_path):
    """docs/data_dictionary.md says why: what is no VCF is refused, a few records are set aside, the rest is text."""
    outcome: dict[str, int] = {}
    for path in sorted(conformance.glob("*/failed/*.vcf")):
        try:
            report = vcf_to_parquet(path, tmp_path / "a.parquet")
        except InputError as problem:
            assert "\n" not in str(problem)
            kind = "refused"
        else:
            flagged = report["untyped_values"] or report["repeated_keys"] or report["undeclared_keys"]
            kind = "set aside" if report["quarantined"] else "flagged" if flagged else "read"
        outcome[kind] = outcome.get(kind, 0) + 1
    assert outcome == {"read": 342, "flagged": 242, "refused": 23}
