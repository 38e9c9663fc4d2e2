"""What the check of an account asks and moto lacks: IAM's simulation of a role, the registries of AWS's images."""

from __future__ import annotations

import json

import policies
from moto.core.responses import ActionResult
from moto.ecr.responses import ECRResponse
from moto.iam.responses import IamResponse

_moto_batch_get_image = ECRResponse.batch_get_image


def simulate_principal_policy(self):
    """With the evaluator of tests/aws/policies.py, on the role's inline policies and its boundary."""
    parameters = self._get_params()
    role = self.backend.get_role(parameters["PolicySourceArn"].rsplit("/", 1)[-1])
    documents = [json.loads(text) if isinstance(text, str) else text for text in role.policies.values()]
    limit = None
    if role.permissions_boundary_arn:
        policy = self.backend.get_policy(role.permissions_boundary_arn)
        [document] = [one.document for one in policy.versions if one.version_id == policy.default_version_id]
        limit = json.loads(document)
    context = {one["ContextKeyName"]: one["ContextKeyValues"][0] for one in parameters.get("ContextEntries", [])}
    results = [
        {
            "EvalActionName": action,
            "EvalResourceName": resource,
            "EvalDecision": "allowed"
            if policies.decide(documents, limit, action, resource, context)
            else "implicitDeny",
        }
        for action in parameters["ActionNames"]
        for resource in parameters["ResourceArns"]
    ]
    return ActionResult({"EvaluationResults": results, "IsTruncated": False})


def batch_get_image(self):
    if self._get_param("registryId") in (None, self.current_account):
        return _moto_batch_get_image(self)
    tags = [one["imageTag"] for one in self._get_param("imageIds")]
    found = [{"imageId": {"imageTag": tag}} for tag in tags if tag.endswith("-cpu-py312")]
    failures = [{"failureCode": "ImageNotFound", "failureReason": "Requested image not found"}] if not found else []
    return ActionResult({"images": found, "failures": failures})


def install() -> None:
    IamResponse.simulate_principal_policy = simulate_principal_policy
    ECRResponse.batch_get_image = batch_get_image
