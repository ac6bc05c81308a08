"""conmon: one small monitor per container. It owns the container's stdio, log file, terminal and exit code, so none of
that depends on us.

In a container's folder (the bundle) it makes: `attach` (a packet socket), `ctl` (a FIFO: terminal size, log reopening),
`pidfile`. When the container ends, its exit code is in the exit directory, in a file named by its id.
"""

from __future__ import annotations

import asyncio
import os

import msgspec

from sampan.runtime import process
from sampan.runtime.errors import StartError
from sampan.runtime.host import OciRuntime
from sampan.runtime.state import ContainerRecord
from sampan.runtime.streams import FdReader
from sampan.runtime.words import readable


class _Sync(msgspec.Struct):
    """What conmon says once the OCI runtime is done: a pid, or why not."""

    data: int = 0
    pid: int = 0
    message: str = ""


def command(conmon: str, oci: OciRuntime, oci_root: str, exits: str, folder: str, record: ContainerRecord) -> list[str]:
    runtime_args = [*oci.create[1:], "--root", oci_root]
    argv = [
        conmon, "--api-version", "1", "-c", record.id, "-u", record.id, "-n", record.config.name, "-r", oci.create[0],
        "-b", folder, "-p", f"{folder}/pidfile", "--exit-dir", exits, "--persist-dir", folder, "--full-attach",
        "--no-sync-log", "--log-level", "error", *(f"--runtime-arg={argument}" for argument in runtime_args),
        "-l", f"k8s-file:{record.log_path or '/dev/null'}",
    ]  # fmt: skip
    if record.config.tty:
        argv.append("-t")
    if record.config.stdin:
        argv.append("-i")
        if not record.config.stdin_once:
            argv.append("--leave-stdin-open")
    if oci.systemd:
        argv.append("-s")
    return argv


class Starter:
    """Starts conmon, which answers on a pipe once the OCI runtime has made the container."""

    def __init__(self, argv: list[str], folder: str) -> None:
        self._sync, sync_write = os.pipe()
        try:
            self.child = process.spawn(
                argv, cwd=folder, pass_fds=(sync_write,), env=process.CLEAN_ENV | {"_OCI_SYNCPIPE": str(sync_write)}
            )
        except BaseException:
            os.close(self._sync)
            raise
        finally:
            os.close(sync_write)

    async def pid(self) -> int:
        """The container's process, made and waiting to be let go. Raises StartError."""
        answer = await self._line()
        code = await self.child.wait()  # it goes on as a grandchild
        try:
            sync = msgspec.json.decode(answer, type=_Sync)
        except msgspec.MsgspecError:
            said = answer.decode(errors="replace")
            raise StartError(f"conmon ended with code {code} and no answer: {said}") from None
        pid = sync.data or sync.pid
        if pid <= 0:
            raise StartError(readable(sync.message) or f"the OCI runtime failed with code {-pid}")
        return pid

    async def _line(self) -> bytes:
        """conmon keeps the pipe for its whole life: its answer ends with the line."""
        reader = FdReader(self._sync)
        answer = b""
        try:
            while not answer.endswith(b"\n") and (data := await reader.read(65536)):
                answer += data
        finally:
            reader.close()
        return answer


def control(folder: str, line: str) -> None:
    """To the `ctl` FIFO. Raises OSError when conmon is gone."""
    fd = os.open(f"{folder}/ctl", os.O_WRONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    try:
        os.write(fd, line.encode())
    finally:
        os.close(fd)


def resize(folder: str, width: int, height: int) -> None:
    control(folder, f"1 {height} {width}\n")


def reopen_log(folder: str) -> None:
    control(folder, "2 0 0\n")


async def let_go(oci: OciRuntime, oci_root: str, container_id: str) -> None:
    """Let the created process run: what `crun start` and `runc start` do, without starting either.

    Both have the process wait at a FIFO (crun's reads a byte, runc's writes one) and take its file away as the sign
    that it runs. Whatever is not exactly so is left to the runtime itself.
    """
    fifo = f"{oci_root}/{container_id}/exec.fifo"
    if oci.name == "crun" and _open_gate_crun(fifo):
        return
    if oci.name == "runc" and await _open_gate_runc(fifo):
        return
    code, output = await process.run([oci.path, "--root", oci_root, "start", container_id])
    if code != 0:
        raise StartError(readable(output) or f"{oci.name} start failed with code {code}")


def _open_gate_crun(fifo: str) -> bool:
    """The waiting process has had its end open since before it was reported as created."""
    try:
        fd = os.open(fifo, os.O_WRONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    except OSError:
        return False
    try:
        os.unlink(fifo)
        return os.write(fd, b"\0") == 1
    except OSError:
        return False
    finally:
        os.close(fd)


async def _open_gate_runc(fifo: str) -> bool:
    """The waiting process opens its end in a moment, if it has not yet."""
    try:
        fd = os.open(fifo, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    except OSError:
        return False
    loop = asyncio.get_running_loop()
    readable_now = asyncio.Event()
    loop.add_reader(fd, readable_now.set)
    try:
        async with asyncio.timeout(5):
            await readable_now.wait()
        if os.read(fd, 1) != b"0":
            return False
        os.unlink(fifo)
    except (TimeoutError, OSError):
        return False
    finally:
        loop.remove_reader(fd)
        os.close(fd)
    return True
