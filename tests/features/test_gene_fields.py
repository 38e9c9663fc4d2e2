"""Fields of medicine of a gene: what its records speak of, and that no label is in it."""

import json
from importlib.resources import files

import numpy as np
import pandas as pd
import pytest

from genomicslearning.features import BLOCKS, FEATURE_SETS, VariantFeatures, Variants
from genomicslearning.features.gene_fields import FIELDS, fields_of, known_genes, shares
from genomicslearning.history.releases import read_release

SINGLE, SEVERAL = "criteria provided, single submitter", "criteria provided, multiple submitters, no conflicts"
CONFLICTING = "criteria provided, conflicting interpretations"


@pytest.mark.parametrize(
    ("condition", "fields"),
    [
        ("Hereditary_cancer-predisposing_syndrome", {"cancer", "hereditary_cancer", "syndrome"}),
        ("Hypertrophic cardiomyopathy", {"heart", "muscle_and_nerve"}),
        ("not_provided|Deafness,_autosomal_recessive_3", {"not_provided", "senses", "recessive"}),
        ("not specified", {"not_specified"}),
        ("Porphyria", set()),
        ("", set()),
    ],
)
def test_which_fields_a_condition_speaks_of(condition, fields):
    assert {name for name, speaks in zip(FIELDS, fields_of(condition), strict=True) if speaks} == fields


def records(*rows):
    return pd.DataFrame(rows, columns=["SYMBOL", "CLNDN", "review_status"])


def test_shares_by_hand():
    found = shares(
        records(("A", "Lynch syndrome", SINGLE), ("A", "x", SINGLE), ("B", None, SINGLE), (None, "cancer", SINGLE))
    )
    # One of the three records with a symbol speaks of cancer; five records of that mean stand beside each gene's own.
    assert found["cancer"].to_dict() == pytest.approx({"A": (1 + 5 / 3) / 7, "B": (5 / 3) / 6})
    assert (found["heart"] == 0).all()


def test_records_that_several_laboratories_classified_are_not_counted():
    some = (("A", "Lynch syndrome", SINGLE), ("B", "x", SINGLE))
    more = (
        ("B", "cancer|heart|not specified", SEVERAL),
        ("C", "cancer", "criteria provided, conflicting interpretations"),
    )
    pd.testing.assert_frame_equal(shares(records(*some, *more)), shares(records(*some)))


def test_a_row_has_the_shares_of_its_gene():
    rows = pd.DataFrame(
        {
            "CHROM": ["13"] * 4,
            "POS": [1, 2, 3, 4],
            "REF": ["A"] * 4,
            "ALT": ["C"] * 4,
            "SYMBOL": ["BRCA2", None, "no such gene", "no such gene"],
            "GENEINFO": [None, "BRCA2:675|ZAR1L:646799", "BRCA2:675", None],
        }
    )
    columns = Variants.read(rows, "prospective").columns
    cancer, heart = columns["gene_field_cancer"], columns["gene_field_heart"]
    assert cancer[:2] == pytest.approx([known_genes()["BRCA2"][0]] * 2) and cancer[0] > 0.9 > 0.1 > heart[0]
    # A symbol that stands there and is not known is not replaced by another gene.
    assert np.isnan(cancer[2:]).all()


def test_only_questions_about_the_future_read_it(labelled_table):
    assert {name for name, blocks in FEATURE_SETS.items() if "gene_field" in blocks} == {"prospective"}
    # Taken away with the gene: both are read from its symbol.
    assert BLOCKS["gene_field"].evidence == BLOCKS["gene"].evidence
    # Left where whole genes are held out: it is not learnt from training rows.
    assert (
        "gene_field_cancer"
        in VariantFeatures("prospective", without=("locus", "gene")).fit(labelled_table).feature_names_
    )


def test_the_committed_table_is_what_the_release_gives(shared_data):
    release = read_release(shared_data / "clinvar_tsv" / "clinvar_2016-05-20_b37.tsv.gz", assembly="GRCh37")
    expected = (100 * shares(release.variants)).round().astype(int)
    table = json.loads(files("genomicslearning.features").joinpath("gene_fields.json").read_text(encoding="utf-8"))
    assert table["fields"] == list(expected.columns)
    assert table["genes"] == {gene: row.tolist() for gene, row in expected.iterrows()}
