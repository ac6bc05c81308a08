"""LimitRanger: a namespace's defaults and bounds for what containers, Pods and claims may ask for."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from sampan.api import quantity
from sampan.api.errors import forbidden
from sampan.api.pod_resources import limits as pod_limits
from sampan.api.pod_resources import requests as pod_requests
from sampan.api.types import core_v1
from sampan.apiserver.admission.plugin import Objects, Plugin
from sampan.apiserver.contracts import AdmissionAttributes
from sampan.apiserver.core import Core

Amount = str | int | float
Amounts = Mapping[str, Amount]


class LimitRanger(Plugin):
    def __init__(self, core: Core) -> None:
        super().__init__(core)
        self._ranges = Objects(core, "", "v1", "limitranges", core_v1.LimitRange)

    def _items(self, attributes: AdmissionAttributes) -> list[core_v1.LimitRangeItem]:
        info = attributes.info
        wanted = info.resource in ("pods", "persistentvolumeclaims") and not info.group
        if not wanted or attributes.subresource not in ("", "resize") or attributes.operation == "DELETE":
            return []
        if attributes.operation == "UPDATE" and info.resource == "pods" and not attributes.subresource:
            return []
        return [i for r in self._ranges.all(attributes.namespace) for i in r.spec.limits]

    async def mutate(self, attributes: AdmissionAttributes) -> None:
        if attributes.info.resource != "pods":
            return
        items = [i for i in self._items(attributes) if i.type == "Container"]
        if not items:
            return
        pod: core_v1.Pod = attributes.object
        for container in [*(pod.spec.initContainers or ()), *pod.spec.containers]:
            for item in items:
                _fill(container, item)

    async def validate(self, attributes: AdmissionAttributes) -> None:
        items = self._items(attributes)
        if not items:
            return
        if attributes.info.resource == "pods":
            errors = list(pod_violations(attributes.object, items))
        else:
            errors = list(claim_violations(attributes.object, items))
        if errors:
            said = errors[0] if len(errors) == 1 else f"[{', '.join(errors)}]"
            raise forbidden(attributes.info.resource, attributes.name, said)


def _fill(container: core_v1.Container, item: core_v1.LimitRangeItem) -> None:
    resources = container.resources
    if item.default:
        resources.limits = {**item.default, **(resources.limits or {})}
    if item.defaultRequest:
        resources.requests = {**item.defaultRequest, **(resources.requests or {})}


def pod_violations(pod: core_v1.Pod, items: Iterable[core_v1.LimitRangeItem]) -> Iterable[str]:
    for item in items:
        if item.type == "Container":
            for container in [*(pod.spec.initContainers or ()), *pod.spec.containers]:
                resources = container.resources
                yield from _bounds(item, "Container", resources.requests or {}, resources.limits or {})
        elif item.type == "Pod":
            requested = {n: str(a) for n, a in pod_requests(pod).items()}
            limited = {n: str(a) for n, a in pod_limits(pod).items()}
            yield from _bounds(item, "Pod", requested, limited)


def claim_violations(claim: core_v1.PersistentVolumeClaim, items: Iterable[core_v1.LimitRangeItem]) -> Iterable[str]:
    requests = claim.spec.resources.requests or {}
    for item in items:
        if item.type != "PersistentVolumeClaim":
            continue
        for name, least in (item.min or {}).items():
            asked = requests.get(name)
            if asked is None or quantity.compare(asked, least) < 0:
                yield f"minimum {name} usage per PersistentVolumeClaim is {least}, but request is {asked or 0}"
        for name, most in (item.max or {}).items():
            asked = requests.get(name)
            if asked is not None and quantity.compare(asked, most) > 0:
                yield f"maximum {name} usage per PersistentVolumeClaim is {most}, but request is {asked}"


def _bounds(item: core_v1.LimitRangeItem, kind: str, requests: Amounts, limits: Amounts) -> Iterable[str]:
    for name, least in (item.min or {}).items():
        request, limit = requests.get(name), limits.get(name)
        if request is None:
            yield f"minimum {name} usage per {kind} is {least}.  No request is specified"
        elif quantity.compare(request, least) < 0:
            yield f"minimum {name} usage per {kind} is {least}, but request is {request}"
        if limit is not None and quantity.compare(limit, least) < 0:
            yield f"minimum {name} usage per {kind} is {least}, but limit is {limit}"
    for name, most in (item.max or {}).items():
        request, limit = requests.get(name), limits.get(name)
        if limit is None:
            yield f"maximum {name} usage per {kind} is {most}.  No limit is specified"
        elif quantity.compare(limit, most) > 0:
            yield f"maximum {name} usage per {kind} is {most}, but limit is {limit}"
        if request is not None and quantity.compare(request, most) > 0:
            yield f"maximum {name} usage per {kind} is {most}, but request is {request}"
    for name, ratio in (item.maxLimitRequestRatio or {}).items():
        request, limit = requests.get(name), limits.get(name)
        if request is None or limit is None or not quantity.milli_value(request):
            said = "but no request is specified or request is 0"
            yield f"{name} max limit to request ratio per {kind} is {ratio}, {said}"
            continue
        actual = quantity.milli_value(limit) / quantity.milli_value(request)
        if actual * 1000 > quantity.milli_value(ratio):
            yield f"{name} max limit to request ratio per {kind} is {ratio}, but provided ratio is {actual:f}"
