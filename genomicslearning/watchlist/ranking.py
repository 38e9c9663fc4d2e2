"""The watch list: every variant that one laboratory has classified, ranked by the chance that others will disagree."""

from __future__ import annotations

import mmap
import os
import tempfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from genomicslearning import InputError
from genomicslearning.autopilot.model import Model
from genomicslearning.clinvar import first_symbol
from genomicslearning.evaluation.explain import EVIDENCE, contributions, reasons, without
from genomicslearning.evaluation.second_submission_model import SecondSubmissions, TooFewSecondSubmissions
from genomicslearning.history.horizons import at_horizon, why_lower, years_ahead
from genomicslearning.history.horizons import described as words_of_horizons
from genomicslearning.history.past import check_order
from genomicslearning.history.releases import Release, read_release
from genomicslearning.io import lake
from genomicslearning.io.text import formula_read_table, write_json
from genomicslearning.watchlist.entries import columns_with, csv_lines, described
from genomicslearning.watchlist.filter_page import write_page
from genomicslearning.watchlist.kinds import ConflictKinds
from genomicslearning.watchlist.learning import how_given, learn
from genomicslearning.watchlist.single_submitters import Spool, spool

SHOWN = 5000  # rows of the page: more make a browser slow, and nobody reads further
REASONS = 3
CHUNK = 4000  # rows explained at a time
# What the list may be ranked by, in words.
RANKED_BY = {
    "conflict": "the chance of conflict once several laboratories have classified the variant (probability)",
    "both": "the chance that another laboratory classifies it and that they conflict (probability_both)",
}
PROBE = 500  # rows on which a model is asked whether it reads what the one submission said

ESTIMATED = (
    "What is estimated is the chance that classifications conflict given that several laboratories have classified the "
    "variant by a later release. Of variants with one submitter in May 2016, 38 % had several two years later; of "
    "those whose status ten years later is known, 79 % have."
)
CALIBRATED = (
    "The model has learnt what single submissions become, so that a probability of 30 % means: of 100 such variants "
    "that others classify too, about 30 end in conflict, {when}. It changes with the time that passes"
)
OVER_TIME = "over a time like that between the releases it learnt from"
AT_ONCE = "like those that have several submitters now: drawn submissions know of no time between"
NOT_CALIBRATED = (
    "The model has not seen what becomes of variants with one submitter, so that its probabilities are NOT CALIBRATED "
    "for them: read the rank and the percentile, or leave --model out and let the list learn from the release."
)
NOT_ANNOTATED = (
    "The model has learnt from VEP's annotation (consequence, CADD, SIFT, PolyPhen …) and this release comes without: "
    "the ranking is worse than the model's evaluation says. Give the variants annotated by VEP (--annotated), or a "
    "model trained on ClinVar alone."
)


def why_none(*, clinvar: str, features: str, local: bool) -> str:
    """Why a run has no watch list, in words; empty where `build` can make one."""
    if features == "all":
        return "features all grow with the number of submitters; run with features biology or prospective"
    if not clinvar:
        return "it needs a ClinVar VCF (--clinvar, or -p watchlist_clinvar)"
    return "" if local else "it needs a local model"


def places(out: str | os.PathLike) -> list[str]:
    """The files that `build` leaves in a folder."""
    return [f"{out}/watchlist.{kind}" for kind in ("csv", "html", "json")]


