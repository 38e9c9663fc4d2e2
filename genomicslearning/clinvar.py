"""ClinVar's vocabulary: review statuses, the label rule, which groups conflict, names of chromosomes and assemblies,
what leaks the label. No I/O.

Sources: ClinVar "Review status" and "Representation of classifications" help pages, the headers of the VCF releases,
and Ensembl "Calculated variant consequences". Each table says the date it was checked.
"""

from __future__ import annotations

import re
from collections.abc import Iterable

# Review statuses as VCF releases write them (checked 2026-02). Wording changed from "interpretation" and "assertion"
# to "classification" in January 2024; both eras are accepted in any file.
NO_CONFLICT = "criteria_provided,_multiple_submitters,_no_conflicts"
CONFLICT_UNTIL_2023 = "criteria_provided,_conflicting_interpretations"
CONFLICT_SINCE_2024 = "criteria_provided,_conflicting_classifications"
SINGLE_SUBMITTER = "criteria_provided,_single_submitter"
LABELS = {NO_CONFLICT: 0, CONFLICT_UNTIL_2023: 1, CONFLICT_SINCE_2024: 1}
# Every status since the words of 2015, as `review_status_meaning` gives them (checked 2026-02).
REVIEW_STATUSES = frozenset(
    {
        SINGLE_SUBMITTER,
        NO_CONFLICT,
        CONFLICT_SINCE_2024,
        "criteria_provided,_multiple_submitters",
        "reviewed_by_expert_panel",
        "practice_guideline",
        "no_classification_criteria_provided",
        "no_classification_provided",
        "no_classification_for_the_single_variant",
        "no_classifications_from_unflagged_records",
    }
)

# VCF releases before 2017 wrote review status and significance as numbers or short codes ("mult", "single", "5|255").
OLD_REVIEW_STATUSES = frozenset({"no_assertion", "no_criteria", "single", "mult", "conf", "exp", "guideline"})
SUPPORTED_RELEASES = "ClinVar VCF releases since 2017 (the ones whose CLNREVSTAT is text)"


def label(review_status: str) -> int | None:
    """CLASS of a record with this CLNREVSTAT: 1 conflicting, 0 several submitters in agreement, None for any other.

    The words may be joined by underscores, as in VCF, or by spaces, as in tab-delimited releases.
    """
    return LABELS.get(review_status.strip().replace(" ", "_"))


def review_status_meaning(text: str) -> str:
    """A review status in the words of today: those of 2015 ("assertion"), 2017 and 2024 mean the same."""
    words = text.strip().replace(" ", "_")
    for before in ("interpretation", "assertion"):
        words = words.replace(before, "classification")
    return words.replace("for_the_individual_variant", "for_the_single_variant")


# Groups between which a disagreement matters, most pathogenic first (ACMG/AMP 2015; low penetrance, ClinGen 2022).
GROUPS = ("P/LP", "VUS", "B/LB")
_GROUP_OF_TERM = {
    "pathogenic": "P/LP",
    "likely_pathogenic": "P/LP",
    "uncertain_significance": "VUS",
    "likely_benign": "B/LB",
    "benign": "B/LB",
}
CONFLICTS = ("P/LP vs VUS", "P/LP vs B/LB", "VUS vs B/LB", "P/LP vs VUS vs B/LB")
OTHER_CONFLICT = "other"
UNKNOWN_CONFLICT = "unknown"

# Between two classifications. The separator is "|" since 2024 and "," before; names contain commas too
# ("Pathogenic,_low_penetrance"), so the count in parentheses is what ends a term.
_SEPARATORS = re.compile(r"^(?:[\s|,;/]|%2C|%3B|%7C)+")
_MOST_DIGITS = 9  # of a number of submissions; what is longer is none


def group(term: str) -> str | None:
    """Group of one classification term, or None for risk alleles, drug response and everything else without one."""
    name = term.strip().lower().replace(" ", "_").removesuffix(",_low_penetrance")
    for part in name.split("/"):
        if part in _GROUP_OF_TERM:
            return _GROUP_OF_TERM[part]
    return None


