"""APIServices: which group and version is served by whom."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime
from typing import Any, ClassVar

from sampan.api import names
from sampan.api.types.apiregistration_v1 import APIService
from sampan.apiserver.registry import meta
from sampan.apiserver.registry.field import Errors
from sampan.apiserver.registry.printing import age_of
from sampan.apiserver.registry.strategy import AGE, NAME, Column, Strategy, WriteContext

_MOST_GROUP, _MOST_VERSION = 20000, 1000


class APIServiceStrategy(Strategy):
    columns: ClassVar[tuple[Column, ...]] = (
        NAME,
        Column("Service", description="The Service behind which it is served; Local: by this server."),
        Column("Available", description="Whether it can be asked."),
        AGE,
    )
    reset_fields: ClassVar[tuple[str, ...]] = ("status",)
    status_reset_fields: ClassVar[tuple[str, ...]] = ("spec",)

    def set_defaults(self, obj: APIService) -> None:
        if obj.spec.service is not None and obj.spec.service.port is None:
            obj.spec.service.port = 443

    def prepare_for_create(self, obj: APIService, context: WriteContext) -> None:
        super().prepare_for_create(obj, context)
        obj.metadata.generation = None
        if obj.spec.service is None:
            from sampan.api.types.apiregistration_v1 import APIServiceCondition

            now = context.now.strftime("%Y-%m-%dT%H:%M:%SZ")
            obj.status.conditions = [
                APIServiceCondition(
                    type="Available",
                    status="True",
                    reason="Local",
                    message="Local APIServices are always available",
                    lastTransitionTime=now,
                )
            ]

    def validate_name(self, name: str, prefix: bool) -> Iterable[str]:
        return meta.path_name(name, prefix)

    def validate_spec(self, obj: APIService, errors: Errors) -> None:
        spec = obj.spec
        required = f"{spec.version or ''}.{spec.group or ''}"
        if obj.metadata.name != required:
            errors.invalid(
                "metadata.name", obj.metadata.name or "", f'must be `spec.version+"."+spec.group`: {required!r}'
            )
        if spec.group:
            errors.each("spec.group", spec.group, names.dns1123_subdomain(spec.group))
        elif spec.version != "v1":
            errors.required("spec.group", "only v1 may have an empty group and it better be legacy kube")
        errors.each("spec.version", spec.version or "", names.dns1035_label(spec.version or ""))
        if not 0 < spec.groupPriorityMinimum <= _MOST_GROUP:
            detail = f"must be positive and less than {_MOST_GROUP}"
            errors.invalid("spec.groupPriorityMinimum", spec.groupPriorityMinimum, detail)
        if not 0 < spec.versionPriority <= _MOST_VERSION:
            detail = f"must be positive and less than {_MOST_VERSION}"
            errors.invalid("spec.versionPriority", spec.versionPriority, detail)
        self._service(obj, errors)

    @staticmethod
    def _service(obj: APIService, errors: Errors) -> None:
        spec = obj.spec
        if spec.service is None:
            if spec.caBundle:
                shown = f"{len(spec.caBundle)} bytes"
                errors.invalid("spec.caBundle", shown, "local APIServices may not have a caBundle")
            if spec.insecureSkipTLSVerify:
                detail = "local APIServices may not have insecureSkipTLSVerify"
                errors.invalid("spec.insecureSkipTLSVerify", True, detail)
            return
        if not spec.service.namespace:
            errors.required("spec.service.namespace")
        if not spec.service.name:
            errors.required("spec.service.name")
        if not 1 <= (spec.service.port or 443) <= 65535:
            errors.invalid("spec.service.port", spec.service.port, "must be between 1 and 65535, inclusive")
        if spec.insecureSkipTLSVerify and spec.caBundle:
            errors.invalid("spec.insecureSkipTLSVerify", True, "may not be true if caBundle is present")

    def cells(self, obj: APIService, now: datetime) -> list[Any]:
        service = obj.spec.service
        said = f"{service.namespace}/{service.name}" if service is not None else "Local"
        available = next((c for c in obj.status.conditions or () if c.type == "Available"), None)
        state = "Unknown"
        if available is not None:
            state = "True" if available.status == "True" else f"{available.status} ({available.reason})"
        return [obj.metadata.name or "", said, state, age_of(obj, now)]
