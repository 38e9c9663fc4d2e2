"""What can be refused before any work: unknown parameters, bad values, missing inputs."""

from __future__ import annotations

import json
from pathlib import Path

from genomicslearning import InputError
from genomicslearning.history.releases import check_release
from genomicslearning.io import lake
from genomicslearning.runs import parameters
from genomicslearning.runs.folder import STEPS

INPUTS = ("clinvar", "annotated", "training_set")  # parameters that name the training set's files


# Parameters that name the watch list's release, and the input that stands in where none is given.
WATCHED = {"watchlist_clinvar": "clinvar", "watchlist_annotated": "annotated"}


def check(given: dict[str, object]) -> dict[str, object]:
    """Refuse what can be refused before any work: unknown parameters, bad values, missing inputs."""
    known = {name: parameter for step in STEPS for name, parameter in parameters.of(step).items()}
    values = parameters.read({name: value for name, value in given.items() if value not in (None, "")}, known)
    if "run_dir" in values:
        raise InputError("parameter run_dir is set by the runner; use --name and --runs-dir")
    if values.get("training_set") and (values.get("clinvar") or values.get("annotated")):
        raise InputError("give either --training-set or --clinvar/--annotated, not both")
    if values.get("watchlist_annotated") and not values.get("watchlist_clinvar"):
        raise InputError("watchlist_annotated goes with watchlist_clinvar, the release that was annotated; give both")
    if not values.get("watchlist_clinvar") and values.get("clinvar"):
        values |= {watched: values[own] for watched, own in WATCHED.items() if values.get(own)}
    for key in (*INPUTS, *WATCHED):
        if values.get(key):
            if not lake.exists(values[key]):
                raise InputError(f"{values[key]}: no such file (given as {key})")
            if "://" not in values[key]:
                values[key] = str(Path(values[key]).expanduser().resolve())
    for key, choices in parameters.CHOICES.items():
        if values.get(key) and values[key] not in choices:
            raise InputError(f"parameter {key}: {values[key]!r} is not one of {', '.join(choices)}")
    earlier = json.loads(values.get("earlier") or "[]") if _is_json(values.get("earlier")) else [values["earlier"]]
    if values.get("split") == "time" and not earlier:
        raise InputError("split time needs earlier releases: give --earlier, oldest first, once for each")
    if earlier:
        for release in earlier:
            if not lake.exists(release):
                raise InputError(f"{release}: no such file (given as earlier)")
            check_release(release, assembly=values.get("assembly", ""))
        values["earlier"] = json.dumps([r if "://" in r else str(Path(r).resolve()) for r in earlier])
    return values


def _is_json(text: object) -> bool:
    return text is None or str(text).lstrip().startswith("[")
