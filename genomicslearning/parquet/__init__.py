"""VCF and tab-delimited text to parquet."""
