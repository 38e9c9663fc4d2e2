"""The command that adds VEP's annotation to a VCF."""

from __future__ import annotations

from typing import Annotated

import typer

from genomicslearning.cli.common import say


def annotate(
    source: Annotated[str, typer.Argument(metavar="IN", help="VCF(.gz), local or s3://.")],
    out: Annotated[str, typer.Argument(metavar="OUT", help="VCF to write: FILE.vcf.gz (bgzip), local or s3://.")],
    vep_cache: Annotated[str, typer.Option(metavar="DIR", help="Ensembl's VEP cache folder, or vepyr's.")],
    fasta: Annotated[str, typer.Option(metavar="FA", help="Reference FASTA of the same assembly.")],
    plugin_cache: Annotated[
        str | None, typer.Option(metavar="DIR", help="Plugin caches of vepyr, or plugins and data of Ensembl's VEP.")
    ] = None,
    program: Annotated[
        str | None, typer.Option(metavar="PATH", help="The annotator, where it is not found: vepyr, or Ensembl's vep.")
    ] = None,
) -> None:
    """Add VEP's annotation (CSQ) to a VCF; every record, its order and its INFO are kept.

    The annotator is a program of its own: vepyr (make annotate-tools), else Ensembl's vep.

    Example: genomicslearning annotate clinvar.vcf.gz clinvar.annotated.vcf.gz --vep-cache ~/.vep --fasta GRCh38.fa
    """
    from genomicslearning.annotate import annotate_vcf
    from genomicslearning.annotate.vcf import summary

    report = annotate_vcf(
        source, out, vep_cache=vep_cache, fasta=fasta, plugin_cache=plugin_cache, program=program, progress=say
    )
    typer.echo(summary(report))
