"""Single submissions: drawn by what a release says, by nothing that grows with submitters, never by the future."""

import re
from collections import Counter
from datetime import date

import numpy as np
import pandas as pd
import pytest

from genomicslearning import InputError
from genomicslearning.history import horizons
from genomicslearning.history.past import read_past
from genomicslearning.history.releases import read_release
from genomicslearning.history.splits import split
from genomicslearning.history.submissions import CLASSES, AlignedRelease, draw_submissions, stated_class

HEADER = "chrom\tpos\tref\talt\tmeasureset_id\treview_status\tclinical_significance\tall_traits"
SINGLE, AGREE, CONFLICT = (
    "criteria provided, single submitter",
    "criteria provided, multiple submitters, no conflicts",
    "criteria provided, conflicting interpretations",
)


def said(classes="", counts="", conditions="x", rows=1) -> pd.DataFrame:
    cells = {"CLNSIG": classes or np.nan, "CLNSIGCONF": counts or np.nan, "CLNDN": conditions or np.nan}
    return pd.DataFrame(cells, index=range(rows), dtype="str")


def keys(rows: int) -> np.ndarray:
    return np.array([f"1:{number}:A:G" for number in range(rows)], dtype=object)


def test_a_class_is_drawn_by_its_count():
    table = said("Conflicting", "Pathogenic(1)|Uncertain_significance(3),_other(5)", rows=4000)
    found = Counter(draw_submissions(table, keys(4000), seed=1)["prior_CLNSIG"])
    assert set(found) == {"Pathogenic", "Uncertain_significance"}
    assert found["Uncertain_significance"] == pytest.approx(3000, abs=120)


@pytest.mark.parametrize(
    ("classes", "counts", "possible"),
    [
        ("Benign/Likely_benign", "", {"Benign", "Likely_benign"}),
        ("Benign|Uncertain_significance", "", {"Benign", "Uncertain_significance"}),
        ("Pathogenic/Pathogenic,_low_penetrance|other", "", {"Pathogenic"}),
        ("Conflicting_classifications_of_pathogenicity", "", {None}),
        ("Conflicting", "Likely_pathogenic(2)|Benign(1)", {"Likely_pathogenic", "Benign"}),
        ("Conflicting", "Benign(0)|Pathogenic(2)", {"Pathogenic"}),
        ("Conflicting", "Benign(0)", {None}),
        ("drug_response", "", {None}),
        ("", "", {None}),
    ],
)
def test_what_can_be_drawn(classes, counts, possible):
    found = draw_submissions(said(classes, counts, rows=200), keys(200), seed=3)
    assert set(found["prior_CLNSIG"].astype("object").where(found["prior_CLNSIG"].notna(), None)) == possible
    for name in ("prior_CLNDN", "prior_review_status"):
        assert found[name].notna().tolist() == found["prior_CLNSIG"].notna().tolist(), name


def test_one_condition_is_drawn_however_many_there_are():
    found = draw_submissions(said("Benign", conditions="a|b|c|d", rows=300), keys(300), seed=2)
    assert set(found["prior_CLNDN"]) == {"a", "b", "c", "d"}
    assert set(draw_submissions(said("Benign", conditions="|a|", rows=50), keys(50), seed=2)["prior_CLNDN"]) == {"a"}


def test_which_class_is_drawn_tells_nothing_of_which_condition():
    found = draw_submissions(said("Benign/Likely_benign", conditions="a|b", rows=2000), keys(2000), seed=2)
    shares = (found["prior_CLNDN"] == "a").groupby(found["prior_CLNSIG"].to_numpy()).mean()
    assert shares.to_dict() == pytest.approx({"Benign": 0.5, "Likely_benign": 0.5}, abs=0.05)


def test_a_draw_hangs_on_the_variant_and_the_seed_alone():
    table = said("Benign/Likely_benign", conditions="a|b", rows=50)
    first = draw_submissions(table, keys(50), seed=7)
    back = draw_submissions(table.iloc[::-1], keys(50)[::-1], seed=7).iloc[::-1]
    pd.testing.assert_frame_equal(first, back)
    assert all(not first.equals(draw_submissions(table, keys(50), seed=seed)) for seed in (0, 8, 207))


