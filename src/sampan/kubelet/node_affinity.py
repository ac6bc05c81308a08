"""Whether a node is one that a Pod (its nodeSelector and required node affinity) or a volume insists on. Pure."""

from collections.abc import Mapping

from sampan.api.types import core_v1


def insists_on(pod: core_v1.Pod, labels: Mapping[str, str], name: str) -> bool:
    if any(labels.get(key) != value for key, value in (pod.spec.nodeSelector or {}).items()):
        return False
    affinity = pod.spec.affinity.nodeAffinity if pod.spec.affinity is not None else None
    required = affinity.requiredDuringSchedulingIgnoredDuringExecution if affinity is not None else None
    return required is None or selects(required, labels, name)


def selects(selector: core_v1.NodeSelector, labels: Mapping[str, str], name: str) -> bool:
    return any(_term(term, labels, name) for term in selector.nodeSelectorTerms)


def _term(term: core_v1.NodeSelectorTerm, labels: Mapping[str, str], name: str) -> bool:
    """All of its requirements; a term without any matches no node."""
    wanted, fields = term.matchExpressions or [], term.matchFields or []
    if not wanted and not fields:
        return False
    by_label = all(_holds(r, labels.get(r.key)) for r in wanted)
    return by_label and all(_holds(r, name if r.key == "metadata.name" else None) for r in fields)


def _holds(requirement: core_v1.NodeSelectorRequirement, value: str | None) -> bool:
    listed = requirement.values or []
    match requirement.operator:
        case "In":
            return value in listed
        case "NotIn":
            return value not in listed
        case "Exists":
            return value is not None
        case "DoesNotExist":
            return value is None
    try:
        found, bound = int(value or ""), int(listed[0])
    except (ValueError, IndexError):
        return False
    return found > bound if requirement.operator == "Gt" else found < bound
