"""Whether what somebody may do covers what he wants to let others do. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

from msgspec.structs import replace

from sampan.api.goquote import quote
from sampan.api.types.rbac_v1 import PolicyRule


def uncovered(held: Sequence[PolicyRule], wanted: Iterable[PolicyRule]) -> list[PolicyRule]:
    """The parts of the wanted rules (one verb on one resource each) that no held rule allows, each once."""
    missing: list[PolicyRule] = []
    for rule in wanted:
        for part in parts(rule):
            if not any(covers(own, part) for own in held) and part not in missing:
                missing.append(part)
    return missing


def parts(rule: PolicyRule) -> Iterator[PolicyRule]:
    for verb in rule.verbs:
        for group in rule.apiGroups or ():
            for resource in rule.resources or ():
                names: list[list[str] | None] = [[n] for n in rule.resourceNames or ()]
                for name in names or [None]:
                    yield PolicyRule(verbs=[verb], apiGroups=[group], resources=[resource], resourceNames=name)
        for url in rule.nonResourceURLs or ():
            yield PolicyRule(verbs=[verb], nonResourceURLs=[url])


def covers(own: PolicyRule, part: PolicyRule) -> bool:
    if not _all(own.verbs, part.verbs):
        return False
    if part.nonResourceURLs:
        return all(_url(own.nonResourceURLs or (), url) for url in part.nonResourceURLs)
    if not _all(own.apiGroups or (), part.apiGroups or ()):
        return False
    if not all(_resource(own.resources or (), r) for r in part.resources or ()):
        return False
    return not own.resourceNames or (bool(part.resourceNames) and _all(own.resourceNames, part.resourceNames or ()))


def described(missing: Iterable[PolicyRule]) -> str:
    """As Kubernetes shows them: the verbs on one resource together, a rule a line."""
    grouped: dict[tuple[tuple[str, ...], ...], PolicyRule] = {}
    for rule in missing:
        key = tuple(tuple(x or ()) for x in (rule.apiGroups, rule.resources, rule.resourceNames, rule.nonResourceURLs))
        known = grouped.get(key)
        grouped[key] = rule if known is None else replace(known, verbs=[*known.verbs, *rule.verbs])
    return "\n".join(sorted(map(_shown, grouped.values())))


def _shown(rule: PolicyRule) -> str:
    said = (
        ("APIGroups", rule.apiGroups),
        ("Resources", rule.resources),
        ("ResourceNames", rule.resourceNames),
        ("NonResourceURLs", rule.nonResourceURLs),
        ("Verbs", rule.verbs),
    )
    return "{" + ", ".join(f"{name}:[{' '.join(map(quote, values))}]" for name, values in said if values) + "}"


def _all(own: Iterable[str], wanted: Iterable[str]) -> bool:
    held = set(own)
    return "*" in held or held.issuperset(wanted)


def _resource(own: Iterable[str], wanted: str) -> bool:
    held = set(own)
    _, slash, part = wanted.partition("/")
    return "*" in held or wanted in held or bool(slash and f"*/{part}" in held)


def _url(own: Iterable[str], wanted: str) -> bool:
    return any(o in ("*", wanted) or (o.endswith("*") and wanted.startswith(o[:-1])) for o in own)
