"""Allele frequencies of a variant: ClinVar's own where a file has them, else those of VEP's annotation, by one rule.

The rule holds for the variants that a model learns from and for those that it is asked about. Frequencies of gnomAD
are columns of their own besides, where the annotation has them.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence

from genomicslearning.io.vcf import Vcf
from genomicslearning.training_set.schema import AF_COLUMNS, GNOMAD_COLUMNS

#: Where the frequencies of a file come from.
OF_INFO, OF_CSQ, NOWHERE = "INFO", "CSQ", "none"
_FROM_INFO = tuple(f"{column} from INFO" for column in AF_COLUMNS)

# People in each population, by which their frequencies are weighed: 1000 Genomes phase 3, and the Exome Sequencing
# Project's African and European Americans.
_THOUSAND_GENOMES = {"AFR_AF": 661, "AMR_AF": 347, "EAS_AF": 504, "EUR_AF": 503, "SAS_AF": 489}
_ESP = {"AA_AF": 2203, "EA_AF": 4300}
_GNOMAD_EXOMES = ({"gnomADe_AF": 1}, {"gnomAD_AF": 1})  # VEP's names since release 109, and before
#: Column -> alternatives, each the CSQ fields whose weighed mean it is; the first that has a value counts.
#: ESP and ExAC are parts of gnomAD's exomes, which stand in for them. MAX_AF is the highest of any population.
ALTERNATIVES: dict[str, tuple[Mapping[str, int], ...]] = {
    "AF_ESP": (_ESP, *_GNOMAD_EXOMES),
    "AF_EXAC": ({"ExAC_AF": 1}, *_GNOMAD_EXOMES, {"MAX_AF": 1}),
    "AF_TGP": ({"AF": 1}, _THOUSAND_GENOMES),
    "gnomADe_AF": _GNOMAD_EXOMES,
    "gnomADg_AF": ({"gnomADg_AF": 1},),
    "MAX_AF": ({"MAX_AF": 1},),
}


class Frequencies:
    """Reads the allele frequencies of one ALT.

    Parameters
    ----------
    fields
        CSQ's fields by the header; none without VEP's annotation.
    own
        Whether the file's header (or the ClinVar file beside it) declares ClinVar's own keys. Then a key that a record
        lacks means that the variant was not seen, as ClinVar means it.

    Attributes
    ----------
    source
        `OF_INFO`, `OF_CSQ`, or `NOWHERE`.
    columns
        Columns of gnomAD that the annotation can fill; they are written behind the others.
    """

    def __init__(self, fields: Sequence[str] = (), *, own: bool = True) -> None:
        places = {name: place for place, name in reversed(list(enumerate(fields)))}
        self._of = {column: _resolved(alternatives, places) for column, alternatives in ALTERNATIVES.items()}
        self.columns = tuple(column for column in GNOMAD_COLUMNS if self._of[column])
        known = any(self._of[column] for column in AF_COLUMNS)
        self.source = OF_INFO if own else OF_CSQ if known else NOWHERE
        self._last = 1 + max(
            (place for found in self._of.values() for _, parts in found for place, _ in parts), default=-1
        )

    def of(
        self, values: Sequence[bytes], csq: bytes | None, counts: Counter[str]
    ) -> tuple[Sequence[bytes], tuple[bytes, ...]]:
        """Cells of AF_ESP, AF_EXAC and AF_TGP, and of `columns`; empty where not known.

        Parameters
        ----------
        values
            INFO's own values of the three, empty where missing.
        csq
            VEP's blocks of the ALT, all of which say the same of it; None where it is not known which they are.
        counts
            ``<column> from <field>`` is counted up for each value, for the report.
        """
        # Keys that no header declares are ClinVar's all the same.
        of_info = self.source == OF_INFO or any(values)
        if of_info:
            for from_info, value in zip(_FROM_INFO, values, strict=True):
                if value:
                    counts[from_info] += 1
            if not self.columns:
                return values, ()
        cells = csq.partition(b",")[0].split(b"|", self._last)[: self._last] if csq and self._last else []
        found = values if of_info else [self._cell(column, cells, counts) for column in AF_COLUMNS]
        return found, tuple(self._cell(column, cells, counts) for column in self.columns)

    def _cell(self, column: str, cells: Sequence[bytes], counts: Counter[str]) -> bytes:
        for name, parts in self._of[column]:
            if len(parts) == 1:
                place = parts[0][0]
                value = cells[place] if place < len(cells) else b""
                if value and not _is_number(value):
                    value = _several(value)
            else:
                value = _mean(cells, parts)
            if value:
                counts[f"{column} from {name}"] += 1
                return value
        return b""


def of_info(rows: Sequence[int]) -> Counter[str]:
    """The counts of a report, of how many rows INFO has each of AF_ESP, AF_EXAC and AF_TGP for."""
    return +Counter(dict(zip(_FROM_INFO, rows, strict=True)))


def of_files(fields: Sequence[str], *vcfs: Vcf | None) -> Frequencies:
    """The frequencies of rows made of these files, by their headers and CSQ's fields."""
    return Frequencies(fields, own=any(column in vcf.info for vcf in vcfs if vcf for column in AF_COLUMNS))


def _resolved(
    alternatives: Sequence[Mapping[str, int]], places: Mapping[str, int]
) -> list[tuple[str, list[tuple[int, int]]]]:
    """The alternatives that CSQ has: their name, and place and weight of each field."""
    found = []
    for weights in alternatives:
        parts = {name: weight for name, weight in weights.items() if name in places}
        if parts:
            found.append((", ".join(parts), [(places[name], weight) for name, weight in parts.items()]))
    return found


def _is_number(text: bytes) -> bool:
    try:
        value = float(text)
    except ValueError:
        return False
    return 0 <= value <= 1


def _several(text: bytes) -> bytes:
    """The highest of several values (``0.1&0.2``, as VEP joins those of records at one place), each perhaps behind its
    allele (``A:0.1``, as VEP wrote them until release 90)."""
    numbers = [part.rpartition(b":")[2] for part in text.split(b"&")]
    known = [number for number in numbers if _is_number(number)]
    return max(known, key=float) if known else b""


def _mean(cells: Sequence[bytes], parts: Sequence[tuple[int, int]]) -> bytes:
    """The mean of the populations that have a value, weighed by their people."""
    total = people = 0.0
    for place, weight in parts:
        value = _several(cells[place]) if place < len(cells) else b""
        if value:
            total += float(value) * weight
            people += weight
    return repr(round(total / people, 10)).encode() if people else b""
