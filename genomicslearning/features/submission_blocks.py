"""What submissions say: conditions, database ids, sources, and an earlier release's classification.

`disease` and `sources` grow with the number of laboratories that looked at a variant, so that they tell part of the
label before any biology does; feature sets `biology` and `prospective` leave them out.
"""

from __future__ import annotations

import re
from functools import partial

import numpy as np
import pandas as pd

from genomicslearning.clinvar import PRIOR_COLUMNS, group
from genomicslearning.features.block import MISSING, Block, Columns, number
from genomicslearning.features.cells import Cells
from genomicslearning.features.ragged import Ragged, text_hash

# What `context.GeneContext` and `context.ConditionThemes` learn of conditions and sources from the training rows.
THEMES = 16
CONDITION_CONTEXT = {
    "gene_conditions": "mean number of conditions of the gene's training variants",
    "gene_not_specified": "share of the gene's training variants that name not_specified",
    "conditions_to_gene": "conditions named in CLNDN minus the mean of the gene's training variants",
    "condition_set_rows": "other training variants with equal conditions in CLNDN",
} | {
    f"{kind}_theme_{number:02d}": f"theme {number} of the {what} in CLNDN (TF-IDF, truncated SVD)"
    for kind, what in (("condition", "conditions"), ("word", "words"))
    for number in range(THEMES)
}
SOURCE_CONTEXT = {"gene_illumina": "share of the gene's training variants that the Illumina laboratory has an id for"}

# --- disease ----------------------------------------------------------------------------------------------------------

UNSPECIFIC = ("not_specified", "not_provided")
_WORDS = (
    "dominant", "recessive", "syndrome", "cancer", "cardiomyopathy", "type", "hereditary", "familial", "deficiency",
)  # fmt: skip
_DATABASES = ("MedGen:", "OMIM:", "Orphanet:", "SNOMED_CT:", "MeSH:", "Human_Phenotype_Ontology:", "Gene:", "MONDO:")


def _column_name(text: str) -> str:
    return re.sub(r"\W+", "_", text.lower()).strip("_")


def conditions(text: str) -> list[str]:
    """Conditions of a CLNDN cell, in its order."""
    return text.split("|") if text else []


def disease(cells: Cells) -> Columns:
    """Counts, flags and order of the conditions that submitters named."""
    return {
        **cells.several("CLNDN", _CONDITION_COLUMNS, _conditions),
        **cells.several("CLNDISDB", _ID_COLUMNS, _condition_ids),
        "included_conditions": cells.each("CLNDNINCL", lambda text: len(conditions(text))),
        "included_significances": cells.each("CLNSIGINCL", bool),
    }


# What `_conditions` gives, in its order.
_CONDITION_COLUMNS = (
    "conditions",
    "real_conditions",
    "not_specified",
    "not_provided",
    "not_specified_place",
    "not_provided_place",
    "only_unspecific",
    "condition_text_length",
    "capitals",
    "commas",
    *(f"condition_word_{_column_name(word)}" for word in _WORDS),
)


def _conditions(text: str) -> list[float]:
    named = conditions(text)
    lower = text.lower()
    real = [name for name in named if name not in UNSPECIFIC]
    specified, provided = (named.index(name) if name in named else -1 for name in UNSPECIFIC)
    return [
        len(named),
        len(real),
        specified >= 0,
        provided >= 0,
        specified,
        provided,
        bool(named) and not real,
        len(text),
        sum(map(str.isupper, text)),
        text.count(","),
        *(lower.count(word) for word in _WORDS),
    ]


# What `_condition_ids` gives, in its order.
_ID_COLUMNS = ("condition_id_lists", "condition_ids", *(f"ids_{_column_name(name)}" for name in _DATABASES))


def _condition_ids(text: str) -> list[float]:
    # ClinVar writes MONDO's own prefix after its name: `MONDO:MONDO:0033613`.
    text = text.replace("MONDO:MONDO:", "MONDO:")
    lists = text.split("|") if text else []
    return [len(lists), sum(ids.count(",") + 1 for ids in lists), *(text.count(name) for name in _DATABASES)]


_WORD = re.compile(r"[A-Za-z0-9]+")


