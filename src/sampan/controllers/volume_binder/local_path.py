"""The default class: a directory on the node where the first Pod that uses it runs."""

from __future__ import annotations

import asyncio
import shutil
from pathlib import Path

from sampan.api.types import core_v1, meta_v1, storage_v1
from sampan.controllers.volume_binder.bind import reference_to
from sampan.controllers.volume_binder.match import Claim, Volume, class_of_claim
from sampan.controllers.volume_binder.words import BOUND_BY_CONTROLLER, DEFAULT_CLASS, PROVISIONED_BY

PROVISIONER = "sampan.io/local-path"
CLASS = "local-path"
HOSTNAME = "kubernetes.io/hostname"


class CannotProvision(Exception):
    pass


def storage_class() -> storage_v1.StorageClass:
    """What a cluster is given when it is made."""
    return storage_v1.StorageClass(
        kind="StorageClass",
        apiVersion="storage.k8s.io/v1",
        metadata=meta_v1.ObjectMeta(name=CLASS, annotations={DEFAULT_CLASS: "true"}),
        provisioner=PROVISIONER,
        reclaimPolicy="Delete",
        volumeBindingMode="WaitForFirstConsumer",
        allowVolumeExpansion=True,
    )


def name_for(claim: Claim) -> str:
    return f"pvc-{claim.metadata.uid}"


def volume_for(claim: Claim, found: storage_v1.StorageClass, node: core_v1.Node | None, folder: Path) -> Volume:
    if claim.spec.volumeMode == "Block":
        raise CannotProvision(f"{PROVISIONER} does not support block volume provisioning")
    if claim.spec.selector is not None:
        raise CannotProvision("claim.Spec.Selector is not supported")
    if claim.spec.dataSource is not None or claim.spec.dataSourceRef is not None:
        raise CannotProvision(f"{PROVISIONER} cannot make a volume from a data source")
    if node is None:
        raise CannotProvision(
            "no node was selected: a class of local directories needs volumeBindingMode WaitForFirstConsumer"
        )
    name, meta = name_for(claim), claim.metadata
    hostname = (node.metadata.labels or {}).get(HOSTNAME) or node.metadata.name or ""
    here = core_v1.NodeSelectorRequirement(key=HOSTNAME, operator="In", values=[hostname])
    return core_v1.PersistentVolume(
        metadata=meta_v1.ObjectMeta(name=name, annotations={PROVISIONED_BY: PROVISIONER, BOUND_BY_CONTROLLER: "yes"}),
        spec=core_v1.PersistentVolumeSpec(
            accessModes=claim.spec.accessModes,
            capacity={"storage": (claim.spec.resources.requests or {}).get("storage", "0")},
            claimRef=reference_to(claim),
            hostPath=core_v1.HostPathVolumeSource(
                path=str(folder / f"{name}_{meta.namespace}_{meta.name}"), type="DirectoryOrCreate"
            ),
            mountOptions=found.mountOptions,
            nodeAffinity=core_v1.VolumeNodeAffinity(
                required=core_v1.NodeSelector(nodeSelectorTerms=[core_v1.NodeSelectorTerm(matchExpressions=[here])])
            ),
            persistentVolumeReclaimPolicy=found.reclaimPolicy or "Delete",
            storageClassName=class_of_claim(claim),
            volumeMode=claim.spec.volumeMode or "Filesystem",
        ),
    )


async def remove_data(volume: Volume, folder: Path) -> None:
    """Only ever a directory that was made for a claim, directly below our own folder."""
    path = Path(volume.spec.hostPath.path) if volume.spec.hostPath is not None else None
    if path is None or path.parent != folder or not path.name.startswith("pvc-") or path.is_symlink():
        return
    try:
        await asyncio.to_thread(shutil.rmtree, path)
    except FileNotFoundError:
        pass
