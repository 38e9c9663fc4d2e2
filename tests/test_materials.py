"""The bill of materials and the licences: every package of the lock, by name, version, hash and licence."""

from __future__ import annotations

import re

import pytest
from places import ROOT

from genomicslearning import InputError
from genomicslearning.deploy import bill_of_materials

LOCK = (ROOT / "requirements" / "base.txt").read_text()


def test_the_bill_has_every_package_of_the_lock_and_is_the_same_each_time():
    made = bill_of_materials.bill(LOCK)
    assert made == bill_of_materials.bill(LOCK) and (made["bomFormat"], made["specVersion"]) == ("CycloneDX", "1.6")
    listed = {entry["name"]: entry for entry in made["components"]}
    assert len(made["components"]) == len(re.findall(r"(?m)^[A-Za-z0-9].*==", LOCK)) > 100
    arrow = listed["pyarrow"]
    assert arrow["purl"] == f"pkg:pypi/pyarrow@{arrow['version']}"
    [reference] = arrow["externalReferences"]
    assert all(digest["alg"] == "SHA-256" and len(digest["content"]) == 64 for digest in reference["hashes"])
    assert listed["scikit-learn"]["licenses"] == [{"license": {"id": "BSD-3-Clause"}}]


def test_no_package_that_we_pass_on_is_under_the_gpl():
    named = [line for line in bill_of_materials.licences(LOCK).splitlines() if "GPL" in line and "LGPL" not in line]
    assert named == []


def test_a_lock_without_hashes_is_refused():
    with pytest.raises(InputError, match="thing==1.0 has no version or no hash"):
        bill_of_materials.bill("thing==1.0\n")
