"""Images, runtimes, platforms and instance types: those that templates and code name are those of the dated table."""

from __future__ import annotations

import json
import re
from datetime import date

import pytest
import yaml
from places import ROOT
from shapes import operation_shape
from templates import STACKS, resources, template

from genomicslearning.aws import platform, prices
from genomicslearning.endpoint import package
from genomicslearning.endpoint.sagemaker import INSTANCE_TYPE

TODAY = date(2026, 11, 26)


def values(kind: str, *path: str) -> set[str]:
    found = set()
    for resource in resources(kind).values():
        value = resource["Properties"]
        for key in path:
            value = value[key]
        found.add(value)
    return found


def test_the_templates_name_what_the_table_has():
    environment = ("AWS::CodeBuild::Project", "Environment")
    assert values(*environment, "Image") == platform.named("CodeBuild image")
    assert values(*environment, "Type") == platform.named("CodeBuild environment")
    assert values(*environment, "ComputeType") == platform.named("CodeBuild compute")
    assert values("AWS::Lambda::Function", "Runtime") == platform.named("Lambda runtime")
    assert values("AWS::SageMaker::NotebookInstance", "PlatformIdentifier") == platform.named("Notebook platform")
    assert values("AWS::Glue::Job", "GlueVersion") == platform.named("Glue version")
    assert values("AWS::Glue::Job", "WorkerType") == platform.named("Glue worker")
    assert values("AWS::Glue::Job", "Command", "Name") == platform.named("Glue command")
    types = {template(name)["Parameters"].get("NotebookInstanceType", {}).get("Default") for name in STACKS} - {None}
    assert types == platform.named("Notebook instance type")
    specs = [yaml.safe_load((ROOT / "cloudformation" / f"{name}.yml").read_text())
             for name in ("buildspec", "setup_buildspec")]  # fmt: skip
    pythons = {spec["phases"]["install"]["runtime-versions"]["python"] for spec in specs}
    assert pythons == platform.named("CodeBuild Python")


def test_the_code_names_what_the_table_has():
    assert {INSTANCE_TYPE} == platform.named("Transform and endpoint instance type")
    image = package.image("eu-west-1", INSTANCE_TYPE)
    assert {image.partition("/")[2]} == platform.named("Container of packaged models")


def test_no_image_or_runtime_is_named_elsewhere():
    text = "\n".join(json.dumps(template(name)) for name in STACKS)
    assert set(re.findall(r"aws/codebuild/[\w.:/-]+", text)) == platform.named("CodeBuild image")
    # The image that is in no list of AWS's, by its documentation and its image repository.
    assert "amazonlinux2023" not in text


@pytest.mark.parametrize(
    ("what", "service", "operation", "members"),
    [
        ("Notebook instance type", "sagemaker", "CreateNotebookInstance", ["InstanceType"]),
        ("Notebook platform", "sagemaker", "CreateNotebookInstance", ["PlatformIdentifier"]),
        (
            "Transform and endpoint instance type",
            "sagemaker",
            "CreateTransformJob",
            ["TransformResources", "InstanceType"],
        ),
        ("Lambda runtime", "lambda", "CreateFunction", ["Runtime"]),
        ("CodeBuild environment", "codebuild", "CreateProject", ["environment", "type"]),
        ("CodeBuild compute", "codebuild", "CreateProject", ["environment", "computeType"]),
        ("Glue worker", "glue", "CreateJob", ["WorkerType"]),
    ],
)
def test_what_a_service_model_lists_is_in_it(what, service, operation, members):
    shape = operation_shape(service, operation)
    for member in members:
        shape = shape.members[member]
    if getattr(shape, "enum", None):
        assert platform.named(what) <= set(shape.enum)
    else:
        assert all(re.fullmatch(shape.metadata["pattern"], name) for name in platform.named(what))


def test_priced_instance_types_exist():
    notebook = operation_shape("sagemaker", "CreateNotebookInstance").members["InstanceType"]
    transform = operation_shape("sagemaker", "CreateTransformJob").members["TransformResources"].members["InstanceType"]
    assert set(prices.HOURLY) <= {*notebook.enum, *transform.enum}


def test_every_offer_has_a_source_and_a_date_no_older_than_a_year():
    unread = [offer for offer in platform.OFFERS if not offer.as_of]
    documentation = (ROOT / "docs/aws.md").read_text()
    assert all(offer.name in documentation.partition("What only a real account can prove")[2] for offer in unread)
    for offer in (offer for offer in platform.OFFERS if offer.as_of):
        year, month = map(int, offer.as_of.split("-"))
        assert (TODAY.year, TODAY.month) <= (year + 1, month), offer
        published = ("https://docs.aws.amazon.com/", "https://github.com/aws/", "botocore ", "SageMaker SDK ")
        assert offer.source.startswith(published), offer
    assert platform.GLUE_SOURCE.startswith("https://docs.aws.amazon.com/glue/")


def test_prices_over_a_year_old_are_marked():
    year, month = map(int, prices.AS_OF.split("-"))
    assert prices.dated(date(year, month, 28)) == f"prices of us-east-1, {prices.AS_OF}"
    assert "over a year old" not in prices.dated(date(year + 1, month, 1))
    later = date(year + 1 + month // 12, month % 12 + 1, 1)
    assert prices.dated(later).endswith("over a year old, see aws.amazon.com/pricing")


def test_the_documentation_has_the_table():
    text = (ROOT / "docs/aws.md").read_text()
    for offer in platform.OFFERS:
        assert f"`{offer.name}`" in text and offer.as_of in text, offer
