"""What every container gets unless it is privileged: file systems, masked and read-only paths, environment."""

from __future__ import annotations

from typing import Any

PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"

MASKED_PATHS = [
    "/proc/asound", "/proc/acpi", "/proc/interrupts", "/proc/kcore", "/proc/keys", "/proc/latency_stats",
    "/proc/timer_list", "/proc/timer_stats", "/proc/sched_debug", "/proc/scsi", "/sys/firmware",
    "/sys/devices/virtual/powercap",
]  # fmt: skip

READONLY_PATHS = ["/proc/bus", "/proc/fs", "/proc/irq", "/proc/sys", "/proc/sysrq-trigger"]


def file_systems(*, privileged: bool) -> list[dict[str, Any]]:
    """In the order in which they are mounted."""
    access = "rw" if privileged else "ro"
    return [
        _fs("/proc", "proc", "nosuid", "noexec", "nodev"),
        _fs("/dev", "tmpfs", "nosuid", "strictatime", "mode=755", "size=65536k"),
        _fs("/dev/pts", "devpts", "nosuid", "noexec", "newinstance", "ptmxmode=0666", "mode=0620", "gid=5"),
        _fs("/dev/mqueue", "mqueue", "nosuid", "noexec", "nodev"),
        _fs("/sys", "sysfs", "nosuid", "noexec", "nodev", access),
        _fs("/sys/fs/cgroup", "cgroup", "nosuid", "noexec", "nodev", "relatime", access),
    ]


def _fs(destination: str, kind: str, *options: str) -> dict[str, Any]:
    return {"destination": destination, "type": kind, "source": kind, "options": list(options)}
