"""Stop signals: what they are called, and whether a process has come to listen to one yet."""

from __future__ import annotations

import asyncio
import os
import re
import signal
import time

from sampan.runtime.errors import CreateError
from sampan.runtime.process import start_time

TICKS = os.sysconf("SC_CLK_TCK")
YOUTH = 0.5  # seconds in which a program has come to install its handlers
BUSY_YOUTH = 3.0  # the same for one that has been busy all the time
PATIENCE = 10.0  # seconds in which an OCI runtime has made its process into the container's program


def signal_number(name: str) -> int:
    """SIGTERM, TERM, 15, SIGRTMIN+3."""
    text = name.upper().removeprefix("SIG")
    if text.isdigit() and 0 < int(text) < 65:
        return int(text)
    match = re.fullmatch(r"(RTMIN|RTMAX)([+-]\d+)", text)
    try:
        if match:
            return signal.Signals[f"SIG{match[1]}"].value + int(match[2])
        return signal.Signals[f"SIG{text}"].value
    except KeyError:
        raise CreateError(f"unknown stop signal {name!r}") from None


async def settled(pid: int, started: int, number: int) -> None:
    """Waits while a process is too young to have said what it does about a signal. The kernel drops a signal for which
    PID 1 of a container has no handler yet; whoever sent it would wait for nothing."""
    begun = time.monotonic() - age(started)
    while start_time(pid) == started:
        since = time.monotonic() - begun
        if is_oci_init(pid):  # what it listens to is not what the program that it becomes will
            if age(started) > PATIENCE:
                return
            begun = time.monotonic()
        elif handles(pid, number) or since > (BUSY_YOUTH if is_busy(pid) else YOUTH):
            return
        await asyncio.sleep(0.005)


def is_oci_init(pid: int) -> bool:
    """Whether it still is the OCI runtime's own process, that sets the container up and then becomes its program."""
    try:
        program = os.readlink(f"/proc/{pid}/exe")
    except OSError:
        return False
    if program in ("/", "(unreachable)/"):  # runc's sealed copy of itself is the whole of a mount that is in no place
        return True
    return program.startswith(("/memfd:runc", "/memfd:crun")) or os.path.basename(program) in ("runc", "crun")


def is_busy(pid: int) -> bool:
    """Whether it would run if it were let (on a loaded machine, starting takes long), or waits for a disk."""
    try:
        with open(f"/proc/{pid}/stat", "rb") as file:
            return file.read().rpartition(b")")[2].split()[0] in (b"R", b"D")
    except OSError:
        return False


def age(started: int) -> float:
    """Seconds since a start time in ticks."""
    return time.clock_gettime(time.CLOCK_BOOTTIME) - started / TICKS


def handles(pid: int, number: int) -> bool:
    """Whether it catches or ignores the signal."""
    try:
        with open(f"/proc/{pid}/status", "rb") as file:
            masks = [line.split()[1] for line in file if line.startswith((b"SigCgt:", b"SigIgn:"))]
    except OSError:
        return False
    return any(int(mask, 16) >> (number - 1) & 1 for mask in masks)
