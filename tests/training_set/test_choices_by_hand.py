"""Which block, which value and which row, by value: small files of a few records, one decision each."""

from __future__ import annotations

import csv

import pytest
from vcf_files import AGREE, CONFLICT, write

from genomicslearning.training_set.build import build_training_set
from genomicslearning.training_set.table import read_table

S, M, I = "stop_gained", "missense_variant", "intron_variant"  # noqa: E741
OTHER = [f"5 1 91 A G . . {AGREE}", f"5 2 92 A G . . {CONFLICT}"]


def features(folder, fields: str, records: list[str], *, column="Feature", **more) -> tuple[list[str], dict]:
    """A column of the rows of an annotated file with these fields of CSQ, and the report."""
    path = write(folder / "a.vcf", records, csq=fields.split("|"))
    report = build_training_set(annotated=path, out=folder / "t.csv", **more)
    with open(folder / "t.csv", newline="", encoding="utf-8") as file:
        return [row[column] for row in csv.DictReader(file)], report


def both(blocks: str, info: str = "") -> list[str]:
    """A record of each class with these blocks."""
    return [f"1 {place} {place} A G . . {status};{info}CSQ={blocks}" for place, status in ((1, AGREE), (2, CONFLICT))]


def test_mane_select_in_a_field_of_that_name_and_plus_clinical_is_none(tmp_path):
    blocks = f"G|{S}|worst|,G|{S}|plus|MANE_Plus_Clinical,G|{I}|select|MANE_Select"
    found, report = features(tmp_path, "Allele|Consequence|Feature|MANE", both(blocks))
    assert found == ["select", "select"] and report["pick"] == {"mane": 2}


def test_a_block_without_a_gene_is_not_of_the_gene_that_clinvar_does_not_name(tmp_path):
    blocks = f"G|{I}||none|NM_1,G|{S}|G1|gene|NM_2"
    found, report = features(tmp_path, "Allele|Consequence|SYMBOL|Feature|MANE_SELECT", both(blocks))
    assert found == ["gene", "gene"] and report["pick_by_gene"] == 0


def test_that_a_gene_decided_is_counted_of_the_record_alone(tmp_path):
    fields = "Allele|Consequence|SYMBOL|Feature|MANE_SELECT"
    two = f"G|{S}|G2|b|NM_2,G|{I}|G1|a|NM_1"
    records = [
        f"1 1 1 A G . . {AGREE};GENEINFO=G1:1;CSQ={two}",
        f"1 2 2 A G . . {CONFLICT};GENEINFO=G1:1;CSQ=G|{S}|G1|c|NM_1",
        f"1 3 3 A C,G . . {CONFLICT};GENEINFO=G1:1;CSQ=G|{S}|G1|d|,C|{S}|G1|e|",
    ]
    found, report = features(tmp_path, fields, records)
    assert found == ["a", "c", "e", "d"]
    assert report["pick_by_gene"] == 1


def test_of_one_gene_there_is_nothing_to_decide(tmp_path):
    blocks = f"G|{I}|G1|mild|NM_1,G|{S}|G1|worst|NM_2"
    found, report = features(tmp_path, "Allele|Consequence|SYMBOL|Feature|MANE_SELECT", both(blocks, "GENEINFO=G1:1;"))
    assert found == ["worst", "worst"] and report["pick_by_gene"] == 0


def test_of_fields_that_differ_in_capitals_the_first_stands(tmp_path):
    fields = "Allele|Consequence|Cadd_phred|cadd_PHRED"
    found, _ = features(tmp_path, fields, both(f"G|{M}|1|2"), column="CADD_PHRED")
    assert found == ["1", "1"]


@pytest.mark.parametrize(
    ("fields", "alts", "blocks", "wanted"),
    [
        # ALLELE_NUM 0 is the reference: names decide.
        ("Allele|Consequence|Feature|ALLELE_NUM", "C,T", f"C|{M}|c|0,T|{M}|t|1", ["c", "t"]),
        # A number beyond the ALTs: the record was split.
        ("Allele|Consequence|Feature|ALLELE_NUM", "C,T", f"C|{M}|c|3,T|{M}|t|1", ["c", "t"]),
        # A single ALT: its number says nothing, its name does.
        ("Allele|Consequence|Feature|ALLELE_NUM", "C", f"T|{S}|t|1,C|{M}|c|1", ["c"]),
        ("Consequence|Allele|Feature", "C", f"{S}|T|t,{M}|C|c", ["c"]),
        ("Allele|Consequence|Feature", "C", f"T|{S}|t,C|{M}|c", ["c"]),
        ("Consequence|Allele|Feature", "C", f"{S}|C|worst,{M}|C|c", ["worst"]),
        ("Allele|Consequence|Feature", "C,T", ".", ["", ""]),
        ("Allele|Consequence|Feature", "C,<DEL>", f"C|{M}|c", ["c"]),
    ],
)
def test_blocks_of_an_alt(tmp_path, fields, alts, blocks, wanted):
    records = [f"{record};CSQ=." for record in OTHER]
    found, report = features(tmp_path, fields, [f"1 1 1 A {alts} . . {AGREE};CSQ={blocks}", *records])
    assert found == [*wanted, "", ""]
    assert report["ambiguous_allele"] == 0
    assert report["pick"]["no_annotation"] == 2 + wanted.count("")


