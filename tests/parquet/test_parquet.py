"""VCF and TSV to parquet: types, what does not fit them, every record of the real files."""

from __future__ import annotations

import gzip
import os
import threading

import pyarrow.parquet as pq
import pytest
from vcf_files import write

from genomicslearning import InputError
from genomicslearning.io.lines import LineFile, unique_names
from genomicslearning.parquet import vcf
from genomicslearning.parquet.tsv import tsv_to_parquet
from genomicslearning.parquet.vcf import vcf_to_parquet

TYPED = """##INFO=<ID=DP,Number=1,Type=Integer,Description="x">
##INFO=<ID=AC,Number=A,Type=Integer,Description="x">
##INFO=<ID=AF,Number=A,Type=Float,Description="x">
##INFO=<ID=Q,Number=1,Type=Float,Description="x">
##INFO=<ID=DB,Number=0,Type=Flag,Description="x">
##INFO=<ID=ID,Number=1,Type=String,Description="x">"""


def records(path) -> list[dict]:
    """Rows without their empty cells."""
    rows = pq.read_table(path).to_pylist()
    return [{name: value for name, value in row.items() if value is not None} for row in rows]


def test_cells_by_the_header_s_types(tmp_path):
    source = write(
        tmp_path / "a.vcf",
        [
            "1 5 rs1 A G,T 29.5 PASS DP=7;AC=1,2;AF=0.5,.;Q=1e-3;DB;ID=x=y",
            "1 6 . A . . . .",
            "1 7 . A <DEL> . q DP=seven;AC=1,x;DB=1;NEW=3;DP2",
        ],
        extra=TYPED,
    )
    report = vcf_to_parquet(source, tmp_path / "a.parquet")
    first, second, third = records(tmp_path / "a.parquet")
    assert first == {
        "CHROM": "1", "POS": 5, "ID": "rs1", "REF": "A", "ALT": "G,T", "QUAL": 29.5, "FILTER": "PASS",
        "DP": 7, "AC": [1, 2], "AF": [0.5, None], "Q": 0.001, "DB": True, "ID_2": "x=y", "DP2": False,
    }  # fmt: skip
    assert second == {"CHROM": "1", "POS": 6, "REF": "A", "DB": False, "DP2": False}
    assert sorted(third.pop("INFO_OTHER").split(";")) == ["AC=1,x", "DB=1", "DP=seven"]
    assert third == {
        "CHROM": "1", "POS": 7, "REF": "A", "ALT": "<DEL>", "FILTER": "q", "DB": False, "DP2": True, "NEW": "3",
    }  # fmt: skip
    assert (report["records_written"], report["untyped_values"]) == (3, 2)
    assert report["undeclared_keys"] == ["DP2", "NEW"]


@pytest.mark.parametrize("bad", [[], ["1 x . A G . PASS DP=1", "1 5 . A", f"1 {'9' * 19} . A G . PASS DP=1", ""]])
def test_records_unlike_their_neighbours(tmp_path, bad):
    """After 300 alike, which are read together, each way to be different: every cell as if there were no others."""
    alike = [f"1 {place} rs{place} A G . PASS DP={place};DB;ID=v{place}" for place in range(1, 301)]
    odd = {
        "1 301 . A G . PASS ID=x;DP=5": {"POS": 301, "DP": 5, "ID_2": "x", "DB": False},  # another order
        "1 302 . A G . q10;s50 DP=6": {"POS": 302, "FILTER": "q10;s50", "DP": 6, "DB": False},
        "1 303 . A G . PASS DP=1;DP=2;DB": {"POS": 303, "DP": 2, "DB": True},
        "1 304 . A G . PASS DP=;ID=.": {"POS": 304, "DB": False},
        "1 305 . A G . PASS .": {"POS": 305, "DB": False},
        "1 306 . A G . PASS DP=3;;ID=ü;": {"POS": 306, "DP": 3, "ID_2": "ü", "DB": False},
        "1 307 . A G . PASS DPX=1;DB": {"POS": 307, "DB": True, "DPX": "1"},
        "1 308 . A G . PASS DP=9;ID=a=b|c,d%3B": {"POS": 308, "DP": 9, "ID_2": "a=b|c,d%3B", "DB": False},
        "1 309 . A G . PASS DB=1;ID": {"POS": 309, "DB": False, "INFO_OTHER": "DB=1;ID"},
    }
    lines = [line for number, other in enumerate(odd) for line in (*alike[number * 30 :][:30], other)] + alike[270:]
    source = write(tmp_path / "a.vcf", [*alike, *lines, *bad, *lines], extra=TYPED)
    report = vcf_to_parquet(source, tmp_path / "a.parquet")
    malformed = sum(map(bool, bad))
    assert (report["records_written"], report["quarantined"], report["repeated_keys"]) == (300 + 2 * 309, malformed, 2)
    rows = records(tmp_path / "a.parquet")
    assert len(rows) == 300 + 2 * 309
    wanted = {row["POS"]: {"CHROM": "1", "REF": "A", "ALT": "G", "FILTER": "PASS", **row} for row in odd.values()}
    for row in rows:
        place = row["POS"]
        expected = wanted.get(place) or {
            "CHROM": "1", "POS": place, "ID": f"rs{place}", "REF": "A", "ALT": "G", "FILTER": "PASS", "DP": place,
            "ID_2": f"v{place}", "DB": True,
        }  # fmt: skip
        assert row == expected


