"""An hour in JupyterLab: every notebook edited and executed again three times and more, in changing order.

    python benchmarks/jupyterlab.py --clinvar clinvar.vcf.gz --table table.csv.zip
        [--cache DIR --masked-fasta TOOL] [--page docs/first_hour.md]

A real JupyterLab is driven by a real browser (Debian's chromium and chromium-driver): a parameter's line is clicked,
selected and typed anew, every cell is run, the notebook is saved. After each execution no cell may hold an error or be
left out, and what the notebook shows must be the job, the data and the settings that were typed last. The notebook
`annotate` takes an annotator, a VEP cache (the slice of the one of Ensembl will do) and the script that writes a FASTA
around the records of a VCF. With --page the table of what was done replaces the section *In JupyterLab* of a page.
"""

from __future__ import annotations

import argparse
import gzip
import json
import os
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from bare_vcf import HEAD, REGION
from new_user import replace_section

PORT = 8917
ROWS, EVERY = 3000, 40
CLASSIFIER, PREDICTOR = "variant_classifier-autopilot", "variant_predictor"
JOB = ("split", "features", "preset", "seed")
SAID = """Each line is a notebook whose parameters were typed and whose every cell was run; no cell held an error, and
job, data and settings were those typed last. Notebooks of the folder `fresh` were given no `run_dir`. `annotate`
annotated two made-up releases of gene CCT8L2 with vepyr and a slice of Ensembl's VEP cache."""


@dataclass(frozen=True)
class Execution:
    """A notebook, the parameters that are typed into it first, and whether its kernel is started anew."""

    notebook: str
    typed: Mapping[str, object] = field(default_factory=dict)
    restart: bool = False

    @property
    def step(self) -> str:
        """The notebook's own name."""
        return Path(self.notebook).name


def in_a_run(home: Path) -> list[Execution]:
    """Each notebook edited three times, in changing order, on one run folder; the evaluation after each change."""
    run = {"run_dir": str(home / "mine")}
    table, release = str(home / "mine.csv"), str(home / "release.vcf.gz")
    return [
        Execution("data_prep", run | {"training_set": table}),
        Execution(CLASSIFIER, run | {"features": "biology", "preset": "quick"}),
        Execution(PREDICTOR, run),
        Execution("evaluation", run),
        Execution(CLASSIFIER, {"split": "gene"}),
        Execution("evaluation", {"missed": 10.0}),
        Execution("data_prep", {"training_set": "", "clinvar": release}),
        Execution("evaluation", {"seed": 3}),
        Execution(PREDICTOR, {"chunk_rows": 100}, restart=True),
        Execution(CLASSIFIER, {"seed": 7, "features": "all", "split": "random"}),
        Execution("evaluation"),
        Execution("data_prep", {"pick": "first"}, restart=True),
        Execution(PREDICTOR, {"endpoint_mode": "http"}),
        Execution("evaluation", {"threshold": 0.4}, restart=True),
        Execution(CLASSIFIER, {"features": "biology", "max_candidates": 2}),
        Execution("evaluation", {"watchlist_clinvar": release}),
        Execution(CLASSIFIER, {"features": "prospective", "train_fraction": 0.7}, restart=True),
        Execution(PREDICTOR, {"chunk_rows": 50}),
        Execution("evaluation", {"threshold": -1.0}),
    ]


def beside_a_run(home: Path) -> list[Execution]:
    """The notebook of changes, and the two that the run's last job wrote."""
    job = json.loads((home / "mine" / "autopilot" / "job.json").read_text())["name"]
    exploration, definition = (
        f"mine/autopilot/{job}/notebooks/{name}" for name in ("data_exploration", "candidate_definition")
    )
    return [
        Execution("release_changes", {"out": "changes"}),
        Execution(exploration, {"seed": 1}),
        Execution("release_changes", {"genes": str(home / "genes.txt")}),
        Execution(definition, {"output_folder": str(home / "model")}),
        Execution("release_changes", {"old": str(home / "older.vcf.gz"), "new": str(home / "release.vcf.gz")}),
        Execution(exploration, {"seed": 2}),
        Execution(definition, {"search_again": True}),
        Execution(exploration, {"seed": 3}, restart=True),
        Execution(definition, {"search_again": False, "output_folder": str(home / "model-2")}, restart=True),
    ]


