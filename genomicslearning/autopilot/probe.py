"""Rows on which a model is asked when it is saved and whenever it is loaded: it must say the same."""

from __future__ import annotations

from collections.abc import Callable
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

import numpy as np
import pandas as pd

from genomicslearning import InputError
from genomicslearning.training_set.schema import COLUMNS

#: Probabilities of one model on two processors differ by less (docs/model.md), but where a number in its last bit falls
#: on the other side of a tree's cut: so many rows may then differ, by what one tree of hundreds weighs.
TOLERANCE = 1e-6
FLIPPED_ROWS, FLIPPED = 4, 0.05
_ROWS = 48
# Every column that features read, each with another number of values, so that rows combine them differently.
_VALUES: dict[str, tuple[str, ...]] = {
    "CHROM": ("1", "2", "13", "17", "X"),
    "REF": ("A", "C", "G", "T", "CAG", "A", "G"),
    "ALT": ("G", "T", "A", "C", "C", "AT", "T"),
    "AF_ESP": ("0", "0.00020", "0.10020"),
    "AF_EXAC": ("0", "0.00001", "0.05", "0.3"),
    "AF_TGP": ("0", "0.0004"),
    "CLNDISDB": ("MedGen:C0677776,OMIM:114480", "MedGen:CN169374", ""),
    "CLNDN": ("Hereditary_breast_ovarian_cancer_syndrome", "not_specified|Cardiomyopathy", "not_provided", ""),
    "CLNHGVS": ("NC_000017.10:g.41245466G>A", "NC_000002.11:g.179395555C>T"),
    "CLNVC": ("single_nucleotide_variant", "Deletion", "Insertion"),
    "CLNVI": ("", "OMIM_Allelic_Variant:113705.0001", "Illumina_Clinical_Services_Laboratory,Illumina:95867"),
    "MC": ("SO:0001583|missense_variant", "SO:0001819|synonymous_variant", "SO:0001587|nonsense"),
    "ORIGIN": ("1", "5", ""),
    "Consequence": (
        "missense_variant", "synonymous_variant", "stop_gained", "splice_donor_variant&intron_variant",
        "frameshift_variant", "intron_variant", "5_prime_UTR_variant",
    ),
    "IMPACT": ("MODERATE", "LOW", "HIGH", "MODIFIER"),
    "SYMBOL": ("BRCA1", "TTN", "APC", "MYH7", "ATM", "SCN5A"),
    "Feature_type": ("Transcript",),
    "Feature": ("NM_007294.3", "NM_001267550.2", ""),
    "BIOTYPE": ("protein_coding", "misc_RNA"),
    "EXON": ("10/23", "", "327/363", "1/2"),
    "INTRON": ("", "11/20"),
    "cDNA_position": ("1200", "", "66-68"),
    "CDS_position": ("1000", "", "90001"),
    "Protein_position": ("334", "", "30001"),
    "Amino_acids": ("R/Q", "N/A", "L", "R/*", ""),
    "Codons": ("cGg/cAg", "aaT/aaC", "", "Cga/Tga"),
    "DISTANCE": ("", "120"),
    "STRAND": ("1", "-1"),
    "SIFT": ("tolerated", "deleterious", "tolerated(0.12)", ""),
    "PolyPhen": ("benign", "probably_damaging", "possibly_damaging(0.61)", ""),
    "LoFtool": ("0.0243", "0.9", ""),
    "CADD_PHRED": ("23.4", "1.053", "", "35"),
    "CADD_RAW": ("3.9", "-0.208682", ""),
    "BLOSUM62": ("-2", "1", ""),
    "GENEINFO": ("BRCA1:672", "TTN:7273|TTN-AS1:100506866", ""),
}  # fmt: skip


def rows() -> pd.DataFrame:
    """The rows, as `read_table` gives a table; the same in every version."""
    empty = pd.array([None] * _ROWS, dtype=pd.StringDtype(na_value=np.nan))
    columns = {}
    for name in (*COLUMNS, "GENEINFO"):
        if name in _VALUES:
            values = _VALUES[name]
            texts = [values[row % len(values)] or None for row in range(_ROWS)]
            columns[name] = pd.array(texts, dtype=pd.StringDtype(na_value=np.nan))
        elif name == "POS":
            columns[name] = np.arange(_ROWS, dtype=np.int64) * 1_234_567 + 41_000_000
        elif name != "CLASS":
            columns[name] = empty
    return pd.DataFrame(columns)


def changed_versions(versions: dict) -> dict[str, tuple[str, str]]:
    """Libraries of which another version is installed than the model was made with: (then, now)."""
    found = {}
    for name, then in versions.items():
        if name == "python":
            continue
        try:
            now = version(name)
        except PackageNotFoundError:
            now = "none"
        if now != then:
            found[name] = (str(then), now)
    return found


def _same(found: np.ndarray, wanted: np.ndarray) -> bool:
    """Whether these are one model's probabilities, on this processor and on the one that it was saved on."""
    if found.shape != wanted.shape or not np.isfinite(wanted).all():
        return False
    apart = np.abs(found - wanted)
    return bool((apart > TOLERANCE).sum() <= FLIPPED_ROWS and apart.max() <= FLIPPED)


def check(folder: Path, manifest: dict, predict: Callable[[pd.DataFrame], np.ndarray]) -> None:
    """Refuse a model that does not predict what it did when it was saved: other versions let it, or it is forged.

    Raises
    ------
    InputError
        It names the versions to install, where others are.
    """
    wanted = np.asarray(manifest.get("probe", []), dtype=np.float64)
    try:
        same = _same(predict(rows()), wanted)
    except Exception:  # whatever a library of another version, or one that is given nonsense, stumbles over
        same = False
    if same:
        return
    changed = changed_versions(manifest.get("versions", {}))
    if not changed:
        raise InputError(f"{folder}: does not predict what it did when it was saved; copy the whole folder again")
    then = " ".join(f"'{name}=={made}'" for name, (made, _) in changed.items())
    now = ", ".join(f"{name} {installed}" for name, (_, installed) in changed.items())
    raise InputError(
        f"{folder}: predicts otherwise with {now}: train again, or go back to what made it: pip install {then}"
    )