def test_text_keeps_cells(tmp_path):
    source = write(tmp_path / "a.vcf", ["1 007 . A G . . DP=07;AF=0.10;DB"], extra=TYPED)
    vcf_to_parquet(source, tmp_path / "a.parquet", text=True)
    [row] = records(tmp_path / "a.parquet")
    assert (row["POS"], row["ID"], row["DP"], row["AF"], row["DB"]) == ("007", ".", "07", "0.10", "DB")


def test_all_transcripts_and_samples(tmp_path):
    source = write(
        tmp_path / "a.vcf",
        ["1 5 . A G . . CSQ=G|x|1,G|y", "1 6 . A G . . DP=1", "1 x . A G . . DP=1"],
        csq=["Allele", "Consequence", "Allele"],
    )
    report = vcf_to_parquet(source, tmp_path / "a.parquet")
    first, second = pq.read_table(tmp_path / "a.parquet")["CSQ"].to_pylist()
    assert first == [
        {"Allele": "G", "Consequence": "x", "Allele_2": "1"},
        {"Allele": "G", "Consequence": "y", "Allele_2": None},
    ]
    assert second is None
    assert report["quarantined"] == 1
    with pytest.raises(InputError, match="POS is not an integer"):
        vcf_to_parquet(source, tmp_path / "a.parquet", strict=True)


@pytest.mark.parametrize("value", [",", "G||,", ",G||", "G||,,T||"])
def test_an_empty_csq_block_is_a_block_without_cells(tmp_path, value):
    """Also where every other block of the group fits the header, as Arrow skips empty lines."""
    csq = ["Allele", "Consequence", "IMPACT"]
    source = write(tmp_path / "a.vcf", ["1 4 . A G . . DP=1", f"1 5 . A G . . CSQ={value}"], csq=csq)
    vcf_to_parquet(source, tmp_path / "a.parquet")
    _, blocks = pq.read_table(tmp_path / "a.parquet")["CSQ"].to_pylist()
    assert [block["Allele"] or "" for block in blocks] == [block.partition("|")[0] for block in value.split(",")]
    assert all(block[name] is None for block in blocks for name in csq[1:])


def test_a_pipe_is_read_by_who_can_be_interrupted(tmp_path, monkeypatch):
    """A thread that waits for a pipe would have to be waited for."""
    readers = []
    read = LineFile._read
    monkeypatch.setattr(LineFile, "_read", lambda self: readers.append(threading.current_thread()) or read(self))
    source = write(tmp_path / "a.vcf", ["1 5 . A G . . DP=1"])
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    writer = threading.Thread(target=lambda: pipe.write_bytes(source.read_bytes()))
    writer.start()
    vcf_to_parquet(pipe, tmp_path / "a.parquet")
    writer.join()
    assert set(readers) == {threading.main_thread()}


