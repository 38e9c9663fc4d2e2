"""The cells of one row, as a line of CSV or tab-separated, and what is remembered of it."""

from __future__ import annotations

from collections.abc import Sequence
from operator import itemgetter

import pyarrow as pa

from genomicslearning import clinvar
from genomicslearning.io.accounting import AMBIGUOUS_ALLELE, UNFIT_ANNOTATION, Account
from genomicslearning.io.separated import text_table
from genomicslearning.training_set.frequencies import OF_INFO, Frequencies, of_info
from genomicslearning.training_set.ledger import Ledger, RowKind
from genomicslearning.training_set.schema import AF_COLUMNS, CLN_COLUMNS, COLUMNS, SCHEMA, SITE_COLUMNS
from genomicslearning.training_set.transcripts import NO_CELLS, Cache, TranscriptPicker, belongs

# ClinVar's keys in the order in which ClinVar and VEP write them, which is read fastest. VEP's comes behind them.
KEYS = tuple(sorted((*AF_COLUMNS, *CLN_COLUMNS, "CLNREVSTAT", "CLNSIGCONF", "GENEINFO")))
STATUS, SIGCONF, GENE, HGVS = map(KEYS.index, ("CLNREVSTAT", "CLNSIGCONF", "GENEINFO", "CLNHGVS"))
CSQ = len(KEYS)
# Looked for as byte values: `44 in cell` is four times as fast as `b"," in cell`.
COMMA, QUOTE, RETURN, SEMICOLON = b',"\r;'
_AF_CELLS = itemgetter(*map(KEYS.index, AF_COLUMNS))
_CLN_CELLS = itemgetter(*map(KEYS.index, CLN_COLUMNS))
_CLASSES = (b"0", b"1")
_NOT_CHOSEN = (None, False, False)
_FIRST_COMMAS = len(SITE_COLUMNS) + len(AF_COLUMNS) - 1  # between the cells that begin a row
_MOST_KINDS = 50_000
_NO_AF = (b"",) * len(AF_COLUMNS)
_NEVER_SEEN = (b"0",) * len(AF_COLUMNS)

#: CHROM, POS, REF and ALT of one variant.
Site = tuple[bytes, bytes, bytes, bytes]


