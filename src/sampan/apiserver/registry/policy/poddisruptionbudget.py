"""PodDisruptionBudgets: how many Pods may be missing when somebody tidies up."""

from __future__ import annotations

from datetime import datetime
from typing import Any, ClassVar

from sampan.api.types.policy_v1 import PodDisruptionBudget
from sampan.apiserver.registry import labels, scaling
from sampan.apiserver.registry.conditions import validate_conditions
from sampan.apiserver.registry.field import Errors
from sampan.apiserver.registry.intorpercent import at_most_all, validate_int_or_percent
from sampan.apiserver.registry.podspec.goform import form
from sampan.apiserver.registry.printing import age_of
from sampan.apiserver.registry.strategy import AGE, NAME, Column, Strategy

_UNHEALTHY = ("AlwaysAllow", "IfHealthyBudget")


class PodDisruptionBudgetStrategy(Strategy):
    columns: ClassVar[tuple[Column, ...]] = (
        NAME,
        Column("Min Available", description="Pods that must stay."),
        Column("Max Unavailable", description="Pods that may be missing."),
        Column("Allowed Disruptions", "integer", description="Pods that may be evicted now."),
        AGE,
    )
    allow_unconditional_update: ClassVar[bool] = False
    generation_fields: ClassVar[tuple[str, ...]] = ("spec",)
    reset_fields: ClassVar[tuple[str, ...]] = ("status",)
    status_reset_fields: ClassVar[tuple[str, ...]] = ("spec",)

    def validate_spec(self, obj: PodDisruptionBudget, errors: Errors) -> None:
        spec = obj.spec
        if spec.minAvailable is not None and spec.maxUnavailable is not None:
            detail = "minAvailable and maxUnavailable cannot be both set"
            errors.invalid("spec", form(spec, "DisruptionBudget"), detail)
        for wire in ("minAvailable", "maxUnavailable"):
            amount = getattr(spec, wire)
            if amount is not None:
                validate_int_or_percent(amount, f"spec.{wire}", errors)
                at_most_all(amount, f"spec.{wire}", errors)
        labels.validate_selector(spec.selector, "spec.selector", errors)
        policy = spec.unhealthyPodEvictionPolicy
        if policy is not None and policy not in _UNHEALTHY:
            errors.unsupported("spec.unhealthyPodEvictionPolicy", policy, _UNHEALTHY)

    def validate_status(self, obj: PodDisruptionBudget, old: PodDisruptionBudget, errors: Errors) -> None:
        validate_conditions(obj.status.conditions, "status.conditions", errors)
        counts = ("disruptionsAllowed", "currentHealthy", "desiredHealthy", "expectedPods")
        scaling.validate_counts(obj.status, counts, errors)

    def cells(self, obj: PodDisruptionBudget, now: datetime) -> list[Any]:
        spec = obj.spec
        return [
            obj.metadata.name or "",
            "N/A" if spec.minAvailable is None else str(spec.minAvailable),
            "N/A" if spec.maxUnavailable is None else str(spec.maxUnavailable),
            obj.status.disruptionsAllowed,
            age_of(obj, now),
        ]
