"""A Pod's quality of service, which follows from its requests and limits of cpu and memory."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sampan.api import quantity

if TYPE_CHECKING:
    from sampan.api.types.core_v1 import PodSpec, ResourceRequirements

_COMPUTE = ("cpu", "memory")


def qos_class(spec: PodSpec) -> str:
    if spec.resources is not None and (spec.resources.limits or spec.resources.requests):
        parts = [spec.resources]
    else:
        parts = [c.resources for c in spec.containers]
        parts += [c.resources for c in spec.initContainers or ()]
    if not any(_said(p) for p in parts):
        return "BestEffort"
    return "Guaranteed" if all(_guaranteed(p) for p in parts) else "Burstable"


def _said(resources: ResourceRequirements) -> bool:
    for amounts in (resources.requests, resources.limits):
        if amounts:
            for name in _COMPUTE:
                if name in amounts and quantity.parse(amounts[name]).nanos > 0:
                    return True
    return False


def _guaranteed(resources: ResourceRequirements) -> bool:
    limits, requests = resources.limits, resources.requests
    if not limits:
        return False
    for name in _COMPUTE:
        limit = limits.get(name)
        if limit is None or quantity.parse(limit).nanos <= 0:
            return False
        request = requests.get(name, limit) if requests else limit
        if request != limit and quantity.compare(request, limit) != 0:
            return False
    return True
