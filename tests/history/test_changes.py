"""What changed between two releases: the words, and the counts beside a slow calculation that shares no code."""

import csv
import gzip
import json
import re
from collections import Counter

import pandas as pd
import pytest
from browser import HOSTILE, WIDE, chromium, listener, open_at, serious_findings, shows_text_alone
from places import ROOT

from genomicslearning import InputError
from genomicslearning.evaluation import grading
from genomicslearning.history.changes import COLUMNS, outlier, significance
from genomicslearning.history.changes_files import compare_files, read_genes, write

TABLES = ("column of `changes.csv`", "key of `changes.json`", "key of `graded`")
HEADER = "chrom\tpos\tref\talt\tmeasureset_id\treview_status\tclinical_significance\tsymbol"
SINGLE, AGREE, OLD_CONFLICT, CONFLICT, PANEL, NONE = (
    "criteria provided, single submitter",
    "criteria provided, multiple submitters, no conflicts",
    "criteria provided, conflicting interpretations",
    "criteria provided, conflicting classifications",
    "reviewed by expert panel",
    "no assertion criteria provided",
)


def release(path, *rows):
    lines = ("\t".join(("1", str(pos), "A", "G", str(pos), *rest)) for pos, *rest in rows)
    path.write_text("\n".join([HEADER, *lines]) + "\n")
    return path


@pytest.fixture
def pair(tmp_path):
    old = release(
        tmp_path / "old_2016-05-20.tsv",
        (1, SINGLE, "Benign", "A"),
        (2, OLD_CONFLICT, "Benign;Uncertain significance", "A"),
        (3, OLD_CONFLICT, "Pathogenic;Uncertain significance", "B"),
        (4, OLD_CONFLICT, "Benign;Uncertain significance", "B"),
        (5, OLD_CONFLICT, "Benign;Uncertain significance", "C"),
        (6, AGREE, "Benign;Likely benign", "C"),
        (7, SINGLE, "Benign", "C"),
        (8, OLD_CONFLICT, "Benign;Uncertain significance", "D"),
        (9, OLD_CONFLICT, "Benign;Uncertain significance", "D"),
        (10, NONE, "Pathogenic", "D"),
    )
    new = release(
        tmp_path / "new_2026-02-26.tsv",
        (1, CONFLICT, "Benign;Uncertain significance", "A"),
        (2, AGREE, "Uncertain significance", "A"),
        (3, PANEL, "Pathogenic", "B"),
        (4, CONFLICT, "Conflicting classifications of pathogenicity", "B"),
        (5, CONFLICT, "Pathogenic;Uncertain significance", "C"),
        (6, AGREE, "Likely benign;Benign", "C"),
        (8, SINGLE, "Benign", "D"),
        (10, "no classification criteria provided", "Pathogenic", "D"),
        (11, CONFLICT, "Pathogenic;Benign", "E"),
        (12, SINGLE, "=cmd|' /C calc'!A0", "=E"),
    )
    return old, new


def test_every_change_has_its_word(pair, tmp_path):
    summary = write(compare_files(*pair, assembly="GRCh37"), tmp_path / "out", progress=lambda text: None)
    with open(tmp_path / "out" / "changes.csv", newline="") as file:
        rows = {row["POS"]: row for row in csv.DictReader(file)}
    found = {pos: (row["change"], row["conflict"]) for pos, row in rows.items()}
    assert found == {
        "1": ("changed", "conflict appeared"),
        "2": ("changed", "resolved by agreement"),
        "3": ("changed", "resolved by expert panel"),
        "5": ("changed", "conflict of another kind"),
        "7": ("gone", ""),
        "8": ("changed", "resolved by removal"),
        "9": ("gone", "resolved by removal"),
        "11": ("new", "new and in conflict"),
        "12": ("new", ""),
    }
    # 4: another era's wording of the same conflict; 6: another order; 10: "assertion" became "classification".
    assert summary["conflicts"]["conflict persists"] == 1
    assert summary["changes"] == {"new": 2, "gone": 2, "changed": 5}
    assert rows["5"]["medically_significant"] == "medically significant"
    assert rows["1"]["medically_significant"] == "other"
    assert rows["12"]["classification_after"].startswith("'=") and rows["12"]["gene"] == "'=E"
    assert summary["single_submitters"] == {"old": 2, "several": 1, "conflict": 1, "expert_panel": 0, "gone": 1}
    assert summary["days"] == 3569
    assert json.loads((tmp_path / "out" / "changes.json").read_text()) == summary
    page = (tmp_path / "out" / "release_changes.html").read_text()
    assert "resolved by expert panel" in page and "http://" not in page and "src=" not in page
    headings = re.findall(r'<th scope="col"[^>]*>([^<]+)</th>', page)
    assert "Kind after" in headings and "after" not in headings, "a heading says of what it is"
    assert page.count('class="scroll" role="group" tabindex="0"') == page.count("<table"), "by keyboard too"
    assert '<td class="bars"></td></tr>\n</tbody></table></div>' in page and "<td>–</td>" in page


