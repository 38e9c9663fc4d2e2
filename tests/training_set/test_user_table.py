"""Tables that people have: every spelling of missing, every separator, CLASS in words; what is refused, and how."""

from __future__ import annotations

import bz2
import gzip
import io
import lzma
import zipfile

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from genomicslearning import InputError
from genomicslearning.training_set import table_files, user_table
from genomicslearning.training_set.table import adopt_table, read_table

HEADER = "CHROM,POS,REF,ALT,CLASS,SYMBOL,Amino_acids,AF_EXAC"
ROWS = ["1,10,A,G,0,BRCA1,N/A,0.10020", "X,20,N,NA,1,{},{},{}"]


def table(path, text, **options) -> pd.DataFrame:
    path.write_text(text, encoding="utf-8", newline="")
    return read_table(path, **options)


@pytest.fixture
def expected(tmp_path):
    return table(tmp_path / "expected.csv", "\n".join([HEADER, ROWS[0], ROWS[1].format("", "", "")]) + "\n")


@pytest.mark.parametrize("spelling", ["", "nan", "NaN", "NA", "<NA>", "None", "null", "#N/A", '"NA"', '""'])
@pytest.mark.parametrize("separator", [",", "\t", ";"])
def test_missing_is_missing_however_it_is_spelled(tmp_path, expected, spelling, separator):
    text = "\n".join([HEADER, ROWS[0], ROWS[1].format(spelling, spelling, spelling)]).replace(",", separator)
    found = table(tmp_path / "t.txt", text)
    pd.testing.assert_frame_equal(found, expected)
    assert found.loc[0, "Amino_acids"] == "N/A"  # asparagine to alanine
    assert found.loc[1, ["REF", "ALT"]].tolist() == ["N", "NA"]  # bases
    assert found.loc[0, "AF_EXAC"] == "0.10020"


@pytest.mark.parametrize("spelling", user_table.MISSING)
def test_missing_in_parquet_and_in_requests(tmp_path, expected, spelling):
    frame = expected.astype({"POS": "int64", "CLASS": "int8"}).fillna(spelling)
    frame.to_parquet(tmp_path / "t.parquet")
    found = read_table(tmp_path / "t.parquet")
    pd.testing.assert_frame_equal(found.drop(columns="REF"), expected.drop(columns="REF"))
    assert user_table.is_missing("SYMBOL", spelling) and user_table.is_missing("REF", spelling) is (spelling == "")


@pytest.mark.parametrize(
    ("no", "yes"), [("0", "1"), ("0.0", "1.0"), ("False", "True"), ("FALSE", "TRUE"), ("false", "true"), (" 0", "1 ")]
)
def test_class_in_words(tmp_path, expected, no, yes):
    text = "\n".join(
        [HEADER, ROWS[0].replace(",0,BRCA1", f",{no},BRCA1"), ROWS[1].format("", "", "").replace(",1,", f",{yes},")]
    )
    pd.testing.assert_frame_equal(table(tmp_path / "t.csv", text), expected)


def test_class_and_position_as_pandas_writes_them(tmp_path, expected):
    expected.astype({"POS": float, "CLASS": bool}).to_parquet(tmp_path / "t.parquet")
    pd.testing.assert_frame_equal(read_table(tmp_path / "t.parquet"), expected)
    expected.astype({"POS": float, "CLASS": float}).to_csv(tmp_path / "t.csv", index=False)
    pd.testing.assert_frame_equal(read_table(tmp_path / "t.csv"), expected)


def test_a_byte_order_mark_and_crlf_are_no_text(tmp_path, expected):
    text = "\ufeff" + "\r\n".join([HEADER, ROWS[0], ROWS[1].format("", "", ""), ""])
    pd.testing.assert_frame_equal(table(tmp_path / "t.csv", text), expected)


