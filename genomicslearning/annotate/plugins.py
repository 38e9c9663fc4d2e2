"""What the annotator is asked for: CSQ's fields, and the plugins that fill the columns which VEP itself does not."""

from __future__ import annotations

import json
import os
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from genomicslearning import InputError
from genomicslearning.annotate.caches import ENSEMBL, Cache
from genomicslearning.annotate.programs import VEPYR, Program

#: Columns of the training set that are CSQ fields, without those of plugins and of RefSeq transcripts.
COLUMN_FIELDS = (
    "Allele", "Consequence", "IMPACT", "SYMBOL", "Feature_type", "Feature", "BIOTYPE", "EXON", "INTRON",
    "cDNA_position", "CDS_position", "Protein_position", "Amino_acids", "Codons", "DISTANCE", "STRAND", "SIFT",
    "PolyPhen", "MOTIF_NAME", "MOTIF_POS", "HIGH_INF_POS", "MOTIF_SCORE_CHANGE",
)  # fmt: skip
#: What the choice of a transcript (``--pick``) goes by.
CHOICE_FIELDS = ("Gene", "PICK", "CANONICAL", "MANE_SELECT", "MANE_PLUS_CLINICAL")
#: Allele frequencies: 1000 Genomes, gnomAD's exomes and genomes, the highest of any population.
FREQUENCY_FIELDS = ("AF", "gnomADe_AF", "gnomADg_AF", "MAX_AF")
#: Column -> what fills it.
FILLED_BY = {
    "BAM_EDIT": "a RefSeq or merged cache",
    "LoFtool": "VEP's plugin LoFtool",
    "CADD_PHRED": "VEP's plugin CADD",
    "CADD_RAW": "VEP's plugin CADD",
    "BLOSUM62": "VEP's plugin Blosum62",
}
# Ensembl's plugins: name, the patterns of its data files in the folder, the fields it adds.
_VEP_PLUGINS = (
    ("CADD", ("*SNV*.tsv.gz", "*[iI][nN][dD][eE][lL]*.tsv.gz"), ("CADD_PHRED", "CADD_RAW")),
    ("LoFtool", ("LoFtool_scores.txt",), ("LoFtool",)),
    ("Blosum62", (), ("BLOSUM62",)),
)


@dataclass(frozen=True)
class Plugins:
    """Plugins that were found: their names, the options that pass them on, the fields that they add."""

    names: tuple[str, ...] = ()
    options: tuple[str, ...] = ()
    fields: tuple[str, ...] = ()


def find(folder: str | os.PathLike | None, program: Program) -> Plugins:
    """The plugins in a folder: vepyr's plugin caches (``plugin/cadd/…``), or Ensembl's plugins and their data files.

    Raises
    ------
    InputError
        The folder is missing or holds none.
    """
    if folder is None:
        return Plugins()
    root = Path(folder).expanduser()
    if not root.is_dir():
        raise InputError(f"{folder}: no such folder (given as --plugin-cache)")
    found = _of_vepyr(root) if program.kind == VEPYR else _of_ensembl(root)
    if not found.names:
        what = "plugin/NAME/manifest.json, as vepyr builds them" if program.kind == VEPYR else "CADD.pm, LoFtool.pm …"
        raise InputError(f"{folder}: holds no plugin ({what}); leave out --plugin-cache, or give the folder of plugins")
    return found


def _of_vepyr(root: Path) -> Plugins:
    root = root.parent if root.name == "plugin" and not (root / "plugin").is_dir() else root
    names: list[str] = []
    fields: list[str] = []
    for manifest in sorted((root / "plugin").glob("*/manifest.json")):
        try:
            columns = json.loads(manifest.read_text(encoding="utf-8"))["value_columns"]
            fields += [column.get("csq_field") or column["column"] for column in columns]
        except (OSError, ValueError, LookupError, TypeError, AttributeError) as problem:
            raise InputError(f"{manifest}: cannot be read ({problem}); build the plugin cache again") from None
        names.append(manifest.parent.name)
    return Plugins(tuple(names), ("--plugin_cache_root", str(root)), tuple(fields))


def _of_ensembl(root: Path) -> Plugins:
    names: list[str] = []
    options = ["--dir_plugins", str(root)]
    fields: list[str] = []
    for name, patterns, added in _VEP_PLUGINS:
        files = [str(path) for pattern in patterns for path in sorted(root.glob(pattern))]
        if (root / f"{name}.pm").is_file() and (files or not patterns):
            names.append(name)
            options += ["--plugin", ",".join((name, *files))]
            fields += added
    return Plugins(tuple(names), tuple(options), tuple(fields))


def asked_fields(cache: Cache, plugins: Plugins, program: Program) -> list[str]:
    """The CSQ fields to ask for. vepyr adds its plugins' fields by itself, Ensembl's VEP writes only what is named."""
    fields = [*COLUMN_FIELDS, *CHOICE_FIELDS, *FREQUENCY_FIELDS]
    if cache.kind != ENSEMBL:
        fields.append("BAM_EDIT")
    return fields if program.kind == VEPYR else [*fields, *plugins.fields]


def empty_columns(fields: Iterable[str]) -> dict[str, str]:
    """Columns of the training set that stay empty with these CSQ fields, and what would fill them."""
    there = {field.lower() for field in fields}
    return {column: what for column, what in FILLED_BY.items() if column.lower() not in there}
