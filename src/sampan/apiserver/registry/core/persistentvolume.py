"""PersistentVolumes: storage that is there to be claimed."""

from __future__ import annotations

from datetime import datetime
from typing import Any, ClassVar

from msgspec import structs

from sampan.api import names, quantity
from sampan.api.types.core_v1 import PersistentVolume, PersistentVolumeSpec, PersistentVolumeStatus
from sampan.apiserver.registry import meta, resource_names
from sampan.apiserver.registry.core.claim_rules import ACCESS_MODES, VOLUME_MODES
from sampan.apiserver.registry.core.persistentvolumeclaim import short_modes, storage_class
from sampan.apiserver.registry.field import Errors
from sampan.apiserver.registry.podspec import goform
from sampan.apiserver.registry.podspec.paths import no_backsteps
from sampan.apiserver.registry.podspec.remote_volumes import REMOTE, validate_driver_name
from sampan.apiserver.registry.podspec.scheduling import validate_node_selector
from sampan.apiserver.registry.podspec.volumes import validate_host_path
from sampan.apiserver.registry.podspec.warnings import OLD_VOLUMES
from sampan.apiserver.registry.printing import age_of
from sampan.apiserver.registry.strategy import AGE, NAME, Column, Strategy, WriteContext

_RECLAIM = ("Delete", "Recycle", "Retain")
_SOURCES = (
    "hostPath", "gcePersistentDisk", "awsElasticBlockStore", "glusterfs", "flocker", "nfs", "rbd", "quobyte", "cephfs",
    "iscsi", "cinder", "fc", "flexVolume", "azureFile", "vsphereVolume", "photonPersistentDisk", "portworxVolume",
    "azureDisk", "scaleIO", "local", "storageos", "csi",
)  # fmt: skip
_OLD_ANNOTATIONS = (
    ("volume.beta.kubernetes.io/storage-class", "v1.8", "storageClassName"),
    ("volume.beta.kubernetes.io/mount-options", "v1.31", "mountOptions"),
)


class PersistentVolumeStrategy(Strategy):
    columns: ClassVar[tuple[Column, ...]] = (
        NAME,
        Column("Capacity", description="How much it holds."),
        Column("Access Modes", description="How it can be mounted."),
        Column("Reclaim Policy", description="What becomes of it after its claim."),
        Column("Status", description="Whether it is claimed."),
        Column("Claim", description="The claim that has it."),
        Column("StorageClass", description="The class it belongs to."),
        Column("VolumeAttributesClass", description="The attributes it has."),
        Column("Reason", description="Why it is in this state."),
        AGE,
        Column("VolumeMode", description="File system or block device.", priority=1),
    )
    field_labels: ClassVar[frozenset[str]] = frozenset(("name",))
    reset_fields: ClassVar[tuple[str, ...]] = ("status",)
    status_reset_fields: ClassVar[tuple[str, ...]] = ("spec",)
    returns_deleted: ClassVar[bool] = True

    def set_defaults(self, obj: PersistentVolume) -> None:
        spec = obj.spec
        if not obj.status.phase:
            obj.status.phase = "Pending"
        if not spec.persistentVolumeReclaimPolicy:
            spec.persistentVolumeReclaimPolicy = "Retain"
        if spec.volumeMode is None:
            spec.volumeMode = "Filesystem"
        resource_names.canonicalize(spec.capacity)
        if spec.hostPath is not None and spec.hostPath.type is None:
            spec.hostPath.type = ""
        if spec.iscsi is not None and not spec.iscsi.iscsiInterface:
            spec.iscsi.iscsiInterface = "default"

    def prepare_for_create(self, obj: PersistentVolume, context: WriteContext) -> None:
        now = context.now.strftime("%Y-%m-%dT%H:%M:%SZ")
        obj.status = PersistentVolumeStatus(phase="Pending", lastPhaseTransitionTime=now)

    def prepare_for_update(self, obj: PersistentVolume, old: PersistentVolume) -> None:
        obj.status = old.status
        self.count_generation(obj, old)

    def prepare_for_status_update(self, obj: PersistentVolume, old: PersistentVolume) -> None:
        obj.spec = old.spec
        if obj.status.lastPhaseTransitionTime is None:
            obj.status.lastPhaseTransitionTime = old.status.lastPhaseTransitionTime

    def validate_spec(self, obj: PersistentVolume, errors: Errors) -> None:
        validate_volume_spec(obj.spec, obj.metadata.name or "", "spec", errors)

    def validate_change(self, obj: PersistentVolume, old: PersistentVolume, errors: Errors) -> None:
        spec = _with_late_secret(obj.spec, old.spec)
        if any(getattr(spec, s) != getattr(old.spec, s) for s in _SOURCES):
            detail = "spec.persistentvolumesource is immutable after creation"
            diff = goform.difference(old.spec, spec, "VolumeSource")
            errors.forbidden("spec.persistentvolumesource", f"{detail}\n{diff}")
        if obj.spec.volumeMode != old.spec.volumeMode:
            errors.invalid("volumeMode", obj.spec.volumeMode, meta.IMMUTABLE)
        if old.spec.nodeAffinity is not None and obj.spec.nodeAffinity != old.spec.nodeAffinity:
            affinity = obj.spec.nodeAffinity
            shown = goform.form(affinity, "VolumeAffinity") if affinity is not None else None
            errors.invalid("nodeAffinity", shown, "field is immutable, except for updating from beta label to GA")

    def selectable_fields(self, obj: PersistentVolume) -> dict[str, str]:
        name = obj.metadata.name or ""
        return {"metadata.name": name, "name": name}

    def warnings(self, obj: PersistentVolume, old: PersistentVolume | None) -> list[str]:
        found = [
            f'metadata.annotations[{key}]: deprecated since {version}; use "{attribute}" attribute instead'
            for key, version, attribute in _OLD_ANNOTATIONS
            if key in (obj.metadata.annotations or ())
        ]
        if obj.spec.persistentVolumeReclaimPolicy == "Recycle":
            note = (
                "The Recycle reclaim policy is deprecated. Instead, the recommended approach is to use dynamic "
                "provisioning."
            )
            found.append(f"spec.persistentVolumeReclaimPolicy: {note}")
        notes = ((wire, note) for wire, note in OLD_VOLUMES.items() if getattr(obj.spec, wire, None) is not None)
        return found + [f"spec.{wire}: {note}" for wire, note in notes]

    def cells(self, obj: PersistentVolume, now: datetime) -> list[Any]:
        spec, status = obj.spec, obj.status
        claim = spec.claimRef
        phase = "Terminating" if obj.metadata.deletionTimestamp is not None else status.phase or ""
        return [
            obj.metadata.name or "",
            quantity.canonical((spec.capacity or {}).get("storage", "0")),
            short_modes(spec.accessModes),
            spec.persistentVolumeReclaimPolicy or "",
            phase,
            f"{claim.namespace or ''}/{claim.name or ''}" if claim is not None else "",
            storage_class(obj),
            spec.volumeAttributesClassName or "<unset>",
            status.reason or "",
            age_of(obj, now),
            spec.volumeMode or "<unset>",
        ]


