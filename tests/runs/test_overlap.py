"""What a run does beside the step at work: pages are rendered, and are those of the run as it ends."""

from __future__ import annotations

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


def test_a_step_that_does_not_come_is_no_link(tmp_path, monkeypatch, rendered):
    (tmp_path / "r").mkdir()
    write_notebook(tmp_path / "r" / "first.ipynb", 'run_dir: str = ""')
    monkeypatch.setattr("genomicslearning.runs.reports.load", lambda folder: STATE)
    monkeypatch.setattr("genomicslearning.report.page.load", lambda folder: STATE)
    monkeypatch.setattr("genomicslearning.report.index_page.render_index", lambda folder: folder / "index.html")
    rendering = Rendering(tmp_path / "r", ("first", "second"))
    rendering.step_done("first")
    rendering.finish()
    assert rendered == ["first", "first"]
    assert "second.html" not in (tmp_path / "r" / "first.html").read_text()


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
