"""What AWS can charge at most for what the notebooks start.

One table, on-demand prices in us-east-1 in US dollars an hour, as known on the date below; other regions cost up to
about half more. Compare it with https://aws.amazon.com/sagemaker/ai/pricing/ before you rely on it: prices change.
"""

from __future__ import annotations

AS_OF = "2025-06"
HOURLY = {
    "ml.m5.large": 0.115,
    "ml.m5.xlarge": 0.23,
    "ml.m5.2xlarge": 0.461,
    "ml.m5.4xlarge": 0.922,
    "ml.m5.12xlarge": 2.765,
    "ml.m5.24xlarge": 5.53,
}

# Autopilot does not say beforehand what it will start. At most ten training jobs run side by side, on machines up to
# ml.m5.12xlarge; the report and explainability jobs that follow are counted as half an hour of one such machine.
AUTOPILOT_MACHINES = 10
AUTOPILOT_MACHINE = "ml.m5.12xlarge"
REPORT_HOURS = 0.5


def autopilot_job(max_runtime_seconds: int) -> float:
    """Upper bound in dollars of an Autopilot job with this runtime cap."""
    hour = HOURLY[AUTOPILOT_MACHINE]
    return AUTOPILOT_MACHINES * hour * max_runtime_seconds / 3600 + REPORT_HOURS * hour


def instance(instance_type: str, hours: float, count: int = 1) -> float | None:
    """Dollars for machines of one type; None for a type that the table lacks."""
    return HOURLY[instance_type] * hours * count if instance_type in HOURLY else None
