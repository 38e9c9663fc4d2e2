"""The training set from the real files: every cell of the published table, ClinVar of 2026, VEP's own output."""

from __future__ import annotations

import gzip
import json
import random
from collections import Counter
from pathlib import Path

import pandas as pd
import pytest
from vcf_files import AGREE, CONFLICT, total, write

from genomicslearning import InputError
from genomicslearning.training_set.build import build_training_set
from genomicslearning.training_set.table import COLUMNS, EXTRA_COLUMNS, read_table

# The published table again, every cell.


@pytest.mark.parametrize("name", ["table.csv", "table.parquet"])
@pytest.mark.parametrize("files", ["both", "annotated alone"])
def test_published_table_again(rebuilt_pair, published_table, tmp_path, name, files):
    clinvar, annotated = rebuilt_pair
    out = tmp_path / name
    report = build_training_set(clinvar=clinvar if files == "both" else None, annotated=annotated, out=out)
    table = read_table(out)
    pd.testing.assert_frame_equal(table[list(COLUMNS)], published_table)
    assert report["records_read"] == 85_188 == total(report)
    assert report["dropped"] == {"review_status:criteria_provided,_single_submitter": 20_000}
    assert report["classes"] == {"0": 48_754, "1": 16_434}
    assert report.get("unannotated", 0) == 0
    assert json.loads(Path(f"{out}.report.json").read_text()) == report
    assert not Path(f"{out}.quarantine.vcf").exists()
    if name.endswith("parquet"):
        assert list(table.columns) == [*COLUMNS, *EXTRA_COLUMNS]
        assert table["CONFLICT"].value_counts().to_dict() == {"VUS vs B/LB": 16_434}


def test_published_table_from_shuffled_files(rebuilt_pair, published_table, tmp_path):
    def shuffled(path, seed):
        with gzip.open(path, "rb") as file:
            lines = file.read().splitlines(keepends=True)
        head = [line for line in lines if line.startswith(b"#")]
        body = lines[len(head) :]
        random.Random(seed).shuffle(body)
        target = tmp_path / f"{seed}.vcf"
        target.write_bytes(b"".join(head + body))
        return target

    clinvar, annotated = shuffled(rebuilt_pair[0], 1), shuffled(rebuilt_pair[1], 2)
    report = build_training_set(clinvar=clinvar, annotated=annotated, out=tmp_path / "table.parquet")
    assert report["unannotated"] == 0
    assert report["dropped"] == {"review_status:criteria_provided,_single_submitter": 20_000}
    table = read_table(tmp_path / "table.parquet")
    with annotated.open() as file:
        kept = [line for line in file if line[0] != "#" and "CLNREVSTAT=criteria_provided,_single" not in line]
    assert table["VARIATION_ID"].tolist() == [line.split("\t", 3)[2] for line in kept]
    table = table.assign(order=table["VARIATION_ID"].astype(int)).sort_values("order", ignore_index=True)
    pd.testing.assert_frame_equal(table[list(COLUMNS)], published_table)


def test_modern_clinvar_alone(shared_data, tmp_path):
    source = shared_data / "clinvar_2026" / "clinvar_20260226_GRCh38_excerpt.vcf.gz"
    report = build_training_set(clinvar=source, out=tmp_path / "t.parquet")
    assert (report["records_read"], report["rows_written"], total(report)) == (69_302, 29_169, 69_302)
    assert report["classes"] == {"0": 18_059, "1": 11_110}
    assert report["dropped"]["no_germline_classification"] == 2_294
    assert report["conflicts"] == {
        "VUS vs B/LB": 10_481,
        "P/LP vs VUS": 608,
        "P/LP vs VUS vs B/LB": 14,
        "P/LP vs B/LB": 7,
    }
    assert report["conflict_submissions"] == {"P/LP": 1_231, "VUS": 30_338, "B/LB": 17_645}
    assert (report["inputs"][0]["fileDate"], report["inputs"][0]["reference"]) == ("2026-02-26", "GRCh38")
    table = read_table(tmp_path / "t.parquet")
    assert table[["Allele", "Consequence", "SYMBOL"]].isna().all().all()
    assert table["CONFLICT"].notna().sum() == 11_110
    assert table["REF"].str.len().max() > 100
    assert not table["CLNDN"].str.contains("\r").any()


