"""emptyDir: a directory of the Pod's own, on the disk, in memory or of huge pages.

It is made once, whole or not at all: what containers make of it later, its mode included, is theirs, however often the
kubelet looks at it again or is restarted.
"""

import shutil
from pathlib import Path

from msgspec import Struct

from sampan.api import quantity
from sampan.api.types import core_v1
from sampan.kubelet.errors import MountFault
from sampan.kubelet.resources import pod_cgroup
from sampan.kubelet.volumes.filesystems import is_mounted, mount
from sampan.kubelet.volumes.ownership import set_group

EVERYBODY, AND_THE_GROUP = 0o777, 0o2777
HUGE_PAGES = "HugePages"
PAGES_OF = "hugepages-"


class InMemory(Struct, frozen=True):
    """The file system that is mounted for it."""

    kind: str
    options: tuple[str, ...]


def set_up_empty_dir(
    directory: Path, volume: core_v1.Volume, pod: core_v1.Pod, *, node_memory: int, group: int | None
) -> None:
    medium = in_memory(volume, pod, node_memory=node_memory)
    if medium is not None:
        directory.mkdir(parents=True, exist_ok=True)
        if not is_mounted(directory):
            owned = (f"mode={EVERYBODY:o}",) if group is None else (f"mode={AND_THE_GROUP:o}", f"gid={group}")
            mount(medium.kind, directory, (*medium.options, *owned))
    elif not directory.exists():
        half_made = directory.with_name(f".{directory.name}.new")
        shutil.rmtree(half_made, ignore_errors=True)
        half_made.mkdir(parents=True)
        half_made.chmod(EVERYBODY)
        if group is not None:
            set_group(half_made, group)
        half_made.rename(directory)


def in_memory(volume: core_v1.Volume, pod: core_v1.Pod, *, node_memory: int) -> InMemory | None:
    """What to mount; None: an ordinary directory. Pure."""
    source = volume.emptyDir or core_v1.EmptyDirVolumeSource()
    medium = source.medium or ""
    asked = quantity.value(source.sizeLimit) if source.sizeLimit is not None else 0
    if medium == "Memory":
        return InMemory("tmpfs", (f"size={memory_size(pod, asked, node_memory=node_memory)}",))
    if medium.startswith(HUGE_PAGES):
        page = medium.removeprefix(HUGE_PAGES).removeprefix("-") or _only_page_size(volume, pod)
        room = sum(_huge_pages(c, page) for c in pod.spec.containers)
        return InMemory("hugetlbfs", (f"pagesize={page}", f"size={min(asked, room) if asked else room}"))
    return None


def memory_size(pod: core_v1.Pod, asked: int, *, node_memory: int) -> int:
    """No more than the Pod, or any Pod, could fill."""
    together = pod_cgroup(pod)
    limit = together.memory_limit if together is not None else 0
    return min(size for size in (asked, limit, node_memory) if size > 0)


def _huge_pages(container: core_v1.Container, page: str) -> int:
    return quantity.value((container.resources.requests or {}).get(PAGES_OF + page, 0))


def _only_page_size(volume: core_v1.Volume, pod: core_v1.Pod) -> str:
    sizes = {
        name.removeprefix(PAGES_OF)
        for container in pod.spec.containers
        for name in container.resources.requests or {}
        if name.startswith(PAGES_OF)
    }
    if len(sizes) != 1:
        found = "no" if not sizes else "more than one"
        raise MountFault(volume.name, f"medium HugePages: {found} size of huge pages is requested by the Pod")
    return sizes.pop()
