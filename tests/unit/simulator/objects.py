"""Pods as the steps see them."""

from __future__ import annotations

from typing import Any

from sampan.api.types import core_v1, meta_v1

CONTAINERS = [core_v1.Container(name="a", image="nginx:1")]


def pod(*, policy: str = "Always", uid: str = "u", owner: str = "", status: Any = None, **meta: Any) -> core_v1.Pod:
    owners = [meta_v1.OwnerReference(apiVersion="batch/v1", kind=owner, name="o", uid="o", controller=True)]
    return core_v1.Pod(
        metadata=meta_v1.ObjectMeta(
            name="p", namespace="default", uid=uid, ownerReferences=owners if owner else None, **meta
        ),
        spec=core_v1.PodSpec(nodeName="sim-0001", containers=CONTAINERS, restartPolicy=policy),
        status=status or core_v1.PodStatus(phase="Pending"),
    )


def node(**annotations: str) -> core_v1.Node:
    said = {f"simulate.sampan.io/{k.replace('_', '-')}": v for k, v in annotations.items()}
    return core_v1.Node(metadata=meta_v1.ObjectMeta(name="sim-0001", annotations=said))
