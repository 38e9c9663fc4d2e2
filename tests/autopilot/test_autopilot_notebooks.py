"""A job's two notebooks: templates run alone, filled-in ones give the job's model again, or the one that was edited."""

from __future__ import annotations

import ast
import json
from dataclasses import replace

import nbformat
import numpy as np
import pandas as pd
import papermill
import pytest

from genomicslearning import InputError, autopilot, clinvar, share
from genomicslearning.autopilot import notebooks
from genomicslearning.autopilot.candidates import PRESETS
from genomicslearning.autopilot.local import TRAINING_TABLE, training_rows
from genomicslearning.autopilot.model import Model


@pytest.fixture(scope="module")
def rows(labelled_table):
    return labelled_table.sample(1200, random_state=11)


@pytest.fixture(scope="module")
def job(rows, tmp_path_factory):
    folder = tmp_path_factory.mktemp("jobs")
    settings = dict(folder=folder, name="noted", preset="quick", progress=lambda text: None)
    return autopilot.start(rows.iloc[:1000], **settings).wait()


@pytest.fixture(scope="module")
def foreseeing(rows, tmp_path_factory):
    """A job whose boosting, the mean of two, reads columns that are parted by what the one submission said."""
    said = np.where(np.arange(len(rows)) % 3 == 0, "Uncertain_significance", "Benign")
    told = rows.assign(prior_CLNSIG=said, prior_CLNDN="not_specified")
    folder = tmp_path_factory.mktemp("foreseeing")
    settings = dict(folder=folder, name="told", preset="quick", features="prospective", progress=lambda text: None)
    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(PRESETS, "quick", replace(PRESETS["quick"], seeds_of_less=2))
        return autopilot.start(told.iloc[:1000], **settings).wait(), told


def run(path, output, **parameters):
    """Execute a notebook and return it; every code cell must have run."""
    done = papermill.execute_notebook(str(path), str(output), parameters=parameters, progress_bar=False)
    assert all(cell.execution_count for cell in done.cells if cell.cell_type == "code")
    outputs = [output for cell in done.cells for output in cell.get("outputs", [])]
    assert [output["text"] for output in outputs if output.get("name") == "stderr"] == []
    return done


def text(notebook):
    """Everything a notebook shows as text."""
    outputs = [output for cell in notebook.cells for output in cell.get("outputs", [])]
    return "\n".join(
        str(output.get("text", "")) + str(output.get("data", {}).get("text/plain", "")) for output in outputs
    )


@pytest.mark.parametrize("file", [notebooks.DATA_EXPLORATION, notebooks.CANDIDATE_DEFINITION])
def test_templates_are_stored_without_outputs(file):
    stored = json.loads(share("notebooks", "autopilot", file).read_text())
    code = [cell for cell in stored["cells"] if cell["cell_type"] == "code"]
    assert not any(cell["outputs"] or cell["execution_count"] for cell in code)


def test_candidate_definition_template_runs_on_the_sample(tmp_path):
    done = run(share("notebooks", "autopilot", notebooks.CANDIDATE_DEFINITION), tmp_path / "out.ipynb")
    assert "synthetic" in text(done)
    assert "predicted_label" in text(done)


def test_run_unedited_it_gives_the_jobs_model_again(job, rows, tmp_path):
    path = job.folder / "notebooks" / notebooks.CANDIDATE_DEFINITION
    run(path, tmp_path / "out.ipynb", output_folder=str(tmp_path))
    again, first = Model.load(tmp_path / "model"), job.model()
    np.testing.assert_array_equal(again.predict(rows), first.predict(rows))
    assert again.threshold == first.threshold
    assert again.manifest["training_set"] == first.manifest["training_set"]
    assert again.manifest["members"] == first.manifest["members"]


