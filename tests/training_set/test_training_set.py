"""From VCFs to the training set: cells, choices and accounts, on small real records and on the real files."""

from __future__ import annotations

import csv
import json
import os
import random
import signal
import subprocess
import sys
import time
from pathlib import Path

import pandas as pd
import pytest
from vcf_files import AGREE, CONFLICT, CSQ, bgzip, header, total, write

from genomicslearning import InputError
from genomicslearning.training_set import matching as partners
from genomicslearning.training_set.build import build_training_set
from genomicslearning.training_set.table import COLUMNS, read_table

# One record of each class, so that small files are whole training sets.
BOTH = [f"1 10 1 A G . . {AGREE}", f"1 20 2 A G . . {CONFLICT}"]
BLOCK = "{allele}|{consequence}|MODERATE|{gene}|1|{feature}|tolerated(0.12)|benign|{mane}|{canonical}|9.5"


def block(allele="G", consequence="missense_variant", gene="G1", feature="NM_1", mane="", canonical="") -> str:
    return BLOCK.format(**locals())


def rows(path) -> list[dict]:
    with open(path, newline="", encoding="utf-8") as file:
        return list(csv.DictReader(file))


# Small records, one rule each.


def test_cells_keep_the_source_text(tmp_path):
    info = "AF_EXAC=0.10020;CLNDISDB=A:1,B:2;CLNDN=a%3Db#c;CLNVI=x=y;FLAG;ORIGIN=1;GENEINFO=G1:1"
    source = write(
        tmp_path / "a.vcf.gz",
        [*BOTH, f"X 007 3 A . . . {info};{AGREE}", f"MT 5 . AC ACé . . {AGREE};CLNDN=Ménière;AF_TGP=."][:3]
        + [f"MT 5 . AC A . . {AGREE};CLNDN=Ménière;AF_TGP=."],
        end="\r\n",
    )
    report = build_training_set(clinvar=source, out=tmp_path / "t.csv")
    third, fourth = rows(tmp_path / "t.csv")[2:]
    assert (third["CHROM"], third["POS"], third["ALT"]) == ("X", "007", ".")
    assert (third["AF_EXAC"], third["AF_TGP"], third["CLNDISDB"]) == ("0.10020", "0", "A:1,B:2")
    assert (third["CLNDN"], third["CLNVI"], third["SSR"]) == ("a%3Db#c", "x=y", "")
    assert (fourth["CLNDN"], fourth["AF_TGP"], fourth["CLASS"]) == ("Ménière", "0", "0")
    assert report["repeated_keys"] == 0


def test_csv_is_quoted_only_where_needed(tmp_path):
    records = [
        *BOTH,
        f'1 30 3 A G . . {AGREE};CLNDN=say_"hi",_you;CLNVI=a,b',
        f"1 40 4 A G . . {AGREE};AF_EXAC=0.1,0.2",
    ]
    build_training_set(clinvar=write(tmp_path / "a.vcf", records), out=tmp_path / "t.csv")
    text = (tmp_path / "t.csv").read_text()
    assert text.splitlines()[1].startswith("1,10,A,G,0,0,0,,")
    assert '"say_""hi"",_you"' in text and '"a,b"' in text and '"0.1,0.2"' in text
    build_training_set(clinvar=tmp_path / "a.vcf", out=tmp_path / "t.parquet")
    left, right = read_table(tmp_path / "t.csv"), read_table(tmp_path / "t.parquet")
    pd.testing.assert_frame_equal(left, right[list(COLUMNS)])


def test_repeated_keys_last_wins_and_is_counted(tmp_path):
    records = [
        *BOTH,
        f"1 30 3 A G . . CLNVC=a;{AGREE};CLNVC=b",
        f"1 40 4 A G . . {AGREE};CLNREVSTAT=practice_guideline",
    ]
    report = build_training_set(clinvar=write(tmp_path / "a.vcf", records), out=tmp_path / "t.csv")
    assert report["repeated_keys"] == 2
    assert rows(tmp_path / "t.csv")[2]["CLNVC"] == "b"
    assert report["dropped"] == {"review_status:practice_guideline": 1}


def test_no_germline_classification_is_never_class_0(tmp_path):
    records = [*BOTH, "1 30 3 A G . . .", "1 40 4 A G . . CLNSIG=Benign;ONCREVSTAT=x", "1 50 5 A G . . XCLNREVSTAT=y"]
    report = build_training_set(clinvar=write(tmp_path / "a.vcf", records), out=tmp_path / "t.csv")
    assert report["dropped"] == {"no_germline_classification": 3}
    assert report["rows_written"] == 2