def test_a_later_release_that_lacks_much_of_the_older_is_said_to_be_a_part(pair, tmp_path):
    """Else an excerpt reads as if ClinVar had resolved conflicts by removal."""
    old, new = pair
    part = tmp_path / "part_2026-02-26.tsv"
    part.write_text("".join(new.read_text().splitlines(True)[:4]))
    said: list[str] = []
    summary = write(compare_files(old, part, assembly="GRCh37"), tmp_path / "out", progress=said.append)
    assert summary["changes"]["gone"] == 7 and summary["conflicts"]["resolved by removal"] == 4
    [warning] = summary["warnings"]
    assert warning.startswith("7 of the 10 variants of old_2016-05-20.tsv are not in part_2026-02-26.tsv: so many that")
    assert f"changes: WARNING: {warning}" in said
    assert f"<strong>Note:</strong> {warning}." in (tmp_path / "out" / "release_changes.html").read_text()
    whole = write(compare_files(old, new, assembly="GRCh37"), tmp_path / "whole", progress=said.append)
    assert whole["changes"]["gone"] == 2 and whole["warnings"] == []


def test_my_genes_stand_first(pair, tmp_path):
    (tmp_path / "genes.txt").write_text("# mine\nD\n\n")
    found = compare_files(*pair, assembly="GRCh37", genes=tmp_path / "genes.txt")
    rows = pd.concat(found.pieces(), ignore_index=True)
    assert rows["gene"].tolist()[:2] == ["D", "D"] and "D" not in rows["gene"].tolist()[2:]
    assert found.summary()["genes"][0] == {
        "gene": "D", "conflict appeared": 0, "new and in conflict": 0, "resolved by agreement": 0,
        "resolved by expert panel": 0, "resolved by removal": 2, "conflict of another kind": 0,
    }  # fmt: skip
    (tmp_path / "genes.txt").write_text("D, E\n")
    with pytest.raises(InputError, match=r"genes.txt:1: 'D, E' is not one gene symbol"):
        read_genes(tmp_path / "genes.txt")


def test_my_genes_are_found_in_any_case_and_wherever_genes_overlap(tmp_path):
    old = release(tmp_path / "old.tsv", (1, SINGLE, "Benign", "BRCA2;ZAR1L"), (2, SINGLE, "Benign", "C9orf72"))
    new = release(tmp_path / "new.tsv", (1, AGREE, "Benign", "BRCA2"), (2, AGREE, "Benign", "C9orf72"))
    (tmp_path / "genes.txt").write_text("zar1l\nC9ORF72\nHER2\n")
    found = compare_files(old, new, genes=tmp_path / "genes.txt")
    rows = pd.concat(found.pieces())
    assert rows[["gene", "my_gene"]].to_numpy().tolist() == [["ZAR1L", "yes"], ["C9orf72", "yes"]]
    assert found.summary()["my_genes"] == {"given": 3, "in_neither_release": ["HER2"]}
    assert pd.concat(compare_files(old, new).pieces())["gene"].tolist() == ["BRCA2", "C9orf72"]


GRCH38 = b"##fileformat=VCFv4.1\n##reference=GRCh38\n#CHROM\tPOS\tID\tREF\tALT\tQUAL\tFILTER\tINFO\n"


