"""Synthetic genes for the embedded sample: where a variant lies, its alleles, and what VEP would say of it.

Genes have real names, strands and numbers of exons; their sequence is made up while variants are drawn. Every gene lies
in its chromosome's centromere gap: 3 Mb that GRCh37 fills with N, so that no real variant has such a position.
"""

from __future__ import annotations

import random
from dataclasses import dataclass, field

from genomicslearning import InputError

# Start of each chromosome's centromere gap (UCSC table `gap`, hg19) and the version of its RefSeq accession in GRCh37.
GAP_LENGTH = 3_000_000
CENTROMERES = {
    "1": (121535434, 10),
    "2": (92326171, 11),
    "3": (90504854, 11),
    "4": (49660117, 11),
    "5": (46405641, 9),
    "6": (58830166, 11),
    "7": (58054331, 13),
    "8": (43838887, 10),
    "9": (47367679, 11),
    "10": (39254935, 10),
    "11": (51644205, 9),
    "12": (34856694, 11),
    "13": (16000000, 10),
    "14": (16000000, 8),
    "15": (17000000, 9),
    "16": (35335801, 9),
    "17": (22263006, 10),
    "18": (15460898, 9),
    "19": (24681782, 9),
    "20": (26369569, 10),
    "21": (11288129, 8),
    "22": (13000000, 10),
    "X": (58632012, 10),
}
_INTRON, _UTR5, _UTR3, _UPSTREAM = 100, 120, 240, 500
_COMPLEMENT = str.maketrans("ACGT", "TGCA")
_CODE = dict(
    zip(
        (a + b + c for a in "TCAG" for b in "TCAG" for c in "TCAG"),
        "FFLLSSSSYY**CC*WLLLLPPPPHHQQRRRRIIIMTTTTNNKKSSRRVVVVAAAADDEEGGGG",
        strict=True,
    )
)
_SENSE = [codon for codon, acid in _CODE.items() if acid != "*"]
_HIGH = ("frameshift", "stop_gained", "start_lost", "splice_donor", "splice_acceptor")
_BLOSUM62 = dict(
    zip(
        "ARNDCQEGHILKMFPSTWYV",
        [
            row.split()
            for row in (
                "4",
                "-1 5",
                "-2 0 6",
                "-2 -2 1 6",
                "0 -3 -3 -3 9",
                "-1 1 0 0 -3 5",
                "-1 0 0 2 -4 2 5",
                "0 -2 0 -1 -3 -2 -2 6",
                "-2 0 1 -1 -3 0 0 -2 8",
                "-1 -3 -3 -3 -1 -3 -3 -4 -3 4",
                "-1 -2 -3 -4 -1 -2 -3 -4 -3 2 4",
                "-1 2 0 -1 -3 1 1 -2 -1 -3 -2 5",
                "-1 -1 -2 -3 -1 0 -2 -3 -2 1 2 -1 5",
                "-2 -3 -3 -3 -2 -3 -3 -3 -1 0 0 -3 0 6",
                "-1 -2 -2 -1 -3 -1 -1 -2 -2 -3 -3 -1 -2 -4 7",
                "1 -1 1 0 -1 0 0 0 -1 -2 -2 0 -1 -2 -1 4",
                "0 -1 0 -1 -1 -1 -1 -2 -2 -1 -1 -1 -1 -2 -1 1 5",
                "-3 -3 -4 -4 -2 -2 -3 -2 -2 -3 -2 -3 -1 1 -4 -3 -2 11",
                "-2 -2 -2 -3 -2 -1 -2 -3 2 -1 -1 -2 -1 3 -3 -2 -2 2 7",
                "0 -3 -3 -3 -1 -2 -2 -3 -3 3 1 -2 1 -1 -2 -2 0 -3 -1 4",
            )
        ],
        strict=True,
    )
)


