"""A model for the watch list of one release, learnt from that release: no other data is needed."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from pathlib import Path

import pandas as pd

from genomicslearning import InputError, autopilot
from genomicslearning.history.horizons import YEAR
from genomicslearning.history.past import joined_by_identifier, read_past
from genomicslearning.history.releases import Release, read_release
from genomicslearning.history.splits import BOOKKEEPING, learning_rows
from genomicslearning.history.submissions import AlignedRelease
from genomicslearning.training_set.build import build_training_set
from genomicslearning.training_set.table import read_table

LEAST_DRAWN = 100


def learn(
    clinvar: str | os.PathLike,
    annotated: str | os.PathLike | None,
    scratch: Path,
    *,
    earlier: Sequence[str | os.PathLike] = (),
    assembly: str = "",
    preset: str = "quick",
    pick: str = "mane",
    csq_key: str | None = None,
    seed: int = 200,
    progress: Callable[[str], None],
) -> tuple[Path, str, Release, list[Release]]:
    """Train a model with features `prospective` on the labelled variants of a release.

    What a single submission said is taken from the earlier releases where they have one alone, and drawn from the
    release itself everywhere else.

    Returns
    -------
    the model's folder, how it was learnt in words, the release, and the earlier ones.

    Raises
    ------
    InputError
        The release has too few variants with several submitters to learn from.
    """
    place = scratch / "training_set.parquet"
    build_training_set(clinvar=clinvar, annotated=annotated, out=place, pick=pick, csq_key=csq_key)
    table = read_table(place).drop_duplicates(["CHROM", "POS", "REF", "ALT"], ignore_index=True)
    release = read_release(clinvar, assembly=assembly, like=table)
    past = read_past(table, earlier, assembly, release.date) if earlier else []
    states = [AlignedRelease(one, table) for one in past]
    source = AlignedRelease(release, table)
    rows = learning_rows(table, states, source, release.date, seed=seed)
    real, said = int(rows["transition"].sum()), rows.loc[rows["prior_CLNSIG"].notna(), "CLASS"]
    _check_enough(clinvar, said, source.why_none_drawn)
    rows = rows.drop(columns=list(BOOKKEEPING))
    job = autopilot.start(
        rows,
        folder=scratch / "jobs",
        name="watchlist",
        preset=preset,
        features="prospective",
        groups=list(range(len(rows))),
        seed=seed,
        progress=progress,
    )
    job.wait()
    how = " ".join([_how(len(rows), preset, real, past), *joined_by_identifier(table, past)])
    return Path(job.folder) / "model", how, release, past


def _check_enough(clinvar: str | os.PathLike, said: pd.Series, why: str) -> None:
    """Refuse a release with too few labels (`said`) of variants of which it is known what one submission said."""
    # Where only one outcome's rows say a class, that a class is said would be all that is learnt.
    if len(said) < LEAST_DRAWN or said.nunique() < 2:
        raise InputError(
            f"{clinvar}: {len(said):,} variants with several submitters of which it is known what one of them said, "
            f"{int(said.sum()):,} of them conflicting; it takes {LEAST_DRAWN} and both outcomes to learn from: give a "
            f"whole release, or a model (--model). {why}".rstrip()
        )


def how_given(manifest: dict) -> str:
    """How a model that was given had been learnt, in words, by its manifest."""
    rows = (manifest.get("training_set") or {}).get("rows")
    of = f"from {rows:,} variants with several submitters" if rows else "from variants with several submitters"
    told = f"The model was given (job {manifest['job']}, features {manifest['features']}) and has learnt {of}: "
    single = manifest.get("single_submissions")
    if single is None:
        return f"{told}it does not know what becomes of a single submission."
    if single["days"] is None:
        return f"{told}of most of them one submission was drawn as if it stood alone."
    return f"{told}most had a single submitter before, {single['days'] / YEAR:.1f} years as the median."


def _how(rows: int, preset: str, real: int, past: Sequence[Release]) -> str:
    """How the model was learnt, in words; `real` of the rows had a single submitter in an earlier release."""
    if past:
        return (
            f"The model was learnt from {rows:,} variants with several submitters (preset {preset}): {real:,} had "
            f"a single submitter in {', '.join(one.name for one in past)}; of the others one submission was drawn."
        )
    return (
        f"The model was learnt from this release alone ({rows:,} variants with several submitters, preset "
        f"{preset}): of each one submission was drawn as if it stood alone; whether they conflict is what it learnt."
    )
