"""VolumeZone: a volume with a zone's or region's label is used there only."""

from __future__ import annotations

from sampan.scheduler.node_info import NodeInfo
from sampan.scheduler.plugins.volumes import Claims
from sampan.scheduler.verdict import Refusal

_NO = Refusal("VolumeZone", ("node(s) had no available volume zone",), final=True)
KEYS = {
    "topology.kubernetes.io/zone": "failure-domain.beta.kubernetes.io/zone",
    "topology.kubernetes.io/region": "failure-domain.beta.kubernetes.io/region",
    "failure-domain.beta.kubernetes.io/zone": "topology.kubernetes.io/zone",
    "failure-domain.beta.kubernetes.io/region": "topology.kubernetes.io/region",
}


def filter_node(claims: Claims, node: NodeInfo) -> Refusal | None:
    if not any(key in node.labels for key in KEYS):
        return None  # a cluster without zones
    for _, volume in claims.bound:
        labels = volume.metadata.labels or {}
        for key, twin in KEYS.items():
            if key not in labels:
                continue
            value = node.labels.get(key, node.labels.get(twin))
            if value not in labels[key].split("__"):  # several zones are written a__b
                return _NO
    return None