@pytest.mark.parametrize("name", ["t.csv", "t.parquet"])
def test_rows_that_differ_in_their_id_alone_are_not_repeated(tmp_path, name):
    records = [*OTHER, f"1 1 1 A G . . {AGREE}", f"1 1 2 A G . . {AGREE}"]
    records += [f"1 2 3 A C,G . . {CONFLICT}", f"1 2 4 A C,G . . {CONFLICT}"]
    report = build_training_set(clinvar=write(tmp_path / "a.vcf", records), out=tmp_path / name)
    assert report["rows_written"] == len(read_table(tmp_path / name)) == 8
    assert report["dropped"] == {} and report["repeated_variants"] == 3


def test_records_of_several_rows_that_repeat_in_part(tmp_path):
    """A record is left out when none of its rows is left."""
    two = f"1 2 3 A C,G . . {CONFLICT}"
    records = [*OTHER, f"1 2 3 A C . . {CONFLICT}", two, two, f"1 2 3 A T . . {AGREE}"]
    report = build_training_set(clinvar=write(tmp_path / "a.vcf", records), out=tmp_path / "t.parquet")
    assert read_table(tmp_path / "t.parquet")["ALT"].tolist() == ["G", "G", "C", "G", "T"]
    assert (report["records_written"], report["rows_written"]) == (5, 5)
    assert report["dropped"] == {"repeated_record": 1}
    assert report["classes"] == {"0": 2, "1": 3}


def test_an_id_that_is_a_dot_is_missing(tmp_path):
    records = [*OTHER, f"1 1 . A G . . {AGREE}", f"1 2 . A C,G . . {CONFLICT}", f"1 3 rs1 A G . . {AGREE}"]
    build_training_set(clinvar=write(tmp_path / "a.vcf", records), out=tmp_path / "t.parquet")
    assert read_table(tmp_path / "t.parquet")["VARIATION_ID"].fillna("-").tolist() == ["91", "92", "-", "-", "-", "rs1"]


def test_agreement_has_no_conflict_whatever_clnsigconf_says(tmp_path):
    said = "CLNSIGCONF=Benign(1)|Pathogenic(2)"
    records = [f"1 1 1 A G . . {AGREE};{said}", f"1 2 2 A C,G . . {AGREE};{said}", *OTHER]
    report = build_training_set(clinvar=write(tmp_path / "a.vcf", records), out=tmp_path / "t.parquet")
    assert read_table(tmp_path / "t.parquet")["CONFLICT"].fillna("-").tolist() == ["-", "-", "-", "-", "unknown"]
    assert report["conflicts"] == {"unknown": 1}
    assert report["conflict_submissions"] == {"P/LP": 0, "VUS": 0, "B/LB": 0}


def test_cells_of_several_alts_are_quoted_as_those_of_one(tmp_path):
    info = 'AF_ESP=0.1,0.2;CLNDN=say_"hi";CLNVI=a,b'
    records = [*OTHER, f"1 1 1 A G . . {AGREE};{info}", f"1 2 2 A C,G . . {AGREE};{info}"]
    records += [f"1 3 3 A C,G . . {AGREE};AF_TGP=1,0;CLNVI=a,b"]
    build_training_set(clinvar=write(tmp_path / "a.vcf", records), out=tmp_path / "t.csv")
    with open(tmp_path / "t.csv", newline="", encoding="utf-8") as file:
        found = [(row["AF_ESP"], row["AF_TGP"], row["CLNDN"], row["CLNVI"]) for row in csv.DictReader(file)]
    assert found[2:] == [("0.1,0.2", "0", 'say_"hi"', "a,b")] * 3 + [("0", "1,0", "", "a,b")] * 2