def test_conflict_column(tmp_path):
    values = {
        "Likely_pathogenic(3)|Uncertain_significance(4)": "P/LP vs VUS",
        "Benign(1),Pathogenic,_low_penetrance(1)": "P/LP vs B/LB",
        "Likely_benign(1),Uncertain_significance(1)": "VUS vs B/LB",
        "Pathogenic(1)|Uncertain_significance(1)|Benign/Likely_benign(2)": "P/LP vs VUS vs B/LB",
        "Pathogenic(1)|Established_risk_allele(1)": "other",
        "": "unknown",
    }
    records = [BOTH[0]]
    records += [
        f"1 {n} {n} A G . . {CONFLICT}" + (f";CLNSIGCONF={value}" if value else "") for n, value in enumerate(values)
    ]
    report = build_training_set(clinvar=write(tmp_path / "a.vcf", records), out=tmp_path / "t.parquet")
    assert read_table(tmp_path / "t.parquet")["CONFLICT"].fillna("").tolist() == ["", *values.values()]
    assert report["conflicts"] == dict.fromkeys(values.values(), 1)
    assert report["conflict_submissions"] == {"P/LP": 6, "VUS": 6, "B/LB": 4}


def test_several_alleles_take_their_own_blocks(tmp_path):
    csq = f"{block('C', feature='NM_C')},{block('T', feature='NM_T')}"
    indel = f"{block('-', feature='NM_del')},{block('AA', feature='NM_ins')}"
    records = [
        *[f"{record};CSQ={block()}" for record in BOTH],
        f"1 30 3 A C,T . . {AGREE};CSQ={csq}",
        f"1 40 4 TA T,TAA . . {CONFLICT};CSQ={indel}",
        f"1 50 5 A C,<DEL> . . {AGREE};CSQ={csq}",
        f"1 60 6 A <DEL> . . {AGREE};CSQ={csq}",
        f"1 70 7 G G]8:107653520] . . {AGREE}",
        f"1 80 8 G * . . {AGREE}",
    ]
    report = build_training_set(annotated=write(tmp_path / "a.vcf", records, csq=CSQ), out=tmp_path / "t.csv")
    found = [(row["POS"], row["ALT"], row["Feature"], row["Allele"]) for row in rows(tmp_path / "t.csv")[2:]]
    assert found == [
        ("30", "C", "NM_C", "C"),
        ("30", "T", "NM_T", "T"),
        ("40", "T", "NM_del", "-"),
        ("40", "TAA", "NM_ins", "AA"),
        ("50", "C", "NM_C", "C"),
    ]
    assert report["dropped"] == {"unsupported_allele": 3}
    assert (report["records_written"], report["rows_written"], total(report)) == (5, 7, 8)


def test_allele_number_goes_before_allele(tmp_path):
    names = ["Allele", "Consequence", "ALLELE_NUM", "Feature"]
    csq = "X|missense_variant|2|second,X|intron_variant|1|first"
    records = [*[f"{record};CSQ=G|intron_variant|1|f" for record in BOTH], f"1 30 3 A C,T . . {AGREE};CSQ={csq}"]
    build_training_set(annotated=write(tmp_path / "a.vcf", records, csq=names), out=tmp_path / "t.csv")
    assert [row["Feature"] for row in rows(tmp_path / "t.csv")[2:]] == ["first", "second"]


def test_csq_fields(tmp_path):
    """Short blocks, a field named twice, CADD_phred, SIFT with a score, another key."""
    names = [*CSQ, "SIFT", "EXON"]
    records = [f"{BOTH[0]};VEP={block()}|x|2/3", f"{BOTH[1]};VEP=G|stop_gained"]
    source = write(tmp_path / "a.vcf", records, csq=names, key="VEP")
    with pytest.raises(InputError, match="give --csq-key VEP"):
        build_training_set(annotated=source, out=tmp_path / "t.csv")
    build_training_set(annotated=source, out=tmp_path / "t.csv", csq_key="VEP")
    first, second = rows(tmp_path / "t.csv")
    assert [first[name] for name in ("SIFT", "PolyPhen", "CADD_PHRED", "EXON", "BIOTYPE")] == [
        "tolerated", "benign", "9.5", "2/3", "",
    ]  # fmt: skip
    assert (second["Consequence"], second["SYMBOL"]) == ("stop_gained", "")