def test_a_csq_block_of_another_header(tmp_path):
    lines = ["1 5 . A G . . CSQ=G|x", "1 x . A G . . CSQ=G|x", "1 6 . A G . . DP=1", "1 7 . A G . . CSQ=G|x|1,G|x|1|2"]
    source = write(tmp_path / "a.vcf", lines, csq=["Allele", "Consequence", "IMPACT"])
    header = source.read_text().index("#CHROM")
    line = source.read_text()[:header].count("\n") + 5
    with pytest.raises(InputError, match=rf"a\.vcf:{line}: a CSQ block has 4 fields, the header's Format names 3"):
        vcf_to_parquet(source, tmp_path / "a.parquet")
    assert not list(tmp_path.glob("a.parquet*"))


@pytest.mark.parametrize("text", [False, True])
def test_every_annotated_record_is_kept(annotated_files, tmp_path, text):
    for source, count in annotated_files.items():
        report = vcf_to_parquet(source, tmp_path / "a.parquet", text=text)
        assert (report["records_written"], report["untyped_values"]) == (count, 0)
        assert pq.read_table(tmp_path / "a.parquet").num_rows == count


@pytest.mark.parametrize("text", [False, True])
def test_every_real_record_is_kept(shared_data, tmp_path, text):
    counts = {
        "awkward/breakends.vcf": 3,
        "awkward/multiallele.vcf": 1,
        "awkward/testMT.vcf.gz": 1,
        "awkward/test_grch38_symbolic_alt.vcf": 2,
        "awkward/weird_info_and_missing_format.vcf": 6,
        "clinvar_2026/clinvar_20260226_GRCh38_excerpt.vcf.gz": 69_302,
    }
    for name, count in counts.items():
        report = vcf_to_parquet(shared_data / name, tmp_path / "a.parquet", text=text)
        table = pq.read_table(tmp_path / "a.parquet")
        assert (report["records_written"], table.num_rows, report["untyped_values"]) == (count, count, 0), name
    with pytest.raises(InputError, match="not a VCF"):
        vcf_to_parquet(shared_data / "awkward" / "windows.vcf", tmp_path / "b.parquet", text=text)


def test_blocks_and_text_come_back(annotated_files, modern_release, tmp_path):
    source = list(annotated_files)[-1]
    vcf_to_parquet(source, tmp_path / "a.parquet")
    with gzip.open(source, "rt") as file:
        wanted = [line.rstrip("\n").split("CSQ=")[1].split(";")[0] for line in file if not line.startswith("#")]
    found = [
        ",".join("|".join(value or "" for value in block.values()) for block in blocks)
        for blocks in pq.read_table(tmp_path / "a.parquet")["CSQ"].to_pylist()
    ]
    # VEP cuts empty fields off the end in some versions, the synthetic sample too.
    assert [blocks.rstrip("|") for blocks in found] == [blocks.rstrip("|") for blocks in wanted]
    vcf_to_parquet(modern_release, tmp_path / "a.parquet", text=True)
    with gzip.open(modern_release, "rt", newline="\n") as file:
        lines = [line.rstrip("\r\n").split("\t") for line in file if not line.startswith("#")]
    table = pq.read_table(tmp_path / "a.parquet")
    names = [name for name in table.column_names[7:] if name != "INFO_OTHER"]
    for row, fields in zip(table.to_pylist(), lines, strict=True):
        items = dict((*item.split("=", 1), item)[:2] for item in fields[7].split(";") if item != ".")
        assert {name: row[name] for name in names if row[name] is not None} == items
        assert [row[name] for name in ("CHROM", "POS", "ID", "REF", "ALT")] == fields[:5]


