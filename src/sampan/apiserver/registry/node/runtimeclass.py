"""RuntimeClasses: which runtime runs a Pod's containers."""

from __future__ import annotations

from datetime import datetime
from typing import Any, ClassVar

from sampan.api import names
from sampan.api.types.core_v1 import ResourceRequirements
from sampan.api.types.node_v1 import RuntimeClass
from sampan.apiserver.registry import meta, resource_names
from sampan.apiserver.registry.field import Errors
from sampan.apiserver.registry.meta import validate_labels
from sampan.apiserver.registry.podspec.resources import validate_requirements
from sampan.apiserver.registry.podspec.scheduling import validate_tolerations
from sampan.apiserver.registry.podspec.warnings import OLD_NODE_LABELS
from sampan.apiserver.registry.printing import age_of
from sampan.apiserver.registry.strategy import AGE, NAME, Column, Strategy, WriteContext


class RuntimeClassStrategy(Strategy):
    columns: ClassVar[tuple[Column, ...]] = (
        NAME,
        Column("Handler", description="The runtime's name on the node."),
        AGE,
    )
    allow_unconditional_update: ClassVar[bool] = False
    returns_deleted: ClassVar[bool] = True

    def set_defaults(self, obj: RuntimeClass) -> None:
        if obj.overhead is not None:
            resource_names.canonicalize(obj.overhead.podFixed)

    def prepare_for_create(self, obj: RuntimeClass, context: WriteContext) -> None:
        """No status, no generation."""

    def validate_spec(self, obj: RuntimeClass, errors: Errors) -> None:
        errors.each("handler", obj.handler, names.dns1123_label(obj.handler))
        if obj.overhead is not None and obj.overhead.podFixed:
            validate_requirements(ResourceRequirements(limits=obj.overhead.podFixed), "overhead.podFixed", errors)
        if obj.scheduling is not None:
            if obj.scheduling.nodeSelector:
                validate_labels(obj.scheduling.nodeSelector, "scheduling.nodeSelector", errors)
            if obj.scheduling.tolerations:
                validate_tolerations(obj.scheduling.tolerations, "scheduling.tolerations", errors)

    def validate_update(self, obj: RuntimeClass, old: RuntimeClass) -> Errors:
        errors = meta.validate_object_meta_update(obj.metadata, old.metadata)
        if obj.handler != old.handler:
            errors.invalid("handler", obj.handler, meta.IMMUTABLE)
        return errors

    def warnings(self, obj: RuntimeClass, old: RuntimeClass | None) -> list[str]:
        wanted = (obj.scheduling.nodeSelector if obj.scheduling is not None else None) or {}
        return [f"scheduling.nodeSelector: {OLD_NODE_LABELS[key]}" for key in wanted if key in OLD_NODE_LABELS]

    def cells(self, obj: RuntimeClass, now: datetime) -> list[Any]:
        return [obj.metadata.name or "", obj.handler, age_of(obj, now)]
