"""The process that unpacks layers: off the event loop, and each layer by a child shut into the directory it writes (a
chroot, where root may).

`unpack_process.py` starts one for each pull and sends it jobs over a socket, with open descriptors only: the target,
the lock on it (which stays held until nobody works on it any more), the blob, and the layers below. It ends when the
socket does, that is when its parent dies. It is kept light: no asyncio, no msgspec, nothing that takes longer to import
than a small layer takes to unpack.

    in    {"limits": {…}, "native": true}, with the descriptors target, lock, blob, lower, lower, …
    out   lines of JSON: {"read": bytes so far}, then {"done": {…}} or {"error": text, "errno": number, "file": name}
"""

from __future__ import annotations

import json
import os
import select
import signal
import socket
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict
from typing import Any

from sampan.runtime.images.decompress import LayerStream, Limits
from sampan.runtime.images.unpack import UnpackError, unpack

MAX_JOB = 65536
MAX_DESCRIPTORS = 250  # what one message may carry
_REPORT_EVERY = 0.2


def main() -> None:
    connection = socket.socket(fileno=0)
    os.umask(0)
    while True:
        raw, fds, _, _ = socket.recv_fds(connection, MAX_JOB, MAX_DESCRIPTORS)
        if not raw:
            return
        child = os.fork()
        if child == 0:
            try:
                _say(connection, _unpacked(connection, json.loads(raw), fds))
            finally:
                os._exit(0)
        for fd in fds:
            os.close(fd)
        _watch(connection, child)


def _watch(connection: socket.socket, child: int) -> None:
    """Wait for the child's end, and see to it if the parent's comes first."""
    pidfd = os.pidfd_open(child)
    try:
        waiting = select.poll()
        waiting.register(pidfd, select.POLLIN)
        waiting.register(connection, select.POLLRDHUP)
        if not any(fd == pidfd for fd, _ in waiting.poll()):
            os.kill(child, signal.SIGKILL)
            os._exit(1)
        _, status = os.waitpid(child, 0)
    finally:
        os.close(pidfd)
    if status != 0:
        _say(connection, {"error": f"unpacking ended early (status {status})", "errno": 0})


# --- in the child ---------------------------------------------------------------------------------------------------


def _unpacked(connection: socket.socket, job: dict[str, Any], fds: Sequence[int]) -> dict[str, Any]:
    target, _lock, blob_fd, *lowers = fds
    limits = Limits(**job["limits"])
    _shut_in(target)
    try:
        with open(blob_fd, "rb", buffering=0) as blob, LayerStream(blob, limits, _reporter(connection)) as stream:
            return {"done": asdict(unpack(stream, target, lowers, limits, native=job["native"]))}
    except UnpackError as e:
        return {"error": str(e), "errno": 0}
    except OSError as e:
        return {"error": e.strerror or str(e), "errno": e.errno or 0, "file": os.fsdecode(e.filename or "")}
    except Exception as e:  # noqa: BLE001 - a layer that trips us up is that layer's error, and to be heard of
        return {"error": f"unpacking failed: {type(e).__name__}: {e}", "errno": 0}


def _shut_in(target: int) -> None:
    """The files are reached through descriptors, so from here on no path is needed, nor any available."""
    import zstandard  # noqa: F401 - cannot be found any more once we are inside

    b"".decode("unicode_escape", "backslashreplace")  # nor can this codec
    if os.geteuid() == 0:
        os.fchdir(target)
        os.chroot(".")


def _reporter(connection: socket.socket) -> Callable[[int], None]:
    last = time.monotonic()

    def report(read: int) -> None:
        nonlocal last
        now = time.monotonic()
        if now - last >= _REPORT_EVERY:
            last = now
            _say(connection, {"read": read})

    return report


def _say(connection: socket.socket, message: dict[str, Any]) -> None:
    connection.sendall(json.dumps(message).encode() + b"\n")


if __name__ == "__main__":
    main()
