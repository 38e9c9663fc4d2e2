"""A training set's text, parsed once: what every transformer of this package reads."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import cached_property

import numpy as np
import pandas as pd

from genomicslearning import clinvar
from genomicslearning.features.ragged import Ragged, cross, text_hashes

ABSENT = ("", ".")
ALLELES = ("REF", "ALT")  # VCF's bases mean the same in small letters
NO_GENE = ""


class Cells:
    """The columns of a table, each as its distinct texts and which row has which.

    Parsing a distinct text once is what makes feature extraction fast: 65,000 rows have 48 different consequences.
    CLASS and every column that is not asked for by name stay unread.
    """

    def __init__(self, table: pd.DataFrame):
        self.table = table
        self._distinct: dict[str, tuple[np.ndarray, list[str]]] = {}

    def __len__(self) -> int:
        return len(self.table)

    def distinct(self, column: str) -> tuple[np.ndarray, list[str]]:
        """Codes (one a row) and the distinct texts they point at; a missing cell or column reads as the empty text."""
        if column not in self._distinct:
            self._distinct[column] = self._factorize(column)
        return self._distinct[column]

    def _factorize(self, column: str) -> tuple[np.ndarray, list[str]]:
        if column not in self.table:
            return np.zeros(len(self.table), np.int64), [""]
        codes, texts = pd.factorize(self.table[column])
        texts = ["" if text in ABSENT else text for text in map(str, texts.to_numpy(object))]
        if column in ALLELES:
            texts = [text.upper() for text in texts]
        # pandas numbers a missing cell -1, which then is the last text.
        return codes, [*texts, ""]

    def texts(self, column: str) -> np.ndarray:
        """The column's texts, one a row."""
        codes, texts = self.distinct(column)
        return np.array(texts, dtype=object)[codes]

    def each(self, column: str, value: Callable[[str], float]) -> np.ndarray:
        """One number a row (float32) from the column's text."""
        codes, texts = self.distinct(column)
        return np.fromiter(map(value, texts), np.float32, len(texts))[codes]

    def several(
        self, column: str, names: Sequence[str], values: Callable[[str], Sequence[float]]
    ) -> dict[str, np.ndarray]:
        """Several numbers a row (float32) from the column's text, by name."""
        codes, texts = self.distinct(column)
        parsed = np.array([values(text) for text in texts], np.float32).reshape(len(texts), len(names))
        return dict(zip(names, parsed[codes].T, strict=True))

    def lists(self, column: str, values: Callable[[str], list[int]]) -> Ragged:
        """A list of 64-bit hashes a row from the column's text."""
        codes, texts = self.distinct(column)
        return Ragged.of([values(text) for text in texts]).take(codes)

    def hashes(self, column: str) -> np.ndarray:
        """64-bit hash of each row's text."""
        codes, texts = self.distinct(column)
        return text_hashes(texts)[codes]

    @cached_property
    def gene(self) -> np.ndarray:
        """Hash of the gene symbol: SYMBOL, else the first symbol of GENEINFO, else that of the empty text."""
        symbol, symbols = self.distinct("SYMBOL")
        named, genes = self.distinct("GENEINFO")
        of_info = text_hashes([clinvar.first_symbol(text) for text in genes])[named]
        has_symbol = np.array([text != NO_GENE for text in symbols])[symbol]
        return np.where(has_symbol, text_hashes(symbols)[symbol], of_info)

    @cached_property
    def position(self) -> np.ndarray:
        """Genome position as one integer: chromosome number times 10^10 plus POS."""
        positions = pd.to_numeric(self.table["POS"]).to_numpy(np.int64)
        return chromosome_numbers(self) * np.int64(10**10) + positions

    @cached_property
    def variant(self) -> np.ndarray:
        """Hash of CHROM, POS, REF and ALT."""
        return cross("variant", self.position.astype(np.uint64), self.hashes("REF"), self.hashes("ALT"))


_CHROMOSOMES = {str(number): number for number in range(1, 23)} | {"X": 23, "Y": 24, "MT": 25}


def chromosome_numbers(cells: Cells) -> np.ndarray:
    """1 to 22, X 23, Y 24, MT 25, any other contig 26; by any of its names (`clinvar.chromosome`)."""
    codes, texts = cells.distinct("CHROM")
    numbers = [_CHROMOSOMES.get(clinvar.chromosome(text), 26) for text in texts]
    return np.array(numbers, np.int64)[codes]
