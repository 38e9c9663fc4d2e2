"""Whole ClinVar releases as tables: what was known about every variant on a given day.

A release is a ClinVar VCF (2017 or later) or a tab-delimited file with the columns chrom, pos, ref, alt, review_status
and clinical_significance (measureset_id, all_traits and symbol are used where they are there).
"""

from __future__ import annotations

import io
import re
from dataclasses import dataclass
from itertools import islice
from os import PathLike

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.csv as pc
from isal import igzip, isal_zlib

from genomicslearning import InputError, clinvar
from genomicslearning.io import lake

SINGLE_SUBMITTER = "criteria provided, single submitter"

# Version of each chromosome's RefSeq accession (NC_000001.10 …) in GRCh37; in GRCh38 every one is higher by one.
_GRCH37_VERSIONS = dict(
    zip(
        range(1, 25),
        (10, 11, 11, 11, 9, 11, 13, 10, 11, 10, 9, 11, 10, 8, 9, 9, 10, 9, 9, 10, 8, 10, 10, 9),
        strict=True,
    )
)
_ACCESSION = re.compile(r"NC_0000(\d\d)\.(\d+)")
_ASSEMBLIES = {
    "grch37": "GRCh37",
    "hg19": "GRCh37",
    "b37": "GRCh37",
    "grch38": "GRCh38",
    "hg38": "GRCh38",
    "b38": "GRCh38",
}

_TSV_NEEDED = ("chrom", "pos", "ref", "alt", "review_status", "clinical_significance")
_TSV_NAMES = {
    "chrom": "CHROM",
    "pos": "POS",
    "ref": "REF",
    "alt": "ALT",
    "review_status": "review_status",
    "clinical_significance": "CLNSIG",
    "measureset_id": "VARIATION_ID",
    "variation_id": "VARIATION_ID",
    "all_traits": "CLNDN",
    "symbol": "SYMBOL",
    "clnhgvs": "CLNHGVS",
}
_VCF_KEYS = ("CLNREVSTAT", "CLNSIG", "CLNDN", "GENEINFO", "CLNHGVS", "CLNSIGCONF")
VARIANT_COLUMNS = (
    "CHROM",
    "POS",
    "REF",
    "ALT",
    "VARIATION_ID",
    "review_status",
    "CLNSIG",
    "CLNDN",
    "SYMBOL",
    "CONFLICT",
)


@dataclass
class Release:
    """One ClinVar release.

    `variants` has one row a variant with the columns of `VARIANT_COLUMNS` (text, missing NaN; POS int64; review_status
    with spaces; terms of CLNSIG and CLNDN joined by `|`) and `key` (`locus_keys`). A variant that comes twice is kept
    once, the first time.
    """

    name: str
    assembly: str
    variants: pd.DataFrame

    def rows_of(self, table: pd.DataFrame) -> np.ndarray:
        """Row number in `variants` for each row of a training set, -1 where the release does not have the variant.

        Joined on VariationID where both sides have it, else on chromosome, position and trimmed alleles.
        """
        by_key = pd.Index(self.variants["key"]).get_indexer(locus_keys(table))
        if "VARIATION_ID" not in table:
            return by_key
        identified = self.variants["VARIATION_ID"].notna().to_numpy()
        ours = self.variants["VARIATION_ID"].where(identified).drop_duplicates().dropna()
        found = pd.Index(ours).get_indexer(table["VARIATION_ID"])
        by_id = np.where(found >= 0, ours.index.to_numpy()[found], -1) if len(ours) else np.full(len(table), -1)
        # A variant with another VariationID at the same place is another variant.
        both_have = table["VARIATION_ID"].notna().to_numpy() & (by_key >= 0) & identified[by_key]
        return np.where(by_id >= 0, by_id, np.where(both_have, -1, by_key))


def locus_keys(table: pd.DataFrame) -> np.ndarray:
    """Chromosome, position and alleles as one text, alleles trimmed of shared ends (at least one base of each stays).

    Trimming makes `TAG>TCG` and `A>C` one variant; indels are not left-aligned, for want of a reference sequence.
    """
    return np.array(
        [
            _key(chromosome, position, before, after)
            for chromosome, position, before, after in zip(
                table["CHROM"], table["POS"], table["REF"], table["ALT"], strict=True
            )
        ],
        dtype=object,
    )


