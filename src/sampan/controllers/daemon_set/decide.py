"""On which nodes a DaemonSet's Pod belongs, and what to make and delete. Pure."""

from __future__ import annotations

from collections.abc import Iterable

from msgspec import Struct, field

from sampan.api.selectors import labels as label_selectors
from sampan.api.types import apps_v1, core_v1
from sampan.controllers.history import HASH_LABEL
from sampan.controllers.owned_pods import is_active, is_available

TOLERATIONS = (
    ("node.kubernetes.io/not-ready", "NoExecute"),
    ("node.kubernetes.io/unreachable", "NoExecute"),
    ("node.kubernetes.io/disk-pressure", "NoSchedule"),
    ("node.kubernetes.io/memory-pressure", "NoSchedule"),
    ("node.kubernetes.io/pid-pressure", "NoSchedule"),
    ("node.kubernetes.io/unschedulable", "NoSchedule"),
)


def pod_spec(template: core_v1.PodTemplateSpec, node: str) -> core_v1.PodSpec:
    """The template's, tied to one node by its name, and tolerating what befalls nodes."""
    spec = core_v1.PodSpec(**{f: getattr(template.spec, f) for f in template.spec.__struct_fields__})
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


class Plan(Struct, kw_only=True):
    create: list[str] = field(default_factory=list)  # on these nodes
    delete: list[core_v1.Pod] = field(default_factory=list)


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


def plan(daemon: apps_v1.DaemonSet, nodes: list[core_v1.Node], pods: list[core_v1.Pod]) -> Plan:
    """One Pod where it belongs, none elsewhere; Pods that ended are replaced."""
    result = Plan()
    placed = by_node(pods)
    for node in nodes:
        here = placed.pop(node.metadata.name or "", [])
        where = place(daemon, node)
        living = [p for p in here if not p.metadata.deletionTimestamp]
        failed = [p for p in living if p.status.phase in ("Failed", "Succeeded")]
        running = [p for p in living if is_active(p)]
        result.delete += failed
        if (where.should_run and not running and not failed and len(here) == len(living)) or (
            where.should_run and not here
        ):
            result.create.append(node.metadata.name or "")
        if not where.may_stay:
            result.delete += running
        elif len(running) > 1:
            surplus = sorted(running, key=lambda p: p.metadata.creationTimestamp or "")[1:]
            result.delete += [] if daemon_surges(daemon) else surplus
    for stray in placed.values():
        result.delete += [p for p in stray if not p.metadata.deletionTimestamp]
    result.create = list(dict.fromkeys(result.create))
    return result


def daemon_surges(daemon: apps_v1.DaemonSet) -> bool:
    rolling = daemon.spec.updateStrategy.rollingUpdate
    return rolling is not None and rolling.maxSurge not in (None, 0, "0", "0%")


def resolve(value: int | str | None, total: int, default: int) -> int:
    if value is None:
        return default
    if isinstance(value, int):
        return value
    return -(-int(value.rstrip("%")) * total // 100)


def outdated_to_delete(
    daemon: apps_v1.DaemonSet, pods: list[core_v1.Pod], desired: int, digest: str, now: float
) -> list[core_v1.Pod]:
    """A rolling update: old Pods, the broken ones first, as many as may be unavailable."""
    if daemon.spec.updateStrategy.type == "OnDelete":
        return []
    rolling = daemon.spec.updateStrategy.rollingUpdate or apps_v1.RollingUpdateDaemonSet()
    allowed = max(resolve(rolling.maxUnavailable, desired, 1), 1)
    seconds = daemon.spec.minReadySeconds or 0
    living = [p for p in pods if not p.metadata.deletionTimestamp]
    available = {p.metadata.uid for p in living if is_available(p, seconds, now)}
    unavailable = desired - len({node_of(p) for p in living if p.metadata.uid in available})
    old = [p for p in living if (p.metadata.labels or {}).get(HASH_LABEL) != digest]
    broken = [p for p in old if p.metadata.uid not in available]
    good = [p for p in old if p.metadata.uid in available]
    return broken + good[: max(0, allowed - unavailable)]


def status_of(
    daemon: apps_v1.DaemonSet, nodes: list[core_v1.Node], pods: list[core_v1.Pod], digest: str, now: float
) -> apps_v1.DaemonSetStatus:
    seconds = daemon.spec.minReadySeconds or 0
    placed = by_node(pods)
    desired = current = misplaced = ready = available = updated = 0
    for node in nodes:
        here = [p for p in placed.get(node.metadata.name or "", ()) if not p.metadata.deletionTimestamp]
        if not place(daemon, node).should_run:
            misplaced += bool(here)
            continue
        desired += 1
        if not here:
            continue
        current += 1
        newest = max(here, key=lambda p: p.metadata.creationTimestamp or "")
        if any(c.type == "Ready" and c.status == "True" for c in newest.status.conditions or ()):
            ready += 1
            available += is_available(newest, seconds, now)
        updated += (newest.metadata.labels or {}).get(HASH_LABEL) == digest
    return apps_v1.DaemonSetStatus(
        desiredNumberScheduled=desired,
        currentNumberScheduled=current,
        numberMisscheduled=misplaced,
        numberReady=ready,
        numberAvailable=available or None,
        numberUnavailable=(desired - available) or None,
        updatedNumberScheduled=updated or None,
        observedGeneration=daemon.metadata.generation,
        collisionCount=daemon.status.collisionCount,
        conditions=daemon.status.conditions,
    )
