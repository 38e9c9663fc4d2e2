"""VEP's annotation for a VCF that has none, by an annotator that is a program of its own."""

from genomicslearning.annotate.vcf import annotate_vcf

__all__ = ["annotate_vcf"]
