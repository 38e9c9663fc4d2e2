"""What benchmarks of several sections have in common: their arguments, and a line of what each section cost."""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable, Sequence
from pathlib import Path


def run_sections(bench: Callable[[Path, Path], object], sections: Sequence[str], description: str, out: str) -> None:
    """Read the command line and run the sections it names, by default all: methods of what `bench` makes.

    Parameters
    ----------
    bench : makes the benchmark of the folder of data and the folder that keeps results (made where it is missing).
    sections : names of its methods, in the order in which they run.
    description : the script's docstring, for `--help`.
    out : default folder for results.
    """
    parser = argparse.ArgumentParser(description=description, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("sections", nargs="*", choices=[*sections, []], default=[])
    parser.add_argument("--data", type=Path, default=Path("../shared/data"))
    parser.add_argument("--out", type=Path, default=Path(out))
    given = parser.parse_args()
    given.out.mkdir(parents=True, exist_ok=True)
    measured = bench(given.data, given.out)
    for section in given.sections or sections:
        wall, cpu = time.monotonic(), time.process_time()
        print(f"== {section}", flush=True)
        getattr(measured, section)()
        print(f"== {section}: {time.monotonic() - wall:.0f} s, {time.process_time() - cpu:.0f} CPU-s", flush=True)
