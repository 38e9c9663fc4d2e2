"""A run's index page, the page of all runs, comparisons, and a run as one archive."""

from __future__ import annotations

import json
import zipfile

import pandas as pd
import pytest
from browser import WIDE, chromium, open_at
from bs4 import BeautifulSoup
from pages import METRICS, captured_outputs, write_predictions, write_run
from sklearn.metrics import roc_auc_score
from typer.testing import CliRunner

from genomicslearning import InputError, report
from genomicslearning.cli.app import app
from genomicslearning.report import gallery
from genomicslearning.report.archive import archive
from genomicslearning.report.comparison import comparison_page
from genomicslearning.report.index_page import render_index
from genomicslearning.report.page import render_notebook
from genomicslearning.runs import compare

ANSWERS = pd.DataFrame(
    [
        ("Rank variants?", "yes", "ROC AUC 0.8"),
        ("Read the probability as a chance?", "with limits", "ECE 0.03"),
        ("Decide about a patient?", "no", "No clinical decision."),
    ],
    columns=["question", "answer", "because"],
)


def soup(path) -> BeautifulSoup:
    return BeautifulSoup(path.read_text(encoding="utf-8"), "html.parser")


@pytest.fixture
def shown():
    """A figure for the index, one that is not, a warning and a verdict, as a notebook stores them."""
    import matplotlib.pyplot as plt

    with captured_outputs() as outputs:
        report.show(plt.figure(), "Quoted figure", headline=True)
        report.show(plt.figure(), "Not quoted")
        report.warn("Careful <here>")
        report.verdict("Good for ranking.", ANSWERS)
    return outputs


def test_index_tells_what_to_use_the_model_for_and_what_not(tmp_path, shown):
    page = soup(render_index(write_run(tmp_path / "one", shown)))
    said = {
        part.h2.get_text(): [item.get_text(" ", strip=True) for item in part.find_all("li")]
        for part in page.find(class_="uses").find_all("section")
    }
    assert said == {
        "Use it to": ["rank variants ROC AUC 0.8"],
        "Use it, with limits, to": ["read the probability as a chance ECE 0.03"],
        "Do not use it to": ["decide about a patient No clinical decision."],
    }
    assert [image["alt"] for image in page.find_all("img")] == ["Quoted figure"]
    assert "Careful <here> (evaluation)" in [note.get_text() for note in page.find_all("p", class_="warning")]


@pytest.mark.parametrize(
    ("split", "features", "flatters"), [("random", "all", True), ("random", "biology", False), ("gene", "all", False)]
)
def test_index_says_when_its_figures_flatter(tmp_path, split, features, flatters):
    folder = write_run(tmp_path / "one", metrics=METRICS | {"split": split, "features": features})
    assert ("These figures flatter" in soup(render_index(folder)).get_text()) is flatters


def test_index_shows_changed_parameters_first_and_names_no_folder(tmp_path, shown):
    folder = write_run(
        tmp_path / "one", shown, parameters={"seed": 7, "split": "random", "run_dir": "/secret/runs/one"}
    )
    page = soup(render_index(folder))
    changed, unchanged = (
        table.tbody.get_text(" ", strip=True) for table in page("table") if "Default" in table.get_text()
    )
    assert changed == "seed 7 200 fixes all"
    assert unchanged.startswith("split random random")
    assert "/secret" not in page.get_text() and str(tmp_path) not in str(page)


def test_index_gives_the_next_command(tmp_path):
    facts = {"parameters": {"training_set": "/home/she/table.csv"}, "artifacts": ["autopilot/j/model/"]}
    page = soup(render_index(write_run(tmp_path / "runs" / "one", **facts)))
    assert [block.get_text() for block in page("pre")] == [
        "genomicslearning run --training-set table.csv --split gene --features biology --name one-genes",
        "genomicslearning compare one one-genes",
        "genomicslearning predict runs/one variants.csv predictions.csv",
    ]
    page = soup(render_index(write_run(tmp_path / "my runs" / "one", **facts)))
    assert [block.get_text() for block in page("pre")] == [
        "genomicslearning run --training-set table.csv --split gene --features biology --name one-genes"
        " --runs-dir 'my runs'",
        "genomicslearning compare one one-genes --runs-dir 'my runs'",
        "genomicslearning predict 'my runs'/one variants.csv predictions.csv",
    ]


