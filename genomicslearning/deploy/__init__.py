"""Deploy the AWS side, look at it, and remove it again."""

from genomicslearning.deploy.deployment import deploy, only_build, plan, status
from genomicslearning.deploy.settings import Settings, check_project, cost_estimate
from genomicslearning.deploy.stacks import DeployFailed
from genomicslearning.deploy.teardown import delete_sagemaker, leftovers, teardown

__all__ = [
    "DeployFailed",
    "Settings",
    "check_project",
    "cost_estimate",
    "delete_sagemaker",
    "deploy",
    "leftovers",
    "only_build",
    "plan",
    "status",
    "teardown",
]
