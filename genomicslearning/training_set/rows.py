"""One VCF record to rows of the training set: the same function on one machine and inside Spark."""

from __future__ import annotations

import re
from array import array
from collections.abc import Mapping, Sequence

from genomicslearning import InputError, clinvar
from genomicslearning.io.accounting import (
    NO_GERMLINE,
    NO_MATCH,
    STATUS_BYTES,
    UNSUPPORTED_ALLELE,
    Account,
)
from genomicslearning.io.lines import is_plain
from genomicslearning.io.vcf import MOST_POS_DIGITS, InfoReader, check_no_header, problem
from genomicslearning.training_set.alleles import is_sequence, trimmed
from genomicslearning.training_set.frequencies import Frequencies
from genomicslearning.training_set.row_writer import (
    COMMA,
    CSQ,
    HGVS,
    KEYS,
    QUOTE,
    RETURN,
    SEMICOLON,
    SIGCONF,
    STATUS,
    RowWriter,
)
from genomicslearning.training_set.transcripts import Layout, LayoutError, TranscriptPicker
from genomicslearning.training_set.usual import SELF_CLASSIFIED, STATUS_ITEM, UsualRecords, UsualRows

# A lone dot is missing in every key, except where ClinVar says with it that an included variant's condition has no
# identifier, and where the published table has it.
_DOTS = tuple(key for key in KEYS if key != "CLNDISDBINCL")
_SUBSTITUTION = re.compile(rb":g\.\d+([ACGT])>([ACGT])\Z").search


