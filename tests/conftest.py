"""Fixtures that several rooms share. Real data is for development and CI only: absent, its tests skip and say why."""

from __future__ import annotations

import gzip
import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import settings
from places import data_folder

# How long a draw takes hangs on what else the machine does.
settings.register_profile("house", deadline=None)
settings.load_profile("house")

# Fixtures that there are with the real data only; `labelled_table` falls back to the sample and asks for one itself.
REAL = {"shared_data", "published_table", "rebuilt_pair"}


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Files with a slow test come first: where several processes share the files, none is left alone with one."""
    slow = {item.path for item in items if item.get_closest_marker("slow")}
    items.sort(key=lambda item: item.path not in slow)
    if not data_folder().is_dir():
        leave_out_what_needs_real_data(config, items)


def leave_out_what_needs_real_data(config: pytest.Config, items: list[pytest.Item]) -> None:
    """One skip a file says how many of its tests need it."""
    files: dict[Path, list[pytest.Item]] = {}
    for item in items:
        if REAL & set(getattr(item, "fixturenames", ())):
            files.setdefault(item.path, []).append(item)
    for first, *rest in files.values():
        tests = f"{1 + len(rest)} tests of this file" if rest else "this test"
        reason = f"real data not found at {data_folder()}: {tests} left out; set GENOMICSLEARNING_DATA to its folder"
        first.add_marker(pytest.mark.skip(reason=reason))
        config.hook.pytest_deselected(items=rest)
        items[:] = [item for item in items if item not in rest]


@pytest.fixture(scope="session")
def shared_data() -> Path:
    folder = data_folder()
    if not folder.is_dir():
        pytest.skip(f"real data not found at {folder}; set GENOMICSLEARNING_DATA to its folder")
    return folder


@pytest.fixture(scope="session")
def published_table(shared_data):
    """The published ClinVar-conflict table, 65,188 rows."""
    from genomicslearning.training_set.table import read_table

    return read_table(shared_data / "clinvar_kaggle" / "clinvar_conflicting.csv.zip")


@pytest.fixture(scope="session")
def labelled_table(demo_pair, request, tmp_path_factory):
    """The published table, else the embedded sample's training set: for tests that ask how, not how well."""
    if data_folder().is_dir():
        return request.getfixturevalue("published_table")
    from genomicslearning.training_set.build import build_training_set
    from genomicslearning.training_set.table import COLUMNS, read_table

    path = tmp_path_factory.mktemp("labelled") / "sample.parquet"
    build_training_set(clinvar=demo_pair[0], annotated=demo_pair[1], out=path)
    return read_table(path)[list(COLUMNS)]


@pytest.fixture(scope="session")
def least_auc() -> float:
    """What a quick model of 1,500 rows of `labelled_table` reaches at least: the sample is harder than ClinVar."""
    return 0.75 if data_folder().is_dir() else 0.68


@pytest.fixture(scope="session")
def rebuilt_pair(shared_data, tmp_path_factory) -> tuple[Path, Path]:
    """The ClinVar and annotated VCF that the published table came from, and 20,000 single-submitter records."""
    tool = shared_data.parent / "tools" / "rebuild_vcfs.py"
    if not tool.is_file():
        pytest.skip(f"{tool} not found; it rebuilds the VCFs of the published table")
    folder = tmp_path_factory.mktemp("rebuilt")
    table = shared_data / "clinvar_kaggle" / "clinvar_conflicting.csv.zip"
    subprocess.run([sys.executable, tool, table, folder, "--single-submitters", "20000"], check=True)
    return folder / "clinvar.vcf.gz", folder / "clinvar.annotated.vcf.gz"


@pytest.fixture(scope="session")
def demo_pair(tmp_path_factory) -> tuple[Path, Path]:
    """The embedded sample's ClinVar and VEP-annotated VCF."""
    from genomicslearning import demo

    return demo.write(tmp_path_factory.mktemp("demo"))


@pytest.fixture(scope="session")
def whole_pair(demo_pair, request) -> tuple[Path, Path]:
    """The pair that the published table came from, else the embedded sample's."""
    return request.getfixturevalue("rebuilt_pair") if data_folder().is_dir() else demo_pair


@pytest.fixture(scope="session")
def earlier_releases(tmp_path_factory) -> list[Path]:
    """The releases of 2015-11 and 2016-05, else what earlier releases would have said of the embedded sample."""
    if data_folder().is_dir():
        return sorted((data_folder() / "clinvar_tsv").glob("clinvar_201*_b37.tsv.gz"))
    from genomicslearning import demo

    return demo.write_earlier(tmp_path_factory.mktemp("earlier"))


@pytest.fixture(scope="session")
def modern_release(demo_pair) -> Path:
    """The excerpt of a release of 2026, else the embedded sample's ClinVar: no VEP annotation in either."""
    excerpt = data_folder() / "clinvar_2026" / "clinvar_20260226_GRCh38_excerpt.vcf.gz"
    return excerpt if data_folder().is_dir() else demo_pair[0]


@pytest.fixture(scope="session")
def annotated_files(demo_pair) -> dict[Path, int]:
    """VCFs that VEP annotated, with their counts of records: two real ones, else the embedded sample's."""
    if data_folder().is_dir():
        records = {"panel_vep_grch37_cadd": 326, "clinvar_brca1_vep109_20230324": 13145}
        return {data_folder() / "vep" / f"{name}.vcf.gz": count for name, count in records.items()}
    with gzip.open(demo_pair[1], "rb") as file:
        return {demo_pair[1]: sum(not line.startswith(b"#") for line in file)}
