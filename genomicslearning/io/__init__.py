"""Bytes in and out: the lake, lines of text, VCF records, what became of each record, downloads."""
