"""What can be refused before any work: unknown parameters, bad values, missing inputs."""

from __future__ import annotations

from collections.abc import Mapping

from genomicslearning import InputError
from genomicslearning.runs import inputs, parameters
from genomicslearning.runs.folder import STEPS


def check(given: Mapping[str, object]) -> dict[str, object]:
    """The values by name, each of its parameter's type, paths made absolute.

    Raises
    ------
    InputError
        An unknown parameter, a bad value, a missing input, or inputs that do not go together.
    """
    known = parameters.all_known(STEPS)
    values = parameters.read({name: value for name, value in given.items() if value not in (None, "")}, known)
    if "run_dir" in values:
        raise InputError("parameter run_dir is set by the runner; use --name and --runs-dir")
    parameters.check(values)
    _check_together(values)
    values = inputs.resolve(values)
    for watched, own in inputs.WATCHED.items():
        if not given.get("watchlist_clinvar") and values.get("clinvar") and values.get(own):
            values[watched] = values[own]
    if earlier := parameters.read_list("earlier", values.get("earlier")):
        from genomicslearning.history.releases import check_release

        for release in earlier:
            check_release(release, assembly=str(values.get("assembly", "")))
    return values


def _check_together(values: Mapping[str, object]) -> None:
    if values.get("training_set") and (values.get("clinvar") or values.get("annotated")):
        raise InputError("give either --training-set or --clinvar/--annotated, not both")
    if values.get("watchlist_annotated") and not values.get("watchlist_clinvar"):
        raise InputError("watchlist_annotated goes with watchlist_clinvar, the release that was annotated; give both")
    if values.get("split") == "time" and not parameters.read_list("earlier", values.get("earlier")):
        raise InputError("split time needs earlier releases: give --earlier, oldest first, once for each")
