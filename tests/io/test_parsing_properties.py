"""INFO, CSQ and TSV parsing against slow, obvious references, on whatever hypothesis thinks of."""

from __future__ import annotations

import string
import tempfile
from pathlib import Path

import pyarrow.parquet as pq
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from genomicslearning import clinvar
from genomicslearning.io.vcf import InfoReader
from genomicslearning.parquet.tsv import tsv_to_parquet
from genomicslearning.parquet.vcf import vcf_to_parquet
from genomicslearning.training_set.table import VEP_COLUMNS
from genomicslearning.training_set.transcripts import Layout, TranscriptPicker

KEYS = ["AF", "CLNDN", "MC", "A", "AB", "B.C"]
values = st.text(alphabet=string.ascii_letters + string.digits + "=#,|.:%_ é", max_size=8)
items = st.one_of(
    st.tuples(st.sampled_from([*KEYS, "X", "MCX", "D"]), st.one_of(st.none(), values)),
    st.tuples(st.text(alphabet="ABC.", min_size=1, max_size=3), st.one_of(st.none(), values)),
)
infos = st.lists(items, max_size=9)


def info_text(pairs) -> str:
    return ";".join(key if value is None else f"{key}={value}" for key, value in pairs) or "."


def reference_info(text: str) -> dict:
    found = {}
    if text != ".":
        for item in text.split(";"):
            if item:
                key, equals, value = item.partition("=")
                found[key] = value if equals else None
    return found


@settings(max_examples=300, deadline=None)
@given(st.lists(infos, min_size=1, max_size=6))
@example([[("A", "0"), ("A", None)], [("A", None)]])
@example([[("A", None), ("A", "0")], [("A", None)]])
def test_info(several):
    """One reader for all records: what it learns of one must not change what it reads of another."""
    reader = InfoReader(KEYS)
    for pairs in several * 2:
        text = info_text(pairs)
        found = reference_info(text)
        wanted = [found.get(key) or "" for key in KEYS]
        assert [value.decode() for value in reader.values(text.encode())] == wanted


