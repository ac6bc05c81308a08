"""Commands inside a running container, through the OCI runtime's `exec`, which stays beside the command until its end.

Its standard streams are the command's own, so bytes pass through nobody. A terminal's master comes over a socket.
"""

from __future__ import annotations

import asyncio
import fcntl
import os
import secrets
import signal
import socket
import struct
import termios

import msgspec

from sampan.runtime import process
from sampan.runtime.contract import ByteReader, ByteWriter, ProcessStream
from sampan.runtime.errors import ExecTimeout, InvalidArgument, NotRunning, RuntimeFault, StartError
from sampan.runtime.node import Node
from sampan.runtime.records import ExecResult
from sampan.runtime.state import Phase
from sampan.runtime.streams import FdReader, FdWriter, TerminalWriter, receive_fd
from sampan.runtime.words import cannot_run, exec_failure, readable

OUTPUT_LIMIT = 16 * 1024 * 1024  # of a collected command, each stream
_DRAIN = 1.0  # seconds that what a finished command left in the background may keep its output open


class _Call:
    """One `exec`: its command line, and the small files it leaves for us."""

    def __init__(self, node: Node, container_id: str, argv: list[str], *, tty: bool) -> None:
        container = node.container(container_id)
        if container.record.phase is not Phase.RUNNING:
            raise NotRunning(f"container {container_id} is not running")
        if not argv:
            raise InvalidArgument("no command to execute")
        oci = node.oci(container.record.handler)
        self.command = argv[0]
        base = f"{node.folder(container)}/exec/{secrets.token_hex(6)}"
        self.pid_file, self.log, self.process_file = f"{base}.pid", f"{base}.log", f"{base}.json"
        self.socket_path = os.path.join(node.config.run, f"{secrets.token_hex(8)}.tty") if tty else ""
        self.relays_terminal = oci.name == "runc"
        command = [oci.path, "--root", node.config.oci_root, "--log", self.log, "--log-format", "text", "exec"]
        command += ["--pid-file", self.pid_file]
        _write_process(f"{node.folder(container)}/config.json", self.process_file, argv, tty=tty)
        command += ["--process", self.process_file]
        if not tty:
            self.argv = [*command, container_id]
        elif oci.name == "runc":  # takes no console socket unless it leaves its command behind
            self.argv = ["setsid", "--ctty", *command, container_id]
        else:
            self.argv = [*command, "--console-socket", self.socket_path, container_id]

    def pid(self) -> int:
        """Of the command on the host; 0 before it runs."""
        try:
            with open(self.pid_file) as file:
                return int(file.read() or 0)
        except (OSError, ValueError):
            return 0

    def failure(self) -> str:
        """Why the command never ran; empty when it did."""
        try:
            with open(self.log) as file:
                return readable(file.read())
        except OSError:
            return ""

    def kill(self, child: process.Child) -> None:
        pid = self.pid()
        if pid and child.running:
            process.send_signal(pid, process.start_time(pid), signal.SIGKILL)
        elif child.running:
            child.kill()

    def check(self, code: int) -> None:
        """A command that fails by itself and a runtime that could not run it look alike but for the log."""
        if code != 0 and (reason := self.failure()):
            raise StartError(exec_failure(reason, self.command))

    def clean(self) -> None:
        for path in (self.pid_file, self.log, self.process_file):
            try:
                os.unlink(path)
            except FileNotFoundError:
                pass


def _write_process(config_path: str, path: str, argv: list[str], *, tty: bool) -> None:
    """The container's own process with another command: the same user, privileges and environment (which the command
    line of crun's exec would not all take over)."""
    with open(config_path, "rb") as file:
        spec = msgspec.json.decode(file.read())["process"]
    spec |= {"args": argv, "terminal": tty}
    if tty:
        spec["env"] = [*(entry for entry in spec["env"] if not entry.startswith("TERM=")), "TERM=xterm"]
    with open(path, "wb") as file:
        file.write(msgspec.json.encode(spec))


async def exec_sync(node: Node, container_id: str, argv: list[str], timeout: float) -> ExecResult:
    call = _Call(node, container_id, argv, tty=False)
    out_read, out_write = os.pipe()
    err_read, err_write = os.pipe()
    try:
        child = process.spawn(call.argv, stdout=out_write, stderr=err_write)
    except BaseException:
        os.close(out_read)
        os.close(err_read)
        raise
    finally:
        os.close(out_write)
        os.close(err_write)
    outputs = [asyncio.ensure_future(_collect(fd)) for fd in (out_read, err_read)]
    try:
        async with asyncio.timeout(timeout or None):
            code = await child.wait()
        await asyncio.wait(outputs, timeout=_DRAIN)
        call.check(code)
        for task in outputs:
            task.cancel()
        stdout, stderr = await asyncio.gather(*outputs)
        return ExecResult(stdout=stdout, stderr=stderr, exit_code=code)
    except TimeoutError:
        raise ExecTimeout(f'command timed out: "{" ".join(argv)}" timed out after {timeout:g}s') from None
    finally:
        call.kill(child)
        for task in outputs:
            task.cancel()
        if child.running:
            await child.wait()
        call.clean()


async def _collect(fd: int) -> bytes:
    reader = FdReader(fd)
    chunks: list[bytes] = []
    size = 0
    try:
        while data := await reader.read(65536):
            size += len(data)
            if size <= OUTPUT_LIMIT:
                chunks.append(data)
    except asyncio.CancelledError:
        pass  # a background process keeps the pipe: what came so far is the answer
    finally:
        reader.close()
    return b"".join(chunks)


