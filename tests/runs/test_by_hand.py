"""Notebooks as a person executes them: in any order, parameters changed in between, with and without a run folder."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest
from small_chain import by_hand, use_notebooks, write_notebook

from genomicslearning import InputError
from genomicslearning.io.run_record import load
from genomicslearning.runs import chain, inputs, lock
from genomicslearning.runs.opening import open_run, sample_folder
from genomicslearning.runs.record import Record

OPEN = "from genomicslearning.runs.opening import open_run\nrun = open_run(run_dir, step={!r}, given=globals())"
MAKE = """
from pathlib import Path
data = clinvar or run.inputs_before.get("clinvar", "")
(run.folder / "data" / "first.txt").write_text((Path(data).read_text() if data else "sample") + str(seed))
"""
MULTIPLY = """
(run.folder / "second.txt").write_text((run.folder / "data" / "first.txt").read_text() * factor)
"""
LOOK = """
seen = (run.folder / "second.txt").read_text()
(run.folder / "third.txt").write_text(seen + "!")
"""
FINISH = "left = run.finish()"
STEPS = ("first", "second", "third")
PRODUCTS = {"first": ("data/first.txt",), "second": ("second.txt",), "third": ("third.txt",)}


@pytest.fixture(autouse=True)
def three_steps(tmp_path, monkeypatch):
    """Three small notebooks of the product's shape, and a home of their own."""
    import small_chain

    place = tmp_path / "notebooks"
    place.mkdir()
    head = 'run_dir: str = ""  # folder\n'
    for step, told, work in (
        ("first", 'clinvar: str = ""  # data\nseed: int = 7  # seed', MAKE),
        ("second", "factor: int = 2  # times", MULTIPLY),
        ("third", "seed: int = 7  # seed", LOOK),
    ):
        write_notebook(place / f"{step}.ipynb", head + told, OPEN.format(step), work, FINISH)
    monkeypatch.setattr(small_chain, "STEPS", STEPS)
    monkeypatch.setattr(small_chain, "PRODUCTS", PRODUCTS)
    use_notebooks(monkeypatch, place)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path / "home"))
    return place


def statuses(folder) -> list[str]:
    return [step["status"] for step in load(Path(folder))["steps"]]


def test_results_follow_parameters_in_any_order(tmp_path):
    folder = str(tmp_path / "r")
    by_hand("first", run_dir=folder)
    by_hand("second", run_dir=folder, factor=3)
    assert by_hand("third", run_dir=folder)["seen"] == "sample7sample7sample7"
    assert load(tmp_path / "r")["status"] == "done"
    by_hand("first", run_dir=folder, seed=1)
    assert statuses(folder) == ["done", "stale", "stale"]
    assert load(tmp_path / "r")["status"] == "stale"
    # The second is executed again, with the factor that it had, before the third looks.
    assert by_hand("third", run_dir=folder)["seen"] == "sample1sample1sample1"
    assert statuses(folder) == ["done", "done", "done"]
    by_hand("second", run_dir=folder, factor=1)
    by_hand("second", run_dir=folder, factor=2)
    assert by_hand("third", run_dir=folder)["seen"] == "sample1sample1"


def test_a_step_that_is_made_again_has_its_own_value_of_a_parameter_that_several_have(tmp_path):
    """Both the first and the third notebook have `seed`, as the classifier and the evaluation do."""
    folder = tmp_path / "runs" / "r"
    by_hand("first", run_dir=str(folder), seed=1)
    by_hand("second", run_dir=str(folder))
    by_hand("third", run_dir=str(folder), seed=9)
    (folder / "data" / "first.txt").unlink()
    assert by_hand("third", run_dir=str(folder), seed=9)["seen"] == "sample1sample1"
    again = {"name": "r", "runs_dir": str(tmp_path / "runs"), "resume": True, "progress": lambda text: None}
    chain.run({}, **again)
    assert (folder / "third.txt").read_text() == "sample1sample1!"
    told = {step["name"]: step["made_from"]["parameters"].get("seed") for step in load(folder)["steps"]}
    assert told == {"first": 1, "second": None, "third": 9}
    chain.run({"seed": 4}, **again)
    assert (folder / "third.txt").read_text() == "sample4sample4!"


def test_executing_the_same_again_makes_nothing_stale(tmp_path):
    folder = str(tmp_path / "r")
    for step in STEPS:
        by_hand(step, run_dir=folder)
    by_hand("first", run_dir=folder)
    assert statuses(folder) == ["done", "done", "done"]
    by_hand("first", run_dir=folder, seed=8)
    assert statuses(folder) == ["done", "stale", "stale"]
    by_hand("first", run_dir=folder, seed=7)
    assert statuses(folder) == ["done", "done", "done"]


