"""What CSI drivers say of themselves, of their nodes and of their space; and attachments of their volumes."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime
from typing import Any, ClassVar

from sampan.api import names, quantity
from sampan.api.types.storage_v1 import (
    CSIDriver,
    CSINode,
    CSIStorageCapacity,
    VolumeAttachment,
    VolumeAttributesClass,
)
from sampan.apiserver.registry import labels, meta
from sampan.apiserver.registry.field import Errors
from sampan.apiserver.registry.podspec.goform import form
from sampan.apiserver.registry.podspec.remote_volumes import validate_driver_name
from sampan.apiserver.registry.printing import age_of
from sampan.apiserver.registry.storage.storageclass import is_default, validate_parameters
from sampan.apiserver.registry.strategy import AGE, NAME, Column, Strategy, WriteContext

_FS_GROUP = ("File", "None", "ReadWriteOnceWithFSType")
_LIFECYCLES = ("Ephemeral", "Persistent")
_MIN_PERIOD = 10


class CSIDriverStrategy(Strategy):
    columns: ClassVar[tuple[Column, ...]] = (
        NAME,
        Column("AttachRequired", "boolean", description="Whether its volumes are attached first."),
        Column("PodInfoOnMount", "boolean", description="Whether it is told of the Pod."),
        Column("StorageCapacity", "boolean", description="Whether it says how much space it has."),
        Column("TokenRequests", description="The audiences of the tokens it gets."),
        Column("RequiresRepublish", "boolean", description="Whether it is called again and again."),
        Column("Modes", description="How its volumes live."),
        AGE,
    )
    allow_unconditional_update: ClassVar[bool] = False
    returns_deleted: ClassVar[bool] = True

    def set_defaults(self, obj: CSIDriver) -> None:
        spec = obj.spec
        for wire, value in (
            ("attachRequired", True), ("podInfoOnMount", False), ("storageCapacity", False),
            ("fsGroupPolicy", "ReadWriteOnceWithFSType"), ("requiresRepublish", False), ("seLinuxMount", False),
        ):  # fmt: skip
            if getattr(spec, wire) is None:
                setattr(spec, wire, value)
        if not spec.volumeLifecycleModes:
            spec.volumeLifecycleModes = ["Persistent"]

    def prepare_for_create(self, obj: CSIDriver, context: WriteContext) -> None:
        """No status, no generation."""

    def validate_name(self, name: str, prefix: bool) -> Iterable[str]:
        """The rules of drivers' names are those of the spec."""
        return meta.path_name(name, prefix)

    def validate_spec(self, obj: CSIDriver, errors: Errors) -> None:
        spec = obj.spec
        validate_driver_name(obj.metadata.name or "", "name", errors)
        if spec.attachRequired is None:
            errors.required("spec.attachedRequired")
        if spec.fsGroupPolicy is not None and spec.fsGroupPolicy not in _FS_GROUP:
            errors.unsupported("spec.fsGroupPolicy", spec.fsGroupPolicy, _FS_GROUP)
        seen: set[str] = set()
        for index, request in enumerate(spec.tokenRequests or ()):
            here = f"spec.tokenRequests[{index}]"
            if request.audience in seen:
                errors.duplicate(f"{here}.audience", request.audience)
            seen.add(request.audience)
            seconds = request.expirationSeconds
            if seconds is not None and seconds < 600:
                errors.invalid(f"{here}.expirationSeconds", seconds, "may not specify a duration less than 10 minutes")
            if seconds is not None and seconds > 1 << 32:
                detail = "may not specify a duration larger than 2^32 seconds"
                errors.invalid(f"{here}.expirationSeconds", seconds, detail)
        for mode in spec.volumeLifecycleModes or ():
            if mode not in _LIFECYCLES:
                errors.unsupported("spec.volumeLifecycleModes", mode, _LIFECYCLES)
        period = spec.nodeAllocatableUpdatePeriodSeconds
        if period is not None and period < _MIN_PERIOD:
            detail = f"must be greater than or equal to {_MIN_PERIOD} seconds"
            errors.invalid("spec.nodeAllocatableUpdatePeriodSeconds", period, detail)

    def validate_change(self, obj: CSIDriver, old: CSIDriver, errors: Errors) -> None:
        for wire in ("attachRequired", "volumeLifecycleModes"):
            if getattr(obj.spec, wire) != getattr(old.spec, wire):
                where = "spec.attachedRequired" if wire == "attachRequired" else f"spec.{wire}"
                errors.invalid(where, getattr(obj.spec, wire), meta.IMMUTABLE)

    def cells(self, obj: CSIDriver, now: datetime) -> list[Any]:
        spec = obj.spec
        audiences = ",".join(r.audience for r in spec.tokenRequests or ())
        return [
            obj.metadata.name or "",
            spec.attachRequired is not False,
            bool(spec.podInfoOnMount),
            bool(spec.storageCapacity),
            audiences or "<unset>",
            bool(spec.requiresRepublish),
            ",".join(spec.volumeLifecycleModes or ()) or "<none>",
            age_of(obj, now),
        ]


