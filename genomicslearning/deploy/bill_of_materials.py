"""What the software is made of: a bill of materials (CycloneDX 1.6) of the lock, and the licences of what is installed.

    python -m genomicslearning.deploy.bill_of_materials licences [--lock requirements/base.txt]
    python -m genomicslearning.deploy.bill_of_materials write OUT.cdx.json [--lock requirements/base.txt]

Formats: https://cyclonedx.org/docs/1.6/json/, https://github.com/package-url/purl-spec.
"""

from __future__ import annotations

import argparse
import json
import re
import sys
import uuid
from collections.abc import Iterator
from dataclasses import dataclass
from email.message import Message
from importlib import metadata
from pathlib import Path
from typing import cast

from genomicslearning import InputError, __version__, share
from genomicslearning.io.text import json_text

# Words of PyPI's classifiers and of free text -> SPDX's names, where they are sure.
_SPDX = {
    "apache software license": "Apache-2.0",
    "apache license 2.0": "Apache-2.0",
    "apache license, version 2.0": "Apache-2.0",
    "apache 2.0": "Apache-2.0",
    "apache-2.0": "Apache-2.0",
    "mit license": "MIT",
    "mit": "MIT",
    "bsd-3-clause": "BSD-3-Clause",
    "bsd 3-clause license": "BSD-3-Clause",
    "3-clause bsd license": "BSD-3-Clause",
    "new bsd": "BSD-3-Clause",
    "isc license (iscl)": "ISC",
    "isc": "ISC",
    "mozilla public license 2.0 (mpl 2.0)": "MPL-2.0",
    "mpl-2.0": "MPL-2.0",
    "python software foundation license": "PSF-2.0",
    "psf-2.0": "PSF-2.0",
    "the unlicense (unlicense)": "Unlicense",
}
# Licences that ask for more than to be named, and may not suit everybody who passes the software on.
_RECIPROCAL = re.compile(r"\b(A?GPL|LGPL|MPL|EPL|CDDL)", re.IGNORECASE)


@dataclass(frozen=True)
class Component:
    """A package of the lock."""

    name: str
    version: str
    hashes: tuple[str, ...]
    licence: str

    @property
    def purl(self) -> str:
        """The package's URL."""
        return f"pkg:pypi/{self.name}@{self.version}"


def components(lock: str) -> Iterator[Component]:
    """Every package of a lock with hashes, in its order.

    Raises
    ------
    InputError
        A package has no version or no hash.
    """
    for entry in re.split(r"\n(?=[A-Za-z0-9])", "\n" + lock):
        if not entry.strip() or entry.lstrip().startswith("#"):
            continue
        found = re.match(r"\s*([A-Za-z0-9._-]+)(?:\[[^\]]*\])?==([^\s;\\]+)", entry)
        hashes = tuple(re.findall(r"--hash=sha256:([0-9a-f]{64})", entry))
        if not found or not hashes:
            raise InputError(f"lock: {entry.split()[0]} has no version or no hash; make the lock again (make lock)")
        yield Component(found[1].lower(), found[2], hashes, licence(found[1]))


def licence(name: str) -> str:
    """SPDX expression of an installed package's licence, else its own words; empty where it is not installed."""
    try:
        about = cast(Message, metadata.metadata(name))  # which it is, whatever its stub says
    except metadata.PackageNotFoundError:
        return ""
    if expression := about.get("License-Expression"):
        return str(expression)
    classifiers = [line.rpartition(" :: ")[2] for line in about.get_all("Classifier", []) if line.startswith("License")]
    own = str(about.get("License") or "").strip().splitlines()
    for words in (*own[:1], *classifiers):
        if words.lower() in _SPDX:
            return _SPDX[words.lower()]
    return next((words for words in (*classifiers, *own) if words and words != "OSI Approved"), "unknown")


def bill(lock: str) -> dict:
    """A CycloneDX document of the lock's packages; equal locks have equal bills."""
    listed = []
    for component in components(lock):
        entry: dict = {"type": "library", "name": component.name, "version": component.version}
        entry |= {"purl": component.purl, "bom-ref": component.purl}
        if component.licence:
            entry["licenses"] = [_licence_entry(component.licence)]
        digests = [{"alg": "SHA-256", "content": digest} for digest in component.hashes]
        address = f"https://pypi.org/project/{component.name}/{component.version}/"
        entry["externalReferences"] = [{"type": "distribution", "url": address, "hashes": digests}]
        listed.append(entry)
    ours: dict = {
        "type": "application",
        "name": "genomicslearning",
        "version": __version__,
        "bom-ref": "genomicslearning",
    }
    ours["licenses"] = [{"license": {"id": "Apache-2.0"}}]
    number = uuid.uuid5(uuid.NAMESPACE_URL, json.dumps([ours, listed], sort_keys=True))
    return {
        "bomFormat": "CycloneDX",
        "specVersion": "1.6",
        "serialNumber": f"urn:uuid:{number}",
        "version": 1,
        "metadata": {"component": ours},
        "components": listed,
    }


def _licence_entry(text: str) -> dict:
    if re.search(r" (AND|OR|WITH) ", text):
        return {"expression": text}
    known = re.fullmatch(r"[A-Za-z0-9.+-]+", text) and text not in ("unknown",)
    return {"license": {"id" if known else "name": text}}


def licences(lock: str) -> str:
    """A line a package: name, version, licence; reciprocal ones and unknown ones are marked."""
    lines = []
    for component in components(lock):
        shown = component.licence or "not installed here"
        mark = "  <- look" if _RECIPROCAL.search(shown) or shown == "unknown" else ""
        lines.append(f"{component.name:32} {component.version:16} {shown}{mark}")
    return "\n".join(lines)


def main(argv: list[str]) -> None:
    """Print the licences, or write the bill."""
    parser = argparse.ArgumentParser(prog="python -m genomicslearning.deploy.bill_of_materials")
    parser.add_argument("what", choices=("licences", "write"))
    parser.add_argument("out", type=Path, nargs="?", default=Path("dist/genomicslearning.cdx.json"))
    parser.add_argument("--lock", type=Path, default=share("requirements", "base.txt"))
    given = parser.parse_args(argv)
    try:
        lock = given.lock.read_text(encoding="utf-8")
        if given.what == "licences":
            print(licences(lock))
            return
        given.out.parent.mkdir(parents=True, exist_ok=True)
        given.out.write_text(json_text(bill(lock)), encoding="utf-8")
    except (InputError, OSError) as problem:
        print(f"genomicslearning: {problem}", file=sys.stderr)
        sys.exit(2)


if __name__ == "__main__":
    main(sys.argv[1:])
