"""Reading releases: what Arrow reads is what a slow reader of lines reads."""

import gzip
import threading
from datetime import date
from unittest.mock import patch

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from places import data_folder

from genomicslearning import InputError, clinvar
from genomicslearning.history import release_files
from genomicslearning.history.dates import date_in_name, date_of_input, date_written
from genomicslearning.history.releases import locus_keys, read_release

HEAD = (
    b"##fileformat=VCFv4.1\n##fileDate=2026-02-26\n##reference=GRCh38\n#CHROM\tPOS\tID\tREF\tALT\tQUAL\tFILTER\tINFO\n"
)


def record(position, info, *, chromosome="1", before="A", after="G", identifier="7") -> bytes:
    return f"{chromosome}\t{position}\t{identifier}\t{before}\t{after}\t.\t.\t{info}\n".encode()


def vcf(path, *records, head=HEAD):
    path.write_bytes(head + b"".join(records))
    return path


def slow(path) -> pd.DataFrame:
    """A release by lines and dictionaries, sharing no code with the reader."""
    rows, seen = [], set()
    with gzip.open(path, "rt", encoding="utf-8", errors="replace", newline="") as file:
        for line in file:
            if line.startswith("#"):
                continue
            chrom, pos, identifier, before, after, _, _, info = line.rstrip("\r\n").split("\t")
            values = {}
            for entry in info.split(";"):
                key, _, value = entry.partition("=")
                values.setdefault(key, value)
            if (chrom, pos, before, after) in seen:
                continue
            seen.add((chrom, pos, before, after))
            after = after.replace(".", "")  # the reference's own allele
            status = values.get("CLNREVSTAT", "").replace("_", " ")
            gene = values.get("GENEINFO", "").split("|")[0].split(":")[0]
            conflict = ""
            if clinvar.label(status) == 1:
                conflict = clinvar.conflict(values.get("CLNSIGCONF"))
            rows.append((chrom, int(pos), identifier, before, after, status, values.get("CLNSIG", ""), gene, conflict))
    return pd.DataFrame(rows)


def test_a_whole_release_reads_as_line_by_line(modern_release):
    path = modern_release
    found = read_release(path)
    names = ["CHROM", "POS", "VARIATION_ID", "REF", "ALT", "review_status", "CLNSIG", "SYMBOL", "CONFLICT"]
    ours = found.variants[names].astype("object").where(found.variants[names].notna(), "")
    theirs = slow(path)
    # Another trimmed spelling of a variant is the same variant; the slow reader knows equal spellings only.
    key = ["CHROM", "POS", "REF", "ALT"]
    theirs.columns = names
    joined = theirs.merge(ours, on=key, suffixes=("", "_ours"))
    assert len(joined) == len(ours)
    assert len(theirs) - len(ours) < 20
    for name in names:
        if name not in key:
            assert (joined[name] == joined[f"{name}_ours"]).all(), name
    assert found.date == (date(2026, 2, 26) if data_folder().is_dir() else date(2018, 4, 1))


def test_keys_repeat_stand_in_any_order_or_lack_a_value(tmp_path):
    path = vcf(
        tmp_path / "r.vcf",
        record(5, "CLNREVSTAT=criteria_provided,_single_submitter;CLNSIG=Benign;CLNSIG=Pathogenic;GENEINFO=B:1|C:2"),
        record(6, "CLNSIG;XCLNSIG=Benign;GENEINFO=.", identifier="."),
        record(7, ".", after="."),
        record(8, "."),
    )
    found = read_release(path).variants
    assert found["POS"].tolist() == [5, 6, 7, 8]
    assert found["ALT"].astype("object").fillna("").tolist() == ["G", "G", "", "G"]
    assert found["CLNSIG"].astype("object").fillna("").tolist() == ["Benign", "", "", ""]
    assert found["SYMBOL"].astype("object").fillna("").tolist() == ["B", "", "", ""]
    assert found["VARIATION_ID"].astype("object").fillna("").tolist() == ["7", "", "7", "7"]
    assert found["review_status"].astype("object").fillna("").tolist() == [
        "criteria provided, single submitter",
        "",
        "",
        "",
    ]


