"""The infra process of a sandbox with a user namespace. A program of its own, because only who has no threads may enter
one: `python -m sampan.runtime.infra_owned PLAN` prints the pid of what it started, and ends.

The order matters: what needs the host's privileges comes first, then the user namespace that owns the network
namespace is entered, and everything made after that belongs to it.
"""

from __future__ import annotations

import json
import os
import signal
import sys
from typing import Any

from sampan.runtime import syscalls
from sampan.runtime.infra_root import enter_root, sysctl_path


def main(plan: dict[str, Any]) -> int:
    null = os.open("/dev/null", os.O_RDWR | os.O_CLOEXEC)
    settings = os.open("/proc/sys", os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    netns = os.open(plan["netns_path"], os.O_RDONLY | os.O_CLOEXEC)
    owner = syscalls.owner_of_namespace(netns)
    syscalls.setns(netns, syscalls.CLONE_NEWNET)
    syscalls.unshare(syscalls.CLONE_FS | syscalls.CLONE_NEWNS)
    enter_root(plan["root"])
    syscalls.setns(owner, syscalls.CLONE_NEWUSER)
    os.setgroups([])
    os.setresgid(0, 0, 0)
    os.setresuid(0, 0, 0)
    pid = syscalls.CLONE_NEWPID if plan["new_pid"] else 0
    syscalls.unshare(syscalls.CLONE_NEWUTS | syscalls.CLONE_NEWIPC | pid)
    syscalls.sethostname(plan["hostname"])
    for name, value in plan["sysctls"].items():
        found = os.open(sysctl_path(name), os.O_WRONLY | os.O_CLOEXEC, dir_fd=settings)
        with os.fdopen(found, "w") as file:
            file.write(value)
    syscalls.drop_privileges(plan["user"])
    actions: list[tuple[Any, ...]] = [(os.POSIX_SPAWN_DUP2, null, fd) for fd in (0, 1, 2)]
    return os.posix_spawn(
        "/pause", ["/pause", "-P"], {"SAMPAN_SANDBOX": plan["sandbox_id"]}, file_actions=actions, setsid=True,
        setsigmask=[], setsigdef=[signal.SIGPIPE, signal.SIGINT, signal.SIGTERM, signal.SIGXFSZ],
    )  # fmt: skip


if __name__ == "__main__":
    sys.stdout.write(f"{main(json.loads(sys.argv[1]))}\n")
