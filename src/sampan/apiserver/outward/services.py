"""Where a Service's traffic goes: a ready endpoint of it, of the port that is asked for."""

from __future__ import annotations

import random
from typing import Any

from sampan.api.errors import ServiceUnavailable
from sampan.apiserver.core import Core

_LABEL = "kubernetes.io/service-name"


def address_of(core: Core, namespace: str, name: str, port: str) -> tuple[str, int]:
    """`port`: its number or name; empty: the first. Raises `NotFound`, `ServiceUnavailable`."""
    services = core.endpoint("", "v1", "services")
    assert services is not None
    service = services.decode(services.find(namespace, name))
    wanted = next((p for p in service.spec.ports or () if port in ("", p.name or "", str(p.port))), None)
    if wanted is None:
        raise ServiceUnavailable(f'no service port "{port}" found for service "{name}"')
    if service.spec.type == "ExternalName":
        return str(service.spec.externalName), int(wanted.port)
    found = _endpoints(core, namespace, name, wanted.name or "")
    if not found:
        raise ServiceUnavailable(f'no endpoints available for service "{name}"')
    return random.choice(found)


def _endpoints(core: Core, namespace: str, name: str, port_name: str) -> list[tuple[str, int]]:
    slices = core.endpoint("discovery.k8s.io", "v1", "endpointslices")
    assert slices is not None
    found: list[tuple[str, int]] = []
    for obj in slices.cache.all(namespace):
        if obj.labels.get(_LABEL) != name:
            continue
        part: Any = slices.decode(obj)
        number = next((p.port for p in part.ports or () if (p.name or "") == port_name), None)
        ready = [e for e in part.endpoints if e.conditions.ready is not False]
        found += [(e.addresses[0], number) for e in ready if number and e.addresses]
    return found
