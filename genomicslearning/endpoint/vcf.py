"""Score the variants of a VCF: one answer for each ALT, in the file's order, as a table or in the VCF itself.

A piece of the file is read, scored and written before the next but few is read; memory does not grow with the file.
"""

from __future__ import annotations

import os
from collections import Counter, deque
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import ExitStack
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa

from genomicslearning import InputError
from genomicslearning.annotate.vcf import annotated_copy, outputs
from genomicslearning.annotate.vcf import inputs as inputs_of_annotation
from genomicslearning.autopilot.manifest import missing_evidence
from genomicslearning.autopilot.model import Model
from genomicslearning.endpoint import batch
from genomicslearning.endpoint.known import KNOWN_COLUMNS, ReleaseLookup
from genomicslearning.endpoint.vcf_answers import COLUMNS, Answer, Piece, answer_writer
from genomicslearning.io import lake
from genomicslearning.io.accounting import Stopwatch, check_malformed
from genomicslearning.io.text import write_json
from genomicslearning.io.vcf import InfoReader, Quarantine, Vcf
from genomicslearning.training_set import transcripts
from genomicslearning.training_set.row_writer import to_table
from genomicslearning.training_set.unlabelled import UnlabelledRows

_PIECE_ROWS = 4096
_SUFFIXES = (".vcf", ".vcf.gz", ".vcf.bgz")
_PRIOR = "prior_CLNSIG"
_WORTH_A_WORD = 0.01  # share of a model's evidence whose absence a warning names
_PROBE = 200  # rows of a piece on which a model is asked whether it reads the classification
# What the report of a VCF that was annotated first repeats of the annotation's own.
_OF_ANNOTATION = (
    "program", "cache", "assembly", "plugins", "alleles_annotated", "not_annotated", "empty_columns", "inputs",
    "warnings",
)  # fmt: skip


def is_vcf(path: str | os.PathLike) -> bool:
    """Whether a path is that of a VCF, by its name."""
    return str(path).lower().endswith(_SUFFIXES)


def predict_vcf(
    model_folder: str | os.PathLike,
    source: str | os.PathLike,
    target: str | os.PathLike,
    *,
    pick: str = "mane",
    csq_key: str | None = None,
    classification: str | None = None,
    clinvar: str | os.PathLike | None = None,
    horizons: Sequence[int] = (2, 8),
    strict: bool = False,
    progress: Callable[[str], None] | None = None,
) -> dict:
    """Score every ALT of a VCF that VEP has annotated.

    Parameters
    ----------
    model_folder
        A model of features `biology`, or `prospective`.
    source
        VCF with CSQ, plain, gzip or bgzip, local or ``s3://``.
    target
        ``….csv`` with `COLUMNS` (and `KNOWN_COLUMNS` with `clinvar`), a row for each ALT; or ``….vcf.gz``, the records
        as they are with `PROBABILITY` and `LABEL` in INFO.
    pick, csq_key
        Which transcript's annotation a variant gets, and VEP's INFO key where it is not CSQ.
    classification
        INFO key with the one classification that there is so far, for a model of features `prospective`.
    clinvar
        A ClinVar release of the same assembly: the answers say what it has of each variant.
    horizons
        Whole years ahead for which a CSV states the chance too, where `classification` is given.

    Returns
    -------
    dict
        The report, also written to ``<target>.report.json``.

    Raises
    ------
    InputError
        An input is missing or damaged, the VCF is not annotated, or the model needs what a VCF does not have.
    """
    as_vcf = _is_vcf(target)
    watch = Stopwatch(progress, "predict")
    say = progress or (lambda text: None)
    with ExitStack() as stack:
        inputs = [path for path in (source, clinvar, model_folder) if path is not None]
        quarantine_part, report_part, part = stack.enter_context(lake.output(*outputs(target), inputs=inputs))
        vcf = stack.enter_context(Vcf(source))
        model = Model.load(model_folder)
        warnings = check_model(model, model_folder, vcf, classification)
        maker = UnlabelledRows(vcf, layout=_layout(vcf, csq_key, model), pick=pick, strict=strict)
        warnings += [*_another_assembly(model, vcf), *_lacking_evidence(model, maker, vcf)]
        for warning in warnings:
            say(f"predict: warning: {warning}")
        known = stack.enter_context(ReleaseLookup.open(clinvar, vcf)) if clinvar is not None else None
        quarantine = stack.enter_context(Quarantine(quarantine_part, vcf.header))
        years = tuple(horizons) if classification and batch.learnt_from_single_submissions(model) else ()
        names = (*batch.with_horizons(COLUMNS, years), *(KNOWN_COLUMNS if known else ()))
        write = stack.enter_context(answer_writer(part, vcf, model, None if as_vcf else names))
        pieces = _pieces(vcf, maker, quarantine, classification, known)
        counts = _score(_in_order(model, pieces, maker.schema, years), maker, write, watch)
        _check_records(vcf, maker)
        report = _report(maker, counts) | {
            **({"clinvar": dict.fromkeys(("known", "new"), 0) | known.counts} if known else {}),
            **_decided_by(model, model_folder, pick),
            "inputs": [{"role": "vcf", **vcf.facts()}, *([known.facts()] if known else [])],
            "warnings": [*vcf.warnings, *warnings, *maker.warnings(), *(known.doubt() if known else [])],
            "engine": "one machine",
            **watch.cost(),
        }
        write_json(report, report_part)
    return report


