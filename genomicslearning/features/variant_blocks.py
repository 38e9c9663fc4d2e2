"""What the variant itself says: alleles, locus, allele frequencies, published scores.

Nothing here depends on other rows, and nothing grows with the number of submitters.
"""

from __future__ import annotations

import numpy as np

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
        "log_af_min": "log10 of the smallest of the three allele frequencies + 1e-6",
        "log_af_mean": "log10 of the mean of the three allele frequencies + 1e-6",
        "af_known": "how many of the three allele frequencies are above zero",
        "af_pattern": "which allele frequencies are above zero: ESP 1, ExAC 2, 1000 Genomes 4",
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