class RowMaker:
    """Turns lines of a VCF into rows, and keeps the account of what became of each.

    Parameters
    ----------
    path
        The file that the lines come from, for messages.
    columns
        Number of columns of its header.
    layout
        VEP's annotation by the header; None for a ClinVar file without it.
    pick
        Transcript rule.
    as_csv
        Rows as CSV text with the 46 columns; else tab-separated, with the extra columns, for `to_table`.
    strict
        Whether the first malformed record is an error.
    labels
        Review status (words joined by underscores) -> CLASS; records of any other status are left out.
    frequencies
        Where allele frequencies come from; by default ClinVar's own keys in INFO.

    Attributes
    ----------
    schema
        Columns of the tab-separated rows.
    """

    def __init__(
        self,
        *,
        path: str,
        columns: int = 8,
        layout: Layout | None = None,
        pick: str = "mane",
        as_csv: bool = False,
        strict: bool = False,
        labels: Mapping[str, int] = clinvar.LABELS,
        frequencies: Frequencies | None = None,
    ) -> None:
        self.path = path
        self.account = Account()
        self._label_of = {status.encode(): label for status, label in labels.items()}.get
        self._columns = columns
        self._strict = strict
        self._as_csv = as_csv
        csq = layout.key if layout else "CSQ"
        self._own = InfoReader((*KEYS, csq), dots=(*_DOTS, csq))
        self._clinvar = InfoReader(KEYS, dots=_DOTS)
        self._picker = TranscriptPicker(layout, pick) if layout else None
        self._frequencies = frequencies or Frequencies()
        self._writer = RowWriter(self._picker, self._frequencies, self.account, as_csv=as_csv)
        self._row = self._writer.append
        self.ledger = self._writer.ledger
        self.schema = self._writer.schema
        # What belongs to which of several definitions of VEP's key has to be found out record by record.
        self._usual = (
            UsualRecords(self._own, self._writer, self._picker, self._label_of)
            if columns == 8 and not (layout and layout.earlier)
            else None
        )
        self._quote = False  # whether the line being read has quotes or carriage returns
        self._number = 0

    @property
    def rows(self) -> int:
        """Rows made so far."""
        return len(self.ledger)

    def finish(self) -> Account:
        """The account of what was read, without the rows: those are in the ledger."""
        self.account.repeated_keys = self._own.repeated + self._clinvar.repeated
        return self.account

    def frequencies(self, account: Account) -> dict:
        """What a report says of allele frequencies: their source, and how many rows have a value of which field."""
        return {"source": self._frequencies.source, "rows": dict(sorted(account.frequencies.items()))}

    def warnings(self) -> list[str]:
        """What is odd about the annotation by the header."""
        return self._picker.warnings(self.path) if self._picker else []

    def make(
        self,
        lines: Sequence[bytes],
        partners: Sequence,
        first: int,
        rows: list[bytes],
        malformed: list[bytes],
        *,
        plain: bool = False,
    ) -> None:
        """Append the rows of these lines to `rows`, and lines that are no records to `malformed`.

        Parameters
        ----------
        lines
            Data lines without line ends.
        partners
            For each line `SELF_CLASSIFIED`, None (not in ClinVar), or the ClinVar line of each of its ALTs (None for
            those not in it).
        first
            Number of the first line in its file.
        plain
            Whether all the lines are known to be ASCII without NUL bytes.
        """
        self.take(self.usual(lines, partners, plain=plain), lines, partners, first, rows, malformed)

    def usual(self, lines: Sequence[bytes], partners: Sequence, *, plain: bool = False) -> UsualRows:
        """The rows of those lines that are usual records, for `take`, which counts them."""
        if self._usual:
            return self._usual.read(lines, partners, plain=plain)
        others = [(place, 0) for place in range(len(lines))]
        return UsualRows([], array("q"), array("q"), array("I"), {}, {}, others)

    def learn(self, line: bytes) -> None:
        """Learn the order of the INFO keys from a line that is no usual record."""
        if self._usual:
            self._usual.learn(line)

    def take(
        self,
        usual: UsualRows,
        lines: Sequence[bytes],
        partners: Sequence,
        first: int,
        rows: list[bytes],
        malformed: list[bytes],
    ) -> None:
        """Append the rows of lines of which `usual` has those of the usual records; else as `make`."""
        account = self.account
        account.read += len(lines)
        account.written += len(usual.rows)
        account.frequencies.update(usual.frequencies)
        for status, count in usual.left_out.items():
            account.drop_status(status, self.path, count)
        start = 0
        try:
            for place, end in usual.others:
                self._take_rows(usual, start, end, rows)
                start = end
                self._number = first + place
                self._make(lines[place], partners[place], rows, malformed)
        except LayoutError as error:
            raise InputError(f"{self.path}:{self._number}: {error}; the header belongs to another file") from None
        self._take_rows(usual, start, len(usual.rows), rows)

    def _take_rows(self, usual: UsualRows, start: int, end: int, rows: list[bytes]) -> None:
        """Take those of the usual rows that stand between two of the other lines."""
        if start < end:
            rows += usual.rows[start:end]
            self.ledger.extend(usual.variants[start:end], usual.hashes[start:end], usual.kinds[start:end])

    def _make(self, line: bytes, partner, rows: list[bytes], malformed: list[bytes]) -> None:
        """The rows of one line."""
        fields = line.split(b"\t", 8)
        if len(fields) != 8 or not (
            fields[3] and fields[1].isdigit() and len(fields[1]) <= MOST_POS_DIGITS and is_plain(line)
        ):
            if not line.strip():
                self.account.read -= 1  # an empty line is no record
                return
            if why := self._problem(line, self._number):
                self._set_aside(line, why, malformed)
                return
        self._quote = self._as_csv and (QUOTE in line or RETURN in line)
        if partner is SELF_CLASSIFIED:
            self._self_classified(fields, rows)
        elif partner is None:
            self.account.dropped[NO_MATCH] += 1
        else:
            self._joined(fields, partner, rows)

    def _problem(self, line: bytes, number: int) -> str | None:
        check_no_header(line, f"{self.path}:{number}")
        why = problem(line, self._columns)
        return f"{self.path}:{number}: {why}" if why else None

    def _set_aside(self, line: bytes, why: str, malformed: list[bytes]) -> None:
        if self._strict:
            raise InputError(f"{why}; repair it, or leave out --strict to set such records aside")
        self.account.quarantined += 1
        self.account.first_problem = self.account.first_problem or why
        malformed.append(line)

    def _self_classified(self, fields: Sequence[bytes], rows: list[bytes]) -> None:
        """Rows of a record that has ClinVar's classification itself."""
        account = self.account
        info = fields[7]
        # Look at the review status before reading the rest: most of ClinVar is left out by it.
        start = info.find(STATUS_ITEM)
        if start > 0 and info[start - 1] != SEMICOLON:  # another key that ends in these letters
            start = info.find(b";" + STATUS_ITEM) + 1 or -1
        if start < 0:
            account.dropped[NO_GERMLINE] += 1
            return
        end = info.find(b";", start)
        status = info[start + len(STATUS_ITEM) : end] if end > 0 else info[start + len(STATUS_ITEM) :]
        if self._label_of(status) is None and info.find(b";" + STATUS_ITEM, start) < 0:
            self._drop_status(status)
            return
        values = self._own.values(info)
        status = values[STATUS]
        label = self._label_of(status)
        if label is None:  # a repeated CLNREVSTAT, of which the last counts
            self._drop_status(status)
            return
        chrom, pos, name, ref, alt = fields[:5]
        if alt.isalpha():
            csq: bytes | None = values[CSQ]
            if self._picker and csq and COMMA in csq and not self._picker.is_of_one_allele(csq):
                csq = self._picker.of_alleles(csq, ref, [alt])[0]
            self._row((chrom, pos, ref, alt), name, label, values, csq, info, rows, quote=self._quote)
        elif not self._several_alleles((chrom, pos, name, ref), alt.split(b","), label, values, info, rows):
            return
        account.written += 1

    def _several_alleles(
        self, site: tuple, alts: list[bytes], label: int, values: Sequence[bytes], info: bytes, rows: list[bytes]
    ) -> bool:
        """Rows of a record with several ALTs, or with one that is no sequence. True if there is one."""
        chrom, pos, name, ref = site
        supported = [alt for alt in alts if is_sequence(alt) or alt == b"."]
        if not supported:
            self.account.dropped[UNSUPPORTED_ALLELE] += 1
            return False
        chosen = set(supported)
        if len(alts) > 1 and len(supported) > 1:
            # ClinVar has one ALT a record: a label on several was copied there, and belongs to one of them.
            if named := _SUBSTITUTION(values[HGVS]):
                chosen = {alt for alt in supported if trimmed(ref, alt)[1:] == named.groups()}
                if not chosen:
                    self.account.dropped[NO_MATCH] += 1
                    return False
            else:
                self.account.shared_labels += 1
        blocks = self._blocks(values[CSQ], ref, alts)
        further = False
        for alt, csq in zip(alts, blocks, strict=True):
            if alt in chosen:
                self._row(
                    (chrom, pos, ref, alt), name, label, values, csq, info, rows, quote=self._quote, further=further
                )
                further = True
        return True

    def _blocks(self, csq: bytes, ref: bytes, alts: list[bytes]) -> list[bytes | None]:
        """VEP's blocks of each ALT; None where it cannot be told which they are."""
        if not self._picker or (len(alts) == 1 and self._picker.is_of_one_allele(csq)):
            return [csq] * len(alts)
        return self._picker.of_alleles(csq, ref, alts)

    def _joined(self, fields: Sequence[bytes], partner: Sequence[bytes | None], rows: list[bytes]) -> None:
        """Rows of a record whose classification stands in ClinVar's own line, one for each ALT."""
        alts = fields[4].split(b",")
        reasons: list[bytes] = []
        found: list[tuple[int, bytes, int, list[bytes]]] = []
        for place, (alt, theirs) in enumerate(zip(alts, partner, strict=True)):
            if theirs is None:
                continue
            record = theirs.split(b"\t", 8)
            values = self._clinvar.values(record[7])
            label = self._label_of(values[STATUS])
            if label is None:
                reasons.append(values[STATUS])
            elif not (is_sequence(alt) or alt == b"."):
                reasons.append(UNSUPPORTED_ALLELE.encode())
            else:
                self._quote |= self._as_csv and (QUOTE in theirs or RETURN in theirs)
                found.append((place, record[2], label, list(values)))
        if found:
            self.account.written += 1
            self._joined_rows(fields, alts, found, rows)
        elif reasons[0] == UNSUPPORTED_ALLELE.encode():
            self.account.dropped[UNSUPPORTED_ALLELE] += 1
        else:
            self._drop_status(reasons[0])

    def _drop_status(self, status: bytes) -> None:
        """Count a record that is left out for its review status, or for having none."""
        if status in _MISSING:
            self.account.dropped[NO_GERMLINE] += 1
        else:
            self.account.drop_status(status, self.path)
            if self._usual and len(status) <= STATUS_BYTES and status.isascii():
                self._usual.left_out.add(status)

    def _joined_rows(
        self,
        fields: Sequence[bytes],
        alts: list[bytes],
        found: list[tuple[int, bytes, int, list[bytes]]],
        rows: list[bytes],
    ) -> None:
        """Rows of those ALTs that are ClinVar's: place among the ALTs, Variation ID, CLASS, ClinVar's values."""
        chrom, pos, name, ref = fields[:4]
        info = fields[7]
        filling = self._own.values(info)
        blocks = self._blocks(filling[CSQ], ref, alts)
        for row, (place, identifier, label, values) in enumerate(found):
            # ClinVar decides; the annotated file fills what ClinVar's record leaves out.
            conflicting = values[SIGCONF]
            values = [value or filler for value, filler in zip(values, filling[:CSQ], strict=True)]
            values[SIGCONF] = conflicting
            self.account.other_ids += name.isdigit() and name != identifier
            site = (chrom, pos, ref, alts[place])
            self._row(site, identifier, label, values, blocks[place], info, rows, quote=self._quote, further=row > 0)

    def unlabelled_row(
        self,
        site: tuple[bytes, bytes, bytes, bytes],
        name: bytes,
        values: Sequence[bytes],
        csq: bytes | None,
        info: bytes,
    ) -> bytes:
        """A row for `to_table` of a variant whatever its review status; CLASS where that says one."""
        return self._writer.unlabelled(site, name, self._label_of(values[STATUS]), values, csq, info)


_MISSING = (b"", b".")
