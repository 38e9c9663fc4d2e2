"""VEP's cache: Ensembl's own folder, or the one that vepyr converts it to, once."""

from __future__ import annotations

import hashlib
import json
import os
import re
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from genomicslearning import InputError
from genomicslearning.annotate.programs import VEPYR, Program, running
from genomicslearning.clinvar import chromosome
from genomicslearning.io import lake

ENSEMBL, MERGED, REFSEQ = "ensembl", "merged", "refseq"
_SPECIES = "homo_sapiens"
_RELEASE = re.compile(r"(\d+)_(GRC[A-Za-z]*\d+)")
#: In a converted folder: of which cache's files it was made.
_MADE_FROM = "made_from.json"
_PARTS = ("transcript", "exon", "translation_core", "translation_sift", "regulatory", "motif", "variation")


@dataclass(frozen=True)
class Cache:
    """A cache folder: Ensembl's release, the assembly, whose transcripts (ensembl, refseq, merged), its chromosomes.

    `contigs` are names without ``chr``; `converted` is whether the folder is vepyr's.
    """

    folder: Path
    release: str
    assembly: str
    kind: str
    contigs: frozenset[str]
    converted: bool

    @property
    def name(self) -> str:
        """As reports name it: ``115_GRCh38``, and whose transcripts where they are not Ensembl's."""
        return f"{self.release}_{self.assembly}" + ("" if self.kind == ENSEMBL else f"_{self.kind}")


def find(folder: str | os.PathLike, assembly: str | None = None) -> Cache:
    """The cache in a folder: the folder itself, or one below it (``homo_sapiens/115_GRCh38``).

    Where several lie below it, the one of `assembly` with the latest release is taken.

    Raises
    ------
    InputError
        There is no cache, or several and nothing says which.
    """
    root = Path(folder).expanduser()
    if not root.is_dir():
        raise InputError(f"{folder}: no such folder (given as --vep-cache)")
    places = [root, *sorted(root.iterdir()), *sorted(root.glob(f"{_SPECIES}*/*"))]
    found = [cache for place in places if place.is_dir() and (cache := _read(place))]
    if found and found[0].folder == root:
        return found[0]
    fitting = [cache for cache in found if assembly in (None, cache.assembly)] or found
    if not fitting:
        raise InputError(
            f"{folder}: holds no VEP cache (info.txt and a folder for each chromosome); give the folder "
            f"{_SPECIES}/115_GRCh38 that Ensembl's cache unpacks to, or vepyr's"
        )
    latest = max(int(cache.release) for cache in fitting)
    chosen = [cache for cache in fitting if int(cache.release) == latest]
    if len({cache.assembly for cache in chosen}) > 1 or len({cache.kind for cache in chosen}) > 1:
        names = ", ".join(str(cache.folder.relative_to(root)) for cache in chosen)
        raise InputError(f"{folder}: holds several VEP caches ({names}); give the folder of one")
    # Ensembl's folder and what was made of it: the converted one is ready.
    return max(chosen, key=lambda cache: cache.converted)


def _read(folder: Path) -> Cache | None:
    if (folder / "info.txt").is_file():
        return _ensembl(folder)
    if (folder / "transcript" / "chrom_manifest.json").is_file():
        return _converted(folder)
    return None


def _ensembl(folder: Path) -> Cache:
    text = (folder / "info.txt").read_text(encoding="utf-8", errors="replace")
    info = dict(line.split("\t", 1) for line in text.splitlines() if "\t" in line)
    named = _RELEASE.match(folder.name)
    assembly = info.get("assembly") or (named[2] if named else "")
    if named is None or not assembly:
        raise InputError(
            f"{folder}: does not say its release and assembly; name the folder as Ensembl does, 115_GRCh38"
        )
    for kind in (MERGED, REFSEQ):
        if folder.parent.name.endswith(f"_{kind}"):
            break
    else:
        kind = MERGED if {"source_refseq", "source_gencode"} <= set(info) else ENSEMBL
        kind = REFSEQ if "source_refseq" in info and kind == ENSEMBL else kind
    contigs = frozenset(
        chromosome(place.name) for place in folder.iterdir() if place.is_dir() and any(place.glob("*.gz"))
    )
    if not contigs:
        raise InputError(f"{folder}: the cache has no chromosome; unpack Ensembl's archive again")
    return Cache(folder, named[1], assembly, kind, contigs, False)


def _converted(folder: Path) -> Cache:
    try:
        entries = json.loads((folder / "transcript" / "chrom_manifest.json").read_text(encoding="utf-8"))
        contigs = frozenset(chromosome(entry["chrom"]) for entry in entries)
        file = pq.ParquetFile(folder / "transcript" / entries[0]["dataset"])
        [row] = next(file.iter_batches(1, columns=["assembly", "cache_version"])).to_pylist()
        metadata = file.schema_arrow.metadata or {}
    except (OSError, ValueError, LookupError, TypeError, StopIteration, pa.ArrowException) as problem:
        raise InputError(f"{folder}: vepyr's cache cannot be read ({problem}); build or download it again") from None
    kind = metadata.get(b"bio.vep.cache_source_type", b"ensembl").decode()
    return Cache(folder, row["cache_version"], row["assembly"], kind, contigs, True)


# --- conversion ------------------------------------------------------------------------------------------------------