def test_planted_counts_of_submitters_stay_out():
    """Twice the submissions in the same shares, more sources, more conditions of the same name: the same draw."""
    few = said("Conflicting", "Benign(1)|Uncertain_significance(2)", "a|b", rows=100)
    many = said("Conflicting", "Benign(20)|Uncertain_significance(40)", "a|b|a|b", rows=100)
    one, two = (draw_submissions(table, keys(100), seed=5) for table in (few, many))
    pd.testing.assert_frame_equal(one, two)
    assert one["prior_CLNDN"].str.count(r"\|").eq(0).all()


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("Benign", "Benign"),
        ("Benign/Likely_benign", "Likely_benign"),
        ("Pathogenic|Likely_pathogenic", "Likely_pathogenic"),
        ("Uncertain significance", "Uncertain_significance"),
        ("Uncertain_significance|other", "Uncertain_significance"),
        ("Benign|Pathogenic", "other"),
        ("risk_factor", "other"),
    ],
)
def test_the_class_that_is_stated(text, found):
    assert stated_class(text) == found


def named_in_part(path, conflicts: int) -> AlignedRelease:
    """Ten variants that agree and ten in conflict, of which so many name their classes."""
    lines = [
        f"1\t{pos}\tA\tG\t{pos}\t{AGREE if pos <= 10 else CONFLICT}\t"
        + ("Benign;Uncertain significance" if pos <= 10 + conflicts else "Conflicting interpretations")
        + "\tx;y"
        for pos in range(1, 21)
    ]
    path.write_text("\n".join([HEADER, *lines]) + "\n")
    table = pd.DataFrame({"CHROM": "1", "POS": np.arange(1, 21), "REF": "A", "ALT": "G"})
    return AlignedRelease(read_release(path, assembly="GRCh37"), table)


@pytest.mark.parametrize(("conflicts", "drawn"), [(0, 0), (4, 0), (5, 15), (10, 20)])
def test_classes_that_conflicts_name_half_as_often_are_still_drawn(tmp_path, conflicts, drawn):
    aligned = named_in_part(tmp_path / "r.tsv", conflicts)
    table = pd.DataFrame({"CHROM": "1", "POS": np.arange(1, 21), "REF": "A", "ALT": "G"})
    found = aligned.drawn(table, seed=1)
    assert found.notna().all(axis=1).sum() == drawn and (aligned.why_none_drawn == "") == (drawn > 0)
    if drawn:  # where a variant stands in the table is no part of its draw
        backwards = AlignedRelease(aligned.release, table[::-1]).drawn(table[::-1], seed=1)
        pd.testing.assert_frame_equal(backwards[::-1], found)


# --- splits -----------------------------------------------------------------------------------------------------------


@pytest.fixture
def history(tmp_path):
    """A table of 80 variants in ten genes and releases of 2015 and 2016."""
    random = np.random.default_rng(0)
    status = random.choice([SINGLE, AGREE, CONFLICT], 80)
    table = pd.DataFrame(
        {
            "CHROM": "1", "POS": np.arange(1, 81), "REF": "A", "ALT": "G", "CLNHGVS": "NC_000001.10:g.1A>G",
            "SYMBOL": [f"G{number % 10}" for number in range(80)], "CLASS": np.arange(80) // 10 % 2,
            "CLNDN": "later|text", "CLNVI": "planted",
        }
    ).astype({"CLASS": "int8"})  # fmt: skip
    rows = {"2015-11-16": np.where(np.arange(80) % 3 == 0, SINGLE, status), "2016-05-20": status}
    paths = []
    for day, statuses in rows.items():
        path = tmp_path / f"clinvar_{day}.tsv"
        lines = [
            f"1\t{pos}\tA\tG\t{pos}\t{statuses[pos - 1]}\t"
            + ("Benign;Uncertain significance" if statuses[pos - 1] == CONFLICT else "Benign")
            + "\tone;two"
            for pos in range(1, 81)
        ]
        path.write_text("\n".join([HEADER, *lines]) + "\n")
        paths.append(path)
    return table, paths