class RowWriter:
    """Makes rows of variants that are to have one, and remembers them.

    Parameters
    ----------
    picker
        Chooses VEP's block; None without its annotation.
    frequencies
        Where allele frequencies come from.
    as_csv
        Rows as CSV text with the 46 columns; else tab-separated, with the extra columns, for `to_table`.
    account
        Where values of frequencies are counted.

    Attributes
    ----------
    ledger
        The rows of all batches that were noted.
    schema
        Columns of the tab-separated rows.
    """

    def __init__(
        self, picker: TranscriptPicker | None, frequencies: Frequencies, account: Account, *, as_csv: bool
    ) -> None:
        self.ledger = Ledger()
        self.schema = schema_with(frequencies.columns)
        self._picker = picker
        self._frequencies = frequencies
        self._as_csv = as_csv
        self._account = account
        # INFO's item of the annotation, where a value of it may belong to an earlier definition.
        self._csq_item = f"{picker.layout.key}=".encode() if picker and picker.layout.earlier else None
        # Whether no frequency can come from VEP.
        self._of_info = frequencies.source == OF_INFO and not frequencies.columns
        self._seen = [0] * len(AF_COLUMNS)  # rows that INFO has a value of, where they come from there alone
        self._kinds: dict[tuple, tuple[bytes, int]] = {}
        self._agreeing = Cache(self._agreeing_kind)
        # Of the rows of a batch: hashes of the variant and of the cells, and the kind's number.
        self._variants: list[int] = []
        self._hashes: list[int] = []
        self._kind_numbers: list[int] = []

    def append(
        self,
        site: Site,
        name: bytes,
        label: int,
        values: Sequence[bytes],
        csq: bytes | None,
        info: bytes,
        rows: list[bytes],
        *,
        quote: bool = False,
        further: bool = False,
    ) -> None:
        """Append one row.

        Parameters
        ----------
        values
            Those of `KEYS`, and perhaps more after them.
        csq
            VEP's blocks of the variant; None where they cannot be told from those of others.
        info
            The whole INFO; needed only where the header defines VEP's key more than once.
        quote
            Whether a cell may have quotes or carriage returns.
        further
            Whether the row before is of the same record.
        """
        gene = values[GENE]
        vep = self._annotation(csq, gene, info)
        picker = self._picker
        chosen = (picker.rule, picker.by_gene, picker.strange) if picker else _NOT_CHOSEN
        if label:
            conflict, kind = self._kind(values[SIGCONF], chosen)
        else:
            conflict, kind = b"", self._agreeing[chosen]
        af: Sequence[bytes] = _AF_CELLS(values)
        gnomad: tuple[bytes, ...] = ()
        if self._of_info and af == _NO_AF:
            af = _NEVER_SEEN
        else:
            af, gnomad = self._frequencies_of(af, csq)
        if name == b".":
            name = b""
        if self._as_csv:
            cells = self._csv(site, af, _CLN_CELLS(values), _CLASSES[label], vep, quote)
            rows.append(cells)
        else:
            cells = b"\t".join((*site, *af, *_CLN_CELLS(values), _CLASSES[label], vep.replace(b"|", b"\t"), name))
            rows.append(b"\t".join((cells, gene, conflict, *gnomad)))
        if further:
            self.ledger.note_further(len(self._hashes))
        self._variants.append(hash(site))
        self._hashes.append(hash((cells, name)))
        self._kind_numbers.append(kind)

    def unlabelled(
        self, site: Site, name: bytes, label: int | None, values: Sequence[bytes], csq: bytes | None, info: bytes
    ) -> bytes:
        """A row for `to_table` that is not remembered; CLASS is empty without a `label`. Else as `append`."""
        gene = values[GENE]
        af, gnomad = self._frequencies_of(_AF_CELLS(values), csq)
        known = b"" if label is None else _CLASSES[label]
        vep = self._annotation(csq, gene, info).replace(b"|", b"\t")
        return b"\t".join((*site, *af, *_CLN_CELLS(values), known, vep, name, gene, b"", *gnomad))

    def note_rows(self) -> None:
        """Enter the rows since the last call into the ledger."""
        self.ledger.extend(self._variants, self._hashes, self._kind_numbers)
        self._variants.clear()
        self._hashes.clear()
        self._kind_numbers.clear()

    def count_frequencies(self) -> None:
        """Enter into the account how many rows have a value of which frequency."""
        self._account.frequencies.update(of_info(self._seen))
        self._seen = [0] * len(AF_COLUMNS)

    @staticmethod
    def _csv(site: Site, af: Sequence[bytes], cln: Sequence[bytes], label: bytes, vep: bytes, quote: bool) -> bytes:
        start = b",".join((*site, *af))
        if quote or start.count(b",") > _FIRST_COMMAS:
            return b",".join([_quoted(cell) for cell in (*site, *af, *cln, label, *vep.split(b"|"))])
        # CSQ separates transcripts by commas, so that a transcript's cells have none.
        quoted = [b'"' + cell + b'"' if COMMA in cell else cell for cell in cln]
        return b",".join((start, *quoted, label, vep.replace(b"|", b",")))

    def _annotation(self, csq: bytes | None, gene: bytes, info: bytes) -> bytes:
        """The cells of VEP's columns, ``|`` between them."""
        picker = self._picker
        if picker is None:
            return NO_CELLS
        if csq is None:
            return picker.none(AMBIGUOUS_ALLELE)
        if self._csq_item and not belongs(picker.layout, csq, _occurrences(info, self._csq_item)):
            return picker.none(UNFIT_ANNOTATION)
        return picker.text(csq, gene)

    def _frequencies_of(
        self, own: Sequence[bytes], csq: bytes | None
    ) -> tuple[tuple[bytes, bytes, bytes], tuple[bytes, ...]]:
        """Cells of the allele frequencies, and of gnomAD's; `own` are ClinVar's."""
        gnomad: tuple[bytes, ...] = ()
        if self._of_info:
            esp, exac, tgp = own
            seen = self._seen
            seen[0] += esp != b""
            seen[1] += exac != b""
            seen[2] += tgp != b""
        else:
            (esp, exac, tgp), gnomad = self._frequencies.of(own, csq, self._account.frequencies)
        return (esp or b"0", exac or b"0", tgp or b"0"), gnomad

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


def _conflict_of(text: bytes) -> tuple[bytes, tuple[int, ...]]:
    """CONFLICT of a CLNSIGCONF value, and its submissions by group in the order of `clinvar.GROUPS`."""
    value = text.decode("utf-8", "replace")
    counts = clinvar.group_submissions(value)
    return clinvar.conflict(value).encode(), tuple(counts.get(group, 0) for group in clinvar.GROUPS)


def _occurrences(info: bytes, item: bytes) -> int:
    """How many values an INFO key (`key=`) has in a record."""
    return info.startswith(item) + info.count(b";" + item)


def _quoted(cell: bytes) -> bytes:
    """A CSV cell, in quotes where it needs them."""
    if QUOTE in cell or COMMA in cell or RETURN in cell:
        return b'"%b"' % cell.replace(b'"', b'""')
    return cell


def csv_line(row: bytes) -> str:
    """A tab-separated row as the line that `as_csv` would have made."""
    return b",".join([_quoted(cell) for cell in row.split(b"\t")[: len(COLUMNS)]]).decode()


def schema_with(columns: Sequence[str]) -> pa.Schema:
    """The columns of a training set with those of gnomAD that its annotation has."""
    return pa.schema([*SCHEMA, *((column, pa.string()) for column in columns)])


def to_table(rows: list[bytes], schema: pa.Schema = SCHEMA) -> pa.Table:
    """Tab-separated rows of a `RowWriter` as an Arrow table of its `schema`, missing as null."""
    return text_table(schema, rows)
