"""What AWS offers that this project names: images, runtimes, platforms, instance types, versions, each with its source.

A name that AWS does not know fails a stack at once, and emulators take any: so each stands here once with the page that
lists it and the month in which a copy of that page was read. A test holds templates and code to this table.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Offer:
    """One name of AWS's.

    Attributes
    ----------
    source : what lists it.
    as_of : when that was read, ``YYYY-MM``; empty where no copy of it was at hand.
    """

    what: str
    name: str
    source: str
    as_of: str


_DOCS = "https://docs.aws.amazon.com"
_IMAGES = "https://github.com/aws/aws-codebuild-docker-images"
OFFERS = (
    Offer("CodeBuild image", "aws/codebuild/amazonlinux-x86_64-standard:5.0",
          f"{_DOCS}/codebuild/latest/userguide/buildkite-runner-update-yaml.images.html", "2026-11"),
    Offer("CodeBuild environment", "LINUX_CONTAINER", "botocore 1.44, codebuild, shape EnvironmentType", "2026-11"),
    Offer("CodeBuild compute", "BUILD_GENERAL1_MEDIUM", "botocore 1.44, codebuild, shape ComputeType", "2026-11"),
    Offer("CodeBuild Python", "3.11", f"{_IMAGES}/al/x86_64/standard/5.0/runtimes.yml", "2026-11"),
    Offer("CodeBuild Python", "3.12", f"{_IMAGES}/al/x86_64/standard/5.0/runtimes.yml", "2026-11"),
    Offer("Lambda runtime", "python3.13", "botocore 1.44, lambda, shape Runtime", "2026-11"),
    Offer("Notebook platform", "notebook-al2023-v1", "botocore 1.44, sagemaker, shape PlatformIdentifier", "2026-11"),
    Offer("Notebook instance type", "ml.t3.medium", "botocore 1.44, sagemaker, shape InstanceType", "2026-11"),
    Offer("Transform and endpoint instance type", "ml.m5.xlarge",
          "botocore 1.44, sagemaker, shapes TransformInstanceType and ProductionVariantInstanceType", "2026-11"),
    Offer("Glue version", "5.0", f"{_DOCS}/glue/latest/dg/release-notes.html", "2026-11"),
    Offer("Glue worker", "G.1X", "botocore 1.44, glue, shape WorkerType", "2026-11"),
    Offer("Glue command", "glueetl", f"{_DOCS}/glue/latest/dg/aws-glue-api-jobs-job.html", "2026-11"),
    Offer("Container of packaged models", "pytorch-inference:2.6.0-cpu-py312",
          "SageMaker SDK 3.27, sagemaker/core/image_uri_config/pytorch.json", "2026-11"),
)  # fmt: skip

#: Python modules of Glue 5.0 that the jobs import, and what these need; Spark 3.5.4 and Python 3.11 beside them. (The
#: copy of the page that was read was made before Glue 5.1 came, in 2025.)
GLUE_PYTHON, GLUE_SPARK = "3.11", "3.5.4"
GLUE_PROVIDES = {
    "boto3": "1.34.131",
    "botocore": "1.34.131",
    "numpy": "1.26.4",
    "packaging": "24.1",
    "pandas": "2.2.2",
    "pyarrow": "17.0.0",
    "python-dateutil": "2.9.0.post0",
    "pytz": "2024.1",
    "six": "1.16.0",
    "tzdata": "2024.1",
    "urllib3": "1.25.10",
}
# Checked 2026-11.
GLUE_SOURCE = f"{_DOCS}/glue/latest/dg/aws-glue-programming-python-libraries.html#glue-modules-provided"


def named(what: str) -> set[str]:
    """The names of one kind."""
    return {offer.name for offer in OFFERS if offer.what == what}