def test_the_key_that_ends_in_clnrevstat_is_another(tmp_path):
    records = [
        *OTHER,
        f"1 1 1 A G . . X{CONFLICT};{AGREE}",
        f"1 2 2 A C,G . . X{CONFLICT};{AGREE}",
        f"1 3 3 A G . . X{CONFLICT}",
        f"1 4 4 A C,G . . X{AGREE};CLNREVSTAT=practice_guideline",
        f"1 5 5 A G . . CLNREVSTAT=practice_guideline;{AGREE}",
    ]
    report = build_training_set(clinvar=write(tmp_path / "a.vcf", records), out=tmp_path / "t.csv")
    assert report["classes"] == {"0": 5, "1": 1}
    assert report["dropped"] == {"no_germline_classification": 1, "review_status:practice_guideline": 1}


def joined(folder, clinvar: list[str], annotated: list[str]) -> tuple:
    report = build_training_set(
        clinvar=write(folder / "c.vcf", [*clinvar, *OTHER]),
        annotated=write(folder / "a.vcf", [*annotated, *OTHER], csq=["Allele", "Consequence"]),
        out=folder / "t.parquet",
    )
    return read_table(folder / "t.parquet").iloc[:-2], report


def test_what_clinvar_does_not_say_of_a_conflict_the_annotated_file_does_not_either(tmp_path):
    table, report = joined(
        tmp_path,
        [f"1 1 1 A G . . {CONFLICT};CLNVC=y"],
        [f"1 1 1 A G . . {CONFLICT};CLNVC=x;CLNSIGCONF=Benign(1)|Pathogenic(1)"],
    )
    assert table[["CONFLICT", "CLNVC"]].to_numpy().tolist() == [["unknown", "y"]]
    assert report["conflicts"] == {"unknown": 2}


def test_a_dot_with_which_clinvar_says_that_there_is_no_identifier_stays(tmp_path):
    records = [*OTHER, f"1 1 1 A G . . {AGREE};CLNDISDBINCL=.;CLNDNINCL=x;CLNDN=."]
    build_training_set(clinvar=write(tmp_path / "a.vcf", records), out=tmp_path / "t.parquet")
    alone = read_table(tmp_path / "t.parquet").loc[2, ["CLNDISDBINCL", "CLNDN"]].fillna("-").tolist()
    for more in ("", "CLNDISDBINCL=MedGen:1;CLNDN=y;"):
        table, _ = joined(
            tmp_path,
            [f"1 1 1 A G . . {AGREE};CLNDISDBINCL=.;CLNDNINCL=x;CLNDN=."],
            [f"1 1 1 A G . . {more}CLNVC=x"],
        )
        assert table.loc[0, "CLNDISDBINCL"] == "." == alone[0]
        assert table["CLNDN"].fillna("-").tolist() == (["y"] if more else [alone[1]])


def test_why_an_annotated_record_of_several_alts_has_no_row(tmp_path):
    """The first of its ALTs that ClinVar has says it; a `.` and several ALTs have rows as sequences do."""
    left_out = "CLNREVSTAT=practice_guideline"
    clinvar = [
        f"1 1 1 A <DEL> . . {AGREE}",
        f"1 1 2 A C . . {left_out}",
        f"1 2 3 A C . . {left_out}",
        f"1 2 4 A <DEL> . . {AGREE}",
        f"1 3 5 A . . . {AGREE}",
        f"1 4 6 A C . . {AGREE}",
        f"1 4 7 A T . . {CONFLICT}",
    ]
    annotated = ["1 1 . A <DEL>,C . . .", "1 2 . A C,<DEL> . . .", "1 3 . A . . . .", "1 4 . A G,T,C . . ."]
    table, report = joined(tmp_path, clinvar, annotated)
    assert report["dropped"] == {"review_status:practice_guideline": 1, "unsupported_allele": 1}
    assert table[["POS", "ALT", "CLASS", "VARIATION_ID"]].to_numpy().tolist() == [
        [3, ".", 0, "5"], [4, "T", 1, "7"], [4, "C", 0, "6"],
    ]  # fmt: skip
    assert (report["records_written"], report["rows_written"]) == (4, 5)


def test_several_alts_of_which_one_is_no_sequence_share_no_label(tmp_path):
    fields = "Allele|Consequence|Feature"
    records = [f"{record};CSQ=." for record in OTHER]
    named = "CLNHGVS=NC_000001.11:g.1A>G"
    records += [f"1 1 1 A C,<DEL> . . {AGREE};{named};CSQ=.", f"1 2 2 A C,G . . {AGREE};CSQ=."]
    found, report = features(tmp_path, fields, records, column="ALT")
    assert found == ["G", "G", "C", "C", "G"]
    assert [text for text in report["warnings"] if "one classification" in text] == [
        "1 records have several ALTs and one classification, which each ALT took; give ClinVar's file (--clinvar) to "
        "tell them apart"
    ]
