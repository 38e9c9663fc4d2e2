"""The emulator's address stands for one with TLS: bucket policies see aws:SecureTransport = true.

moto takes an unmet condition of a Deny for a denial, so statements that a TLS request does not meet are left out.
"""

from __future__ import annotations

import json

from moto.iam.access_control import IAMPolicy
from moto.s3.models import FakeBucket

_moto_permission = FakeBucket.get_permission


def get_permission(self, action, resource):
    whole = self.policy
    if whole is None:
        return _moto_permission(self, action, resource)
    document = json.loads(whole)
    unmet = {"Bool": {"aws:SecureTransport": "false"}}
    document["Statement"] = [
        s for s in document["Statement"] if s.get("Condition") != unmet and "Service" not in s["Principal"]
    ]
    return IAMPolicy(json.dumps(document)).is_action_permitted(action, resource)


def install() -> None:
    FakeBucket.get_permission = get_permission
