"""Label selectors in objects: their rules, what they match, how they are printed."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from sampan.api import names
from sampan.apiserver.registry.field import Errors
from sampan.apiserver.registry.meta import validate_labels

if TYPE_CHECKING:
    from sampan.api.types.meta_v1 import LabelSelector, LabelSelectorRequirement


def validate_label_key(key: str, path: str, errors: Errors) -> None:
    errors.each(path, key, names.label_key(key))


def validate_selector(selector: LabelSelector | None, path: str, errors: Errors) -> None:
    if selector is None:
        return
    if selector.matchLabels:
        validate_labels(selector.matchLabels, f"{path}.matchLabels", errors)
    for index, requirement in enumerate(selector.matchExpressions or ()):
        _requirement(requirement, f"{path}.matchExpressions[{index}]", errors)


def _requirement(requirement: LabelSelectorRequirement, path: str, errors: Errors) -> None:
    if requirement.operator in ("In", "NotIn"):
        if not requirement.values:
            errors.required(f"{path}.values", "must be specified when `operator` is 'In' or 'NotIn'")
    elif requirement.operator in ("Exists", "DoesNotExist"):
        if requirement.values:
            errors.forbidden(f"{path}.values", "may not be specified when `operator` is 'Exists' or 'DoesNotExist'")
    else:
        errors.invalid(f"{path}.operator", requirement.operator, "not a valid selector operator")
    validate_label_key(requirement.key, f"{path}.key", errors)
    for index, value in enumerate(requirement.values or ()):
        errors.each(f"{path}.values[{index}]", value, names.label_value(value))


def is_valid(selector: LabelSelector | None) -> bool:
    errors = Errors()
    validate_selector(selector, "", errors)
    return not errors


def is_empty(selector: LabelSelector) -> bool:
    return not selector.matchLabels and not selector.matchExpressions


def matches(selector: LabelSelector, labels: dict[str, str] | None) -> bool:
    """Whether a (valid) selector matches; an empty one matches all."""
    labels = labels or {}
    for key, value in (selector.matchLabels or {}).items():
        if labels.get(key) != value:
            return False
    for requirement in selector.matchExpressions or ():
        has = requirement.key in labels
        match requirement.operator:
            case "In":
                if not has or labels[requirement.key] not in (requirement.values or ()):
                    return False
            case "NotIn":
                if has and labels[requirement.key] in (requirement.values or ()):
                    return False
            case "Exists":
                if not has:
                    return False
            case "DoesNotExist":
                if has:
                    return False
    return True


def format_labels(labels: dict[str, str] | None) -> str:
    """`a=b,c=d`, or `<none>`."""
    if not labels:
        return "<none>"
    return ",".join(f"{k}={labels[k]}" for k in sorted(labels))


def _set(values: Sequence[str] | None) -> str:
    return f"({','.join(sorted(values or ()))})"


def format_selector(selector: LabelSelector | None) -> str:
    """As tables print it: `a=b,c in (d,e),!f`; `<none>` for nothing."""
    if selector is None:
        return "<none>"
    parts = [(key, f"{key}={value}") for key, value in (selector.matchLabels or {}).items()]
    for requirement in selector.matchExpressions or ():
        key = requirement.key
        match requirement.operator:
            case "In":
                parts.append((key, f"{key} in {_set(requirement.values)}"))
            case "NotIn":
                parts.append((key, f"{key} notin {_set(requirement.values)}"))
            case "Exists":
                parts.append((key, key))
            case "DoesNotExist":
                parts.append((key, f"!{key}"))
            case _:
                return "<error>"
    return ",".join(text for _, text in sorted(parts, key=lambda p: p[0])) or "<none>"
