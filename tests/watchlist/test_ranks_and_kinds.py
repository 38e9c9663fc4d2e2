"""The list's rows are in their own places: ranks, reasons, chances and kinds of conflict, in pieces or at once."""

import gzip

import numpy as np
import pandas as pd
import pytest

from genomicslearning import InputError, autopilot, watchlist
from genomicslearning.autopilot.model import Model
from genomicslearning.training_set.build import build_training_set
from genomicslearning.training_set.table import read_table
from genomicslearning.watchlist import learning, ranking, single_submitters
from genomicslearning.watchlist.kinds import ConflictKinds

HEADER = (
    "##fileformat=VCFv4.1\n##fileDate=2026-02-26\n##reference=GRCh37\n#CHROM\tPOS\tID\tREF\tALT\tQUAL\tFILTER\tINFO\n"
)
SINGLE, AGREE = "criteria_provided,_single_submitter", "criteria_provided,_multiple_submitters,_no_conflicts"
VUS, BENIGN = "Uncertain_significance", "Benign"


def record(position, said, status=SINGLE, alt="G") -> str:
    return f"1\t{position}\t{position}\tA\t{alt}\t.\t.\tCLNDN=x;CLNREVSTAT={status};CLNSIG={said};GENEINFO=TTN:1\n"


@pytest.fixture(scope="module")
def model(demo_pair, tmp_path_factory):
    """A model that has learnt that uncertain ones conflict and benign ones do not."""
    folder = tmp_path_factory.mktemp("models")
    build_training_set(clinvar=demo_pair[0], annotated=demo_pair[1], out=folder / "sample.parquet")
    table = read_table(folder / "sample.parquet")
    unsure = np.random.default_rng(0).random(len(table)) < 0.2
    table["prior_CLNSIG"] = np.where((table["CLASS"] == 1) != unsure, VUS, BENIGN)
    table["prior_CLNDN"], table["prior_review_status"] = "x", "criteria provided, single submitter"
    given = {"folder": folder, "name": "job", "preset": "quick", "max_candidates": 2}
    autopilot.start(table, features="prospective", progress=lambda text: None, **given).wait()
    return folder / "job" / "model"


def rows_of(folder) -> pd.DataFrame:
    return pd.read_csv(folder / "watchlist.csv", dtype=str, keep_default_na=False)


SAID = [BENIGN, VUS, BENIGN, BENIGN, VUS, BENIGN, VUS, BENIGN, BENIGN, VUS, BENIGN]


def test_every_row_has_its_own_rank_chance_and_reasons_however_few_are_read_at_a_time(model, tmp_path, monkeypatch):
    release = tmp_path / "release.vcf"
    release.write_text(HEADER + "".join(record(10 * n, said) for n, said in enumerate(SAID, 1)))
    watchlist.build(clinvar=release, model=model, out=tmp_path / "whole", shown=4)
    rows = rows_of(tmp_path / "whole")
    assert rows["rank"].tolist() == [str(n) for n in range(1, 12)]
    assert rows["percentile"].tolist()[::10] == ["100.00", "9.09"]
    assert rows["probability"].astype(float).is_monotonic_decreasing
    assert rows["classification"].tolist() == [VUS] * 4 + [BENIGN] * 7
    assert set(rows["POS"][:4]) == {"20", "50", "70", "100"}
    assert (rows["reason_1"] != "").tolist() == [True] * 4 + [False] * 7, "those that are shown are explained"
    assert rows["reason_1"][:4].str.startswith("submitted as Uncertain significance for x (raises").all()
    monkeypatch.setattr(single_submitters, "_GROUP_ROWS", 3)
    monkeypatch.setattr(ranking, "CHUNK", 3)
    batches = single_submitters.Vcf.batches  # a batch of lines is written at once: here a line each
    monkeypatch.setattr(
        single_submitters.Vcf, "batches", lambda self: ([one] for some in batches(self) for one in some)
    )
    watchlist.build(clinvar=release, model=model, out=tmp_path / "pieces", shown=4)
    assert (tmp_path / "pieces" / "watchlist.csv").read_bytes() == (tmp_path / "whole" / "watchlist.csv").read_bytes()


def test_of_several_alleles_each_has_its_own_record_and_a_status_elsewhere_is_no_status(model, tmp_path):
    release = tmp_path / "release.vcf"
    other = record(30, "Pathogenic", status=AGREE).replace("CLNDN=x", f"CLNDN={SINGLE};XCLNSIG=Benign")
    conflicting = record(10, "Conflicting", status="criteria_provided,_conflicting_classifications")
    planted = record(20, "drug_response").replace("CLNDN=x", "CLNDN=x;ACLNSIG=Benign")
    release.write_text(HEADER + record(10, VUS, alt="G,T") + conflicting + planted + other)
    watchlist.build(clinvar=release, model=model, out=tmp_path / "out")
    rows = rows_of(tmp_path / "out")
    found = rows[["POS", "ALT", "classification"]].apply(tuple, axis=1)
    assert sorted(found) == [("10", "G", VUS), ("10", "T", VUS), ("20", "G", "drug_response")]


