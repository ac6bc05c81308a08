"""PriorityClasses: names for how important a Pod is."""

from __future__ import annotations

from datetime import datetime
from typing import Any, ClassVar

from sampan.api.types.scheduling_v1 import PriorityClass
from sampan.apiserver.registry import meta
from sampan.apiserver.registry.field import Errors
from sampan.apiserver.registry.printing import age_of
from sampan.apiserver.registry.strategy import AGE, NAME, Column, Strategy

HIGHEST_OF_USERS = 1_000_000_000
SYSTEM = {"system-node-critical": 2_000_001_000, "system-cluster-critical": 2_000_000_000}
_POLICIES = ("PreemptLowerPriority", "Never")


class PriorityClassStrategy(Strategy):
    columns: ClassVar[tuple[Column, ...]] = (
        NAME,
        Column("Value", "integer", description="The higher, the more important."),
        Column("Global-Default", "boolean", description="Whether Pods without a class get this one."),
        AGE,
        Column("PreemptionPolicy", description="Whether its Pods push others out."),
    )
    generation_fields: ClassVar[tuple[str, ...]] = ("value",)
    returns_deleted: ClassVar[bool] = True

    def set_defaults(self, obj: PriorityClass) -> None:
        if obj.preemptionPolicy is None:
            obj.preemptionPolicy = "PreemptLowerPriority"

    def count_generation(self, obj: PriorityClass, old: PriorityClass) -> None:
        """Nothing that matters can change."""
        obj.metadata.generation = old.metadata.generation

    def validate_spec(self, obj: PriorityClass, errors: Errors) -> None:
        name, value = obj.metadata.name or "", obj.value
        if name.startswith("system-"):
            why = ""
            if name not in SYSTEM:
                why = f"{name} is not a known system priority class"
            elif SYSTEM[name] != value:
                why = f"value of {name} PriorityClass must be {SYSTEM[name]}"
            elif obj.globalDefault:
                why = f"globalDefault of {name} PriorityClass must be false"
            if why:
                detail = "priority class names with 'system-' prefix are reserved for system use only. error: "
                errors.forbidden("metadata.name", detail + why)
        elif value > HIGHEST_OF_USERS:
            detail = f"maximum allowed value of a user defined priority is {HIGHEST_OF_USERS}"
            errors.forbidden("value", detail)
        if obj.preemptionPolicy is not None and obj.preemptionPolicy not in _POLICIES:
            errors.unsupported("preemptionPolicy", obj.preemptionPolicy, _POLICIES)

    def validate_update(self, obj: PriorityClass, old: PriorityClass) -> Errors:
        errors = meta.validate_object_meta_update(obj.metadata, old.metadata)
        if obj.value != old.value:
            errors.forbidden("value", "may not be changed in an update.")
        if obj.preemptionPolicy != old.preemptionPolicy:
            errors.invalid("preemptionPolicy", obj.preemptionPolicy, meta.IMMUTABLE)
        return errors

    def cells(self, obj: PriorityClass, now: datetime) -> list[Any]:
        policy = obj.preemptionPolicy or ""
        return [obj.metadata.name or "", obj.value, bool(obj.globalDefault), age_of(obj, now), policy]
