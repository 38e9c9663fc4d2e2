"""What a run does beside the step at work: pages are rendered, and are those of the run as it ends."""

from __future__ import annotations

import os
import shutil

import nbformat
import pytest
from small_chain import FIRST, use_notebooks, write_notebook

from genomicslearning.runs import chain
from genomicslearning.runs.engine import _SaveNowAndThen
from genomicslearning.runs.reports import Rendering


@pytest.fixture
def rendered(monkeypatch):
    """The notebooks whose pages are rendered, in order."""
    from genomicslearning.report import page

    names = []
    original = page.render_notebook

    def noted(notebook, **options):
        names.append(notebook.stem)
        return original(notebook, **options)

    monkeypatch.setattr(page, "render_notebook", noted)
    return names


def run(tmp_path, monkeypatch, second: str):
    (tmp_path / "notebooks").mkdir()
    write_notebook(tmp_path / "notebooks" / "first.ipynb", 'run_dir: str = ""\nseed: int = 7', FIRST)
    write_notebook(tmp_path / "notebooks" / "second.ipynb", 'run_dir: str = ""', second)
    use_notebooks(monkeypatch, tmp_path / "notebooks")
    return chain.run({}, name="r", runs_dir=str(tmp_path / "runs"), progress=lambda text: None)


def test_each_page_is_rendered_once_and_leads_to_every_step(tmp_path, monkeypatch, rendered):
    folder = run(tmp_path, monkeypatch, "print('done')").parent
    assert rendered == ["first", "second"]
    assert 'href="second.html"' in (folder / "first.html").read_text()


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """A run's folder after its first step, its record and its index page left out."""
    (tmp_path / "r").mkdir()
    write_notebook(tmp_path / "r" / "first.ipynb", 'run_dir: str = ""')
    monkeypatch.setattr("genomicslearning.runs.reports.load", lambda folder: STATE)
    monkeypatch.setattr("genomicslearning.report.page.load", lambda folder: STATE)
    monkeypatch.setattr("genomicslearning.report.index_page.render_index", lambda folder: folder / "index.html")
    return tmp_path / "r"


def test_a_job_that_is_done_again_has_the_page_of_its_new_notebook(folder, rendered):
    """As when a run is resumed and its first step was changed: the job's old notebooks lie there until then."""
    job = folder / "autopilot" / "job" / "notebooks"
    job.mkdir(parents=True)
    write_notebook(job / "data_exploration.ipynb", "old = 1")
    rendering = Rendering(folder, ("first", "second"))
    rendering.step_done("first")
    for page in rendering._pages.values():  # the next step takes longer
        page.result()
    shutil.rmtree(job)
    job.mkdir()
    write_notebook(job / "data_exploration.ipynb", "new = 1")
    os.utime(job / "data_exploration.ipynb", (1, 1))  # whatever the clock's steps are
    write_notebook(folder / "second.ipynb", 'run_dir: str = ""')
    rendering.step_done("second")
    rendering.finish()
    assert sorted(rendered) == ["data_exploration", "first", "second"]
    page = (job / "data_exploration.html").read_text()
    assert ">new<" in page and ">old<" not in page


def test_a_job_that_is_kept_has_its_page(folder, rendered):
    job = folder / "autopilot" / "job" / "notebooks"
    job.mkdir(parents=True)
    write_notebook(job / "data_exploration.ipynb", "old = 1")
    write_notebook(folder / "second.ipynb", 'run_dir: str = ""')
    rendering = Rendering(folder, ("first", "second"))
    rendering.step_done("second")
    rendering.finish()
    assert sorted(rendered) == ["data_exploration", "first", "second"]
    assert (job / "data_exploration.html").exists()


def test_a_step_that_does_not_come_is_no_link(folder, rendered):
    rendering = Rendering(folder, ("first", "second"))
    rendering.step_done("first")
    rendering.finish()
    assert rendered == ["first", "first"]
    assert "second.html" not in (folder / "first.html").read_text()


STATE = {"id": "r", "steps": [{"name": "first"}, {"name": "second"}], "synthetic": False}


def test_the_notebook_is_saved_whole_once_it_is_done():
    class Manager:
        end_time = None
        saved = 0

        def save(self, **named):
            self.saved += 1

    manager = Manager()
    manager.save, save = _SaveNowAndThen(manager), manager.save
    for _ in range(5):
        manager.save()
    assert manager.saved == 0  # a moment has passed
    manager.end_time = "now"
    manager.save()
    assert manager.saved == 1 and save


def test_an_executed_notebook_has_its_outputs(tmp_path, monkeypatch):
    folder = run(tmp_path, monkeypatch, "print('said')").parent
    executed = nbformat.read(folder / "second.ipynb", as_version=4)
    assert executed.cells[-1].outputs[0].text == "said\n"