class CSINodeStrategy(Strategy):
    columns: ClassVar[tuple[Column, ...]] = (
        NAME,
        Column("Drivers", "integer", description="How many drivers the node has."),
        AGE,
    )
    allow_unconditional_update: ClassVar[bool] = False

    def prepare_for_create(self, obj: CSINode, context: WriteContext) -> None:
        """No status, no generation."""

    def validate_spec(self, obj: CSINode, errors: Errors) -> None:
        seen: set[str] = set()
        for index, driver in enumerate(obj.spec.drivers or ()):
            here = f"spec.drivers[{index}]"
            validate_driver_name(driver.name, f"{here}.name", errors)
            if not driver.nodeID:
                errors.required(f"{here}.nodeID")
            elif len(driver.nodeID) > 192:
                errors.invalid(f"{here}.nodeID", driver.nodeID, "must be 192 characters or less")
            if driver.allocatable is not None and (driver.allocatable.count or 0) < 0:
                where = f"{here}.allocatable.count"
                errors.invalid(where, driver.allocatable.count, "must be greater than or equal to 0")
            if driver.name in seen:
                errors.duplicate(f"{here}.name", driver.name)
            seen.add(driver.name)
            for at, key in enumerate(driver.topologyKeys or ()):
                if key in (driver.topologyKeys or [])[:at]:
                    errors.duplicate(f"{here}.topologyKeys", key)
                errors.each(f"{here}.topologyKeys", key, names.qualified_name(key))

    def cells(self, obj: CSINode, now: datetime) -> list[Any]:
        return [obj.metadata.name or "", len(obj.spec.drivers or ()), age_of(obj, now)]


class CSIStorageCapacityStrategy(Strategy):
    columns: ClassVar[tuple[Column, ...]] = (
        NAME,
        Column("StorageClassName", description="The class whose space it is."),
        Column("Capacity", description="How much there is."),
    )
    allow_unconditional_update: ClassVar[bool] = False

    def set_defaults(self, obj: CSIStorageCapacity) -> None:
        for wire in ("capacity", "maximumVolumeSize"):
            amount = getattr(obj, wire)
            if amount is not None:
                setattr(obj, wire, quantity.canonical(amount))

    def prepare_for_create(self, obj: CSIStorageCapacity, context: WriteContext) -> None:
        """No status, no generation."""

    def validate_spec(self, obj: CSIStorageCapacity, errors: Errors) -> None:
        labels.validate_selector(obj.nodeTopology, "nodeTopology", errors)
        errors.each("storageClassName", obj.storageClassName, names.dns1123_subdomain(obj.storageClassName))
        for wire in ("capacity", "maximumVolumeSize"):
            amount = getattr(obj, wire)
            if amount is not None and quantity.parse(amount).nanos < 0:
                errors.invalid(wire, quantity.canonical(amount), "must be greater than or equal to 0")

    def validate_change(self, obj: CSIStorageCapacity, old: CSIStorageCapacity, errors: Errors) -> None:
        for wire in ("nodeTopology", "storageClassName"):
            if getattr(obj, wire) != getattr(old, wire):
                errors.invalid(wire, getattr(obj, wire), meta.IMMUTABLE)

    def cells(self, obj: CSIStorageCapacity, now: datetime) -> list[Any]:
        capacity = quantity.canonical(obj.capacity) if obj.capacity is not None else "<unset>"
        return [obj.metadata.name or "", obj.storageClassName, capacity]


