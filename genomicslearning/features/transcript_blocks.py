"""What the variant does in a transcript: consequence, place, amino acids.

Nothing here depends on other rows, and nothing grows with the number of submitters.
"""

from __future__ import annotations

import re

import numpy as np

from genomicslearning.clinvar import consequence_rank
from genomicslearning.features.block import MISSING, Block, Columns, number
from genomicslearning.features.cells import Cells

# --- consequence ------------------------------------------------------------------------------------------------------

_TERMS = (
    "missense_variant",
    "synonymous_variant",
    "intron_variant",
    "splice_region_variant",
    "splice_donor_variant",
    "splice_acceptor_variant",
    "stop_gained",
    "frameshift_variant",
    "inframe_deletion",
    "inframe_insertion",
    "start_lost",
    "5_prime_UTR_variant",
    "3_prime_UTR_variant",
)
# ClinVar's MC says some terms in older words (ClinVar VCF header; Sequence Ontology synonyms).
_MC_SYNONYMS = {
    "nonsense": "stop_gained",
    "initiator_codon_variant": "start_lost",
    "2KB_upstream_variant": "upstream_gene_variant",
    "500B_downstream_variant": "downstream_gene_variant",
    "genic_upstream_transcript_variant": "upstream_gene_variant",
    "genic_downstream_transcript_variant": "downstream_gene_variant",
    "non-coding_transcript_variant": "non_coding_transcript_variant",
    "no_sequence_alteration": "synonymous_variant",
    "inframe_indel": "inframe_deletion",
}
_IMPACTS = {"MODIFIER": 0, "LOW": 1, "MODERATE": 2, "HIGH": 3}


def mc_terms(text: str) -> list[str]:
    """Consequence terms of an MC cell (`SO:0001583|missense_variant,SO:…`) in Ensembl's words."""
    names = [part.partition("|")[2] for part in text.split(",")]
    return [_MC_SYNONYMS.get(name, name) for name in names if name]


def consequence(cells: Cells) -> Columns:
    """VEP's consequence, ClinVar's own molecular consequence, and whether they agree."""
    flags = [f"is_{term}" for term in _TERMS]
    of_vep = cells.several("Consequence", ("rank", *flags), lambda text: _ranked(text.split("&") if text else []))
    of_mc = cells.several("MC", ("rank", *flags), lambda text: _ranked(mc_terms(text)))
    has_vep = ~np.isnan(of_vep["rank"])
    columns = {name: np.where(has_vep, of_vep[name], of_mc[name]) for name in flags}
    return columns | {
        "consequence_rank": np.where(has_vep, of_vep["rank"], of_mc["rank"]),
        "consequence_terms": cells.each("Consequence", lambda text: text.count("&") + 1 if text else MISSING),
        "impact": cells.each("IMPACT", lambda text: _IMPACTS.get(text, MISSING)),
        "mc_terms": cells.each("MC", lambda text: len(mc_terms(text))),
        "mc_rank": of_mc["rank"],
        "mc_agrees": np.where(has_vep, sum(of_vep[name] * of_mc[name] for name in flags), MISSING),
        "transcript_edited": cells.each("BAM_EDIT", lambda text: {"OK": 1, "FAILED": -1}.get(text, 0)),
    }


def _ranked(terms: list[str]) -> list[float]:
    if not terms:
        return [MISSING] + [0] * len(_TERMS)
    return [consequence_rank("&".join(terms)), *(term in terms for term in _TERMS)]


CONSEQUENCE = Block(
    "consequence",
    "consequence",
    {
        "consequence_rank": "Ensembl's severity rank of the worst term, 1 the most severe (Consequence, else MC)",
        "consequence_terms": "number of terms in Consequence",
        "impact": "MODIFIER, LOW, MODERATE, HIGH as 0 to 3 (IMPACT)",
        "mc_terms": "number of terms in MC",
        "mc_rank": "severity rank of MC's worst term",
        "mc_agrees": "terms that Consequence and MC share",
        "transcript_edited": "BAM_EDIT: OK 1, FAILED -1, else 0",
    }
    | {f"is_{term}": f"1 where Consequence (else MC) has {term}" for term in _TERMS},
    reads=("Consequence", "IMPACT", "MC", "CLNVC", "Allele", "BAM_EDIT"),
    parse=consequence,
)


