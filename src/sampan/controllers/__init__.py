"""What keeps the cluster as declared: one folder per controller, each a `reconcile(key)` that reads like its page in
Kubernetes' documentation.

A controller is level-triggered: handlers only put keys in its queue; `reconcile` reads caches, decides (a pure
function in `decide.py`), acts, and writes status. It speaks the Kubernetes API and nothing else, so that it also runs
against another API server. Barred from here: the API server's and the store's insides, and controllers that import
each other.
"""

from sampan.controllers.config import MANAGER, ControllersConfig
from sampan.controllers.run import run

__all__ = ["MANAGER", "ControllersConfig", "run"]
