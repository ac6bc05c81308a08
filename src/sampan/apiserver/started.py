"""What of the server's start is behind it, under the names that Kubernetes' health checks give to these steps.

Monitors and tests look for them by name; each is listed when the step that it stands for has been done.
"""

from __future__ import annotations

from collections.abc import Iterator

_HOOK = "poststarthook/"

CACHES = (
    "generic-apiserver-start-informers", "storage-object-count-tracker-hook", "start-apiextensions-informers",
    "storage-readiness", "start-kube-aggregator-informers",
)  # fmt: skip
CHAIN = (
    "start-apiserver-admission-initializer", "start-kube-apiserver-admission-initializer",
    "priority-and-fairness-filter",
)  # fmt: skip
NAMESPACES = ("start-system-namespaces-controller",)
OBJECTS = (
    "rbac/bootstrap-roles", "scheduling/bootstrap-system-priority-classes", "priority-and-fairness-config-producer",
    "priority-and-fairness-config-consumer", "bootstrap-controller", "start-kubernetes-service-cidr-controller",
    "start-cluster-authentication-info-controller",
)  # fmt: skip
DEFINITIONS = ("crd-informer-synced", "start-apiextensions-controllers")
AGGREGATION = (
    "apiservice-registration-controller", "apiservice-status-available-controller",
    "apiservice-status-local-available-controller", "apiservice-status-remote-available-controller",
    "apiservice-wait-for-first-sync", "apiservice-discovery-controller", "apiservice-openapi-controller",
    "apiservice-openapiv3-controller", "kube-apiserver-autoregistration",
)  # fmt: skip


class Started:
    def __init__(self) -> None:
        self._done: dict[str, None] = {}

    def done(self, hooks: tuple[str, ...], *others: str) -> None:
        """`others` are listed under their bare names."""
        self._done |= dict.fromkeys([*(_HOOK + name for name in hooks), *others])

    def __iter__(self) -> Iterator[str]:
        return iter(self._done)
