"""A training set made by one process and by two: the same bytes, the same reports, the same errors."""

from __future__ import annotations

import errno
import gzip
import json
import os
import random
import signal
from pathlib import Path

import pytest
from vcf_files import AGREE, CONFLICT, CSQ, write

from genomicslearning import InputError
from genomicslearning.io import lines, second_process
from genomicslearning.training_set import blocks
from genomicslearning.training_set.build import build_training_set

pytestmark = pytest.mark.skipif(not hasattr(os, "sched_getaffinity"), reason="one process where there is no fork")
SINGLE = "CLNREVSTAT=criteria_provided,_single_submitter"
TERMS = ("missense_variant", "stop_gained", "intron_variant", "no_term_of_ensembl")


@pytest.fixture(autouse=True)
def small_blocks(monkeypatch):
    monkeypatch.setattr(lines, "_CHUNK", 3_000)
    monkeypatch.setattr(blocks, "_FIRST_BLOCKS", 2)


@pytest.fixture
def build_by(monkeypatch, tmp_path):
    """Builds by so many processes: the output, the report, what was set aside; or the error."""

    def build(processes: int, suffix: str = ".csv", **given) -> tuple:
        monkeypatch.setattr(blocks, "pays", lambda: processes == 2)
        answers = []
        answer = second_process.SecondProcess.answer
        monkeypatch.setattr(
            second_process.SecondProcess, "answer", lambda self: answers.append(answer(self)) or answers[-1]
        )
        out = tmp_path / f"by{processes}{suffix}"
        try:
            build_training_set(out=out, **given)
        except InputError as error:
            assert not out.exists()
            return (str(error),)
        finally:
            monkeypatch.setattr(second_process.SecondProcess, "answer", answer)
            build.answered = sum(map(bool, answers))
        report = json.loads((tmp_path / f"{out.name}.report.json").read_text())
        aside = tmp_path / f"{out.name}.quarantine.vcf"
        told = {key: value for key, value in report.items() if key not in ("seconds", "peak_rss_mb")}
        return out.read_bytes(), json.dumps(told), aside.read_bytes() if aside.exists() else None

    return build


def info(number: int, draw: random.Random) -> str:
    """INFO of a record; the later ones have statuses, conflicts, keys and cells that the first ones lack."""
    late = number > 150
    disagree = "Benign(1)|Pathogenic(2)" if late and draw.random() < 0.5 else "Benign(1)|Uncertain_significance(1)"
    items = [
        *(["AF_ESP=0.1"] if draw.random() < 0.3 else []),
        *(["AF_TGP=0.1,0.2"] if late and draw.random() < 0.1 else []),
        *([f"BRANDNEW={number}"] if late else []),
        f"CLNDN={draw.choice(['a', 'b,c', 'x|y', 'ß' if late else 'z', 'q' + chr(34) if late else 'r'])}",
        draw.choice([AGREE, f"{CONFLICT};CLNSIGCONF={disagree}", SINGLE]),
        "GENEINFO=G1:1|G2:2",
    ]
    if late and draw.random() < 0.05:
        items[-2] = "CLNREVSTAT=no_assertion_provided"
    if late and draw.random() < 0.05:
        items.append(f"CLNDN=again{number}")
    return ";".join(items)


def block(allele: str, draw: random.Random) -> str:
    cells = [allele, draw.choice(TERMS[:3] if draw.random() < 0.9 else TERMS), "LOW", draw.choice(["G1", "G2"])]
    cells += ["", f"T{draw.randrange(9)}", "tolerated(0.1)", "", *draw.choice([["", ""], ["NM_1", "YES"]]), "20"]
    return "|".join(cells[: draw.choice([11, 11, 11, 9])])