@pytest.mark.parametrize(
    ("records", "message"),
    [
        ([record(1, "."), b"1\t2\n"], r"r\.vcf:6: not a VCF record"),
        ([record(1, "."), record("x", ".")], r"r\.vcf:6: pos is not a number"),
        ([record("1\u0661", ".")], r"r\.vcf:5: pos is not a number"),
        ([], "a VCF without records"),
    ],
)
def test_a_bad_record_is_named_by_its_line(tmp_path, records, message):
    with pytest.raises(InputError, match=message):
        read_release(vcf(tmp_path / "r.vcf", *records))


def test_text_that_is_not_utf8_is_kept_as_far_as_it_goes(tmp_path):
    latin = record(1, "CLNREVSTAT=practice_guideline;CLNDN=Mend\u00e9s").decode().encode("latin-1")
    assert read_release(vcf(tmp_path / "r.vcf", latin)).variants["CLNDN"].tolist() == ["Mend\ufffds"]


def test_a_release_of_tabs_has_conflicts_by_its_terms(tmp_path):
    path = tmp_path / "clinvar_2016-05-20_b37.tsv"
    rows = [
        ("1", 10, "A", "G", "criteria provided, conflicting interpretations", "Benign;Uncertain significance", "G1"),
        ("1", 11, "A", "G", "criteria provided, conflicting classifications", "Conflicting classifications", "-"),
        ("1", 12, "A", "G", "criteria provided, single submitter", "Benign; other", "G2"),
        ("1", 13, "A", "G", "criteria provided, conflicting classifications", "Benign;Conflicting; Pathogenic", "G2"),
    ]
    header = "chrom\tpos\tref\talt\treview_status\tclinical_significance\tsymbol"
    path.write_text("\n".join([header, *("\t".join(map(str, row)) for row in rows)]) + "\n")
    found = read_release(path, assembly="GRCh37")
    assert found.variants["CONFLICT"].astype("object").fillna("").tolist() == ["VUS vs B/LB", "unknown", "", "unknown"]
    assert found.variants["CLNSIG"].tolist()[2] == "Benign|other"
    assert found.variants["SYMBOL"].astype("object").fillna("").tolist() == ["G1", "", "G2", "G2"]
    assert found.date == date(2016, 5, 20)


@pytest.mark.parametrize(
    ("name", "found"),
    [
        ("clinvar_20180401.vcf.gz", date(2018, 4, 1)),
        ("clinvar_2016-05-20_b37.tsv.gz", date(2016, 5, 20)),
        ("clinvar_2026-02_half.tsv.gz", date(2026, 2, 1)),
        ("clinvar_20180231.vcf", None),
        ("clinvar.vcf.gz", None),
        ("run_1201512345.tsv", None),
    ],
)
def test_dates_in_names(name, found):
    assert date_in_name(name) == found


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("20260226", date(2026, 2, 26)),
        ("2026-02-26", date(2026, 2, 26)),
        (' "2026/2/26"', date(2026, 2, 26)),
        ("2026.02.26", date(2026, 2, 26)),
        ("2026-02-26T10:11:12Z", date(2026, 2, 26)),
        ("26-Feb-2026", date(2026, 2, 26)),
        ("26 February, 2026", date(2026, 2, 26)),
        ("Thu Feb 26 10:11:12 UTC 2026", date(2026, 2, 26)),
        ("02/03/2026", None),  # February or March
        ("2026-13-45", None),
        ("00000000", None),
        ("", None),
    ],
)
def test_dates_in_headers(tmp_path, text, found):
    assert date_written(text) == found
    head = HEAD.replace(b"2026-02-26", text.encode())
    path = vcf(tmp_path / "release.vcf", record(1, "CLNREVSTAT=criteria_provided,_single_submitter"), head=head)
    assert read_release(path).date == found


