"""RBAC rules and what they match. Pure."""

from collections.abc import Collection, Iterable

from sampan.api.types import rbac_v1
from sampan.apiserver.contracts import Attributes


def concerns(rule: rbac_v1.PolicyRule, attributes: Attributes) -> bool:
    """Whether it allows this: for the objects that it names, or for all when it names none (`names_of`)."""
    if not _has(rule.verbs, attributes.verb):
        return False
    if not attributes.is_resource:
        return any(_path_matches(pattern, attributes.path) for pattern in rule.nonResourceURLs or ())
    if not _has(rule.apiGroups or (), attributes.group):
        return False
    return _resource_matches(rule.resources or (), attributes.resource, attributes.subresource)


def names_of(rule: rbac_v1.PolicyRule, attributes: Attributes) -> Collection[str]:
    return rule.resourceNames or () if attributes.is_resource else ()


def _has(listed: Iterable[str], value: str) -> bool:
    return any(item in ("*", value) for item in listed)


def _resource_matches(listed: Iterable[str], resource: str, subresource: str) -> bool:
    combined = f"{resource}/{subresource}" if subresource else resource
    for item in listed:
        if item in ("*", combined):
            return True
        if subresource and item == f"*/{subresource}":
            return True
    return False


def _path_matches(pattern: str, path: str) -> bool:
    if pattern in ("*", path):
        return True
    return pattern.endswith("*") and path.startswith(pattern.rstrip("*"))