@pytest.mark.parametrize("number", [1, 2])
def test_later_labels_do_not_reach_the_rows_to_learn_from(history, number):
    table, paths = history
    later = table.assign(CLASS=1 - table["CLASS"], CLNDN="other|words|here", CLNVI="more", CONFLICT="P/LP vs VUS")
    first, second = (split(one, "time", earlier=paths[-number:], features="prospective") for one in (table, later))
    one, two = first.to_learn_from(), second.to_learn_from()
    pd.testing.assert_frame_equal(one[0].drop(columns="CONFLICT"), two[0].drop(columns="CONFLICT"))
    assert one[1].tolist() == two[1].tolist()
    pd.testing.assert_frame_equal(first.train.drop(columns="CONFLICT"), second.train.drop(columns="CONFLICT"))
    prior = [name for name in first.test if name.startswith("prior_")]
    pd.testing.assert_frame_equal(first.test[prior], second.test[prior])
    assert (first.test["CLASS"] == 1 - second.test["CLASS"]).all()


def test_a_time_split_draws_where_no_transition_is_known(history):
    table, paths = history
    parts = split(table, "time", earlier=paths, table_date=None)
    learning, groups = parts.to_learn_from()
    assert len(learning) == len(parts.train) == len(set(groups))
    assert learning["prior_CLNSIG"].notna().all()
    assert learning["horizon_days"].notna().tolist() == parts.transitions.tolist()
    assert set(learning["horizon_days"].dropna()) == {186}
    assert not {"row", "transition"} & set(learning)
    without, left = parts.without(np.arange(5))
    assert len(without) == len(learning) - 5 == len(left)


@pytest.mark.parametrize("kind", ["random", "gene"])
def test_rows_and_genes_are_split_among_the_single_submitters_of_the_newest_release(history, kind):
    table, paths = history
    given = {"earlier": paths, "features": "prospective", "table_date": date(2026, 2, 26), "train_fraction": 0.6}
    parts = split(table, kind, **given)
    singles = len(parts.train) + len(parts.test)
    assert singles == (pd.read_csv(paths[1], sep="\t")["review_status"] == SINGLE).sum()
    assert parts.test["prior_CLNSIG"].eq("Benign").all() and parts.test["CLNVI"].isna().all()
    assert parts.horizon_days == (date(2026, 2, 26) - date(2016, 5, 20)).days
    learning, groups = parts.to_learn_from()
    assert not set(learning["POS"]) & set(parts.test["POS"])
    assert len(learning) > len(parts.train)
    assert learning.loc[learning["POS"].isin(parts.train["POS"]), "horizon_days"].eq(parts.horizon_days).all()
    assert learning[["CLNDN", "CLNVI"]].isna().all(axis=None), "what the table says of today teaches nothing"
    # Those with one submitter in the older release alone are transitions too, over the longer distance.
    was = [set(one.loc[one["review_status"] == SINGLE, "pos"]) for one in (pd.read_csv(p, sep="\t") for p in paths)]
    older = learning["POS"].isin(was[0] - was[1])
    assert older.any() and learning.loc[older, "horizon_days"].eq((date(2026, 2, 26) - date(2015, 11, 16)).days).all()
    assert learning["horizon_days"].notna().tolist() == learning["POS"].isin(was[0] | was[1]).tolist()
    assert f"{singles} variants of the table had a single submitter in clinvar_2016-05-20.tsv" in parts.notes[-1]
    if kind == "gene":
        assert not set(learning["SYMBOL"]) & set(parts.test["SYMBOL"])
        assert len(set(groups)) == learning["SYMBOL"].nunique()


@pytest.mark.parametrize("silent", ["conflicts", "agreements"])
@pytest.mark.parametrize(("kind", "earlier"), [("time", 1), ("time", 2), ("random", 0), ("gene", 0), ("random", 2)])
def test_a_release_that_names_the_classes_of_one_outcome_alone_does_not_tell_the_label(history, kind, earlier, silent):
    """VCFs of 2017 have no CLNSIGCONF: the classes of their conflicts are not known, and that would be learnt."""
    table, paths = history
    newest = paths[-1]
    status, said = (CONFLICT, "Benign;Uncertain significance") if silent == "conflicts" else (AGREE, "Benign")
    unnamed = "Conflicting interpretations of pathogenicity" if silent == "conflicts" else "drug response"
    newest.write_text(newest.read_text().replace(f"{status}\t{said}", f"{status}\t{unnamed}"))
    past = {"earlier": paths[-earlier:]} if earlier else {"release": newest}
    parts = split(table, kind, features="prospective", **past)
    learning, _ = parts.to_learn_from()
    real = parts.learning["transition"].to_numpy() if earlier else np.zeros(len(learning), bool)
    assert (learning["prior_CLNSIG"].notna().to_numpy() == real).all()
    assert any("would tell the label" in note for note in parts.notes)
    if not earlier:
        assert parts.test["prior_CLNSIG"].isna().all()
    newest.write_text(newest.read_text().replace(f"{status}\t{unnamed}", f"{status}\t{said}"))
    parts = split(table, kind, features="prospective", **past)
    assert parts.to_learn_from()[0]["prior_CLNSIG"].notna().sum() > real.sum()
    assert not any("would tell the label" in note for note in parts.notes)


