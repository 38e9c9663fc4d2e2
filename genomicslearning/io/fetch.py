"""Fetch public data into the lake: a ClinVar release from NCBI, the published conflict table from its repository."""

from __future__ import annotations

import hashlib
import json
import os
import re
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import httpx

from genomicslearning import InputError
from genomicslearning.io import lake
from genomicslearning.io.text import write_json

NCBI = "https://ftp.ncbi.nlm.nih.gov/pub/clinvar"
TABLE_URL = "https://raw.githubusercontent.com/arvkevi/clinvar-kaggle/master/clinvar_conflicting.csv"
# Of the CSV with 65,188 rows, as published on Kaggle (CC0), 2020-03-24.
TABLE_SHA256 = "53061e207d437af397028760be5bc566d216f6932e21db5a10322b843c41689a"
# The archived solution's keys.
CLINVAR_KEY = "annotation/clinvar/clinvar.vcf.gz"
TABLE_KEY = "annotation/clinvar/conflicting/clinvar_conflicting.csv"
ASSEMBLIES = ("GRCh37", "GRCh38")

_ATTEMPTS = 5
_CHECKSUM_BYTES = 4096  # of an .md5, whatever a server sends
_TRANSIENT = {408, 425, 429, 500, 502, 503, 504}
_OFFLINE = "check the network (or proxy), or fetch the file elsewhere and name it with --clinvar or --training-set"


class _Again(Exception):
    """A failure that another attempt may cure."""


class _Missing(Exception):
    """The server has no such file."""


def fetch_clinvar(
    lake_folder: str | os.PathLike,
    *,
    release: str = "latest",
    assembly: str = "GRCh38",
    base: str = NCBI,
    pause: float = 2.0,
    progress: Callable[[str], None] | None = None,
) -> dict:
    """Fetch a ClinVar VCF release to ``annotation/clinvar/clinvar.vcf.gz`` of a lake.

    Parameters
    ----------
    lake_folder
        A folder or ``s3://bucket[/prefix]``.
    release
        Its date, ``YYYYMMDD``, or ``latest``.
    assembly
        ``GRCh37`` or ``GRCh38``.
    base
        Where NCBI's ``pub/clinvar`` or a mirror of it is.
    pause
        Seconds before the second attempt; doubled for each further one.
    progress
        Called with a line of text every two seconds.

    Returns
    -------
    dict
        url, bytes, md5 (as NCBI states it) and sha256, also written to ``<file>.report.json``.

    Raises
    ------
    InputError
        No such release, no network, or a checksum that stays wrong; then an earlier file stays.
    """
    if assembly not in ASSEMBLIES:
        raise InputError(f"{assembly}: no assembly of ClinVar; choose {' or '.join(ASSEMBLIES)}")
    if release != "latest" and not re.fullmatch(r"\d{8}", release):
        raise InputError(f"{release}: a release is named by its date, YYYYMMDD, or latest")
    folder = f"{base.rstrip('/')}/vcf_{assembly}"
    # A release moves from the main folder to `weekly` and, each January, to the archive.
    urls = (
        [f"{folder}/clinvar.vcf.gz"]
        if release == "latest"
        else [
            f"{folder}/clinvar_{release}.vcf.gz",
            f"{folder}/weekly/clinvar_{release}.vcf.gz",
            f"{folder}/archive_2.0/{release[:4]}/clinvar_{release}.vcf.gz",
        ]
    )
    with httpx.Client(follow_redirects=True, timeout=60) as client:
        for url in urls:
            try:
                stated = _attempts(lambda url=url: _text(client, f"{url}.md5"), url, pause)
            except _Missing:
                continue
            checksum = re.match(r"[0-9a-fA-F]{32}\b", stated)
            if not checksum:
                raise InputError(f"{url}.md5: holds no MD5 checksum; is {base} a mirror of NCBI's pub/clinvar?")
            target = f"{str(lake_folder).rstrip('/')}/{CLINVAR_KEY}"
            return _download(client, url, target, ("md5", checksum[0].lower()), pause, progress)
    raise InputError(f"ClinVar {release} for {assembly} is not at {folder}; see that page for the dates there are")


def fetch_table(
    lake_folder: str | os.PathLike,
    *,
    url: str = TABLE_URL,
    sha256: str = TABLE_SHA256,
    pause: float = 2.0,
    progress: Callable[[str], None] | None = None,
) -> dict:
    """Fetch the published ClinVar-conflict table to ``annotation/clinvar/conflicting/`` of a lake.

    Parameters are those of `fetch_clinvar`; `sha256` is the checksum that the file must have.
    """
    target = f"{str(lake_folder).rstrip('/')}/{TABLE_KEY}"
    with httpx.Client(follow_redirects=True, timeout=60) as client:
        return _download(client, url, target, ("sha256", sha256), pause, progress)


