"""StorageClasses: how volumes are made."""

from __future__ import annotations

from datetime import datetime
from typing import Any, ClassVar

from sampan.api import names
from sampan.api.types.storage_v1 import StorageClass
from sampan.apiserver.registry import meta
from sampan.apiserver.registry.field import Errors
from sampan.apiserver.registry.labels import validate_label_key
from sampan.apiserver.registry.podspec.warnings import OLD_NODE_LABELS
from sampan.apiserver.registry.printing import age_of
from sampan.apiserver.registry.strategy import AGE, NAME, Column, Strategy, WriteContext

_RECLAIM = ("Delete", "Retain")
_BINDING = ("Immediate", "WaitForFirstConsumer")
_DEFAULT = ("storageclass.kubernetes.io/is-default-class", "storageclass.beta.kubernetes.io/is-default-class")
_MAX_PARAMETERS, _MAX_PARAMETERS_SIZE = 512, 256 * 1024


def is_default(obj: Any) -> bool:
    return any((obj.metadata.annotations or {}).get(key) == "true" for key in _DEFAULT)


def validate_parameters(parameters: dict[str, str] | None, path: str, errors: Errors) -> None:
    size = 0
    for key, value in (parameters or {}).items():
        if not key:
            errors.invalid(path, key, "field can not be empty.")
        size += len(key.encode()) + len(value.encode())
    if len(parameters or ()) > _MAX_PARAMETERS:
        errors.too_long(path, _MAX_PARAMETERS)
    if size > _MAX_PARAMETERS_SIZE:
        errors.too_long(path, _MAX_PARAMETERS_SIZE)


class StorageClassStrategy(Strategy):
    columns: ClassVar[tuple[Column, ...]] = (
        NAME,
        Column("Provisioner", description="Who makes its volumes."),
        Column("ReclaimPolicy", description="What becomes of its volumes."),
        Column("VolumeBindingMode", description="When its volumes are made."),
        Column("AllowVolumeExpansion", description="Whether its volumes can grow."),
        AGE,
    )
    returns_deleted: ClassVar[bool] = True

    def set_defaults(self, obj: StorageClass) -> None:
        if obj.reclaimPolicy is None:
            obj.reclaimPolicy = "Delete"
        if obj.volumeBindingMode is None:
            obj.volumeBindingMode = "Immediate"

    def prepare_for_create(self, obj: StorageClass, context: WriteContext) -> None:
        """No status, no generation."""

    def validate_spec(self, obj: StorageClass, errors: Errors) -> None:
        if not obj.provisioner:
            errors.required("provisioner")
        else:
            lowered = obj.provisioner.lower()
            errors.each("provisioner", obj.provisioner, names.qualified_name(lowered))
        validate_parameters(obj.parameters, "parameters", errors)
        if obj.reclaimPolicy and obj.reclaimPolicy not in _RECLAIM:
            errors.unsupported("reclaimPolicy", obj.reclaimPolicy, _RECLAIM)
        if obj.volumeBindingMode is None:
            errors.required("volumeBindingMode")
        elif obj.volumeBindingMode not in _BINDING:
            errors.unsupported("volumeBindingMode", obj.volumeBindingMode, _BINDING)
        _topologies(obj, errors)

    def validate_change(self, obj: StorageClass, old: StorageClass, errors: Errors) -> None:
        if (obj.parameters or {}) != (old.parameters or {}):
            errors.forbidden("parameters", "updates to parameters are forbidden.")
        if obj.provisioner != old.provisioner:
            errors.forbidden("provisioner", "updates to provisioner are forbidden.")
        if obj.reclaimPolicy != old.reclaimPolicy:
            errors.forbidden("reclaimPolicy", "updates to reclaimPolicy are forbidden.")
        if obj.volumeBindingMode != old.volumeBindingMode:
            errors.invalid("volumeBindingMode", obj.volumeBindingMode, meta.IMMUTABLE)

    def warnings(self, obj: StorageClass, old: StorageClass | None) -> list[str]:
        return [
            f"allowedTopologies[{at}].matchLabelExpressions[{index}].key: {OLD_NODE_LABELS[expression.key]}"
            for at, term in enumerate(obj.allowedTopologies or ())
            for index, expression in enumerate(term.matchLabelExpressions or ())
            if expression.key in OLD_NODE_LABELS
        ]

    def cells(self, obj: StorageClass, now: datetime) -> list[Any]:
        name = obj.metadata.name or ""
        return [
            f"{name} (default)" if is_default(obj) else name,
            obj.provisioner,
            obj.reclaimPolicy or "Delete",
            obj.volumeBindingMode or "<unset>",
            bool(obj.allowVolumeExpansion),
            age_of(obj, now),
        ]


def _topologies(obj: StorageClass, errors: Errors) -> None:
    for index, term in enumerate(obj.allowedTopologies or ()):
        keys: set[str] = set()
        for at, requirement in enumerate(term.matchLabelExpressions or ()):
            here = f"allowedTopologies[{index}].matchLabelExpressions[{at}]"
            if not requirement.values:
                errors.required(f"{here}.values")
            for n, value in enumerate(requirement.values or ()):
                if value in (requirement.values or [])[:n]:
                    errors.duplicate(f"{here}.values[{n}]", value)
            validate_label_key(requirement.key, f"{here}.key", errors)
            if requirement.key in keys:
                errors.duplicate(f"{here}.key", requirement.key)
            keys.add(requirement.key)
