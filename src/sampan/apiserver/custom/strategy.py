"""The strategy of one version of a custom resource: pruning, defaults, validation, status apart, scale, columns."""

from __future__ import annotations

import copy
import functools
from collections.abc import Callable
from datetime import datetime
from typing import Any

import msgspec

from sampan.api.errors import FieldError
from sampan.api.patch.shape import Shape, custom
from sampan.api.scheme import ResourceInfo, Subresource
from sampan.api.selectors import labels as label_selectors
from sampan.api.types import apiextensions_v1, autoscaling_v1, meta_v1
from sampan.apiserver.codec import CustomObject
from sampan.apiserver.custom.printing import cell, lookup
from sampan.apiserver.custom.pruning import default, prune, unknown_fields
from sampan.apiserver.custom.validation import validate
from sampan.apiserver.registry import meta
from sampan.apiserver.registry.field import Errors
from sampan.apiserver.registry.strategy import NAME, Column, Strategy, WriteContext

Definition = apiextensions_v1.CustomResourceDefinition
Version = apiextensions_v1.CustomResourceDefinitionVersion
# Violations after which rules could stumble over what they look at.
_BLOCKING = ("FieldValueRequired", "FieldValueTooLong", "FieldValueTooMany", "FieldValueTypeInvalid")
_UNCHECKED = (
    "some validation rules were not checked because the object was invalid; "
    "correct the existing errors to complete validation"
)
READ_WRITE = ("get", "patch", "update")


def resource_info(definition: Definition, version: Version) -> ResourceInfo:
    names = definition.status.acceptedNames
    parts = version.subresources
    subresources = []
    if parts is not None and parts.status is not None:
        subresources.append(Subresource(name="status", kind=names.kind, verbs=READ_WRITE))
    if parts is not None and parts.scale is not None:
        subresources.append(
            Subresource(name="scale", kind="Scale", verbs=READ_WRITE, group="autoscaling", version="v1")
        )
    return ResourceInfo(
        group=definition.spec.group,
        version=version.name,
        resource=names.plural,
        kind=names.kind,
        singular=names.singular or names.kind.lower(),
        namespaced=definition.spec.scope == "Namespaced",
        short_names=tuple(names.shortNames or ()),
        categories=tuple(names.categories or ()),
        subresources=tuple(subresources),
    )


