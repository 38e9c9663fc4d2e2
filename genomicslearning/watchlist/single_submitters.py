"""The single-submitter variants of a release, streamed into a temporary parquet file, and a sample of its conflicts."""

from __future__ import annotations

import os
import random
import re
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

from genomicslearning import InputError, clinvar
from genomicslearning.history.releases import SINGLE_SUBMITTER
from genomicslearning.io.accounting import Stopwatch, check_malformed
from genomicslearning.io.vcf import Vcf
from genomicslearning.training_set import transcripts
from genomicslearning.training_set.frequencies import of_files
from genomicslearning.training_set.matching import Partners, check_assemblies
from genomicslearning.training_set.row_writer import to_table
from genomicslearning.training_set.rows import RowMaker
from genomicslearning.training_set.table import SCHEMA
from genomicslearning.training_set.usual import SELF_CLASSIFIED

SINGLE = SINGLE_SUBMITTER.replace(" ", "_")
# Variants with one submitter stand in for CLASS 0, so that one pass gives both them and the conflicts.
_STATUSES = {SINGLE: 0} | {status: label for status, label in clinvar.LABELS.items() if label == 1}
CONFLICTS_KEPT = 20_000
_GROUP_ROWS = 20_000
_CLASS_PLACE = SCHEMA.names.index("CLASS")
_SITE = 5  # CHROM POS ID REF ALT
_CLNSIG = re.compile(rb"(?:^|;)CLNSIG=([^;]*)")


@dataclass
class Spool:
    """Rows that wait in a file: as a training set, with what the one submission said as `prior_*`."""

    path: Path
    rows: int
    conflicting: pd.DataFrame
    inputs: list[dict]
    left_out: dict[str, int]

    def parts(self) -> Iterator[pd.DataFrame]:
        """The rows in the release's order, some thousands at a time."""
        with pq.ParquetFile(self.path) as file:
            for number in range(file.num_row_groups):
                yield _single(file.read_row_group(number))

    def take(self, numbers: np.ndarray) -> pd.DataFrame:
        """The rows with these numbers, in their order."""
        order = np.argsort(numbers, kind="stable")
        found, start = [], 0
        with pq.ParquetFile(self.path) as file:
            for group in range(file.num_row_groups):
                size = file.metadata.row_group(group).num_rows
                wanted = numbers[order][(numbers[order] >= start) & (numbers[order] < start + size)]
                if len(wanted):
                    found.append(file.read_row_group(group).take(pa.array(wanted - start)))
                start += size
        return _single(pa.concat_tables(found).take(pa.array(np.argsort(order))))


def _single(table: pa.Table) -> pd.DataFrame:
    """Rows with what their one submission said under the names that a time split gives it."""
    frame = _frame(table)
    return frame.assign(prior_CLNDN=frame["CLNDN"], prior_review_status=SINGLE_SUBMITTER)


def _frame(table: pa.Table) -> pd.DataFrame:
    return table.to_pandas(types_mapper={pa.string(): pd.StringDtype(na_value=np.nan)}.get)


class NoSingleSubmitters(InputError):
    """A release, or what was cut out of one, has no variant that one laboratory alone has classified."""


class _Sorted:
    """Rows of a release as they come: single submitters into a parquet file, conflicts into a sample."""

    def __init__(self, file: pq.ParquetWriter, schema: pa.Schema, seed: int) -> None:
        self.kept: list[bytes] = []
        self.written = 0
        self._file, self._schema = file, schema
        self._rng = random.Random(seed)
        self._conflicts = 0
        self._waiting: list[bytes] = []
        self._said: list[bytes] = []

    @property
    def single(self) -> int:
        """Variants with one submitter so far."""
        return self.written + len(self._waiting)

    def add(self, rows: list[bytes], classified: dict[tuple[bytes, ...], bytes]) -> None:
        for row in rows:
            cells = row.split(b"\t")
            if cells[_CLASS_PLACE] == b"0":
                self._waiting.append(row)
                self._said.append(classified.get(_site(cells), b""))
            else:
                self._sample(row)
        if len(self._waiting) >= _GROUP_ROWS:
            self.write()

    def _sample(self, row: bytes) -> None:
        """Reservoir sampling: every conflicting variant of the release has the same chance to be kept."""
        self._conflicts += 1
        if len(self.kept) < CONFLICTS_KEPT:
            self.kept.append(row)
        elif (place := self._rng.randrange(self._conflicts)) < CONFLICTS_KEPT:
            self.kept[place] = row

    def write(self) -> None:
        if not self._waiting:
            return
        said = pa.array([text.decode() or None for text in self._said])
        self._file.write_table(to_table(self._waiting, self._schema).append_column("prior_CLNSIG", said))
        self.written += len(self._waiting)
        self._waiting.clear()
        self._said.clear()


