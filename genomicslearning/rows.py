"""One VCF record to rows of the training set: the same function on one machine and inside Spark."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence

import pyarrow as pa
import pyarrow.csv as pc

from genomicslearning import InputError, clinvar
from genomicslearning.accounting import NO_GERMLINE, NO_MATCH, REVIEW_STATUS, UNSUPPORTED_ALLELE, Account
from genomicslearning.table import AF_COLUMNS, CLN_COLUMNS, SCHEMA, VEP_COLUMNS
from genomicslearning.transcripts import LayoutError, TranscriptPicker
from genomicslearning.vcf import InfoReader, problem

# Stands for "this record's own INFO is ClinVar's": the annotated file repeats it, or there is no second file.
OWN = object()

_LABELS = {status.encode(): label for status, label in clinvar.LABELS.items()}
_CLASSES = (b"0", b"1")
_NO_VEP = (b"",) * len(VEP_COLUMNS)
# Sequence bases (IUPAC codes included), or "." for none. Not <DEL>, breakends, or the spanning deletion *.
_SEQUENCE = re.compile(rb"[A-Za-z]+|\.").fullmatch
_CLINVAR_KEYS = (*AF_COLUMNS, *CLN_COLUMNS, "CLNREVSTAT", "CLNSIGCONF", "GENEINFO")


class RowMaker:
    """Turns lines of a VCF into rows, and keeps the account of what became of each.

    Parameters
    ----------
    path
        The file that the lines come from, for messages.
    columns
        Number of columns of its header.
    csq_key, csq_fields
        INFO key and fields of VEP's annotation; None for a ClinVar file without it.
    pick
        Transcript rule.
    as_csv
        Rows as CSV text with the 46 columns; else tab-separated, with the extra columns, for `to_table`.
    strict
        Whether the first malformed record is an error.
    """

    def __init__(
        self,
        *,
        path: str,
        columns: int = 8,
        csq_key: str | None = None,
        csq_fields: list[str] | None = None,
        pick: str = "mane",
        as_csv: bool = False,
        strict: bool = False,
    ) -> None:
        self.path = path
        self.account = Account()
        self._columns = columns
        self._strict = strict
        self._as_csv = as_csv
        # CSQ, at the end of VEP's INFO, comes first here so that the rest lies as in ClinVar.
        self._own = InfoReader((*_CLINVAR_KEYS, csq_key or "CSQ"))
        self._clinvar = InfoReader(_CLINVAR_KEYS)
        self._picker = TranscriptPicker(csq_fields, pick) if csq_fields else None
        self._odd = False
        self._conflicts: dict[bytes, tuple[str, dict[str, int]]] = {}

    def finish(self) -> Account:
        """The account, complete with what the readers counted."""
        account = self.account
        account.repeated_keys = self._own.repeated + self._clinvar.repeated
        if self._picker:
            account.pick = self._picker.decided
            account.gene_decided = self._picker.gene_decided
        return account

    def make(self, lines: Sequence[bytes], partners: Iterable, first: int, rows: list[bytes], malformed: list[bytes]) -> None:
        """Append the rows of these lines to `rows`, and lines that are no records to `malformed`.

        Parameters
        ----------
        lines
            Data lines without line ends.
        partners
            For each line `OWN`, None (not in ClinVar), or the ClinVar line of each of its ALTs (None for those not in it).
        first
            Number of the first line in its file.
        """
        account = self.account
        dropped = account.dropped
        find = _LABELS.get
        as_csv = self._as_csv
        read = written = 0
        for place, (line, partner) in enumerate(zip(lines, partners, strict=True)):
            read += 1
            try:
                chrom, pos, name, ref, alt, _, _, info = line.split(b"\t")
            except ValueError:
                if not line.strip():
                    read -= 1  # an empty line is no record
                    continue
                self._check_columns(line, first + place)
                if problem(line):
                    self._set_aside(line, first + place, malformed)
                    continue
                chrom, pos, name, ref, alt, _, _, info = line.split(b"\t", 8)[:8]
            else:
                if not (pos.isdigit() and ref and line.isascii() and len(pos) < 19) and problem(line):
                    self._set_aside(line, first + place, malformed)
                    continue
            self._odd = as_csv and (b'"' in line or b"\r" in line)
            if partner is OWN:
                # Look at the review status before reading the rest: most of ClinVar is left out by it.
                start = info.find(b"CLNREVSTAT=")
                if start > 0 and info[start - 1] != 59:  # another key that ends in these letters
                    start = info.find(b";CLNREVSTAT=") + 1 or -1
                if start < 0:
                    dropped[NO_GERMLINE] += 1
                    continue
                end = info.find(b";", start)
                status = info[start + 11 : end] if end > 0 else info[start + 11 :]
                if find(status) is None and info.find(b";CLNREVSTAT=", start) < 0:
                    account.drop_status(status.decode("utf-8", "replace"), self.path)
                    continue
                *values, status, conflicting, geneinfo, csq = self._own.values(info)
            elif partner is None:
                dropped[NO_MATCH] += 1
                continue
            else:
                written += self._joined(line, (chrom, pos, name, ref, alt, info), partner, rows, first + place)
                continue
            label = find(status)
            if label is None:  # a repeated CLNREVSTAT whose last value counts
                account.drop_status(status.decode("utf-8", "replace"), self.path)
                continue
            if not _SEQUENCE(alt):
                made = self._alleles((chrom, pos, name, ref, alt), values, label, conflicting, geneinfo, csq, rows, first + place)
                if not made:
                    dropped[UNSUPPORTED_ALLELE] += 1
                written += made
                continue
            self._row(chrom, pos, name, ref, alt, values, label, conflicting, geneinfo, csq, rows, first + place)
            written += 1
        account.read += read
        account.written += written

    def _check_columns(self, line: bytes, number: int) -> None:
        """A line wider than its header does not belong to it: two files ran together, or a tab inside a value."""
        if line[:1] == b"#":
            raise InputError(f"{self.path}:{number}: a header line between the records; give one VCF, not several joined")
        if line.count(b"\t") >= self._columns:
            count = line.count(b"\t") + 1
            raise InputError(f"{self.path}:{number}: has {count} columns, its header names {self._columns}; repair the file")

    def _set_aside(self, line: bytes, number: int, malformed: list[bytes]) -> None:
        why = f"{self.path}:{number}: {problem(line)}"
        if self._strict:
            raise InputError(f"{why}; repair it, or leave out --strict to set such records aside")
        self.account.quarantined += 1
        self.account.first_problem = self.account.first_problem or why
        malformed.append(line)

    def _joined(self, line: bytes, own: tuple, partner: Sequence[bytes | None], rows: list[bytes], number: int) -> bool:
        """Rows of a record whose classification stands in ClinVar's own line, one for each ALT. True if there is one."""
        chrom, pos, name, ref, alt, info = own
        *filling, _, _, own_gene, csq = self._own.values(info)
        alts = alt.split(b",")
        reason: str | None = None
        left_out = b""
        made = False
        for place, other in enumerate(partner):
            if other is None:
                continue
            fields = other.split(b"\t", 8)
            *values, status, conflicting, geneinfo = self._clinvar.values(fields[7])
            label = _LABELS.get(status)
            if label is None:
                reason = reason or (REVIEW_STATUS if status else NO_GERMLINE)
                left_out = left_out or status
                continue
            if not _SEQUENCE(alts[place]):
                reason = UNSUPPORTED_ALLELE
                continue
            # ClinVar decides; the annotated file fills what ClinVar's record leaves out.
            values = [value or filler for value, filler in zip(values, filling, strict=True)]
            blocks = self._picker.of_allele(csq, ref, alts, place) if len(alts) > 1 and self._picker else csq
            site = (chrom, pos, fields[2], ref, alts[place])
            self._row(*site, values, label, conflicting, geneinfo or own_gene, blocks, rows, number)
            made = True
        if not made:
            if reason == REVIEW_STATUS:
                self.account.drop_status(left_out.decode("utf-8", "replace"), self.path)
            else:
                self.account.dropped[reason or NO_MATCH] += 1
        return made

    def _alleles(self, site, values, label, conflicting, geneinfo, csq, rows, number) -> bool:
        """Rows of a record with several ALTs, or with one that is no sequence. True if there is one."""
        chrom, pos, name, ref, alt = site
        alts = alt.split(b",")
        made = False
        for place, one in enumerate(alts):
            if _SEQUENCE(one):
                blocks = self._picker.of_allele(csq, ref, alts, place) if len(alts) > 1 and self._picker else csq
                self._row(chrom, pos, name, ref, one, values, label, conflicting, geneinfo, blocks, rows, number)
                made = True
        return made

    def _row(self, chrom, pos, name, ref, alt, values, label, conflicting, geneinfo, csq, rows, number) -> None:
        account = self.account
        try:
            vep = self._picker.cells(csq, geneinfo) if self._picker else _NO_VEP
        except LayoutError as error:
            raise InputError(f"{self.path}:{number}: {error}; the header belongs to another file") from None
        esp, exac, tgp, *cln = values
        if label:
            account.classes["1"] += 1
            conflict = self._conflict(conflicting)
        else:
            account.classes["0"] += 1
            conflict = b""
        account.rows += 1
        if esp == b"." or exac == b"." or tgp == b".":
            esp, exac, tgp = (b"" if value == b"." else value for value in (esp, exac, tgp))
        site = (chrom, pos, ref, alt, esp or b"0", exac or b"0", tgp or b"0")
        if not self._as_csv:
            rows.append(
                b"\t".join((*site, *cln, _CLASSES[label], *vep, name if name != b"." else b"", geneinfo, conflict))
            )
        elif self._odd or (head := b",".join(site)).count(b",") > 6:
            rows.append(b",".join([_quoted(cell) for cell in (*site, *cln, _CLASSES[label], *vep)]))
        else:
            # CSQ separates transcripts by commas, so that a transcript's cells have none.
            cln = [b'"%b"' % value if b"," in value else value for value in cln]
            rows.append(b",".join((head, *cln, _CLASSES[label], *vep)))

    def _conflict(self, text: bytes) -> bytes:
        """Which groups disagree, counted."""
        known = self._conflicts.get(text)
        if known is None:
            if len(self._conflicts) > 10_000:
                self._conflicts.clear()
            value = text.decode("utf-8", "replace")
            known = self._conflicts[text] = (clinvar.conflict(value), clinvar.group_submissions(value))
        name, groups = known
        self.account.conflicts[name] += 1
        for group, count in groups.items():
            self.account.submissions[group] += count
        return name.encode()


