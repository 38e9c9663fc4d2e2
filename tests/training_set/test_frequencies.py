"""Where allele frequencies come from: ClinVar's own keys, else VEP's fields, by one rule."""

from __future__ import annotations

from collections import Counter

import pytest

from genomicslearning.training_set.build import build_training_set
from genomicslearning.training_set.frequencies import Frequencies
from genomicslearning.training_set.table import COLUMNS, EXTRA_COLUMNS, GNOMAD_COLUMNS, read_table

NOTHING = (b"", b"", b"")


@pytest.mark.parametrize(
    ("fields", "cells", "af"),
    [
        ("AF", "0.1903", (b"", b"", b"0.1903")),
        ("AFR_AF|EUR_AF", "0.1|0.2", (b"", b"", b"0.1432130584")),  # (661 * 0.1 + 503 * 0.2) / 1164
        ("AF|EUR_AF", "|0.5", (b"", b"", b"0.5")),
        ("ExAC_AF|gnomADe_AF", "0.01|0.02", (b"0.02", b"0.01", b"")),
        ("gnomADe_AF", "1.997e-05", (b"1.997e-05", b"1.997e-05", b"")),
        ("gnomAD_AF|AA_AF|EA_AF", "0.2621|0.2274|0.3297", (b"0.2950441642", b"0.2621", b"")),
        ("gnomAD_AF|AA_AF|EA_AF", "0.2621||0.3", (b"0.3", b"0.2621", b"")),
        ("MAX_AF", "0.3", (b"", b"0.3", b"")),
        ("AF", "0.1&0.02", (b"", b"", b"0.1")),
        ("AF", "T:0.4&C:0.2", (b"", b"", b"0.4")),
        ("AF", "0.02&0.1", (b"", b"", b"0.1")),
        ("AF", "9e-05&0.001", (b"", b"", b"0.001")),  # by value, not by letters
        ("AF", "1", (b"", b"", b"1")),
        ("AF", "0", (b"", b"", b"0")),
        ("AF|AF", "0.1|0.2", (b"", b"", b"0.1")),  # a field named twice: the first stands
        ("AF", "1.5", NOTHING),
        ("AF", "nan", NOTHING),
        ("AF", "", NOTHING),
        ("SYMBOL", "BRCA1", NOTHING),
    ],
)
def test_what_stands_in_for_a_column(fields, cells, af):
    names = ["Allele", *fields.split("|"), "Last"]
    csq = f"G|{cells}|x,G|{cells}|y".encode()
    assert tuple(Frequencies(names, own=False).of(NOTHING, csq, Counter())[0]) == af


def test_declared_keys_of_clinvar_count_even_where_a_record_lacks_them():
    counts: Counter[str] = Counter()
    found = Frequencies(["AF", "gnomADe_AF"], own=True)
    assert found.of((b"0.1", b"", b""), b"0.3|0.4", counts) == ((b"0.1", b"", b""), (b"0.4",))
    assert counts == {"AF_ESP from INFO": 1, "gnomADe_AF from gnomADe_AF": 1}
    assert found.source == "INFO"


def test_keys_of_clinvar_that_no_header_declares_count_all_the_same():
    counts: Counter[str] = Counter()
    found = Frequencies(["AF"], own=False)
    assert found.of((b"0.1", b"", b""), b"0.3", counts) == ((b"0.1", b"", b""), ())
    assert counts == {"AF_ESP from INFO": 1}
    assert found.of(NOTHING, b"0.3", counts)[0] == [b"", b"", b"0.3"]


def test_a_block_that_is_short_or_missing_gives_nothing():
    found = Frequencies(["AF", "gnomADe_AF", "gnomADg_AF"], own=False)
    assert found.of(NOTHING, b"0.3", Counter()) == ([b"", b"", b"0.3"], (b"", b""))
    assert found.of(NOTHING, None, Counter()) == ([b"", b"", b""], (b"", b""))
    assert Frequencies((), own=False).source == "none"


HEADER = (
    "##fileformat=VCFv4.2\n{keys}"
    '##INFO=<ID=CSQ,Number=.,Type=String,Description="Consequence annotations from Ensembl VEP. Format: '
    'Allele|Consequence|SYMBOL|AF|gnomADe_AF|gnomADg_AF|MAX_AF">\n#CHROM\tPOS\tID\tREF\tALT\tQUAL\tFILTER\tINFO\n'
)
AF_KEYS = "".join(f'##INFO=<ID=AF_{name},Number=1,Type=Float,Description="x">\n' for name in ("ESP", "EXAC", "TGP"))
STATUS = ("criteria_provided,_multiple_submitters,_no_conflicts", "criteria_provided,_conflicting_classifications")


