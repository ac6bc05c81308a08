"""IngressClasses: which controller looks after which Ingresses."""

from __future__ import annotations

from datetime import datetime
from typing import Any, ClassVar

from sampan.api import names
from sampan.api.types.networking_v1 import IngressClass
from sampan.apiserver.registry import meta
from sampan.apiserver.registry.field import Errors
from sampan.apiserver.registry.printing import age_of
from sampan.apiserver.registry.strategy import AGE, NAME, Column, Strategy

_SCOPES = ("Cluster", "Namespace")
_MAX_CONTROLLER = 250


class IngressClassStrategy(Strategy):
    columns: ClassVar[tuple[Column, ...]] = (
        NAME,
        Column("Controller", description="The controller's name."),
        Column("Parameters", description="Where its parameters are."),
        AGE,
    )
    generation_fields: ClassVar[tuple[str, ...]] = ("spec",)

    def set_defaults(self, obj: IngressClass) -> None:
        parameters = obj.spec.parameters
        if parameters is not None and parameters.scope is None:
            parameters.scope = "Cluster"

    def validate_spec(self, obj: IngressClass, errors: Errors) -> None:
        spec = obj.spec
        controller = spec.controller or ""
        if len(controller) > _MAX_CONTROLLER:
            errors.too_long("spec.controller", _MAX_CONTROLLER)
        errors.each("spec.controller", controller, names.domain_prefixed_path(controller))
        parameters, path = spec.parameters, "spec.parameters"
        if parameters is None:
            return
        if parameters.apiGroup is not None:
            errors.each(f"{path}.apiGroup", parameters.apiGroup, names.dns1123_subdomain(parameters.apiGroup))
        for wire in ("kind", "name"):
            value = getattr(parameters, wire)
            if not value:
                errors.required(f"{path}.{wire}")
            else:
                errors.each(f"{path}.{wire}", value, meta.path_name(value, False))
        if not parameters.scope:
            errors.required(f"{path}.scope")
        elif parameters.scope not in _SCOPES:
            errors.unsupported(f"{path}.scope", parameters.scope, _SCOPES)
        if parameters.scope == "Namespace":
            if not parameters.namespace:
                errors.required(f"{path}.namespace", "`parameters.scope` is set to 'Namespace'")
            else:
                errors.each(f"{path}.namespace", parameters.namespace, names.dns1123_label(parameters.namespace))
        if parameters.scope == "Cluster" and parameters.namespace is not None:
            errors.forbidden(f"{path}.namespace", "`parameters.scope` is set to 'Cluster'")

    def validate_change(self, obj: IngressClass, old: IngressClass, errors: Errors) -> None:
        if obj.spec.controller != old.spec.controller:
            errors.invalid("spec.controller", obj.spec.controller or "", meta.IMMUTABLE)

    def cells(self, obj: IngressClass, now: datetime) -> list[Any]:
        parameters = obj.spec.parameters
        text = "<none>"
        if parameters is not None:
            text = parameters.kind
            if parameters.apiGroup:
                text += f".{parameters.apiGroup}"
            text += f"/{parameters.name}"
        return [obj.metadata.name or "", obj.spec.controller or "", text, age_of(obj, now)]
