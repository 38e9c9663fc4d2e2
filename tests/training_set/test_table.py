"""Tables that people have: reading them, and writing them again."""

from __future__ import annotations

import gzip

import pandas as pd
import pytest

from genomicslearning import InputError
from genomicslearning.training_set import table as table_module
from genomicslearning.training_set.table import COLUMNS, read_table, write_table_csv


def test_tables_round_trip(labelled_table, tmp_path):
    part = labelled_table.head(3000)
    write_table_csv(part, tmp_path / "t.csv")
    (tmp_path / "t.csv.gz").write_bytes(gzip.compress((tmp_path / "t.csv").read_bytes()))
    part.assign(GENEINFO="A:1").to_parquet(tmp_path / "t.parquet")
    for name in ("t.csv", "t.csv.gz"):
        pd.testing.assert_frame_equal(read_table(tmp_path / name), part)
    table = read_table(tmp_path / "t.parquet")
    assert table.columns[-1] == "GENEINFO"
    pd.testing.assert_frame_equal(table[list(COLUMNS)], part)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("CHROM,POS,REF,ALT\n1,2,A,G\n", "no column CLASS"),
        ("CHROM,POS,REF,ALT,CLASS\n1,2,A,G,1\n", "every row has CLASS 1"),
        ("CHROM,POS,REF,ALT,CLASS\n1,2,A,G,1\n1,2,A,G,2\n", "CLASS has the value 2"),
        ("CHROM,POS,REF,ALT,CLASS\n1,x,A,G,1\n", "column POS"),
        ("CHROM,POS,REF,ALT,CLASS\n1,2,A,G,\n1,2,A,G,1\n", "CLASS is missing"),
        ("CHROM,POS,REF,ALT,CLASS\n", "no rows"),
        ("", "not a table"),
        ("a,b\n1,2,3\n", "does not name CHROM, POS, REF, ALT"),
    ],
)
def test_bad_tables(tmp_path, text, message):
    path = tmp_path / "t.csv"
    path.write_text(text)
    with pytest.raises(InputError, match=message) as caught:
        read_table(path)
    assert "t.csv" in str(caught.value) and "\n" not in str(caught.value)


def test_unlabelled_table(tmp_path):
    path = tmp_path / "t.csv"
    path.write_text("ALT,CHROM,POS,REF,extra\nG,1,2,A,x\n")
    table = read_table(path, labelled=False)
    assert list(table.columns) == [column for column in COLUMNS if column != "CLASS"]
    assert table.loc[0, ["CHROM", "REF", "ALT"]].tolist() == ["1", "A", "G"]
    assert table["SYMBOL"].isna().all()


def test_a_table_is_written_in_pieces_with_cells_as_they_are(tmp_path, monkeypatch):
    monkeypatch.setattr(table_module, "_PIECE", 2)
    rows = "".join(f"1,{row},A,G,{row % 2},-{row},=x\n" for row in range(5))
    (tmp_path / "t.csv").write_text("CHROM,POS,REF,ALT,CLASS,CADD_RAW,SYMBOL\n" + rows)
    found = read_table(tmp_path / "t.csv")
    write_table_csv(found, tmp_path / "again.csv")
    pd.testing.assert_frame_equal(read_table(tmp_path / "again.csv"), found)
    assert found["CADD_RAW"].tolist() == ["-0", "-1", "-2", "-3", "-4"] and set(found["SYMBOL"]) == {"=x"}


def test_the_gene_of_a_row_is_veps_else_clinvars_first():
    table = pd.DataFrame({"SYMBOL": ["A", None, None], "GENEINFO": ["B:1", "B:1|C:2", None]}, dtype="str")
    assert table_module.gene_symbols(table).fillna("-").tolist() == ["A", "B", "-"]
