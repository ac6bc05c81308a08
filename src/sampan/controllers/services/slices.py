"""From the endpoints that there should be to the fewest changes of EndpointSlices. Pure.

Endpoints that stay stay in their slice; new ones fill slices that change anyway, then others that have room. A Service
without endpoints keeps one empty slice, which says just that.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from msgspec import Struct, field
from msgspec.structs import replace

from sampan.api.types import discovery_v1, meta_v1
from sampan.api.types.discovery_v1 import Endpoint, EndpointPort, EndpointSlice

MANAGED_BY = "endpointslice.kubernetes.io/managed-by"
SERVICE_NAME = "kubernetes.io/service-name"
LARGEST = 100

PortKey = tuple[tuple[str, str, int | None, str], ...]
GroupKey = tuple[str, PortKey]  # address type, ports


class Plan(Struct):
    create: list[EndpointSlice] = field(default_factory=list)
    update: list[EndpointSlice] = field(default_factory=list)
    delete: list[EndpointSlice] = field(default_factory=list)


class Shape(Struct, frozen=True):
    """What all slices of one Service (or Endpoints) have in common."""

    name: str
    namespace: str
    labels: Mapping[str, str]
    owner: meta_v1.OwnerReference
    annotations: Mapping[str, str] | None = None


def port_key(ports: Sequence[EndpointPort] | None) -> PortKey:
    return tuple(sorted((p.name or "", p.protocol or "TCP", p.port, p.appProtocol or "") for p in ports or ()))


def ports_of(key: PortKey) -> list[EndpointPort]:
    return [EndpointPort(name=n, protocol=proto, port=port, appProtocol=app or None) for n, proto, port, app in key]


def plan(
    shape: Shape,
    desired: Mapping[GroupKey, Sequence[Endpoint]],
    existing: Sequence[EndpointSlice],
    address_types: Sequence[str],
    *,
    largest: int = LARGEST,
) -> Plan:
    decided = Plan()
    by_group: dict[GroupKey, list[EndpointSlice]] = {}
    for one in existing:
        by_group.setdefault((one.addressType, port_key(one.ports)), []).append(one)
    empty: dict[str, list[EndpointSlice]] = {}
    filled: set[str] = set()
    for group, slices in by_group.items():
        _place(decided, shape, group, desired.get(group, ()), slices, empty, largest)
    for group, endpoints in desired.items():
        if endpoints:
            filled.add(group[0])
            if group not in by_group:
                _place(decided, shape, group, endpoints, [], empty, largest)
    for address_type in address_types:
        if address_type not in filled:
            _keep_placeholder(decided, shape, address_type, empty.get(address_type, []))
    for slices in empty.values():
        decided.delete += slices
    return decided


def _place(
    decided: Plan,
    shape: Shape,
    group: GroupKey,
    endpoints: Sequence[Endpoint],
    slices: Sequence[EndpointSlice],
    empty: dict[str, list[EndpointSlice]],
    largest: int,
) -> None:
    waiting = {_identity(e): e for e in endpoints}
    held: list[tuple[EndpointSlice, list[Endpoint], bool]] = []
    for one in slices:
        before = list(one.endpoints or ())
        after = [waiting.pop(i) for e in before if (i := _identity(e)) in waiting]
        held.append((one, after, after != before))
    new = list(waiting.values())
    # Slices that change anyway first, the fullest of them first; then the fullest of the others.
    for index in sorted(range(len(held)), key=lambda i: (not held[i][2], -len(held[i][1]))):
        one, after, _ = held[index]
        room = largest - len(after)
        if new and room > 0:
            held[index] = (one, after + new[:room], True)
            new = new[room:]
    for one, after, changed in held:
        if not after:
            empty.setdefault(group[0], []).append(one)
        elif changed or not _fits(one, shape):
            decided.update.append(_dressed(one, shape, after))
    for start in range(0, len(new), largest):
        decided.create.append(_fresh(shape, group, new[start : start + largest]))


def _keep_placeholder(decided: Plan, shape: Shape, address_type: str, empty: list[EndpointSlice]) -> None:
    if not empty:
        decided.create.append(_fresh(shape, (address_type, ()), []))
        return
    kept = empty.pop(0)
    if kept.endpoints or kept.ports or not _fits(kept, shape):
        decided.update.append(replace(_dressed(kept, shape, []), ports=[]))


def _identity(endpoint: Endpoint) -> tuple[str, str]:
    target = endpoint.targetRef
    return endpoint.addresses[0] if endpoint.addresses else "", (target.uid or "") if target is not None else ""


def _fits(one: EndpointSlice, shape: Shape) -> bool:
    meta = one.metadata
    same = meta.labels == dict(shape.labels) and any(r.uid == shape.owner.uid for r in meta.ownerReferences or ())
    return same and (shape.annotations is None or (meta.annotations or {}) == dict(shape.annotations))


def _dressed(one: EndpointSlice, shape: Shape, endpoints: list[Endpoint]) -> EndpointSlice:
    annotations = one.metadata.annotations if shape.annotations is None else dict(shape.annotations) or None
    meta = replace(one.metadata, labels=dict(shape.labels), ownerReferences=[shape.owner], annotations=annotations)
    return replace(one, metadata=meta, endpoints=endpoints)


def _fresh(shape: Shape, group: GroupKey, endpoints: Sequence[Endpoint]) -> EndpointSlice:
    address_type, ports = group
    prefix = f"{shape.name}-" if len(shape.name) <= 57 else shape.name[:57] + "-"
    return discovery_v1.EndpointSlice(
        metadata=meta_v1.ObjectMeta(
            generateName=prefix,
            namespace=shape.namespace,
            labels=dict(shape.labels),
            annotations=dict(shape.annotations or {}) or None,
            ownerReferences=[shape.owner],
        ),
        addressType=address_type,
        endpoints=list(endpoints),
        ports=ports_of(ports),
    )
