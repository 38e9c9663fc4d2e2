"""The documentation: it builds with every link right, its commands are real, what it says of files is what is there."""

from __future__ import annotations

import argparse
import importlib.util
import json
import re
import runpy
import shlex
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest
import yaml
from browser import NARROW, WIDE, chromium, open_at, serious_findings
from places import ROOT, documented
from typer.main import get_command

from genomicslearning.cli import app as cli

PAGES = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *sorted((ROOT / "docs").glob("*.md"))]
COMMAND = get_command(cli.app)
TARGETS = set(re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(), flags=re.MULTILINE))


def lines_of_code(text: str) -> list[str]:
    """Lines of fenced blocks; a line that ends in a backslash goes on in the next, and comments are left out."""
    found = []
    for block in re.findall(r"^```(?:bash|sh|console)?\n(.*?)^```", text, flags=re.DOTALL | re.MULTILINE):
        for line in block.replace("\\\n", " ").splitlines():
            line = re.sub(r"\s#.*$", "", line).strip().removeprefix("$ ")
            if line and not line.startswith("#"):
                found.append(line)
    return found


def commands(program: str) -> list:
    """Every documented line that calls this program, wherever it is installed."""
    found = []
    for page in PAGES:
        for line in lines_of_code(page.read_text(encoding="utf-8")):
            if line.split()[0].removeprefix(".venv/bin/") == program:
                found.append(pytest.param(shlex.split(line)[1:], id=f"{page.stem}: {line[:90]}"))
    return found


def parse(words: list[str]) -> None:
    """Let the command's own parser read the arguments; nothing is run."""
    words = cli._pair(words)
    context = COMMAND.make_context("genomicslearning", [*words[:1], "--help"], resilient_parsing=True)
    name, command, _ = COMMAND.resolve_command(context, words[:1])
    assert command is not None, f"no command {words[0]}"
    command.make_context(name, words[1:], parent=context)


@pytest.mark.parametrize("words", commands("genomicslearning"))
def test_a_documented_command_is_one_that_its_parser_takes(words):
    parse(words)


def test_a_wrong_command_would_be_noticed():
    for wrong in (["run", "--no-such-option"], ["no-such-command"], ["compare", "one"]):
        with pytest.raises(Exception, match=r"(?i)no such|missing|no command"):
            parse(wrong)


@pytest.mark.parametrize("split", ["random", "gene", "time"])
@pytest.mark.parametrize("status", ["done", "failed", "stale"])
def test_the_commands_that_an_index_page_advises_are_real(split, status):
    for step in advised(split, status):
        parse(shlex.split(step["command"])[1:])


def advised(split: str, status: str = "done", name: str = "first", **told) -> list[dict]:
    """What an index page advises."""
    from genomicslearning.report.index_page import next_commands

    run = {
        "id": name, "status": status, "synthetic": False, "artifacts": ["autopilot/job/model/"],
        "parameters": {"clinvar": "/data/clinvar.vcf.gz", "annotated": "/data/annotated.vcf.gz"} | told,
    }  # fmt: skip
    found = next_commands(run, {"split": split})
    assert found
    return found


def test_an_advised_command_keeps_the_preset_quotes_names_and_has_a_name_that_is_taken():
    from genomicslearning.io.text import FOLDER_NAME

    told = {"clinvar": "/data/my release.vcf.gz", "vep_cache": "/vep", "fasta": "/vep/GRCh38.fa", "preset": "quick"}
    words = shlex.split(advised("random", name="r" * 64, **told)[0]["command"])
    assert words[2:4] == ["--clinvar", "my release.vcf.gz"] and "--annotated" not in words
    assert words[4:10] == ["--vep-cache", "vep", "--fasta", "GRCh38.fa", "--preset", "quick"]
    assert FOLDER_NAME.fullmatch(words[-1]) and words[-1].endswith("-genes")


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)
def test_commands_and_options_within_sentences_exist(page):
    for span in re.findall(r"(?<!`)`genomicslearning ([^`\n]+)`", page.read_text(encoding="utf-8")):
        name, *rest = span.split()
        if name in ("COMMAND", "…") or name.startswith("-"):
            continue
        assert name in COMMAND.commands, f"{page.name}: no command {name}"
        options = {option for item in COMMAND.commands[name].params for option in (*item.opts, *item.secondary_opts)}
        for word in rest:
            if word.startswith("--"):
                assert word.split("=")[0].rstrip("],") in options | {"--help"}, f"{page.name}: {name} has no {word}"


