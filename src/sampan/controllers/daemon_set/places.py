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


def place(daemon: apps_v1.DaemonSet, node: core_v1.Node) -> Place:
    spec = pod_spec(daemon.spec.template, node.metadata.name or "")
    if spec.nodeName and spec.nodeName != node.metadata.name:
        return Place(should_run=False, may_stay=False)
    if not _selected(spec, node):
        return Place(should_run=False, may_stay=False)
    taints = list(node.spec.taints or ())
    if node.spec.unschedulable:
        taints.append(core_v1.Taint(key="node.kubernetes.io/unschedulable", effect="NoSchedule"))
    untolerated = [t for t in taints if not _tolerated(t, spec.tolerations or [])]
    should = not any(t.effect in ("NoSchedule", "NoExecute") for t in untolerated)
    return Place(should_run=should, may_stay=not any(t.effect == "NoExecute" for t in untolerated))


def _selected(spec: core_v1.PodSpec, node: core_v1.Node) -> bool:
    labels = node.metadata.labels or {}
    if any(labels.get(k) != v for k, v in (spec.nodeSelector or {}).items()):
        return False
    affinity = spec.affinity.nodeAffinity if spec.affinity is not None else None
    required = affinity.requiredDuringSchedulingIgnoredDuringExecution if affinity is not None else None
    if required is None:
        return True
    for term in required.nodeSelectorTerms:
        expressions = term.matchExpressions
        if expressions and not label_selectors.from_node_selector_expressions(expressions).matches(labels):
            continue
        if all(node.metadata.name in (f.values or ()) for f in term.matchFields or ()):
            return True
    return False


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
