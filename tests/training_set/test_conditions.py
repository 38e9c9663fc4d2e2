"""Conditions that users of VCF and ClinVar have met: the records, and beside them the rows that are right."""

from __future__ import annotations

import csv
import json

import pytest
from vcf_files import AGREE, CONFLICT, total, write

from genomicslearning import InputError
from genomicslearning.training_set.build import build_training_set

VEP = ["Allele", "Consequence", "SYMBOL", "Feature", "MANE_SELECT", "CANONICAL"]
SHOWN = ("POS", "REF", "ALT", "CLASS", "Consequence")


def rows(path, columns=SHOWN) -> list[str]:
    """Rows as the shown cells joined by spaces, `-` for an empty one."""
    with open(path, newline="", encoding="utf-8") as file:
        return [" ".join(row[column] or "-" for column in columns) for row in csv.DictReader(file)]


def build(
    folder, *, clinvar=None, annotated=None, fields=VEP, pick="mane", csq_key=None, **header
) -> tuple[list, dict]:
    """Rows and report of a training set from records."""
    out = folder / "t.csv"
    files = {}
    if clinvar is not None:
        files["clinvar"] = write(folder / "clinvar.vcf", clinvar)
    if annotated is not None:
        files["annotated"] = write(folder / "annotated.vcf", annotated, csq=fields, **header)
    report = build_training_set(**files, out=out, pick=pick, csq_key=csq_key)
    assert report["records_read"] == total(report)
    assert report["rows_written"] == len(rows(out)) == sum(report["classes"].values())
    if annotated is not None:
        assert sum(report["pick"].values()) == report["rows_written"]
    return rows(out), report


# ClinVar's file for the tests of identity. Other records of both classes keep the outcome a training set.
KNOWN = [
    f"1 100 11 A G . . {AGREE}",
    f"1 110 12 C T . . {CONFLICT}",
    f"1 200 13 CA C . . {AGREE}",
    f"1 210 14 T TG . . {CONFLICT}",
    f"1 220 15 GC AT . . {AGREE}",
    f"2 100 16 A G . . {CONFLICT}",
    f"MT 100 17 A G . . {AGREE}",
]
ANCHORS = [f"3 1 91 A G . . {AGREE}", f"3 2 92 A G . . {CONFLICT}"]
ANCHOR_RECORDS = ["3 1 91 A G . . CSQ=G|intron_variant", "3 2 92 A G . . CSQ=G|intron_variant"]

IDENTITY = {
    # condition: (annotated record without INFO, rows)
    "one ID, several ALTs": ("1 100 11 A G,C", ["100 A G 0"]),
    "an ID of another place": ("1 110 11 A G", []),
    "an ID of another place, where there is a variant": ("1 110 11 C T", ["110 C T 1"]),
    "an ID with other alleles": ("1 100 11 A C", []),
    "an ID of another chromosome": ("2 110 11 A G", []),
    "two IDs": ("1 100 11;12 A G", ["100 A G 0"]),
    "dbSNP": ("1 100 rs7 A G", ["100 A G 0"]),
    "dbSNP and ClinVar": ("1 100 rs7;11 A G", ["100 A G 0"]),
    "COSMIC": ("1 110 COSV1 C T", ["110 C T 1"]),
    "no ID, chr": ("chr1 100 . A G", ["100 A G 0"]),
    "RefSeq's name": ("NC_000001.11 100 . A G", ["100 A G 0"]),
    "chrM": ("chrM 100 . A G", ["100 A G 0"]),
    "small letters": ("1 100 . a g", ["100 a g 0"]),
    "padded at the end": ("1 200 . CAA CA", ["200 CAA CA 0"]),
    "padded at the beginning": ("1 199 . GCA GC", ["199 GCA GC 0"]),
    "padded on both sides": ("1 209 . ATT ATGT", ["209 ATT ATGT 1"]),
    "another deletion": ("1 200 . CAA C", []),
    "a substitution of two bases, padded": ("1 219 . AGCA AATA", ["219 AGCA AATA 0"]),
    "a multi-allelic indel": ("1 200 . CAA CA,C", ["200 CAA CA 0"]),
    "a place with zeros": ("1 00100 . A G", ["00100 A G 0"]),
    "no such place": ("1 101 . A G", []),
}


