"""A job's two notebooks: the templates in `notebooks/autopilot/`, filled in with its candidates and results.

They are handled as plain JSON: importing nbformat takes as long as fitting a candidate.
"""

from __future__ import annotations

import hashlib
import inspect
import json
import pprint
import re
from pathlib import Path

from genomicslearning import InputError, share
from genomicslearning.autopilot.candidates import Definition, Evidence, light_boosting
from genomicslearning.io import lake

DATA_EXPLORATION, CANDIDATE_DEFINITION = "data_exploration.ipynb", "candidate_definition.ipynb"
# Cells of the candidate definition template that a job replaces by its own, told by their tag.
SETTINGS, EVIDENCE, CANDIDATES = "settings", "evidence", "candidates"


def write(
    folder: Path,
    *,
    name: str,
    settings: dict,
    definitions: dict[str, Definition],
    trials: dict[str, int],
    parameters: dict[str, dict],
    folds: int,
    boosting_seeds: int,
) -> None:
    """Write both notebooks to ``<folder>/notebooks``.

    Parameters
    ----------
    folder, name, settings : of the job.
    definitions, trials : the candidates that were tried, and how many trials each had.
    parameters : the best hyperparameters of each, which the notebook holds as its frozen result.
    folds : of the cross-validation.
    boosting_seeds : fits that a boosting of the model is the mean of.
    """
    exploration = _template(DATA_EXPLORATION)
    _set_parameter(exploration, "job_folder", str(folder.resolve()))
    candidates = _template(CANDIDATE_DEFINITION)
    _set_parameter(candidates, "job_folder", str(folder.resolve()))
    keys = ("objective", "preset", "features", "seed", "grouped")
    own_settings = {key: settings[key] for key in keys} | {"folds": folds, "boosting_seeds": boosting_seeds}
    _replace(candidates, SETTINGS, [_code(f"settings = {pprint.pformat(own_settings, sort_dicts=False)}", SETTINGS)])
    common = [_code(inspect.getsource(one).strip(), EVIDENCE) for one in (Evidence, light_boosting)]
    _replace(candidates, EVIDENCE, common)
    _replace(
        candidates,
        CANDIDATES,
        [
            cell
            for one, definition in definitions.items()
            for cell in _candidate(one, definition, trials[one], parameters[one])
        ],
    )
    for notebook, file in ((exploration, DATA_EXPLORATION), (candidates, CANDIDATE_DEFINITION)):
        notebook["cells"][0]["source"] += [f"\n\nJob `{name}`."]
        lake.write_json(notebook, folder / "notebooks" / file)


def _candidate(name: str, definition: Definition, trials: int, parameters: dict) -> list:
    """A candidate's cells: what it is, its pipeline and search space, its frozen hyperparameters."""
    frozen = pprint.pformat(parameters, sort_dicts=False)
    source = (
        f"{inspect.getsource(definition.build).strip()}\n\n\n"
        f"trials[{name!r}] = {trials}\n"
        f"candidates[{name!r}] = Definition({definition.build.__name__}, {definition.algorithm!r}, first={frozen})"
    )
    heading = f"### {name}\n\n{definition.description}."
    return [_cell("markdown", heading, {}), _code(source, CANDIDATES)]


def _template(file: str) -> dict:
    path = share("notebooks", "autopilot", file)
    if not path.exists():
        raise InputError(f"{path}: notebook template missing; install the package again")
    return json.loads(path.read_text(encoding="utf-8"))


def _cell(kind: str, source: str, metadata: dict) -> dict:
    """A cell of format 4.5; its id hangs on what it says, so that equal jobs have equal notebooks."""
    own: dict = {"outputs": [], "execution_count": None} if kind == "code" else {}
    cell_id = hashlib.sha256(source.encode()).hexdigest()[:8]
    return {"cell_type": kind, "id": cell_id, "metadata": metadata, "source": source.splitlines(keepends=True)} | own


def _code(source: str, tag: str) -> dict:
    return _cell("code", source, {"tags": [tag]})


def _tagged(notebook: dict, tag: str) -> int:
    return next(place for place, cell in enumerate(notebook["cells"]) if tag in cell["metadata"].get("tags", []))


def _replace(notebook: dict, tag: str, cells: list[dict]) -> None:
    place = _tagged(notebook, tag)
    notebook["cells"][place : place + 1] = cells


def _set_parameter(notebook: dict, name: str, value: str) -> None:
    """Set a parameter's default in the cell tagged `parameters` (`name: type = value  # help`)."""
    cell = notebook["cells"][_tagged(notebook, "parameters")]
    pattern = re.compile(rf"^({name}: \w+ = )\S*", re.MULTILINE)
    source = pattern.sub(lambda found: found[1] + repr(value), "".join(cell["source"]))
    cell["source"] = source.splitlines(keepends=True)
