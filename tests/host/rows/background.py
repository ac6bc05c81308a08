"""Commands that go on while the user does something else: read line by line, or held at a terminal of their own."""

from __future__ import annotations

import contextlib
import fcntl
import os
import pty
import select
import struct
import subprocess
import termios
import threading
import time
from collections.abc import Iterator

PATIENCE = 40.0


class Shown:
    """What a command has printed so far."""

    def __init__(self, process: subprocess.Popen[str]) -> None:
        self.lines: list[str] = []
        self.process = process
        self._news = threading.Condition()
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()

    def _read(self) -> None:
        assert self.process.stdout is not None
        for line in self.process.stdout:
            with self._news:
                self.lines.append(line.rstrip("\n"))
                self._news.notify_all()

    def until(self, *words: str) -> str:
        """The first line with all these words."""
        with self._news:
            found = self._news.wait_for(lambda: self._with(words), timeout=PATIENCE)
        assert found, f"{words} not in {self.lines}"
        return str(found)

    def _with(self, words: tuple[str, ...]) -> str:
        return next((line for line in self.lines if all(word in line for word in words)), "")


@contextlib.contextmanager
def behind(line: list[str], env: dict[str, str], given: str | None) -> Iterator[Shown]:
    process = subprocess.Popen(
        line, env=env, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, bufsize=1
    )
    assert process.stdin is not None
    if given is not None:
        process.stdin.write(given)
        process.stdin.flush()
    try:
        yield Shown(process)
    finally:
        process.terminate()
        process.wait(10)


class Terminal:
    """The user's side of a pseudo-terminal."""

    def __init__(self, process: subprocess.Popen[bytes], side: int) -> None:
        self.process, self.side, self.seen = process, side, ""

    def write(self, text: str) -> None:
        os.write(self.side, text.encode())

    def until(self, text: str) -> None:
        end = time.monotonic() + PATIENCE
        while text not in self.seen:
            assert time.monotonic() < end, f"{text!r} not in {self.seen!r}"
            if select.select([self.side], [], [], 0.5)[0]:
                self.seen += os.read(self.side, 4096).decode()

    def ends(self) -> int:
        """The exit code."""
        return self.process.wait(PATIENCE)


@contextlib.contextmanager
def at_a_terminal(line: list[str], env: dict[str, str], rows: int, columns: int) -> Iterator[Terminal]:
    ours, theirs = pty.openpty()
    fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", rows, columns, 0, 0))
    process = subprocess.Popen(line, env=env, stdin=theirs, stdout=theirs, stderr=theirs, start_new_session=True)
    os.close(theirs)
    try:
        yield Terminal(process, ours)
    finally:
        process.kill()
        process.wait()
        os.close(ours)