# BRCA1: transcripts of VEP 109 (GRCh37) with ClinVar's classification of 2026 (GRCh38), which lies 1,847,983 bases on.
SHIFT = 1_847_983


@pytest.fixture(scope="module")
def brca1(shared_data, tmp_path_factory):
    """The VEP file lifted to GRCh38, and the records of both files, read plainly."""
    lines, records = [], []
    with gzip.open(shared_data / "vep" / "clinvar_brca1_vep109_20230324.vcf.gz", "rt") as file:
        for line in file:
            if line.startswith("#"):
                if line.startswith("##INFO=<ID=CSQ"):
                    names = line.split("Format: ")[1].split('"')[0].split("|")
                lines.append(line.replace("GRCh37", "GRCh38"))
                continue
            fields = line.rstrip("\n").split("\t")
            fields[0], fields[1] = "chr17", str(int(fields[1]) + SHIFT)
            records.append(fields)
    target = tmp_path_factory.mktemp("brca1") / "annotated.vcf"
    target.write_text("".join(lines) + "".join("\t".join(fields) + "\n" for fields in records))
    known = {}
    source = shared_data / "clinvar_2026" / "clinvar_20260226_GRCh38_excerpt.vcf.gz"
    with gzip.open(source, "rt", encoding="utf-8", newline="") as file:
        for line in file:
            if line.startswith("17\t"):
                fields = line.rstrip("\r\n").split("\t")
                info = dict(item.partition("=")[::2] for item in fields[7].split(";"))
                known[tuple(fields[:2] + fields[3:5])] = (fields[2], info)
    return target, source, names, records, known


def expected_blocks(names, records, known, rule):
    """Of each kept record: variation, class, and the block that the rule picks, in the plainest way."""
    from genomicslearning.clinvar import CONSEQUENCES

    rank = {term: place for place, term in enumerate(CONSEQUENCES)}
    made, decided = [], Counter()
    for fields in records:
        variation, info = known.get(("17", fields[1], fields[3], fields[4]), (None, None))
        status = (info or {}).get("CLNREVSTAT", "")
        if not status.endswith(("_multiple_submitters,_no_conflicts", "_conflicting_classifications")):
            continue
        blocks = [dict(zip(names, text.split("|"), strict=True)) for text in fields[7].split("CSQ=")[1].split(",")]

        def severity(one):
            return min(rank[term] for term in one["Consequence"].split("&"))

        candidates, name = blocks, "severe"
        for wanted, field in (("mane", "MANE_SELECT"), ("canonical", "CANONICAL")):
            if rule == wanted or (rule == "mane" and wanted == "canonical"):
                found = [one for one in blocks if one.get(field)]
                if found:
                    symbols = {gene.split(":")[0] for gene in info.get("GENEINFO", "").split("|")}
                    own = [one for one in found if one["SYMBOL"] in symbols]
                    several = len({one["SYMBOL"] for one in found}) > 1
                    candidates, name = (own if several and own else found), wanted
                    break
        chosen = blocks[0] if rule == "first" else min(candidates, key=severity)
        decided["first" if rule == "first" else name] += 1
        made.append((variation, int("conflicting" in status), chosen))
    return made, dict(decided)


@pytest.mark.parametrize("rule", ["first", "severe", "canonical", "mane"])
def test_brca1_labels_and_transcripts(brca1, tmp_path, rule):
    annotated, clinvar, names, records, known = brca1
    report = build_training_set(clinvar=clinvar, annotated=annotated, out=tmp_path / "t.parquet", pick=rule)
    wanted, decided = expected_blocks(names, records, known, rule)
    # As the file is, MANE_SELECT is empty and CANONICAL absent: all but `first` falls to `severe`, as the report says.
    assert report["pick"] == decided == {"first" if rule == "first" else "severe": len(wanted)}
    check_blocks(read_table(tmp_path / "t.parquet"), wanted)
    assert report["records_read"] == 13_145 == total(report)


