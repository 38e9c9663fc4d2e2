"""What the annotator is asked: which ALTs of a VCF go to it, numbered in the file's order, and what became of each."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

from genomicslearning import InputError
from genomicslearning.annotate.caches import Cache
from genomicslearning.annotate.reference import Reference
from genomicslearning.clinvar import chromosome
from genomicslearning.io.accounting import Stopwatch, check_malformed
from genomicslearning.io.vcf import Vcf, check_no_header, problem

#: Why an ALT is not sent to the annotator.
UNSUPPORTED, NOT_IN_CACHE, NOT_IN_FASTA = "unsupported_allele", "contig_not_in_cache", "contig_not_in_fasta"
#: It was sent and came back without a word.
NO_ANNOTATION = "no_annotation"
# ALTs whose REF is compared with the FASTA, and the share of them that may differ: more is another assembly.
_COMPARED, _MAY_DIFFER = 2000, 0.2
_SEQUENCE = re.compile(rb"[A-Za-z]+").fullmatch


class Sites:
    """Which ALTs go to the annotator, numbered in the file's order, and what became of each.

    The two passes over the file ask the same questions and so count the same numbers.
    """

    def __init__(self, reference: Reference, cache: Cache) -> None:
        self._reference = reference
        self._cache = cache
        self._names: dict[bytes, tuple[str, str]] = {}
        self.lanes: dict[str, int] = {}  # chromosome as sent -> its lane of annotations
        self.sent = self.alleles = self.annotated = self.replaced = 0
        self.left_out: Counter[str] = Counter()
        self.unknown: Counter[str] = Counter()
        self.compared = self.differing = 0

    def of(self, chrom: bytes, ref: bytes, alts: bytes) -> Iterator[tuple[bytes, str, str]]:
        """For each ALT: itself, the chromosome under which it is sent (or empty), and why it is not sent."""
        name, why = self._names.get(chrom) or self._name(chrom)
        sequence = _SEQUENCE(ref)
        for alt in alts.split(b","):
            if not sequence or not _SEQUENCE(alt) or alt.upper() == ref.upper():
                yield alt, "", UNSUPPORTED
            else:
                yield alt, name, why

    def _name(self, chrom: bytes) -> tuple[str, str]:
        contig = chrom.decode("utf-8", "replace")
        name = self._reference.name_of(contig) or ""
        if chromosome(contig) not in self._cache.contigs:
            found = "", NOT_IN_CACHE
        else:
            found = name, "" if name else NOT_IN_FASTA
        if name and not found[1]:
            self.lanes.setdefault(name, len(self.lanes))
        self._names[chrom] = found
        return found

    def compare(self, name: str, pos: bytes, ref: bytes) -> None:
        """Compare REF with the FASTA, for the first records that can be."""
        if self.compared < _COMPARED:
            differs = self._reference.differs(name, int(pos), ref)
            self.compared += differs is not None
            self.differing += bool(differs)

    def check_reference(self, path: str) -> None:
        """Refuse a file whose REF bases are another genome's."""
        if self.differing > 10 and self.differing > _MAY_DIFFER * self.compared:
            raise InputError(
                f"{path}: REF differs from {self._reference.path} in {self.differing:,} of the first {self.compared:,} "
                f"records that were compared; the VCF is of another assembly than {self._cache.assembly}"
            )

    def counts(self, written: int, malformed: int) -> dict:
        """What a report counts, given how many records were written and how many set aside."""
        return {
            "records_read": written + malformed,
            "records_written": written,
            "rows_written": self.annotated,
            "dropped": {},
            "quarantined": malformed,
            "alleles": self.alleles,
            "alleles_annotated": self.annotated,
            "not_annotated": dict(self.left_out.most_common()),
            "replaced_csq": self.replaced,
        }

    def warnings(self) -> list[str]:
        """What a reader of the report should know."""
        found = []
        if self.differing:
            found.append(f"REF differs from the FASTA in {self.differing:,} of {self.compared:,} records compared")
        if self.unknown:
            names = ", ".join(f"{name} ({count:,})" for name, count in self.unknown.most_common(5))
            found.append(f"not annotated, the cache or the FASTA has no such chromosome: {names}")
        return found


def records(vcf: Vcf, malformed: list[bytes]) -> Iterator[tuple[bytes, list[bytes]]]:
    """Each record as its line and its first eight columns; other lines go to `malformed`."""
    read = 0
    first_problem = None
    for lines in vcf.batches():
        for number, line in enumerate(lines, vcf.line + 1):
            if not line.strip():
                continue
            check_no_header(line, f"{vcf.path}:{number}")
            if why := problem(line, vcf.columns):
                first_problem = first_problem or f"{vcf.path}:{number}: {why}"
                malformed.append(line)
                continue
            read += 1
            yield line, line.split(b"\t", 8)
    check_malformed(vcf.path, read + len(malformed), len(malformed), first_problem)


def write_sites(vcf: Vcf, sites: Sites, path: Path, watch: Stopwatch) -> Sites:
    """Write the annotator's input (chromosome, position, number, REF, ALT); the sites, counted now."""
    with path.open("wb", buffering=1 << 20) as file:
        file.write(b"##fileformat=VCFv4.2\n#CHROM\tPOS\tID\tREF\tALT\tQUAL\tFILTER\tINFO\n")
        read = 0
        for _, fields in records(vcf, []):
            chrom, pos, _, ref, alts = fields[:5]
            for alt, name, why in sites.of(chrom, ref, alts):
                sites.alleles += 1
                if why:
                    sites.left_out[why] += 1
                    if why != UNSUPPORTED:
                        sites.unknown[chrom.decode("utf-8", "replace")] += 1
                    continue
                sites.compare(name, pos, ref)
                file.write(b"%b\t%b\t%d\t%b\t%b\t.\t.\t.\n" % (name.encode(), pos, sites.sent, ref, alt))
                sites.sent += 1
            read += 1
            if not read & 4095:
                watch.tick(read)
    sites.check_reference(vcf.path)
    return sites
