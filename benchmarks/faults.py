"""Every command that writes, killed at random moments, with a full disk, without the right to write.

    python benchmarks/faults.py [--kills 24] [--chain-kills 6] [--only annotate …] [--out build/faults.json]

After each kill the outputs must be the earlier ones or the new ones, whole, nothing between; the next run must remove
what was left, and write what a run that was never killed writes. A full disk is a limit on the size of files; in a
read-only folder nobody may write, the superuser neither. Commands run in processes forked from this one, which has
imported what they need: a kill comes at any moment of the work, not only while Python starts. The chain runs as its
users run it. To annotate takes vepyr (`make annotate-tools`) and the slice of Ensembl's cache among the real data;
without, it is left out and said so.
"""

from __future__ import annotations

import argparse
import contextlib
import ctypes
import hashlib
import io
import json
import os
import random
import resource
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
SLICE = Path(os.environ.get("GENOMICSLEARNING_DATA", ROOT.parent / "shared" / "data")) / "vep_cache" / "115_GRCh38"
PORT = 8911


CHANGES = ("changes.csv", "changes.json", "release_changes.html")


@dataclass
class Command:
    """A command, and the files that it writes; those that tell the time of the run are not compared."""

    name: str
    arguments: list[str]
    outputs: list[str]
    timed: tuple[str, ...] = ()


def commands(data: Path) -> list[Command]:
    """Every command that writes files, on small inputs in `data`."""
    clinvar, annotated, model = f"{data}/demo/clinvar.vcf.gz", f"{data}/demo/clinvar.annotated.vcf.gz", f"{data}/model"
    both = ["--clinvar", clinvar, "--annotated", annotated]
    watched = ["watchlist", *both, "--model", model, "--out", "watch", "--top", "20"]
    earlier = sorted(data.glob("demo/clinvar_2*.vcf.gz"))
    changes = ["changes", str(earlier[-1]), clinvar, "--out", "changes"]
    fetch = ["fetch", "clinvar", "--lake", "lake", "--mirror", f"http://127.0.0.1:{PORT}/mirror"]
    compared = ["compare", "whole", "whole", "--runs-dir", f"{data}/runs", "--page", "page.html"]
    return [
        _with_report("training-set (CSV)", ["training-set", *both, "--out", "t.csv"], "t.csv"),
        _with_report("training-set (parquet)", ["training-set", *both, "--out", "t.parquet"], "t.parquet"),
        _with_report("vcf-to-parquet", ["vcf-to-parquet", annotated, "v.parquet"], "v.parquet"),
        _with_report("tsv-to-parquet", ["tsv-to-parquet", f"{data}/table.tsv", "s.parquet"], "s.parquet"),
        Command("predict (CSV)", ["predict", model, f"{data}/table.csv", "p.csv"], ["p.csv"]),
        Command("predict (parquet)", ["predict", model, f"{data}/table.csv", "p.parquet"], ["p.parquet"]),
        _with_report("predict (VCF to CSV)", ["predict", model, annotated, "v.csv", "--clinvar", clinvar], "v.csv"),
        _with_report("predict (VCF to VCF)", ["predict", model, annotated, "v.vcf.gz"], "v.vcf.gz"),
        Command("watchlist", watched, [f"watch/watchlist.{kind}" for kind in ("csv", "html", "json")]),
        Command("package", ["package", model, "m.tar.gz"], ["m.tar.gz"]),
        Command("changes", changes, [f"changes/{name}" for name in CHANGES], ("changes/changes.json",)),
        _with_report("fetch", fetch, "lake/annotation/clinvar/clinvar.vcf.gz"),
        Command("compare (page)", compared, ["page.html"]),
        *_with_annotator(data, model),
    ]


def _with_annotator(data: Path, model: str) -> list[Command]:
    """Commands that call the annotator, where there is one; each run after a kill of the first converts the cache."""
    from genomicslearning import InputError
    from genomicslearning.annotate import programs

    try:
        given = ["--vep-cache", str(SLICE), "--fasta", f"{data}/bare.fa", "--program", programs.find().path]
    except InputError:
        given = []
    if not (given and SLICE.is_dir()):
        print("annotate: left out, vepyr or the slice of Ensembl's cache is not here", file=sys.stderr)
        return []
    bare = f"{data}/bare.vcf"
    return [
        _with_report("annotate", ["annotate", bare, "o.vcf.gz", *given], "o.vcf.gz"),
        _with_report("predict (VCF without annotation)", ["predict", model, bare, "b.csv", *given], "b.csv"),
    ]


