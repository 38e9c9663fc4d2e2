"""ClinVar and Ensembl VEP to the training set: one streaming pass, every record accounted for."""

from __future__ import annotations

from genomicslearning.table import COLUMNS, EXTRA_COLUMNS, read_table, write_table_csv

__all__ = ["COLUMNS", "EXTRA_COLUMNS", "read_table", "write_table_csv"]
