"""Two releases joined in pieces on disk: what is found does not depend on the pieces, nor on where a variant stands."""

import gzip
import json
import random

import pandas as pd
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from genomicslearning.evaluation import grading
from genomicslearning.history import changes_files, stored_releases
from genomicslearning.history.changes_files import compare_files, write
from genomicslearning.history.releases import read_release
from genomicslearning.history.stored_releases import StoredRelease, joined, matched

HEADER = "chrom\tpos\tref\talt\tmeasureset_id\treview_status\tclinical_significance\tsymbol"
STATUS = (
    "criteria provided, single submitter",
    "criteria provided, multiple submitters, no conflicts",
    "criteria provided, conflicting interpretations",
)


@pytest.fixture
def few_rows(monkeypatch):
    monkeypatch.setattr(stored_releases, "PIECE_ROWS", 3)


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return tmp_path_factory.mktemp("releases")


def release(path, variants):
    """A release whose symbols number its records."""
    lines = (
        f"{chrom}\t{pos}\t{ref}\t{alt}\t{identifier}\t{STATUS[number % 3]}\tBenign\t{path.stem}{number}"
        for number, (chrom, pos, ref, alt, identifier) in enumerate(variants)
    )
    path.write_text("\n".join([HEADER, *lines]) + "\n")
    return path


# Few places and identifiers, so that both repeat in one release, move between two and are lacking; TA>TG is A>G.
variants = st.lists(
    st.tuples(
        st.sampled_from("1X"),
        st.integers(10, 12),
        st.sampled_from(["A", "TA", "TTA"]),
        st.sampled_from(["G", "TG", "TTG"]),
        st.sampled_from(["", "1", "2", "3", "4"]),
    ),
    min_size=1,
    max_size=25,
)


def in_memory(old, new) -> list[tuple[str, str]]:
    """Symbols of the joined records by `Release.rows_of`, which holds whole releases."""
    before, after = (read_release(path, assembly="GRCh37") for path in (old, new))
    taken, found = set(), []
    for symbol, row in zip(after.variants["SYMBOL"], before.rows_of(after.variants), strict=True):
        first = row >= 0 and row not in taken
        taken.add(row)
        found.append((before.variants["SYMBOL"][row] if first else "", symbol))
    return found + [(symbol, "") for row, symbol in enumerate(before.variants["SYMBOL"]) if row not in taken]


# One variant of the new release is the old one by its place, the other by its identifier: the first has it.
BY_PLACE, BY_IDENTIFIER = ("1", 10, "A", "G", ""), ("1", 11, "A", "G", "1")


@settings(max_examples=60, deadline=None)
@given(old=variants, new=variants)
@example(old=[("1", 10, "A", "G", "1")], new=[BY_PLACE, BY_IDENTIFIER])
@example(old=[("1", 10, "A", "G", "1")], new=[BY_IDENTIFIER, BY_PLACE])
@example(old=[("1", 10, "A", "G", "1")], new=[BY_IDENTIFIER, *[("X", 10, "A", "G", "")] * 5, BY_PLACE])
def test_the_pieces_join_what_whole_releases_join_in_the_same_order(old, new, folder):
    paths = release(folder / "old.tsv", old), release(folder / "new.tsv", new)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(stored_releases, "PIECE_ROWS", 3)
        found = []
        stored = [StoredRelease(path) for path in paths]
        for pair in joined(*stored, matched(*stored)):
            sides = ((pair.old, pair.old_rows), (pair.new, pair.new_rows))
            names = ([frame["SYMBOLS"].iloc[row] if row >= 0 else "" for row in rows] for frame, rows in sides)
            found += zip(*names, strict=True)
    assert found == in_memory(*paths)


def test_the_files_do_not_depend_on_the_pieces(shared_data, tmp_path, monkeypatch):
    rng = random.Random(7)
    pair = []
    for day in ("2015-11-16", "2016-05-20"):
        with gzip.open(shared_data / "clinvar_tsv" / f"clinvar_{day}_b37.tsv.gz", "rt", encoding="utf-8") as file:
            header, *lines = file.readlines()[:6000]
        # The later one in another order, and with lines that come twice.
        lines = lines if not pair else rng.sample(lines + lines[:500], len(lines) + 500)
        pair.append(tmp_path / f"clinvar_{day}.tsv")
        pair[-1].write_text(header + "".join(lines), encoding="utf-8")
    (tmp_path / "genes.txt").write_text("TTN\nBRCA1\n")
    for name, rows in (("whole", 50_000), ("pieces", 997)):
        monkeypatch.setattr(stored_releases, "PIECE_ROWS", rows)
        write(compare_files(*pair, genes=tmp_path / "genes.txt"), tmp_path / name, progress=lambda text: None)
    for place in changes_files.places("."):
        whole, pieces = ((tmp_path / name / place).read_bytes() for name in ("whole", "pieces"))
        assert whole == pieces, place
    assert json.loads((tmp_path / "pieces" / "changes.json").read_text())["changes"]["changed"] > 0


def test_a_release_has_identifiers_wherever_in_it_they_stand(tmp_path, few_rows):
    with_some = release(tmp_path / "r.tsv", [("1", pos, "A", "G", "7" if pos == 11 else "") for pos in range(10, 20)])
    assert StoredRelease(with_some).identified
    assert not StoredRelease(release(tmp_path / "r.tsv", [("1", 10, "A", "G", "")])).identified


def test_a_page_shows_each_variant_once(tmp_path, few_rows):
    old = release(tmp_path / "old.tsv", [("1", 5, "A", "G", "5")])
    new = release(tmp_path / "new.tsv", [("1", pos, "A", "G", pos) for pos in range(10, 40)])
    write(compare_files(old, new), tmp_path / "out", progress=lambda text: None)
    page = (tmp_path / "out" / "release_changes.html").read_text()
    assert [page.count(f"1:{pos} A&gt;G") for pos in (5, *range(10, 40))] == [1] * 31


@settings(max_examples=30, deadline=None)
@given(known=variants, asked=variants)
def test_a_table_is_joined_to_what_is_of_interest_as_to_the_whole_release(known, asked, folder):
    path = release(folder / "known.tsv", known)
    table = pd.DataFrame(asked, columns=["CHROM", "POS", "REF", "ALT", "VARIATION_ID"]).replace({"": None})
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(stored_releases, "PIECE_ROWS", 3)
        stored = StoredRelease(path)
        matched(stored, stored)
        part, whole = stored.of_interest(table), read_release(path, assembly="GRCh37")
    for columns in (list(table), list(table)[:4]):
        symbols = [
            ["" if row < 0 else found.variants["SYMBOLS"].iloc[row] for row in found.rows_of(table[columns])]
            for found in (part, whole)
        ]
        assert symbols[0] == symbols[1]


def test_a_list_is_graded_by_the_pieces(tmp_path, few_rows):
    new = release(tmp_path / "new.tsv", [("1", pos, "A", "G", pos) for pos in range(1, 20)])
    (tmp_path / "list.csv").write_text(
        "VARIATION_ID,CHROM,POS,REF,ALT,gene,probability\n"
        + "".join(f"{pos},1,{pos},A,G,GENE,{pos / 40}\n" for pos in range(3, 25))
    )
    scored = grading.read_scored(tmp_path / "list.csv")
    found = compare_files(new, new)
    facts = grading.grade(scored, found.new.of_interest(scored), name="list.csv")
    assert facts == grading.grade(scored, read_release(new, assembly="GRCh37"), name="list.csv")
    assert facts["several"] == 11 and facts["conflict"] == 6 and facts["gone"] == 5
