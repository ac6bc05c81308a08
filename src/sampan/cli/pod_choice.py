"""Which Pod, and which of its containers, is meant: by `logs`, `exec`, `attach`, `port-forward` and `cp`.

A workload or a Service stands for the best of its Pods. Choosing is pure; `first_pod` fetches, and waits for one.
"""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator
from typing import Any

from sampan.api.errors import NotFound
from sampan.api.scheme import ResourceInfo
from sampan.cli.errors import CliError
from sampan.cli.say import complain
from sampan.cli.session import Session
from sampan.client.calls import ListOptions

Pod = dict[str, Any]
DEFAULT_CONTAINER = "kubectl.kubernetes.io/default-container"
_PHASES = {"Running": 0, "Unknown": 1, "Pending": 2}


def first_pod(session: Session, info: ResourceInfo, name: str, *, timeout: float = 60.0, for_logs: bool = False) -> Pod:
    """The Pod itself, or of a workload's Pods the one that answers best."""
    namespace = session.where(info)
    data = session.client.of(info).get(name, namespace=namespace)
    if info.kind == "Pod" and not info.group:
        return data
    selector = selector_of(info, data)
    pods = pods_by_selector(session, selector, namespace)
    end = time.monotonic() + timeout
    while not pods:
        if time.monotonic() > end:
            raise CliError("timed out waiting for the condition")
        time.sleep(0.25)
        pods = pods_by_selector(session, selector, namespace)
    pods.sort(key=lambda pod: rank(pod, for_logs=for_logs))
    if for_logs and len(pods) > 1:
        complain(f"Found {len(pods)} pods, using pod/{pods[0]['metadata']['name']}")
    return pods[0]


def pods_by_selector(
    session: Session, selector: str, namespace: str, field_selector: str = "", *, chunk: int = 500
) -> list[Pod]:
    options = ListOptions(label_selector=selector, field_selector=field_selector)
    pods = session.client.of(session.resolve("pods"))
    found = [pod for page in pods.list_pages(options, namespace=namespace, limit=chunk) for pod in page.items]
    for pod in found:
        pod.setdefault("kind", "Pod")
        pod.setdefault("apiVersion", "v1")
    return found


def selector_of(info: ResourceInfo, data: dict[str, Any], *, doing: str = "") -> str:
    """The label selector of what owns or serves Pods, as text."""
    spec = data.get("spec") or {}
    selector = spec.get("selector")
    if info.kind in ("Service", "ReplicationController") and not info.group:
        if not selector:
            raise CliError(f"invalid service '{data['metadata']['name']}': Service is defined without a selector")
        return ",".join(f"{key}={value}" for key, value in sorted(selector.items()))
    if info.kind not in ("Deployment", "ReplicaSet", "StatefulSet", "DaemonSet", "Job") or not selector:
        raise CliError(
            f"{doing or 'cannot attach to'} *{info.version}.{info.kind}: "
            f"selector for *{info.version}.{info.kind} not implemented"
        )
    return selector_text(selector)


def selector_text(selector: dict[str, Any]) -> str:
    parts = [f"{key}={value}" for key, value in sorted((selector.get("matchLabels") or {}).items())]
    for rule in selector.get("matchExpressions") or ():
        operator, key = rule.get("operator"), rule.get("key")
        if operator in ("In", "NotIn"):
            parts.append(f"{key} {operator.lower()} ({','.join(sorted(rule.get('values') or ()))})")
        else:
            parts.append(key if operator == "Exists" else f"!{key}")
    return ",".join(parts)


def rank(pod: Pod, *, for_logs: bool) -> tuple[Any, ...]:
    """The best Pod sorts first: on a node, running, ready, ready for long, old; for logs the one that crashed most."""
    status = pod.get("status") or {}
    ready_since = ""
    for condition in status.get("conditions") or ():
        if condition.get("type") == "Ready" and condition.get("status") == "True":
            ready_since = condition.get("lastTransitionTime") or "~"
    restarts = max((c.get("restartCount") or 0 for c in status.get("containerStatuses") or ()), default=0)
    return (
        not (pod.get("spec") or {}).get("nodeName"),
        _PHASES.get(status.get("phase", ""), 0 if for_logs else 3),
        not ready_since,
        ready_since,
        -restarts if for_logs else restarts,
        pod["metadata"].get("creationTimestamp") or "~",
    )


def containers(pod: Pod) -> Iterator[tuple[str, str]]:
    """(name, mark): the mark of an init or ephemeral container says so."""
    spec = pod.get("spec") or {}
    for field, mark in (("containers", ""), ("initContainers", " (init)"), ("ephemeralContainers", " (ephem)")):
        for one in spec.get(field) or ():
            yield one["name"], mark


def listed(pairs: Iterable[tuple[str, str]]) -> str:
    return ", ".join(f"{name}{mark}" for name, mark in pairs)


def container_of(pod: Pod, asked: str, *, quiet: bool = False) -> str:
    """The container that was asked for, that the Pod says is its main one, or the first, which is then told."""
    known = list(containers(pod))
    names = [name for name, _ in known]
    name = pod["metadata"]["name"]
    if asked:
        if asked not in names:
            raise CliError(f"container {asked} not found in pod {name}")
        return asked
    if not names:
        raise CliError(f"pod {pod['metadata'].get('namespace', '')}/{name} does not have any containers")
    marked = (pod["metadata"].get("annotations") or {}).get(DEFAULT_CONTAINER)
    if marked in names:
        return str(marked)
    if len(known) > 1 and not quiet:
        complain(f'Defaulted container "{names[0]}" out of: {listed(known)}')
    return names[0]


def missing_pod(error: NotFound, namespace: str) -> CliError:
    return CliError(f'error from server (NotFound): {error.message} in namespace "{namespace}"')
