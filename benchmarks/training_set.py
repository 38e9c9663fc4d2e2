"""Measure the training-set engine: CPU, wall, memory and the ratio to `zcat`, and how they grow.

    python benchmarks/training_set.py --table clinvar_conflicting.csv.zip [--copies 1 10 40] [--docs docs]

The VCF pair is made from the table by `rebuild_vcfs.py` (--tool). CPU is user + system seconds of the process and its
children, the smallest of --repeats runs; `zcat` of both inputs is measured in the same run. Writes the tables in
docs/performance.md (between its markers) and docs/performance.svg.
"""

from __future__ import annotations

import argparse
import gzip
import json
import os
import platform
import random
import re
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
COMMAND = [sys.executable, "-m", "genomicslearning"]
MARKER = "<!-- {} of the benchmark -->"


def tree_memory(pid: int) -> float:
    """Peak resident memory of a process and of its children, added up, in MB."""
    total = 0
    for one in [pid, *children(pid)]:
        try:
            status = Path(f"/proc/{one}/status").read_text()
        except OSError:
            continue
        found = re.search(r"VmHWM:\s*(\d+)", status)
        total += int(found[1]) if found else 0
    return total / 1024


def tree_cpu(pid: int) -> float:
    """User and system seconds so far of the children of a process: Spark's JVM is not waited for."""
    total = 0
    for one in children(pid):
        try:
            fields = Path(f"/proc/{one}/stat").read_text().rpartition(")")[2].split()
        except OSError:
            continue
        total += sum(map(int, fields[11:15]))  # its own and those of its finished children
    return total / os.sysconf("SC_CLK_TCK")


def children(pid: int) -> list[int]:
    try:
        direct = [int(one) for one in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]
    except OSError:
        return []
    return direct + [one for child in direct for one in children(child)]


def measure(command: list, repeats: int, env: dict | None = None, *, jvm: bool = False) -> dict:
    """CPU and wall seconds (smallest of the runs) and peak memory of a command and its children.

    `jvm`: whether it has children that it does not wait for, as Spark has. Memory that processes share counts for each.
    """
    runs = []
    for _ in range(repeats):
        start = time.monotonic()
        process = subprocess.Popen(
            [str(part) for part in command], stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, env=env
        )
        peak, cpu = [0.0], [0.0]
        done = threading.Event()

        def watch(pid=process.pid, peak=peak, cpu=cpu, done=done):
            while not done.wait(0.02):
                peak[0] = max(peak[0], tree_memory(pid))
                cpu[0] = max(cpu[0], tree_cpu(pid))

        watcher = threading.Thread(target=watch)
        watcher.start()
        assert process.stderr is not None
        errors = process.stderr.read()
        _, status, usage = os.wait4(process.pid, 0)
        done.set()
        watcher.join()
        if status:
            raise SystemExit(f"{command}: {errors.decode()[-2000:]}")
        runs.append((usage.ru_utime + usage.ru_stime + cpu[0] * jvm, time.monotonic() - start, peak[0]))
    return {"cpu": min(run[0] for run in runs), "wall": min(run[1] for run in runs), "rss": max(run[2] for run in runs)}


def zcat(paths: list[Path], repeats: int) -> dict[str, float]:
    """CPU and wall seconds that `zcat` of the files takes."""
    runs = [measure(["zcat", path], repeats) for path in paths]
    return {name: sum(run[name] for run in runs) for name in ("cpu", "wall")}


def records(path: Path) -> int:
    with gzip.open(path, "rb") as file:
        return sum(not line.startswith(b"#") for line in file)


def pair(tool: Path, table: Path, folder: Path, copies: int) -> tuple[Path, Path]:
    target = folder / f"copies{copies}"
    if not (target / "clinvar.vcf.gz").exists():
        subprocess.run(
            [sys.executable, tool, table, target, "--copies", str(copies), "--single-submitters", "20000"], check=True
        )
    return target / "clinvar.vcf.gz", target / "clinvar.annotated.vcf.gz"


def shuffled(path: Path, target: Path, seed: int) -> Path:
    with gzip.open(path, "rb") as file:
        lines = file.read().splitlines(keepends=True)
    head = [line for line in lines if line.startswith(b"#")]
    body = lines[len(head) :]
    random.Random(seed).shuffle(body)
    with gzip.open(target, "wb", compresslevel=6) as file:
        file.writelines(head + body)
    return target