@pytest.mark.parametrize("condition", IDENTITY)
def test_identity(tmp_path, condition):
    record, wanted = IDENTITY[condition]
    found, report = build(tmp_path, clinvar=[*KNOWN, *ANCHORS], annotated=[f"{record} . . .", *ANCHOR_RECORDS])
    assert [row.rsplit(" ", 1)[0] for row in found[:-2]] == wanted
    assert report["dropped"] == ({} if wanted else {"no_clinvar_match": 1})


def test_an_id_of_another_variant_is_said(tmp_path):
    _, report = build(tmp_path, clinvar=[*KNOWN, *ANCHORS], annotated=["1 110 11 C T . . .", *ANCHOR_RECORDS])
    assert report["warnings"] == ["1 rows have the ID of another variant; place and alleles decided"]


ASSEMBLIES = {
    # lines of ClinVar's header, of the annotated file's, and the names in the message
    "##reference": ("##reference=GRCh38", "##reference=/data/hg19.fa", ("GRCh38", "GRCh37")),
    "VEP": ("##reference=GRCh38", '##VEP="v109" cache="x" assembly="GRCh37.p13"', ("GRCh38", "GRCh37")),
    "VEP and reference": (
        "##reference=GRCh37",
        '##reference=GRCh37\n##VEP="v115" assembly="GRCh38.p14"',
        ("GRCh37", "GRCh38"),
    ),
    "a RefSeq file": ("##reference=GCF_000001405.40", "##reference=human_g1k_v37.fasta", ("GRCh38", "GRCh37")),
}


@pytest.mark.parametrize("where", ASSEMBLIES)
def test_assemblies_that_differ_are_named(tmp_path, where):
    first, second, names = ASSEMBLIES[where]
    for name, line in (("clinvar", first), ("annotated", second)):
        records = [*ANCHORS] if name == "clinvar" else [*ANCHOR_RECORDS]
        path = write(tmp_path / f"{name}.vcf", records, csq=VEP)
        path.write_text(path.read_text().replace("##reference=GRCh38", line))
    with pytest.raises(InputError, match="{}.*{}".format(*names)):
        build_training_set(
            clinvar=tmp_path / "clinvar.vcf", annotated=tmp_path / "annotated.vcf", out=tmp_path / "t.csv"
        )
    assert not (tmp_path / "t.csv").exists()


def test_assembly_by_hgvs(tmp_path):
    """A file whose header says nothing is told by the accessions in CLNHGVS."""
    clinvar = write(tmp_path / "clinvar.vcf", ANCHORS)
    annotated = write(
        tmp_path / "annotated.vcf", [f"{one};CLNHGVS=NC_000003.11:g.1A>G" for one in ANCHOR_RECORDS], csq=VEP
    )
    annotated.write_text(annotated.read_text().replace("##reference=GRCh38\n", ""))
    with pytest.raises(InputError, match=r"clinvar.vcf \(##reference\) is GRCh38, annotated.vcf \(CLNHGVS\) is GRCh37"):
        build_training_set(clinvar=clinvar, annotated=annotated, out=tmp_path / "t.csv")


def test_an_id_finds_a_variant_that_moved_where_assemblies_are_not_named(tmp_path):
    """Then chromosome and alleles have to agree; where both are named the place has to as well."""
    records = ["1 5100 11 A G . . .", "2 7 12 C T . . .", "1 7 12 C A . . .", *ANCHOR_RECORDS]
    for named, wanted in ((True, []), (False, ["5100 A G 0 -"])):
        annotated = write(tmp_path / "annotated.vcf", records, csq=VEP)
        if not named:
            annotated.write_text(annotated.read_text().replace("##reference=GRCh38\n", ""))
        clinvar = write(tmp_path / "clinvar.vcf", [*KNOWN, *ANCHORS])
        build_training_set(clinvar=clinvar, annotated=annotated, out=tmp_path / "t.csv")
        assert rows(tmp_path / "t.csv")[:-2] == wanted


