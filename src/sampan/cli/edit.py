"""`edit`: objects in your editor, the difference as a patch; refused changes come back with the server's words."""

from __future__ import annotations

from typing import Any

import msgspec

from sampan.cli import printers
from sampan.cli.change import chosen
from sampan.cli.command import FILES, OUTPUT, VALIDATE, Command, Invocation, manager
from sampan.cli.command import validation as validation_of
from sampan.cli.editing import Purpose, edit
from sampan.cli.errors import CliError, raise_all
from sampan.cli.flags import Flag
from sampan.cli.last_applied import two_way, with_annotation
from sampan.cli.printers import without_managed_fields
from sampan.cli.record import RECORD, recorded
from sampan.cli.resources import Found
from sampan.client.calls import WriteOptions, get

Object = dict[str, Any]
CHANGED = "At least one of apiVersion, kind and name was changed"


def run(call: Invocation) -> int:
    errors: list[Exception] = []
    listed = [_subresource(call, one) for one in chosen(call, call.args, errors, every=True)]
    raise_all(errors)
    if not listed:
        raise CliError("edit cancelled, no objects found")
    if call.flags["show-managed-fields"]:
        shown = [one.data for one in listed]
    else:
        shown = [without_managed_fields(one.data) for one in listed]
    edit(call, listed, shown, Purpose(lambda one, before, after: _send(call, one, before, after)))
    return 0


def _subresource(call: Invocation, one: Found) -> Found:
    subresource = call.flags["subresource"]
    if not subresource:
        return one
    answer = call.session.client.send(get(one.info, one.namespace, one.name, subresource=subresource))
    data: Object = msgspec.json.decode(answer.body)
    return one._replace(data=data)


def _send(call: Invocation, one: Found, before: Object, after: Object) -> None:
    flags = call.flags
    said = after.get("metadata") or {}
    if one.namespace and said.get("namespace") != one.namespace:
        raise CliError(
            f'the namespace from the provided object "{said.get("namespace", "")}" does not match the namespace '
            f"\"{one.namespace}\". You must pass '--namespace={said.get('namespace', '')}' to perform this operation."
        )
    if flags["save-config"] and before != after:
        after = with_annotation(after)
    if before != after:
        after = recorded(call, after)
    patch, kind = two_way(one.info, before, after)
    if not patch:
        printers.of("", operation="skipped")(one.data)
        return
    if any(before.get(key) != after.get(key) for key in ("apiVersion", "kind")) or said.get("name") != one.name:
        raise CliError(CHANGED)
    if flags["output-patch"]:
        from sampan.cli.printers.json import compact

        call.print(f"Patch: {compact(patch)}")
    options = WriteOptions(False, flags["field-manager"], validation_of(flags))
    result: Object = call.session.client.of(one.info).patch(
        one.name, patch, options, namespace=one.namespace, type=kind, subresource=flags["subresource"]
    )
    printers.of(flags["output"], operation="edited", flags=flags)({"kind": one.info.kind} | result)


COMMAND = Command(
    path="edit",
    run=run,
    flags=(
        *FILES,
        *OUTPUT,
        VALIDATE,
        RECORD,
        manager("edit"),
        Flag("output-patch", "bool", usage="show the patch"),
        Flag("save-config", "bool", usage="remember the manifest for a later apply"),
        Flag("subresource", usage="status, scale …"),
        Flag("windows-line-endings", "bool", usage="lines in the file end as on Windows"),
    ),
    summary="Edit an object in your editor.",
    usage="(TYPE NAME | TYPE/NAME | -f FILE)",
)