def test_index_of_a_folder_without_a_record_is_a_clear_line(tmp_path):
    folder = write_run(tmp_path / "one")
    (folder / "run.json").unlink()
    with pytest.raises(InputError, match=r"one: has no run\.json"):
        render_index(folder)


def test_index_of_a_failed_run_says_what_failed_and_how_to_go_on(tmp_path):
    error = {"step": "evaluation", "cell": 3, "message": "ValueError: bad <b>"}
    page = soup(render_index(_failed(tmp_path, error)))
    assert page.find("p", class_="failed").get_text() == "evaluation, cell 3: ValueError: bad <b>"
    assert page.find("pre").get_text() == "genomicslearning run --name one --resume"
    assert "–" not in page.find("h1").get_text() and page.find("span", class_="failed").get_text() == "failed"


def _failed(tmp_path, error):
    folder = write_run(tmp_path / "runs" / "one", status="failed", metrics=None)
    run = json.loads((folder / "run.json").read_text()) | {"error": error}
    (folder / "run.json").write_text(json.dumps(run))
    return folder


def test_a_figure_that_does_not_exist_is_a_dash(tmp_path):
    metrics = METRICS | {"roc_auc": None, "roc_auc_ci": None, "precision": None}
    page = soup(render_index(write_run(tmp_path / "one", metrics=metrics)))
    tile = page.find("li", class_="tile")
    assert tile.find(class_="figure").get_text() == "–" and tile.get_text(" ", strip=True) == "ROC AUC –"


def test_the_page_of_all_runs_has_a_row_for_each_also_for_broken_ones(tmp_path):
    write_predictions(write_run(tmp_path / "good"), quality=2)
    render_index(tmp_path / "good")
    write_run(tmp_path / "failed", status="failed", metrics=None, started="2026-01-03T00:00:00Z")
    (tmp_path / "cut").mkdir()
    (tmp_path / "cut" / "run.json").write_text('{"id": "cut", "st')
    folders = [tmp_path / name for name in ("good", "failed", "cut")]
    page = soup(gallery.gallery(folders, tmp_path / "index.html"))
    rows = {row.find_all("td")[1].get_text(): row for row in page.tbody("tr")}
    assert list(rows) == ["failed", "good", "cut"], "newest first, what has no date last"
    assert rows["good"].find("a")["href"] == "good/index.html"
    assert [cell.get("data-value") for cell in rows["good"]("td")[8:]] == ["0.8", "0.6", "0.02", "1234"]
    assert rows["good"].find("svg")["aria-label"] == "ROC curve of good, area 0.800"
    assert [cell.get_text() for cell in rows["failed"]("td")[8:]] == ["–"] * 4
    assert rows["cut"].find(class_="badge").get_text() == "unreadable"


def test_the_page_of_all_runs_fits_a_window_with_a_release_of_a_long_name(tmp_path):
    folder = write_run(tmp_path / "first-run-of-may")
    record = json.loads((folder / "run.json").read_text())
    record["inputs"] = [{"role": "clinvar", "name": "clinvar_20260226_GRCh38_excerpt.vcf.gz"}]
    record["parameters"] = {"split": "gene", "features": "prospective", "preset": "balanced"}
    (folder / "run.json").write_text(json.dumps(record))
    gallery.gallery([folder], tmp_path / "index.html")
    with chromium() as browser:
        open_at(browser, tmp_path / "index.html", WIDE)
        over = "const box = document.querySelector('.table'); return box.scrollWidth - box.clientWidth"
        assert browser.execute_script(over) <= 0