def test_of_two_records_at_one_place_the_id_decides(tmp_path):
    clinvar = [f"1 5 21 A G . . {AGREE}", f"1 5 22 A G . . {CONFLICT}", *ANCHORS]
    for identifier, label in (("21", 0), ("22", 1), (".", 0), ("rs1", 0)):
        found, _ = build(tmp_path, clinvar=clinvar, annotated=[f"1 5 {identifier} A G . . .", *ANCHOR_RECORDS])
        assert found[0] == f"5 A G {label} -"


# VEP's alleles: the blocks of a record, by Allele or ALLELE_NUM and Consequence, and the annotation of each ALT.
S, M, F, I = "stop_gained", "missense_variant", "frameshift_variant", "intron_variant"  # noqa: E741
ALLELES = {
    "substitutions": ("A C,T", [("C", S), ("T", M)], ["A C S", "A T M"]),
    "indels lose the first base": ("TA T,TAA", [("-", F), ("AA", M)], ["TA T F", "TA TAA M"]),
    "* beside a deletion": ("CA C,*", [("-", F), ("*", I)], ["CA C F"]),
    "* beside an insertion": ("T *,TG", [("*", I), ("G", F)], ["T TG F"]),
    "* beside a substitution": ("C T,*", [("T", M), ("*", I)], ["C T M"]),
    "* beside a longer substitution": ("CA CG,*", [("CG", M), ("*", I)], ["CA CG M"]),
    "* that counts as shorter": ("CA CG,*", [("G", M), ("*", I)], ["CA CG M"]),
    "* beside two indels": ("CA C,CAA,*", [("-", F), ("AA", S), ("*", I)], ["CA C F", "CA CAA S"]),
    "first bases differ": ("CA C,TA", [("C", F), ("TA", M)], ["CA C F", "CA TA M"]),
    "each trimmed by itself": ("CAAG CAG,CAAGT", [("-", F), ("T", S)], ["CAAG CAG F", "CAAG CAAGT S"]),
    "two deletions with one text": ("CAAG CAG,C", [("-", F), ("-", M)], ["CAAG CAG -", "CAAG C -"]),
    "one block for two deletions": ("CAAG CAG,C", [("-", F)], ["CAAG CAG -", "CAAG C -"]),
    "a block of an ALT that was taken away": ("A C,T", [("C", S), ("T", M), ("G", F)], ["A C S", "A T M"]),
    "a record that was split": ("A C", [("C", S), ("T", F)], ["A C S"]),
    "an indel that was split": ("CA C", [("-", F), ("A", S)], ["CA C -"]),
    "a symbolic ALT": ("A C,<DEL>", [("C", S), ("deletion", F)], ["A C S"]),
    "small letters": ("a c,t", [("C", S), ("T", M)], ["a c S", "a t M"]),
}
TERMS = {"S": S, "M": M, "F": F, "I": I, "-": "-"}


@pytest.mark.parametrize("condition", ALLELES)
def test_alleles(tmp_path, condition):
    site, blocks, wanted = ALLELES[condition]
    ref, alts = site.split()
    csq = ",".join(f"{allele}|{term}" for allele, term in blocks)
    clinvar = [f"1 9 {place} {ref} {alt} . . {AGREE}" for place, alt in enumerate(alts.split(","), 30) if alt[0] != "*"]
    found, report = build(
        tmp_path, clinvar=[*clinvar, *ANCHORS], annotated=[f"1 9 . {site} . . CSQ={csq}", *ANCHOR_RECORDS]
    )
    expected = [" ".join([*row.split()[:2], TERMS[row.split()[2]]]) for row in wanted]
    assert [" ".join(row.split()[i] for i in (1, 2, 4)) for row in found[:-2]] == expected
    lacking = sum(row.endswith("-") for row in wanted)
    assert report["ambiguous_allele"] == report["pick"].get("ambiguous_allele", 0) == lacking
    assert any("ambiguously" in warning for warning in report["warnings"]) == bool(lacking)