def test_releases_of_two_assemblies_are_not_joined_by_place(tmp_path):
    """A release that does not tell its assembly is not taken for the other's when their variants lie elsewhere."""
    columns = HEADER.replace("\tmeasureset_id", "")
    places = range(100, 160)
    silent, named = tmp_path / "silent.tsv", tmp_path / "named.tsv"
    silent.write_text(columns + "".join(f"\n1\t{pos}\tA\tG\t{SINGLE}\tBenign\tB" for pos in places))
    release(named, *((pos, SINGLE, "Benign", "B") for pos in places))
    vcf = tmp_path / "new.vcf"

    def moved(by):
        text = "".join(
            f"1\t{pos + by}\t{pos}\tA\tG\t.\t.\tCLNREVSTAT={AGREE.replace(' ', '_')};CLNSIG=Benign\n" for pos in places
        )
        vcf.write_bytes(GRCH38 + text.encode())

    moved(1000)
    with pytest.raises(
        InputError, match=r"silent.tsv: no ##reference .*0 of 60 .* \(GRCh38\): it is likely GRCh37; give"
    ):
        compare_files(silent, vcf)
    summary = compare_files(named, vcf).summary()  # by VariationID
    assert summary["changes"] == {"new": 0, "gone": 0, "changed": 60} and summary["old"]["assembly"] == ""
    moved(59)  # one lies by chance where the other assembly has another
    with pytest.raises(InputError, match=r"only 1 of 60 variants lie at a place of the other's"):
        compare_files(silent, vcf)
    assert compare_files(silent, vcf, assembly="GRCh38").summary()["changes"] == {"new": 59, "gone": 59, "changed": 1}
    moved(50)
    assert compare_files(silent, vcf).summary()["old"]["assembly"] == "GRCh38"


def test_records_of_the_references_own_allele_are_variants_in_either_form(tmp_path):
    """ClinVar has some (NC_000013.11:g.32332592=), with a VariationID and without an ALT."""
    row = "1\t{}\t77\tA\t.\t.\t.\tCLNREVSTAT={};CLNSIG=Benign\n"
    (tmp_path / "old.vcf").write_bytes(GRCH38 + row.format(5, SINGLE.replace(" ", "_")).encode())
    (tmp_path / "new.vcf").write_bytes(GRCH38 + row.format(5, AGREE.replace(" ", "_")).encode())
    (tmp_path / "new.tsv").write_text(f"{HEADER}\n1\t5\tA\t.\t\t{AGREE}\tBenign\tB\n")
    for new in ("new.vcf", "new.tsv"):  # by VariationID, by place
        found = compare_files(tmp_path / "old.vcf", tmp_path / new)
        assert found.summary()["changes"] == {"new": 0, "gone": 0, "changed": 1}, new
        (tmp_path / "list.csv").write_text("CHROM,POS,REF,ALT,probability\n1,5,A,.,0.5\n")
        scored = grading.read_scored(tmp_path / "list.csv")
        assert grading.grade(scored, found.new.of_interest(scored), name="list.csv")["several"] == 1, new


def test_the_older_release_comes_first(pair):
    with pytest.raises(InputError, match="give the older release first"):
        compare_files(*reversed(pair))


@pytest.mark.parametrize(
    ("counts", "group"),
    [
        ("Pathogenic(5)|Uncertain_significance(1)", "VUS"),
        ("Pathogenic(2)|Uncertain_significance(1)", "VUS"),
        ("Pathogenic(1)|Uncertain_significance(1)", ""),
        ("Pathogenic(4)|Uncertain_significance(1)|Benign(1)", ""),
        ("Pathogenic(3)|Likely_pathogenic(3)|Uncertain_significance(2)", "VUS"),
        ("", ""),
    ],
)
def test_the_outlier_has_a_third_or_fewer(counts, group):
    assert outlier(counts) == group


@pytest.mark.parametrize(
    ("kind", "word"),
    [
        ("P/LP vs VUS", "medically significant"),
        ("P/LP vs VUS vs B/LB", "medically significant"),
        ("VUS vs B/LB", "other"),
        ("unknown", "unknown"),
        ("", ""),
    ],
)
def test_what_is_medically_significant(kind, word):
    assert significance(kind) == word


def slow_counts(old, new) -> Counter:
    """Conflict events and changes by dictionaries, line by line, in the file's own words."""
    read = []
    for path in (old, new):
        rows = {}
        with gzip.open(path, "rt", encoding="utf-8") as file:
            names = file.readline().rstrip("\n").split("\t")
            for line in file:
                row = dict(zip(names, line.rstrip("\n").split("\t"), strict=True))
                rows.setdefault(tuple(row[name] for name in ("measureset_id", "chrom", "pos", "ref", "alt")), row)
        read.append(rows)
    before, after = read
    # A variant that has moved (other alleles, one base further) is known by its identifier, if nothing else has that.
    alone = [Counter(key[0] for key in rows) for rows in read]
    there = {key[0]: key for key in before}
    moved = {
        key: there[key[0]]
        for key in after
        if key not in before and key[0] in there and alone[0][key[0]] == alone[1][key[0]] == 1
    }
    after = {moved.get(key, key): row for key, row in after.items()}
    counts = Counter()
    for identifier in before.keys() | after.keys():
        one, two = before.get(identifier), after.get(identifier)
        was, now = (row is not None and "criteria provided, conflicting" in row["review_status"] for row in (one, two))
        if one is None or two is None:
            counts["new" if one is None else "gone"] += 1
        if now and not was:
            counts["new and in conflict" if one is None else "conflict appeared"] += 1
        if was and not now:
            status = "" if two is None else two["review_status"]
            if status in ("reviewed by expert panel", "practice guideline"):
                counts["resolved by expert panel"] += 1
            elif status == "criteria provided, multiple submitters, no conflicts":
                counts["resolved by agreement"] += 1
            else:
                counts["resolved by removal"] += 1
        counts["in conflict in both"] += was and now
    return counts