@pytest.mark.parametrize("rule", ["canonical", "mane"])
def test_brca1_with_mane_and_canonical_filled(brca1, tmp_path, rule):
    annotated, clinvar, names, records, known = brca1
    chance = random.Random(3)
    names = [*names, "CANONICAL"]
    mane = names.index("MANE_SELECT")
    filled = []
    for fields in records:
        blocks = [text.split("|") + [""] for text in fields[7].split("CSQ=")[1].split(",")]
        for one in blocks:
            one[mane] = "ENST1" if chance.random() < 0.05 else ""
            one[-1] = "YES" if chance.random() < 0.05 else ""
            if chance.random() < 0.3:
                one[names.index("SYMBOL")] = "OTHER"
        filled.append([*fields[:7], "CSQ=" + ",".join("|".join(one) for one in blocks)])
    head = [line for line in annotated.read_text().splitlines() if line.startswith("#")]
    head = [line.replace('">', '|CANONICAL">') if "ID=CSQ" in line else line for line in head]
    source = tmp_path / "filled.vcf"
    source.write_text("\n".join(head + ["\t".join(fields) for fields in filled]) + "\n")
    report = build_training_set(clinvar=clinvar, annotated=source, out=tmp_path / "t.parquet", pick=rule)
    wanted, decided = expected_blocks(names, filled, known, rule)
    assert report["pick"] == decided
    assert set(decided) == ({"mane", "canonical", "severe"} if rule == "mane" else {"canonical", "severe"})
    assert report["pick_by_gene"] > 50
    check_blocks(read_table(tmp_path / "t.parquet"), wanted)


def check_blocks(table, wanted):
    assert table["VARIATION_ID"].tolist() == [variation for variation, _, _ in wanted]
    assert table["CLASS"].tolist() == [label for _, label, _ in wanted]
    assert len(wanted) == 4_838
    for column in ("Allele", "Consequence", "Feature", "SYMBOL", "EXON", "BAM_EDIT"):
        assert table[column].fillna("").tolist() == [chosen[column] for _, _, chosen in wanted]
    assert (table["CHROM"] == "chr17").all()


def test_whole_data_folder_goes_through(shared_data, tmp_path):
    with pytest.raises(InputError, match="not a VCF"):
        build_training_set(clinvar=shared_data / "awkward" / "windows.vcf", out=tmp_path / "t.csv")
    for path in sorted((shared_data / "awkward").iterdir()):
        if path.name != "windows.vcf":
            with pytest.raises(InputError, match="no record has CLNREVSTAT"):
                build_training_set(clinvar=path, out=tmp_path / "t.csv")
    with pytest.raises(InputError, match="--clinvar"):
        build_training_set(annotated=shared_data / "vep" / "panel_vep_grch37_cadd.vcf.gz", out=tmp_path / "t.csv")


def test_panel_with_scores(shared_data, tmp_path):
    """CADD in every block, SIFT(score), `chr` names: the panel's own sites, labelled by the test."""
    source = shared_data / "vep" / "panel_vep_grch37_cadd.vcf.gz"
    with gzip.open(source, "rt") as file:
        sites = [line.split("\t")[:5] for line in file if not line.startswith("#")]
    records = [
        f"{chrom.removeprefix('chr')} {pos} {n} {ref} {alt} . . {AGREE if n % 2 else CONFLICT}"
        for n, (chrom, pos, _, ref, alts) in enumerate(sites)
        for alt in alts.split(",")
    ]
    report = build_training_set(
        clinvar=write(tmp_path / "c.vcf", records), annotated=source, out=tmp_path / "t.csv", pick="severe"
    )
    assert report["records_read"] == len(sites) == 326 == total(report)
    table = read_table(tmp_path / "t.csv")
    assert table["CADD_PHRED"].notna().mean() > 0.9
    assert not table["SIFT"].str.contains("(", regex=False, na=False).any()
    assert set(table["SIFT"].dropna()) <= {
        "tolerated", "deleterious", "tolerated_low_confidence", "deleterious_low_confidence",
    }  # fmt: skip


def test_read_table_kaggle(shared_data):
    table = read_table(shared_data / "clinvar_kaggle" / "clinvar_conflicting.csv.zip")
    assert table.shape == (65_188, 46)
    assert list(table.columns) == list(COLUMNS)
    assert table["CLASS"].sum() == 16_434
    assert table.loc[0, "AF_EXAC"] == "0.10020"
    assert table["CLNSIGINCL"].isna().sum() > 60_000
    assert {str(kind) for kind in table.dtypes} == {"str", "int64", "int8"}
    assert not (table.select_dtypes("str") == "nan").any().any()
