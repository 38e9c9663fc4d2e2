"""Real wheels without a network: installed distributions, packed again, and a lock of their hashes."""

from __future__ import annotations

import base64
import hashlib
import re
import zipfile
from importlib.metadata import Distribution, distribution
from pathlib import Path

from packaging.requirements import Requirement


def pack(name: str, folder: Path) -> Path:
    """The wheel of an installed distribution; its RECORD lists what it holds."""
    installed = distribution(name)
    tags = re.findall(r"^Tag: (\S+)$", installed.read_text("WHEEL"), re.MULTILINE)
    files = [file for file in installed.files if not str(file).startswith("..") and "__pycache__" not in file.parts]
    record = next(file for file in files if file.name == "RECORD")
    kept = [file for file in files if file != record and file.name not in ("INSTALLER", "REQUESTED", "direct_url.json")]
    python, abi, platforms = (
        ".".join(sorted(set(part))) for part in zip(*(tag.split("-") for tag in tags), strict=True)
    )
    title = re.sub(r"[-.]+", "_", installed.metadata["Name"])
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / f"{title}-{installed.version}-{python}-{abi}-{platforms}.whl"
    lines = []
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED, compresslevel=1) as wheel:
        for file in kept:
            content = file.locate().read_bytes()
            wheel.writestr(str(file), content)
            digest = base64.urlsafe_b64encode(hashlib.sha256(content).digest()).rstrip(b"=").decode()
            lines.append(f"{file},sha256={digest},{len(content)}")
        wheel.writestr(str(record), "\n".join([*lines, f"{record},,"]) + "\n")
    return path


def closure(*names: str) -> list[str]:
    """These distributions and what they need on this machine."""
    found: dict[str, Distribution] = {}
    waiting = list(names)
    while waiting:
        installed = distribution(waiting.pop())
        name = installed.metadata["Name"].lower().replace("_", "-")
        if name in found:
            continue
        found[name] = installed
        for text in installed.requires or []:
            requirement = Requirement(text)
            if requirement.marker is None or requirement.marker.evaluate({"extra": ""}):
                waiting.append(requirement.name)
    return sorted(found)


def lock(wheels: list[Path]) -> str:
    lines = []
    for wheel in wheels:
        name, version = wheel.name.split("-")[:2]
        lines.append(f"{name}=={version} --hash=sha256:{hashlib.sha256(wheel.read_bytes()).hexdigest()}")
    return "\n".join(lines) + "\n"
