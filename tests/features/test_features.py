"""Feature columns by evidence block, crossed tokens and their cross-fitted score."""

from __future__ import annotations

import gzip
import itertools
import re

import numpy as np
import pandas as pd
import pytest
from vcf_files import write

from genomicslearning import InputError
from genomicslearning.features import (
    BLOCKS,
    FEATURE_SETS,
    GeneRates,
    PartedColumns,
    ScoredFeatures,
    TokenScore,
    VariantFeatures,
    Variants,
    VariantTokens,
)
from genomicslearning.features.ragged import Ragged, text_hash
from genomicslearning.features.transformers import folds
from genomicslearning.training_set.build import build_training_set
from genomicslearning.training_set.table import read_table

# Three variants as the published table writes them.
ROWS = pd.DataFrame(
    {
        "CHROM": ["1", "13", "X"],
        "POS": [1168180, 32913251, 153296777],
        "REF": ["G", "C", "GTC"],
        "ALT": ["C", "T", "G"],
        "AF_ESP": ["0.0771", "0", "0"],
        "AF_EXAC": ["0.10020", "0.00042", "0"],
        "AF_TGP": ["0.1066", "0", "0"],
        "CLNDN": [
            "not_specified",
            "Hereditary_cancer-predisposing_syndrome|Breast-ovarian_cancer,_familial_2|not_specified",
            "Rett_syndrome",
        ],
        "CLNDISDB": [
            "MedGen:CN169374",
            "MedGen:C0027672,SNOMED_CT:699346009|OMIM:612555|MedGen:CN169374",
            "OMIM:312750",
        ],
        "CLNVC": ["single_nucleotide_variant", "single_nucleotide_variant", "Deletion"],
        "CLNVI": [
            "UniProtKB_(protein):Q96L58#VAR_059317",
            "Illumina_Clinical_Services_Laboratory,Illumina:28290|HGMD:CM951152",
            np.nan,
        ],
        "MC": ["SO:0001583|missense_variant", "SO:0001819|synonymous_variant", "SO:0001587|nonsense"],
        "ORIGIN": ["1", "33", "3"],
        "Consequence": ["missense_variant", "splice_region_variant&synonymous_variant", np.nan],
        "IMPACT": ["MODERATE", "LOW", np.nan],
        "SYMBOL": ["B3GALT6", "BRCA2", np.nan],
        "EXON": ["1/1", "11-12/27", np.nan],
        "cDNA_position": ["552", "4986-4988", np.nan],
        "CDS_position": ["522", "4759-4761", np.nan],
        "Protein_position": ["174", "1587", np.nan],
        "Amino_acids": ["E/D", "A", np.nan],
        "Codons": ["gaG/gaC", "gcC/gcT", np.nan],
        "STRAND": ["1", "1", np.nan],
        "SIFT": ["tolerated(0.12)", np.nan, np.nan],
        "CADD_PHRED": ["1.053", "22.1", np.nan],
        "GENEINFO": [np.nan, np.nan, "MECP2:4204|IRAK1:3654"],
    }
)


@pytest.fixture(scope="module")
def some(labelled_table):
    return labelled_table.sample(2000, random_state=1).reset_index(drop=True)


@pytest.mark.parametrize(
    ("column", "expected"),
    [
        ("ref_length", [1, 1, 3]),
        ("length_change", [0, 0, -2]),
        ("transition", [0, 1, 0]),
        ("transcript_substitution", [2 * 4 + 1, 1 * 4 + 3, -1]),
        ("codon_slot", [2, 2, np.nan]),
        ("variant_type", [0, 0, 1]),
        ("sex_or_mitochondrial", [0, 0, 1]),
        ("chromosome", [1, 13, 23]),
        ("consequence_rank", [13, 16, 4]),
        ("is_stop_gained", [0, 0, 1]),
        ("is_synonymous_variant", [0, 1, 0]),
        ("impact", [2, 1, np.nan]),
        ("exon", [1, 11, np.nan]),
        ("exon_fraction", [1, 11 / 27, np.nan]),
        ("last_exon", [1, 0, np.nan]),
        ("utr5_length", [30, 227, np.nan]),
        ("protein_position", [174, 1587, np.nan]),
        ("sift", [0, np.nan, np.nan]),
        ("sift_score", [0.12, np.nan, np.nan]),
        ("charge_change", [0, 0, np.nan]),
        ("volume_change", [111.1 - 138.4, 0, np.nan]),
        ("log_af_max", [np.log10(0.1066 + 1e-6), np.log10(0.00042 + 1e-6), -6]),
        ("af_known", [3, 1, 0]),
        ("af_pattern", [7, 2, 0]),
        ("cadd_phred", [1.053, 22.1, np.nan]),
        ("conditions", [1, 3, 1]),
        ("real_conditions", [0, 2, 1]),
        ("not_specified_place", [0, 2, -1]),
        ("only_unspecific", [1, 0, 0]),
        ("condition_ids", [1, 4, 1]),
        ("ids_medgen", [1, 2, 0]),
        ("condition_word_syndrome", [0, 1, 1]),
        ("sources", [1, 2, 0]),
        ("illumina_id", [np.nan, 28290, np.nan]),
        ("uniprot_id", [59317, np.nan, np.nan]),
        ("source_hgmd", [0, 1, 0]),
        ("origins", [1, 2, 2]),
        ("origin_somatic", [0, 0, 1]),
        ("origin_de_novo", [0, 1, 0]),
    ],
)
def test_a_column_of_three_real_looking_variants(column, expected):
    np.testing.assert_allclose(Variants.read(ROWS).columns[column], expected, rtol=1e-5)


