"""Draws for the embedded sample: rows of the committed aggregate statistics, for many variants at once."""

from __future__ import annotations

import json
import math
from collections import Counter
from functools import cache
from itertools import product
from pathlib import Path

import numpy as np

from genomicslearning.demo.genome import impact

_SMOOTHING = 20  # rows of the average gene that are added to each gene's own


@cache
def statistics() -> dict:
    """The committed aggregate statistics; their `header` says what each table is and where it comes from."""
    return json.loads(Path(__file__).with_name("statistics.json").read_text(encoding="utf-8"))


def spread(rows: list[list]) -> list[tuple]:
    """[…, n0, n1] → (…, CLASS, n) for every count above 0."""
    return [(*row[:-2], label, n) for row in rows for label, n in enumerate(row[-2:]) if n]


def consequence_group(consequence: str) -> str:
    """The group of consequences that most statistics are given for; same rule as `benchmarks/demo_statistics.py`."""
    if impact(consequence) == "HIGH":
        return "truncating"
    return next((name for name in ("missense", "synonymous") if name in consequence), "other")


def gene_weights(tables: dict) -> dict[tuple[str, int, int, int], np.ndarray]:
    """How likely each gene is, given consequence group, CLASS, main source or not, and seen in a population or not.

    Named genes first, then the others, which share one count. Cells too small to be published share what the gene has
    left. Source and frequency act on the gene independently of consequence and CLASS.
    """
    overall: Counter[tuple[str, int]] = Counter()
    for consequence, _, label, n in spread(tables["consequence_frequency_class"]):
        overall[consequence_group(consequence), label] += n
    others, named = tables["other_genes"], len(tables["genes"])
    base = {key: np.zeros(named + others["genes"]) for key in overall}
    for i, (*_, rows, _, _, cells, _) in enumerate(tables["genes"]):
        known = {(g, label): n for g, pair in cells.items() for label, n in enumerate(pair) if n}
        hidden = sum(n for key, n in overall.items() if key not in known)
        left = max(rows - sum(known.values()), 0) / max(hidden, 1)
        for key, n in overall.items():
            base[key][i] = known.get(key) or min(left * n, tables["header"]["smallest_cell"] - 1)
    for group, label, n in spread(others["groups"]):
        base[group, label][named:] = n / others["genes"]

    def ratio(column: int, of_others: str) -> np.ndarray:
        """Share of each gene's rows that have the property, smoothed."""
        rows = np.array([g[6] for g in tables["genes"]] + [others["rows"]], dtype=float)
        there = np.array([g[column] for g in tables["genes"]] + [others[of_others]], dtype=float)
        average = there.sum() / rows.sum()
        shares = (there + _SMOOTHING * average) / (rows + _SMOOTHING)
        return np.append(shares[:-1], np.repeat(shares[-1], others["genes"]))

    source, unseen = ratio(7, "main_source"), ratio(8, "not_seen")
    return {
        (*key, main, seen): weights * (source if main else 1 - source) * (1 - unseen if seen else unseen)
        for (key, weights), main, seen in product(base.items(), (0, 1), (0, 1))
    }


class Draws:
    """Random rows of the statistics' tables, for many variants at once."""

    def __init__(self, seed: int):
        self.tables = statistics()
        self.rng = np.random.default_rng(seed)

    def systematic(self, weights: list[int], size: int) -> list[int]:
        """Row numbers drawn by weight at equal steps, so that shares hold at any size, in random order."""
        steps = (np.arange(size) + self.rng.random()) / max(size, 1) * sum(weights)
        return self.rng.permutation(np.searchsorted(np.cumsum(weights), steps, side="right")).tolist()

    def choose(self, keys: list[tuple], weights: dict[tuple, np.ndarray]) -> list[int]:
        """For each key a position in that key's weights."""
        members: dict[tuple, list[int]] = {}
        for i, key in enumerate(keys):
            members.setdefault(key, []).append(i)
        chosen = np.empty(len(keys), dtype=int)
        for key, indices in members.items():
            shares = weights[key] / weights[key].sum()
            chosen[indices] = self.rng.choice(len(shares), size=len(indices), p=shares)
        return chosen.tolist()

    def from_table(self, name: str, *given: list) -> list[tuple]:
        """For each variant the free columns of a row, drawn by count among rows with the given columns (CLASS last).

        Where all such counts were too small to be published, the leading given columns are left out, one by one.
        """
        known = len(given) - 1
        rows: dict[tuple, list[tuple[tuple, int]]] = {}
        for *values, label, n in spread(self.tables[name]):
            for skipped in range(known + 1):
                rows.setdefault((*values[skipped:known], label), []).append((tuple(values[known:]), n))
        keys = [
            next(key[skipped:] for skipped in range(known + 1) if key[skipped:] in rows)
            for key in zip(*given, strict=True)
        ]
        weights = {key: np.array([n for _, n in options]) for key, options in rows.items()}
        return [rows[key][k][0] for key, k in zip(keys, self.choose(keys, weights), strict=True)]

    def scores(self, consequences: list[str], labels: list[int]) -> list[tuple[str, str, str, str]]:
        """CADD_PHRED, CADD_RAW, SIFT and PolyPhen; empty where the table has too few of that consequence."""
        quantiles, points = self.tables["cadd_phred"], [0.0, *np.arange(0.1, 0.95, 0.1), 1.0]
        uniform = self.rng.random(len(labels)).tolist()
        phred = [
            float(np.interp(u, points, quantiles[c][label])) if c in quantiles else math.nan
            for c, label, u in zip(consequences, labels, uniform, strict=True)
        ]
        raw = np.interp(phred, *np.transpose(self.tables["cadd_raw"])) + self.rng.normal(0, 0.05, len(phred))
        protein = self.from_table("protein_scores", np.searchsorted([10, 20, 23, 26, 30], phred).tolist(), labels)
        scored = (self.rng.random(len(phred)) > 0.015).tolist()
        return [
            (
                *(_cadd(p, r) if there and not math.isnan(p) else ("", "")),
                *(both if consequence.startswith("missense") else ("", "")),
            )
            for p, r, there, both, consequence in zip(phred, raw.tolist(), scored, protein, consequences, strict=True)
        ]


def _cadd(phred: float, raw: float) -> tuple[str, str]:
    """CADD writes three figures, and whole numbers from 30 on."""
    text = f"{max(phred, 0.001):.3g}" if phred < 10 else f"{phred:.1f}" if phred < 30 else f"{phred:.0f}"
    return text, f"{raw:.6f}"
