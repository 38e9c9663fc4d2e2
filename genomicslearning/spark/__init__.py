"""The jobs of one machine on Spark: the same per-record functions, in parallel."""