def test_tsv_awkward(tmp_path):
    source = tmp_path / "a.tsv"
    big = "x" * 200_000
    source.write_bytes(
        (
            "\ufeffa\ta\t\tn\tf\tnan\t\r\n"
            f'1\t01\t"x\t5\t0.5\tnan\r\n2\t2\ty"\t\t1.25\t1\r\n3\tragged\r\n4\t4\t{big}\t-7\t3.0\tinf\r\n\r\n'
        ).encode()
    )
    report = tsv_to_parquet(source, tmp_path / "a.parquet")
    table = pq.read_table(tmp_path / "a.parquet")
    assert {name: str(kind) for name, kind in zip(table.column_names, table.schema.types, strict=True)} == {
        "a": "int64", "a_2": "string", "column_3": "string", "n": "int64", "f": "string", "nan": "string",
    }  # fmt: skip
    assert table["n"].to_pylist() == [5, None, -7]
    assert table["column_3"].to_pylist() == ['"x', 'y"', big]
    assert table["f"].to_pylist() == ["0.5", "1.25", "3.0"] or table["f"].to_pylist() == [0.5, 1.25, 3.0]
    assert (report["records_read"], report["quarantined"]) == (4, 1)
    assert (tmp_path / "a.parquet.quarantine.tsv").read_bytes().endswith(b"3\tragged\n")
    tsv_to_parquet(source, tmp_path / "b.parquet", text=True)
    assert set(map(str, pq.read_schema(tmp_path / "b.parquet").types)) == {"string"}
    with pytest.raises(InputError, match=r"a\.tsv:4: has 2 cells, the header names 6"):
        tsv_to_parquet(source, tmp_path / "c.parquet", strict=True)
    (tmp_path / "empty.tsv").write_text("")
    with pytest.raises(InputError, match="has no header"):
        tsv_to_parquet(tmp_path / "empty.tsv", tmp_path / "c.parquet")
    assert not list(tmp_path.glob("*c.parquet*"))


def test_a_header_that_is_the_last_comment(tmp_path):
    """Its `#` is no part of a name; a row is named by its line; comments go with what is set aside."""
    source = tmp_path / "a.tsv"
    source.write_text("##made today\n#Uploaded\tn\tempty\nx\t1\t\ny\t2\nz\t3\t\n")
    tsv_to_parquet(source, tmp_path / "a.parquet")
    table = pq.read_table(tmp_path / "a.parquet")
    assert table.to_pydict() == {"Uploaded": ["x", "z"], "n": [1, 3], "empty": [None, None]}
    assert [str(kind) for kind in table.schema.types] == ["string", "int64", "string"]
    aside = (tmp_path / "a.parquet.quarantine.tsv").read_text()
    assert aside == "##made today\n#Uploaded\tn\tempty\ny\t2\n"
    with pytest.raises(InputError, match=r"a\.tsv:4: has 2 cells, the header names 3"):
        tsv_to_parquet(source, tmp_path / "b.parquet", strict=True)


def test_tsv_real(shared_data, tmp_path):
    for name, count in (("clinvar_2015-11-16_b37", 111_139), ("clinvar_2016-05-20_b37", 117_568)):
        source = shared_data / "clinvar_tsv" / f"{name}.tsv.gz"
        report = tsv_to_parquet(source, tmp_path / "a.parquet")
        table = pq.read_table(tmp_path / "a.parquet")
        assert (report["records_written"], table.num_rows, report["quarantined"]) == (count, count, 0)
        with gzip.open(source, "rt", encoding="utf-8", newline="\n") as file:
            lines = [line.rstrip("\r\n").split("\t") for line in file]
        assert table.column_names == lines[0]
        for place, column in enumerate(table.columns):
            texts = ["" if value is None else str(value) for value in column.to_pylist()]
            assert texts == [line[place] for line in lines[1:]]
        assert str(table.schema.field("pos").type) == "int64"
        assert str(table.schema.field("chrom").type) == "string"


def test_unique_names():
    assert unique_names(["a", "", "a", "a_2", "a", ""]) == ["a", "column_2", "a_3", "a_2", "a_4", "column_6"]


