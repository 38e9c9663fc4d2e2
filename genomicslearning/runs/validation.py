"""What can be refused before any work: unknown parameters, bad values, missing inputs."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import ExitStack
from datetime import date
from pathlib import Path

from genomicslearning import InputError
from genomicslearning.io import lake
from genomicslearning.runs import inputs, parameters
from genomicslearning.runs.folder import ANNOTATE, STEPS, settings
from genomicslearning.training_set import table_files

# Up to so many rows a table is split before any work, to see whether it can be (half a second at most); of more rows a
# random split leaves enough on either side, where a class is not as rare as the labels alone tell.
MOST_ROWS_SPLIT = {"random": 2_000, "gene": 100_000}


def check(given: Mapping[str, object]) -> dict[str, object]:
    """The values by name, each of its parameter's type, paths made absolute.

    Raises
    ------
    InputError
        An unknown parameter, a bad value, a missing input, or inputs that do not go together.
    """
    annotates = any(given.get(name) for name in inputs.ANNOTATION)
    known = parameters.all_known((ANNOTATE, *STEPS) if annotates else STEPS)
    values = parameters.read({name: value for name, value in given.items() if value not in (None, "")}, known)
    if "run_dir" in values:
        raise InputError("parameter run_dir is set by the runner; use --name and --runs-dir")
    parameters.check(values)
    _check_together(values)
    values = inputs.resolve_annotation(inputs.resolve(values))
    for watched, own in inputs.WATCHED.items():
        if not given.get("watchlist_clinvar") and values.get("clinvar") and values.get(own):
            values[watched] = values[own]
    _check_headers(values)
    if values.get("training_set"):
        _check_enough(values, {name: parameter.default for name, parameter in known.items()} | values)
    if values.get("horizons"):
        from genomicslearning.history.horizons import years_list

        years_list(str(values["horizons"]))
    if earlier := parameters.read_list("earlier", values.get("earlier")):
        _check_earlier(earlier, values)
    return values


def _check_earlier(earlier: list[str], values: Mapping[str, object]) -> None:
    from genomicslearning.history.past import check_order
    from genomicslearning.history.releases import check_release

    assembly, day = str(values.get("assembly", "")), str(values.get("table_date") or "")
    dated = [(lake.name(release), check_release(release, assembly=assembly)) for release in earlier]
    check_order(dated, date.fromisoformat(day) if day else None)


def _check_headers(values: Mapping[str, object]) -> None:
    """Refuse local VCFs whose headers alone tell that they are none, are not annotated, or are of two assemblies."""
    named = {name: str(values[name]) for name in ("annotated", "clinvar") if values.get(name)}
    local = {name: path for name, path in named.items() if not lake.is_s3(path) and not lake.is_stream(path)}
    if not local:
        return
    from genomicslearning.io.vcf import Vcf
    from genomicslearning.training_set import transcripts
    from genomicslearning.training_set.matching import check_assemblies

    with ExitStack() as stack:
        opened = {name: stack.enter_context(Vcf(path)) for name, path in local.items()}
        if "annotated" in opened:
            transcripts.layout(opened["annotated"], str(values.get("csq_key") or "") or None)
        check_assemblies(*opened.values())


def _check_enough(given: Mapping[str, object], values: Mapping[str, object]) -> None:
    """Refuse a local table that is none, or has too few rows of a class, from its column CLASS alone."""
    path = str(given["training_set"])
    if lake.is_s3(path):
        return
    if lake.is_stream(path):
        raise InputError(f"{path}: a run reads its training set several times; give a file, not a pipe")
    import pandas as pd

    from genomicslearning.autopilot.candidates import PRESETS

    labels = table_files.read_classes(path)
    preset = PRESETS.get(str(values["preset"]))  # empty: the notebook chooses one for the rows that there are
    count = preset.folds if preset else 2
    table_files.check_enough(path, labels, count)
    kind = str(values["split"])
    if len(labels) <= MOST_ROWS_SPLIT.get(kind, 0) and values["features"] != "prospective":
        _check_split(path, values, count)
    elif kind == "random":  # what `history.splits` will draw
        fraction, seed = float(str(values["train_fraction"])), int(str(values["seed"]))
        drawn = pd.Series(labels).sample(frac=fraction, random_state=seed)
        table_files.check_enough(path, drawn.to_numpy(), 2, "after the split ")


def _check_split(path: str, values: Mapping[str, object], count: int) -> None:
    """Refuse a local table of which a random or gene split leaves too little on a side, by making that split."""
    from genomicslearning.autopilot.cross_validation import search_folds
    from genomicslearning.history.splits import split
    from genomicslearning.training_set.table import SITE_COLUMNS, read_table

    rows = read_table(path, only=(*SITE_COLUMNS, "CLASS", "SYMBOL", "GENEINFO"))
    fraction, seed = float(str(values["train_fraction"])), int(str(values["seed"]))
    try:
        parts = split(rows, str(values["split"]), train_fraction=fraction, seed=seed)
        train, groups = parts.to_learn_from()
        search_folds(count, train["CLASS"].to_numpy(), groups, seed)
    except InputError as problem:
        raise InputError(f"{path}: {problem}") from None


def _check_together(values: Mapping[str, object]) -> None:
    if day := str(values.get("table_date") or ""):
        try:
            date.fromisoformat(day)
        except ValueError:
            raise InputError(f"parameter table_date: {day!r} is not a date; write it as 2018-04-01") from None
    if values.get("training_set") and (values.get("clinvar") or values.get("annotated")):
        raise InputError("give either --training-set or --clinvar/--annotated, not both")
    if values.get("watchlist_annotated") and not values.get("watchlist_clinvar"):
        raise InputError("watchlist_annotated goes with watchlist_clinvar, the release that was annotated; give both")
    if values.get("assembly"):
        from genomicslearning.history.assemblies import known_assembly

        known_assembly(str(values["assembly"]))
    _check_lake(values)
    _check_annotation(values)
    _check_own_variants(values)
    if values.get("split") == "time" and not parameters.read_list("earlier", values.get("earlier")):
        raise InputError("split time needs earlier releases: give --earlier, oldest first, once for each")


def _check_lake(values: Mapping[str, object]) -> None:
    """Refuse a lake on this machine that is not there, where the training set is to come from it."""
    place = str(values.get("lake") or settings()["lake"])
    if place and not lake.is_s3(place) and not any(values.get(name) for name in inputs.TRAINING_DATA):
        if not Path(place).expanduser().is_dir():
            raise InputError(f"{place}: no such folder (given as lake)")


def _check_annotation(values: Mapping[str, object]) -> None:
    if any(values.get(name) for name in inputs.ANNOTATION):
        if not (values.get("vep_cache") and values.get("fasta") and values.get("clinvar")):
            raise InputError("to annotate, a run needs all three: --clinvar, --vep-cache and --fasta")
        if values.get("annotated"):
            raise InputError("give either --annotated or --vep-cache and --fasta, not both")


def _check_own_variants(values: Mapping[str, object]) -> None:
    if values.get(inputs.OWN_VARIANTS):
        if values.get("features", "all") == "all":
            raise InputError(
                "parameter vcf: a model of features all reads what ClinVar's submitters wrote, which a VCF of one's "
                "own has not; give --features biology"
            )
        if (values.get("backend") or settings()["backend"]) == "sagemaker":
            raise InputError("parameter vcf: a VCF is scored by a model on this machine; give --backend local")
