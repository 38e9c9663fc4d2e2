"""How far ahead: the chance of conflict at a stated distance from the release.

The longer one waits the more laboratories disagree, and not alike: of variants whose one submission was uncertain in
2016 and that several laboratories have classified since, 28 % were in conflict two years later and 65 % ten years
later; of benign ones 16 % and 13 %. A model that has learnt from half a year, or from drawn submissions that have no
distance, is carried to a horizon by `conflict_rates.json`: measured log odds by what the submission said, at dated
distances, and for the long one by bands within each class: allele frequency, CADD, LoFtool (how well a gene bears loss
of function), and kind of condition. It names no gene and no variant; `benchmarks/conflict_rates.py` makes it from
public releases, bands by what differs within genes.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Sequence
from functools import cache
from importlib.resources import files

import numpy as np
import pandas as pd
from scipy.special import expit, logit

from genomicslearning import InputError
from genomicslearning.history.submissions import CLASSES, OTHER, stated_class
from genomicslearning.training_set.schema import AF_COLUMNS

YEAR = 365.25
MOST_YEARS = 20
# From here on what a model has learnt is itself long-range: only the distance's own level is carried over.
LONG_DAYS = 3 * YEAR
_AHEAD = re.compile(r"probability_(\d+)y", re.ASCII)
_NEAR = (2 / 3, 3 / 2)  # a horizon over the labels' distance, for labels to judge it
_PRIOR_ROWS = 10  # rows of the overall share that each class's share is drawn towards
_FREQUENCY_EDGES = (1e-9, 1e-5, 3e-5, 1e-4, 3e-4, 1e-3, 3e-3)
_CADD_EDGES = (10.0, 15.0, 20.0, 23.0, 26.0, 30.0)
_LOFTOOL_EDGES = (0.02, 0.06, 0.15, 0.3, 0.5, 0.7, 0.9)
UNKNOWN = "unknown"
# Kinds of condition, the first that a name speaks of; what they have in common is who tests for them, and how.
_CONDITION_WORDS = {
    "cancer": "cancer|neoplas|lynch|polyposis|carcinoma|tumor|leukemia|li-fraumeni|sarcoma",
    "heart": "cardiomyopathy|cardiovascular|arrhythm|long qt|brugada|aort|marfan|heart",
    "not specified": "not specified",
    "not provided": "not provided",
}
_CONDITIONS = {name: re.compile(words) for name, words in _CONDITION_WORDS.items()}


@cache
def rates() -> dict:
    """The committed table: `periods` and `resolved` (counts by class), `corrections` (log odds by distance), …"""
    return json.loads(files("genomicslearning.history").joinpath("conflict_rates.json").read_text(encoding="utf-8"))


def years_list(text: str) -> list[int]:
    """The horizons that a parameter names: whole years, `2 8` or `2,8`.

    Raises
    ------
    InputError
        A horizon that is no whole number of years from 1 to 20, or one that is named twice.
    """
    found = []
    for word in text.replace(",", " ").replace("[", " ").replace("]", " ").split():
        if not (word.isascii() and word.isdigit() and 1 <= int(word) <= MOST_YEARS):
            raise InputError(f"horizons: {word!r} is not a whole number of years from 1 to {MOST_YEARS}; such as: 2 8")
        found.append(int(word))
    if len(set(found)) != len(found):
        raise InputError(f"horizons: {text!r} names a horizon twice")
    return found


def learnt_rates(learning: pd.DataFrame) -> dict | None:
    """What is needed of a model's training rows to carry its answers to a horizon; goes into the model's facts.

    Returns
    -------
    dict
        `classes`: share of conflicts by class among the rows; `days`: the median distance, None where fewer than half
        of those that say something have one, as drawn submissions have none: a few transitions over ten years do not
        make a model's answers ones for ten years. None where no row says anything.
    """
    if "prior_CLNSIG" not in learning or learning["prior_CLNSIG"].isna().all():
        return None
    overall = float(learning["CLASS"].mean())
    said = learning["prior_CLNSIG"].map(stated_class, na_action="ignore").fillna(OTHER)
    counts = (
        learning["CLASS"].groupby(said.to_numpy(dtype=object)).agg(["sum", "size"]).reindex(list(CLASSES)).fillna(0)
    )
    shares = (counts["sum"] + _PRIOR_ROWS * overall) / (counts["size"] + _PRIOR_ROWS)
    said_something = learning[learning["prior_CLNSIG"].notna()]
    known = said_something["horizon_days"].dropna() if "horizon_days" in learning else pd.Series(dtype=float)
    days = float(known.median()) if len(known) and 2 * len(known) >= len(said_something) else None
    return {"classes": shares.astype(float).to_dict(), "days": days}


def at_horizon(probability: np.ndarray, rows: pd.DataFrame, years: float, learnt: dict) -> np.ndarray:
    """P(conflicting `years` after the release | several laboratories have classified the variant by then).

    Parameters
    ----------
    probability : the model's own, one a row.
    rows : the variants with `prior_CLNSIG`, and AF_* and CADD_PHRED where they are known.
    learnt : `learnt_rates` of the rows that the model learnt from.

    Returns
    -------
    ndarray of float64, one a row.
    """
    said = rows["prior_CLNSIG"].map(stated_class, na_action="ignore").fillna(OTHER).to_numpy(dtype=object)
    own = logit(np.clip(np.asarray(probability, np.float64), 1e-6, 1 - 1e-6))
    days = years * YEAR
    if learnt["days"] is not None and learnt["days"] >= LONG_DAYS:
        shift = {name: _level(name, days) - _level(name, learnt["days"]) for name in CLASSES}
        return expit(own + np.array([shift[name] for name in said]))
    centre = {name: float(logit(share)) for name, share in learnt["classes"].items()}
    level = {name: _level(name, days) for name in CLASSES}
    beyond = own - np.array([centre[name] for name in said])
    found = np.array([level[name] for name in said]) + _between("slope", days) * beyond
    long = _long_share(days)
    if long > 0:
        found += long * _adjustment(said, rows)
    return expit(found)


def years_ahead(column: str) -> int | None:
    """The horizon that a column of chances is of (`probability_8y`), in years; None of any other column."""
    found = _AHEAD.fullmatch(column)
    return int(found[1]) if found else None


def can_be_judged(years: float, days: int | None) -> bool:
    """Whether labels so many days after the release can judge a chance so many years ahead: about as far, and known."""
    return days is not None and days > 0 and _NEAR[0] <= years * YEAR / days <= _NEAR[1]


def in_sample() -> str:
    """Why labels of today judge a horizon too kindly, in words: the rates that carry answers there are made of them."""
    return (
        f"The rates that carry answers to a horizon were measured in public releases up to {rates()['as_of']}: labels "
        "of that time or before judge them in sample, too kindly."
    )


def with_horizons(answers: pd.DataFrame, rows: pd.DataFrame, years: Sequence[int], learnt: dict | None) -> pd.DataFrame:
    """The answers of a model and, behind `probability`, `probability_<n>y` for each horizon.

    Unchanged where there is nothing to go by: a model that learnt from no single submission (`learnt` None), or rows
    that do not say what theirs was.
    """
    if learnt is None or "prior_CLNSIG" not in rows:
        return answers
    probability = answers["probability"].to_numpy()
    added = {f"probability_{n}y": at_horizon(probability, rows, n, learnt) for n in years}
    return answers.assign(**added)


def described(years: Sequence[int], learnt: dict) -> str:
    """In words, where the horizons' level comes from."""
    table = rates()
    if learnt["days"] is not None and learnt["days"] >= LONG_DAYS:
        own = f"The model itself learnt over {learnt['days'] / YEAR:.1f} years; "
        how = "its answers are moved to other distances"
    else:
        own = "The model's own rows do not reach that far; "
        how = "its answers are carried there"
    drift = table["drift"]
    longest = table["corrections"][-1]["days"] / YEAR
    beyond = _named([n for n in years if n > longest + 0.5])
    flat = (
        f" Nothing longer than {longest:.1f} years was measured: {beyond} ahead has the level of that."
        if beyond
        else ""
    )
    return (
        f"{own}for {_named(years)} {how} by rates of conflict that public releases from {table['first']} to "
        f"{table['as_of']} showed, by what the one submission said (no gene, no variant). They assume that "
        f"laboratories go on disagreeing as they did: {drift['periods']}, like classifications differed by at most "
        f"{drift['log_odds']:+.2f} in log odds; the probabilities of another time may be off by as much, or more.{flat}"
    )