def without_a_folder(home: Path) -> list[Execution]:
    """Notebooks as they come, but for her data: they must work on hers, the last ones, and not on the sample."""
    table, release = str(home / "mine.csv"), str(home / "release.vcf.gz")
    return [
        Execution("fresh/data_prep", {"training_set": table}),
        Execution(f"fresh/{CLASSIFIER}", {"preset": "quick"}),
        Execution("fresh/evaluation"),
        Execution(f"fresh/{PREDICTOR}", {"chunk_rows": 500}),
        Execution(f"fresh/{CLASSIFIER}", {"seed": 5}),
        Execution("fresh/evaluation", {"missed": 10.0}),
        Execution("fresh/data_prep", {"training_set": "", "clinvar": release}),
        Execution(f"fresh/{CLASSIFIER}", {"features": "biology", "split": "gene"}),
        Execution("fresh/evaluation", {"threshold": 0.4}, restart=True),
        Execution("fresh/data_prep", {"training_set": table, "clinvar": ""}),
        Execution("fresh/evaluation", {"threshold": -1.0, "seed": 3}),
    ]


def with_annotation(home: Path) -> list[Execution]:
    """A bare release annotated by the notebook itself, on a run of her own and without one; then another release."""
    run = {"run_dir": str(home / "bare")}
    cache = {"vep_cache": str(home / "vep"), "fasta": str(home / "reference.fa")}
    first, second = ({"clinvar": str(home / f"{name}.vcf")} for name in ("bare", "bare-2"))
    return [
        Execution("annotate", run | first | cache),
        Execution("data_prep", run | {"training_set": "", "clinvar": ""}),
        Execution(CLASSIFIER, run | {"features": "biology", "split": "random", "preset": "quick", "seed": 11}),
        Execution("evaluation", run | {"watchlist_clinvar": ""}),
        Execution("annotate", second),
        Execution("evaluation", {"missed": 2.0}),
        Execution("annotate", first, restart=True),
        Execution("data_prep", {"pick": "severe"}),
        Execution(PREDICTOR, run | {"chunk_rows": 25}),
        Execution("evaluation", {"seed": 5}),
        Execution("fresh/annotate", second | cache),
        Execution("fresh/data_prep", {"training_set": "", "clinvar": ""}),
        Execution(f"fresh/{CLASSIFIER}", {"features": "biology", "split": "random", "preset": "quick", "seed": 5}),
        Execution("fresh/evaluation"),
    ]


ACTS = {"run": in_a_run, "beside": beside_a_run, "fresh": without_a_folder, "annotate": with_annotation}