@pytest.mark.parametrize("kind", ["random", "gene"])
def test_without_an_earlier_release_submissions_are_drawn_from_the_tables_own(history, kind):
    table, paths = history
    parts = split(table, kind, features="prospective", release=paths[1])
    assert parts.train["prior_CLNSIG"].notna().all() and parts.test["prior_CLNSIG"].notna().all()
    assert "One submission drawn of each variant's" in parts.notes[-1]
    silent = split(table, kind, features="prospective")
    assert "prior_CLNSIG" not in silent.train and "No release to draw" in silent.notes[-1]
    assert silent.test["POS"].tolist() == parts.test["POS"].tolist()


@pytest.mark.parametrize("kind", ["time", "random"])
def test_a_release_that_looks_newer_than_the_table_is_doubted_where_no_date_tells(tmp_path, kind):
    random = np.random.default_rng(3)
    table = pd.DataFrame(
        {"CHROM": "1", "POS": np.arange(1, 1001), "REF": "A", "ALT": "G", "CLASS": np.arange(1000) % 2}
    )
    table["CLNHGVS"] = "NC_000001.10:g.1A>G"
    for single, doubted in ((8, True), (9, True), (10, False), (50, False)):
        status = np.where(np.arange(1000) < single, SINGLE, random.choice([AGREE, CONFLICT], 1000))
        said = {SINGLE: "Benign", AGREE: "Benign", CONFLICT: "Benign;Uncertain significance"}
        lines = [f"1\t{pos}\tA\tG\t{pos}\t{one}\t{said[one]}\tx" for pos, one in enumerate(status, 1)]
        path = tmp_path / "clinvar_2016-05-20.tsv"
        path.write_text("\n".join([HEADER, *lines]) + "\n")
        given = {"earlier": [path], "features": "prospective", "train_fraction": 0.5}
        notes = split(table, kind, **given).notes
        assert any(f"only {single} have one: it looks newer" in note for note in notes) == doubted
        assert not any("looks newer" in note for note in split(table, kind, table_date=date(2018, 4, 1), **given).notes)


def test_of_several_releases_the_newest_alone_is_held_as_a_whole(history):
    table, paths = history
    few = table.iloc[::4].reset_index(drop=True)
    older, newest = read_past(few, paths, "")
    assert len(older.variants) == len(few) and len(newest.variants) == len(table)
    whole = read_release(paths[0], assembly="GRCh37")
    held, all_of_it = (AlignedRelease(one, few) for one in (older, whole))
    assert held.prior().equals(all_of_it.prior()) and (held.rows >= 0).all()


def test_releases_in_the_wrong_order_are_refused(history):
    table, paths = history
    for wrong in (paths[::-1], [paths[0], paths[0]]):
        with pytest.raises(InputError, match="is not older than"):
            split(table, "time", earlier=wrong)
    for kind in ("time", "random"):
        given = {"earlier": paths, "features": "prospective"}
        with pytest.raises(InputError, match="clinvar_2016-05-20.tsv is of 2016-05-20, the table of 2016-05-20"):
            split(table, kind, table_date=date(2016, 5, 20), **given)
        assert split(table, kind, table_date=date(2016, 5, 21), **given).horizon_days == 1


# --- horizons ---------------------------------------------------------------------------------------------------------


def rows_of(*classes) -> pd.DataFrame:
    return pd.DataFrame({"prior_CLNSIG": classes, "AF_EXAC": "0", "CADD_PHRED": "12"})


