"""Termination messages: what a container wrote to its file, or the end of its log; and what a Pod leaves on disk."""

import asyncio
import shutil
from pathlib import Path

from sampan.api.types import core_v1
from sampan.kubelet import garbage
from sampan.kubelet.config import KubeletConfig
from sampan.kubelet.pod_state import PodState
from sampan.kubelet.sandbox_config import log_directory
from sampan.kubelet.starter import termination_message_file
from sampan.runtime.contract import ContainerState, ContainerStatus, Runtime
from sampan.runtime.logline import parse_entry

LONGEST = 4096
LONGEST_FROM_LOG = 2048
LINES_FROM_LOG = 80


class TerminationMessages:
    """Read once per ended container, and remembered."""

    def __init__(self, config: KubeletConfig) -> None:
        self._config = config
        self._known: dict[str, str] = {}
        self._owners: dict[str, str | None] = {}

    async def collect(self, runtime: Runtime, pod: core_v1.Pod, state: PodState) -> None:
        """Older deaths than the last one of each container are not shown anywhere: clear them away."""
        if await garbage.collect(runtime, self._config, pod, state):
            for container in garbage.surplus_containers(state):
                self._known.pop(container.id, None)
                self._owners.pop(container.id, None)

    async def of(self, pod: core_v1.Pod, state: PodState) -> dict[str, str]:
        found = {}
        for history in state.containers.values():
            for container in history[:2]:
                if container.state is not ContainerState.EXITED:
                    continue
                if container.id not in self._known:
                    self._owners[container.id] = pod.metadata.uid
                    self._known[container.id] = await asyncio.to_thread(self._read, pod, container)
                if self._known[container.id]:
                    found[container.id] = self._known[container.id]
        return found

    async def remove(self, pod: core_v1.Pod) -> None:
        """All that is left of the Pod on disk: its directory and its logs."""
        for key in [k for k, owner in self._owners.items() if owner == pod.metadata.uid]:
            del self._owners[key]
            self._known.pop(key, None)
        for directory in (self._config.root_dir / "pods" / str(pod.metadata.uid), log_directory(self._config, pod)):
            await asyncio.to_thread(shutil.rmtree, directory, ignore_errors=True)

    def _read(self, pod: core_v1.Pod, container: ContainerStatus) -> str:
        path = termination_message_file(self._config, pod, container.name, container.attempt)
        try:
            with path.open("rb") as file:
                written = file.read(LONGEST).decode(errors="replace")
        except OSError:
            written = ""
        policy = container.annotations.get("io.kubernetes.container.terminationMessagePolicy")
        if not written and policy == "FallbackToLogsOnError" and container.exit_code != 0:
            return last_lines(Path(container.log_path))
        return written


def last_lines(path: Path) -> str:
    """The end of a CRI log, without its headers."""
    try:
        with path.open("rb") as file:
            file.seek(0, 2)
            size = file.tell()
            file.seek(max(0, size - 4 * LONGEST_FROM_LOG))
            raw = file.read().splitlines()
    except OSError:
        return ""
    if size > 4 * LONGEST_FROM_LOG:
        raw = raw[1:]
    out = b""
    for line in raw[-LINES_FROM_LOG:]:
        entry = parse_entry(line)
        if entry is not None:
            out += entry.text + (b"" if entry.partial else b"\n")
    return out[-LONGEST_FROM_LOG:].decode(errors="replace")