def _is_vcf(target: str | os.PathLike) -> bool:
    """Whether the answers go into a VCF, by the name; a CSV is the other choice."""
    as_vcf = str(target).endswith(".vcf.gz")
    if not as_vcf and not str(target).endswith(".csv"):
        raise InputError(f"{target}: answers to a VCF are written as .csv or .vcf.gz; choose such a name")
    return as_vcf


def annotate_and_predict(
    model_folder: str | os.PathLike,
    source: str | os.PathLike,
    target: str | os.PathLike,
    *,
    vep_cache: str | os.PathLike | None = None,
    fasta: str | os.PathLike | None = None,
    plugin_cache: str | os.PathLike | None = None,
    program: str | os.PathLike | None = None,
    progress: Callable[[str], None] | None = None,
    **options: Any,
) -> dict:
    """As `predict_vcf`; given a VEP cache and a FASTA the VCF is annotated first (see `annotate.annotate_vcf`).

    Then the report has `annotation`, and records written to a VCF carry CSQ as well.
    """
    read = (source, model_folder, options.get("clinvar"), vep_cache, fasta, plugin_cache)
    lake.check_outputs(outputs(target), inputs_of_annotation(*read))
    with annotated_copy(
        source, vep_cache=vep_cache, fasta=fasta, plugin_cache=plugin_cache, program=program, progress=progress
    ) as (copy, annotation):
        report = predict_vcf(model_folder, copy or source, target, progress=progress, **options)
    if annotation:
        report["annotation"] = {key: annotation[key] for key in _OF_ANNOTATION}
        lake.write_json(report, f"{target}.report.json")
    return report


def check_model(model: Model, folder: str | os.PathLike, vcf: Vcf, classification: str | None) -> list[str]:
    """Refuse a model that needs what a person's VCF does not have; what it goes without, as warnings."""
    features = model.manifest["features"]
    if features == "all":
        raise InputError(
            f"{folder}: was trained with features `all`, which read what ClinVar's submitters wrote (conditions, "
            "sources); a VCF of one's own has none of it, and its absence would be read as evidence: train with "
            "features `biology`"
        )
    if features != "prospective":
        if classification:
            raise InputError(
                f"--classification {classification}: only a model of features `prospective` reads it, this one has "
                f"`{features}`; leave it out"
            )
        return []
    if classification:
        if classification not in vcf.info:
            raise InputError(f"{vcf.path}: the header has no INFO key {classification} (given as --classification)")
        return []
    return [
        "the model (features `prospective`) reads the classification that a variant has so far; none was named "
        "(--classification FIELD), so it goes without"
    ]


def _check_records(vcf: Vcf, maker: UnlabelledRows) -> None:
    """Refuse a file that has been read and had too many malformed records, or none at all."""
    account = maker.account
    check_malformed(vcf.path, account.read, account.quarantined, account.first_problem)
    if not account.read:
        raise InputError(f"{vcf.path}: has no records; give a VCF with variants")