@given(
    st.lists(
        st.tuples(
            st.sampled_from(["1", "chr1", "M", "MT"]),
            st.integers(1, 99),
            st.text("ACG", min_size=1, max_size=4),
            st.text("ACG", min_size=1, max_size=4),
        ),
        min_size=1,
        max_size=30,
    )
)
def test_rows_are_found_by_their_trimmed_alleles(sites):
    from genomicslearning.history.releases import Release

    frame = pd.DataFrame(sites, columns=["CHROM", "POS", "REF", "ALT"])
    frame["VARIATION_ID"] = pd.Series(np.nan, index=frame.index, dtype="str")
    frame["key"] = locus_keys(frame)
    known = frame.drop_duplicates("key", ignore_index=True)
    rows = Release("r", "GRCh37", known).rows_of(frame)
    assert known["key"].to_numpy()[rows].tolist() == frame["key"].tolist()
    for key, (chromosome, _, before, after) in zip(frame["key"], sites, strict=True):
        name, position, first, second = key.split(":")
        assert name == ("MT" if chromosome.startswith("M") else "1")
        assert len(first) - len(second) == len(before) - len(after)
        assert min(len(first), len(second)) == 1 or (first[-1] != second[-1] and first[0] != second[0])


def test_a_variant_that_comes_twice_is_kept_as_it_came_first(tmp_path):
    status = "CLNREVSTAT=criteria_provided,_single_submitter"
    path = vcf(
        tmp_path / "r.vcf",
        record(5, f"{status};CLNSIG=Benign"),
        record(5, f"{status};CLNSIG=Pathogenic"),
        record(6, status),
    )
    assert read_release(path).variants["CLNSIG"].astype("object").fillna("").tolist() == ["Benign", ""]


def test_what_a_file_says_of_its_assembly_and_day_goes_before_what_is_said_of_it(tmp_path):
    path = vcf(tmp_path / "clinvar_20180401.vcf", record(5, "CLNREVSTAT=criteria_provided,_single_submitter"))
    found = read_release(path, assembly="GRCh37")
    assert found.assembly == "GRCh38" and found.date == date(2026, 2, 26)


def test_an_identifier_that_stands_twice_joins_by_place_alone(tmp_path):
    status = "CLNREVSTAT=criteria_provided,_single_submitter"
    pairs = [(5, "7"), (6, "7"), (8, "9")]  # 7 is a haplotype's
    found = read_release(vcf(tmp_path / "r.vcf", *(record(pos, status, identifier=name) for pos, name in pairs)))
    asked = pd.DataFrame({"CHROM": "1", "POS": [50, 6, 80], "REF": "A", "ALT": "G", "VARIATION_ID": ["7", "7", "9"]})
    assert found.rows_of(asked).tolist() == [-1, 1, 2]
    assert found.rows_of(asked.assign(VARIATION_ID=["9", "7", "9"])).tolist() == [-1, 1, -1], "twice on our side"
    part = found.of_interest(asked)
    assert part.variants["POS"].tolist() == [5, 6, 8] and part.rows_of(asked).tolist() == [-1, 1, 2]


def test_a_release_elsewhere_is_joined_by_identifiers_where_both_have_them_alone(tmp_path):
    status = "CLNREVSTAT=criteria_provided,_single_submitter"
    silent = HEAD.replace(b"##reference=GRCh38\n", b"")
    elsewhere = vcf(
        tmp_path / "elsewhere.vcf", *(record(900 + n, status, identifier=str(n)) for n in range(9)), head=silent
    )
    for identified in (True, False):
        names = (str(n) if identified else "." for n in range(9))
        other = read_release(
            vcf(tmp_path / "r.vcf", *(record(n, status, identifier=name) for n, name in enumerate(names)))
        )
        if identified:
            assert read_release(elsewhere, like=other).assembly == ""
        else:
            with pytest.raises(InputError, match="it is likely GRCh37"):
                read_release(elsewhere, like=other)


def test_a_conflict_without_its_submissions_is_of_an_unknown_kind(tmp_path):
    status = "CLNREVSTAT=criteria_provided,_conflicting_interpretations"
    agree = "CLNREVSTAT=criteria_provided,_multiple_submitters,_no_conflicts;CLNSIGCONF=Benign(1)|Pathogenic(1)"
    path = vcf(tmp_path / "r.vcf", record(5, status), record(6, agree))
    assert read_release(path).variants["CONFLICT"].astype("object").fillna("").tolist() == ["unknown", ""]


def test_the_header_tells_the_assembly_before_the_records_do(tmp_path):
    info = "CLNREVSTAT=criteria_provided,_single_submitter;CLNHGVS=NC_000001.10:g.5A>G"
    assert read_release(vcf(tmp_path / "r.vcf", record(5, info))).assembly == "GRCh38"
    silent = HEAD.replace(b"##reference=GRCh38\n", b"")
    assert read_release(vcf(tmp_path / "r.vcf", record(5, info), head=silent)).assembly == "GRCh37"


