"""The table as transformers read it: parsed once, sliced by row many times."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
import pandas as pd

from genomicslearning import InputError
from genomicslearning.features import submission_blocks
from genomicslearning.features.blocks import BLOCKS, FEATURE_SETS
from genomicslearning.features.cells import Cells
from genomicslearning.features.ragged import Ragged
from genomicslearning.features.tokens import crossed_tokens

NEEDED = ("CHROM", "POS", "REF", "ALT")
# Rows whose texts are Python objects at a time: bounds the memory of parsing.
PIECE = 65_536


@dataclass
class Variants:
    """What a table says, as numbers and hashes, one row a variant. CLASS is not in it.

    `columns` are the features that need nothing but the row, by name; `blocks` says which block has which. `tokens`
    are codes into `token_hashes` (sorted). `groups` are rows that have to stay together in cross-validation, if any.
    """

    features: str
    columns: dict[str, np.ndarray]
    blocks: dict[str, tuple[str, ...]]
    gene: np.ndarray
    position: np.ndarray
    variant: np.ndarray
    tokens: Ragged
    token_hashes: np.ndarray
    condition_terms: Ragged | None = None
    condition_words: Ragged | None = None
    groups: np.ndarray | None = None

    def __len__(self) -> int:
        return len(self.gene)

    @property
    def shape(self) -> tuple[int, int]:
        """Rows and columns."""
        return len(self), len(self.columns)

    @classmethod
    def read(
        cls,
        table: pd.DataFrame | Variants,
        features: str = "all",
        groups: np.ndarray | None = None,
        *,
        order: np.ndarray | None = None,
    ) -> Variants:
        """Parse a table as `read_table` gives it.

        Parameters
        ----------
        table : columns may stand in any order; absent ones count as missing. What was parsed before comes back as it
        is. features : a name in `FEATURE_SETS`.
        groups : one id a row of what is read; rows of a group stay together in cross-validation.
        order : numbers of the rows to read, in their order; by default all.

        Raises
        ------
        InputError
            Unknown feature set, a table without CHROM, POS, REF or ALT, or parsed for another feature set.
        """
        if features not in FEATURE_SETS:
            raise InputError(f"features: {features!r} is not a feature set; choose one of {', '.join(FEATURE_SETS)}")
        if isinstance(table, Variants):
            if table.features != features:
                raise InputError(
                    f"features: parsed for {table.features!r}, asked for {features!r}; parse the table again"
                )
            return table
        if lacking := [column for column in NEEDED if column not in table]:
            raise InputError(f"table: no column {', '.join(lacking)}; CHROM, POS, REF and ALT are needed")
        order = np.arange(len(table)) if order is None else order
        starts = range(0, max(len(order), 1), PIECE)
        pieces = [cls._parsed(Cells(table.iloc[order[start : start + PIECE]]), features) for start in starts]
        return replace(_joined(pieces), groups=None if groups is None else np.asarray(groups))

    @classmethod
    def _parsed(cls, cells: Cells, features: str) -> Variants:
        parsers = {name: BLOCKS[name].parse for name in FEATURE_SETS[features]}
        parsed = {name: parse(cells) for name, parse in parsers.items() if parse is not None}
        submissions = "disease" in parsed
        tokens = crossed_tokens(cells, submissions=submissions, prior="prior" in parsed)
        codes, hashes = pd.factorize(tokens.values, sort=True)
        return cls(
            features=features,
            columns={name: np.asarray(v, np.float32) for block in parsed.values() for name, v in block.items()},
            blocks={name: tuple(block) for name, block in parsed.items()},
            gene=cells.gene,
            position=cells.position,
            variant=cells.variant,
            tokens=Ragged(codes.astype(np.int32), tokens.offsets),
            token_hashes=hashes,
            condition_terms=submission_blocks.condition_terms(cells) if submissions else None,
            condition_words=submission_blocks.condition_words(cells) if submissions else None,
        )

    def narrowed(self, rows: np.ndarray) -> Variants:
        """`take`, a column at a time, by which these variants are used up: no second copy of all of them is held."""
        for name, values in self.columns.items():
            self.columns[name] = values[rows]
        return replace(replace(self, columns={}).take(rows), columns=self.columns)

    def without_tokens(self) -> Variants:
        """The same rows without their tokens, which are hundreds of megabytes for a million rows."""
        none = Ragged(np.zeros(0, np.int32), np.zeros(len(self) + 1, np.int64))
        return replace(self, tokens=none, token_hashes=np.zeros(0, np.uint64))

    def take(self, rows: np.ndarray) -> Variants:
        """These rows, in their order."""
        return replace(
            self,
            columns={name: values[rows] for name, values in self.columns.items()},
            gene=self.gene[rows],
            position=self.position[rows],
            variant=self.variant[rows],
            tokens=self.tokens.take(rows),
            condition_terms=self.condition_terms and self.condition_terms.take(rows),
            condition_words=self.condition_words and self.condition_words.take(rows),
            groups=None if self.groups is None else self.groups[rows],
        )


def _joined(pieces: list[Variants]) -> Variants:
    """The rows of all pieces, one after the other; equal to what parsing them at once would give."""
    if len(pieces) == 1:
        return pieces[0]
    hashes = np.unique(np.concatenate([piece.token_hashes for piece in pieces]))
    tokens = [
        Ragged(np.searchsorted(hashes, piece.token_hashes).astype(np.int32)[piece.tokens.values], piece.tokens.offsets)
        for piece in pieces
    ]
    first = pieces[0]
    return replace(
        first,
        columns={name: np.concatenate([piece.columns.pop(name) for piece in pieces]) for name in list(first.columns)},
        gene=np.concatenate([piece.gene for piece in pieces]),
        position=np.concatenate([piece.position for piece in pieces]),
        variant=np.concatenate([piece.variant for piece in pieces]),
        tokens=Ragged.joined(tokens),
        token_hashes=hashes,
        condition_terms=_lists_joined([piece.condition_terms for piece in pieces]),
        condition_words=_lists_joined([piece.condition_words for piece in pieces]),
    )


def _lists_joined(lists: list[Ragged | None]) -> Ragged | None:
    there = [one for one in lists if one is not None]
    return Ragged.joined(there) if there else None