@dataclass(eq=False)
class Gene:
    """A gene of equal exons and equal introns, and its sequence as far as variants have used it."""

    symbol: str
    chromosome: str
    strand: int
    exons: int
    transcript: str
    loftool: str
    number: int
    conditions: list[tuple[str, str, int]]  # name, identifiers, weight
    codons: int = 0  # in each exon
    start: int = 0
    bam_edit: str = ""
    mane: str = ""
    canonical: str = ""
    other_first: bool = False  # VEP lists another transcript before the one above
    others: list[tuple[str, str, str]] = field(default_factory=list)  # accession, biotype, consequence or same
    neighbour: str = ""  # an antisense gene at the same place
    sequence: dict[int, str] = field(default_factory=dict)  # offset in the transcript's direction → base

    @property
    def length(self) -> int:
        """Bases of the gene, introns included."""
        return _UTR5 + self.exons * 3 * self.codons + (self.exons - 1) * _INTRON + _UTR3

    def bases(self, offset: int, size: int, rng: random.Random) -> str:
        """The bases from an offset on; those not fixed yet are drawn and kept."""
        return "".join(self.sequence.setdefault(o, rng.choice("ACGT")) for o in range(offset, offset + size))

    def genomic(self, offset: int) -> int:
        """Position on the chromosome of an offset in the gene."""
        return self.start + offset if self.strand == 1 else self.start + self.length - 1 - offset

    def forward(self, bases: str) -> str:
        """Bases of the transcript's strand as the reference strand has them."""
        return bases if self.strand == 1 else bases.translate(_COMPLEMENT)[::-1]


@dataclass
class Change:
    """A variant as VCF, HGVS and VEP (fields of its own transcript's CSQ block) write it."""

    position: int
    ref: str
    alt: str
    kind: str  # CLNVC
    hgvs: str
    vep: dict[str, str]


def place(genes: list[Gene], expected: list[float], rng: random.Random) -> None:
    """Give each gene room for its `expected` number of variants, coordinates, and transcripts."""
    free = {chromosome: start + 5000 for chromosome, (start, _) in CENTROMERES.items()}
    for gene, variants in zip(genes, expected, strict=True):
        gene.codons = max(40, int(4 * variants / gene.exons))
        gene.start = free[gene.chromosome] + _UPSTREAM
        free[gene.chromosome] = gene.start + gene.length + _UPSTREAM
        draw = rng.random()
        gene.mane = f"ENST{90000000000 + gene.number}.1" if draw < 0.6 else ""
        gene.canonical = "YES" if draw < 0.85 else ""
        gene.bam_edit = "OK" if rng.random() < 0.5 else ""
        gene.other_first = bool(gene.canonical) and rng.random() < 0.08
        for i in range(rng.choice((0, 0, 1, 1, 2, 3))):
            # Milder than the transcript above wherever the rule "most severe" has to decide.
            biotype, consequence = rng.choice(
                (
                    ("protein_coding", "downstream_gene_variant"),
                    ("protein_coding", "upstream_gene_variant"),
                    ("protein_coding", ""),
                    ("misc_RNA", "downstream_gene_variant"),
                )
            )
            prefix = "NR" if biotype == "misc_RNA" else "XM"
            gene.others.append((f"{prefix}_{90000000 + 10 * gene.number + i}.1", biotype, consequence))
        if rng.random() < 0.03:
            gene.neighbour = f"{gene.symbol}-AS1"
    for chromosome, end in free.items():
        if end > CENTROMERES[chromosome][0] + GAP_LENGTH:
            raise InputError(
                f"too many variants: the synthetic genes of chromosome {chromosome} outgrow its "
                "centromere gap; ask for fewer"
            )


def change(gene: Gene, consequence: str, statistics: dict, rng: random.Random) -> Change | None:
    """A variant with this consequence, or None where the gene has no place for it."""
    if "frameshift" in consequence or "inframe" in consequence:
        return _coding_indel(gene, consequence, statistics["indel_lengths"], rng)
    if any(term in consequence for term in ("missense", "synonymous", "stop_gained", "start_lost")):
        return _codon_change(gene, consequence, statistics["codons"], rng)
    return _noncoding(gene, consequence, statistics["indel_lengths"]["noncoding"], rng)