def test_gene_falls_back_to_geneinfo():
    genes = Variants.read(ROWS).gene
    assert genes[2] == text_hash("MECP2")
    assert genes[1] == text_hash("BRCA2")


@pytest.mark.parametrize("features", FEATURE_SETS)
def test_every_column_is_documented_and_belongs_to_its_feature_set(some, features):
    documented = {name for block in FEATURE_SETS[features] for name in BLOCKS[block].columns}
    made = VariantFeatures(features).fit(some)
    assert set(made.get_feature_names_out()) <= documented
    row_blocks = Variants.read(some, features).blocks
    assert all(set(columns) <= set(BLOCKS[block].columns) for block, columns in row_blocks.items())


def test_biology_has_nothing_that_grows_with_submitters(some):
    blind = some.assign(CLNDN="x|y|z", CLNDISDB="OMIM:1", CLNVI="a:1|b:2", ORIGIN="33", CLNDNINCL="q", CLNSIGINCL="1:x")
    for transformer in (VariantFeatures("biology"), VariantTokens("biology")):
        one, two = transformer.fit_transform(some), transformer.fit_transform(blind)
        assert (abs(one - two).max().max() if hasattr(one, "nnz") else np.nanmax(np.abs(one - two))) == 0


def test_label_columns_never_become_features(some):
    """CLASS and what states it, planted in every spelling, change nothing."""
    planted = some.assign(
        CLASS=1 - some["CLASS"],
        CONFLICT=some["CLASS"].astype(str),
        CLNREVSTAT=some["CLASS"].map({0: "no_conflicts", 1: "conflicting"}),
        CLNSIG=some["CLASS"].astype(str),
        CLNSIGCONF=some["CLASS"].astype(str),
        CLNSIGSCV="SCV1|SCV2",
        submitters=some["CLASS"],
        prior_CLNSIG=some["CLASS"].map({0: "Benign", 1: "Pathogenic"}),
    )
    y = some["CLASS"].to_numpy()
    for features in ("all", "biology"):
        scored = ScoredFeatures(VariantFeatures(features), TokenScore(features), GeneRates(features))
        clean, dirty = scored.fit_transform(some, y), scored.fit_transform(planted, y)
        pd.testing.assert_frame_equal(clean, dirty)


def test_prospective_reads_the_earlier_release(some):
    told = some.assign(
        prior_CLNSIG=np.where(some.index % 2, "Likely_pathogenic", "Benign"),
        prior_CLNDN="not_specified|Rett_syndrome",
        prior_submissions=some.index % 7,
    )
    columns = Variants.read(told, "prospective").columns
    assert columns["prior_pathogenic"].tolist() == (told.index % 2).tolist()
    assert columns["prior_likely"].tolist() == (told.index % 2).tolist()
    assert set(columns["prior_conditions"]) == {2}
    assert columns["prior_submissions"].tolist() == (told.index % 7).tolist()
    fitted = VariantFeatures("prospective").fit(told)
    assert np.isnan(fitted.transform(some)["prior_submissions"]).all()


def test_order_of_columns_and_cells_of_other_rows_do_not_matter(some):
    fitted = VariantFeatures().fit(some.iloc[:1500])
    rest = some.iloc[1500:]
    whole = fitted.transform(rest)
    pd.testing.assert_frame_equal(whole, fitted.transform(rest[rest.columns[::-1]]))
    apart = pd.concat([fitted.transform(rest.iloc[:7]), fitted.transform(rest.iloc[7:])])
    pd.testing.assert_frame_equal(whole, apart)


