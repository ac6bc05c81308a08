"""Read by Python at its start: takes away what only Linux has, so that whoever uses it is found out."""

import importlib.abc
import os
import select
import signal
import socket
import sys
import time

LINUX_ALONE = {
    os: (
        "O_PATH O_TMPFILE P_PIDFD accept4 copy_file_range eventfd fdatasync getrandom getxattr listxattr memfd_create "
        "pidfd_open pipe2 posix_fadvise posix_fallocate sched_getaffinity sched_setaffinity setns setxattr splice "
        "unshare"
    ),
    select: "epoll",
    signal: "SIGPWR SIGRTMIN SIGSTKFLT pidfd_send_signal",
    socket: "AF_NETLINK AF_PACKET AF_VSOCK SO_BINDTODEVICE SO_PEERCRED SOCK_CLOEXEC SOCK_NONBLOCK TCP_KEEPIDLE "
    "TCP_USER_TIMEOUT",
    time: "CLOCK_BOOTTIME",
}
for module, names in LINUX_ALONE.items():
    for name in names.split():
        if hasattr(module, name):
            delattr(module, name)
sys.platform = "darwin"


class NotInstalled(importlib.abc.MetaPathFinder):
    """pyroute2 is a dependency on Linux only."""

    def find_spec(self, name: str, path: object = None, target: object = None) -> None:
        if name.partition(".")[0] == "pyroute2":
            raise ModuleNotFoundError(f"No module named {name!r}", name=name)


sys.meta_path.insert(0, NotInstalled())
