"""Files made by hand after what users reported: the file, and beside it the rows that are right."""

from __future__ import annotations

import pytest
from test_conditions import rows

from genomicslearning import InputError
from genomicslearning.training_set.build import build_training_set

SHOWN = ("POS", "REF", "ALT", "CLASS", "Consequence", "SYMBOL")
MISSENSE, SYNONYMOUS, FRAMESHIFT = "missense_variant GENEA", "synonymous_variant GENEA", "frameshift_variant GENEA"

# file or pair: (arguments, rows, what the report says)
CASES = {
    "multiid": (
        {},
        [f"1000 A G 0 {SYNONYMOUS}", f"1010 C T 1 {MISSENSE}", f"1020 C T 0 {MISSENSE}", f"1020 C G 1 {MISSENSE}"],
        {"dropped": {}},
    ),
    "rsid": ({}, [f"1000 A G 0 {SYNONYMOUS}", f"1010 C T 1 {MISSENSE}"], {"dropped": {}}),
    "mixid": (
        {},
        [f"1000 A G 1 {MISSENSE}", f"1010 A G 0 {MISSENSE}", f"1020 A G 1 {MISSENSE}", f"1030 A G 0 {MISSENSE}"],
        {"dropped": {}},
    ),
    "norm": ({}, [f"1000 CAA CA 0 {FRAMESHIFT}", f"1010 C T 1 {MISSENSE}"], {"dropped": {}}),
    "star": (
        {},
        [f"1000 CA C 0 {FRAMESHIFT}", f"1010 T TG 1 {FRAMESHIFT}", f"1020 C T 0 {MISSENSE}"],
        {"ambiguous_allele": 0},
    ),
    "v115": ({}, ["1000 CAAG CAG 0 - -", "1000 CAAG C 1 - -", f"1020 C T 0 {MISSENSE}"], {"ambiguous_allele": 2}),
    "keepcsq": (
        {},
        [f"1000 A G 0 {SYNONYMOUS}", f"1010 C T 1 {MISSENSE}"],
        {"repeated_keys": 2, "unfit_annotation": 0},
    ),
    "csqdot": ({}, ["1000 A G 0 - -", f"1010 C T 1 {MISSENSE}"], {"pick": {"no_annotation": 1, "severe": 1}}),
    "dups": (
        {},
        [f"1000 A G 0 {SYNONYMOUS}", *["1000 A G 0 intron_variant GENEA"] * 2, f"1010 C T 1 {MISSENSE}"],
        {"repeated_variants": 2, "dropped": {}},
    ),
    "vepkey": ({"csq_key": "vep"}, [f"1000 A G 0 {SYNONYMOUS}", f"1010 C T 1 {MISSENSE}"], {"dropped": {}}),
    "flagpick": ({"pick": "flagged"}, [f"1000 A G 0 {SYNONYMOUS}", f"1010 C T 1 {MISSENSE}"], {"pick": {"flagged": 2}}),
    "extratab": ({}, ["1000 A G 0 - -", "1010 C T 1 - -"], {"quarantined": 1}),
}


def inputs(folder, name: str) -> dict:
    """The files of a case, as arguments."""
    if (folder / f"{name}_annot.vcf").exists():
        return {"clinvar": folder / f"{name}_clinvar.vcf", "annotated": folder / f"{name}_annot.vcf"}
    return {"clinvar" if name == "extratab" else "annotated": folder / f"{name}.vcf"}


@pytest.mark.parametrize("name", CASES)
def test_case(shared_data, tmp_path, name):
    arguments, wanted, says = CASES[name]
    report = build_training_set(**inputs(shared_data / "cases", name), out=tmp_path / "t.csv", **arguments)
    assert rows(tmp_path / "t.csv", SHOWN) == wanted
    assert {key: report[key] for key in says} == says
    if name == "keepcsq":
        assert "the header defines CSQ 2 times" in report["warnings"][0]


@pytest.mark.parametrize(
    ("name", "arguments", "message"),
    [
        ("bcsq", {}, "bcftools csq"),
        ("bcsq", {"csq_key": "BCSQ"}, "bcftools csq"),
        ("vepkey", {}, "give --csq-key vep"),
    ],
)
def test_refused(shared_data, tmp_path, name, arguments, message):
    with pytest.raises(InputError, match=message) as caught:
        build_training_set(annotated=shared_data / "cases" / f"{name}.vcf", out=tmp_path / "t.csv", **arguments)
    assert "--csq-key BCSQ" not in str(caught.value)