def submissions(clnsigconf: str) -> dict[str, int]:
    """Number of submissions of each classification term in a CLNSIGCONF value, in its order; none of none."""
    counts: dict[str, int] = {}
    for piece in clnsigconf.split(")"):
        before, opened, number = piece.rpartition("(")
        term = _SEPARATORS.sub("", before.rpartition("(")[2])
        if opened and term and number.isascii() and number.isdigit() and len(number) <= _MOST_DIGITS and int(number):
            counts[term] = counts.get(term, 0) + int(number)
    return counts


def group_submissions(clnsigconf: str) -> dict[str, int]:
    """Number of submissions of each group in a CLNSIGCONF value; terms without a group are left out."""
    counts = dict.fromkeys(GROUPS, 0)
    for term, number in submissions(clnsigconf).items():
        if (name := group(term)) is not None:
            counts[name] += number
    return {name: number for name, number in counts.items() if number}


def conflict(clnsigconf: str | None) -> str:
    """Which groups disagree, most pathogenic first: ``P/LP vs VUS vs B/LB``.

    ``unknown`` without CLNSIGCONF; ``other`` where fewer than two groups are named (pathogenic against a risk allele).
    """
    if not clnsigconf or clnsigconf == ".":
        return UNKNOWN_CONFLICT
    named = group_submissions(clnsigconf)
    return " vs ".join(named) if len(named) > 1 else OTHER_CONFLICT


# INFO keys that state the label or what it is computed from.
LEAKS_LABEL = frozenset({"CLNREVSTAT", "CLNSIG", "CLNSIGCONF", "CLNSIGSCV"})
# Columns whose content grows with the number of submitters: they say how many laboratories looked, and a variant
# needs two for either class. `not_specified` in CLNDN, the number of conditions, the sources in CLNVI and the origins
# that were reported leak the label. The one list: blocks of evidence, splits and audits go by it.
GROWS_WITH_SUBMITTERS = frozenset(
    {"CLNDISDB", "CLNDISDBINCL", "CLNDN", "CLNDNINCL", "CLNSIGINCL", "CLNVI", "ORIGIN", "SSR"}
)
# What a single submission said, from the release strictly before the label's: column of the table -> of the release.
PRIOR_COLUMNS = {"prior_CLNSIG": "CLNSIG", "prior_CLNDN": "CLNDN", "prior_review_status": "review_status"}

# Ensembl's consequence terms, most severe first: "Calculated variant consequences", Ensembl release 115, checked
# 2026-02.
CONSEQUENCES = (
    "transcript_ablation",
    "splice_acceptor_variant",
    "splice_donor_variant",
    "stop_gained",
    "frameshift_variant",
    "stop_lost",
    "start_lost",
    "transcript_amplification",
    "feature_elongation",
    "feature_truncation",
    "inframe_insertion",
    "inframe_deletion",
    "missense_variant",
    "protein_altering_variant",
    "splice_donor_5th_base_variant",
    "splice_region_variant",
    "splice_donor_region_variant",
    "splice_polypyrimidine_tract_variant",
    "incomplete_terminal_codon_variant",
    "start_retained_variant",
    "stop_retained_variant",
    "synonymous_variant",
    "coding_sequence_variant",
    "mature_miRNA_variant",
    "5_prime_UTR_variant",
    "3_prime_UTR_variant",
    "non_coding_transcript_exon_variant",
    "intron_variant",
    "NMD_transcript_variant",
    "non_coding_transcript_variant",
    "coding_transcript_variant",
    "upstream_gene_variant",
    "downstream_gene_variant",
    "TFBS_ablation",
    "TFBS_amplification",
    "TF_binding_site_variant",
    "regulatory_region_ablation",
    "regulatory_region_amplification",
    "regulatory_region_variant",
    "intergenic_variant",
    "sequence_variant",
)
CONSEQUENCE_RANK = {term: rank for rank, term in enumerate(CONSEQUENCES, 1)}
# Names that VEP used before release 80, at the rank of the term that replaced them.
CONSEQUENCE_RANK |= {
    "initiator_codon_variant": CONSEQUENCE_RANK["start_lost"],
    "non_coding_exon_variant": CONSEQUENCE_RANK["non_coding_transcript_exon_variant"],
    "nc_transcript_variant": CONSEQUENCE_RANK["non_coding_transcript_variant"],
}
UNKNOWN_RANK = len(CONSEQUENCES) + 1


