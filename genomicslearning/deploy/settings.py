"""What is deployed, under which names, and what it costs."""

from __future__ import annotations

import re
from dataclasses import dataclass

from genomicslearning import InputError

STACKS = ("Zone", "Pipe", "Code")
BUCKETS = ("build", "resources", "datalake", "logs")
ROLES = ("cloudformation", "codebuild", "codepipeline", "source-event", "job", "runbook")

# List prices in US dollars for us-east-1 as AWS published them in 2025, not fetched by this program: a bill may differ,
# and other regions do by some per cent.
PRICES_AS_OF = "us-east-1, 2025"
PRICES = {
    "pipeline a month": 1.00,
    "build minute": 0.01,
    "storage GB a month": 0.023,
    "notebook volume GB a month": 0.14,
    "Glue DPU hour": 0.44,
}
# Notebook instances, dollars an hour. Others: https://aws.amazon.com/sagemaker/pricing/
NOTEBOOK_HOUR = {
    "ml.t3.medium": 0.05,
    "ml.t3.large": 0.10,
    "ml.t3.xlarge": 0.20,
    "ml.t3.2xlarge": 0.399,
    "ml.m5.large": 0.115,
    "ml.m5.xlarge": 0.23,
    "ml.m5.2xlarge": 0.461,
    "ml.m5.4xlarge": 0.922,
}
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
    boundary_arn: str = ""

    def __post_init__(self) -> None:
        check_project(self.project)
        if bool(self.subnet) != bool(self.security_group):
            raise InputError("--subnet and --security-group belong together; give both or neither")
        if bool(self.connection) != bool(self.github):
            raise InputError("--connection and --github belong together; give both, or neither for CodeCommit")

    @property
    def lower(self) -> str:
        return self.project.lower()

    def stack(self, kind: str) -> str:
        return self.project + kind

    def bucket(self, kind: str, account: str) -> str:
        return f"{self.lower}-{kind}-{account}-{self.region}"

    def zone_parameters(self) -> dict[str, str]:
        return {
            "Project": self.project,
            "ProjectLower": self.lower,
            "ConnectionArn": self.connection,
            "BoundaryArn": self.boundary_arn,
        }

    def pipe_parameters(self, boundary_arn: str) -> dict[str, str]:
        return {
            "Project": self.project,
            "ProjectLower": self.lower,
            "BoundaryArn": boundary_arn,
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
        }


def check_project(project: str) -> None:
    if not re.fullmatch(r"[A-Za-z][A-Za-z0-9-]{1,22}[A-Za-z0-9]", project):
        raise InputError(
            f"--project {project}: a project is 3 to 24 letters, digits and hyphens; "
            "begin with a letter, end with a letter or digit"
        )


def cost_estimate(settings: Settings) -> str:
    """What a month costs at least, and what work adds, as text.

    The notebook instance is assumed to work 20 hours a month; ``idle_minutes`` = 0 means that it never stops by itself.
    """
    hour = NOTEBOOK_HOUR.get(settings.notebook_instance_type)
    volume = NOTEBOOK_VOLUME_GB * PRICES["notebook volume GB a month"]
    storage = 5 * PRICES["storage GB a month"]
    always = PRICES["pipeline a month"] + volume + storage
    job = 2 * PRICES["Glue DPU hour"] * 10 / 60
    build = 20 * PRICES["build minute"]
    lines = [
        f"Expected cost (US dollars, list prices of {PRICES_AS_OF}):",
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
