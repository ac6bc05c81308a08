"""Deployments, ReplicaSets, ReplicationControllers, StatefulSets and DaemonSets."""

from __future__ import annotations

from sampan.cli.describe.asking import controlled, pods_status
from sampan.cli.describe.pod import template
from sampan.cli.describe.text import (
    Object,
    Text,
    annotation_lines,
    controller,
    events,
    labels,
    map_text,
    meta,
    moment,
    selector_text,
)
from sampan.cli.session import Session

REVISION = "deployment.kubernetes.io/revision"


def deployment(session: Session, text: Text, obj: Object, listed: list[Object] | None) -> None:
    spec, status = obj["spec"], obj.get("status") or {}
    text.field("Name", meta(obj)["name"])
    text.field("Namespace", meta(obj).get("namespace", ""))
    text.field("CreationTimestamp", moment(meta(obj).get("creationTimestamp")))
    labels(text, "Labels", meta(obj).get("labels"))
    annotation_lines(text, "Annotations", meta(obj).get("annotations"))
    text.field("Selector", selector_text(spec.get("selector")))
    counts = (
        (spec.get("replicas"), "desired"),
        (status.get("updatedReplicas"), "updated"),
        (status.get("replicas"), "total"),
        (status.get("availableReplicas"), "available"),
        (status.get("unavailableReplicas"), "unavailable"),
    )
    text.field("Replicas", " | ".join(f"{count or 0} {word}" for count, word in counts))
    strategy = spec.get("strategy") or {}
    text.field("StrategyType", strategy.get("type") or "")
    text.field("MinReadySeconds", spec.get("minReadySeconds") or 0)
    if strategy.get("rollingUpdate"):
        rolling = strategy["rollingUpdate"]
        said = f"{rolling.get('maxUnavailable', 0)} max unavailable, {rolling.get('maxSurge', 0)} max surge"
        text.field("RollingUpdateStrategy", said)
    template(text, spec.get("template"))
    conditions(text, status)
    sets = controlled(session, obj, spec.get("selector"), "apps/v1", "ReplicaSet")
    newest = _newest(sets, spec.get("template") or {})
    old = [one for one in sets if one is not newest and one["spec"].get("replicas")]
    text.field("OldReplicaSets", ", ".join(_replicas(one) for one in old) or "<none>")
    text.field("NewReplicaSet", _replicas(newest) if newest else "<none>")
    events(text, listed)


def _newest(sets: list[Object], wanted: Object) -> Object | None:
    """The one whose template is the Deployment's, but for the hash; of several the oldest."""
    for one in sorted(sets, key=lambda found: meta(found).get("creationTimestamp") or ""):
        held = one["spec"].get("template") or {}
        own = dict(meta(held).get("labels") or {})
        own.pop("pod-template-hash", None)
        if held.get("spec") == wanted.get("spec") and own == (meta(wanted).get("labels") or {}):
            return one
    return None


def _replicas(one: Object) -> str:
    made, wanted = (one.get("status") or {}).get("replicas") or 0, one["spec"].get("replicas") or 0
    return f"{meta(one)['name']} ({made}/{wanted} replicas created)"


def conditions(text: Text, status: Object) -> None:
    if not status.get("conditions"):
        return
    text.line("Conditions:\n  Type\tStatus\tReason\n  ----\t------\t------")
    for one in status["conditions"]:
        text.line(f"{one['type']} \t{one.get('status', '')}\t{one.get('reason', '')}", 1)


def replica_set(session: Session, text: Text, obj: Object, listed: list[Object] | None) -> None:
    _replicated(session, text, obj, listed, obj["spec"].get("selector"))


def replication_controller(session: Session, text: Text, obj: Object, listed: list[Object] | None) -> None:
    _replicated(session, text, obj, listed, {"matchLabels": obj["spec"].get("selector") or {}})


