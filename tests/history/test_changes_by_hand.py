"""Single changes between two releases, in the words and counts that they must have."""

import csv

import pandas as pd
import pytest

from genomicslearning import InputError
from genomicslearning.history import changes_files
from genomicslearning.history.changes import COLUMNS
from genomicslearning.history.changes_files import compare_files, write

HEADER = "chrom\tpos\tref\talt\tmeasureset_id\treview_status\tclinical_significance\tsymbol"
SINGLE, AGREE, OLD_CONFLICT, CONFLICT, NONE = (
    "criteria provided, single submitter",
    "criteria provided, multiple submitters, no conflicts",
    "criteria provided, conflicting interpretations",
    "criteria provided, conflicting classifications",
    "no assertion criteria provided",
)
NOT_TOLD = "Conflicting interpretations of pathogenicity"


def release(path, *rows):
    lines = ("\t".join(("1", str(pos), "A", "G", str(pos), *rest)) for pos, *rest in rows)
    path.write_text("\n".join([HEADER, *lines]) + "\n")
    return path


def compared(folder, *rows):
    """What became of variants, each given as what the older and what the newer release says of it."""
    sides = [[(pos, *said) for pos, row in enumerate(rows, 1) if (said := row[side])] for side in (0, 1)]
    paths = [release(folder / f"{name}.tsv", *side) for name, side in zip(("old", "new"), sides, strict=True)]
    found = compare_files(*paths, assembly="GRCh37")
    return found.summary(), pd.concat([pd.DataFrame(columns=list(COLUMNS)), *found.pieces()], ignore_index=True)


def vcf(path, assembly, *records):
    head = f"##fileformat=VCFv4.1\n##reference={assembly}\n#CHROM\tPOS\tID\tREF\tALT\tQUAL\tFILTER\tINFO\n"
    lines = (
        f"1\t{pos}\t{name}\tA\tG\t.\t.\tCLNREVSTAT={status.replace(' ', '_')};{info}\n"
        for pos, name, status, info in records
    )
    path.write_text(head + "".join(lines))
    return path


def test_releases_of_one_day_may_be_compared(tmp_path):
    row = (1, SINGLE, "Benign", "A")
    one, two = (release(tmp_path / f"{name}_2016-05-20.tsv", row) for name in "ab")
    assert compare_files(one, two).summary()["days"] == 0


@pytest.mark.parametrize("side", [0, 1])
def test_a_conflict_whose_groups_one_release_does_not_name_has_not_changed_its_kind(tmp_path, side):
    said = [(OLD_CONFLICT, "Pathogenic;Uncertain significance", "A"), (CONFLICT, "Benign;Pathogenic", "A")]
    assert compared(tmp_path, said)[0]["conflicts"]["conflict of another kind"] == 1
    said[side] = (said[side][0], NOT_TOLD, "A")
    summary, rows = compared(tmp_path, said)
    assert summary["conflicts"]["conflict persists"] == 1 and rows.empty


def test_single_submitters_that_several_classify_alike_or_not_are_counted(tmp_path):
    one = (SINGLE, "Benign", "A")
    conflict, panel = (CONFLICT, "Benign;Uncertain significance", "A"), ("reviewed by expert panel", "Benign", "A")
    agree = (AGREE, "Benign", "A")
    rows = [(one, agree), (one, agree), (one, conflict), (one, panel), (agree, panel), (one, None), (agree, None)]
    found = compared(tmp_path, *rows)[0]["single_submitters"]
    assert found == {"old": 5, "several": 3, "conflict": 1, "expert_panel": 1, "gone": 1}


def test_a_practice_guideline_resolves_a_conflict_as_a_panel_does(tmp_path):
    was = (OLD_CONFLICT, "Pathogenic;Uncertain significance", "A")
    summary, _ = compared(tmp_path, (was, ("practice guideline", "Pathogenic", "A")))
    assert summary["conflicts"]["resolved by expert panel"] == 1 and summary["conflicts"]["resolved by removal"] == 0


def test_genes_stand_by_how_many_conflicts_came_or_went_and_no_name_is_no_gene(tmp_path):
    was, now = (AGREE, "Benign"), (CONFLICT, "Benign;Uncertain significance")
    genes = ["A", "B", "B", "-", "-", "-"]
    summary, _ = compared(tmp_path, *(((*was, gene), (*now, gene)) for gene in genes))
    assert [(one["gene"], one["conflict appeared"]) for one in summary["genes"]] == [("B", 2), ("A", 1)]
    assert summary["conflicts"]["conflict appeared"] == 6


def test_moves_from_one_review_status_to_another_the_most_frequent_first(tmp_path):
    one, agree = (SINGLE, "Benign", "A"), (AGREE, "Benign", "A")
    summary, _ = compared(tmp_path, (agree, one), (one, agree), (one, agree), (one, None), (None, one), (None, one))
    assert summary["review_status"] == [
        {"before": SINGLE, "after": AGREE, "variants": 2},
        {"before": "not in the release", "after": SINGLE, "variants": 2},
        {"before": AGREE, "after": SINGLE, "variants": 1},
        {"before": SINGLE, "after": "not in the release", "variants": 1},
    ]


def test_medically_significant_conflicts_are_those_that_say_so(tmp_path):
    said = ["Pathogenic;Benign", "Benign;Uncertain significance", NOT_TOLD]
    rows = [((OLD_CONFLICT, one, "A"),) * 2 for one in said]
    summary, _ = compared(tmp_path, *rows)
    assert summary["medically_significant"] == {"old": 1, "new": 1} and summary["kind_not_told"]["new"] == 1