def consequence_rank(consequence: str) -> int:
    """Rank of a CSQ Consequence cell (terms joined by ``&``): that of its worst term, 1 the most severe."""
    return min(CONSEQUENCE_RANK.get(term, UNKNOWN_RANK) for term in consequence.split("&"))


# Chromosomes 1 to 22, X, Y as RefSeq numbers them, and the version of each accession (NC_000001.10 ...) in GRCh37; in
# GRCh38 every version is higher by one. Source: NCBI, assemblies GCF_000001405.25 and GCF_000001405.26.
_NUMBERED = (*map(str, range(1, 23)), "X", "Y")
_GRCH37_VERSIONS = (10, 11, 11, 11, 9, 11, 13, 10, 11, 10, 9, 11, 10, 8, 9, 9, 10, 9, 9, 10, 8, 10, 10, 9)
_ACCESSION = re.compile(r"NC_0000(\d\d)\.(\d{1,3})", re.ASCII)
_MITOCHONDRIAL = ("M", "MT", "NC_012920.1")
# Spellings in ##reference, file names and VEP's header. The first that is found decides, so the longer ones come first.
_ASSEMBLIES = (
    (
        "GRCh38",
        ("grch38", "hg38", "b38", "assembly38", "gca_000001405.15")
        + tuple(f"gcf_000001405.{patch}" for patch in ("26", "27", "28", "29", "3", "4")),
    ),
    ("GRCh37", ("grch37", "hg19", "b37", "g1k_v37", "hs37d5", "assembly19", "gcf_000001405.1", "gcf_000001405.2")),
    ("T2T-CHM13", ("chm13", "gca_009914755", "gcf_009914755")),
)


def chromosome(name: str) -> str:
    """One name for each chromosome: without ``chr``, ``MT`` for ``M``, RefSeq accessions by number (``NC_000001.11``).

    Any other name (a scaffold, a patch) is given back as it is.
    """
    bare = name[3:] if name[:3].lower() == "chr" else name
    if bare in _MITOCHONDRIAL:
        return "MT"
    if bare[:3] == "NC_" and (found := _ACCESSION.fullmatch(bare)) and 1 <= int(found[1]) <= len(_NUMBERED):
        return _NUMBERED[int(found[1]) - 1]
    return bare


def assembly_name(text: str) -> str | None:
    """``GRCh37``, ``GRCh38`` or ``T2T-CHM13`` from its usual spellings, with patch or path, else None."""
    lower = text.lower()
    return next((name for name, spellings in _ASSEMBLIES if any(one in lower for one in spellings)), None)


def assembly_of_hgvs(expressions: Iterable[str]) -> str | None:
    """Assembly to which accession versions in genomic HGVS (``NC_000001.10:g.…``) belong, by majority, else None."""
    votes = {"GRCh37": 0, "GRCh38": 0}
    for text in expressions:
        found = _ACCESSION.search(text)
        if found and 1 <= int(found[1]) <= len(_GRCH37_VERSIONS):
            newer = int(found[2]) - _GRCH37_VERSIONS[int(found[1]) - 1]
            if newer in (0, 1):
                votes[("GRCh37", "GRCh38")[newer]] += 1
    return max(votes, key=lambda name: votes[name]) if any(votes.values()) else None


def first_symbol(geneinfo: str) -> str:
    """First gene symbol of a GENEINFO value (``BRCA2:675|ZAR1L:646799``)."""
    return geneinfo.partition("|")[0].partition(":")[0]


def symbols(geneinfo: str) -> list[str]:
    """Every gene symbol of a GENEINFO value, in its order: of genes that overlap the first is not always mine."""
    return [one.partition(":")[0].strip() for one in geneinfo.split("|")]