def test_a_release_with_many_malformed_records_is_refused(model, tmp_path):
    release = tmp_path / "release.vcf"
    release.write_text(HEADER + record(10, VUS) + record("x", VUS) * 11)
    with pytest.raises(InputError, match="11 of 12"):
        watchlist.build(clinvar=release, model=model, out=tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_a_model_that_reads_the_submission_is_calibrated_though_its_manifest_does_not_say_so(model, tmp_path):
    loaded = Model.load(model)
    told = {name: value for name, value in loaded.manifest.items() if name != "single_submissions"}
    release = tmp_path / "release.vcf"
    release.write_text(HEADER + record(10, VUS) + record(20, BENIGN))
    plain = Model(loaded.pipelines, told).save(tmp_path / "model")
    summary = watchlist.build(clinvar=release, model=plain, out=tmp_path / "out")
    assert summary["calibrated"] and "over a time like that between the releases" in summary["meaning"]
    assert [name for name in rows_of(tmp_path / "out") if name.startswith("probability_")] == [], "no horizon"
    assert summary["ranked_by"].startswith("the chance of conflict once several")


def test_an_annotated_release_needs_no_warning_that_it_is_not(model):
    loaded = Model.load(model)
    assert ranking._warnings(loaded, "annotated.vcf") == []
    assert ranking._warnings(loaded, None) == [ranking.NOT_ANNOTATED]


def test_waiting_rows_under_the_names_of_a_release():
    part = pd.DataFrame({"prior_CLNSIG": [VUS, BENIGN], "GENEINFO": ["TTN:1|B:2", None]}, dtype="str")
    found = ranking._as_release(part)
    assert found["CLNSIG"].tolist() == [VUS, BENIGN]
    assert found["SYMBOL"].tolist()[0] == "TTN" and found["SYMBOL"].isna().tolist() == [False, True]


def test_rows_are_taken_in_the_order_that_is_asked_for(demo_pair, tmp_path, monkeypatch):
    monkeypatch.setattr(single_submitters, "_GROUP_ROWS", 100)
    cut = tmp_path / "cut.vcf"
    with gzip.open(demo_pair[0], "rt") as release:
        cut.write_text("".join(line for number, line in enumerate(release) if number < 3000))
    given = {"pick": "mane", "csq_key": None, "seed": 1, "progress": lambda text: None}
    spool = single_submitters.spool(cut, None, tmp_path / "singles.parquet", **given)
    whole = pd.concat(spool.parts(), ignore_index=True)
    asked = np.random.default_rng(0).permutation(spool.rows)[:50]
    pd.testing.assert_frame_equal(spool.take(asked), whole.iloc[asked].reset_index(drop=True))
    assert (whole["prior_CLNDN"].fillna("") == whole["CLNDN"].fillna("")).all()
    assert set(spool.conflicting["CLASS"]) == {1} and set(whole["CLASS"]) == {0}
    told = cut.read_text().count("criteria_provided,_conflicting_")
    assert len(spool.conflicting) == told > 300, "so few are all kept"


def test_a_sample_of_conflicts_takes_late_ones_as_well_as_early_ones(monkeypatch):
    monkeypatch.setattr(single_submitters, "CONFLICTS_KEPT", 50)
    late = []
    for seed in range(40):
        sample = single_submitters._Sorted(None, None, seed)
        for number in range(500):
            sample._sample(str(number).encode())
        assert len(sample.kept) == len(set(sample.kept)) == 50
        late.append(np.mean([int(row) >= 250 for row in sample.kept]))
    assert np.mean(late) == pytest.approx(0.5, abs=0.05)


# --- kinds ------------------------------------------------------------------------------------------------------------


def conflicts(first: int, second: int, told: bool) -> pd.DataFrame:
    """Conflicts of two kinds, which CADD tells apart or nothing does."""
    count = first + second
    kinds = np.array(["P/LP vs VUS"] * first + ["VUS vs B/LB"] * second)
    rng = np.random.default_rng(1)
    cadd = np.where(kinds == "P/LP vs VUS", 30, 5) if told else rng.uniform(0, 40, count)
    table = pd.DataFrame({"CHROM": "1", "POS": rng.permutation(count) + 1, "REF": "A", "ALT": "G", "CONFLICT": kinds})
    return table.assign(CADD_PHRED=[f"{value:.2f}" for value in cadd])


def test_a_conflict_is_expected_by_biology_among_those_that_the_submission_can_be_part_of():
    kinds = ConflictKinds.learn(conflicts(300, 200, told=True), seed=1)
    assert kinds.summary["kinds"] == ["P/LP vs VUS", "VUS vs B/LB"] and kinds.summary["majority"] == 0.6
    assert kinds.summary["accuracy"] > 0.95
    said = [VUS, VUS, "Benign", "Pathogenic", "drug_response", None]
    asked = pd.DataFrame({"CHROM": "1", "POS": 10_000, "REF": "A", "ALT": "G"}, index=range(6))
    asked = asked.assign(CADD_PHRED=["30", "5", "30", "5", "30", "5"], prior_CLNSIG=pd.Series(said, dtype="str"))
    names, chances = kinds.expected(asked)
    assert names == ["P/LP vs VUS", "VUS vs B/LB", "VUS vs B/LB", "P/LP vs VUS", "P/LP vs VUS", "VUS vs B/LB"]
    assert chances[2:4] == ["1.000", "1.000"], "the others are ruled out"
    assert all(0.9 < float(chance) <= 1 for chance in chances)


def test_how_often_a_kind_is_right_is_counted_on_rows_that_were_held_out():
    kinds = ConflictKinds.learn(conflicts(300, 200, told=False), seed=1)
    assert 0.4 < kinds.summary["accuracy"] < 0.7, "there is nothing to learn"
    few = ConflictKinds.learn(conflicts(300, 199, told=True), seed=1)
    assert not few.summary["given"] and few.expected(conflicts(1, 1, told=True)) == ([""] * 2, [""] * 2)


# --- learning ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("labels", "enough"), [([0, 1] * 50, True), ([0, 1] * 49 + [0], False), ([0] * 200, False)])
def test_a_hundred_labels_of_both_outcomes_are_learnt_from(labels, enough):
    if enough:
        assert learning._check_enough("r.vcf", pd.Series(labels), "") is None
    else:
        with pytest.raises(InputError, match=f"{sum(labels)} of them conflicting; it takes 100 and both outcomes"):
            learning._check_enough("r.vcf", pd.Series(labels), "")


class Job:
    """A job that learns nothing, and what it was given."""

    folder = "jobs/watchlist"

    def wait(self):
        return self


def test_what_a_list_learns_from(tmp_path, monkeypatch):
    """Each variant once and alone, with the last single submission that earlier releases show, else a drawn one."""
    conflict = "criteria_provided,_conflicting_classifications"
    named = {AGREE: BENIGN, conflict: f"Conflicting;CLNSIGCONF={BENIGN}(1)|Pathogenic(1)"}
    lines = [
        record(pos, named[status], status=status) for pos in range(1, 121) for status in [(AGREE, conflict)[pos % 2]]
    ]
    again = lines[9].replace("GENEINFO=TTN:1", "GENEINFO=TTN:1;ORIGIN=5")
    now, paths = tmp_path / "now.vcf", []
    now.write_text(HEADER + "".join([*lines[:10], again, *lines[10:]]))
    for day, singles in (("2016-01-01", range(1, 31)), ("2020-01-01", range(21, 41))):
        paths.append(tmp_path / f"then_{day}.vcf")
        rows = "".join(record(pos, VUS) if pos in singles else lines[pos - 1] for pos in range(1, 121))
        paths[-1].write_text(HEADER.replace("2026-02-26", day) + rows)
    asked = {}
    monkeypatch.setattr(autopilot, "start", lambda rows, **given: asked.update(given, rows=rows) or Job())
    _, how, _, _ = learning.learn(now, None, tmp_path, earlier=paths, assembly="GRCh37", progress=str)
    rows = asked["rows"].set_index("POS")
    assert rows.index.tolist() == list(range(1, 121)) and asked["groups"] == list(range(120))
    assert asked["features"] == "prospective" and not {"row", "transition"} & set(rows)
    assert rows.loc[1:40, "prior_CLNSIG"].eq(VUS).all() and set(rows.loc[41:, "prior_CLNSIG"]) == {BENIGN, "Pathogenic"}
    days = [3709.0] * 20 + [2248.0] * 20  # 2016-01-01 and 2020-01-01 to 2026-02-26
    assert rows.loc[1:40, "horizon_days"].tolist() == days and rows.loc[41:, "horizon_days"].isna().all()
    assert "120 variants with several submitters (preset quick): 40 had a single submitter in then_2016" in how
    paths[1].write_text(paths[1].read_text().replace("2020-01-01", "2026-02-26"))
    with pytest.raises(InputError, match="is of 2026-02-26, the table of 2026-02-26"):
        learning.learn(now, None, tmp_path, earlier=paths, assembly="GRCh37", progress=str)


@pytest.mark.parametrize(
    ("single", "words"),
    [
        (None, "it does not know what becomes of a single submission"),
        ({"days": None}, "of most of them one submission was drawn"),
        ({"days": 731.0}, "most had a single submitter before, 2.0 years as the median"),
    ],
)
def test_how_a_given_model_had_learnt(single, words):
    told = {"job": "j", "features": "prospective", "single_submissions": single, "training_set": {"rows": 1200}}
    text = learning.how_given(told)
    assert words in text and "from 1,200 variants with several submitters" in text
