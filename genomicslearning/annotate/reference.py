"""Genome assemblies and the reference FASTA: which assembly a file is of, and what bases the reference has."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from pathlib import Path
from typing import NamedTuple

from genomicslearning import InputError
from genomicslearning.clinvar import assembly_name, chromosome
from genomicslearning.io import lake
from genomicslearning.io.vcf import Vcf

GRCH37, GRCH38 = "GRCh37", "GRCh38"
# Lengths of chromosomes, from NCBI's assembly reports GCF_000001405.25 and GCF_000001405.40.
_LENGTHS = {
    GRCH37: {"1": 249250621, "2": 243199373, "3": 198022430, "7": 159138663, "17": 81195210, "22": 51304566,
             "X": 155270560},
    GRCH38: {"1": 248956422, "2": 242193529, "3": 198295559, "7": 159345973, "17": 83257441, "22": 50818468,
             "X": 156040895},
}  # fmt: skip
_CONTIG = re.compile(r"##contig=<.*?\bID=([^,>]+)")
_LENGTH = re.compile(r"\blength=(\d+)")


def assembly_by_lengths(lengths: Mapping[str, int]) -> str | None:
    """The assembly whose chromosomes have these lengths; names without ``chr``."""
    for assembly, known in _LENGTHS.items():
        if any(lengths.get(name) == length for name, length in known.items()):
            return assembly
    return None


def assembly_of(vcf: Vcf) -> str | None:
    """The assembly that a VCF tells: by name (`Vcf.assemblies`), else lengths of contigs, else their ``assembly=``."""
    contigs = [line for line in vcf.header if line.startswith("##contig=")]
    lengths = {
        chromosome(name[1]): int(length[1])
        for line in contigs
        if (name := _CONTIG.match(line)) and (length := _LENGTH.search(line))
    }
    return next(iter(vcf.assemblies()), None) or assembly_by_lengths(lengths) or assembly_name(" ".join(contigs))


class Place(NamedTuple):
    """A sequence's place in a FASTA, as in its ``.fai``: length, offset, bases a line, bytes a line."""

    length: int
    offset: int
    bases: int
    width: int


class Reference:
    """A reference FASTA with its index (``.fai``), which is made where it is missing and the FASTA is plain text.

    Raises
    ------
    InputError
        No such file, no FASTA, or no index where none can be made.
    """

    def __init__(self, path: str | os.PathLike) -> None:
        self.path = str(Path(path).expanduser())
        if not Path(self.path).is_file():
            raise InputError(f"{path}: no such file (given as --fasta)")
        self.compressed = self.path.endswith((".gz", ".bgz"))
        index = Path(f"{self.path}.fai")
        if not index.is_file():
            self._make_index(index)
        try:
            rows = [line.split("\t") for line in index.read_text(encoding="utf-8").splitlines() if line]
            self.contigs = {name: Place(*map(int, numbers)) for name, *numbers in rows}
        except (TypeError, ValueError, UnicodeDecodeError):
            raise InputError(f"{index}: no FASTA index; remove it, or make it again with: samtools faidx") from None
        if not self.contigs:
            raise InputError(f"{self.path}: has no sequence; give the reference FASTA of the assembly")
        self._names = {chromosome(name): name for name in reversed(self.contigs)}

    def _make_index(self, index: Path) -> None:
        if self.compressed:
            raise InputError(f"{self.path}: has no index; make one with: samtools faidx {self.path}")
        places = _places(self.path)
        try:
            with lake.output(index) as [part]:
                part.write_text("".join("\t".join(map(str, (name, *place))) + "\n" for name, place in places.items()))
        except InputError as problem:
            raise InputError(
                f"{self.path}: has no index ({index.name}) and none can be written beside it ({problem}); "
                "copy the FASTA to a folder of yours"
            ) from None

    @property
    def assembly(self) -> str | None:
        """Its assembly, by its chromosomes' lengths."""
        return assembly_by_lengths({chromosome(name): place.length for name, place in self.contigs.items()})

    def name_of(self, contig: str) -> str | None:
        """How the FASTA writes a chromosome's name, with or without ``chr``; None where it has no such sequence."""
        return contig if contig in self.contigs else self._names.get(chromosome(contig))

    def differs(self, contig: str, position: int, bases: bytes) -> bool | None:
        """Whether the reference has other bases at a place (from 1); None where it says nothing (N, beyond its end)."""
        place = self.contigs[contig]
        start, end = position - 1, position - 1 + len(bases)
        if self.compressed or start < 0 or end > place.length:
            return None
        first, last = (place.offset + at // place.bases * place.width + at % place.bases for at in (start, end - 1))
        with open(self.path, "rb") as file:
            file.seek(first)
            found = file.read(last - first + 1).replace(b"\n", b"").replace(b"\r", b"").upper()
        return None if b"N" in found else found != bases.upper()


def _places(path: str) -> dict[str, Place]:
    """Index a plain FASTA: every line of a sequence but its last has the same length."""
    places: dict[str, Place] = {}
    name, length, offset, bases, width, at, short = "", 0, 0, 0, 0, 0, False
    with open(path, "rb") as file:
        for number, line in enumerate(file, 1):
            at += len(line)
            if line[:1] == b">":
                name, length, offset, bases, width, short = (
                    (line[1:].split() or [b""])[0].decode("utf-8", "replace"), 0, at, 0, 0, False
                )  # fmt: skip
                continue
            found = len(line.rstrip(b"\r\n"))
            if not name or (short and found):
                what = "lines of unequal length" if name else "no FASTA: its first line does not begin with >"
                raise InputError(f"{path}:{number}: {what}; give the reference FASTA of the assembly")
            bases, width = bases or found, width or len(line)
            short = found < bases
            length += found
            places[name] = Place(length, offset, bases, width)
    return places