def test_the_committed_rates_name_no_gene_and_no_variant():
    table = horizons.rates()
    assert set(table["corrections"][0]["level"]) == set(horizons.CLASSES)
    long = table["corrections"][1]
    assert set(long) == {"days", "level", "slope", *horizons.BANDS}
    bands = {band for kind in horizons.BANDS for one in long[kind].values() for band in one}
    conditions = {"cancer", "heart", "not specified", "not provided", "other", "unknown"}
    assert all(band in conditions or re.fullmatch(r"(<|>=)[0-9e.-]+", band) for band in bands), bands
    assert all(set(period["classes"]) <= set(horizons.CLASSES) for period in table["periods"])
    ten = table["periods"][-1]["classes"]["Uncertain_significance"]
    assert ten["conflicting"] / ten["variants"] == pytest.approx(0.646, abs=0.01)


def test_uncertain_variants_conflict_more_the_longer_one_waits():
    learnt = {"classes": dict.fromkeys(horizons.CLASSES, 0.2), "days": None}
    said = rows_of("Uncertain_significance", "Benign")
    found = [horizons.at_horizon(np.array([0.2, 0.2]), said, years, learnt) for years in (1, 2, 5, 8)]
    assert np.all(np.diff([one[0] for one in found]) > 0)
    assert found[-1][0] > 0.4 > found[-1][1]


def test_why_a_longer_horizon_has_the_lower_probability_is_said_with_its_counts():
    learnt = {"classes": dict.fromkeys(CLASSES, 0.3), "days": None}
    for said in CLASSES[:-1]:
        rows = pd.DataFrame({"prior_CLNSIG": [said]})
        near, far = (horizons.at_horizon(np.array([0.3]), rows, years, learnt)[0] for years in (2, 8))
        assert (far < near) == (said.lower().replace("_", " ") in horizons.why_lower([8, 2])), said
    seen = horizons.rates()["resolved"]["classes"]
    lower = [seen[name] for name in ("Pathogenic", "Likely_pathogenic", "Likely_benign", "Benign")]
    share = sum(one["resolved"] for one in lower) / sum(one["in_conflict"] for one in lower)
    text = horizons.why_lower([2, 8])
    assert "said pathogenic, likely pathogenic, likely benign or benign, the longer horizon has the lower" in text
    assert f"in conflict in 2018-04 {share:.0%} agreed in 2026-02" in text
    # Every variant is in conflict or in agreement at either end, and the last end is that of the last period.
    ends = horizons.rates()["periods"][-1]["classes"]
    for name, one in seen.items():
        assert one["in_conflict"] + one["in_agreement"] == ends[name]["variants"], name
        assert one["in_conflict"] - one["resolved"] + one["disputed"] == ends[name]["conflicting"], name
    assert horizons.why_lower([3]) == ""


def test_within_a_class_and_band_the_order_stays():
    learnt = {"classes": dict.fromkeys(horizons.CLASSES, 0.2), "days": None}
    probability = np.linspace(0.01, 0.9, 20)
    found = horizons.at_horizon(probability, rows_of(*["Likely_benign"] * 20), 8, learnt)
    assert np.all(np.diff(found) > 0)


def test_a_model_that_learnt_over_long_is_moved_by_the_distance_alone():
    learnt = {"classes": dict.fromkeys(horizons.CLASSES, 0.5), "days": 8 * horizons.YEAR}
    probability = np.array([0.3, 0.7])
    same = horizons.at_horizon(probability, rows_of("Benign", "Uncertain_significance"), 8, learnt)
    assert same == pytest.approx(probability)
    assert horizons.at_horizon(probability, rows_of("Benign", "Uncertain_significance"), 2, learnt)[1] < 0.7


def test_a_row_that_lacks_the_evidence_stands_at_the_level_of_its_class():
    learnt = {"classes": dict.fromkeys(horizons.CLASSES, 0.2), "days": None}
    long = horizons.rates()["corrections"][1]
    years = long["days"] / horizons.YEAR
    bare = pd.DataFrame({"prior_CLNSIG": ["Uncertain_significance"], "Consequence": [np.nan], "LoFtool": [0.01]})
    level = 1 / (1 + np.exp(-long["level"]["Uncertain_significance"]))
    assert horizons.at_horizon(np.array([0.2]), bare, years, learnt) == pytest.approx([level])
    told = bare.assign(Consequence="missense_variant", CADD_PHRED="31", prior_CLNDN="Hereditary_cancer")
    moved = sum(
        long[kind]["Uncertain_significance"].get(band, 0.0)
        for kind, band in (("cadd", ">=30"), ("loftool", "<0.02"), ("condition", "cancer"))
    )
    odds = long["level"]["Uncertain_significance"] + moved
    assert horizons.at_horizon(np.array([0.2]), told, years, learnt) == pytest.approx([1 / (1 + np.exp(-odds))])
    assert moved != 0


