"""Splits: what is learnt never tells what is asked."""

import numpy as np
import pandas as pd
import pytest

from genomicslearning import InputError, clinvar
from genomicslearning.history.releases import assembly_of, check_release, locus_keys, read_release
from genomicslearning.history.repeated import check_no_variant_on_both_sides, variant_key
from genomicslearning.history.splits import gene_groups, split

HEADER = "chrom\tpos\tref\talt\tmeasureset_id\treview_status\tclinical_significance\tall_traits"
SINGLE, AGREE, CONFLICT = (
    "criteria provided, single submitter",
    "criteria provided, multiple submitters, no conflicts",
    "criteria provided, conflicting interpretations",
)


def small_table(**columns) -> pd.DataFrame:
    rows = len(next(iter(columns.values())))
    table = pd.DataFrame(
        {
            "CHROM": "1",
            "POS": np.arange(1, rows + 1),
            "REF": "A",
            "ALT": "G",
            "CLNHGVS": "NC_000001.10:g.1A>G",
            "SYMBOL": np.nan,
            "CLASS": np.arange(rows) % 2,
        }
    )
    return table.assign(**columns).astype({"SYMBOL": "str", "CLASS": "int8"})


def release(path, *rows, header=HEADER):
    path.write_text("\n".join([header, *("\t".join(map(str, row)) for row in rows)]) + "\n")
    return path


def test_random_is_pandas_sample():
    table = small_table(POS=range(100, 1100))
    parts = split(table, "random", train_fraction=0.8, seed=200)
    expected = table.sample(frac=0.8, random_state=200)
    pd.testing.assert_frame_equal(parts.train, expected)
    pd.testing.assert_frame_equal(parts.test, table.drop(expected.index))
    assert parts.test_groups is None
    assert split(table, "random", seed=7).train.index.equals(table.sample(frac=0.8, random_state=7).index)


@pytest.mark.parametrize(("kind", "side"), [("random", "training"), ("random", "test"), ("gene", "test")])
def test_a_side_of_one_class_is_refused(kind, side):
    table = small_table(POS=range(10), SYMBOL=list("ABCDEFGHIJ"))
    inside = split(table, kind, seed=3).train.index
    learnt = np.isin(np.arange(10), inside)
    one_class = np.where(learnt == (side == "training"), 1, np.arange(10) % 2)
    assert len(set(one_class[learnt])) + len(set(one_class[~learnt])) == 3
    with pytest.raises(InputError, match=rf"the {side} side has \d rows and 1 class\(es\)"):
        split(table.assign(CLASS=one_class), kind, seed=3)


def test_rows_to_learn_from_come_with_their_genes_where_genes_are_held_out():
    table = small_table(POS=range(40), SYMBOL=list("ABCDE") * 8)
    parts = split(table, "gene")
    rows, groups = parts.to_learn_from()
    assert rows is parts.train and pd.Series(groups).groupby(rows["SYMBOL"].to_numpy()).nunique().eq(1).all()
    assert len(set(groups)) == rows["SYMBOL"].nunique() > 1
    assert split(table, "random").to_learn_from()[1] is None


def test_earlier_releases_change_no_split_of_rows_but_that_of_single_submissions(two_releases):
    table = small_table(POS=range(1, 9))
    plain = split(table, "random", earlier=two_releases, train_fraction=0.5)
    assert plain.train.equals(split(table, "random", train_fraction=0.5).train) and plain.learning is None


def test_genes_that_share_a_variant_stay_together():
    genes = ["A:1|B:2", "B:2|C:3", "D:4", np.nan, "C:3", np.nan, "E:5"]
    table = small_table(GENEINFO=genes, SYMBOL=[np.nan, np.nan, "A", "D", np.nan, np.nan, np.nan])
    # A-B-C are one group; row 4's SYMBOL D joins row 3; GENEINFO goes before SYMBOL (row 3); row 6 has neither.
    assert gene_groups(table).tolist() == [0, 0, 1, 1, 0, 2, 3]


def test_gene_split_fills_to_the_fraction_without_sharing_a_gene(labelled_table):
    parts = split(labelled_table, "gene", seed=200)
    assert not set(parts.train["SYMBOL"].dropna()) & set(parts.test["SYMBOL"].dropna())
    assert len(parts.train) == round(0.8 * len(labelled_table))
    assert f"and {len(set(parts.test_groups)):,} to judge by" in parts.notes[0]
    assert len(parts.test_groups) == len(parts.test)
    assert not split(labelled_table, "gene", seed=201).test.index.equals(parts.test.index)


