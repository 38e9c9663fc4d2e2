"""The columns of a training set."""

from __future__ import annotations

import pyarrow as pa

SITE_COLUMNS = ("CHROM", "POS", "REF", "ALT")
AF_COLUMNS = ("AF_ESP", "AF_EXAC", "AF_TGP")
CLN_COLUMNS = (
    "CLNDISDB", "CLNDISDBINCL", "CLNDN", "CLNDNINCL", "CLNHGVS", "CLNSIGINCL", "CLNVC", "CLNVI", "MC", "ORIGIN", "SSR",
)  # fmt: skip
VEP_COLUMNS = (
    "Allele", "Consequence", "IMPACT", "SYMBOL", "Feature_type", "Feature", "BIOTYPE", "EXON", "INTRON",
    "cDNA_position", "CDS_position", "Protein_position", "Amino_acids", "Codons", "DISTANCE", "STRAND", "BAM_EDIT",
    "SIFT", "PolyPhen", "MOTIF_NAME", "MOTIF_POS", "HIGH_INF_POS", "MOTIF_SCORE_CHANGE", "LoFtool", "CADD_PHRED",
    "CADD_RAW", "BLOSUM62",
)  # fmt: skip
# The published schema of the ClinVar-conflict table, in its order.
COLUMNS = (*SITE_COLUMNS, *AF_COLUMNS, *CLN_COLUMNS, "CLASS", *VEP_COLUMNS)
# Beside them in the parquet file only.
EXTRA_COLUMNS = ("VARIATION_ID", "GENEINFO", "CONFLICT")
# And behind those, where VEP's annotation has them: allele frequencies in gnomAD's exomes and genomes, and the highest
# of any population.
GNOMAD_COLUMNS = ("gnomADe_AF", "gnomADg_AF", "MAX_AF")

_TYPES = {"POS": pa.int64(), "CLASS": pa.int8()}
SCHEMA = pa.schema([(column, _TYPES.get(column, pa.string())) for column in (*COLUMNS, *EXTRA_COLUMNS)])
