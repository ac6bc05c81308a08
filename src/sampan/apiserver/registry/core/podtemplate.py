"""PodTemplates: a Pod to be, kept for whoever wants to make some."""

from __future__ import annotations

from datetime import datetime
from typing import Any, ClassVar

from sampan.api.types.core_v1 import PodTemplate
from sampan.apiserver.registry.field import Errors
from sampan.apiserver.registry.podspec.defaults import default_spec
from sampan.apiserver.registry.podspec.spec import validate_template
from sampan.apiserver.registry.podspec.warnings import template_warnings
from sampan.apiserver.registry.printing import containers, format_labels
from sampan.apiserver.registry.strategy import NAME, Column, Strategy


class PodTemplateStrategy(Strategy):
    columns: ClassVar[tuple[Column, ...]] = (
        NAME,
        Column("Containers", description="Names of its containers."),
        Column("Images", description="Images of its containers."),
        Column("Pod Labels", description="Labels that its Pods get."),
    )
    generation_fields: ClassVar[tuple[str, ...]] = ("template",)
    returns_deleted: ClassVar[bool] = True

    def set_defaults(self, obj: PodTemplate) -> None:
        default_spec(obj.template.spec)

    def validate_spec(self, obj: PodTemplate, errors: Errors) -> None:
        validate_template(obj.template, "template", errors)

    def warnings(self, obj: PodTemplate, old: PodTemplate | None) -> list[str]:
        return template_warnings(obj.template, "template", old.template if old is not None else None)

    def cells(self, obj: PodTemplate, now: datetime) -> list[Any]:
        called, images = containers(obj.template.spec)
        return [obj.metadata.name or "", called, images, format_labels(obj.template.metadata.labels)]