def _with_report(name: str, arguments: list[str], out: str) -> Command:
    return Command(name, arguments, [out, f"{out}.report.json"], (f"{out}.report.json",))


def prepare(data: Path) -> None:
    """The embedded sample, its training set as text, a small model."""
    sys.path.insert(0, str(ROOT / "benchmarks"))
    from fuzz import small_model

    small_model(data)
    from genomicslearning import demo
    from genomicslearning.training_set.table import read_table

    table = read_table(data / "t.parquet")
    table.to_csv(data / "table.csv", index=False)
    table.to_csv(data / "table.tsv", index=False, sep="\t")
    demo.write_earlier(data / "demo")
    mirror = data / "mirror" / "vcf_GRCh38"
    mirror.mkdir(parents=True)
    release = (data / "demo" / "clinvar.vcf.gz").read_bytes()
    (mirror / "clinvar.vcf.gz").write_bytes(release)
    (mirror / "clinvar.vcf.gz.md5").write_text(
        f"{hashlib.md5(release, usedforsecurity=False).hexdigest()}  clinvar.vcf.gz\n"
    )
    bases = "".join(random.Random(7).choice("ACGT") for _ in range(2000))
    (data / "bare.fa").write_text(f">22\n{'N' * 16_590_000}{bases}{'N' * 34_226_468}\n")
    head = "##fileformat=VCFv4.2\n#CHROM\tPOS\tID\tREF\tALT\tQUAL\tFILTER\tINFO\n"
    sites = (
        f"22\t{16_590_001 + at}\t{at}\t{bases[at]}\t{'ACGT'['CGTA'.index(bases[at])]}\t.\t.\t.\n"
        for at in range(800, 1800)
    )
    (data / "bare.vcf").write_text(head + "".join(sites))
    quiet = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
    run = [sys.executable, "-m", "genomicslearning", "run", "--runs-dir", str(data / "runs"), "--name", "whole"]
    subprocess.run(run, check=True, **quiet)


def load_rooms() -> None:
    """Import what the commands need, before the forks."""
    import genomicslearning.annotate.vcf
    import genomicslearning.cli.app
    import genomicslearning.endpoint.batch
    import genomicslearning.endpoint.package
    import genomicslearning.endpoint.vcf
    import genomicslearning.evaluation.grading
    import genomicslearning.history.changes_files
    import genomicslearning.io.fetch
    import genomicslearning.parquet.tsv
    import genomicslearning.parquet.vcf
    import genomicslearning.report.comparison
    import genomicslearning.runs.compare
    import genomicslearning.watchlist.ranking  # noqa: F401 (before the forks)


def forked(folder: Path, arguments: list[str], before: Callable[[], None] = lambda: None) -> int:
    """Start a command in a child of this process; gives its number."""
    child = os.fork()
    if child:
        return child
    try:
        os.chdir(folder)
        silent = os.open(folder.parent / "said", os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o666)
        os.dup2(silent, 1)
        os.dup2(silent, 2)
        before()
        os.environ["XDG_CACHE_HOME"] = str(folder / "cache")
        sys.argv = ["genomicslearning", *arguments]
        from genomicslearning.cli.app import main

        sys.stdout, sys.stderr = (io.TextIOWrapper(io.FileIO(number, "w"), write_through=True) for number in (1, 2))
        main()
        code = 0
    except SystemExit as problem:
        code = problem.code if isinstance(problem.code, int) else 0 if problem.code is None else 1
    except BaseException:
        import traceback

        os.write(2, traceback.format_exc().encode())
        code = 1
    os._exit(code)


def digests(folder: Path, names: list[str]) -> dict[str, str | None]:
    """SHA-256 of each file; None where there is none."""
    return {
        name: hashlib.sha256((folder / name).read_bytes()).hexdigest() if (folder / name).is_file() else None
        for name in names
    }


