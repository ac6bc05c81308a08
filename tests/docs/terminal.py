"""A reader at a terminal: types the blocks of a page one after the other in one shell, and looks at what comes."""

from __future__ import annotations

import os
import re
import select
import shlex
import signal
import subprocess
import sys
import time
import uuid
from dataclasses import dataclass
from pathlib import Path

from tests.docs.document import Page, Step, matches, normal

COMMAND_SECONDS = 120.0
LOOK_SECONDS = 60.0  # for how long a reader looks again until it is so
LOOK_EVERY = 0.3
LOOKING = re.compile(
    r"^\s*(?:(?:sampan|kubectl) (?:get|logs|describe|events|top|why|status|ctr|image ls|exec|auth)|curl|ls|cat|nft)\b"
)
ON_A_TERMINAL = "import pty, sys; sys.exit(pty.spawn(['bash', '-c', sys.argv[1]]) >> 8)"


@dataclass(frozen=True)
class Names:
    """The pages speak of the cluster `sampan` in its usual place; the reader's has another name and place."""

    cluster: str = "sampan"
    home: str = "/var/lib/sampan"

    def typed(self, command: str) -> str:
        command = command.replace("/var/lib/sampan/sampan", f"{self.home}/{self.cluster}")
        return command.replace("sampan-1", f"{self.cluster}-1")

    def shown(self, text: str) -> str:
        text = text.replace(f"{self.home}/{self.cluster}", "/var/lib/sampan/sampan")
        return text.replace(f"sampan-{self.cluster}", "sampan").replace(self.cluster, "sampan")


class Wrong(AssertionError):
    """The page does not tell the truth."""


class Terminal:
    """One shell for a page, so that variables and directories last; others for what goes on meanwhile."""

    def __init__(self, cwd: Path, env: dict[str, str], names: Names | None = None) -> None:
        self._cwd, self._env, self.names = cwd, env, names or Names()
        self._end = f"end-{uuid.uuid4().hex}"
        self._shell = self._bash(["bash", "--noprofile", "--norc"], stdin=subprocess.PIPE)
        self._others: dict[int, subprocess.Popen[bytes]] = {}

    def _bash(self, command: list[str], *, stdin: int) -> subprocess.Popen[bytes]:
        return subprocess.Popen(
            command,
            cwd=self._cwd,
            env=self._env,
            stdin=stdin,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )

    def type(self, command: str, *, seconds: float = COMMAND_SECONDS) -> tuple[bool, str]:
        """Whether every command went well, and what was printed."""
        assert self._shell.stdin is not None
        command = self.names.typed(command)
        if re.search(r"\s-it\b", command):
            inside = " ".join(shlex.quote(word) for word in (sys.executable, "-c", ON_A_TERMINAL, command))
            command = f"echo exit | {inside}"
        script = (
            f"failed=0; trap 'failed=1' ERR\neval {shlex.quote(command)} </dev/null 2>&1\n"
            f"trap - ERR; printf '\\n%s %d\\n' {self._end} $failed\n"
        )
        self._shell.stdin.write(script.encode())
        self._shell.stdin.flush()
        text = _until(self._shell, lambda said: self._end in said and said.endswith("\n"), seconds)
        printed, end, failed = text.rpartition(f"\n{self._end} ")
        if not end:
            raise Wrong(f"does not come to an end within {seconds:.0f} s:\n{command}\n{text}")
        return failed.strip() == "0", self.names.shown(printed)

    def begin(self, number: int, command: str) -> subprocess.Popen[bytes]:
        self.interrupt(number)
        self._others[number] = self._bash(["bash", "-c", self.names.typed(command)], stdin=subprocess.DEVNULL)
        return self._others[number]

    def interrupt(self, number: int) -> None:
        """Ctrl-C there."""
        process = self._others.pop(number, None)
        if process is not None:
            _end(process, signal.SIGINT)

    def close(self) -> None:
        for number in list(self._others):
            self.interrupt(number)
        _end(self._shell, signal.SIGTERM)


def follow(page: Page, terminal: Terminal, *, skip: frozenset[str] = frozenset()) -> None:
    """Does what the page says; raises Wrong where something else comes."""
    section = ""
    for step in page.steps:
        if step.section != section:
            section = step.section
            terminal.interrupt(2)
        if step.command in skip:
            continue
        _do(step, terminal)


def _do(step: Step, terminal: Terminal) -> None:
    if step.terminal > 1:
        process = terminal.begin(step.terminal, step.command)
        if step.expected is None:
            return
        shown = terminal.names.shown
        said = shown(_until(process, lambda said: matches(step.expected or "", shown(said)), LOOK_SECONDS))
        if not matches(step.expected, said):
            raise _wrong(step, said)
        return
    end = time.monotonic() + LOOK_SECONDS
    while True:
        well, said = terminal.type(step.command)
        if step.expected is None:
            if not well:
                raise Wrong(f"line {step.line}: fails:\n{step.command}\n{said}")
            return
        if matches(step.expected, said):
            return
        if not only_looks(step.command) or time.monotonic() > end:
            raise _wrong(step, said)
        time.sleep(LOOK_EVERY)


def _wrong(step: Step, said: str) -> Wrong:
    expected = normal(step.expected or "")
    return Wrong(f"line {step.line}: {step.command}\n--- the page says\n{expected}\n--- printed\n{normal(said)}")


def only_looks(command: str) -> bool:
    """Nothing changes when it is typed again."""
    return all(LOOKING.match(line) for line in command.splitlines() if line.strip())


def _until(process: subprocess.Popen[bytes], holds: object, seconds: float) -> str:
    """What the process prints, as soon as that holds, or when time is up or the process has ended."""
    assert process.stdout is not None
    assert callable(holds)
    said, end = b"", time.monotonic() + seconds
    while not holds(said.decode(errors="replace")) and (left := end - time.monotonic()) > 0:
        if select.select([process.stdout], [], [], left)[0]:
            more = os.read(process.stdout.fileno(), 65536)
            if not more:
                break
            said += more
    return said.decode(errors="replace").replace("\r\n", "\n")


def _end(process: subprocess.Popen[bytes], number: int) -> None:
    for wanted in (number, signal.SIGKILL):
        try:
            os.killpg(process.pid, wanted)
        except ProcessLookupError:
            pass
        try:
            process.wait(3)
            break
        except subprocess.TimeoutExpired:
            continue
    for stream in (process.stdin, process.stdout):
        if stream is not None:
            stream.close()
