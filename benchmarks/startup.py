"""CPU seconds until a command answers that has little to do, beside those of `import pandas`.

    python benchmarks/startup.py [--repeat 5]

Each command runs in a process of its own; the median of the repeats is printed. Run it on a quiet machine.
"""

from __future__ import annotations

import argparse
import resource
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path

VCF = (
    '##fileformat=VCFv4.2\n##INFO=<ID=DP,Number=1,Type=Integer,Description="depth">\n'
    "#CHROM\tPOS\tID\tREF\tALT\tQUAL\tFILTER\tINFO\n1\t100\t1\tA\tG\t.\t.\tDP=1\n"
)
COMMANDS = {
    "import pandas": ["-c", "import pandas"],
    "a missing file": ["-m", "genomicslearning", "run", "--clinvar", "missing.vcf.gz"],
    "a wrong parameter": ["-m", "genomicslearning", "run", "-p", "preset=slow"],
    "a run that is not there": ["-m", "genomicslearning", "compare", "one", "two"],
    "the list of parameters": ["-m", "genomicslearning", "parameters"],
    "the smallest vcf-to-parquet": ["-m", "genomicslearning", "vcf-to-parquet", "small.vcf", "small.parquet"],
}


def cpu_seconds(arguments: list[str], folder: str) -> float:
    """User and system time of one process."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    subprocess.run([sys.executable, *arguments], cwd=folder, capture_output=True, check=False)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--repeat", type=int, default=5)
    parser.add_argument("--runs", nargs=2, metavar="RUN", help="two finished runs to compare")
    given = parser.parse_args()
    commands = dict(COMMANDS)
    if given.runs:
        commands["comparing two runs"] = [
            "-m",
            "genomicslearning",
            "compare",
            *(str(Path(r).resolve()) for r in given.runs),
        ]
    with tempfile.TemporaryDirectory() as folder:
        Path(folder, "small.vcf").write_text(VCF)
        for name, arguments in commands.items():
            seconds = statistics.median(cpu_seconds(arguments, folder) for _ in range(given.repeat))
            print(f"{name:30} {seconds:5.2f} CPU-s")


if __name__ == "__main__":
    main()
