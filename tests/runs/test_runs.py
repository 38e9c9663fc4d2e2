"""The runner: parameters, resume, failures, what a run folder holds."""

from __future__ import annotations

import json
import shutil
import signal
import subprocess
import sys

import pandas as pd
import pytest
from command import command
from small_chain import FIRST, SECOND, use_notebooks, write_notebook

from genomicslearning import InputError
from genomicslearning.runs import chain, engine, parameters
from genomicslearning.runs.compare import as_text, comparison
from genomicslearning.runs.folder import Run, copy_notebooks, model_folder
from genomicslearning.runs.time_left import TimeLeft
from genomicslearning.watchlist import entries


def write_two(folder, monkeypatch):
    """A chain of two small notebooks in place of the product's four."""
    folder.mkdir()
    write_notebook(folder / "first.ipynb", 'run_dir: str = ""  # folder\nseed: int = 7  # a number', FIRST)
    write_notebook(folder / "second.ipynb", 'run_dir: str = ""  # folder\nfactor: int = 2', SECOND)
    use_notebooks(monkeypatch, folder)
    return folder


@pytest.fixture
def two_steps(tmp_path, monkeypatch):
    return write_two(tmp_path / "notebooks", monkeypatch)


@pytest.fixture(scope="module")
def ready(tmp_path_factory):
    """A run of the two notebooks with their defaults, made once, and what it told of its progress."""
    place = tmp_path_factory.mktemp("ready")
    with pytest.MonkeyPatch.context() as patch:
        write_two(place / "notebooks", patch)
        return run(place)


@pytest.fixture
def finished(two_steps, ready, tmp_path):
    """That run in a folder of the test's own: its index page."""
    shutil.copytree(ready[0].parent.parent, tmp_path / "runs", symlinks=True)
    return tmp_path / "runs" / "r" / "index.html"


def run(tmp_path, given=None, **options):
    lines = []
    index = chain.run(given or {}, name="r", runs_dir=str(tmp_path / "runs"), progress=lines.append, **options)
    return index, lines


def record(tmp_path):
    return json.loads((tmp_path / "runs" / "r" / "run.json").read_text())


def test_the_report_shows_the_columns_of_a_watch_list_that_a_window_holds(tmp_path):
    (tmp_path / "run.json").write_text("{}")
    row = dict.fromkeys(entries.COLUMNS, "x") | {"condition": "Breast_cancer|not_specified", "gene": "BRCA_2"}
    (tmp_path / "watchlist").mkdir()
    pd.DataFrame([row] * 3).to_csv(tmp_path / "watchlist" / "watchlist.csv", index=False)
    shown = Run(tmp_path).read_watchlist(rows=2)
    assert shown.columns.tolist() == (
        ["rank", "percentile", "probability", "gene", "hgvs", "condition", "classification", "expected conflict"]
        + ["reason 1"]
    )
    assert shown["condition"].tolist() == ["Breast cancer; not specified"] * 2 and shown["gene"][0] == "BRCA_2"


def test_a_run_leaves_reports_record_and_latest(two_steps, tmp_path):
    index, lines = run(tmp_path, {"seed": "5"})
    folder = index.parent
    assert (folder / "second.txt").read_text() == "55"
    assert index.read_text().count("second.html") >= 1 and (folder / "first.html").exists()
    assert (tmp_path / "runs" / "latest").resolve() == folder
    facts = record(tmp_path)
    assert facts["status"] == "done"
    assert [step["status"] for step in facts["steps"]] == ["done", "done"]
    assert facts["parameters"]["seed"] == 5 and facts["parameters"]["factor"] == 2
    assert facts["artifacts"] == ["data/first.txt", "second.txt", "model_card.md"]
    assert 'href="model_card.md"' in index.read_text()
    assert set(facts["versions"]) >= {"python", "genomicslearning", "pandas", "scikit-learn"}


def test_progress_names_step_cell_and_time_and_passes_on_what_is_printed(ready):
    _, lines = ready
    assert any(line.startswith("[2/2] second · cell 4/4 Title · 0:0") for line in lines)
    assert any(line.endswith("· second at work") for line in lines)


