"""Who shapes the Pods' part of the cgroup tree: we ourselves (cgroupfs), or systemd where it owns the tree.

Both place a Pod's processes alike: the containers' groups (made by the OCI runtime), and one for the infra process and
the monitors, side by side below the Pod's.
"""

from __future__ import annotations

from typing import Protocol

from sampan.runtime import cgroups, process
from sampan.runtime.cgroups import CgroupTree
from sampan.runtime.errors import RuntimeFault
from sampan.runtime.images.blocking import blocking
from sampan.runtime.records import Resources


class CgroupDriver(Protocol):
    """Paths are relative to the hierarchies' roots."""

    def pod(self, qos_class: str, uid: str) -> str:
        """The Pod's group."""

    def child(self, pod: str, child_id: str) -> str:
        """The group of one container, or of the infra process, in it."""

    def oci_path(self, pod: str, child_id: str) -> str:
        """The same in the words of an OCI specification."""

    async def make(self, pod: str, infra: str, resources: Resources | None) -> None:
        """Ready for processes, as far as that can be before there is one."""

    async def join(self, pod: str, infra: str, sandbox_id: str, pid: int, resources: Resources | None) -> None:
        """The infra process belongs into its group from now on."""

    async def limit(self, pod: str, resources: Resources) -> None: ...

    async def removed(self, pod: str) -> None:
        """The Pod's group is empty and gone, as far as the tree shows."""


class Cgroupfs:
    def __init__(self, tree: CgroupTree, root: str) -> None:
        self._tree = tree
        self._root = root

    def pod(self, qos_class: str, uid: str) -> str:
        return cgroups.pod_path(self._root, qos_class, uid)

    def child(self, pod: str, child_id: str) -> str:
        return f"{pod}/{child_id}"

    def oci_path(self, pod: str, child_id: str) -> str:
        return f"/{pod}/{child_id}"

    async def make(self, pod: str, infra: str, resources: Resources | None) -> None:
        def work() -> None:
            self._tree.make(infra)
            if resources is not None:
                self._tree.set_limits(pod, resources)

        await blocking(work)

    async def join(self, pod: str, infra: str, sandbox_id: str, pid: int, resources: Resources | None) -> None:
        await blocking(self._tree.add, infra, pid)

    async def limit(self, pod: str, resources: Resources) -> None:
        await blocking(self._tree.set_limits, pod, resources)

    async def removed(self, pod: str) -> None:
        self._tree.remove_empty_parents(pod)


class Systemd:
    """A Pod is a slice, a container or infra process a scope in it. systemd is spoken to by its own tools."""

    def __init__(self, tree: CgroupTree, root: str) -> None:
        self._tree = tree
        self._root = root

    def pod(self, qos_class: str, uid: str) -> str:
        return cgroups.slice_path(cgroups.pod_slice(self._root, qos_class, uid))

    def child(self, pod: str, child_id: str) -> str:
        return f"{pod}/sampan-{child_id}.scope"

    def oci_path(self, pod: str, child_id: str) -> str:
        return f"{_unit(pod)}:sampan:{child_id}"

    async def make(self, pod: str, infra: str, resources: Resources | None) -> None:
        return None  # a slice comes with its first scope

    async def join(self, pod: str, infra: str, sandbox_id: str, pid: int, resources: Resources | None) -> None:
        await _call(start_scope(f"sampan-{sandbox_id}.scope", _unit(pod), pid))
        if resources is not None:
            await self.limit(pod, resources)

    async def limit(self, pod: str, resources: Resources) -> None:
        properties = slice_properties(resources)
        if properties:
            await _call(["systemctl", "set-property", "--runtime", _unit(pod), *properties])

    async def removed(self, pod: str) -> None:
        await process.run(["systemctl", "stop", _unit(pod)])  # it may have gone by itself


def _unit(pod: str) -> str:
    return pod.rpartition("/")[2]


def start_scope(unit: str, slice_unit: str, pid: int) -> list[str]:
    """The command that has systemd take a process into a scope of its own."""
    manager = ["org.freedesktop.systemd1", "/org/freedesktop/systemd1", "org.freedesktop.systemd1.Manager"]
    properties = [
        ["Slice", "s", slice_unit], ["PIDs", "au", "1", str(pid)], ["Delegate", "b", "true"],
        ["DefaultDependencies", "b", "false"],
    ]  # fmt: skip
    flat = [word for entry in properties for word in entry]
    call = ["StartTransientUnit", "ssa(sv)a(sa(sv))", unit, "replace", str(len(properties)), *flat, "0"]
    return ["busctl", "call", *manager, *call]


def slice_properties(resources: Resources) -> list[str]:
    found = []
    if resources.cpu_shares:
        found.append(f"CPUWeight={cgroups.cpu_weight(resources.cpu_shares)}")
    if resources.cpu_quota > 0:
        found.append(f"CPUQuota={resources.cpu_quota * 100 // (resources.cpu_period or 100_000)}%")
    if resources.memory_limit:
        found.append(f"MemoryMax={resources.memory_limit}")
    if resources.pids_limit:
        found.append(f"TasksMax={resources.pids_limit}")
    return found


async def _call(argv: list[str]) -> None:
    code, output = await process.run(argv)
    if code != 0:
        raise RuntimeFault(f"systemd refused: {' '.join(argv[:2])}: {output}")
