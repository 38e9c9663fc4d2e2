"""Annotate a VCF: every record, its order and its INFO stay as they are, and CSQ is added.

The annotator gets a file of its own with one line for each ALT and a number instead of an ID: annotators rewrite INFO
(`0.10020` comes back as `0.1002`), leave out records of chromosomes that they do not know, and put chromosomes in an
order of theirs. What it says of each number is then added to the records as they stand in the file.
"""

from __future__ import annotations

import os
import re
import tempfile
from collections.abc import Callable, Iterable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

from isal import igzip

from genomicslearning import InputError
from genomicslearning.annotate import caches, plugins, programs
from genomicslearning.annotate.caches import Cache
from genomicslearning.annotate.programs import VEPYR, Program
from genomicslearning.annotate.reference import Reference, assembly_of
from genomicslearning.annotate.sites import NO_ANNOTATION, Sites, records, write_sites
from genomicslearning.io import lake
from genomicslearning.io.accounting import Stopwatch
from genomicslearning.io.bgzf import Writer
from genomicslearning.io.lines import rereadable
from genomicslearning.io.text import write_json
from genomicslearning.io.vcf import Vcf

KEY = "CSQ"
#: Which ALT a block is of: each is annotated by itself, so that blocks of several can be told apart.
ALLELE_NUMBER = "ALLELE_NUM"
_FORMAT = re.compile(r"Format: *([^\">]+)")
_OLD = b"CSQ="


def annotate_vcf(
    source: str | os.PathLike,
    target: str | os.PathLike,
    *,
    vep_cache: str | os.PathLike,
    fasta: str | os.PathLike,
    plugin_cache: str | os.PathLike | None = None,
    program: str | os.PathLike | None = None,
    progress: Callable[[str], None] | None = None,
) -> dict:
    """Add VEP's CSQ to a VCF with vepyr or Ensembl's own VEP.

    Parameters
    ----------
    source
        VCF, plain, gzip or bgzip, local, ``s3://``, a pipe, or ``-`` for standard input. A CSQ that it has is replaced.
    target
        ``….vcf.gz``, written as bgzip with the records of `source` in their order.
    vep_cache
        Ensembl's cache folder (``homo_sapiens/115_GRCh38``, or one above it), or vepyr's. For vepyr, Ensembl's is
        converted once.
    fasta
        Reference FASTA of the same assembly, with or without its ``.fai``.
    plugin_cache
        Folder of vepyr's plugin caches, or for Ensembl's VEP of its plugins and their data.
    program
        The annotator, where it is not found by itself (see `programs.find`).

    Returns
    -------
    dict
        The report, also written to ``<target>.report.json``.

    Raises
    ------
    InputError
        An input is missing or damaged, assemblies differ, there is no annotator, or it failed (its last words). Then
        nothing is written, and an earlier output stays.
    """
    if not str(target).endswith(".vcf.gz"):
        raise InputError(f"{target}: the output is a bgzip file, name it ….vcf.gz")
    lake.check_outputs(outputs(target), inputs(source, vep_cache, fasta, plugin_cache))
    watch = Stopwatch(progress, "annotate")
    tool = programs.find(program)
    found = plugins.find(plugin_cache, tool)
    reference = Reference(fasta)
    with ExitStack() as stack:
        path = stack.enter_context(rereadable(source, "its records are read twice", progress))
        vcf = stack.enter_context(Vcf(path, called=source))
        cache, warnings = _cache_for(vcf, vep_cache, reference)
        quarantine, report_part, part = stack.enter_context(
            lake.output(*outputs(target), inputs=inputs(source, vep_cache, fasta, plugin_cache))
        )
        scratch = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="annotate-", dir=part.parent)))
        sites = write_sites(vcf, Sites(reference, cache), scratch / "sites.vcf", watch)
        cache = caches.ready(cache, tool, progress)
        fields = _run(tool, cache, found, reference, scratch, sites, watch)
        written, malformed = _join(path, part, scratch, sites, fields, _provenance(tool, cache))
        if malformed:
            quarantine.write_bytes("\n".join(vcf.header).encode() + b"\n" + b"\n".join(malformed) + b"\n")
        report = {
            **sites.counts(written, len(malformed)),
            **_annotated_by(tool, cache, found.names, fields),
            "inputs": [{"role": "vcf", **vcf.facts()}],
            "warnings": [*vcf.warnings, *warnings, *sites.warnings()],
            "engine": "one machine",
            **watch.cost(),
        }
        write_json(report, report_part)
    return report


def outputs(target: str | os.PathLike) -> tuple[str, ...]:
    """The files that are written with an output: what was set aside, the report, itself."""
    return f"{target}.quarantine.vcf", f"{target}.report.json", str(target)


def inputs(*paths: str | os.PathLike | None) -> list[str]:
    """The files and folders that are read: those given, and a FASTA's index beside it."""
    given = [str(path) for path in paths if path]
    return given + [f"{path}.fai" for path in given if Path(f"{path}.fai").is_file()]


