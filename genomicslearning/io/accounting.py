"""What became of every record: counts that add up, and the report beside each output."""

from __future__ import annotations

import re
import resource
import sys
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path

from genomicslearning import InputError, clinvar

NO_GERMLINE = "no_germline_classification"
NO_MATCH = "no_clinvar_match"
UNSUPPORTED_ALLELE = "unsupported_allele"
REPEATED_RECORD = "repeated_record"
REVIEW_STATUS = "review_status:"
# Why a row has no annotation; they stand among the rules that decided.
NO_ANNOTATION = "no_annotation"
AMBIGUOUS_ALLELE = "ambiguous_allele"
UNFIT_ANNOTATION = "unfit_annotation"

# A file may have a few malformed records; more than both of these means that it is not what it seems.
MALFORMED_SHARE = 0.001
MALFORMED_RECORDS = 10
# ClinVar has had 21 review statuses since 2017.
MOST_STATUSES = 1_000
STATUS_BYTES = 100  # of a review status, for a report


def check_malformed(path: str, read: int, malformed: int, first_problem: str | None, what: str = "records") -> None:
    """Refuse a file in which all records, or more than 0.1 % of them and more than 10, are malformed.

    Raises
    ------
    InputError
        With the first problem, which names its line.
    """
    if malformed and (malformed == read or (malformed > MALFORMED_RECORDS and malformed > MALFORMED_SHARE * read)):
        share = "all of them" if malformed == read else "more than 0.1 %"
        raise InputError(
            f"{first_problem or path}; {malformed:,} of {read:,} {what} of {path} are malformed, {share}: "
            "get the file again, or repair it"
        )


class Account:
    """Counts of one training-set job, or of one part of it: parts add up with ``merge``."""

    def __init__(self) -> None:
        self.read = 0
        self.written = 0
        self.rows = 0
        self.quarantined = 0
        self.repeated_keys = 0
        self.repeated_variants = 0
        self.shared_labels = 0
        self.other_ids = 0
        self.gene_decided = 0
        self.strange = 0
        self.first_problem: str | None = None
        self.classes: Counter[str] = Counter()
        self.dropped: Counter[str] = Counter()
        self.conflicts: Counter[str] = Counter()
        self.submissions: Counter[str] = Counter()
        self.pick: Counter[str] = Counter()
        self.frequencies: Counter[str] = Counter()

    def merge(self, other: dict) -> None:
        """Add the counts of another part, as ``as_dict`` gives them."""
        for name, value in other.items():
            if isinstance(value, dict):
                getattr(self, name).update(value)
            elif isinstance(value, int):
                setattr(self, name, getattr(self, name) + value)
            elif self.first_problem is None:
                self.first_problem = value

    def as_dict(self) -> dict:
        """The counts as plain values."""
        return {name: dict(value) if isinstance(value, Counter) else value for name, value in vars(self).items()}

    def drop_status(self, status: bytes, path: str, count: int = 1) -> None:
        """Count records left out for their review status; releases too old to have one in words are refused."""
        text = status[:STATUS_BYTES].decode("utf-8", "replace")
        reason = REVIEW_STATUS + text
        if reason not in self.dropped:
            if any(part in clinvar.OLD_REVIEW_STATUSES or part.isdigit() for part in re.split(r"[|,]", text)):
                raise InputError(
                    f"{path}: CLNREVSTAT is a code ({text[:40]}), as before 2017; "
                    f"give one of the {clinvar.SUPPORTED_RELEASES}"
                )
            if len(self.dropped) > MOST_STATUSES:
                raise InputError(
                    f"{path}: CLNREVSTAT has more than {MOST_STATUSES:,} different values, such as {text[:40]}; "
                    "ClinVar's has some twenty: is it ClinVar's key?"
                )
        self.dropped[reason] += count

    def count_rows(self, kind: dict, count: int) -> None:
        """Count rows of one kind: `label`, `conflict`, `submissions`, `rule`, `by_gene`, `strange`."""
        self.rows += count
        self.classes[str(kind["label"])] += count
        if kind["label"]:
            self.conflicts[kind["conflict"].decode()] += count
            for group, submissions in zip(clinvar.GROUPS, kind["submissions"], strict=True):
                self.submissions[group] += submissions * count
        if kind["rule"] is not None:
            self.pick[kind["rule"]] += count
            self.gene_decided += kind["by_gene"] * count
            self.strange += kind["strange"] * count

    def count_repeated(self, variants: int, records: int) -> None:
        """Count rows whose variant came before with other cells, and records of which nothing is left."""
        self.repeated_variants += variants
        if records:
            self.written -= records
            self.dropped[REPEATED_RECORD] += records

    def check(self, path: str, csq_key: str | None = None) -> None:
        """Refuse an outcome that cannot be right.

        Too many records are malformed, the fields of VEP's annotation are shifted, or a class is empty.
        """
        check_malformed(path, self.read, self.quarantined, self.first_problem)
        chosen = self.rows - sum(self.pick[why] for why in (NO_ANNOTATION, AMBIGUOUS_ALLELE, UNFIT_ANNOTATION))
        if self.strange * 2 > chosen:
            raise InputError(
                f"{path}: {self.strange:,} of {chosen:,} rows have none of Ensembl's terms where the header's Format "
                f"of {csq_key} names Consequence; the header belongs to another file"
            )
        self._check_classes(path)

    def _check_classes(self, path: str) -> None:
        """Refuse an outcome in which a class is empty, naming the review statuses that were seen."""
        lacking = [name for name in ("0", "1") if not self.classes[name]]
        if not lacking:
            return
        kept = [f"CLASS {name} ({count:,} rows)" for name, count in sorted(self.classes.items()) if count]
        left_out = [
            f"{reason.removeprefix(REVIEW_STATUS)} ({count:,})" for reason, count in self.dropped.most_common(12)
        ]
        advice = (
            "none of its variants is in the ClinVar file, by place and alleles: give the release that was annotated, "
            "of the same assembly"
            if self.dropped[NO_MATCH] == self.read > 0
            else "no record has CLNREVSTAT: give the ClinVar file as well (--clinvar)"
            if self.dropped[NO_GERMLINE] == self.read > 0
            else "a training set needs records with several submitters that agree (0) and that conflict (1)"
        )
        raise InputError(
            f"{path}: no row for CLASS {' and '.join(lacking)}; seen: {', '.join(kept + left_out) or 'no records'}; "
            f"{advice}"
        )

    def warnings(self) -> list[str]:
        """What is odd about the records, in words."""
        said = (
            (self.repeated_keys, "records have an INFO key more than once; its last value counts"),
            (
                self.pick[AMBIGUOUS_ALLELE],
                "rows have no annotation: VEP's blocks name their alleles ambiguously; annotate with --allele_number",
            ),
            (
                self.pick[UNFIT_ANNOTATION],
                "rows have no annotation, since their only value may belong to an earlier definition in the header",
            ),
            (self.repeated_variants, "rows are of a variant that stands in an earlier row, with other cells"),
            (
                self.shared_labels,
                "records have several ALTs and one classification, which each ALT took; give ClinVar's file "
                "(--clinvar) to tell them apart",
            ),
            (self.other_ids, "rows have the ID of another variant; place and alleles decided"),
        )
        return [f"{count:,} {what}" for count, what in said if count]

    def report(self) -> dict:
        """The counts under the names of a report."""
        return {
            "records_read": self.read,
            "records_written": self.written,
            "rows_written": self.rows,
            "dropped": dict(sorted(self.dropped.items())),
            "quarantined": self.quarantined,
            "classes": {name: self.classes[name] for name in ("0", "1")},
            "conflicts": dict(self.conflicts.most_common()),
            "conflict_submissions": {group: self.submissions[group] for group in clinvar.GROUPS},
            "pick": dict(self.pick.most_common()),
            "pick_by_gene": self.gene_decided,
            "repeated_keys": self.repeated_keys,
            "repeated_variants": self.repeated_variants,
            "ambiguous_allele": self.pick[AMBIGUOUS_ALLELE],
            "unfit_annotation": self.pick[UNFIT_ANNOTATION],
        }