class VolumeAttachmentStrategy(Strategy):
    columns: ClassVar[tuple[Column, ...]] = (
        NAME,
        Column("Attacher", description="Who attaches it."),
        Column("PV", description="The volume."),
        Column("Node", description="The node it is attached to."),
        Column("Attached", "boolean", description="Whether it is attached."),
        AGE,
    )
    allow_unconditional_update: ClassVar[bool] = False
    reset_fields: ClassVar[tuple[str, ...]] = ("status",)
    status_reset_fields: ClassVar[tuple[str, ...]] = ("spec",)
    returns_deleted: ClassVar[bool] = True

    def validate_spec(self, obj: VolumeAttachment, errors: Errors) -> None:
        spec = obj.spec
        validate_driver_name(spec.attacher, "spec.attacher", errors)
        source = spec.source
        if source.inlineVolumeSpec is None and source.persistentVolumeName is None:
            errors.required("spec.source", "must specify exactly one of inlineVolumeSpec and persistentVolumeName")
        if source.inlineVolumeSpec is not None and source.persistentVolumeName is not None:
            detail = "must specify exactly one of inlineVolumeSpec and persistentVolumeName"
            errors.forbidden("spec.source", detail)
        if source.persistentVolumeName == "":
            errors.required("spec.source.persistentVolumeName", "must specify non empty persistentVolumeName")
        errors.each("spec.nodeName", spec.nodeName, names.dns1123_subdomain(spec.nodeName))

    def validate_change(self, obj: VolumeAttachment, old: VolumeAttachment, errors: Errors) -> None:
        if obj.spec != old.spec:
            errors.invalid("spec", form(obj.spec, "Attachment"), meta.IMMUTABLE)

    def cells(self, obj: VolumeAttachment, now: datetime) -> list[Any]:
        spec = obj.spec
        volume = spec.source.persistentVolumeName or ""
        return [obj.metadata.name or "", spec.attacher, volume, spec.nodeName, obj.status.attached, age_of(obj, now)]


class VolumeAttributesClassStrategy(Strategy):
    columns: ClassVar[tuple[Column, ...]] = (NAME, Column("DriverName", description="The driver it is for."), AGE)
    returns_deleted: ClassVar[bool] = True

    def prepare_for_create(self, obj: VolumeAttributesClass, context: WriteContext) -> None:
        """No status, no generation."""

    def validate_spec(self, obj: VolumeAttributesClass, errors: Errors) -> None:
        if not obj.driverName:
            errors.required("driverName")
        else:
            validate_driver_name(obj.driverName, "driverName", errors)
        validate_parameters(obj.parameters, "parameters", errors)
        if not obj.parameters:
            errors.required("parameters", "must contain at least one key/value pair")

    def validate_change(self, obj: VolumeAttributesClass, old: VolumeAttributesClass, errors: Errors) -> None:
        if obj.driverName != old.driverName:
            errors.forbidden("driverName", "updates to driverName are forbidden.")
        if (obj.parameters or {}) != (old.parameters or {}):
            errors.forbidden("parameters", "updates to parameters are forbidden.")

    def cells(self, obj: VolumeAttributesClass, now: datetime) -> list[Any]:
        name = obj.metadata.name or ""
        return [f"{name} (default)" if is_default(obj) else name, obj.driverName, age_of(obj, now)]
