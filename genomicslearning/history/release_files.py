"""The two kinds of file that a release comes as, read by Arrow: ClinVar's VCF, and tab-delimited text.

Both give the columns of `VARIANT_COLUMNS`. Texts that repeat (conditions, classifications, genes) are kept once and
numbered, so that a whole release of today, 3.6 million records, takes hundreds of megabytes and not gigabytes.
"""

from __future__ import annotations

import re
import sys
from collections import Counter
from collections.abc import Callable, Iterator
from datetime import date
from typing import BinaryIO

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.csv as pa_csv

from genomicslearning import InputError, clinvar
from genomicslearning.history.assemblies import assembly_of
from genomicslearning.history.dates import date_written
from genomicslearning.io.separated import read_csv
from genomicslearning.io.text import first_line

VARIANT_COLUMNS = (
    "CHROM",
    "POS",
    "REF",
    "ALT",
    "VARIATION_ID",
    "review_status",
    "CLNSIG",
    "CLNSIGCONF",
    "CLNDN",
    "SYMBOL",
    "SYMBOLS",
    "CONFLICT",
)
_TSV_NEEDED = ("chrom", "pos", "ref", "alt", "review_status", "clinical_significance")
_TSV_NAMES = {
    "chrom": "CHROM",
    "pos": "POS",
    "ref": "REF",
    "alt": "ALT",
    "review_status": "review_status",
    "clinical_significance": "CLNSIG",
    "clnsigconf": "CLNSIGCONF",
    "measureset_id": "VARIATION_ID",
    "variation_id": "VARIATION_ID",
    "all_traits": "CLNDN",
    "symbol": "SYMBOLS",
    "clnhgvs": "CLNHGVS",
}
_VCF_COLUMNS = ("CHROM", "POS", "VARIATION_ID", "REF", "ALT", "QUAL", "FILTER", "INFO")
_VCF_KEYS = {
    "CLNREVSTAT": "review_status",
    "CLNSIG": "CLNSIG",
    "CLNSIGCONF": "CLNSIGCONF",
    "CLNDN": "CLNDN",
    "GENEINFO": "SYMBOLS",
    "CLNHGVS": "CLNHGVS",
}
_REPEATING = ("CHROM", "review_status", "CLNSIG", "CLNSIGCONF", "CLNDN", "SYMBOLS")
_BLOCK = 1 << 23  # bytes that Arrow parses at a time: larger than any record, small beside the release
_HGVS_SEEN, _HGVS_PARTS = 2000, 5  # of so many parts the first so many
_FILE_DATE = b"##fileDate="


class ReleaseFile:
    """What a release's file says, read as it is asked for.

    `date` is known at once; `assembly`, where the header does not tell it, when `frames` has come to its end.
    """

    def __init__(
        self,
        parts: Iterator[tuple[pa.Table, pa.Array]],
        finish: Callable[[pd.DataFrame], pd.DataFrame],
        path: object,
        nothing: str,
        assembly: str | None = None,
        day: date | None = None,
    ) -> None:
        self.assembly, self.date = assembly, day
        self._parts, self._finish, self._path, self._nothing = parts, finish, path, f"{path}: {nothing}"

    def frames(self, most: int = sys.maxsize) -> Iterator[pd.DataFrame]:
        """Its variants with `VARIANT_COLUMNS`, so many rows at a time (the last has the rest); by default all at once.

        Raises
        ------
        InputError
            As `open_vcf` and `open_tsv` say; there are none, or none has a review status that ClinVar uses.
        """
        waiting: list[pa.Table] = []
        hgvs: list[pa.Array] = []
        statuses = _Statuses()
        rows, any_rows = 0, False
        for part, named in self._parts:
            statuses.see(part["review_status"])
            if len(hgvs) < _HGVS_PARTS:
                hgvs.append(named.slice(0, _HGVS_SEEN))
            while part.num_rows:
                waiting.append(part.slice(0, most - rows))
                part, rows = part.slice(most - rows), rows + waiting[-1].num_rows
                any_rows = True
                if rows == most:
                    yield self._finish(_frame(waiting))
                    rows = 0
        if not any_rows:
            raise InputError(self._nothing)
        statuses.check(self._path)
        if waiting:
            yield self._finish(_frame(waiting))
        accessions = pd.Series([text for part in hgvs for text in part.to_pylist()], dtype="str")
        self.assembly = self.assembly or assembly_of(accessions)


