"""VCF to parquet: every record, every INFO key, all transcripts, one streaming pass."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence

import pyarrow as pa
import pyarrow.compute as pac
import pyarrow.csv as pc
import pyarrow.parquet as pq

from genomicslearning import InputError, lake, transcripts
from genomicslearning.accounting import MALFORMED_RECORDS, MALFORMED_SHARE, Stopwatch, write_report
from genomicslearning.lines import unique_names
from genomicslearning.vcf import InfoReader, Vcf, check_columns, problem

FIXED = ("CHROM", "POS", "ID", "REF", "ALT", "QUAL", "FILTER")
# INFO items that the header does not declare, or whose value is not of the declared type, as `key=value;key=value`.
OTHER = "INFO_OTHER"
_GROUP_BYTES = 8 << 20
_TYPES = {"Integer": pa.int64(), "Float": pa.float64()}
_LINE_ENDS = b"\r"


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
    VEP's CSQ as a list of structs with all transcripts; ``INFO_OTHER`` for items that the header does not declare or
    whose value is not of its type; FORMAT and one column for each sample, as text. A name that occurs twice gets a
    number.

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
    with Vcf(source) as vcf, lake.output(*places) as [quarantine, report_part, part]:
        converter = Converter(vcf, text=text)
        malformed: list[bytes] = []
        why = None
        read = size = 0
        batch = converter.new()
        with pq.ParquetWriter(
            part, converter.schema, compression="zstd", use_dictionary=False, write_statistics=["CHROM", "POS"]
        ) as writer:
            for lines in vcf.batches():
                for place, line in enumerate(lines, 1):
                    if converter.add(line, batch):
                        read += 1
                    elif line.strip():
                        read += 1
                        check_columns(line, vcf.columns, f"{vcf.path}:{vcf.line + place}")
                        why = why or f"{vcf.path}:{vcf.line + place}: {problem(line)}"
                        if strict:
                            raise InputError(f"{why}; repair it, or leave out --strict to set such records aside")
                        malformed.append(line)
                size += sum(map(len, lines))
                if size > _GROUP_BYTES:
                    writer.write_table(converter.table(batch))
                    batch, size = converter.new(), 0
                watch.tick(read)
            writer.write_table(converter.table(batch))
        if len(malformed) > MALFORMED_RECORDS and len(malformed) > MALFORMED_SHARE * read:
            raise InputError(
                f"{why}; {len(malformed):,} of {read:,} records are malformed, more than 0.1 %: get the file again"
            )
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
            "inputs": [vcf.facts()],
            "warnings": vcf.warnings,
            "engine": "one machine",
            **watch.cost(),
        }
        write_report(report, report_part)
    return report


class _Batch:
    """Records of one row group: tab-separated cells, CSQ blocks one a line, and how many blocks each record has."""

    def __init__(self) -> None:
        self.cells: list[bytes] = []
        self.blocks: list[bytes] = []
        self.block_counts: list[int] = []
        self.other: list[bytes] = []


class Converter:
    """Lines of one VCF to Arrow tables of one schema."""

    def __init__(self, vcf: Vcf, *, text: bool = False) -> None:
        self.path = vcf.path
        self.untyped = 0
        self._text = text
        self._csq_key, self._csq_fields = _csq(vcf)
        keys = [key for key in vcf.info if key != self._csq_key]
        flags = {key for key in keys if vcf.info[key].type == "Flag"}
        # CSQ is read with the rest, as the last value.
        wanted = [*keys, self._csq_key] if self._csq_key else keys
        self._reader = InfoReader(wanted, flags=flags, only=True)
        self._extra = ["FORMAT", *vcf.samples] if vcf.columns > 8 else []
        names = unique_names([*FIXED, *keys, OTHER, *(["CSQ"] if self._csq_key else []), *self._extra])
        self._columns = vcf.columns
        kinds: dict[str, pa.DataType] = {} if text else {"POS": pa.int64(), "QUAL": pa.float64()}
        self._lists: dict[str, pa.DataType] = {}
        self._flags: set[str] = set()
        for key, name in zip(keys, names[len(FIXED) :], strict=False):
            if text:
                continue
            number, type_ = vcf.info[key]
            if key in flags:
                self._flags.add(name)
            elif type_ in _TYPES and number == "1":
                kinds[name] = _TYPES[type_]
            elif type_ in _TYPES:
                self._lists[name] = _TYPES[type_]
        self._cell_names = [*names[: len(FIXED) + len(keys)], *names[len(names) - len(self._extra) :]]
        self._info_names = dict(zip(names[len(FIXED) :], keys, strict=False))
        self._cell_types = {name: kinds.get(name, pa.string()) for name in self._cell_names}
        fields = []
        for name in names:
            if self._csq_key and name == names[len(FIXED) + len(keys) + 1]:
                self._csq_name = name
                block_names = unique_names(self._csq_fields)
                self._block = pa.struct([(field, pa.string()) for field in block_names])
                fields.append(pa.field(name, pa.list_(self._block)))
            elif name in self._flags:
                fields.append(pa.field(name, pa.bool_()))
            elif name in self._lists:
                fields.append(pa.field(name, pa.list_(self._lists[name])))
            else:
                fields.append(pa.field(name, self._cell_types.get(name, pa.string())))
        self._other_name = names[len(FIXED) + len(keys)]
        self.schema = pa.schema(fields)

    @property
    def repeated(self) -> int:
        """Records in which an INFO key repeats."""
        return self._reader.repeated

    @staticmethod
    def new() -> _Batch:
        """An empty batch."""
        return _Batch()

    def add(self, line: bytes, batch: _Batch) -> bool:
        """Add a record; False where the line is none."""
        fields = line.split(b"\t")
        if len(fields) < 8 or not (line.isascii() and fields[1].isdigit() and len(fields[1]) < 19 and fields[3]):
            if problem(line):
                return False
        if len(fields) > self._columns:
            return False
        info = fields[7]
        values = self._reader.match(info)
        other = b""
        if values is None:
            values, rest = self._reader.parse(info)
            other = b";".join(rest)
        batch.other.append(other)
        extra = fields[8:]
        extra += [b""] * (len(self._extra) - len(extra))
        if self._csq_key:
            *values, csq = values
            if csq:
                self._add_blocks(csq, batch)
            else:
                batch.block_counts.append(0)
        batch.cells.append(b"\t".join((*fields[:7], *values, *extra)))
        return True

    def _add_blocks(self, csq: bytes, batch: _Batch) -> None:
        blocks = csq.split(b",")
        width = len(self._csq_fields) - 1
        if csq.count(b"|") != width * len(blocks) or any(block.count(b"|") != width for block in blocks[:-1]):
            for place, block in enumerate(blocks):
                missing = width - block.count(b"|")
                if missing < 0:
                    raise InputError(
                        f"{self.path}: a CSQ block has {width + 1 - missing} fields, the header's Format names "
                        f"{width + 1}; the header belongs to another file"
                    )
                blocks[place] = block + b"|" * missing
        batch.blocks.append(b"\n".join(blocks))
        batch.block_counts.append(len(blocks))

    def table(self, batch: _Batch) -> pa.Table:
        """The records of a batch as an Arrow table."""
        if not batch.cells:
            return self.schema.empty_table()
        other = batch.other
        missing = ("",) if self._text else ("", ".")
        try:
            cells = _read(batch.cells, b"\t", self._cell_names, self._cell_types, missing)
        except pa.ArrowInvalid:
            texts = dict.fromkeys(self._cell_names, pa.string())
            cells = self._typed_one_by_one(_read(batch.cells, b"\t", self._cell_names, texts, missing), other)
        columns = {}
        for name, column in zip(cells.schema.names, cells.columns, strict=True):
            if name in self._flags:
                column = column.is_valid()
            elif name in self._lists:
                column = self._list(name, column, other)
            columns[name] = column
        if self._csq_key:
            columns[self._csq_name] = self._all_blocks(batch)
        columns[self._other_name] = pa.array([item.decode() or None for item in other], pa.string())
        return pa.table([columns[name] for name in self.schema.names], schema=self.schema)

    def _all_blocks(self, batch: _Batch) -> pa.ListArray:
        """CSQ as a list of structs; null where a record has none."""
        names = list(self._block.names)
        table = _read(batch.blocks, b"|", names, dict.fromkeys(names, pa.string()), ("",))
        structs = pa.StructArray.from_arrays([column.combine_chunks() for column in table.columns], names=names)
        ends = pac.cumulative_sum(pa.array(batch.block_counts, pa.int32()))
        offsets = pa.concat_arrays([pa.array([0], pa.int32()), ends])
        lists = pa.ListArray.from_arrays(offsets, structs)
        return pac.if_else(pac.equal(pa.array(batch.block_counts, pa.int32()), 0), pa.scalar(None, lists.type), lists)

    def _typed_one_by_one(self, cells: pa.Table, other: list[bytes]) -> pa.Table:
        """Columns in their types where a cell does not fit its own: that cell is null and stands in `other`."""
        columns = []
        for name, column in zip(cells.schema.names, cells.columns, strict=True):
            kind = self._cell_types[name]
            if kind != pa.string():
                column = pa.array(self._fitting(name, column.to_pylist(), kind, other), kind)
            columns.append(column)
        return pa.table(columns, names=cells.schema.names)

    def _list(self, name: str, column: pa.ChunkedArray, other: list[bytes]) -> pa.Array:
        """A column of numbers with commas between as lists of numbers."""
        kind = self._lists[name]
        column = column.combine_chunks()
        parts = pac.split_pattern(column, ",")
        values = parts.flatten()
        values = pac.if_else(pac.equal(values, "."), None, values)
        try:
            return _list_of(parts, values.cast(kind))
        except pa.ArrowInvalid:
            return pa.array(self._fitting(name, column.to_pylist(), pa.list_(kind), other), pa.list_(kind))

    def _fitting(self, name: str, texts: list, kind: pa.DataType, other: list[bytes]) -> list:
        """Values of a column's texts; a text that is no such value goes to `other` under its INFO key."""
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
                item = f"{self._info_names.get(name, name)}={text}".encode()
                other[place] = other[place] + b";" + item if other[place] else item
            values.append(value)
        return values


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


def _read(
    rows: list[bytes], separator: bytes, names: Sequence[str], types: dict[str, pa.DataType], missing: tuple[str, ...]
) -> pa.Table:
    """Rows of separated cells as an Arrow table."""
    if not rows:
        return pa.schema([(name, types[name]) for name in names]).empty_table()
    text = b"\n".join(rows)
    if _LINE_ENDS in text:
        # Arrow's reader takes a lone carriage return for a line's end.
        cells = zip(*(row.split(separator) for row in text.split(b"\n")), strict=True)
        texts = [pa.array([None if cell.decode() in missing else cell.decode() for cell in column]) for column in cells]
        return pa.table(
            [column.cast(types[name]) for name, column in zip(names, texts, strict=True)], names=list(names)
        )
    return pc.read_csv(
        pa.BufferReader(text),
        read_options=pc.ReadOptions(column_names=names, use_threads=False, block_size=len(text) + 1),
        parse_options=pc.ParseOptions(
            delimiter=separator.decode(), quote_char=False, escape_char=False, ignore_empty_lines=False
        ),
        convert_options=pc.ConvertOptions(
            column_types=types, null_values=missing, strings_can_be_null=True, check_utf8=False
        ),
    )
