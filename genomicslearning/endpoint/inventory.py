"""What the notebooks have left on SageMaker: what costs money by the hour, and what belongs to it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from datetime import UTC, datetime

from genomicslearning.aws import prices
from genomicslearning.aws.account import Account, aws_errors


@dataclass(frozen=True)
class Left:
    """One thing that is there. `hourly` is None where it costs nothing by itself, NaN where the price is not known.

    `ours` is whether its tag `Project` is the project's: only such a thing is deleted.
    """

    kind: str
    name: str
    status: str
    since: datetime
    hourly: float | None = None
    ours: bool = True

    def __str__(self) -> str:
        hours = (datetime.now(UTC) - self.since).total_seconds() / 3600
        about = f"{self.kind} {self.name}: {self.status}, {hours:,.1f} h"
        if not self.ours:
            about += ", not tagged as the project's"
        if self.hourly is None:
            return about
        so_far = f"${self.hourly * hours:,.2f} so far ({prices.dated()})"
        return f"{about}, about ${self.hourly:.2f} an hour, {so_far}"


def find(account: Account) -> list[Left]:
    """Everything of the project's that bills or belongs to what bills; what bills comes first."""
    with aws_errors():
        client = account.client("sagemaker")
        wanted = {"Key": "Project", "Value": account.title}
        return [
            replace(left, ours=wanted in client.list_tags(ResourceArn=arn)["Tags"])
            for left, arn in _found(client, f"{account.project}-")
        ]


def _found(client, prefix: str) -> Iterator[tuple[Left, str]]:
    """Each with its ARN."""
    for one in _listed(client, "list_endpoints", "Endpoints", prefix, "EndpointName"):
        left = Left("endpoint", one["EndpointName"], one["EndpointStatus"], one["CreationTime"], _hourly(client, one))
        yield left, one["EndpointArn"]
    running = {"StatusEquals": "InProgress"}
    for one in _listed(client, "list_auto_ml_jobs", "AutoMLJobSummaries", prefix, "AutoMLJobName", **running):
        hourly = prices.AUTOPILOT_MACHINES * prices.HOURLY[prices.AUTOPILOT_MACHINE]
        left = Left("Autopilot job", one["AutoMLJobName"], "InProgress, at most", one["CreationTime"], hourly)
        yield left, one["AutoMLJobArn"]
    for one in _listed(client, "list_transform_jobs", "TransformJobSummaries", prefix, "TransformJobName", **running):
        resources = client.describe_transform_job(TransformJobName=one["TransformJobName"])["TransformResources"]
        hourly = prices.HOURLY.get(resources["InstanceType"], float("nan"))
        left = Left("transform job", one["TransformJobName"], "InProgress", one["CreationTime"], hourly)
        yield left, one["TransformJobArn"]
    for one in _listed(client, "list_endpoint_configs", "EndpointConfigs", prefix, "EndpointConfigName"):
        left = Left("endpoint configuration", one["EndpointConfigName"], "free", one["CreationTime"])
        yield left, one["EndpointConfigArn"]
    for one in _listed(client, "list_models", "Models", prefix, "ModelName"):
        yield Left("model", one["ModelName"], "free", one["CreationTime"]), one["ModelArn"]


def _listed(client, operation: str, key: str, prefix: str, name: str, **wanted) -> Iterator[dict]:
    pages = client.get_paginator(operation).paginate(NameContains=prefix, **wanted)
    yield from (one for page in pages for one in page[key] if one[name].startswith(prefix))


def _hourly(client, endpoint: dict) -> float:
    name = client.describe_endpoint(EndpointName=endpoint["EndpointName"])["EndpointConfigName"]
    variants = client.describe_endpoint_config(EndpointConfigName=name)["ProductionVariants"]
    unknown = float("nan")
    return sum(
        prices.HOURLY.get(one.get("InstanceType", ""), unknown) * one.get("InitialInstanceCount", 1) for one in variants
    )


def delete(account: Account, found: list[Left], progress: Callable[[str], None]) -> None:
    """Delete endpoints, configurations and models, and stop jobs; what is not tagged as the project's stays."""
    client = account.client("sagemaker")
    ways = {
        "endpoint": lambda name: client.delete_endpoint(EndpointName=name),
        "Autopilot job": lambda name: client.stop_auto_ml_job(AutoMLJobName=name),
        "transform job": lambda name: client.stop_transform_job(TransformJobName=name),
        "endpoint configuration": lambda name: client.delete_endpoint_config(EndpointConfigName=name),
        "model": lambda name: client.delete_model(ModelName=name),
    }
    with aws_errors():
        for one in (one for one in found if one.ours):
            ways[one.kind](one.name)
            progress(f"{'stopped' if 'job' in one.kind else 'deleted'} {one.kind} {one.name}")