def why_lower(years: Sequence[int]) -> str:
    """Why the longer of the horizons has the lower probability for some classes, in words; empty where none has."""
    first, last = min(years) * YEAR, max(years) * YEAR
    falling = [name for name in CLASSES if name != OTHER and _level(name, last) < _level(name, first)]
    if not falling:
        return ""
    seen = rates()["resolved"]
    counts = {
        what: sum(seen["classes"][name][what] for name in falling)
        for what in ("in_conflict", "resolved", "in_agreement", "disputed")
    }
    *others, one = (name.lower().replace("_", " ") for name in falling)
    return (
        f"Where the one submission said {', '.join(others)}{' or ' * bool(others)}{one}, the longer horizon has the "
        "lower probability as a rule, since conflicts get resolved: of such variants in conflict in "
        f"{seen['from'][:7]} {counts['resolved'] / counts['in_conflict']:.0%} agreed in {seen['to'][:7]}, and of those "
        f"in agreement {counts['disputed'] / counts['in_agreement']:.0%} had come into conflict."
    )


def _named(years: Sequence[int]) -> str:
    return " and ".join(f"{n} year{'' if n == 1 else 's'}" for n in years)


def _banded(values: pd.Series, edges: Sequence[float]) -> np.ndarray:
    """Name of the band that each number lies in: `<10`, …, `>=30`; `unknown` where it is missing."""
    names = np.array([*(f"<{edge:g}" for edge in edges), f">={edges[-1]:g}"], dtype=object)
    return np.where(values.isna(), UNKNOWN, names[np.digitize(values.fillna(0.0), edges)])


