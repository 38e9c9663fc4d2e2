"""The same annotated VCFs converted by `vcf-to-parquet` and by its peers on PyPI: what each costs, and what each loses.

    python benchmarks/peers.py --peers build/peers ANNOTATED.vcf.gz [ANNOTATED.vcf.gz …]

Each peer lives in an environment of its own in the folder `--peers`, made where it is missing. Each conversion is a
process of its own; the tables printed give the median of its processor time (user and system, of all its threads), its
peak memory and the size of its file. Every cell of every file is then compared with the VCF's text. Peers run with the
settings that lose least; one that cannot be installed or that fails is said to, with its own words. Records that a
converter may stumble over are tried one by one, between good records of the first VCF.
"""

from __future__ import annotations

import argparse
import gzip
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import venv
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, NamedTuple
from urllib.parse import unquote

POLARS_BIO = """
import gzip, re, sys
import polars as pl, polars_bio as pb
with gzip.open(sys.argv[1], "rt") as file:
    header = next(line for line in file if line.startswith("##INFO=<ID=CSQ,"))
names = re.search(r"Format: ([^\\"]+)", header)[1].strip().split("|")
block = pl.element().str.split_exact("|", len(names) - 1).struct.rename_fields(names)
pb.scan_vcf(sys.argv[1]).with_columns(pl.col("CSQ").list.eval(block)).sink_parquet(sys.argv[2])
"""
OXBOW = """
import sys
import oxbow, pyarrow as pa, pyarrow.parquet as pq
with open(sys.argv[1], "rb") as file:
    blocks = file.read(14)[12:] == b"BC"
batches = oxbow.from_vcf(sys.argv[1], "bgzf" if blocks else "gzip").batches()
first = pa.record_batch(next(batches))
with pq.ParquetWriter(sys.argv[2], first.schema) as out:
    out.write_batch(first)
    for batch in batches:
        out.write_batch(pa.record_batch(batch))
"""
VCF2PARQUET = """
import sys
import pyvcf2parquet
pyvcf2parquet.convert_vcf(sys.argv[1], sys.argv[2], info_optional=True)
"""


class Tool(NamedTuple):
    name: str
    package: str  # "" is this one
    arguments: list[str]  # of its Python, before the two paths


OURS = ["-m", "genomicslearning", "vcf-to-parquet"]
TOOLS = [
    Tool("vcf-to-parquet", "", OURS),
    Tool("vcf-to-parquet --text", "", [*OURS, "--text"]),
    Tool("polars-bio 0.36.2, CSQ split", "polars-bio==0.36.2", ["-c", POLARS_BIO]),
    Tool("oxbow 0.8.2", "oxbow==0.8.2", ["-c", OXBOW]),
    Tool("vcf2parquet 0.6.0", "vcf2parquet==0.6.0", ["-c", VCF2PARQUET]),
]

# Columns of a record under the names that the tools give them.
FIXED = {
    "CHROM": ("chrom", "chromosome"),
    "POS": ("pos", "start", "position"),
    "ID": ("id", "identifier"),
    "REF": ("ref", "reference"),
    "ALT": ("alt", "alternate"),
    "QUAL": ("qual", "quality"),
    "FILTER": ("filter",),
}
JOINED_BY = {"ID": ";", "FILTER": ";"}  # lists of the other columns are joined by commas
MISSING = ("", ".")
KINDS = ("missing", "percent codes decoded", "number written otherwise", "number changed", "text changed")


def interpreter(tool: Tool, folder: Path) -> tuple[str, str]:
    """The tool's Python, or why there is none."""
    if not tool.package:
        return sys.executable, ""
    home = folder / tool.package
    python = home / "bin" / "python"
    if not (home / "ready").exists():
        shutil.rmtree(home, ignore_errors=True)
        venv.create(home, with_pip=True)
        pip = [
            str(python),
            "-m",
            "pip",
            "install",
            "--quiet",
            "--disable-pip-version-check",
            "--no-compile",
            tool.package,
        ]
        done = subprocess.run(pip, capture_output=True, text=True)
        if done.returncode:
            return "", f"cannot be installed: {last_line(done.stderr)}"
        (home / "ready").touch()
    return str(python), ""


def last_line(text: str) -> str:
    """What a program said last, without what would break a table."""
    lines = [line.strip() for line in text.replace("\r", "\n").splitlines() if line.strip()]
    said = (lines[-1] if lines else "no message").replace("|", "\\|")
    return said if len(said) <= 110 else f"…{said[-110:]}"


class Run(NamedTuple):
    """One conversion: seconds of processor time, MB of memory and of output, and why it failed, if it did."""

    cpu: float
    peak: float
    size: float
    failure: str


