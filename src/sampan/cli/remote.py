"""A command in a container, joined to our own stdin, stdout, stderr and terminal: what `exec`, `attach`, `run -it` and
`cp` have in common.

Messages come on the caller's thread; stdin is read on another. The exit status is what the error channel says.
"""

from __future__ import annotations

import sys
import threading
from collections.abc import Callable, Iterable
from contextlib import ExitStack
from typing import Any

from sampan.api.errors import Forbidden, Unauthorized
from sampan.api.scheme import ResourceInfo
from sampan.cli.errors import CliError
from sampan.client.answers import error_of
from sampan.client.calls import item_path
from sampan.client.channels import (
    ERROR,
    EXEC_PROTOCOLS,
    STDERR,
    STDIN,
    STDOUT,
    ExitStatus,
    close_of,
    exit_status,
    pack,
    resize,
    unpack,
)
from sampan.client.sync_api import SyncClient
from sampan.client.transport import UpgradeRefused
from sampan.client.websocket import SyncWebSocket, WebSocketError

Sink = Callable[[bytes], object]


class Wanted:
    """What is asked of the container. Without `command` it is an attach."""

    __slots__ = ("command", "container", "stderr", "stdin", "stdout", "tty")

    def __init__(
        self,
        container: str,
        command: Iterable[str] = (),
        *,
        stdin: bool = False,
        stdout: bool = True,
        stderr: bool = True,
        tty: bool = False,
    ) -> None:
        self.container = container
        self.command = list(command)
        self.stdin = stdin
        self.stdout = stdout
        self.stderr = stderr and not tty
        self.tty = tty

    def query(self) -> dict[str, Any]:
        query: dict[str, Any] = {"container": self.container}
        if self.command:
            query["command"] = self.command
        for name in ("stdin", "stdout", "stderr", "tty"):
            if getattr(self, name):
                query[name] = "true"
        return query


def connect(client: SyncClient, info: ResourceInfo, pod: dict[str, Any], wanted: Wanted) -> SyncWebSocket:
    metadata = pod["metadata"]
    path = item_path(info, metadata["namespace"], metadata["name"], "exec" if wanted.command else "attach")
    try:
        return client.transport.upgrade(path, query=wanted.query(), subprotocols=EXEC_PROTOCOLS)
    except UpgradeRefused as refused:
        error = error_of(refused.response, method="GET", path=path)
        if isinstance(error, (Forbidden, Unauthorized)):
            raise error from None
        body = refused.response.body.decode(errors="replace").strip()
        # A kubelet answers in plain text, the API server with a Status.
        said = error.message if body.startswith("{") or not body else body
        raise CliError(f"unable to upgrade connection: {said}") from None


def converse(
    socket: SyncWebSocket,
    wanted: Wanted,
    *,
    source: Callable[[Callable[[], bool]], Iterable[bytes]] | None = None,
    out: Sink | None = None,
    err: Sink | None = None,
) -> ExitStatus:
    """Until the command ends. Default ends are our own; `source` gets a function that says when nobody listens."""
    from sampan.cli import terminal

    done = threading.Event()
    status: ExitStatus | None = None
    with ExitStack() as stack:
        if wanted.tty:
            if terminal.is_terminal(sys.stdin):
                stack.enter_context(terminal.raw())

            def tell(width: int, height: int) -> None:
                _try(socket, resize(width, height))

            stack.enter_context(terminal.on_resize(tell))
        if wanted.stdin:
            pieces = source or terminal.keys
            threading.Thread(target=_send_all, args=(socket, pieces, done), daemon=True).start()
        try:
            while (message := socket.receive()) is not None:
                if not message:
                    continue
                channel, data = unpack(message)
                if channel == STDOUT:
                    (out or _stdout)(data)
                elif channel == STDERR:
                    (err or _stderr)(data)
                elif channel == ERROR and data:
                    status = exit_status(data)
                    break
        except WebSocketError as error:
            raise CliError(f"error reading from error stream: {error}") from None
        finally:
            done.set()
            socket.close()
    return status if status is not None else ExitStatus(0)


def exit_code(status: ExitStatus, complain: Callable[[str], object]) -> int:
    """The command's own; what kept it from running is an error of ours."""
    if status.code is None:
        raise CliError(status.message or "the stream ended without a status")
    if status.code:
        complain(f"command terminated with exit code {status.code}")
    return status.code


def _send_all(
    socket: SyncWebSocket, pieces: Callable[[Callable[[], bool]], Iterable[bytes]], done: threading.Event
) -> None:
    for piece in pieces(done.is_set):
        if not _try(socket, pack(STDIN, piece)):
            return
    end = close_of(STDIN, socket.subprotocol)
    if end is not None and not done.is_set():
        _try(socket, end)


def _try(socket: SyncWebSocket, message: bytes) -> bool:
    try:
        socket.send(message)
    except (WebSocketError, OSError):
        return False
    return True


def _stdout(data: bytes) -> None:
    sys.stdout.flush()
    sys.stdout.buffer.write(data)
    sys.stdout.buffer.flush()


def _stderr(data: bytes) -> None:
    sys.stderr.buffer.write(data)
    sys.stderr.buffer.flush()
