"""The first hour of a new user, with times: a fresh clone, an empty home, Python and nothing else.

    python benchmarks/new_user.py --clinvar clinvar.vcf.gz --table table.csv.zip [--page docs/first_hour.md]

Commands are run in the order in which the documentation names them, in a clone of this checkout's last commit. One that
does not exit as it should ends the hour. With --page the page's section *Transcript* is replaced.
"""

from __future__ import annotations

import argparse
import os
import re
import shutil
import subprocess
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
OWN_ROWS = 10_000
# What pip needs to reach an index from here; nothing else of the caller's environment is taken.
KEPT = ("PIP_", "SSL_", "OPENBLAS_", "http_proxy", "https_proxy", "no_proxy")


@dataclass(frozen=True)
class Step:
    """A command, what a new user wants of it, and how it should exit."""

    wants: str
    command: str
    status: int = 0


STEPS = (
    Step("the first command of the README: set up, run the sample", "make run NAME=first"),
    Step("what is on this machine?", "genomicslearning doctor"),
    Step("which parameters are there?", "genomicslearning parameters"),
    Step("today's ClinVar, without VEP", "genomicslearning run --clinvar clinvar.vcf.gz --name today"),
    Step(
        "the same as the index page advises: honest features and split, with the watch list",
        "genomicslearning run --clinvar clinvar.vcf.gz --features biology --split gene "
        "-p watchlist_clinvar=clinvar.vcf.gz --name honest",
    ),
    Step("a name that is taken", "genomicslearning run --clinvar clinvar.vcf.gz --name today", 2),
    Step("a typing error", "genomicslearning run --clinvar clinvar.vcf.gz -p sed=7 --name typo", 2),
    Step("a table of her own, quickly", "genomicslearning run --training-set mine.tsv --preset quick --name mine"),
    Step(
        "one parameter changed, the rest as it was",
        "genomicslearning run --training-set mine.tsv --preset quick --seed 7 --name mine-7",
    ),
    Step("what do they differ in?", "genomicslearning compare mine mine-7 --page comparison.html"),
    Step("and these, whose rows differ?", "genomicslearning compare today honest"),
    Step("a page of all runs", "genomicslearning report --all"),
    Step("one file to send", "genomicslearning report honest --zip"),
    Step("predict a table", "genomicslearning predict runs/honest mine.tsv predictions.csv"),
    Step("the watch list alone", "genomicslearning watchlist --clinvar clinvar.vcf.gz --out watch"),
    Step("notebooks to edit", "genomicslearning notebooks my-notebooks"),
    Step(
        "what environment.yml installs, without conda",
        "python3 -m venv .venv-aws && .venv-aws/bin/pip install -q --require-hashes -r requirements/aws.txt && "
        ".venv-aws/bin/pip install -q --no-deps --no-build-isolation -e . && .venv-aws/bin/genomicslearning doctor",
    ),
    Step("the documentation as a site (adds the test tools first)", "make docs"),
)


def surroundings(home: Path, clone: Path) -> dict[str, str]:
    """An environment that has an empty home and the system's own programs; the clone's commands once they are there."""
    kept = {name: value for name, value in os.environ.items() if name.startswith(KEPT)}
    path = f"{clone / '.venv' / 'bin'}:/usr/local/bin:/usr/bin:/bin"
    return kept | {"HOME": str(home), "PATH": path, "LANG": "C.UTF-8", "TERM": "dumb"}


def prepare(place: Path, clinvar: Path, table: Path) -> Path:
    """A clone with her files in it: a release, and a table with a column of her own and a spreadsheet's line ends."""
    import pandas as pd

    clone = place / "genomics-learning"
    subprocess.run([shutil.which("git") or "git", "clone", "--quiet", str(ROOT), str(clone)], check=True)
    shutil.copyfile(clinvar, clone / "clinvar.vcf.gz")
    rows = pd.read_csv(table, dtype=str, keep_default_na=False).sample(n=OWN_ROWS, random_state=5).sort_index()
    rows.assign(my_note="seen").to_csv(clone / "mine.tsv", sep="\t", index=False, lineterminator="\r\n")
    return clone


def walk(clone: Path, home: Path) -> list[str]:
    """Run every step; the transcript as lines of Markdown."""
    told, started = [], time.monotonic()
    for step in STEPS:
        at = time.monotonic() - started
        print(f"{at:6.0f} s  {step.command}", flush=True)
        done = subprocess.run(
            ["/bin/sh", "-c", step.command], cwd=clone, env=surroundings(home, clone),
            stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False,
        )  # fmt: skip
        seconds = time.monotonic() - started - at
        said = [
            line for line in done.stdout.replace(str(clone), ".").replace(str(home), "~").splitlines() if line.strip()
        ]
        told += [
            f"### {at // 60:.0f}:{at % 60:02.0f} {step.wants}",
            "",
            "```text",
            f"$ {step.command}",
            *shortened(said),
        ]
        told += ["```", "", f"{seconds:.1f} s, exit {done.returncode}.", ""]
        if done.returncode != step.status:
            print("\n".join(said[-30:]))
            raise SystemExit(f"{step.command}: exit {done.returncode}, {step.status} was expected")
    return [*told, f"In all {(time.monotonic() - started) / 60:.0f} minutes."]


def shortened(lines: list[str], first: int = 3, last: int = 12) -> list[str]:
    """Its first and last lines, each cut to a page's width."""
    lines = [line if len(line) <= 160 else f"{line[:159]}…" for line in lines]
    if len(lines) <= first + last:
        return lines
    return [*lines[:first], f"… {len(lines) - first - last} lines …", *lines[-last:]]


def replace_section(page: Path, heading: str, text: str) -> None:
    """Write a text below a page's heading, in place of what is there."""
    before, after = page.read_text(encoding="utf-8").split(f"\n## {heading}\n")
    following = re.search(r"(?m)^## ", after)
    rest = after[following.start() :] if following else ""
    page.write_text(f"{before}\n## {heading}\n\n{text.rstrip()}\n" + (f"\n{rest}" if rest else ""), encoding="utf-8")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--clinvar", type=Path, required=True, help="a ClinVar release, VCF")
    parser.add_argument("--table", type=Path, required=True, help="the published table")
    parser.add_argument("--page", type=Path, help="page whose transcript is replaced")
    parser.add_argument("--keep", type=Path, help="folder to leave the clone in (default: removed)")
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as temporary:
        place = given.keep or Path(temporary)
        home = place / "home"
        home.mkdir(parents=True)
        text = "\n".join(walk(prepare(place, given.clinvar, given.table), home)) + "\n"
    print(text)
    if given.page:
        replace_section(given.page, "Transcript", text)


if __name__ == "__main__":
    main()
