"""Annotate a VCF and score one: records a second, processor seconds, peak memory; once, and of a larger file.

    python benchmarks/vcf.py score MODEL ANNOTATED.vcf.gz      # an annotated VCF, once and four times over
    python benchmarks/vcf.py annotate CACHE FASTA              # 100,000 and 1,000,000 made-up records

The FASTA may be masked (N everywhere); records lie in 22:16,000,001-17,000,000, GRCh38.
"""

from __future__ import annotations

import gzip
import json
import random
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path

COPIES = 4
REGION = (16_000_001, 16_999_000)
HEADER = "##fileformat=VCFv4.2\n##reference=GRCh38\n##contig=<ID=22>\n#CHROM\tPOS\tID\tREF\tALT\tQUAL\tFILTER\tINFO\n"
INFO = (
    "AF_EXAC=0.00010;CLNREVSTAT=criteria_provided,_single_submitter;CLNSIG=Uncertain_significance;"
    "GENEINFO=CCT8L2:150160;MC=SO:0001583|missense_variant"
)


def copies(source: Path, target: Path, times: int) -> None:
    """The records of a VCF, several times over."""
    with gzip.open(source, "rt") as file:
        lines = file.readlines()
    first = next(place for place, line in enumerate(lines) if not line.startswith("#"))
    with gzip.open(target, "wt", compresslevel=1) as out:
        out.writelines(lines[:first])
        for _ in range(times):
            out.writelines(lines[first:])


def made_up(target: Path, records: int) -> None:
    """Records of ClinVar's shape at random places of the region, sorted."""
    rng = random.Random(1)
    places = sorted(rng.randint(*REGION) for _ in range(records))
    with target.open("w") as out:
        out.write(HEADER)
        for number, place in enumerate(places):
            out.write(f"22\t{place}\t{number}\tN\t{rng.choice('ACGT')}\t.\t.\t{INFO}\n")


def measured(step: str, *arguments: str) -> dict:
    """One step in a process of its own."""
    done = subprocess.run(
        [sys.executable, __file__, f"_{step}", *arguments], capture_output=True, text=True, check=True
    )
    return json.loads(done.stdout.splitlines()[-1])


def _report(report: dict, started: float) -> None:
    own, programs = (resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN))
    seconds = time.perf_counter() - started
    facts = {
        "records": report["records_written"],
        "seconds": round(seconds, 1),
        "records_a_second": round(report["records_written"] / seconds),
        "cpu_seconds": round(own.ru_utime + own.ru_stime, 1),
        "peak_mb": report["peak_rss_mb"],
        "program_cpu_seconds": round(programs.ru_utime + programs.ru_stime, 1),
        "program_peak_mb": programs.ru_maxrss // 1024,
    }
    print(json.dumps(facts))


def main() -> None:
    step, *given = sys.argv[1:]
    started = time.perf_counter()
    if step == "_score":
        from genomicslearning.endpoint.vcf import predict_vcf

        _report(predict_vcf(*given), started)
        return
    if step == "_annotate":
        from genomicslearning.annotate import annotate_vcf

        source, target, cache, fasta = given
        _report(annotate_vcf(source, target, vep_cache=cache, fasta=fasta), started)
        return
    with tempfile.TemporaryDirectory() as folder:
        if step == "score":
            model, source = given
            many = Path(folder, "many.vcf.gz")
            copies(Path(source), many, COPIES)
            for path in (source, str(many)):
                for name in ("out.csv", "out.vcf.gz"):
                    print(name, measured("score", model, path, str(Path(folder, name))), flush=True)
        else:
            cache, fasta = given
            for records in (100_000, 1_000_000):
                source = Path(folder, f"{records}.vcf")
                made_up(source, records)
                print(measured("annotate", str(source), f"{folder}/{records}.vcf.gz", cache, fasta), flush=True)


if __name__ == "__main__":
    main()