@contextmanager
def annotated_copy(
    source: str | os.PathLike,
    *,
    vep_cache: str | os.PathLike | None,
    fasta: str | os.PathLike | None,
    plugin_cache: str | os.PathLike | None = None,
    program: str | os.PathLike | None = None,
    progress: Callable[[str], None] | None = None,
) -> Iterator[tuple[Path | None, dict]]:
    """An annotated copy of a VCF for as long as the block lasts, and its report; nothing where no cache is given.

    Raises
    ------
    InputError
        As `annotate_vcf` does, or only some of the options are given.
    """
    if bool(vep_cache) != bool(fasta):
        raise InputError("--vep-cache and --fasta go together: the annotator reads both")
    if not (vep_cache and fasta):
        if plugin_cache or program:
            raise InputError("--plugin-cache and --program go with --vep-cache and --fasta")
        yield None, {}
        return
    with tempfile.TemporaryDirectory(prefix="annotated-") as scratch:
        copy = Path(scratch, f"{lake.name(source).split('.vcf')[0]}.annotated.vcf.gz")
        report = annotate_vcf(
            source,
            copy,
            vep_cache=vep_cache,
            fasta=fasta,
            plugin_cache=plugin_cache,
            program=program,
            progress=progress,
        )
        yield copy, report


def _annotated_by(tool: Program, cache: Cache, names: Iterable[str], fields: list[str]) -> dict:
    """What a report says of the annotator, its data, and the fields of its answers."""
    return {
        "program": f"{tool.kind} {tool.version}",
        "cache": cache.name,
        "assembly": cache.assembly,
        "plugins": list(names),
        "fields": fields,
        "empty_columns": plugins.empty_columns(fields),
    }


def _cache_for(vcf: Vcf, folder: str | os.PathLike, reference: Reference) -> tuple[Cache, list[str]]:
    """The cache of the VCF's assembly in a folder, and warnings; refused where the assemblies differ."""
    assembly = assembly_of(vcf)
    cache = caches.find(folder, assembly)
    return cache, _check_assemblies(vcf, assembly, cache, reference)


def _check_assemblies(vcf: Vcf, assembly: str | None, cache: Cache, reference: Reference) -> list[str]:
    """Refuse a VCF or a FASTA of another assembly than the cache's; a warning where the VCF does not tell its own."""
    name = lake.name(vcf.path)
    if assembly and assembly != cache.assembly:
        raise InputError(
            f"{name} is {assembly}, the cache {cache.name} is {cache.assembly}; give a cache of {assembly}"
        )
    if reference.assembly and reference.assembly != cache.assembly:
        raise InputError(
            f"{reference.path} is {reference.assembly}, the cache {cache.name} is {cache.assembly}; "
            f"give the FASTA of {cache.assembly}"
        )
    if assembly:
        return []
    return [f"{name} does not say its assembly; it was taken for {cache.assembly}, the cache's"]


# --- the annotator at work --------------------------------------------------------------------------------------------


def _command(tool: Program, cache: Cache, found: plugins.Plugins, reference: Reference, scratch: Path) -> list[str]:
    """How the annotator is called: all transcripts, the picked one marked; the choice is left to ``--pick``."""
    asked = ",".join(plugins.asked_fields(cache, found, tool))
    source = str(scratch / "sites.vcf")
    # fmt: off
    if tool.kind == VEPYR:
        return [
            tool.path, "annotate", "-i", source, "-o", "/dev/stdout", "--dir_cache", str(cache.folder),
            "--fasta", reference.path, "--fields", asked, "--flag_pick", "--no_progress", *found.options,
        ]
    return [
        tool.path, "--format", "vcf", "--input_file", source, "--vcf", "--output_file", "STDOUT", "--no_stats",
        "--quiet", "--fasta", reference.path, *caches.vep_layout(cache, scratch), "--fields", asked, "--flag_pick",
        "--symbol", "--biotype", "--numbers", "--canonical", "--mane", "--sift", "b", "--polyphen", "b",
        "--regulatory", "--af", "--af_gnomade", "--af_gnomadg", "--max_af", *found.options,
    ]
    # fmt: on


def _run(
    tool: Program,
    cache: Cache,
    found: plugins.Plugins,
    reference: Reference,
    scratch: Path,
    sites: Sites,
    watch: Stopwatch,
) -> list[str]:
    """Let the annotator work, and sort what it says into one file for each chromosome. Returns CSQ's fields.

    With nothing to send it does not start; then the fields are those that were asked for.
    """
    if not sites.sent:
        return plugins.asked_fields(cache, found, tool)
    command = _command(tool, cache, found, reference, scratch)
    fields: list[str] = []
    with programs.running(command) as answer, ExitStack() as stack:
        lanes = {
            name.encode(): stack.enter_context(igzip.open(scratch / f"{lane}.gz", "wb", compresslevel=1))
            for name, lane in sites.lanes.items()
        }
        for number, line in enumerate(answer, 1):
            if line[:1] == b"#":
                if line.startswith(b"##INFO=<ID=CSQ,") and (layout := _FORMAT.search(line.decode())):
                    fields = [field.strip() for field in layout[1].split("|")]
                continue
            chrom, _, name, *_, info = line.rstrip(b"\r\n").split(b"\t", 7)
            if info.startswith(_OLD):
                lanes[chrom].write(b"%b\t%b\n" % (name, info[len(_OLD) :]))
            if not number & 4095:
                watch.tick(number, f", of {sites.sent:,} alleles annotated")
    if not fields:
        raise InputError(f"{Path(tool.path).name}: its answer has no CSQ in its header; is it {tool.kind}?")
    return fields