def test_an_error_of_writing_leaves_nothing(tmp_path, monkeypatch):
    """A row group is written in another thread while the next one is converted."""
    source = write(tmp_path / "a.vcf", ["1 5 . A G . . DP=1"], extra=TYPED)

    def full(*_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(pq.ParquetWriter, "write_table", full)
    with pytest.raises((OSError, InputError), match="No space left"):
        vcf_to_parquet(source, tmp_path / "a.parquet")
    assert [path.name for path in tmp_path.iterdir()] == ["a.vcf"]


@pytest.mark.parametrize("pieces", [1, 2, 9])
@pytest.mark.parametrize("later", ["malformed", "cut"])
def test_the_first_error_of_a_file_is_told(tmp_path, monkeypatch, pieces, later):
    """Annotations become columns in another thread, while lines behind them are read."""
    monkeypatch.setattr(vcf, "_PIECE_BYTES", 100)
    monkeypatch.setattr(vcf, "_PIECES", pieces)
    lines = [f"1 {number} . A G . . CSQ=G|x|{number:01000}" for number in range(1, 500)]
    lines[9] += "|1"
    if later == "malformed":
        lines[450] = lines[450].replace("451", "x", 1)
    source = write(tmp_path / "a.vcf", lines, csq=["Allele", "Consequence", "IMPACT"])
    if later == "cut":
        whole = gzip.compress(source.read_bytes())
        source = tmp_path / "a.vcf.gz"
        source.write_bytes(whole[:-100])
    with pytest.raises(InputError, match="a CSQ block has 4 fields, the header's Format names 3"):
        vcf_to_parquet(source, tmp_path / "a.parquet", strict=True)
    assert not list(tmp_path.glob("a.parquet*"))


@pytest.mark.parametrize("rows", [1, 3, 12, 200])
def test_a_file_that_loses_all_its_rows_is_an_error(tmp_path, rows):
    """However few they are."""
    (tmp_path / "a.tsv").write_text("a\tb\n" + "1\n" * rows)
    with pytest.raises(InputError, match=rf"a.tsv:2: has 1 cells, the header names 2; {rows} of {rows} rows .* all"):
        tsv_to_parquet(tmp_path / "a.tsv", tmp_path / "a.parquet")
    assert [path.name for path in tmp_path.iterdir()] == ["a.tsv"]
    (tmp_path / "a.tsv").write_text("a\tb\n1\t2\n" + "1\n" * min(rows, 3))
    assert tsv_to_parquet(tmp_path / "a.tsv", tmp_path / "a.parquet")["records_written"] == 1


def test_names_as_long_as_a_file_system_allows(tmp_path):
    longest = "n" * 251 + ".vcf"
    source = write(tmp_path / longest, ["1 5 . A G . . DP=1"], extra=TYPED)
    assert vcf_to_parquet(source, tmp_path / "a.parquet")["inputs"][0]["name"] == longest
    for name in ("o" * 247 + ".parquet", "o" * 240 + ".parquet"):
        # The names of what is written beside it, such as the report's, are longer still.
        with pytest.raises(InputError, match="name") as caught:
            vcf_to_parquet(source, tmp_path / name)
        assert "\n" not in str(caught.value)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a.parquet", "a.parquet.report.json", longest]


@pytest.mark.parametrize(
    ("bad", "why"), [("1 x . A G . . DP=1", "POS is not an integer"), ("1 5 . A G . . CSQ=G|x|1|2", "has 4 fields")]
)
def test_an_error_does_not_wait_for_a_pipe_that_stays_open(tmp_path, monkeypatch, bad, why):
    """Nobody reads ahead of a pipe: what follows may never come."""
    monkeypatch.setattr(vcf, "_PIECE_BYTES", 100)
    pipe = tmp_path / "pipe.vcf"
    os.mkfifo(pipe)
    found = []

    def convert():
        try:
            vcf_to_parquet(pipe, tmp_path / "t.parquet", strict=True)
        except InputError as error:
            found.append(str(error))

    # More than is read at once, and what is left of it fits into the pipe.
    lines = [f"{bad};RS={number:01000}" for number in range(160)]
    file = write(tmp_path / "a.vcf", lines, csq=["Allele", "Consequence", "IMPACT"])
    end = os.open(pipe, os.O_RDWR)
    threads = [threading.Thread(target=os.write, args=(end, file.read_bytes())), threading.Thread(target=convert)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    said = list(found)
    os.close(end)  # or a thread that waits would never end
    threads[1].join()
    assert len(said) == 1 and why in said[0]
