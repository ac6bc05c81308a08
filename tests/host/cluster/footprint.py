"""Everything of a host that a cluster could leave something in, as sets of lines to compare."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

Footprint = dict[str, set[str]]

TABLES = {
    "interfaces": ["ip", "-o", "link"],
    "addresses": ["ip", "-o", "address"],
    "routes": ["ip", "route", "show", "table", "all"],
    "rules": ["ip", "rule"],
    "neighbours": ["ip", "neighbour", "show", "nud", "permanent"],
    "nft": ["nft", "list", "ruleset"],
}
SYSCTLS = ("net", "vm", "kernel")


def footprint(marks: list[str]) -> Footprint:
    """`marks` are words that name the clusters, for what others of the host share with them (cgroups, files)."""
    found = {name: _lines(command) for name, command in TABLES.items()}
    found["mounts"] = mounts()
    found["processes"] = processes()
    found["sysctls"] = sysctls()
    found["cgroups"] = _named(Path("/sys/fs/cgroup"), marks, depth=4)
    found["files"] = _named(Path("/run"), marks, depth=3) | _named(Path("/tmp"), marks, depth=1)
    found["files"] |= _named(Path("/dev/shm"), marks, depth=1)
    return found


def left(before: Footprint, after: Footprint) -> dict[str, list[str]]:
    """What is there now and was not, by kind; of the network and the kernel's settings also what has gone.
    Settings in `before["moving"]` change by themselves."""
    moving = before.get("moving", set())
    after = after | {"sysctls": {line for line in after["sysctls"] if line.partition(" = ")[0] not in moving}}
    changed = {kind: after[kind] - before[kind] for kind in after}
    for kind in (*TABLES, "sysctls"):
        changed[kind] |= {f"gone: {line}" for line in before[kind] - after[kind]}
    return {kind: sorted(lines) for kind, lines in changed.items() if lines}


def mounts() -> set[str]:
    """By number and kind: the path of one that was there may change, when somebody moves a directory above it."""
    found = set()
    for line in Path("/proc/self/mountinfo").read_text().splitlines():
        mine, kind = line.partition(" - ")[::2]
        found.add(f"mount {mine.split()[0]}: {kind.split()[0]}")
    return found


def processes() -> set[str]:
    """Threads of the kernel, and the tool that asks, are not of interest."""
    found = set()
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            line = (folder / "cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace").strip()
            state = (folder / "stat").read_text().rpartition(")")[2].split()[0]
        except OSError:  # it has ended meanwhile
            continue
        if line or state == "Z":
            found.add(f"{folder.name} {(state == 'Z' and 'zombie ') or ''}{line}")
    return found


def sysctls() -> set[str]:
    found = set()
    for top in SYSCTLS:
        for folder, _, names in os.walk(f"/proc/sys/{top}"):
            for name in names:
                if name.endswith("_count"):  # what there is of something at this moment, such as connections
                    continue
                path = os.path.join(folder, name)
                try:
                    with open(path) as file:
                        found.add(f"{path} = {file.read().strip()}")
                except (OSError, UnicodeDecodeError):  # not to be read
                    continue
    return found


def _lines(command: list[str]) -> set[str]:
    return set(subprocess.run(command, capture_output=True, text=True, check=True).stdout.splitlines())


def _named(top: Path, marks: list[str], *, depth: int) -> set[str]:
    found = set()
    for folder, folders, names in os.walk(top):
        if len(Path(folder).relative_to(top).parts) >= depth - 1:
            folders.clear()
        found |= {os.path.join(folder, n) for n in [*folders, *names] if any(mark in n for mark in marks)}
    return found