def engine_rows(files: tuple[Path, Path], copies: int, folder: Path, repeats: int) -> list[dict]:
    """The one-machine jobs on one pair."""
    clinvar, annotated = files
    both, alone = zcat([clinvar, annotated], repeats), zcat([annotated], repeats)
    count = records(annotated)
    made = []
    jobs = [
        (
            "both files → CSV",
            ["training-set", "--clinvar", clinvar, "--annotated", annotated, "--out", folder / "t.csv"],
            both,
        ),
        (
            "both files → parquet",
            ["training-set", "--clinvar", clinvar, "--annotated", annotated, "--out", folder / "t.parquet"],
            both,
        ),
        ("annotated alone → CSV", ["training-set", "--annotated", annotated, "--out", folder / "t.csv"], alone),
        ("annotated alone → parquet", ["training-set", "--annotated", annotated, "--out", folder / "t.parquet"], alone),
    ]
    if copies <= 10:
        jobs.append(("vcf-to-parquet", ["vcf-to-parquet", annotated, folder / "v.parquet"], alone))
    for name, arguments, base in jobs:
        made.append(line(name, copies, count, measure([*COMMAND, *arguments], repeats), base))
    return made


def spark_row(files: tuple[Path, Path], copies: int, folder: Path) -> dict:
    clinvar, annotated = files
    job = [sys.executable, ROOT / "glue" / "create_training_set.py", "--clinvar", clinvar, "--annotated", annotated]
    env = {**os.environ, "SPARK_MASTER": "local[2]", "SPARK_LOCAL_IP": "127.0.0.1"}
    figures = measure([*job, "--out", folder / "spark.csv"], 1, env, jvm=True)
    return line(
        "Spark local[2], both files → CSV and parquet", copies, records(annotated), figures, zcat(list(files), 1)
    )


def line(name: str, copies: int, count: int, figures: dict, base: dict[str, float]) -> dict:
    ratio, clock = figures["cpu"] / base["cpu"], figures["wall"] / base["wall"]
    made = {"job": name, "copies": copies, "records": count, **figures}
    made |= {"zcat": base["cpu"], "ratio": ratio, "clock": clock}
    print(
        f"{name}, {copies} copies: {figures['cpu']:.2f} CPU-s, {figures['wall']:.1f} s, {figures['rss']:.0f} MB, "
        f"{ratio:.2f} x zcat ({base['cpu']:.2f} CPU-s), by the clock {clock:.2f} x",
        flush=True,
    )
    return made


def per_record_rows(data: Path | None, pairs: dict[int, tuple[Path, Path]], folder: Path, repeats: int) -> list[dict]:
    """Microseconds per record where there is more to do: many transcripts, files in different orders."""
    made = []
    jobs: list[tuple[str, Path, Path]] = []
    for copies, files in pairs.items():
        first, second = (
            shuffled(path, folder / f"mixed{copies}.{seed}.vcf.gz", seed) for seed, path in enumerate(files)
        )
        jobs.append((f"shuffled pair, {copies} {'copy' if copies == 1 else 'copies'}", first, second))
    source = data and data / "vep" / "clinvar_brca1_vep109_20230324.vcf.gz"
    modern = data and data / "clinvar_2026" / "clinvar_20260226_GRCh38_excerpt.vcf.gz"
    if source and modern and source.exists() and modern.exists():
        lifted = folder / "brca1.vcf.gz"
        with gzip.open(source, "rt") as file, gzip.open(lifted, "wt") as target:
            for text in file:
                if text.startswith("#"):
                    text = text.replace("GRCh37", "GRCh38")
                else:
                    chrom, pos, rest = text.split("\t", 2)
                    text = f"{chrom}\t{int(pos) + 1_847_983}\t{rest}"
                target.write(text)
        jobs.append(("BRCA1, up to 75 CSQ blocks a record, with the 2026 excerpt", modern, lifted))
    for name, first, second in jobs:
        arguments = ["training-set", "--clinvar", first, "--annotated", second, "--out", folder / "p.csv"]
        figures = measure([*COMMAND, *arguments], repeats)
        count = records(first) + records(second)
        made.append({"job": name, "records": count, **figures, "us": figures["cpu"] / count * 1e6})
        print(
            f"{name}: {figures['cpu']:.2f} CPU-s, {made[-1]['us']:.1f} us a record, {figures['rss']:.0f} MB", flush=True
        )
    return made