def _key(chromosome: str, position: int, before: str, after: str) -> str:
    chromosome = chromosome.removeprefix("chr")
    if isinstance(before, str) and isinstance(after, str) and min(len(before), len(after)) > 1:
        while min(len(before), len(after)) > 1 and before[-1] == after[-1]:
            before, after = before[:-1], after[:-1]
        shared = 0
        while min(len(before), len(after)) - shared > 1 and before[shared] == after[shared]:
            shared += 1
        before, after, position = before[shared:], after[shared:], position + shared
    return f"{'MT' if chromosome == 'M' else chromosome}:{position}:{before}:{after}"


def assembly_name(text: str) -> str | None:
    """`GRCh37` or `GRCh38` from its usual spellings, with patch (`GRCh38.p14`) or path, else None."""
    for spelling, name in _ASSEMBLIES.items():
        if spelling in text.lower():
            return name
    return None


def assembly_of(hgvs: pd.Series) -> str | None:
    """Assembly that the accession versions in CLNHGVS (`NC_000001.10:g.…`) belong to, by majority, else None."""
    votes = {"GRCh37": 0, "GRCh38": 0}
    for text in hgvs.dropna().head(2000):
        if found := _ACCESSION.search(text):
            chromosome, version = int(found[1]), int(found[2])
            if chromosome in _GRCH37_VERSIONS:
                offset = version - _GRCH37_VERSIONS[chromosome]
                if offset in (0, 1):
                    votes[("GRCh37", "GRCh38")[offset]] += 1
    return max(votes, key=votes.get) if any(votes.values()) else None


def read_release(path: str | PathLike, *, assembly: str = "") -> Release:
    """Read a release.

    Parameters
    ----------
    path : ClinVar VCF or tab-delimited file, gzip or plain, local or s3://.
    assembly : used only where the file does not tell its own (`##reference`, else accessions in CLNHGVS).

    Raises
    ------
    InputError
        The file is neither, is cut off, or its assembly is unknown or not the one given.
    """
    return _read(path, assembly, None)


def check_release(path: str | PathLike, *, assembly: str = "") -> None:
    """Refuse by its first lines what `read_release` would refuse, so that nobody waits hours for it."""
    _read(path, assembly, 5000)


def _read(path: str | PathLike, assembly: str, most: int | None) -> Release:
    name = lake.name(path)
    with lake.open_input(path) as raw:
        packed = raw.read(2) == b"\x1f\x8b"
        raw.seek(0)
        lines = igzip.open(raw, "rb") if packed else raw
        try:
            if most is not None:
                lines = io.BytesIO(b"".join(islice(lines, most)))
            first = lines.readline(1 << 20)
            if first.startswith(b"##fileformat=VCF"):
                variants, found = _read_vcf(lines, path)
            else:
                variants, found = _read_tsv(first, lines, path)
        except (EOFError, igzip.BadGzipFile, isal_zlib.error) as problem:
            raise InputError(f"{path}: cannot be unpacked ({problem}); the file is damaged or cut off") from None
    given = assembly_name(assembly) if assembly else None
    if assembly and given is None:
        raise InputError(f"assembly: {assembly!r} is not known; give GRCh37 or GRCh38")
    if not (found or given):
        raise InputError(
            f"{path}: does not say its genome assembly (no ##reference, no CLNHGVS); "
            "give the parameter assembly, such as GRCh37"
        )
    variants["key"] = locus_keys(variants)
    variants = variants.drop_duplicates("key", ignore_index=True)
    return Release(name, found or given, variants)


