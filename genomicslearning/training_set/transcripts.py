"""VEP's CSQ: its fields by the header's Format, and which transcript's block a row of the training set gets."""

from __future__ import annotations

import re
from collections import Counter
from operator import itemgetter

from genomicslearning import InputError, clinvar
from genomicslearning.io.vcf import Vcf
from genomicslearning.training_set.table import VEP_COLUMNS

PICKS = ("mane", "canonical", "severe", "first")
_COMMA, _PARENTHESIS = b",("  # byte values: quicker to look for than one-byte texts
NO_ANNOTATION = "no_annotation"
_FORMAT = re.compile(r"Format: *([^\">]+)")


def fields(vcf: Vcf, key: str | None = None) -> tuple[str, list[str]]:
    """INFO key and field names of VEP's annotation, from the header.

    Raises
    ------
    InputError
        The header has no such key, or its Description no ``Format: …|Consequence|…``.
    """
    wanted = key or "CSQ"
    others = []
    for number, line in enumerate(vcf.header, 1):
        found = _FORMAT.search(line) if line.startswith("##INFO=<ID=") else None
        name = line[len("##INFO=<ID=") :].split(",", 1)[0]
        if line.startswith("##INFO=<") and name == wanted:
            names = [field.strip() for field in found.group(1).split("|")] if found else []
            if "Consequence" not in names:
                raise InputError(
                    f"{vcf.path}:{number}: {wanted} has an unknown layout (no Format with Consequence); "
                    "annotate with VEP --vcf"
                )
            return wanted, names
        if found and "Consequence" in found.group(1):
            others.append(name)
    hint = f"give --csq-key {others[0]}" if others else "annotate it with VEP (--vcf --everything)"
    raise InputError(f"{vcf.path}: the header has no {wanted}, so the file is not annotated by VEP; {hint}")


class _Ranks(dict):
    """Rank of a Consequence cell, worked out once for each text."""

    def __missing__(self, consequence: bytes) -> int:
        rank = self[consequence] = clinvar.consequence_rank(consequence.decode("utf-8", "replace"))
        return rank


class LayoutError(ValueError):
    """A CSQ block has more fields than the header names."""


class TranscriptPicker:
    """Chooses one CSQ block of a record and gives its cells of the 27 VEP columns.

    ``first`` is file order. ``severe`` is the lowest consequence rank, ties to file order. ``mane`` is MANE Select,
    else canonical, else severe; ``canonical`` is canonical, else severe. Where several genes have a MANE Select (or
    canonical) transcript, the gene in ClinVar's GENEINFO wins, then ``severe``.

    Attributes
    ----------
    decided
        Rule that decided → records.
    gene_decided
        Records in which GENEINFO chose between genes.
    """

    def __init__(self, names: list[str], rule: str = "mane") -> None:
        self._rule = rule
        self._width = len(names)
        self.decided: Counter[str] = Counter()
        self.gene_decided = 0
        place: dict[str, int] = {}
        for number, name in enumerate(names):
            place.setdefault(name, number)  # a Format may name a field twice: the first stands
        # Plugins differ in capitals (CADD_phred).
        lower: dict[str, int] = {}
        for number, name in enumerate(names):
            lower.setdefault(name.lower(), number)
        self._cells = itemgetter(*(place.get(column, lower.get(column.lower(), self._width)) for column in VEP_COLUMNS))
        self._scored = [VEP_COLUMNS.index("SIFT"), VEP_COLUMNS.index("PolyPhen")]
        self._consequence = place["Consequence"]
        self._symbol = place.get("SYMBOL")
        self._allele = place.get("Allele")
        self._allele_number = place.get("ALLELE_NUM")
        self._mane = place.get("MANE_SELECT", place.get("MANE"))
        self._canonical = place.get("CANONICAL")
        self._rank = _Ranks()
        self._preferred = [
            (name, field)
            for name, field in (("mane", self._mane), ("canonical", self._canonical))
            if field is not None and name in {"mane": ("mane", "canonical"), "canonical": ("canonical",)}.get(rule, ())
        ]
        self._otherwise = "first" if rule == "first" else "severe"
        self.empty = (b"",) * len(VEP_COLUMNS)

    def cells(self, csq: bytes, geneinfo: bytes) -> tuple[bytes, ...] | list[bytes]:
        """Cells of the chosen block; `csq` is the INFO value, `geneinfo` ClinVar's ``SYMBOL:id|SYMBOL:id``."""
        if not csq:
            self.decided[NO_ANNOTATION] += 1
            return self.empty
        if _COMMA in csq:
            return self._block_cells(self._choose(csq.split(b","), geneinfo))
        if self._preferred:
            return self._block_cells(self._choose([csq], geneinfo))
        self.decided[self._otherwise] += 1
        return self._block_cells(csq)

    def of_allele(self, csq: bytes, ref: bytes, alts: list[bytes], number: int) -> bytes:
        """The blocks of one ALT (its place in `alts`) of a record with several, by ALLELE_NUM or by Allele."""
        if self._allele_number is not None:
            field, wanted = self._allele_number, str(number + 1).encode()
        else:
            field, wanted = self._allele, vep_allele(ref, alts, number)
        if field is None:
            return b""
        return b",".join(block for block in csq.split(b",") if self._field(block, field) == wanted)

    def _field(self, block: bytes, place: int) -> bytes:
        cells = block.split(b"|", place + 1)
        return cells[place] if place < len(cells) else b""

    def _choose(self, blocks: list[bytes], geneinfo: bytes) -> bytes:
        for name, place in self._preferred:
            found = [block for block in blocks if self._field(block, place) not in (b"", b"MANE_Plus_Clinical")]
            if found:
                self.decided[name] += 1
                return found[0] if len(found) == 1 else self._severe(self._of_gene(found, geneinfo))
        self.decided[self._otherwise] += 1
        return blocks[0] if self._otherwise == "first" else self._severe(blocks)

    def _of_gene(self, blocks: list[bytes], geneinfo: bytes) -> list[bytes]:
        if self._symbol is None or len({self._field(block, self._symbol) for block in blocks}) == 1:
            return blocks
        symbols = {gene.partition(b":")[0] for gene in geneinfo.split(b"|")} - {b""}
        found = [block for block in blocks if self._field(block, self._symbol) in symbols]
        self.gene_decided += bool(found)
        return found or blocks

    def _severe(self, blocks: list[bytes]) -> bytes:
        place = self._consequence
        rank = self._rank
        return min(blocks, key=lambda block: rank[self._field(block, place)])

    def _block_cells(self, block: bytes) -> tuple[bytes, ...] | list[bytes]:
        found = block.split(b"|")
        if len(found) < self._width:
            found += [b""] * (self._width - len(found))
        elif len(found) > self._width:
            raise LayoutError(f"a CSQ block has {len(found)} fields, the header's Format names {self._width}")
        found.append(b"")  # stands in for columns that the Format does not name
        cells = self._cells(found)
        if _PARENTHESIS in block:
            cells = list(cells)
            for place in self._scored:
                cells[place] = cells[place].partition(b"(")[0]
        return cells


def vep_allele(ref: bytes, alts: list[bytes], number: int) -> bytes:
    """How VEP writes an ALT in Allele: without the first base where lengths differ and all share it, ``-`` for nothing.

    Source: VEP's VCF parser (Bio::EnsEMBL::VEP::Parser::VCF).
    """
    alt = alts[number]
    if any(len(other) != len(ref) for other in alts) and all(other[:1] == ref[:1] for other in alts):
        return alt[1:] or b"-"
    return alt