# --- position ---------------------------------------------------------------------------------------------------------

_ORDINAL = re.compile(r"(\d+)(?:-\d+)?/(\d+)$")
_FIRST_NUMBER = re.compile(r"\d+")


def position(cells: Cells) -> Columns:
    """Place in the transcript, from VEP's EXON, INTRON, cDNA, CDS and protein positions."""
    part = cells.several("EXON", ("exon", "exons"), _of_total) | cells.several(
        "INTRON", ("intron", "introns"), _of_total
    )
    exon, exons = part["exon"], part["exons"]
    cdna, cds, protein = (
        cells.each(name, _first_number) for name in ("cDNA_position", "CDS_position", "Protein_position")
    )
    return {
        "exon": exon,
        "exons": np.where(np.isnan(exons), part["introns"] + 1, exons),
        "exon_fraction": exon / exons,
        "exons_to_end": exons - exon,
        "last_exon": np.where(np.isnan(exon), MISSING, exon == exons),
        "intron": part["intron"],
        "intron_fraction": part["intron"] / part["introns"],
        "cdna_position": cdna,
        "cds_position": cds,
        "protein_position": protein,
        "utr5_length": cdna - cds,
    }


def _of_total(text: str) -> tuple[float, float]:
    """`4/27` or `4-5/27` as 4 and 27."""
    found = _ORDINAL.match(text)
    return (float(found[1]), max(float(found[2]), 1.0)) if found else (MISSING, MISSING)


def _first_number(text: str) -> float:
    found = _FIRST_NUMBER.search(text)
    return float(found[0]) if found else MISSING


POSITION = Block(
    "position",
    "place in the transcript",
    {
        "exon": "exon number (EXON)",
        "exons": "exons of the transcript (EXON, else INTRON + 1)",
        "exon_fraction": "exon number over exons",
        "exons_to_end": "exons of the transcript after the variant's",
        "last_exon": "1 in the last exon",
        "intron": "intron number (INTRON)",
        "intron_fraction": "intron number over introns",
        "cdna_position": "first base in the cDNA (cDNA_position)",
        "cds_position": "first base in the coding sequence (CDS_position)",
        "protein_position": "first amino acid (Protein_position)",
        "utr5_length": "cDNA position minus CDS position: length of the 5' UTR",
    },
    reads=("EXON", "INTRON", "cDNA_position", "CDS_position", "DISTANCE", "STRAND", "Feature_type", "Feature"),
    parse=position,
)


# --- protein ----------------------------------------------------------------------------------------------------------

_AMINO_ACIDS = "ARNDCQEGHILKMFPSTWYV"
# Kyte & Doolittle 1982; Zamyatnin 1972 (cubic angstroms); Grantham 1974.
_HYDROPATHY = dict(
    zip(
        _AMINO_ACIDS,
        (1.8, -4.5, -3.5, -3.5, 2.5, -3.5, -3.5, -0.4, -3.2, 4.5)
        + (3.8, -3.9, 1.9, 2.8, -1.6, -0.8, -0.7, -0.9, -1.3, 4.2),
        strict=True,
    )
)
_VOLUME = dict(
    zip(
        _AMINO_ACIDS,
        (88.6, 173.4, 114.1, 111.1, 108.5, 143.8, 138.4, 60.1, 153.2, 166.7)
        + (166.7, 168.6, 162.9, 189.9, 112.7, 89.0, 116.1, 227.8, 193.6, 140.0),
        strict=True,
    )
)
_POLARITY = dict(
    zip(
        _AMINO_ACIDS,
        (8.1, 10.5, 11.6, 13.0, 5.5, 10.5, 12.3, 9.0, 10.4, 5.2, 4.9, 11.3, 5.7, 5.2, 8.0, 9.2, 8.6, 5.4, 6.2, 5.9),
        strict=True,
    )
)
_CHARGE = {"R": 1.0, "K": 1.0, "H": 0.5, "D": -1.0, "E": -1.0}
_SIFT = {"tolerated": 0, "tolerated_low_confidence": 1, "deleterious_low_confidence": 2, "deleterious": 3}
_POLYPHEN = {"benign": 0, "possibly_damaging": 1, "probably_damaging": 2}


