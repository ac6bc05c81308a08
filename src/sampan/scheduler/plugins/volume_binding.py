"""VolumeBinding: bound volumes lead to their nodes; a claim that waits for its first consumer needs a node on which
there is, or can be made, a volume for it."""

from __future__ import annotations

from sampan.api.types import core_v1, storage_v1
from sampan.scheduler.node_info import NodeInfo
from sampan.scheduler.plugins.volumes import (
    NO_PROVISIONER,
    PLUGIN,
    SELECTED_NODE,
    Claims,
    Lookups,
    Volume,
    key_of,
    reaches,
    size_of,
    suits,
)
from sampan.scheduler.verdict import Refusal

_CONFLICT = Refusal(PLUGIN, ("node(s) had volume node affinity conflict",), final=True)
_NONE_TO_BIND = Refusal(PLUGIN, ("node(s) didn't find available persistent volumes to bind",), final=True)


class VolumeBinding:
    """For one Pod."""

    def __init__(self, claims: Claims, lookups: Lookups, reserved: dict[str, str]) -> None:
        """`reserved`: volumes that claims of Pods placed before are about to get, by name."""
        self._claims = claims
        self._lookups = lookups
        self._reserved = reserved
        self._suitable: dict[str, list[Volume]] = {}

    def filter_node(self, node: NodeInfo) -> Refusal | None:
        if not all(reaches(volume, node) for _, volume in self._claims.bound):
            return _CONFLICT
        for waiting in self._claims.waiting:
            chosen = (waiting.claim.metadata.annotations or {}).get(SELECTED_NODE)
            if chosen and chosen != node.name:
                return _CONFLICT
        return None if self.volumes_on(node) is not None else _NONE_TO_BIND

    def volumes_on(self, node: NodeInfo) -> dict[str, str] | None:
        """The volumes that are there already for the claims that wait: volume → claim; None when one finds none."""
        found: dict[str, str] = {}
        for claim, kind in self._claims.waiting:
            key = key_of(claim)
            free = (
                v
                for v in self._suiting(claim)
                if (v.metadata.name or "") not in found
                and self._reserved.get(v.metadata.name or "", key) == key
                and reaches(v, node)
            )
            best = min(free, key=size_of, default=None)
            if best is not None:
                found[best.metadata.name or ""] = key
            elif kind.provisioner == NO_PROVISIONER or not allows(kind, node):
                return None
        return found

    def _suiting(self, claim: core_v1.PersistentVolumeClaim) -> list[Volume]:
        key = key_of(claim)
        if key not in self._suitable:
            self._suitable[key] = [v for v in self._lookups.volumes() if suits(v, claim)]
        return self._suitable[key]


def allows(kind: storage_v1.StorageClass, node: NodeInfo) -> bool:
    """Whether volumes of the class can be made on this node."""
    terms = kind.allowedTopologies
    if not terms:
        return True
    return any(all(node.labels.get(e.key) in e.values for e in term.matchLabelExpressions or ()) for term in terms)