class Lab:
    """A browser in which JupyterLab is open, and what it shows."""

    def __init__(self, browser, address: str) -> None:
        self.browser = browser
        self.address = address
        self.open = ""

    def execute(self, one: Execution) -> list[dict]:
        """Type the parameters, run every cell, save; what each code cell holds then."""
        if self.open != one.notebook:
            self._open(one.notebook)
        for name, value in one.typed.items():
            self._type(name, value)
        if one.restart:
            self._ask("await panel.sessionContext.session.kernel.restart()")
        self._ask("await app.commands.execute('notebook:run-all-cells')")
        self._until("panel.sessionContext.session.kernel.status === 'idle'")
        self._ask("await app.commands.execute('docmanager:save')")
        cells = """panel.content.widgets.filter(cell => cell.model.type === 'code').map(
            cell => ({number: cell.model.executionCount, outputs: cell.model.outputs.toJSON()}))"""
        return json.loads(self._ask(f"return JSON.stringify({cells})"))

    def _open(self, notebook: str) -> None:
        self.browser.get(f"{self.address}/lab/tree/{notebook}.ipynb?reset")
        ready = "panel && panel.context && panel.context.isReady && panel.sessionContext.session"
        self._until(f"{ready} && panel.sessionContext.session.kernel?.status === 'idle'")
        self.open = notebook

    def _type(self, name: str, value: object) -> None:
        """Select a parameter's line as a person does, by a click, Home and Shift-End, and type it anew."""
        from selenium.webdriver import ActionChains, Keys

        self._ask("panel.content.activeCellIndex = 0; await panel.content.scrollToItem(0)")
        line = self._line(name)
        text = line.text
        typed = re.sub(r"^(\w+: \w+ = ).*?(  # .*)?$", lambda m: f"{m[1]}{written(value)}{m[2] or ''}", text)
        keys = ActionChains(self.browser).move_to_element_with_offset(line, 0, 0).click(line)
        keys.send_keys(Keys.HOME).key_down(Keys.SHIFT).send_keys(Keys.END).key_up(Keys.SHIFT)
        keys.send_keys(typed).send_keys(Keys.ESCAPE).perform()
        source = self._ask("return panel.content.activeCell.model.sharedModel.getSource()")
        if typed not in source.splitlines():
            raise SystemExit(f"{self.open}: {typed!r} was typed, and the cell holds {source!r}")

    def _line(self, name: str):
        from selenium.webdriver.common.by import By
        from selenium.webdriver.support.ui import WebDriverWait

        def found(browser):
            lines = browser.find_elements(By.CSS_SELECTOR, ".jp-NotebookPanel:not(.lm-mod-hidden) .cm-line")
            return next((line for line in lines if line.text.startswith(f"{name}: ")), None)

        line = WebDriverWait(self.browser, 60, ignored_exceptions=()).until(found)
        self.browser.execute_script("arguments[0].scrollIntoView({block: 'center', inline: 'start'})", line)
        return line

    def _ask(self, body: str):
        """Answer of JavaScript that knows the application and the notebook's panel."""
        answer = self.browser.execute_async_script(
            "const done = arguments[arguments.length - 1]; const app = window.jupyterapp;"
            "const panel = app && app.shell.currentWidget;"
            f"(async () => {{ {body} }})().then(said => done({{said}}), problem => done({{problem: String(problem)}}))"
        )
        if "problem" in answer:
            raise SystemExit(f"{self.open}: {answer['problem']}")
        return answer.get("said")

    def _until(self, condition: str, seconds: int = 300) -> None:
        for _ in range(seconds * 2):
            if self._ask(f"return Boolean({condition})"):
                return
            time.sleep(0.5)
        raise SystemExit(f"{self.open}: waited {seconds} s for {condition}")


def written(value: object) -> str:
    """A value as a person writes it into the cell."""
    return json.dumps(value) if isinstance(value, str) else str(value)


def texts(cells: list[dict]) -> str:
    """All that a notebook's outputs say."""
    found = []
    for output in (output for cell in cells for output in cell["outputs"]):
        said = output.get("text") or output.get("data", {}).get("text/html") or output.get("data", {}).get("text/plain")
        found.append("".join(said or ""))
    return "\n".join(found)


def faults(one: Execution, cells: list[dict], told: Mapping[str, object], folder: Path) -> list[str]:
    """What is not as it should be after an execution."""
    found = [
        f"{output['ename']}: {output['evalue']}"
        for cell in cells
        for output in cell["outputs"]
        if output["output_type"] == "error"
    ]
    if left_out := sum(cell["number"] is None for cell in cells):
        found.append(f"{left_out} cells were not executed")
    if found or one.step not in ("evaluation", CLASSIFIER, PREDICTOR):
        return found
    said, job = texts(cells), json.loads((folder / "autopilot" / "job.json").read_text())
    for name in JOB:
        if job[name] != told[name]:
            found.append(f"the run's job has {name} {job[name]}, {told[name]} was typed")
    if job["name"] not in said:
        found.append(f"{job['name']} is not shown")
    if one.step == "evaluation":
        metrics = json.loads((folder / "metrics.json").read_text())
        found += [f"metrics.json has {name} {metrics[name]}" for name in JOB if metrics[name] != told[name]]
        if f"the job {job['name']}: split {told['split']}, features {told['features']}" not in said:
            found.append("the evaluation's first lines tell of another job")
    record = json.loads((folder / "run.json").read_text())
    names = {item["name"] for item in record["inputs"] if item["role"] in ("clinvar", "training_set")}
    if names != {told["data"]}:
        found.append(f"the run is of {names}, {told['data']} was given")
    return found


