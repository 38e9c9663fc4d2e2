"""Boostings by LightGBM that differ in nothing but their seed, as the one boosting that is their mean.

Trees and columns are drawn by seed, so that each of them errs in its own way and their mean less. A boosting's log odds
are a sum over trees: the mean of several is the sum over the trees of all, each worth its share. So what comes out is a
boosting like any other, to save, to check, to score and to explain.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from lightgbm import LGBMClassifier

# Lines of a tree in LightGBM's text that are worth a share of themselves in a mean; internal values are only shown.
_VALUES = re.compile(r"(?m)^(leaf_value|internal_value|shrinkage)=(.*)$")


def averaged(boostings: list[LGBMClassifier]) -> LGBMClassifier:
    """The mean of these boostings' log odds: the first of them, with the trees of all.

    Parameters
    ----------
    boostings : fitted on the same columns. One alone stays as it is.
    """
    first, *others = boostings
    if others:
        # The parameters that follow the trees in the text are the first one's.
        parts = [_parted(boosting.booster_.model_to_string()) for boosting in boostings]
        trees = [_share(tree, len(boostings)) for _, trees, _ in parts for tree in trees]
        numbered = [f"Tree={number}\n{tree}" for number, tree in enumerate(trees)]
        sizes = " ".join(str(len(tree.encode())) for tree in numbered)
        head = re.sub(r"(?m)^tree_sizes=.*$", f"tree_sizes={sizes}", parts[0][0])
        first.booster_.model_from_string(head + "".join(numbered) + parts[0][2])
    return first


def _parted(text: str) -> tuple[str, list[str], str]:
    """A model's text: what stands before its trees, each tree without its number, and what comes after them."""
    head, *trees = re.split(r"(?m)^Tree=\d+\n", text)
    trees[-1], end, rest = trees[-1].partition("end of trees")
    return head, trees, end + rest


def _share(tree: str, count: int) -> str:
    def divided(line: re.Match) -> str:
        return f"{line[1]}={' '.join(repr(float(value) / count) for value in line[2].split())}"

    return _VALUES.sub(divided, tree)
