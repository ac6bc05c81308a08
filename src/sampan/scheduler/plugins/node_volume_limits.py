"""NodeVolumeLimits: a driver attaches only so many volumes to one node, as its CSINode says."""

from __future__ import annotations

from sampan.scheduler.node_info import NodeInfo
from sampan.scheduler.plugins.volumes import Claims, Lookups, key_of
from sampan.scheduler.verdict import Refusal

_NO = Refusal("NodeVolumeLimits", ("node(s) exceed max volume count",))
Attached = dict[str, set[str]]  # driver → volumes


def filter_node(claims: Claims, node: NodeInfo, lookups: Lookups) -> Refusal | None:
    limits = limits_of(node.name, lookups)
    if not limits:
        return None
    wanted = attached(claims)
    if not wanted.keys() & limits.keys():
        return None
    there: Attached = {}
    for other in node.pods.values():
        if other.claims:
            _merge(there, attached(Claims(other, lookups)))
    for driver in wanted.keys() & limits.keys():
        known = there.get(driver, set())
        new = wanted[driver] - known
        if new and len(known) + len(new) > limits[driver]:
            return _NO
    return None


def limits_of(node: str, lookups: Lookups) -> dict[str, int]:
    found = lookups.csi_node(node)
    if found is None:
        return {}
    return {
        d.name: d.allocatable.count
        for d in found.spec.drivers or ()
        if d.allocatable is not None and d.allocatable.count is not None
    }


def attached(claims: Claims) -> Attached:
    """A volume counts once, however many Pods use it; one that is still to be made counts for its claim."""
    found: Attached = {}
    for _, volume in claims.bound:
        csi = volume.spec.csi
        if csi is not None:
            found.setdefault(csi.driver, set()).add(csi.volumeHandle)
    for claim, kind in claims.waiting:
        found.setdefault(kind.provisioner, set()).add(f"claim {key_of(claim)}")
    return found


def _merge(into: Attached, more: Attached) -> None:
    for driver, volumes in more.items():
        into.setdefault(driver, set()).update(volumes)
