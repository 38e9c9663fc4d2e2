"""Rendered reports: nothing from the network, alt text kept, code behind a toggle, ClinVar's text escaped."""

from __future__ import annotations

import re

import nbformat
import pandas as pd
import pytest
from bs4 import BeautifulSoup

from genomicslearning import InputError, report
from genomicslearning.report.page import render_notebook

PNG = "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg=="
HOSTILE = '<script>alert(1)</script><img src="https://example.org/x.png">'


def notebook(*cells) -> nbformat.NotebookNode:
    return nbformat.v4.new_notebook(cells=list(cells))


def code(source, *outputs):
    return nbformat.v4.new_code_cell(source, outputs=list(outputs), execution_count=1)


def displayed(capture) -> list[nbformat.NotebookNode]:
    """What `report` displayed, as the outputs that a kernel would store."""
    return [
        nbformat.v4.new_output("display_data", data=output.data, metadata=output.metadata) for output in capture.outputs
    ]


@pytest.fixture
def captured():
    from IPython.core.interactiveshell import InteractiveShell
    from IPython.utils.capture import capture_output

    InteractiveShell.instance()
    with capture_output() as capture:
        yield capture
    InteractiveShell.clear_instance()


@pytest.fixture
def page(tmp_path, captured):
    """A report of a notebook with a figure, a table of hostile text, a warning and an error."""
    import matplotlib.pyplot as plt

    figure, ax = plt.subplots()
    ax.plot([0, 1])
    report.show(figure, "A line from 0 to 1", headline=True)
    report.table(pd.DataFrame({"CLNDN": [HOSTILE], "n": [0.5]}), "Caption <b>")
    report.warn(HOSTILE)
    error = nbformat.v4.new_output("error", ename="ValueError", evalue="bad", traceback=["ValueError: bad"])
    nb = notebook(
        nbformat.v4.new_markdown_cell("# The `title`\n\nText."),
        nbformat.v4.new_markdown_cell("## First look"),
        code("x = 1", *displayed(captured)),
        nbformat.v4.new_markdown_cell("## Second look"),
        code("raise ValueError('bad')", error),
    )
    path = tmp_path / "step.ipynb"
    nbformat.write(nb, path)
    return BeautifulSoup(render_notebook(path).read_text(encoding="utf-8"), "html.parser")


def test_figure_keeps_its_alt_text(page):
    assert [image["alt"] for image in page.find_all("img")] == ["A line from 0 to 1"]


def test_nothing_is_loaded_from_another_host(page):
    loaded = [tag.get("src") or tag.get("href") for tag in page.find_all(["script", "img", "link", "iframe"])]
    assert all(address is None or address.startswith("data:") for address in loaded)
    assert "@import" not in str(page)
    rules = page.find("meta", {"http-equiv": "Content-Security-Policy"})["content"]
    assert rules.startswith("default-src 'none'; img-src data:;")


def test_only_the_page_s_own_script_may_run(page):
    from genomicslearning.io.text import page_policy

    scripts = page.find_all("script")
    assert len(scripts) == 1
    assert page.find("meta", {"http-equiv": "Content-Security-Policy"})["content"] == page_policy(scripts[0].string)


def test_text_of_clinvar_stays_text(page):
    cell = page.find("td", string=re.compile("alert"))
    assert cell.get_text() == HOSTILE
    assert page.find("div", class_="warning").get_text() == HOSTILE


def test_code_is_collapsed_and_contents_lead_to_headings(page):
    assert [details.has_attr("open") for details in page.find_all("details", class_="code")] == [False, False]
    links = [link["href"] for link in page.find("nav").find_all("a")]
    assert links == ["#First-look", "#Second-look"]
    assert all(page.find(id=link[1:]) for link in links)
    assert page.title.string == "The title · step"


def test_an_error_is_shown(page):
    assert "ValueError: bad" in page.get_text()


@pytest.mark.parametrize(
    ("cells", "shown", "right"),
    [
        ([1234, 5], ["1,234", "5"], True),
        (["0.717\N{NO-BREAK SPACE}(0.668–0.762)", "–"], ["0.717\N{NO-BREAK SPACE}(0.668–0.762)", "–"], True),
        (["12.5%", "7 %"], ["12.5%", "7 %"], True),
        (["0.12 to 0.34", "-1"], ["0.12 to 0.34", "-1"], True),
        ([0.00004, -0.0], ["4.0e-05", "0.000"], True),
        ([None, "TP53"], ["–", "TP53"], False),
        (["1 % and above", "not seen"], ["1 % and above", "not seen"], False),
        ([True, False], ["yes", "no"], False),
    ],
)
def test_cells_of_a_table(cells, shown, right):
    from genomicslearning.report.display import table_markup

    found = BeautifulSoup(table_markup(pd.DataFrame({"x": pd.Series(cells)})), "html.parser").find_all("td")
    assert [cell.get_text() for cell in found] == shown
    assert ["text" not in cell.get("class", []) for cell in found] == [right] * len(cells)


def test_positions_have_no_separators_and_chromosomes_are_names():
    from genomicslearning.report.display import table_markup

    found = BeautifulSoup(table_markup(pd.DataFrame({"CHROM": ["1"], "POS": [1234567]})), "html.parser").find_all("td")
    assert [(cell.get_text(), cell.get("class")) for cell in found] == [("1", ["text"]), ("1234567", None)]


def test_headings_of_markdown_within_a_section_are_of_a_lower_level(monkeypatch):
    shown = []
    monkeypatch.setattr("genomicslearning.report.display.display", lambda data, **_: shown.append(data["text/html"]))
    report.markdown("# Card\n\n## Data\n\nNo # heading", below=2)
    assert "<h3" in shown[0] and "<h4" in shown[0] and "<h1" not in shown[0] and "No # heading" in shown[0]


@pytest.mark.parametrize(
    "text", ["{cut off", "", "{}", "[]", "null", '{"nbformat": 4}', '{"nbformat": 9, "cells": []}', "\xff"]
)
def test_what_is_no_notebook_is_a_line(tmp_path, text):
    (tmp_path / "a.ipynb").write_text(text, encoding="latin-1")
    with pytest.raises(InputError, match=r"a\.ipynb: is no notebook \(.+\); repair it"):
        render_notebook(tmp_path / "a.ipynb")
    assert not (tmp_path / "a.html").exists()


def test_a_page_shows_no_folder_of_the_machine_in_its_code(tmp_path):
    told = 'run_dir = "/home/ada/runs/first"\nearlier = "[\\"/data/old/2015.tsv\\", \\"s3://b/k.tsv\\"]"\nshare = "a/b"'
    cells = [nbformat.v4.new_markdown_cell("# Title"), nbformat.v4.new_code_cell(told)]
    cells[1].metadata["tags"] = ["injected-parameters"]
    cells.append(nbformat.v4.new_code_cell(f"folder = '{tmp_path}/autopilot/job'"))
    nbformat.write(nbformat.v4.new_notebook(cells=cells), tmp_path / "a.ipynb")
    page = BeautifulSoup(render_notebook(tmp_path / "a.ipynb").read_text(), "html.parser").text
    assert "/home/ada" not in page and "/data/old" not in page and str(tmp_path) not in page
    for kept in ('run_dir = "first"', "2015.tsv", "s3://b/k.tsv", 'share = "a/b"', "folder = 'autopilot/job'"):
        assert kept in page
    assert told in nbformat.read(tmp_path / "a.ipynb", 4).cells[1].source, "the notebook keeps them"
