"""Pack a model for SageMaker: the model in its safe formats, the code that serves it, and that code's pinned needs."""

from __future__ import annotations

import gzip
import hashlib
import io
import json
import tarfile
from importlib import metadata
from pathlib import Path

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

import genomicslearning
from genomicslearning import InputError
from genomicslearning.autopilot.manifest import extra_libraries
from genomicslearning.autopilot.model import Model
from genomicslearning.endpoint import wire
from genomicslearning.io import lake

#: What serving imports; their own requirements are added.
NEEDED = ("isal", "numpy", "packaging", "pandas", "pyarrow", "scikit-learn", "skops", "starlette", "uvicorn")
#: Notebook stack and the like stay out: these parts of the package are all that `inference.py` imports.
MODULES = (
    *("__init__.py", "clinvar.py", "features/*.py", "features/gene_fields.json", "autopilot/*.py"),
    *(f"io/{name}.py" for name in ("__init__", "archives", "lake", "limits", "memory", "separated", "text")),
    # What single submissions teach, which the manifest states.
    *(
        f"history/{name}.py"
        for name in ("__init__", "assemblies", "dates", "horizons", "release_files", "releases", "submissions")
    ),
    *(f"training_set/{name}.py" for name in ("__init__", "schema", "table", "table_files", "user_table")),
    *(
        f"endpoint/{name}.py"
        for name in ("__init__", "app", "gate", "hosting", "inference", "interface", "server", "together", "wire")
    ),
)


def write(model_folder: str | Path, target: str | Path) -> dict:
    """Write a SageMaker inference archive (`.tar.gz`), local or s3://; equal inputs give equal bytes.

    It holds `model/` (the folder as it is), `code/inference.py`, `code/requirements.txt` with the versions that are
    installed here, and `code/genomicslearning/`, the part of this package that serves.

    Returns the model's manifest. Raises `InputError` where the folder holds no model that loads.
    """
    if not str(target).endswith(".tar.gz"):
        raise InputError(f"{target}: SageMaker takes a .tar.gz; choose such a name")
    folder = Path(model_folder)
    lake.check_outputs([target], [folder])
    manifest = Model.load(folder).manifest
    files = {f"model/{path.name}": path.read_bytes() for path in sorted(folder.iterdir()) if path.is_file()}
    files |= _code(manifest)
    with (
        lake.output(target, inputs=[folder]) as [part],
        part.open("wb") as raw,
        gzip.GzipFile("", "wb", 6, raw, mtime=0) as packed,
    ):
        with tarfile.open(fileobj=packed, mode="w") as archive:
            for name, content in files.items():
                entry = tarfile.TarInfo(name)
                entry.size, entry.mode = len(content), 0o644
                archive.addfile(entry, io.BytesIO(content))
    return manifest


def _code(manifest: dict) -> dict[str, bytes]:
    package = Path(genomicslearning.__file__).parent
    sources = sorted({path for pattern in MODULES for path in package.glob(pattern)})
    files = {f"code/genomicslearning/{path.relative_to(package)}": path.read_bytes() for path in sources}
    files["code/inference.py"] = (package / "endpoint" / "inference.py").read_bytes()
    files["code/requirements.txt"] = "".join(f"{line}\n" for line in requirements(manifest)).encode()
    # The package asks for its own version, which this answers without an installation.
    version = genomicslearning.__version__
    about = f"Metadata-Version: 2.4\nName: genomicslearning\nVersion: {version}\n"
    files[f"code/genomicslearning-{version}.dist-info/METADATA"] = about.encode()
    return files


def requirements(manifest: dict) -> list[str]:
    """`name==version` of everything that serving a model needs, as installed here."""
    found: dict[str, str] = {}
    waiting = [Requirement(name) for name in (*NEEDED, *extra_libraries(manifest["members"]))]
    while waiting:
        wanted = waiting.pop()
        name = canonicalize_name(wanted.name)
        if name in found:
            continue
        installed = metadata.distribution(name)
        found[name] = installed.version
        for line in installed.requires or ():
            requirement = Requirement(line)
            if requirement.marker is None or requirement.marker.evaluate({"extra": ""}):
                waiting.append(requirement)
    return [f"{name}=={version}" for name, version in sorted(found.items())]


def identity(manifest: dict) -> str:
    """A name for a model: equal for equal models."""
    return hashlib.sha256(json.dumps(manifest, sort_keys=True).encode()).hexdigest()[:16]


def image(region: str, instance_type: str) -> str:
    """SageMaker's own container with Python 3.12 that runs `code/inference.py` and installs `code/requirements.txt`."""
    from sagemaker.core import image_uris

    return image_uris.retrieve(
        "pytorch", region, version="2.6.0", py_version="py312", instance_type=instance_type, image_scope="inference"
    )


def environment() -> dict[str, str]:
    """Settings of that container."""
    return {
        "SAGEMAKER_PROGRAM": "inference.py",
        "SAGEMAKER_SUBMIT_DIRECTORY": "/opt/ml/model/code",
        "SAGEMAKER_INFERENCE_OUTPUT": ",".join(wire.OUTPUTS),
    }