class _Statuses:
    """Whether a release's review statuses are ones: a file whose are not says nothing of most of its variants.

    Some words are older than the others (`reviewed by expert panel` is of 2013): one known status is not enough.
    """

    def __init__(self) -> None:
        self._seen: Counter[str] = Counter()

    def see(self, column: pa.ChunkedArray) -> None:
        for one in pc.value_counts(column.drop_null()).to_pylist():
            self._seen[one["values"]] += one["counts"]

    def check(self, path: object) -> None:
        unknown = Counter(
            {
                text: number
                for text, number in self._seen.items()
                if clinvar.review_status_meaning(text) not in clinvar.REVIEW_STATUSES
            }
        )
        if 2 * unknown.total() < self._seen.total():
            return
        some = ", ".join(f"{text[:60]!r} ({number:,})" for text, number in unknown.most_common(5)) or "none at all"
        raise InputError(
            f"{path}: most review statuses are none that ClinVar has used since 2015, such as `criteria provided, "
            f"single submitter`; there are: {some}. Give a VCF of 2017 or later, or a tab-delimited release"
        )


# --- VCF --------------------------------------------------------------------------------------------------------------


def open_vcf(first: bytes, lines: BinaryIO, path: object) -> ReleaseFile:
    """A ClinVar VCF whose first line has been read.

    Raises
    ------
    InputError
        The header is cut off; while it is read, a record with fewer than 8 columns or a POS that is no number, named by
        line.
    """
    assembly, day, columns, header_lines = _vcf_header(first, lines, path)
    names = [*_VCF_COLUMNS, *(f"sample {number}" for number in range(columns - len(_VCF_COLUMNS)))]
    parts = _vcf_parts(
        _batches(lines, names, header_lines, path, "not a VCF record (fewer than 8 columns)"), path, header_lines
    )
    return ReleaseFile(parts, _finished_vcf, path, "a VCF without records", assembly, day)


def _vcf_parts(
    batches: Iterator[pa.RecordBatch], path: object, line_number: int
) -> Iterator[tuple[pa.Table, pa.Array]]:
    for batch in batches:
        yield _of_vcf(batch, path, line_number)
        line_number += batch.num_rows


def _finished_vcf(frame: pd.DataFrame) -> pd.DataFrame:
    frame["review_status"] = _mapped(frame["review_status"], lambda text: text.replace("_", " "))
    frame["SYMBOLS"] = _mapped(frame["SYMBOLS"], lambda text: "|".join(clinvar.symbols(text)))
    frame["CONFLICT"] = _conflict(frame, "CLNSIGCONF", clinvar.conflict)
    return _complete(frame)


def _vcf_header(line: bytes, lines: BinaryIO, path: object) -> tuple[str | None, date | None, int, int]:
    """Assembly, date and number of columns that the header tells, and how many lines it has."""
    assembly, day, number = None, None, 1
    while line.startswith(b"##"):
        if line.startswith(b"##reference="):
            assembly = clinvar.assembly_name(line.decode("utf-8", "replace"))
        elif line.startswith(_FILE_DATE):
            day = date_written(line.removeprefix(_FILE_DATE).decode("utf-8", "replace"))
        line, number = lines.readline(), number + 1
    if not line.startswith(b"#CHROM"):
        raise InputError(f"{path}:{number}: a VCF without the line #CHROM; the file is damaged or cut off")
    return assembly, day, line.count(b"\t") + 1, number


def _of_vcf(batch: pa.RecordBatch, path: object, lines_before: int) -> tuple[pa.Table, pa.Array]:
    """The columns of a batch of records, and their CLNHGVS. One without an ALT is of the reference's own allele."""
    _check_positions(batch["POS"], path, lines_before)
    cells = {name: batch[name] for name in ("CHROM", "POS", "REF")}
    cells |= {name: _missing(batch[name]) for name in ("ALT", "VARIATION_ID")}
    info = _info(batch["INFO"])
    hgvs = info.pop("CLNHGVS")
    return _coded(cells | info), hgvs


def _info(info: pa.Array) -> dict[str, pa.Array]:
    """Values of the INFO keys that a release is read for, one array a key, null where a record has none."""
    entries = pc.split_pattern(info, ";")
    flat, record = entries.flatten(), pc.list_parent_indices(entries)
    found = {}
    for key, name in _VCF_KEYS.items():
        chosen = pc.starts_with(flat, key + "=")
        values, rows = flat.filter(chosen), record.filter(chosen).to_numpy()
        rows, first = np.unique(rows, return_index=True)  # the first, where a record repeats a key
        place = np.full(len(info), -1, np.int64)
        place[rows] = first
        cut = pc.utf8_slice_codeunits(values, len(key) + 1)
        found[name] = _missing(cut.take(pa.array(place, mask=place < 0)))
    return found