def pair(folder: Path, seed: int, *, end: int = 400) -> tuple[Path, Path]:
    """A ClinVar VCF and the annotated one, of some forty blocks, with what is odd in both halves."""
    draw = random.Random(seed)
    known, annotated = [], []
    for number in range(1, end):
        alts = "G,GT" if draw.random() < 0.03 else "G"
        record = f"1 {number * 10} {number} A {alts} . . {info(number, draw)}"
        alleles = [draw.choice(["G", "T"]) if alts != "G" else "G" for _ in range(draw.choice([1, 1, 2]))]
        annotation = "CSQ=" + ",".join(block(allele, draw) for allele in alleles)
        known.append(record)
        kind = draw.random()
        if kind < 0.03:  # VEP's file without ClinVar's INFO
            annotated.append(f"1 {number * 10} {number} A {alts} . . {annotation}")
        elif kind < 0.05:  # not in ClinVar
            annotated.append(f"2 {number * 10} {number} A C . . {record.split()[-1]};{annotation}")
        else:
            annotated.append(f"{record};{annotation}")
        if draw.random() < 0.03:  # a record that repeats an earlier one, in the same block or in one before
            annotated.append(draw.choice(annotated))
    for place in (100, len(annotated) - 50):
        annotated.insert(place, f"1 no_number {place} A G . . {AGREE}")
        annotated.insert(place + 1, "")
    return (
        write(folder / "clinvar.vcf.gz", known),
        write(folder / "annotated.vcf.gz", annotated, csq=CSQ),
    )


@pytest.mark.parametrize("seed", range(6))
@pytest.mark.parametrize("suffix", [".csv", ".parquet"])
def test_outputs_and_reports(build_by, tmp_path, seed, suffix):
    clinvar, annotated = pair(tmp_path, seed)
    pick = ["mane", "first", "severe"][seed % 3]
    for given in ({"clinvar": clinvar, "annotated": annotated}, {"annotated": annotated}, {"clinvar": clinvar}):
        one, two = (build_by(processes, suffix, pick=pick, **given) for processes in (1, 2))
        assert build_by.answered > 0  # or the second process has done nothing
        assert two == one
        report = json.loads(one[1])
        assert report["rows_written"] > 100 and len(report["dropped"]) > 1 and len(report["conflicts"]) == 2
        if "annotated" in given:
            assert report["quarantined"] == 2 and report["dropped"]["repeated_record"] > 0


def broken(path: Path, place: int, line: str) -> Path:
    """A copy of a VCF with another line before the record at a place."""
    text = gzip.decompress(path.read_bytes()).split(b"\n")
    text.insert(place, line.replace(" ", "\t").encode())
    target = path.with_name(f"broken{place}.vcf.gz")
    target.write_bytes(gzip.compress(b"\n".join(text)))
    return target


@pytest.mark.parametrize(
    ("line", "strict", "said"),
    [
        ("1 x 5 A G . . CLNDN=x", True, "POS is not an integer (x)"),
        (f"1 5 5 A G . . {AGREE};CSQ={'|' * 11}", False, "a CSQ block has 12 fields, the header's Format names 11"),
        ("1 5 5 A G . . CLNREVSTAT=mult", False, "CLNREVSTAT is a code (mult)"),
        ("##fileformat=VCFv4.1", False, "a header line between the records"),
    ],
)
def test_the_first_error_counts(build_by, tmp_path, line, strict, said):
    _, annotated = pair(tmp_path, 1)
    source = annotated
    for place in (380, 300):  # the second is found first, whoever reads it
        source = broken(source, place, line)
    # As if nothing else were malformed.
    text = b"\n".join(row for row in gzip.decompress(source.read_bytes()).split(b"\n") if b"no_number" not in row)
    source.write_bytes(gzip.compress(text))
    one, two = (build_by(processes, annotated=source, strict=strict) for processes in (1, 2))
    assert build_by.answered > 0
    assert two == one
    assert said in one[0]
    if "CLNREVSTAT" not in said:
        assert f"{source}:300: " in one[0]


