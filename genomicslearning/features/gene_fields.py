"""Which fields of medicine ClinVar's records of a gene speak of: who tests for it, and so who will classify it too.

Laboratories disagree by field: a gene of cancer panels is classified by many that each have rules of their own. The
shares are those of a public release that is older than every label of the backtests (`gene_fields.json`, made by
`benchmarks/gene_fields.py` from nothing but gene symbols and names of conditions), so that a gene from which no
training row comes is not unknown. Records that several laboratories had submitted by then are not counted: what they
say of conditions grows with the number of submitters. A gene that is not in the table has missing values.
"""

from __future__ import annotations

import json
import re
from functools import cache
from importlib.resources import files

import numpy as np
import pandas as pd

from genomicslearning import clinvar
from genomicslearning.features.block import MISSING, Block, Columns
from genomicslearning.features.cells import Cells

# Words of conditions, by field; a name may speak of several.
_WORDS = {
    "cancer": "cancer|neoplas|lynch|polyposis|carcinoma|tumor|leukemia|fraumeni|sarcoma",
    "hereditary_cancer": "hereditary cancer",
    "heart": "cardio|arrhythm|long qt|brugada|aort|marfan|heart",
    "brain": "epilep|encephal|intellectual|seizure|mental",
    "senses": "deaf|hearing|usher|retin|macular",
    "muscle_and_nerve": "muscul|myopath|neuropath|dystroph",
    "metabolism": "metabol|deficiency|storage|aciduria",
    "syndrome": "syndrome",
    "recessive": "recessive",
    "dominant": "dominant",
    "not_specified": "not specified",
    "not_provided": "not provided",
}
FIELDS = {name: re.compile(words) for name, words in _WORDS.items()}
_PRIOR_RECORDS = 5  # records of the mean gene that each gene's share is drawn towards


def fields_of(condition: str) -> list[bool]:
    """Whether the name of one or several conditions, in any release's spelling, speaks of each of `FIELDS`."""
    plain = condition.lower().replace("_", " ")
    return [words.search(plain) is not None for words in FIELDS.values()]


def shares(records: pd.DataFrame) -> pd.DataFrame:
    """Of each gene's records the share that speaks of each field, drawn towards all records' share.

    Parameters
    ----------
    records : SYMBOL, CLNDN and review_status of a release's variants. Left out are those without a symbol, and those
        that several laboratories have classified: they have labels, and name more conditions for it.

    Returns
    -------
    DataFrame with a row a gene, sorted, and a column a field; values in 0 to 1.
    """
    statuses = records["review_status"].astype("str")
    labelled = [status for status in statuses.dropna().unique() if clinvar.label(status) is not None]
    counted = records[(~statuses.isin(labelled) & records["SYMBOL"].notna()).to_numpy()]
    codes, texts = pd.factorize(counted["CLNDN"].astype("str").fillna(""))
    speaks = np.array([fields_of(text) for text in texts], dtype=float).reshape(len(texts), len(FIELDS))[codes]
    by_gene = pd.DataFrame(speaks, columns=list(FIELDS)).groupby(counted["SYMBOL"].astype("str").to_numpy(dtype=object))
    sizes = by_gene.size().to_numpy()[:, None]
    return (by_gene.sum() + _PRIOR_RECORDS * speaks.mean(axis=0)) / (sizes + _PRIOR_RECORDS)


@cache
def known_genes() -> dict[str, list[float]]:
    """The committed table: gene symbol -> its share of each of `FIELDS`."""
    table = json.loads(files("genomicslearning.features").joinpath("gene_fields.json").read_text(encoding="utf-8"))
    if table["fields"] != list(FIELDS):
        raise ValueError("gene_fields.json was made for other fields: run benchmarks/gene_fields.py again")
    return {gene: [percent / 100 for percent in percents] for gene, percents in table["genes"].items()}


def gene_fields(cells: Cells) -> Columns:
    """The shares of each row's gene: SYMBOL, else the first symbol of GENEINFO."""
    known, unknown = known_genes(), [MISSING] * len(FIELDS)
    symbol, symbols = cells.distinct("SYMBOL")
    named, genes = cells.distinct("GENEINFO")
    by_symbol = np.array([known.get(text, unknown) for text in symbols], np.float32)[symbol]
    by_info = np.array([known.get(clinvar.first_symbol(text) or "", unknown) for text in genes], np.float32)[named]
    has_symbol = np.array([text != "" for text in symbols])[symbol]
    found = np.where(has_symbol[:, None], by_symbol, by_info)
    return dict(zip(_COLUMNS, found.T, strict=True))


_COLUMNS = {
    f"gene_field_{name}": f"share of the gene's records of 2016-05 that speak of {words.replace('|', ', ')}"
    for name, words in _WORDS.items()
}
# Of one evidence with `gene`, whose columns (SYMBOL, GENEINFO) it is read from: the two are shuffled together.
GENE_FIELD = Block("gene_field", "gene", _COLUMNS, parse=gene_fields)