# --- tab-delimited ----------------------------------------------------------------------------------------------------


def open_tsv(header: bytes, lines: BinaryIO, path: object) -> ReleaseFile:
    """A tab-delimited release whose header line has been read.

    Raises
    ------
    InputError
        A column that a release needs is not there; while it is read, a row does not fit the header, or a pos is not a
        number.
    """
    columns = header.decode("utf-8", "replace").rstrip("\r\n").split("\t")
    lower = [column.lower().lstrip("#") for column in columns]
    if lacking := [column for column in _TSV_NEEDED if column not in lower]:
        raise InputError(
            f"{path}:1: neither a VCF nor a tab-delimited release: no column {', '.join(lacking)}; "
            f"a release has {', '.join(_TSV_NEEDED)}"
        )
    names = [_TSV_NAMES.get(column, f"{column} {number}") for number, column in enumerate(lower)]
    names = [name if name not in names[:number] else f"{name} {number}" for number, name in enumerate(names)]
    return ReleaseFile(_tsv_parts(lines, names, path), _finished_tsv, path, "a table without rows")


def _tsv_parts(lines: BinaryIO, names: list[str], path: object) -> Iterator[tuple[pa.Table, pa.Array]]:
    kept = [name for name in names if name in VARIANT_COLUMNS or name == "CLNHGVS"]
    line_number = 1
    for batch in _batches(lines, names, 1, path, f"not a row of this table ({len(names)} columns)"):
        _check_positions(batch["POS"], path, line_number)
        line_number += batch.num_rows
        cells = {name: _missing(batch[name]) for name in kept}
        hgvs = cells.pop("CLNHGVS", pa.array([], pa.string()))
        yield _coded(cells), hgvs


def _finished_tsv(frame: pd.DataFrame) -> pd.DataFrame:
    frame["review_status"] = _mapped(frame["review_status"], lambda text: text.replace("_", " "))
    for column in ("CLNSIG", "CLNDN"):
        if column in frame:
            frame[column] = _mapped(frame[column], _joined_terms)
    if "SYMBOLS" in frame:
        frame["SYMBOLS"] = _mapped(frame["SYMBOLS"], lambda text: _joined_symbols(text) if text != "-" else None)
    # Tab-delimited releases list the distinct classifications, without counts; which groups they name is the conflict.
    source, read = ("CLNSIGCONF", clinvar.conflict) if "CLNSIGCONF" in frame else ("CLNSIG", _conflict_of_terms)
    frame["CONFLICT"] = _conflict(frame, source, read)
    return _complete(frame)


def _joined_terms(text: str) -> str:
    """`Benign; Likely benign` as a VCF writes it: `Benign|Likely_benign`."""
    return "|".join(term.strip().replace(" ", "_") for term in text.split(";"))


def _joined_symbols(text: str) -> str:
    """`BRCA2;ZAR1L`, or with commas, as `clinvar.symbols` joined by bars."""
    return "|".join(clinvar.symbols(text.replace(";", "|").replace(",", "|")))


def _conflict_of_terms(significance: str) -> str:
    """Which groups a list of classifications names, as `clinvar.conflict` words it; `unknown` where it lists none."""
    terms = significance.split("|")
    if any(term.lower().startswith("conflicting") for term in terms):
        return clinvar.UNKNOWN_CONFLICT
    return clinvar.conflict("|".join(f"{term}(1)" for term in terms))


# --- what both have in common -----------------------------------------------------------------------------------------


def _batches(
    lines: BinaryIO, names: list[str], lines_before: int, path: object, problem: str
) -> Iterator[pa.RecordBatch]:
    """Rows of tab-separated text as strings, some megabytes at a time.

    Arrow parses blocks that are read here: its own streaming reader calls a file from a thread of its own, which may
    outlive an error or Ctrl-C and then ends the interpreter by an abort.
    """
    options = {
        "parse_options": pa_csv.ParseOptions(delimiter="\t", quote_char=False),
        "convert_options": pa_csv.ConvertOptions(column_types=dict.fromkeys(names, pa.binary()), null_values=[""]),
    }
    for block in _blocks(lines):
        reading = pa_csv.ReadOptions(column_names=names, block_size=len(block) + 1, use_threads=False)
        try:
            table = read_csv(pa.BufferReader(block), reading, **options)
        except pa.ArrowInvalid as refused:
            # A handler of invalid rows would not do: it is never called for one that is not UTF-8.
            if row := re.search(r"Row #(\d+): Expected \d+ columns", str(refused)):
                raise InputError(f"{path}:{lines_before + int(row[1])}: {problem}") from None
            raise InputError(f"{path}: cannot be read ({first_line(refused)})") from None
        for batch in table.combine_chunks().to_batches():
            yield _text(batch)
        lines_before += table.num_rows


