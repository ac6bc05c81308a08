"""On which nodes a DaemonSet's Pod belongs, and what such a Pod carries. Pure."""

from __future__ import annotations

from collections.abc import Iterable

from msgspec import Struct
from msgspec.structs import replace

from sampan.api.selectors import labels as label_selectors
from sampan.api.types import apps_v1, core_v1
from sampan.controllers.history import HASH_LABEL
from sampan.controllers.owned_pods import from_template, owner_reference

TOLERATIONS = (
    ("node.kubernetes.io/not-ready", "NoExecute"),
    ("node.kubernetes.io/unreachable", "NoExecute"),
    ("node.kubernetes.io/disk-pressure", "NoSchedule"),
    ("node.kubernetes.io/memory-pressure", "NoSchedule"),
    ("node.kubernetes.io/pid-pressure", "NoSchedule"),
    ("node.kubernetes.io/unschedulable", "NoSchedule"),
)


API, KIND = "apps/v1", "DaemonSet"
GENERATION_LABEL, GENERATION = "pod-template-generation", "deprecated.daemonset.template.generation"


def make_pod(daemon: apps_v1.DaemonSet, node: str, digest: str) -> core_v1.Pod:
    meta = daemon.metadata
    reference = owner_reference(API, KIND, meta)
    pod = from_template(daemon.spec.template, meta.namespace or "", f"{meta.name}-", reference)
    labels = {**(pod.metadata.labels or {}), HASH_LABEL: digest}
    generation = (meta.annotations or {}).get(GENERATION)
    if generation is not None:
        labels[GENERATION_LABEL] = generation
    pod.metadata.labels = labels
    pod.spec = pod_spec(daemon.spec.template, node)
    return pod


def pod_spec(template: core_v1.PodTemplateSpec, node: str) -> core_v1.PodSpec:
    """The template's, tied to one node by its name, and tolerating what befalls nodes."""
    spec = replace(template.spec)
    by_name = core_v1.NodeSelectorRequirement(key="metadata.name", operator="In", values=[node])
    affinity = spec.affinity or core_v1.Affinity()
    near = affinity.nodeAffinity or core_v1.NodeAffinity()
    required = near.requiredDuringSchedulingIgnoredDuringExecution
    terms = required.nodeSelectorTerms if required is not None else [core_v1.NodeSelectorTerm()]
    spec.affinity = core_v1.Affinity(
        nodeAffinity=core_v1.NodeAffinity(
            requiredDuringSchedulingIgnoredDuringExecution=core_v1.NodeSelector(
                nodeSelectorTerms=[
                    core_v1.NodeSelectorTerm(matchExpressions=t.matchExpressions, matchFields=[by_name]) for t in terms
                ]
            ),
            preferredDuringSchedulingIgnoredDuringExecution=near.preferredDuringSchedulingIgnoredDuringExecution,
        ),
        podAffinity=affinity.podAffinity,
        podAntiAffinity=affinity.podAntiAffinity,
    )
    added = [core_v1.Toleration(key=k, operator="Exists", effect=e) for k, e in TOLERATIONS]
    if spec.hostNetwork:
        unavailable = "node.kubernetes.io/network-unavailable"
        added.append(core_v1.Toleration(key=unavailable, operator="Exists", effect="NoSchedule"))
    there = {(t.key, t.operator, t.effect) for t in spec.tolerations or ()}
    spec.tolerations = [*(spec.tolerations or ()), *(t for t in added if (t.key, t.operator, t.effect) not in there)]
    return spec


class Place(Struct, frozen=True):
    should_run: bool  # a Pod belongs here
    may_stay: bool  # one that is here already may stay


NOWHERE = Place(should_run=False, may_stay=False)


def places(daemon: apps_v1.DaemonSet, nodes: Iterable[core_v1.Node]) -> dict[str, Place]:
    """By node. What the template says is read once, however many nodes there are."""
    template = daemon.spec.template
    tolerations = pod_spec(template, "").tolerations or []
    selector = label_selectors.from_set(template.spec.nodeSelector)
    terms = _terms(template.spec)
    found: dict[str, Place] = {}
    for node in nodes:
        name, labels = node.metadata.name or "", node.metadata.labels or {}
        is_named = not template.spec.nodeName or template.spec.nodeName == name
        if is_named and selector.matches(labels) and any(term.matches(labels) for term in terms):
            found[name] = _by_taints(node, tolerations)
        else:
            found[name] = NOWHERE
    return found


def _terms(spec: core_v1.PodSpec) -> list[label_selectors.Selector]:
    """Of which one must hold. Each is tied to the node in question by name, so that need not be looked at."""
    affinity = spec.affinity.nodeAffinity if spec.affinity is not None else None
    required = affinity.requiredDuringSchedulingIgnoredDuringExecution if affinity is not None else None
    if required is None:
        return [label_selectors.EVERYTHING]
    return [
        label_selectors.from_node_selector_expressions(t.matchExpressions)
        if t.matchExpressions
        else label_selectors.EVERYTHING
        for t in required.nodeSelectorTerms
    ]


def _by_taints(node: core_v1.Node, tolerations: list[core_v1.Toleration]) -> Place:
    taints = list(node.spec.taints or ())
    if node.spec.unschedulable:
        taints.append(core_v1.Taint(key="node.kubernetes.io/unschedulable", effect="NoSchedule"))
    effects = {t.effect for t in taints if not _tolerated(t, tolerations)}
    return Place(should_run=not effects & {"NoSchedule", "NoExecute"}, may_stay="NoExecute" not in effects)


def _tolerated(taint: core_v1.Taint, tolerations: Iterable[core_v1.Toleration]) -> bool:
    for toleration in tolerations:
        if toleration.effect and toleration.effect != taint.effect:
            continue
        if toleration.key and toleration.key != taint.key:
            continue
        if toleration.operator == "Exists" or (toleration.value or "") == (taint.value or ""):
            return True
    return False


def node_of(pod: core_v1.Pod) -> str:
    """Where it runs, or where it is meant to."""
    if pod.spec.nodeName:
        return pod.spec.nodeName
    affinity = pod.spec.affinity.nodeAffinity if pod.spec.affinity is not None else None
    required = affinity.requiredDuringSchedulingIgnoredDuringExecution if affinity is not None else None
    for term in required.nodeSelectorTerms if required is not None else ():
        for wanted in term.matchFields or ():
            if wanted.key == "metadata.name" and wanted.values:
                return wanted.values[0]
    return ""


def by_node(pods: Iterable[core_v1.Pod]) -> dict[str, list[core_v1.Pod]]:
    result: dict[str, list[core_v1.Pod]] = {}
    for pod in pods:
        result.setdefault(node_of(pod), []).append(pod)
    return result
