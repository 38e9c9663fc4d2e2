"""The embedded sample: a synthetic ClinVar VCF and its VEP-annotated twin, in the real formats."""

from genomicslearning.demo.sample import write, write_earlier

__all__ = ["write", "write_earlier"]
