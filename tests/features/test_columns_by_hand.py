"""Columns worked out by hand that the three real-looking variants do not reach, each beside its neighbours."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from sklearn.linear_model import LogisticRegression

from genomicslearning.features import GeneRates, TokenScore, VariantFeatures, Variants, VariantTokens
from genomicslearning.features import tokens as token_bands
from genomicslearning.features.context import ConditionThemes, GeneContext
from genomicslearning.features.cross_fitting import folds
from genomicslearning.features.ragged import Ragged, cross, text_hash

NAN = np.nan


def variants(features: str = "all", **columns) -> Variants:
    count = len(next(iter(columns.values())))
    site = {"CHROM": "1", "POS": range(1, count + 1), "REF": "A", "ALT": "G"}
    return Variants.read(pd.DataFrame(site | columns), features)


def floats(*values) -> np.ndarray:
    return np.array(values, np.float32)


@pytest.mark.parametrize(
    ("column", "cells", "expected"),
    [
        ("keeps_frame", {"REF": ["A", "A", "AGTC"], "ALT": ["AG", "AGTC", "A"]}, [0, 1, 1]),
        ("transition", {"REF": ["A", "C", "A", "C"], "ALT": ["G", "T", "C", "A"]}, [1, 1, 0, 0]),
        # A>C on the other strand is T>G: 4 x 3 + 2.
        ("transcript_substitution", {"REF": ["A", "A"], "ALT": ["C", "C"], "STRAND": ["1", "-1"]}, [1, 14]),
        # C>T before a G; G>A after a C; C>T before an A; on the other strand G>A is C>T.
        (
            "cpg",
            {
                "REF": ["C", "G", "C", "G", "C"],
                "ALT": ["T", "A", "T", "A", "T"],
                "STRAND": ["1", "1", "1", "-1", "1"],
                "Codons": ["aCg/aTg", "cGa/cAa", "gCa/gTa", "aCg/aTg", "ACg/ATg"],
            },
            [1, 1, 0, 1, NAN],
        ),
        ("codon_gc", {"Codons": ["gaG/gaC", "aaA/aaC", "gcC/gcT"]}, [2, 0, 3]),
        ("sex_or_mitochondrial", {"CHROM": ["22", "X", "MT", "GL000"]}, [0, 1, 1, 0]),
        ("log_af_min", {"AF_ESP": ["0.1"], "AF_EXAC": ["0.01"], "AF_TGP": ["0.2"]}, [np.log10(0.01 + 1e-6)]),
        ("log_af_mean", {"AF_ESP": ["0.3", None], "AF_EXAC": ["0", None]}, [np.log10(0.1 + 1e-6), -6]),
        ("esp_to_exac", {"AF_ESP": ["0.1"], "AF_EXAC": ["0.001"]}, [np.log10(0.10001 / 0.00101)]),
        ("tgp_to_exac", {"AF_TGP": ["0.1"], "AF_EXAC": ["0.001"]}, [np.log10(0.10001 / 0.00101)]),
        ("minor_af", {"AF_ESP": ["0.7", "0.2"]}, [0.3, 0.2]),
        ("cadd_residual", {"CADD_PHRED": ["20"], "CADD_RAW": ["3"]}, [-1]),
        ("cadd_by_frequency", {"CADD_PHRED": ["20"], "CADD_RAW": ["3"], "AF_ESP": ["0"]}, [-120]),
        ("loftool", {"LoFtool": ["0.3", None], "CADD_RAW": ["3", "3"]}, [0.3, NAN]),
        ("exons", {"EXON": ["2/5", None], "INTRON": [None, "3/8"]}, [5, 9]),
        ("exons_to_end", {"EXON": ["2/5", "5/5"]}, [3, 0]),
        ("intron_fraction", {"INTRON": ["2/8"]}, [0.25]),
        ("hydropathy_change", {"Amino_acids": ["R/I", "A"]}, [9, 0]),
        ("charge_change", {"Amino_acids": ["D/K", "K/H"]}, [2, -0.5]),
        ("glycine_or_proline", {"Amino_acids": ["G/A", "A/P", "G/P"]}, [-1, 1, 0]),
        ("cysteine", {"Amino_acids": ["C/A", "A/C", "G/P"]}, [-1, 1, 0]),
        ("new_amino_acid", {"Amino_acids": ["A/*", "A/R", "A/RR"]}, [20, 1, NAN]),
        ("polyphen", {"PolyPhen": ["benign(0.1)", "possibly_damaging", "probably_damaging(1)", "?"]}, [0, 1, 2, NAN]),
        (
            "sift",
            {"SIFT": ["tolerated", "tolerated_low_confidence", "deleterious_low_confidence", "deleterious(0)"]},
            [0, 1, 2, 3],
        ),
        ("transcript_edited", {"BAM_EDIT": ["OK", "FAILED", None]}, [1, -1, 0]),
        (
            "mc_agrees",
            {
                "Consequence": ["missense_variant&splice_region_variant", "stop_gained", None],
                "MC": ["SO:1|missense_variant,SO:2|splice_region_variant", "SO:1|missense_variant", "SO:1|nonsense"],
            },
            [2, 0, NAN],
        ),
        ("is_start_lost", {"MC": ["SO:1|initiator_codon_variant", "SO:1|nonsense"]}, [1, 0]),
        ("consequence_terms", {"Consequence": ["a&b", "a", None]}, [2, 1, NAN]),
        ("only_unspecific", {"CLNDN": ["not_provided", None, "x"]}, [1, 0, 0]),
        ("capitals", {"CLNDN": ["aBCD"]}, [3]),
        ("commas", {"CLNDN": ["a_b,_c_d"]}, [1]),
        ("included_conditions", {"CLNDNINCL": ["a,b|c", None]}, [2, 0]),
        ("omim_allele", {"CLNVI": ["OMIM_Allelic_Variant:600185.0012"]}, [12]),
        ("suspect_dbsnp", {"SSR": ["16", None], "ORIGIN": ["1", "1"]}, [16, NAN]),
    ],
)
def test_a_column(column, cells, expected):
    np.testing.assert_allclose(variants(**cells).columns[column], expected, rtol=1e-4, atol=1e-6)


def test_what_the_single_submission_said():
    said = [
        "Pathogenic", "Likely_pathogenic", "Uncertain_significance", "Likely_benign", "Benign/Likely_benign", None,
    ]  # fmt: skip
    named = ["x|not_provided", "x", None, "Not specified", "x|y|z", "x"]
    columns = variants("prospective", prior_CLNSIG=said, prior_CLNDN=named).columns
    expected = {
        "prior_pathogenic": [1, 1, 0, 0, 0, NAN],
        "prior_uncertain": [0, 0, 1, 0, 0, NAN],
        "prior_benign": [0, 0, 0, 1, 1, NAN],
        "prior_likely": [0, 1, 0, 1, 1, NAN],
        "prior_conditions": [2, 1, 0, 1, 3, 1],
        "prior_unspecific": [1, 0, 0, 1, 0, 0],
    }
    for name, values in expected.items():
        np.testing.assert_array_equal(columns[name], values, err_msg=name)


# --- what is learnt of other rows -------------------------------------------------------------------------------------


def test_a_row_beside_the_others_of_its_gene():
    learnt = variants(
        POS=[100, 110, 100_000, 200_000],
        SYMBOL=["G", "G", "G", "H"],
        IMPACT=["HIGH", "MODERATE", "MODERATE", "HIGH"],
        AF_EXAC=["0.1", "0.001", "0.001", "0.5"],
        CADD_PHRED=["10", "20", None, "5"],
        Protein_position=["10", "40", None, None],
        CLNDN=["a|b", "b|a", "not_specified", "a|b"],
        CLNVI=["Illumina:1|OMIM:2", "OMIM:1|HGMD:2", None, None],
    )
    context = GeneContext().fit(learnt)
    found = context.transform(learnt)
    log_af = np.log10(np.array([0.1, 0.001, 0.001]) + 1e-6)
    expected = {
        "gene_variants": [2, 2, 2, 0],
        "gene_high_impact": [1 / 3] * 3 + [1],
        "gene_moderate_impact": [2 / 3] * 3 + [0],
        "gene_cadd": [10, 10, 10, 5],
        "gene_log_af": [log_af.mean()] * 3 + [np.log10(0.5 + 1e-6)],
        "gene_conditions": [5 / 3] * 3 + [2],
        "gene_not_specified": [1 / 3] * 3 + [0],
        "gene_illumina": [1 / 3] * 3 + [0],
        "conditions_to_gene": [1 / 3, 1 / 3, -2 / 3, 0],
        "condition_set_rows": [2, 2, 0, 2],
        "af_to_gene": [*(log_af - log_af.mean()), 0],
        "af_rank_in_gene": [1, 0, 0, 0],
        "cadd_rank_in_gene": [0.5, 1, 0, 0],
        "protein_fraction": [0.25, 1, NAN, NAN],
        "log_distance_before": np.log1p([1e6, 10, 99_890, 100_000]),
        "log_distance_after": np.log1p([10, 99_890, 100_000, 1e6]),
        "variants_within_50": [1, 1, 0, 0],
    }
    for name, values in expected.items():
        np.testing.assert_allclose(found[name], values, rtol=1e-4, atol=1e-5, err_msg=name)
    new = variants(POS=[105], SYMBOL=["G"], AF_EXAC=["0.01"], CADD_PHRED=["15"], Protein_position=["20"], CLNDN=["b|a"])
    asked = {name: values[0] for name, values in context.transform(new).items()}
    assert asked["af_rank_in_gene"] == pytest.approx(2 / 3) and asked["cadd_rank_in_gene"] == pytest.approx(2 / 3)
    assert (asked["gene_variants"], asked["protein_fraction"], asked["condition_set_rows"]) == (3, 0.5, 3)
    assert asked["log_distance_before"] == asked["log_distance_after"] == pytest.approx(np.log(6))


def test_windows_reach_their_last_base():
    found = variants(POS=[100, 105, 150, 151])
    near = GeneContext().fit(found).transform(found)
    assert near["variants_within_5"].tolist() == [1, 1, 1, 1]
    assert near["variants_within_50"].tolist() == [2, 3, 3, 2]


def test_themes_weigh_terms_by_how_often_and_how_rare():
    lists = Ragged.of([[1, 1, 2], [1], [1], [3]])
    themes = ConditionThemes(2, min_rows=1).fit(lists, None)
    weights = themes._weights(lists).toarray()
    often, rare = (1 + np.log(2)) * (np.log(5 / 4) + 1), np.log(5 / 2) + 1
    assert weights[0] == pytest.approx(np.array([often, rare, 0]) / np.hypot(often, rare))
    assert weights[1].tolist() == [1, 0, 0]
    assert ConditionThemes(2, min_rows=2).fit(lists, None).terms_.tolist() == [1]
    assert ConditionThemes(2, min_rows=4).fit(lists, None).terms_.tolist() == [1], "as many as are asked for"


def test_shares_of_a_gene_without_an_impact_are_of_those_without_one():
    rates = GeneRates("biology")
    learnt = variants("biology", SYMBOL=["A"] * 4 + ["B"] * 4, IMPACT=[None, None, "MODIFIER", "MODIFIER"] * 2)
    rates.fit_transform(learnt, np.array([1, 1, 0, 0, 1, 1, 0, 0]))
    found = rates.transform(variants("biology", SYMBOL=["A", "A"], IMPACT=[None, "MODIFIER"]))
    assert found["gene_rate_of_impact"].tolist() == pytest.approx([(2 + 8 * 0.5) / 10, 8 * 0.5 / 10])


def test_folds_hang_on_their_seed():
    y, groups = np.resize([0, 1], 60), np.repeat(np.arange(20), 3)
    for given in (None, groups):
        first, again, other = ([scored.tolist() for _, scored in folds(5, y, given, seed)] for seed in (1, 1, 2))
        assert first == again != other
    some = variants("biology", SYMBOL=[f"G{number % 6}" for number in range(60)])
    rates = [GeneRates("biology", seed=seed).fit_transform(some, y)["gene_rate"].tolist() for seed in (1, 1, 2)]
    assert rates[0] == rates[1] != rates[2]


# --- tokens -----------------------------------------------------------------------------------------------------------


def hashes(features: str = "prospective", **cells) -> set[int]:
    """Tokens of one variant."""
    return set(variants(features, **{name: [cell] for name, cell in cells.items()}).token_hashes.tolist())


def token(kind: str, *parts) -> int:
    values = (np.array([part if isinstance(part, int) else text_hash(part)], np.uint64) for part in parts)
    return int(cross(kind, *values)[0])


def test_tokens_of_a_variant_by_hand():
    cells = {
        "SYMBOL": "G",
        "Consequence": "missense_variant&x",
        "IMPACT": "HIGH",
        "CADD_PHRED": "16",
        "AF_EXAC": "0.002",
    }
    found = hashes(**cells, Protein_position="125", prior_CLNSIG="Benign", prior_CLNDN="A b")
    # log10(.002) is -2.7 and a hair: above nine of the fine edges, three of the coarse; 16 lies above four of CADD's.
    fine, coarse, cadd = 9, 3, 4
    assert (token_bands.FINE_BANDS[8], token_bands.COARSE_BANDS[2], token_bands.CADD_BANDS[3]) == (-2.7, -3, 15)
    expected = [
        token("gene", "G"),
        token("frequency", fine),
        token("cadd", cadd),
        token("cadd frequency", cadd, coarse),
        token("consequence cadd", "missense_variant", cadd),
        token("gene frequency impact", "G", coarse, "HIGH"),
        token("gene residue", "G", 125),
        token("gene 10 residues", "G", 12),
        token("gene 50 residues frequency", "G", 2, coarse),
        token("prior", "prior_CLNSIG=benign"),
        token("prior gene", "prior_CLNDN=a_b", "G"),
        token("prior cadd", "prior_CLNSIG=benign", cadd),
    ]
    assert not [place for place, one in enumerate(expected) if one not in found]
    assert not any(one in hashes("biology", **cells, prior_CLNSIG="Benign") for one in expected[-3:])


@pytest.mark.parametrize(("frequency", "band"), [("0", 0), ("0.00001", 1), ("0.0002", 2), ("0.002", 3), ("0.01", 4)])
def test_beside_something_rare_a_frequency_lies_in_one_of_five_bands(frequency, band):
    assert token("cadd frequency", 0, band) in hashes("biology", AF_EXAC=frequency)


def test_a_token_score_is_the_mean_of_its_folds_models():
    rng = np.random.default_rng(0)
    rows = variants("biology", SYMBOL=rng.choice(["A", "B", "C"], 60), AF_EXAC=rng.choice(["0", "0.1"], 60))
    y = rng.integers(0, 2, 60)
    score = TokenScore("biology", cv=3, seed=4)
    own = score.fit_transform(rows, y)["token_score"].to_numpy()
    matrix, asked, expected = score.vectorizer_.transform(rows), np.zeros(60), np.zeros(60)
    for fitted, scored in folds(3, y, None, 4):
        model = LogisticRegression(C=3.0, solver="newton-cg").fit(matrix[fitted], y[fitted])
        expected[scored] = model.decision_function(matrix[scored])
        asked += model.decision_function(matrix) / 3
    np.testing.assert_allclose(own, expected, atol=1e-3)
    np.testing.assert_allclose(score.transform(rows)["token_score"], asked, atol=1e-3)
    assert not np.allclose(own, TokenScore("biology", cv=3, seed=5).fit_transform(rows, y)["token_score"], atol=1e-3)


def test_a_condition_of_three_rows_and_a_word_of_five_are_part_of_a_theme():
    named = ["often_named"] * 20 + ["thrice_named"] * 3 + ["twice_named"] * 2 + ["x"] * 5
    table = pd.DataFrame({"CHROM": "1", "POS": range(1, 31), "REF": "A", "ALT": "G", "CLNDN": named})
    terms, words = (set(themes.terms_.tolist()) for themes in VariantFeatures().fit(table).themes_)
    assert terms == {text_hash(name) for name in ("often_named", "thrice_named", "x")}
    assert words == {text_hash(f"word:{word}") for word in ("often", "named", "x")}


def test_what_a_token_has_where_cells_are_missing():
    found = hashes("biology", SYMBOL="G", MC="SO:1|nonsense,SO:2|x")
    assert token("consequence", "nonsense") in found and token("cadd", 0) in found
    place = 1 * 10**10 + 1
    assert token("gene residue", "G", place) in found and token("gene 10 residues", "G", place // 10) in found


def test_a_token_is_learnt_of_as_many_rows_as_are_asked_for_and_weighs_by_how_rare_it_is():
    rows = variants("biology", SYMBOL=["A"] * 4 + ["B"] * 3)
    learnt = VariantTokens("biology", min_rows=4).fit(rows)
    assert token("gene", "A") in learnt.tokens_ and token("gene", "B") not in learnt.tokens_
    weight = dict(zip(learnt.tokens_.tolist(), learnt.idf_, strict=True))
    assert weight[token("gene", "A")] == pytest.approx(np.log(8 / 5) + 1)
    assert weight[token("frequency", 0)] == pytest.approx(1)


def test_a_column_with_fewer_than_ten_known_values_is_none():
    cells = {"CADD_PHRED": [f"{number}" if number < 9 else None for number in range(40)]}
    cells |= {"LoFtool": [f"0.{number}" if number < 10 else None for number in range(40)]}
    site = {"CHROM": "1", "POS": range(1, 41), "REF": "A", "ALT": "G"}
    made = VariantFeatures("biology").fit(pd.DataFrame(site | cells)).feature_names_
    assert "loftool" in made and "cadd_phred" not in made


def test_blocks_that_are_left_out_leave_no_column():
    table = pd.DataFrame({"CHROM": "1", "POS": range(1, 41), "REF": "A", "ALT": "G", "SYMBOL": ["A"] * 15 + ["B"] * 25})
    table["CLNDN"] = [f"x{number % 3}" for number in range(40)]
    whole, part = (VariantFeatures(without=names).fit(table).feature_names_ for names in ((), ("locus", "gene")))
    assert {"megabase", "gene_variants", "variants_within_5", "condition_theme_00"} <= set(whole)
    assert not {"megabase", "gene_variants", "variants_within_5"} & set(part) and "condition_theme_00" in part


def test_two_alleles_of_one_place_are_two_variants():
    found = variants(POS=[5, 5, 5], REF=["A", "A", "a"], ALT=["C", "G", "c"]).variant
    assert found[0] == found[2] != found[1]
