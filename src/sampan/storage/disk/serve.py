"""The process: takes requests from its server through a socket, one after the other, until that is closed.

It ends when the server does, also when that is killed: the socket closes. Signals meant for the server (Ctrl-C, a
service manager's stop) must not end it earlier, with writes on their way.
"""

from __future__ import annotations

import marshal
import os
import signal
import threading
from collections.abc import Callable
from io import BufferedReader, FileIO

from sampan.storage.disk.faults import Fault, fault_of
from sampan.storage.disk.log import SqliteLog
from sampan.storage.disk.wire import FAULT, LENGTH, PART, RESULT, pack

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from sampan.storage.disk.schema import Row

    Say = Callable[[int, Any], None]


def main(socket: int, path: str, owner: int, options: dict[str, int]) -> None:
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, signal.SIG_IGN)
    _take_name("sampan-store")
    requests = BufferedReader(FileIO(socket, closefd=False), 65536)
    serving = _Serving(socket, path, owner, options)
    try:
        while len(header := requests.read(LENGTH.size)) == LENGTH.size:
            number, method, arguments = marshal.loads(requests.read(*LENGTH.unpack(header)))  # noqa: S302 - our own server
            serving.answer(number, method, arguments)
    except (EOFError, BrokenPipeError, ConnectionResetError):
        pass  # the server went away in the middle of a word
    finally:
        serving.close()


class _Serving:
    def __init__(self, socket: int, path: str, owner: int, options: dict[str, int]) -> None:
        self._socket = socket
        self._path = path
        self._owner = owner
        self._options = options
        self._log: SqliteLog | None = None
        self._sending = threading.Lock()

    def answer(self, number: int, method: str, arguments: tuple[Any, ...]) -> None:
        def say(kind: int, value: Any) -> None:
            self._send(pack((number, kind, value)))

        if method == "snapshot":  # takes long, and nobody shall wait for it
            threading.Thread(target=self._do, args=(say, method, arguments), daemon=True).start()
            return
        self._do(say, method, arguments)
        if self._log is not None:
            self._log.tidy()

    def close(self) -> None:
        if self._log is not None:
            self._log.close()
            self._log = None

    def _do(self, say: Say, method: str, arguments: tuple[Any, ...]) -> None:
        try:
            result = getattr(self, "_" + method)(say, *arguments)
        except Exception as error:  # noqa: BLE001 - whatever it was, the server has to hear of it
            fault = fault_of(error, self._path)
            say(FAULT, (fault.kind, fault.message, fault.detail))
        else:
            say(RESULT, result)

    def _open(self, say: Say) -> None:
        log = self._log = SqliteLog(self._path, owner=self._owner, **self._options)
        for part in log.open():
            say(PART, part)

    def _write(self, _: Say, rows: list[Row], wanted: list[int]) -> dict[int, bytes]:
        old = self._opened.read(wanted) if wanted else {}
        if rows:
            self._opened.append(rows)
        return old

    def _read(self, _: Say, revisions: list[int]) -> dict[int, bytes]:
        return self._opened.read(revisions)

    def _compact(self, _: Say, revision: int, doomed: list[int], kept_count: int, kept_sum: int) -> None:
        self._opened.compact(revision, doomed, kept_count, kept_sum)

    def _snapshot(self, _: Say, path: str) -> int:
        return self._opened.snapshot(path)

    def _close(self, _: Say) -> None:
        self.close()

    @property
    def _opened(self) -> SqliteLog:
        if self._log is None:
            raise Fault("refused", "the store is not open")
        return self._log

    def _send(self, frame: bytes) -> None:
        with self._sending:
            view = memoryview(frame)
            while view:
                view = view[os.write(self._socket, view) :]


def _take_name(name: str) -> None:
    try:
        with open("/proc/self/comm", "w") as comm:
            comm.write(name)
    except OSError:
        pass  # only for those who look at `ps`