def test_a_gene_split_of_one_gene_is_refused_and_rows_without_a_gene_are_told_of():
    with pytest.raises(InputError, match="all rows are in one gene group, so none can be held out"):
        split(small_table(POS=range(40), SYMBOL=["BRCA2"] * 40), "gene")
    parts = split(small_table(POS=range(40), SYMBOL=["A"] * 5 + ["B"] * 5 + [None] * 30), "gene")
    assert parts.notes[1].startswith("30 rows name no gene and stand alone")
    assert len(split(small_table(POS=range(40), SYMBOL=list("ABCDE") * 8), "gene").notes) == 1


def test_a_variant_on_both_sides_is_an_error():
    table = small_table(POS=[7] * 40)
    with pytest.raises(InputError, match=r"1 variant\(s\) would be on both sides, the first is 1:7:A:G"):
        check_no_variant_on_both_sides(table[:20], table[20:])


def test_a_variant_has_one_key_by_any_name_of_its_chromosome_and_in_small_letters():
    names, alleles = ["1", "chr1", "NC_000001.10", "1", "MT", "chrM", None], ["A", "A", "A", "a", "A", "A", "A"]
    keys = variant_key(small_table(POS=[7] * 7, CHROM=names, REF=alleles, ALT=["G", "G", "G", "g", "G", "G", "G"]))
    assert keys.tolist() == ["1:7:A:G"] * 4 + ["MT:7:A:G"] * 2 + [":7:A:G"]


def test_of_a_variant_in_several_rows_the_first_is_learnt_from():
    table = small_table(POS=range(100, 140))
    again = pd.concat([table, table.assign(CLASS=1 - table["CLASS"])], ignore_index=True)
    parts = split(again, "random")
    assert parts.notes[-1].startswith(f"{len(table):,} rows are of a variant that stands in an earlier row")
    alone = split(table, "random")
    pd.testing.assert_frame_equal(parts.train, alone.train)
    pd.testing.assert_frame_equal(parts.test, alone.test)


@pytest.mark.parametrize(
    ("kind", "options", "message"),
    [
        ("date", {}, "choose one of random, gene, time"),
        ("random", {"train_fraction": 1.0}, "train_fraction"),
        ("random", {"train_fraction": 0.999}, "two are needed"),
        ("time", {}, "needs at least one earlier release"),
    ],
)
def test_impossible_splits_say_why(kind, options, message):
    with pytest.raises(InputError, match=message):
        split(small_table(POS=range(20)), kind, **options)


@pytest.mark.parametrize(("side", "words"), [("training", "several submitters"), ("test", "a single submitter")])
def test_a_side_that_is_too_small_says_what_would_give_it_more_rows(side, words, tmp_path):
    several = {"Benign": "multiple submitters, no conflicts", "Benign/VUS": "conflicting interpretations"}
    said = [("Benign", "single submitter")] * 2 if side == "training" else list(several.items())
    lines = [
        f"1\t{place}\tA\tG\tcriteria provided, {said[place % 2][1]}\t{said[place % 2][0]}" for place in range(1, 41)
    ]
    header = "chrom\tpos\tref\talt\treview_status\tclinical_significance"
    (tmp_path / "r.tsv").write_text("\n".join([header, *lines, ""]))
    table = small_table(POS=range(1, 41), CLASS=[0, 1] * 20)
    with pytest.raises(
        InputError, match=f"the {side} side has 0 rows .* had {words}.* another earlier release"
    ) as told:
        split(table, "time", earlier=[tmp_path / "r.tsv"], assembly="GRCh37")
    assert "seed" not in str(told.value)


def test_alleles_are_trimmed_of_shared_ends():
    table = pd.DataFrame(
        [
            ("1", 10, "TAG", "TCG"),
            ("chr1", 11, "A", "C"),
            ("M", 5, "CAA", "CA"),
            ("MT", 5, "CA", "C"),
            ("X", 3, "A", "ATA"),
        ],
        columns=["CHROM", "POS", "REF", "ALT"],
    )
    assert locus_keys(table).tolist() == ["1:11:A:C", "1:11:A:C", "MT:5:CA:C", "MT:5:CA:C", "X:3:A:ATA"]


@pytest.mark.parametrize(
    ("text", "name"),
    [
        ("##reference=GRCh38", "GRCh38"),
        ("GRCh37.p13", "GRCh37"),
        ("/ref/hg19.fa", "GRCh37"),
        ("b37", "GRCh37"),
        ("T2T", None),
    ],
)
def test_assembly_names(text, name):
    assert clinvar.assembly_name(text) == name