@pytest.mark.parametrize(
    ("header", "message"),
    [
        (
            "chrom,pos,ref,alt,CLASS,gene",
            "the header says chrom where CHROM is meant, pos where POS is meant, ref where REF is meant, and 1 more "
            "alike; write the names exactly as the data dictionary does, capitals count",
        ),
        ("#CHROM,POS,REF,ALT,CLASS", "the header says #CHROM where CHROM is meant"),
        ("CHROM,POS,REF,ALT,class", "the header says class where CLASS is meant"),
        ("CHROM;POS;REF;ALT;CLASS;symbol", "the header says symbol where SYMBOL is meant"),
        ("CHROM,POS,REF,ALT,CLASS,POS", "names a column twice: POS"),
        ("CHROM,POS,REF,ALT" + ",A" * 200_000, "does not name CHROM, POS, REF, ALT"),
        ("a,b,c", "does not name CHROM, POS, REF, ALT, it is 'a,b,c'"),
        ("sep=;\r\nCHROM;POS;REF;ALT", "the first line is 'sep=;', Excel's; take it out"),
        ("CHROM\rPOS", "lone carriage return"),
        ("##fileformat=VCFv4.2", "is a VCF"),
    ],
)
def test_headers_that_are_refused(tmp_path, header, message):
    with pytest.raises(InputError) as caught:
        table(tmp_path / "t.csv", header + "\n1,2,A,G,1\n")
    said = str(caught.value)
    assert message in said and said.startswith(f"{tmp_path}/t.csv: ") and "\n" not in said


def test_a_column_of_ones_own_may_have_any_name_twice(tmp_path):
    found = table(tmp_path / "t.csv", "CHROM,POS,REF,ALT,Allele,ALLELE,note,note,\n1,2,A,G,G,x,y,z,\n", labelled=False)
    assert found.loc[0, "Allele"] == "G"


@pytest.mark.parametrize(
    ("row", "message"),
    [
        ("1;2;A;G;0;0,5", "row 1, column AF_EXAC: '0,5' has a decimal comma"),
        ("1;x;A;G;0;0.5", "row 1, column POS: 'x' is not a whole number"),
        ("1;2;A;G;0;0.5\n1;3;A;G;0;0,7", "row 2, column AF_EXAC: '0,7' has a decimal comma"),
        ("1;1e5;A;G;0;0.5", "row 1, column POS: '1e5' is not a whole number; write digits alone (in a spreadsheet"),
        ("1;٣;A;G;0;0.5", "column POS"),
        ("1;9999999999999999999;A;G;0;0.5", "row 1, column POS: '9999999999999999999' is not a whole number"),
        ("1;2.5;A;G;0;0.5", "row 1, column POS: '2.5' is not a whole number"),
        ("1;2;A;G;0;0.5\n1;;A;G;0;0.5", "row 2, column POS: empty"),
        ("1;2;A;G;0;0.5\n1;3;A;G;yes;0.5", "row 2: CLASS has the value yes"),
        ("1;2;A;G;0;0.5\n1;3;A;G;;0.5", "row 2: CLASS is missing"),
        ("1;2;A;G", "row 1: 4 cells where 6 were expected"),
        ("1;2;A;G;2;0.5", "row 1: CLASS has the value 2"),
        ("1;2;A;G;NA;0.5", "row 1: CLASS is missing"),
        ("r1;1;2;A;G;1;0.5", "row 1: 7 cells where 6 were expected; written by R with row names"),
        ("1;2;A;\x00;1;0.5", "NUL"),
    ],
)
def test_rows_that_are_refused(tmp_path, row, message):
    with pytest.raises(InputError) as caught:
        table(tmp_path / "t.csv", f"CHROM;POS;REF;ALT;CLASS;AF_EXAC\n{row}\n")
    said = str(caught.value)
    assert message in said and said.startswith(f"{tmp_path}/t.csv: ") and "\n" not in said


def zipped(entries: dict[str, bytes], **options) -> bytes:
    sink = io.BytesIO()
    with zipfile.ZipFile(sink, "w", **options) as archive:
        for name, content in entries.items():
            archive.writestr(name, content)
    return sink.getvalue()


TEXT = ("\n".join([HEADER, ROWS[0], ROWS[1].format("", "", "")]) + "\n").encode()


