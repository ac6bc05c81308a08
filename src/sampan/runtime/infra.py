"""The infra ("pause") process of a sandbox: catatonit, holding the Pod's UTS and IPC (and, if shared, PID) namespaces.

It is made without an OCI runtime and without a monitor, because it has no output, no exit code anybody asks for and no
image. A throw-away thread turns itself into what the process is to be (namespaces, root, no privileges: all
of these belong to threads in Linux), then spawns it and ends; nothing of this touches our other threads. That takes
about 2 ms; an OCI runtime with a monitor takes 20 to 60. See docs/decisions/runtime-infra.md.
"""

from __future__ import annotations

import asyncio
import os
import shutil
import signal
import sys
import threading
from typing import Any

import msgspec

from sampan.runtime import process, syscalls
from sampan.runtime.errors import InvalidArgument, RuntimeFault
from sampan.runtime.infra_root import enter_root, sysctl_path

NOBODY = 65535  # as Kubernetes' own pause image

_IPC_SYSCTLS = ("kernel.shm", "kernel.msg", "kernel.sem", "fs.mqueue.")


class InfraPlan(msgspec.Struct, kw_only=True):
    sandbox_id: str
    root: str  # a directory that holds `pause` and nothing else
    netns_path: str = ""  # empty: the host's
    hostname: str = ""  # empty: the host's UTS namespace
    new_ipc: bool = True
    new_pid: bool = False
    owned: bool = False  # in the user namespace that the network namespace belongs to
    sysctls: dict[str, str] = {}
    user: int = NOBODY


def install_pause(root: str, catatonit: str) -> None:
    """The infra process's whole file system: one static program."""
    os.makedirs(root, 0o755, exist_ok=True)
    target = f"{root}/pause"
    if os.path.exists(target) and os.path.getsize(target) == os.path.getsize(catatonit):
        return
    shutil.copyfile(catatonit, target + ".new")
    os.chmod(target + ".new", 0o755)  # noqa: S103 - an ordinary user runs it
    os.rename(target + ".new", target)


def check_sysctls(sysctls: dict[str, str], *, host_network: bool, host_ipc: bool) -> None:
    """Only those that belong to a namespace of the Pod; anything else would change the host."""
    for name in sysctls:
        dotted = name.replace("/", ".")
        if dotted.startswith("net.") and not host_network:
            continue
        if dotted.startswith(_IPC_SYSCTLS) and not host_ipc:
            continue
        raise InvalidArgument(f"sysctl {name!r} is not namespaced, or its namespace is the host's")


async def start_infra(plan: InfraPlan) -> int:
    """The pid on the host."""
    if plan.owned:
        return await _start_owned(plan)
    loop = asyncio.get_running_loop()
    done: asyncio.Future[int] = loop.create_future()

    def settle(pid: int | None, error: BaseException | None) -> None:
        if done.cancelled() or (done.done()):
            if pid:
                process.kill_child(pid)  # nobody waits for it any more
        elif error is not None:
            done.set_exception(RuntimeFault(f"cannot start the infra process: {error}"))
        else:
            done.set_result(pid or 0)

    def body() -> None:
        pid, error = None, None
        try:
            pid = _become_and_spawn(plan)
        except Exception as problem:  # noqa: BLE001 - handed to the caller
            error = problem
        loop.call_soon_threadsafe(settle, pid, error)

    threading.Thread(target=body, name="infra", daemon=True).start()
    return await done


async def _start_owned(plan: InfraPlan) -> int:
    """See infra_owned.py. If this is cancelled in the middle, what was started is found by its environment."""
    argv = [sys.executable, "-m", "sampan.runtime.infra_owned", msgspec.json.encode(plan).decode()]
    code, said = await process.run(argv)
    if code != 0 or not said.isdecimal():
        raise RuntimeFault(f"cannot start the infra process in a user namespace: {said.rpartition(chr(10))[2]}")
    return int(said)


def _become_and_spawn(plan: InfraPlan) -> int:
    """Runs in a thread that ends right after. The order matters: first what needs privileges and the host's files."""
    null = os.open("/dev/null", os.O_RDWR | os.O_CLOEXEC)
    netns = os.open(plan.netns_path, os.O_RDONLY | os.O_CLOEXEC) if plan.netns_path else -1
    try:
        flags = syscalls.CLONE_FS | syscalls.CLONE_NEWNS
        flags |= syscalls.CLONE_NEWUTS if plan.hostname else 0
        flags |= syscalls.CLONE_NEWIPC if plan.new_ipc else 0
        flags |= syscalls.CLONE_NEWPID if plan.new_pid else 0
        syscalls.unshare(flags)
        if netns >= 0:
            syscalls.setns(netns, syscalls.CLONE_NEWNET)
        if plan.hostname:
            syscalls.sethostname(plan.hostname)
        for name, value in plan.sysctls.items():
            with open("/proc/sys/" + sysctl_path(name), "w") as file:
                file.write(value)
        enter_root(plan.root)
        syscalls.drop_privileges(plan.user)
        actions: list[tuple[Any, ...]] = [(os.POSIX_SPAWN_DUP2, null, fd) for fd in (0, 1, 2)]
        return os.posix_spawn(
            "/pause", ["/pause", "-P"], {"SAMPAN_SANDBOX": plan.sandbox_id}, file_actions=actions, setsid=True,
            setsigmask=[], setsigdef=[signal.SIGPIPE, signal.SIGINT, signal.SIGTERM, signal.SIGXFSZ],
        )  # fmt: skip
    finally:
        os.close(null)
        if netns >= 0:
            os.close(netns)


def find_infra(sandbox_id: str) -> list[int]:
    """Infra processes of that sandbox by their environment: for one that was spawned just before we were killed."""
    marker = f"SAMPAN_SANDBOX={sandbox_id}".encode()
    found = []
    for name in os.listdir("/proc"):
        if not name.isdigit():
            continue
        try:
            with open(f"/proc/{name}/environ", "rb") as file:
                if marker in file.read(4096).split(b"\0"):
                    found.append(int(name))
        except OSError:
            continue
    return [pid for pid in found if process.start_time(pid)]