class CustomStrategy(Strategy):
    generation_fields = ("*",)

    def __init__(self, info: ResourceInfo, definition: Definition, version: Version) -> None:
        super().__init__(info)
        schema = version.schema.openAPIV3Schema if version.schema is not None else None
        self.openapi_schema: dict[str, Any] = msgspec.to_builtins(schema) if schema is not None else {}
        if definition.spec.preserveUnknownFields:
            self.openapi_schema.setdefault("x-kubernetes-preserve-unknown-fields", True)
        self.shape: Shape = custom(self.openapi_schema)
        self._broken_rules = _rules_of(self.openapi_schema)
        self.has_status = info.subresource("status") is not None
        self._scale = version.subresources.scale if version.subresources is not None else None
        self._fields = {f.jsonPath.removeprefix("."): f.jsonPath for f in version.selectableFields or ()}
        self._warning = ""
        if version.deprecated:
            self._warning = version.deprecationWarning or f"{info.api_version} {info.kind} is deprecated"
        self._printed = list(version.additionalPrinterColumns or ())
        listed = [NAME]
        if not self._printed:
            self._printed = [
                apiextensions_v1.CustomResourceColumnDefinition(
                    name="Age", type="date", jsonPath=".metadata.creationTimestamp"
                )
            ]
        listed += [Column(c.name, c.type, c.format or "", c.description or "", c.priority or 0) for c in self._printed]
        self.own_columns = tuple(listed)

    @property
    def columns(self) -> tuple[Column, ...]:  # type: ignore[override]  # built-in kinds have theirs as a class variable
        return self.own_columns

    # --- writing ---

    def unknown_fields(self, plain: dict[str, Any]) -> list[str]:
        return unknown_fields(plain, self.openapi_schema)

    def default(self, obj: CustomObject) -> None:
        prune(obj.content, self.openapi_schema)
        default(obj.content, self.openapi_schema)

    def prepare_for_create(self, obj: CustomObject, context: WriteContext) -> None:
        del context
        if self.has_status:
            obj.content.pop("status", None)
        obj.metadata.generation = 1

    def prepare_for_update(self, obj: CustomObject, old: CustomObject) -> None:
        if self.has_status:
            _keep(obj.content, old.content, "status")
        self.count_generation(obj, old)

    def count_generation(self, obj: CustomObject, old: CustomObject) -> None:
        before = {k: v for k, v in old.content.items() if not (self.has_status and k == "status")}
        after = {k: v for k, v in obj.content.items() if not (self.has_status and k == "status")}
        obj.metadata.generation = (old.metadata.generation or 1) + (before != after)

    def prepare_for_status_update(self, obj: CustomObject, old: CustomObject) -> None:
        status = obj.content.get("status")
        obj.content = copy.deepcopy(old.content)
        if status is None:
            obj.content.pop("status", None)
        else:
            obj.content["status"] = status
        managed = obj.metadata.managedFields
        revision = obj.metadata.resourceVersion
        obj.metadata = msgspec.structs.replace(old.metadata, managedFields=managed, resourceVersion=revision)

    def validate(self, obj: CustomObject) -> Errors:
        errors = meta.validate_object_meta(
            obj.metadata, namespaced=self.info.namespaced, name_rule=self.validate_name, custom=True
        )
        errors += self._schema_errors(obj, None)
        return errors

    def validate_update(self, obj: CustomObject, old: CustomObject) -> Errors:
        errors = meta.validate_object_meta_update(obj.metadata, old.metadata, custom=True)
        errors += self._schema_errors(obj, old)
        return errors

    def validate_status_update(self, obj: CustomObject, old: CustomObject) -> Errors:
        return self.validate_update(obj, old)

    def _schema_errors(self, obj: CustomObject, old: CustomObject | None) -> list[FieldError]:
        if not self.openapi_schema:
            return []
        errors = (
            validate(obj.content, self.openapi_schema)
            if old is None
            else validate(obj.content, self.openapi_schema, old.content)
        )
        if self._broken_rules is None:
            return errors
        if any(e.reason in _BLOCKING for e in errors):
            return [*errors, FieldError("FieldValueInvalid", "<nil>", f"Invalid value: null: {_UNCHECKED}")]
        return errors + self._broken_rules(_whole(obj), _whole(old) if old is not None else None)

    def warnings(self, obj: Any, old: Any | None) -> list[str]:
        return [self._warning] if self._warning else []

    # --- reading ---

    def cells(self, obj: CustomObject, now: datetime) -> list[Any]:
        plain = {"metadata": msgspec.to_builtins(obj.metadata), **obj.content}
        return [obj.metadata.name or "", *(cell(plain, c.jsonPath, c.type, now) for c in self._printed)]

    def selectable_fields(self, obj: CustomObject) -> dict[str, str]:
        found = super().selectable_fields(obj)
        for label, path in self._fields.items():
            values = lookup(obj.content, path)
            found[label] = str(values[0]) if values else ""
        return found

    def supports_field(self, label: str) -> bool:
        return label in self._fields or super().supports_field(label)

    # --- scale ---

    def scale_of(self, obj: CustomObject) -> autoscaling_v1.Scale:
        assert self._scale is not None
        own = obj.metadata
        selector = lookup(obj.content, self._scale.labelSelectorPath) if self._scale.labelSelectorPath else []
        text = str(selector[0]) if selector else None
        if text:
            label_selectors.parse(text)
        return autoscaling_v1.Scale(
            metadata=meta_v1.ObjectMeta(
                name=own.name,
                namespace=own.namespace,
                uid=own.uid,
                resourceVersion=own.resourceVersion,
                creationTimestamp=own.creationTimestamp,
            ),
            spec=autoscaling_v1.ScaleSpec(replicas=_number(obj.content, self._scale.specReplicasPath)),
            status=autoscaling_v1.ScaleStatus(
                replicas=_number(obj.content, self._scale.statusReplicasPath) or 0, selector=text
            ),
        )

    def apply_scale(self, obj: CustomObject, scale: autoscaling_v1.Scale) -> None:
        assert self._scale is not None
        *parents, last = self._scale.specReplicasPath.removeprefix(".").split(".")
        at: dict[str, Any] = obj.content
        for name in parents:
            at = at.setdefault(name, {})
        at[last] = scale.spec.replicas or 0


def _rules_of(schema: dict[str, Any]) -> Callable[[Any, Any], list[FieldError]] | None:
    """Most schemas have no rules; the language of those that have takes a while to load."""
    if not _has_rules(schema):
        return None
    from sampan.apiserver.custom.rules import broken_rules, compile_rules

    rules = compile_rules(schema)
    return functools.partial(broken_rules, rules) if rules is not None else None


def _has_rules(schema: Any) -> bool:
    if isinstance(schema, dict):
        return "x-kubernetes-validations" in schema or any(map(_has_rules, schema.values()))
    return isinstance(schema, list) and any(map(_has_rules, schema))


def _whole(obj: CustomObject) -> dict[str, Any]:
    """What rules at the root may see."""
    metadata = {"name": obj.metadata.name or "", "generateName": obj.metadata.generateName or ""}
    named = {"apiVersion": obj.apiVersion, "kind": obj.kind, "metadata": {k: v for k, v in metadata.items() if v}}
    return {**obj.content, **named}


def _number(content: dict[str, Any], path: str) -> int | None:
    found = lookup(content, path)
    return int(found[0]) if found and isinstance(found[0], int | float) else None


def _keep(content: dict[str, Any], old: dict[str, Any], field: str) -> None:
    if field in old:
        content[field] = copy.deepcopy(old[field])
    else:
        content.pop(field, None)