def test_gene_in_geneinfo_wins(tmp_path):
    csq = ",".join(
        [
            block(consequence="intron_variant", gene="G1", feature="a", mane="ENST"),
            block(consequence="stop_gained", gene="G2", feature="b", mane="ENST"),
            block(consequence="missense_variant", gene="G1", feature="c", mane="ENST"),
            block(consequence="transcript_ablation", gene="G1", feature="d", canonical="YES"),
        ]
    )
    records = [f"{BOTH[0]};GENEINFO=G1:1;CSQ={csq}", f"{BOTH[1]};GENEINFO=G9:1;CSQ={csq}"]
    source = write(tmp_path / "a.vcf", records, csq=CSQ)
    wanted = {"mane": ["c", "b"], "canonical": ["d", "d"], "severe": ["d", "d"], "first": ["a", "a"]}
    for rule, features in wanted.items():
        report = build_training_set(annotated=source, out=tmp_path / "t.csv", pick=rule)
        assert [row["Feature"] for row in rows(tmp_path / "t.csv")] == features
        assert report["pick"] == {rule: 2}
        assert report["pick_by_gene"] == (rule == "mane")


# Joining two files.


def test_join_on_site_without_ids(tmp_path):
    clinvar = write(tmp_path / "c.vcf.gz", [*BOTH, f"MT 5 3 A G . . {AGREE}", f"2 7 4 A T . . {CONFLICT}"])
    records = [
        f"chrM 5 . a G . . CSQ={block()}",
        f"chr1 20 . A G . . CSQ={block()}",
        f"chr1 10 . A G . . CSQ={block()}",
    ]
    records += [f"2 7 . A C,T . . CSQ={block('C')},{block('T', feature='NM_T')}", f"3 1 . A G . . CSQ={block()}"]
    report = build_training_set(
        clinvar=clinvar, annotated=write(tmp_path / "a.vcf", records, csq=CSQ), out=tmp_path / "t.parquet"
    )
    table = read_table(tmp_path / "t.parquet")
    assert table["VARIATION_ID"].tolist() == ["3", "2", "1", "4"]
    assert table["CHROM"].tolist() == ["chrM", "chr1", "chr1", "2"]
    assert table["Feature"].tolist() == ["NM_1", "NM_1", "NM_1", "NM_T"]
    assert table["ALT"].tolist()[3] == "T"
    assert report["dropped"] == {"no_clinvar_match": 1}
    assert (report["clinvar_records"], report["unannotated"]) == (4, 0)


def test_join_on_id_repeats_gaps_and_order(tmp_path, monkeypatch):
    monkeypatch.setattr(partners, "_AHEAD", 3)
    clinvar = [f"1 {n} {n} A G . . {AGREE if n % 2 else CONFLICT};CLNVC=v{n}" for n in range(1, 31)]
    order = [1, 2, 2, 5, 4, 3, 6, 99, 30, 7, 8, 8, 1, 9]
    records = [f"1 {n} {n} A G . . CSQ={block(feature=f'f{place}')}" for place, n in enumerate(order)]
    report = build_training_set(
        clinvar=write(tmp_path / "c.vcf", clinvar),
        annotated=write(tmp_path / "a.vcf", records, csq=CSQ),
        out=tmp_path / "t.csv",
    )
    found = [(row["CLNVC"], row["Feature"]) for row in rows(tmp_path / "t.csv")]
    assert found == [(f"v{n}", f"f{place}") for place, n in enumerate(order) if n != 99]
    assert report["dropped"] == {"no_clinvar_match": 1}
    assert report["unannotated"] == 30 - 10
    assert total(report) == len(order) == report["records_read"]


def test_clinvar_decides_when_files_differ(tmp_path):
    clinvar = write(
        tmp_path / "c.vcf", [f"{BOTH[0]};CLNVC=new", BOTH[1], "1 30 3 A G . . CLNREVSTAT=practice_guideline"]
    )
    records = [f"1 10 1 A G . . {CONFLICT};CLNVC=old;CLNDN=kept;CSQ={block()}", f"{BOTH[1]};CSQ={block()}"]
    records.append(f"1 30 3 A G . . {CONFLICT};CSQ={block()}")
    report = build_training_set(
        clinvar=clinvar, annotated=write(tmp_path / "a.vcf", records, csq=CSQ), out=tmp_path / "t.csv"
    )
    first = rows(tmp_path / "t.csv")[0]
    assert (first["CLASS"], first["CLNVC"], first["CLNDN"]) == ("0", "new", "kept")
    assert report["dropped"] == {"review_status:practice_guideline": 1}


