"""Deploy a model and invoke it: in this process or over HTTP, the same table in and the same predictions out.

with endpoint.deploy("runs/demo/autopilot/demo/model") as service:
    predictions = service.invoke(test)
"""

from genomicslearning.endpoint.hosting import MODES, deploy
from genomicslearning.endpoint.interface import Endpoint, InProcessEndpoint

__all__ = ["MODES", "Endpoint", "InProcessEndpoint", "deploy"]
