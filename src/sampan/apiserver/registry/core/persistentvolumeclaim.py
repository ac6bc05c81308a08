"""PersistentVolumeClaims: storage that somebody asks for."""

from __future__ import annotations

from datetime import datetime
from typing import Any, ClassVar

from msgspec import structs

from sampan.api import names, quantity
from sampan.api.types.core_v1 import PersistentVolumeClaim, PersistentVolumeClaimStatus
from sampan.apiserver.registry import meta, resource_names
from sampan.apiserver.registry.core.claim_rules import default_claim_spec, validate_claim_spec
from sampan.apiserver.registry.field import Errors
from sampan.apiserver.registry.podspec import goform
from sampan.apiserver.registry.podspec.warnings import claim_warnings
from sampan.apiserver.registry.printing import age_of
from sampan.apiserver.registry.strategy import AGE, NAME, Column, Strategy, WriteContext

BETA_CLASS = "volume.beta.kubernetes.io/storage-class"
_IMMUTABLE = "spec is immutable after creation except resources.requests and volumeAttributesClassName for bound claims"
_MODES = (
    ("ReadWriteOnce", "RWO"), ("ReadOnlyMany", "ROX"), ("ReadWriteMany", "RWX"), ("ReadWriteOncePod", "RWOP"),
)  # fmt: skip


def short_modes(modes: list[str] | None) -> str:
    return ",".join(short for mode, short in _MODES if mode in (modes or ()))


class PersistentVolumeClaimStrategy(Strategy):
    columns: ClassVar[tuple[Column, ...]] = (
        NAME,
        Column("Status", description="Whether it has a volume."),
        Column("Volume", description="The volume that it has."),
        Column("Capacity", description="The size of the volume."),
        Column("Access Modes", description="How the volume can be mounted."),
        Column("StorageClass", description="The class that it asks for."),
        Column("VolumeAttributesClass", description="The attributes that it asks for."),
        AGE,
        Column("VolumeMode", description="File system or block device.", priority=1),
    )
    reset_fields: ClassVar[tuple[str, ...]] = ("status",)
    status_reset_fields: ClassVar[tuple[str, ...]] = ("spec",)
    returns_deleted: ClassVar[bool] = True

    def set_defaults(self, obj: PersistentVolumeClaim) -> None:
        default_claim_spec(obj.spec)
        if not obj.status.phase:
            obj.status.phase = "Pending"
        resource_names.canonicalize(obj.status.capacity)
        resource_names.canonicalize(obj.status.allocatedResources)

    def prepare_for_create(self, obj: PersistentVolumeClaim, context: WriteContext) -> None:
        obj.status = PersistentVolumeClaimStatus(phase="Pending")

    def prepare_for_update(self, obj: PersistentVolumeClaim, old: PersistentVolumeClaim) -> None:
        obj.status = old.status
        self.count_generation(obj, old)

    def prepare_for_status_update(self, obj: PersistentVolumeClaim, old: PersistentVolumeClaim) -> None:
        obj.spec = old.spec

    def validate_spec(self, obj: PersistentVolumeClaim, errors: Errors) -> None:
        validate_claim_spec(obj.spec, "spec", errors)

    def validate_change(self, obj: PersistentVolumeClaim, old: PersistentVolumeClaim, errors: Errors) -> None:
        munged, before = structs.replace(obj.spec), structs.replace(old.spec)
        if not before.volumeName:
            before.volumeName = munged.volumeName
        _class_change(obj, old, munged, errors)
        bound = obj.status.phase == "Bound"
        if bound and munged.resources.requests is not None:
            requests = dict(munged.resources.requests)
            if "storage" in (before.resources.requests or ()):
                requests["storage"] = (before.resources.requests or {})["storage"]
            munged.resources = structs.replace(munged.resources, requests=requests)
        if bound and munged.volumeAttributesClassName is not None:
            munged.volumeAttributesClassName = before.volumeAttributesClassName
        if munged != before:
            diff = goform.difference(before, munged, "ClaimSpec")
            errors.forbidden("spec", f"{_IMMUTABLE}\n{diff}")
        _size_change(obj, old, errors)
        if obj.spec.volumeMode != old.spec.volumeMode:
            errors.invalid("volumeMode", obj.spec.volumeMode, meta.IMMUTABLE)
        attributes, had = obj.spec.volumeAttributesClassName, old.spec.volumeAttributesClassName
        if had is not None and attributes != had:
            where = "spec.volumeAttributesClassName"
            if attributes is None:
                errors.forbidden(where, "update from non-nil value to nil is forbidden")
            elif not attributes:
                errors.forbidden(where, "update from non-nil value to an empty string is forbidden")

    def validate_status(self, obj: PersistentVolumeClaim, old: PersistentVolumeClaim, errors: Errors) -> None:
        if not obj.spec.accessModes:
            errors.required("Spec.accessModes")
        for name, amount in (obj.status.capacity or {}).items():
            if quantity.value(amount) < 0:
                where = f"status.capacity[{name}]"
                errors.invalid(where, quantity.value(amount), "must be a valid resource quantity")
        for name, amount in (obj.status.allocatedResources or {}).items():
            errors.each("status.allocatedResources", name, names.qualified_name(name))
            if quantity.value(amount) < 0:
                where = f"status.allocatedResources[{name}]"
                errors.invalid(where, quantity.value(amount), "must be a valid resource quantity")
        for name in obj.status.allocatedResourceStatuses or ():
            errors.each("status.allocatedResourceStatus", name, names.qualified_name(name))

    def warnings(self, obj: PersistentVolumeClaim, old: PersistentVolumeClaim | None) -> list[str]:
        return list(claim_warnings(obj.spec, "spec"))

    def cells(self, obj: PersistentVolumeClaim, now: datetime) -> list[Any]:
        spec, status = obj.spec, obj.status
        phase = "Terminating" if obj.metadata.deletionTimestamp is not None else status.phase or ""
        capacity = modes = ""
        if spec.volumeName:
            modes = short_modes(status.accessModes)
            capacity = quantity.canonical((status.capacity or {}).get("storage", "0"))
        return [
            obj.metadata.name or "",
            phase,
            spec.volumeName or "",
            capacity,
            modes,
            storage_class(obj),
            spec.volumeAttributesClassName or "<unset>",
            age_of(obj, now),
            spec.volumeMode or "<unset>",
        ]


