"""Every verb and flag of kubectl, and whether it is here: `docs/kubectl.md`, made from both programs' own words.

    python -m tests.integration.cli.surface          writes the page (and what kubectl has, where there is a kubectl)

What kubectl has is read from its help once and kept beside this (`surface.json`), so that the page can be made, and be
found out of date, on a machine without it.
"""

from __future__ import annotations

import json
import re
import shlex
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from sampan.cli.command import Command, load
from sampan.cli.global_flags import GLOBAL_FLAGS
from sampan.cli.main import VERBS
from tests.integration.cli.parity import LINES, kubectl, lines_of

HERE = Path(__file__).parent
KEPT = HERE / "surface.json"
PAGE = HERE.parents[2] / "docs" / "kubectl.md"
DEPTH = 3
GLOBAL = {flag.name for flag in GLOBAL_FLAGS}
WITHOUT_EFFECT = "accepted, without effect"


class Row(NamedTuple):
    verb: str
    there: bool
    missing: tuple[str, ...]
    idle: tuple[str, ...]
    """Flags that are taken and change nothing."""
    more: tuple[str, ...]
    """Flags that kubectl's has not (yet)."""
    lines: int
    """How many of the compared command lines call it."""


def read_kubectl(program: str) -> dict[str, list[str]]:
    """verb → its flags, from `--help`."""
    return {" ".join(path): flags for path, flags in _walk(program, []) if path}


def _walk(program: str, path: list[str]) -> Iterator[tuple[list[str], list[str]]]:
    text = subprocess.run([program, *path, "--help"], capture_output=True, text=True, check=True).stdout
    flags, below, section = [], [], ""
    for line in text.splitlines():
        if re.match(r"\S.*:$", line):
            section = line
        elif section.startswith("Options") and (found := re.match(r"\s+(?:-\w, )?--([a-z0-9-]+)=", line)):
            flags.append(found[1])
        elif "ommands" in section and (found := re.match(r"  (\S+)\s+\S", line)):
            below.append(found[1])
    yield path, flags
    if len(path) < DEPTH:
        for name in below:
            yield from _walk(program, [*path, name])


def known() -> dict[str, list[str]]:
    data: dict[str, list[str]] = json.loads(KEPT.read_text())["verbs"]
    return data


def rows(verbs: dict[str, list[str]]) -> list[Row]:
    words = [_words(line) for path in sorted(LINES.rglob("*.txt")) for line in lines_of(path)]
    return [_row(verb, flags, words) for verb, flags in sorted(verbs.items())]


def _words(line: str) -> list[str]:
    """Without the environment before it."""
    words = shlex.split(line)
    while words and re.match(r"[A-Z_]+=", words[0]):
        del words[0]
    return words


def _row(verb: str, flags: list[str], words: list[list[str]]) -> Row:
    path = verb.split()
    lines = sum(line[: len(path)] == path for line in words)
    command = command_at(path)
    if command is None:
        return Row(verb, False, (), (), (), lines)
    own = {flag.name: flag for flag in command.flags}
    missing = tuple(name for name in flags if name not in own and name not in GLOBAL)
    idle = tuple(name for name in flags if name in own and own[name].usage == WITHOUT_EFFECT)
    more = tuple(sorted(name for name in own if name not in flags and name not in GLOBAL and own[name].usage))
    return Row(verb, True, missing, idle, more, lines)


def command_at(path: list[str]) -> Command | None:
    if path[0] not in VERBS:
        return None
    command = load(VERBS[path[0]])
    for word in path[1:]:
        word = command.aliases.get(word, word)
        if word not in command.subcommands:
            return None
        command = load(command.subcommands[word])
    return command


def page() -> str:
    version = json.loads(KEPT.read_text())["version"]
    listed = rows(known())
    compared = sum(1 for path in LINES.rglob("*.txt") for _ in lines_of(path))
    total = sum(len(flags) for flags in known().values())
    there = total - sum(len(row.missing) for row in listed if row.there)
    there -= sum(len(known()[row.verb]) for row in listed if not row.there)
    lines = [
        "# kubectl's verbs and flags, and which of them `sampan` has",
        "",
        "Made by `python -m tests.integration.cli.surface` from the help of both programs; a test fails when it is out",
        f"of date. Beside kubectl {version}: {sum(row.there for row in listed)} of {len(listed)} verbs and {there} of",
        f"{total} flags. The flags of every verb (`sampan options`) are all there. {compared} command lines are run",
        "with both against the same server, and stdout, stderr and exit code compared (`tests/integration/cli`); what",
        "differs on purpose is listed, with the reason, in `tests/integration/cli/test_parity.py`.",
        "",
        "| verb | here | flags that are missing | flags without effect | flags only here | lines compared |",
        "|---|---|---|---|---|---|",
    ]
    for row in listed:
        cells = (_cell(row.missing), _cell(row.idle), _cell(row.more))
        lines.append(f"| `{row.verb}` | {'yes' if row.there else 'no'} | {' | '.join(cells)} | {row.lines or ''} |")
    own = sorted({"why"} - {row.verb for row in listed})
    lines += [
        "",
        f"Only here: {', '.join(f'`{name}`' for name in own)}, and the verbs of the cluster (`sampan --help`).",
        "",
    ]
    return "\n".join(lines)


def _cell(names: tuple[str, ...]) -> str:
    return ", ".join(f"`--{name}`" for name in names)


def main() -> None:
    program = kubectl()
    if program:
        text = subprocess.run([program, "version", "--client", "-o", "json"], capture_output=True, text=True).stdout
        version = re.sub(r"-dispatcher$", "", json.loads(text)["clientVersion"]["gitVersion"])
        KEPT.write_text(json.dumps({"version": version, "verbs": read_kubectl(program)}, indent=1) + "\n")
    PAGE.write_text(page())


if __name__ == "__main__":
    main()
