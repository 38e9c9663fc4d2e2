"""The watch list: every variant that one laboratory has classified, ranked by the chance that others will disagree."""

from __future__ import annotations

import mmap
import os
import tempfile
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd

from genomicslearning import InputError
from genomicslearning.autopilot.model import Model
from genomicslearning.evaluation.explain import EVIDENCE, contributions, reasons, without
from genomicslearning.io import lake
from genomicslearning.io.text import formula_read_table, write_json
from genomicslearning.watchlist.entries import COLUMNS, csv_lines, described
from genomicslearning.watchlist.filter_page import write_page
from genomicslearning.watchlist.kinds import ConflictKinds
from genomicslearning.watchlist.single_submitters import Spool, spool

SHOWN = 5000  # rows of the page: more make a browser slow, and nobody reads further
REASONS = 3
CHUNK = 4000  # rows explained at a time
PROBE = 500  # rows on which a model is asked whether it reads what the one submission said

ESTIMATED = (
    "What is estimated is the chance that classifications conflict given that several laboratories have classified the "
    "variant by a later release. Most variants with one submitter never get a second submission."
)
CALIBRATED = (
    "The model has learnt from variants that had one submitter in an earlier release and several later, so that a "
    "probability of 30 % means: of 100 such variants that others classify too, about 30 end in conflict within the "
    "time between those two releases. The longer one waits the more laboratories disagree, so that over a longer time "
    "the probabilities are TOO LOW: learnt from half a year of ClinVar up to 2016 they were 18 % on average, and two "
    "years later 23 % were in conflict. Rank and percentile do not depend on this."
)
NOT_CALIBRATED = (
    "The model has not seen what becomes of variants with one submitter (that takes two earlier releases), so that its "
    "probabilities are NOT CALIBRATED for them: read the rank and the percentile."
)
NOT_ANNOTATED = (
    "The model has learnt from VEP's annotation (consequence, CADD, SIFT, PolyPhen …) and this release comes without: "
    "the ranking is worse than the model's evaluation says. Give the variants annotated by VEP (--annotated), or a "
    "model trained on ClinVar alone."
)


def why_none(*, clinvar: str, features: str, local: bool) -> str:
    """Why a run has no watch list, in words; empty where `build` can make one."""
    if features == "all":
        return "features `all` grow with the number of submitters; run with features biology or prospective"
    if not clinvar:
        return "it needs a ClinVar VCF (--clinvar, or -p watchlist_clinvar)"
    return "" if local else "it needs a local model"


