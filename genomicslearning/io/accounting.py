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
REVIEW_STATUS = "review_status:"

# A file may have a few malformed records; more than both of these means that it is not what it seems.
MALFORMED_SHARE = 0.001
MALFORMED_RECORDS = 10


class Account:
    """Counts of one training-set job, or of one part of it: parts add up with ``merge``."""

    def __init__(self) -> None:
        self.read = 0
        self.written = 0
        self.rows = 0
        self.quarantined = 0
        self.repeated_keys = 0
        self.gene_decided = 0
        self.first_problem: str | None = None
        self.classes: Counter[str] = Counter()
        self.dropped: Counter[str] = Counter()
        self.conflicts: Counter[str] = Counter()
        self.submissions: Counter[str] = Counter()
        self.pick: Counter[str] = Counter()

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

    def drop_status(self, status: str, path: str) -> None:
        """Count a record left out for its review status; releases too old to have one in words are refused."""
        reason = REVIEW_STATUS + status
        if reason not in self.dropped:
            parts = re.split(r"[|,]", status)
            if any(part in clinvar.OLD_REVIEW_STATUSES or part.isdigit() for part in parts):
                raise InputError(
                    f"{path}: CLNREVSTAT is a code ({status[:40]}), as before 2017; "
                    f"give one of the {clinvar.SUPPORTED_RELEASES}"
                )
        self.dropped[reason] += 1

    def check_malformed(self, path: str) -> None:
        """Refuse a file in which more than 0.1 % of the records and more than 10 are malformed."""
        if self.quarantined > MALFORMED_RECORDS and self.quarantined > MALFORMED_SHARE * self.read:
            raise InputError(
                f"{self.first_problem}; {self.quarantined:,} of {self.read:,} records of {path} are malformed, "
                "more than 0.1 %: get the file again"
            )

    def check_classes(self, path: str) -> None:
        """Refuse an outcome in which a class is empty, naming the review statuses that were seen."""
        lacking = [name for name in ("0", "1") if not self.classes[name]]
        if not lacking:
            return
        kept = [f"CLASS {name} ({count:,} rows)" for name, count in sorted(self.classes.items()) if count]
        left_out = [
            f"{reason.removeprefix(REVIEW_STATUS)} ({count:,})" for reason, count in self.dropped.most_common(12)
        ]
        advice = (
            "none of its IDs is in the ClinVar file: give the release that was annotated"
            if self.dropped[NO_MATCH] == self.read > 0
            else "no record has CLNREVSTAT: give the ClinVar file as well (--clinvar)"
            if self.dropped[NO_GERMLINE] == self.read > 0
            else "a training set needs records with several submitters that agree (0) and that conflict (1)"
        )
        raise InputError(
            f"{path}: no row for CLASS {' and '.join(lacking)}; seen: {', '.join(kept + left_out) or 'no records'}; "
            f"{advice}"
        )

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
        return int(re.search(r"VmHWM:\s*(\d+)", status)[1]) / 1024
    except OSError:
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
