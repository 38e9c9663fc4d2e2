"""An evidence block: which features it has, what they are read from, and whether that grows with submitters."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

import numpy as np

from genomicslearning.clinvar import GROWS_WITH_SUBMITTERS
from genomicslearning.features.cells import Cells

Columns = dict[str, np.ndarray]
MISSING = float("nan")


@dataclass(frozen=True)
class Block:
    """A named kind of evidence.

    Documentation, features, explanations and the leakage audit all read blocks: a feature that is added to one is
    documented, parsed, permuted and audited without another line.

    Parameters
    ----------
    name
        Its identifier, in feature sets and in the settings of saved models.
    evidence
        What a clinician calls it. Blocks of one such name are shuffled and taken away together.
    columns
        Feature -> what it is. The order says nothing.
    reads
        Columns of the training set that carry the evidence; no column carries two. Blocks learnt from other rows
        (`context`) also use features of other blocks.
    parse
        Cells -> feature -> values, one a row; None for a block that is learnt from training rows.
    """

    name: str
    evidence: str
    columns: Mapping[str, str]
    reads: tuple[str, ...] = ()
    parse: Callable[[Cells], Columns] | None = field(default=None, compare=False)

    @property
    def grows_with_submitters(self) -> bool:
        """Whether it tells how many laboratories looked, and so part of the label before any biology does."""
        return not GROWS_WITH_SUBMITTERS.isdisjoint(self.reads)


def number(text: str) -> float:
    """A number, or NaN where the text is none."""
    try:
        return float(text)
    except ValueError:
        return MISSING
