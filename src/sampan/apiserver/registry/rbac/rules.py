"""The rules of rules and bindings, for namespaces and for the whole cluster."""

from __future__ import annotations

from collections.abc import Sequence

from sampan.api import names
from sampan.api.types.rbac_v1 import PolicyRule, RoleRef, Subject
from sampan.apiserver.registry.field import Errors
from sampan.apiserver.registry.meta import path_name

GROUP = "rbac.authorization.k8s.io"


def validate_rules(rules: Sequence[PolicyRule] | None, *, namespaced: bool, errors: Errors) -> None:
    for index, rule in enumerate(rules or ()):
        path = f"rules[{index}]"
        if not rule.verbs:
            errors.required(f"{path}.verbs", "verbs must contain at least one value")
        if rule.nonResourceURLs:
            where = f"{path}.nonResourceURLs"
            if namespaced:
                errors.invalid(where, rule.nonResourceURLs, "namespaced rules cannot apply to non-resource URLs")
            if rule.apiGroups or rule.resources or rule.resourceNames:
                detail = "rules cannot apply to both regular resources and non-resource URLs"
                errors.invalid(where, rule.nonResourceURLs, detail)
            continue
        if not rule.apiGroups:
            errors.required(f"{path}.apiGroups", "resource rules must supply at least one api group")
        if not rule.resources:
            errors.required(f"{path}.resources", "resource rules must supply at least one resource")


def default_subjects(subjects: Sequence[Subject] | None) -> None:
    for subject in subjects or ():
        if not subject.apiGroup and subject.kind in ("User", "Group"):
            subject.apiGroup = GROUP


def validate_binding(
    role: RoleRef, subjects: Sequence[Subject] | None, kinds: Sequence[str], *, namespaced: bool, errors: Errors
) -> None:
    if role.apiGroup != GROUP:
        errors.unsupported("roleRef.apiGroup", role.apiGroup, (GROUP,))
    if role.kind not in kinds:
        errors.unsupported("roleRef.kind", role.kind, kinds)
    if not role.name:
        errors.required("roleRef.name")
    else:
        errors.each("roleRef.name", role.name, path_name(role.name, False))
    for index, subject in enumerate(subjects or ()):
        _subject(subject, f"subjects[{index}]", namespaced=namespaced, errors=errors)


def _subject(subject: Subject, path: str, *, namespaced: bool, errors: Errors) -> None:
    if not subject.name:
        errors.required(f"{path}.name")
    group = subject.apiGroup or ""
    if subject.kind == "ServiceAccount":
        if subject.name:
            errors.each(f"{path}.name", subject.name, names.dns1123_subdomain(subject.name))
        if group:
            errors.unsupported(f"{path}.apiGroup", group, ("",))
        if not namespaced and not subject.namespace:
            errors.required(f"{path}.namespace")
    elif subject.kind in ("User", "Group"):
        if group != GROUP:
            errors.unsupported(f"{path}.apiGroup", group, (GROUP,))
    else:
        errors.unsupported(f"{path}.kind", subject.kind, ("ServiceAccount", "User", "Group"))
