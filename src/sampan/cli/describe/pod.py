"""Pods, and the Pod templates of everything that makes Pods."""

from __future__ import annotations

from sampan.api.pod_resources import qos_class
from sampan.cli.describe.containers import containers, resource_value, resources
from sampan.cli.describe.text import (
    Object,
    Text,
    age,
    annotation_lines,
    controller,
    events,
    labels,
    meta,
    moment,
    selector_text,
)
from sampan.cli.describe.volumes import volumes


def pod(text: Text, obj: Object, listed: list[Object] | None) -> None:
    spec, status = obj.get("spec") or {}, obj.get("status") or {}
    _head(text, obj, spec, status)
    text.field("IP", status.get("podIP") or "")
    _addresses(text, status)
    if controller(obj):
        text.field("Controlled By", controller(obj))
    if status.get("nominatedNodeName"):
        text.field("NominatedNodeName", status["nominatedNodeName"])
    if spec.get("resources"):
        text.line("Resources:")
        resources(text, spec["resources"], 1)

    def resolve(container: Object, entry: Object) -> str:
        source = entry["valueFrom"]
        if "resourceFieldRef" in source:
            return resource_value(container, source["resourceFieldRef"])
        return field_value(obj, source["fieldRef"]["fieldPath"])

    if spec.get("initContainers"):
        containers(text, "Init Containers", spec["initContainers"], status.get("initContainerStatuses"), resolve)
    containers(text, "Containers", spec.get("containers") or [], status.get("containerStatuses"), resolve)
    if spec.get("ephemeralContainers"):
        found = status.get("ephemeralContainerStatuses")
        containers(text, "Ephemeral Containers", spec["ephemeralContainers"], found, resolve)
    _conditions(text, spec, status)
    volumes(text, spec.get("volumes"))
    text.field("QoS Class", status.get("qosClass") or qos_class(obj))
    labels(text, "Node-Selectors", spec.get("nodeSelector"))
    tolerations(text, spec.get("tolerations"))
    spread(text, spec.get("topologySpreadConstraints"))
    events(text, listed)


def _head(text: Text, obj: Object, spec: Object, status: Object) -> None:
    text.field("Name", meta(obj).get("name", ""))
    text.field("Namespace", meta(obj).get("namespace", ""))
    if spec.get("priority") is not None:
        text.field("Priority", spec["priority"])
    if spec.get("priorityClassName"):
        text.field("Priority Class Name", spec["priorityClassName"])
    if spec.get("runtimeClassName"):
        text.field("Runtime Class Name", spec["runtimeClassName"])
    if spec.get("serviceAccountName"):
        text.field("Service Account", spec["serviceAccountName"])
    node = spec.get("nodeName")
    text.field("Node", f"{node}/{status.get('hostIP') or ''}" if node else "<none>")
    if status.get("startTime"):
        text.field("Start Time", moment(status["startTime"]))
    labels(text, "Labels", meta(obj).get("labels"))
    annotation_lines(text, "Annotations", meta(obj).get("annotations"))
    phase = status.get("phase") or ""
    if meta(obj).get("deletionTimestamp") and phase not in ("Failed", "Succeeded"):
        text.field("Status", f"Terminating (lasts {age(meta(obj)['deletionTimestamp'])})")
        text.field("Termination Grace Period", f"{meta(obj).get('deletionGracePeriodSeconds') or 0}s")
    else:
        text.field("Status", phase)
    for field in ("reason", "message"):
        if status.get(field):
            text.field(field.capitalize(), status[field])
    seccomp = (spec.get("securityContext") or {}).get("seccompProfile")
    if seccomp:
        text.field("SeccompProfile", seccomp.get("type", ""))
        if seccomp.get("type") == "Localhost":
            text.field("LocalhostProfile", seccomp.get("localhostProfile", ""))


