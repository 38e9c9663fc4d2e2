"""A value against a shape of botocore's service models: types, lengths, patterns, enumerations and required members.

botocore itself checks types and minima when it sends a request, and leaves the rest to the service.
"""

from __future__ import annotations

import re
from functools import cache

import botocore.session
from botocore.model import Shape
from botocore.validate import ParamValidator


@cache
def operation_shape(service: str, operation: str) -> Shape | None:
    """What an operation takes; None where it takes nothing."""
    return botocore.session.get_session().get_service_model(service).operation_model(operation).input_shape


def violations(service: str, operation: str, request: dict) -> list[str]:
    """What the service would refuse in a request, one line each."""
    shape, place = operation_shape(service, operation), f"{service}.{operation}"
    if shape is None:
        return [f"{place}: takes nothing"] if request else []
    types = ParamValidator().validate(request, shape).generate_report().splitlines()
    return [*shape_violations(shape, request, place), *(f"{place}: {line}" for line in types)]


def shape_violations(shape: Shape, value, place: str):
    if shape.type_name == "structure":
        members = shape.members
        for name in value.keys() - members.keys():
            yield f"{place}: no {name}"
        for name in set(shape.required_members) - value.keys():
            yield f"{place}: {name} is missing"
        for name in value.keys() & members.keys():
            yield from shape_violations(members[name], value[name], f"{place}.{name}")
    elif shape.type_name == "list":
        yield from _size(shape, len(value), place, "elements")
        for one in value:
            yield from shape_violations(shape.member, one, f"{place}[]")
    elif shape.type_name == "map":
        for key, one in value.items():
            yield from shape_violations(shape.key, key, f"{place} key")
            yield from shape_violations(shape.value, one, f"{place}[{key}]")
    elif shape.type_name == "string":
        yield from _text(shape, str(value), place)
    elif shape.type_name in ("integer", "long", "double", "float"):
        yield from _size(shape, float(value), place, "")


def _text(shape: Shape, value: str, place: str):
    yield from _size(shape, len(value), place, "characters")
    pattern = shape.metadata.get("pattern")
    if pattern and not _matches(pattern, value):
        yield f"{place}: {value[:80]} does not match {pattern}"
    allowed = getattr(shape, "enum", None)
    if allowed and value not in allowed:
        yield f"{place}: {value} is none of {', '.join(allowed)[:200]}"


def _size(shape: Shape, size: float, place: str, of: str):
    for word, wrong in ("min", size < shape.metadata.get("min", size)), ("max", size > shape.metadata.get("max", size)):
        if wrong:
            yield f"{place}: {size:g} {of}, {word} {shape.metadata[word]}"


def _matches(pattern: str, value: str) -> bool:
    """The models' patterns are Java's: the classes that Python lacks are written out."""
    python = pattern.replace(r"\p{L}\p{Z}\p{N}", r"\w\s").replace(r"\p{L}\p{M}\p{Z}\p{N}", r"\w\s")
    python = python.replace(r"[\u0020-\uD7FF\uE000-\uFFFD\uD800\uDC00-\uDBFF\uDFFF\t]*", r"[^\r\n]*")
    python = python.replace(r"[\u0020-\uD7FF\uE000-\uFFFD\uD800\uDC00-\uDBFF\uDFFF\r\n\t]*", r"[\s\S]*")
    python = (
        python.replace(r"\p{Print}", r"[\x20-\x7E]")
        .replace(r"\P{M}\p{M}", r"\s\S")
        .replace(r"\p{ASCII}", r"[\x00-\x7F]")
    )
    flags = re.IGNORECASE if "(?i)" in python else 0
    return re.fullmatch(python.replace("(?i)", ""), value, flags) is not None
