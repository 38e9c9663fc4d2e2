"""Rows that are of one variant: one is learnt from, and none may be learnt from and asked for."""

from __future__ import annotations

import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc

from genomicslearning import InputError, clinvar
from genomicslearning.training_set.schema import SITE_COLUMNS


def variant_key(table: pd.DataFrame) -> pd.Series:
    """One text a row that names the variant: chromosome, position and alleles.

    A variant has one key, however its chromosome is called (`chr1`, `M`) and in small letters too.
    """
    codes, called = pd.factorize(table["CHROM"])
    # pandas numbers a missing cell -1, which then is the last name.
    names = pa.array([*(clinvar.chromosome(str(name)) for name in called), ""], pa.large_string())
    rest = (pa.array(table[name], from_pandas=True).cast(pa.large_string()) for name in SITE_COLUMNS[1:])
    colon = pa.scalar(":", pa.large_string())
    joined = pc.binary_join_element_wise(
        names.take(pa.array(codes % len(names))), *rest, colon, null_handling="replace", null_replacement=""
    )
    return pd.Series(pd.array(pc.utf8_upper(joined), dtype="str"), index=table.index)


def first_of_repeated(table: pd.DataFrame) -> tuple[pd.DataFrame, int]:
    """The table with the first row of each variant (CHROM, POS, REF, ALT), and how many rows were left out."""
    repeated = variant_key(table).duplicated()
    count = int(repeated.sum())
    return (table.loc[~repeated].reset_index(drop=True) if count else table), count


def repeated_words(count: int) -> str:
    """What is said of rows of a variant that stands in an earlier row."""
    return f"{count:,} rows are of a variant that stands in an earlier row; the first row of each is learnt from."


def check_no_variant_on_both_sides(train: pd.DataFrame, test: pd.DataFrame) -> None:
    """A variant that is learnt and then asked for makes every figure of a split worthless.

    Raises
    ------
    InputError
        Names the first such variant and how many there are.
    """
    judged = variant_key(test)
    both = judged[judged.isin(variant_key(train))]
    if len(both):
        raise InputError(
            f"split: {both.nunique():,} variant(s) would be on both sides, the first is {both.min()}; "
            "remove repeated rows from the table (same CHROM, POS, REF, ALT)"
        )
