"""The first hour of somebody who has nothing but ClinVar's VCF: each command, what it takes, what it leaves.

    python benchmarks/bare_vcf.py CLINVAR.vcf.gz [--cache DIR --masked-fasta TOOL] [--out build/bare_vcf.json]

The commands are run one after another in an empty folder, as `docs/score.md` gives them. `my.vcf` is every fiftieth
record of the release without its INFO and ID, as a laboratory's pipeline would have them. With a cache (the slice of
Ensembl's own will do) records of its region are annotated too; the FASTA is one that says N wherever no record lies.
"""

from __future__ import annotations

import argparse
import csv
import gzip
import json
import subprocess
import sys
import tempfile
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
REGION = range(16_590_800, 16_592_500)
HEAD = "##fileformat=VCFv4.2\n##reference=GRCh38\n#CHROM\tPOS\tID\tREF\tALT\tQUAL\tFILTER\tINFO\n"
MODEL = "runs/first/autopilot/variant-classifier/model"


def own_variants(clinvar: Path, target: Path) -> None:
    """Every fiftieth variant of a release, without what ClinVar says of it."""
    with gzip.open(clinvar, "rt", newline="") as file:
        records = [line.split("\t") for line in file if line[0] != "#"]
    kept = [(chrom, pos, ".", ref, alt) for chrom, pos, _, ref, alt, *_ in records[::50]]
    target.write_text(HEAD + "".join("\t".join(record) + "\t.\tPASS\t.\n" for record in kept))


def in_the_slice(target: Path) -> None:
    """A variant at every seventh place of CCT8L2's coding sequence; the FASTA takes REF from here."""
    records = (f"22\t{place}\t.\tC\tT\t.\tPASS\t.\n" for place in REGION[::7])
    target.write_text(HEAD + "".join(records))


def timed(words: list[str], folder: Path) -> dict:
    """A command, its seconds, and the last line that it prints."""
    started = time.monotonic()
    command = [sys.executable, "-m", "genomicslearning", *words]
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True)
    taken = time.monotonic() - started
    if done.returncode:
        raise SystemExit(f"{' '.join(words)}: exit {done.returncode}\n{done.stderr}")
    found = {"command": "genomicslearning " + " ".join(words), "seconds": round(taken, 1)}
    print(json.dumps(found | {"printed": done.stdout.strip().splitlines()}), flush=True)
    return found


def result(folder: Path) -> dict:
    """What there is at the end."""
    metrics = json.loads((folder / "runs" / "first" / "metrics.json").read_text())
    found = {name: round(metrics[name], 3) for name in ("roc_auc", "average_precision", "n")}
    watched = folder / "runs" / "first" / "watchlist" / "watchlist.csv"
    for name, path in (("watch_list", watched), ("answers", folder / "answers.csv")):
        with path.open(newline="") as file:
            found[name] = sum(1 for _ in csv.reader(file)) - 1
    with (folder / "answers.csv").open(newline="") as file:
        rows = [row for row in csv.DictReader(file) if row["probability"]]
    found["scored"] = len(rows)
    found["known_to_clinvar"] = sum(row["clinvar"] == "known" for row in rows)
    return found


def main() -> None:
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("clinvar", type=Path)
    options.add_argument("--cache", type=Path)
    options.add_argument("--masked-fasta", type=Path, help="the script that writes a FASTA around a VCF's records")
    options.add_argument("--out", type=Path, default=ROOT / "build" / "bare_vcf.json")
    chosen = options.parse_args()
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch)
        (folder / "clinvar.vcf.gz").symlink_to(chosen.clinvar.resolve())
        own_variants(chosen.clinvar, folder / "my.vcf")
        steps = [
            ["run", "--clinvar", "clinvar.vcf.gz", "--features", "biology", "--name", "first"],
            ["predict", MODEL, "my.vcf", "answers.csv", "--clinvar", "clinvar.vcf.gz"],
        ]
        if chosen.cache:
            in_the_slice(folder / "bare.vcf")
            subprocess.run([sys.executable, chosen.masked_fasta, folder / "bare.vcf", folder / "ref.fa"], check=True)
            (folder / "vep").mkdir()
            (folder / "vep" / chosen.cache.name).symlink_to(chosen.cache.resolve())
            given = ["--vep-cache", "vep", "--fasta", "ref.fa"]
            steps.append(["annotate", "bare.vcf", "annotated.vcf.gz", *given])
            steps.append(["predict", MODEL, "bare.vcf", "annotated_answers.csv", *given])
        report = {"steps": [timed(step, folder) for step in steps], "result": result(folder)}
    print(json.dumps(report["result"]))
    chosen.out.parent.mkdir(parents=True, exist_ok=True)
    chosen.out.write_text(json.dumps(report, indent=1) + "\n")


if __name__ == "__main__":
    main()