def _partners(stack: ExitStack, clinvar_vcf: str | os.PathLike, source: Vcf) -> tuple[Partners, Vcf]:
    """ClinVar's records for those of an annotated file, and ClinVar's file; open as long as the stack is."""
    second = stack.enter_context(Vcf(clinvar_vcf))
    same = check_assemblies(second, source)
    partners = Partners(second, lambda: Vcf(clinvar_vcf), _STATUSES, same_assembly=same)
    stack.callback(partners.close)
    return partners, second


def spool(
    clinvar_vcf: str | os.PathLike,
    annotated: str | os.PathLike | None,
    path: Path,
    *,
    pick: str,
    csq_key: str | None,
    seed: int,
    progress: Callable[[str], None],
) -> Spool:
    """Stream a release once. Conflicting variants are sampled (20,000 at most) to learn the kind of conflict from."""
    watch = Stopwatch(progress, "watchlist")
    with ExitStack() as stack:
        source = stack.enter_context(Vcf(annotated if annotated is not None else clinvar_vcf))
        partners, second = _partners(stack, clinvar_vcf, source) if annotated is not None else (None, None)
        layout = transcripts.layout(source, csq_key) if annotated is not None else None
        maker = RowMaker(
            path=source.path,
            columns=source.columns,
            layout=layout,
            pick=pick,
            labels=_STATUSES,
            frequencies=of_files(layout.fields if layout else (), source, second),
        )
        schema = maker.schema.append(pa.field("prior_CLNSIG", pa.string()))
        file = stack.enter_context(pq.ParquetWriter(path, schema, compression="zstd"))
        found = _Sorted(file, maker.schema, seed)
        for lines in source.batches():
            rows: list[bytes] = []
            of = list(partners.of(lines)) if partners else [SELF_CLASSIFIED] * len(lines)
            maker.make(lines, of, source.line + 1, rows, [])
            found.add(rows, _classifications(lines, of))
            watch.tick(maker.account.read, f", {found.single:,} with one submitter")
        found.write()
        account = maker.finish()
        check_malformed(source.path, account.read, account.quarantined, account.first_problem)
        roles = {"clinvar": second or source} | ({"annotated": source} if second else {})
        inputs = [{"role": role, **vcf.facts()} for role, vcf in roles.items()]
    if not found.written:
        raise NoSingleSubmitters(f"{source.path}: no variant with `{SINGLE_SUBMITTER}`; give a whole ClinVar release")
    return Spool(path, found.written, _frame(to_table(found.kept, maker.schema)), inputs, dict(account.dropped))


def _site(cells: list[bytes]) -> tuple[bytes, ...]:
    return tuple(cells[:4])


def _classifications(lines, partners) -> dict[tuple[bytes, ...], bytes]:
    """Site -> CLNSIG of the single-submitter records in a batch, from ClinVar's own line of each."""
    found: dict[tuple[bytes, ...], bytes] = {}
    marked = SINGLE.encode()
    for line, partner in zip(lines, partners, strict=True):
        if partner is None:
            continue
        chrom, pos, _, ref, alts, *_ = line.split(b"\t", _SITE)
        owners = [line] * (alts.count(b",") + 1) if partner is SELF_CLASSIFIED else partner
        for alt, owner in zip(alts.split(b","), owners, strict=True):
            if owner is not None and marked in owner and (said := _CLNSIG.search(owner.split(b"\t", 8)[7])):
                found[chrom, pos, ref, alt] = said[1]
    return found
