"""The files that a run reads: which parameters name them, and their role, size and checksum."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from pathlib import Path

from genomicslearning import InputError
from genomicslearning.io import lake
from genomicslearning.runs.parameters import read_list

# Parameters that name the training set's files; where none is given, it is the lake's, else the embedded sample.
TRAINING_DATA = ("clinvar", "annotated", "training_set")
# Parameters by which a run annotates its VCF itself. The first two go together.
ANNOTATION = ("vep_cache", "fasta", "plugin_cache", "annotator")
OF_TRAINING_DATA = (*TRAINING_DATA, *ANNOTATION)
# Parameters that name the watch list's release, and the input that stands in where none is given.
WATCHED = {"watchlist_clinvar": "clinvar", "watchlist_annotated": "annotated"}
OWN_VARIANTS = "vcf"  # the parameter that names a VCF of one's own, which the run's model scores
LISTS = ("earlier",)  # parameters that name several files, as a JSON list
# Every parameter that names files which a step reads. Its name is the role that they have in run.json.
ROLES = (*TRAINING_DATA, *LISTS, *WATCHED, OWN_VARIANTS)

_digests: dict[tuple[str, int, int], str] = {}


def files(values: Mapping[str, object]) -> list[tuple[str, str]]:
    """Role and path of every file that these parameters name."""
    found = []
    for role in ROLES:
        for path in named(role, values[role]) if values.get(role) else []:
            parts = lake.parts(path, ".parquet") if path.endswith(".parquet") else []
            found += [(role, part) for part in parts or [path]]
    return found


def facts(values: Mapping[str, object]) -> list[dict]:
    """`role`, `name`, `bytes` and `sha256` of every file that these parameters name."""
    found = [
        {"role": role, "name": lake.name(path), "bytes": lake.size(path), "sha256": sha256(path)}
        for role, path in files(values)
    ]
    return found + _of_annotation(values)


def _of_annotation(values: Mapping[str, object]) -> list[dict]:
    """The same of what an annotator reads: the reference, the cache and the plugins (names and sizes of their files,
    which are many and large), and the annotator itself, by its version."""
    if not (values.get("vep_cache") and values.get("fasta")):
        return []
    from genomicslearning.annotate import caches, programs

    fasta = str(values["fasta"])
    found = [{"role": "fasta", "name": lake.name(fasta), "bytes": lake.size(fasta), "sha256": sha256(fasta)}]
    for role in ("vep_cache", "plugin_cache"):
        if folder := str(values.get(role) or ""):
            found.append({"role": role, "name": lake.name(folder.rstrip("/")), **caches.fingerprint(Path(folder))})
    tool = programs.find(str(values.get("annotator") or "") or None)
    name = f"{tool.kind} {tool.version}"
    return [
        *found,
        {"role": "annotator", "name": name, "bytes": 0, "sha256": hashlib.sha256(name.encode()).hexdigest()},
    ]


def sha256(path: str) -> str:
    """SHA-256 of a file; a local one that this process has read is not read again while it stays as it is."""
    if lake.is_s3(path):
        return lake.sha256(path)
    try:
        seen = Path(path).stat()
    except OSError:
        return lake.sha256(path)  # which says why
    key = (path, seen.st_size, seen.st_mtime_ns)
    if key not in _digests:
        _digests[key] = lake.sha256(path)
    return _digests[key]


def resolve(values: Mapping[str, object]) -> dict[str, object]:
    """The values with every file's path made absolute.

    Raises
    ------
    InputError
        A file is not there.
    """
    resolved = dict(values)
    for role in ROLES:
        if not values.get(role):
            continue
        paths = [_found(path, role) for path in named(role, values[role])]
        resolved[role] = json_list(paths) if role in LISTS else paths[0]
    return resolved


def resolve_annotation(values: Mapping[str, object]) -> dict[str, object]:
    """The values with the annotator's folders and files found, their paths absolute.

    Raises
    ------
    InputError
        Something is not there, or there is no annotator.
    """
    if not values.get("vep_cache"):
        return dict(values)
    from genomicslearning.annotate import caches, plugins, programs

    resolved = dict(values)
    program = programs.find(str(values["annotator"]) if values.get("annotator") else None)
    caches.find(str(values["vep_cache"]))
    plugins.find(str(values["plugin_cache"]) if values.get("plugin_cache") else None, program)
    if not Path(str(values["fasta"])).expanduser().is_file():
        raise InputError(f"{values['fasta']}: no such file (given as fasta)")
    for name in ("vep_cache", "fasta", "plugin_cache"):
        if values.get(name):
            resolved[name] = str(Path(str(values[name])).expanduser().resolve())
    return resolved | {"annotator": str(Path(program.path).absolute())}


def json_list(paths: list[str]) -> str:
    """Paths as the text of a JSON list, which papermill can pass on."""
    return json.dumps(paths)


def named(role: str, value: object) -> list[str]:
    """The paths that a parameter names."""
    return read_list(role, value) if role in LISTS else [str(value)]


def _found(path: str, role: str) -> str:
    if not lake.exists(path) and not (path.endswith(".parquet") and lake.parts(path, ".parquet")):
        raise InputError(f"{path}: no such file (given as {role})")
    return path if "://" in path else str(Path(path).expanduser().resolve())