def test_a_roc_curve_is_drawn_through_its_points(tmp_path):
    folder = write_run(tmp_path / "one")
    table = write_predictions(folder, quality=1.5)
    points = [tuple(map(float, point.split(","))) for point in gallery.roc_points(folder / "predictions.csv").split()]
    assert points[0] == (1, 99) and points[-1] == (99, 1)
    area = sum((b[0] - a[0]) * (a[1] + b[1]) / 2 for a, b in zip(points, points[1:], strict=False))
    drawn = (99 * 98 - area) / 98**2
    assert drawn == pytest.approx(roc_auc_score(table["CLASS"], table["probability"]), abs=0.01)


@pytest.fixture
def two(tmp_path):
    """A weak and a strong run on the same test rows."""
    folders = []
    for name, quality in (("weak", 0.3), ("strong", 2.0)):
        folder = write_run(tmp_path / name)
        table = write_predictions(folder, quality=quality)
        metrics = METRICS | {"roc_auc": roc_auc_score(table["CLASS"], table["probability"])}
        (folder / "run.json").write_text(
            json.dumps(json.loads((folder / "run.json").read_text()) | {"metrics": metrics})
        )
        folders.append(folder)
    return folders


def test_a_comparison_as_a_page_says_which_is_better_and_by_how_much(two, tmp_path):
    target = tmp_path / "comparison.html"
    done = CliRunner().invoke(app, ["compare", *map(str, two), "--page", str(target)])
    assert done.exit_code == 0, done.output
    page = soup(target)
    assert page.h1.get_text() == "weak and strong"
    roc = [cell.get_text() for cell in page.find("table").tbody.tr("td")]
    assert roc[0] == "ROC AUC" and roc[5] == "the second is better (DeLong)"
    low, high = map(float, roc[4].split(" to "))
    assert 0 < low < float(roc[3]) < high
    assert page.find(class_="verdict").get_text().startswith("ROC AUC: strong is better (+")


def test_a_comparison_of_other_rows_gives_no_interval(two, tmp_path):
    write_predictions(two[1], quality=2, place=1300)
    page = soup(comparison_page(compare.comparison(*two), tmp_path / "c.html"))
    assert page.find(class_="verdict").get_text() == "Which run is better cannot be said from these figures."
    roc = [cell.get_text() for cell in page.find("table").tbody.tr("td")]
    assert roc[4:] == ["–", "not tested"] and "he test rows differ (600 and 600" in page.get_text()


def test_a_comparison_of_a_run_with_itself_is_of_equals(two, tmp_path):
    page = soup(comparison_page(compare.comparison(two[0], two[0]), tmp_path / "c.html"))
    assert "equally well" in page.find(class_="verdict").get_text()
    assert [title.get_text() for title in page("h2")] == ["Figures", "Parameters", "Inputs", "Versions"]


def test_an_archive_holds_what_the_index_leads_to_and_is_the_same_twice(tmp_path, shown):
    folder = write_run(tmp_path / "one", shown)
    write_predictions(folder, quality=1)
    render_notebook(folder / "evaluation.ipynb")
    index = render_index(folder)
    first, second = (archive(folder, tmp_path / name).read_bytes() for name in ("a.zip", "b.zip"))
    assert first == second
    names = set(zipfile.ZipFile(tmp_path / "a.zip").namelist())
    linked = {link["href"] for link in soup(index)("a") if not link["href"].startswith("http")}
    assert {f"one/{name}" for name in linked} <= names and "one/evaluation.html" in names


def test_report_all_and_zip_by_command(tmp_path):
    write_predictions(write_run(tmp_path / "one"), quality=1)
    done = CliRunner().invoke(app, ["report", "--all", "--runs-dir", str(tmp_path)])
    assert done.exit_code == 0 and done.stdout.strip() == str(tmp_path / "index.html")
    done = CliRunner().invoke(app, ["report", "one", "--zip", "--runs-dir", str(tmp_path)])
    assert done.exit_code == 0 and done.stdout.split()[-1] == str(tmp_path / "one.zip")
