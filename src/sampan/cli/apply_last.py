"""`apply view-last-applied`, `set-last-applied`, `edit-last-applied`: the annotation that apply remembers by."""

from __future__ import annotations

import sys
from typing import Any

from sampan.cli import last_applied, printers
from sampan.cli.change import CHOOSING, each
from sampan.cli.command import DRY_RUN, FILES, Command, Invocation, dry_run
from sampan.cli.create import placed
from sampan.cli.errors import CliError, UsageError
from sampan.cli.flags import Flag
from sampan.cli.resources import Found, from_files
from sampan.client.calls import MERGE_PATCH, WriteOptions

MISSING = (
    "no last-applied-configuration annotation found on resources, to create the annotation, use the command with "
    "--create-annotation"
)


def view(call: Invocation) -> int:
    output = call.flags["output"]
    if output not in ("yaml", "json"):
        raise UsageError("Unexpected -o output mode: " + output + ", the flag 'output' must be one of yaml|json")

    def show(one: Found) -> None:
        if last_applied.text(one.data) is None:
            return
        obj = last_applied.original(one.data)
        if output == "json":
            from sampan.cli.printers.json import pretty

            sys.stdout.write(pretty(obj, indent=2) + "\n")
        else:
            from sampan.cli.goyaml import dump

            sys.stdout.write(dump(obj))

    each(call, call.args, show)
    return 0


def set_(call: Invocation) -> int:
    flags, session = call.flags, call.session
    mode = dry_run(flags)
    for one in from_files(session, flags["filename"], recursive=flags["recursive"]):
        current = session.client.of(one.info).get(one.name, namespace=one.namespace)
        if last_applied.text(current) is None and not flags["create-annotation"]:
            raise CliError(MISSING)
        _write(call, one, placed(one), mode)
    return 0


def edit(call: Invocation) -> int:
    from sampan.cli.editor import edited

    mode = "none"

    def change(one: Found) -> None:
        if last_applied.text(one.data) is None:
            raise CliError(MISSING)
        after = edited(last_applied.original(one.data), what=one.shown)
        if after is None:
            sys.stderr.write("Edit cancelled, no changes made.\n")
            return
        _write(call, one, after, mode, word="edited")

    each(call, call.args, change)
    return 0


def _write(call: Invocation, one: Found, remembered: dict[str, Any], mode: str, *, word: str = "configured") -> None:
    text = (last_applied.with_annotation(remembered)["metadata"]["annotations"])[last_applied.LAST_APPLIED]
    patch = {"metadata": {"annotations": {last_applied.LAST_APPLIED: text}}}
    result: dict[str, Any] = remembered
    if mode != "client":
        result = call.session.client.of(one.info).patch(
            one.name, patch, WriteOptions(mode == "server"), namespace=one.namespace, type=MERGE_PATCH
        )
    printers.of(call.flags["output"], operation=word, dry_run=mode, flags=call.flags)(result)


_OUTPUT = Flag("output", default="yaml", short="o", usage="yaml or json")
VIEW = Command(
    path="apply view-last-applied",
    run=view,
    flags=(*CHOOSING, _OUTPUT),
    summary="What was applied last.",
    usage="(TYPE NAME | TYPE/NAME | -f FILE)",
)
SET = Command(
    path="apply set-last-applied",
    run=set_,
    flags=(
        *FILES,
        _OUTPUT._replace(default=""),
        DRY_RUN,
        Flag("create-annotation", "bool", usage="also where there is none yet"),
    ),
    summary="Say what was applied last.",
    usage="-f FILE",
)
EDIT = Command(
    path="apply edit-last-applied",
    run=edit,
    flags=(*CHOOSING, _OUTPUT._replace(default="")),
    summary="Edit what was applied last.",
    usage="(TYPE NAME | TYPE/NAME | -f FILE)",
)
