"""Commands that make tables: the training set, parquet, public data, the watch list."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from genomicslearning import InputError
from genomicslearning.cli.common import Pick, say


def training_set(
    out: Annotated[str, typer.Option(help="Table to write: FILE.csv or FILE.parquet, local or s3://.")],
    clinvar: Annotated[str | None, typer.Option(help="ClinVar VCF(.gz); - is standard input.")] = None,
    annotated: Annotated[str | None, typer.Option(help="The same variants annotated by Ensembl VEP, VCF(.gz).")] = None,
    pick: Annotated[Pick, typer.Option(help="Which transcript's annotation a row gets.")] = Pick.mane,
    csq_key: Annotated[str | None, typer.Option(help="INFO key of VEP's annotation, if it is not CSQ.")] = None,
    strict: Annotated[bool, typer.Option("--strict", help="Fail at the first malformed record.")] = False,
) -> None:
    """Build the training set from ClinVar and VEP.

    Example: genomicslearning training-set --clinvar clinvar.vcf.gz --annotated annotated.vcf.gz --out conflicts.csv
    """
    from genomicslearning.io.accounting import summary
    from genomicslearning.training_set.build import build_training_set

    report = build_training_set(
        clinvar=clinvar, annotated=annotated, out=out, pick=pick.value, csq_key=csq_key, strict=strict, progress=say
    )
    typer.echo(summary(report))


def vcf_to_parquet(
    source: Annotated[str, typer.Argument(metavar="IN", help="VCF(.gz), local or s3://; - is standard input.")],
    out: Annotated[str, typer.Argument(metavar="OUT", help="Parquet file to write, local or s3://.")],
    text: Annotated[bool, typer.Option("--text", help="Keep every cell as the VCF's text.")] = False,
    csq_key: Annotated[str | None, typer.Option(help="INFO key of VEP's annotation, if it is not CSQ.")] = None,
    strict: Annotated[bool, typer.Option("--strict", help="Fail at the first malformed record.")] = False,
) -> None:
    """Convert a VCF to parquet: every record, every INFO key, all transcripts.

    Example: genomicslearning vcf-to-parquet clinvar.annotated.vcf.gz clinvar.parquet
    """
    from genomicslearning.io import accounting
    from genomicslearning.parquet.vcf import vcf_to_parquet as convert

    report = convert(source, out, text=text, csq_key=csq_key, strict=strict, progress=say)
    typer.echo(accounting.summary(report))


def tsv_to_parquet(
    source: Annotated[
        str, typer.Argument(metavar="IN", help="Tab-delimited text(.gz), local or s3://; - is standard input.")
    ],
    out: Annotated[str, typer.Argument(metavar="OUT", help="Parquet file to write, local or s3://.")],
    text: Annotated[bool, typer.Option("--text", help="Keep every column as text.")] = False,
    strict: Annotated[bool, typer.Option("--strict", help="Fail at the first row that does not fit.")] = False,
) -> None:
    """Convert a tab-delimited table to parquet; columns become numbers only where every value round-trips.

    Example: genomicslearning tsv-to-parquet variant_summary.txt.gz variant_summary.parquet
    """
    from genomicslearning.io import accounting
    from genomicslearning.parquet.tsv import tsv_to_parquet as convert

    report = convert(source, out, text=text, strict=strict, progress=say)
    typer.echo(accounting.summary(report))


class Source(StrEnum):
    """What `fetch` brings."""

    clinvar = "clinvar"
    table = "table"


def fetch(
    what: Annotated[Source, typer.Argument(help="A ClinVar release (VCF), or the published conflict table.")],
    lake: Annotated[str, typer.Option(help="Folder or s3://bucket to put it in.")] = "lake",
    release: Annotated[str, typer.Option(help="ClinVar release, YYYYMMDD or latest.")] = "latest",
    assembly: Annotated[str, typer.Option(help="GRCh37 or GRCh38.")] = "GRCh38",
    mirror: Annotated[str | None, typer.Option(help="Mirror of NCBI's pub/clinvar, or URL of the table.")] = None,
) -> None:
    """Fetch public data into the data lake, checksum and all; an interrupted download goes on where it stopped.

    Example: genomicslearning fetch clinvar --release 20180401 --assembly GRCh37 --lake lake
    """
    from genomicslearning.io.fetch import NCBI, TABLE_URL, fetch_clinvar, fetch_table

    if what is Source.clinvar:
        base = mirror or NCBI
        report = fetch_clinvar(lake, release=release, assembly=assembly, base=base, progress=say)
    else:
        report = fetch_table(lake, url=mirror or TABLE_URL, progress=say)
    typer.echo(f"{report['file']}\n{report['bytes']:,} bytes, sha256 {report['sha256']}")


# Options of `watchlist` whose words take more than a line.
MODEL = Annotated[
    Path | None, typer.Option(metavar="DIR", help="A run's folder or a model's; without, learnt from the release.")
]
EARLIER = Annotated[
    list[str] | None, typer.Option(metavar="RELEASE", help="An earlier release to learn from; oldest first.")
]
RANK_BY = Annotated[
    str, typer.Option(metavar="conflict|both", help="both: times the chance of a second submission (takes --earlier).")
]
# Releases in VCF say it as a rule; tab-delimited ones do not.
ASSEMBLY = Annotated[str, typer.Option(metavar="GRCh37|GRCh38", help="Assembly of releases that do not say theirs.")]
VEP_CACHE = Annotated[
    str | None, typer.Option(metavar="DIR", help="VEP's cache: annotate --clinvar first, instead of --annotated.")
]


def watchlist(
    clinvar: Annotated[str, typer.Option(help="ClinVar VCF(.gz) of the release to watch.")],
    out: Annotated[str, typer.Option(metavar="DIR", help="Folder for watchlist.csv, .html and .json.")],
    model: MODEL = None,
    earlier: EARLIER = None,
    assembly: ASSEMBLY = "",
    rank_by: RANK_BY = "conflict",
    preset: Annotated[
        str, typer.Option(metavar="quick|balanced|best", help="How much the model that is learnt here tries.")
    ] = "quick",
    annotated: Annotated[str | None, typer.Option(help="The same variants annotated by Ensembl VEP, VCF(.gz).")] = None,
    top: Annotated[int, typer.Option(help="Rows of the HTML page, at most 5000; the CSV has all.")] = 5000,
    pick: Annotated[Pick, typer.Option(help="Which transcript's annotation a row gets.")] = Pick.mane,
    csq_key: Annotated[str | None, typer.Option(help="INFO key of VEP's annotation, if it is not CSQ.")] = None,
    vep_cache: VEP_CACHE = None,
    fasta: Annotated[str | None, typer.Option(metavar="FA", help="Goes with --vep-cache: reference FASTA.")] = None,
    plugin_cache: Annotated[str | None, typer.Option(metavar="DIR", help="Goes with --vep-cache: plugins.")] = None,
    program: Annotated[str | None, typer.Option(metavar="PATH", help="Goes with --vep-cache: the annotator.")] = None,
) -> None:
    """Rank a release's single-submitter variants by the chance that other laboratories will disagree.

    Example: genomicslearning watchlist --clinvar clinvar.vcf.gz --out watch
    """
    from genomicslearning.io import lake
    from genomicslearning.runs.folder import model_folder

    lake.check_there(clinvar, annotated, vep_cache, fasta, plugin_cache, *(earlier or ()))
    folder = model_folder(Path(model)) if model else None  # before what takes seconds to import
    from genomicslearning.annotate.vcf import annotated_copy
    from genomicslearning.watchlist import build, places

    if annotated and vep_cache:
        raise InputError("give either --annotated or --vep-cache and --fasta, not both")
    lake.check_outputs(places(out), filter(None, (clinvar, annotated, model, fasta, *(earlier or ()))))
    with annotated_copy(
        clinvar, vep_cache=vep_cache, fasta=fasta, plugin_cache=plugin_cache, program=program, progress=say
    ) as (copy, _):
        summary = build(
            clinvar=clinvar,
            annotated=copy or annotated,
            model=folder,
            earlier=earlier or (),
            assembly=assembly,
            rank_by=rank_by,
            preset=preset,
            out=out,
            shown=top,
            pick=pick.value,
            csq_key=csq_key,
            progress=say,
        )
    ranked, shown = summary["variants"], summary["shown"]
    typer.echo(f"{ranked:,} variants ranked in {out}/watchlist.csv; {shown:,} in watchlist.html")


def changes(
    old: Annotated[str, typer.Argument(metavar="OLD", help="The earlier release: ClinVar VCF(.gz) or tab-delimited.")],
    new: Annotated[str, typer.Argument(metavar="NEW", help="The later one.")],
    out: Annotated[str, typer.Option(metavar="DIR", help="Folder for the three files.")] = "changes",
    genes: Annotated[str, typer.Option(metavar="FILE", help="My genes, one symbol a line: listed first.")] = "",
    graded: Annotated[
        str, typer.Option(metavar="RUN|CSV", help="A run's folder or a watch list to grade by the later release.")
    ] = "",
    assembly: ASSEMBLY = "",
) -> None:
    """Tell what changed between two releases: changes.csv, changes.json, release_changes.html.

    Example: genomicslearning changes clinvar_20250301.vcf.gz clinvar_20260301.vcf.gz --genes mine.txt --out march
    """
    from genomicslearning.io import lake

    lake.check_there(old, new, genes, graded)  # before what takes a second to import
    from genomicslearning.evaluation import grading
    from genomicslearning.history import changes_files
    from genomicslearning.history.releases import check_release

    read = [path for path in (old, new, genes, graded) if path]
    changes_files.check(old, new, out, read=read)
    scored = grading.read_scored(graded) if graded else None
    frozen = grading.frozen_on(graded) if graded else None
    if frozen and not lake.is_stream(new):  # before what takes half a minute for whole releases
        grading.check_later(graded, frozen, new, check_release(new, assembly=assembly))
    found = changes_files.compare_files(old, new, assembly=assembly, genes=genes)
    facts = None
    if scored is not None:
        facts = grading.grade(scored, found.new.of_interest(scored), name=lake.name(graded), frozen=frozen)
    summary = changes_files.write(found, out, read=read, graded=facts, progress=say)
    counts = summary["changes"] | summary["conflicts"]
    typer.echo("; ".join(f"{name} {number:,}" for name, number in counts.items()))
    if facts is not None:
        typer.echo(facts["words"])