def converted(cache: Cache, program: Program, progress: Callable[[str], None] | None = None) -> Cache:
    """The cache in vepyr's format: made once, beside Ensembl's folder or, where that cannot be written, in the user's
    cache (``$XDG_CACHE_HOME``, else ``~/.cache``). It appears whole or not at all.

    Raises
    ------
    InputError
        vepyr cannot read the cache, or neither place can be written.
    """
    if cache.converted:
        return cache
    files = fingerprint(cache.folder)
    name = f"{cache.release}_{cache.assembly}_{cache.kind}"
    places = [cache.folder.parent / "vepyr" / name, _users_folder(cache) / name]
    for place in places:
        if _is_of(place, files):
            return _converted(place)
    if _write_protected(cache.folder.parent):
        places = places[1:]
    with ExitStack() as stack:
        place, part = _first_to_write(stack, places)
        _convert(cache, program, part.parent, progress)
        part.rmdir()
        os.replace(part.parent / name, part)
        (part / _MADE_FROM).write_text(json.dumps(files) + "\n", encoding="utf-8")
    return _converted(place)


def _first_to_write(stack: ExitStack, places: list[Path]) -> tuple[Path, Path]:
    """The first place that can be written, and the folder that takes it when the stack ends well."""
    for place in places:
        with suppress(InputError):
            return place, stack.enter_context(lake.output_folder(place))
    raise InputError(f"{places[-1]}: cannot be written; set XDG_CACHE_HOME to a folder with space for the cache")


def _convert(cache: Cache, program: Program, folder: Path, progress: Callable[[str], None] | None) -> None:
    say = progress or (lambda text: None)
    say(f"annotate: converting the cache {cache.name} for vepyr, once ({len(cache.contigs)} chromosomes)")
    started = time.monotonic()
    with _watched(folder, len(cache.contigs), say):
        command = [program.path, "build-cache", "--release", cache.release, "--cache_type", cache.kind, "--assembly",
                   cache.assembly, "--local_cache", str(cache.folder.resolve()), "--dir_cache", str(folder),
                   "--partitions", str(os.cpu_count() or 1), "--no_progress"]  # fmt: skip
        with running(command) as said:
            said.read()
    say(f"annotate: the cache is converted, {time.monotonic() - started:.0f} s")


@contextmanager
def _watched(folder: Path, contigs: int, say: Callable[[str], None]) -> Iterator[None]:
    """Say every ten seconds how many of the cache's tables are there: vepyr itself tells nothing."""
    from threading import Event, Thread

    done = Event()

    def watch() -> None:
        while not done.wait(10):
            tables = {part: len(list(folder.glob(f"*/{part}/*.parquet"))) for part in _PARTS}
            part = next((part for part in reversed(_PARTS) if tables[part]), _PARTS[0])
            say(f"annotate: converting the cache: {part}, {tables[part]} of {contigs} chromosomes")

    thread = Thread(target=watch, daemon=True)
    thread.start()
    try:
        yield
    finally:
        done.set()
        thread.join()


def _write_protected(folder: Path) -> bool:
    """Whether a folder is meant not to be written: the superuser, to whom it is not refused, keeps out of it too."""
    return not folder.stat().st_mode & 0o222


def _users_folder(cache: Cache) -> Path:
    """Where in the user's cache a conversion goes: one folder for each place that an Ensembl cache lies in."""
    root = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
    place = hashlib.sha256(str(cache.folder.resolve()).encode()).hexdigest()[:12]
    return root / "genomicslearning" / "vep" / place


def fingerprint(folder: Path) -> dict:
    """Of a cache's files: their number, bytes in all, and a checksum of names and sizes, since another release, or a
    chromosome more, is another cache. What was converted from it, beside it or in it, does not count."""
    files = sorted(
        (str(path.relative_to(folder)), path.stat().st_size)
        for path in folder.rglob("*")
        if path.is_file() and "vepyr" not in path.relative_to(folder).parts
    )
    digest = hashlib.sha256(json.dumps(files).encode()).hexdigest()
    return {"files": len(files), "bytes": sum(size for _, size in files), "sha256": digest}


def _is_of(place: Path, files: dict) -> bool:
    with suppress(OSError, ValueError, LookupError, TypeError):
        return json.loads((place / _MADE_FROM).read_text(encoding="utf-8"))["sha256"] == files["sha256"]
    return False


# --- what the programs are told ---------------------------------------------------------------------------------------


def vep_layout(cache: Cache, scratch: Path) -> list[str]:
    """Options that name an Ensembl cache to Ensembl's VEP, through links in the layout that it expects."""
    if cache.converted:
        raise InputError(f"{cache.folder}: is vepyr's cache; Ensembl's vep reads Ensembl's own, or use vepyr")
    suffix = "" if cache.kind == ENSEMBL else f"_{cache.kind}"
    species = scratch / "cache" / f"{_SPECIES}{suffix}"
    species.mkdir(parents=True)
    (species / f"{cache.release}_{cache.assembly}").symlink_to(cache.folder.resolve())
    options = ["--offline", "--cache", "--dir_cache", str(scratch / "cache"), "--species", _SPECIES]
    options += ["--cache_version", cache.release, "--assembly", cache.assembly]
    return options if cache.kind == ENSEMBL else [*options, f"--{cache.kind}"]


def ready(cache: Cache, program: Program, progress: Callable[[str], None] | None = None) -> Cache:
    """The cache as the program reads it."""
    return converted(cache, program, progress) if program.kind == VEPYR else cache
