"""VEP's CSQ: its fields by the header's Format, and which transcript's block a row of the training set gets."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from operator import itemgetter

from genomicslearning import InputError, clinvar
from genomicslearning.io import lake
from genomicslearning.io.accounting import NO_ANNOTATION
from genomicslearning.io.vcf import Vcf
from genomicslearning.training_set.alleles import blocks_of_alleles, is_sequence
from genomicslearning.training_set.table import VEP_COLUMNS

PICKS = ("mane", "canonical", "severe", "first", "flagged")
_COMMA, _PARENTHESIS = b",("  # byte values: quicker to look for than one-byte texts
_FORMAT = re.compile(r"""Format: *+(?:(['"])(.*?)\1|([^'">]++))""")
# Annotations of other programs, by INFO key and by what their Descriptions say.
_OTHER_PROGRAMS = {
    "BCSQ": ("BCFtools/csq", "bcftools csq"),
    "ANN": ("Functional annotations", "SnpEff"),
    "EFF": ("Predicted effects", "SnpEff"),
    "FUNCOTATION": ("Funcotator", "GATK Funcotator"),
    "ANNOVAR_DATE": ("ANNOVAR", "ANNOVAR"),
}
_IMPACTS = frozenset((b"HIGH", b"MODERATE", b"LOW", b"MODIFIER", b""))
_ALLELE_LIKE = re.compile(rb"[ACGTNacgtnRYSWKMBDHVryswkmbdhv]+|[-*.]|[a-z_]{5,}|").fullmatch
_MOST_CACHED = 50_000
_SCORED = (VEP_COLUMNS.index("SIFT"), VEP_COLUMNS.index("PolyPhen"))
#: The cells of the VEP columns of a row without annotation, as `TranscriptPicker.text` gives them.
NO_CELLS = b"|" * (len(VEP_COLUMNS) - 1)


@dataclass(frozen=True)
class Layout:
    """How a file writes VEP's annotation.

    Attributes
    ----------
    key
        Its INFO key.
    fields
        Names of a block's fields.
    earlier
        Fields by definitions of the same key that came earlier in the header and differ (VEP's ``--keep_csq``).
    """

    key: str
    fields: tuple[str, ...]
    earlier: tuple[tuple[str, ...], ...] = ()

    def warnings(self, path: str) -> list[str]:
        """What a report says of it."""
        if not self.earlier:
            return []
        return [
            f"{lake.name(path)}: the header defines {self.key} {len(self.earlier) + 1} times with other fields; "
            "the last definition goes with each record's last value"
        ]


def layout(vcf: Vcf, key: str | None = None) -> Layout:
    """INFO key and fields of VEP's annotation, from the header; of several definitions of the key the last.

    Raises
    ------
    InputError
        The header has no such key, its Description no ``Format: …|Consequence|…``, or another program wrote it.
    """
    wanted = key or "CSQ"
    if wanted not in vcf.info:
        raise InputError(
            f"{vcf.path}: the header has no {wanted}, so the file is not annotated by VEP; {_other_keys(vcf)}"
        )
    if program := _other_program(wanted, vcf.info[wanted].description):
        raise InputError(
            f"{vcf.path}: {wanted} is the annotation of {program}, not of VEP; annotate with VEP (--vcf --everything)"
        )
    names = _names(vcf.info[wanted].description)
    if "Consequence" not in names:
        number = 1 + max(
            place for place, line in enumerate(vcf.header) if line.startswith("##INFO") and f"ID={wanted}" in line
        )
        raise InputError(
            f"{vcf.path}:{number}: {wanted} has an unknown layout (no Format with Consequence); annotate with VEP --vcf"
        )
    others = (_names(definition.description) for definition in vcf.repeated_info.get(wanted, ()))
    return Layout(wanted, names, tuple(dict.fromkeys(other for other in others if other and other != names)))


def _names(description: str) -> tuple[str, ...]:
    """Field names by a Description; quotes around them are no part of them."""
    found = _FORMAT.search(description)
    return tuple(name.strip() for name in (found[2] or found[3] or "").split("|")) if found else ()


def _other_program(key: str, description: str) -> str | None:
    """The program that wrote an annotation, if it was not VEP."""
    if "Ensembl VEP" in description:
        return None
    return next(
        (
            program
            for own_key, (words, program) in _OTHER_PROGRAMS.items()
            if words.lower() in description.lower() or (key == own_key and "Allele|Consequence" not in description)
        ),
        None,
    )


def _other_keys(vcf: Vcf) -> str:
    """Advice where the key asked for is missing: the key that VEP used, or whose annotation there is."""
    for key, definition in vcf.info.items():
        if "Consequence" in _names(definition.description) and not _other_program(key, definition.description):
            return f"give --csq-key {key}"
    for key, definition in vcf.info.items():
        if program := _other_program(key, definition.description):
            return (
                f"its {key} is the annotation of {program}, which is not used; annotate with VEP (--vcf --everything)"
            )
    return "annotate it with VEP (--vcf --everything)"


class Cache(dict):
    """Something worked out once for each text; emptied when it has grown too large."""

    def __init__(self, work) -> None:
        super().__init__()
        self._work = work

    def __missing__(self, text):
        if len(self) > _MOST_CACHED:
            self.clear()
        found = self[text] = self._work(text)
        return found


def _rank(consequence: bytes) -> int:
    return clinvar.consequence_rank(consequence.decode("utf-8", "replace"))


def _is_consequence(cell: bytes) -> bool:
    """Whether a cell names at least one of Ensembl's terms."""
    return _rank(cell) < clinvar.UNKNOWN_RANK


class LayoutError(ValueError):
    """A CSQ block does not fit the header's Format."""


class TranscriptPicker:
    """Chooses one CSQ block of a record and gives its cells of the 27 VEP columns, as one text.

    ``first`` is file order. ``severe`` is the lowest consequence rank, ties to file order. ``mane`` is MANE Select,
    else canonical, else severe; ``canonical`` is canonical, else severe; ``flagged`` is the block that VEP itself
    picked (PICK=1), else as ``mane``. Where several genes have such a block, the gene in ClinVar's GENEINFO wins, then
    ``severe``.

    Attributes
    ----------
    rule
        What decided about the last cells that were given; where there was no annotation, why.
    by_gene
        Whether GENEINFO chose between genes.
    strange
        Whether the chosen block's Consequence is none of Ensembl's terms.
    """

    def __init__(self, layout: Layout, rule: str = "mane") -> None:
        self.layout = layout
        self.rule = NO_ANNOTATION
        self.by_gene = self.strange = False
        self._width = len(layout.fields)
        place: dict[str, int] = {}
        for number, name in enumerate(layout.fields):
            place.setdefault(name, number)  # a Format may name a field twice: the first stands
        # Plugins differ in capitals (CADD_phred).
        lower: dict[str, int] = {}
        for number, name in enumerate(layout.fields):
            lower.setdefault(name.lower(), number)
        self._whole_block, self._joined_runs = _runs(
            [place.get(column, lower.get(column.lower())) for column in VEP_COLUMNS], place["Consequence"], self._width
        )
        self._consequence = place["Consequence"]
        self._symbol = place.get("SYMBOL")
        self._allele = place.get("Allele")
        self._allele_number = place.get("ALLELE_NUM")
        self._rank = Cache(_rank)
        self._known = Cache(_is_consequence)
        chain = {
            "flagged": ("flagged", "mane", "canonical"),
            "mane": ("mane", "canonical"),
            "canonical": ("canonical",),
        }
        fields = {
            "flagged": place.get("PICK"),
            "mane": place.get("MANE_SELECT", place.get("MANE")),
            "canonical": place.get("CANONICAL"),
        }
        self._preferred = [(name, field) for name in chain.get(rule, ()) if (field := fields[name]) is not None]
        self._otherwise = "first" if rule == "first" else "severe"
        self._unflagged = rule == "flagged" and fields["flagged"] is None

    def warnings(self, path: str) -> list[str]:
        """What a report says of the annotation, known from the header."""
        found = self.layout.warnings(path)
        if self._unflagged:
            found.append(
                f"{lake.name(path)}: {self.layout.key} has no field PICK, so no block is flagged; MANE Select decides"
            )
        return found

    def text(self, csq: bytes, geneinfo: bytes) -> bytes:
        """Cells of the chosen block, ``|`` between them; `csq` is the INFO value, `geneinfo` ClinVar's
        ``SYMBOL:id|SYMBOL:id``."""
        if not csq or csq == b".":
            return self.none(NO_ANNOTATION)
        self.by_gene = False
        if _COMMA in csq or self._preferred:
            block = self._choose(csq.split(b","), geneinfo)
        else:
            self.rule = self._otherwise
            block = csq
        found = self._whole_block(block) or self._filled(block)
        consequence, *runs = found.groups()
        self.strange = not self._known[consequence]
        text = self._joined_runs(runs)
        return _without_scores(text) if _PARENTHESIS in block else text

    def texts(self, csqs: Sequence[bytes], genes: Sequence[bytes]) -> tuple[list[bytes], list[tuple[str, bool, bool]]]:
        """As `text`, of many records; and of each `rule`, `by_gene` and `strange`."""
        joined = b"".join(csqs)
        found = [] if self._preferred or _COMMA in joined else list(map(self._whole_block, csqs))
        if not found or None in found:  # as an empty one is
            made = [(self.text(*of), (self.rule, self.by_gene, self.strange)) for of in zip(csqs, genes, strict=True)]
            texts, chosen = zip(*made, strict=True)
            return list(texts), list(chosen)
        consequences, *runs = zip(*[match.groups() for match in found if match], strict=True)
        cells = list(map(self._joined_runs, zip(*runs, strict=True)))
        if _PARENTHESIS in joined:
            cells = [_without_scores(text) for text in cells]
        return cells, [(self._otherwise, False, not self._known[consequence]) for consequence in consequences]

    def none(self, why: str) -> bytes:
        """The empty cells of a row that gets no annotation, and why."""
        self.rule, self.by_gene, self.strange = why, False, False
        return NO_CELLS

    def of_alleles(self, csq: bytes, ref: bytes, alts: Sequence[bytes]) -> list[bytes | None]:
        """The blocks of each ALT of a record, as a CSQ value; None where it cannot be told which they are."""
        if not csq or csq == b".":
            return [b""] * len(alts)
        blocks = csq.split(b",")
        by_number = self._by_number(blocks, len(alts))
        if by_number is None and self._allele is not None:
            named = [self._field(block, self._allele) for block in blocks]
            by_number = blocks_of_alleles(blocks, named, ref, alts)
        if by_number is None:
            return [None] * len(alts)
        return [None if found is None else b",".join(found) for found in by_number]

    def is_of_one_allele(self, csq: bytes) -> bool:
        """Whether all blocks name the same Allele, and so belong to a record's only ALT."""
        if _COMMA not in csq:
            return True
        if self._allele == 0:
            first = csq[: csq.find(b"|") + 1]
            return csq.count(b"," + first) == csq.count(b",")
        place = self._allele
        return place is None or len({self._field(block, place) for block in csq.split(b",")}) == 1

    def _by_number(self, blocks: Sequence[bytes], alts: int) -> list[list[bytes] | None] | None:
        """Blocks by ALLELE_NUM; None where there is none, or it counts the ALTs of a record that was split since."""
        if self._allele_number is None:
            return None
        found: list[list[bytes] | None] = [[] for _ in range(alts)]
        for block in blocks:
            text = self._field(block, self._allele_number)
            if not (text.isdigit() and len(text) < 9 and 1 <= int(text) <= alts):
                return None
            found[int(text) - 1].append(block)  # type: ignore[union-attr]  # none of them is None yet
        return found if alts > 1 else None

    def _field(self, block: bytes, place: int) -> bytes:
        cells = block.split(b"|", place + 1)
        return cells[place] if place < len(cells) else b""

    def _choose(self, blocks: list[bytes], geneinfo: bytes) -> bytes:
        for name, place in self._preferred:
            found = [block for block in blocks if self._field(block, place) not in (b"", b"MANE_Plus_Clinical")]
            if found:
                self.rule = name
                return found[0] if len(found) == 1 else self._severe(self._of_gene(found, geneinfo))
        self.rule = self._otherwise
        return blocks[0] if self._otherwise == "first" else self._severe(blocks)

    def _of_gene(self, blocks: list[bytes], geneinfo: bytes) -> list[bytes]:
        place = self._symbol
        if place is None or len({self._field(block, place) for block in blocks}) == 1:
            return blocks
        symbols = {gene.partition(b":")[0] for gene in geneinfo.split(b"|")} - {b""}
        found = [block for block in blocks if self._field(block, place) in symbols]
        self.by_gene = bool(found)
        return found or blocks

    def _severe(self, blocks: list[bytes]) -> bytes:
        place = self._consequence
        rank = self._rank
        return min(blocks, key=lambda block: rank[self._field(block, place)])

    def _filled(self, block: bytes) -> re.Match[bytes]:
        """A block read with the fields that it lacks at its end."""
        missing = self._width - 1 - block.count(b"|")
        if missing < 0:
            raise LayoutError(
                f"a CSQ block has {self._width - missing} fields, the header's Format names {self._width}"
            )
        found = self._whole_block(block + b"|" * missing)
        assert found
        return found


def _runs(
    places: Sequence[int | None], consequence: int, width: int
) -> tuple[Callable[[bytes], re.Match[bytes] | None], Callable[[Sequence[bytes]], bytes]]:
    """How a block of `width` fields is read: a match of the whole, and what makes the cells of the columns of it.

    `places` are those of the fields that the columns are, None for a column that there is no field of. Fields that
    stand side by side in both are read as one run. The match's first group is Consequence, the others are the runs.
    """
    runs: list[list[int]] = []
    pieces: list[int | None] = []  # of the text: runs by number, None for a column without a field
    for column, place in enumerate(places):
        if place is None:
            pieces.append(None)
        elif column and places[column - 1] == place - 1:
            runs[-1].append(place)
        else:
            pieces.append(len(runs))
            runs.append([place])
    pattern = rb"(?=(?:[^|]*+\|){%d}([^|]*+))" % consequence
    order = sorted(range(len(runs)), key=lambda run: runs[run])
    begins = {runs[run][0] for run in order}
    ends = {runs[run][-1] for run in order}
    for field in range(width):
        pattern += rb"\|" * (field > 0) + b"(" * (field in begins) + rb"[^|]*+" + b")" * (field in ends)
    if pieces == order:
        return re.compile(pattern).fullmatch, b"|".join
    chosen = itemgetter(*(len(runs) if piece is None else order.index(piece) for piece in pieces))
    return re.compile(pattern).fullmatch, lambda found: b"|".join(chosen((*found, b"")))


def _without_scores(text: bytes) -> bytes:
    """Cells with SIFT's and PolyPhen's words alone, of ``tolerated(0.21)``."""
    scored = text.split(b"|")
    for place in _SCORED:
        scored[place] = scored[place].partition(b"(")[0]
    return b"|".join(scored)


def belongs(layout: Layout, csq: bytes, values: int) -> bool:
    """Whether a record's last value can be told to follow the last of several definitions in the header.

    It does if the record has a value for each (`values`); a single one has to fit the last definition and no other.
    """
    if values > len(layout.earlier) or not csq or csq == b".":
        return True
    return _fits(csq, layout.fields) and not any(_fits(csq, fields) for fields in layout.earlier)


def _fits(csq: bytes, names: Sequence[str]) -> bool:
    """Whether each block has as many fields as the names, and plausible ones."""
    at = {name: place for place, name in reversed(list(enumerate(names)))}
    for block in csq.split(b","):
        cells = block.split(b"|")
        if len(cells) != len(names) or not ("Consequence" in at and _is_consequence(cells[at["Consequence"]])):
            return False
        if "IMPACT" in at and cells[at["IMPACT"]] not in _IMPACTS:
            return False
        if "Allele" in at and not _ALLELE_LIKE(cells[at["Allele"]]):
            return False
        if "SYMBOL" in at and is_sequence(cells[at["SYMBOL"]]) and _is_consequence(cells[at["SYMBOL"]]):
            return False
    return True
