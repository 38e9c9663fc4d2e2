"""What once broke a reader, and draws of the fuzzer: answered, or refused in one line."""

from __future__ import annotations

import random
import sys
import warnings

import pytest
from places import ROOT

sys.path.insert(0, str(ROOT / "benchmarks"))
import fuzz

NAMES = [*(reader.name for reader in fuzz.file_readers(ROOT)), *fuzz.OF_A_MODEL]
CASES = sorted(path for path in fuzz.CORPUS.rglob("*") if path.is_file())


@pytest.fixture(scope="module")
def of_a_model(tmp_path_factory):
    """Readers that need a model."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # five trees are fewer than a job would try
        return fuzz.model_readers(tmp_path_factory.mktemp("model"))


@pytest.fixture
def reader_of(tmp_path, of_a_model):
    found = {reader.name: reader for reader in [*fuzz.file_readers(tmp_path), *of_a_model]}
    return found | {fuzz.folder_name(reader): reader for reader in found.values()}


@pytest.mark.parametrize("path", CASES, ids=lambda path: f"{path.parent.name}/{path.name}")
def test_cases_of_the_corpus(path, reader_of):
    assert fuzz.outcome(reader_of[path.parent.name], path)[0] in ("answered", "refused")


@pytest.mark.parametrize("name", NAMES)
def test_some_draws_for_every_reader(name, reader_of, tmp_path):
    reader, draw = reader_of[name], random.Random(name)
    seeds = [seed for one in reader_of.values() for seed in one.seeds]
    path = tmp_path / f"input{reader.suffix}"
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        for seed in reader.seeds:
            path.write_bytes(seed)
            assert fuzz.outcome(reader, path)[0] in ("answered", "refused")
        for _ in range(40):
            path.write_bytes(fuzz.changed(draw.choice(reader.seeds), seeds, draw))
            found, why = fuzz.outcome(reader, path)
            assert found != "broke", f"{why}: {path.read_bytes()!r}"
