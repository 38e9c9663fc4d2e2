"""ClinVar's vocabulary and the alleles of VCF by value: what a term, a status, a chromosome, an ALT is."""

from __future__ import annotations

import pytest

from genomicslearning import clinvar
from genomicslearning.training_set import alleles


@pytest.mark.parametrize(
    ("status", "label"),
    [
        ("criteria_provided,_multiple_submitters,_no_conflicts", 0),
        ("criteria provided, multiple submitters, no conflicts", 0),
        (" criteria_provided,_conflicting_interpretations ", 1),
        ("criteria_provided,_conflicting_classifications", 1),
        ("criteria_provided,_multiple_submitters", None),
        ("criteria_provided,_single_submitter", None),
        ("Criteria_provided,_conflicting_classifications", None),
        ("", None),
    ],
)
def test_class_of_a_review_status(status, label):
    assert clinvar.label(status) == label


@pytest.mark.parametrize(
    ("written", "today"),
    [
        ("no_assertion_criteria_provided", "no_classification_criteria_provided"),
        ("no assertion for the individual variant", "no_classification_for_the_single_variant"),
        ("no_interpretation_for_the_single_variant", "no_classification_for_the_single_variant"),
        ("criteria_provided,_conflicting_interpretations", "criteria_provided,_conflicting_classifications"),
    ],
)
def test_words_of_three_eras(written, today):
    assert clinvar.review_status_meaning(written) == today
    assert today in clinvar.REVIEW_STATUSES


@pytest.mark.parametrize(
    ("term", "group"),
    [
        ("Pathogenic", "P/LP"),
        ("likely pathogenic", "P/LP"),
        ("Likely_pathogenic,_low_penetrance", "P/LP"),
        ("Uncertain_significance", "VUS"),
        ("Benign/Likely_benign", "B/LB"),
        ("Affects/Likely_benign", "B/LB"),  # the first part that has a group
        ("Uncertain_risk_allele", None),
        ("drug_response", None),
        ("", None),
    ],
)
def test_group_of_a_term(term, group):
    assert clinvar.group(term) == group


@pytest.mark.parametrize(
    ("text", "counts"),
    [
        ("Benign(1)|Pathogenic(2)", {"Benign": 1, "Pathogenic": 2}),
        ("Benign(1), Pathogenic(2)", {"Benign": 1, "Pathogenic": 2}),
        ("Pathogenic(1)%7CBenign(2)%3BUncertain_significance(3)%2Cother(4)",
         {"Pathogenic": 1, "Benign": 2, "Uncertain_significance": 3, "other": 4}),
        ("Benign(1)|Likely_benign(1)|Benign(2)", {"Benign": 3, "Likely_benign": 1}),
        ("Benign(0)|Pathogenic(1)", {"Pathogenic": 1}),
        ("Benign(999999999)|Pathogenic(1234567890)", {"Benign": 999_999_999}),
        ("Benign(٣)|Pathogenic(-1)|x(", {}),
        ("Pathogenic,_low_penetrance(1)", {"Pathogenic,_low_penetrance": 1}),
    ],
)  # fmt: skip
def test_submissions(text, counts):
    assert clinvar.submissions(text) == counts


@pytest.mark.parametrize(
    ("text", "conflict"),
    [
        ("Benign(1)|Pathogenic(2)", "P/LP vs B/LB"),
        ("Benign(0)|Pathogenic(2)", "other"),
        ("Benign(1)|Likely_benign(2)", "other"),
        ("Benign(2)|Uncertain_significance(1)|Pathogenic(1)", "P/LP vs VUS vs B/LB"),
        (".", "unknown"),
        ("", "unknown"),
        (None, "unknown"),
    ],
)
def test_conflict(text, conflict):
    assert clinvar.conflict(text) == conflict


def test_rank_of_consequences():
    rank = clinvar.consequence_rank
    assert rank("intron_variant&splice_donor_variant") == rank("splice_donor_variant") == 3
    assert rank("initiator_codon_variant") == rank("start_lost") == 7
    assert rank("non_coding_exon_variant") == rank("non_coding_transcript_exon_variant")
    assert rank("nc_transcript_variant") == rank("non_coding_transcript_variant")
    assert rank("sequence_variant") == 41 < rank("of_no_term") == rank("") == clinvar.UNKNOWN_RANK


