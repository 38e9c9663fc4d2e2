"""The project's own shape: who imports whom, what the lock holds, what a wheel carries."""

from __future__ import annotations

import ast
import json
import os
import re
import subprocess
import sys
import tomllib
from graphlib import TopologicalSorter

import pytest
import yaml
from places import ROOT

from genomicslearning.endpoint import package

PACKAGE = ROOT / "genomicslearning"
# In the order in which data walks through them; a module imports only from rooms above its own.
ROOMS = """
clinvar io aws annotate training_set parquet spark demo history features autopilot endpoint evaluation watchlist report
runs deploy cli __main__
""".split()


NOTEBOOKS = [path for path in sorted((ROOT / "notebooks").rglob("*.ipynb")) if ".ipynb_checkpoints" not in path.parts]


def room_of(name: str) -> int:
    return ROOMS.index(name)


def imports(path):
    """Names of the project's modules that a file imports."""
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom) and node.module == "genomicslearning":
            names = [f"genomicslearning.{alias.name}" for alias in node.names]
        elif isinstance(node, ast.ImportFrom) and node.module:
            names = [node.module]
        else:
            continue
        for name in names:
            parts = name.split(".")
            if (
                parts[0] == "genomicslearning"
                and len(parts) > 1
                and ((PACKAGE / f"{parts[1]}.py").exists() or (PACKAGE / parts[1]).is_dir())
            ):
                yield parts[1]


@pytest.mark.parametrize("path", sorted(PACKAGE.rglob("*.py")), ids=lambda path: str(path.relative_to(PACKAGE)))
def test_a_module_imports_only_from_rooms_above_it(path):
    name = path.relative_to(PACKAGE).parts[0].removesuffix(".py")
    if name == "__init__":
        return
    below = {other for other in imports(path) if room_of(other) > room_of(name)}
    assert not below, f"{path.name} imports from a room below it: {below}"


MODULES = {
    ".".join(path.relative_to(ROOT).with_suffix("").parts): path
    for path in PACKAGE.rglob("*.py")
    if path.name != "__init__.py"
}


def imported_modules(path):
    """Modules of the project (no packages) that a file imports, wherever in it, for types only or lazily too."""
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.ImportFrom) and node.module:
            yield from {node.module, *(f"{node.module}.{alias.name}" for alias in node.names)} & MODULES.keys()


def test_no_import_runs_in_a_circle():
    order = TopologicalSorter({name: set(imported_modules(path)) - {name} for name, path in MODULES.items()})
    assert len(list(order.static_order())) == len(MODULES)


def needed_to_import(path):
    """The project's files that a module imports when it is itself imported: no types, nothing in a function."""
    for node in ast.parse(path.read_text(encoding="utf-8")).body:
        names = (
            {node.module, *(f"{node.module}.{one.name}" for one in node.names)}
            if isinstance(node, ast.ImportFrom)
            else ()
        )
        for name in names:
            place = ROOT.joinpath(*str(name).split("."))
            yield from (found for found in (place.with_suffix(".py"), place / "__init__.py") if found.is_file())


def test_what_a_served_model_imports_is_in_its_package():
    packed = {found for pattern in package.MODULES for found in PACKAGE.glob(pattern)}
    waiting, seen = [PACKAGE / "endpoint" / "inference.py"], set()
    while waiting:
        path = waiting.pop()
        assert path in packed, f"{path.relative_to(PACKAGE)} is imported by what serves a model: endpoint/package.py"
        seen.add(path)
        waiting += set(needed_to_import(path)) - seen
    assert PACKAGE / "history" / "horizons.py" in seen


@pytest.mark.parametrize("path", sorted(PACKAGE.rglob("__init__.py")), ids=lambda path: path.parent.name)
def test_a_package_only_hands_names_on(path):
    if path.parent == PACKAGE:
        return
    for node in ast.parse(path.read_text(encoding="utf-8")).body:
        words = isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant)
        names = isinstance(node, ast.Assign) and ast.unparse(node.targets[0]).startswith("_")
        when_asked = isinstance(node, ast.FunctionDef) and node.name == "__getattr__"
        for_types = isinstance(node, ast.If) and ast.unparse(node.test) == "TYPE_CHECKING"
        assert words or names or when_asked or for_types or isinstance(node, ast.Import | ast.ImportFrom), ast.unparse(
            node
        )[:80]


def test_few_modules_stand_loose():
    loose = {path.name for path in PACKAGE.glob("*.py")} - {"__init__.py", "__main__.py", "clinvar.py"}
    assert len(loose) <= 4