def condition_terms(cells: Cells) -> Ragged:
    """Hash of each condition in CLNDN."""
    return cells.lists("CLNDN", lambda text: [text_hash(name) for name in conditions(text)])


def condition_words(cells: Cells) -> Ragged:
    """Hash of each word in CLNDN, lower case, repeated as often as it stands there."""
    return cells.lists("CLNDN", lambda text: [text_hash("word:" + word) for word in _WORD.findall(text.lower())])


DISEASE = Block(
    "disease",
    "conditions",
    (
        {
            "conditions": "conditions in CLNDN",
            "real_conditions": "conditions in CLNDN beside not_specified and not_provided",
            "not_specified": "1 where CLNDN has not_specified",
            "not_provided": "1 where CLNDN has not_provided",
            "not_specified_place": "place of not_specified in CLNDN, -1 without",
            "not_provided_place": "place of not_provided in CLNDN, -1 without",
            "only_unspecific": "1 where CLNDN has nothing but not_specified or not_provided",
            "condition_text_length": "characters in CLNDN",
            "capitals": "capital letters in CLNDN",
            "commas": "commas in CLNDN",
            "condition_id_lists": "lists of ids in CLNDISDB",
            "condition_ids": "ids in CLNDISDB",
            "included_conditions": "conditions in CLNDNINCL (a variant reported as part of a haplotype)",
            "included_significances": "1 where CLNSIGINCL is filled",
        }
        | {f"condition_word_{_column_name(word)}": f"times CLNDN says {word}, any case" for word in _WORDS}
        | {f"ids_{_column_name(name)}": f"ids of {name[:-1]} in CLNDISDB" for name in _DATABASES}
    )
    | CONDITION_CONTEXT,
    reads=("CLNDN", "CLNDISDB", "CLNDNINCL", "CLNDISDBINCL", "CLNSIGINCL"),
    parse=disease,
)


# --- sources ----------------------------------------------------------------------------------------------------------

_SOURCES = (
    "Illumina", "UniProtKB_(protein)", "OMIM_Allelic", "ARUP", "HGMD", "LOVD", "Breast_Cancer_Information", "ClinGen",
)  # fmt: skip
_ORIGINS = {"somatic": 2, "de_novo": 32}
_ILLUMINA = re.compile(r"Illumina:(\d+)")
_UNIPROT = re.compile(r"VAR_(\d+)")
_OMIM = re.compile(r"OMIM_Allelic_Variant:\d+\.(\d+)")


def sources(cells: Cells) -> Columns:
    """Who has an id for the variant, and in which origin it was seen."""
    return {
        **cells.several("CLNVI", _SOURCE_COLUMNS, _sources),
        **cells.several("ORIGIN", _ORIGIN_COLUMNS, _origin),
        "suspect_dbsnp": cells.each("SSR", number),
    }


# What `_sources` and `_origin` give, in their order.
_SOURCE_COLUMNS = (
    "sources",
    "illumina_id",
    "uniprot_id",
    "omim_allele",
    *(f"source_{_column_name(name)}" for name in _SOURCES),
)
_ORIGIN_COLUMNS = ("origins", *(f"origin_{name}" for name in _ORIGINS))


def _sources(text: str) -> list[float]:
    ids = [float(found[1]) if (found := pattern.search(text)) else MISSING for pattern in (_ILLUMINA, _UNIPROT, _OMIM)]
    return [text.count("|") + 1 if text else 0, *ids, *(name in text for name in _SOURCES)]


def _origin(text: str) -> list[float]:
    bits = int(text) if text.isdigit() else 0
    return [bits.bit_count(), *(bool(bits & bit) for bit in _ORIGINS.values())]


def source_terms(cells: Cells) -> Ragged:
    """Hash of each source in CLNVI (the name before its id), or of `none`."""

    def names(text: str) -> list[int]:
        return [text_hash(entry.split(":")[0]) for entry in text.split("|")] if text else [text_hash("none")]

    return cells.lists("CLNVI", names)