def _number(rows: pd.DataFrame, column: str) -> pd.Series:
    return pd.to_numeric(rows[column], errors="coerce") if column in rows else pd.Series(np.nan, rows.index)


def frequency_band(rows: pd.DataFrame) -> np.ndarray:
    """Band of the largest allele frequency; one that is not known is 0."""
    known = pd.concat([_number(rows, name).fillna(0.0) for name in AF_COLUMNS], axis=1)
    return _banded(known.max(axis=1), _FREQUENCY_EDGES)


def cadd_band(rows: pd.DataFrame) -> np.ndarray:
    """Band of CADD_PHRED."""
    return _banded(_number(rows, "CADD_PHRED"), _CADD_EDGES)


def loftool_band(rows: pd.DataFrame) -> np.ndarray:
    """Band of LoFtool (Fadista et al. 2017): the lower, the less the gene bears loss of function."""
    return _banded(_number(rows, "LoFtool"), _LOFTOOL_EDGES)


def condition_kind(rows: pd.DataFrame) -> np.ndarray:
    """Kind of the condition that the one submission names: cancer, heart, not specified, not provided, other."""
    named = rows["prior_CLNDN"] if "prior_CLNDN" in rows else pd.Series(np.nan, rows.index)
    kinds = {text: _kind(text) for text in named.dropna().unique()}
    return named.map(kinds).fillna(UNKNOWN).to_numpy(dtype=object)


def _kind(condition: str) -> str:
    plain = condition.lower().replace("_", " ")
    return next((name for name, words in _CONDITIONS.items() if words.search(plain)), OTHER)


# What the long correction has bands of, and the column without which a row says nothing of it (then nothing is added:
# the bands of a class are centred on the mean of the variants that they were fitted on).
BANDS: dict[str, tuple[Callable[[pd.DataFrame], np.ndarray], str]] = {
    "frequency": (frequency_band, AF_COLUMNS[0]),
    "cadd": (cadd_band, "Consequence"),
    "loftool": (loftool_band, "Consequence"),
    "condition": (condition_kind, "prior_CLNDN"),
}


def _adjustment(said: np.ndarray, rows: pd.DataFrame) -> np.ndarray:
    """Log odds at the long distance by class and band, of every kind of band."""
    long = rates()["corrections"][-1]
    total = np.zeros(len(rows))
    for name, (bands_of, column) in BANDS.items():
        if column not in rows:
            continue
        table = long[name]
        found = np.array([table.get(one, {}).get(b, 0.0) for one, b in zip(said, bands_of(rows), strict=True)])
        total += np.where(rows[column].isna(), 0.0, found)
    return total


def _long_share(days: float) -> float:
    """0 at the short measured distance, 1 at the long one, between them by the logarithm of the distance."""
    short, long = (one["days"] for one in rates()["corrections"])
    return float(np.clip(np.log(days / short) / np.log(long / short), 0.0, 1.0))


def _between(name: str, days: float) -> float:
    short, long = rates()["corrections"]
    return short[name] + _long_share(days) * (long[name] - short[name])


def _level(said: str, days: float) -> float:
    """Log odds of conflict of a class at a distance, interpolated by the logarithm of the distance."""
    table = rates()
    short, long = table["corrections"]
    first = table["shortest"]
    points = [
        (first["days"], short["level"][said] + first["level"][said]),
        (short["days"], short["level"][said]),
        (long["days"], long["level"][said]),
    ]
    places = np.log([point[0] for point in points])
    return float(np.interp(np.log(days), places, [point[1] for point in points]))
