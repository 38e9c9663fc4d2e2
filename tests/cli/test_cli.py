"""The command line as a shell sees it: exit codes, one clear line, nothing left behind by bad input."""

from __future__ import annotations

import errno
import gzip
import json
import os
import subprocess
import sys

import pandas as pd
import pytest
from command import command

from genomicslearning.cli import plain

HEADER = "##fileformat=VCFv4.1\n#CHROM\tPOS\tID\tREF\tALT\tQUAL\tFILTER\tINFO\n"


def in_a_shell(*arguments, cwd) -> subprocess.CompletedProcess:
    """The command in a process of its own."""
    return subprocess.run(
        [sys.executable, "-m", "genomicslearning", *arguments], cwd=cwd, capture_output=True, text=True
    )


@pytest.fixture
def files(tmp_path):
    """Inputs that are wrong, each in its own way."""
    (tmp_path / "text.vcf").write_text("this is no VCF\n")
    (tmp_path / "bare.vcf").write_text(HEADER + "1\t100\t1\tA\tG\t.\t.\tCLNREVSTAT=x\n")
    body = HEADER + "".join(f"1\t{i}\t{i}\tA\tG\t.\t.\tCLNREVSTAT=criteria_provided\n" for i in range(1, 20_000))
    whole = gzip.compress(body.encode())
    (tmp_path / "cut.vcf.gz").write_bytes(whole[: len(whole) // 2])
    sites = {"CHROM": ["1", "1"], "POS": [1, 2], "REF": ["A", "A"], "ALT": ["G", "G"]}
    pd.DataFrame(sites).to_csv(tmp_path / "no_class.csv", index=False)
    pd.DataFrame(sites | {"CLASS": [1, 1]}).to_csv(tmp_path / "one_class.csv", index=False)
    return tmp_path


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["run", "--clinvar", "missing.vcf"], ["missing.vcf", "no such file"]),
        (["run", "--clinvar", "text.vcf"], ["text.vcf", "VCF"]),
        (["run", "--clinvar", "cut.vcf.gz"], ["cut.vcf.gz"]),
        (["run", "--clinvar", "bare.vcf", "--annotated", "bare.vcf"], ["bare.vcf", "CSQ"]),
        (["run", "--training-set", "no_class.csv"], ["no_class.csv", "CLASS"]),
        (["run", "--training-set", "one_class.csv"], ["one_class.csv", "every row has CLASS 1"]),
        (["run", "-p", "sed", "1"], ["sed", "did you mean seed?"]),
        (["run", "--runs-dir", "text.vcf"], ["text.vcf", "cannot write"]),
        (["run", "--name", "../up"], ["../up", "run name"]),
        (["run", "--split", "sideways"], ["sideways"]),
        (["training-set", "--clinvar", "text.vcf", "--out", "x.csv"], ["text.vcf", "VCF"]),
        (["training-set", "--clinvar", "cut.vcf.gz", "--out", "x.csv"], ["cut.vcf.gz"]),
        (["training-set", "--annotated", "bare.vcf", "--out", "x.csv"], ["bare.vcf", "CSQ"]),
        (["training-set", "--clinvar", "bare.vcf", "--out", "text.vcf/x.csv"], ["text.vcf"]),
        (["training-set", "--out", "x.csv"], ["clinvar"]),
        (["report", "nowhere"], ["nowhere", "no such run"]),
        (["nonsense"], ["nonsense"]),
    ],
    ids=lambda value: " ".join(value) if value[0].islower() and len(value) > 1 else None,
)
def test_bad_input_exits_2_with_a_clear_line_and_leaves_nothing(files, arguments, words):
    before = {path: path.read_bytes() for path in files.iterdir()}
    done = command(*arguments, cwd=files)
    assert done.returncode == 2, done.stderr
    assert "Traceback" not in done.stderr
    last = done.stderr.strip().splitlines()[-1]
    assert all(word in last for word in words), last
    left = [path for path in files.rglob("*") if path.is_file() and path not in before]
    assert left == []
    assert {path: path.read_bytes() for path in before} == before