def left_over(folder: Path, outputs: list[str]) -> list[str]:
    """What lies in a folder beside the outputs; a cache that was converted may stay, half of one may not."""
    found = {str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file()} - set(outputs)
    return sorted(name for name in found if not name.startswith("cache/") or ".part/" in name)


def whole(path: Path) -> bool:
    """Whether a file is what its name says, to its end."""
    try:
        if path.suffix == ".json":
            json.loads(path.read_text())
        elif path.suffix == ".parquet":
            import pyarrow.parquet as pq

            pq.read_table(path)
        elif path.suffix == ".gz":
            import gzip

            gzip.decompress(path.read_bytes())
        return path.read_bytes()[-1:] == b"\n" or path.suffix in (".parquet", ".gz", ".html")
    except Exception:
        return False


def said(folder: Path) -> str:
    return (folder.parent / "said").read_text(errors="replace")


def killed(command: Command, folder: Path, kills: int, draw: random.Random) -> dict:
    """Kill a command at random moments of its time; every other time with SIGTERM."""
    started = time.monotonic()
    assert os.waitstatus_to_exitcode(os.waitpid(forked(folder, command.arguments), 0)[1]) == 0, said(folder)
    took = time.monotonic() - started
    stable = [name for name in command.outputs if name not in command.timed]
    right = digests(folder, stable)
    report = {"command": command.name, "kills": 0, "ended_first": 0, "torn": 0, "left": 0, "stayed": 0, "differs": 0}
    while report["kills"] < kills:
        fresh = report["kills"] % 2 == 0
        if fresh:
            for path in folder.iterdir():
                shutil.rmtree(path) if path.is_dir() and not path.is_symlink() else path.unlink()
        before = digests(folder, command.outputs)
        child = forked(folder, command.arguments)
        time.sleep(draw.uniform(0, took))
        os.kill(child, draw.choice((signal.SIGKILL, signal.SIGKILL, signal.SIGTERM)))
        code = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
        if code == 0:
            report["ended_first"] += 1
            continue
        report["kills"] += 1
        after = digests(folder, command.outputs)
        report["torn"] += sum(after[name] != before[name] and not whole(folder / name) for name in command.outputs)
        report["torn"] += sum(after[name] not in (None, before[name], right[name]) for name in stable)
        report["left"] += bool(left_over(folder, command.outputs))
        os.waitpid(forked(folder, command.arguments), 0)
        report["stayed"] += bool(left_over(folder, command.outputs))
        report["differs"] += digests(folder, stable) != right
    return report


def limited() -> None:
    """No file may grow beyond 2 kB, as if the disk were full."""
    signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (2048, 2048))


def without_rights() -> None:
    """Folders that must not be written are not, though this be the superuser: it gives its capabilities up."""
    if os.geteuid() == 0:
        header = (ctypes.c_uint32 * 2)(0x20080522, 0)  # version 3 of Linux's capabilities, this process
        if ctypes.CDLL(None, use_errno=True).capset(header, (ctypes.c_uint32 * 6)()):
            raise OSError(ctypes.get_errno(), "capset")


def refused(command: Command, folder: Path, before: Callable[[], None]) -> bool:
    """Whether the command ends with 2 and one line, and what was there stays."""
    kept = digests(folder, command.outputs)
    folders = [folder, *(path for path in folder.rglob("*") if path.is_dir())]
    for path in folders:
        path.chmod(0o555 if before is without_rights else 0o755)
    code = os.waitstatus_to_exitcode(os.waitpid(forked(folder, command.arguments, before), 0)[1])
    for path in folders:
        path.chmod(0o755)
    fine = code == 2 and "Traceback" not in said(folder)
    left = [name for name in left_over(folder, command.outputs) if command.name != "fetch" or ".download" not in name]
    return fine and digests(folder, command.outputs) == kept and not left  # a download goes on where it stopped


