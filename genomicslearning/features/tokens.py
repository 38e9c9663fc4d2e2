"""Crossed tokens: gene x condition x frequency band x source x consequence, as hashes, for a sparse linear model.

A token says that a row has a value, or several values at once (`gene and consequence`). A linear model on them learns
what each gene, condition and laboratory does to the odds, which trees cannot learn from 65,000 rows of a column with
2,000 values.
"""

from __future__ import annotations

import numpy as np

from genomicslearning.features.block import number
from genomicslearning.features.cells import Cells
from genomicslearning.features.ragged import Ragged, cross, text_hash, text_hashes
from genomicslearning.features.submission_blocks import condition_terms, conditions, prior_terms, source_terms
from genomicslearning.features.variant_blocks import allele_frequencies

# Edges of log10(largest allele frequency + 1e-6); fine alone, coarse where crossed with something rare.
FINE_BANDS = (-5.5, -5, -4.6, -4.3, -4, -3.7, -3.4, -3, -2.7, -2.3, -2, -1.5)
COARSE_BANDS = (-5.5, -4, -3, -2.3)
CADD_BANDS = (0, 5, 10, 15, 20, 23, 26, 30, 35)
# A few variants name dozens of conditions; their tokens stop here so that one row cannot have thousands.
CONDITIONS_CROSSED = 12
ORDER_CROSSED = 8


class _Tokens:
    """Collects tokens as (row, hash) until they are joined."""

    def __init__(self, rows: int):
        self.rows: list[np.ndarray] = []
        self.hashes: list[np.ndarray] = []
        self.every_row = np.arange(rows)

    def one(self, kind: str, *parts: np.ndarray) -> np.ndarray:
        """One token a row; returns its hashes."""
        hashes = cross(kind, *parts)
        self.rows.append(self.every_row)
        self.hashes.append(hashes)
        return hashes

    def many(self, kind: str, lists: Ragged, *parts: np.ndarray) -> None:
        """One token for each value of a list, crossed with what the row has."""
        rows = lists.rows
        self.rows.append(rows)
        self.hashes.append(cross(kind, lists.values, *(part[rows] for part in parts)))

    def pairs(self, kind: str, left: Ragged, right: Ragged) -> None:
        """One token for each pair of values of two lists."""
        rows, mine, theirs = left.pairs_with(right)
        self.rows.append(rows)
        self.hashes.append(cross(kind, mine, theirs))

    def joined(self) -> Ragged:
        rows, hashes = np.concatenate(self.rows), np.concatenate(self.hashes)
        order = np.argsort(rows, kind="stable")
        lengths = np.bincount(rows, minlength=len(self.every_row))
        return Ragged(hashes[order], np.concatenate([[0], np.cumsum(lengths)]))


def _bands(values: np.ndarray, edges: tuple[float, ...]) -> np.ndarray:
    return np.digitize(np.nan_to_num(values, nan=-99.0), edges).astype(np.uint64)


def crossed_tokens(cells: Cells, *, submissions: bool, prior: bool) -> Ragged:
    """Hashes of a row's tokens.

    Parameters
    ----------
    submissions : whether conditions and sources (CLNDN, CLNVI) may be read.
    prior : whether an earlier release's columns (`prior_*`) may be read.
    """
    tokens = _Tokens(len(cells))
    gene = cells.gene
    log_af = np.log10(allele_frequencies(cells).max(axis=1) + 1e-6)
    fine, coarse = _bands(log_af, FINE_BANDS), _bands(log_af, COARSE_BANDS)
    cadd = _bands(cells.each("CADD_PHRED", number), CADD_BANDS)
    codes, texts = cells.distinct("Consequence")
    mc_codes, mc = cells.distinct("MC")
    first_term = text_hashes([text.split("&")[0] for text in texts])[codes]
    first_mc = text_hashes([text.split(",")[0].partition("|")[2] for text in mc])[mc_codes]
    worst = np.where(np.array([text != "" for text in texts])[codes], first_term, first_mc)
    impact = cells.hashes("IMPACT")

    tokens.one("gene", gene)
    tokens.one("frequency", fine)
    tokens.one("consequence", worst)
    tokens.one("cadd", cadd)
    tokens.one("cadd frequency", cadd, coarse)
    tokens.one("consequence frequency", worst, fine)
    tokens.one("consequence cadd", worst, cadd)
    tokens.one("gene consequence", gene, worst)
    tokens.one("gene frequency", gene, fine)
    tokens.one("gene frequency impact", gene, coarse, impact)
    _place_tokens(cells, tokens, gene, worst, coarse)
    if submissions:
        _submission_tokens(cells, tokens, gene=gene, fine=fine, coarse=coarse, impact=impact)
    if prior:
        before = prior_terms(cells)
        tokens.many("prior", before)
        tokens.many("prior gene", before, gene)
        tokens.many("prior frequency", before, fine)
        tokens.many("prior consequence", before, worst)
        tokens.many("prior cadd", before, cadd)
    return tokens.joined()