def test_a_longer_last_value_is_another_record(tmp_path):
    clinvar = write(tmp_path / "c.vcf", [f"1 10 1 A G . . {AGREE};RS=12", BOTH[1]])
    records = [f"1 10 1 A G . . {AGREE};RS=123;CSQ={block()}", f"{BOTH[1]};CSQ={block()}"]
    report = build_training_set(
        clinvar=clinvar, annotated=write(tmp_path / "a.vcf", records, csq=CSQ), out=tmp_path / "t.csv"
    )
    assert report["rows_written"] == 2


# Malformed records, errors, atomicity.


def test_malformed_records_are_set_aside_whole(tmp_path):
    bad = ["1 5 x A", "1 1e3 9 A G . . .", "1 5 9  G . . .", b"1\t5\t9\tA\tG\t.\t.\tCLNDN=\xff"]
    source = write(tmp_path / "a.vcf", [*BOTH, *bad, ""])
    report = build_training_set(clinvar=source, out=tmp_path / "t.csv")
    assert report["quarantined"] == 4
    assert report["records_read"] == 6 == total(report)
    aside = (tmp_path / "t.csv.quarantine.vcf").read_bytes().splitlines()
    wanted = [line if isinstance(line, bytes) else line.replace(" ", "\t").encode() for line in bad]
    assert [line for line in aside if not line.startswith(b"#")] == wanted
    with pytest.raises(InputError, match=r"a\.vcf:21: has 4 columns"):
        build_training_set(clinvar=source, out=tmp_path / "t.csv", strict=True)
    with pytest.raises(InputError, match="11 of 13 records"):
        build_training_set(clinvar=write(tmp_path / "b.vcf", [*BOTH, *["1 x"] * 11]), out=tmp_path / "t.csv")
    build_training_set(clinvar=write(tmp_path / "c.vcf", BOTH), out=tmp_path / "t.csv")
    assert not (tmp_path / "t.csv.quarantine.vcf").exists()


def bad_inputs(folder: Path) -> dict[str, tuple[dict, str]]:
    good = write(folder / "good.vcf.gz", BOTH * 400)
    (folder / "cut.vcf.gz").write_bytes(good.read_bytes()[:-200])
    (folder / "text.vcf").write_text("hello\tworld\n")
    (folder / "empty.vcf").write_text("")
    (folder / "nochrom.vcf").write_text("##fileformat=VCFv4.1\n1\t2\t3\n")
    write(folder / "plain.vcf", BOTH)
    write(folder / "odd.vcf", BOTH, extra='##INFO=<ID=CSQ,Number=.,Type=String,Description="no layout">')
    write(folder / "long.vcf", [f"{record};CSQ={'|' * 30}" for record in BOTH], csq=CSQ)
    write(folder / "wide.vcf", [BOTH[0] + " GT 0/1"])
    write(folder / "joined.vcf", [*BOTH, "##fileformat=VCFv4.1"])
    write(folder / "one.vcf", [BOTH[0], "1 3 3 A G . . CLNREVSTAT=practice_guideline"])
    write(folder / "old.vcf", ["1 3 3 A G . . CLNREVSTAT=mult|single;CLNSIG=5|255"])
    (folder / "file").write_text("")
    return {
        "none": ({}, "give a ClinVar VCF"),
        "missing": ({"clinvar": "missing.vcf.gz"}, "missing.vcf.gz: no such file"),
        "folder": ({"clinvar": "."}, "is a folder"),
        "not a VCF": ({"clinvar": "text.vcf"}, "text.vcf: not a VCF"),
        "empty": ({"clinvar": "empty.vcf"}, "empty.vcf: not a VCF"),
        "no #CHROM": ({"clinvar": "nochrom.vcf"}, "nochrom.vcf:2: not a VCF"),
        "truncated": ({"clinvar": "cut.vcf.gz"}, "cut.vcf.gz:"),
        "no CSQ": ({"annotated": "plain.vcf"}, "not annotated by VEP"),
        "odd CSQ": ({"annotated": "odd.vcf"}, r"odd.vcf:\d+: CSQ has an unknown layout"),
        "long block": (
            {"annotated": "long.vcf"},
            r"long.vcf:20: a CSQ block has 31 fields, the header's Format names 11",
        ),
        "wide line": ({"clinvar": "wide.vcf"}, r"wide.vcf:19: has 10 columns, its header names 8"),
        "joined": ({"clinvar": "joined.vcf"}, r"joined.vcf:21: a header line between the records"),
        "one class": (
            {"clinvar": "one.vcf"},
            r"no row for CLASS 1; seen: CLASS 0 \(1 rows\), practice_guideline \(1\)",
        ),
        "old": ({"clinvar": "old.vcf"}, "since 2017"),
        "output format": ({"clinvar": "good.vcf.gz", "out": "t.txt"}, "name it"),
        "unwritable": ({"clinvar": "good.vcf.gz", "out": "file/t.csv"}, "cannot write"),
    }