def impact(consequence: str) -> str:
    """VEP's IMPACT of a consequence: that of its worst term."""
    if any(term in consequence for term in _HIGH):
        return "HIGH"
    if "missense" in consequence or "inframe" in consequence:
        return "MODERATE"
    return "LOW" if "synonymous" in consequence or "splice_region" in consequence else "MODIFIER"


def draw(weights: dict[str, int], rng: random.Random) -> str:
    """One of the keys, by weight."""
    return rng.choices(list(weights), list(weights.values()))[0]


def blosum62(amino_acids: str) -> str:
    """BLOSUM62 score of ``A/B``; empty where it is no substitution."""
    first, _, second = amino_acids.partition("/")
    if first not in _BLOSUM62 or second not in _BLOSUM62 or first == second:
        return ""
    order = list(_BLOSUM62)
    low, high = sorted((first, second), key=order.index)
    return _BLOSUM62[high][order.index(low)]


def _single_base(gene: Gene, offset: int, alternate: str, vep: dict[str, str], rng: random.Random) -> Change:
    position, accession = gene.genomic(offset), _accession(gene)
    ref, alt = gene.forward(gene.bases(offset, 1, rng)), gene.forward(alternate)
    hgvs = f"{accession}:g.{position}{ref}>{alt}"
    return Change(position, ref, alt, "single_nucleotide_variant", hgvs, {"Allele": alt, **vep})


def _indel(gene: Gene, offset: int, size: int, vep: dict[str, str], rng: random.Random, inserted: str = "") -> Change:
    """Lose `size` bases from `offset` on, or gain `inserted` after `offset`, with the base before as VCF wants it."""
    accession = _accession(gene)
    if not inserted:
        ends = sorted((gene.genomic(offset), gene.genomic(offset + size - 1)))
        anchor = gene.forward(gene.bases(offset - 1 if gene.strand == 1 else offset + size, 1, rng))
        lost = gene.forward(gene.bases(offset, size, rng))
        hgvs = f"{accession}:g.{'_'.join(map(str, dict.fromkeys(ends)))}del{lost}"
        return Change(ends[0] - 1, anchor + lost, anchor, "Deletion", hgvs, {"Allele": "-", **vep})
    before = offset if gene.strand == 1 else offset + 1
    anchor, gained = gene.forward(gene.bases(before, 1, rng)), gene.forward(inserted)
    position = gene.genomic(before)
    duplicated = gene.bases(offset - len(inserted) + 1, len(inserted), rng) == inserted
    if duplicated:
        ends = sorted((gene.genomic(offset - len(inserted) + 1), gene.genomic(offset)))
        hgvs = f"{accession}:g.{'_'.join(map(str, dict.fromkeys(ends)))}dup{gained}"
    else:
        hgvs = f"{accession}:g.{position}_{position + 1}ins{gained}"
    kind = "Duplication" if duplicated else "Insertion"
    return Change(position, anchor, anchor + gained, kind, hgvs, {"Allele": gained, **vep})


def _accession(gene: Gene) -> str:
    number = 23 if gene.chromosome == "X" else int(gene.chromosome)
    return f"NC_{number:06d}.{CENTROMERES[gene.chromosome][1]}"


def _coding_offset(gene: Gene, cds: int) -> int:
    return _UTR5 + cds + cds // (3 * gene.codons) * _INTRON


def _span(first: int, last: int) -> str:
    return str(first) if first == last else f"{first}-{last}"