def test_resume_repeats_only_what_changed(finished, tmp_path):
    _, lines = run(tmp_path, resume=True)
    assert lines[:2] == ["[1/2] first: unchanged, kept", "[2/2] second: unchanged, kept"]
    _, lines = run(tmp_path, {"factor": 3}, resume=True)
    assert "[1/2] first: unchanged, kept" in lines and "[2/2] second: unchanged, kept" not in lines
    folder = tmp_path / "runs" / "r"
    assert (folder / "second.txt").read_text() == "777"
    assert (folder / "data" / "count.txt").read_text() == "1"
    run(tmp_path, {"seed": 1, "factor": 3}, resume=True)
    assert (folder / "data" / "count.txt").read_text() == "2"
    assert (folder / "second.txt").read_text() == "111"


def test_resume_makes_again_what_was_removed_or_altered(finished, tmp_path):
    (finished.parent / "second.txt").write_text("tampered")
    _, lines = run(tmp_path, resume=True)
    assert "[1/2] first: unchanged, kept" in lines and "[2/2] second: unchanged, kept" not in lines
    assert (finished.parent / "second.txt").read_text() == "77"


def test_a_failing_cell_is_named_and_its_report_rendered(two_steps, finished, tmp_path):
    write_notebook(two_steps / "second.ipynb", 'run_dir: str = ""  # folder', "x = 1", "raise ValueError('broken <b>')")
    with pytest.raises(chain.StepFailed, match=r"second, cell \d+: ValueError: broken <b>"):
        chain.run({}, name="bad", runs_dir=str(tmp_path / "runs"), progress=lambda text: None)
    bad = tmp_path / "runs" / "bad"
    assert json.loads((bad / "run.json").read_text())["status"] == "failed"
    assert "broken" in (bad / "second.html").read_text()
    assert "broken &lt;b&gt;" in (bad / "index.html").read_text()
    assert (tmp_path / "runs" / "latest").resolve().name == "r"


def test_a_notebook_that_exits_early_has_failed(two_steps, tmp_path):
    write_notebook(two_steps / "second.ipynb", 'run_dir: str = ""  # folder', "import sys; sys.exit(0)", "x = 1")
    with pytest.raises(chain.StepFailed, match="the notebook ended here"):
        run(tmp_path)


def test_a_kernel_that_dies_is_a_failed_step(two_steps, tmp_path):
    dying = "import os, sys; print('last words', file=sys.__stderr__, flush=True); os._exit(3)"
    write_notebook(two_steps / "second.ipynb", 'run_dir: str = ""  # folder', dying, "x = 1")
    with pytest.raises(chain.StepFailed, match=r"second.*the notebook's process ended.*last words"):
        run(tmp_path)
    assert json.loads((tmp_path / "runs" / "r" / "run.json").read_text())["status"] == "failed"


@pytest.mark.parametrize("place", ["startup/00.py", "ipython_kernel_config.py"])
def test_a_kernel_that_dies_at_its_start_is_a_failed_step(two_steps, tmp_path, monkeypatch, place):
    """As it does where a person's own IPython profile ends it."""
    file = tmp_path / "ipython" / "profile_default" / place
    file.parent.mkdir(parents=True)
    file.write_text("import os, sys; print('last words', file=sys.__stderr__, flush=True); os._exit(3)")
    monkeypatch.setenv("IPYTHONDIR", str(tmp_path / "ipython"))
    with pytest.raises(chain.StepFailed, match=r"first.*ended before the first cell.*startup folder.*last words"):
        run(tmp_path)
    assert record(tmp_path)["status"] == "failed"


def test_a_kernel_that_answers_too_late_is_a_failed_step(two_steps, tmp_path, monkeypatch):
    monkeypatch.setattr(engine._Client, "kernel_info", lambda self: "never sent")
    ready = engine._Client.wait_for_ready
    monkeypatch.setattr(engine._Client, "wait_for_ready", lambda self, timeout: ready(self, timeout=0.2))
    with pytest.raises(chain.StepFailed, match=r"first.*did not answer within 0\.2 seconds.*run again with --resume"):
        run(tmp_path)
    assert record(tmp_path)["status"] == "failed"


