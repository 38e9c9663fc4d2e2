"""The local autopilot and SageMaker Autopilot behind one interface: jobs, candidates, models."""

from genomicslearning.autopilot.job import Candidate, Job
from genomicslearning.autopilot.launch import start
from genomicslearning.autopilot.vocabulary import BACKENDS, EXTRA_CANDIDATES, OBJECTIVES, PRESET_NAMES

__all__ = ["BACKENDS", "EXTRA_CANDIDATES", "OBJECTIVES", "PRESET_NAMES", "Candidate", "Job", "start"]
