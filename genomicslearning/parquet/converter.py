"""Lines of one VCF to Arrow tables of one schema: read together where they are alike, one by one where they are not."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.compute as pac

from genomicslearning import InputError
from genomicslearning.io import arrays, lake
from genomicslearning.io.lines import unique_names
from genomicslearning.io.separated import table_of, text_table
from genomicslearning.io.vcf import MOST_KEY_BYTES, Definition, InfoReader, Vcf, problem
from genomicslearning.parquet import columns as vcf_columns
from genomicslearning.parquet.numbers import to_numbers
from genomicslearning.training_set import transcripts

FIXED = ("CHROM", "POS", "ID", "REF", "ALT", "QUAL", "FILTER")
# INFO items whose value is not of the declared type, as `key=value;key=value`.
OTHER = "INFO_OTHER"
_NUMBERS = {"Integer": pa.int64(), "Float": pa.float64()}
_MOST_NAMED = 10  # keys in a line for people
# More than this are no keys, but text that is not INFO: it stays in INFO_OTHER.
_UNDECLARED = 200
_LINE_END = arrays.text(b"\n")
_LESSONS = 200  # lines from which the order of the INFO keys is learnt


def some(keys: Sequence[str] | Mapping[str, bool]) -> str:
    """Names of keys for people, the first ten."""
    names = list(keys)
    more = f" and {len(names) - _MOST_NAMED:,} more" if len(names) > _MOST_NAMED else ""
    return ", ".join(name[:40] for name in names[:_MOST_NAMED]) + more


class _Record(NamedTuple):
    """One record read by itself: its cells in the order of the columns, and the INFO items that have none."""

    cells: tuple[bytes, ...]
    rest: list[bytes]


class Records(NamedTuple):
    """Records as a table in which VEP's annotation is text yet.

    `numbers`: the records' lines in their file, for messages, where they are known.
    """

    table: pa.Table
    numbers: np.ndarray | None


class Converter:
    """Lines of one VCF to Arrow tables of one schema.

    Parameters
    ----------
    vcf
        The file, for its header.
    text
        Keep cells as text.
    csq_key
        INFO key of VEP's annotation; without it CSQ, if that is VEP's.
    undeclared
        INFO keys to add to the header's, as text: key -> whether it is a flag.

    Raises
    ------
    InputError
        `csq_key` is not VEP's annotation.
    """

    def __init__(
        self,
        vcf: Vcf,
        *,
        text: bool = False,
        csq_key: str | None = None,
        undeclared: Mapping[str, bool] | None = None,
    ) -> None:
        self.path = vcf.path
        self.untyped = 0
        self.unfit = 0
        # INFO keys met that the header does not declare: key -> whether it never had a value.
        self.undeclared: dict[str, bool] = {}
        self._undeclared = dict(undeclared or {})
        self._layout = _layout(vcf, csq_key)
        self._csq_key = self._layout.key if self._layout else None
        info = dict(vcf.info)
        for key, flag in self._undeclared.items():
            info[key] = Definition("0", "Flag") if flag else Definition("1", "String")
        self._keys = [key for key in info if key != self._csq_key]
        flags = {key for key in self._keys if info[key].type == "Flag"}
        wanted = [*self._keys, self._csq_key] if self._csq_key else self._keys
        self._reader = InfoReader(wanted, flags=flags, only=True)
        csq_dot = (self._csq_key.encode(),) if self._csq_key else ()
        self._dots = frozenset(csq_dot if text else (b"", *csq_dot, *(key.encode() for key in self._keys)))
        self._columns = vcf.columns
        extra = ["FORMAT", *vcf.samples] if vcf.columns > 8 else []
        names = unique_names([*FIXED, *self._keys, OTHER, *([self._csq_key] if self._csq_key else []), *extra])
        self._fixed_names = names[: len(FIXED)]
        self._info_names = dict(zip(self._keys, names[len(FIXED) :], strict=False))
        self._other_name = names[len(FIXED) + len(self._keys)]
        self._csq_name = names[len(FIXED) + len(self._keys) + 1] if self._csq_key else None
        self._extra_names = names[len(names) - len(extra) :]
        self.schema = self._schema(names, info, text)
        self._csq_place = names.index(self._csq_name) if self._csq_name else None
        self._lessons = _LESSONS

    def _schema(self, names: list[str], info: Mapping[str, Definition], text: bool) -> pa.Schema:
        """The columns with their types: the header's, or text throughout."""
        types = {name: pa.string() for name in names}
        if not text:
            types |= {"POS": pa.int64(), "QUAL": pa.float64()}
            types |= {name: _type_of(info[key]) for key, name in self._info_names.items()}
        if self._layout and self._csq_name:
            block = [(field, pa.string()) for field in unique_names(list(self._layout.fields))]
            types[self._csq_name] = pa.list_(pa.struct(block))
        return pa.schema(list(types.items()))

    @property
    def repeated(self) -> int:
        """Records in which an INFO key repeats."""
        return self._reader.repeated

    @property
    def asks_for_columns(self) -> bool:
        """Whether keys were met that the header does not declare and that can have columns of their own."""
        return bool(self.undeclared) and not self._undeclared and len(self.undeclared) <= _UNDECLARED

    def counts(self) -> dict[str, int]:
        """What a report counts of the values."""
        found = {"repeated_keys": self.repeated, "untyped_values": self.untyped}
        return found | ({"unfit_annotation": self.unfit} if self._layout and self._layout.earlier else {})

    def given(self) -> dict[str, object]:
        """What a part of a conversion has counted, for `take`."""
        return {"repeated": self.repeated, "untyped": self.untyped, "unfit": self.unfit, "undeclared": self.undeclared}

    def take(self, part: dict) -> None:
        """Add what another part has counted."""
        self._reader.repeated += part["repeated"]
        self.untyped += part["untyped"]
        self.unfit += part["unfit"]
        self.note_undeclared(part["undeclared"])

    def warnings(self, *, piped: bool = False) -> list[str]:
        """What is odd about the file, in words."""
        found = self._layout.warnings(lake.name(self.path)) if self._layout else []
        if self.repeated:
            found.append(f"{self.repeated:,} records have an INFO key more than once; its last value counts")
        if self.untyped:
            found.append(f"{self.untyped:,} values are not of their declared type; they stand in {OTHER}")
        if self.unfit:
            found.append(
                f"{self.unfit:,} annotations may belong to an earlier definition in the header; they stand in {OTHER}"
            )
        if piped and self.undeclared:
            found.append(
                f"INFO keys that the header does not declare stand in {OTHER}, since a pipe is read once: "
                + some(self.undeclared)
            )
        return found

    def note_undeclared(self, keys: Mapping[str, bool]) -> None:
        """Take note of INFO keys that the header does not declare, and whether each had no value."""
        for key, flag in keys.items():
            if len(key) <= MOST_KEY_BYTES and (len(self.undeclared) <= _UNDECLARED or key in self.undeclared):
                self.undeclared[key] = flag and self.undeclared.get(key, True)

    def convert(self, text: bytes) -> tuple[pa.Table, dict[int, bytes]]:
        """The records of lines as a table of the schema; and the lines that are no records, by their places."""
        records, bad = self.records(text)
        return self.annotated(records), bad

    def records(self, text: bytes, first: int | None = None) -> tuple[Records, dict[int, bytes]]:
        """The records of lines, each ended by LF; and the lines that are no records, by their places.

        Behind the lines comes `columns.PADDING`, which a text of megabytes is better given at once.
        `first` is the number of the first line in its file, for messages, where it is known.
        """
        # From the first lines, read one by one, the order of the INFO keys is learnt.
        lines = dict(enumerate(text.split(b"\n", self._lessons)[:-1])) if self._lessons else {}
        self._lessons = 0
        single = {place: self._record(line) for place, line in lines.items()}
        read = vcf_columns.read(text, self._columns, self._reader.order, self._dots)
        count = len(read.fits)
        read.fits[list(single)] = False
        left = [place for place in np.flatnonzero(~read.fits).tolist() if place not in single]
        if left:
            every = text.split(b"\n")
            for place in left:
                lines[place] = every[place]
                single[place] = self._record(every[place])
        records = {place: record for place, record in single.items() if record}
        others: dict[int, list[str]] = {}
        cells = self._cells(read, records, others) if records else self._regular(read)
        bad = {place: lines[place] for place, record in single.items() if record is None}
        kept = np.arange(count)
        if bad:
            kept = np.delete(kept, list(bad))
            cells = {name: column.take(arrays.of_numbers(kept)) for name, column in cells.items()}
            others = {int(np.searchsorted(kept, place)): items for place, items in others.items()}
        if self._layout and self._layout.earlier:
            values = {int(np.searchsorted(kept, place)): _values(lines[place], self._layout.key) for place in records}
            self._leave_out_unfit(cells, values, others)
        return Records(self._table(cells, len(kept), others), kept + first if first else None), bad

    def annotated(self, records: Records) -> pa.Table:
        """Records as a table of the schema, VEP's annotation in columns (of a table that has them, itself).

        It changes nothing here, so that another thread may do it while this one reads the next records.

        Raises
        ------
        InputError
            An annotation has more fields than the header names.
        """
        if self._csq_place is None or records.table.field(self._csq_place).type != pa.string():
            return records.table
        field = self.schema.field(self._csq_place)
        texts = records.table.column(self._csq_place).chunk(0)
        blocks = self._blocks(texts, field.type, records.numbers)
        return records.table.set_column(self._csq_place, field, blocks)

    def _leave_out_unfit(
        self, cells: dict[str, pa.Array], values: dict[int, int], others: dict[int, list[str]]
    ) -> None:
        """Annotations that cannot be told to follow the last of several definitions go to `others`.

        `values`: how many values a record has, where that is not one.
        """
        assert self._layout and self._csq_name
        texts = cells[self._csq_name].to_pylist()
        for place, text in enumerate(texts):
            if text and not transcripts.belongs(self._layout, text.encode(), values.get(place, 1)):
                others.setdefault(place, []).append(f"{self._layout.key}={text}")
                texts[place] = None
                self.unfit += 1
        cells[self._csq_name] = arrays.of_texts([None if text is None else text.encode() for text in texts])

    def _regular(self, read: vcf_columns.Columns) -> dict[str, pa.Array]:
        """Columns as they were read together, by name."""
        cells = dict(zip(self._fixed_names, read.fixed, strict=True))
        cells |= {name: read.info[key.encode()] for key, name in self._info_names.items()}
        if self._csq_key and self._csq_name:
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
                alone = arrays.of_flags(np.fromiter(map(bool, values), bool, len(values)))
            else:
                missing = (b"", b".") if b"" in self._dots or name == self._csq_name else (b"",)
                alone = arrays.of_texts([None if value in missing else value for value in values])
            cells[name] = pa.concat_arrays([column, alone]).take(arrays.of_numbers(order))
        for place, record in records.items():
            for item in record.rest:
                key, equals, _ = item.decode().partition("=")
                if key not in self._info_names and key != self._csq_key:
                    self.note_undeclared({key: not equals})
                others.setdefault(place, []).append(item.decode())
        return cells

    def _record(self, line: bytes) -> _Record | None:
        """One line read by itself; None where it is no record."""
        if problem(line, self._columns):
            return None
        fields = line.split(b"\t")
        values: Sequence[bytes] | None = self._reader.match(fields[7])
        rest: list[bytes] = []
        if values is None:
            values, rest = self._reader.parse(fields[7])
        extra = fields[8:] + [b""] * (self._columns - max(len(fields), 8))
        return _Record((*fields[:7], *values, *extra), rest)

    def _table(self, cells: dict[str, pa.Array], count: int, others: dict[int, list[str]]) -> pa.Table:
        """Columns of text (flags: booleans) as a table of the schema, but for VEP's annotation."""
        keys = {name: key for key, name in self._info_names.items()}
        columns = {}
        for name, column in cells.items():
            kind = self.schema.field(name).type
            if name == self._csq_name or kind == pa.bool_():
                pass
            elif column.type == pa.bool_():  # a flag as text is its own name
                column = pac.if_else(column, arrays.text(keys[name].encode()), arrays.NO_TEXT)
            elif kind != pa.string():
                column = self._typed(keys.get(name, name), column, kind, others)
            columns[name] = column
        texts: list[bytes | None] = [None] * count
        for place, items in others.items():
            texts[place] = ";".join(items).encode()
        columns[self._other_name] = arrays.of_texts(texts) if others else pa.nulls(count, pa.string())
        return pa.table({name: columns[name] for name in self.schema.names})

    def _blocks(self, csq: pa.StringArray, kind: pa.ListType, numbers: np.ndarray | None) -> pa.ListArray:
        """CSQ as a list of structs; null where a record has none."""
        names = [field.name for field in kind.value_type]
        values = csq.drop_null() if csq.null_count else csq
        bounds = arrays.of_numbers(np.array([0, len(values)], np.int32))
        text = pac.binary_join(pa.ListArray.from_arrays(bounds, values), _LINE_END)[0].as_buffer().to_pybytes()
        counts = np.zeros(len(csq), np.int32)
        counts[arrays.flags_of(csq.is_valid())] = _blocks_by_line(text)
        offsets = arrays.of_numbers(np.concatenate([[0], np.cumsum(counts)]).astype(np.int32))
        text = text.replace(b",", b"\n")
        blocks = pa.schema([(name, pa.string()) for name in names])
        try:
            table = table_of(blocks, text, "|") if text else blocks.empty_table()
        except ValueError:
            table = None
        if table is None or len(table) != counts.sum():
            # Blocks of other lengths than the header's, or empty ones, which Arrow skips: one by one, with their lines.
            rows = [
                self._padded(block, record, numbers).encode()
                for record, value in enumerate(csq.to_pylist())
                for block in (value.split(",") if value else ())
            ]
            table = text_table(blocks, rows, "|")
        structs = pa.StructArray.from_arrays([column.combine_chunks() for column in table.columns], names=names)
        return pa.ListArray.from_arrays(offsets, structs, mask=csq.is_null())

    def _padded(self, block: str, record: int, numbers: np.ndarray | None) -> str:
        """A CSQ block with as many fields as the header names."""
        width = len(self._layout.fields) if self._layout else 0
        missing = width - 1 - block.count("|")
        if missing < 0:
            line = f":{numbers[record]}" if numbers is not None else ""
            raise InputError(
                f"{self.path}{line}: a CSQ block has {width - missing} fields, the header's Format names {width}; "
                "the header belongs to another file"
            )
        return block + "|" * missing

    def _typed(self, key: str, column: pa.Array, kind: pa.DataType, others: dict[int, list[str]]) -> pa.Array:
        """A column of numbers, or of lists of numbers; a text that is none goes to `others` under its INFO key."""
        found, misfits = to_numbers(column, kind)
        for place, text in misfits.items():
            self.untyped += 1
            others.setdefault(place, []).append(f"{key}={text}")
        return found


def _type_of(definition: Definition) -> pa.DataType:
    """Arrow's type of an INFO key."""
    if definition.type == "Flag":
        return pa.bool_()
    kind = _NUMBERS.get(definition.type, pa.string())
    return kind if definition.number == "1" or kind == pa.string() else pa.list_(kind)


def _layout(vcf: Vcf, csq_key: str | None) -> transcripts.Layout | None:
    """VEP's annotation by the header; without a key asked for, None where there is none."""
    if csq_key:
        return transcripts.layout(vcf, csq_key)
    try:
        return transcripts.layout(vcf)
    except InputError:
        return None


def _blocks_by_line(text: bytes) -> np.ndarray | int:
    """How many blocks, with commas between them, each line has."""
    if b"," not in text:
        return 1
    chars = np.frombuffer(text, np.uint8)
    ends = np.append(np.flatnonzero(chars == ord("\n")), len(text))
    return np.diff(np.searchsorted(np.flatnonzero(chars == ord(",")), ends), prepend=0) + 1


def _values(line: bytes, key: str) -> int:
    """How many values an INFO key has in a record."""
    item = f"{key}=".encode()
    return sum(part.startswith(item) for part in line.split(b"\t", 8)[7].split(b";"))
