"""Devices that are offered and claimed. What a claim may ask stands in `claims.py`; slices have the schema's rules."""

from __future__ import annotations

from datetime import datetime
from typing import Any, ClassVar

from sampan.apiserver.registry import meta
from sampan.apiserver.registry.field import Errors
from sampan.apiserver.registry.printing import age_of
from sampan.apiserver.registry.resource.claims import (
    default_claim,
    validate_claim,
    validate_configuration,
    validate_selectors,
)
from sampan.apiserver.registry.strategy import AGE, NAME, Column, Strategy, WriteContext


class DeviceClassStrategy(Strategy):
    columns: ClassVar[tuple[Column, ...]] = (NAME, AGE)
    generation_fields: ClassVar[tuple[str, ...]] = ("spec",)

    def validate_spec(self, obj: Any, errors: Errors) -> None:
        validate_selectors(obj.spec.selectors, "spec.selectors", errors)
        for at, config in enumerate(obj.spec.config or ()):
            validate_configuration(config, f"spec.config[{at}]", errors)

    def cells(self, obj: Any, now: datetime) -> list[Any]:
        return [obj.metadata.name or "", age_of(obj, now)]


class ResourceClaimStrategy(Strategy):
    columns: ClassVar[tuple[Column, ...]] = (
        NAME,
        Column("State", description="Whether it has its devices, and whether they are in use."),
        AGE,
    )
    reset_fields: ClassVar[tuple[str, ...]] = ("status",)
    status_reset_fields: ClassVar[tuple[str, ...]] = ("spec",)

    def set_defaults(self, obj: Any) -> None:
        default_claim(obj.spec.devices)

    def validate_spec(self, obj: Any, errors: Errors) -> None:
        validate_claim(obj.spec.devices, "spec.devices", errors)

    def validate_change(self, obj: Any, old: Any, errors: Errors) -> None:
        if obj.spec != old.spec:
            errors.invalid("spec", obj.spec, meta.IMMUTABLE)

    def cells(self, obj: Any, now: datetime) -> list[Any]:
        states = []
        if obj.metadata.deletionTimestamp is not None:
            states.append("deleted")
        allocated = obj.status.allocation is not None
        states.append("allocated" if allocated else "pending")
        if obj.status.reservedFor:
            states.append("reserved")
        return [obj.metadata.name or "", ",".join(states), age_of(obj, now)]


class ResourceClaimTemplateStrategy(Strategy):
    columns: ClassVar[tuple[Column, ...]] = (NAME, AGE)

    def prepare_for_create(self, obj: Any, context: WriteContext) -> None:
        """No status, no generation."""

    def set_defaults(self, obj: Any) -> None:
        default_claim(obj.spec.spec.devices)

    def validate_spec(self, obj: Any, errors: Errors) -> None:
        validate_claim(obj.spec.spec.devices, "spec.spec.devices", errors)

    def validate_change(self, obj: Any, old: Any, errors: Errors) -> None:
        if obj.spec != old.spec:
            errors.invalid("spec", obj.spec, meta.IMMUTABLE)

    def cells(self, obj: Any, now: datetime) -> list[Any]:
        return [obj.metadata.name or "", age_of(obj, now)]


class ResourceSliceStrategy(Strategy):
    columns: ClassVar[tuple[Column, ...]] = (
        NAME,
        Column("Node", description="The node that has the devices."),
        Column("Driver", description="The driver of the devices."),
        Column("Pool", description="The pool that they belong to."),
        AGE,
    )
    field_labels: ClassVar[frozenset[str]] = frozenset(("spec.nodeName", "spec.driver"))
    generation_fields: ClassVar[tuple[str, ...]] = ("spec",)

    def validate_change(self, obj: Any, old: Any, errors: Errors) -> None:
        for wire, new, before in (
            ("spec.nodeName", obj.spec.nodeName, old.spec.nodeName),
            ("spec.driver", obj.spec.driver, old.spec.driver),
            ("spec.pool.name", obj.spec.pool.name, old.spec.pool.name),
        ):
            if new != before:
                errors.invalid(wire, new, meta.IMMUTABLE)

    def selectable_fields(self, obj: Any) -> dict[str, str]:
        name = obj.metadata.name or ""
        return {"metadata.name": name, "spec.nodeName": obj.spec.nodeName or "", "spec.driver": obj.spec.driver}

    def cells(self, obj: Any, now: datetime) -> list[Any]:
        spec = obj.spec
        node = spec.nodeName or ("<all>" if spec.allNodes else "<unset>")
        return [obj.metadata.name or "", node, spec.driver, spec.pool.name, age_of(obj, now)]