def test_unseen_genes_and_empty_columns(some):
    fitted = VariantFeatures().fit(some)
    strange = some.head(20).assign(SYMBOL="NEWGENE1", CHROM="chrUn_1", CLNDN=np.nan, Consequence=np.nan, AF_EXAC=np.nan)
    made = fitted.transform(strange)
    assert made["gene_variants"].eq(0).all()
    assert made["gene_cadd"].isna().all()
    assert made.shape == (20, len(fitted.get_feature_names_out()))


def test_a_gene_is_told_by_how_rare_its_variants_are():
    from genomicslearning.features.context import GeneContext

    table = pd.DataFrame({"CHROM": "1", "POS": [1, 2, 3, 4], "REF": "A", "ALT": "C", "SYMBOL": ["G", "G", "G", "H"]})
    variants = Variants.read(table.assign(AF_EXAC=["0", "0.01", "0.0001", "0"]))
    found = GeneContext().fit(variants).transform(variants)
    np.testing.assert_allclose(found["gene_unseen"], [1 / 3, 1 / 3, 1 / 3, 1])
    np.testing.assert_allclose(found["gene_common"], [1 / 3, 1 / 3, 1 / 3, 0])
    spread = np.std(np.log10(np.array([0, 0.01, 0.0001]) + 1e-6))
    np.testing.assert_allclose(found["gene_af_spread"], [spread, spread, spread, 0], rtol=1e-6)


def test_neighbours_do_not_count_the_row_itself():
    same_place = pd.DataFrame({"CHROM": "1", "POS": [100, 100, 104, 900], "REF": "A", "ALT": ["C", "G", "C", "C"]})
    variants = Variants.read(same_place)
    from genomicslearning.features.context import GeneContext

    found = GeneContext().fit(variants).transform(variants)
    assert found["variants_within_5"].tolist() == [2, 2, 2, 0]
    assert found["variants_at_position"].tolist() == [1, 1, 0, 0]
    new = Variants.read(pd.DataFrame({"CHROM": "1", "POS": [102], "REF": "A", "ALT": "T"}))
    assert GeneContext().fit(variants).transform(new)["variants_within_5"].tolist() == [3]


@pytest.fixture(scope="module")
def modern(modern_release, tmp_path_factory) -> pd.DataFrame:
    """Training set of the first records of a release (of 2026, if it is there): no VEP, genes in GENEINFO only."""
    folder = tmp_path_factory.mktemp("modern")
    with gzip.open(modern_release, "rb") as release:
        (folder / "clinvar.vcf").write_bytes(b"".join(itertools.islice(release, 3000)))
    build_training_set(clinvar=str(folder / "clinvar.vcf"), out=str(folder / "table.parquet"))
    return read_table(folder / "table.parquet")


def test_a_grch38_release_without_vep(tmp_path):
    # VCV000986812, in HPDL, as the release of 2026-02-26 has it: all that is known of it comes from ClinVar itself.
    conditions = "MedGen:C3661900|MONDO:MONDO:0033613,MedGen:C5436628,OMIM:619026,Orphanet:210141,Orphanet:641353"
    info = (
        f"AF_EXAC=0.00003;CLNDISDB={conditions}|MeSH:D030342,MedGen:C0950123;CLNDN=not_provided|Neurodevelopmental_"
        "disorder_with_progressive_spasticity_and_brain_white_matter_abnormalities|Inborn_genetic_diseases;"
        "CLNHGVS=NC_000001.11:g.45327617T>C;CLNREVSTAT=criteria_provided,_conflicting_classifications;"
        "CLNSIG=Conflicting_classifications_of_pathogenicity;CLNVC=single_nucleotide_variant;CLNVCSO=SO:0001483;"
        "CLNVI=ClinGen:CA826252;GENEINFO=HPDL:84842;MC=SO:0001583|missense_variant;ORIGIN=1;RS=567130416"
    )
    agrees = "CLNREVSTAT=criteria_provided,_multiple_submitters,_no_conflicts"
    records = [f"1 45327617 986812 T C . . {info}", f"1 45327700 1 A C . . {agrees}"]
    release = write(tmp_path / "clinvar.vcf", records, extra="##reference=GRCh38")
    build_training_set(clinvar=release, out=tmp_path / "table.parquet")
    variant = read_table(tmp_path / "table.parquet").head(1)
    columns = Variants.read(variant).columns
    expected = {
        "chromosome": 1,
        "megabase": 45.327617,
        "is_missense_variant": 1,
        "consequence_rank": 13,
        "mc_terms": 1,
        "log_af_exac": np.log10(0.00003 + 1e-6),
        "af_known": 1,
        "conditions": 3,
        "not_provided_place": 0,
        "condition_ids": 8,
        "ids_mondo": 1,
        "sources": 1,
    }
    found = {name: columns[name][0] for name in expected}
    assert found == pytest.approx(expected, rel=1e-6)
    for of_vep in ("impact", "mc_agrees", "exon", "sift", "cadd_phred", "protein_position"):
        assert np.isnan(columns[of_vep][0])
    assert Variants.read(variant).gene[0] == text_hash("HPDL")


