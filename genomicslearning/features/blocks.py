"""Every evidence block, and the feature sets that are made of them."""

from __future__ import annotations

from genomicslearning.features.block import Block
from genomicslearning.features.gene_fields import GENE_FIELD
from genomicslearning.features.submission_blocks import DISEASE, PRIOR, SOURCES
from genomicslearning.features.transcript_blocks import CONSEQUENCE, POSITION, PROTEIN
from genomicslearning.features.variant_blocks import FREQUENCY, GNOMAD, LOCUS, PREDICTION, SEQUENCE

# Distances in bases within which other training variants are counted.
WINDOWS = (5, 50, 500, 5000, 50000)
GENE = Block(
    "gene",
    "gene",
    {
        "gene_variants": "other training variants of the gene",
        "gene_high_impact": "share of HIGH impact among the gene's training variants",
        "gene_moderate_impact": "share of MODERATE impact among the gene's training variants",
        "gene_log_af": "mean log_af_max of the gene's training variants",
        "gene_cadd": "mean CADD_PHRED of the gene's training variants",
        "af_to_gene": "log_af_max minus the mean of the gene's training variants",
        "af_rank_in_gene": "share of the gene's training variants that are rarer",
        "cadd_rank_in_gene": "share of the gene's training variants with a lower CADD_PHRED",
        "protein_fraction": "protein position over the largest one among the gene's training variants",
        "variants_at_position": "other training variants at the variant's position",
        "log_distance_before": "log(1 + bases) to the nearest training position before, at most a megabase",
        "log_distance_after": "log(1 + bases) to the nearest training position after, at most a megabase",
    }
    | {f"variants_within_{window}": f"other training variants within {window} bases" for window in WINDOWS}
    | {
        "gene_unseen": "share of the gene's training variants that ESP, ExAC and 1000 Genomes have not seen",
        "gene_common": "share of the gene's training variants whose largest allele frequency exceeds 0.001",
        "gene_af_spread": "standard deviation of log_af_max among the gene's training variants",
        "gene_rate": "share in conflict (CLASS 1) among the gene's other training variants (`biology` alone)",
        "gene_rate_of_impact": "share in conflict among the gene's others of equal IMPACT (`biology` alone)",
        "gene_rate_of_frequency": "share in conflict among the gene's others about as frequent (`biology` alone)",
    },
    reads=("SYMBOL", "GENEINFO", "BIOTYPE"),
)
REGULATORY = Block(
    "regulatory",
    "regulatory flags",
    {},  # VEP's motif columns are empty in every table seen so far; they are read by no feature
    reads=("MOTIF_NAME", "MOTIF_POS", "HIGH_INF_POS", "MOTIF_SCORE_CHANGE"),
)
TOKENS = Block(
    "tokens",
    "stacked: logistic regression on tokens of all evidence",
    {"token_score": "log odds from a cross-fitted logistic regression on crossed tokens (tokens.py)"},
)
_ALL = (
    *(SEQUENCE, LOCUS, CONSEQUENCE, POSITION, PROTEIN, FREQUENCY, GNOMAD, PREDICTION, GENE),
    *(GENE_FIELD, REGULATORY, DISEASE, SOURCES, PRIOR, TOKENS),
)
BLOCKS: dict[str, Block] = {block.name: block for block in _ALL}

# What only a question about the future asks: what the one submission said, and who else will look at the gene.
_FORESIGHT = (GENE_FIELD, PRIOR)
_BIOLOGY = tuple(b.name for b in _ALL if not b.grows_with_submitters and b not in (*_FORESIGHT, TOKENS, REGULATORY))
SUBMISSIONS = tuple(b.name for b in _ALL if b.grows_with_submitters)
FEATURE_SETS = {
    "all": (*_BIOLOGY, *SUBMISSIONS),
    "biology": _BIOLOGY,
    "prospective": (*_BIOLOGY, *(block.name for block in _FORESIGHT)),
}


def block_of(feature: str) -> str:
    """Name of the block that a feature belongs to; numbers an earlier release gives (`prior_*`) are of `prior`."""
    for block in BLOCKS.values():
        if feature in block.columns:
            return block.name
    return PRIOR.name if feature.startswith("prior_") else ""


def by_block(features: list[str]) -> dict[str, list[str]]:
    """Block name -> those of these features that belong to it, in the blocks' order."""
    found = {name: [feature for feature in features if block_of(feature) == name] for name in BLOCKS}
    return {name: belonging for name, belonging in found.items() if belonging}