def storage_class(obj: Any) -> str:
    annotations = obj.metadata.annotations or {}
    if BETA_CLASS in annotations:
        return str(annotations[BETA_CLASS])
    return obj.spec.storageClassName or ""


def _class_change(obj: PersistentVolumeClaim, old: PersistentVolumeClaim, munged: Any, errors: Errors) -> None:
    """A class may be said where none was: by the field instead of the old annotation, or late."""
    now, before = (o.metadata.annotations or {} for o in (obj, old))
    new_class, old_class = obj.spec.storageClassName, old.spec.storageClassName
    said = before.get(BETA_CLASS)
    if said is not None and old_class is None and new_class == said and now.get(BETA_CLASS, said) == said:
        munged.storageClassName = None
        return
    if now.get(BETA_CLASS, "") != before.get(BETA_CLASS, ""):
        errors.invalid(f"metadata.annotations.{BETA_CLASS}", now.get(BETA_CLASS, ""), meta.IMMUTABLE)
    if new_class is not None and old_class is None and said in (None, new_class):
        munged.storageClassName = None


def _size_change(obj: PersistentVolumeClaim, old: PersistentVolumeClaim, errors: Errors) -> None:
    new_size = quantity.parse((obj.spec.resources.requests or {}).get("storage", "0"))
    old_size = quantity.parse((old.spec.resources.requests or {}).get("storage", "0"))
    real = quantity.parse((old.status.capacity or {}).get("storage", "0"))
    if new_size < old_size and new_size <= real:
        errors.forbidden("spec.resources.requests.storage", "field can not be less than status.capacity")
