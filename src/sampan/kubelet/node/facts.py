"""What the machine is: capacity, versions, identity. Read once from the host, or again where it can change."""

import os
import platform
import shutil
import socket
from pathlib import Path

from msgspec import Struct

from sampan.version import GIT_VERSION


class Machine(Struct, frozen=True, kw_only=True):
    cpus: int
    memory: int
    storage: int
    machine_id: str
    system_uuid: str
    boot_id: str
    kernel: str
    os_image: str
    architecture: str
    hostname: str
    user_namespaces: bool = False  # whether the kernel lets them be made


ARCHITECTURES = {"x86_64": "amd64", "aarch64": "arm64", "armv7l": "arm", "i686": "386"}


def read_machine(root_dir: Path) -> Machine:
    return Machine(
        cpus=len(os.sched_getaffinity(0)),
        memory=memory_total(),
        storage=shutil.disk_usage(existing(root_dir)).total,
        machine_id=first_line("/etc/machine-id"),
        system_uuid=first_line("/sys/class/dmi/id/product_uuid") or first_line("/etc/machine-id"),
        boot_id=first_line("/proc/sys/kernel/random/boot_id"),
        kernel=platform.release(),
        os_image=os_image(),
        architecture=ARCHITECTURES.get(platform.machine(), platform.machine()),
        hostname=socket.gethostname(),
        user_namespaces=first_line("/proc/sys/user/max_user_namespaces") not in ("", "0"),
    )


def existing(path: Path) -> Path:
    while not path.exists():
        path = path.parent
    return path


def first_line(path: str) -> str:
    try:
        return Path(path).read_text(encoding="utf-8").partition("\n")[0].strip()
    except OSError:
        return ""


def meminfo() -> dict[str, int]:
    """Bytes by name, of /proc/meminfo."""
    values = {}
    for line in Path("/proc/meminfo").read_text(encoding="ascii").splitlines():
        name, _, rest = line.partition(":")
        words = rest.split()
        if words:
            values[name] = int(words[0]) * (1024 if words[-1] == "kB" else 1)
    return values


def memory_total() -> int:
    return meminfo().get("MemTotal", 0)


def process_numbers() -> tuple[int, int]:
    """How many processes and threads the kernel can have, and how many there are."""
    most = min(int(first_line(f"/proc/sys/kernel/{name}") or 0) for name in ("pid_max", "threads-max"))
    words = first_line("/proc/loadavg").split()
    return most, int(words[3].partition("/")[2]) if len(words) > 3 else 0


def os_image() -> str:
    try:
        return platform.freedesktop_os_release().get("PRETTY_NAME", "Linux")
    except OSError:
        return "Linux"


KUBELET_VERSION = GIT_VERSION
