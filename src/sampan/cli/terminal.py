"""The user's terminal while a container has it: raw, with its size told, and always given back as it was."""

from __future__ import annotations

import os
import select
import signal
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

POLL_SECONDS = 0.2


def is_terminal(file: Any) -> bool:
    try:
        return os.isatty(file.fileno())
    except (OSError, ValueError, AttributeError):
        return False


def size() -> tuple[int, int] | None:
    """(width, height) of whichever of our ends is a terminal."""
    for file in (sys.stdout, sys.stdin, sys.stderr):
        try:
            columns, lines = os.get_terminal_size(file.fileno())
            return columns, lines
        except (OSError, ValueError):
            continue
    return None


@contextmanager
def raw() -> Iterator[None]:
    """Keys go through as they are: Ctrl-C and Ctrl-D are the container's. Also a signal that ends us gives it back."""
    import termios
    import tty

    descriptor = sys.stdin.fileno()
    before = termios.tcgetattr(descriptor)

    def leave(number: int, _frame: object) -> None:
        raise SystemExit(128 + number)

    handlers = {number: signal.signal(number, leave) for number in (signal.SIGTERM, signal.SIGHUP)}
    try:
        tty.setraw(descriptor, termios.TCSANOW)  # what was typed ahead is the container's too
        yield
    finally:
        termios.tcsetattr(descriptor, termios.TCSADRAIN, before)
        for number, handler in handlers.items():
            signal.signal(number, handler)


@contextmanager
def on_resize(tell: Callable[[int, int], None]) -> Iterator[None]:
    """`tell` the size now, and whenever it changes."""

    def changed(*_: object) -> None:
        now = size()
        if now is not None and now[0] and now[1]:
            tell(*now)

    before = signal.signal(signal.SIGWINCH, changed)
    try:
        changed()
        yield
    finally:
        signal.signal(signal.SIGWINCH, before)


def keys(ended: Callable[[], bool]) -> Iterator[bytes]:
    """What comes on stdin, until its end, or until nobody wants it any more."""
    descriptor = sys.stdin.fileno()
    while not ended():
        try:
            if not select.select([descriptor], [], [], POLL_SECONDS)[0]:
                continue
            data = os.read(descriptor, 65536)
        except (OSError, ValueError):
            return
        if not data:
            return
        yield data
