"""Records as most are, read by one expression, and the same records read field by field: the same rows and account."""

from __future__ import annotations

from hypothesis import given, settings
from hypothesis import strategies as st
from vcf_files import AGREE, CONFLICT

from genomicslearning.training_set.frequencies import Frequencies
from genomicslearning.training_set.rows import RowMaker
from genomicslearning.training_set.table import VEP_COLUMNS
from genomicslearning.training_set.transcripts import Layout, TranscriptPicker
from genomicslearning.training_set.usual import SELF_CLASSIFIED

FIELDS = ("Allele", "Consequence", "SYMBOL", "Feature", "MANE_SELECT", "SIFT")
VALUES = {
    "AF_ESP": ["0.1", ".", "0.1,0.2"],
    "AF_EXAC": ["0", ""],
    "CLNDISDB": ["MedGen:C1,OMIM:2", ".", "a\tb"],
    "CLNDISDBINCL": ["."],
    "CLNDN": ["x", 'a"b', "a,b", "a\rb", "ß", "%3B"],
    "CLNREVSTAT": [AGREE[11:], CONFLICT[11:], "criteria_provided,_single_submitter", ".", ""],
    "CLNSIGCONF": ["Benign(1)|Pathogenic(2)", "."],
    "XCLNREVSTAT": [AGREE[11:]],
    "GENEINFO": ["G1:1", "G2:2|G1:1"],
    "CSQ": [
        "G|stop_gained|G1|T1||", "G|stop_gained|G1|T1||,G|intron_variant|G2|T2|NM_1|tolerated(0.1)",
        "G|stop_gained|G1|T1||,T|intron_variant|G2|T2||", "G|stop_gained", ".", "G|sto,p|G1|T1||(",
    ],
    "FLAG": [None], "SSR": ["0"], "CLNVI": [None, "a:1"],
}  # fmt: skip
items = st.sampled_from(list(VALUES)).flatmap(
    lambda key: st.sampled_from(VALUES[key]).map(lambda value: key if value is None else f"{key}={value}")
)
infos = st.one_of(
    st.lists(items, max_size=9).map(";".join),
    st.permutations(sorted(VALUES)).flatmap(
        lambda keys: st.tuples(*(st.sampled_from(VALUES[key]) for key in keys)).map(
            lambda values: ";".join(
                key if value is None else f"{key}={value}" for key, value in zip(keys, values, strict=True)
            )
        )
    ),
    st.tuples(*(st.sampled_from(VALUES[key]) for key in sorted(VALUES))).map(
        lambda values: ";".join(
            key if value is None else f"{key}={value}" for key, value in zip(sorted(VALUES), values, strict=True)
        )
    ),
)
lines = st.builds(
    lambda *fields: "\t".join(fields).encode(),
    st.sampled_from(["1", "chrX", "a,b", "", 'q"']),
    st.sampled_from(["5", "0005", "5" * 19, "x", "٥"]),
    st.sampled_from([".", "11", "rs1"]),
    st.sampled_from(["A", "AG", "", "N,N"]),
    st.sampled_from(["G", "g", "G,T", "<DEL>", ".", "*", "Ä"]),
    st.just("."),
    st.sampled_from([".", "PASS", ""]),
    infos,
)


def made(records: list[bytes], *, usual: bool, as_csv: bool, pick: str) -> tuple:
    maker = RowMaker(
        path="a.vcf", layout=Layout("CSQ", FIELDS), pick=pick, as_csv=as_csv, frequencies=Frequencies(FIELDS)
    )
    if not usual:
        maker._usual = None
    rows: list[bytes] = []
    malformed: list[bytes] = []
    for start in range(0, len(records), 4):
        batch = records[start : start + 4]
        maker.make(batch, [SELF_CLASSIFIED] * len(batch), start + 1, rows, malformed)
    account = maker.finish()
    maker.ledger.settle(account)
    return rows, malformed, account.as_dict()


@settings(max_examples=300, deadline=None)
@given(st.lists(lines, min_size=1, max_size=24), st.booleans(), st.sampled_from(["mane", "first"]))
def test_one_expression_and_field_by_field(records, as_csv, pick):
    given_ = {"as_csv": as_csv, "pick": pick}
    assert made(records, usual=True, **given_) == made(records, usual=False, **given_)


def test_the_usual_record_is_read_by_the_one_expression():
    """Else the property above would hold of nothing."""
    line = f"1\t5\t11\tA\tG\t.\t.\tCLNDN=a,b;{AGREE};CSQ=G|stop_gained|G1|T1||".encode()
    maker = RowMaker(path="a.vcf", layout=Layout("CSQ", FIELDS), as_csv=True)
    maker._self_classified = None  # what reads field by field
    rows: list[bytes] = []
    maker.make([line], [SELF_CLASSIFIED], 1, rows, [], plain=True)
    [row] = rows
    assert row.startswith(b'1,5,A,G,0,0,0,,,"a,b",') and b",0,G,stop_gained," in row


def test_a_status_at_the_end_of_a_line_is_taken_whole():
    lines = [f"1\t5\t.\tA\tG\t.\t.\tCLNREVSTAT={status}".encode() for status in ("odd", "odd;CLNDN=x", "odder", "od")]
    maker = RowMaker(path="a.vcf")
    for first in (1, 5):  # what was left out before is told by a look
        maker.make(lines, [SELF_CLASSIFIED] * 4, first, [], [])
    assert maker.account.dropped == {"review_status:odd": 4, "review_status:odder": 2, "review_status:od": 2}


blocks = st.lists(st.text(alphabet="ab(&.-", max_size=4), min_size=0, max_size=12)


@settings(max_examples=300, deadline=None)
@given(st.permutations(["Consequence", *VEP_COLUMNS[2:9], "SIFT", "other", "PICK", "polyphen"]), blocks)
def test_cells_of_any_format(fields, cells):
    """Runs of fields against a plain dictionary, whatever the order and however short the block."""
    cells = cells[: len(fields)]
    picker = TranscriptPicker(Layout("CSQ", tuple(fields)), "first")
    block = "|".join(cells)
    found = picker.text(block.encode(), b"").decode().split("|")
    padded = dict(zip(map(str.lower, fields), [*cells, *[""] * len(fields)], strict=False))
    wanted = [padded.get(column.lower(), "") if block else "" for column in VEP_COLUMNS]
    for scored in ("SIFT", "PolyPhen"):
        place = VEP_COLUMNS.index(scored)
        wanted[place] = wanted[place].partition("(")[0]
    assert found == (wanted if block != "." else [""] * len(VEP_COLUMNS))
