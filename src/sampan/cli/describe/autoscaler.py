"""HorizontalPodAutoscalers."""

from __future__ import annotations

from sampan.cli.describe.text import Object, Text, annotation_lines, events, labels, meta, moment


def autoscaler(text: Text, obj: Object, listed: list[Object] | None) -> None:
    spec, status = obj.get("spec") or {}, obj.get("status") or {}
    text.field("Name", meta(obj)["name"])
    text.field("Namespace", meta(obj).get("namespace", ""))
    labels(text, "Labels", meta(obj).get("labels"))
    annotation_lines(text, "Annotations", meta(obj).get("annotations"))
    text.field("CreationTimestamp", moment(meta(obj).get("creationTimestamp")))
    target = spec.get("scaleTargetRef") or {}
    text.field("Reference", f"{target.get('kind', '')}/{target.get('name', '')}")
    text.line("Metrics:\t( current / target )")
    current = status.get("currentMetrics") or []
    for index, metric in enumerate(spec.get("metrics") or ()):
        text.line(_metric(metric, current[index] if index < len(current) else {}), 1)
    text.field("Min replicas", spec["minReplicas"] if spec.get("minReplicas") is not None else "<unset>")
    text.field("Max replicas", spec.get("maxReplicas", 0))
    title = target.get("kind") or ""
    text.line(
        f"{title} pods:\t{status.get('currentReplicas') or 0} current / {status.get('desiredReplicas') or 0} desired"
    )
    if status.get("conditions"):
        text.line("Conditions:\n  Type\tStatus\tReason\tMessage\n  ----\t------\t------\t-------")
        for one in status["conditions"]:
            text.line(f"{one['type']}\t{one['status']}\t{one.get('reason', '')}\t{one.get('message', '')}", 1)
    events(text, listed)


def _metric(metric: Object, current: Object) -> str:
    kind = metric.get("type")
    if kind == "Resource":
        held = metric["resource"]
        target = held.get("target") or {}
        now = (current.get("resource") or {}).get("current") or {}
        name = held.get("name", "")
        if target.get("averageValue") is not None:
            return f"resource {name} on pods:\t{now.get('averageValue', '<unknown>')} / {target['averageValue']}"
        use = now.get("averageUtilization")
        shown = "<unknown>" if use is None else f"{use}% ({now.get('averageValue', 0)})"
        wanted = target.get("averageUtilization")
        auto = "<auto>" if wanted is None else f"{wanted}%"
        return f"resource {name} on pods  (as a percentage of request):\t{shown} / {auto}"
    if kind == "Pods":
        held = metric["pods"]
        now = (current.get("pods") or {}).get("current") or {}
        name = (held.get("metric") or {}).get("name", "")
        return f'"{name}" on pods:\t{now.get("averageValue", "<unknown>")} / {held["target"].get("averageValue", "")}'
    if kind == "Object":
        held = metric["object"]
        now = (current.get("object") or {}).get("current") or {}
        where = held.get("describedObject") or {}
        name = (held.get("metric") or {}).get("name", "")
        value = held["target"].get("value") or held["target"].get("averageValue", "")
        return f'"{name}" on {where.get("kind")}/{where.get("name")}:\t{now.get("value", "<unknown>")} / {value}'
    if kind == "External":
        held = metric["external"]
        now = (current.get("external") or {}).get("current") or {}
        name = (held.get("metric") or {}).get("name", "")
        value = held["target"].get("value") or held["target"].get("averageValue", "")
        return f'"{name}" (target value):\t{now.get("value", "<unknown>")} / {value}'
    return f"<unknown metric type {kind!r}>"
