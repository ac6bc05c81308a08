"""Processes in the background: started apart from the terminal, known by a pid file, ended politely first."""

import contextlib
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

TERM_SECONDS = 15.0


class Daemon:
    """One background process of a cluster; `pid_file` holds its pid and start time, so a recycled pid fools nobody."""

    def __init__(self, name: str, run_dir: Path, log_dir: Path) -> None:
        self.name = name
        self.pid_file = run_dir / f"{name}.pid"
        self.log_file = log_dir / f"{name}.log"

    def start(self, argv: list[str], *, env: dict[str, str] | None = None) -> int:
        for directory in (self.pid_file.parent, self.log_file.parent):
            directory.mkdir(parents=True, exist_ok=True)
        command = [sys.executable, "-m", "sampan", *argv]
        with self.log_file.open("ab") as log:
            process = subprocess.Popen(
                command,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
                cwd="/",
                env={**(env or os.environ), "PYTHONUNBUFFERED": "1"},
            )
        new = self.pid_file.with_suffix(".new")  # others may look at any moment, and read a whole file or none
        new.write_text(f"{process.pid} {started_at(process.pid)}\n", encoding="ascii")
        new.replace(self.pid_file)
        return process.pid

    @property
    def pid(self) -> int:
        """The pid of the live process, 0 when there is none."""
        try:
            words = self.pid_file.read_text(encoding="ascii").split()
        except FileNotFoundError:
            return 0
        if len(words) != 2 or not words[0].isdecimal():
            return 0
        pid = int(words[0])
        return pid if started_at(pid) == words[1] else 0

    def stop(self, *, timeout: float = TERM_SECONDS) -> bool:
        """True when a process was there. SIGTERM, and SIGKILL for one that does not heed it."""
        pid = self.pid
        if pid:
            _signal(pid, signal.SIGTERM)
            if not wait_gone(pid, timeout):
                _signal(pid, signal.SIGKILL)
                wait_gone(pid, 5.0)
        with contextlib.suppress(FileNotFoundError):
            self.pid_file.unlink()
        return bool(pid)

    def last_words(self, lines: int = 15) -> str:
        try:
            text = self.log_file.read_text(encoding="utf-8", errors="replace")
        except OSError:
            return ""
        return "\n".join(text.splitlines()[-lines:])


def started_at(pid: int) -> str:
    """The process's start in clock ticks since boot; empty when it is gone or a zombie."""
    try:
        stat = Path(f"/proc/{pid}/stat").read_text(encoding="ascii", errors="replace")
    except OSError:
        return _portable_start(pid)
    fields = stat.rpartition(")")[2].split()
    return "" if fields[0] == "Z" else fields[19]


def _portable_start(pid: int) -> str:
    """Where there is no /proc: whether it is there at all."""
    if Path("/proc/self").exists():
        return ""
    try:
        os.kill(pid, 0)
    except OSError:
        return ""
    return "0"


def _signal(pid: int, number: int) -> None:
    with contextlib.suppress(ProcessLookupError):
        os.kill(pid, number)


def wait_gone(pid: int, timeout: float) -> bool:
    end = time.monotonic() + timeout
    while time.monotonic() < end:
        with contextlib.suppress(ChildProcessError):
            os.waitpid(pid, os.WNOHANG)
        if not started_at(pid):
            return True
        time.sleep(0.02)
    return False
