"""What the notebooks need of an account: the code stack's outputs, the lake, the role."""

from __future__ import annotations

import json

from genomicslearning import autopilot

BUCKET = "genomicslearning-datalake-123456789012-eu-west-1"
ROLE = "genomicslearning-runbook-eu-west-1"
ARN = f"arn:aws:iam::123456789012:role/{ROLE}"
OUTPUTS = {
    "DataLakeBucket": BUCKET,
    "RunbookRoleArn": ARN,
    "TrainingSetJob": "genomicslearning-create-training-set",
    "JobLogs": "/aws-glue/jobs/genomicslearning",
}


def template() -> str:
    """A stack that has the code stack's outputs and next to nothing else."""
    log = {"LogGroupName": "outputs-only", "RetentionInDays": 1}
    resources = {"Log": {"Type": "AWS::Logs::LogGroup", "Properties": log}}
    return json.dumps({"Resources": resources, "Outputs": {name: {"Value": value} for name, value in OUTPUTS.items()}})


def start(train, folder, said=None, **settings):
    """A job on SageMaker."""
    tell = said.append if said is not None else lambda text: None
    defaults = {"name": "job", "backend": "sagemaker", "preset": "quick", "progress": tell}
    return autopilot.start(train, folder=folder, **(defaults | settings))


def recorded(account) -> list[dict]:
    return account.calls()


def calls(account, action: str) -> list[dict]:
    """The parameters of each call of this action under the notebooks' role."""
    return [call["parameters"] for call in recorded(account) if call["action"] == action and call["actor"] == ROLE]