def worked_on(said: str, before: Path) -> Path:
    """The folder that the notebook's first lines say it works on."""
    named = re.search(r"^run (/.+?): (?:on|as given|the last)", said, re.MULTILINE)
    return Path(named[1]) if named else before


def drive(lab: Lab, home: Path, acts: list[str]) -> list[str]:
    """Execute everything; a table of what was done as lines of Markdown."""
    lines = ["| # | notebook | typed | seconds | shown |", "|---:|---|---|---:|---|"]
    typed: dict[str, dict] = {}  # what each classifier notebook holds, and of each run its job's settings and data
    told: dict[Path, dict] = {}
    folder = home
    for one in (one for name in acts for one in ACTS[name](home)):
        started = time.monotonic()
        cells = lab.execute(one)
        seconds = time.monotonic() - started
        said = texts(cells)
        folder = worked_on(said, folder)
        lines.append(row(len(lines) - 1, one, seconds, said))
        print(lines[-1], flush=True)
        known = told.setdefault(folder, {})
        if data := next((one.typed[name] for name in ("training_set", "clinvar") if one.typed.get(name)), ""):
            known["data"] = Path(str(data)).name
        if one.step == CLASSIFIER:
            settings = typed.setdefault(one.notebook, dict(zip(JOB, ("random", "all", "balanced", 200), strict=True)))
            settings |= {name: value for name, value in one.typed.items() if name in JOB}
            known |= settings
        if wrong := faults(one, cells, known, folder):
            raise SystemExit(f"{one.notebook} {dict(one.typed)}: {'; '.join(wrong)}")
    return [*lines, "", f"{len(lines) - 2} executions, no error cell, in each the data, job and settings typed last."]


def row(number: int, one: Execution, seconds: float, said: str) -> str:
    """A line of the table: what was typed, and which job or run the notebook says it shows."""
    typed = ", ".join(
        f"`{name} = {Path(v).name if (v := str(value)) else '(nothing)'}`" for name, value in one.typed.items()
    )
    restarted = " (kernel started anew)" if one.restart else ""
    shown = re.search(r"the job [\w-]+: split \w+, features \w+|\bjob [\w-]+: \w+", said)
    again = re.search(r"Executing ([\w, -]+?) with (?:the|defaults)", said)
    annotated = re.search(r"annotated by ([\w. ]+, cache \w+)\D+([\d,]+)", said)
    parts = [shown[0]] if shown else []
    parts += [f"{annotated[1]}: {annotated[2]} alleles"] if annotated else []
    words = "; ".join([*parts, f"made first: {again[1]}"] if again else parts)
    place = "fresh/" if one.notebook.startswith("fresh/") else ""
    return f"| {number} | {place}{one.step} | {typed}{restarted} | {seconds:.0f} | {words} |"


def write_bare(home: Path, cache: Path, masked_fasta: Path) -> None:
    """Two bare releases of gene CCT8L2, and what annotates them: the cache's slice and a reference of their bases."""
    keys = ("CLNREVSTAT", "GENEINFO")
    declared = "".join(f'##INFO=<ID={key},Number=.,Type=String,Description="{key}">\n' for key in keys)
    for name, every in (("bare", 1), ("bare-2", 2)):
        records = (
            f"22\t{place}\t{place}\tC\tT\t.\t.\tCLNREVSTAT=criteria_provided,_"
            f"{'conflicting_classifications' if place % 3 else 'multiple_submitters,_no_conflicts'};GENEINFO=CCT8L2:1\n"
            for place in REGION[::every]
        )
        head = HEAD.replace("##reference", "##source=ClinVar\n##fileDate=2026-02-26\n##reference", 1)
        (home / f"{name}.vcf").write_text(head.replace("#CHROM", f"{declared}#CHROM", 1) + "".join(records))
    (home / "vep").mkdir()
    (home / "vep" / cache.name).symlink_to(cache.resolve())
    subprocess.run([sys.executable, masked_fasta, home / "bare.vcf", home / "reference.fa"], check=True)


