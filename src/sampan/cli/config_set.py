"""`config set` and `config unset`: one property of a kubeconfig by its dotted name."""

from __future__ import annotations

import base64
from typing import Any

from sampan.cli.command import Command, Invocation
from sampan.cli.config import target_file
from sampan.cli.config_change import arguments, file_of, one_argument
from sampan.cli.errors import CliError
from sampan.cli.flags import Flag
from sampan.client import kubeconfig_write as write
from sampan.client.kubeconfig_files import SECTIONS

Data = dict[str, Any]


def _set(call: Invocation) -> int:
    name, value = arguments(call, 2)
    steps = _steps(name)
    if steps[-1].endswith("-data") and not call.flags["set-raw-bytes"]:
        try:
            base64.b64decode(value, validate=True)
        except ValueError:
            raise CliError(f"error decoding base64 data for {name}") from None
    elif steps[-1].endswith("-data"):
        value = base64.b64encode(value.encode()).decode()
    shown: object = value == "true" if value in ("true", "false") and len(steps) > 2 else value

    def change(data: Data) -> None:
        if len(steps) == 1:
            data[name] = shown
            return
        body = _entry(data, steps, create=True)
        for step in steps[2:-1]:
            body = body.setdefault(step, {})
        if len(steps) < 3:
            raise CliError(f"unable to set {name}: a field is wanted")
        body[steps[-1]] = shown

    write.edit(_path_for(call, steps), change)
    call.print(f'Property "{name}" set.')
    return 0


def _unset(call: Invocation) -> int:
    name = one_argument(call)
    steps = _steps(name)

    def change(data: Data) -> None:
        if len(steps) == 1:
            data[name] = [] if name in SECTIONS else "" if name == "current-context" else {}
        elif len(steps) == 2:
            write.remove_entry(data, steps[0], steps[1])
        else:
            body = _entry(data, steps, create=False)
            for step in steps[2:-1]:
                body = body.get(step) or {}
            body.pop(steps[-1], None)

    write.edit(_path_for(call, steps), change)
    call.print(f'Property "{name}" unset.')
    return 0


def _steps(name: str) -> list[str]:
    steps = name.split(".")
    if steps[0] not in (*SECTIONS, "kind", "apiVersion", "preferences", "current-context", "extensions"):
        raise CliError(f"unable to parse {name} after [] at api.Config")
    return steps


def _path_for(call: Invocation, steps: list[str]) -> str:
    return file_of(call, steps[0], steps[1]) if len(steps) > 1 else target_file(call)


def _entry(data: Data, steps: list[str], *, create: bool) -> Data:
    section, name = steps[0], steps[1]
    if section not in SECTIONS:
        raise CliError(f"unknown field name {section}")
    body = write.entry_of(data, section, name)
    if body is None:
        body = {}
        if create:
            write.set_entry(data, section, name, body)
    return body


SET = Command(
    path="config set",
    run=_set,
    flags=(Flag("set-raw-bytes", "bool", usage="the value of a -data field is not base64 yet"),),
    summary="Set one field.",
    usage="PROPERTY_NAME PROPERTY_VALUE",
)
UNSET = Command(path="config unset", run=_unset, summary="Remove one field.", usage="PROPERTY_NAME")
