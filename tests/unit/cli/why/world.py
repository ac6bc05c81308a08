"""Small recorded objects for the scenarios."""

from typing import Any

Object = dict[str, Any]


def pod(
    name: str = "web", *, phase: str = "Pending", node: str = "n1", labels: Any = None, spec: Any = None, **status: Any
) -> Object:
    made: Object = {
        "kind": "Pod",
        "metadata": {"name": name, "namespace": "default", "uid": f"u-{name}", "labels": labels or {"app": name}},
        "spec": {"containers": [{"name": "app", "image": "nginx:1"}], "restartPolicy": "Always"} | (spec or {}),
        "status": {"phase": phase} | status,
    }
    if node:
        made["spec"]["nodeName"] = node
    return made


def waits(reason: str, message: str = "", *, name: str = "app", restarts: int = 0, last: Any = None) -> Object:
    made: Object = {
        "name": name,
        "ready": False,
        "restartCount": restarts,
        "state": {"waiting": {"reason": reason, "message": message}},
    }
    if last:
        made["lastState"] = {"terminated": last}
    return made


def crashed(code: int, *, reason: str = "Error", name: str = "app", **more: Any) -> Object:
    return waits("CrashLoopBackOff", name=name, restarts=3, last={"exitCode": code, "reason": reason} | more)


def runs(*, ready: bool = False, name: str = "app") -> Object:
    return {
        "name": name,
        "ready": ready,
        "started": True,
        "restartCount": 0,
        "state": {"running": {"startedAt": "1970-01-01T00:00:00Z"}},
    }


def event(reason: str, message: str, *, kind: str = "Pod", name: str = "web", count: int = 1) -> Object:
    return {
        "metadata": {"name": f"{name}.{reason}"},
        "reason": reason,
        "message": message,
        "count": count,
        "involvedObject": {"kind": kind, "name": name},
        "lastTimestamp": "1970-01-01T00:00:00Z",
    }


def node(name: str = "n1", *, ready: str = "True", labels: Any = None, spec: Any = None, **more: Any) -> Object:
    conditions = [
        {
            "type": "Ready",
            "status": ready,
            "message": more.get("message", ""),
            "lastTransitionTime": "1970-01-01T00:00:00Z",
        }
    ]
    conditions += [{"type": kind, "status": "True", "message": "low"} for kind in more.get("pressures", ())]
    return {
        "kind": "Node",
        "metadata": {"name": name, "labels": labels or {}},
        "spec": spec or {},
        "status": {"conditions": conditions, "allocatable": {"cpu": "2", "memory": "4Gi"}},
    }


def named(name: str, **fields: Any) -> Object:
    return {
        "metadata": {"name": name, "namespace": "default", "uid": f"u-{name}"} | fields.pop("metadata", {})
    } | fields


def owned(obj: Object, owner: str, kind: str = "ReplicaSet") -> Object:
    obj["metadata"]["ownerReferences"] = [{"kind": kind, "name": owner, "uid": f"u-{owner}", "controller": True}]
    return obj
