"""A run on the published table and on perturbed copies of it, up to a million rows: seconds, memory, quality.

Run:  python benchmarks/scale.py --table TABLE --out FOLDER [--copies 1 4 16] [--presets quick balanced]

Every copy but the first lies at other places, in genes of other names, with other CADD scores, frequencies and
cDNA positions of its own, so that no two rows are alike. Each run is `genomicslearning run` as a user types it;
memory is that of all of its processes together (a page that several share counts once), looked at every 0.4 seconds:
oftener would cost them a sixth of a core. Leaves FOLDER/<preset>-<copies>.json, which is not measured again,
FOLDER/scale.svg, and prints the table of docs/performance.md.
"""

from __future__ import annotations

import argparse
import json
import re
import resource
import shutil
import subprocess
import sys
import time
from contextlib import suppress
from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

from genomicslearning.training_set.table import SCHEMA, read_table

SEED = 200


def write_copies(table: Path, copies: int, out: Path) -> None:
    """A table of so many perturbed copies, written copy by copy."""
    once = read_table(table)
    schema = pa.schema([SCHEMA.field(column) for column in once.columns])
    random = np.random.default_rng(SEED)
    with pq.ParquetWriter(out, schema, compression="zstd") as file:
        for number in range(copies):
            rows = once if number == 0 else _perturbed(once, number, random)
            file.write_table(pa.table(dict(rows.items()), schema=schema))


def _perturbed(table: pd.DataFrame, number: int, random: np.random.Generator) -> pd.DataFrame:
    def moved(column: str, spread: float) -> pd.Series:
        values = pd.to_numeric(table[column], errors="coerce").to_numpy(np.float64, copy=True)
        values *= np.exp(random.normal(0, spread, len(values)))
        text = pd.Series([f"{value:.5g}" for value in values], index=table.index, dtype="str")
        return table[column].where(table[column].isna() | (table[column] == "0"), text)

    position = table["POS"] + number * 300_000_000 + random.integers(0, 5, len(table))
    return table.assign(
        POS=position,
        CLNHGVS=table["CLNHGVS"].str.split(":").str[0]
        + ":g."
        + position.astype(str)
        + table["REF"]
        + ">"
        + table["ALT"],
        SYMBOL=table["SYMBOL"] + f"_{number}",
        **{column: moved(column, 0.05) for column in ("AF_ESP", "AF_EXAC", "AF_TGP", "CADD_PHRED", "CADD_RAW")},
    ).drop_duplicates(["CHROM", "POS", "REF", "ALT"])


