"""One VCF record to rows of the training set: the same function on one machine and inside Spark."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence

import pyarrow as pa
import pyarrow.csv as pc

from genomicslearning import InputError, clinvar
from genomicslearning.io.accounting import NO_GERMLINE, NO_MATCH, REVIEW_STATUS, UNSUPPORTED_ALLELE, Account
from genomicslearning.io.vcf import InfoReader, check_columns, problem
from genomicslearning.training_set.table import AF_COLUMNS, CLN_COLUMNS, COLUMNS, SCHEMA, VEP_COLUMNS
from genomicslearning.training_set.transcripts import LayoutError, TranscriptPicker

# Stands for "this record's own INFO is ClinVar's": the annotated file repeats it, or there is no second file.
OWN = object()

# Looked for as byte values: `44 in cell` is four times as fast as `b"," in cell`.
_COMMA, _QUOTE, _RETURN = b',"\r'
_CLASSES = (b"0", b"1")
_NO_VEP = (b"",) * len(VEP_COLUMNS)
# Sequence bases (IUPAC codes included), or "." for none. Not <DEL>, breakends, or the spanning deletion *.
_SEQUENCE = re.compile(rb"[A-Za-z]+|\.").fullmatch
# In the order in which ClinVar and VEP write them, which is read fastest.
_CLINVAR_KEYS = tuple(sorted((*AF_COLUMNS, *CLN_COLUMNS, "CLNREVSTAT", "CLNSIGCONF", "GENEINFO")))


class _Conflicts(dict):
    """CONFLICT of a CLNSIGCONF value, worked out once for each text."""

    def __missing__(self, text: bytes) -> bytes:
        name = self[text] = clinvar.conflict(text.decode("utf-8", "replace")).encode()
        return name


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
    labels
        Review status (words joined by underscores) -> CLASS; records of any other status are left out.
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
        labels: Mapping[str, int] = clinvar.LABELS,
    ) -> None:
        self.path = path
        self.account = Account()
        self._label_of = {status.encode(): label for status, label in labels.items()}.get
        self._columns = columns
        self._strict = strict
        self._as_csv = as_csv
        self._own = InfoReader((*_CLINVAR_KEYS, csq_key or "CSQ"))
        self._clinvar = InfoReader(_CLINVAR_KEYS)
        self._picker = TranscriptPicker(csq_fields, pick) if csq_fields else None
        self._labels = [0, 0]
        self._conflicting: defaultdict[bytes, int] = defaultdict(int)  # CLNSIGCONF → rows of CLASS 1
        self._conflict = _Conflicts()
        self._quote_all = False
        self._number = 0

    @property
    def rows(self) -> int:
        """Rows made so far."""
        return sum(self._labels)

    def finish(self) -> Account:
        """The account, complete with what the readers counted."""
        account = self.account
        account.classes.update({"0": self._labels[0], "1": self._labels[1]})
        account.rows = self.rows
        for text, count in self._conflicting.items():
            value = text.decode("utf-8", "replace")
            account.conflicts[clinvar.conflict(value)] += count
            for group, submissions in clinvar.group_submissions(value).items():
                account.submissions[group] += submissions * count
        account.repeated_keys = self._own.repeated + self._clinvar.repeated
        if self._picker:
            account.pick = self._picker.decided
            account.gene_decided = self._picker.gene_decided
        return account

    def make(
        self, lines: Sequence[bytes], partners: Iterable, first: int, rows: list[bytes], malformed: list[bytes]
    ) -> None:
        """Append the rows of these lines to `rows`, and lines that are no records to `malformed`.

        Parameters
        ----------
        lines
            Data lines without line ends.
        partners
            For each line `OWN`, None (not in ClinVar), or the ClinVar line of each of its ALTs (None for those not
            in it).
        first
            Number of the first line in its file.
        """
        account = self.account
        dropped = account.dropped
        label_of = self._label_of
        as_csv = self._as_csv
        own = self._own.values
        read = 0
        for place, (line, partner) in enumerate(zip(lines, partners, strict=True)):
            read += 1
            try:
                chrom, pos, name, ref, alt, _, _, info = line.split(b"\t")
            except ValueError:
                if not line.strip():
                    read -= 1  # an empty line is no record
                    continue
                check_columns(line, self._columns, f"{self.path}:{first + place}")
                if problem(line):
                    self._set_aside(line, first + place, malformed)
                    continue
                chrom, pos, name, ref, alt, _, _, info = line.split(b"\t", 8)[:8]
            else:
                if not (line.isascii() and pos.isdigit() and len(pos) < 19 and ref) and problem(line):
                    self._set_aside(line, first + place, malformed)
                    continue
            self._quote_all = as_csv and (_QUOTE in line or _RETURN in line)
            self._number = first + place
            if partner is None:
                dropped[NO_MATCH] += 1
                continue
            if partner is not OWN:
                self._joined(line, (chrom, pos, name, ref, alt, info), partner, rows)
                continue
            # Look at the review status before reading the rest: most of ClinVar is left out by it.
            start = info.find(b"CLNREVSTAT=")
            if start > 0 and info[start - 1] != 59:  # another key that ends in these letters
                start = info.find(b";CLNREVSTAT=") + 1 or -1
            if start < 0:
                dropped[NO_GERMLINE] += 1
                continue
            end = info.find(b";", start)
            status = info[start + 11 : end] if end > 0 else info[start + 11 :]
            if label_of(status) is None and info.find(b";CLNREVSTAT=", start) < 0:
                account.drop_status(status.decode("utf-8", "replace"), self.path)
                continue
            values = own(info)
            label = label_of(values[8])
            if label is None:  # a repeated CLNREVSTAT, of which the last counts
                account.drop_status(values[8].decode("utf-8", "replace"), self.path)
            elif alt.isalpha():
                account.written += 1
                self._row(chrom, pos, name, ref, alt, label, values, values[-1], rows)
            elif self._alleles((chrom, pos, name, ref), alt, label, values, rows):
                account.written += 1
            else:
                dropped[UNSUPPORTED_ALLELE] += 1
        account.read += read

    def _set_aside(self, line: bytes, number: int, malformed: list[bytes]) -> None:
        why = f"{self.path}:{number}: {problem(line)}"
        if self._strict:
            raise InputError(f"{why}; repair it, or leave out --strict to set such records aside")
        self.account.quarantined += 1
        self.account.first_problem = self.account.first_problem or why
        malformed.append(line)

    def _joined(self, line: bytes, own: tuple, partner: Sequence[bytes | None], rows: list[bytes]) -> None:
        """Rows of a record whose classification stands in ClinVar's own line, one for each ALT."""
        chrom, pos, _, ref, alt, info = own
        filling = self._own.values(info)
        csq = filling[-1]
        alts = alt.split(b",")
        reasons = []
        made = False
        for place, other in enumerate(partner):
            if other is None:
                continue
            fields = other.split(b"\t", 8)
            values = self._clinvar.values(fields[7])
            status, conflicting = values[8], values[9]
            label = self._label_of(status)
            if label is None:
                reasons.append(REVIEW_STATUS + status.decode("utf-8", "replace") if status else NO_GERMLINE)
            elif not _SEQUENCE(alts[place]):
                reasons.append(UNSUPPORTED_ALLELE)
            else:
                # ClinVar decides; the annotated file fills what ClinVar's record leaves out.
                values = [value or filler for value, filler in zip(values, filling, strict=False)]
                values[9] = conflicting
                blocks = self._picker.of_allele(csq, ref, alts, place) if len(alts) > 1 and self._picker else csq
                self._quote_all = self._quote_all or _QUOTE in other or _RETURN in other
                self._row(chrom, pos, fields[2], ref, alts[place], label, values, blocks, rows)
                made = True
        if made:
            self.account.written += 1
        elif reasons[0].startswith(REVIEW_STATUS):
            self.account.drop_status(reasons[0].removeprefix(REVIEW_STATUS), self.path)
        else:
            self.account.dropped[reasons[0]] += 1

    def _alleles(self, site: tuple, alt: bytes, label: int, values: Sequence[bytes], rows: list[bytes]) -> bool:
        """Rows of a record with several ALTs, or with one that is no sequence. True if there is one."""
        chrom, pos, name, ref = site
        alts = alt.split(b",")
        csq = values[-1]
        made = False
        for place, one in enumerate(alts):
            if _SEQUENCE(one):
                blocks = self._picker.of_allele(csq, ref, alts, place) if len(alts) > 1 and self._picker else csq
                self._row(chrom, pos, name, ref, one, label, values, blocks, rows)
                made = True
        return made

    def _row(self, chrom, pos, name, ref, alt, label, values, csq, rows) -> None:
        """Append one row; `values` are those of `_CLINVAR_KEYS`, and perhaps more after them."""
        (
            esp,
            exac,
            tgp,
            disdb,
            disdbincl,
            dn,
            dnincl,
            hgvs,
            _,
            conflicting,
            sigincl,
            vc,
            vi,
            gene,
            mc,
            origin,
            ssr,
            *_,
        ) = values
        vep = _NO_VEP
        if self._picker:
            try:
                vep = self._picker.cells(csq, gene)
            except LayoutError as error:
                raise InputError(f"{self.path}:{self._number}: {error}; the header belongs to another file") from None
        self._labels[label] += 1
        if label:
            self._conflicting[conflicting] += 1
        if b"." in (esp, exac, tgp):
            esp, exac, tgp = (b"" if value == b"." else value for value in (esp, exac, tgp))
        site = (chrom, pos, ref, alt, esp or b"0", exac or b"0", tgp or b"0")
        cln = (disdb, disdbincl, dn, dnincl, hgvs, sigincl, vc, vi, mc, origin, ssr)
        if not self._as_csv:
            conflict = self._conflict[conflicting] if label else b""
            name = b"" if name == b"." else name
            rows.append(b"\t".join((*site, *cln, _CLASSES[label], *vep, name, gene, conflict)))
            return
        start = b",".join(site)
        if self._quote_all or start.count(b",") > 6:
            rows.append(b",".join([_quoted(cell) for cell in (*site, *cln, _CLASSES[label], *vep)]))
            return
        # CSQ separates transcripts by commas, so that a transcript's cells have none.
        cln = [b'"' + cell + b'"' if _COMMA in cell else cell for cell in cln]
        rows.append(b",".join((start, *cln, _CLASSES[label], *vep)))


def _quoted(cell: bytes) -> bytes:
    """A CSV cell, in quotes where it needs them."""
    if _QUOTE in cell or _COMMA in cell or _RETURN in cell:
        return b'"%b"' % cell.replace(b'"', b'""')
    return cell


def csv_line(row: bytes) -> str:
    """A tab-separated row as the line that `as_csv` would have made."""
    return b",".join([_quoted(cell) for cell in row.split(b"\t")[: len(COLUMNS)]]).decode()


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
