"""ResourceQuotas: how much a namespace may use in all."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any, ClassVar

from sampan.api import quantity
from sampan.api.types.core_v1 import ResourceQuota, ResourceQuotaSpec
from sampan.apiserver.registry import meta, resource_names
from sampan.apiserver.registry.field import Errors
from sampan.apiserver.registry.printing import age_of
from sampan.apiserver.registry.strategy import AGE, NAME, Column, Strategy, WriteContext

_SCOPES = frozenset((
    "Terminating", "NotTerminating", "BestEffort", "NotBestEffort", "PriorityClass", "CrossNamespacePodAffinity",
    "VolumeAttributesClass",
))  # fmt: skip
_EXISTS_ONLY = frozenset(("Terminating", "NotTerminating", "BestEffort", "NotBestEffort", "CrossNamespacePodAffinity"))
_COMPUTE = frozenset((
    "pods", "cpu", "memory", "requests.cpu", "requests.memory", "limits.cpu", "limits.memory", "ephemeral-storage",
    "requests.ephemeral-storage", "limits.ephemeral-storage",
))  # fmt: skip
_CONFLICTS = (("BestEffort", "NotBestEffort"), ("Terminating", "NotTerminating"))


class ResourceQuotaStrategy(Strategy):
    columns: ClassVar[tuple[Column, ...]] = (
        NAME,
        Column("Request", description="Used of requests and counts, of how much."),
        Column("Limit", description="Used of limits, of how much."),
        AGE,
    )
    reset_fields: ClassVar[tuple[str, ...]] = ("status",)
    status_reset_fields: ClassVar[tuple[str, ...]] = ("spec",)
    returns_deleted: ClassVar[bool] = True

    def set_defaults(self, obj: ResourceQuota) -> None:
        resource_names.canonicalize(obj.spec.hard)
        resource_names.canonicalize(obj.status.hard)
        resource_names.canonicalize(obj.status.used)

    def prepare_for_create(self, obj: ResourceQuota, context: WriteContext) -> None:
        obj.status = type(obj.status)()

    def validate_spec(self, obj: ResourceQuota, errors: Errors) -> None:
        _amounts(obj.spec.hard, "spec.hard", errors)
        if obj.spec.scopes:
            _scopes(obj.spec, errors)
        if obj.spec.scopeSelector is not None:
            _selector(obj.spec, errors)

    def validate_change(self, obj: ResourceQuota, old: ResourceQuota, errors: Errors) -> None:
        if set(obj.spec.scopes or ()) != set(old.spec.scopes or ()):
            errors.invalid("spec.scopes", obj.spec.scopes, meta.IMMUTABLE)

    def validate_status(self, obj: ResourceQuota, old: ResourceQuota, errors: Errors) -> None:
        _amounts(obj.status.hard, "status.hard", errors)
        _amounts(obj.status.used, "status.used", errors)

    def cells(self, obj: ResourceQuota, now: datetime) -> list[Any]:
        requests: list[str] = []
        limits: list[str] = []
        for name in sorted(obj.status.hard or ()):
            used = quantity.canonical((obj.status.used or {}).get(name, "0"))
            text = f"{name}: {used}/{quantity.canonical((obj.status.hard or {})[name])}"
            (limits if name.startswith("limits") else requests).append(text)
        return [obj.metadata.name or "", ", ".join(requests), ", ".join(limits), age_of(obj, now)]


def _amounts(amounts: dict[str, str | int | float] | None, path: str, errors: Errors) -> None:
    for name, amount in (amounts or {}).items():
        resource_names.validate_quota_name(name, f"{path}[{name}]", errors)
        resource_names.validate_amount(name, amount, f"{path}[{name}]", errors)


def _fits(scope: str, resource: str) -> bool:
    """Whether a scope makes sense for a resource."""
    if scope in ("Terminating", "NotTerminating", "NotBestEffort", "PriorityClass", "CrossNamespacePodAffinity"):
        return resource in _COMPUTE
    if scope == "BestEffort":
        return resource == "pods"
    if scope == "VolumeAttributesClass":
        return resource in ("persistentvolumeclaims", "requests.storage")
    return True


def _scopes(spec: ResourceQuotaSpec, errors: Errors) -> None:
    path = "spec.scopes"
    scopes = spec.scopes or []
    for scope in scopes:
        if scope not in _SCOPES:
            errors.invalid(path, scopes, "unsupported scope")
        for name in sorted(spec.hard or ()):
            if resource_names.is_standard_quota(name) and not _fits(scope, name):
                errors.invalid(path, scopes, "unsupported scope applied to resource")
    _conflicts(scopes, path, scopes, errors)


def _conflicts(found: Sequence[str], path: str, shown: Any, errors: Errors) -> None:
    for pair in _CONFLICTS:
        if set(pair) <= set(found):
            errors.invalid(path, shown, "conflicting scopes")


def _selector(spec: ResourceQuotaSpec, errors: Errors) -> None:
    path = "spec.scopeSelector.matchExpressions"
    selector = spec.scopeSelector
    assert selector is not None
    found = []
    for requirement in selector.matchExpressions or ():
        scope = requirement.scopeName
        if scope not in _SCOPES:
            errors.invalid(f"{path}.scopeName", scope, "unsupported scope")
        for name in sorted(spec.hard or ()):
            if resource_names.is_standard_quota(name) and not _fits(scope, name):
                errors.invalid(path, selector, "unsupported scope applied to resource")
        if scope in _EXISTS_ONLY and requirement.operator != "Exists":
            detail = (
                "must be 'Exists' when scope is any of ResourceQuotaScopeTerminating, "
                "ResourceQuotaScopeNotTerminating, ResourceQuotaScopeBestEffort, ResourceQuotaScopeNotBestEffort or "
                "ResourceQuotaScopeCrossNamespacePodAffinity"
            )
            errors.invalid(f"{path}.operator", requirement.operator, detail)
        if requirement.operator in ("In", "NotIn"):
            if not requirement.values:
                detail = "must be at least one value when `operator` is 'In' or 'NotIn' for scope selector"
                errors.required(f"{path}.values", detail)
        elif requirement.operator in ("Exists", "DoesNotExist"):
            if requirement.values:
                detail = "must be no value when `operator` is 'Exist' or 'DoesNotExist' for scope selector"
                errors.invalid(f"{path}.values", requirement.values, detail)
        else:
            errors.invalid(f"{path}.operator", requirement.operator, "not a valid selector operator")
        found.append(scope)
    _conflicts(found, path, spec.scopes, errors)
