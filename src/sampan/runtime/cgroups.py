"""Control groups of this host, version 1, 2 or both: where they are, the Pods' part of the tree, what is in it.

A container's own group and its limits are the OCI runtime's work; this makes the Pod's group above it, reads what they
use, and removes them. Paths are relative to the hierarchies' roots: `kubepods/burstable/pod<uid>/<id>`.
"""

from __future__ import annotations

import os
import signal
import threading
from enum import StrEnum

import msgspec

from sampan.runtime.records import Resources

ROOT = "/sys/fs/cgroup"
_V2_CONTROLLERS = ("cpuset", "cpu", "io", "memory", "hugetlb", "pids")


class Layout(StrEnum):
    V1 = "v1"
    HYBRID = "hybrid"  # v1, and v2 mounted below it
    V2 = "v2"


class Cgroups(msgspec.Struct):
    """`hierarchies` are the v1 mount points by controller, or the one of v2 as ""."""

    layout: Layout
    hierarchies: dict[str, str]
    v2_beside: str = ""  # on a hybrid host: where v2 is mounted, and the controllers it holds
    busy_v2_controllers: list[str] = []


def detect(mountinfo: str | None = None) -> Cgroups | None:
    """None when there are none to work with."""
    if mountinfo is None:
        with open("/proc/self/mountinfo") as file:
            mountinfo = file.read()
    v1: dict[str, str] = {}
    v2 = ""
    for line in mountinfo.splitlines():
        left, _, right = line.partition(" - ")
        target, kind, options = left.split()[4], right.split()[0], right.split()[-1]
        if kind == "cgroup2" and not v2:
            v2 = target
        elif kind == "cgroup":
            # A hierarchy's own options are its controllers: the last part of the mount point names them.
            name = next((o for o in options.split(",") if o.startswith("name=")), os.path.basename(target))
            v1.setdefault(name, target)
    if v2 == ROOT or (v2 and not v1):
        return Cgroups(Layout.V2, {"": v2})
    if not v1:
        return None
    if not v2:
        return Cgroups(Layout.V1, v1)
    return Cgroups(Layout.HYBRID, v1, v2, read(f"{v2}/cgroup.controllers").split())


def shared_with_others() -> bool:
    """Whether a mount made below /sys/fs/cgroup shows in other mount namespaces."""
    with open("/proc/self/mountinfo") as file:
        return any(line.split()[4] == ROOT and " shared:" in line.partition(" - ")[0] for line in file)


def read(path: str) -> str:
    try:
        with open(path) as file:
            return file.read().strip()
    except OSError:
        return ""


def _write(path: str, text: str) -> None:
    with open(path, "w") as file:
        file.write(text)


def _try_write(path: str, text: str) -> bool:
    try:
        _write(path, text)
    except OSError:
        return False
    return True


def number(text: str) -> int:
    return int(text) if text.isdigit() else 0


def fields(path: str) -> dict[str, int]:
    """A file of `name number` lines."""
    pairs = (line.split() for line in read(path).splitlines())
    return {pair[0]: number(pair[1]) for pair in pairs if len(pair) == 2}


