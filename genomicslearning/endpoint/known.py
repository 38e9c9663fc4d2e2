"""What a ClinVar release has of a person's variants: whether it knows each, what it says, by how many submitters."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial

from genomicslearning import clinvar
from genomicslearning.io import lake
from genomicslearning.io.accounting import check_malformed
from genomicslearning.io.lines import rereadable
from genomicslearning.io.vcf import InfoReader, Vcf
from genomicslearning.training_set.matching import Partners, check_assemblies
from genomicslearning.training_set.rows import SELF_CLASSIFIED

#: What is said of each variant beside its probability.
KNOWN_COLUMNS = ("clinvar", "clinvar_id", "clinvar_classification", "clinvar_submitters", "clinvar_note")
KNOWN, NEW = "known", "new"
_KEYS = ("CLNREVSTAT", "CLNSIG", "CLNSIGCONF", "CLNSIGSCV")
# Every review status begins with this: records of all of them are needed whole.
_ANY_STATUS = ("",)
_NOTHING = (NEW, None, None, None, None)

#: Stands for the meaning of a probability for a variant with one submitter, until there is one.
SINGLE = "single_submitter"
NO_CLASSIFICATION = "no germline classification"
_NOTES = {0: "several laboratories agree so far", 1: "classifications conflict already", None: None}


def single_submitter_meaning(probability: float | None) -> str:
    """What a probability says of a variant that one laboratory has classified; None: it is not calibrated for them.

    The watch list says the same.
    """
    if probability is None:
        return "not calibrated for single-submitter variants: use rank and percentile"
    return f"about {100 * probability:.0f} of 100 such variants conflict once others classify"


def submitters(status: str, conflicting: str, submissions: str) -> str | None:
    """How many submitters a record has, as text: by CLNREVSTAT, CLNSIGCONF's numbers, CLNSIGSCV's accessions."""
    if status == clinvar.SINGLE_SUBMITTER:
        return "1"
    label = clinvar.label(status)
    if label is None:
        return None
    counted = sum(clinvar.submissions(conflicting).values()) if label else len(submissions.split("|"))
    return str(counted) if counted > 1 else "2 or more"


class ReleaseLookup:
    """A ClinVar release beside a VCF that is being read."""

    def __init__(self, vcf: Vcf, partners: Partners, source: Vcf) -> None:
        self._vcf = vcf
        self._partners = partners
        self._source = source
        self._told = bool(source.assemblies())  # now: CLNHGVS is looked for in records that are still ahead
        self._reader = InfoReader(_KEYS)
        self.counts: Counter[str] = Counter()  # alleles so far that are known, and new

    @classmethod
    @contextmanager
    def open(cls, path: str | os.PathLike, source: Vcf) -> Iterator[ReleaseLookup]:
        """Open a release for the records of `source`.

        Raises
        ------
        InputError
            The release is missing, damaged, or of another assembly.
        """
        why = "records in another order are looked up in it"
        with rereadable(path, why) as readable, Vcf(readable, called=path) as vcf:
            same = check_assemblies(vcf, source)
            reopen = partial(Vcf, readable, called=path)
            partners = Partners(vcf, reopen, _ANY_STATUS, same_assembly=same)
            try:
                yield cls(vcf, partners, source)
            finally:
                partners.close()

    def of(self, line: bytes) -> list[tuple[str | None, ...]]:
        """What the release has of each ALT of a record: the values of `KNOWN_COLUMNS`."""
        said = self._of(line)
        self.counts.update(KNOWN if one[0] == KNOWN else NEW for one in said)
        return said

    def _of(self, line: bytes) -> list[tuple[str | None, ...]]:
        [found] = self._partners.of([line])
        alts = line.split(b"\t", 5)[4].count(b",") + 1
        if found is None:
            return [_NOTHING] * alts
        lines = [line] * alts if found is SELF_CLASSIFIED else found
        return [_NOTHING if theirs is None else self._said(theirs) for theirs in lines]

    def _said(self, line: bytes) -> tuple[str | None, ...]:
        fields = line.split(b"\t", 8)
        texts = [value.decode("utf-8", "replace") for value in self._reader.values(fields[7])]
        status, classification, conflicting, submissions = ("" if text == "." else text for text in texts)
        identifier = fields[2].decode("utf-8", "replace")
        label = clinvar.label(status)
        note = SINGLE if status == clinvar.SINGLE_SUBMITTER else _NOTES[label] if status else NO_CLASSIFICATION
        return KNOWN, identifier, classification or None, submitters(status, conflicting, submissions), note

    def doubt(self) -> list[str]:
        """A warning where the VCF does not say its assembly: of another its variants would all be new."""
        if self._told:
            return []
        of = " and ".join(self._vcf.assemblies()) or "the same assembly"
        source, release = lake.name(self._source.path), lake.name(self._vcf.path)
        return [
            f"{source} does not say its genome assembly (##reference): whether a variant is known holds only if it is "
            f"{of}, as {release} is; {self.counts[KNOWN]:,} of its {self.counts.total():,} alleles are in there"
        ]

    def facts(self) -> dict:
        """What a report says of the release, which is read to its end."""
        records, _ = self._partners.finish()
        malformed = len(self._partners.malformed)
        check_malformed(self._vcf.path, records + malformed, malformed, self._partners.first_problem)
        return {"role": "clinvar", **self._vcf.facts()}