def encrypted() -> bytes:
    """A zip whose entry says that it is encrypted."""
    content = bytearray(zipped({"t.csv": TEXT}))
    content[6] |= 1
    content[content.rindex(b"PK\x01\x02") + 8] |= 1
    return bytes(content)


def unknown_method() -> bytes:
    content = bytearray(zipped({"t.csv": TEXT}))
    content[8] = content[content.rindex(b"PK\x01\x02") + 10] = 97
    return bytes(content)


FOREIGN = {
    "xlsx": (zipped({"[Content_Types].xml": b"", "xl/workbook.xml": b""}), "Excel workbook (.xlsx); in Excel, save"),
    "xls": (b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" + bytes(500), "Excel workbook (.xls)"),
    "ods": (zipped({"mimetype": b"x", "content.xml": b""}), "OpenDocument"),
    "bz2": (bz2.compress(TEXT), "bzip2"),
    "xz": (lzma.compress(TEXT), "compressed by xz"),
    "utf-16": (TEXT.decode().encode("utf-16"), "UTF-16"),
    "empty": (b"", "it is empty"),
    "empty zip": (zipped({}), "empty zip"),
    "two tables": (zipped({"a.csv": b"", "b.csv": b""}), "expected one .csv in the zip, found a.csv, b.csv"),
    "encrypted zip": (encrypted(), "cannot be unpacked (File 't.csv' is encrypted"),
    "unknown method": (unknown_method(), "cannot be unpacked"),
    "damaged bz2 in zip": (
        zipped({"t.csv": TEXT}, compression=zipfile.ZIP_BZIP2).replace(b"BZh91AY", b"BZh91AZ"), "cannot be unpacked"
    ),
    "cut zip": (zipped({"t.csv": TEXT})[:-30], "cannot be unpacked"),
    "cut gzip": (gzip.compress(TEXT * 50)[:-20], "cannot be unpacked"),
    "damaged gzip": (gzip.compress(TEXT)[:12] + b"\xff" * 40, "cannot be unpacked"),
    "cut parquet": (b"PAR1" + bytes(20), "parquet"),
    "short parquet": (b"PAR1", "cut off"),
}  # fmt: skip


@pytest.mark.parametrize("kind", FOREIGN)
@pytest.mark.parametrize("name", ["t.csv", "t.parquet"])
def test_what_is_no_table_is_named(tmp_path, kind, name):
    content, message = FOREIGN[kind]
    path = tmp_path / name
    path.write_bytes(content)
    with pytest.raises(InputError) as caught:
        read_table(path)
    said = str(caught.value)
    assert said.startswith(f"{path}: ") and "\n" not in said
    assert message in said or name == "t.parquet"


@pytest.mark.parametrize("name", ["t.csv", "t.txt", "t.parquet.gz", "t"])
@pytest.mark.parametrize("pack", [bytes, gzip.compress, lambda text: zipped({"t.tsv": text})])
def test_content_decides_not_the_name(tmp_path, expected, name, pack):
    (tmp_path / name).write_bytes(pack(TEXT))
    pd.testing.assert_frame_equal(read_table(tmp_path / name), expected)
    expected.to_parquet(tmp_path / "p")
    pd.testing.assert_frame_equal(read_table(tmp_path / "p"), expected)


def test_parquet_of_odd_types(tmp_path):
    site = {"CHROM": ["1"], "POS": [1], "REF": ["A"], "ALT": ["G"]}
    for name, cells in {"list": [["x"]], "struct": [{"a": 1}]}.items():
        pq.write_table(pa.table(site | {"SYMBOL": cells}), tmp_path / f"{name}.parquet")
        with pytest.raises(InputError, match="column SYMBOL: is .*; text or numbers are needed"):
            read_table(tmp_path / f"{name}.parquet", labelled=False)
    twice = pa.table([pa.array(["1"]), *map(pa.array, site.values())], names=["CHROM", *site])
    pq.write_table(twice, tmp_path / "twice.parquet")
    with pytest.raises(InputError, match="names a column twice: CHROM"):
        read_table(tmp_path / "twice.parquet", labelled=False)
    odd = {
        "SYMBOL": pa.array(["B"]).dictionary_encode(),
        "EXON": pa.array([3]),
        "SIFT": pa.nulls(1),
        "note": pa.array([["x"]]),
    }
    pq.write_table(pa.table(site | odd), tmp_path / "fine.parquet")
    found = read_table(tmp_path / "fine.parquet", labelled=False)
    assert found.loc[0, ["SYMBOL", "EXON"]].tolist() == ["B", "3"] and found["SIFT"].isna().all()


def test_bombs_are_refused_by_their_growth(tmp_path, monkeypatch):
    bomb = b"CHROM,POS,REF,ALT\n" + (b"1,1,A," + b"C" * 200 + b"\n") * 350_000
    for name, content in {
        "gz": gzip.compress(bomb),
        "zip": zipped({"t.csv": bomb}, compression=zipfile.ZIP_DEFLATED),
    }.items():
        (tmp_path / name).write_bytes(content)
        with pytest.raises(InputError, match="unpacks to more than 100 times its size; .* GENOMICSLEARNING_MAX_RATIO"):
            read_table(tmp_path / name, labelled=False)
    monkeypatch.setenv("GENOMICSLEARNING_MAX_TABLE_ROWS", "10")
    (tmp_path / "t.csv").write_bytes(bomb[:6000])
    with pytest.raises(
        InputError, match="more than 10 rows; the limit is 10; .* raise GENOMICSLEARNING_MAX_TABLE_ROWS"
    ):
        read_table(tmp_path / "t.csv", labelled=False)
    monkeypatch.setenv("GENOMICSLEARNING_MAX_ROW_MB", "1")
    (tmp_path / "t.csv").write_bytes(b"CHROM,POS,REF,ALT\n1,1,A," + b"C" * (3 << 20) + b"\n")
    with pytest.raises(InputError, match="longer than 1 MB"):
        read_table(tmp_path / "t.csv", labelled=False)
    monkeypatch.setenv("GENOMICSLEARNING_MAX_ROW_MB", "many")
    with pytest.raises(InputError, match="GENOMICSLEARNING_MAX_ROW_MB=many: is no whole number"):
        read_table(tmp_path / "t.csv", labelled=False)


def test_enough_rows_of_each_class(tmp_path):
    path = tmp_path / "t.tsv"
    path.write_text("CHROM\tPOS\tREF\tALT\tCLASS\n" + "1\t1\tA\tG\tTrue\n" * 3 + "1\t1\tA\tG\tFalse\n" * 9)
    labels = table_files.read_classes(path)
    assert labels.tolist() == [1] * 3 + [0] * 9
    table_files.check_enough(path, labels, 3)
    with pytest.raises(InputError, match="3 rows of CLASS 1, 5 are needed"):
        table_files.check_enough(path, labels, 5)
    with pytest.raises(InputError, match="every row has CLASS 0"):
        table_files.check_enough(path, labels[3:], 2)
    path.write_text("CHROM\tPOS\tREF\tALT\n1\t2\tA\tG\n")
    with pytest.raises(InputError, match="no column CLASS"):
        table_files.read_classes(path)


def test_a_class_that_a_split_leaves_out_is_counted(tmp_path):
    with pytest.raises(InputError, match="t.csv: after the split 0 rows of CLASS 1, 2 are needed"):
        table_files.check_enough("t.csv", np.zeros(9, np.int8), 2, "after the split ")


def test_rows_are_numbered_through_the_parts_of_a_table(tmp_path):
    site = {"CHROM": ["1", "1"], "POS": [1, 2], "REF": ["A", "A"], "ALT": ["G", "G"]}
    for name, classes in (("a", ["0", "1"]), ("b", ["0", "2"])):
        pq.write_table(pa.table(site | {"CLASS": classes}), tmp_path / f"{name}.parquet")
    with pytest.raises(InputError, match="row 4: CLASS has the value 2"):
        table_files.read_classes(tmp_path)


def test_a_table_may_have_as_many_rows_as_the_bound_says(tmp_path, monkeypatch):
    monkeypatch.setenv("GENOMICSLEARNING_MAX_TABLE_ROWS", "3")
    for rows in (3, 4):
        frame = pd.DataFrame({"CHROM": "1", "POS": range(rows), "REF": "A", "ALT": "G"})
        frame.to_csv(tmp_path / "t.csv", index=False)
        frame.to_parquet(tmp_path / "t.parquet")
        for name in ("t.csv", "t.parquet"):
            if rows == 3:
                assert read_table(tmp_path / name, labelled=False)["POS"].tolist() == [0, 1, 2]
            else:
                with pytest.raises(InputError, match=f"{name}: more than 3 rows; the limit is 3"):
                    read_table(tmp_path / name, labelled=False)


def test_a_parquet_file_is_as_large_as_its_row_groups_together(tmp_path, monkeypatch):
    site = {"CHROM": ["1", "1"], "POS": [1, 2], "REF": ["A", "A"], "ALT": ["G", "G"]}
    cells = {"SYMBOL": [letter * 700_000 for letter in "ab"]}
    pq.write_table(pa.table(site | cells), tmp_path / "t.parquet", row_group_size=1, use_dictionary=False)
    assert len(read_table(tmp_path / "t.parquet", labelled=False)) == 2
    monkeypatch.setenv("GENOMICSLEARNING_MAX_TABLE_MB", "1")
    with pytest.raises(InputError, match="more than 1 MB unpacked"):
        read_table(tmp_path / "t.parquet", labelled=False)


def test_a_footer_beyond_the_bound_is_not_parsed(tmp_path):
    (tmp_path / "t.parquet").write_bytes(b"PAR1" + bytes(40) + (17 << 20).to_bytes(4, "little") + b"PAR1")
    with pytest.raises(InputError, match="a parquet footer of 17 MB; the limit is 16"):
        read_table(tmp_path / "t.parquet", labelled=False)


def test_an_adopted_table_says_what_it_lacks(tmp_path):
    path = tmp_path / "t.csv"
    path.write_text("CHROM,POS,REF,ALT,CLASS,SYMBOL\n1,1,A,G,1,B\n1,1,A,C,0,B\n")
    [warning] = adopt_table(path, tmp_path / "out.parquet")["warnings"]
    assert (
        warning.startswith("t.csv: no column AF_ESP, AF_EXAC") and "SYMBOL" not in warning and "CADD_PHRED" in warning
    )


def test_a_line_break_in_a_cell_does_not_end_a_block():
    names = ["CHROM", "POS", "REF", "ALT", "SYMBOL"]
    body = b"".join(b'1,%d,A,G,"a\nb,\n%d"\n' % (row, row) for row in range(99))
    batches = list(user_table.TextTable(io.BytesIO(body), names, block_bytes=100))
    assert len(batches) > 9
    assert [cell for batch in batches for cell in batch["SYMBOL"].to_pylist()] == [f"a\nb,\n{row}" for row in range(99)]


CELLS = st.text(st.characters(codec="utf-8", exclude_characters="\0\r"), max_size=12)


@settings(max_examples=200, deadline=None)
@given(st.lists(st.tuples(CELLS, CELLS), min_size=1, max_size=8), st.sampled_from([",", "\t", ";"]))
def test_cells_come_back_as_they_were(cells, separator):
    """Against Python's own csv writer: any text in SYMBOL and CLNDN, quoted where needed."""
    import csv

    sink = io.StringIO()
    writer = csv.writer(sink, delimiter=separator, lineterminator="\n", quoting=csv.QUOTE_ALL)
    writer.writerow(["CHROM", "POS", "REF", "ALT", "SYMBOL", "CLNDN"])
    writer.writerows(["1", 7, "A", "G", *pair] for pair in cells)
    body = sink.getvalue().encode()
    names, found = user_table.read_header(body[: body.index(b"\n") + 1])
    assert found == separator
    rows = user_table.TextTable(io.BytesIO(body), names, separator=separator, has_header=True).read_all()
    for place, name in enumerate(("SYMBOL", "CLNDN")):
        wanted = [None if user_table.is_missing(name, pair[place]) else pair[place] for pair in cells]
        assert rows[name].to_pylist() == wanted
