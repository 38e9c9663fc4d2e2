"""VCF to parquet: every record, every INFO key, all transcripts, one streaming pass."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from itertools import chain
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.compute as pac
import pyarrow.csv as pc
import pyarrow.parquet as pq

from genomicslearning import InputError
from genomicslearning.io import lake
from genomicslearning.io.accounting import MALFORMED_RECORDS, MALFORMED_SHARE, Stopwatch
from genomicslearning.io.lines import unique_names
from genomicslearning.io.text import write_json
from genomicslearning.io.vcf import Definition, InfoReader, Vcf, check_columns, problem
from genomicslearning.parquet import columns as vcf_columns
from genomicslearning.training_set import transcripts

FIXED = ("CHROM", "POS", "ID", "REF", "ALT", "QUAL", "FILTER")
# INFO items whose value is not of the declared type, as `key=value;key=value`.
OTHER = "INFO_OTHER"
_GROUP_BYTES = 5 << 20
_NUMBERS = {"Integer": pa.int64(), "Float": pa.float64()}
# More than this are no keys, but text that is not INFO: it stays in INFO_OTHER.
_UNDECLARED = 200
_LESSONS = 200  # lines from which the order of the INFO keys is learnt


def vcf_to_parquet(
    source: str | os.PathLike,
    out: str | os.PathLike,
    *,
    text: bool = False,
    strict: bool = False,
    progress: Callable[[str], None] | None = None,
) -> dict:
    """Convert a VCF to parquet.

    Columns: CHROM, POS, ID, REF, ALT, QUAL, FILTER; one for each INFO key of the header in its type (Integer int64,
    Float float64, Flag boolean, String text; lists of numbers where the header's Number is not 1; ``.`` is null);
    VEP's CSQ as a list of structs with all transcripts; ``INFO_OTHER`` for items whose value is not of the key's type;
    FORMAT and one column for each sample, as text. A name that occurs twice gets a number. A file whose records have
    INFO keys that its header does not declare is read twice, and gives a column for each of them, as text.

    Parameters
    ----------
    source, out
        VCF (plain, gzip, bgzip) and the parquet file, local or ``s3://``.
    text
        Keep every cell as the text it is in the VCF (a flag that is set is its own name).
    strict
        Fail at the first malformed record instead of setting it aside in ``<out>.quarantine.vcf``.
    progress
        Called with a line of text every two seconds.

    Returns
    -------
    dict
        The report, also written to ``<out>.report.json``.

    Raises
    ------
    InputError
        The input is missing, damaged or no VCF, or `out` cannot be written; then nothing is written.
    """
    watch = Stopwatch(progress, "vcf-to-parquet")
    places = (f"{out}.quarantine.vcf", f"{out}.report.json", out)
    undeclared: dict[str, bool] = {}
    with lake.output(*places, inputs=[source]) as [quarantine, report_part, part]:
        while True:
            with Vcf(source) as vcf:
                converter = Converter(vcf, text=text, undeclared=undeclared)
                read, malformed = _write(vcf, converter, part, strict=strict, watch=watch)
                if not converter.asks_for_columns:
                    inputs = [vcf.facts()]
                    break
            undeclared = converter.undeclared
            if progress:
                names = ", ".join(undeclared)
                progress(f"INFO keys that the header does not declare: {names}; reading again, with columns for them")
        if malformed:
            quarantine.write_bytes("\n".join(vcf.header).encode() + b"\n" + b"\n".join(malformed) + b"\n")
        report = {
            "records_read": read,
            "records_written": read - len(malformed),
            "rows_written": read - len(malformed),
            "dropped": {},
            "quarantined": len(malformed),
            "repeated_keys": converter.repeated,
            "untyped_values": converter.untyped,
            "undeclared_keys": sorted(undeclared),
            "inputs": inputs,
            "warnings": vcf.warnings,
            "engine": "one machine",
            **watch.cost(),
        }
        write_json(report, report_part)
    return report


def _write(vcf: Vcf, converter: Converter, part: Path, *, strict: bool, watch: Stopwatch) -> tuple[int, list[bytes]]:
    """Write all records as parquet; gives the number of records, and those that are malformed."""
    malformed: list[bytes] = []
    why = None
    read = 0
    with pq.ParquetWriter(
        part, converter.schema, compression="zstd", use_dictionary=False, write_statistics=["CHROM", "POS"]
    ) as writer:
        for first, text in _groups(vcf):
            table, bad = converter.convert(text, first)
            writer.write_table(table)
            read += len(table)
            for place, line in sorted(bad.items()):
                if not line.strip():
                    continue  # an empty line is no record
                read += 1
                check_columns(line, vcf.columns, f"{vcf.path}:{first + place}")
                why = why or f"{vcf.path}:{first + place}: {problem(line)}"
                if strict:
                    raise InputError(f"{why}; repair it, or leave out --strict to set such records aside")
                malformed.append(line)
            watch.tick(read)
    if len(malformed) > MALFORMED_RECORDS and len(malformed) > MALFORMED_SHARE * read:
        raise InputError(
            f"{why}; {len(malformed):,} of {read:,} records are malformed, more than 0.1 %: get the file again"
        )
    return read, malformed


def _groups(vcf: Vcf) -> Iterator[tuple[int, bytes]]:
    """Lines that become one row group, and the number of the first."""
    pieces: list[bytes] = []
    size, first = 0, vcf.line + 1
    for piece in chain(vcf.texts(), [b""]):
        pieces.append(piece)
        size += len(piece)
        if size > _GROUP_BYTES or (size and not piece):
            text = b"".join(pieces)
            pieces.clear()  # not to be held while the group is worked on
            yield first, text
            size, first = 0, first + text.count(b"\n")


class _Record(NamedTuple):
    """One record read by itself: its cells in the order of the columns, and the INFO items that have none."""

    cells: tuple[bytes, ...]
    rest: list[bytes]


class Converter:
    """Lines of one VCF to Arrow tables of one schema.

    Parameters
    ----------
    vcf
        The file, for its header.
    text
        Keep cells as text.
    undeclared
        INFO keys to add to the header's, as text: key -> whether it is a flag.
    """

    def __init__(self, vcf: Vcf, *, text: bool = False, undeclared: Mapping[str, bool] | None = None) -> None:
        self.path = vcf.path
        self.untyped = 0
        # INFO keys met that the header does not declare: key -> whether it never had a value.
        self.undeclared: dict[str, bool] = {}
        self._undeclared = dict(undeclared or {})
        self._csq_key, self._csq_fields = _csq(vcf)
        info = dict(vcf.info)
        for key, flag in self._undeclared.items():
            info[key] = Definition("0", "Flag") if flag else Definition("1", "String")
        self._keys = [key for key in info if key != self._csq_key]
        flags = {key for key in self._keys if info[key].type == "Flag"}
        wanted = [*self._keys, self._csq_key] if self._csq_key else self._keys
        self._reader = InfoReader(wanted, flags=flags, only=True)
        dots = () if text else (b"", *(key.encode() for key in self._keys))
        self._dots = frozenset(dots)
        self._columns = vcf.columns
        extra = ["FORMAT", *vcf.samples] if vcf.columns > 8 else []
        names = unique_names([*FIXED, *self._keys, OTHER, *(["CSQ"] if self._csq_key else []), *extra])
        self._fixed_names = names[: len(FIXED)]
        self._info_names = dict(zip(self._keys, names[len(FIXED) :], strict=False))
        self._other_name = names[len(FIXED) + len(self._keys)]
        self._csq_name = names[len(FIXED) + len(self._keys) + 1] if self._csq_key else None
        self._extra_names = names[len(names) - len(extra) :]
        types = {name: pa.string() for name in names}
        if not text:
            types |= {"POS": pa.int64(), "QUAL": pa.float64()}
            types |= {name: _type_of(info[key]) for key, name in self._info_names.items()}
        if self._csq_key:
            block = [(field, pa.string()) for field in unique_names(self._csq_fields)]
            types[self._csq_name] = pa.list_(pa.struct(block))
        self.schema = pa.schema(list(types.items()))
        self._lessons = _LESSONS
        self._numbers: np.ndarray | None = None  # of the lines being converted

    @property
    def repeated(self) -> int:
        """Records in which an INFO key repeats."""
        return self._reader.repeated

    @property
    def asks_for_columns(self) -> bool:
        """Whether keys were met that the header does not declare and that can have columns of their own."""
        return bool(self.undeclared) and not self._undeclared and len(self.undeclared) <= _UNDECLARED

    def meet(self, keys: Mapping[str, bool]) -> None:
        """Take note of INFO keys that the header does not declare, and whether each had no value."""
        for key, flag in keys.items():
            self.undeclared[key] = flag and self.undeclared.get(key, True)

    def convert(self, text: bytes, first: int | None = None) -> tuple[pa.Table, dict[int, bytes]]:
        """The records of lines, each ended by LF, as a table; and the lines that are no records, by their places.

        `first` is the number of the first line in its file, for messages, where it is known.
        """
        # From the first lines, read one by one, the order of the INFO keys is learnt.
        lines = dict(enumerate(text.split(b"\n", self._lessons)[:-1])) if self._lessons else {}
        self._lessons = 0
        single = {place: self._record(line) for place, line in lines.items()}
        read = vcf_columns.read(text, self._columns, self._reader.order, self._dots)
        count = len(read.fits)
        read.fits[list(single)] = False
        if len(left := np.setdiff1d(np.flatnonzero(~read.fits), list(single))):
            every = text.split(b"\n")
            for place in left.tolist():
                lines[place] = every[place]
                single[place] = self._record(every[place])
        records = {place: record for place, record in single.items() if record}
        others: dict[int, list[str]] = {}
        cells = self._cells(read, records, others) if records else self._regular(read)
        bad = {place: lines[place] for place, record in single.items() if record is None}
        kept = np.setdiff1d(np.arange(count), list(bad))
        if bad:
            cells = {name: column.take(pa.array(kept)) for name, column in cells.items()}
            others = {int(np.searchsorted(kept, place)): items for place, items in others.items()}
        self._numbers = kept + first if first else None
        return self._table(cells, len(kept), others), bad

    def _regular(self, read: vcf_columns.Columns) -> dict[str, pa.Array]:
        """Columns as they were read together, by name."""
        cells = dict(zip(self._fixed_names, read.fixed, strict=True))
        cells |= {name: read.info[key.encode()] for key, name in self._info_names.items()}
        if self._csq_key:
            cells[self._csq_name] = read.info[self._csq_key.encode()]
        return cells | dict(zip(self._extra_names, read.extra, strict=True))

    def _cells(
        self, read: vcf_columns.Columns, records: dict[int, _Record], others: dict[int, list[str]]
    ) -> dict[str, pa.Array]:
        """The columns read together, with the records that were read one by one in their places."""
        together = self._regular(read)
        order = np.arange(len(read.fits))
        order[list(records)] = len(read.fits) + np.arange(len(records))
        columns = zip(*(record.cells for record in records.values()), strict=True)
        cells = {}
        for (name, column), values in zip(together.items(), columns, strict=True):
            if column.type == pa.bool_():
                alone = pa.array([bool(value) for value in values])
            else:
                missing = (b"", b".") if b"" in self._dots and name != self._csq_name else (b"",)
                alone = pa.array([None if value in missing else value.decode() for value in values], pa.string())
            cells[name] = pa.concat_arrays([column, alone]).take(pa.array(order))
        for place, record in records.items():
            for item in record.rest:
                key, equals, _ = item.decode().partition("=")
                if key not in self._info_names and key != self._csq_key:
                    self.meet({key: not equals})
                others.setdefault(place, []).append(item.decode())
        return cells

    def _record(self, line: bytes) -> _Record | None:
        """One line read by itself; None where it is no record."""
        if problem(line):
            return None
        fields = line.split(b"\t")
        if len(fields) > self._columns:
            return None
        values, rest = self._reader.match(fields[7]), []
        if values is None:
            values, rest = self._reader.parse(fields[7])
        extra = fields[8:] + [b""] * (self._columns - max(len(fields), 8))
        return _Record((*fields[:7], *values, *extra), rest)

    def _table(self, cells: dict[str, pa.Array], count: int, others: dict[int, list[str]]) -> pa.Table:
        """Columns of text (flags: booleans) as a table of the schema."""
        keys = {name: key for key, name in self._info_names.items()}
        columns = {}
        for name, column in cells.items():
            kind = self.schema.field(name).type
            if name == self._csq_name:
                column = self._blocks(column, kind)
            elif kind == pa.bool_():
                pass
            elif column.type == pa.bool_():  # a flag as text is its own name
                column = pac.if_else(column, keys[name], pa.scalar(None, pa.string()))
            elif pa.types.is_list(kind):
                column = self._list(keys[name], column, kind, others)
            elif kind != pa.string():
                column = self._typed(keys.get(name, name), column, kind, others)
            columns[name] = column
        texts = [None] * count if others else pa.nulls(count, pa.string())
        for place, items in others.items():
            texts[place] = ";".join(items)
        columns[self._other_name] = pa.array(texts, pa.string()) if others else texts
        return pa.table([columns[name] for name in self.schema.names], schema=self.schema)

    def _blocks(self, csq: pa.StringArray, kind: pa.ListType) -> pa.ListArray:
        """CSQ as a list of structs; null where a record has none."""
        names = [field.name for field in kind.value_type]
        counts = pac.fill_null(pac.count_substring(csq, ","), -1).to_numpy(zero_copy_only=False) + 1
        offsets = np.concatenate([[0], np.cumsum(counts)]).astype(np.int32)
        values = csq.drop_null() if csq.null_count else csq
        joined = pac.binary_join(pa.ListArray.from_arrays([0, len(values)], values), "\n")[0]
        text = joined.as_buffer().to_pybytes().replace(b",", b"\n")
        try:
            if b"\r" in text:  # which Arrow's reader takes for a line's end
                raise pa.ArrowInvalid("carriage return")
            table = _read_blocks(text, names)
        except pa.ArrowInvalid:
            rows = [
                self._padded(block, record).split("|")
                for record, value in enumerate(csq.to_pylist())
                for block in (value.split(",") if value else ())
            ]
            columns = [[cell or None for cell in column] for column in zip(*rows, strict=True)]
            table = pa.table([pa.array(column, pa.string()) for column in columns], names=names)
        structs = pa.StructArray.from_arrays([column.combine_chunks() for column in table.columns], names=names)
        return pa.ListArray.from_arrays(pa.array(offsets), structs, mask=csq.is_null())

    def _padded(self, block: str, record: int) -> str:
        """A CSQ block with as many fields as the header names."""
        width = len(self._csq_fields)
        missing = width - 1 - block.count("|")
        if missing < 0:
            line = f":{self._numbers[record]}" if self._numbers is not None else ""
            raise InputError(
                f"{self.path}{line}: a CSQ block has {width - missing} fields, the header's Format names {width}; "
                "the header belongs to another file"
            )
        return block + "|" * missing

    def _typed(self, key: str, column: pa.Array, kind: pa.DataType, others: dict[int, list[str]]) -> pa.Array:
        """A column of numbers."""
        try:
            return column.cast(kind)
        except pa.ArrowInvalid:
            return pa.array(self._fitting(key, column.to_pylist(), kind, others), kind)

    def _list(self, key: str, column: pa.Array, kind: pa.ListType, others: dict[int, list[str]]) -> pa.Array:
        """A column of numbers with commas between as lists of numbers."""
        parts = pac.split_pattern(column, ",")
        values = parts.flatten()
        values = pac.if_else(pac.equal(values, "."), None, values)
        try:
            return _list_of(parts, values.cast(kind.value_type))
        except pa.ArrowInvalid:
            return pa.array(self._fitting(key, column.to_pylist(), kind, others), kind)

    def _fitting(self, key: str, texts: list, kind: pa.DataType, others: dict[int, list[str]]) -> list:
        """Values of a column's texts; a text that is no such value goes to `others` under its INFO key."""
        many = pa.types.is_list(kind)
        convert = int if (kind.value_type if many else kind) == pa.int64() else float
        values = []
        for place, text in enumerate(texts):
            try:
                if many:
                    value = text and [None if item == "." else convert(item) for item in text.split(",")]
                else:
                    value = text and convert(text)
                if text and ("_" in text or " " in text):  # Python's numbers may have these, VCF's may not
                    raise ValueError
            except ValueError:
                value = None
                self.untyped += 1
                others.setdefault(place, []).append(f"{key}={text}")
            values.append(value)
        return values


def _type_of(definition: Definition) -> pa.DataType:
    """Arrow's type of an INFO key."""
    if definition.type == "Flag":
        return pa.bool_()
    kind = _NUMBERS.get(definition.type, pa.string())
    return kind if definition.number == "1" or kind == pa.string() else pa.list_(kind)


def _csq(vcf: Vcf) -> tuple[str | None, list[str]]:
    try:
        return transcripts.fields(vcf)
    except InputError:
        return None, []


def _list_of(parts: pa.ListArray, values: pa.Array) -> pa.ListArray:
    """Lists with the shape of `parts` and these values."""
    lengths = pac.fill_null(pac.list_value_length(parts), 0)
    offsets = pa.concat_arrays([pa.array([0], pa.int32()), pac.cumulative_sum(lengths).cast(pa.int32())])
    return pa.ListArray.from_arrays(offsets, values, mask=parts.is_null())


def _read_blocks(text: bytes, names: Sequence[str]) -> pa.Table:
    """CSQ blocks, one a line, as a table of text."""
    types = dict.fromkeys(names, pa.string())
    if not text:
        return pa.schema(list(types.items())).empty_table()
    return pc.read_csv(
        pa.BufferReader(text),
        read_options=pc.ReadOptions(column_names=names, use_threads=False, block_size=len(text) + 1),
        parse_options=pc.ParseOptions(delimiter="|", quote_char=False, escape_char=False, ignore_empty_lines=False),
        convert_options=pc.ConvertOptions(
            column_types=types, null_values=[""], strings_can_be_null=True, check_utf8=False
        ),
    )