def test_allele_num_settles_it(tmp_path):
    fields = ["Allele", "Consequence", "ALLELE_NUM"]
    clinvar = [f"1 9 30 CAAG CAG . . {AGREE}", f"1 9 31 CAAG C . . {CONFLICT}"]
    csq = f"-|{M}|2,-|{F}|1"
    found, report = build(tmp_path, clinvar=clinvar, annotated=[f"1 9 . CAAG CAG,C . . CSQ={csq}"], fields=fields)
    assert found == [f"9 CAAG CAG 0 {F}", f"9 CAAG C 1 {M}"]
    assert report["ambiguous_allele"] == 0


def test_a_label_on_several_alts_belongs_to_the_one_that_hgvs_names(tmp_path):
    records = [
        f"1 10 1 A C,G . . {AGREE};CLNHGVS=NC_000001.11:g.10A>G;CSQ=C|{S},G|{M}",
        f"1 20 2 A C,G . . {CONFLICT};CSQ=C|{S},G|{M}",
        f"1 30 3 A C,G . . {AGREE};CLNHGVS=NC_000001.11:g.30A>T;CSQ=C|{S},G|{M}",
    ]
    found, report = build(tmp_path, annotated=records)
    assert found == [f"10 A G 0 {M}", f"20 A C 1 {S}", f"20 A G 1 {M}"]
    assert report["dropped"] == {"no_clinvar_match": 1}
    assert report["warnings"][0].startswith("1 records have several ALTs and one classification")


# Headers and values.

FIRST = '##INFO=<ID=CSQ,Number=.,Type=String,Description="Ensembl VEP. Format: {}">'


def two_formats(one: str, other: str) -> str:
    return f"{FIRST.format(one)}\n{FIRST.format(other)}"


def test_last_format_goes_with_last_value(tmp_path):
    extra = two_formats("Allele|Consequence|SYMBOL", "SYMBOL|Consequence|Allele")
    records = [
        f"1 10 1 A G . . {AGREE};CSQ=G|{S}|OLD;CSQ=NEW|{M}|G",
        f"1 20 2 A G . . {CONFLICT};CSQ=G|{S}|OLD",  # of the first definition, or of the last?
        f"1 30 3 A G . . {CONFLICT};CSQ=NEW|{M}|G",
        f"1 40 4 A G . . {CONFLICT};CSQ=G|{S}|OLD;CSQ=.",
    ]
    path = write(tmp_path / "a.vcf", records, extra=extra)
    report = build_training_set(annotated=path, out=tmp_path / "t.csv")
    cells = rows(tmp_path / "t.csv", ("POS", "Allele", "Consequence", "SYMBOL"))
    assert cells[0] == f"10 G {M} NEW"
    # What may belong to either definition is left empty and counted, never shifted.
    assert cells[1] == "20 - - -" and cells[3] == "40 - - -"
    assert (
        report["unfit_annotation"]
        == report["pick"]["unfit_annotation"]
        == sum(cell.endswith("- - -") for cell in cells) - 1
    )
    assert any("defines CSQ 2 times" in text for text in report["warnings"])
    assert any("INFO key more than once" in text for text in report["warnings"])


def test_a_header_of_another_file_is_refused(tmp_path):
    records = [f"1 10 1 A G . . {AGREE};CSQ=G1|G|{S}", f"1 20 2 A G . . {CONFLICT};CSQ=G1|G|{M}"]
    with pytest.raises(InputError, match="2 of 2 rows have none of Ensembl's terms"):
        build(tmp_path, annotated=records, fields=["Allele", "Consequence", "SYMBOL"])


FORMATS = {
    "plain": 'Description="Ensembl VEP. Format: Allele|Consequence|SYMBOL"',
    "single quotes": "Description=\"Ensembl VEP. Format: 'Allele|Consequence|SYMBOL'\"",
    "double quotes round Format": r'Description="Ensembl VEP. Format: \"Allele | Consequence | SYMBOL\" and more"',
    "no blank": 'Description="Ensembl VEP. Format:Allele|Consequence|SYMBOL"',
    "blanks": 'Description="Ensembl VEP. Format: Allele | Consequence | SYMBOL"',
    "Source behind": 'Description="Ensembl VEP. Format: Allele|Consequence|SYMBOL",Source="VEP",Version="115"',
    "escaped quotes": r'Description="says \"x, Type=Integer\" > and. Format: Allele|Consequence|SYMBOL"',
}


