"""Rows of variants that nobody has labelled: a person's own VCF in the columns that a model has learnt from."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import NamedTuple

from genomicslearning import InputError
from genomicslearning.io.vcf import MOST_POS_DIGITS, Vcf, check_no_header, problem
from genomicslearning.training_set.alleles import SPANNING_DELETION, is_sequence
from genomicslearning.training_set.frequencies import NOWHERE, of_files
from genomicslearning.training_set.rows import RowMaker
from genomicslearning.training_set.schema import AF_COLUMNS, SITE_COLUMNS
from genomicslearning.training_set.transcripts import Layout, LayoutError

#: Why an ALT gets no answer.
NO_REF, NO_ALT = "no_reference_allele", "no_alternate_allele"
SPANNING, SYMBOLIC, BREAKEND, SAME = "spanning_deletion", "symbolic_allele", "breakend", "same_as_reference"
NO_SEQUENCE = "allele_is_no_sequence"


class Record(NamedTuple):
    """A VCF record: its line, and for each ALT why it gets no answer, empty where it gets one."""

    line: bytes
    reasons: list[str]


def why_not(ref: bytes, alt: bytes) -> str:
    """Why an allele cannot be scored; empty where it can."""
    if not is_sequence(ref):
        return NO_REF if ref in (b"", b".") else NO_SEQUENCE
    if is_sequence(alt):
        return SAME if alt.upper() == ref.upper() else ""
    if alt in (b"", b"."):
        return NO_ALT
    if alt == SPANNING_DELETION:
        return SPANNING
    if alt[:1] == b"<":
        return SYMBOLIC
    return BREAKEND if b"[" in alt or b"]" in alt or b"." in alt else NO_SEQUENCE


class UnlabelledRows(RowMaker):
    """Rows of every ALT of a VCF, whatever its review status: the same cells that a training set would have.

    Parameters
    ----------
    vcf
        The file, for its header and for messages.
    layout
        VEP's annotation by the header; None for a file without it.
    pick
        Transcript rule.
    strict
        Whether the first malformed record is an error.
    """

    def __init__(self, vcf: Vcf, *, layout: Layout | None, pick: str = "mane", strict: bool = False) -> None:
        frequencies = of_files(layout.fields if layout else (), vcf)
        super().__init__(
            path=vcf.path, columns=vcf.columns, layout=layout, pick=pick, strict=strict, frequencies=frequencies
        )
        self.without_annotation = 0

    def filled_columns(self, vcf: Vcf) -> list[str]:
        """Columns that the file's header lets expect values in."""
        of_csq = {field.lower() for field in self._picker.layout.fields} if self._picker else set()
        filled = [column for column in self.schema.names if column in vcf.info or column.lower() in of_csq]
        known = self._frequencies.source != NOWHERE
        return [*SITE_COLUMNS, *(AF_COLUMNS if known else ()), *filled]

    def of(self, lines: Sequence[bytes], first: int, rows: list[bytes], malformed: list[bytes]) -> Iterator[Record]:
        """The records of these lines; appends to `rows` one row for each ALT, scored or not, for `to_table`.

        Lines that are no records go to `malformed`. `first` is the number of the first line in its file.
        """
        for number, line in enumerate(lines, first):
            fields = line.split(b"\t", 8)
            if self._looks_odd(line, fields):
                if not line.strip():
                    continue
                check_no_header(line, f"{self.path}:{number}")
                if why := problem(line, self._columns):
                    self.account.read += 1
                    self._set_aside(line, f"{self.path}:{number}: {why}", malformed)
                    continue
            self.account.read += 1
            self.account.written += 1
            self._number = number
            try:
                reasons = self._rows(fields, rows)
            except LayoutError as error:
                raise InputError(f"{self.path}:{number}: {error}; the header belongs to another file") from None
            yield Record(line, reasons)

    def _looks_odd(self, line: bytes, fields: Sequence[bytes]) -> bool:
        """Whether `problem` is to look at a line; a quick no for nearly all."""
        if not line.isascii() or b"\0" in line or len(fields) < 8 or line.count(b"\t") >= self._columns:
            return True
        return not fields[1].isdigit() or len(fields[1]) > MOST_POS_DIGITS or not fields[3]

    def _rows(self, fields: Sequence[bytes], rows: list[bytes]) -> list[str]:
        chrom, pos, name, ref, alt = fields[:5]
        name = name if name.isdigit() else b""
        info = fields[7]
        alts = alt.split(b",")
        values = self._own.values(info)
        reasons = []
        for one, csq in zip(alts, self._blocks(values[-1], ref, alts), strict=True):
            why = why_not(ref, one)
            rows.append(self.unlabelled_row((chrom, pos, ref, one), name, values, b"" if why else csq, info))
            reasons.append(why)
            self.without_annotation += not why and not csq
        return reasons
