"""The lake's S3 client finds a bucket's region by itself: on a notebook instance no variable names it."""

from __future__ import annotations

import pytest
from pyarrow import fs

from genomicslearning import InputError
from genomicslearning.io import lake


@pytest.fixture
def bare(monkeypatch):
    for name in ("AWS_REGION", "AWS_DEFAULT_REGION", "AWS_ENDPOINT_URL", "AWS_ENDPOINT_URL_S3"):
        monkeypatch.delenv(name, raising=False)
    lake._region_of.cache_clear()
    yield monkeypatch
    lake._region_of.cache_clear()


def test_the_region_is_what_s3_says_of_the_bucket(bare):
    """By S3's API reference, HeadBucket answers with the header x-amz-bucket-region, which pyarrow reads."""
    asked = []
    bare.setattr(fs, "resolve_s3_region", lambda bucket: asked.append(bucket) or "eu-west-1")
    system, key = lake._s3("s3://lab-datalake/annotation/x.csv")
    assert (system.region, key) == ("eu-west-1", "lab-datalake/annotation/x.csv")
    lake._s3("s3://lab-datalake/another")
    assert asked == ["lab-datalake"]  # once a bucket


def test_what_the_environment_says_goes_first(bare):
    bare.setattr(fs, "resolve_s3_region", lambda bucket: pytest.fail("asked"))
    bare.setenv("AWS_DEFAULT_REGION", "us-west-2")
    assert lake._s3("s3://lab-datalake/x")[0].region == "us-west-2"


def test_a_bucket_that_is_not_there_is_one_line(bare):
    def resolve(bucket):
        raise OSError(2, "Bucket 'lab-datalake' not found")

    bare.setattr(fs, "resolve_s3_region", resolve)
    with pytest.raises(
        InputError, match="s3://lab-datalake: Bucket 'lab-datalake' not found; check the name, or set AWS_REG"
    ):
        lake.exists("s3://lab-datalake/x")
