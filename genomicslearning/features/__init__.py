"""Features of variants, in named evidence blocks, from the training set to numbers."""

from __future__ import annotations

from genomicslearning.features import context, submission_blocks, variant_blocks
from genomicslearning.features.parsed import FEATURE_SETS, Variants
from genomicslearning.features.transformers import (
    THEMES,
    ScoredFeatures,
    TokenScore,
    VariantFeatures,
    VariantTokens,
    folds,
)

# Evidence block → column → what it is and which column of the training set it comes from.
BLOCKS: dict[str, dict[str, str]] = {
    "sequence": variant_blocks.SEQUENCE,
    "locus": variant_blocks.LOCUS,
    "consequence": variant_blocks.CONSEQUENCE,
    "position": variant_blocks.POSITION,
    "protein": variant_blocks.PROTEIN,
    "frequency": variant_blocks.FREQUENCY,
    "prediction": variant_blocks.PREDICTION,
    "gene": context.GENE,
    "disease": submission_blocks.DISEASE
    | context.CONDITION_CONTEXT
    | {
        f"{kind}_theme_{number:02d}": f"theme {number} of the {what} in CLNDN (TF-IDF, truncated SVD)"
        for kind, what in (("condition", "conditions"), ("word", "words"))
        for number in range(THEMES)
    },
    "sources": submission_blocks.SOURCES | context.SOURCE_CONTEXT,
    "prior": submission_blocks.PRIOR,
    "tokens": {"token_score": "log odds from a cross-fitted logistic regression on crossed tokens (tokens.py)"},
}

__all__ = [
    "BLOCKS",
    "FEATURE_SETS",
    "ScoredFeatures",
    "TokenScore",
    "VariantFeatures",
    "VariantTokens",
    "Variants",
    "folds",
]