def _coding_fields(gene: Gene, cds: int, last: int) -> dict[str, str]:
    exon = cds // (3 * gene.codons)
    return {
        "EXON": f"{exon + 1}/{gene.exons}",
        "cDNA_position": _span(_UTR5 + cds + 1, _UTR5 + last + 1),
        "CDS_position": _span(cds + 1, last + 1),
        "Protein_position": _span(cds // 3 + 1, last // 3 + 1),
    }


def _translate(codons: str) -> str:
    whole = len(codons) // 3 * 3
    protein = "".join(_CODE[codons[i : i + 3].upper()] for i in range(0, whole, 3))
    return protein + "X" * (len(codons) > whole) or "-"


def _codon_change(gene: Gene, consequence: str, codons: dict, rng: random.Random) -> Change | None:
    exon, inner = rng.randrange(gene.exons), rng.randrange(1, gene.codons - 1)
    if "splice_region" in consequence and gene.exons > 1:
        # The codon that touches an intron.
        inner = 0 if exon == gene.exons - 1 or (exon and rng.random() < 0.5) else gene.codons - 1
    number = exon * gene.codons + inner
    if "start_lost" in consequence:
        number, text = 0, rng.choice(("Atg/Gtg", "aTg/aCg", "atG/atA", "atG/atT"))
    else:
        kind = next(k for k in ("missense", "synonymous", "stop_gained") if k in consequence)
        text = draw(codons[kind], rng)
    before, after = text.split("/")
    changed = next(i for i in range(3) if before[i].isupper())
    offset = _coding_offset(gene, 3 * number)
    if any(gene.sequence.get(offset + i, base) != base for i, base in enumerate(before.upper())):
        return None
    gene.sequence.update((offset + i, base) for i, base in enumerate(before.upper()))
    cds = 3 * number + changed
    acids = [_translate(before), _translate(after)]
    vep = {
        **_coding_fields(gene, cds, cds),
        "Codons": text,
        "Amino_acids": "/".join(dict.fromkeys(acids)),
        "HGVSc": f"{gene.transcript}:c.{cds + 1}{before[changed]}>{after[changed]}",
    }
    # VEP escapes the equals sign of "no change".
    became = acids[1] if acids[0] != acids[1] else "%3D"
    vep["HGVSp"] = f"NP_{90000000 + gene.number}.1:p.{acids[0]}{number + 1}{became}"
    return _single_base(gene, offset + changed, after[changed], vep, rng)


def _coding_indel(gene: Gene, consequence: str, lengths: dict, rng: random.Random) -> Change | None:
    size = int(draw(lengths[next(k for k in lengths if k in consequence)], rng))
    exon = rng.randrange(gene.exons)
    cds = exon * 3 * gene.codons + rng.randrange(3, 3 * gene.codons - 27)
    offset, last = _coding_offset(gene, cds), cds - size - 1 if size < 0 else cds + 1
    first = cds - cds % 3
    for codon in range(first, last + 1, 3):
        at = _coding_offset(gene, codon)
        if gene.sequence.keys().isdisjoint(range(at, at + 3)):
            gene.sequence.update(zip(range(at, at + 3), rng.choice(_SENSE), strict=True))
    codons = gene.bases(_coding_offset(gene, first), 3 * (last // 3 + 1) - first, rng).lower()
    at = cds - first
    vep = _coding_fields(gene, cds, last)
    if size < 0:
        before = codons[:at] + codons[at : at - size].upper() + codons[at - size :]
        after = codons[:at] + codons[at - size :]
        vep["HGVSc"] = f"{gene.transcript}:c.{_span(cds + 1, last + 1).replace('-', '_')}del"
        inserted = ""
    else:
        # Most insertions repeat what stands before them.
        duplicated = rng.random() < 0.9
        inserted = gene.bases(offset - size + 1, size, rng) if duplicated else "".join(rng.choices("ACGT", k=size))
        before, after = codons, codons[: at + 1] + inserted + codons[at + 1 :]
        if cds % 3 == 2:  # between two codons
            before, after = "-", inserted
        vep["HGVSc"] = f"{gene.transcript}:c.{cds + 1}_{cds + 2}ins{inserted}"
    vep["Codons"] = f"{before}/{after or '-'}"
    vep["Amino_acids"] = f"{_translate(before) if before != '-' else '-'}/{_translate(after)}"
    return _indel(gene, offset, -size, vep, rng, inserted)


# Offset in the gene, change of length, and what VEP says of the place; None where the gene has no such place.
_Place = tuple[int, int, dict[str, str]]


def _noncoding(gene: Gene, consequence: str, lengths: dict, rng: random.Random) -> Change | None:
    outside_exons = "intron" in consequence or "splice" in consequence
    place = (_in_intron if outside_exons else _in_untranslated_region)(gene, consequence, lengths, rng)
    if place is None:
        return None
    offset, size, vep = place
    if size and "HGVSc" in vep:
        vep["HGVSc"] += "del" if size < 0 else "dup"
    if size < 0:
        return _indel(gene, offset, -size, vep, rng)
    if size > 0:
        return _indel(gene, offset, 0, vep, rng, gene.bases(offset - size + 1, size, rng))
    base = gene.bases(offset, 1, rng)
    other = rng.choice("ACGT".replace(base, ""))
    # Two of three single-base changes are transitions.
    alternate = base.translate(str.maketrans("ACGT", "GTAC")) if rng.random() < 0.55 else other
    if "HGVSc" in vep:
        vep["HGVSc"] += f"{base}>{alternate}"
    return _single_base(gene, offset, alternate, vep, rng)


def _in_intron(gene: Gene, consequence: str, lengths: dict, rng: random.Random) -> _Place | None:
    size = 0
    if gene.exons == 1:
        return None
    intron = rng.randrange(gene.exons - 1)
    from_donor = "donor" in consequence or ("acceptor" not in consequence and rng.random() < 0.5)
    near, far = (1, 2) if "donor" in consequence or "acceptor" in consequence else (3, 8)
    if "splice" not in consequence:
        near, far = 9, 40
        size = int(draw(lengths, rng))
    distance = rng.randint(near, far)
    exon_end = (intron + 1) * 3 * gene.codons  # last coding base before the intron, counted from 1
    begin = _UTR5 + exon_end + intron * _INTRON
    offset = begin + distance - 1 if from_donor else begin + _INTRON - distance
    place_c = f"{exon_end}+{distance}" if from_donor else f"{exon_end + 1}-{distance}"
    vep = {"INTRON": f"{intron + 1}/{gene.exons - 1}", "HGVSc": f"{gene.transcript}:c.{place_c}"}
    for at, base in ((begin, "G"), (begin + 1, "T"), (begin + _INTRON - 2, "A"), (begin + _INTRON - 1, "G")):
        gene.sequence.setdefault(at, base)
    return offset, size, vep


def _in_untranslated_region(gene: Gene, consequence: str, lengths: dict, rng: random.Random) -> _Place:
    coding_end = gene.exons * 3 * gene.codons
    if "5_prime" in consequence:
        offset, size = rng.randrange(10, _UTR5 - 10), int(draw(lengths, rng))
        vep = {
            "EXON": f"1/{gene.exons}",
            "cDNA_position": str(offset + 1),
            "HGVSc": f"{gene.transcript}:c.-{_UTR5 - offset}",
        }
        return offset, size, vep
    if "3_prime" in consequence:
        inside, size = rng.randrange(10, _UTR3 - 10), int(draw(lengths, rng))
        offset = _UTR5 + coding_end + (gene.exons - 1) * _INTRON + inside
        vep = {
            "EXON": f"{gene.exons}/{gene.exons}",
            "cDNA_position": str(_UTR5 + coding_end + inside + 1),
            "HGVSc": f"{gene.transcript}:c.*{inside + 1}",
        }
        return offset, size, vep
    distance = rng.randint(1, _UPSTREAM - 20)
    return -distance, 0, {"DISTANCE": str(distance)}
