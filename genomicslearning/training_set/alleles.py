"""Alleles of VCF records: the key under which a variant is found, and which of VEP's blocks belong to which ALT.

Alleles are bytes as a VCF writes them. VCF and VEP pad and trim them in different ways, so both are compared by what is
left when shared ends are taken off.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Sequence
from functools import lru_cache

from genomicslearning import clinvar

# Sequence bases (IUPAC codes included). Not `.`, <DEL>, breakends, or the spanning deletion `*`.
is_sequence = re.compile(rb"[A-Za-z]+").fullmatch
SPANNING_DELETION = b"*"
NOTHING = b"-"  # VEP's Allele where no base is left


@lru_cache(maxsize=4096)
def _chromosome(name: bytes) -> bytes:
    return clinvar.chromosome(name.decode("utf-8", "replace")).encode()


def _shared(one: bytes, other: bytes) -> int:
    """How many bytes two texts share at their beginning."""
    low, high = 0, min(len(one), len(other))
    if one[:high] == other[:high]:
        return high
    while high - low > 1:
        middle = (low + high) // 2
        if one[low:middle] == other[low:middle]:
            low = middle
        else:
            high = middle
    return low


def trimmed(ref: bytes, alt: bytes) -> tuple[int, bytes, bytes]:
    """REF and ALT in capitals without the ends they share, and how many bases were taken off at their beginning.

    The end is trimmed first, so that what is left lies as far left as the two texts allow: ``CAA>CA`` and ``CA>C`` are
    the same deletion. Alleles that are no sequence, and a REF that equals ALT, stay whole.
    """
    ref, alt = ref.upper(), alt.upper()
    if ref == alt or not (is_sequence(ref) and is_sequence(alt)):
        return 0, ref, alt
    if same := _shared(ref[::-1], alt[::-1]):
        ref, alt = ref[: len(ref) - same], alt[: len(alt) - same]
    start = _shared(ref, alt)
    return start, ref[start:], alt[start:]


def place_key(chrom: bytes, pos: bytes, ref: bytes, alt: bytes) -> bytes:
    """Chromosome, position, REF and ALT of a variant as one key, trimmed; it has tabs, an ID has none.

    ``chr1`` is ``1``, ``M`` is ``MT``. POS has to be a number.
    """
    if len(ref) == 1 and len(alt) == 1:
        return b"\t".join((_chromosome(chrom), pos.lstrip(b"0"), ref.upper(), alt.upper()))
    start, ref, alt = trimmed(ref, alt)
    return b"%b\t%d\t%b\t%b" % (_chromosome(chrom), int(pos) + start, ref, alt)


def moved_key(chrom: bytes, ref: bytes, alt: bytes) -> bytes:
    """Chromosome and trimmed alleles: what a variant keeps from one assembly to another."""
    return b"\t".join((_chromosome(chrom), *trimmed(ref, alt)[1:]))


def blocks_of_alleles(
    blocks: Sequence[bytes], alleles: Sequence[bytes], ref: bytes, alts: Sequence[bytes]
) -> list[list[bytes] | None]:
    """VEP's blocks of each ALT of a record, by the Allele that each block names; None where that is ambiguous.

    VEP has written Allele in several ways: without the first base where lengths differ and all share it (`*` takes no
    part in that), or each ALT trimmed by itself (release 115, ``--minimal``), in which case two ALTs may have one text.
    A way is possible if it explains every block; among the possible ones, those stand first that give each ALT a block.
    Where they disagree about an ALT, or two ALTs share a text, nothing is assigned.

    Source: VEP's VCF parser (Bio::EnsEMBL::VEP::Parser::VCF), Ensembl/ensembl-vep issue 1920.
    """
    named: dict[bytes, list[bytes]] = {}
    for block, allele in zip(blocks, alleles, strict=True):
        named.setdefault(allele.upper(), []).append(block)
    if len(named) == 1 and len(alts) == 1:
        return [list(blocks)]
    ref, alts = ref.upper(), [alt.upper() for alt in alts]
    possible = [texts for texts in _spellings(ref, alts) if _explains(texts, alts, named)]
    if not possible:
        # ALTs were taken away, or the record was split, after VEP had seen it. VEP leaves substitutions as they are.
        if {len(text) for text in (ref, *alts, *named)} == {len(ref)}:
            possible = [tuple(alts)]
        else:
            return [None] * len(alts)
    complete = [
        texts
        for texts in possible
        if all(text in named for text, alt in zip(texts, alts, strict=True) if is_sequence(alt))
    ]
    return _agreed(complete or possible, named)


def _spellings(ref: bytes, alts: Sequence[bytes]) -> list[tuple[bytes, ...]]:
    """The ways in which VEP may have written the ALTs, each once."""
    sequences = [alt for alt in alts if is_sequence(alt)]
    share_first = all(alt[:1] == ref[:1] for alt in sequences)
    cut = tuple((alt[1:] or NOTHING) if is_sequence(alt) else alt for alt in alts)
    found = [cut if share_first and any(len(alt) != len(ref) for alt in sequences) else tuple(alts)]
    if share_first and SPANNING_DELETION in alts and len(ref) > 1:
        found.append(cut)  # `*` is shorter than REF
    for reverse in (False, True):
        found.append(tuple(_minimal(ref, alt, reverse=reverse) if is_sequence(alt) else alt for alt in alts))
    return list(dict.fromkeys(found))


def _minimal(ref: bytes, alt: bytes, *, reverse: bool) -> bytes:
    """An ALT without the ends it shares with REF, trimmed first at its beginning or (`reverse`) first at its end."""
    if reverse:
        return trimmed(ref, alt)[2] or NOTHING
    start = _shared(ref, alt)
    ref, alt = ref[start:], alt[start:]
    same = _shared(ref[::-1], alt[::-1])
    return alt[: len(alt) - same] or NOTHING


def _explains(texts: Sequence[bytes], alts: Sequence[bytes], named: Iterable[bytes]) -> bool:
    """Whether every Allele is one of the texts; an ALT like <DEL> may be called anything."""
    return any(not is_sequence(alt) and alt != SPANNING_DELETION for alt in alts) or set(named) <= set(texts)


def _agreed(ways: Sequence[Sequence[bytes]], named: dict[bytes, list[bytes]]) -> list[list[bytes] | None]:
    """What all the ways say of each ALT; None where they say different things, or two ALTs are called the same."""
    found: list[list[bytes] | None] = []
    counts = [Counter(texts) for texts in ways]
    for place, text in enumerate(ways[0]):
        says = {texts[place] if texts[place] in named else None for texts in ways}
        doubtful = any(
            texts[place] in named and count[texts[place]] > 1 for texts, count in zip(ways, counts, strict=True)
        )
        found.append(None if doubtful or len(says) > 1 else named.get(text, []))
    return found