@pytest.mark.parametrize("words", commands("make"))
def test_documented_make_targets_exist(words):
    assert {word for word in words if "=" not in word} <= TARGETS


@pytest.mark.parametrize("words", commands("papermill"))
def test_documented_papermill_lines_name_parameters_that_exist(words):
    from genomicslearning.runs import parameters

    given = {words[place + 1] for place, word in enumerate(words) if word == "-p"}
    assert given <= set(parameters.of(Path(words[0]).stem))


MISTYPED = "sed"  # the first hour's typing error


def test_documented_parameters_exist():
    """`-p name=value` anywhere in the documentation."""
    from genomicslearning.runs import parameters

    known = {name for step in parameters.STEPS for name in parameters.of(step)}
    for page in PAGES:
        for name in re.findall(r"-p (\w+)=", page.read_text(encoding="utf-8")):
            assert name in known | {"NAME", MISTYPED}, f"{page.name}: no parameter {name}"


# --- the Makefile

VARIABLES = {
    "TABLE": "table.csv", "DIST_BUCKET": "bucket", "VERSION": "1.0.0", "REGIONS": "eu-west-1", "NAME": "first",
    "ANNOTATED": "one.vcf.gz two.vcf.gz",
}  # fmt: skip
BENCHMARKS = sorted(path.name for path in (ROOT / "benchmarks").glob("*.py"))
# demo_statistics.py and gene_fields.py make tables that the package carries; vcf.py needs a VEP cache or an annotated
# VCF of one's own; make fuzz and make faults are targets of their own; new_user.py and jupyterlab.py write a page of
# the documentation; sections.py is what others share, ten_years.py and first_version.py what evaluation.py runs.
NOT_MEASURING = {
    *("demo_statistics.py", "gene_fields.py", "vcf.py", "fuzz.py", "faults.py"),
    *("new_user.py", "jupyterlab.py", "pages.py", "sections.py", "ten_years.py", "first_version.py"),
}


def recipe(target: str) -> list[str]:
    """What `make TARGET` would run, without running it."""
    given = [f"{name}={value}" for name, value in VARIABLES.items()]
    done = subprocess.run(["make", "-n", "-B", target, *given], cwd=ROOT, capture_output=True, text=True, check=True)
    return done.stdout.replace("\\\n", " ").splitlines()


def calls(target: str) -> list[list[str]]:
    """Words of each of a recipe's simple commands."""
    found: list[list[str]] = []
    for line in recipe(target):
        found.append([])
        for word in shlex.split(line):
            if word in ("&&", "||", ";"):
                found.append([])
            elif found[-1] or not re.fullmatch(r"[A-Z_0-9]+=.*", word):
                found[-1].append(word)
    return found


@pytest.mark.parametrize("target", sorted(TARGETS - {"help"}))
def test_every_recipe_of_the_makefile_is_one_that_its_programs_take(target, monkeypatch):
    for words in calls(target):
        program, *rest = words or [""]
        if program.endswith("/genomicslearning"):
            parse(rest)
        elif program.endswith("/python") and rest[0].endswith(".py"):
            assert_script_takes(ROOT / rest[0], rest[1:], monkeypatch)
        elif program.endswith("/python") and rest[0] == "-m" and rest[1] == "genomicslearning.deploy.dist":
            assert_script_takes(ROOT / "genomicslearning" / "deploy" / "dist.py", rest[2:], monkeypatch, rest[1])
        elif program.endswith("/mkdocs"):
            assert rest[0] == "build" and (ROOT / "mkdocs.yml").is_file()
        elif program.endswith("/jupyter"):
            assert rest[0] == "lab"


