"""What the variant itself says: alleles, consequence, place in the transcript, amino acids, frequency, predictions.

Nothing here depends on other rows, and nothing grows with the number of submitters.
"""

from __future__ import annotations

import re

import numpy as np

from genomicslearning.clinvar import consequence_rank
from genomicslearning.features.block import MISSING, Block, Columns, number
from genomicslearning.features.cells import Cells, chromosome_numbers
from genomicslearning.training_set.schema import AF_COLUMNS, GNOMAD_COLUMNS

SITE = "site (position and alleles)"
_BASES = {"A": 0, "C": 1, "G": 2, "T": 3}
_COMPLEMENT = {"A": "T", "C": "G", "G": "C", "T": "A"}


# --- sequence ---------------------------------------------------------------------------------------------------------

_VARIANT_TYPES = {
    "single_nucleotide_variant": 0,
    "Deletion": 1,
    "Duplication": 2,
    "Indel": 3,
    "Insertion": 4,
    "Inversion": 5,
    "Microsatellite": 6,
}


def sequence(cells: Cells) -> Columns:
    """Alleles, strand-aware substitution and codon context."""
    ref_length, alt_length = cells.each("REF", len), cells.each("ALT", len)
    ref = cells.each("REF", lambda text: _BASES.get(text, -1))
    alt = cells.each("ALT", lambda text: _BASES.get(text, -1))
    single = (ref >= 0) & (alt >= 0)
    reverse = cells.each("STRAND", number) < 0
    # With A, C, G, T as 0 to 3 the complement of x is 3 - x.
    substitution = np.where(reverse, (3 - ref) * 4 + (3 - alt), ref * 4 + alt)
    codon = cells.several("Codons", ("codon_gc", "codon_slot", "next_is_g", "previous_is_c"), _codon)
    c_to_t, g_to_a = substitution == 1 * 4 + 3, substitution == 2 * 4 + 0
    cpg = (c_to_t & (codon["next_is_g"] == 1)) | (g_to_a & (codon["previous_is_c"] == 1))
    chromosome = chromosome_numbers(cells)
    return {
        "ref_length": ref_length,
        "alt_length": alt_length,
        "length_change": alt_length - ref_length,
        "keeps_frame": (alt_length - ref_length) % 3 == 0,
        "ref_base": ref,
        "alt_base": alt,
        "transition": single & (np.abs(ref - alt) == 2),
        "transcript_substitution": np.where(single, substitution, -1),
        "cpg": np.where(np.isnan(codon["codon_slot"]), MISSING, single & cpg),
        "codon_gc": codon["codon_gc"],
        "codon_slot": codon["codon_slot"],
        "variant_type": cells.each("CLNVC", lambda text: _VARIANT_TYPES.get(text, MISSING)),
        "sex_or_mitochondrial": (chromosome >= 23) & (chromosome <= 25),
    }


def _codon(text: str) -> tuple[float, float, float, float]:
    """GC content, changed slot, G after it, C before it, of VEP's `gaG/gaC` (upper case is what changes)."""
    reference = text.partition("/")[0]
    changed = [slot for slot, base in enumerate(reference) if base.isupper()]
    if len(reference) != 3 or len(changed) != 1:
        return (MISSING,) * 4
    slot, bases = changed[0], reference.upper()
    return (
        bases.count("G") + bases.count("C"),
        slot,
        slot < 2 and bases[slot + 1] == "G",
        slot > 0 and bases[slot - 1] == "C",
    )


SEQUENCE = Block(
    "sequence",
    SITE,
    {
        "ref_length": "bases in REF",
        "alt_length": "bases in ALT",
        "length_change": "bases in ALT minus bases in REF",
        "keeps_frame": "1 where the length change is a multiple of three",
        "ref_base": "A, C, G, T as 0 to 3 where REF is one base, else -1",
        "alt_base": "A, C, G, T as 0 to 3 where ALT is one base, else -1",
        "transition": "1 for A<>G and C<>T",
        "transcript_substitution": "substitution on the transcript's strand (STRAND), 4 x ref + alt; -1 for others",
        "cpg": "1 where the codon shows a C>T or G>A in a CpG (Codons, STRAND)",
        "codon_gc": "G and C in the reference codon (Codons)",
        "codon_slot": "which base of the codon changes, 0 to 2 (Codons)",
        "variant_type": "CLNVC as a number: SNV, deletion, duplication, indel, insertion, inversion, microsatellite",
        "sex_or_mitochondrial": "1 on X, Y or MT (CHROM)",
    },
    reads=("REF", "ALT"),
    parse=sequence,
)


# --- locus ------------------------------------------------------------------------------------------------------------


def locus(cells: Cells) -> Columns:
    """Where in the genome: lets a tree tell genes apart, so it is left out when genes are held out."""
    return {"chromosome": chromosome_numbers(cells), "megabase": (cells.position % 10**10) / 1e6}


LOCUS = Block(
    "locus",
    SITE,
    {
        "chromosome": "chromosome as a number, X 23, Y 24, MT 25, other contigs 26 (CHROM)",
        "megabase": "POS in millions of bases, in the table's own assembly",
    },
    reads=("CHROM", "POS", "CLNHGVS"),
    parse=locus,
)


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
        "exons_to_end": "exons after this one",
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
        (
            1.8,
            -4.5,
            -3.5,
            -3.5,
            2.5,
            -3.5,
            -3.5,
            -0.4,
            -3.2,
            4.5,
            3.8,
            -3.9,
            1.9,
            2.8,
            -1.6,
            -0.8,
            -0.7,
            -0.9,
            -1.3,
            4.2,
        ),
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


