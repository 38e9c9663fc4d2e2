"""The sample's training set and a split of it, made once for the tests of its evaluation."""

import pandas as pd
import pytest

from genomicslearning.history.splits import split
from genomicslearning.training_set.build import build_training_set
from genomicslearning.training_set.table import read_table


@pytest.fixture(scope="session")
def sample(demo_pair, tmp_path_factory) -> pd.DataFrame:
    clinvar, annotated = demo_pair
    place = tmp_path_factory.mktemp("sample") / "sample.parquet"
    build_training_set(clinvar=clinvar, annotated=annotated, out=place)
    return read_table(place)


@pytest.fixture(scope="session")
def parts(sample):
    return split(sample, "random")
