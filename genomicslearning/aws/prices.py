"""What AWS charges: the one table of prices, for the deployment's estimate and for the bounds that notebooks print.

On-demand list prices of us-east-1 in US dollars, as AWS's price pages had them on the date below; this program fetches
none. Other regions cost up to about half more, and prices change: compare with the pages before you rely on it.
Sources: https://aws.amazon.com/{sagemaker/ai,codepipeline,codebuild,s3,glue}/pricing/
"""

from __future__ import annotations

from datetime import UTC, date, datetime

AS_OF = "2025-06"
REGION = "us-east-1"
# SageMaker's instances, an hour: the same for notebook instances, training, transform jobs and endpoints.
HOURLY = {
    "ml.t3.medium": 0.05,
    "ml.t3.large": 0.10,
    "ml.t3.xlarge": 0.20,
    "ml.t3.2xlarge": 0.399,
    "ml.m5.large": 0.115,
    "ml.m5.xlarge": 0.23,
    "ml.m5.2xlarge": 0.461,
    "ml.m5.4xlarge": 0.922,
    "ml.m5.12xlarge": 2.765,
    "ml.m5.24xlarge": 5.53,
}
PIPELINE_MONTH = 1.00
BUILD_MINUTE = 0.01  # general1.medium
STORAGE_GB_MONTH = 0.023
NOTEBOOK_VOLUME_GB_MONTH = 0.14
GLUE_DPU_HOUR = 0.44

# Autopilot does not say beforehand what it will start. At most ten training jobs run side by side, on machines up to
# ml.m5.12xlarge; the report and explainability jobs that follow are counted as half an hour of one such machine.
AUTOPILOT_MACHINES = 10
AUTOPILOT_MACHINE = "ml.m5.12xlarge"
REPORT_HOURS = 0.5


def dated(today: date | None = None) -> str:
    """Region and date of the prices, with a warning where they are more than a year old."""
    today = today or datetime.now(UTC).date()
    year, month = map(int, AS_OF.split("-"))
    old = (today.year, today.month) > (year + 1, month)
    return f"prices of {REGION}, {AS_OF}" + (": over a year old, see aws.amazon.com/pricing" if old else "")


def autopilot_job(max_runtime_seconds: int) -> float:
    """Upper bound in dollars of an Autopilot job with this runtime cap."""
    hour = HOURLY[AUTOPILOT_MACHINE]
    return AUTOPILOT_MACHINES * hour * max_runtime_seconds / 3600 + REPORT_HOURS * hour
