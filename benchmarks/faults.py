"""Every command that writes, killed at random moments, with a full disk, without the right to write.

    python benchmarks/faults.py [--kills 40] [--chain-kills 4] [--out build/faults.json]

After each kill the outputs must be the earlier ones or the new ones, whole, nothing between; the next run must remove
what was left, and write what a run that was never killed writes. A full disk is a limit on the size of files; a
read-only folder is one of another user's. Commands run in processes forked from this one, which has imported what they
need: a kill comes at any moment of the work, not only while Python starts. The chain runs as its users run it.
"""

from __future__ import annotations

import argparse
import contextlib
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
NOBODY = 65534


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
    return [
        _with_report("training-set (CSV)", ["training-set", *both, "--out", "t.csv"], "t.csv"),
        _with_report("training-set (parquet)", ["training-set", *both, "--out", "t.parquet"], "t.parquet"),
        _with_report("vcf-to-parquet", ["vcf-to-parquet", annotated, "v.parquet"], "v.parquet"),
        _with_report("tsv-to-parquet", ["tsv-to-parquet", f"{data}/table.tsv", "s.parquet"], "s.parquet"),
        Command("predict (CSV)", ["predict", model, f"{data}/table.csv", "p.csv"], ["p.csv"]),
        Command("predict (parquet)", ["predict", model, f"{data}/table.csv", "p.parquet"], ["p.parquet"]),
        Command("watchlist", watched, [f"watch/watchlist.{kind}" for kind in ("csv", "html", "json")]),
        Command("package", ["package", model, "m.tar.gz"], ["m.tar.gz"]),
    ]


def _with_report(name: str, arguments: list[str], out: str) -> Command:
    return Command(name, arguments, [out, f"{out}.report.json"], (f"{out}.report.json",))


def prepare(data: Path) -> None:
    """The embedded sample, its training set as text, a small model."""
    sys.path.insert(0, str(ROOT / "benchmarks"))
    from fuzz import small_model

    small_model(data)
    from genomicslearning.training_set.table import read_table

    table = read_table(data / "t.parquet")
    table.to_csv(data / "table.csv", index=False)
    table.to_csv(data / "table.tsv", index=False, sep="\t")
    import genomicslearning.cli.app
    import genomicslearning.endpoint.batch
    import genomicslearning.endpoint.package
    import genomicslearning.parquet.tsv
    import genomicslearning.parquet.vcf
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
    """What lies in a folder beside the outputs."""
    return sorted(
        str(path.relative_to(folder))
        for path in folder.rglob("*")
        if path.is_file() and str(path.relative_to(folder)) not in outputs
    )


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
    """Another user, who may write nowhere here."""
    if os.geteuid() == 0:
        os.setgid(NOBODY)
        os.setuid(NOBODY)


def refused(command: Command, folder: Path, before: Callable[[], None]) -> bool:
    """Whether the command ends with 2 and one line, and what was there stays."""
    kept = digests(folder, command.outputs)
    folder.chmod(0o555 if before is without_rights else 0o755)
    code = os.waitstatus_to_exitcode(os.waitpid(forked(folder, command.arguments, before), 0)[1])
    folder.chmod(0o755)
    fine = code == 2 and "Traceback" not in said(folder)
    return fine and digests(folder, command.outputs) == kept and not left_over(folder, command.outputs)


def chain(folder: Path, kills: int, draw: random.Random) -> dict:
    """Kill `run` at random moments, go on with --resume, compare the predictions with an undisturbed run's."""
    runs = [sys.executable, "-m", "genomicslearning", "run", "--runs-dir", str(folder), "--name"]
    quiet = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
    started = time.monotonic()
    subprocess.run([*runs, "whole"], check=True, **quiet)
    took = time.monotonic() - started
    report = {"command": "run (chain), resumed", "kills": 0, "torn": 0, "differs": 0, "seconds": round(took)}
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
    subprocess.run([*runs, "killed", *again], check=True, **quiet)
    names = ["data/training_set.csv", "data/train.csv", "data/test.csv", "predictions.csv", "metrics.json"]
    model = next((folder / "whole").glob("autopilot/*/model/model.skops")).relative_to(folder / "whole")
    names += [str(model), str(model.with_name("manifest.json"))]
    report["differs"] += digests(folder / "whole", names) != digests(folder / "killed", names)
    report["equal_files"] = names
    return report


def main() -> None:
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("--kills", type=int, default=40, help="of each command")
    options.add_argument("--chain-kills", type=int, default=4)
    options.add_argument("--out", type=Path, default=ROOT / "build" / "faults.json")
    options.add_argument("--seed", type=int, default=1)
    chosen = options.parse_args()
    draw = random.Random(chosen.seed)
    report: dict = {"killed": [], "disk": {}, "rights": {}}
    with tempfile.TemporaryDirectory() as scratch:
        data = Path(scratch, "data")
        data.mkdir()
        os.chmod(scratch, 0o755)
        prepare(data)
        for command in commands(data):
            folder = Path(scratch, "work", command.name.replace(" ", "_"))
            folder.mkdir(parents=True)
            report["killed"].append(killed(command, folder, chosen.kills, draw))
            report["disk"][command.name] = refused(command, folder, limited)
            report["rights"][command.name] = refused(command, folder, without_rights)
            print(
                json.dumps(report["killed"][-1]),
                report["disk"][command.name],
                report["rights"][command.name],
                flush=True,
            )
        if chosen.chain_kills:
            report["killed"].append(chain(Path(scratch, "runs"), chosen.chain_kills, draw))
            print(json.dumps(report["killed"][-1]), flush=True)
    chosen.out.parent.mkdir(parents=True, exist_ok=True)
    chosen.out.write_text(json.dumps(report, indent=1) + "\n")
    faults = sum(entry[kind] for entry in report["killed"] for kind in ("torn", "stayed", "differs") if kind in entry)
    sys.exit(1 if faults or not all(report["disk"].values()) or not all(report["rights"].values()) else 0)


if __name__ == "__main__":
    main()