def test_bands_and_kinds_of_condition():
    rows = pd.DataFrame(
        {
            "AF_EXAC": ["0", "0.00002", "0.5"], "AF_TGP": ["0", "0.01", np.nan], "LoFtool": ["0.9", "0.019", np.nan],
            "CADD_PHRED": [10, 29.9, np.nan], "prior_CLNDN": ["Long_QT_syndrome", "not_provided", np.nan],
        }
    )  # fmt: skip
    assert horizons.frequency_band(rows).tolist() == ["<1e-09", ">=0.003", ">=0.003"]
    assert horizons.cadd_band(rows).tolist() == ["<15", "<30", "unknown"]
    assert horizons.loftool_band(rows).tolist() == [">=0.9", "<0.02", "unknown"]
    assert horizons.condition_kind(rows).tolist() == ["heart", "not provided", "unknown"]


@pytest.mark.parametrize("text", ["2.5", "0", "21", "two", "2 2"])
def test_horizons_are_whole_years(text):
    with pytest.raises(InputError, match="horizons"):
        horizons.years_list(text)


def test_what_rows_taught_is_kept_by_class():
    learning = pd.DataFrame(
        {"prior_CLNSIG": ["Benign"] * 30 + [np.nan] * 10, "CLASS": [0] * 30 + [1] * 10, "horizon_days": np.nan}
    )
    found = horizons.learnt_rates(learning)
    assert found["days"] is None
    assert found["classes"]["Benign"] == pytest.approx(2.5 / 40)
    assert found["classes"]["Pathogenic"] == pytest.approx(0.25)
    assert horizons.learnt_rates(learning.assign(prior_CLNSIG=np.nan)) is None, "no submission taught anything"
    assert horizons.learnt_rates(learning.drop(columns="prior_CLNSIG")) is None


@pytest.mark.parametrize(("real", "days"), [(60, 3650.0), (50, 3650.0), (40, None)])
def test_a_few_long_transitions_among_drawn_submissions_do_not_make_a_model_of_ten_years(real, days):
    rows = pd.DataFrame({"prior_CLNSIG": ["Benign"] * 100 + [None] * 300, "CLASS": [0, 1] * 200})
    rows["horizon_days"] = [3650.0] * real + [np.nan] * (400 - real)
    learnt = horizons.learnt_rates(rows)
    assert learnt["days"] == days
    assert ("The model itself learnt over 10.0 years" in horizons.described([8], learnt)) == (days is not None)


def test_single_submitters_of_a_time_split_are_text_that_can_be_filled(history):
    table, paths = history
    singles = split(table, "time", earlier=paths).single_submitters
    assert singles["CLNSIG"].fillna("").tolist() == ["Benign"] * len(singles)
    assert singles["SYMBOL"].fillna("none").eq("none").all()
    assert singles["second"].all()


def test_a_number_said_of_two_classes_is_shared_by_them():
    table = said("x", "Pathogenic/Likely_pathogenic(3)|Benign(3)", rows=4000)
    found = Counter(draw_submissions(table, keys(4000), seed=1)["prior_CLNSIG"])
    assert found["Benign"] / 4000 == pytest.approx(1 / 2, abs=0.03)
    assert found["Pathogenic"] / 4000 == pytest.approx(1 / 4, abs=0.03)


@pytest.mark.parametrize(
    ("years", "words", "flat"),
    [([1, 8], "for 1 year and 8 years ", False), ([10], "for 10 years ", False), ([8, 20], "20 years ahead has", True)],
)
def test_what_lies_beyond_what_was_measured_is_said(years, words, flat):
    text = horizons.described(years, {"classes": {}, "days": None})
    assert words in text and ("Nothing longer than 9.8 years was measured" in text) == flat
