"""Whole ClinVar releases as tables: what was known about every variant on a given day.

A release is a ClinVar VCF (2017 or later) or a tab-delimited file with the columns chrom, pos, ref, alt, review_status
and clinical_significance (measureset_id, all_traits, symbol and clnsigconf are used where they are there).
"""

from __future__ import annotations

import io
from codecs import BOM_UTF8
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, replace
from datetime import date
from itertools import islice
from os import PathLike
from typing import BinaryIO

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc

from genomicslearning import InputError, clinvar
from genomicslearning.history.assemblies import KNOWN_ASSEMBLIES, assembly_of, assembly_of_table, known_assembly
from genomicslearning.history.dates import date_in_name
from genomicslearning.history.release_files import VARIANT_COLUMNS, ReleaseFile, open_tsv, open_vcf
from genomicslearning.io import archives, lake

__all__ = [
    "OVERLAP",
    "SINGLE_SUBMITTER",
    "VARIANT_COLUMNS",
    "Release",
    "Wanted",
    "assembly_of",
    "check_release",
    "key_column",
    "locus_keys",
    "open_release",
    "read_release",
    "rows_by_identifier",
    "rows_by_key",
]

SINGLE_SUBMITTER = "criteria provided, single submitter"
# Of the release's variants or the table's, whichever are fewer. Of a part of a release, some genes of it, a table has
# those with several submitters: one in six. By chance one in a thousand lies where another assembly has one.
OVERLAP = 0.05


@dataclass
class Release:
    """One ClinVar release.

    `variants` has one row a variant with the columns of `VARIANT_COLUMNS` (text, missing NaN; POS int64; review_status
    with spaces; terms of CLNSIG and CLNDN joined by `|`) and `key` (`locus_keys`). A variant that comes twice is kept
    once, the first time. `assembly` is empty where the file does not tell it, `date` None.
    """

    name: str
    assembly: str
    variants: pd.DataFrame
    date: date | None = None

    def shares_identifiers(self, other: pd.DataFrame) -> bool:
        """Whether it has enough VariationIDs of a table, or of another release's variants, to join them by."""
        if "VARIATION_ID" not in other:
            return False
        theirs, ours = (one["VARIATION_ID"].dropna().astype("str") for one in (self.variants, other))
        return bool(len(ours)) and ours.isin(theirs).sum() >= max(1, OVERLAP * min(len(ours), len(theirs)))

    def rows_of(self, table: pd.DataFrame) -> np.ndarray:
        """Row number in `variants` for each row of a training set, -1 where the release does not have the variant.

        Joined on VariationID where both sides have it, else on chromosome, position and trimmed alleles; on VariationID
        alone where the release is of another assembly. An ID that several variants share (a haplotype's) joins those at
        the same place.
        """
        keys = _arrow(self.variants["key"]), pa.array(locus_keys(table), pa.string())
        if "VARIATION_ID" not in table:
            return _places(*keys)
        theirs, ours = (_arrow(one["VARIATION_ID"].astype("str")) for one in (self.variants, table))
        by_id = rows_by_identifier(theirs, ours)
        if self.elsewhere(table):
            return by_id
        return np.where(by_id >= 0, by_id, rows_by_key(*keys, theirs, ours))

    def elsewhere(self, table: pd.DataFrame) -> bool:
        """Whether its positions are not those of the table, which tells its assembly (CLNHGVS)."""
        ours = assembly_of_table(table)
        return ours is not None and self.assembly != ours

    def of_interest(self, table: pd.DataFrame) -> Release:
        """The release with no other variants than those that `rows_of` may join to the table's rows."""
        wanted = Wanted(table)
        return replace(self, variants=self.variants[wanted.among(self.variants)].reset_index(drop=True))


class Wanted:
    """The variants of a table, to find those of a release that `Release.rows_of` may join to them."""

    def __init__(self, table: pd.DataFrame) -> None:
        self._keys = pa.array(locus_keys(table), pa.large_string())
        identifiers = table["VARIATION_ID"] if "VARIATION_ID" in table else pd.Series(dtype="str")
        self._identifiers = _arrow(identifiers.astype("str")).drop_null()

    def among(self, variants: pd.DataFrame) -> np.ndarray:
        """Which of a release's variants, with their `key`, are wanted."""
        by_key = pc.is_in(_arrow(variants["key"]), value_set=self._keys)
        by_identifier = pc.is_in(_arrow(variants["VARIATION_ID"].astype("str")), value_set=self._identifiers)
        return pc.or_(by_key, by_identifier).to_numpy(zero_copy_only=False)