SOURCES = Block(
    "sources",
    "sources and origin",
    (
        {
            "sources": "entries in CLNVI, databases and laboratories that have an id for the variant",
            "illumina_id": "number of the variant at the Illumina laboratory (CLNVI); neighbours came together",
            "uniprot_id": "number of the UniProtKB variant (CLNVI)",
            "omim_allele": "number of the OMIM allelic variant (CLNVI)",
            "suspect_dbsnp": "SSR, the dbSNP suspect reason code",
            "origins": "number of allele origins in ORIGIN",
        }
        | {f"source_{_column_name(name)}": f"1 where CLNVI names {name}" for name in _SOURCES}
        | {
            f"origin_{name}": f"1 where ORIGIN includes {name.replace('_', ' ')} (bit {bit})"
            for name, bit in _ORIGINS.items()
        }
    )
    | SOURCE_CONTEXT,
    reads=("CLNVI", "ORIGIN", "SSR"),
    parse=sources,
)


# --- prior ------------------------------------------------------------------------------------------------------------

PRIOR_PREFIX = "prior_"
_SEPARATORS = re.compile(r"[|;/,]")


def prior(cells: Cells) -> Columns:
    """Classification and condition in a release strictly before the label's (`prior_CLNSIG`, `prior_CLNDN`).

    Any other column whose name starts with ``prior_`` is taken too: numbers as they are, under their own names.
    """
    columns = {
        **cells.several("prior_CLNSIG", _SIGNIFICANCE_COLUMNS, _significance),
        **cells.several("prior_CLNDN", _PRIOR_CONDITION_COLUMNS, _prior_conditions),
    }
    for name in sorted(cells.table.columns):
        if name.startswith(PRIOR_PREFIX) and pd.api.types.is_numeric_dtype(cells.table[name]):
            columns[name] = cells.table[name].to_numpy(np.float32, na_value=np.nan)
    return columns


# What `_significance` and `_prior_conditions` give, in their order.
_SIGNIFICANCE_COLUMNS = ("prior_pathogenic", "prior_uncertain", "prior_benign", "prior_likely")
_PRIOR_CONDITION_COLUMNS = ("prior_conditions", "prior_unspecific")


def _significance(text: str) -> list[float]:
    if not text:
        return [MISSING] * 4
    groups = {group(term) for term in _SEPARATORS.split(text)}
    return ["P/LP" in groups, "VUS" in groups, "B/LB" in groups, "likely" in text.lower()]


def _prior_conditions(text: str) -> list[float]:
    named = re.split(r"[|;]", text) if text else []
    return [len(named), any(name.strip().lower().replace(" ", "_") in UNSPECIFIC for name in named)]


def prior_terms(cells: Cells) -> Ragged:
    """Hash of each term in the text columns whose name starts with ``prior_``."""
    names = sorted(
        name
        for name in cells.table.columns
        if name.startswith(PRIOR_PREFIX) and not pd.api.types.is_numeric_dtype(cells.table[name])
    )

    def hashes(name: str, text: str) -> list[int]:
        terms = [term.strip().lower().replace(" ", "_") for term in _SEPARATORS.split(text) if term]
        return [text_hash(f"{name}={term}") for term in terms]

    parts = [cells.lists(name, partial(hashes, name)) for name in names]
    rows = np.concatenate([part.rows for part in parts]) if parts else np.zeros(0, np.int64)
    values = np.concatenate([part.values for part in parts]) if parts else np.zeros(0, np.uint64)
    order = np.argsort(rows, kind="stable")
    offsets = np.concatenate([[0], np.cumsum(np.bincount(rows, minlength=len(cells)))])
    return Ragged(values[order], offsets)


PRIOR = Block(
    "prior",
    "the single submission",
    {
        "prior_pathogenic": "1 where the earlier release's classification has a pathogenic or likely pathogenic term",
        "prior_uncertain": "1 where the earlier release's classification has uncertain significance",
        "prior_benign": "1 where the earlier release's classification has a benign or likely benign term",
        "prior_likely": "1 where the earlier release's classification says likely",
        "prior_conditions": "conditions that the earlier release names",
        "prior_unspecific": "1 where the earlier release names not specified or not provided",
    },
    reads=tuple(PRIOR_COLUMNS),
    parse=prior,
)