class CgroupTree:
    """What the runtime does with them."""

    def __init__(self, cgroups: Cgroups) -> None:
        self.layout = cgroups.layout
        self._at = cgroups.hierarchies
        self._v2 = cgroups.layout is Layout.V2
        self._shape = threading.Lock()
        tracking = self._tracking("").rstrip("/")
        self._pod_roots = [
            root for name, root in self._at.items()
            if root == tracking or self._v2 or set(name.split(",")) & {"cpu", "cpuacct", "memory", "pids"}
        ]  # fmt: skip
        # On a hybrid host some OCI runtimes also make a group in v2, where nothing is limited.
        self._everywhere = [*self._at.values(), *([cgroups.v2_beside] if cgroups.v2_beside else [])]

    def directory(self, controller: str, path: str) -> str | None:
        root = self._at.get("" if self._v2 else controller)
        if root is None and not self._v2:  # mounted together: cpu,cpuacct
            root = next((at for name, at in self._at.items() if controller in name.split(",")), None)
        return f"{root}/{path}" if root else None

    def make(self, path: str) -> None:
        """With its parents, and every controller handed down. On v1 only where a Pod is limited or counted: the OCI
        runtime makes what else it needs for its containers."""
        with self._shape:
            for root in self._pod_roots:
                self._make(root, path.strip("/"), leaf=True)

    def _make(self, root: str, path: str, *, leaf: bool) -> None:
        where, parent = f"{root}/{path}", os.path.dirname(path)
        try:
            os.mkdir(where, 0o755)
        except FileExistsError:
            pass
        except FileNotFoundError:
            self._make(root, parent, leaf=False)
            os.mkdir(where, 0o755)
        if self._v2:
            self._hand_down(f"{root}/{parent}".rstrip("/"))
            if not leaf:
                self._hand_down(where)

    def prepare_parent(self, path: str) -> None:
        """Its children are going to have limits (v2 asks for it; a v1 group always may)."""
        if self._v2:
            self._hand_down(f"{self._at['']}/{path}")

    @staticmethod
    def _hand_down(where: str) -> None:
        have = set(read(f"{where}/cgroup.controllers").split()) & set(_V2_CONTROLLERS)
        missing = have - set(read(f"{where}/cgroup.subtree_control").split())
        for controller in sorted(missing):  # one by one: what is refused keeps no other away
            _try_write(f"{where}/cgroup.subtree_control", f"+{controller}")

    def set_limits(self, path: str, resources: Resources) -> None:
        """For a Pod's group as a whole. What the kernel refuses is left: the containers' own limits still hold."""
        cpu, memory, pids = (self.directory(name, path) for name in ("cpu", "memory", "pids"))
        if self._v2:
            if cpu and resources.cpu_shares:
                _try_write(f"{cpu}/cpu.weight", str(cpu_weight(resources.cpu_shares)))
            if cpu and resources.cpu_quota:
                quota = "max" if resources.cpu_quota < 0 else str(resources.cpu_quota)
                _try_write(f"{cpu}/cpu.max", f"{quota} {resources.cpu_period or 100_000}")
            if memory and resources.memory_limit:
                _try_write(f"{memory}/memory.max", str(resources.memory_limit))
        else:
            if cpu and resources.cpu_shares:
                _try_write(f"{cpu}/cpu.shares", str(resources.cpu_shares))
            if cpu and resources.cpu_quota:
                _try_write(f"{cpu}/cpu.cfs_period_us", str(resources.cpu_period or 100_000))
                _try_write(f"{cpu}/cpu.cfs_quota_us", str(resources.cpu_quota))
            if memory and resources.memory_limit:
                _try_write(f"{memory}/memory.limit_in_bytes", str(resources.memory_limit))
        if pids and resources.pids_limit:
            _try_write(f"{pids}/pids.max", str(resources.pids_limit))
        for limit in resources.hugepage_limits:
            huge = self.directory("hugetlb", path)
            if huge:
                name = f"hugetlb.{limit.page_size}.{'max' if self._v2 else 'limit_in_bytes'}"
                _try_write(f"{huge}/{name}", str(limit.limit))

    def add(self, path: str, pid: int, *, tracking_only: bool = False) -> None:
        """Move a process in. On v1 `tracking_only` uses one hierarchy, enough to find it again."""
        for where in [self._tracking(path)] if tracking_only else [f"{root}/{path}" for root in self._pod_roots]:
            _try_write(f"{where}/cgroup.procs", str(pid))

    def _tracking(self, path: str) -> str:
        for name in ("name=systemd", "systemd", "pids", "freezer", "memory", ""):
            if name in self._at:
                return f"{self._at[name]}/{path}"
        return f"{next(iter(self._at.values()))}/{path}"

    def processes(self, path: str) -> list[int]:
        """All below the path, in any hierarchy."""
        found: set[int] = set()
        for root in [self._tracking("").rstrip("/")] if not self._v2 else self._at.values():
            for where, _, _ in os.walk(f"{root}/{path}"):
                found |= {int(pid) for pid in read(f"{where}/cgroup.procs").split()}
        return sorted(found)

    def kill(self, path: str) -> int:
        """SIGKILL to everything below; how many there were. Never to ourselves."""
        if self._v2 and _try_write(f"{self._at['']}/{path}/cgroup.kill", "1"):
            return 0
        victims = [pid for pid in self.processes(path) if pid != os.getpid()]
        for pid in victims:
            try:
                os.kill(pid, signal.SIGKILL)
            except ProcessLookupError:
                pass
        return len(victims)

    def exists(self, path: str) -> bool:
        return any(os.path.isdir(f"{root}/{path}") for root in self._at.values())

    def remove(self, path: str) -> bool:
        """With all below it; False while a process is still in there."""
        gone = True
        for root in self._everywhere:
            for where, _, _ in os.walk(f"{root}/{path}", topdown=False):
                try:
                    os.rmdir(where)
                except FileNotFoundError:
                    pass
                except OSError:
                    gone = False
        return gone

    def remove_empty_parents(self, path: str) -> None:
        with self._shape:  # not while another thread makes a group in one of them
            for root in self._everywhere:
                where = os.path.dirname(path)
                while where:
                    try:
                        os.rmdir(f"{root}/{where}")
                    except OSError:
                        break
                    where = os.path.dirname(where)

    def oom_kills(self, path: str) -> int:
        """How many processes the kernel killed there for memory."""
        where = self.directory("memory", path)
        if not where:
            return 0
        return fields(f"{where}/{'memory.events' if self._v2 else 'memory.oom_control'}").get("oom_kill", 0)


def cpu_weight(shares: int) -> int:
    """From v1's cpu.shares (2 to 262144) to v2's cpu.weight (1 to 10000), as OCI runtimes reckon it."""
    return 1 + ((min(max(shares, 2), 262144) - 2) * 9999) // 262142


def pod_path(root: str, qos_class: str, uid: str) -> str:
    qos = "" if qos_class == "Guaranteed" else qos_class.lower() + "/"
    return f"{root}/kubepods/{qos}pod{uid}".lstrip("/")


def pod_slice(root: str, qos_class: str, uid: str) -> str:
    """The same for systemd, which spells a path as a name: kubepods-burstable-pod<uid>.slice."""
    parts = [root.replace("/", "-").strip("-"), "kubepods", "" if qos_class == "Guaranteed" else qos_class.lower()]
    return "-".join([part for part in parts if part] + [f"pod{uid.replace('-', '_')}"]) + ".slice"


def slice_path(name: str) -> str:
    """Where systemd puts a slice: every dash is a level."""
    stem = name.removesuffix(".slice").split("-")
    return "/".join("-".join(stem[: n + 1]) + ".slice" for n in range(len(stem)))
