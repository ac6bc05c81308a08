"""A connected socket that one thread may read while another writes.

A TLS connection is one state machine for both directions, and OpenSSL does not guard it: calls go one at a time, and a
thread that has to wait does so outside of the lock, for the socket alone.
"""

from __future__ import annotations

import select
import socket
import ssl
import threading

_READ = select.POLLIN | select.POLLHUP | select.POLLERR
_WRITE = select.POLLOUT | select.POLLHUP | select.POLLERR


class TwoWayWire:
    def __init__(self, wire: socket.socket) -> None:
        self._wire = wire
        self._lock = threading.Lock()
        self._number = wire.fileno()
        wire.setblocking(False)

    def recv(self, size: int, /) -> bytes:
        while True:
            with self._lock:
                try:
                    return self._wire.recv(size)
                except (BlockingIOError, ssl.SSLWantReadError):
                    events = _READ
                except ssl.SSLWantWriteError:
                    events = _WRITE
            self._wait(events)

    def sendall(self, data: bytes, /) -> None:
        """One thread at a time: a message that waits for room is in the middle of a record."""
        view = memoryview(data)
        while view:
            with self._lock:
                try:
                    view = view[self._wire.send(view) :]
                    continue
                except (BlockingIOError, ssl.SSLWantWriteError):
                    events = _WRITE
                except ssl.SSLWantReadError:
                    events = _READ
            self._wait(events)

    def shutdown(self, how: int, /) -> None:
        """Wakes whoever waits. Past the TLS layer, which would forget that it is one."""
        socket.socket.shutdown(self._wire, how)

    def close(self) -> None:
        self._wire.close()

    def _wait(self, events: int) -> None:
        if self._wire.fileno() < 0:
            raise OSError("the connection was closed")
        poll = select.poll()
        poll.register(self._number, events)
        poll.poll()
