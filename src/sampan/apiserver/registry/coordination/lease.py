"""Leases: who holds something, and until when."""

from __future__ import annotations

from datetime import datetime
from typing import Any, ClassVar

from sampan.api.types.coordination_v1 import Lease
from sampan.apiserver.registry.field import Errors
from sampan.apiserver.registry.printing import age_of
from sampan.apiserver.registry.resource_names import NEGATIVE
from sampan.apiserver.registry.strategy import AGE, NAME, Column, Strategy, WriteContext

_STRATEGIES = ("OldestEmulationVersion",)


class LeaseStrategy(Strategy):
    columns: ClassVar[tuple[Column, ...]] = (NAME, Column("Holder", description="Who holds it."), AGE)
    allow_create_on_update: ClassVar[bool] = True
    allow_unconditional_update: ClassVar[bool] = False

    def prepare_for_create(self, obj: Lease, context: WriteContext) -> None:
        """No status, no generation."""

    def validate_spec(self, obj: Lease, errors: Errors) -> None:
        spec = obj.spec
        if spec.leaseDurationSeconds is not None and spec.leaseDurationSeconds <= 0:
            errors.invalid("spec.leaseDurationSeconds", spec.leaseDurationSeconds, "must be greater than 0")
        if spec.leaseTransitions is not None and spec.leaseTransitions < 0:
            errors.invalid("spec.leaseTransitions", spec.leaseTransitions, NEGATIVE)
        if spec.strategy is not None and "/" not in spec.strategy and spec.strategy not in _STRATEGIES:
            errors.unsupported("spec.strategy", spec.strategy, _STRATEGIES)
        if spec.preferredHolder and not spec.strategy:
            detail = "may only be specified when `strategy` is defined"
            errors.forbidden("spec.preferredHolder", detail)

    def cells(self, obj: Lease, now: datetime) -> list[Any]:
        return [obj.metadata.name or "", obj.spec.holderIdentity or "", age_of(obj, now)]