class Parsed(Exception):
    """The arguments were taken."""


def assert_script_takes(path: Path, arguments: list[str], monkeypatch, module: str = "") -> None:
    """Run a script as far as its argument parser."""
    script = path.read_text(encoding="utf-8")
    if "ArgumentParser" not in script and "run_sections" not in script:
        assert not [word for word in arguments if word.startswith("-")], f"{path.name} has no options"
        return
    original = argparse.ArgumentParser.parse_args

    def parse_args(self, *given, **named):
        original(self, *given, **named)
        raise Parsed

    with monkeypatch.context() as patch:
        patch.setattr(argparse.ArgumentParser, "parse_args", parse_args)
        patch.setattr(sys, "argv", [str(path), *arguments])
        patch.setattr(sys, "path", [str(path.parent), *sys.path])
        try:
            runpy.run_module(module, run_name="__main__") if module else runpy.run_path(str(path), run_name="__main__")
        except Parsed:
            return
        except SystemExit as problem:
            pytest.fail(f"{path.name} {arguments}: refused by its parser ({problem})")
    pytest.fail(f"{path.name}: no argument parser was asked")


def test_make_runs_every_benchmark():
    targets = ("bench", "fuzz", "faults")
    run = {Path(word).name for target in targets for words in calls(target) for word in words if word.endswith(".py")}
    assert set(BENCHMARKS) - NOT_MEASURING - run == set()


def test_a_recipe_that_is_wrong_would_be_noticed(monkeypatch):
    with pytest.raises(pytest.fail.Exception, match="refused by its parser"):
        assert_script_takes(ROOT / "benchmarks" / "evaluation.py", ["--table", "x"], monkeypatch)


# --- what the documentation says of files


@pytest.fixture(scope="module")
def metrics():
    import numpy as np

    from genomicslearning import evaluation

    truth = np.array([0, 1] * 30)
    return evaluation.metrics(truth, np.linspace(0.1, 0.9, 60), 0.5, split="random")


def test_the_keys_of_metrics_and_those_documented_are_the_same(metrics):
    told_by_the_run = {"features", "preset", "seed", "bootstrap_seed", "horizon_days", "baselines", "synthetic"}
    assert {*metrics, "notes"} | told_by_the_run == documented("metrics.json")


def test_the_baselines_and_those_documented_are_the_same():
    from genomicslearning.evaluation.baselines import BASELINE_KEYS

    assert set(BASELINE_KEYS.values()) == documented("Baselines")


def test_every_key_of_run_json_is_documented(tmp_path):
    from genomicslearning.runs.record import Record

    record = Record(tmp_path)
    record.begin("data_prep", {})
    record.fail("data_prep", 3, "ValueError: bad", 1.0)
    facts = json.loads((tmp_path / "run.json").read_text())
    assert set(facts) <= documented("run.json")


def test_every_column_of_predictions_is_documented():
    import pandas as pd

    from genomicslearning.training_set.table import COLUMNS, identity

    kept = identity(pd.DataFrame([dict.fromkeys(COLUMNS, "x")]))
    assert {*kept.columns, "CLASS", "predicted_label", "probability"} <= documented("predictions.csv")


def test_every_parameter_of_the_notebooks_is_in_the_guide():
    from genomicslearning.runs import parameters

    guide = (ROOT / "docs" / "guide.md").read_text(encoding="utf-8")
    aws = (ROOT / "docs" / "aws.md").read_text(encoding="utf-8")
    known = {name for step in parameters.STEPS for name in parameters.of(step)}
    assert {name for name in known if f"`{name}`" not in guide + aws} == set()


