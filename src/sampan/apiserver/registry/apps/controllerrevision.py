"""ControllerRevisions: what a controller remembers of its past."""

from __future__ import annotations

from datetime import datetime
from typing import Any, ClassVar

from sampan.api.types.apps_v1 import ControllerRevision
from sampan.apiserver.registry import meta
from sampan.apiserver.registry.field import Errors
from sampan.apiserver.registry.printing import age_of
from sampan.apiserver.registry.resource_names import NEGATIVE
from sampan.apiserver.registry.strategy import AGE, NAME, Column, Strategy, WriteContext


class ControllerRevisionStrategy(Strategy):
    columns: ClassVar[tuple[Column, ...]] = (
        NAME,
        Column("Controller", description="Whose past it is."),
        Column("Revision", description="Its place in that past."),
        AGE,
    )

    def prepare_for_create(self, obj: ControllerRevision, context: WriteContext) -> None:
        """No status, no generation."""

    def validate_spec(self, obj: ControllerRevision, errors: Errors) -> None:
        if obj.revision < 0:
            errors.invalid("revision", obj.revision, NEGATIVE)
        if obj.data is None:
            errors.required("data", "data is mandatory")
        elif not isinstance(obj.data, dict):
            errors.invalid(
                "data",
                obj.data,
                "error parsing data as JSON: json: cannot unmarshal into Go value of type map[string]interface {}",
            )

    def validate_change(self, obj: ControllerRevision, old: ControllerRevision, errors: Errors) -> None:
        if obj.data != old.data:
            errors.invalid("data", obj.data, meta.IMMUTABLE)

    def cells(self, obj: ControllerRevision, now: datetime) -> list[Any]:
        owner = next((o for o in obj.metadata.ownerReferences or () if o.controller), None)
        text = "<none>"
        if owner is not None:
            group = owner.apiVersion.rpartition("/")[0]
            kind = owner.kind.lower()
            text = f"{kind}.{group}/{owner.name}" if group else f"{kind}/{owner.name}"
        return [obj.metadata.name or "", text, obj.revision, age_of(obj, now)]
