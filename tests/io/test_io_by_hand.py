"""Texts, tables, archives, accounts and folders by value: one decision each."""

from __future__ import annotations

import csv
import gzip
import io
import zipfile

import pyarrow as pa
import pytest

from genomicslearning import InputError
from genomicslearning.io import archives, lake, limits, text
from genomicslearning.io.accounting import Account, check_malformed
from genomicslearning.io.lines import LineFile
from genomicslearning.io.separated import csv_lines, table_of, text_table
from genomicslearning.io.vcf import InfoReader, header_fields, parse_info, problem

CELLS = [
    "x", "", "a,b", 'say "hi"', "two\nlines", "return\r", "=1", "+1", "-1", "@x", "\t1", "\r1", "\n1",
    "＝1", "＋1", "－1", "＠1", "'=1", "''\n", "'quoted'", "'", "1=1",
]  # fmt: skip


def test_cells_of_a_csv_come_back_and_are_no_formula():
    table = pa.table({"a": CELLS, "n": list(range(len(CELLS))), "f": [0.1, *[None] * (len(CELLS) - 1)]})
    for safe in (False, True):
        written = csv_lines(table, formula_safe=safe).decode()
        rows = list(csv.reader(io.StringIO(written, newline="")))
        assert [row[0] for row in rows] == [text.formula_safe(cell) if safe else cell for cell in CELLS]
        assert [row[1:] for row in rows[:2]] == [["0", "0.1"], ["1", ""]]
    assert csv_lines(pa.table({"a": ["x", "a,b", "c\rd", 'e"']}), formula_safe=True) == b'x\n"a,b"\n"c\rd"\n"e"""\n'


def test_cells_of_separated_text_are_as_they_stand():
    schema = pa.schema([("a", pa.string()), ("n", pa.int64())])
    for cell in ("x\r", '"x"', "\\", "NaN"):
        assert table_of(schema, f"{cell}\t7\n\t8\nz\t".encode()).to_pydict() == {
            "a": [cell, None, "z"],
            "n": [7, 8, None],
        }
    one = pa.schema([("a", pa.string())])
    assert text_table(one, [b"x", b"", b"y"])["a"].to_pylist() == ["x", None, "y"]
    assert text_table(one, []).num_rows == 0


@pytest.mark.parametrize("value", ["0", "-1", "1.5", "many", "٣"])
def test_a_bound_is_a_number_above_nothing(monkeypatch, value):
    monkeypatch.setenv("GENOMICSLEARNING_MAX_ROW_MB", value)
    with pytest.raises(InputError, match=f"GENOMICSLEARNING_MAX_ROW_MB={value}: is no whole number above 0"):
        limits.limit("ROW_MB")
    monkeypatch.setenv("GENOMICSLEARNING_MAX_ROW_MB", "1")
    assert limits.limit("ROW_MB") == 1
    monkeypatch.setenv("GENOMICSLEARNING_MAX_ROW_MB", "")
    assert limits.limit("ROW_MB") == 16


def unpacked(content: bytes) -> bytes:
    with archives.open_text("t", content[:8], io.BytesIO(content)) as opened:
        return opened.read()


@pytest.mark.parametrize("pack", [bytes, gzip.compress])
def test_the_place_of_a_nul_character_is_told(pack):
    for place in (0, 3, (1 << 20) + 5):
        with pytest.raises(InputError, match=rf"^t: byte {place + 1:,} is a NUL character"):
            unpacked(pack(b"x" * place + b"\0y"))


def test_what_macos_adds_to_a_zip_is_no_table():
    sink = io.BytesIO()
    with zipfile.ZipFile(sink, "w") as archive:
        archive.writestr("__MACOSX/._t.csv", b"\0\5\x16\7")
        archive.writestr("folder/T.CSV", b"a\n1\n")
        archive.writestr("readme.md", b"no table")
    assert unpacked(sink.getvalue()) == b"a\n1\n"


def test_text_beyond_the_bound_is_refused(monkeypatch):
    monkeypatch.setenv("GENOMICSLEARNING_MAX_TABLE_MB", "1")
    whole = b"x" * (1 << 20)
    assert unpacked(whole) == unpacked(gzip.compress(whole)) == whole
    for content in (whole + b"x", gzip.compress(whole + b"x")):
        with pytest.raises(InputError, match="more than 1 MB of text; the limit is 1"):
            unpacked(content)


class Pipe(io.BytesIO):
    def seekable(self) -> bool:
        return False


def test_a_pipe_that_is_copied_has_a_bound():
    assert archives.seekable(Pipe(b"x" * 5), 5).read() == b"x" * 5
    with pytest.raises(InputError, match="standard input: more than"):
        archives.seekable(Pipe(b"x" * 6), 5)


def test_parts_of_a_folder_are_those_that_are_no_notes(tmp_path):
    for name in ("b.parquet", "a.parquet", ".a.parquet.crc", ".c.parquet", "_metadata.parquet", "_SUCCESS", "d.csv"):
        (tmp_path / name).write_text("")
    assert lake.parts(tmp_path, ".parquet") == [f"{tmp_path}/a.parquet", f"{tmp_path}/b.parquet"]
    assert lake.parts(tmp_path / "none", ".parquet") == []


