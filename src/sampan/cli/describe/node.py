"""Nodes: conditions, addresses, room, and the Pods that use it."""

from __future__ import annotations

from sampan.api import pod_resources
from sampan.cli.describe.asking import listed as ask
from sampan.cli.describe.text import Object, Text, age, annotation_lines, events, labels, meta, moment, truth
from sampan.cli.session import Session

SYSTEM_INFO = (
    ("Machine ID", "machineID"),
    ("System UUID", "systemUUID"),
    ("Boot ID", "bootID"),
    ("Kernel Version", "kernelVersion"),
    ("OS Image", "osImage"),
    ("Operating System", "operatingSystem"),
    ("Architecture", "architecture"),
    ("Container Runtime Version", "containerRuntimeVersion"),
    ("Kubelet Version", "kubeletVersion"),
)
ROLE = "node-role.kubernetes.io/"
PARTS = ("cpu", "memory", "ephemeral-storage")


def node(session: Session, text: Text, obj: Object, listed: list[Object] | None) -> None:
    spec, status = obj.get("spec") or {}, obj.get("status") or {}
    text.field("Name", meta(obj)["name"])
    text.field("Roles", roles(obj))
    labels(text, "Labels", meta(obj).get("labels"))
    annotation_lines(text, "Annotations", meta(obj).get("annotations"))
    text.field("CreationTimestamp", moment(meta(obj).get("creationTimestamp")))
    _taints(text, spec.get("taints") or [])
    text.field("Unschedulable", truth(spec.get("unschedulable")))
    _lease(session, text, meta(obj)["name"])
    _conditions(text, status)
    text.line("Addresses:")
    for one in status.get("addresses") or ():
        text.field(one["type"], one["address"], 1)
    for title, field in (("Capacity", "capacity"), ("Allocatable", "allocatable")):
        if status.get(field):
            text.line(f"{title}:")
            for name in sorted(status[field]):
                text.field(name, status[field][name], 1)
    text.line("System Info:")
    info = status.get("nodeInfo") or {}
    for title, field in SYSTEM_INFO:
        text.field(title, info.get(field) or "", 1)
    if spec.get("podCIDR"):
        text.field("PodCIDR", spec["podCIDR"])
    if spec.get("podCIDRs"):
        text.field("PodCIDRs", ",".join(spec["podCIDRs"]))
    if spec.get("providerID"):
        text.field("ProviderID", spec["providerID"])
    fields = f"spec.nodeName={meta(obj)['name']},status.phase!=Succeeded,status.phase!=Failed"
    pods = ask(session, "v1", "Pod", fields=fields)
    if pods is None:
        text.line("Pods:\tnot authorized")
    else:
        _pods(text, pods, status.get("allocatable") or status.get("capacity") or {})
    events(text, listed)


def roles(obj: Object) -> str:
    found = sorted(
        {key.removeprefix(ROLE) for key in meta(obj).get("labels") or {} if key.startswith(ROLE) and key != ROLE}
    )
    return ",".join(found) or "<none>"


def _taints(text: Text, taints: list[Object]) -> None:
    head = "Taints:\t"
    said = [
        f"{one['key']}={one['value']}:{one['effect']}" if one.get("value") else f"{one['key']}:{one['effect']}"
        for one in sorted(taints, key=lambda taint: (taint.get("effect", ""), taint["key"]))
    ]
    for line in said or ["<none>"]:
        text.line(f"{head}{line}")
        head = "\t"


def _lease(session: Session, text: Text, name: str) -> None:
    from sampan.api.errors import ApiError

    info = session.resources.for_kind("coordination.k8s.io/v1", "Lease")
    try:
        lease = session.client.of(info).get(name, namespace="kube-node-lease")
    except ApiError as error:
        text.field("Lease", f"Failed to get lease: {error.message}")
        return
    spec = lease.get("spec") or {}
    text.line("Lease:")
    text.field("HolderIdentity", spec.get("holderIdentity") or "<unset>", 1)
    text.field("AcquireTime", moment(spec["acquireTime"]) if spec.get("acquireTime") else "<unset>", 1)
    text.field("RenewTime", moment(spec["renewTime"]) if spec.get("renewTime") else "<unset>", 1)


def _conditions(text: Text, status: Object) -> None:
    if not status.get("conditions"):
        return
    text.line("Conditions:\n  Type\tStatus\tLastHeartbeatTime\tLastTransitionTime\tReason\tMessage")
    text.line("----\t------\t-----------------\t------------------\t------\t-------", 1)
    for one in status["conditions"]:
        text.line(
            f"{one['type']} \t{one['status']} \t{moment(one.get('lastHeartbeatTime'))} \t"
            f"{moment(one.get('lastTransitionTime'))} \t{one.get('reason', '')} \t{one.get('message', '')}",
            1,
        )


def _pods(text: Text, pods: list[Object], room: Object) -> None:
    text.line(f"Non-terminated Pods:\t({len(pods)} in total)")
    text.line("Namespace\tName\t\tCPU Requests\tCPU Limits\tMemory Requests\tMemory Limits\tAge", 1)
    text.line("---------\t----\t\t------------\t----------\t---------------\t-------------\t---", 1)
    total: dict[tuple[str, str], int] = {}
    for pod in pods:
        used = _used(pod)
        for key, amount in used.items():
            total[key] = total.get(key, 0) + amount
        cells = [
            _share(used.get((name, which), 0), name, room)
            for name in ("cpu", "memory")
            for which in ("requests", "limits")
        ]
        row = (meta(pod).get("namespace", ""), meta(pod)["name"], "", *cells, age(meta(pod).get("creationTimestamp")))
        text.line("\t".join(row), 1)
    text.line("Allocated resources:\n  (Total limits may be over 100 percent, i.e., overcommitted.)")
    text.line("Resource\tRequests\tLimits", 1)
    text.line("--------\t--------\t------", 1)
    for name in (*PARTS, *sorted(name for name in room if name.startswith("hugepages-"))):
        cells = [_share(total.get((name, which), 0), name, room) for which in ("requests", "limits")]
        text.line("\t".join((name, *cells)), 1)
    for name in sorted(name for name in room if "/" in name):  # what device plugins offer
        text.line("\t".join((name, *(str(total.get((name, which), 0)) for which in ("requests", "limits")))), 1)


def _used(pod: Object) -> dict[tuple[str, str], int]:
    """(resource, requests or limits) → thousandths of a CPU, or bytes."""
    sides = {"requests": pod_resources.request_numbers(pod), "limits": pod_resources.limit_numbers(pod)}
    return {(name, which): amount for which, numbers in sides.items() for name, amount in numbers.items()}


def _share(amount: int, name: str, room: Object) -> str:
    there = pod_resources.number(name, room[name]) if room.get(name) else 0
    percent = amount * 100 // there if there else 0
    return f"{_cpu(amount) if name == 'cpu' else _bytes(amount)} ({percent}%)"


def _cpu(milli: int) -> str:
    return f"{milli}m" if milli % 1000 else str(milli // 1000)


def _bytes(amount: int) -> str:
    for unit, size in (("Gi", 1 << 30), ("Mi", 1 << 20), ("Ki", 1 << 10)):
        if amount and amount % size == 0:
            return f"{amount // size}{unit}"
    return str(amount)