class Stopwatch:
    """Time since the start, and a line of progress every two seconds."""

    def __init__(self, progress: Callable[[str], None] | None, what: str) -> None:
        self._progress = progress
        self._what = what
        self._start = self._last = time.monotonic()

    def tick(self, records: int, note: str = "") -> None:
        """Say how far the job is, if it is time to."""
        now = time.monotonic()
        if self._progress and now - self._last >= 2:
            self._last = now
            rate = records / (now - self._start)
            self._progress(f"{self._what}: {records:,} records read{note}, {rate:,.0f} records/s")

    def cost(self) -> dict:
        """Seconds so far and the peak memory of this process in MB."""
        return {"seconds": round(time.monotonic() - self._start, 3), "peak_rss_mb": round(_peak_memory(), 1)}


def _peak_memory() -> float:
    """Peak resident memory of this process, in MB."""
    try:
        # getrusage counts the parent's memory too, from the moment between fork and exec.
        status = Path("/proc/self/status").read_text()
        if found := re.search(r"VmHWM:\s*(\d+)", status):
            return int(found[1]) / 1024
    except OSError:
        pass
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / (1 << 20 if sys.platform == "darwin" else 1 << 10)


def summary(report: dict) -> str:
    """A report in a few lines for people."""
    read, written = report["records_read"], report["records_written"]
    lines = [f"{written:,} of {read:,} records written, {report['rows_written']:,} rows"]
    if classes := report.get("classes"):
        lines.append(f"CLASS 0 (agree) {classes['0']:,}, CLASS 1 (conflict) {classes['1']:,}")
    for title, key in (("left out", "dropped"), ("conflicts", "conflicts"), ("transcript picked by", "pick")):
        if counts := report.get(key):
            items = sorted(counts.items(), key=lambda item: -item[1])
            lines.append(f"{title}: " + ", ".join(f"{name} {count:,}" for name, count in items))
    if report["quarantined"]:
        lines.append(f"malformed and set aside: {report['quarantined']:,} (see the .quarantine file)")
    if report.get("unannotated"):
        lines.append(f"ClinVar records without annotation: {report['unannotated']:,}")
    lines += [f"warning: {warning}" for warning in report.get("warnings", ())]
    lines.append(f"{report['seconds']:.1f} s, {report['peak_rss_mb']:.0f} MB")
    return "\n".join(lines)
