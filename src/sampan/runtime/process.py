"""Processes of the host, on the event loop: spawned the cheap way, waited for and signalled by descriptor.

A pidfd cannot be mistaken for a later process of the same number, needs no thread and no SIGCHLD handler, and works for
processes that are not our children: those an earlier run of ours started.
"""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
from collections.abc import Callable, Sequence

from sampan.runtime import syscalls
from sampan.runtime.streams import FdReader

CLEAN_ENV = {"PATH": "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"}


def start_time(pid: int) -> int:
    """The kernel's start time of a process (in ticks since boot): with the pid it names a process for good; 0: none."""
    try:
        with open(f"/proc/{pid}/stat", "rb") as file:
            fields = file.read().rpartition(b")")[2].split()
    except OSError:
        return 0
    return 0 if fields[0] in (b"Z", b"X") else int(fields[19])


def parent(pid: int) -> int:
    """0 when the process is gone."""
    try:
        with open(f"/proc/{pid}/stat", "rb") as file:
            return int(file.read().rpartition(b")")[2].split()[1])
    except OSError:
        return 0


def boot_id() -> str:
    with open("/proc/sys/kernel/random/boot_id") as file:
        return file.read().strip()


def open_pidfd(pid: int, started: int) -> int | None:
    """A descriptor of that very process; None when it is gone."""
    if pid <= 0:
        return None
    try:
        fd = os.pidfd_open(pid)
    except OSError:
        return None
    if start_time(pid) != started:
        os.close(fd)
        return None
    return fd


def send_signal(pid: int, started: int, number: int) -> bool:
    """False when the process is gone."""
    fd = open_pidfd(pid, started)
    if fd is None:
        return False
    try:
        syscalls.pidfd_send_signal(fd, number)
    except ProcessLookupError:
        return False
    finally:
        os.close(fd)
    return True


class Watch:
    """Calls back once when the process ends, and reaps it if it was ours."""

    def __init__(self, pidfd: int, callback: Callable[[], None]) -> None:
        self._fd = pidfd
        self._callback = callback
        self._loop = asyncio.get_running_loop()
        self._loop.add_reader(pidfd, self._ended)

    def _ended(self) -> None:
        try:
            os.waitid(os.P_PIDFD, self._fd, os.WEXITED | os.WNOHANG)
        except ChildProcessError:
            pass  # not our child
        self.close()
        self._callback()

    def close(self) -> None:
        if self._fd >= 0:
            self._loop.remove_reader(self._fd)
            os.close(self._fd)
            self._fd = -1


def kill_child(pid: int) -> None:
    """Of ours, and see to it that it does not stay as a zombie."""
    os.kill(pid, signal.SIGKILL)
    Watch(os.pidfd_open(pid), lambda: None)


async def ended(pid: int, started: int, patience: float) -> bool:
    """Wait for a process that is not ours; False when it is still there after so many seconds."""
    pidfd = open_pidfd(pid, started)
    if pidfd is None:
        return True
    gone = asyncio.Event()
    watch = Watch(pidfd, gone.set)
    try:
        async with asyncio.timeout(patience):
            await gone.wait()
    except TimeoutError:
        return False
    finally:
        watch.close()
    return True


class Child:
    """A child process; `wait` gives its exit code, 128 + N when signal N ended it."""

    def __init__(self, popen: subprocess.Popen[bytes]) -> None:
        self._popen = popen
        self.pid = popen.pid
        self._code: asyncio.Future[int] = asyncio.get_running_loop().create_future()
        self._watch: Watch | None = None
        pidfd = os.pidfd_open(popen.pid)
        loop = asyncio.get_running_loop()

        def ended() -> None:
            loop.remove_reader(pidfd)
            os.close(pidfd)
            code = popen.wait()  # it has ended: answers at once
            if not self._code.done():
                self._code.set_result(128 - code if code < 0 else code)

        loop.add_reader(pidfd, ended)

    async def wait(self) -> int:
        return await asyncio.shield(self._code)

    @property
    def running(self) -> bool:
        return not self._code.done()

    def kill(self) -> None:
        if self.running:
            self._popen.send_signal(signal.SIGKILL)


def spawn(
    argv: Sequence[str], *, cwd: str | None = None, env: dict[str, str] | None = None, stdin: int = subprocess.DEVNULL,
    stdout: int = subprocess.DEVNULL, stderr: int = subprocess.DEVNULL, pass_fds: Sequence[int] = (),
    new_session: bool = True,
) -> Child:  # fmt: skip
    """In a session of its own: a Ctrl-C for us is none for it. (Python uses vfork here: about half a millisecond.)"""
    return Child(
        subprocess.Popen(
            list(argv), cwd=cwd, env=env or CLEAN_ENV, stdin=stdin, stdout=stdout, stderr=stderr, pass_fds=pass_fds,
            start_new_session=new_session,
        )
    )  # fmt: skip


async def run(argv: Sequence[str], *, cwd: str | None = None, timeout: float = 30) -> tuple[int, str]:
    """Exit code and what it said, on either stream."""
    read, write = os.pipe()
    try:
        child = spawn(argv, cwd=cwd, stdout=write, stderr=write)
    except BaseException:
        os.close(read)
        raise
    finally:
        os.close(write)
    try:
        async with asyncio.timeout(timeout):
            output = await read_all(read)
            return await child.wait(), output.decode(errors="replace").strip()
    except TimeoutError:
        return 124, f"{argv[0]} did not end within {timeout:g} s"
    finally:
        child.kill()


async def read_all(fd: int) -> bytes:
    """Everything until the writers are gone; takes the descriptor over."""
    # Not `connect_read_pipe`: uvloop closes its descriptor twice, and another thread may have it again in between.
    reader, chunks = FdReader(fd), []
    try:
        while chunk := await reader.read():
            chunks.append(chunk)
    finally:
        reader.close()
    return b"".join(chunks)
