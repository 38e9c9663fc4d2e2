"""Every command that writes: an output that is an input, under any name, is refused, and so is what is no plain file.

A command is a row of `COMMANDS`: what it is told, what it reads, and every file that it writes.
"""

from __future__ import annotations

import json
import os
import shutil
import stat
from pathlib import Path
from typing import NamedTuple

import pytest
from command import command

from genomicslearning.cli.app import app
from genomicslearning.training_set.build import build_training_set
from genomicslearning.training_set.table import read_table


class Writing(NamedTuple):
    """A command's arguments, the files that it reads and those that it writes."""

    arguments: str
    reads: tuple[str, ...]
    writes: tuple[str, ...]


def beside(out: str, quarantine: str = "vcf") -> tuple[str, ...]:
    return out, f"{out}.report.json", f"{out}.quarantine.{quarantine}"


VCFS, MODEL = ("c.vcf.gz", "a.vcf.gz"), ("model/manifest.json", "model/model.skops")
RUNS = ("runs/one/run.json", "runs/two/run.json", "runs/one/predictions.csv")
BARE = ("bare.vcf", "r.fa", "r.fa.fai", "cache/transcript/chrom_manifest.json")
WATCH = tuple(f"watch/watchlist.{kind}" for kind in ("csv", "html", "json"))
CHANGES = ("changes/changes.csv", "changes/changes.json", "changes/release_changes.html")
ANNOTATOR = "--vep-cache cache --fasta r.fa --program bin/vepyr"
COMMANDS = {
    "training-set": Writing("--clinvar c.vcf.gz --annotated a.vcf.gz --out t.csv", VCFS, beside("t.csv")),
    "training-set to parquet": Writing("--annotated a.vcf.gz --out t.parquet", VCFS[1:], beside("t.parquet")),
    "vcf-to-parquet": Writing("a.vcf.gz v.parquet", VCFS[1:], beside("v.parquet")),
    "tsv-to-parquet": Writing("t.tsv s.parquet", ("t.tsv",), beside("s.parquet", "tsv")),
    "predict a table": Writing("model t.tsv p.csv", ("t.tsv", *MODEL), ("p.csv",)),
    "predict a table to parquet": Writing("model t.tsv p.parquet", ("t.tsv", *MODEL), ("p.parquet",)),
    "predict a VCF": Writing("model a.vcf.gz p.csv --clinvar c.vcf.gz", (*VCFS, *MODEL), beside("p.csv")),
    "predict a VCF to VCF": Writing("model a.vcf.gz p.vcf.gz", (*VCFS[1:], *MODEL), beside("p.vcf.gz")),
    "predict a bare VCF": Writing(f"model bare.vcf p.csv {ANNOTATOR}", (*BARE[:3], *MODEL), beside("p.csv")),
    "annotate": Writing(f"bare.vcf o.vcf.gz {ANNOTATOR}", BARE[:3], beside("o.vcf.gz")),
    "watchlist": Writing(
        "--clinvar c.vcf.gz --annotated a.vcf.gz --model model --earlier e.tsv --out watch",
        (*VCFS, *MODEL, "e.tsv"),
        WATCH,
    ),
    "watchlist of a bare VCF": Writing(
        f"--clinvar bare.vcf --model model --out watch {ANNOTATOR}", (BARE[0], BARE[1], *MODEL), WATCH
    ),
    "changes": Writing("e.tsv c.vcf.gz --genes genes.txt --graded w.csv --out changes",
                       ("e.tsv", "c.vcf.gz", "genes.txt", "w.csv"), CHANGES),
    "package": Writing("model m.tar.gz", MODEL, ("m.tar.gz",)),
    "compare": Writing("one two --page page.html", RUNS, ("page.html",)),
    "report": Writing("one --zip", RUNS[:1], ("runs/one.zip",)),
}  # fmt: skip
RECORD = {
    "started": "2026-01-01T00:00:00Z", "finished": None, "status": "done", "backend": "local", "git": None,
    "versions": {}, "synthetic": False, "inputs": [], "parameters": {}, "steps": [], "artifacts": [], "metrics": None,
}  # fmt: skip
# `run` refuses a run that is there, deploy and teardown write no file, fetch names its files itself, and notebooks
# never overwrites; the others only read.
NO_OUTPUT = {"run", "parameters", "notebooks", "doctor", "fetch", "deploy", "status", "teardown", "serve", "endpoints"}


def test_every_command_has_its_row():
    names = {command.name or command.callback.__name__.replace("_", "-") for command in app.registered_commands}
    assert names == {name.split()[0] for name in COMMANDS} | NO_OUTPUT


