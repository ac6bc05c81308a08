"""FlowSchemas: which requests belong together, and how important they are."""

from __future__ import annotations

from datetime import datetime
from typing import Any, ClassVar

from sampan.api import names
from sampan.api.types.flowcontrol_v1 import FlowSchema, PolicyRulesWithSubjects, Subject
from sampan.apiserver.registry.field import Errors
from sampan.apiserver.registry.podspec.goform import form
from sampan.apiserver.registry.printing import age_of
from sampan.apiserver.registry.strategy import AGE, NAME, Column, Strategy

DEFAULT_PRECEDENCE = 1000
MAX_PRECEDENCE = 10000
_METHODS = ("ByNamespace", "ByUser")
_KINDS = ("Group", "ServiceAccount", "User")
_VERBS = ("create", "delete", "deletecollection", "get", "list", "patch", "proxy", "update", "watch")


class FlowSchemaStrategy(Strategy):
    columns: ClassVar[tuple[Column, ...]] = (
        NAME,
        Column("PriorityLevel", description="The priority level of its requests."),
        Column("MatchingPrecedence", description="The lower, the earlier it is tried."),
        Column("DistinguisherMethod", description="How its flows are told apart."),
        AGE,
        Column("MissingPL", description="Whether its priority level is missing."),
    )
    generation_fields: ClassVar[tuple[str, ...]] = ("spec",)
    reset_fields: ClassVar[tuple[str, ...]] = ("status",)
    status_reset_fields: ClassVar[tuple[str, ...]] = ("spec",)

    def set_defaults(self, obj: FlowSchema) -> None:
        if not obj.spec.matchingPrecedence:
            obj.spec.matchingPrecedence = DEFAULT_PRECEDENCE

    def validate_spec(self, obj: FlowSchema, errors: Errors) -> None:
        spec = obj.spec
        precedence = spec.matchingPrecedence or 0
        if precedence <= 0:
            errors.invalid("spec.matchingPrecedence", precedence, "must be a positive value")
        if precedence > MAX_PRECEDENCE:
            detail = f"must not be greater than {MAX_PRECEDENCE}"
            errors.invalid("spec.matchingPrecedence", precedence, detail)
        if precedence == 1 and obj.metadata.name != "exempt":
            errors.invalid("spec.matchingPrecedence", 1, "only the schema named 'exempt' may have matchingPrecedence 1")
        if spec.distinguisherMethod is not None and spec.distinguisherMethod.type not in _METHODS:
            errors.unsupported("spec.distinguisherMethod", form(spec.distinguisherMethod, "Method"), _METHODS)
        name = spec.priorityLevelConfiguration.name
        if not name:
            errors.required("spec.priorityLevelConfiguration.name", "must reference a priority level")
        else:
            errors.each("spec.priorityLevelConfiguration.name", name, names.dns1123_subdomain(name))
        for index, rule in enumerate(spec.rules or ()):
            _rule(rule, f"spec.rules[{index}]", errors)

    def cells(self, obj: FlowSchema, now: datetime) -> list[Any]:
        spec = obj.spec
        dangling = next((c.status for c in obj.status.conditions or () if c.type == "Dangling"), None)
        return [
            obj.metadata.name or "",
            spec.priorityLevelConfiguration.name,
            spec.matchingPrecedence or 0,
            spec.distinguisherMethod.type if spec.distinguisherMethod is not None else "<none>",
            age_of(obj, now),
            dangling or "?",
        ]


def _rule(rule: PolicyRulesWithSubjects, path: str, errors: Errors) -> None:
    if not rule.subjects:
        errors.required(f"{path}.subjects", "subjects must contain at least one value")
    for index, subject in enumerate(rule.subjects or ()):
        _subject(subject, f"{path}.subjects[{index}]", errors)
    if not rule.resourceRules and not rule.nonResourceRules:
        errors.required(path, "at least one of resourceRules and nonResourceRules has to be non-empty")
    for index, resource in enumerate(rule.resourceRules or ()):
        here = f"{path}.resourceRules[{index}]"
        _verbs(resource.verbs, f"{here}.verbs", errors)
        if not resource.apiGroups:
            errors.required(f"{here}.apiGroups", "resource rules must supply at least one api group")
        if not resource.resources:
            errors.required(f"{here}.resources", "resource rules must supply at least one resource")
        if not resource.namespaces and not resource.clusterScope:
            detail = "resource rules that are not cluster scoped must supply at least one namespace"
            errors.required(f"{here}.namespaces", detail)
    for index, other in enumerate(rule.nonResourceRules or ()):
        here = f"{path}.nonResourceRules[{index}]"
        _verbs(other.verbs, f"{here}.verbs", errors)
        if not other.nonResourceURLs:
            errors.required(f"{here}.nonResourceURLs", "nonResourceURLs must contain at least one value")


def _verbs(verbs: list[str], path: str, errors: Errors) -> None:
    if not verbs:
        errors.required(path, "verbs must contain at least one value")
    elif "*" in verbs:
        if len(verbs) > 1:
            errors.invalid(path, verbs, "if '*' is present, must not specify other verbs")
    elif not set(verbs) <= set(_VERBS):
        errors.unsupported(path, verbs, _VERBS)


def _subject(subject: Subject, path: str, errors: Errors) -> None:
    if subject.kind not in _KINDS:
        errors.unsupported(f"{path}.kind", subject.kind, _KINDS)
        return
    wire = {"Group": "group", "ServiceAccount": "serviceAccount", "User": "user"}[subject.kind]
    own = getattr(subject, wire)
    if own is None:
        article = f"{wire} is required when subject kind is '{subject.kind}'"
        errors.required(f"{path}.{wire}", article)
    elif not own.name:
        errors.required(f"{path}.{wire}.name")
    for other in {"group", "serviceAccount", "user"} - {wire}:
        if getattr(subject, other) is not None:
            kind = {"group": "Group", "serviceAccount": "ServiceAccount", "user": "User"}[other]
            errors.forbidden(f"{path}.{other}", f"{other} is forbidden when subject kind is not '{kind}'")
