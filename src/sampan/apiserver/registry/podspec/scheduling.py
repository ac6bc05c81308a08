"""Where a Pod may run: affinity, tolerations, topology spread, gates."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from sampan.api import names
from sampan.apiserver.registry.field import Errors
from sampan.apiserver.registry.labels import validate_label_key, validate_selector

if TYPE_CHECKING:
    from sampan.api.types.core_v1 import (
        Affinity,
        NodeSelector,
        NodeSelectorRequirement,
        NodeSelectorTerm,
        PodAffinity,
        PodAffinityTerm,
        PodAntiAffinity,
        PodSchedulingGate,
        Toleration,
        TopologySpreadConstraint,
    )
    from sampan.api.types.meta_v1 import LabelSelector

EFFECTS = ("NoSchedule", "PreferNoSchedule", "NoExecute")
_REQUIRED = "requiredDuringSchedulingIgnoredDuringExecution"
_PREFERRED = "preferredDuringSchedulingIgnoredDuringExecution"


def validate_effect(effect: str | None, path: str, errors: Errors) -> None:
    if effect not in EFFECTS:
        errors.unsupported(path, effect or "", EFFECTS)


def validate_tolerations(tolerations: Sequence[Toleration], path: str, errors: Errors) -> None:
    for index, toleration in enumerate(tolerations):
        key, operator, value, effect = toleration.key, toleration.operator, toleration.value, toleration.effect
        if operator == "Exists" and effect in EFFECTS[2:] and not value and key and not names.label_key(key):
            continue  # what admission adds to every Pod
        here = f"{path}[{index}]"
        if key:
            validate_label_key(key, f"{here}.key", errors)
        elif operator != "Exists":
            detail = 'operator must be Exists when `key` is empty, which means "match all values and all keys"'
            errors.invalid(f"{here}.operator", operator or "", detail)
        if toleration.tolerationSeconds is not None and effect != "NoExecute":
            detail = "effect must be 'NoExecute' when `tolerationSeconds` is set"
            errors.invalid(f"{here}.effect", effect or "", detail)
        if not operator or operator == "Equal":
            objections = names.label_value(value or "")
            if objections:
                errors.invalid(f"{here}.operator", value, ";".join(objections))
        elif operator == "Exists":
            if value:
                errors.invalid(f"{here}.operator", value, "value must be empty when `operator` is 'Exists'")
        else:
            errors.unsupported(f"{here}.operator", operator, ("Equal", "Exists"))
        if effect:
            validate_effect(effect, f"{here}.effect", errors)


def validate_affinity(affinity: Affinity, path: str, errors: Errors) -> None:
    node = affinity.nodeAffinity
    if node is not None:
        here = f"{path}.nodeAffinity"
        if node.requiredDuringSchedulingIgnoredDuringExecution is not None:
            validate_node_selector(node.requiredDuringSchedulingIgnoredDuringExecution, f"{here}.{_REQUIRED}", errors)
        for index, term in enumerate(node.preferredDuringSchedulingIgnoredDuringExecution or ()):
            at = f"{here}.{_PREFERRED}[{index}]"
            _weight(term.weight, at, errors)
            validate_node_selector_term(term.preference, f"{at}.preference", errors, values=False)
    if affinity.podAffinity is not None:
        _pod_affinity(affinity.podAffinity, f"{path}.podAffinity", errors)
    if affinity.podAntiAffinity is not None:
        _pod_affinity(affinity.podAntiAffinity, f"{path}.podAntiAffinity", errors)


def _weight(weight: int, path: str, errors: Errors) -> None:
    if not 1 <= weight <= 100:
        errors.invalid(f"{path}.weight", weight, "must be in the range 1-100")


def validate_node_selector(selector: NodeSelector, path: str, errors: Errors) -> None:
    terms = selector.nodeSelectorTerms
    if not terms:
        errors.required(f"{path}.nodeSelectorTerms", "must have at least one node selector term")
    for index, term in enumerate(terms or ()):
        validate_node_selector_term(term, f"{path}.nodeSelectorTerms[{index}]", errors)


def validate_node_selector_term(term: NodeSelectorTerm, path: str, errors: Errors, *, values: bool = True) -> None:
    for index, requirement in enumerate(term.matchExpressions or ()):
        _expression(requirement, f"{path}.matchExpressions[{index}]", errors, values=values)
    for index, requirement in enumerate(term.matchFields or ()):
        _field(requirement, f"{path}.matchFields[{index}]", errors)


def _expression(requirement: NodeSelectorRequirement, path: str, errors: Errors, *, values: bool) -> None:
    match requirement.operator:
        case "In" | "NotIn":
            if not requirement.values:
                errors.required(f"{path}.values", "must be specified when `operator` is 'In' or 'NotIn'")
        case "Exists" | "DoesNotExist":
            if requirement.values:
                detail = "may not be specified when `operator` is 'Exists' or 'DoesNotExist'"
                errors.forbidden(f"{path}.values", detail)
        case "Gt" | "Lt":
            if len(requirement.values or ()) != 1:
                detail = "must be specified single value when `operator` is 'Lt' or 'Gt'"
                errors.required(f"{path}.values", detail)
        case other:
            errors.invalid(f"{path}.operator", other, "not a valid selector operator")
    validate_label_key(requirement.key, f"{path}.key", errors)
    if values:
        for index, value in enumerate(requirement.values or ()):
            errors.each(f"{path}.values[{index}]", value, names.label_value(value))


def _field(requirement: NodeSelectorRequirement, path: str, errors: Errors) -> None:
    if requirement.operator in ("In", "NotIn"):
        if len(requirement.values or ()) != 1:
            detail = "must be only one value when `operator` is 'In' or 'NotIn' for node field selector"
            errors.required(f"{path}.values", detail)
    else:
        errors.invalid(f"{path}.operator", requirement.operator, "not a valid selector operator")
    if requirement.key != "metadata.name":
        errors.invalid(f"{path}.key", requirement.key, "not a valid field selector key")
    else:
        for index, value in enumerate(requirement.values or ()):
            errors.each(f"{path}.values[{index}]", value, names.dns1123_subdomain(value))


def _pod_affinity(affinity: PodAffinity | PodAntiAffinity, path: str, errors: Errors) -> None:
    for index, term in enumerate(affinity.requiredDuringSchedulingIgnoredDuringExecution or ()):
        _pod_term(term, f"{path}.{_REQUIRED}[{index}]", errors)
    for index, weighted in enumerate(affinity.preferredDuringSchedulingIgnoredDuringExecution or ()):
        here = f"{path}.{_PREFERRED}[{index}]"
        _weight(weighted.weight, here, errors)
        _pod_term(weighted.podAffinityTerm, f"{here}.podAffinityTerm", errors)


def _pod_term(term: PodAffinityTerm, path: str, errors: Errors) -> None:
    validate_selector(term.labelSelector, f"{path}.labelSelector", errors)
    validate_selector(term.namespaceSelector, f"{path}.namespaceSelector", errors)
    for namespace in term.namespaces or ():
        errors.each(f"{path}.namespace", namespace, names.dns1123_label(namespace))
    _match_keys(term, path, errors)
    if not term.topologyKey:
        errors.required(f"{path}.topologyKey", "can not be empty")
    validate_label_key(term.topologyKey, f"{path}.topologyKey", errors)


def _match_keys(term: PodAffinityTerm, path: str, errors: Errors) -> None:
    matched, mismatched = term.matchLabelKeys or [], term.mismatchLabelKeys or []
    for wire, keys in (("matchLabelKeys", matched), ("mismatchLabelKeys", mismatched)):
        if keys and term.labelSelector is None:
            errors.forbidden(f"{path}.{wire}", "must not be specified when labelSelector is not set")
        else:
            for index, key in enumerate(keys):
                validate_label_key(key, f"{path}.{wire}[{index}]", errors)
    if term.labelSelector is not None and matched:
        seen = set(term.labelSelector.matchLabels or ())
        for requirement in term.labelSelector.matchExpressions or ():
            if requirement.key in matched and requirement.key in seen:
                index = len(matched) - 1 - matched[::-1].index(requirement.key)
                errors.invalid(f"{path}[{index}]", requirement.key, "exists in both matchLabelKeys and labelSelector")
            seen.add(requirement.key)
    for index, key in enumerate(matched):
        if key in mismatched:
            detail = "exists in both matchLabelKeys and mismatchLabelKeys"
            errors.invalid(f"{path}.matchLabelKeys[{index}]", key, detail)


def validate_spread(constraints: Sequence[TopologySpreadConstraint], path: str, errors: Errors) -> None:
    for index, constraint in enumerate(constraints):
        here = f"{path}[{index}]"
        if constraint.maxSkew <= 0:
            errors.invalid(f"{here}.maxSkew", constraint.maxSkew, "must be greater than zero")
        if not constraint.topologyKey:
            errors.required(f"{here}.topologyKey", "can not be empty")
        action = constraint.whenUnsatisfiable
        if action not in ("DoNotSchedule", "ScheduleAnyway"):
            errors.unsupported(f"{here}.whenUnsatisfiable", action, ("DoNotSchedule", "ScheduleAnyway"))
        if any(
            other.topologyKey == constraint.topologyKey and other.whenUnsatisfiable == action
            for other in constraints[index + 1 :]
        ):
            pair = f"{{{constraint.topologyKey}, {action}}}"
            errors.duplicate(f"{here}.{{topologyKey, whenUnsatisfiable}}", pair)
        least = constraint.minDomains
        if least is not None:
            if least <= 0:
                errors.invalid(f"{here}.minDomains", least, "must be greater than zero")
            if action != "DoNotSchedule":
                detail = f"can only use minDomains if whenUnsatisfiable=DoNotSchedule, not {action}"
                errors.invalid(f"{here}.minDomains", least, detail)
        for wire in ("nodeAffinityPolicy", "nodeTaintsPolicy"):
            policy = getattr(constraint, wire)
            if policy is not None and policy not in ("Honor", "Ignore"):
                errors.unsupported(f"{here}.{wire}", policy, ("Honor", "Ignore"))
        if constraint.matchLabelKeys:
            where = f"{here}.matchLabelKeys"
            _spread_keys(constraint.matchLabelKeys, constraint.labelSelector, where, errors)
        validate_selector(constraint.labelSelector, f"{here}.labelSelector", errors)


def _spread_keys(keys: Sequence[str], selector: LabelSelector | None, path: str, errors: Errors) -> None:
    chosen: set[str] = set()
    if selector is None:
        errors.forbidden(path, "must not be specified when labelSelector is not set")
    else:
        chosen = {*(selector.matchLabels or ()), *(r.key for r in selector.matchExpressions or ())}
    for index, key in enumerate(keys):
        validate_label_key(key, f"{path}[{index}]", errors)
        if key in chosen:
            errors.invalid(f"{path}[{index}]", key, "exists in both matchLabelKeys and labelSelector")


def validate_gates(gates: Sequence[PodSchedulingGate], path: str, errors: Errors) -> None:
    seen: set[str] = set()
    for index, gate in enumerate(gates):
        errors.each(f"{path}[{index}]", gate.name, names.qualified_name(gate.name))
        if gate.name in seen:
            errors.duplicate(f"{path}[{index}]", gate.name)
        seen.add(gate.name)