@pytest.fixture(scope="module")
def inputs(demo_pair, tmp_path_factory) -> Path:
    """Everything that the commands read, in one folder."""
    folder = tmp_path_factory.mktemp("inputs")
    shutil.copy(demo_pair[0], folder / "c.vcf.gz")
    shutil.copy(demo_pair[1], folder / "a.vcf.gz")
    build_training_set(annotated=folder / "a.vcf.gz", out=folder / "rows.parquet")
    table = read_table(folder / "rows.parquet")
    table.head(50).to_csv(folder / "t.tsv", index=False, sep="\t")
    for path in folder.glob("rows.*"):
        path.unlink()
    (folder / "bare.vcf").write_text("##fileformat=VCFv4.2\n#CHROM\tPOS\tID\tREF\tALT\tQUAL\tFILTER\tINFO\n")
    (folder / "r.fa").write_text(">1\nNNNN\n")
    (folder / "r.fa.fai").write_text("1\t4\t3\t4\t5\n")
    (folder / "e.tsv").write_text("chrom\tpos\tref\talt\tclinical_significance\treview_status\n")
    (folder / "genes.txt").write_text("BRCA1\n")
    (folder / "w.csv").write_text("CHROM,POS,REF,ALT,probability\n")
    for name in ("model/manifest.json", "model/model.skops", "cache/transcript/chrom_manifest.json"):
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text("{}")
    (folder / "bin").mkdir()
    (folder / "bin" / "vepyr").write_text("#!/bin/sh\necho vepyr 0.10.0\n")
    (folder / "bin" / "vepyr").chmod(stat.S_IRWXU)
    for name in ("one", "two"):
        (folder / "runs" / name).mkdir(parents=True)
        (folder / "runs" / name / "run.json").write_text(json.dumps(RECORD | {"id": name}))
        (folder / "runs" / name / "predictions.csv").write_text("CHROM,POS,REF,ALT,CLASS,probability\n")
    return folder


@pytest.fixture
def folder(inputs, tmp_path) -> Path:
    shutil.copytree(inputs, tmp_path / "work", symlinks=True)
    return tmp_path / "work"


def contents(folder: Path) -> dict[str, bytes]:
    return {
        str(path.relative_to(folder)): path.read_bytes()
        for path in sorted(folder.rglob("*"))
        if stat.S_ISREG(path.stat().st_mode)
    }


def refused(name: str, folder: Path, words: str) -> None:
    """The command ends with 2 and one line that has these words, and every file is as it was."""
    before = contents(folder)
    done = command(name.split()[0], *COMMANDS[name].arguments.split(), cwd=folder)
    assert done.returncode == 2, done.stderr
    last = done.stderr.strip().splitlines()[-1]
    assert last.startswith("genomicslearning: ") and words in last, done.stderr
    assert contents(folder) == before


PAIRS = [(name, out, read) for name, one in COMMANDS.items() for out in one.writes for read in one.reads]


@pytest.mark.parametrize(("name", "out", "read"), PAIRS, ids=[" > ".join(pair[::-1]) for pair in PAIRS])
def test_an_output_that_is_an_input_is_refused(folder, name, out, read):
    """As a symbolic link, as a hard link, and as the link of a folder."""
    (folder / out).parent.mkdir(exist_ok=True)
    (folder / out).symlink_to(folder / read)
    refused(name, folder, f"{out}: is the input ")
    (folder / out).unlink()
    os.link(folder / read, folder / out)
    refused(name, folder, f"{out}: is the input ")
    (folder / out).unlink()
    # The input is a link to where the output would be.
    shutil.move(folder / read, folder / out)
    (folder / read).symlink_to(folder / out)
    refused(name, folder, f"{out}: is the input ")


@pytest.mark.parametrize("name", COMMANDS)
def test_only_plain_files_are_replaced(folder, name):
    for out in COMMANDS[name].writes:
        place = folder / out
        place.parent.mkdir(exist_ok=True)
        place.symlink_to("/dev/null")
        refused(name, folder, f"{out}: is no plain file")
        place.unlink()
        os.mkfifo(place)
        refused(name, folder, f"{out}: is no plain file")
        place.unlink()
        place.mkdir()
        refused(name, folder, f"{out}: is a folder")
        place.rmdir()


@pytest.mark.parametrize("spelling", ["a.vcf.gz", "./a.vcf.gz", "model/../a.vcf.gz", "{folder}/a.vcf.gz"])
def test_other_spellings_of_an_input(folder, spelling):
    before = contents(folder)
    done = command("predict", "model", "a.vcf.gz", spelling.format(folder=folder), cwd=folder)
    assert done.returncode == 2 and "is the input a.vcf.gz" in done.stderr
    assert contents(folder) == before


def test_a_run_does_not_write_over_the_table_that_it_reads(folder):
    """`--training-set` of the run's own folder."""
    run = folder / "runs" / "one"
    record = json.loads((run / "run.json").read_text())
    table = run / "data" / "training_set.parquet"
    table.parent.mkdir()
    table.write_bytes((folder / "c.vcf.gz").read_bytes())
    (run / "run.json").write_text(json.dumps(record))
    before = table.read_bytes()
    done = command("run", "--training-set", table, "--name", "one", "--resume", cwd=folder)
    assert done.returncode == 2 and "Traceback" not in done.stderr
    assert table.read_bytes() == before
