"""Indexes that several controllers share: an informer takes one function per name."""

from sampan.api.types import core_v1

PODS_BY_NODE = "controllers/node"
PODS_BY_CLAIM = "controllers/claim"
PODS_BY_OWNER = "controllers/owner"
PODS_BY_LABEL = "controllers/label"


def node_of(pod: core_v1.Pod) -> list[str]:
    return [pod.spec.nodeName] if pod.spec.nodeName else []


def labels_of(pod: core_v1.Pod) -> list[str]:
    """`namespace/label=value` of each label: who selects by labels need not look at all Pods of a namespace."""
    namespace = pod.metadata.namespace
    return [f"{namespace}/{k}={v}" for k, v in (pod.metadata.labels or {}).items()]


def claims_of(pod: core_v1.Pod) -> list[str]:
    """`namespace/name` of the claims that it uses, those made for it included."""
    namespace, found = pod.metadata.namespace, []
    for volume in pod.spec.volumes or ():
        if volume.persistentVolumeClaim is not None:
            found.append(f"{namespace}/{volume.persistentVolumeClaim.claimName}")
        elif volume.ephemeral is not None:
            found.append(f"{namespace}/{pod.metadata.name}-{volume.name}")
    return found


def owner_of(pod: core_v1.Pod) -> list[str]:
    """The uid of its controller."""
    return [r.uid for r in pod.metadata.ownerReferences or () if r.controller]