def test_a_kernel_that_is_missing_is_a_line_that_says_what_to_do(two_steps, tmp_path):
    for name, left in (("second", True), ("first", False)):  # nothing is left where nothing was made
        path = two_steps / f"{name}.ipynb"
        path.write_text(path.read_text().replace('"name": "python3"', '"name": "python-of-elsewhere"'))
        done = command("run", "--name", name, "--runs-dir", tmp_path / "runs", cwd=tmp_path)
        assert done.returncode == 2
        assert done.stderr.splitlines()[-1] == (
            "genomicslearning: no Jupyter kernel python-of-elsewhere: install it with: "
            "python -m ipykernel install --sys-prefix"
        )
        assert (tmp_path / "runs" / name).exists() == left
    facts = json.loads((tmp_path / "runs" / "second" / "run.json").read_text())
    assert (facts["status"], facts["steps"][1]["status"]) == ("failed", "failed")
    assert "no Jupyter kernel" in facts["error"]["message"]


def test_bad_input_in_the_first_step_leaves_nothing(two_steps, tmp_path):
    source = "from genomicslearning import InputError\nraise InputError('file.vcf:3: bad')"
    write_notebook(two_steps / "first.ipynb", 'run_dir: str = ""  # folder', source)
    with pytest.raises(InputError, match="file.vcf:3: bad"):
        run(tmp_path)
    assert not (tmp_path / "runs" / "r").exists()


def test_an_existing_run_is_not_overwritten(finished, tmp_path):
    before = finished.read_bytes()
    with pytest.raises(InputError, match="this run exists"):
        run(tmp_path)
    assert finished.read_bytes() == before


def test_a_run_stands_for_its_model(tmp_path):
    run, other = tmp_path / "run", tmp_path / "model"
    with pytest.raises(InputError, match="model: no such folder; give a run's folder, such as runs/latest, or a model"):
        model_folder(other)
    other.mkdir()
    with pytest.raises(InputError, match="model: no manifest.json"):
        model_folder(other)
    (other / "manifest.json").touch()
    assert model_folder(other) == other, "what is no run is the model itself"
    for job in ("first", "second"):
        (run / "autopilot" / job / "model").mkdir(parents=True)
    (run / "run.json").touch()
    with pytest.raises(InputError, match="run: this run has no model yet"):
        model_folder(run)
    place = run / "autopilot" / "job.json"
    place.write_text('{"name": "second"}')
    assert model_folder(run) == run / "autopilot" / "second" / "model"
    place.write_text('{"name": "third"}')
    with pytest.raises(InputError, match="run: its model was removed"):
        model_folder(run)
    place.write_text('{"name": "third", "backend": "sagemaker"}')
    with pytest.raises(InputError, match="run: its model is on SageMaker"):
        model_folder(run)


def test_notebooks_are_copied_out_once(tmp_path):
    first = copy_notebooks(tmp_path)
    assert all(copied for _, copied in first)
    (tmp_path / "data_prep.ipynb").write_text("mine")
    assert not any(copied for _, copied in copy_notebooks(tmp_path))
    assert (tmp_path / "data_prep.ipynb").read_text() == "mine"


def test_compare_names_what_differs(finished, tmp_path):
    two = chain.run({"seed": 9}, name="s", runs_dir=str(tmp_path / "runs"), progress=lambda text: None)
    text = as_text(comparison(finished.parent, two.parent))
    assert any(line.split() == ["seed", "7", "9"] for line in text.splitlines())
    assert "factor" not in text and "versions: equal" in text


def test_the_words_of_parameters_are_those_of_the_rooms_that_read_them():
    from genomicslearning import autopilot, endpoint
    from genomicslearning.autopilot import remote_rows, sagemaker
    from genomicslearning.features import FEATURE_SETS
    from genomicslearning.history import splits
    from genomicslearning.training_set.transcripts import PICKS

    owners = {
        "split": splits.KINDS,
        "features": FEATURE_SETS,
        "preset": autopilot.PRESET_NAMES,
        "extra_candidates": autopilot.EXTRA_CANDIDATES,
        "objective": autopilot.OBJECTIVES,
        "backend": autopilot.BACKENDS,
        "endpoint_mode": endpoint.MODES,
        "pick": PICKS,
        "autopilot_mode": sagemaker.MODES,
        "table_kind": remote_rows.TABLES,
    }
    assert {name: sorted(words) for name, words in owners.items()} == {
        name: sorted(words) for name, words in parameters.CHOICES.items() if name != "depth"
    }
    known = parameters.all_known()
    assert set(parameters.CHOICES) | set(parameters.RANGES) <= set(known)
    numbers = {name for name, item in known.items() if item.type in ("int", "float")}
    assert numbers == set(parameters.RANGES), "every number has a range"
    parameters.check({name: item.default for name, item in known.items()})


