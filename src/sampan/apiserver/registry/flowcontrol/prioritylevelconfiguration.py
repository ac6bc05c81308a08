"""PriorityLevelConfigurations: how much of the server one kind of request may use."""

from __future__ import annotations

from datetime import datetime
from typing import Any, ClassVar

from sampan.api.types.flowcontrol_v1 import (
    ExemptPriorityLevelConfiguration,
    LimitedPriorityLevelConfiguration,
    PriorityLevelConfiguration,
)
from sampan.apiserver.registry.field import Errors
from sampan.apiserver.registry.printing import age_of
from sampan.apiserver.registry.strategy import AGE, NAME, Column, Strategy

_TYPES = ("Exempt", "Limited")
_RESPONSES = ("Queue", "Reject")
_MAX_QUEUES = 10_000_000


class PriorityLevelConfigurationStrategy(Strategy):
    columns: ClassVar[tuple[Column, ...]] = (
        NAME,
        Column("Type", description="Limited or exempt."),
        Column("NominalConcurrencyShares", description="Its share of the server."),
        Column("Queues", description="How many queues it has."),
        Column("HandSize", description="How many queues a flow can use."),
        Column("QueueLengthLimit", description="How many requests a queue holds."),
        AGE,
    )
    generation_fields: ClassVar[tuple[str, ...]] = ("spec",)
    reset_fields: ClassVar[tuple[str, ...]] = ("status",)
    status_reset_fields: ClassVar[tuple[str, ...]] = ("spec",)

    def set_defaults(self, obj: PriorityLevelConfiguration) -> None:
        spec = obj.spec
        if spec.type == "Exempt":
            if spec.exempt is None:
                spec.exempt = ExemptPriorityLevelConfiguration()
            if spec.exempt.nominalConcurrencyShares is None:
                spec.exempt.nominalConcurrencyShares = 0
            if spec.exempt.lendablePercent is None:
                spec.exempt.lendablePercent = 0
        limited = spec.limited
        if limited is not None:
            if limited.nominalConcurrencyShares is None:
                limited.nominalConcurrencyShares = 30
            if limited.lendablePercent is None:
                limited.lendablePercent = 0
            queuing = limited.limitResponse.queuing
            if queuing is not None:
                queuing.handSize = queuing.handSize or 8
                queuing.queues = queuing.queues or 64
                queuing.queueLengthLimit = queuing.queueLengthLimit or 50

    def validate_spec(self, obj: PriorityLevelConfiguration, errors: Errors) -> None:
        spec = obj.spec
        if (obj.metadata.name == "exempt") != (spec.type == "Exempt"):
            errors.invalid("spec.type", spec.type, "type must be 'Exempt' if and only if name is 'exempt'")
        if spec.type == "Exempt":
            if spec.limited is not None:
                errors.forbidden("spec.limited", "must be nil if the type is not Limited")
        elif spec.type == "Limited":
            if spec.exempt is not None:
                errors.forbidden("spec.exempt", "must be nil if the type is Limited")
            if spec.limited is None:
                errors.required("spec.limited", "must not be empty when type is Limited")
            else:
                _limited(spec.limited, errors)
        else:
            errors.unsupported("spec.type", spec.type, _TYPES)

    def cells(self, obj: PriorityLevelConfiguration, now: datetime) -> list[Any]:
        spec = obj.spec
        shares: Any = "<none>"
        queues: Any = "<none>"
        hand: Any = "<none>"
        length: Any = "<none>"
        if spec.limited is not None:
            shares = spec.limited.nominalConcurrencyShares or 0
            queuing = spec.limited.limitResponse.queuing
            if queuing is not None:
                queues, hand, length = queuing.queues or 0, queuing.handSize or 0, queuing.queueLengthLimit or 0
        return [obj.metadata.name or "", spec.type, shares, queues, hand, length, age_of(obj, now)]


def _limited(limited: LimitedPriorityLevelConfiguration, errors: Errors) -> None:
    path = "spec.limited"
    if (limited.nominalConcurrencyShares or 0) < 0:
        where = f"{path}.nominalConcurrencyShares"
        errors.invalid(where, limited.nominalConcurrencyShares, "must be a non-negative integer")
    if limited.lendablePercent is not None and not 0 <= limited.lendablePercent <= 100:
        errors.invalid(f"{path}.lendablePercent", limited.lendablePercent, "must be between 0 and 100, inclusive")
    if limited.borrowingLimitPercent is not None and limited.borrowingLimitPercent < 0:
        detail = "if specified, must be a non-negative integer"
        errors.invalid(f"{path}.borrowingLimitPercent", limited.borrowingLimitPercent, detail)
    response, here = limited.limitResponse, f"{path}.limitResponse"
    if response.type == "Reject":
        if response.queuing is not None:
            errors.forbidden(f"{here}.queuing", "must be nil if limited.limitResponse.type is not Limited")
    elif response.type == "Queue":
        queuing = response.queuing
        if queuing is None:
            errors.required(f"{here}.queuing", "must not be empty if limited.limitResponse.type is Limited")
            return
        for wire in ("queueLengthLimit", "queues", "handSize"):
            value = getattr(queuing, wire) or 0
            if value <= 0:
                errors.invalid(f"{here}.queuing.{wire}", value, "must be positive")
        if (queuing.queues or 0) > _MAX_QUEUES:
            detail = f"must not be greater than {_MAX_QUEUES}"
            errors.invalid(f"{here}.queuing.queues", queuing.queues, detail)
        if (queuing.handSize or 0) > (queuing.queues or 0):
            detail = f"should not be greater than queues ({queuing.queues})"
            errors.invalid(f"{here}.queuing.handSize", queuing.handSize, detail)
    else:
        errors.unsupported(f"{here}.type", response.type, _RESPONSES)