# --- and back ---------------------------------------------------------------------------------------------------------


@dataclass
class _Lane:
    """Annotations of one chromosome, in the order of their numbers."""

    path: Path

    def __post_init__(self) -> None:
        self._lines = self._read()
        self._head = next(self._lines, None)

    def _read(self) -> Iterator[tuple[int, bytes]]:
        with igzip.open(self.path, "rb") as file:
            last = -1
            for line in file:
                name, _, csq = line.rstrip(b"\n").partition(b"\t")
                number = int(name)
                if number <= last:
                    raise InputError("the annotator changed the order of the records; sort the VCF by position")
                last = number
                yield number, csq

    def of(self, number: int) -> bytes:
        """The annotation of a number; numbers are asked for in their order."""
        if self._head is None or self._head[0] != number:
            return b""
        csq = self._head[1]
        self._head = next(self._lines, None)
        return csq


def _join(
    source: str | os.PathLike, part: Path, scratch: Path, sites: Sites, fields: list[str], provenance: str
) -> tuple[int, list[bytes]]:
    """Write the records as they were, with CSQ. Returns their number, and the lines that are no records."""
    malformed: list[bytes] = []
    lanes: dict[str, _Lane] = {}
    number = written = 0
    with Vcf(source) as vcf, Writer(part) as out:
        out.write("\n".join(_header(vcf, fields, provenance)).encode() + b"\n")
        for line, columns in records(vcf, malformed):
            chrom, pos, name, ref, alts, quality, filters, info, *rest = columns
            blocks = []
            for place, (_, contig, why) in enumerate(sites.of(chrom, ref, alts), 1):
                if why:
                    continue
                if contig not in lanes:
                    lanes[contig] = _Lane(scratch / f"{sites.lanes[contig]}.gz")
                csq = lanes[contig].of(number)
                number += 1
                if csq:
                    sites.annotated += 1
                    blocks.append(csq.replace(b",", b"|%d," % place) + b"|%d" % place)
                else:
                    sites.left_out[NO_ANNOTATION] += 1
            written += 1
            if _OLD in info:
                info, replaced = _without_csq(info)
                sites.replaced += replaced
            elif not blocks:
                out.write(line + b"\n")
                continue
            info = _with_csq(info, b",".join(blocks))
            out.write(b"\t".join((chrom, pos, name, ref, alts, quality, filters, info, *rest)) + b"\n")
    return written, malformed


def _without_csq(info: bytes) -> tuple[bytes, bool]:
    items = info.split(b";")
    kept = [item for item in items if not item.startswith(_OLD)]
    return b";".join(kept) or b".", len(kept) < len(items)


def _with_csq(info: bytes, csq: bytes) -> bytes:
    if not csq:
        return info
    return b"CSQ=" + csq if info in (b".", b"") else b"%b;CSQ=%b" % (info, csq)


def _header(vcf: Vcf, fields: list[str], provenance: str) -> list[str]:
    layout = "|".join([*fields, ALLELE_NUMBER])
    lines = [line for line in vcf.header[:-1] if not line.startswith(f"##INFO=<ID={KEY},")]
    what = f"Consequence annotations from Ensembl VEP. Format: {layout}"
    csq = f'##INFO=<ID={KEY},Number=.,Type=String,Description="{what}">'
    return [*lines, provenance, csq, vcf.header[-1]]


def _provenance(tool: Program, cache: Cache) -> str:
    """The header line that says what annotated the file, in the form of VEP's own."""
    version = f"v{cache.release}"
    return f'##VEP="{version}" program="{tool.kind} {tool.version}" cache="{cache.name}" assembly="{cache.assembly}"'


def summary(report: dict) -> str:
    """A report in a few lines for people."""
    left_out = ", ".join(f"{why} {count:,}" for why, count in report["not_annotated"].items())
    lines = [
        f"{report['records_written']:,} of {report['records_read']:,} records written, "
        f"{report['alleles_annotated']:,} of {report['alleles']:,} alleles annotated by {report['program']}, "
        f"cache {report['cache']}",
        *([f"not annotated: {left_out}"] if left_out else []),
        *(f"column {column} stays empty without {what}" for column, what in report["empty_columns"].items()),
        *(f"warning: {warning}" for warning in report["warnings"]),
        f"{report['seconds']:.1f} s, {report['peak_rss_mb']:.0f} MB",
    ]
    return "\n".join(lines)