# --- frequency --------------------------------------------------------------------------------------------------------

_AF = {column.removeprefix("AF_").lower(): column for column in AF_COLUMNS}
_FLOOR = 1e-6


def allele_frequencies(cells: Cells) -> np.ndarray:
    """AF_ESP, AF_EXAC and AF_TGP, rows by three; missing is zero, as the training set writes it."""
    return np.nan_to_num(np.column_stack([cells.each(column, number) for column in _AF.values()]).astype(np.float64))


def frequency(cells: Cells) -> Columns:
    """Allele frequencies in the ESP, ExAC and 1000 Genomes projects."""
    af = allele_frequencies(cells)
    esp, exac, tgp = af.T
    most = af.max(axis=1)
    return {
        f"log_{name.lower()}": np.log10(values + _FLOOR) for name, values in zip(_AF.values(), af.T, strict=True)
    } | {
        "log_af_max": np.log10(most + _FLOOR),
        "log_af_min": np.log10(af.min(axis=1) + _FLOOR),
        "log_af_mean": np.log10(af.mean(axis=1) + _FLOOR),
        "af_known": (af > 0).sum(axis=1),
        "af_pattern": (af > 0) @ np.array([1, 2, 4]),
        "esp_to_exac": np.log10((esp + 1e-5) / (exac + 1e-5)),
        "tgp_to_exac": np.log10((tgp + 1e-5) / (exac + 1e-5)),
        "minor_af": np.minimum(most, 1 - most),
    }


FREQUENCY = Block(
    "frequency",
    "allele frequency",
    {f"log_af_{name}": f"log10({column} + 1e-6)" for name, column in _AF.items()}
    | {
        "log_af_max": "log10 of the largest of the three allele frequencies + 1e-6",
        "log_af_min": "log10 of the smallest + 1e-6",
        "log_af_mean": "log10 of their mean + 1e-6",
        "af_known": "how many of the three are above zero",
        "af_pattern": "which of the three are above zero: ESP 1, ExAC 2, 1000 Genomes 4",
        "esp_to_exac": "log10 of (AF_ESP + 1e-5) over (AF_EXAC + 1e-5)",
        "tgp_to_exac": "log10 of (AF_TGP + 1e-5) over (AF_EXAC + 1e-5)",
        "minor_af": "largest allele frequency, folded at one half",
    },
    reads=AF_COLUMNS,
    parse=frequency,
)


# --- gnomad -----------------------------------------------------------------------------------------------------------


def gnomad(cells: Cells) -> Columns:
    """Allele frequencies in gnomAD; missing where the annotation has none, or gnomAD has not seen the variant."""
    exomes, genomes, highest = (cells.each(column, number).astype(np.float64) for column in GNOMAD_COLUMNS)
    known = ~np.isnan(exomes), ~np.isnan(genomes)
    larger = np.fmax(exomes, genomes)
    asked = known[0].any() or known[1].any()
    return {
        "log_gnomad_exomes": np.log10(exomes + _FLOOR),
        "log_gnomad_genomes": np.log10(genomes + _FLOOR),
        "log_gnomad_larger": np.log10(larger + _FLOOR),
        "log_af_any_population": np.log10(highest + _FLOOR),
        "population_to_gnomad": np.log10((highest + _FLOOR) / (larger + _FLOOR)),
        "gnomad_known": known[0].astype(float) + known[1] if asked else np.full(len(cells), MISSING),
    }


GNOMAD = Block(
    "gnomad",
    "allele frequency",
    {
        "log_gnomad_exomes": "log10(gnomADe_AF + 1e-6)",
        "log_gnomad_genomes": "log10(gnomADg_AF + 1e-6)",
        "log_gnomad_larger": "log10 of the larger of the two + 1e-6",
        "log_af_any_population": "log10 of the highest allele frequency of any population (MAX_AF) + 1e-6",
        "population_to_gnomad": "log10 of (MAX_AF + 1e-6) over (the larger of gnomADe_AF and gnomADg_AF + 1e-6)",
        "gnomad_known": "in how many of gnomAD's exomes and genomes the variant was seen",
    },
    reads=GNOMAD_COLUMNS,
    parse=gnomad,
)


# --- prediction -------------------------------------------------------------------------------------------------------


def prediction(cells: Cells) -> Columns:
    """Published scores of deleteriousness."""
    phred, raw = cells.each("CADD_PHRED", number), cells.each("CADD_RAW", number)
    return {
        "cadd_phred": phred,
        "cadd_raw": raw,
        "cadd_residual": raw - phred / 5,
        "cadd_by_frequency": phred * np.log10(allele_frequencies(cells).max(axis=1) + _FLOOR),
        "loftool": cells.each("LoFtool", number),
    }


PREDICTION = Block(
    "prediction",
    "CADD and LoFtool",
    {
        "cadd_phred": "CADD_PHRED",
        "cadd_raw": "CADD_RAW",
        "cadd_residual": "CADD_RAW minus a fifth of CADD_PHRED: where the two scales part",
        "cadd_by_frequency": "CADD_PHRED times log_af_max",
        "loftool": "the gene's intolerance to loss of function (LoFtool)",
    },
    reads=("CADD_PHRED", "CADD_RAW", "LoFtool"),
    parse=prediction,
)
