"""Identity policies of a deployed account, and what IAM would say to a call.

`decide` follows IAM's published evaluation logic (an explicit Deny wins, else some Allow of the identity policy and
some Allow of the permissions boundary) for the elements that these policies use: Action, Resource, and the condition
operators below. An element that it does not know is an error, not a silent yes. A test compares it with
ministack's SimulateCustomPolicy, which knows no conditions and no boundaries.
"""

from __future__ import annotations

import fnmatch
import json
import re

_KNOWN = {"Sid", "Effect", "Action", "Resource", "Condition"}


def role_policies(iam, role: str) -> list[dict]:
    names = iam.list_role_policies(RoleName=role)["PolicyNames"]
    return [_document(iam.get_role_policy(RoleName=role, PolicyName=name)["PolicyDocument"]) for name in names]


def boundary(iam, role: str) -> dict | None:
    arn = iam.get_role(RoleName=role)["Role"].get("PermissionsBoundary", {}).get("PermissionsBoundaryArn")
    if arn is None:
        return None
    version = iam.get_policy(PolicyArn=arn)["Policy"]["DefaultVersionId"]
    return _document(iam.get_policy_version(PolicyArn=arn, VersionId=version)["PolicyVersion"]["Document"])


def _document(value) -> dict:
    return json.loads(value) if isinstance(value, str) else value


def listed(value) -> list:
    return value if isinstance(value, list) else [value]


def matches(pattern: str, text: str) -> bool:
    return (
        re.fullmatch("".join(".*" if c == "*" else "." if c == "?" else re.escape(c) for c in pattern), text)
        is not None
    )


def _condition_holds(condition: dict, context: dict[str, str]) -> bool:
    for operator, wanted in condition.items():
        for key, values in wanted.items():
            have = context.get(key)
            if operator in ("StringEquals", "ArnEquals", "Bool"):
                holds = have in listed(values)
            elif operator in ("StringLike", "ArnLike"):
                holds = have is not None and any(fnmatch.fnmatchcase(have, value) for value in listed(values))
            else:
                raise NotImplementedError(operator)
            if not holds:
                return False
    return True


def _says(documents: list[dict], effect: str, action: str, resource: str, context: dict[str, str]) -> bool:
    for statement in (statement for document in documents for statement in document["Statement"]):
        assert statement.keys() <= _KNOWN, statement.keys()
        if (
            statement["Effect"] == effect
            and any(matches(pattern.lower(), action.lower()) for pattern in listed(statement["Action"]))
            and any(matches(pattern, resource) for pattern in listed(statement["Resource"]))
            and _condition_holds(statement.get("Condition", {}), context)
        ):
            return True
    return False


def decide(
    documents: list[dict], limit: dict | None, action: str, resource: str, context: dict[str, str] | None = None
) -> bool:
    """Whether a role with these policies and this boundary may do it."""
    context = context or {}
    allowed = _says(documents, "Allow", action, resource, context) and not _says(
        documents, "Deny", action, resource, context
    )
    return allowed and (limit is None or _says([limit], "Allow", action, resource, context))
