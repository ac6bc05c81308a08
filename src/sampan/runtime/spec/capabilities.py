"""Linux capabilities: what a container has by default, and what adding and dropping makes of it."""

from __future__ import annotations

from sampan.runtime.records import Capabilities

DEFAULT = (
    "CAP_CHOWN", "CAP_DAC_OVERRIDE", "CAP_FSETID", "CAP_FOWNER", "CAP_MKNOD", "CAP_NET_RAW", "CAP_SETGID", "CAP_SETUID",
    "CAP_SETFCAP", "CAP_SETPCAP", "CAP_NET_BIND_SERVICE", "CAP_SYS_CHROOT", "CAP_KILL", "CAP_AUDIT_WRITE",
)  # fmt: skip

# By number: the kernel's order.
ALL = (
    "CAP_CHOWN", "CAP_DAC_OVERRIDE", "CAP_DAC_READ_SEARCH", "CAP_FOWNER", "CAP_FSETID", "CAP_KILL", "CAP_SETGID",
    "CAP_SETUID", "CAP_SETPCAP", "CAP_LINUX_IMMUTABLE", "CAP_NET_BIND_SERVICE", "CAP_NET_BROADCAST", "CAP_NET_ADMIN",
    "CAP_NET_RAW", "CAP_IPC_LOCK", "CAP_IPC_OWNER", "CAP_SYS_MODULE", "CAP_SYS_RAWIO", "CAP_SYS_CHROOT",
    "CAP_SYS_PTRACE", "CAP_SYS_PACCT", "CAP_SYS_ADMIN", "CAP_SYS_BOOT", "CAP_SYS_NICE", "CAP_SYS_RESOURCE",
    "CAP_SYS_TIME", "CAP_SYS_TTY_CONFIG", "CAP_MKNOD", "CAP_LEASE", "CAP_AUDIT_WRITE", "CAP_AUDIT_CONTROL",
    "CAP_SETFCAP", "CAP_MAC_OVERRIDE", "CAP_MAC_ADMIN", "CAP_SYSLOG", "CAP_WAKE_ALARM", "CAP_BLOCK_SUSPEND",
    "CAP_AUDIT_READ", "CAP_PERFMON", "CAP_BPF", "CAP_CHECKPOINT_RESTORE",
)  # fmt: skip


def own_capabilities() -> frozenset[str]:
    """What this process may pass on: a container cannot have more than its maker."""
    with open("/proc/self/status") as file:
        bits = next(int(line.split()[1], 16) for line in file if line.startswith("CapBnd:"))
    return frozenset(name for number, name in enumerate(ALL) if bits >> number & 1)


def _named(names: list[str]) -> list[str]:
    return [name.upper() if name.upper().startswith("CAP_") else "CAP_" + name.upper() for name in names]


def effective(wanted: Capabilities, *, privileged: bool, available: frozenset[str]) -> list[str]:
    """In the kernel's order. Drops apply to the defaults, adds win over `drop: ALL`."""
    if privileged:
        return [name for name in ALL if name in available]
    add, drop = _named(wanted.add), _named(wanted.drop)
    have = set() if "CAP_ALL" in drop else set(DEFAULT)
    if "CAP_ALL" in add:
        have = set(ALL)
    have |= {name for name in add if name in ALL}
    have -= set(drop) - set(add) if "CAP_ALL" in drop else set(drop)
    return [name for name in ALL if name in have and name in available]