def chain(folder: Path, undisturbed: Path, kills: int, draw: random.Random) -> dict:
    """Kill `run` at random moments, go on with --resume, compare the predictions with an undisturbed run's."""
    runs = [sys.executable, "-m", "genomicslearning", "run", "--runs-dir", str(folder), "--name"]
    quiet = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
    took = sum(step["seconds"] for step in json.loads((undisturbed / "run.json").read_text())["steps"])
    report = {"command": "run (chain), resumed", "kills": 0, "torn": 0, "differs": 0, "seconds": round(took)}
    report["left"] = report["stayed"] = 0
    again: list[str] = []
    while report["kills"] < kills:
        process = subprocess.Popen([*runs, "killed", *again], start_new_session=True, **quiet)
        time.sleep(draw.uniform(0.1, 0.7) * took)
        number = draw.choice((signal.SIGKILL, signal.SIGTERM))
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, number) if number == signal.SIGKILL else process.terminate()
        if process.wait() == 0:
            break
        report["kills"] += 1
        record = folder / "killed" / "run.json"
        if record.exists():
            report["torn"] += not whole(record)
            again = ["--resume"]
        report["left"] += any(".part" in str(path.relative_to(folder)) for path in folder.rglob("*"))
    subprocess.run([*runs, "killed", *again], check=True, **quiet)
    names = ["data/training_set.csv", "data/train.csv", "data/test.csv", "predictions.csv", "metrics.json"]
    model = next(undisturbed.glob("autopilot/*/model/model.skops")).relative_to(undisturbed)
    names += [str(model), str(model.with_name("manifest.json"))]
    report["stayed"] += any(".part" in str(path.relative_to(folder)) for path in folder.rglob("*"))
    report["differs"] += digests(undisturbed, names) != digests(folder / "killed", names)
    report["equal_files"] = names
    return report


def every_command(data: Path, work: Path, chosen: argparse.Namespace, draw: random.Random, report: Report) -> None:
    """Kill each command that was chosen; a mirror of NCBI for `fetch` runs meanwhile."""
    mirror = [sys.executable, "-m", "http.server", str(PORT), "--bind", "127.0.0.1", "--directory", str(data)]
    server = subprocess.Popen(mirror, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        for command in commands(data):
            if chosen.only and command.name not in chosen.only:
                continue
            folder = work / command.name.replace(" ", "_")
            folder.mkdir(parents=True)
            entry = killed(command, folder, chosen.kills, draw)
            entry |= {"disk": refused(command, folder, limited), "rights": refused(command, folder, without_rights)}
            report.add(entry)
    finally:
        server.terminate()
        server.wait()


class Report:
    """What was found, kept in a file as it comes; a command that is tried again takes its own place."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._found = {entry["command"]: entry for entry in json.loads(path.read_text())} if path.is_file() else {}
        self.faults = 0

    def add(self, entry: dict) -> None:
        print(json.dumps(entry), flush=True)
        self._found[entry["command"]] = entry
        self.faults += sum(entry[kind] for kind in ("torn", "stayed", "differs"))
        self.faults += sum(not entry.get(kind, True) for kind in ("disk", "rights"))
        self._path.parent.mkdir(parents=True, exist_ok=True)
        self._path.write_text(json.dumps(list(self._found.values()), indent=1) + "\n")


def main() -> None:
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("--kills", type=int, default=24, help="of each command")
    options.add_argument("--chain-kills", type=int, default=6)
    options.add_argument("--only", nargs="*", help="commands by their names (run: the chain); all")
    options.add_argument("--data", type=Path, help="where the inputs are made, and found by the next call")
    options.add_argument("--out", type=Path, default=ROOT / "build" / "faults.json")
    options.add_argument("--seed", type=int, default=1)
    chosen = options.parse_args()
    draw = random.Random(chosen.seed)
    report = Report(chosen.out)
    with tempfile.TemporaryDirectory() as scratch:
        os.chmod(scratch, 0o755)
        data = (chosen.data or Path(scratch, "data")).resolve()
        if not (data / "runs" / "whole" / "index.html").is_file():
            data.mkdir(parents=True, exist_ok=True)
            prepare(data)
        load_rooms()
        if chosen.only != ["run"]:
            every_command(data, Path(scratch, "work"), chosen, draw, report)
        if chosen.chain_kills and (not chosen.only or "run" in chosen.only):
            report.add(chain(Path(scratch, "runs"), data / "runs" / "whole", chosen.chain_kills, draw))
    sys.exit(1 if report.faults else 0)


if __name__ == "__main__":
    main()