class _CommandErrors:
    """The command's standard error, without what the OCI runtime says there when it cannot run it: that is in its log
    as well (a moment later), and becomes the StartError."""

    def __init__(self, reader: FdReader, call: _Call, child: process.Child) -> None:
        self._reader = reader
        self._call = call
        self._child = child
        self._begun = False

    async def read(self, n: int = -1) -> bytes:
        data = await self._reader.read(n)
        if data and not self._begun:
            if cannot_run(data.decode(errors="replace")):
                try:
                    async with asyncio.timeout(_DRAIN):
                        await self._child.wait()
                except TimeoutError:
                    pass  # it was the command that said so
            if self._call.failure():
                return b""
            self._begun = True
        return data


class ExecStream(ProcessStream):
    """A running command with live streams."""

    def __init__(
        self, call: _Call, child: process.Child, stdin: ByteWriter | None, stdout: FdReader, stderr: FdReader | None,
        master: int = -1,
    ) -> None:  # fmt: skip
        self.stdin = stdin
        self.stdout: ByteReader = stdout
        self.stderr: ByteReader | None = None if stderr is None else _CommandErrors(stderr, call, child)
        self._readers = [reader for reader in (stdout, stderr) if reader is not None]
        self._call = call
        self._child = child
        self._master = master

    async def resize(self, width: int, height: int) -> None:
        if self._master >= 0 and width > 0 and height > 0:
            fcntl.ioctl(self._master, termios.TIOCSWINSZ, struct.pack("HHHH", height, width, 0, 0))

    async def wait(self) -> int:
        code = await self._child.wait()
        self._call.check(code)
        return code

    async def close(self) -> None:
        self._call.kill(self._child)
        await self._child.wait()
        if isinstance(self.stdin, FdWriter):
            self.stdin.close_now()
        for reader in self._readers:
            reader.close()
        if self._master >= 0:
            os.close(self._master)
            self._master = -1
        self._call.clean()


async def exec_stream(node: Node, container_id: str, argv: list[str], *, tty: bool, stdin: bool) -> ProcessStream:
    call = _Call(node, container_id, argv, tty=tty)
    if not tty:
        return _with_pipes(call, stdin=stdin)
    if call.relays_terminal:
        return _with_relayed_terminal(call, stdin=stdin)
    return await _with_terminal(call, stdin=stdin)


def _with_pipes(call: _Call, *, stdin: bool) -> ExecStream:
    out_read, out_write = os.pipe()
    err_read, err_write = os.pipe()
    in_read, in_write = os.pipe() if stdin else (os.open("/dev/null", os.O_RDONLY | os.O_CLOEXEC), -1)
    try:
        child = process.spawn(call.argv, stdin=in_read, stdout=out_write, stderr=err_write)
    except BaseException:
        for fd in (out_read, err_read, in_write):
            if fd >= 0:
                os.close(fd)
        raise
    finally:
        for fd in (out_write, err_write, in_read):
            os.close(fd)
    writer = FdWriter(in_write) if stdin else None
    return ExecStream(call, child, writer, FdReader(out_read), FdReader(err_read))


async def _with_terminal(call: _Call, *, stdin: bool) -> ExecStream:
    loop = asyncio.get_running_loop()
    log_fd = os.open(call.log + ".out", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    os.unlink(call.log + ".out")
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as server:
        server.bind(call.socket_path)
        server.listen(1)
        server.setblocking(False)
        try:
            child = process.spawn(call.argv, stdout=log_fd, stderr=log_fd)
        finally:
            os.close(log_fd)
        accepting = asyncio.ensure_future(loop.sock_accept(server))
        ending = asyncio.ensure_future(child.wait())
        try:
            await asyncio.wait((accepting, ending), return_when=asyncio.FIRST_COMPLETED, timeout=30)
            if not accepting.done():
                code = ending.result() if ending.done() else -1
                call.check(code)
                raise RuntimeFault(f"the OCI runtime gave no terminal (exit code {code})")
            connection, _ = accepting.result()
            with connection:
                connection.setblocking(False)
                master = await _receive(connection)
        except BaseException:
            call.kill(child)
            call.clean()
            raise
        finally:
            accepting.cancel()
            ending.cancel()
            os.unlink(call.socket_path)
    return _on_terminal(call, child, master, stdin=stdin)


def _with_relayed_terminal(call: _Call, *, stdin: bool) -> ExecStream:
    """A terminal of ours, between which and the command's the runtime passes everything on."""
    master, slave = os.openpty()
    try:
        child = process.spawn(call.argv, stdin=slave, stdout=slave, stderr=slave, new_session=False)
    except BaseException:
        os.close(master)
        raise
    finally:
        os.close(slave)
    return _on_terminal(call, child, master, stdin=stdin)


def _on_terminal(call: _Call, child: process.Child, master: int, *, stdin: bool) -> ExecStream:
    reader = FdReader(os.dup(master))
    writer = TerminalWriter(os.dup(master)) if stdin else None
    return ExecStream(call, child, writer, reader, None, master)


async def _receive(connection: socket.socket) -> int:
    loop = asyncio.get_running_loop()
    ready = asyncio.Event()
    loop.add_reader(connection.fileno(), ready.set)
    try:
        async with asyncio.timeout(10):
            await ready.wait()
    finally:
        loop.remove_reader(connection.fileno())
    return receive_fd(connection)
