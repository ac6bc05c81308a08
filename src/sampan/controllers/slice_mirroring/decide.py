"""Endpoints as slices. Pure."""

from __future__ import annotations

from sampan.api.meta import owner_reference
from sampan.api.types import core_v1
from sampan.api.types.discovery_v1 import Endpoint, EndpointConditions
from sampan.controllers.services.backends import family_of
from sampan.controllers.services.slices import MANAGED_BY, SERVICE_NAME, GroupKey, Shape

MANAGER = "endpointslicemirroring-controller.k8s.io"
SKIP = "endpointslice.kubernetes.io/skip-mirror"
LEADER = "control-plane.alpha.kubernetes.io/leader"
OTHERS_ANNOTATIONS = ("kubectl.kubernetes.io/last-applied-configuration",)
MOST_PER_SUBSET = 1000


def is_mirrored(endpoints: core_v1.Endpoints, service: core_v1.Service | None) -> bool:
    labels, annotations = endpoints.metadata.labels or {}, endpoints.metadata.annotations or {}
    if labels.get(SKIP) == "true" or LEADER in annotations or endpoints.metadata.deletionTimestamp:
        return False
    return service is not None and not service.spec.selector


def shape_of(endpoints: core_v1.Endpoints) -> Shape:
    meta = endpoints.metadata
    labels = {k: v for k, v in (meta.labels or {}).items() if k not in (MANAGED_BY, SERVICE_NAME)}
    return Shape(
        name=meta.name or "",
        namespace=meta.namespace or "",
        labels={**labels, MANAGED_BY: MANAGER, SERVICE_NAME: meta.name or ""},
        annotations={k: v for k, v in (meta.annotations or {}).items() if k not in OTHERS_ANNOTATIONS},
        owner=owner_reference(endpoints, api_version="v1", kind="Endpoints"),
    )


def desired(endpoints: core_v1.Endpoints) -> dict[GroupKey, list[Endpoint]]:
    found: dict[GroupKey, list[Endpoint]] = {}
    for subset in endpoints.subsets or ():
        ports = tuple(
            sorted((p.name or "", p.protocol or "TCP", p.port, p.appProtocol or "") for p in subset.ports or ())
        )
        both = [(a, True) for a in subset.addresses or ()] + [(a, False) for a in subset.notReadyAddresses or ()]
        for address, ready in both[:MOST_PER_SUBSET]:
            one = Endpoint(
                addresses=[address.ip],
                conditions=EndpointConditions(ready=ready),
                hostname=address.hostname,
                nodeName=address.nodeName,
                targetRef=address.targetRef,
            )
            found.setdefault((family_of(address.ip), ports), []).append(one)
    return found