def test_assembly_from_accession_versions():
    assert assembly_of(pd.Series(["NC_000001.10:g.1A>G", np.nan])) == "GRCh37"
    assert assembly_of(pd.Series(["NC_000001.11:g.1A>G", "NC_000014.9:g.2del"])) == "GRCh38"
    assert assembly_of(pd.Series(["NC_012920.1:m.3A>G"])) is None


@pytest.fixture
def two_releases(tmp_path):
    """Positions 1 to 8 of the table below at two earlier dates."""
    old = release(
        tmp_path / "old.tsv",
        (1, 1, "A", "G", 101, SINGLE, "Benign", "x"),
        (1, 2, "A", "G", 102, SINGLE, "Likely benign;Benign", "first disease;not specified"),
        (1, 3, "A", "G", 103, AGREE, "Benign", "x"),
        (1, 7, "A", "G", 107, CONFLICT, "Benign;Uncertain significance", "x"),
    )
    new = release(
        tmp_path / "new.tsv",
        (1, 1, "A", "G", 101, SINGLE, "Benign", "now this"),
        (1, 2, "A", "G", 102, CONFLICT, "Likely benign;Uncertain significance", "y"),
        (1, 3, "A", "G", 103, AGREE, "Benign", "x"),
        (1, 4, "A", "G", 104, SINGLE, "Uncertain significance", "z"),
        (1, 5, "A", "G", 105, "no assertion criteria provided", "Benign", "x"),
        (1, 6, "A", "G", 106, SINGLE, "Pathogenic", "x"),
        (1, 7, "A", "G", 107, SINGLE, "Benign", "one withdrew"),
        (1, 99, "A", "G", 199, SINGLE, "Benign", "never in the table"),
    )
    return [old, new]


def test_time_split_learns_from_the_past_only(two_releases):
    table = small_table(POS=[1, 2, 3, 4, 5, 6, 7, 8], CLASS=[1, 0, 1, 0, 1, 1, 0, 0])
    table["CLNDN"], table["CLNVI"], table["CONFLICT"] = "later|text", "OMIM:1", "unknown"
    parts = split(table, "time", earlier=two_releases, assembly="GRCh37")
    assert parts.test["POS"].tolist() == [1, 4, 6, 7]
    assert parts.test["CLASS"].tolist() == [1, 0, 1, 0]
    assert parts.test["prior_CLNSIG"].tolist() == ["Benign", "Uncertain_significance", "Pathogenic", "Benign"]
    assert parts.test["prior_CLNDN"].tolist() == ["now_this", "z", "x", "one_withdrew"]
    assert set(parts.test["prior_review_status"]) == {SINGLE}
    # The labels are those of the newest earlier release, not the table's.
    assert parts.train["POS"].tolist() == [2, 3]
    assert parts.train["CLASS"].tolist() == [1, 0]
    # What the single submission said comes from the release before; rows that had several then have none.
    assert parts.train["prior_CLNSIG"].tolist()[0] == "Likely_benign|Benign"
    assert parts.train["prior_CLNDN"].tolist()[0] == "first_disease|not_specified"
    assert parts.train["prior_CLNSIG"].isna().tolist() == [False, True]
    assert parts.transitions.tolist() == [True, False]
    assert parts.train["CONFLICT"].tolist()[0] == "VUS vs B/LB"
    assert parts.test["CONFLICT"].isna().all()
    for side in (parts.train, parts.test):
        assert side[["CLNDN", "CLNVI"]].isna().all(axis=None)
    assert parts.test["first_seen"].tolist() == ["old.tsv or before", "new.tsv", "new.tsv", "old.tsv or before"]
    assert parts.single_submitters["second"].tolist() == [True, True, True, True, False]
    assert "5 variants had a single submitter in new.tsv; 80% of them have several in the table" in parts.notes[2]
    # Of two rows to learn from one is a transition; of the other a submission is drawn.
    assert parts.notes[1].startswith("2 variants with several submitters in new.tsv")
    assert "1 of them had a single" in parts.notes[1] and parts.notes[1].endswith("as if it stood alone (1).")
    assert parts.horizon_days is None
    assert table["CLNDN"].eq("later|text").all(), "the caller's table is left alone"


