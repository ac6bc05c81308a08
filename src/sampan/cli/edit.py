"""`edit`: the object in your editor, the difference as a patch; refused changes come back with the server's words."""

from __future__ import annotations

from typing import Any

from sampan.api.errors import ApiError, Invalid
from sampan.cli import printers
from sampan.cli.change import CHOOSING, chosen
from sampan.cli.command import OUTPUT, VALIDATE, Command, Invocation, manager
from sampan.cli.command import validation as validation_of
from sampan.cli.editor import edited
from sampan.cli.errors import CliError, raise_all, words
from sampan.cli.flags import Flag
from sampan.cli.last_applied import two_way
from sampan.cli.printers import without_managed_fields
from sampan.cli.resources import Found
from sampan.cli.say import complain
from sampan.client.calls import WriteOptions


def run(call: Invocation) -> int:
    errors: list[Exception] = []
    for one in list(chosen(call, call.args, errors)):
        try:
            _edit(call, one)
        except (ApiError, CliError) as error:
            errors.append(error)
    raise_all(errors)
    return 0


def _edit(call: Invocation, one: Found) -> None:
    shown = one.data if call.flags["show-managed-fields"] else without_managed_fields(one.data)
    options = WriteOptions(False, call.flags["field-manager"], validation_of(call.flags))
    complaint, start = "", shown
    while True:
        after = edited(start, what=one.shown, complaint=complaint)
        if after is None:
            complain("Edit cancelled, no changes made.")
            return
        patch, kind = two_way(one.info, shown, after)
        if not patch:
            complain("Edit cancelled, no changes made.")
            return
        if call.flags["output-patch"]:
            from sampan.cli.printers.json import compact
            from sampan.cli.say import say

            say(f"Patch: {compact(patch)}")
        try:
            result: dict[str, Any] = call.session.client.of(one.info).patch(
                one.name,
                patch,
                options,
                namespace=one.namespace,
                type=kind,
                subresource=call.flags["subresource"],
            )
        except Invalid as error:
            said = words(error)
            complain(f'error: {one.info.qualified} "{one.name}" is invalid')
            if said == complaint:
                raise
            complaint, start = said, after
            continue
        printers.of(call.flags["output"], operation="edited", flags=call.flags)(result)
        return


COMMAND = Command(
    path="edit",
    run=run,
    flags=(
        *CHOOSING,
        *OUTPUT,
        VALIDATE,
        manager("edit"),
        Flag("output-patch", "bool", usage="show the patch"),
        Flag("save-config", "bool", usage="remember the manifest for a later apply"),
        Flag("subresource", usage="status, scale …"),
        Flag("windows-line-endings", "bool", usage="accepted, without effect"),
    ),
    summary="Edit an object in your editor.",
    usage="(TYPE NAME | TYPE/NAME | -f FILE)",
)