def test_what_was_read_before_an_earlier_step_changed_is_not_taken_for_the_new(tmp_path):
    folder = str(tmp_path / "r")
    by_hand("first", run_dir=folder)
    opened = open_run(folder, step="second", given={"run_dir": folder, "factor": 2}, say=lambda text: None)
    (opened.folder / "second.txt").write_text("made from the old")
    by_hand("first", run_dir=folder, seed=99)
    opened.finish()
    assert by_hand("third", run_dir=folder)["seen"] == "sample99sample99"


def test_a_notebook_that_is_half_executed_elsewhere_is_waited_for(tmp_path, monkeypatch):
    folder = tmp_path / "r"
    by_hand("first", run_dir=str(folder))
    open_run(str(folder), step="second", given={"factor": 5}, say=lambda text: None)
    record = Record(folder)
    record.step("second")["process"] = os.getppid()  # another process, alive
    record.save()
    with pytest.raises(InputError, match="second is open and was not executed to its last cell"):
        by_hand("third", run_dir=str(folder))
    record.step("second")["process"] = 2**22 + 1  # one that is no more: Linux counts up to 2^22
    record.save()
    assert by_hand("third", run_dir=str(folder))["seen"] == "sample7" * 5


def test_a_step_that_was_never_executed_is_asked_for(tmp_path):
    with pytest.raises(InputError, match="no such folder"):
        by_hand("second", run_dir=str(tmp_path / "mistyped"))
    assert not (tmp_path / "mistyped").exists()
    by_hand("first", run_dir=str(tmp_path / "r"))
    with pytest.raises(InputError, match="second.txt is missing; run the notebook second"):
        by_hand("third", run_dir=str(tmp_path / "r"))


def test_predictions_that_were_never_made_are_made_with_the_notebook_s_defaults(tmp_path, monkeypatch, capsys):
    monkeypatch.setattr("genomicslearning.runs.opening.MADE_UNASKED", ("second",))
    folder = tmp_path / "r"
    by_hand("first", run_dir=str(folder), seed=3)
    assert by_hand("third", run_dir=str(folder))["seen"] == "sample3sample3"
    assert "second: it was not executed yet. Executing second with defaults" in capsys.readouterr().out
    assert statuses(folder) == ["done", "done", "done"]


def test_a_step_that_fails_when_it_is_made_again_is_named_with_what_to_do(tmp_path):
    folder = tmp_path / "r"
    by_hand("first", run_dir=str(folder))
    by_hand("second", run_dir=str(folder))
    with pytest.raises(OverflowError):
        by_hand("second", run_dir=str(folder), factor=10**20)
    record = Record(folder)
    record.step("second")["process"] = 2**22 + 1  # its kernel is no more
    record.save()
    with pytest.raises(InputError, match=r"second, cell .*OverflowError.*\(the notebook second, .*change them there"):
        by_hand("third", run_dir=str(folder))
    by_hand("second", run_dir=str(folder), factor=2)
    assert by_hand("third", run_dir=str(folder))["seen"] == "sample7sample7"


def test_own_data_stay_the_data_of_the_next_notebook(tmp_path, capsys):
    mine = tmp_path / "mine.vcf"
    mine.write_text("own ")
    by_hand("first", clinvar=str(mine))
    assert by_hand("second")["run"].folder != sample_folder()
    assert by_hand("third")["seen"] == "own 7own 7"
    assert "on mine.vcf, the last that was worked on without run_dir" in capsys.readouterr().out
    names = by_hand("first")  # no data: she asks for the sample, and nothing of hers is touched
    assert names["run"].folder == sample_folder()
    own = next((tmp_path / "home" / "genomicslearning" / "runs").iterdir())
    assert own.name.startswith("mine-") and (own / "third.txt").read_text() == "own 7own 7!"
    assert by_hand("third")["seen"] == "sample7sample7"


def test_the_sample_does_not_stand_in_for_a_run_that_is_gone(tmp_path):
    mine = tmp_path / "mine.vcf"
    mine.write_text("own ")
    folder = by_hand("first", clinvar=str(mine))["run"].folder
    folder.rename(tmp_path / "elsewhere")
    with pytest.raises(InputError, match="the run that was worked on last is gone; execute first on your data"):
        by_hand("second")
    assert not sample_folder().exists()
    (tmp_path / "elsewhere").rename(folder)
    assert by_hand("second")["run"].folder == folder
    (folder / "run.json").unlink()
    by_hand("first")  # she asks for the sample
    assert by_hand("second")["run"].folder == sample_folder()