def test_an_inputs_day_is_its_headers_before_its_names():
    facts = {"fileDate": "2026-02-26", "name": "clinvar_20180401.vcf.gz"}
    assert date_of_input(facts) == date(2026, 2, 26)
    assert date_of_input(facts | {"fileDate": None}) == date(2018, 4, 1)


TABS = "chrom\tpos\tref\talt\treview_status\tclinical_significance\n"
SINGLE = "criteria provided, single submitter"


@pytest.mark.parametrize("status", ["", "single", "classified by multiple submitters", SINGLE.title(), "5|255"])
def test_a_release_without_one_status_that_clinvar_uses_is_refused(tmp_path, status):
    path = tmp_path / "old.tsv"
    path.write_text(TABS + f"1\t5\tA\tG\t{status}\tBenign\n" * 3)
    with pytest.raises(InputError, match=r"most review statuses are none that ClinVar has used since 2015"):
        read_release(path, assembly="GRCh37")


@pytest.mark.parametrize(("old_words", "refused"), [(60, True), (40, False)])
def test_what_most_statuses_say_decides_since_some_words_are_older(tmp_path, old_words, refused):
    path = tmp_path / "clinvar_2014-05-20.tsv"
    row = "1\t{}\tA\tG\t{}\tBenign\n"
    known = ("reviewed by expert panel", SINGLE, "", "")  # those that are empty count for nothing
    statuses = ["classified by single submitter"] * old_words + [known[n % 4] for n in range(2 * (100 - old_words))]
    path.write_text(TABS + "".join(row.format(place, text) for place, text in enumerate(statuses, 1)))
    if refused:
        with pytest.raises(InputError, match=r"'classified by single submitter' \(60\)\. Give a VCF of 2017"):
            read_release(path, assembly="GRCh37")
    else:
        assert len(read_release(path, assembly="GRCh37").variants) == 160


def test_small_letters_and_a_mark_of_byte_order_are_no_other_variant(tmp_path):
    path = tmp_path / "marked.tsv"
    path.write_bytes(b"\xef\xbb\xbf" + (TABS + f"1\t5\ttag\ttcg\t{SINGLE}\tBenign\n").encode())
    table = pd.DataFrame({"CHROM": ["chr1"], "POS": [6], "REF": ["A"], "ALT": ["C"]})
    assert read_release(path, assembly="GRCh37").rows_of(table).tolist() == [0]


def test_rows_longer_and_shorter_than_a_block_are_read_whole(tmp_path, monkeypatch):
    monkeypatch.setattr("genomicslearning.history.release_files._BLOCK", 64)
    path = tmp_path / "long.tsv"
    rows = [f"1\t{pos}\tA\tG\t{SINGLE}\t{'Benign;' * (pos % 40)}Benign" for pos in range(1, 200)]
    path.write_text(TABS + "\n".join(rows))  # the last line has no end
    found = read_release(path, assembly="GRCh37").variants
    assert found["POS"].tolist() == list(range(1, 200))
    assert found["CLNSIG"][199 - 1] == "|".join(["Benign"] * (199 % 40 + 1))
    path.write_text(TABS + "\n".join([*rows[:150], "1\t2"]))
    with pytest.raises(InputError, match=r"long.tsv:152: not a row of this table"):
        read_release(path, assembly="GRCh37")


def test_no_thread_reads_a_damaged_release(tmp_path):
    """A thread of Arrow's that is still in Python when the interpreter ends aborts it (exit code 134)."""
    text = gzip.compress((TABS + f"1\t5\tA\tG\t{SINGLE}\tBenign\n" * 90_000).encode(), 1)
    path = tmp_path / "cut.tsv.gz"
    path.write_bytes(text[: len(text) * 2 // 3])
    readers = set()
    real = release_files._batches

    class Watched:
        def __init__(self, lines):
            self.lines = lines

        def read(self, size):
            readers.add(threading.get_ident())
            return self.lines.read(size)

    with patch.object(release_files, "_batches", lambda lines, *rest: real(Watched(lines), *rest)):
        with pytest.raises(InputError, match="cut off"):
            read_release(path, assembly="GRCh37")
    assert readers == {threading.get_ident()}