def _attempts(act: Callable, url: str, pause: float):
    """Do it, again after a pause where the network or the server fails for the moment."""
    for attempt in range(1, _ATTEMPTS + 1):
        try:
            return act()
        except (httpx.TransportError, _Again) as problem:
            if attempt == _ATTEMPTS:
                why = str(problem) or type(problem).__name__
                raise InputError(f"{url}: not fetched in {_ATTEMPTS} attempts ({why}); {_OFFLINE}") from None
        time.sleep(pause * 2 ** (attempt - 1))


def _check(response: httpx.Response) -> None:
    if response.status_code in _TRANSIENT:
        raise _Again(f"the server answers {response.status_code}")
    if response.status_code in (404, 410):
        raise _Missing
    if response.status_code >= 400:
        raise InputError(f"{response.url}: the server answers {response.status_code} {response.reason_phrase}")


def _text(client: httpx.Client, url: str) -> str:
    with client.stream("GET", url) as response:
        _check(response)
        return next(response.iter_bytes(_CHECKSUM_BYTES), b"").decode("ascii", "replace").strip()


def _download(
    client: httpx.Client, url: str, target: str, checksum: tuple[str, str], pause: float, progress: Callable | None
) -> dict:
    """Download to a part that outlives an interrupted run, check it, and put it in its place."""
    with lake.output(f"{target}.report.json", target) as [report_part, part]:
        # Beside the output, under a name that the next run finds again.
        folder = _cache() if lake.is_s3(target) else Path(target).parent
        kept = folder / f".{lake.name(target)}.{hashlib.sha256(url.encode()).hexdigest()[:8]}.download"
        try:
            for wrong in range(2):
                _attempts(lambda: _continue(client, url, kept, progress), url, pause)
                digests = _digests(kept)
                if digests[checksum[0]] == checksum[1]:
                    break
                # What was kept of an interrupted run may be of another release: once more from the start.
                kept.unlink()
                _state(kept).unlink(missing_ok=True)
                if wrong:
                    raise InputError(
                        f"{url}: {checksum[0]} is {digests[checksum[0]]}, should be {checksum[1]}; "
                        "the file was damaged on its way or replaced: try again later"
                    )
        except _Missing:
            raise InputError(f"{url}: the server has no such file (404); check the release and the mirror") from None
        kept.rename(part)
        _state(kept).unlink(missing_ok=True)
        report = {"url": url, "file": target, "bytes": part.stat().st_size, **digests}
        write_json(report, report_part)
    return report


def _cache() -> Path:
    """This user's folder for what waits to go to S3: nobody else can put a link there."""
    folder = Path(os.environ.get("XDG_CACHE_HOME") or "~/.cache").expanduser() / "genomicslearning"
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    return folder


def _version(kept: Path) -> str:
    """The server's name for the version that is being fetched; empty where it is not known, or cut off."""
    try:
        return str(json.loads(_state(kept).read_text())["version"])
    except (OSError, ValueError, KeyError, TypeError):
        return ""


def _state(kept: Path) -> Path:
    """Where the server's name for the version that is being fetched is kept."""
    return kept.with_name(kept.name + ".json")


def _continue(client: httpx.Client, url: str, kept: Path, progress: Callable | None) -> None:
    """Fetch what is missing of the file; a version that changed meanwhile is fetched from its start."""
    headers = {"Accept-Encoding": "identity"}
    have = kept.stat().st_size if kept.exists() else 0
    version = _version(kept)
    if have and version:
        headers |= {"Range": f"bytes={have}-", "If-Range": version}
    with client.stream("GET", url, headers=headers) as response:
        if response.status_code == 416:  # nothing is missing, or the file became shorter: the checksum tells
            return
        _check(response)
        continued = response.status_code == 206
        length = response.headers.get("Content-Length")
        total = int(length) + (have if continued else 0) if length else None
        version = response.headers.get("ETag") or response.headers.get("Last-Modified") or ""
        _state(kept).write_text(json.dumps({"version": version}))
        done = have if continued else 0
        with kept.open("ab" if continued else "wb") as file:
            for chunk in _reported(response.iter_raw(), done, total, url, progress):
                file.write(chunk)
                done += len(chunk)
        if total is not None and done < total:
            raise _Again(f"the connection broke after {done:,} of {total:,} bytes")


def _reported(chunks: Iterator[bytes], done: int, total: int | None, url: str, progress: Callable | None):
    last = time.monotonic()
    for chunk in chunks:
        yield chunk
        done += len(chunk)
        if progress and time.monotonic() - last >= 2:
            last = time.monotonic()
            share = f" of {total / 1e6:,.1f} MB ({done / total:.0%})" if total else " MB"
            progress(f"fetch {lake.name(url)}: {done / 1e6:,.1f}{share}")


def _digests(path: Path) -> dict[str, str]:
    md5, sha256 = hashlib.md5(usedforsecurity=False), hashlib.sha256()
    with path.open("rb") as file:
        while chunk := file.read(1 << 20):
            md5.update(chunk)
            sha256.update(chunk)
    return {"md5": md5.hexdigest(), "sha256": sha256.hexdigest()}
