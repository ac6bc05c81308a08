"""The process that unpacks one layer: off the event loop, and shut into the directory it writes (a chroot, where root
may).

`unpack_process.py` starts it and hands over open descriptors only: the blob, the target, the layers below, and the lock
on the target, which stays held until both are gone. It ends when its standard input does, that is when its parent dies.
It is kept light: no asyncio, no msgspec, nothing that takes longer to import than a small layer to unpack.

    argv[1]   {"blob": fd, "target": fd, "lowers": [fd, …], "limits": {…}, "native": true}
    stdout    lines of JSON: {"read": bytes so far}, then {"done": {…}} or {"error": text, "errno": number}
"""

from __future__ import annotations

import json
import os
import sys
import threading
import time
from collections.abc import Callable
from dataclasses import asdict
from typing import Any

from sampan.runtime.images.decompress import LayerStream, Limits
from sampan.runtime.images.unpack import UnpackError, unpack

_REPORT_EVERY = 0.2


def main() -> None:
    job = json.loads(sys.argv[1])
    threading.Thread(target=_end_with_parent, daemon=True).start()
    limits = Limits(**job["limits"])
    _shut_in(job["target"])
    answer: dict[str, Any]
    try:
        with open(job["blob"], "rb", buffering=0) as blob, LayerStream(blob, limits, _reporter()) as stream:
            answer = {"done": asdict(unpack(stream, job["target"], job["lowers"], limits, native=job["native"]))}
    except UnpackError as e:
        answer = {"error": str(e), "errno": 0}
    except OSError as e:
        answer = {"error": e.strerror or str(e), "errno": e.errno or 0, "file": os.fsdecode(e.filename or "")}
    _say(answer)


def _end_with_parent() -> None:
    while os.read(0, 4096):
        pass
    os._exit(1)


def _shut_in(target: int) -> None:
    """The files are reached through descriptors, so from here on no path is needed, nor any available."""
    import zstandard  # noqa: F401 - cannot be found any more once we are inside

    b"".decode("unicode_escape", "backslashreplace")  # nor can this codec
    os.umask(0)
    if os.geteuid() == 0:
        os.fchdir(target)
        os.chroot(".")


def _reporter() -> Callable[[int], None]:
    last = time.monotonic()

    def report(read: int) -> None:
        nonlocal last
        now = time.monotonic()
        if now - last >= _REPORT_EVERY:
            last = now
            _say({"read": read})

    return report


def _say(message: dict[str, Any]) -> None:
    sys.stdout.write(json.dumps(message) + "\n")
    sys.stdout.flush()


if __name__ == "__main__":
    main()