def _place_tokens(cells: Cells, tokens: _Tokens, gene: np.ndarray, worst: np.ndarray, coarse: np.ndarray) -> None:
    """Where in the gene, and which amino acid becomes which."""
    exon, intron = cells.hashes("EXON"), cells.hashes("INTRON")
    protein = cells.each("Protein_position", lambda text: number(text.split("-")[0]))
    residue = np.where(np.isnan(protein), cells.position, np.nan_to_num(protein).astype(np.int64)).astype(np.uint64)
    tokens.one("gene exon", gene, exon, intron)
    tokens.one("gene exon consequence", gene, exon, intron, worst)
    tokens.one("gene residue", gene, residue)
    tokens.one("gene 10 residues", gene, residue // np.uint64(10))
    tokens.one("gene 50 residues frequency", gene, residue // np.uint64(50), coarse)
    tokens.one("amino acids", cells.hashes("Amino_acids"))
    tokens.one("sift polyphen", cells.hashes("SIFT"), cells.hashes("PolyPhen"))
    tokens.one("sift polyphen frequency", cells.hashes("SIFT"), cells.hashes("PolyPhen"), coarse)


def _submission_tokens(
    cells: Cells, tokens: _Tokens, *, gene: np.ndarray, fine: np.ndarray, coarse: np.ndarray, impact: np.ndarray
) -> None:
    """Conditions and sources, alone, in pairs, and crossed with gene, frequency and impact."""
    sources = source_terms(cells)
    in_order = condition_terms(cells)
    codes, texts = cells.distinct("CLNDN")
    condition_set = text_hashes(["|".join(sorted(conditions(text))) for text in texts])[codes]
    count = np.minimum(in_order.lengths, 15).astype(np.uint64)
    named = cells.lists(
        "CLNDN", lambda text: [text_hash(name) for name in sorted(conditions(text))[:CONDITIONS_CROSSED]]
    )
    ends = cells.lists("CLNDN", _ends)
    order = cells.lists("CLNDN", _consecutive)
    together = cells.lists("CLNDN", _together)

    tokens.one("conditions", count)
    tokens.one("condition set", condition_set)
    tokens.one("gene condition set", gene, condition_set)
    tokens.one("impact condition set", impact, condition_set)
    tokens.many("condition", named)
    tokens.many("condition gene", named, gene)
    tokens.many("condition frequency", named, coarse)
    tokens.many("condition impact", named, impact)
    tokens.many("ends", ends)
    tokens.many("order", order)
    tokens.many("together", together)
    tokens.many("source", sources)
    tokens.many("source gene", sources, gene)
    tokens.many("source frequency", sources, fine)
    tokens.many("source impact", sources, impact)
    tokens.pairs("condition source", named, sources)


def _ends(text: str) -> list[int]:
    named = conditions(text)
    return [text_hash("first:" + named[0]), text_hash("last:" + named[-1])] if named else []


def _consecutive(text: str) -> list[int]:
    named = conditions(text)[:ORDER_CROSSED]
    return [text_hash(f"{one}>{two}") for one, two in zip(named, named[1:], strict=False)]


def _together(text: str) -> list[int]:
    named = sorted(conditions(text))[:CONDITIONS_CROSSED]
    return [text_hash(f"{one}&{two}") for place, one in enumerate(named) for two in named[place + 1 :]]
