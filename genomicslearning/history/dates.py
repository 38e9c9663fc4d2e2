"""The date of a release, as a file's header or its name tells it."""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import date

_MONTHS = ("jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec")
_NAME = "(?P<name>" + "|".join(_MONTHS) + ")[a-z]*"
# Of a header that others than ClinVar have written too. 02/03/2026 is a day in February or in March: not read.
_WRITTEN = (
    re.compile(r"(?<!\d)(?P<year>20\d\d)(?P<month>\d\d)(?P<day>\d\d)(?!\d)", re.ASCII),
    re.compile(r"(?<!\d)(?P<year>20\d\d)[-/.](?P<month>\d{1,2})[-/.](?P<day>\d{1,2})(?!\d)", re.ASCII),
    re.compile(rf"(?<!\d)(?P<day>\d{{1,2}})[-\s.]+{_NAME}[-\s.,]+(?P<year>20\d\d)(?!\d)", re.ASCII | re.IGNORECASE),
    re.compile(rf"\b{_NAME}[\s.]+(?P<day>\d{{1,2}})\b.*?(?<!\d)(?P<year>20\d\d)(?!\d)", re.ASCII | re.IGNORECASE),
)
_IN_NAME = re.compile(
    r"(?<!\d)(?P<year>20\d\d)[-_]?(?P<month>0[1-9]|1[0-2])(?:[-_]?(?P<day>0[1-9]|[12]\d|3[01]))?(?!\d)", re.ASCII
)


def date_written(text: str) -> date | None:
    """Date in a header's text: `20260226`, `2026-02-26`, `2026/2/26`, `26-Feb-2026`, `Thu Feb 26 2026`; else None."""
    for form in _WRITTEN:
        if (found := form.search(text)) and (day := _date(found)):
            return day
    return None


def date_in_name(name: str) -> date | None:
    """Date in a file's name: `clinvar_20180401.vcf.gz`, `clinvar_2016-05-20_b37.tsv.gz`, `2026-02` (its first day)."""
    found = _IN_NAME.search(name)
    return _date(found) if found else None


def date_of_input(facts: Mapping) -> date | None:
    """Date of a VCF as a report lists it among its inputs: by its header (`fileDate`), else its `name`."""
    return date_written(facts["fileDate"] or "") or date_in_name(facts["name"])


def _date(found: re.Match[str]) -> date | None:
    told = found.groupdict()
    month = _MONTHS.index(told["name"].lower()) + 1 if told.get("name") else int(told["month"])
    try:
        return date(int(told["year"]), month, int(told["day"] or 1))
    except ValueError:
        return None