def write_data(home: Path, clinvar: Path, table: Path) -> None:
    """Her table, a release in which every fortieth record is left, an older one with fewer, and a list of genes."""
    import pandas as pd

    rows = pd.read_csv(table, dtype=str, keep_default_na=False).sample(n=ROWS, random_state=5).sort_index()
    rows.to_csv(home / "mine.csv", index=False)
    (home / "genes.txt").write_text("BRCA1\nBRCA2\n")
    for name, every in (("release", EVERY), ("older", EVERY * 2)):
        with gzip.open(clinvar, "rb") as lines, gzip.open(home / f"{name}.vcf.gz", "wb", compresslevel=1) as out:
            records = 0
            for line in lines:
                records += not line.startswith(b"#")
                if line.startswith(b"#") or records % every == 0:
                    out.write(line)


@contextmanager
def jupyterlab(home: Path) -> Iterator[str]:
    """JupyterLab on this folder, with a home of its own; its address."""
    environment = os.environ | {
        "HOME": str(home / "home"), "XDG_CACHE_HOME": str(home / "cache"), "XDG_DATA_HOME": str(home / "share"),
        "JUPYTER_CONFIG_DIR": str(home / "config"), "JUPYTER_DATA_DIR": str(home / "jupyter"),
    }  # fmt: skip
    command = [sys.executable, "-m", "jupyter", "lab", "--no-browser", "--allow-root", "--ServerApp.port_retries=0"]
    command += [f"--port={PORT}", "--IdentityProvider.token=", "--LabApp.expose_app_in_browser=True"]
    with (home / "lab.log").open("w") as log:
        server = subprocess.Popen(
            [*command, f"--notebook-dir={home}"], env=environment, stdout=log, stderr=subprocess.STDOUT
        )
        try:
            address = f"http://127.0.0.1:{PORT}"
            for _ in range(120):
                try:
                    urllib.request.urlopen(f"{address}/api").close()  # noqa: S310
                    break
                except OSError:
                    time.sleep(1)
            yield address
        finally:
            server.send_signal(signal.SIGTERM)
            server.wait(30)


@contextmanager
def chromium(profile: Path) -> Iterator:
    """A headless Chromium with a profile of its own."""
    from selenium import webdriver

    options = webdriver.ChromeOptions()
    for switch in ("--headless=new", "--no-sandbox", "--disable-dev-shm-usage", "--window-size=1600,1400"):
        options.add_argument(switch)
    options.add_argument(f"--user-data-dir={profile}")
    started = webdriver.Chrome(options=options, service=webdriver.ChromeService(shutil.which("chromedriver")))
    started.set_script_timeout(900)
    started.command_executor.client_config.timeout = 1000  # a notebook may take longer than the usual two minutes
    try:
        yield started
    finally:
        started.quit()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--clinvar", type=Path, required=True, help="a ClinVar release, VCF")
    parser.add_argument("--table", type=Path, required=True, help="the published table")
    parser.add_argument("--cache", type=Path, help="a VEP cache that holds gene CCT8L2, for the notebook annotate")
    parser.add_argument("--masked-fasta", type=Path, help="the script that writes a FASTA around a VCF's records")
    parser.add_argument("--acts", nargs="+", choices=list(ACTS), help="which parts (all; annotate with a cache)")
    parser.add_argument("--page", type=Path, help="page whose section is replaced")
    given = parser.parse_args()
    acts = given.acts or [name for name in ACTS if given.cache or name != "annotate"]
    if "annotate" in acts and not (given.cache and given.masked_fasta):
        parser.error("the act annotate takes --cache and --masked-fasta")
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as temporary:
        home = Path(temporary)
        write_data(home, given.clinvar, given.table)
        if "annotate" in acts:
            write_bare(home, given.cache, given.masked_fasta)
        for folder in (home, home / "fresh"):
            command = [sys.executable, "-m", "genomicslearning", "notebooks", str(folder)]
            subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
        with jupyterlab(home) as address, chromium(home / "profile") as browser:
            lines = drive(Lab(browser, address), home, acts)
    if given.page:
        replace_section(given.page, "In JupyterLab", "\n".join([SAID, "", *lines]))


if __name__ == "__main__":
    main()
