"""What is deployed, under which names, and what it costs."""

from __future__ import annotations

import re
from dataclasses import dataclass

from genomicslearning import InputError
from genomicslearning.aws import prices

STACKS = ("Zone", "Pipe", "Code")
BUCKETS = ("build", "resources", "datalake", "logs")
ROLES = ("cloudformation", "codebuild", "codepipeline", "source-event", "job", "runbook")

NOTEBOOK_VOLUME_GB = 20


@dataclass(frozen=True, kw_only=True)
class Settings:
    """What an administrator chooses; the names in AWS follow from ``project``, account and region."""

    project: str = "GenomicsLearning"
    region: str
    notebook_instance_type: str = "ml.t3.medium"
    idle_minutes: int = 60
    email: str = ""
    budget: int = 50
    subnet: str = ""
    security_group: str = ""
    kms_key: str = ""
    connection: str = ""
    github: str = ""
    branch: str = "main"
    approval: bool = False
    delivery_boundary: str = ""
    runtime_boundary: str = ""

    def __post_init__(self) -> None:
        check_project(self.project)
        if bool(self.subnet) != bool(self.security_group):
            raise InputError("--subnet and --security-group belong together; give both or neither")
        if bool(self.connection) != bool(self.github):
            raise InputError("--connection and --github belong together; give both, or neither for CodeCommit")
        if bool(self.delivery_boundary) != bool(self.runtime_boundary):
            raise InputError("--delivery-boundary and --runtime-boundary belong together; give both, or neither")

    @property
    def lower(self) -> str:
        """The project in lower case, as names of buckets need it."""
        return self.project.lower()

    def stack(self, kind: str) -> str:
        """Name of a stack."""
        return self.project + kind

    def bucket(self, kind: str, account: str) -> str:
        """Name of a bucket."""
        return f"{self.lower}-{kind}-{account}-{self.region}"

    def zone_parameters(self) -> dict[str, str]:
        """Parameters of the zone stack."""
        return {
            "Project": self.project,
            "ProjectLower": self.lower,
            "ConnectionArn": self.connection,
            "DeliveryBoundaryArn": self.delivery_boundary,
            "RuntimeBoundaryArn": self.runtime_boundary,
        }

    def pipe_parameters(self, delivery_boundary: str, runtime_boundary: str) -> dict[str, str]:
        """Parameters of the pipe stack."""
        return {
            "Project": self.project,
            "ProjectLower": self.lower,
            "DeliveryBoundaryArn": delivery_boundary,
            "RuntimeBoundaryArn": runtime_boundary,
            "ConnectionArn": self.connection,
            "GitHubRepository": self.github,
            "Branch": self.branch,
            "KmsKeyArn": self.kms_key,
            "NotebookInstanceType": self.notebook_instance_type,
            "VpcSubnetId": self.subnet,
            "VpcSecurityGroupId": self.security_group,
            "IdleMinutes": str(self.idle_minutes),
            "NotificationEmail": self.email,
            "MonthlyBudget": str(self.budget),
            "ManualApproval": "yes" if self.approval else "no",
        }


def check_project(project: str) -> None:
    """Refuse what cannot be a project's name.

    All that a project owns is named ``<project>-…``: without hyphens in the name itself, no project's names begin like
    another's, for a person, a policy's pattern or `teardown`.
    """
    if not re.fullmatch(r"[A-Za-z][A-Za-z0-9]{2,23}", project):
        raise InputError(
            f"--project {project}: a project is 3 to 24 letters and digits, a letter first, without hyphens"
        )


def cost_estimate(settings: Settings) -> str:
    """What a month costs at least, and what work adds, as text.

    The notebook instance is assumed to work 20 hours a month; ``idle_minutes`` = 0 means that it never stops by itself.
    """
    hour = prices.HOURLY.get(settings.notebook_instance_type)
    volume = NOTEBOOK_VOLUME_GB * prices.NOTEBOOK_VOLUME_GB_MONTH
    storage = 5 * prices.STORAGE_GB_MONTH
    always = prices.PIPELINE_MONTH + volume + storage
    job = 2 * prices.GLUE_DPU_HOUR * 10 / 60
    build = 20 * prices.BUILD_MINUTE
    lines = [
        f"Expected cost (US dollars, list {prices.dated()}):",
        f"  always          {always:6.2f} a month: pipeline, {NOTEBOOK_VOLUME_GB} GB volume, 5 GB in the buckets",
    ]
    if hour is None:
        lines.append(f"  notebook        {settings.notebook_instance_type}: see aws.amazon.com/sagemaker/pricing")
    else:
        idle = settings.idle_minutes
        stops = f"stops after {idle} idle minutes" if idle else "never stops by itself"
        lines.append(
            f"  notebook        {hour:6.3f} an hour while it runs ({settings.notebook_instance_type}, {stops}): "
            f"{20 * hour:.2f} for 20 hours, {730 * hour:.2f} for a whole month"
        )
    lines += [
        f"  training set    {job:6.2f} a run of ten minutes (Glue, 2 workers)",
        f"  pipeline run    {build:6.2f} for 20 build minutes",
        "  Not included: Autopilot jobs, batch transforms and endpoints. The notebooks print their bound first.",
    ]
    return "\n".join(lines)