def rows_by_identifier(theirs: pa.Array, ours: pa.Array) -> np.ndarray:
    """Place in `theirs` of each of our VariationIDs, -1 where it is null or stands more than once on either side."""
    return _places(_once(theirs), _once(ours))


def rows_by_key(their_keys: pa.Array, our_keys: pa.Array, their_ids: pa.Array, our_ids: pa.Array) -> np.ndarray:
    """Place of each of our variants by its key; one with another VariationID at that place is another variant: -1."""
    place = _places(their_keys, our_keys)
    there = their_ids.take(pa.array(place, mask=place < 0))
    another = pc.not_equal(our_ids, there).fill_null(False).to_numpy(zero_copy_only=False)
    return np.where(another, -1, place)


def _once(identifiers: pa.Array) -> pa.Array:
    """The identifiers that stand there once; null for the others."""
    counts = pc.value_counts(identifiers)
    repeated = counts.field("values").filter(pc.greater(counts.field("counts"), 1))
    return pc.if_else(pc.is_in(identifiers, repeated.drop_null()), None, identifiers)


def _arrow(column: pd.Series) -> pa.Array:
    found = pa.array(column, from_pandas=True)
    found = found.combine_chunks() if isinstance(found, pa.ChunkedArray) else found
    return found.cast(pa.large_string())


def _places(theirs: pa.Array, ours: pa.Array) -> np.ndarray:
    """Place in `theirs` of each of `ours`, the first where there are several, -1 where there is none or it is null."""
    ours = ours.cast(pa.large_string())
    distinct = ours.dictionary_encode()
    codes = distinct.indices.fill_null(-1).to_numpy(zero_copy_only=False)
    hit = pc.index_in(theirs, value_set=distinct.dictionary).fill_null(-1).to_numpy(zero_copy_only=False)
    rows = np.flatnonzero(hit >= 0)[::-1]  # backwards, so that the first of several is what remains
    place = np.full(len(distinct.dictionary) + 1, -1, np.int64)
    place[hit[rows]] = rows
    return place[codes]


def locus_keys(table: pd.DataFrame) -> np.ndarray:
    """Chromosome, position and alleles as one text, alleles trimmed of shared ends (at least one base of each stays).

    Trimming makes `TAG>TCG` and `A>C` one variant; indels are not left-aligned, for want of a reference sequence.
    """
    return key_column(table)[0].to_numpy(zero_copy_only=False)


def key_column(table: pd.DataFrame) -> tuple[pa.Array, np.ndarray]:
    """`locus_keys` as Arrow has it, and the positions in them: rows with one key have one position."""
    chromosome = table["CHROM"].astype("category")
    names = {name: clinvar.chromosome(str(name)) for name in chromosome.cat.categories}
    before, after = (_upper(table[name].astype("str")) for name in ("REF", "ALT"))
    position = table["POS"].to_numpy(np.int64).copy()
    long = np.flatnonzero(np.minimum(before.str.len().fillna(0), after.str.len().fillna(0)).to_numpy() > 1)
    if len(long):
        before, after = before.copy(), after.copy()
        trimmed = [_trim(p, b, a) for p, b, a in zip(position[long], before.iloc[long], after.iloc[long], strict=True)]
        places, refs, alts = zip(*trimmed, strict=True)
        position[long], before.iloc[long], after.iloc[long] = places, refs, alts
    parts = (
        _arrow(chromosome.map(names).astype("str")),
        pa.array(position).cast(pa.large_string()),
        _arrow(before),
        _arrow(after),
    )
    options = {"null_handling": "replace", "null_replacement": "nan"}
    return pc.binary_join_element_wise(*parts, pa.scalar(":", pa.large_string()), **options), position


