"""Where this server is, and clients that call it under somebody's name."""

from __future__ import annotations

import os
import sys
from functools import cache
from pathlib import Path

import boto3

URL = ""
FOLDER = Path()


@cache  # making one reads the service's model, and every resource asks for several
def client(service: str, region: str, actor: str):
    """The access key's id says who calls: the recorder writes it down."""
    return boto3.client(
        service, region_name=region, endpoint_url=URL, aws_access_key_id=actor, aws_secret_access_key="none"
    )


def environment(region: str, actor: str) -> dict[str, str]:
    """For programs that run as this role."""
    return os.environ | {
        "AWS_ENDPOINT_URL": URL,
        "AWS_REGION": region,
        "AWS_DEFAULT_REGION": region,
        "AWS_ACCESS_KEY_ID": actor,
        "AWS_SECRET_ACCESS_KEY": "none",
        "AWS_EC2_METADATA_DISABLED": "true",
        "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}",
    }


def role_name(arn: str) -> str:
    return arn.rsplit("/", 1)[-1]