def _another_assembly(model: Model, vcf: Vcf) -> list[str]:
    """A warning where the file names another assembly than the one that the model learnt from."""
    learnt = (model.manifest.get("training_set") or {}).get("assembly")
    said = vcf.assemblies()
    if not learnt or not said or learnt in said:
        return []
    return [
        f"{lake.name(vcf.path)} is of {' and '.join(said)}, the model learnt from variants of {learnt}: positions, and "
        "annotation that differs between the two, mean something else to it"
    ]


def _lacking_evidence(model: Model, maker: UnlabelledRows, vcf: Vcf) -> list[str]:
    """A warning where the file lacks columns that the model has learnt much from."""
    lacking = missing_evidence(model.manifest, maker.filled_columns(vcf), least=_WORTH_A_WORD)
    return [f"{lake.name(vcf.path)} has {lacking}"] if lacking else []


def _layout(vcf: Vcf, csq_key: str | None, model: Model) -> transcripts.Layout | None:
    """VEP's annotation by the header; a model that has never seen any takes a VCF without."""
    learnt_from = model.manifest.get("training_set") or {}
    if (csq_key or "CSQ") not in vcf.info and not learnt_from.get("annotated", True):
        return None
    try:
        return transcripts.layout(vcf, csq_key)
    except InputError as problem:
        raise InputError(f"{problem}; or let it be annotated first (--vep-cache DIR --fasta FA)") from None


# --- reading ----------------------------------------------------------------------------------------------------------


def _pieces(
    vcf: Vcf, maker: UnlabelledRows, quarantine: Quarantine, classification: str | None, known: ReleaseLookup | None
) -> Iterator[Piece]:
    """The file's records, some `_PIECE_ROWS` rows at a time."""
    said = InfoReader((classification,)) if classification else None
    piece = Piece()
    for lines in vcf.batches():
        malformed: list[bytes] = []
        for record in maker.of(lines, vcf.line + 1, piece.rows, malformed):
            piece.records.append(record)
            if said:
                value = said.values(record.line.split(b"\t", 8)[7])[0]
                piece.said += [value] * len(record.reasons)
            if known:
                piece.known += known.of(record.line)
        quarantine.add(malformed)
        if len(piece.rows) >= _PIECE_ROWS:
            yield piece
            piece = Piece()
    if piece.records:
        yield piece


def rows_of(
    source: str | os.PathLike, numbers: np.ndarray, model: Model, *, pick: str = "mane", csq_key: str | None = None
) -> pd.DataFrame:
    """The rows of some alleles of a VCF, by their numbers among all of it (from 0), in the order of `numbers`."""
    wanted = set(numbers.tolist())
    kept: dict[int, bytes] = {}
    read = 0
    with Vcf(source) as vcf:
        maker = UnlabelledRows(vcf, layout=_layout(vcf, csq_key, model), pick=pick)
        for lines in vcf.batches():
            rows: list[bytes] = []
            for _ in maker.of(lines, vcf.line + 1, rows, []):
                pass
            kept |= {read + place: row for place, row in enumerate(rows) if read + place in wanted}
            read += len(rows)
    return as_frame(to_table([kept[number] for number in numbers.tolist()], maker.schema))


# --- scoring ----------------------------------------------------------------------------------------------------------


def _score(
    answers: Iterator[Answer], maker: UnlabelledRows, write: Callable[[Answer], None], watch: Stopwatch
) -> Counter[str]:
    """Write the answer to each piece, in their order; counts of alleles."""
    counts: Counter[str] = Counter()
    for answer in answers:
        write(answer)
        _count(answer, counts)
        watch.tick(maker.account.read, f", {counts['scored']:,} alleles scored")
    return counts


def _in_order(model: Model, pieces: Iterator[Piece], schema: pa.Schema, years: Sequence[int]) -> Iterator[Answer]:
    """Answers in the order of the pieces, several at a time; few wait, so that memory stays flat."""
    waiting: deque[Future] = deque()
    with ThreadPoolExecutor(batch.THREADS) as pool:
        try:
            for piece in pieces:
                waiting.append(pool.submit(_answer, model, piece, schema, years))
                if len(waiting) > batch.THREADS:
                    yield waiting.popleft().result()
            while waiting:
                yield waiting.popleft().result()
        except BaseException:
            pool.shutdown(wait=False, cancel_futures=True)
            raise


