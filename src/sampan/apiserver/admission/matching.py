"""Which writes a webhook or a policy is asked about: its rules and selectors held against a write."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from sampan.api.selectors import labels as label_selectors
from sampan.api.types import core_v1
from sampan.apiserver.admission.plugin import Objects
from sampan.apiserver.contracts import AdmissionAttributes

# What guards the guards: neither policies nor webhooks are asked about these, lest nobody could repair them.
EXEMPT = frozenset(
    (
        "validatingwebhookconfigurations",
        "mutatingwebhookconfigurations",
        "validatingadmissionpolicies",
        "validatingadmissionpolicybindings",
        "mutatingadmissionpolicies",
        "mutatingadmissionpolicybindings",
    )
)


def is_exempt(attributes: AdmissionAttributes) -> bool:
    return attributes.info.group == "admissionregistration.k8s.io" and attributes.info.resource in EXEMPT


def rules_match(rules: Iterable[Any] | None, attributes: AdmissionAttributes, *, exact: bool) -> bool:
    """`exact`: a rule for another version of the resource does not speak of it."""
    return any(_rule_matches(rule, attributes, exact=exact) for rule in rules or ())


def _rule_matches(rule: Any, attributes: AdmissionAttributes, *, exact: bool) -> bool:
    info = attributes.info
    return (
        _listed(attributes.operation, rule.operations)
        and _listed(info.group, rule.apiGroups)
        and (_listed(info.version, rule.apiVersions) or not exact)
        and any(_resource_matches(wanted, attributes) for wanted in rule.resources or ())
        and _scope_matches(rule.scope or "*", attributes)
        and (not getattr(rule, "resourceNames", None) or attributes.name in rule.resourceNames)
    )


def _listed(value: str, wanted: Iterable[str] | None) -> bool:
    return any(w in ("*", value) for w in wanted or ())


def _resource_matches(wanted: str, attributes: AdmissionAttributes) -> bool:
    """`pods`, `pods/status`, `pods/*`, `*/scale`, `*` (no subresources), `*/*`."""
    resource, _, subresource = wanted.partition("/")
    return resource in ("*", attributes.info.resource) and (
        subresource == attributes.subresource or (subresource == "*" and "/" in wanted)
    )


def _scope_matches(scope: str, attributes: AdmissionAttributes) -> bool:
    if scope == "*":
        return True
    # A namespace counts as being of the cluster.
    namespaced = attributes.info.namespaced and not _is_namespace(attributes)
    return namespaced == (scope == "Namespaced")


def _is_namespace(attributes: AdmissionAttributes) -> bool:
    return attributes.info.resource == "namespaces" and not attributes.info.group


class Selectors:
    """Selectors of namespaces and of objects."""

    def __init__(self, namespaces: Objects[core_v1.Namespace]) -> None:
        self._namespaces = namespaces

    def namespace_of(self, attributes: AdmissionAttributes) -> core_v1.Namespace | None:
        if _is_namespace(attributes) or not attributes.namespace:
            return None
        return self._namespaces.get("", attributes.namespace)

    def match(self, attributes: AdmissionAttributes, namespace_selector: Any, object_selector: Any) -> bool:
        return self._in_namespace(attributes, namespace_selector) and _selects_object(attributes, object_selector)

    def _in_namespace(self, attributes: AdmissionAttributes, selector: Any) -> bool:
        if selector is None:
            return True
        wanted = label_selectors.from_label_selector(selector)
        if wanted.empty:
            return True
        if _is_namespace(attributes):
            obj = attributes.object if attributes.object is not None else attributes.old
            return wanted.matches(obj.metadata.labels if obj is not None else None)
        if not attributes.namespace:
            return True
        found = self._namespaces.get("", attributes.namespace)
        return found is not None and wanted.matches(found.metadata.labels)


def _selects_object(attributes: AdmissionAttributes, selector: Any) -> bool:
    """One of new and old is enough: nobody slips away by changing a label."""
    if selector is None:
        return True
    wanted = label_selectors.from_label_selector(selector)
    if wanted.empty:
        return True
    metas = [getattr(o, "metadata", None) for o in (attributes.object, attributes.old) if o is not None]
    return any(wanted.matches(m.labels) for m in metas if m is not None)