def test_json_beyond_the_bound_is_refused(tmp_path, monkeypatch):
    monkeypatch.setenv("GENOMICSLEARNING_MAX_MANIFEST_MB", "1")
    path = tmp_path / "m.json"
    path.write_text('{"a": 1}' + " " * ((1 << 20) - 8))
    assert lake.read_json(path, "manifest") == {"a": 1}
    path.write_text('{"a": 1}' + " " * ((1 << 20) - 7))
    with pytest.raises(InputError, match="more than 1 MB, no manifest"):
        lake.read_json(path, "manifest")


@pytest.mark.parametrize(
    ("read", "malformed", "fine"),
    [(10_000, 10, True), (11_000, 11, True), (10_999, 11, False), (10, 0, True), (0, 0, True), (1, 1, False),
     (12, 10, True), (10, 10, False)],
)  # fmt: skip
def test_how_many_malformed_records_a_file_may_have(read, malformed, fine):
    if fine:
        check_malformed("a.vcf", read, malformed, "why")
    else:
        with pytest.raises(InputError, match=f"why; {malformed} of {read:,} records of a.vcf are malformed"):
            check_malformed("a.vcf", read, malformed, "why")


def test_rows_of_one_kind_are_counted_at_once():
    account = Account()
    kind = {"label": 1, "conflict": b"P/LP vs VUS", "submissions": (2, 3, 0), "rule": "mane", "by_gene": True}
    account.count_rows(kind | {"strange": True}, 5)
    account.count_rows(kind | {"strange": False, "by_gene": False, "label": 0}, 5)
    assert account.report() | {
        "rows_written": 10, "classes": {"0": 5, "1": 5}, "conflicts": {"P/LP vs VUS": 5},
        "conflict_submissions": {"P/LP": 10, "VUS": 15, "B/LB": 0}, "pick": {"mane": 10}, "pick_by_gene": 5,
    } == account.report()  # fmt: skip
    assert account.strange == 5  # half of them
    account.check("a.vcf", "CSQ")
    account.count_rows(kind | {"strange": True}, 1)
    with pytest.raises(InputError, match="6 of 11 rows have none of Ensembl's terms"):
        account.check("a.vcf", "CSQ")


def test_accounts_of_parts_add_up_and_the_first_problem_stays():
    whole, part = Account(), Account()
    for account, problem_ in ((part, "first"), (Account(), "second")):
        account.read, account.written, account.first_problem = 3, 2, problem_
        account.dropped["x"] = 1
        whole.merge(account.as_dict())
    assert (whole.read, whole.written, whole.first_problem, whole.dropped) == (6, 4, "first", {"x": 2})
    whole.count_repeated(5, 1)
    assert (whole.written, whole.repeated_variants, whole.dropped["repeated_record"]) == (3, 5, 1)


@pytest.mark.parametrize("status", ["5", "mult", "no_criteria", "single|5", "255,mult"])
def test_codes_of_old_releases_are_no_review_status(status):
    with pytest.raises(InputError, match="CLNREVSTAT is a code"):
        Account().drop_status(status.encode(), "a.vcf")
    account = Account()
    account.drop_status(b"practice_guideline", "a.vcf", 3)
    assert account.dropped == {"review_status:practice_guideline": 3}


@pytest.mark.parametrize(
    ("line", "why"),
    [
        (b"1\t5\t.\tA\tG\t.\t.\t.", None),
        (b"1\t5\t.\tA\tG\t.\t.", "has 7 columns, a VCF record has at least 8"),
        (b"1\t5\t.\tA\tG\t.\t.\t.\tGT", "has 9 columns, its header names 8"),
        (b"1\t" + b"9" * 18 + b"\t.\tA\tG\t.\t.\t.", None),
        (b"1\t" + b"9" * 19 + b"\t.\tA\tG\t.\t.\t.", "POS has 19 digits, more than a genome"),
        (b"1\t5\t.\t\tG\t.\t.\t.", "REF is empty"),
        (b"1\t5\t.\tA\tG\t.\t.\tx\xff", "is not UTF-8 at byte 16"),
    ],
)
def test_why_a_line_is_no_record(line, why):
    assert problem(line, 8) == why


def test_values_of_info():
    assert parse_info(b"A=1;B;;A=2;C=") == ({b"A": b"2", b"B": None, b"C": b""}, True)
    assert parse_info(b"A=1;B") == ({b"A": b"1", b"B": None}, False)
    assert parse_info(b".") == ({}, False)
    reader = InfoReader(["A", "B"], flags=["B"], dots=["A"])
    assert list(reader.values(b"X=.;A=.;B")) == [b"", b"B"]
    assert reader.parse(b"X=.;A=.;B")[1] == [b"X=."]
    assert list(reader.values(b"B=1;A=1;A=2")) == [b"2", b""]
    assert reader.repeated == 1
    assert list(InfoReader(["A"]).values(b"X=1;A=.")) == [b"."]


def test_of_a_repeated_header_field_the_first_counts():
    line = r'##INFO=<ID=A,ID=B,Description="a \"b\" \\ c",Number=1>'
    assert header_fields(line) == {"ID": "A", "Description": r'a "b" \ c', "Number": "1"}


def test_line_ends_of_either_kind_and_none_at_the_end(tmp_path):
    (tmp_path / "t").write_bytes(b"a\r\nb\n\r\nc\rd\r\ne\r")
    with LineFile(tmp_path / "t") as file:
        assert [line for batch in file.batches() for line in batch] == [b"a", b"b", b"", b"c\rd", b"e"]
        assert file.line == 5