def _upper(bases: pd.Series) -> pd.Series:
    """Bases in capitals, since soft-masked ones are written small; a lone dot is none."""
    if not len(bases):
        return bases
    capitals = pc.utf8_upper(_arrow(bases))
    capitals = pc.if_else(pc.equal(capitals, "."), None, capitals)
    return pd.Series(pd.array(capitals, dtype=pd.StringDtype(na_value=np.nan)), index=bases.index)


def _trim(position: int, before: str, after: str) -> tuple[int, str, str]:
    while min(len(before), len(after)) > 1 and before[-1] == after[-1]:
        before, after = before[:-1], after[:-1]
    shared = 0
    while min(len(before), len(after)) - shared > 1 and before[shared] == after[shared]:
        shared += 1
    return position + shared, before[shared:], after[shared:]


def read_release(path: str | PathLike, *, assembly: str = "", like: pd.DataFrame | Release | None = None) -> Release:
    """Read a release.

    Parameters
    ----------
    path : ClinVar VCF or tab-delimited file, gzip or plain, local or s3://.
    assembly : used only where the file does not tell its own (`##reference`, else accessions in CLNHGVS).
    like : a training set of known assembly (CLNHGVS), or another release; a release that does not tell its assembly,
        and for which none is given, has the other's where their variants lie at the same places. Where they do not,
        the two may still be joined by VariationIDs, if they share some: its assembly is then empty.

    Raises
    ------
    InputError
        The file is neither, is cut off, has no review status that ClinVar uses, or its assembly is unknown.
    """
    given = known_assembly(assembly)
    with open_release(path) as found:
        [variants] = found.frames()
    variants["key"] = pd.Series(pd.array(key_column(variants)[0], dtype=pd.StringDtype(na_value=np.nan)))
    variants = variants.drop_duplicates("key", ignore_index=True)
    release = Release(lake.name(path), found.assembly or given, variants, found.date or date_in_name(lake.name(path)))
    if not release.assembly:
        release.assembly = _by_overlap(release, like, path)
    return release


def check_release(path: str | PathLike, *, assembly: str = "") -> date | None:
    """Refuse by its first lines what `read_release` would refuse, so that nobody waits hours for it; its date."""
    known_assembly(assembly)
    with open_release(path, 5000) as found:
        for _ in found.frames():
            pass
    return found.date or date_in_name(lake.name(path))


def _by_overlap(release: Release, like: pd.DataFrame | Release | None, path: object) -> str:
    """The assembly of a table or another release, where the release's variants are at its places."""
    silent = f"{path}: does not say its genome assembly (no ##reference, no CLNHGVS)"
    if isinstance(like, Release):
        ours, whose, other = like.assembly, f"{like.name}'s", like.variants
    else:
        other = pd.DataFrame() if like is None else like
        ours, whose = assembly_of_table(other) or "", "the table's"
    if not ours:
        raise InputError(f"{silent}; give the parameter assembly, such as GRCh37")
    keys = _arrow(other["key"]) if isinstance(like, Release) else pa.array(locus_keys(other), pa.string())
    shared = (_places(_arrow(release.variants["key"]), keys) >= 0).sum()
    if shared >= OVERLAP * min(len(keys), len(release.variants)):
        return ours
    if release.shares_identifiers(other):
        return ""
    likely = next(name for name in KNOWN_ASSEMBLIES if name != ours)
    raise InputError(
        f"{silent}, and only {shared:,} of {whose} {len(keys):,} variants ({ours}) lie where it has one: it is likely "
        f"{likely}; give a release of {ours}, or the parameter assembly if it is {ours}"
    )


@contextmanager
def open_release(path: str | PathLike, most: int | None = None) -> Iterator[ReleaseFile]:
    """A release's file, VCF or tab-delimited, open to be read; of its first so many lines, where that is given."""
    with ExitStack() as stack:
        start, raw = archives.first_bytes(path, stack.enter_context(lake.open_input(path)))
        lines: BinaryIO = stack.enter_context(archives.open_text(path, start, raw))
        if most is not None:
            lines = io.BytesIO(b"".join(islice(lines, most)))
        first = lines.readline(1 << 20).removeprefix(BOM_UTF8)
        opened = open_vcf if first.startswith(b"##fileformat=VCF") else open_tsv
        yield opened(first, lines, path)