def test_bad_input_is_one_clear_line_and_leaves_everything(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for name, (arguments, message) in bad_inputs(tmp_path).items():
        arguments = {"out": "t.csv", **arguments}
        (tmp_path / "t.csv").write_text("earlier")
        before = sorted(os.listdir(tmp_path))
        with pytest.raises(InputError, match=message) as caught:
            build_training_set(**arguments)
        assert "\n" not in str(caught.value), name
        assert sorted(os.listdir(tmp_path)) == before, name
        assert (tmp_path / "t.csv").read_text() == "earlier", name


def test_command_exit_codes(tmp_path):
    def run(*arguments):
        command = [sys.executable, "-m", "genomicslearning", "training-set", *map(str, arguments)]
        return subprocess.run(command, capture_output=True, text=True)

    out = tmp_path / "new" / "t.csv"
    bad = run("--clinvar", tmp_path / "no.vcf", "--out", out)
    assert bad.returncode == 2
    assert bad.stderr.count("\n") == 1 and "no.vcf: no such file" in bad.stderr
    assert not out.parent.exists()
    good = run("--clinvar", write(tmp_path / "a.vcf", BOTH), "--out", out)
    assert good.returncode == 0
    assert "2 of 2 records written" in good.stdout
    assert len(rows(out)) == 2


def test_progress_is_told(demo_pair, tmp_path, monkeypatch):
    from genomicslearning.io import accounting

    moments = iter(range(0, 10**9, 3))
    monkeypatch.setattr(accounting.time, "monotonic", lambda: next(moments))
    said = []
    build_training_set(clinvar=demo_pair[0], annotated=demo_pair[1], out=tmp_path / "t.csv", progress=said.append)
    assert "records read" in said[0] and "records/s" in said[0]


def test_killed_at_any_moment(tmp_path):
    """kill -9 leaves the earlier output or a whole new one."""
    records = [f"1 {n + 1} {n} A G . . {AGREE if n % 2 else CONFLICT};CLNDN={'x' * 200}" for n in range(4000)]
    source = write(tmp_path / "a.vcf.gz", records)
    out = tmp_path / "out" / "t.csv"
    build_training_set(clinvar=source, out=tmp_path / "whole.csv")
    whole = (tmp_path / "whole.csv").read_bytes()
    # One interpreter forks the fifty jobs, so that each starts at once; the moments are spread over a job's length.
    moments = random.Random(0)
    killed = 0
    start = time.monotonic()
    build_training_set(clinvar=source, out=tmp_path / "timed.csv")
    length = time.monotonic() - start
    for turn in range(50):
        if turn % 10 == 0:
            out.unlink(missing_ok=True)
        existed = out.exists()
        child = os.fork()
        if child == 0:
            try:
                build_training_set(clinvar=source, out=out)
            finally:
                os._exit(0)
        time.sleep(length * 1.5 * moments.random())
        os.kill(child, signal.SIGKILL)
        killed += os.WIFSIGNALED(os.waitpid(child, 0)[1])
        assert out.exists() >= existed
        if out.exists():
            assert out.read_bytes() == whole
            assert json.loads(Path(f"{out}.report.json").read_text())["rows_written"] == 4000
    assert killed > 10
    assert bgzip(source, tmp_path / "b.vcf.gz").exists()
    assert build_training_set(clinvar=tmp_path / "b.vcf.gz", out=out)["warnings"] == []
    assert header().startswith("##fileformat")
