"""Pods, sandboxes and containers in few words, for the tests of this room."""

from __future__ import annotations

from typing import Any

import msgspec

from sampan.api.types import core_v1
from sampan.kubelet.pod_state import PodState, arrange
from sampan.runtime.contract import (
    ContainerState,
    ContainerStatus,
    NamespaceMode,
    Namespaces,
    SandboxState,
    SandboxStatus,
)

UID = "00000000-0000-0000-0000-000000000001"
NOW = 1_767_225_600.0


def make_pod(spec: dict[str, Any] | None = None, *, status: dict[str, Any] | None = None, **meta: Any) -> core_v1.Pod:
    whole = {"containers": [{"name": "a", "image": "app:1"}], **(spec or {})}
    metadata = {"name": "p", "namespace": "ns", "uid": UID, "generation": 1, "resourceVersion": "1", **meta}
    document = {"kind": "Pod", "apiVersion": "v1", "metadata": metadata, "spec": whole, "status": status or {}}
    return msgspec.convert(document, core_v1.Pod)


def sandbox(*, attempt: int = 0, ready: bool = True, host_network: bool = False) -> SandboxStatus:
    return SandboxStatus(
        id=f"s{attempt}", name="p", namespace="ns", uid=UID, attempt=attempt,
        state=SandboxState.READY if ready else SandboxState.NOT_READY, created_at=attempt + 1,
        namespaces=Namespaces(network=NamespaceMode.NODE if host_network else NamespaceMode.POD),
    )  # fmt: skip


def container(
    name: str, state: str = "running", *, code: int = 0, attempt: int = 0, box: int = 0, **more: Any
) -> ContainerStatus:
    return ContainerStatus(
        id=f"{name}{attempt}", sandbox_id=f"s{box}", name=name, attempt=attempt, state=ContainerState(state),
        created_at=(attempt + 1) * 10, started_at=int(NOW) * 10**9, exit_code=code,
        finished_at=int(NOW) * 10**9 if state == "exited" else 0, **more,
    )  # fmt: skip


def state_of(*containers: ContainerStatus, boxes: list[SandboxStatus] | None = None, ip: str = "10.0.0.2") -> PodState:
    return arrange(UID, [sandbox()] if boxes is None else boxes, containers, ip=ip)


class Verdicts:
    """What probes are taken to have found."""

    def __init__(self, *, dead: str = "", never_up: str = "", starting: str = "", unready: str = "") -> None:
        self.dead, self.never_up, self.starting, self.unready = dead, never_up, starting, unready

    def liveness_failed(self, container_id: str) -> bool:
        return container_id == self.dead

    def startup_failed(self, container_id: str) -> bool:
        return container_id == self.never_up

    def started(self, container_id: str) -> bool:
        return container_id not in (self.starting, self.never_up)

    def ready(self, container_id: str) -> bool:
        return container_id != self.unready