def build(
    *,
    clinvar: str | os.PathLike,
    annotated: str | os.PathLike | None = None,
    model: str | os.PathLike | None = None,
    earlier: Sequence[str | os.PathLike] = (),
    assembly: str = "",
    rank_by: str = "conflict",
    preset: str = "quick",
    horizons: Sequence[int] = (2, 8),
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
    model : a model folder with the features `prospective` or `biology`. None: one with `prospective` is learnt from
        the release itself (`learning.learn`, with the `preset`).
    earlier : earlier releases, oldest first. Their single submitters teach that model, and who gets a second
        submission at all.
    assembly : genome assembly of releases that do not say theirs, where it is not seen from where their variants lie.
    rank_by : `conflict`, the chance of conflict once others classify, or `both`, that times the chance that they do.
    horizons : years ahead for which a probability is stated too, where the model learnt from single submissions.
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
    _check_request(shown, rank_by, earlier)
    say = progress or (lambda text: None)
    read = [path for path in (clinvar, annotated, model, *earlier) if path is not None]
    lake.check_outputs(places(out), read)
    if model is not None:
        _check_features(Model.load(model), model)
    with tempfile.TemporaryDirectory() as scratch:
        picking: dict[str, Any] = {"pick": pick, "csq_key": csq_key, "seed": seed, "progress": say}
        learnt = _learnt(clinvar, annotated, model, earlier, assembly, preset, Path(scratch), picking)
        warnings = _warnings(learnt.scorer, annotated)
        for warning in warnings:
            say(f"watchlist: WARNING: {warning}")
        waiting = spool(clinvar, annotated, Path(scratch, "singles.parquet"), **picking)
        kinds = ConflictKinds.learn(waiting.conflicting, seed=seed)
        say(f"watchlist: {waiting.rows:,} variants with one submitter; {kinds.note}")
        second = _second_submissions(learnt, rank_by, seed, say)
        chances = _chances(learnt, waiting, horizons, second)
        listed = _listed(learnt.scorer, waiting, chances, rank_by, shown)
        summary = _summary(learnt, waiting, kinds, listed, second, rank_by, horizons) | {"warnings": warnings}
        with lake.output(*places(out), inputs=read) as parts:
            _write(parts, Path(scratch, "lines.csv"), waiting, kinds, listed, summary)
    say(f"watchlist: {', '.join(places(out)[:2])}")
    return summary


def _check_request(shown: int, rank_by: str, earlier: Sequence[str | os.PathLike]) -> None:
    if not 1 <= shown <= SHOWN:
        raise InputError(f"--top {shown}: the page takes 1 to {SHOWN:,} rows; the CSV has all")
    if rank_by not in RANKED_BY:
        raise InputError(f"--rank-by {rank_by}: choose one of {', '.join(RANKED_BY)}")
    if rank_by == "both" and not earlier:
        raise InputError("--rank-by both: who gets a second submission is learnt from an earlier release (--earlier)")


@dataclass(frozen=True)
class _Learnt:
    """The model of a list and what it learnt from: `how` in words, and the releases, where they were read."""

    folder: str | os.PathLike
    scorer: Model
    how: str = ""
    release: Release | None = None
    past: Sequence[Release] = ()

    @property
    def single_submissions(self) -> dict | None:
        """What carries the model's answers to a horizon."""
        return self.scorer.manifest.get("single_submissions")


def _learnt(
    clinvar: str | os.PathLike,
    annotated: str | os.PathLike | None,
    model: str | os.PathLike | None,
    earlier: Sequence[str | os.PathLike],
    assembly: str,
    preset: str,
    scratch: Path,
    picking: dict[str, Any],
) -> _Learnt:
    """The model that was given, or one learnt from the release itself."""
    if model is None:
        teaching: dict[str, Any] = {"earlier": earlier, "assembly": assembly, "preset": preset}
        folder, how, release, past = learn(clinvar, annotated, scratch, **teaching, **picking)
        picking["progress"](f"watchlist: {how}")
        return _Learnt(folder, Model.load(folder), how, release, past)
    scorer = Model.load(model)
    how = how_given(scorer.manifest)
    if not earlier:
        return _Learnt(model, scorer, how)
    release = read_release(clinvar, assembly=assembly)
    past = [read_release(path, assembly=assembly, like=release) for path in earlier]
    check_order([(one.name, one.date) for one in past], release.date)
    return _Learnt(model, scorer, how, release, past)


def _warnings(scorer: Model, annotated: str | os.PathLike | None) -> list[str]:
    needed = (scorer.manifest.get("training_set") or {}).get("annotated")
    return [NOT_ANNOTATED] if annotated is None and needed else []


def _second_submissions(
    learnt: _Learnt, rank_by: str, seed: int, say: Callable[[str], None]
) -> SecondSubmissions | None:
    """Who gets a second submission, where earlier releases show enough that do; an error only where the list is ranked
    by it."""
    if learnt.release is None or not learnt.past:
        return None
    try:
        second = SecondSubmissions.learn(learnt.past[-1], learnt.release, seed=seed)
    except TooFewSecondSubmissions as problem:
        if rank_by == "both":
            raise
        say(f"watchlist: who gets a second submission is not foretold: {problem}")
        return None
    say(f"watchlist: {second.described()}")
    return second


def _chances(
    learnt: _Learnt, waiting: Spool, horizons: Sequence[int], second: SecondSubmissions | None
) -> dict[str, np.ndarray]:
    """Every chance that the list states, by column, `probability` first."""
    scorer, single = learnt.scorer, learnt.single_submissions
    probability = np.concatenate([scorer.predict(part) for part in waiting.parts()])
    found = {"probability": probability}
    if single is not None:
        for years in horizons:
            at = partial(_at, years=years, learnt=single)
            found[f"probability_{years}y"] = _in_parts(waiting, at, probability)
    release = learnt.release
    if second is not None and release is not None:
        found["probability_second"] = _in_parts(
            waiting, lambda part, own: second.predict(_as_release(part), release), probability
        )
        found["probability_both"] = probability * found["probability_second"]
    return found


def _at(part: pd.DataFrame, own: np.ndarray, years: int, learnt: dict) -> np.ndarray:
    return at_horizon(own, part, years, learnt)


@dataclass(frozen=True)
class _Listed:
    """The list: chances by column, the variants' order, the reasons of those on the page, what a chance means."""

    chances: dict[str, np.ndarray]
    order: np.ndarray
    explained: dict[int, list[str]]
    calibrated: bool


def _listed(scorer: Model, waiting: Spool, chances: dict[str, np.ndarray], rank_by: str, shown: int) -> _Listed:
    probability = chances["probability"]
    order = np.argsort(-(chances["probability_both"] if rank_by == "both" else probability), kind="stable")
    explained = _explained(scorer, waiting, probability, order[:shown])
    calibrated = scorer.manifest.get("single_submissions") is not None or _learnt_transitions(
        scorer, next(waiting.parts()).head(PROBE)
    )
    return _Listed(chances, order, explained, calibrated)


def _summary(
    learnt: _Learnt,
    waiting: Spool,
    kinds: ConflictKinds,
    listed: _Listed,
    second: SecondSubmissions | None,
    rank_by: str,
    horizons: Sequence[int],
) -> dict:
    """What is in `watchlist.json`."""
    scorer, single = learnt.scorer, learnt.single_submissions
    return {
        "variants": waiting.rows,
        "shown": len(listed.explained),
        "features": scorer.manifest["features"],
        "calibrated": listed.calibrated,
        "meaning": _meaning(listed, single),
        "estimated": ESTIMATED,
        "learnt": learnt.how,
        "ranked_by": RANKED_BY[rank_by],
        "horizons": words_of_horizons(list(horizons), single) if single and horizons else "",
        "why_lower": why_lower(list(horizons)) if single and horizons else "",
        "second_submission": None if second is None else second.held_out | {"words": second.described()},
        "expected_conflict": kinds.summary,
        "inputs": waiting.inputs,
        "model": {"folder": lake.name(learnt.folder), "weights_sha256": scorer.manifest.get("weights_sha256")},
        "left_out": waiting.left_out,
    }


def _meaning(listed: _Listed, single: dict | None) -> str:
    if not listed.calibrated:
        return NOT_CALIBRATED
    known = CALIBRATED.format(when=AT_ONCE if single is not None and single["days"] is None else OVER_TIME)
    ahead = [name for name in listed.chances if years_ahead(name)]
    if not ahead:
        return f"{known}."
    return f"{known}: {' and '.join(ahead)} state{'s' if len(ahead) == 1 else ''} a distance."


def _write(
    parts: Sequence[Path], unsorted: Path, waiting: Spool, kinds: ConflictKinds, listed: _Listed, summary: dict
) -> None:
    """The list as CSV, its first rows as a page, and its summary as JSON."""
    table, page, facts = parts
    _write_csv(table, unsorted, waiting, kinds, listed)
    best = pd.read_csv(table, dtype=str, nrows=len(listed.explained), keep_default_na=False)
    write_page(page, formula_read_table(best), summary)
    write_json(summary, facts)


def _check_features(scorer: Model, model: str | os.PathLike) -> None:
    if scorer.manifest["features"] == "all":
        raise InputError(
            f"{model}: was trained with features `all`, which grow with the number of submitters and say nothing about "
            "variants with one; train with features `prospective` or `biology`, or leave --model out"
        )


def _in_parts(
    waiting: Spool, chance: Callable[[pd.DataFrame, np.ndarray], np.ndarray], probability: np.ndarray
) -> np.ndarray:
    """A chance of every waiting row, some thousands at a time, given the row and the model's own probability."""
    found, start = [], 0
    for part in waiting.parts():
        found.append(chance(part, probability[start : start + len(part)]))
        start += len(part)
    return np.concatenate(found)


def _as_release(part: pd.DataFrame) -> pd.DataFrame:
    """Waiting rows under the names that a release has."""
    symbol = part["GENEINFO"].map(first_symbol, na_action="ignore").astype("str")
    return part.assign(CLNSIG=part["prior_CLNSIG"], SYMBOL=symbol)


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


def _write_csv(place: Path, unsorted: Path, waiting: Spool, kinds: ConflictKinds, listed: _Listed) -> None:
    """All rows by rank: first in the release's order into a file, then line by line from there."""
    further = {name: values for name, values in listed.chances.items() if name != "probability"}
    columns = columns_with(list(further))
    ends = _write_unsorted(unsorted, columns, waiting, kinds, listed, further)
    starts = np.concatenate(([0], ends[:-1]))
    with unsorted.open("rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as lines:
        with place.open("wb", buffering=1 << 20) as sorted_file:
            sorted_file.write(",".join(columns).encode() + b"\n")
            for number in listed.order:
                sorted_file.write(lines[starts[number] : ends[number]])


def _write_unsorted(
    place: Path,
    columns: Sequence[str],
    waiting: Spool,
    kinds: ConflictKinds,
    listed: _Listed,
    further: dict[str, np.ndarray],
) -> np.ndarray:
    """Write all rows in the release's order; where in the file each ends."""
    order, probability = listed.order, listed.chances["probability"]
    rank = np.empty(len(order), dtype=np.int64)
    rank[order] = np.arange(1, len(order) + 1)
    ends = np.empty(len(order), dtype=np.int64)
    size = row = 0
    with place.open("wb", buffering=1 << 20) as file:
        for part in waiting.parts():
            numbers = np.arange(row, row + len(part))
            beside = {name: values[numbers] for name, values in further.items()}
            rows = described(part, probability[numbers], rank[numbers], len(order), listed.calibrated, beside)
            rows["expected_conflict"], rows["expected_conflict_probability"] = kinds.expected(part)
            for nth in range(REASONS):
                rows[f"reason_{nth + 1}"] = [_nth(listed.explained.get(int(number)), nth) for number in numbers]
            for line in csv_lines(rows, columns):
                size += file.write(line)
                ends[row] = size
                row += 1
    return ends


def _nth(texts: list[str] | None, place: int) -> str:
    return texts[place] if texts and place < len(texts) else ""
