"""VCF to parquet: every record, every INFO key, all transcripts, one streaming pass."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from functools import partial
from itertools import chain
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from genomicslearning import InputError
from genomicslearning.io import lake
from genomicslearning.io.accounting import Stopwatch, check_malformed
from genomicslearning.io.text import write_json
from genomicslearning.io.vcf import Quarantine, Vcf, check_no_header, problem
from genomicslearning.parquet.columns import PADDING
from genomicslearning.parquet.converter import Converter, Records, some

# Of text that is converted at once, with what is made of it in memory, and how many such pieces become one row group:
# the footer, which is held in memory to the end, has some 50 kB for each.
_PIECE_BYTES = 3 << 20
_PIECES = 2
# Values are encoded by whole columns of a row group: by the usual thousand they take a tenth longer.
_PARQUET = {
    "compression": "zstd",
    "use_dictionary": False,
    "write_statistics": ["CHROM", "POS"],
    "write_batch_size": 1 << 16,
}


def vcf_to_parquet(
    source: str | os.PathLike,
    out: str | os.PathLike,
    *,
    text: bool = False,
    csq_key: str | None = None,
    strict: bool = False,
    progress: Callable[[str], None] | None = None,
) -> dict:
    """Convert a VCF to parquet.

    Columns: CHROM, POS, ID, REF, ALT, QUAL, FILTER; one for each INFO key of the header in its type (Integer int64,
    Float float64, Flag boolean, String text; lists of numbers where the header's Number is not 1; ``.`` is null);
    VEP's CSQ as a list of structs with all transcripts; ``INFO_OTHER`` for items whose value is not of the key's type;
    FORMAT and one column for each sample, as text. A name that occurs twice gets a number. A file whose records have
    INFO keys that its header does not declare is read twice, and gives a column for each of them, as text; from a pipe,
    which can be read only once, they go to ``INFO_OTHER``.

    Parameters
    ----------
    source, out
        VCF (plain, gzip, bgzip; a pipe, or ``-`` for standard input) and the parquet file, local or ``s3://``.
    csq_key
        INFO key of VEP's annotation where it is not CSQ; its column has its name.
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
    with lake.output(*places, inputs=[source]) as [quarantine_part, report_part, part]:
        piped = lake.is_stream(source)
        while True:
            with Vcf(source) as vcf:
                converter = Converter(vcf, text=text, csq_key=csq_key, undeclared=undeclared)
                counts = _write(vcf, converter, part, quarantine_part, piped=piped, strict=strict, watch=watch)
                if piped or not converter.asks_for_columns:
                    inputs = [vcf.facts()]
                    warnings = [*vcf.warnings, *converter.warnings(piped=piped)]
                    break
            undeclared = converter.undeclared
            quarantine_part.unlink(missing_ok=True)
            if progress:
                progress(
                    f"INFO keys that the header does not declare: {some(undeclared)}; reading again, with columns for "
                    "them"
                )
        report = counts | converter.counts() | {"undeclared_keys": sorted(undeclared)}
        report |= {"inputs": inputs, "warnings": warnings, "engine": "one machine", **watch.cost()}
        write_json(report, report_part)
    return report


def _write(
    vcf: Vcf, converter: Converter, part: Path, quarantine_part: Path, *, piped: bool, strict: bool, watch: Stopwatch
) -> dict[str, object]:
    """Write all records as parquet, and set malformed ones aside; what a report says of their numbers."""
    why = None
    read = aside = 0
    first = vcf.line + 1
    pool = pa.default_memory_pool()
    with (
        pq.ParquetWriter(part, converter.schema, **_PARQUET) as writer,
        _row_groups(partial(_write_row_group, writer, converter)) as write,
        Quarantine(quarantine_part, vcf.header) as quarantine,
    ):
        # A pipe that has nothing to give holds whoever reads it: what is interrupted then could not wait for a thread.
        for text in _texts(vcf) if piped else _ahead(_texts(vcf)):
            records, bad = converter.records(text, first)
            if piped:  # an error would wait for what may never come
                records = records._replace(table=converter.annotated(records))
            count = len(records.table)
            write(records)
            del records
            if pool.backend_name != "system":
                pool.release_unused()  # or half as much again is held
            read += count
            for place, line in sorted(bad.items()):
                if not line.strip():
                    continue  # an empty line is no record
                check_no_header(line, f"{vcf.path}:{first + place}")
                why = why or f"{vcf.path}:{first + place}: {problem(line, vcf.columns)}"
                if strict:
                    raise InputError(f"{why}; repair it, or leave out --strict to set such records aside")
                read, aside = read + 1, aside + 1
                quarantine.add([line])
            first += count + len(bad)
            watch.tick(read)
    check_malformed(vcf.path, read, aside, why)
    return counts_of(read, aside)


def _write_row_group(writer: pq.ParquetWriter, converter: Converter, pieces: list[Records]) -> None:
    tables = []
    while pieces:  # one by one: text and columns of an annotation are not to be held together for long
        tables.append(converter.annotated(pieces.pop(0)))
    writer.write_table(pa.concat_tables(tables))


@contextmanager
def _row_groups(write: Callable[[list[Records]], None]) -> Iterator[Callable[[Records], None]]:
    """Has records written in another thread while the caller goes on, some of them as one row group, in their order.

    An error in writing is raised at a later call, or in the end: before one of the caller's, which is of later lines.
    """
    waiting: list[Records] = []
    begun: list[Future[None]] = []
    with ThreadPoolExecutor(1) as thread:

        def finish() -> None:
            for earlier in begun:
                earlier.result()
            begun.clear()

        def hand_on() -> None:
            finish()
            if waiting:
                begun.append(thread.submit(write, waiting.copy()))
                waiting.clear()

        def add(records: Records) -> None:
            waiting.append(records)
            if len(waiting) == _PIECES:
                hand_on()

        try:
            yield add
        except InputError:
            hand_on()
            finish()
            raise
        hand_on()
        finish()


def _ahead(texts: Iterator[bytes]) -> Iterator[bytes]:
    """The texts, each made in another thread while the caller works on the one before it.

    That thread is waited for in the end, whatever happens: not for a pipe, which may never give more.
    """
    with ThreadPoolExecutor(1) as thread:
        coming = thread.submit(next, texts, b"")
        while text := coming.result():
            coming = thread.submit(next, texts, b"")
            yield text
            del text  # not to be held while the next is waited for


def counts_of(read: int, aside: int) -> dict[str, object]:
    """What a report says of the records of a conversion, which keeps all that are not malformed."""
    kept = read - aside
    return {
        "records_read": read,
        "records_written": kept,
        "rows_written": kept,
        "dropped": {},
        "quarantined": aside,
    }


def _texts(vcf: Vcf) -> Iterator[bytes]:
    """Lines that are converted at once, with the padding behind them."""
    pieces: list[bytes] = []
    size = 0
    for piece in chain(vcf.texts(), [b""]):
        pieces.append(piece)
        size += len(piece)
        if size > _PIECE_BYTES or (size and not piece):
            text = b"".join([*pieces, PADDING])
            pieces.clear()  # not to be held while the text is worked on
            size = 0
            yield text