@pytest.mark.parametrize(
    ("written", "name"),
    [
        ("chr7", "7"), ("CHR7", "7"), ("Chr7", "7"), ("chrM", "MT"), ("M", "MT"), ("NC_012920.1", "MT"),
        ("NC_000001.11", "1"), ("NC_000023.10", "X"), ("NC_000024.10", "Y"),
        ("NC_000000.1", "NC_000000.1"), ("NC_000025.1", "NC_000025.1"), ("GL000192.1", "GL000192.1"),
    ],
)  # fmt: skip
def test_name_of_a_chromosome(written, name):
    assert clinvar.chromosome(written) == name


def test_assembly_by_the_versions_of_accessions():
    assembly = clinvar.assembly_of_hgvs
    older, newer = "NC_000003.11:g.1A>G", "NC_000003.12:g.1A>G"
    assert assembly([older]) == "GRCh37" and assembly([newer]) == "GRCh38"
    assert assembly([older, newer, newer]) == "GRCh38" and assembly([newer, older, older]) == "GRCh37"
    assert assembly(["NC_000003.13:g.1A>G", "NC_000003.10:g.1A>G", "NM_1.1:c.1A>G", "NC_012920.1:m.1A>G"]) is None


def test_genes_of_geneinfo():
    assert clinvar.first_symbol("BRCA2:675|ZAR1L:646799") == clinvar.first_symbol("BRCA2|ZAR1L:646799") == "BRCA2"
    assert clinvar.symbols("BRCA2:675| ZAR1L:646799") == ["BRCA2", "ZAR1L"]


@pytest.mark.parametrize(
    ("ref", "alt", "left"),
    [
        (b"CAA", b"CA", (1, b"A", b"")),
        (b"AR", b"ARC", (2, b"", b"C")),  # R: A or G
        (b"a", b"A", (0, b"A", b"A")),
        (b"ca", b"C", (1, b"A", b"")),
        (b"G", b"G]8:107653520]", (0, b"G", b"G]8:107653520]")),
        (b"CT", b"C*", (0, b"CT", b"C*")),
    ],
)
def test_trimmed(ref, alt, left):
    assert alleles.trimmed(ref, alt) == left


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ((b"chr1", b"007", b"a", b"G"), (b"1", b"7", b"A", b"g")),
        ((b"1", b"7", b"CAA", b"CA"), (b"1", b"7", b"CA", b"C")),
        ((b"1", b"6", b"GCA", b"GC"), (b"1", b"7", b"CA", b"C")),
        ((b"1", b"6", b"gtA", b"gtC"), (b"1", b"8", b"A", b"C")),
        ((b"chrM", b"7", b"A", b"<DEL>"), (b"MT", b"7", b"A", b"<del>")),
    ],
)
def test_one_key_for_one_variant(one, other):
    assert alleles.place_key(*one) == alleles.place_key(*other)
    assert alleles.place_key(*one) != alleles.place_key(other[0], b"9", *other[2:])


@pytest.mark.parametrize(
    ("ref", "alts", "named", "places"),
    [
        # places: of the blocks of each ALT; None where it cannot be told.
        ("A", "C,T", "c,t", [[0], [1]]),
        ("A", "C", "C,T,C", [[0, 2]]),
        ("A", "C", "T,T", [[0, 1]]),  # one text, one ALT: it can only be that one
        ("A", "C,G", "T,C", [[1], []]),
        # Trimmed at the end first: GT before GA, not TG after G.
        ("GA", "GTGA,TA", "GT,T", [[0], [1]]),
        ("GA", "GTGA,TA", "TG,T", [[0], [1]]),
        # Without the first base the block is CAA's, trimmed it is CAAAAA's.
        ("CAAA", "CAA,CAAAAA", "AA", [None, None]),
        # Of two ways that explain what is there, the one that gives each ALT a block.
        ("CAA", "CAAA,<DEL>", "A,deletion", [[0], []]),
        ("CAA", "CAAA,<DEL>", "AAA,deletion", [[0], []]),
        # `*` is called `*`: what is called otherwise belongs to an ALT that was taken away.
        ("CA", "C,*", "-,A", [None, None]),
        ("CA", "C,*", "-,*", [[0], [1]]),
        ("CA", "CG,*", "G,*", [[0], [1]]),
    ],
)
def test_blocks_by_the_alleles_that_they_name(ref, alts, named, places):
    names = [name.encode() for name in named.split(",")]
    blocks = [b"%d" % place for place in range(len(names))]
    wanted = [None if found is None else [b"%d" % place for place in found] for found in places]
    assert alleles.blocks_of_alleles(blocks, names, ref.encode(), alts.encode().split(b",")) == wanted