def _blocks(lines: BinaryIO) -> Iterator[bytes]:
    """Text in blocks of whole lines; those without any text are left out."""
    begun: list[bytes] = []
    while chunk := lines.read(_BLOCK):
        end = chunk.rfind(b"\n") + 1
        begun.append(chunk[:end] if end else chunk)
        if end:
            yield from _with_text(b"".join(begun))
            begun = [chunk[end:]]
    yield from _with_text(b"".join(begun))


def _with_text(block: bytes) -> Iterator[bytes]:
    if block.strip(b"\r\n"):
        yield block


def _text(batch: pa.RecordBatch) -> pa.RecordBatch:
    """Bytes as text; bytes that are not UTF-8 become the replacement character."""
    columns = []
    for column in batch.columns:
        try:
            columns.append(column.cast(pa.string()))
        except pa.ArrowInvalid:
            texts = [None if cell is None else cell.decode("utf-8", "replace") for cell in column.to_pylist()]
            columns.append(pa.array(texts, pa.string()))
    return pa.RecordBatch.from_arrays(columns, names=batch.schema.names)


def _missing(cells: pa.Array) -> pa.Array:
    """Null for an empty cell or a lone dot."""
    return pc.if_else(pc.is_in(cells, pa.array(["", "."])), None, cells)


def _check_positions(positions: pa.Array, path: object, lines_before: int) -> None:
    """Refuse a POS that is no number, by its line."""
    fits = pc.match_substring_regex(positions, r"^[0-9]{1,18}$").fill_null(False)
    if not pc.all(fits).as_py():
        row = pc.index(fits, False).as_py()
        raise InputError(f"{path}:{lines_before + row + 1}: pos is not a number; every row needs its position")


def _coded(cells: dict[str, pa.Array]) -> pa.Table:
    """Cells as a table: positions as numbers, repeating texts as numbers into a list of them."""
    cells["POS"] = cells["POS"].cast(pa.int64())
    return pa.table({name: pc.dictionary_encode(c) if name in _REPEATING else c for name, c in cells.items()})


def _frame(parts: list[pa.Table]) -> pd.DataFrame:
    table = pa.concat_tables(parts).unify_dictionaries().combine_chunks()
    parts.clear()
    return table.to_pandas(
        types_mapper={pa.string(): pd.StringDtype(na_value=np.nan)}.get, split_blocks=True, self_destruct=True
    )


def _complete(frame: pd.DataFrame) -> pd.DataFrame:
    """The columns of a release in their order; those that the file lacks are text, missing throughout."""
    if "SYMBOLS" in frame:
        frame["SYMBOL"] = _mapped(frame["SYMBOLS"], lambda text: text.partition("|")[0])
    lacking = dict.fromkeys(set(VARIANT_COLUMNS) - set(frame.columns), "str")
    return frame.reindex(columns=list(VARIANT_COLUMNS)).astype(lacking)


def _mapped(column: pd.Series, change) -> pd.Series:
    """The column with each of its distinct texts changed once; texts that become equal share a category."""
    categories = [change(text) for text in column.cat.categories]
    codes, distinct = pd.factorize(np.array(categories, dtype=object))
    rows = np.where(column.cat.codes >= 0, codes[column.cat.codes] if len(codes) else -1, -1)
    return pd.Series(pd.Categorical.from_codes(rows, pd.Index(distinct, dtype="str")), index=column.index)


def _conflict(frame: pd.DataFrame, source: str, read) -> pd.Series:
    """Which groups disagree in each conflicting variant, missing for every other."""
    conflicting = [status for status in frame["review_status"].cat.categories if clinvar.label(status) == 1]
    rows = frame["review_status"].isin(conflicting)
    said = frame.loc[rows, source]
    named = {text: read(text) for text in said.dropna().unique()}
    found = said.astype("str").map(named).astype("str").fillna(clinvar.UNKNOWN_CONFLICT)
    return pd.Series(pd.Categorical(found.reindex(frame.index)), index=frame.index)