def convert(python: str, tool: Tool, source: Path, target: Path) -> Run:
    target.unlink(missing_ok=True)
    with tempfile.TemporaryFile("w+") as said:
        process = subprocess.Popen(
            [python, *tool.arguments, str(source), str(target)], stdout=subprocess.DEVNULL, stderr=said
        )
        _, status, usage = os.wait4(process.pid, 0)
        process.returncode = code = os.waitstatus_to_exitcode(status)
        said.seek(0)
        words = last_line(said.read())
    size = target.stat().st_size / 1e6 if target.exists() else 0.0
    failure = f"exit code {code}: {words}" if code else "" if size else "no file"
    return Run(usage.ru_utime + usage.ru_stime, usage.ru_maxrss / 1024, size, failure)


def medians(runs: list[Run]) -> Run:
    median = statistics.median
    return Run(
        median(run.cpu for run in runs),
        median(run.peak for run in runs),
        median(run.size for run in runs),
        runs[-1].failure,
    )


# --- what is in the VCF


def opened(path: Path):
    with path.open("rb") as file:
        packed = file.read(2) == b"\x1f\x8b"
    return gzip.open(path, "rt", encoding="utf-8") if packed else path.open(encoding="utf-8")


def source_records(path: Path) -> Iterator[dict[str, str]]:
    """Cells of each record as they are written: column or INFO key → text; a flag's is "True"."""
    with opened(path) as file:
        for line in file:
            if line.startswith("#"):
                continue
            *fixed, info = line.rstrip("\r\n").split("\t")[:8]
            if len(fixed) < len(FIXED) or not fixed[1].isdecimal():
                continue
            cells = dict(zip(FIXED, fixed, strict=True))
            if info not in MISSING:
                for entry in info.split(";"):
                    key, equals, value = entry.partition("=")
                    cells[f"INFO/{key}"] = value if equals else "True"
            yield cells


# --- what is in a parquet file


def official(name: str) -> str:
    for column, names in FIXED.items():
        if name.lower() in names:
            return column
    return f"INFO/{name.removeprefix('info_')}"


def columns_of(batch) -> dict[str, Any]:
    """Columns of a batch under the VCF's names, those nested in `info` beside the others."""
    found = {}
    for name, column in zip(batch.schema.names, batch.columns, strict=True):
        if name == "info":
            found.update({f"INFO/{field.name}": column.field(field.name) for field in column.type})
        else:
            found[official(name)] = column
    return found


def blocks_as_text(column):
    """A list of structs as the list of texts that it was split from."""
    import pyarrow as pa
    import pyarrow.compute as pc

    fields = [pc.fill_null(field.cast(pa.string()), "") for field in column.values.flatten()]
    return pa.ListArray.from_arrays(column.offsets, pc.binary_join_element_wise(*fields, "|"), mask=column.is_null())


def texts(name: str, column) -> list[str]:
    """Each cell as a VCF would write it; floats in the fewest digits that give the same number of that width."""
    import pyarrow as pa

    kind = column.type
    if pa.types.is_list(kind) or pa.types.is_large_list(kind):
        if pa.types.is_struct(kind.value_type):
            column = blocks_as_text(column.cast(pa.list_(kind.value_type)))
        joint, number = JOINED_BY.get(name, ","), written(kind.value_type)
        return [joint.join("." if v is None else number(v) for v in cell or ()) for cell in column.to_pylist()]
    number = written(kind)
    return ["" if value is None or value is False else number(value) for value in column.to_pylist()]


def written(kind) -> Callable[[Any], str]:
    """How a value of an Arrow type is written."""
    import numpy as np
    import pyarrow as pa

    if not pa.types.is_floating(kind):
        return str
    width = np.float32 if pa.types.is_float32(kind) else np.float64
    return lambda value: np.format_float_positional(width(value), trim="-")


def rows(path: Path) -> Iterator[dict[str, str]]:
    import pyarrow.parquet as pq

    for batch in pq.ParquetFile(path).iter_batches(4096):
        columns = {name: texts(name, column) for name, column in columns_of(batch).items()}
        for cells in zip(*columns.values(), strict=True):
            row = dict(zip(columns, cells, strict=True))
            other = row.pop("INFO/INFO_OTHER", "")  # what did not fit its column, in this package's files
            for entry in filter(None, other.split(";")):
                key, equals, value = entry.partition("=")
                row[f"INFO/{key}"] = value if equals else "True"
            yield row


# --- the comparison


