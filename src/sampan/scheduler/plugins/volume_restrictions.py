"""VolumeRestrictions: a claim that is for one Pod only (ReadWriteOncePod) is not given to a second one."""

from __future__ import annotations

from sampan.scheduler.cache import NodeCache
from sampan.scheduler.node_info import NodeInfo
from sampan.scheduler.plugins.volumes import Claims, key_of
from sampan.scheduler.verdict import Refusal

_NO = Refusal(
    "VolumeRestrictions",
    ("node has pod using PersistentVolumeClaim with the same name and ReadWriteOncePod access mode",),
)
ONCE = "ReadWriteOncePod"


def filter_node(claims: Claims, node: NodeInfo, cache: NodeCache) -> Refusal | None:
    """`node` may be another state of a node of the cache: what it would be without some Pods."""
    every = [claim for claim, _ in claims.bound] + [w.claim for w in claims.waiting]
    for claim in every:
        if ONCE not in (claim.spec.accessModes or ()):
            continue
        key = key_of(claim)
        known = cache.nodes.get(node.name)
        here = known.claims.get(key, 0) if known is not None else 0
        if cache.claims.get(key, 0) - here + node.claims.get(key, 0) > 0:
            return _NO
    return None