def test_of_parted_columns_and_two_seeds_too_it_gives_the_jobs_model_again(foreseeing, tmp_path):
    made, told = foreseeing
    path = made.folder / "notebooks" / notebooks.CANDIDATE_DEFINITION
    run(path, tmp_path / "out.ipynb", output_folder=str(tmp_path))
    again, first = Model.load(tmp_path / "model"), made.model()
    assert "parted" in first.pipelines["boosting"].named_steps
    assert (
        first.pipelines["boosting"][-1].n_estimators_
        == 2 * first.manifest["members"]["boosting"]["parameters"]["n_estimators"]
    )
    assert first.manifest["settings"]["boosting_seeds"] == 2
    np.testing.assert_array_equal(again.predict(told), first.predict(told))
    assert again.manifest["members"] == first.manifest["members"]


def test_an_edited_candidate_gives_another_model(job, rows, tmp_path):
    notebook = nbformat.read(job.folder / "notebooks" / notebooks.CANDIDATE_DEFINITION, as_version=4)
    cell = next(cell for cell in notebook.cells if "def boosting(" in cell.source)
    cell.source = cell.source.replace(
        "light_boosting(\n        seed,", "light_boosting(\n        seed,\n        max_depth=3,"
    )
    assert "max_depth=3" in cell.source
    nbformat.write(notebook, tmp_path / "edited.ipynb")
    run(tmp_path / "edited.ipynb", tmp_path / "out.ipynb", output_folder=str(tmp_path))
    edited = Model.load(tmp_path / "model")
    if "boosting" in edited.pipelines:
        assert edited.pipelines["boosting"][-1].max_depth == 3
    assert np.abs(edited.predict(rows) - job.model().predict(rows)).max() > 1e-3


def test_candidates_are_code_and_no_cell_calls_the_job_runner(job):
    notebook = nbformat.read(job.folder / "notebooks" / notebooks.CANDIDATE_DEFINITION, as_version=4)
    source = "\n".join(cell.source for cell in notebook.cells if cell.cell_type == "code")
    defined = {node.name for node in ast.walk(ast.parse(source)) if isinstance(node, ast.FunctionDef)}
    assert {candidate.name for candidate in job.candidates} - {"ensemble"} <= defined
    assert "autopilot.start" not in source and "LocalJob" not in source
    assert "suggest_float" in source and "Pipeline(" in source


@pytest.mark.parametrize(("agreeing", "conflicting"), [(200, 100), (4, 1), (2, 3)])
def test_data_exploration_of_rows_of_a_time_split_and_of_few(rows, agreeing, conflicting, tmp_path):
    """A time split forgets a later release's conditions and sources, so that no column counts submissions."""
    of_each = [rows[rows["CLASS"] == label].iloc[:count] for label, count in ((0, agreeing), (1, conflicting))]
    table = pd.concat(of_each, ignore_index=True)
    missing = pd.Series(np.nan, index=table.index, dtype="str")
    table = table.assign(**dict.fromkeys(clinvar.GROWS_WITH_SUBMITTERS & set(rows), missing))
    table.to_parquet(tmp_path / TRAINING_TABLE)
    done = run(
        share("notebooks", "autopilot", notebooks.DATA_EXPLORATION), tmp_path / "o.ipynb", job_folder=str(tmp_path)
    )
    shown = text(done)
    assert "count submissions" not in shown and "nan" not in shown.split()


@pytest.mark.parametrize("folder", ["/no/job", 5, __file__])
def test_a_folder_that_is_no_jobs_is_told_of(folder):
    with pytest.raises(InputError, match=r"has no training_table\.parquet; give a job's folder"):
        training_rows(folder)


def test_data_exploration_names_leaks_and_actions(job, tmp_path):
    done = run(job.folder / "notebooks" / notebooks.DATA_EXPLORATION, tmp_path / "out.ipynb")
    shown = text(done)
    assert "CLNSIGINCL, CLNVI, ORIGIN, SSR count submissions" in shown
    assert "ROC-AUC of telling test from training rows: 0." in shown
    assert "rows in" in shown and "contradict each other" in shown
    figures = [
        output for cell in done.cells for output in cell.get("outputs", []) if "image/png" in output.get("data", {})
    ]
    assert len(figures) == 2 and all(figure["metadata"]["image/png"]["alt"] for figure in figures)
