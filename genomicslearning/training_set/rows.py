"""One VCF record to rows of the training set: the same function on one machine and inside Spark."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from operator import itemgetter
from typing import Any

import pyarrow as pa

from genomicslearning import InputError, clinvar
from genomicslearning.io.accounting import (
    AMBIGUOUS_ALLELE,
    NO_GERMLINE,
    NO_MATCH,
    UNFIT_ANNOTATION,
    UNSUPPORTED_ALLELE,
    Account,
)
from genomicslearning.io.lines import is_plain
from genomicslearning.io.separated import text_table
from genomicslearning.io.vcf import MOST_POS_DIGITS, InfoReader, check_no_header, problem
from genomicslearning.training_set.alleles import is_sequence, trimmed
from genomicslearning.training_set.frequencies import OF_INFO, Frequencies, of_info
from genomicslearning.training_set.ledger import Ledger, RowKind
from genomicslearning.training_set.table import AF_COLUMNS, CLN_COLUMNS, COLUMNS, SCHEMA, SITE_COLUMNS
from genomicslearning.training_set.transcripts import NO_CELLS, Cache, Layout, LayoutError, TranscriptPicker, belongs

# Stands for the ClinVar line of a record that has ClinVar's classification in its own INFO: the annotated file repeats
# ClinVar's record, or there is no second file.
SELF_CLASSIFIED: Any = "the record's own INFO"

# Looked for as byte values: `44 in cell` is four times as fast as `b"," in cell`.
_COMMA, _QUOTE, _RETURN, _SEMICOLON = b',"\r;'
_CLASSES = (b"0", b"1")
_NOT_CHOSEN = (None, False, False)
_FIRST_COMMAS = len(SITE_COLUMNS) + len(AF_COLUMNS) - 1  # between the cells that begin a row
_MOST_KINDS = 50_000
_NO_AF = (b"",) * len(AF_COLUMNS)
_NEVER_SEEN: tuple[bytes, bytes, bytes] = (b"0", b"0", b"0")
_STATUS_ITEM = b"CLNREVSTAT="
# ClinVar's keys in the order in which ClinVar and VEP write them, which is read fastest. VEP's comes behind them.
_KEYS = tuple(sorted((*AF_COLUMNS, *CLN_COLUMNS, "CLNREVSTAT", "CLNSIGCONF", "GENEINFO")))
_AF_CELLS = itemgetter(*map(_KEYS.index, AF_COLUMNS))
_CLN_CELLS = itemgetter(*map(_KEYS.index, CLN_COLUMNS))
_STATUS, _SIGCONF, _GENE, _HGVS = map(_KEYS.index, ("CLNREVSTAT", "CLNSIGCONF", "GENEINFO", "CLNHGVS"))
_CSQ = len(_KEYS)
# A lone dot is missing in every key, except where ClinVar says with it that an included variant's condition has no
# identifier, and where the published table has it.
_DOTS = tuple(key for key in _KEYS if key != "CLNDISDBINCL")
# The columns before INFO of a record as most are: POS in digits, one sequence as ALT. The empty group is where INFO
# begins.
_USUAL_START = (
    rb"([^\t,]*+)\t([0-9]{1,%d}+)\t([^\t]*+)\t([^\t,]++)\t([A-Za-z]++)\t[^\t]*+\t[^\t]*+\t()" % MOST_POS_DIGITS
)
_SUBSTITUTION = re.compile(rb":g\.\d+([ACGT])>([ACGT])\Z").search


def _conflict_of(text: bytes) -> tuple[bytes, tuple[int, ...]]:
    """CONFLICT of a CLNSIGCONF value, and its submissions by group in the order of `clinvar.GROUPS`."""
    value = text.decode("utf-8", "replace")
    counts = clinvar.group_submissions(value)
    return clinvar.conflict(value).encode(), tuple(counts.get(group, 0) for group in clinvar.GROUPS)


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
        self.ledger = Ledger()
        self._label_of = {status.encode(): label for status, label in labels.items()}.get
        self._columns = columns
        self._strict = strict
        self._as_csv = as_csv
        csq = layout.key if layout else "CSQ"
        self._own = InfoReader((*_KEYS, csq), dots=(*_DOTS, csq))
        self._clinvar = InfoReader(_KEYS, dots=_DOTS)
        self._csq_item = f"{layout.key}=".encode() if layout and layout.earlier else None
        self._picker = TranscriptPicker(layout, pick) if layout else None
        self._frequencies = frequencies or Frequencies()
        # Whether no frequency can come from VEP.
        self._only_own = self._frequencies.source == OF_INFO and not self._frequencies.columns
        self.schema = schema_with(self._frequencies.columns)
        # Lines as most are: eight columns, and INFO in the order that is known, which `_learnt` is.
        self._usual_line = re.compile(_USUAL_START + self._own.pattern).fullmatch
        self._learnt = self._own.pattern
        self._kinds: dict[tuple, tuple[bytes, int]] = {}
        self._agreeing = Cache(self._agreeing_kind)
        # Of the rows of a batch: hashes of the variant and of the cells, and the kind's number.
        self._variants: list[int] = []
        self._hashes: list[int] = []
        self._kind_numbers: list[int] = []
        self._quote_all = False
        self._number = 0
        self._mostly_labelled = False  # the records of the last lines
        self._seen = [0] * len(AF_COLUMNS)  # rows with a value of INFO's frequencies, where they come from there alone

    @property
    def rows(self) -> int:
        """Rows made so far."""
        return len(self.ledger)

    def finish(self) -> Account:
        """The account of what was read, without the rows: those are in the ledger."""
        self.account.frequencies.update(of_info(self._seen))
        self._seen = [0] * len(AF_COLUMNS)
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
        partners: Iterable,
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
        self.account.read += len(lines)
        made = len(self.ledger)
        try:
            self._make(lines, partners, first, rows, malformed, plain)
        except LayoutError as error:
            raise InputError(f"{self.path}:{self._number}: {error}; the header belongs to another file") from None
        self._note_rows()
        self._mostly_labelled = 4 * (len(self.ledger) - made) > 3 * len(lines)

    def _make(
        self,
        lines: Sequence[bytes],
        partners: Iterable,
        first: int,
        rows: list[bytes],
        malformed: list[bytes],
        plain: bool,
    ) -> None:
        as_csv = self._as_csv
        self_classified = self._self_classified
        usual = self._usual if self._columns == 8 and not self._csq_item else None
        for number, (line, partner) in enumerate(zip(lines, partners, strict=True), first):
            self._number = number
            if usual and partner is SELF_CLASSIFIED and (plain or is_plain(line)) and usual(line, rows):
                continue
            fields = line.split(b"\t", 8)
            if len(fields) != 8 or not (
                fields[3] and fields[1].isdigit() and len(fields[1]) <= MOST_POS_DIGITS and (plain or is_plain(line))
            ):
                if not line.strip():
                    self.account.read -= 1  # an empty line is no record
                    continue
                if why := self._problem(line, number):
                    self._set_aside(line, why, malformed)
                    continue
            self._quote_all = as_csv and (_QUOTE in line or _RETURN in line)
            if partner is SELF_CLASSIFIED:
                self_classified(fields, rows)
            elif partner is None:
                self.account.dropped[NO_MATCH] += 1
            else:
                self._joined(fields, partner, rows)

    def _note_rows(self) -> None:
        """Enter the rows of a batch into the ledger."""
        self.ledger.extend(self._variants, self._hashes, self._kind_numbers)
        self._variants.clear()
        self._hashes.clear()
        self._kind_numbers.clear()

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

    def _usual(self, line: bytes, rows: list[bytes]) -> bool:
        """The row of a labelled record as most are; False where it is not one, and nothing is done.

        Such records are read by one regular expression, from CHROM to the end of INFO.
        """
        if not self._mostly_labelled:
            # A look at what is probably the review status: most of ClinVar is left out by it.
            start = line.find(_STATUS_ITEM)
            if self._label_of(line[start + len(_STATUS_ITEM) : line.find(b";", start)]) is None:
                return False
        if (self._as_csv and (_QUOTE in line or _RETURN in line)) or not (found := self._usual_line(line)):
            if self._learnt != self._own.pattern:
                self._learnt = self._own.pattern
                self._usual_line = re.compile(_USUAL_START + self._learnt).fullmatch
            return False
        groups = found.groups(b"")
        chrom, pos, name, ref, alt = groups[:5]
        values = self._own.arranged(groups[6:])
        label = self._label_of(values[_STATUS])
        csq = values[_CSQ]
        if (
            label is None
            or line.find(b"\t", found.end(6)) > 0
            or (_COMMA in csq and self._picker and not self._picker.is_of_one_allele(csq))
        ):
            return False
        self._quote_all = False
        self._row((chrom, pos, ref, alt), name, label, values, csq, b"", rows)
        self.account.written += 1
        return True

    def _self_classified(self, fields: Sequence[bytes], rows: list[bytes]) -> None:
        """Rows of a record that has ClinVar's classification itself."""
        account = self.account
        info = fields[7]
        # Look at the review status before reading the rest: most of ClinVar is left out by it.
        start = info.find(_STATUS_ITEM)
        if start > 0 and info[start - 1] != _SEMICOLON:  # another key that ends in these letters
            start = info.find(b";" + _STATUS_ITEM) + 1 or -1
        if start < 0:
            account.dropped[NO_GERMLINE] += 1
            return
        end = info.find(b";", start)
        status = info[start + len(_STATUS_ITEM) : end] if end > 0 else info[start + len(_STATUS_ITEM) :]
        if self._label_of(status) is None and info.find(b";" + _STATUS_ITEM, start) < 0:
            self._drop_status(status)
            return
        values = self._own.values(info)
        status = values[_STATUS]
        label = self._label_of(status)
        if label is None:  # a repeated CLNREVSTAT, of which the last counts
            self._drop_status(status)
            return
        chrom, pos, name, ref, alt = fields[:5]
        if alt.isalpha():
            csq: bytes | None = values[_CSQ]
            if self._picker and csq and _COMMA in csq and not self._picker.is_of_one_allele(csq):
                csq = self._picker.of_alleles(csq, ref, [alt])[0]
            self._row((chrom, pos, ref, alt), name, label, values, csq, info, rows)
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
            if named := _SUBSTITUTION(values[_HGVS]):
                chosen = {alt for alt in supported if trimmed(ref, alt)[1:] == named.groups()}
                if not chosen:
                    self.account.dropped[NO_MATCH] += 1
                    return False
            else:
                self.account.shared_labels += 1
        blocks = self._blocks(values[_CSQ], ref, alts)
        further = False
        for alt, csq in zip(alts, blocks, strict=True):
            if alt in chosen:
                self._row((chrom, pos, ref, alt), name, label, values, csq, info, rows, further=further)
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
            label = self._label_of(values[_STATUS])
            if label is None:
                reasons.append(values[_STATUS])
            elif not (is_sequence(alt) or alt == b"."):
                reasons.append(UNSUPPORTED_ALLELE.encode())
            else:
                self._quote_all |= self._as_csv and (_QUOTE in theirs or _RETURN in theirs)
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
        blocks = self._blocks(filling[_CSQ], ref, alts)
        for row, (place, identifier, label, values) in enumerate(found):
            # ClinVar decides; the annotated file fills what ClinVar's record leaves out.
            conflicting = values[_SIGCONF]
            values = [
                value if value not in _MISSING else filler for value, filler in zip(values, filling[:_CSQ], strict=True)
            ]
            values[_SIGCONF] = conflicting
            self.account.other_ids += name.isdigit() and name != identifier
            site = (chrom, pos, ref, alts[place])
            self._row(site, identifier, label, values, blocks[place], info, rows, further=row > 0)

    def _annotation(self, picker: TranscriptPicker, csq: bytes | None, gene: bytes, info: bytes) -> bytes:
        """The cells of VEP's columns, ``|`` between them."""
        if csq is None:
            return picker.none(AMBIGUOUS_ALLELE)
        if self._csq_item and not belongs(picker.layout, csq, _occurrences(info, self._csq_item)):
            return picker.none(UNFIT_ANNOTATION)
        return picker.text(csq, gene)

    def unlabelled_row(
        self,
        site: tuple[bytes, bytes, bytes, bytes],
        name: bytes,
        values: Sequence[bytes],
        csq: bytes | None,
        info: bytes,
    ) -> bytes:
        """A row for `to_table` of a variant whatever its review status; CLASS where that says one."""
        gene = values[_GENE]
        af, gnomad = self._frequencies_of(_AF_CELLS(values), csq)
        vep = self._annotation(self._picker, csq, gene, info) if self._picker else NO_CELLS
        label = self._label_of(values[_STATUS])
        known = b"" if label is None else _CLASSES[label]
        cells = (*site, *af, *_CLN_CELLS(values), known, vep.replace(b"|", b"\t"), name, gene, b"", *gnomad)
        return b"\t".join(cells)

    def _frequencies_of(
        self, own: Sequence[bytes], csq: bytes | None
    ) -> tuple[tuple[bytes, bytes, bytes], tuple[bytes, ...]]:
        """Cells of the allele frequencies, and of gnomAD's; `own` are ClinVar's."""
        (esp, exac, tgp), gnomad = self._frequencies.of(own, csq, self.account.frequencies)
        return (esp or b"0", exac or b"0", tgp or b"0"), gnomad

    def _row(
        self,
        site: tuple[bytes, bytes, bytes, bytes],
        name: bytes,
        label: int,
        values: Sequence[bytes],
        csq: bytes | None,
        info: bytes,
        rows: list[bytes],
        *,
        further: bool = False,
    ) -> None:
        """Append one row; `values` are those of `_KEYS`, and perhaps more after them.

        `further`: whether the row before is of the same record.
        """
        gene = values[_GENE]
        picker = self._picker
        if picker is None:
            vep = NO_CELLS
            chosen: tuple = _NOT_CHOSEN
        else:
            vep = picker.text(csq, gene) if csq and not self._csq_item else self._annotation(picker, csq, gene, info)
            chosen = (picker.rule, picker.by_gene, picker.strange)
        if label:
            conflict, kind = self._kind(values[_SIGCONF], chosen)
        else:
            conflict, kind = b"", self._agreeing[chosen]
        af: Sequence[bytes] = _AF_CELLS(values)
        gnomad: tuple[bytes, ...] = ()
        if not self._only_own:
            af, gnomad = self._frequencies_of(af, csq)
        elif af == _NO_AF:
            af = _NEVER_SEEN
        else:
            esp, exac, tgp = af
            seen = self._seen
            seen[0] += esp != b""
            seen[1] += exac != b""
            seen[2] += tgp != b""
            af = (esp or b"0", exac or b"0", tgp or b"0")
        cln = _CLN_CELLS(values)
        if further:
            self.ledger.note_further(len(self._hashes))
        if name == b".":
            name = b""
        if not self._as_csv:
            cells = b"\t".join((*site, *af, *cln, _CLASSES[label], vep.replace(b"|", b"\t"), name))
            rows.append(b"\t".join((cells, gene, conflict, *gnomad)))
        else:
            start = b",".join((*site, *af))
            if self._quote_all or start.count(b",") > _FIRST_COMMAS:
                cells = b",".join([_quoted(cell) for cell in (*site, *af, *cln, _CLASSES[label], *vep.split(b"|"))])
            else:
                # CSQ separates transcripts by commas, so that a transcript's cells have none.
                quoted = [b'"' + cell + b'"' if _COMMA in cell else cell for cell in cln]
                cells = b",".join((start, *quoted, _CLASSES[label], vep.replace(b"|", b",")))
            rows.append(cells)
        self._variants.append(hash(site))
        self._hashes.append(hash((cells, name)))
        self._kind_numbers.append(kind)

    def _kind(self, sigconf: bytes, chosen: tuple) -> tuple[bytes, int]:
        """CONFLICT, and the number of the kind of a row of CLASS 1, worked out once for each text."""
        key = (sigconf, chosen)
        if found := self._kinds.get(key):
            return found
        if len(self._kinds) > _MOST_KINDS:
            self._kinds.clear()
        conflict, submissions = _conflict_of(sigconf)
        found = self._kinds[key] = conflict, self.ledger.number_of(RowKind(1, conflict, submissions, *chosen))
        return found

    def _agreeing_kind(self, chosen: tuple) -> int:
        """The number of the kind of a row of CLASS 0."""
        return self.ledger.number_of(RowKind(0, b"", (), *chosen))


_MISSING = (b"", b".")


def _occurrences(info: bytes, item: bytes) -> int:
    """How many values an INFO key (`key=`) has in a record."""
    return info.startswith(item) + info.count(b";" + item)


def _quoted(cell: bytes) -> bytes:
    """A CSV cell, in quotes where it needs them."""
    if _QUOTE in cell or _COMMA in cell or _RETURN in cell:
        return b'"%b"' % cell.replace(b'"', b'""')
    return cell


def csv_line(row: bytes) -> str:
    """A tab-separated row as the line that `as_csv` would have made."""
    return b",".join([_quoted(cell) for cell in row.split(b"\t")[: len(COLUMNS)]]).decode()


def schema_with(columns: Sequence[str]) -> pa.Schema:
    """The columns of a training set with those of gnomAD that its annotation has."""
    return pa.schema([*SCHEMA, *((column, pa.string()) for column in columns)])


def to_table(rows: list[bytes], schema: pa.Schema = SCHEMA) -> pa.Table:
    """Tab-separated rows of `RowMaker` as an Arrow table of its `schema`, missing as null."""
    return text_table(schema, rows)