def _addresses(text: Text, status: Object) -> None:
    if not status.get("podIPs"):
        text.field("IPs", "<none>")
        return
    text.line("IPs:")
    for one in status["podIPs"]:
        text.field("IP", one.get("ip", ""), 1)


def _conditions(text: Text, spec: Object, status: Object) -> None:
    held = {one["type"]: one.get("status", "") for one in status.get("conditions") or ()}
    if spec.get("readinessGates"):
        text.line("Readiness Gates:\n  Type\tStatus")
        for gate in spec["readinessGates"]:
            text.line(f"{gate['conditionType']} \t{held.get(gate['conditionType'], '<none>')} ", 1)
    if held:
        text.line("Conditions:\n  Type\tStatus")
        for one in status["conditions"]:
            text.line(f"{one['type']} \t{one.get('status', '')} ", 1)


def field_value(obj: Object, path: str) -> str:
    """What a downward-API field path finds: `metadata.name`, `metadata.labels['a']`, `status.podIP`."""
    if path.startswith(("metadata.labels[", "metadata.annotations[")):
        field, _, key = path.removeprefix("metadata.").partition("[")
        return str((meta(obj).get(field) or {}).get(key.strip("]'\""), ""))
    if path in ("metadata.labels", "metadata.annotations"):
        held = meta(obj).get(path.split(".")[1]) or {}
        return "\n".join(f'{key}="{held[key]}"' for key in sorted(held))
    value: object = obj
    for part in path.split("."):
        value = value.get(part) if isinstance(value, dict) else None
    if path == "status.podIPs" and isinstance(value, list):
        return ",".join(one["ip"] for one in value)
    return "" if value is None else str(value)


def tolerations(text: Text, listed: list[Object] | None, *, indent: str = "") -> None:
    head = f"{indent}Tolerations:\t"
    if not listed:
        text.line(f"{head}<none>")
        return
    for one in sorted(listed, key=lambda toleration: toleration.get("key") or ""):
        said = one.get("key") or ""
        if one.get("value"):
            said += f"={one['value']}"
        if one.get("effect"):
            said += f":{one['effect']}"
        if one.get("operator") == "Exists" and not one.get("value"):
            said += " op=Exists" if said else "op=Exists"
        if one.get("tolerationSeconds") is not None:
            said += f" for {one['tolerationSeconds']}s"
        text.line(f"{head}{said}")
        head = f"{indent}\t"


def spread(text: Text, listed: list[Object] | None, *, indent: str = "") -> None:
    if not listed:
        return
    head = f"{indent}Topology Spread Constraints:\t"
    for one in sorted(listed, key=lambda constraint: constraint.get("topologyKey") or ""):
        said = f"{one['topologyKey']}:{one['whenUnsatisfiable']} when max skew {one['maxSkew']} is exceeded"
        if one.get("labelSelector"):
            said += f" for selector {selector_text(one['labelSelector'])}"
        text.line(f"{head}{said}")
        head = f"{indent}\t"


def template(text: Text, held: Object | None) -> None:
    text.line("Pod Template:")
    if not held:
        text.line("  <unset>")
        return
    spec = held.get("spec") or {}
    labels(text, "Labels", meta(held).get("labels"), indent="  ")
    if meta(held).get("annotations"):
        annotation_lines(text, "Annotations", meta(held)["annotations"], indent="  ")
    if spec.get("serviceAccountName"):
        text.line(f"  Service Account:\t{spec['serviceAccountName']}")
    if spec.get("initContainers"):
        containers(text, "Init Containers", spec["initContainers"], None, template=True)
    containers(text, "Containers", spec.get("containers") or [], None, template=True)
    volumes(text, spec.get("volumes"), template=True)
    spread(text, spec.get("topologySpreadConstraints"), indent="  ")
    if spec.get("priorityClassName"):
        text.line(f"  Priority Class Name:\t{spec['priorityClassName']}")
    labels(text, "Node-Selectors", spec.get("nodeSelector"), indent="  ")
    tolerations(text, spec.get("tolerations"), indent="  ")