def _replicated(
    session: Session, text: Text, obj: Object, listed: list[Object] | None, selector: Object | None
) -> None:
    status = obj.get("status") or {}
    text.field("Name", meta(obj)["name"])
    text.field("Namespace", meta(obj).get("namespace", ""))
    text.field("Selector", selector_text(selector))
    labels(text, "Labels", meta(obj).get("labels"))
    annotation_lines(text, "Annotations", meta(obj).get("annotations"))
    if controller(obj):
        text.field("Controlled By", controller(obj))
    text.field("Replicas", f"{status.get('replicas') or 0} current / {obj['spec'].get('replicas') or 0} desired")
    text.field("Pods Status", pods_status(session, obj, selector))
    template(text, obj["spec"].get("template"))
    conditions(text, status)
    events(text, listed)


def stateful_set(session: Session, text: Text, obj: Object, listed: list[Object] | None) -> None:
    spec, status = obj["spec"], obj.get("status") or {}
    text.field("Name", meta(obj)["name"])
    text.field("Namespace", meta(obj).get("namespace", ""))
    text.field("CreationTimestamp", moment(meta(obj).get("creationTimestamp")))
    text.field("Selector", selector_text(spec.get("selector")))
    labels(text, "Labels", meta(obj).get("labels"))
    annotation_lines(text, "Annotations", meta(obj).get("annotations"))
    text.field("Replicas", f"{spec.get('replicas') or 0} desired | {status.get('replicas') or 0} total")
    strategy = spec.get("updateStrategy") or {}
    text.field("Update Strategy", strategy.get("type") or "")
    rolling = strategy.get("rollingUpdate") or {}
    if rolling.get("partition") is not None:
        text.field("Partition", rolling["partition"], 1)
        if rolling.get("maxUnavailable") is not None:
            text.field("MaxUnavailable", rolling["maxUnavailable"], 1)
    text.field("Pods Status", pods_status(session, obj, spec.get("selector")))
    template(text, spec.get("template"))
    _claims(text, spec.get("volumeClaimTemplates") or [])
    events(text, listed)


def _claims(text: Text, templates: list[Object]) -> None:
    if not templates:
        text.field("Volume Claims", "<none>")
        return
    text.line("Volume Claims:")
    for one in templates:
        spec = one.get("spec") or {}
        text.field("Name", meta(one).get("name", ""), 1)
        text.field("StorageClass", spec.get("storageClassName") or "", 1)
        labels(text, "Labels", meta(one).get("labels"), indent="  ")
        annotation_lines(text, "Annotations", meta(one).get("annotations"), indent="  ")
        capacity = ((spec.get("resources") or {}).get("requests") or {}).get("storage")
        text.field("Capacity", capacity or "<default>", 1)
        text.field("Access Modes", f"[{' '.join(spec.get('accessModes') or ())}]", 1)


def daemon_set(session: Session, text: Text, obj: Object, listed: list[Object] | None) -> None:
    spec, status = obj["spec"], obj.get("status") or {}
    pod_spec = (spec.get("template") or {}).get("spec") or {}
    text.field("Name", meta(obj)["name"])
    text.field("Namespace", meta(obj).get("namespace", ""))
    text.field("Selector", selector_text(spec.get("selector")))
    text.field("Node-Selector", map_text(pod_spec.get("nodeSelector")))
    labels(text, "Labels", meta(obj).get("labels"))
    annotation_lines(text, "Annotations", meta(obj).get("annotations"))
    for title, field in (
        ("Desired Number of Nodes Scheduled", "desiredNumberScheduled"),
        ("Current Number of Nodes Scheduled", "currentNumberScheduled"),
        ("Number of Nodes Scheduled with Up-to-date Pods", "updatedNumberScheduled"),
        ("Number of Nodes Scheduled with Available Pods", "numberAvailable"),
        ("Number of Nodes Misscheduled", "numberMisscheduled"),
    ):
        text.line(f"{title}: {status.get(field) or 0}")
    text.field("Pods Status", pods_status(session, obj, spec.get("selector")))
    template(text, spec.get("template"))
    events(text, listed)