def test_another_eras_words_for_the_same_classification_are_no_change(tmp_path):
    pairs = [(NOT_TOLD, "Conflicting classifications of pathogenicity"), ("Benign; other", "other;Benign")]
    rows = [((NONE, one, "A"), (NONE, two, "A")) for one, two in pairs]
    assert compared(tmp_path, *rows)[0]["changes"] == {"new": 0, "gone": 0, "changed": 0}
    old = vcf(tmp_path / "old.vcf", "GRCh37", (1, 1, NONE, "CLNSIG=Pathogenic,_other"))
    new = vcf(tmp_path / "new.vcf", "GRCh37", (1, 1, NONE, "CLNSIG=Pathogenic|other"))
    assert compare_files(old, new).summary()["changes"]["changed"] == 0


def test_the_outlier_is_of_the_newer_releases_submissions(tmp_path):
    counts = "CLNSIGCONF=Pathogenic(1)|Benign(5)", "CLNSIGCONF=Pathogenic(8)|Uncertain_significance(1)"
    old = vcf(tmp_path / "old.vcf", "GRCh37", (1, 1, OLD_CONFLICT, counts[0]))
    new = vcf(tmp_path / "new.vcf", "GRCh37", (1, 1, CONFLICT, counts[1]), (2, 2, CONFLICT, counts[0]))
    rows = pd.concat(compare_files(old, new).pieces()).set_index("POS")
    assert rows["outlier"].to_dict() == {"1": "VUS", "2": "P/LP"}


def test_releases_of_two_assemblies_are_joined_by_identifiers_and_by_nothing_else(tmp_path):
    old = vcf(tmp_path / "old.vcf", "GRCh37", (5, ".", SINGLE, "CLNSIG=Benign"), (6, 7, SINGLE, "CLNSIG=Benign"))
    new = vcf(tmp_path / "new.vcf", "GRCh38", (5, ".", SINGLE, "CLNSIG=Benign"), (9, 7, SINGLE, "CLNSIG=Benign"))
    summary = compare_files(old, new).summary()
    assert summary["changes"] == {"new": 1, "gone": 1, "changed": 0}
    assert "old.vcf and new.vcf are of different genome assemblies" in summary["warnings"][0]
    same = vcf(tmp_path / "same.vcf", "GRCh37", (6, 7, SINGLE, "CLNSIG=Benign"))
    assert not any("assemblies" in warning for warning in compare_files(old, same).summary()["warnings"])


@pytest.mark.parametrize(("shared", "known"), [(3, True), (2, False)])
def test_a_twentieth_of_the_variants_at_the_same_places_is_one_assembly(tmp_path, shared, known):
    silent, named = tmp_path / "silent.tsv", tmp_path / "named.vcf"
    places = range(100, 160)
    columns = HEADER.replace("\tmeasureset_id", "")
    silent.write_text(columns + "".join(f"\n1\t{pos}\tA\tG\t{SINGLE}\tBenign\tB" for pos in places))
    vcf(named, "GRCh38", *((pos + 60 - shared, ".", SINGLE, "CLNSIG=Benign") for pos in places))
    if known:
        assert compare_files(silent, named).summary()["old"]["assembly"] == "GRCh38"
    else:
        with pytest.raises(InputError, match=f"only {shared} of 60 variants lie at a place"):
            compare_files(silent, named)


def test_conflict_events_stand_before_changes_and_the_significant_before_others(tmp_path, monkeypatch):
    other, significant = "Benign;Uncertain significance", "Pathogenic;Uncertain significance"
    old = release(
        tmp_path / "old.tsv",
        (1, SINGLE, "Benign", "A"),
        (2, OLD_CONFLICT, significant, "A"),
        (3, AGREE, "Benign", "A"),
        (4, AGREE, "Pathogenic", "A"),
    )
    new = release(
        tmp_path / "new.tsv",
        (1, SINGLE, "Pathogenic", "A"),
        (2, CONFLICT, significant, "A"),
        (3, CONFLICT, other, "A"),
        (4, CONFLICT, significant, "A"),
        (5, SINGLE, "Benign", "=cmd"),
    )
    found = compare_files(old, new)
    rows = pd.concat(found.pieces(), ignore_index=True)
    assert changes_files._of_interest(rows, 3)["POS"].tolist() == ["4", "3", "1"]
    write(found, tmp_path / "out", progress=str)
    page = (tmp_path / "out" / "release_changes.html").read_text()
    offered = page.split('<select id="event">')[1].split("</select>")[0]
    assert offered == '<option value="">all</option><option>conflict appeared</option>', "no event that none has"


def test_an_identifier_is_no_formula(tmp_path):
    old = release(tmp_path / "old.tsv", (1, SINGLE, "Benign", "A"))
    new = tmp_path / "new.tsv"
    new.write_text(f"{HEADER}\n1\t2\tA\tG\t=1+1\t{SINGLE}\tBenign\tA\n")
    write(compare_files(old, new, assembly="GRCh37"), tmp_path / "out", progress=str)
    with open(tmp_path / "out" / "changes.csv", newline="") as file:
        assert [row["VARIATION_ID"] for row in csv.DictReader(file)] == ["'=1+1", "1"]


@pytest.mark.parametrize(
    ("old", "new", "words"), [("", "b", "parameter old: is empty"), ("a", "", "parameter new: is")]
)
def test_one_release_alone_is_refused(tmp_path, old, new, words):
    with pytest.raises(InputError, match=words):
        changes_files.check(old, new, tmp_path)