def validate_volume_spec(spec: PersistentVolumeSpec, name: str, path: str, errors: Errors) -> None:
    if not spec.accessModes:
        errors.required(f"{path}.accessModes")
    pod = others = False
    for mode in spec.accessModes or ():
        if mode not in ACCESS_MODES:
            errors.unsupported(f"{path}.accessModes", mode, ACCESS_MODES)
        pod, others = pod or mode == "ReadWriteOncePod", others or mode != "ReadWriteOncePod"
    if pod and others:
        errors.forbidden(f"{path}.accessModes", "may not use ReadWriteOncePod with other access modes")
    capacity = spec.capacity or {}
    if not capacity:
        errors.required(f"{path}.capacity")
    if "storage" not in capacity or len(capacity) > 1:
        errors.unsupported(f"{path}.capacity", spec.capacity, ("storage",))
    for resource, amount in capacity.items():
        parsed = quantity.parse(amount)
        where = f"{path}.capacity[{resource}]"
        if parsed.value() < 0:
            errors.invalid(where, parsed.value(), "must be a valid resource quantity")
        if parsed.nanos <= 0:
            errors.invalid(where, str(parsed), "must be greater than zero")
    if spec.persistentVolumeReclaimPolicy not in _RECLAIM:
        where = f"{path}.persistentVolumeReclaimPolicy"
        errors.unsupported(where, spec.persistentVolumeReclaimPolicy or "", _RECLAIM)
    if spec.nodeAffinity is not None:
        if spec.nodeAffinity.required is None:
            errors.required(f"{path}.nodeAffinity.required", "must specify required node constraints")
        else:
            validate_node_selector(spec.nodeAffinity.required, f"{path}.nodeAffinity.required", errors)
    _sources(spec, path, errors)
    if spec.storageClassName:
        objections = names.dns1123_subdomain(spec.storageClassName)
        errors.each(f"{path}.storageClassName", spec.storageClassName, objections)
    if spec.volumeMode is not None and spec.volumeMode not in VOLUME_MODES:
        errors.unsupported(f"{path}.volumeMode", spec.volumeMode, VOLUME_MODES)


def _sources(spec: PersistentVolumeSpec, path: str, errors: Errors) -> None:
    count = 0
    for wire in _SOURCES:
        source = getattr(spec, wire)
        if source is None:
            continue
        if count:
            errors.forbidden(f"{path}.{wire}", "may not specify more than 1 volume type")
            continue
        count += 1
        here = f"{path}.{wire}"
        if wire == "hostPath":
            validate_host_path(source, here, errors)
        elif wire == "local":
            if not source.path:
                errors.required(f"{here}.path")
            no_backsteps(source.path, f"{here}.path", errors)
            if spec.nodeAffinity is None:
                errors.required(f"{path}.nodeAffinity", "Local volume requires node affinity")
        elif wire == "csi":
            validate_driver_name(source.driver, f"{here}.driver", errors)
            if not source.volumeHandle:
                errors.required(f"{here}.volumeHandle")
        else:
            REMOTE[wire](source, here, errors)
    if not count:
        errors.required(path, "must specify a volume type")
    if spec.hostPath is not None and spec.hostPath.path == "/" and spec.persistentVolumeReclaimPolicy == "Recycle":
        detail = "may not be 'recycle' for a hostPath mount of '/'"
        errors.forbidden(f"{path}.persistentVolumeReclaimPolicy", detail)


def _with_late_secret(spec: PersistentVolumeSpec, old: PersistentVolumeSpec) -> PersistentVolumeSpec:
    """The secret to expand a volume with may be named later."""
    if spec.csi is None or old.csi is None or old.csi.controllerExpandSecretRef is not None:
        return spec
    return structs.replace(spec, csi=structs.replace(spec.csi, controllerExpandSecretRef=None))