def test_the_objectives_are_all_in_the_parameter_s_help():
    from genomicslearning.autopilot import OBJECTIVES
    from genomicslearning.runs import parameters

    said = parameters.of("variant_classifier-autopilot")["objective"].help
    assert [name for name in OBJECTIVES if name not in said] == []


# --- the site


def test_the_site_builds_with_every_link_right(tmp_path):
    command = [sys.executable, "-m", "mkdocs", "build", "--strict", "--site-dir", str(tmp_path / "site")]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr[-3000:]
    pages = {path.name for path in (tmp_path / "site").glob("*.html")}
    assert {page.stem + ".html" for page in (ROOT / "docs").glob("*.md")} <= pages
    for page in (tmp_path / "site").glob("*.html"):
        text = page.read_text(encoding="utf-8")
        loaded = re.findall(r"<(?:script|img|iframe)[^>]*\ssrc=\"?([^\"> ]+)", text)
        loaded += re.findall(r"<link[^>]*rel=\"?(?:stylesheet|icon|preconnect)\"?[^>]*href=\"?([^\"> ]+)", text)
        assert not [address for address in loaded if address.startswith(("http", "//"))], page.name
    with chromium() as browser:
        for name in ("index.html", "formats.html", "example/index.html"):
            for size, dark in ((WIDE, False), (NARROW, True)):
                open_at(browser, tmp_path / "site" / name, size, dark=dark)
                assert serious_findings(browser) == [], f"{name} at {size[0]} px, dark {dark}"
        open_at(browser, tmp_path / "site" / "index.html", WIDE)
        assert "Watch list" in found_by_search(browser, "watch list")
        assert found_by_search(browser, "zzyzx") == ""


def found_by_search(browser, words: str) -> str:
    """What the site's search lists for these words, of pages that are opened from disk."""
    from selenium.webdriver.common.by import By
    from selenium.webdriver.support.ui import WebDriverWait

    if not (field := browser.find_element(By.NAME, "query")).is_displayed():
        browser.find_element(By.CSS_SELECTOR, "label[for=__search]").click()
    field.clear()
    field.send_keys(words)
    said = WebDriverWait(browser, 60).until(
        lambda _: (text := browser.find_element(By.CSS_SELECTOR, ".md-search-result__meta").text) != ""
        and "Type to start" not in text and "Initializing" not in text and text
    )  # fmt: skip
    return "" if "No matching" in said else browser.find_element(By.CSS_SELECTOR, ".md-search-result__list").text


def test_links_out_of_the_readme_and_contributing_lead_to_files():
    for page in (ROOT / "README.md", ROOT / "CONTRIBUTING.md", ROOT / "SECURITY.md"):
        for target in re.findall(r"\]\(([^)#:]+)(?:#[^)]*)?\)", page.read_text(encoding="utf-8")):
            assert (ROOT / target).exists(), f"{page.name}: {target}"


def test_the_example_is_small_says_that_it_is_synthetic_and_stands_alone():
    for name in ("index.html", "evaluation.html"):
        path = ROOT / "docs" / "example" / name
        text = path.read_text(encoding="utf-8")
        assert path.stat().st_size < 512_000 and "Synthetic data from the embedded sample" in text
        links = {link.split("#")[0] for link in re.findall(r'<a [^>]*href="([^"]+)"', text)}
        assert {link for link in links if link and not link.startswith("http")} <= {"index.html", "evaluation.html"}


def test_files_that_other_programs_read_are_well_formed():
    citation = yaml.safe_load((ROOT / "CITATION.cff").read_text())
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    assert (citation["version"], citation["license"]) == (project["version"], project["license"])
    for path in [*(ROOT / ".github").rglob("*.yml"), ROOT / ".pre-commit-config.yaml"]:
        assert yaml.safe_load(path.read_text()), path
    hooks = yaml.safe_load((ROOT / ".pre-commit-config.yaml").read_text())["repos"][0]["hooks"]
    for hook in hooks:
        program = hook["entry"].split()[2]
        assert importlib.util.find_spec(program), program