@pytest.mark.parametrize("written", FORMATS)
@pytest.mark.parametrize("behind", [True, False])
def test_formats(tmp_path, written, behind):
    keys = ["ID=CSQ", "Number=.", "Type=String"]
    line = "##INFO=<" + ",".join([*keys, FORMATS[written]] if behind else [FORMATS[written], *keys]) + ">"
    records = [f"1 10 1 A G . . {AGREE};CSQ=G|{S}|G1", f"1 20 2 A G . . {CONFLICT};CSQ=."]
    build_training_set(annotated=write(tmp_path / "a.vcf", records, extra=line), out=tmp_path / "t.csv")
    assert rows(tmp_path / "t.csv", ("Allele", "Consequence", "SYMBOL")) == [f"G {S} G1", "- - -"]


OTHER_PROGRAMS = {
    "BCSQ": ("Local consequence annotation from BCFtools/csq. Format: Consequence|gene|transcript", "bcftools csq"),
    "ANN": ("Functional annotations: 'Allele | Annotation | Annotation_Impact | Gene_Name'", "SnpEff"),
}


@pytest.mark.parametrize("key", OTHER_PROGRAMS)
def test_other_programs_are_named(tmp_path, key):
    description, program = OTHER_PROGRAMS[key]
    line = f'##INFO=<ID={key},Number=.,Type=String,Description="{description}">'
    path = write(tmp_path / "a.vcf", ANCHORS, extra=line)
    for csq_key in (None, key):
        with pytest.raises(InputError, match=program) as caught:
            build_training_set(annotated=path, out=tmp_path / "t.csv", csq_key=csq_key)
        assert "--csq-key" not in str(caught.value)


def test_vep_under_the_name_of_another_program(tmp_path):
    records = [f"1 10 1 A G . . {AGREE};ANN=G|{S}", f"1 20 2 A G . . {CONFLICT};ANN=G|{M}"]
    extra = FIRST.format("Allele|Consequence").replace("ID=CSQ", "ID=ANN")
    path = write(tmp_path / "a.vcf", records, extra=extra)
    with pytest.raises(InputError, match="give --csq-key ANN"):
        build_training_set(annotated=path, out=tmp_path / "t.csv")
    build_training_set(annotated=path, out=tmp_path / "t.csv", csq_key="ANN")
    assert rows(tmp_path / "t.csv") == [f"10 A G 0 {S}", f"20 A G 1 {M}"]


def test_flagged(tmp_path):
    fields = ["Allele", "Consequence", "Feature", "PICK", "MANE_SELECT"]
    blocks = f"G|{S}|worst||,G|{I}|picked|1|,G|{M}|mane||NM_1"
    records = [f"1 10 1 A G . . {AGREE};CSQ={blocks}", f"1 20 2 A G . . {CONFLICT};CSQ={blocks.replace('|1|', '||')}"]
    _, report = build(tmp_path, annotated=records, fields=fields, pick="flagged")
    assert rows(tmp_path / "t.csv", ("Feature",)) == ["picked", "mane"]
    assert report["pick"] == {"flagged": 1, "mane": 1}
    _, report = build(
        tmp_path,
        annotated=[one.replace("|1|", "||") for one in records],
        fields=[*fields[:3], "X", "MANE_SELECT"],
        pick="flagged",
    )
    assert report["pick"] == {"mane": 2}
    assert "no field PICK" in report["warnings"][0]


# Records that repeat, and records that are none.