class Losses:
    """What a file of rows lost of a file of records."""

    def __init__(self) -> None:
        self.records = self.read = self.cells = self.blocks = self.blocks_lost = 0
        self.keys_missing: Counter[str] = Counter()
        self.changed: Counter[str] = Counter()
        self.by_column: dict[str, Counter[str]] = {kind: Counter() for kind in KINDS}
        self.examples: dict[str, str] = {}

    def cell(self, name: str, there: str, here: str | None) -> None:
        if there in MISSING:
            return
        self.cells += 1
        if here is None:
            self.keys_missing[name] += 1
            return
        if here == there:
            return
        kind = difference(there, here)
        self.changed[kind] += 1
        self.by_column[kind][name] += 1
        if kind not in self.examples:
            first = next((at for at, (one, other) in enumerate(zip(there, here, strict=False)) if one != other), 0)
            one, other = (text[max(0, first - 10) : first + 10] for text in (there, here))
            self.examples[kind] = f"`{one}` → `{other}`"

    def record(self, there: dict[str, str], here: dict[str, str]) -> None:
        self.read += 1
        for name, text in there.items():
            self.cell(name, text, here.get(name))
        blocks, found = (Counter(filter(None, cells.get("INFO/CSQ", "").split(","))) for cells in (there, here))
        self.blocks += blocks.total()
        self.blocks_lost += (blocks - found).total()

    def said(self, narrow: list[str]) -> str:
        parts = [f"{len(self.keys_missing)} INFO keys missing: {', '.join(self.keys_missing)}"] * bool(
            self.keys_missing
        )
        for kind, count in self.changed.items():
            columns = ", ".join(name.removeprefix("INFO/") for name, _ in self.by_column[kind].most_common(4))
            parts.append(f"{kind}: {count:,} cells ({columns}; {self.examples[kind].replace('|', chr(92) + '|')})")
        parts += [f"floats in 32 bits: {', '.join(narrow)}"] * bool(narrow)
        return "; ".join(parts) or "nothing"


def difference(there: str, here: str) -> str:
    if here in MISSING or set(here) <= {".", ","}:
        return "missing"
    if unquote(there) == here:
        return "percent codes decoded"
    try:
        same = [float(v) for v in there.split(",")] == [float(v) for v in here.split(",")]
    except ValueError:
        return "text changed"
    return "number written otherwise" if same else "number changed"


def place(cells: dict[str, str]) -> tuple[str | None, ...]:
    return tuple(cells.get(name) for name in ("CHROM", "POS", "REF"))


def compare(source: Path, target: Path) -> Losses:
    """Rows against records, in their order: a record without a row of its place is lost.

    Further rows of a record's place, of its other alleles, and rows of no record's place are passed over.
    """
    losses = Losses()
    known = {place(record) for record in source_records(source)}
    pending = (row for row in rows(target) if place(row) in known)
    row = next(pending, None)
    before: tuple[str | None, ...] = ()
    for record in source_records(source):
        losses.records += 1
        where = place(record)
        while row is not None and place(row) == before != where:
            row = next(pending, None)
        if row is not None and place(row) == where:
            losses.record(record, row)
            before, row = where, next(pending, None)
    return losses


def types_of(target: Path) -> dict[str, Any]:
    import pyarrow.parquet as pq

    schema = pq.read_schema(target)
    kinds = {official(field.name): field.type for field in schema if field.name != "info"}
    if "info" in schema.names:
        kinds |= {f"INFO/{field.name}": field.type for field in schema.field("info").type}
    return kinds


def csq_kept_as(target: Path) -> str:
    import pyarrow as pa

    kind = types_of(target).get("INFO/CSQ")
    if kind is None:
        return "no column"
    if pa.types.is_list(kind) or pa.types.is_large_list(kind):
        return f"{kind.value_type.num_fields} fields" if pa.types.is_struct(kind.value_type) else "blocks of text"
    return "one text"


def narrow_floats(target: Path) -> list[str]:
    """INFO keys whose numbers a reader in 64 bits finds changed: 0.1002 is 0.10019999742507935."""
    import pyarrow as pa

    kinds = {name: getattr(kind, "value_type", kind) for name, kind in types_of(target).items() if name[:5] == "INFO/"}
    return [name.removeprefix("INFO/") for name, kind in kinds.items() if pa.types.is_float32(kind)]


# --- records to stumble over

BIG = '##INFO=<ID=BIG,Number=1,Type=Integer,Description="an integer">\n'
STUMBLES = {
    "too few columns": ("{chrom}\t{pos}\t.\tA\n", ""),
    "POS is a word": ("{chrom}\there\t.\tA\tG\t.\t.\t.\n", ""),
    "an undeclared INFO key": ("{chrom}\t{pos}\t.\tA\tG\t.\t.\tNEW=7\n", "NEW=7"),
    "an integer beyond 32 bits": ("{chrom}\t{pos}\t.\tA\tG\t.\t.\tBIG=3000000000\n", "BIG=3000000000"),
    "a percent code": ("{chrom}\t{pos}\t.\tA\tG\t.\t.\tTEXT=a%3Bb\n", "TEXT=a%3Bb"),
}
TEXT = '##INFO=<ID=TEXT,Number=1,Type=String,Description="a text">\n'
GOOD = 400