def test_features_learnt_on_grch38_rows(modern):
    made = VariantFeatures().fit(modern)
    assert {"is_missense_variant", "log_af_exac", "conditions", "megabase", "gene_variants"} <= set(made.feature_names_)
    assert not {"impact", "exon", "sift", "cadd_phred", "gene_cadd"} & set(made.feature_names_)
    found = made.transform(modern)["gene_variants"]
    genes = modern["GENEINFO"].str.split("[:|]").str[0]
    np.testing.assert_array_equal(found, genes.map(genes.value_counts()) - 1)


def test_token_rows_have_length_one_and_unknown_tokens_are_left_out(some):
    tokens = VariantTokens(min_rows=2).fit(some.iloc[:1000])
    matrix = tokens.transform(some.iloc[1000:])
    assert matrix.shape == (1000, len(tokens.tokens_))
    np.testing.assert_allclose(np.sqrt(matrix.multiply(matrix).sum(axis=1)), 1, rtol=1e-5)


def test_token_score_is_cross_fitted(some):
    """On labels without meaning, scores of training rows must not know their labels."""
    from sklearn.metrics import roc_auc_score

    y = np.random.default_rng(3).permutation(some["CLASS"].to_numpy())
    score = TokenScore().fit_transform(some, y)["token_score"]
    assert 0.44 < roc_auc_score(y, score) < 0.56


def test_grouped_score_never_sees_the_rows_own_gene(some):
    """Every gene has labels of its own: a score that knows a row's gene would be perfect."""
    from sklearn.metrics import roc_auc_score

    groups = pd.factorize(some["SYMBOL"].fillna(""))[0]
    y = np.random.default_rng(4).integers(0, 2, groups.max() + 1)[groups]
    known = TokenScore().fit_transform(Variants.read(some), y)["token_score"]
    held_out = TokenScore().fit_transform(Variants.read(some, groups=groups), y)["token_score"]
    assert roc_auc_score(y, known) > 0.85
    assert roc_auc_score(y, held_out) < 0.65


def test_a_class_of_one_row_leaves_a_fold_with_nothing_to_learn_and_no_error(some):
    rows, y = some.iloc[:60], np.zeros(60, int)
    y[7] = 1
    score = TokenScore().fit_transform(rows, y)["token_score"].to_numpy()
    alone = score[7]  # scored by the fold that has seen no row of its class
    assert alone == pytest.approx(np.log(0.5 / 48.5)) and np.isfinite(score).all()


def test_folds_of_groups_learn_from_both_classes_where_one_is_rare():
    groups = np.repeat(np.arange(12), 5)
    for seed in range(20):
        y = np.isin(np.arange(60), (2, 57)).astype(int)
        parts = folds(2, y, groups, seed)
        assert all(len(set(y[fitted])) == 2 for fitted, _ in parts)
        assert all(not set(groups[fitted]) & set(groups[scored]) for fitted, scored in parts)


def test_alleles_in_small_letters_are_the_same_alleles(some):
    small = some.assign(REF=some["REF"].str.lower(), ALT=some["ALT"].str.lower())
    pd.testing.assert_frame_equal(VariantFeatures().fit(some).transform(small), VariantFeatures().fit_transform(some))
    assert (Variants.read(small).columns["transition"] == Variants.read(some).columns["transition"]).all()