def test_a_shell_sees_status_and_line(files):
    done = in_a_shell("run", "--clinvar", "missing.vcf", cwd=files)
    assert (done.returncode, done.stdout) == (2, "")
    [line] = done.stderr.splitlines()
    assert line.startswith("genomicslearning: ") and line.endswith("missing.vcf: no such file (given as clinvar)")


@pytest.mark.parametrize("name", ["run", "training-set", "report", "compare", "notebooks", "doctor"])
def test_help_has_an_example(name, tmp_path):
    done = command(name, "--help", cwd=tmp_path)
    assert done.returncode == 0
    assert f"Example: genomicslearning {name}" in " ".join(done.stdout.split())


@pytest.mark.parametrize(
    ("name", "says"),
    [
        ("watchlist", "--preset quick|balanced|best"),
        ("watchlist", "--rank-by conflict|both"),
        ("watchlist", "--assembly GRCh37|GRCh38"),
        ("changes", "--assembly GRCh37|GRCh38"),
        ("run", "--earlier RELEASE Earlier ClinVar release (--split time, --features prospective)"),
        ("run", "A table (.csv, .tsv, .gz, .zip, .parquet)"),
    ],
)
def test_help_names_what_an_option_may_be(name, says, tmp_path):
    assert says in " ".join(command(name, "--help", cwd=tmp_path).stdout.split())


def test_doctor_finds_this_machine_fit(tmp_path):
    done = in_a_shell("doctor", cwd=tmp_path)
    assert done.returncode == 0, done.stdout
    assert "ok       Python:" in done.stdout


def loaded_by(*arguments, cwd) -> set[str]:
    """Heavy libraries that a command has imported by its end."""
    heavy = ["pandas", "sklearn", "scipy", "matplotlib", "papermill", "nbformat", "shap", "optuna"]
    program = (
        "import sys\nfrom genomicslearning.cli import main\nsys.argv = ['genomicslearning', *sys.argv[1:]]\n"
        f"try:\n    main()\nfinally:\n    print('loaded', *[name for name in {heavy} if name in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", program, *arguments], cwd=cwd, capture_output=True, text=True)
    return set(done.stdout.splitlines()[-1].split()[1:])


@pytest.mark.parametrize(
    "arguments",
    [
        ["run", "--clinvar", "missing.vcf"],
        ["run", "-p", "sed=1"],
        ["run", "--preset", "slow"],
        ["run", "--train-fraction", "7"],
        ["run", "--name", "latest"],
        ["run", "--help"],
        ["parameters"],
        ["report", "nowhere"],
        ["compare", "one", "two"],
        ["vcf-to-parquet", "small.vcf", "small.parquet"],
        ["predict", "nowhere", "small.vcf", "out.csv"],
        ["predict", "model", "missing.csv", "out.csv"],
        ["predict", "model", "small.vcf", "out.csv", "--clinvar", "missing.vcf"],
        ["serve", "nowhere"],
        ["package", "nowhere", "out.tar.gz"],
        ["watchlist", "--clinvar", "missing.vcf", "--out", "watch"],
        ["watchlist", "--clinvar", "small.vcf", "--out", "watch", "--model", "nowhere"],
        ["changes", "small.vcf", "missing.vcf"],
    ],
    ids=lambda value: " ".join(value),
)
def test_what_is_checked_before_work_loads_no_heavy_library(arguments, files):
    (files / "small.vcf").write_text(HEADER + "1\t100\t1\tA\tG\t.\t.\t.\n")
    (files / "model").mkdir()
    (files / "model" / "manifest.json").write_text("{}")
    assert loaded_by(*arguments, cwd=files) == set()
    assert (files / "small.parquet").exists() == (arguments[0] == "vcf-to-parquet")