def test_records_that_repeat(tmp_path):
    first = f"1 10 1 A G . . {AGREE};CSQ=G|{S}"
    records = [
        first,
        first,
        f"1 10 1 A G . . {AGREE};CSQ=G|{M}",
        f"1 20 2 A C,G . . {CONFLICT};CSQ=C|{S},G|{M}",
        f"1 20 2 A G . . {CONFLICT};CSQ=G|{M}",
        first,
    ]
    for name in ("t.csv", "t.parquet"):
        path = write(tmp_path / "a.vcf", records, csq=VEP)
        report = build_training_set(annotated=path, out=tmp_path / name)
        assert report["dropped"] == {"repeated_record": 3}
        assert (report["records_read"], report["records_written"], report["rows_written"]) == (6, 3, 4)
        assert report["repeated_variants"] == 1
        assert report["classes"] == {"0": 2, "1": 2}
        assert report["pick"] == {"severe": 4}
        assert json.loads((tmp_path / f"{name}.report.json").read_text()) == report
    assert rows(tmp_path / "t.csv") == [f"10 A G 0 {S}", f"10 A G 0 {M}", f"20 A C 1 {S}", f"20 A G 1 {M}"]
    import pyarrow.parquet as pq

    assert pq.read_table(tmp_path / "t.parquet")["POS"].to_pylist() == [10, 10, 20, 20]


@pytest.mark.parametrize("extra", ["", " GT 0/1"])
def test_one_line_that_does_not_fit_is_set_aside(tmp_path, extra):
    wide = BOTH_RECORDS[0] + (extra or " ")
    path = write(tmp_path / "a.vcf", [*BOTH_RECORDS, wide])
    report = build_training_set(clinvar=path, out=tmp_path / "t.csv")
    assert report["quarantined"] == 1
    assert (tmp_path / "t.csv.quarantine.vcf").read_text().splitlines()[-1] == wide.replace(" ", "\t")


BOTH_RECORDS = [f"1 10 1 A G . . {AGREE}", f"1 20 2 A G . . {CONFLICT}"]
ODD = {
    "a NUL byte": (b"1\t5\t9\tA\tG\t.\t.\tCLNDN=a\0b", "has a NUL byte"),
    "POS beyond 64 bits": (b"1\t99999999999999999999\t9\tA\tG\t.\t.\t.", "POS has 20 digits"),
    "POS in other digits": ("1\t٣\t9\tA\tG\t.\t.\t.".encode(), "POS is not an integer"),
    "POS with a sign": (b"1\t+5\t9\tA\tG\t.\t.\t.", "POS is not an integer"),
}


@pytest.mark.parametrize("condition", ODD)
def test_malformed_records(tmp_path, condition):
    line, why = ODD[condition]
    path = write(tmp_path / "a.vcf", [*BOTH_RECORDS, line])
    report = build_training_set(clinvar=path, out=tmp_path / "t.csv")
    assert report["quarantined"] == 1
    with pytest.raises(InputError, match=rf"a\.vcf:\d+: {why}"):
        build_training_set(clinvar=path, out=tmp_path / "t.csv", strict=True)


def test_a_dot_is_missing(tmp_path):
    records = [
        "1 5 9 A G . . CLNREVSTAT=.",
        f"1 10 1 A G . . {AGREE};CLNDN=.;GENEINFO=.;AF_EXAC=.",
        f"1 20 2 A G . . {CONFLICT};CLNSIGCONF=.",
    ]
    report = build_training_set(clinvar=write(tmp_path / "a.vcf", records), out=tmp_path / "t.parquet")
    assert report["dropped"] == {"no_germline_classification": 1}
    assert report["conflicts"] == {"unknown": 1}
    build_training_set(clinvar=tmp_path / "a.vcf", out=tmp_path / "t.csv")
    assert rows(tmp_path / "t.csv", ("POS", "AF_EXAC", "CLNDN")) == ["10 0 -", "20 0 -"]


def test_too_many_review_statuses_are_no_clinvar(tmp_path):
    records = [f"1 {place} {place} A G . . CLNREVSTAT=status_{place}x" for place in range(1, 1200)]
    with pytest.raises(InputError, match="more than 1,000 different values"):
        build_training_set(clinvar=write(tmp_path / "a.vcf", records), out=tmp_path / "t.csv")