@pytest.mark.parametrize(
    ("y", "groups", "count"),
    [
        ([0, 0, 1, 1], None, 2),
        ([0, 1], None, 2),
        ([0, 0, 0, 1], None, 3),
        ([0, 1, 0, 1, 1, 0], [5, 5, 5, 8, 8, 8], 2),
        ([0, 1, 0, 1, 1, 0], [5] * 6, 3),
        ([0, 1], [5, 8], 2),
        ([0, 0, 1], [5, 8, 9], 3),
    ],
)
def test_there_are_as_many_folds_as_the_rows_and_groups_allow(y, groups, count):
    y, groups = np.array(y), None if groups is None else np.array(groups)
    for seed in range(5):
        parts = folds(5, y, groups, seed)
        assert len(parts) <= count and all(len(fitted) and len(scored) for fitted, scored in parts)
        assert sorted(np.concatenate([scored for _, scored in parts])) == list(range(len(y)))
        if groups is not None and len(set(groups)) > 1:
            assert all(not set(groups[fitted]) & set(groups[scored]) for fitted, scored in parts)


def test_where_genes_are_held_out_a_token_of_one_gene_is_not_learnt(some):
    """A training row's own gene would weigh in its tokens, and a new gene's never would."""
    variants = Variants.read(some, groups=some["SYMBOL"].fillna("").to_numpy())
    learnt = VariantTokens(min_rows=2).fit(variants)
    genes = [set() for _ in learnt.tokens_]
    place = {token: number for number, token in enumerate(learnt.tokens_)}
    for row, code in zip(variants.tokens.rows, variants.tokens.values, strict=True):
        if (token := variants.token_hashes[code]) in place:
            genes[place[token]].add(variants.gene[row])
    assert min(map(len, genes)) == 2
    assert len(learnt.tokens_) < len(VariantTokens(min_rows=2).fit(Variants.read(some)).tokens_) / 2


def test_where_genes_are_held_out_themes_are_learnt_from_terms_of_several_genes(some):
    """One gene's own conditions and words would tell it apart from the others."""
    genes = some["SYMBOL"].fillna("").to_numpy()
    variants = Variants.read(some, groups=genes)
    learnt, without_groups = (VariantFeatures().fit(rows).themes_ for rows in (variants, Variants.read(some)))
    for lists, themes, plain in zip(
        (variants.condition_terms, variants.condition_words), learnt, without_groups, strict=True
    ):
        named = pd.DataFrame({"term": lists.values, "gene": genes[lists.rows]}).drop_duplicates()
        of_several = named.groupby("term").size().loc[lambda genes: genes > 1].index
        assert set(themes.terms_) == set(plain.terms_) & set(of_several)
        assert 0 < len(themes.terms_) < len(plain.terms_)


def test_ragged_rows():
    lists = Ragged.of([[1, 2], [], [3]])
    assert lists.lengths.tolist() == [2, 0, 1]
    taken = lists.take(np.array([2, 0, 0]))
    assert taken.values.tolist() == [3, 1, 2, 1, 2]
    rows, left, right = lists.pairs_with(Ragged.of([[7], [8], [9, 9]]))
    assert (rows.tolist(), left.tolist(), right.tolist()) == ([0, 0, 2, 2], [1, 2, 3, 3], [7, 7, 9, 9])


@pytest.mark.parametrize(
    ("table", "features", "message"),
    [
        (ROWS, "everything", "'everything' is not a feature set"),
        (ROWS.drop(columns="REF"), "all", "no column REF"),
        (Variants.read(ROWS, "biology"), "all", "parsed for 'biology'"),
    ],
)
def test_bad_input(table, features, message):
    with pytest.raises(InputError, match=message):
        Variants.read(table, features)


def test_columns_are_parted_by_a_flag_and_added_up_again():
    table = pd.DataFrame({"flag": [1, 0, np.nan], "value": [5, 6, 7]}, dtype=np.float32)
    step = PartedColumns("flag").fit(table)
    nan = np.nan
    expected = [[1, 5, nan, nan], [nan, nan, 0, 6], [nan, nan, nan, 7]]
    np.testing.assert_array_equal(step.transform(table), np.array(expected, np.float32))
    np.testing.assert_array_equal(step.transform(table.to_numpy()), np.array(expected, np.float32))
    np.testing.assert_array_equal(step.added_up(np.array([[1.0, 2.0, 10.0, 20.0]])), [[11.0, 22.0]])
    without = PartedColumns("another").fit(table)
    np.testing.assert_array_equal(without.transform(table), table.to_numpy())
    np.testing.assert_array_equal(without.added_up(np.ones((1, 2))), np.ones((1, 2)))


def test_what_a_feature_is_stands_by_itself():
    """A report shows features by their weight, each without its neighbours in the block."""
    words = {name: what for block in BLOCKS.values() for name, what in block.columns.items()}
    leaning = re.compile(r"\b(them|their|that mean|the same|drawn to it|this one)\b|where it (?:has|says|names)")
    assert not [f"{name}: {what}" for name, what in words.items() if leaning.search(what)]