def build(
    *,
    clinvar: str | os.PathLike,
    annotated: str | os.PathLike | None = None,
    model: str | os.PathLike,
    out: str | os.PathLike,
    shown: int = SHOWN,
    pick: str = "mane",
    csq_key: str | None = None,
    seed: int = 200,
    progress: Callable[[str], None] | None = None,
) -> dict:
    """Score and rank every single-submitter variant of a release; write `watchlist.csv`, `.html` and `.json` into
    `out`.

    Memory does not grow with the release but for some 40 bytes a variant: rows wait in a temporary file.

    Parameters
    ----------
    clinvar, annotated : the release as VCF, and the same variants annotated by VEP where the model learnt from VEP.
    model : a model folder with the features `prospective` or `biology`.
    shown : rows of the page, at most 5,000, which are explained; the CSV has all.

    Returns
    -------
    dict
        What is in `watchlist.json`: counts, model, what the probability means, warnings, the expected conflict's
        accuracy.

    Raises
    ------
    InputError
        No such file or model, a model whose features grow with the number of submitters, or a release without
        single-submitter variants.
    """
    if not 1 <= shown <= SHOWN:
        raise InputError(f"--top {shown}: the page takes 1 to {SHOWN:,} rows; the CSV has all")
    scorer = Model.load(model)
    features = scorer.manifest["features"]
    if features == "all":
        raise InputError(
            f"{model}: was trained with features `all`, which grow with the number of submitters and say nothing about "
            "variants with one; train with features `prospective` or `biology`"
        )
    say = progress or (lambda text: None)
    warnings = [NOT_ANNOTATED] if annotated is None and scorer.manifest["training_set"].get("annotated") else []
    for warning in warnings:
        say(f"watchlist: WARNING: {warning}")
    with tempfile.TemporaryDirectory() as scratch:
        waiting = spool(
            clinvar, annotated, Path(scratch, "singles.parquet"), pick=pick, csq_key=csq_key, seed=seed, progress=say
        )
        kinds = ConflictKinds.learn(waiting.conflicting, seed=seed)
        say(f"watchlist: {waiting.rows:,} variants with one submitter; {kinds.note}")
        probability = np.concatenate([scorer.predict(part) for part in waiting.parts()])
        order = np.argsort(-probability, kind="stable")
        explained = _explained(scorer, waiting, probability, order[:shown])
        calibrated = _learnt_transitions(scorer, next(waiting.parts()).head(PROBE))
        summary = {
            "variants": waiting.rows,
            "shown": len(explained),
            "features": features,
            "calibrated": calibrated,
            "meaning": CALIBRATED if calibrated else NOT_CALIBRATED,
            "estimated": ESTIMATED,
            "warnings": warnings,
            "expected_conflict": kinds.summary,
            "inputs": waiting.inputs,
            "model": {"folder": lake.name(model), "weights_sha256": scorer.manifest.get("weights_sha256")},
            "left_out": waiting.left_out,
        }
        places = [f"{out}/watchlist.{kind}" for kind in ("csv", "html", "json")]
        with lake.output(*places, inputs=filter(None, (clinvar, annotated, model))) as [table, page, facts]:
            _write_csv(table, Path(scratch, "lines.csv"), waiting, probability, order, kinds, explained, calibrated)
            best = pd.read_csv(table, dtype=str, nrows=len(explained), keep_default_na=False)
            write_page(page, formula_read_table(best), summary)
            write_json(summary, facts)
    say(f"watchlist: {places[0]}, {places[1]}")
    return summary


def _learnt_transitions(scorer: Model, rows: pd.DataFrame) -> bool:
    """Whether the model learnt from single submissions: then what the submission said changes its answers."""
    if scorer.manifest["features"] != "prospective":
        return False
    silent = without(rows, EVIDENCE["the single submission"])
    return not np.array_equal(scorer.predict(rows), scorer.predict(silent))


def _explained(scorer: Model, waiting: Spool, probability: np.ndarray, chosen: np.ndarray) -> dict[int, list[str]]:
    """Row number -> its strongest reasons, for the rows of the page."""
    found: dict[int, list[str]] = {}
    for start in range(0, len(chosen), CHUNK):
        numbers = chosen[start : start + CHUNK]
        rows = waiting.take(numbers)
        parts = contributions(scorer.predict, rows, probability=probability[numbers])
        found |= dict(zip(numbers.tolist(), reasons(parts, rows, top=REASONS), strict=True))
    return found


def _write_csv(
    place: Path,
    unsorted: Path,
    waiting: Spool,
    probability: np.ndarray,
    order: np.ndarray,
    kinds: ConflictKinds,
    explained: dict[int, list[str]],
    calibrated: bool,
) -> None:
    """All rows by rank: first in the release's order into a file, then line by line from there."""
    rank = np.empty(len(order), dtype=np.int64)
    rank[order] = np.arange(1, len(order) + 1)
    ends = np.empty(len(order), dtype=np.int64)
    size = row = 0
    with unsorted.open("wb", buffering=1 << 20) as file:
        for part in waiting.parts():
            numbers = np.arange(row, row + len(part))
            rows = described(part, probability[numbers], rank[numbers], len(order), calibrated)
            rows["expected_conflict"], rows["expected_conflict_probability"] = kinds.expected(part)
            for place_of in range(REASONS):
                rows[f"reason_{place_of + 1}"] = [_nth(explained.get(int(number)), place_of) for number in numbers]
            for line in csv_lines(rows):
                size += file.write(line)
                ends[row] = size
                row += 1
    starts = np.concatenate(([0], ends[:-1]))
    with unsorted.open("rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as lines:
        with place.open("wb", buffering=1 << 20) as sorted_file:
            sorted_file.write(",".join(COLUMNS).encode() + b"\n")
            for number in order:
                sorted_file.write(lines[starts[number] : ends[number]])


def _nth(texts: list[str] | None, place: int) -> str:
    return texts[place] if texts and place < len(texts) else ""
