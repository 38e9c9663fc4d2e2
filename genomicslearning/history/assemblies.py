"""Which genome assembly a table's positions belong to."""

from __future__ import annotations

import pandas as pd

from genomicslearning import InputError, clinvar

KNOWN_ASSEMBLIES = ("GRCh37", "GRCh38")
_LOOKED_AT = 2000  # expressions; they are of one assembly, as a rule


def assembly_of(hgvs: pd.Series) -> str | None:
    """Assembly that the accession versions in CLNHGVS (`NC_000001.10:g.…`) belong to, by majority, else None."""
    return clinvar.assembly_of_hgvs(hgvs.dropna().head(_LOOKED_AT))


def assembly_of_table(table: pd.DataFrame) -> str | None:
    """`assembly_of` a table's CLNHGVS; None where it has no such column."""
    return assembly_of(table["CLNHGVS"]) if "CLNHGVS" in table else None


def known_assembly(text: str) -> str:
    """An assembly's name from its usual spellings, empty of an empty text.

    Raises
    ------
    InputError
        It is none of `KNOWN_ASSEMBLIES`.
    """
    name = clinvar.assembly_name(text) if text else ""
    if name and name not in KNOWN_ASSEMBLIES or name is None:
        raise InputError(f"assembly: {text!r} is not known; give {' or '.join(KNOWN_ASSEMBLIES)}")
    return name