def tables(rows: list[dict], special: list[dict]) -> str:
    """Markdown of the figures."""
    out = [
        f"Measured {time.strftime('%Y-%m-%d')} with `benchmarks/training_set.py` on {os.cpu_count()} cores "
        f"({platform.machine()}), Python {platform.python_version()}, gzip's `zcat`.",
        "",
        "| job | copies | records | CPU-s | wall s | peak RSS MB | zcat CPU-s | CPU ÷ zcat | clock ÷ zcat |",
        "|---|--:|--:|--:|--:|--:|--:|--:|--:|",
    ]
    for row in rows:
        out.append(
            f"| {row['job']} | {row['copies']} | {row['records']:,} | {row['cpu']:.2f} | {row['wall']:.1f} "
            f"| {row['rss']:.0f} | {row['zcat']:.2f} | {row['ratio']:.2f} | {row['clock']:.2f} |"
        )
    out += [
        "",
        "| harder inputs | records of both files | CPU-s | µs a record | peak RSS MB |",
        "|---|--:|--:|--:|--:|",
    ]
    for row in special:
        out.append(f"| {row['job']} | {row['records']:,} | {row['cpu']:.2f} | {row['us']:.1f} | {row['rss']:.0f} |")
    return "\n".join(out)


def plot(rows: list[dict], target: Path) -> None:
    """Time and memory against the number of copies."""
    import matplotlib

    matplotlib.use("svg")
    import matplotlib.pyplot as plt

    matplotlib.rcParams["svg.hashsalt"] = "genomicslearning"
    figure, (left, right) = plt.subplots(1, 2, figsize=(8, 3), layout="constrained")
    for job in dict.fromkeys(row["job"] for row in rows):
        found = [row for row in rows if row["job"] == job]
        if len(found) > 1:
            counts = [row["records"] / 1e6 for row in found]
            left.plot(counts, [row["cpu"] for row in found], marker="o", label=job)
            right.plot(counts, [row["rss"] for row in found], marker="o", label=job)
    left.set(xlabel="million records", ylabel="CPU seconds", xscale="log", yscale="log")
    right.set(xlabel="million records", ylabel="peak memory, MB", xscale="log", yscale="log")
    left.legend(fontsize=6)
    figure.savefig(target, metadata={"Date": None})


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--table", type=Path, required=True, help="the published table")
    parser.add_argument("--tool", type=Path, default=ROOT.parent / "shared" / "tools" / "rebuild_vcfs.py")
    parser.add_argument("--data", type=Path, default=ROOT.parent / "shared" / "data", help="folder of the real files")
    parser.add_argument("--work", type=Path, help="folder to keep the made inputs in")
    parser.add_argument("--copies", type=int, nargs="+", default=[1, 10, 40])
    parser.add_argument("--spark-copies", type=int, nargs="*", default=[1, 10])
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--docs", type=Path, help="write the tables and the plot there")
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as temporary:
        work = given.work or Path(temporary)
        out = Path(temporary)
        rows = []
        for copies in given.copies:
            files = pair(given.tool, given.table, work, copies)
            rows += engine_rows(files, copies, out, given.repeats if copies < 40 else 1)
            if copies in given.spark_copies:
                rows.append(spark_row(files, copies, out))
        pairs = {copies: pair(given.tool, given.table, work, copies) for copies in given.copies if copies <= 10}
        special = per_record_rows(given.data, pairs, out, given.repeats)
    if given.docs:
        page = given.docs / "performance.md"
        before, rest = page.read_text().split(MARKER.format("begin"))
        after = rest.split(MARKER.format("end"))[1]
        begin, end = MARKER.format("begin"), MARKER.format("end")
        page.write_text(f"{before}{begin}\n{tables(rows, special)}\n{end}{after}")
        plot(rows, given.docs / "performance.svg")
    print(json.dumps(rows + special))


if __name__ == "__main__":
    main()