def test_resume_goes_by_the_content_of_every_file_that_was_read(two_steps, tmp_path):
    release = tmp_path / "release.vcf"
    head = 'run_dir: str = ""  # folder\nwatchlist_clinvar: str = ""  # watched\nfactor: int = 2  # times'
    write_notebook(two_steps / "second.ipynb", head, SECOND)
    release.write_text("one")
    run(tmp_path, {"watchlist_clinvar": str(release)})
    assert [(one["role"], one["name"], one["bytes"]) for one in record(tmp_path)["inputs"]] == [
        ("watchlist_clinvar", "release.vcf", 3)
    ]
    _, lines = run(tmp_path, resume=True)
    assert "[2/2] second: unchanged, kept" in lines, "a resumed run is told what it was told before"
    release.write_text("two!")
    _, lines = run(tmp_path, resume=True)
    assert lines[:2] == ["[1/2] first: unchanged, kept", "[2/2] second: again, since inputs changed"]


def test_resume_goes_by_notebook_configuration_and_version(two_steps, finished, tmp_path, monkeypatch):
    from genomicslearning.runs import record as room

    write_notebook(two_steps / "second.ipynb", 'run_dir: str = ""  # folder\nfactor: int = 2', SECOND, "x = 1")
    _, lines = run(tmp_path, resume=True)
    assert lines[:2] == ["[1/2] first: unchanged, kept", "[2/2] second: again, since its notebook changed"]
    monkeypatch.setattr(room, "settings", lambda: {"backend": "local", "lake": "/a/lake"})
    _, lines = run(tmp_path, resume=True)
    assert lines[0] == "[1/2] first: again, since the machine's configuration changed"
    versions = room.versions() | {"genomicslearning": "99"}
    monkeypatch.setattr(room, "versions", lambda: versions)
    _, lines = run(tmp_path, resume=True)
    assert lines[0] == "[1/2] first: again, since versions changed"


@pytest.mark.parametrize(
    ("content", "words"),
    [
        ('{"id": "r", "sta', "no run's record .*cut off"),
        ("", "no run's record"),
        ("[1, 2]", "no run's record"),
        ('{"id": 3}', "id is missing or of another kind"),
        ('{"name": "package", "version": "1.0"}', "not a run's record"),
    ],
    ids=["cut", "empty", "list", "other", "foreign"],
)
def test_a_cut_or_foreign_record_is_a_clear_line(content, words, finished, tmp_path):
    (finished.parent / "run.json").write_text(content)
    with pytest.raises(InputError, match=f"run.json: .*{words}"):
        run(tmp_path, resume=True)
    with pytest.raises(InputError, match=f"run.json: .*{words}"):
        comparison(finished.parent, finished.parent)


def test_sigterm_leaves_an_interrupted_run(tmp_path):
    """A real run of the product's notebooks, ended as a scheduler ends it; it can be gone on with."""
    whole = [sys.executable, "-m", "genomicslearning", "run", "--name", "r", "--runs-dir", str(tmp_path)]
    process = subprocess.Popen(whole, stderr=subprocess.PIPE, stdout=subprocess.DEVNULL, text=True)
    for line in process.stderr:
        if "cell 6/" in line:  # the first step is at work
            process.send_signal(signal.SIGTERM)
            break
    process.stderr.read()
    assert process.wait() != 0
    facts = json.loads((tmp_path / "r" / "run.json").read_text())
    assert facts["status"] == "interrupted" and facts["steps"][0]["status"] == "interrupted"
    assert not (tmp_path / "r" / ".lock").exists()


def test_time_left_goes_by_what_has_passed():
    now = [0.0]
    clock = TimeLeft(("data_prep", "variant_classifier-autopilot"), "", clock=lambda: now[0])
    clock.starts("data_prep")
    assert clock.tell("a line of the notebook") == "a line of the notebook"
    now[0] = 10
    assert clock.tell("data_prep · cell 6/11 · 0:10") == "data_prep · cell 6/11 · 0:10 · about 3 min left in all"
    clock.starts("variant_classifier-autopilot")
    now[0] = 40
    said = clock.tell("boosting: AUC 0.8; about 60 s left")
    assert said.endswith("· about 60 s left in all"), "the job's own estimate counts"
