"""What one container is made from: the Pod's words turned into the runtime's. Pure; `starter.py` gathers the inputs."""

import hashlib
from collections.abc import Sequence

from sampan.api.types import core_v1
from sampan.kubelet.actions import HASH_LABEL
from sampan.kubelet.resources import container_resources
from sampan.runtime.contract import ContainerConfig, Device, Image, Mount, SecurityContext


def container_hash(container: core_v1.Container) -> str:
    """Changes with what a running container cannot change: its image."""
    return hashlib.sha256(f"{container.name}\0{container.image}".encode()).hexdigest()[:8]


def expand(text: str, env: dict[str, str]) -> str:
    """`$(NAME)` becomes its value, `$$(NAME)` stays `$(NAME)`, an unknown name stays as it is."""
    out: list[str] = []
    at = 0
    while (dollar := text.find("$", at)) >= 0 and dollar + 1 < len(text):
        out.append(text[at:dollar])
        follower = text[dollar + 1]
        if follower == "$":
            out.append("$")
            at = dollar + 2
        elif follower == "(" and (close := text.find(")", dollar)) > 0:
            name = text[dollar + 2 : close]
            out.append(env.get(name, f"$({name})"))
            at = close + 1
        else:
            out.append("$")
            at = dollar + 1
    out.append(text[at:])
    return "".join(out)


def log_path(name: str, attempt: int) -> str:
    return f"{name}/{attempt}.log"


def container_config(
    pod: core_v1.Pod,
    container: core_v1.Container,
    *,
    attempt: int,
    image: Image,
    env: dict[str, str],
    mounts: list[Mount],
    devices: Sequence[Device] = (),
    security: SecurityContext,
    node_memory: int,
) -> ContainerConfig:
    meta = pod.metadata
    lifecycle = container.lifecycle
    stop_signal = (lifecycle.stopSignal or "") if lifecycle is not None else ""
    return ContainerConfig(
        name=container.name,
        attempt=attempt,
        image=container.image or "",
        image_id=image.id,
        command=[expand(word, env) for word in container.command or ()],
        args=[expand(word, env) for word in container.args or ()],
        env=env,
        working_dir=container.workingDir or "",
        mounts=mounts,
        devices=list(devices),
        log_path=log_path(container.name, attempt),
        stdin=bool(container.stdin),
        stdin_once=bool(container.stdinOnce),
        tty=bool(container.tty),
        stop_signal=stop_signal,
        resources=container_resources(pod, container, node_memory=node_memory),
        security=security,
        labels={
            "io.kubernetes.container.name": container.name,
            "io.kubernetes.pod.name": meta.name or "",
            "io.kubernetes.pod.namespace": meta.namespace or "",
            "io.kubernetes.pod.uid": meta.uid or "",
            HASH_LABEL: container_hash(container),
        },
        annotations={
            "io.kubernetes.container.terminationMessagePath": container.terminationMessagePath or "",
            "io.kubernetes.container.terminationMessagePolicy": container.terminationMessagePolicy or "",
        },
    )
