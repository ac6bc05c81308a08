"""One container's log, copied to stdout; followed from one run of the container to the next if wanted."""

from __future__ import annotations

import sys
import threading
import time
from typing import Any

from sampan.api.errors import ApiError, BadRequest, NotFound
from sampan.api.scheme import ResourceInfo
from sampan.client.calls import JSON, Call, item_path
from sampan.client.sync_api import SyncClient
from sampan.client.transport import TransportError

_writing = threading.Lock()
PAUSE = 0.3


def pump(
    client: SyncClient, info: ResourceInfo, pod: dict[str, Any], container: str, query: dict[str, str], *, prefix: str
) -> None:
    metadata = pod["metadata"]
    path = item_path(info, metadata["namespace"], metadata["name"], "log")
    asked = Call("GET", path, {"container": container, **query}, {"accept": f"{JSON}, */*"})
    with client.open(asked) as stream:
        held = b""
        for chunk in stream:
            if not prefix and query.get("follow") != "true":
                _write(chunk)
                continue
            lines, newline, rest = (held + chunk).rpartition(b"\n")
            held = rest
            if newline:
                _write(_prefixed(lines + newline, prefix.encode()))
        if held:
            _write(_prefixed(held, prefix.encode()))


def follow_over_restarts(
    client: SyncClient, info: ResourceInfo, pod: dict[str, Any], container: str, query: dict[str, str], *, prefix: str
) -> None:
    """A stream ends with the container's run; while the Pod will start it again, the next run is waited for."""
    metadata = pod["metadata"]
    run_id = container_id(pod, container)
    while True:
        try:
            pump(client, info, pod, container, query, prefix=prefix)
        except TransportError:
            pass  # the node or the server restarts: the log goes on afterwards
        while True:
            try:
                now = client.of(info).get(metadata["name"], namespace=metadata["namespace"])
            except NotFound:
                return
            except TransportError:
                time.sleep(PAUSE)
                continue
            if now["metadata"].get("uid") != metadata.get("uid"):
                return
            current = container_id(now, container)
            if current and current != run_id and is_running_or_ended(now, container):
                run_id = current
                break
            if not goes_on(now, container):
                return
            if current == run_id and is_running(now, container):
                # The stream broke under a run that goes on: only what is new.
                query = {**query, "sinceSeconds": "1"}
                break
            time.sleep(PAUSE)
        query = {k: v for k, v in query.items() if k not in ("tailLines", "sinceTime", "limitBytes")}
        if current != container_id(pod, container):
            query.pop("sinceSeconds", None)
        pod = now


def goes_on(pod: dict[str, Any], container: str) -> bool:
    """Whether the container may run (again): decided as the kubelet decides."""
    status, spec = pod.get("status") or {}, pod.get("spec") or {}
    if pod["metadata"].get("deletionTimestamp") or status.get("phase") in ("Succeeded", "Failed"):
        return False
    state = status_of(pod, container).get("state") or {}
    ended = state.get("terminated")
    if ended is None:
        return True
    policy = spec.get("restartPolicy") or "Always"
    if any(c["name"] == container for c in spec.get("initContainers") or ()):
        policy = "OnFailure" if policy == "Always" else policy
    return policy == "Always" or (policy == "OnFailure" and ended.get("exitCode") != 0)


def container_id(pod: dict[str, Any], container: str) -> str:
    return str(status_of(pod, container).get("containerID") or "")


def is_running(pod: dict[str, Any], container: str) -> bool:
    return "running" in (status_of(pod, container).get("state") or {})


def is_running_or_ended(pod: dict[str, Any], container: str) -> bool:
    state = status_of(pod, container).get("state") or {}
    return "running" in state or "terminated" in state


def status_of(pod: dict[str, Any], container: str) -> dict[str, Any]:
    status = pod.get("status") or {}
    for field in ("containerStatuses", "initContainerStatuses", "ephemeralContainerStatuses"):
        for one in status.get(field) or ():
            if one.get("name") == container:
                found: dict[str, Any] = one
                return found
    return {}


def tail_of(
    client: SyncClient, info: ResourceInfo, pod: dict[str, Any], container: str, lines: int, previous: bool
) -> str:
    """The last lines as text; empty when there are none to be had."""
    metadata = pod["metadata"]
    query = {"container": container, "tailLines": str(lines)} | ({"previous": "true"} if previous else {})
    path = item_path(info, metadata["namespace"], metadata["name"], "log")
    try:
        return client.send(Call("GET", path, query, {}), timeout=5.0).body.decode(errors="replace")
    except (ApiError, BadRequest, TransportError):
        return ""


def _prefixed(data: bytes, prefix: bytes) -> bytes:
    return b"".join(prefix + line for line in data.splitlines(keepends=True)) if prefix else data


def _write(data: bytes) -> None:
    with _writing:
        sys.stdout.buffer.write(data)
        sys.stdout.buffer.flush()