def test_a_damaged_file_is_told_of_behind_the_records_before_it(build_by, tmp_path):
    _, annotated = pair(tmp_path, 2)
    whole = annotated.read_bytes()
    annotated.write_bytes(whole[: len(whole) * 3 // 4])
    one, two = (build_by(processes, annotated=annotated) for processes in (1, 2))
    assert build_by.answered > 0
    assert two == one and "the gzip stream ends early" in one[0]
    one, two = (build_by(processes, annotated=annotated, strict=True) for processes in (1, 2))
    assert two == one and "POS is not an integer (no_number)" in one[0]


def test_rows_too_many_for_shared_memory_are_made_here(build_by, tmp_path, monkeypatch):
    monkeypatch.setattr(blocks, "MOST_BYTES", 3_200)  # some questions, and hardly an answer, go into it
    clinvar, annotated = pair(tmp_path, 3)
    one, two = (build_by(processes, clinvar=clinvar, annotated=annotated) for processes in (1, 2))
    assert two == one


def test_a_second_process_that_is_gone_is_an_error(tmp_path, monkeypatch):
    monkeypatch.setattr(blocks, "pays", lambda: True)
    _, annotated = pair(tmp_path, 4)
    ask = blocks._SecondMaker.ask

    def ask_and_kill(self, block):
        os.kill(self.process._pid, signal.SIGKILL)
        return ask(self, block)

    monkeypatch.setattr(blocks._SecondMaker, "ask", ask_and_kill)
    with pytest.raises(ChildProcessError, match=r"a second process of this command was killed \(SIGKILL\)"):
        build_training_set(annotated=annotated, out=tmp_path / "t.csv")
    assert [path.name for path in tmp_path.iterdir() if path.name.startswith("t.csv")] == []


@pytest.mark.parametrize(("call", "number"), [("fork", errno.ENOMEM), ("fork", errno.EAGAIN), ("pipe", errno.EMFILE)])
def test_where_no_process_can_be_started_one_does_it(build_by, tmp_path, monkeypatch, call, number):
    clinvar, annotated = pair(tmp_path, 3)
    one = build_by(1, clinvar=clinvar, annotated=annotated)
    tried = []

    def refuse():
        tried.append(call)
        raise OSError(number, os.strerror(number))

    monkeypatch.setattr(os, call, refuse)
    before = os.listdir("/proc/self/fd")
    assert build_by(2, clinvar=clinvar, annotated=annotated) == one
    assert tried == [call]
    assert os.listdir("/proc/self/fd") == before


def test_nothing_is_left_of_the_second_process(tmp_path, monkeypatch):
    """Neither at the end nor after an interruption."""
    monkeypatch.setattr(blocks, "pays", lambda: True)
    _, annotated = pair(tmp_path, 5)
    pids = []
    start = second_process.SecondProcess.__enter__
    monkeypatch.setattr(second_process.SecondProcess, "__enter__", lambda self: pids.append(self._pid) or start(self))
    build_training_set(annotated=annotated, out=tmp_path / "t.csv")

    def interrupted(self, block):
        raise KeyboardInterrupt

    monkeypatch.setattr(blocks._SecondMaker, "answer", interrupted)
    with pytest.raises(KeyboardInterrupt):
        build_training_set(annotated=annotated, out=tmp_path / "t.csv")
    assert len(pids) == 2
    for pid in pids:
        with pytest.raises(ProcessLookupError):
            os.kill(pid, 0)


def test_the_second_process_ends_with_the_first():
    """One that is not told to end sees the end of its questions."""
    here, there = os.pipe()
    first = os.fork()
    if not first:
        os.close(here)
        second = second_process.SecondProcess(lambda question: question + b"!")
        second.ask(b"a")
        os.write(there, second.answer() + b"%d" % second._pid)
        os._exit(0)
    os.close(there)
    said = b""
    while part := os.read(here, 100):  # until both processes have let go of it
        said += part
    os.close(here)
    os.waitpid(first, 0)
    assert said.startswith(b"a!")