def with_stumble(source: Path, target: Path, line: str) -> None:
    """The VCF's header and first records with one more among them."""
    header: list[str] = []
    good: list[str] = []
    with opened(source) as file:
        for text in file:
            (header if text.startswith("#") else good).append(text)
            if len(good) == GOOD:
                break
    # A header line that some peers refuse would hide what they do with the record.
    header = [text for text in header if not text.startswith("##ID=")]
    chrom, pos = good[GOOD // 2].split("\t")[:2]
    good.insert(GOOD // 2, line.format(chrom=chrom, pos=pos))
    with gzip.open(target, "wt") as out:
        out.writelines([*header[:-1], BIG, TEXT, header[-1], *good])


def stumbled(source: Path, target: Path, run: Run, wanted: str) -> str:
    if run.failure:
        return f"refuses the file ({run.failure})"
    losses = compare(source, target)
    if not wanted:
        lost = losses.records - losses.read
        return f"goes on, {lost} good records lost" if lost else "goes on, no good record lost"
    key, value = wanted.split("=")
    kept = [row[f"INFO/{key}"] for row in rows(target) if row.get(f"INFO/{key}") not in (None, *MISSING)]
    return "kept" if kept == [value] else f"becomes `{kept[0]}`" if kept else "lost"


# --- the report


def table(head: list[str], body: list[list[str]]) -> str:
    lines = [head, ["---"] * len(head), *body]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def figures(path: Path, results: dict[str, tuple[Run, Path]]) -> str:
    body = []
    for name, (run, target) in results.items():
        if run.failure:
            cost = [f"{run.cpu:.2f}", f"{run.peak:.0f}"] if run.cpu else ["–", "–"]
            body.append([name, *cost, "–", "none", "–", run.failure])
            continue
        losses = compare(path, target)
        csq = f"{csq_kept_as(target)}, {losses.blocks_lost:,} of {losses.blocks:,} blocks lost or changed"
        records = f"{losses.read:,} of {losses.records:,}"
        body.append(
            [
                name,
                f"{run.cpu:.2f}",
                f"{run.peak:.0f}",
                f"{run.size:.2f}",
                records,
                csq,
                losses.said(narrow_floats(target)),
            ]
        )
    return table(["tool", "CPU-s", "peak MB", "file MB", "records", "CSQ", "lost or changed"], body)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("vcfs", type=Path, nargs="+", metavar="ANNOTATED", help="VCF(.gz) with VEP's CSQ")
    parser.add_argument("--peers", type=Path, required=True, help="folder for the peers' environments")
    parser.add_argument("--repeats", type=int, default=3)
    given = parser.parse_args()
    pythons = {tool.name: interpreter(tool, given.peers) for tool in TOOLS}
    with tempfile.TemporaryDirectory() as temporary:

        def run(tool: Tool, source: Path, repeats: int) -> tuple[Run, Path]:
            target = Path(temporary, f"{source.name}.{TOOLS.index(tool)}.parquet")
            python, problem = pythons[tool.name]
            if problem:
                return Run(0.0, 0.0, 0.0, problem), target
            return medians([convert(python, tool, source, target) for _ in range(repeats)]), target

        stumbles = {name: Path(temporary, f"{place}.vcf.gz") for place, name in enumerate(STUMBLES)}
        for name, (line, _) in STUMBLES.items():
            with_stumble(given.vcfs[0], stumbles[name], line)
        # A child's peak counts its parent's size when it was forked: all conversions come before all comparisons.
        results = [(path, {tool.name: run(tool, path, given.repeats) for tool in TOOLS}) for path in given.vcfs]
        tried = {name: [run(tool, path, 1) for tool in TOOLS] for name, path in stumbles.items()}
        for path, by_tool in results:
            print(f"\n`{path.name}`, {path.stat().st_size / 1e6:.1f} MB:\n\n{figures(path, by_tool)}")
        body = [
            [
                tool.name,
                *(
                    stumbled(stumbles[name], tried[name][at][1], tried[name][at][0], STUMBLES[name][1])
                    for name in STUMBLES
                ),
            ]
            for at, tool in enumerate(TOOLS)
        ]
        print(f"\nOne such record among {GOOD} good ones:\n\n{table(['tool', *STUMBLES], body)}")


if __name__ == "__main__":
    main()
