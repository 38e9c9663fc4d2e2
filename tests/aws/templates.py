"""The templates as they are deployed: read once, with the scripts, queries, fragments and jobs in their places."""

from __future__ import annotations

from functools import cache
from pathlib import Path

import yaml

from genomicslearning.deploy.render import render

ROOT = Path(__file__).resolve().parent.parent.parent
STACKS = ("setup", "zone", "pipe", "code")


class Loader(yaml.SafeLoader):
    """Short forms of intrinsic functions as a dictionary of their name without the tag's mark."""


def _intrinsic(loader, suffix, node):
    if isinstance(node, yaml.ScalarNode):
        return {suffix: loader.construct_scalar(node)}
    if isinstance(node, yaml.SequenceNode):
        return {suffix: loader.construct_sequence(node, deep=True)}
    return {suffix: loader.construct_mapping(node, deep=True)}


Loader.add_multi_constructor("!", _intrinsic)


@cache
def files() -> dict[str, str]:
    """The files that templates are made of, by name."""
    folders = ("cloudformation", "cloudformation/queries", "glue", "lifecycle")
    paths = [path for folder in folders for path in (ROOT / folder).iterdir() if path.is_file()]
    return {str(path.relative_to(ROOT)): path.read_text() for path in paths}


@cache
def rendered(name: str) -> str:
    return render(files()[f"cloudformation/{name}.yml"], files(), (ROOT / "requirements/aws.txt").read_text())


@cache
def template(name: str) -> dict:
    """As a dictionary, which is not to be changed."""
    return yaml.load(rendered(name), Loader)


def resources(kind: str) -> dict[str, dict]:
    return {
        f"{name}.{logical_id}": resource
        for name in STACKS
        for logical_id, resource in template(name)["Resources"].items()
        if resource["Type"] == kind
    }