@pytest.mark.parametrize(
    "pair_of",
    [
        ("clinvar_tsv/clinvar_2015-11-16_b37.tsv.gz", "clinvar_tsv/clinvar_2016-05-20_b37.tsv.gz"),
        ("clinvar_tsv/clinvar_2016-05-20_b37.tsv.gz", "clinvar_2026/clinvar_2026-02_half_of_genes_b37.tsv.gz"),
    ],
)
def test_counts_of_real_releases_are_those_of_a_slow_calculation(shared_data, pair_of):
    old, new = (shared_data / name for name in pair_of)
    summary, slow = compare_files(old, new).summary(), slow_counts(old, new)
    ours = summary["conflicts"] | summary["changes"]
    both = ours["conflict persists"] + ours["conflict of another kind"]
    assert both == slow.pop("in conflict in both")
    assert {name: ours[name] for name in slow} == dict(slow)


def test_hostile_text_stays_text_in_a_browser(tmp_path):
    with chromium() as browser, listener() as (address, asked):
        text = " ".join(HOSTILE).format(address)
        old = release(tmp_path / "<b>old_2016-05-20.tsv", (1, SINGLE, "Benign", text), (2, AGREE, text, "A"))
        new = release(tmp_path / "new_2026-02-26.tsv", (1, CONFLICT, text, text), (2, OLD_CONFLICT, text, "A"))
        summary = write(compare_files(old, new, assembly="GRCh37"), tmp_path / "out")
        assert sum(summary["conflicts"].values()) == 2
        shows_text_alone(browser, tmp_path / "out" / "release_changes.html")
        assert asked == []


def test_the_page_filters_by_itself(pair, tmp_path):
    write(compare_files(*pair, assembly="GRCh37"), tmp_path / "out")
    with chromium() as browser:
        open_at(browser, tmp_path / "out" / "release_changes.html", WIDE)
        assert serious_findings(browser) == []
        shown = "return [...document.querySelectorAll('#rows tbody tr')].filter(row => !row.hidden).length"
        everything = browser.execute_script(shown)
        field = browser.find_element("id", "event")
        field.send_keys("conflict appeared")
        assert 0 < browser.execute_script(shown) < everything
        assert browser.find_element("id", "count").text == f"{browser.execute_script(shown)} variants"


def test_the_pages_table_fits_a_window(tmp_path):
    """Thirteen columns, with a long allele, a long status and classifications that nothing but a bar parts."""
    said = "Pathogenic|Likely_pathogenic|Uncertain_significance"
    old = release(tmp_path / "old_2016-05-20.tsv", (1, AGREE, said, "KCNQ1OT1"), (2, AGREE, said, "KCNQ1OT1"))
    new = release(tmp_path / "new_2016-06-20.tsv", (1, CONFLICT, said, "KCNQ1OT1"), (2, AGREE, said, "KCNQ1OT1"))
    for path in (old, new):
        long = "GATTACAGATTACAGATTACAGATTACA"
        path.write_text(path.read_text().replace("\tA\tG\t", f"\t{long}\t{long[::-1]}\t"))
    write(compare_files(old, new, assembly="GRCh37"), tmp_path / "out", progress=lambda text: None)
    with chromium() as browser:
        open_at(browser, tmp_path / "out" / "release_changes.html", WIDE)
        over = "const box = document.getElementById('variants'); return box.scrollWidth - box.clientWidth"
        assert browser.execute_script(over) <= 0
        assert "Pathogenic; Likely pathogenic; Uncertain significance" in browser.page_source