def protein(cells: Cells) -> Columns:
    """Predicted effect on the protein and what the substitution changes in it."""
    return {
        **cells.several("SIFT", ("sift", "sift_score"), lambda text: _graded(text, _SIFT)),
        **cells.several("PolyPhen", ("polyphen", "polyphen_score"), lambda text: _graded(text, _POLYPHEN)),
        "blosum62": cells.each("BLOSUM62", number),
        **cells.several("Amino_acids", _SUBSTITUTION, _substitution),
    }


def _graded(text: str, grades: dict[str, int]) -> tuple[float, float]:
    """`tolerated(0.12)` as its grade and its score."""
    name, _, score = text.partition("(")
    return grades.get(name, MISSING), number(score.rstrip(")"))


# What `_substitution` gives, in its order.
_SUBSTITUTION = (
    "hydropathy_change",
    "volume_change",
    "polarity_change",
    "charge_change",
    "old_hydropathy",
    "old_volume",
    "old_amino_acid",
    "new_amino_acid",
    "glycine_or_proline",
    "cysteine",
)


def _substitution(text: str) -> list[float]:
    old, _, new = text.partition("/")
    new = new or old
    known = len(old) == 1 and len(new) == 1
    change = [
        scale.get(new, MISSING) - scale.get(old, MISSING) if known else MISSING
        for scale in (_HYDROPATHY, _VOLUME, _POLARITY)
    ]
    charge = _CHARGE.get(new, 0.0) - _CHARGE.get(old, 0.0) if known else MISSING
    codes = [(_AMINO_ACIDS + "*").find(residue) if known else MISSING for residue in (old, new)]
    special = [(new in residues) - (old in residues) if known else MISSING for residues in (("G", "P"), ("C",))]
    return [*change, charge, _HYDROPATHY.get(old, MISSING), _VOLUME.get(old, MISSING), *codes, *special]


PROTEIN = Block(
    "protein",
    "protein change",
    {
        "sift": "tolerated, tolerated low confidence, deleterious low confidence, deleterious as 0 to 3 (SIFT)",
        "sift_score": "score in parentheses, where VEP wrote it (SIFT)",
        "polyphen": "benign, possibly, probably damaging as 0 to 2 (PolyPhen)",
        "polyphen_score": "score in parentheses, where VEP wrote it (PolyPhen)",
        "blosum62": "BLOSUM62 score of the substitution (BLOSUM62)",
        "hydropathy_change": "Kyte-Doolittle hydropathy, new minus old amino acid (Amino_acids)",
        "volume_change": "residue volume, new minus old (Amino_acids)",
        "polarity_change": "Grantham polarity, new minus old (Amino_acids)",
        "charge_change": "charge, new minus old (Amino_acids)",
        "old_hydropathy": "hydropathy of the old amino acid (Amino_acids)",
        "old_volume": "volume of the old amino acid (Amino_acids)",
        "old_amino_acid": "old amino acid as a number, in the order ARNDCQEGHILKMFPSTWYV (Amino_acids)",
        "new_amino_acid": "new amino acid as a number, stop 20 (Amino_acids)",
        "glycine_or_proline": "gained minus lost glycines and prolines (Amino_acids)",
        "cysteine": "gained minus lost cysteines (Amino_acids)",
    },
    reads=("Protein_position", "Amino_acids", "Codons", "SIFT", "PolyPhen", "BLOSUM62"),
    parse=protein,
)