def _answer(model: Model, piece: Piece, schema: pa.Schema, years: Sequence[int]) -> Answer:
    table = to_table(piece.rows, schema)
    scored = np.array([not why for record in piece.records for why in record.reasons])
    probability = np.full(len(scored), np.nan)
    horizons = {f"probability_{one}y": np.full(len(scored), np.nan) for one in years}
    calibrated = False
    if scored.any():
        frame = as_frame(table.filter(pa.array(scored)))
        if piece.said:
            said = np.array([_cell(value) for value in piece.said], dtype=object)[scored]
            frame[_PRIOR] = pd.Series(said, index=frame.index, dtype="str")
        probability[scored] = model.predict(frame, threads=1)
        if years:
            further = batch.at_horizons(probability[scored], frame, years, model)
            for values, found in zip(horizons.values(), further, strict=True):
                values[scored] = found
        calibrated = bool(piece.known and piece.said) and _learnt_transitions(model, frame.head(_PROBE))
    labels = (probability >= model.threshold).astype(np.int64)
    return Answer(piece, table, probability, labels, calibrated, horizons)


def _learnt_transitions(model: Model, rows: pd.DataFrame) -> bool:
    """Whether the model learnt what became of single submissions: then what the one said changes its answers."""
    silent = rows.drop(columns=_PRIOR)
    return not np.array_equal(model.predict(rows, threads=1), model.predict(silent, threads=1))


def _cell(value: bytes) -> str | None:
    return value.decode("utf-8", "replace") if value not in (b"", b".") else None


def as_frame(table: pa.Table) -> pd.DataFrame:
    """Rows as `read_table` shapes them, without CLASS."""
    types = {pa.string(): pd.StringDtype(na_value=np.nan)}
    return table.drop_columns(["CLASS"]).to_pandas(types_mapper=types.get)


# --- the report -------------------------------------------------------------------------------------------------------


def _count(answer: Answer, counts: Counter[str]) -> None:
    missing = np.isnan(answer.probability)
    counts["alleles"] += len(missing)
    counts["scored"] += int((~missing).sum())
    counts["conflicting"] += int(answer.labels.sum())
    for record in answer.piece.records:
        for why in filter(None, record.reasons):
            counts[f"not_scored:{why}"] += 1


def _decided_by(model: Model, folder: str | os.PathLike, pick: str) -> dict:
    """What a report says of the model, its threshold and the rule for transcripts."""
    return {
        "model": {"folder": lake.name(folder), "features": model.manifest["features"]},
        "threshold": model.threshold,
        "rule": pick,
    }


def _report(maker: UnlabelledRows, counts: Counter[str]) -> dict:
    account = maker.account
    prefix = "not_scored:"
    return {
        "records_read": account.read,
        "records_written": account.written,
        "rows_written": counts["alleles"],
        "dropped": {},
        "quarantined": account.quarantined,
        "alleles_scored": counts["scored"],
        "predicted_conflicting": counts["conflicting"],
        "not_scored": {key.removeprefix(prefix): n for key, n in counts.most_common() if key.startswith(prefix)},
        "without_annotation": maker.without_annotation,
        "frequencies": maker.frequencies(account),
    }


def summary(report: dict) -> str:
    """A report in a few lines for people."""
    lines = [
        f"{report['rows_written']:,} alleles of {report['records_written']:,} records, "
        f"{report['alleles_scored']:,} scored, {report['predicted_conflicting']:,} of them predicted to conflict"
    ]
    if report["not_scored"]:
        lines.append("not scored: " + ", ".join(f"{why} {count:,}" for why, count in report["not_scored"].items()))
    if report["without_annotation"]:
        lines.append(f"scored without VEP's annotation: {report['without_annotation']:,}")
    if found := report["frequencies"]["rows"]:
        lines.append("allele frequencies: " + ", ".join(f"{name} {count:,}" for name, count in found.items()))
    if "clinvar" in report:
        lines.append("in the release: " + ", ".join(f"{what} {count:,}" for what, count in report["clinvar"].items()))
    if report["quarantined"]:
        lines.append(f"malformed and set aside: {report['quarantined']:,} (see the .quarantine file)")
    lines += [f"warning: {warning}" for warning in report["warnings"]]
    lines.append(f"{report['seconds']:.1f} s, {report['peak_rss_mb']:.0f} MB")
    return "\n".join(lines)