def measured(command: list[str]) -> dict:
    """Run a command; wall and CPU seconds, and the largest resident memory of its whole tree of processes."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    started = time.perf_counter()
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL)
    peak = 0
    while process.poll() is None:
        peak = max(peak, _tree_bytes(process.pid))
        time.sleep(0.4)
    if process.returncode:
        raise SystemExit(f"{' '.join(command)}: exit {process.returncode}")
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    cpu = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    return {"seconds": time.perf_counter() - started, "cpu_seconds": cpu, "peak_gb": peak / 1e9}


def _tree_bytes(root: int) -> int:
    """Bytes in memory of a process and all that it started; a page that several share counts once (Linux's Pss)."""
    parents = {}
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            with suppress(OSError):  # it has ended meanwhile
                parents[int(entry.name)] = int((entry / "stat").read_text().rpartition(")")[2].split()[1])

    def inside(pid: int) -> bool:
        while pid and pid != root:
            pid = parents.get(pid, 0)
        return pid == root

    total = 0
    for pid in filter(inside, parents):
        with suppress(OSError):
            total += int(re.findall(r"^Pss: +(\d+)", Path(f"/proc/{pid}/smaps_rollup").read_text(), re.M)[0])
    return total * 1024


def run_of(table: Path, preset: str, runs: Path, name: str, extra: list[str]) -> dict:
    """One run, and what its record and pages say of it."""
    shutil.rmtree(runs / name, ignore_errors=True)
    command = [sys.executable, "-m", "genomicslearning", "run", "--training-set", str(table), "--preset", preset]
    found = measured([*command, "--name", name, "--runs-dir", str(runs), *extra])
    record = json.loads((runs / name / "run.json").read_text())
    metrics = json.loads((runs / name / "metrics.json").read_text())
    return found | {
        "rows": pq.read_metadata(table).num_rows,
        "steps": {step["name"]: step["seconds"] for step in record["steps"]},
        "pages_mb": {page.name: page.stat().st_size / 1e6 for page in sorted((runs / name).glob("*.html"))},
        "roc_auc": metrics["roc_auc"],
        "average_precision": metrics["average_precision"],
    }


def plot(results: list[dict], target: Path) -> None:
    """Seconds and memory against rows."""
    figure, (left, right) = plt.subplots(1, 2, figsize=(9, 3.6))
    for preset in dict.fromkeys(one["preset"] for one in results):
        of_preset = [one for one in results if one["preset"] == preset]
        rows = [one["rows"] for one in of_preset]
        left.plot(rows, [one["cpu_seconds"] for one in of_preset], "o-", label=f"{preset}, CPU")
        left.plot(rows, [one["seconds"] for one in of_preset], "o--", label=f"{preset}, by the clock")
        right.plot(rows, [one["peak_gb"] for one in of_preset], "o-", label=preset)
    left.set(xscale="log", yscale="log", xlabel="rows", ylabel="seconds", title="A whole run", ylim=(10, None))
    right.set(xscale="log", xlabel="rows", ylabel="GB", ylim=(0, None), title="Memory of all its processes")
    for axis in (left.xaxis, left.yaxis, right.xaxis):
        axis.set_major_formatter("{x:,.0f}")
    left.legend(loc="lower right")
    right.legend(loc="lower right")
    figure.tight_layout()
    figure.savefig(target, metadata={"Date": None})


def line(one: dict) -> str:
    pages = max(one["pages_mb"].values())
    return (
        f"| {one['preset']} | {one['rows']:,} | {one['cpu_seconds']:.0f} | {one['seconds']:.0f} | {one['peak_gb']:.1f} "
        f"| {one['roc_auc']:.4f} | {one['average_precision']:.4f} | {pages:.1f} |"
    )


def main() -> None:
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("--table", type=Path, required=True, help="the published table")
    options.add_argument("--out", type=Path, default=Path("runs/bench-scale"))
    options.add_argument("--copies", type=int, nargs="+", default=[1, 4, 16])
    options.add_argument("--presets", nargs="+", default=["quick", "balanced"])
    options.add_argument("--parameters", nargs="*", default=[], help="KEY=VALUE, as `run -p` takes them")
    chosen = options.parse_args()
    chosen.out.mkdir(parents=True, exist_ok=True)
    extra = [word for pair in chosen.parameters for word in ("-p", pair)]
    results = []
    columns = ("preset", "rows", "CPU-s", "wall s", "peak GB", "AUC", "average precision", "largest page MB")
    print(f"| {' | '.join(columns)} |\n|---{'|--:' * (len(columns) - 1)}|")
    for preset in chosen.presets:
        for copies in chosen.copies:
            kept = chosen.out / f"{preset}-{copies}.json"
            if not kept.exists():
                table = chosen.out / f"copies-{copies}.parquet"
                if not table.exists():
                    write_copies(chosen.table, copies, table)
                found = run_of(table, preset, chosen.out / "runs", f"{preset}-{copies}", extra)
                kept.write_text(json.dumps(found | {"preset": preset, "copies": copies}, indent=1) + "\n")
            results.append(json.loads(kept.read_text()))
            print(line(results[-1]), flush=True)
    plot(results, chosen.out / "scale.svg")


if __name__ == "__main__":
    main()
