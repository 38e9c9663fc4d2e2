"""Features of variants, in named evidence blocks, from the training set to numbers."""

from genomicslearning.features.block import Block
from genomicslearning.features.blocks import BLOCKS, FEATURE_SETS
from genomicslearning.features.cross_fitting import folds
from genomicslearning.features.rates import GeneRates
from genomicslearning.features.transformers import (
    PartedColumns,
    ScoredFeatures,
    TokenScore,
    VariantFeatures,
    VariantTokens,
)
from genomicslearning.features.variants import Variants

__all__ = [
    "BLOCKS",
    "FEATURE_SETS",
    "Block",
    "GeneRates",
    "PartedColumns",
    "ScoredFeatures",
    "TokenScore",
    "VariantFeatures",
    "VariantTokens",
    "Variants",
    "folds",
]