def test_my_genes_are_read_from_a_windows_file_and_those_in_neither_release_are_told(pair, tmp_path):
    genes = tmp_path / "genes.txt"
    genes.write_bytes(b"\xef\xbb\xbfB\r\nNOSUCH\r\n")
    said = []
    summary = write(compare_files(*pair, genes=genes), tmp_path / "out", progress=said.append)
    assert summary["my_genes"] == {"given": 2, "in_neither_release": ["NOSUCH"]}
    assert "in neither release: NOSUCH" in said[0]
    assert summary["genes"][0]["gene"] == "B"
    page = (tmp_path / "out" / "release_changes.html").read_text()
    assert "NOSUCH" in page and "my genes (*) and conflict events first" in page and ">B *<" in page


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ("no assertion for the individual variant", "no interpretation for the single variant"),
        ("no interpretation for the single variant", "no classification for the single variant"),
        ("no assertion provided", "no classification provided"),
        ("no assertion criteria provided", "no_assertion_criteria_provided"),
    ],
)
def test_a_status_that_an_era_words_otherwise_is_no_change(tmp_path, before, after):
    old = release(tmp_path / "old.tsv", (1, before, "Benign", "A"))
    new = release(tmp_path / "new.tsv", (1, after, "Benign", "A"))
    assert compare_files(old, new).summary()["changes"] == {"new": 0, "gone": 0, "changed": 0}


def test_conflicts_whose_classes_a_release_does_not_name_are_not_counted_as_insignificant(tmp_path):
    old = release(tmp_path / "old.tsv", (1, OLD_CONFLICT, "Pathogenic;Uncertain significance", "A"))
    new = release(tmp_path / "new.tsv", (1, CONFLICT, "Conflicting classifications of pathogenicity", "A"))
    summary = write(compare_files(old, new), tmp_path / "out", progress=str)
    assert summary["medically_significant"] == {"old": 1, "new": None}
    assert summary["kind_not_told"] == {"old": 0, "new": 1}
    page = (tmp_path / "out" / "release_changes.html").read_text()
    assert "Of 1 conflicts new.tsv does not name the classes" in page and ">not told<" in page
    none = release(tmp_path / "none.tsv", (1, SINGLE, "Benign", "A"))
    assert compare_files(none, none).summary()["medically_significant"] == {"old": 0, "new": 0}


def test_the_page_of_changes_shows_how_a_list_was_calibrated_and_what_it_missed(pair, tmp_path):
    cells = (
        "VARIATION_ID,CHROM,POS,REF,ALT,gene,probability,probability_second\n1,1,1,A,G,A,0.1,.5\n6,1,6,A,G,C,0.9,.4\n"
    )
    (tmp_path / "list.csv").write_text(cells)
    found, scored = compare_files(*pair), grading.read_scored(tmp_path / "list.csv")
    facts = grading.grade(scored, found.new.of_interest(scored), name="list.csv")
    write(found, tmp_path / "out", graded=facts, progress=str)
    page = (tmp_path / "out" / "release_changes.html").read_text()
    assert page.count('class="scroll" role="group" tabindex="0"') == page.count("<table"), "by keyboard too"
    text = re.sub(r"<[^>]+>", "|", page)
    assert re.search(
        r"Calibration of probability: bins of equally many variants.*\|1\|+10\.0 %\|+100\.0 %\|", text, re.DOTALL
    )
    assert re.search(r"Misses: highest chances of conflict that agree.*\|1:6 A&gt;G\|+C\|+90\.0 %\|", text, re.DOTALL)
    assert re.search(r"Misses: lowest chances of conflict that conflict.*\|1:1 A&gt;G\|+A\|+10\.0 %\|", text, re.DOTALL)


def test_every_column_and_key_is_documented(pair, tmp_path):
    text = (ROOT / "docs" / "changes.md").read_text(encoding="utf-8")
    tables = [text.split(f"| {name} | meaning |")[1].split("\n\n")[0] for name in TABLES]
    named = [
        {one for cell in re.findall(r"(?m)^\| (.*?) \|", table) for one in re.findall(r"`(\w+)`", cell)}
        for table in tables
    ]
    (tmp_path / "list.csv").write_text("CHROM,POS,REF,ALT,probability\n1,1,A,G,0.1\n1,6,A,G,0.9\n")
    found, scored = compare_files(*pair), grading.read_scored(tmp_path / "list.csv")
    facts = grading.grade(scored, found.new.of_interest(scored), name="list.csv")
    summary = write(found, tmp_path / "out", graded=facts, progress=str)
    assert named == [set(COLUMNS), set(summary), set(facts)]
