"""Matching and the assignment of VEP's alleles against slow, obvious references, on whatever hypothesis thinks of."""

from __future__ import annotations

import csv
import tempfile
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from vcf_files import AGREE, CONFLICT, write

from genomicslearning.training_set import matching
from genomicslearning.training_set.alleles import blocks_of_alleles, place_key, trimmed
from genomicslearning.training_set.build import build_training_set

bases = st.text(alphabet="ACGT", min_size=1, max_size=4)
PAIR = settings(max_examples=120, deadline=None, suppress_health_check=[HealthCheck.too_slow])


def reference_trimmed(pos: int, ref: str, alt: str) -> tuple[int, str, str]:
    """Base by base: the end first, then the beginning."""
    ref, alt = ref.upper(), alt.upper()
    if ref != alt and set(ref + alt) <= set("ACGTN"):
        while ref and alt and ref[-1] == alt[-1]:
            ref, alt = ref[:-1], alt[:-1]
        while ref and alt and ref[0] == alt[0]:
            pos, ref, alt = pos + 1, ref[1:], alt[1:]
    return pos, ref, alt


@given(st.text(alphabet="ACgt", min_size=1, max_size=40), st.text(alphabet="ACgt", min_size=1, max_size=40))
def test_trimming(ref, alt):
    start, *left = trimmed(ref.encode(), alt.encode())
    assert (start, *(text.decode() for text in left)) == reference_trimmed(0, ref, alt)


@given(bases, bases, bases, bases, st.integers(1, 50))
def test_padding_changes_no_key(before, after, ref, alt, pos):
    """However a variant is padded with bases that both alleles share, its key is the same."""
    padded = place_key(
        b"chr1", str(pos - len(before) + 10).encode(), (before + ref + after).encode(), (before + alt + after).encode()
    )
    wanted = reference_trimmed(pos - len(before) + 10, before + ref + after, before + alt + after)
    assert padded == "\t".join(("1", *map(str, wanted))).encode()


# Two small files: few places and alleles, so that much of it meets.
alts = st.lists(st.sampled_from(["A", "C", "G", "CA", "CAA", "T", "*", "<DEL>"]), min_size=1, max_size=3, unique=True)
sites = st.tuples(st.sampled_from("12"), st.integers(1, 4), st.sampled_from(["A", "C", "CA", "CAA"]))
clinvar_records = st.lists(st.tuples(sites, st.sampled_from(["A", "C", "G", "CA", "CAA"]), st.booleans()), max_size=12)
names = st.lists(st.one_of(st.integers(1, 14).map(str), st.sampled_from(["rs1", "COSV2"])), max_size=2)
annotated_records = st.lists(st.tuples(sites, names, alts, st.sampled_from(["", "chr"])), min_size=1, max_size=12)


def reference_match(record, known) -> list[int | None]:
    """The number of the ClinVar record of each ALT: of those at its place the one with its ID, else the first."""
    (chrom, pos, ref), ids, several, _ = record
    found: list[int | None] = []
    for alt in several:
        here = [
            number
            for number, ((chrom2, pos2, ref2), alt2, _) in enumerate(known, 1)
            if chrom == chrom2 and reference_trimmed(pos, ref, alt) == reference_trimmed(pos2, ref2, alt2)
        ]
        named = [number for number in here if str(number) in ids]
        found.append(next(iter(named or here), None))
    return found


@pytest.mark.parametrize("ahead", [10_000, 2])
@PAIR
@given(clinvar_records, annotated_records, st.booleans())
def test_matching(ahead, known, records, in_order):
    """Sorted files and mixed ones, found nearby and by the index, with IDs of every kind."""
    if in_order:
        known = sorted(known, key=lambda one: one[0][:2])
        records = sorted(records, key=lambda one: one[0][:2])
    elif ahead == 2:
        # A second record at a place that lies beyond what is looked at is not known of.
        known = list(
            {
                reference_trimmed(pos, ref, alt) + (chrom,): one for one in known for (chrom, pos, ref), alt, _ in [one]
            }.values()
        )
    clinvar = [
        f"{chrom} {pos} {number} {ref} {alt} . . {CONFLICT if label else AGREE};CLNVC=v{number}"
        for number, ((chrom, pos, ref), alt, label) in enumerate(known, 1)
    ]
    lines = [
        f"{prefix}{chrom} {pos} {';'.join(ids) or '.'} {ref} {','.join(several)} . . DP={place}"
        for place, ((chrom, pos, ref), ids, several, prefix) in enumerate(records)
    ]
    anchors = [f"9 1 98 A G . . {AGREE}", f"9 2 99 A G . . {CONFLICT}"]
    with tempfile.TemporaryDirectory() as folder, pytest.MonkeyPatch.context() as patch:
        patch.setattr(matching, "_AHEAD", ahead)
        build_training_set(
            clinvar=write(Path(folder, "c.vcf"), [*clinvar, *anchors]),
            annotated=write(Path(folder, "a.vcf"), [*lines, "9 1 . A G . . .", "9 2 . A G . . ."], csq=["Consequence"]),
            out=Path(folder, "t.csv"),
        )
        with open(Path(folder, "t.csv"), newline="") as file:
            found = [(row["CHROM"], row["POS"], row["REF"], row["ALT"], row["CLNVC"]) for row in csv.DictReader(file)]
    wanted = []
    for record in records:
        (chrom, pos, ref), _, several, prefix = record
        for alt, number in zip(several, reference_match(record, known), strict=True):
            if number and alt.isalpha():
                wanted.append((prefix + chrom, str(pos), ref, alt, f"v{number}"))
    # A row that repeats an earlier one in every cell, the Variation ID among them, is written once.
    assert found[:-2] == list(dict.fromkeys(wanted))


# VEP's ways to write Allele.


def first_base_cut(ref: str, several: list[str]) -> list[str]:
    """Before release 115: the first base is cut off where lengths differ and all share it; * takes no part."""
    others = [alt for alt in several if alt != "*"]
    if any(len(alt) != len(ref) for alt in others) and all(alt[0] == ref[0] for alt in others):
        return [alt if alt == "*" else alt[1:] or "-" for alt in several]
    return several


def each_by_itself(ref: str, several: list[str]) -> list[str]:
    """Release 115: each ALT is trimmed by itself."""
    return [alt if alt == "*" else reference_trimmed(0, ref, alt)[2] or "-" for alt in several]


sequences = st.text(alphabet="ACG", min_size=1, max_size=4)


@settings(max_examples=500, deadline=None)
@given(
    st.sampled_from([first_base_cut, each_by_itself]),
    sequences,
    st.lists(st.one_of(sequences, st.just("*")), min_size=1, max_size=4, unique=True),
    st.randoms(use_true_random=False),
)
def test_no_alt_gets_the_block_of_another(way, ref, several, random):
    """However VEP wrote Allele, an ALT gets its own blocks or none; and its own wherever its text tells it apart."""
    several = [alt for alt in several if alt != ref] or ["T"]
    texts = way(ref, several)
    blocks = [(text, number) for number, text in enumerate(texts) for _ in range(random.randint(1, 2))]
    random.shuffle(blocks)
    found = blocks_of_alleles(
        [str(number).encode() for _, number in blocks],
        [text.encode() for text, _ in blocks],
        ref.encode(),
        [alt.encode() for alt in several],
    )
    for number, given_blocks in enumerate(found):
        assert given_blocks is None or set(given_blocks) == {str(number).encode()}
    if way is first_base_cut and set(texts) - set(each_by_itself(ref, several)):
        assert None not in found
