"""What `auth reconcile` has to do so that a role grants, or a binding names, what a file says. Pure.

Rules are compared by what they grant: each is broken down into single grants (one verb on one resource, or on one URL),
and a grant is missing when no rule of the other side covers it.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any, NamedTuple

Object = dict[str, Any]
Rule = dict[str, Any]

CREATE, UPDATE, RECREATE, NONE = "create", "update", "recreate", "none"
AUTO_UPDATE = "rbac.authorization.kubernetes.io/autoupdate"


class Plan(NamedTuple):
    operation: str
    result: Object
    missing: tuple[Object, ...] = ()
    extra: tuple[Object, ...] = ()
    protected: bool = False


def plan_role(wanted: Object, there: Object | None, *, remove_extra: bool) -> Plan:
    rules: list[Rule] = wanted.get("rules") or []
    if there is None:
        return Plan(CREATE, wanted, tuple(rules))
    held: list[Rule] = there.get("rules") or []
    result, changed = _with_metadata(wanted, there)
    aggregated = wanted.get("aggregationRule") and there.get("aggregationRule")
    extra = () if aggregated else tuple(uncovered(held, by=rules))
    missing = tuple(uncovered(rules, by=held))
    if remove_extra and (missing or extra):
        result["rules"], changed = rules, True
    elif missing and not remove_extra:
        result["rules"], changed = [*held, *missing], True
    changed |= _aggregate(result, wanted, there, remove_extra)
    return Plan(UPDATE if changed else NONE, result, missing, extra, _protected(there))


def plan_binding(wanted: Object, there: Object | None, *, remove_extra: bool) -> Plan:
    subjects: list[Object] = wanted.get("subjects") or []
    if there is None:
        return Plan(CREATE, wanted, tuple(subjects))
    if wanted.get("roleRef") != there.get("roleRef"):  # what a binding refers to can never be changed
        return Plan(RECREATE, wanted, protected=_protected(there))
    held: list[Object] = there.get("subjects") or []
    result, changed = _with_metadata(wanted, there)
    missing = tuple(one for one in subjects if one not in held)
    extra = tuple(one for one in held if one not in subjects)
    if remove_extra and (missing or extra):
        result["subjects"], changed = subjects, True
    elif missing and not remove_extra:
        result["subjects"], changed = [*held, *missing], True
    return Plan(UPDATE if changed else NONE, result, missing, extra, _protected(there))


def uncovered(rules: Iterable[Rule], *, by: Iterable[Rule]) -> Iterator[Rule]:
    """The single grants of `rules` that none of `by` gives."""
    owned = list(by)
    for rule in rules:
        for grant in _grants(rule):
            if not any(_covers(owner, grant) for owner in owned):
                yield grant


def _grants(rule: Rule) -> Iterator[Rule]:
    verbs, names = rule.get("verbs") or (), rule.get("resourceNames") or ()
    for group in rule.get("apiGroups") or ():
        for resource in rule.get("resources") or ():
            for verb in verbs:
                grant = {"verbs": [verb], "apiGroups": [group], "resources": [resource]}
                yield from ({**grant, "resourceNames": [name]} for name in names) if names else (grant,)
    for url in rule.get("nonResourceURLs") or ():
        yield from ({"verbs": [verb], "nonResourceURLs": [url]} for verb in verbs)


def _covers(owner: Rule, grant: Rule) -> bool:
    def has(field: str) -> bool:
        held, wanted = owner.get(field) or (), grant[field][0]
        return "*" in held or wanted in held

    if not has("verbs"):
        return False
    if "nonResourceURLs" in grant:
        url = grant["nonResourceURLs"][0]
        return any(
            held in ("*", url) or (held.endswith("*") and url.startswith(held[:-1]))
            for held in owner.get("nonResourceURLs") or ()
        )
    resource = grant["resources"][0]
    _, slash, subresource = resource.partition("/")
    of_any = bool(slash) and f"*/{subresource}" in (owner.get("resources") or ())
    names = owner.get("resourceNames") or ()
    named = not names or ("resourceNames" in grant and grant["resourceNames"][0] in names)
    return has("apiGroups") and (has("resources") or of_any) and named


def _with_metadata(wanted: Object, there: Object) -> tuple[Object, bool]:
    """A copy of what is there with the wanted labels and annotations added (its own win), and whether that adds any."""
    metadata, changed = dict(there["metadata"]), False
    for field in ("annotations", "labels"):
        held = metadata.get(field) or {}
        merged = (wanted["metadata"].get(field) or {}) | held
        if merged != held:
            metadata[field], changed = merged, True
    return {**there, "metadata": metadata}, changed


def _aggregate(result: Object, wanted: Object, there: Object, remove_extra: bool) -> bool:
    """Brings the aggregation rule in line; says whether it had to."""
    rule, held = wanted.get("aggregationRule"), there.get("aggregationRule")
    if not rule:
        return result.pop("aggregationRule", None) is not None
    selectors = rule.get("clusterRoleSelectors") or []
    known = (held or {}).get("clusterRoleSelectors") or []
    missing = [one for one in selectors if one not in known]
    if remove_extra and (missing or any(one not in selectors for one in known)):
        result["aggregationRule"] = rule
        return True
    if missing and not remove_extra:
        result["aggregationRule"] = {"clusterRoleSelectors": [*known, *missing]}
        return True
    return False


def _protected(there: Object) -> bool:
    return (there["metadata"].get("annotations") or {}).get(AUTO_UPDATE) == "false"