def test_her_run_is_not_filled_with_the_sample(tmp_path):
    mine = tmp_path / "mine.vcf"
    mine.write_text("own ")
    folder = tmp_path / "r"
    by_hand("first", run_dir=str(folder), clinvar=str(mine))
    by_hand("first", run_dir=str(folder), seed=3)
    assert (folder / "data" / "first.txt").read_text() == "own 3"


def test_without_anything_made_notebooks_work_on_the_sample(capsys):
    names = by_hand("third")
    assert names["seen"] == "sample7sample7" and names["run"].folder == sample_folder()
    assert "on the embedded synthetic sample" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("seed", "words"),
    [
        (-1, "-1 is out of range; it is between 0 and"),
        ("7", "'7' is no number; it is between 0 and 4294967295, without quotes"),
        (7.5, "7.5 is no whole number"),
        (True, "True is no number"),
        (None, "None is no number"),
        ([7], r"\[7\] is no number"),
    ],
)
def test_wrong_parameters_are_refused_before_work(tmp_path, seed, words):
    with pytest.raises(InputError, match=f"parameter seed: {words}"):
        by_hand("first", run_dir=str(tmp_path / "r"), seed=seed)
    assert not (tmp_path / "r").exists()


def test_a_run_folder_that_cannot_be_is_refused(tmp_path):
    (tmp_path / "file").write_text("in the way")
    for place in (tmp_path / "file", tmp_path / "file" / "run"):
        with pytest.raises(InputError, match="file.*data: cannot make this folder"):
            by_hand("first", run_dir=str(place))


def test_a_run_folder_that_is_no_text_is_refused():
    with pytest.raises(InputError, match="parameter run_dir: 5 is no str"):
        open_run(5, step="second", given={})


def test_a_runner_goes_on_with_what_was_made_by_hand(tmp_path):
    runs = tmp_path / "runs"
    said = []
    chain.run({}, name="r", runs_dir=str(runs), progress=said.append)
    by_hand("second", run_dir=str(runs / "r"), factor=4)
    assert statuses(runs / "r") == ["done", "done", "stale"]
    page = (runs / "r" / "index.html").read_text()
    assert "executed by hand; its report is of an earlier execution" in page
    assert "stale: a step before it was executed again" in page
    assert "genomicslearning run --name r --resume" in page
    said.clear()
    chain.run({}, name="r", runs_dir=str(runs), resume=True, progress=said.append)
    assert said[0] == "[1/3] first: unchanged, kept"
    assert "[2/3] second: again, since it was executed by hand, which leaves no report" in said
    assert (runs / "r" / "third.txt").read_text() == "sample7" * 4 + "!", "its parameters are the run's now"
    assert statuses(runs / "r") == ["done"] * 3


def test_two_workers_do_not_share_a_folder(tmp_path):
    folder = tmp_path / "r"
    by_hand("first", run_dir=str(folder))
    with lock.hold(folder):
        with pytest.raises(InputError, match=rf"another process works on this run \(process {os.getpid()} on "):
            by_hand("second", run_dir=str(folder))
        with pytest.raises(InputError, match="another process works on this run"):
            chain.run({}, name="r", runs_dir=str(tmp_path), resume=True, progress=lambda text: None)
    (folder / lock.NAME).write_text("process 1 on elsewhere\n")  # what a killed run leaves is no lock
    by_hand("second", run_dir=str(folder))
    assert not (folder / lock.NAME).exists()


def test_every_file_that_was_read_is_in_the_record(tmp_path):
    for name in ("a.vcf", "old.vcf", "older.vcf"):
        (tmp_path / name).write_text(name)
    release, older, old = (str(tmp_path / name) for name in ("a.vcf", "older.vcf", "old.vcf"))
    found = inputs.facts({"clinvar": release, "earlier": json.dumps([older, old]), "watchlist_clinvar": release})
    assert [(one["role"], one["name"], one["bytes"]) for one in found] == [
        ("clinvar", "a.vcf", 5),
        ("earlier", "older.vcf", 9),
        ("earlier", "old.vcf", 7),
        ("watchlist_clinvar", "a.vcf", 5),
    ]
    assert found[0]["sha256"] == found[3]["sha256"] and len(found[0]["sha256"]) == 64
    by_hand("first", run_dir=str(tmp_path / "r"), clinvar=release)
    assert [one["role"] for one in load(tmp_path / "r")["inputs"]] == ["clinvar"]