@pytest.mark.parametrize(("genes", "of_its_genes"), [("AABBBAB", None), ("AAAAAAA", 4), ("-------", None)])
def test_a_table_of_some_genes_says_who_got_a_second_submission_of_those_alone(tmp_path, genes, of_its_genes):
    # Eight single submitters, four of gene A and four of B; the table has two of the former with several submitters.
    named = HEADER.replace("clinical_significance", "clinical_significance\tsymbol")
    rows = [(1, n, "A", "G", 100 + n, SINGLE, f"Benign\t{'A' if n <= 4 else 'B'}", "x") for n in range(1, 9)]
    rows += [(1, n, "A", "G", 100 + n, AGREE if n % 2 else CONFLICT, "Benign\tA", "x") for n in range(11, 15)]
    path = release(tmp_path / "then.tsv", *rows, header=named)
    symbols = [name if name != "-" else np.nan for name in genes]
    table = small_table(POS=[1, 2, 11, 12, 13, 14, 15], CLASS=[1, 0, 1, 0, 1, 0, 1], SYMBOL=symbols)
    parts = split(table, "time", earlier=[path])
    assert len(parts.single_submitters) == (of_its_genes or 8)
    assert parts.single_submitters["second"].sum() == 2
    [said] = [note for note in parts.notes if "have several in the table" in note]
    if of_its_genes:
        assert said.startswith(
            "4 variants of the table's genes had a single submitter in then.tsv (8 of all genes); 50%"
        )
    else:
        assert said.startswith("8 variants had a single submitter in then.tsv; 25%")


def test_nothing_that_grows_with_submitters_is_taken_from_the_later_release(two_releases):
    grown = dict.fromkeys(clinvar.GROWS_WITH_SUBMITTERS, "later")
    table = small_table(POS=range(1, 9), CLASS=[1, 0, 1, 0, 1, 1, 0, 0]).assign(**grown, CONFLICT="later")
    parts = split(table, "time", earlier=two_releases, assembly="GRCh37")
    for rows in (parts.train, parts.test, parts.learning):
        assert rows[list(grown)].isna().all(axis=None) and not (rows["CONFLICT"] == "later").any()


def test_variants_are_joined_by_identifier_where_both_have_it(two_releases):
    table = small_table(
        POS=[1, 2, 33, 44, 6, 7], CLASS=[1, 0, 1, 0, 1, 0], VARIATION_ID=["101", "102", "103", "104", "999", np.nan]
    )
    parts = split(table.astype({"VARIATION_ID": "str"}), "time", earlier=two_releases, assembly="GRCh37")
    assert parts.test["POS"].tolist() == [
        1,
        44,
        7,
    ]  # 44 by its ID, 7 for want of one; 6 is another variant at the same place
    assert parts.train["POS"].tolist() == [2, 33]


def test_assemblies_must_be_equal_or_recognised(two_releases):
    table = small_table(POS=range(1, 9))
    # Neither release tells its assembly: their variants lie where the table's do.
    assert len(split(table, "time", earlier=two_releases).test) == 4
    with pytest.raises(InputError, match="new.tsv is GRCh38|old.tsv is GRCh38"):
        split(table, "time", earlier=two_releases, assembly="GRCh38")
    with pytest.raises(InputError, match="'T2T' is not known"):
        split(table, "time", earlier=two_releases, assembly="T2T")
    with pytest.raises(InputError, match="'T2T' is not known"):
        check_release(two_releases[0], assembly="T2T")
    check_release(two_releases[0])


@pytest.mark.parametrize(("shared", "known"), [(10, True), (2, False)])
def test_a_part_of_a_release_is_recognised_though_most_of_its_variants_are_in_no_table(tmp_path, shared, known):
    path = tmp_path / "genes.tsv"
    row = "1\t{}\tA\tG\tcriteria provided, single submitter\tBenign\n"
    path.write_text(
        "chrom\tpos\tref\talt\treview_status\tclinical_significance\n"
        + "".join(row.format(place) for place in range(1, 101))
    )
    table = pd.DataFrame({"CHROM": "1", "POS": range(101 - shared, 401 - shared), "REF": "A", "ALT": "G"})
    table["CLNHGVS"] = [f"NC_000001.10:g.{place}A>G" for place in table["POS"]]
    if known:
        assert read_release(path, like=table).assembly == "GRCh37"
    else:
        with pytest.raises(InputError, match="likely GRCh38"):
            read_release(path, like=table)


@pytest.mark.parametrize(("given", "last"), [("", 5008), ("GRCh37", 6)])
def test_releases_of_another_assembly_are_joined_by_identifiers_alone(two_releases, given, last):
    table = small_table(POS=range(1, 9), CLASS=[1, 0, 1, 0, 1, 1, 0, 0], VARIATION_ID=[f"10{n}" for n in range(1, 9)])
    there = split(table, "time", earlier=two_releases)
    # The last has no identifier, and by chance lies where the releases have another variant.
    moved = table.assign(POS=[*range(5001, 5008), last], CLNHGVS="NC_000001.11:g.1A>G")
    moved["VARIATION_ID"] = moved["VARIATION_ID"].where(moved["POS"] != last)
    here = split(moved, "time", earlier=two_releases, assembly=given)
    assert here.test["POS"].tolist() == [5001, 5004, 5006, 5007]
    for name in ("prior_CLNSIG", "CLASS"):
        assert here.test[name].tolist() == there.test[name].tolist()
    assert here.train["CLASS"].tolist() == there.train["CLASS"].tolist()
    said = "old.tsv is not of the table's genome assembly; it is joined by VariationIDs alone."
    assert said in here.notes
    assert said not in there.notes
    of_others = moved.assign(VARIATION_ID=[f"90{n}" for n in range(8)])
    with pytest.raises(InputError, match="likely GRCh37" if not given else "share too few VariationIDs"):
        split(of_others, "time", earlier=two_releases, assembly=given)


