"""The cells of one row, as a line of CSV or tab-separated, and what is remembered of it."""

from __future__ import annotations

from array import array
from collections import Counter
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
        self.as_csv = as_csv
        self._account = account
        # INFO's item of the annotation, where a value of it may belong to an earlier definition.
        self._csq_item = f"{picker.layout.key}=".encode() if picker and picker.layout.earlier else None
        # Whether no frequency can come from VEP.
        self._of_info = frequencies.source == OF_INFO and not frequencies.columns
        # CLASS, CLNSIGCONF and what was chosen of VEP -> CONFLICT, and the number of the row's kind.
        self._kinds = Cache(self._kind)

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
        conflict, kind = self._kinds[label, values[SIGCONF], chosen]
        af, gnomad = self._frequencies_of(_AF_CELLS(values), csq, self._account.frequencies)
        if name == b".":
            name = b""
        if self.as_csv:
            cells = self._csv(site, af, _CLN_CELLS(values), _CLASSES[label], vep, quote)
            rows.append(cells)
        else:
            cells = b"\t".join((*site, *af, *_CLN_CELLS(values), _CLASSES[label], vep.replace(b"|", b"\t"), name))
            rows.append(b"\t".join((cells, gene, conflict, *gnomad)))
        self.ledger.append(hash(site), hash((cells, name)), kind, further=further)

    def columns(
        self, site: Sequence[Sequence[bytes]], values: Sequence[Sequence[bytes]], labels: Sequence[int]
    ) -> tuple[list[bytes], array, array, array, dict[str, int]]:
        """Rows of many records, each of one ALT and without quotes and carriage returns; not entered in the ledger.

        Parameters
        ----------
        site
            Columns CHROM, POS, ID, REF, ALT.
        values
            A column for each of `KEYS`, and VEP's blocks.
        labels
            CLASS.

        Returns
        -------
        The rows; hashes of variant and cells, and the kind's number, of each; how many have a value of which frequency.

        Raises
        ------
        LayoutError
            One of VEP's blocks does not fit the header.
        """
        chrom, pos, names, ref, alt = site
        csqs, genes = values[CSQ], values[GENE]
        texts = [NO_CELLS] * len(labels)
        chosen: list[tuple] = [_NOT_CHOSEN] * len(labels)
        if self._picker:
            texts, chosen = self._picker.texts(csqs, genes)
        kinds_of = map(self._kinds.__getitem__, zip(labels, values[SIGCONF], chosen, strict=True))
        conflicts, kinds = zip(*kinds_of, strict=True)
        counts: Counter[str] = Counter()
        af, gnomad = self._frequency_columns(_AF_CELLS(values), csqs, counts)
        if b"." in names:
            names = [b"" if name == b"." else name for name in names]
        place = (chrom, pos, ref, alt)
        classes = [_CLASSES[label] for label in labels]
        vep = _replaced(texts, b"|", b"," if self.as_csv else b"\t")
        if self.as_csv:
            quoted = map(_with_quotes, (*af, *_CLN_CELLS(values)))
            rows = cells = list(map(b",".join, zip(*place, *quoted, classes, vep, strict=True)))
        else:
            of_clinvar = _CLN_CELLS(values)
            cells = list(map(b"\t".join, zip(*place, *af, *of_clinvar, classes, vep, names, strict=True)))
            rows = list(map(b"\t".join, zip(cells, genes, conflicts, *gnomad, strict=True)))
        variants = array("q", map(hash, zip(*place, strict=True)))
        hashes = array("q", map(hash, zip(cells, names, strict=True)))
        return rows, variants, hashes, array("I", kinds), counts

    def unlabelled(
        self, site: Site, name: bytes, label: int | None, values: Sequence[bytes], csq: bytes | None, info: bytes
    ) -> bytes:
        """A row for `to_table` that is not remembered; CLASS is empty without a `label`. Else as `append`."""
        gene = values[GENE]
        af, gnomad = self._frequencies_of(_AF_CELLS(values), csq, self._account.frequencies)
        known = b"" if label is None else _CLASSES[label]
        vep = self._annotation(csq, gene, info).replace(b"|", b"\t")
        return b"\t".join((*site, *af, *_CLN_CELLS(values), known, vep, name, gene, b"", *gnomad))

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
        self, own: Sequence[bytes], csq: bytes | None, counts: Counter[str]
    ) -> tuple[tuple[bytes, bytes, bytes], tuple[bytes, ...]]:
        """Cells of the allele frequencies, and of gnomAD's; `own` are ClinVar's."""
        (esp, exac, tgp), gnomad = self._frequencies.of(own, csq, counts)
        return (esp or b"0", exac or b"0", tgp or b"0"), gnomad

    def _frequency_columns(
        self, own: Sequence[Sequence[bytes]], csqs: Sequence[bytes], counts: Counter[str]
    ) -> tuple[list[Sequence[bytes]], list[Sequence[bytes]]]:
        """As `_frequencies_of`, of many rows column by column."""
        if self._of_info:
            counts.update(of_info([len(csqs) - column.count(b"") for column in own]))
            return [[cell or b"0" for cell in column] for column in own], []
        made = [self._frequencies_of(cells, csq, counts) for *cells, csq in zip(*own, csqs, strict=True)]
        af, gnomad = zip(*made, strict=True)
        return list(zip(*af, strict=True)), list(zip(*gnomad, strict=True))

    def _kind(self, key: tuple[int, bytes, tuple]) -> tuple[bytes, int]:
        label, sigconf, chosen = key
        conflict, submissions = _conflict_of(sigconf) if label else (b"", ())
        return conflict, self.ledger.number_of(RowKind(label, conflict, submissions, *chosen))


def _conflict_of(text: bytes) -> tuple[bytes, tuple[int, ...]]:
    """CONFLICT of a CLNSIGCONF value, and its submissions by group in the order of `clinvar.GROUPS`."""
    value = text.decode("utf-8", "replace")
    counts = clinvar.group_submissions(value)
    return clinvar.conflict(value).encode(), tuple(counts.get(group, 0) for group in clinvar.GROUPS)


def _occurrences(info: bytes, item: bytes) -> int:
    """How many values an INFO key (`key=`) has in a record."""
    return info.startswith(item) + info.count(b";" + item)


def _replaced(texts: list[bytes], old: bytes, new: bytes) -> list[bytes]:
    """Texts without line ends with a byte replaced by another."""
    return b"\n".join(texts).replace(old, new).split(b"\n")


def _with_quotes(column: Sequence[bytes]) -> Sequence[bytes]:
    """A column of CSV cells without quotes and carriage returns, in quotes where they need them."""
    if COMMA not in b"".join(column):
        return column
    return [b'"' + cell + b'"' if COMMA in cell else cell for cell in column]


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
