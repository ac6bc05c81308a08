"""A real cluster for a test-suite: `Cluster` for any code, fixtures for pytest (`sampan.testing.plugin`).

Barred from here: importing anything heavy at the top, since pytest loads the plugin in every run.
"""

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from sampan.testing.cluster import Cluster as Cluster
    from sampan.testing.kubectl import KubectlError as KubectlError

__all__ = ["Cluster", "KubectlError"]


def __getattr__(name: str) -> Any:
    if name == "Cluster":
        from sampan.testing.cluster import Cluster

        return Cluster
    if name == "KubectlError":
        from sampan.testing.kubectl import KubectlError

        return KubectlError
    raise AttributeError(name)
