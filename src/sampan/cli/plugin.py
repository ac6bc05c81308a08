"""`plugin list`: the plugins on PATH, and which of them can never be called."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

from sampan.cli.command import Command, Invocation, load
from sampan.cli.errors import CliError, PlainError
from sampan.cli.flags import Flag
from sampan.cli.plugins import listed


def _list(call: Invocation) -> int:
    files: list[str] = []
    for place in listed(os.environ.get("PATH", "")):
        if place.trouble:
            call.complain(
                f'Unable to read directory "{place.folder}" from your PATH: open {place.folder}: {place.trouble}.'
                " Skipping..."
            )
        files += [os.path.join(place.folder, name) for name in place.files]
    if not files:
        raise CliError("unable to find any kubectl plugins in your PATH")
    call.print("The following compatible plugins are available:\n")
    seen: dict[str, str] = {}
    warnings = 0
    for file in files:
        call.print(Path(file).name if call.flags["name-only"] else file)
        for warning in _warnings(file, seen):
            call.complain(f"  - warning: {warning}")
            warnings += 1
    if warnings:
        told = "one plugin warning was found" if warnings == 1 else f"{warnings} plugin warnings were found"
        raise PlainError(f"error: {told}\n")
    return 0


def _warnings(file: str, seen: dict[str, str]) -> Iterator[str]:
    name = Path(file).name
    if not os.access(file, os.X_OK):
        yield f"{file} identified as a kubectl plugin, but it is not executable"
    if name in seen:
        yield f"{file} is overshadowed by a similarly named plugin: {seen[name]}"
    else:
        seen[name] = file
    verb = _verb(name.split("-")[1:])
    if verb:
        yield f'{name} overwrites existing command: "kubectl {verb}"'


def _verb(words: list[str]) -> str:
    """The verb that such words call: of a verb with arguments of its own, its first words do."""
    from sampan.cli.main import VERBS

    if not words or words[0] not in VERBS:
        return ""
    command = load(VERBS[words[0]])
    for word in words[1:]:
        if word not in command.subcommands:
            break
        command = load(command.subcommands[word])
    return command.path


LIST = Command(
    path="plugin list",
    run=_list,
    summary="The plugins on PATH: programs called sampan-NAME or kubectl-NAME, which add the verb NAME.",
    flags=(Flag("name-only", "bool", usage="the programs' names without their folders"),),
)
COMMAND = Command(path="plugin", summary="Programs on PATH that add verbs.", subcommands={"list": LIST})