def _quoted(cell: bytes) -> bytes:
    """A CSV cell, in quotes where it needs them."""
    if b'"' in cell or b"," in cell or b"\r" in cell:
        return b'"%b"' % cell.replace(b'"', b'""')
    return cell


_READ = pc.ReadOptions(column_names=SCHEMA.names, use_threads=False)
_PARSE = pc.ParseOptions(delimiter="\t", quote_char=False, escape_char=False, newlines_in_values=False)
_CONVERT = pc.ConvertOptions(
    column_types=SCHEMA, null_values=[""], strings_can_be_null=True, check_utf8=False, include_columns=SCHEMA.names
)


def to_table(rows: list[bytes]) -> pa.Table:
    """Tab-separated rows of `RowMaker` as an Arrow table of the 46 columns and the extra ones, missing as null."""
    if not rows:
        return SCHEMA.empty_table()
    text = b"\n".join(rows)
    if b"\r" in text:
        # Arrow's reader takes a lone carriage return for a line's end.
        columns = zip(*(row.split(b"\t") for row in rows), strict=True)
        return pa.table(
            [
                pa.array([cell.decode() or None for cell in column]).cast(field.type)
                for column, field in zip(columns, SCHEMA, strict=True)
            ],
            schema=SCHEMA,
        )
    _READ.block_size = len(text) + 1
    return pc.read_csv(pa.BufferReader(text), read_options=_READ, parse_options=_PARSE, convert_options=_CONVERT)