@settings(max_examples=100, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(st.lists(infos, min_size=1, max_size=6), st.sampled_from(["PASS", "q10;s50"]))
def test_info_of_many_records_at_once(several, filters):
    """More records than the first, which are read one by one: every cell as the reference says."""
    texts = [info_text(pairs) for pairs in several] * 60
    with tempfile.TemporaryDirectory() as folder:
        source = Path(folder, "a.vcf")
        flags = {"A", "B.C"}
        head = "".join(
            f'##INFO=<ID={key},Number=.,Type={"Flag" if key in flags else "String"},Description="x">\n' for key in KEYS
        )
        lines = [
            f"1\t{place}\t.\tA\tG\t.\t{'PASS' if place % 7 else filters}\t{text}\n" for place, text in enumerate(texts)
        ]
        text = f"##fileformat=VCFv4.1\n{head}#CHROM\tPOS\tID\tREF\tALT\tQUAL\tFILTER\tINFO\n{''.join(lines)}"
        source.write_bytes(text.encode())
        vcf_to_parquet(source, Path(folder, "a.parquet"), text=True)
        table = pq.read_table(Path(folder, "a.parquet"))
    undeclared = set(table.column_names[7:]) - {*KEYS, "INFO_OTHER"}
    for row, text in zip(table.to_pylist(), texts, strict=True):
        found = reference_info(text)
        for key in KEYS:
            value = (key if found[key] is None else None) if key in flags and key in found else found.get(key)
            assert row[key] == (value or None)
        for key in undeclared & set(found):
            assert row[key] == (found[key] or None) or (found[key] is None and row[key] in (key, None))


@settings(max_examples=200, deadline=None)
@given(st.lists(infos, min_size=1, max_size=5))
def test_info_with_flags_and_undeclared_keys(several):
    reader = InfoReader(KEYS, flags=["A", "B.C"], only=True)
    for pairs in several * 2:
        text = info_text(pairs)
        found = reference_info(text)
        flags = {"A", "B.C"}
        wanted = [
            (key if found[key] is None else "") if key in flags and key in found else found.get(key) or ""
            for key in KEYS
        ]
        rest = {key: value for key, value in found.items() if key not in KEYS or (value is None) != (key in flags)}
        values = reader.match(text.encode())
        if values is None:
            values, others = reader.parse(text.encode())
            assert {item.decode() for item in others} == {
                key if value is None else f"{key}={value}" for key, value in rest.items()
            }
        else:
            assert not rest
        assert [value.decode() for value in values] == wanted


terms = st.sampled_from(["stop_gained", "missense_variant", "intron_variant", "splice_region_variant", "odd_term"])
names = ["Allele", "Consequence", "SYMBOL", "Feature", "MANE_SELECT", "CANONICAL", "SIFT", "Feature"]
blocks = st.fixed_dictionaries(
    {
        "Consequence": st.lists(terms, min_size=1, max_size=3).map("&".join),
        "SYMBOL": st.sampled_from(["G1", "G2", ""]),
        "Feature": st.text(alphabet="NM12._", max_size=5),
        "MANE_SELECT": st.sampled_from(["", "", "ENST1"]),
        "CANONICAL": st.sampled_from(["", "YES"]),
        "SIFT": st.sampled_from(["", "tolerated", "deleterious(0.01)"]),
    }
)


def reference_pick(found: list[dict], rule: str, genes: set[str]) -> dict:
    def rank(block):
        order = clinvar.CONSEQUENCES
        return min(order.index(term) if term in order else len(order) for term in block["Consequence"].split("&"))

    if rule == "first":
        return found[0]
    for name, field in (("mane", "MANE_SELECT"), ("canonical", "CANONICAL")):
        if rule == "severe" or (rule == "canonical" and name == "mane"):
            continue
        preferred = [block for block in found if block[field]]
        if preferred:
            if len({block["SYMBOL"] for block in preferred}) > 1:
                preferred = [block for block in preferred if block["SYMBOL"] in genes] or preferred
            return sorted(preferred, key=rank)[0]
    return sorted(found, key=rank)[0]


@settings(max_examples=300, deadline=None)
@given(
    st.lists(blocks, min_size=1, max_size=6),
    st.sampled_from(["first", "severe", "canonical", "mane"]),
    st.sampled_from(["", "G1:1", "G2:2|G1:1", "G3:3"]),
    st.integers(0, 2),
)
def test_csq(found, rule, geneinfo, cut):
    texts = ["|".join(["A", *(block.get(name, "") for name in names[1:-1]), "second"]) for block in found]
    texts = [text.rsplit("|", cut)[0] if cut == 1 else text for text in texts]  # shorter than the header
    picker = TranscriptPicker(Layout("CSQ", tuple(names)), rule)
    cells = picker.text(",".join(texts).encode(), geneinfo.encode()).split(b"|")
    chosen = reference_pick(found, rule, {gene.split(":")[0] for gene in geneinfo.split("|")} - {""})
    wanted = {**chosen, "Allele": "A", "SIFT": chosen["SIFT"].split("(")[0]}
    assert [cell.decode() for cell in cells] == [wanted.get(column, "") for column in VEP_COLUMNS]
    assert picker.rule in ("mane", "canonical", "severe", "first")


cells = st.one_of(
    st.integers(-(10**20), 10**20).map(str),
    st.floats(allow_nan=True).map(str),
    st.sampled_from(["", "01", "1.0", "1e5", "NA", "nan", "inf", "-0", "+1", " 1", "True"]),
    st.text(st.characters(exclude_characters="\t\n", exclude_categories=["Cs"]), max_size=6),
)


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(st.integers(2, 4).flatmap(lambda width: st.lists(st.lists(cells, min_size=width, max_size=width), max_size=8)))
def test_tsv(rows):
    """Every cell comes back as the text it was, whatever type its column got."""
    width = len(rows[0]) if rows else 2
    rows = [row for row in rows if any(row)]
    rows = [[*row[:-1], row[-1].rstrip("\r")] for row in rows]
    rows = [row for row in rows if any(row)]
    with tempfile.TemporaryDirectory() as folder:
        source = Path(folder, "a.tsv")
        lines = ["\t".join(f"c{place}" for place in range(width)), *("\t".join(row) for row in rows)]
        source.write_bytes("\n".join(lines).encode() + b"\n")
        report = tsv_to_parquet(source, Path(folder, "a.parquet"))
        table = pq.read_table(Path(folder, "a.parquet"))
    assert report["quarantined"] == 0
    found = [list(row) for row in rows]
    for place, column in enumerate(table.columns):
        if str(column.type) != "double":
            for row, value in zip(found, column.to_pylist(), strict=True):
                row[place] = "" if value is None else str(value)
    assert found == rows
    for place, column in enumerate(table.columns):
        if str(column.type) == "double":
            texts = [row[place] for row in rows if row[place]]
            assert [text.lower() for text in column.drop_null().cast("string").to_pylist()] == texts
