"""A run's reports and index page, rendered again from its executed notebooks; the page of all runs."""

from __future__ import annotations

import os
from collections.abc import Collection, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path

from genomicslearning import InputError
from genomicslearning.io.run_record import load

# nbconvert, which the pages need, takes half a second to import: a run does so beside its first step, and one that is
# refused does not.


class Rendering:
    """A run's pages, each rendered in a thread while the run goes on with its next step.

    A page leads to those of all the run's steps, and so to some that are yet to come. Where one does not come, `finish`
    renders the pages again as the run then is.
    """

    def __init__(self, folder: Path, steps: Sequence[str]):
        self._folder, self._steps = folder, tuple(steps)
        self._pool = ThreadPoolExecutor(1, "render")
        self._pages: dict[Path, Future] = {}
        # When the notebooks were written that jobs have left so far: a run that is resumed may write them again.
        self._written = {path: _written(path) for path in _of_jobs(folder)}

    def step_done(self, name: str) -> None:
        """Render what a step has left: its own notebook, and those that its job wrote."""
        self._pages[self._folder / f"{name}.ipynb"] = self._pool.submit(_page, self._folder, name, self._steps)
        for path in _of_jobs(self._folder):
            if self._written.get(path) != (written := _written(path)):
                self._written[path] = written
                self._pages[path] = self._pool.submit(_page_of_job, self._folder, path)

    def finish(self) -> Path:
        """Render what is left, and the index page; return its path.

        Raises
        ------
        InputError
            A `run.json` that cannot be read.
        """
        self._pool.shutdown()
        all_came = all((self._folder / f"{name}.ipynb").is_file() for name in self._steps)
        good = {path for path, page in self._pages.items() if all_came and not page.exception()}
        return render(self._folder, without=good)


def _page(folder: Path, step: str, to_come: Collection[str]) -> None:
    from genomicslearning.report.page import render_notebook

    render_notebook(folder / f"{step}.ipynb", to_come=to_come)


def _of_jobs(folder: Path) -> list[Path]:
    """The notebooks that a run's jobs wrote."""
    return sorted(folder.glob("autopilot/*/notebooks/*.ipynb"))


def _written(path: Path) -> int:
    """When a file was written, in nanoseconds."""
    return path.stat().st_mtime_ns


def _page_of_job(folder: Path, path: Path) -> None:
    from genomicslearning.report.page import render_notebook

    render_notebook(path, home=os.path.relpath(folder / "index.html", path.parent))


def render(folder: Path, *, without: Collection[Path] = ()) -> Path:
    """Render a run's reports and index page from its executed notebooks; return the index page's path.

    Parameters
    ----------
    without
        Notebooks whose pages are as they should be.

    Raises
    ------
    InputError
        A `run.json` that cannot be read.
    """
    from genomicslearning.report.index_page import render_index
    from genomicslearning.report.page import render_notebook

    for step in load(folder).get("steps", []):
        path = folder / f"{step['name']}.ipynb"
        if path.is_file() and path not in without:
            render_notebook(path)
    for path in _of_jobs(folder):
        if path not in without:
            _page_of_job(folder, path)
    return render_index(folder)


def render_all(folders: Sequence[Path], runs_dir: Path) -> Path:
    """Render every run, and the page of all runs, `index.html` in the folder of runs; return its path."""
    from genomicslearning.report.gallery import gallery  # imports pandas, which a run's own pages do without

    for folder in folders:
        try:
            render(folder)
        except InputError:
            continue  # its row in the page of all runs says so
    return gallery(folders, runs_dir / "index.html")