def written(path, keys=""):
    info = [
        "AF_EXAC=0.00010;" if keys else "",
        "",
    ]
    csq = ["G|missense_variant|A|0.2|0.3|0.25|0.5", "G|missense_variant|A||||"]
    rows = [
        f"1\t{100 + place}\t{place}\tA\tG\t.\t.\t{info[place]}CLNREVSTAT={STATUS[place]};CSQ={csq[place]}\n"
        for place in (0, 1)
    ]
    path.write_text(HEADER.format(keys=keys) + "".join(rows))
    return path


def test_a_training_set_takes_veps_frequencies_where_clinvars_are_not_declared(tmp_path):
    report = build_training_set(annotated=written(tmp_path / "a.vcf"), out=tmp_path / "t.parquet")
    table = read_table(tmp_path / "t.parquet")
    assert table[["AF_ESP", "AF_EXAC", "AF_TGP"]].to_numpy().tolist() == [["0.3", "0.3", "0.2"], ["0", "0", "0"]]
    assert table.loc[0, list(GNOMAD_COLUMNS)].tolist() == ["0.3", "0.25", "0.5"]
    assert table.loc[1, list(GNOMAD_COLUMNS)].isna().all()
    assert report["frequencies"] == {
        "source": "CSQ",
        "rows": {
            "AF_ESP from gnomADe_AF": 1, "AF_EXAC from gnomADe_AF": 1, "AF_TGP from AF": 1,
            "MAX_AF from MAX_AF": 1, "gnomADe_AF from gnomADe_AF": 1, "gnomADg_AF from gnomADg_AF": 1,
        },
    }  # fmt: skip


def test_a_training_set_keeps_clinvars_own_frequencies_where_they_are_declared(tmp_path):
    report = build_training_set(annotated=written(tmp_path / "a.vcf", AF_KEYS), out=tmp_path / "t.parquet")
    table = read_table(tmp_path / "t.parquet")
    assert table[["AF_ESP", "AF_EXAC", "AF_TGP"]].to_numpy().tolist() == [["0", "0.00010", "0"], ["0", "0", "0"]]
    assert table.loc[0, "gnomADe_AF"] == "0.3"
    assert report["frequencies"]["source"] == "INFO"
    assert report["frequencies"]["rows"]["AF_EXAC from INFO"] == 1


def test_the_csv_has_the_published_columns_and_no_others(tmp_path):
    build_training_set(annotated=written(tmp_path / "a.vcf"), out=tmp_path / "t.csv")
    assert (tmp_path / "t.csv").read_text().splitlines()[0] == ",".join(COLUMNS)
    assert len((tmp_path / "t.csv").read_text().splitlines()[1].split(",")) == len(COLUMNS)


def test_without_gnomad_in_the_annotation_the_parquet_is_as_it_was(demo_pair, tmp_path):
    build_training_set(clinvar=demo_pair[0], annotated=demo_pair[1], out=tmp_path / "t.parquet")
    assert list(read_table(tmp_path / "t.parquet").columns) == [*COLUMNS, *EXTRA_COLUMNS]


@pytest.mark.parametrize(
    ("name", "columns", "rows"),
    [
        # gnomAD_AF and gnomADg_AF of this panel; the other file was annotated without gnomAD.
        ("panel_vep_grch37_cadd", ["gnomADe_AF", "gnomADg_AF"], {"AF_TGP from AF", "AF_ESP from AA_AF, EA_AF"}),
        ("clinvar_brca1_vep109_20230324", [], {"AF_TGP from AF"}),
    ],
)
def test_frequencies_of_real_annotated_files_arrive(shared_data, tmp_path, name, columns, rows):
    import gzip

    source = tmp_path / "labelled.vcf.gz"
    with gzip.open(shared_data / "vep" / f"{name}.vcf.gz", "rt") as lines, gzip.open(source, "wt") as out:
        for number, line in enumerate(lines):
            if not line.startswith("#"):
                fields = line.rstrip("\n").split("\t")
                fields[7] += f";CLNREVSTAT={STATUS[number % 2]}"
                line = "\t".join(fields) + "\n"
            out.write(line)
    report = build_training_set(annotated=source, out=tmp_path / "t.parquet")
    table = read_table(tmp_path / "t.parquet")
    assert [column for column in GNOMAD_COLUMNS if column in table] == columns
    assert rows <= set(report["frequencies"]["rows"])
    assert (table["AF_TGP"] != "0").sum() == report["frequencies"]["rows"]["AF_TGP from AF"] > 50
    for column in columns:
        assert table[column].notna().sum() > 100
