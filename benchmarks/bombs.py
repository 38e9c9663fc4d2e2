"""Files that are small and unpack to much: the memory that each takes before it is refused.

python benchmarks/bombs.py [--out build/bombs.json]
"""

from __future__ import annotations

import argparse
import gzip
import json
import subprocess
import sys
import tempfile
import zipfile
from collections.abc import Iterator
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent))
from fuzz import small_model

ROOT = Path(__file__).resolve().parent.parent
HEADER = b"CHROM,POS,REF,ALT,CLASS\n"
CHUNK = b"1,1,A,C,1\n" * 100_000  # a megabyte
_READ = """
import json, resource, sys, time
resource.setrlimit(resource.RLIMIT_AS, (12 << 30, 12 << 30))  # the machine outlives a bomb that goes off
from genomicslearning import InputError
from genomicslearning.autopilot.model import Model
from genomicslearning.endpoint.batch import predict_file
from genomicslearning.training_set.table import read_table

def peak():  # of this program alone: getrusage's figure is also that of the process that forked it
    with open("/proc/self/status") as status:
        return next(int(line.split()[1]) for line in status if line.startswith("VmHWM"))
before, started, said = peak(), time.process_time(), "it was read"
try:
    how, path, model, out = sys.argv[1:]
    {"model": lambda: Model.load(path), "run": lambda: read_table(path),
     "predict": lambda: predict_file(model, path, out)}[how]()
except InputError as problem:
    said = str(problem).replace(path, "FILE")
except MemoryError:
    said = "WENT OFF: more than 12 GB"
after = peak()
print(json.dumps({"said": said, "peak_mb": after // 1024, "grown_mb": (after - before) // 1024,
                  "cpu_seconds": round(time.process_time() - started, 1)}))
"""


def files(folder: Path) -> Iterator[tuple[str, str, Path]]:
    """What it is, who reads it, and the file."""
    with gzip.open(folder / "gzip", "wb", 1) as file:
        file.write(HEADER)
        for _ in range(500):
            file.write(CHUNK)
    with zipfile.ZipFile(folder / "zip", "w", zipfile.ZIP_DEFLATED) as archive:
        with archive.open("t.csv", "w", force_zip64=True) as entry:
            entry.write(HEADER)
            for _ in range(500):
                entry.write(CHUNK)
    with gzip.open(folder / "line", "wb", 1) as file:
        file.write(HEADER + b"1,1,")
        for _ in range(300):
            file.write(b"A" * (1 << 20))
    with gzip.open(folder / "header", "wb", 1) as file:
        for _ in range(300):
            file.write(b"A," * (1 << 19))
    for how in ("run", "predict"):
        for name, what in (
            ("gzip", "500 MB of rows"),
            ("zip", "500 MB of rows"),
            ("line", "a line of 300 MB"),
            ("header", "a header of 300 MB"),
        ):
            yield f"{what}, {name if name == 'zip' else 'gzip'}", how, folder / name
    import pyarrow as pa
    import pyarrow.parquet as pq

    wide = pa.table({f"c{number}": pa.array([1]) for number in range(100_000)})
    pq.write_table(wide, folder / "wide.parquet")
    rows = pa.table(
        {
            "CHROM": pa.array(["1"]).take(pa.array([0] * 20_000_000)).dictionary_encode(),
            "POS": pa.array([1] * 20_000_000),
        }
    )
    sites = {name: rows["CHROM"] for name in ("CHROM", "REF", "ALT")} | {"POS": rows["POS"]}
    pq.write_table(pa.table(sites), folder / "long.parquet", compression="zstd")
    del rows, sites
    for how in ("run", "predict"):
        yield "parquet of 100,000 columns", how, folder / "wide.parquet"
    # `predict` would stream these rows, in the memory that it always takes, for minutes.
    yield "parquet of 20 million equal rows", "run", folder / "long.parquet"
    from genomicslearning.autopilot import integrity

    manifest = json.loads((folder / "model" / "manifest.json").read_text())
    for name, schema in {
        "schema.json of 300 MB": b'{"__loader__": "JsonNode", "content": "1"},' * 7_000_000,
        "schema.json of 24 MB of brackets": b"[" + b"[]," * 8_000_000 + b"0]",
        "schema.json of 199,000 objects": b"["
        + b'{"__class__":"a","__module__":"b","__loader__":"ListNode","content":[]},' * 199_000
        + b"0]",
    }.items():
        place = folder / f"model {len(schema)}"
        place.mkdir()
        with zipfile.ZipFile(place / "model.skops", "w", zipfile.ZIP_DEFLATED) as archive:
            archive.writestr("schema.json", schema)
        del schema
        (place / "manifest.json").write_text(integrity.sealed(manifest, (place / "model.skops").read_bytes()))
        yield f"model with {name}", "model", place


def main() -> None:
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("--out", type=Path, default=ROOT / "build" / "bombs.json")
    chosen = options.parse_args()
    report = []
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch)
        small_model(folder)
        for what, how, path in files(folder):
            size = sum(part.stat().st_size for part in path.rglob("*")) if path.is_dir() else path.stat().st_size
            command = [sys.executable, "-c", _READ, how, path, folder / "model", folder / "out.csv"]
            answer = json.loads(subprocess.run(command, capture_output=True, text=True, check=True).stdout)
            report.append({"file": what, "read_by": how, "mb": round(size / 1e6, 1)} | answer)
            print(json.dumps(report[-1]), flush=True)
    chosen.out.parent.mkdir(parents=True, exist_ok=True)
    chosen.out.write_text(json.dumps(report, indent=1) + "\n")


if __name__ == "__main__":
    main()
