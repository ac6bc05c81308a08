"""Why a command could not be run, in the words that people know from Kubernetes: those of runc. Pure.

crun says the same in other words. Who looks for a message, or has a program look for it, should not need to know which
of the two is installed.
"""

from __future__ import annotations

import re

_UNABLE = "unable to start container process: "
_NOT_FOUND = re.compile(r"executable file `(?P<command>[^`]*)` not found")
_REFUSED = re.compile(r"open executable: (?:Permission denied|Operation not permitted)")


def readable(message: str) -> str:
    """The reason in a runtime's own words, without the levels and times its log lines may have."""
    lines = []
    for line in message.strip().splitlines():
        text = line.strip()
        if 'msg="' in text:  # runc: time="…" level=error msg="…"
            text = text.partition('msg="')[2].rpartition('"')[0].replace('\\"', '"')
        if text:
            lines.append(text.removeprefix("error: "))
    return "\n".join(lines)


def cannot_run(text: str) -> bool:
    """Whether crun says so."""
    return bool(_NOT_FOUND.search(text) or _REFUSED.search(text))


def create_failure(runtime: str, reason: str, command: str) -> str:
    return "OCI runtime create failed: " + _as_runc(reason, command, f"{runtime} create failed: ")


def exec_failure(reason: str, command: str) -> str:
    return "OCI runtime exec failed: " + _as_runc(reason, command, "exec failed: ")


def _as_runc(reason: str, command: str, step: str) -> str:
    if step in reason:
        return reason
    missing = _NOT_FOUND.search(reason)
    if missing is not None:
        name = missing["command"]
        why = f"stat {name}: no such file or directory" if "/" in name else "executable file not found in $PATH"
        return f'{step}{_UNABLE}exec: "{name}": {why}'
    if _REFUSED.search(reason):
        return f'{step}{_UNABLE}exec: "{command}": permission denied'
    return f"{step}{reason}"
