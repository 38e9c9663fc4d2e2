"""Which genome assembly a file's positions belong to: by name, by accession, by overlap with what is known."""

from __future__ import annotations

import re

import pandas as pd

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
KNOWN_ASSEMBLIES = ("GRCh37", "GRCh38")


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
    return max(votes, key=lambda name: votes[name]) if any(votes.values()) else None