def test_run_lists_and_sets_the_parameters_of_the_notebooks(tmp_path):
    said = command("run", "--help", cwd=tmp_path).stdout
    assert "Parameters of evaluation (-p NAME=VALUE)" in said and "false_alert [1.0]" in said
    listed = json.loads(command("parameters", "--json", cwd=tmp_path).stdout)
    known = {item["name"]: item for item in listed}
    assert known["train_fraction"]["allowed"] == "between 0.01 and 0.99"
    assert known["seed"]["notebooks"] == ["variant_classifier-autopilot", "evaluation"]
    assert known["seed"]["allowed"] == "between 0 and 4294967295"
    assert known["seed"]["help"].endswith("so the model; evaluation: fixes the bootstrap")
    assert known["clinvar"]["help"].startswith("ClinVar VCF(.gz), local") and known["lake"]["help"].count(";") == 1
    assert all(item["help"] for item in listed)


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["-p", "seed=1", "-p", "seed", "2"], "given twice"),
        (["--seed", "3", "-p", "seed=4"], "seed is given twice, as --seed 3 and as -p seed=4"),
        (["-p", "seed"], "takes a name and a value"),
        (["-p", "strict=perhaps"], "'perhaps' is not a bool"),
        (["--seed", "-3"], "seed: -3 is out of range"),
        (["--depth", "deep"], "'deep' is not one of standard, full"),
        (["--name", "latest"], "always means the newest finished run"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else None,
)
def test_a_refused_run_leaves_no_folder(arguments, words, tmp_path):
    done = command("run", *arguments, cwd=tmp_path)
    assert done.returncode == 2 and words in done.stderr.splitlines()[-1]
    assert list(tmp_path.iterdir()) == []


SMALL = HEADER + "1\t100\t1\tA\tG\t.\t.\tDP=0.10\n1\t101\t2\tA\tG\t.\t.\tDP=2\n1\tx\t3\tA\tG\t.\t.\tDP=2\n"


@pytest.mark.parametrize(
    "words",
    [
        ["vcf-to-parquet", "a.vcf", "a.parquet"],
        ["vcf-to-parquet", "--text", "a.vcf", "a.parquet"],
        ["vcf-to-parquet", "a.vcf", "--strict", "a.parquet"],
        ["vcf-to-parquet", "missing.vcf", "a.parquet"],
        ["vcf-to-parquet", "a.vcf", ""],
        ["tsv-to-parquet", "a.tsv", "a.parquet", "--text"],
        ["tsv-to-parquet", "a.tsv", "a.parquet"],
    ],
)
def test_a_plain_conversion_is_the_one_that_typer_calls(tmp_path, monkeypatch, words):
    """Read with Typer or without: the same words, code and table."""
    (tmp_path / "a.vcf").write_text(SMALL)
    (tmp_path / "a.tsv").write_text("a\tb\n1\t2\n1\t2.0\n")
    outcomes = []
    for way in ("plain", "typer"):
        if way == "plain":
            assert plain.conversion(words)
        else:
            monkeypatch.setattr(plain, "conversion", lambda _: None)
        done = command(*words, cwd=tmp_path)
        made = tmp_path / "a.parquet"
        outcomes.append(
            (done.returncode, done.stdout.splitlines()[:1], done.stderr, made.exists() and made.read_bytes())
        )
        made.unlink(missing_ok=True)
    assert outcomes[0] == outcomes[1]
    assert (outcomes[0][0] == 0) == bool(outcomes[0][3])


@pytest.mark.parametrize(
    "words", ["", "run", "vcf-to-parquet", "vcf-to-parquet a", "vcf-to-parquet a b c", "vcf-to-parquet a b --help",
              "vcf-to-parquet a b --csq-key ANN", "vcf-to-parquet -- a b", "vcf-to-parquet - b", "training-set a b"],
)  # fmt: skip
def test_what_is_no_plain_conversion_is_for_typer(words):
    assert plain.conversion(words.split()) is None


@pytest.mark.parametrize("more", [[], ["--csq-key", "ANN"]], ids=["plain", "typer"])
@pytest.mark.parametrize(("end", "code"), [(KeyboardInterrupt, 130), (BrokenPipeError(errno.EPIPE, "gone"), 1)])
def test_how_a_conversion_ends(tmp_path, monkeypatch, more, end, code):
    def stopped(*_, **__):
        raise end

    monkeypatch.setattr("genomicslearning.parquet.vcf.vcf_to_parquet", stopped)
    monkeypatch.setattr(os, "dup2", lambda *_: None)
    done = command("vcf-to-parquet", "a.vcf", "a.parquet", *more, cwd=tmp_path)
    assert (done.returncode, done.stdout, done.stderr) == (code, "", "")
