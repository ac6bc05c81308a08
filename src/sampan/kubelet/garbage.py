"""What a Pod that lives on need not keep: of each container the newest dead one is enough, and of sandboxes the newest.
Pure, but for `collect`, which removes it."""

import asyncio
import glob
from pathlib import Path

from sampan.api.types import core_v1
from sampan.kubelet.config import KubeletConfig
from sampan.kubelet.pod_state import PodState
from sampan.kubelet.starter import termination_message_file
from sampan.runtime.contract import ContainerState, ContainerStatus, Runtime, SandboxState


def surplus_containers(state: PodState) -> list[ContainerStatus]:
    """All dead ones but the newest of each name."""
    result = []
    for history in state.containers.values():
        dead = [c for c in history if c.state is ContainerState.EXITED]
        result += dead[1:]
    return result


def surplus_sandboxes(state: PodState) -> list[str]:
    """Those that do not run, are not the newest and hold nothing that is kept."""
    surplus = {c.id for c in surplus_containers(state)}
    holding = {c.sandbox_id for history in state.containers.values() for c in history if c.id not in surplus}
    older = state.sandboxes[1:]
    return [s.id for s in older if s.state is SandboxState.NOT_READY and s.id not in holding]


async def collect(runtime: Runtime, config: KubeletConfig, pod: core_v1.Pod, state: PodState) -> bool:
    """True when something was removed."""
    containers, sandboxes = surplus_containers(state), surplus_sandboxes(state)
    for container in containers:
        await runtime.remove_container(container.id)
        message = termination_message_file(config, pod, container.name, container.attempt)
        await asyncio.to_thread(_unlink, container.log_path, message)
    for sandbox in sandboxes:
        await runtime.remove_sandbox(sandbox)
    return bool(containers or sandboxes)


def _unlink(log_path: str, message: Path) -> None:
    message.unlink(missing_ok=True)
    if log_path:
        for old in glob.glob(glob.escape(log_path) + "*"):  # with its rotated parts
            Path(old).unlink(missing_ok=True)