def _read_tsv(header: bytes, lines, path) -> tuple[pd.DataFrame, str | None]:
    columns = header.decode("utf-8", "replace").rstrip("\r\n").split("\t")
    lower = [column.lower().lstrip("#") for column in columns]
    if lacking := [column for column in _TSV_NEEDED if column not in lower]:
        raise InputError(
            f"{path}:1: neither a VCF nor a tab-delimited release: no column {', '.join(lacking)}; "
            f"a release has {', '.join(_TSV_NEEDED)}"
        )
    try:
        cells = pc.read_csv(
            lines,
            read_options=pc.ReadOptions(column_names=columns, block_size=1 << 24),
            parse_options=pc.ParseOptions(delimiter="\t", quote_char=False),
            convert_options=pc.ConvertOptions(
                column_types=dict.fromkeys(columns, pa.string()), null_values=["", "."], strings_can_be_null=True
            ),
        )
    except pa.ArrowInvalid as problem:
        raise InputError(f"{path}: not a tab-delimited table ({str(problem).splitlines()[0]})") from None
    frame = cells.to_pandas(types_mapper={pa.string(): pd.StringDtype(na_value=np.nan)}.get)
    frame.columns = [_TSV_NAMES.get(column, column) for column in lower]
    position = pd.to_numeric(frame["POS"], errors="coerce")
    if position.isna().any():
        line = int(position.isna().to_numpy().argmax()) + 2
        raise InputError(f"{path}:{line}: pos is not a number; every row of a release needs its position")
    frame["POS"] = position.astype("int64")
    frame["review_status"] = frame["review_status"].str.replace("_", " ")
    found = assembly_of(frame["CLNHGVS"]) if "CLNHGVS" in frame else None
    for column in ("CLNSIG", "CLNDN"):
        if column in frame:
            frame[column] = frame[column].str.replace(";", "|").str.replace(" ", "_")
    # Tab-delimited releases list the distinct classifications, without counts; which groups they name is the conflict.
    conflicting = frame["review_status"].map(clinvar.label, na_action="ignore") == 1
    frame["CONFLICT"] = _conflict_groups(frame["CLNSIG"]).where(conflicting)
    frame = frame.reindex(columns=list(VARIANT_COLUMNS))
    frame["SYMBOL"] = frame["SYMBOL"].where(frame["SYMBOL"] != "-")
    return frame, found


def _conflict_groups(significance: pd.Series) -> pd.Series:
    """Which groups a list of classifications names, as `clinvar.conflict` words it."""
    distinct = significance.dropna().unique()
    named = {text: clinvar.conflict("|".join(f"{term}(1)" for term in text.split("|"))) for text in distinct}
    return significance.map(named, na_action="ignore")


def _read_vcf(lines, path) -> tuple[pd.DataFrame, str | None]:
    assembly, records = None, []
    for number, line in enumerate(lines, 2):
        if line.startswith(b"#"):
            if line.startswith(b"##reference="):
                assembly = assembly_name(line.decode("utf-8", "replace"))
            continue
        fields = line.decode("utf-8", "replace").rstrip("\r\n").split("\t", 8)
        if len(fields) < 8 or not fields[1].isdigit():
            raise InputError(f"{path}:{number}: not a VCF record (fewer than 8 columns or POS is no number)")
        if fields[4] == ".":
            continue
        info = dict.fromkeys(_VCF_KEYS)
        for entry in fields[7].split(";"):
            key, _, value = entry.partition("=")
            if key in info:
                info[key] = value
        records.append((*fields[:5], *info.values()))
    if not records:
        raise InputError(f"{path}: a VCF without records")
    frame = pd.DataFrame(records, columns=["CHROM", "POS", "VARIATION_ID", "REF", "ALT", *_VCF_KEYS])
    frame["POS"] = frame["POS"].astype("int64")
    frame["VARIATION_ID"] = frame["VARIATION_ID"].where(frame["VARIATION_ID"] != ".")
    frame["review_status"] = frame.pop("CLNREVSTAT").str.replace("_", " ")
    frame["SYMBOL"] = frame.pop("GENEINFO").str.partition("|")[0].str.partition(":")[0]
    conflicting = frame["review_status"].map(clinvar.label, na_action="ignore") == 1
    frame["CONFLICT"] = frame.pop("CLNSIGCONF").fillna("").map(clinvar.conflict).where(conflicting)
    found = assembly or assembly_of(frame["CLNHGVS"])
    return frame.reindex(columns=list(VARIANT_COLUMNS)).astype(
        {"VARIATION_ID": "str", "CLNSIG": "str", "CLNDN": "str"}
    ), found