def test_tests_mirror_the_rooms():
    rooms = {path.name for path in PACKAGE.iterdir() if (path / "__init__.py").is_file()}
    folders = {path.name for path in (ROOT / "tests").iterdir() if any(path.rglob("test_*.py"))}
    assert folders - rooms <= {"notebooks", "docs"}
    assert rooms - folders <= {"deploy"}, "tests of deploy stand in tests/aws, beside the emulator"


def test_the_architecture_names_every_room_in_order():
    text = (ROOT / "docs" / "architecture.md").read_text(encoding="utf-8")
    rows = re.findall(r"^\| `(\w+)(?:\.py|/)` \|", text, flags=re.MULTILINE)
    assert rows == ROOMS[:-1]


def pins(name: str) -> dict[str, set[str]]:
    """Pinned versions of a lock by package; some packages have one version a Python series."""
    found: dict[str, set[str]] = {}
    for line in (ROOT / "requirements" / f"{name}.txt").read_text().splitlines():
        if match := re.match(r"^([A-Za-z0-9._-]+)(?:\[.*\])?==([^ ;]+)", line):
            found.setdefault(match[1], set()).add(match[2])
    return found


def test_environment_installs_base_and_aws_from_the_lock():
    environment = yaml.safe_load((ROOT / "environment.yml").read_text())
    python, pip, packages = environment["dependencies"]
    assert (python, pip) == ("python=3.11", "pip")
    assert packages == {"pip": ["-r requirements/aws.txt"]}
    base, aws = pins("base"), pins("aws")
    assert {name: aws.get(name) for name in base} == base
    assert {"boto3", "sagemaker"} <= aws.keys()


def test_base_lock_has_no_sagemaker_spark_or_emulator():
    assert not {"sagemaker", "boto3", "pyspark", "moto", "ministack"} & pins("base").keys()


def test_locks_hash_everything_and_name_no_index():
    for name in ("base", "aws", "dev", "policy", "annotate"):
        text = (ROOT / "requirements" / f"{name}.txt").read_text()
        assert not re.search(r"https?:|index-url|find-links", text)
        for entry in re.split(r"\n(?=[a-z])", text):
            assert "--hash=sha256:" in entry, entry[:80]


def test_lock_satisfies_the_pins_of_pyproject():
    from packaging.requirements import Requirement

    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    locked = pins("dev")
    wanted = project["dependencies"] + [r for extra in project["optional-dependencies"].values() for r in extra]
    for requirement in map(Requirement, wanted):
        versions = locked[requirement.name.lower()]
        assert versions and all(requirement.specifier.contains(version) for version in versions), requirement


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.name)
def test_notebooks_are_stored_without_outputs(path):
    for cell in json.loads(path.read_text())["cells"]:
        if cell["cell_type"] == "code":
            assert cell["outputs"] == [] and cell["execution_count"] is None


def test_make_help_lists_every_target():
    text = subprocess.run(["make", "-C", str(ROOT), "help"], capture_output=True, text=True, check=True).stdout
    for target in ("run", "test", "lab", "report", "bench", "deploy", "teardown"):
        assert f"make {target}" in text


def test_an_installed_wheel_carries_what_the_commands_need(tmp_path):
    """From a plain install, outside the checkout: notebooks, glue, lifecycle and cloudformation files are there."""
    build = [sys.executable, "-m", "pip", "wheel", "--no-deps", "--no-build-isolation", "-q", "-w", str(tmp_path)]
    subprocess.run([*build, str(ROOT)], check=True, capture_output=True)
    [wheel] = tmp_path.glob("*.whl")
    site = tmp_path / "site"
    install = [sys.executable, "-m", "pip", "install", "--no-deps", "-q", "--target", str(site), str(wheel)]
    subprocess.run(install, check=True, capture_output=True)
    environment = os.environ | {"PYTHONPATH": str(site)}
    copied = subprocess.run(
        [sys.executable, "-m", "genomicslearning", "notebooks", "mine"],
        cwd=tmp_path, env=environment, capture_output=True, text=True,
    )  # fmt: skip
    assert copied.returncode == 0, copied.stderr
    ours = {path.relative_to(ROOT / "notebooks") for path in NOTEBOOKS}
    assert {path.relative_to(tmp_path / "mine") for path in (tmp_path / "mine").rglob("*.ipynb")} == ours
    share = site / "genomicslearning" / "_share"
    for folder in ("glue", "lifecycle", "cloudformation"):
        assert {path.name for path in (share / folder).rglob("*.*")} >= {p.name for p in (ROOT / folder).glob("*.*")}
    for name in ("page.css", "page.js", "index.html.j2", "template/index.html.j2"):
        assert (site / "genomicslearning" / "report" / name).is_file()