def test_a_release_elsewhere_names_the_likely_assembly(two_releases):
    moved = small_table(POS=range(5001, 5009))
    with pytest.raises(InputError, match="only 0 of the table's 8 variants .GRCh37.*likely GRCh38"):
        split(moved, "time", earlier=two_releases)
    with pytest.raises(InputError, match="give the parameter assembly"):
        read_release(two_releases[0])


def test_a_release_beside_another_is_recognised_by_its_places_or_joined_by_identifiers_alone(tmp_path):
    row = "1\t{}\tA\tG\tcriteria provided, single submitter\tBenign\t{}\n"

    def written(name, by, identified):
        head = "chrom\tpos\tref\talt\treview_status\tclinical_significance\tvariation_id\n"
        text = "".join(row.format(place + by, place if identified else "") for place in range(100, 200))
        (tmp_path / name).write_text(head + text)
        return tmp_path / name

    later = read_release(written("later.tsv", 0, True), assembly="GRCh38")
    assert read_release(written("same.tsv", 50, False), like=later).assembly == "GRCh38"
    assert read_release(written("elsewhere.tsv", 500, True), like=later).assembly == ""
    with pytest.raises(InputError, match="only 0 of later.tsv's 100 variants .GRCh38.*it is likely GRCh37"):
        read_release(written("elsewhere.tsv", 500, False), like=later)


def test_a_vcf_release_tells_its_assembly(tmp_path):
    path = tmp_path / "release.vcf"
    path.write_bytes(
        b"##fileformat=VCFv4.1\r\n##reference=GRCh38\r\n#CHROM\tPOS\tID\tREF\tALT\tQUAL\tFILTER\tINFO\r\n"
        b"1\t5\t77\tA\tG\t.\t.\tCLNSIG=Uncertain_significance;CLNREVSTAT=criteria_provided,_single_submitter;GENEINFO=B:2|C:3\r\n"
        b"1\t6\t78\tA\tG\t.\t.\tCLNSIGCONF=Pathogenic(1)|Benign(2);CLNREVSTAT=criteria_provided,_conflicting_classifications\r\n"
    )
    check_release(path)
    found = read_release(path)
    assert found.assembly == "GRCh38"
    assert found.variants["review_status"].tolist() == [SINGLE, "criteria provided, conflicting classifications"]
    assert found.variants["SYMBOL"].tolist()[0] == "B"
    assert found.variants["CONFLICT"].tolist()[1] == "P/LP vs B/LB"
    assert found.variants["VARIATION_ID"].tolist() == ["77", "78"]


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"chrom\tpos\tref\talt\n1\t2\tA\tG\n", "no column review_status, clinical_significance"),
        (HEADER.encode() + b"\n1\tx\tA\tG\t1\ts\tc\tt\n", ":2: pos is not a number"),
        (b"##fileformat=VCFv4.1\n#CHROM\n1\tx\t.\n", ":3: not a VCF record"),
        (b"\x1f\x8b\x08\x00cut", "cannot be unpacked"),
    ],
)
def test_what_is_no_release_is_refused(tmp_path, content, message):
    path = tmp_path / "release"
    path.write_bytes(content)
    with pytest.raises(InputError, match=message):
        read_release(path, assembly="GRCh37")


def test_known_counts_of_the_two_releases(shared_data, published_table):
    folder = shared_data / "clinvar_tsv"
    earlier = [folder / "clinvar_2015-11-16_b37.tsv.gz", folder / "clinvar_2016-05-20_b37.tsv.gz"]
    parts = split(published_table, "time", earlier=earlier, assembly="GRCh37")
    assert len(parts.test) == 20958
    assert parts.test["CLASS"].mean() == pytest.approx(0.232, abs=0.0005)
    assert len(parts.train) == 10512
    assert parts.transitions.sum() == 1131
    assert len(parts.single_submitters) == 55034
    assert parts.single_submitters["second"].sum() == 20958
