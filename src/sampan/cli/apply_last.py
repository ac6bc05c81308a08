"""`apply view-last-applied`, `set-last-applied`, `edit-last-applied`: the annotation that apply remembers by."""

from __future__ import annotations

import sys
from typing import Any

from sampan.cli import last_applied, printers
from sampan.cli.change import NOTHING, chosen, each
from sampan.cli.command import DRY_RUN, FILES, OUTPUT, SELECTOR, VALIDATE, Command, Invocation, dry_run, manager
from sampan.cli.create import placed
from sampan.cli.errors import CliError, UsageError, raise_all
from sampan.cli.flags import Flag
from sampan.cli.resources import Found, from_files
from sampan.client.calls import MERGE_PATCH, WriteOptions

MISSING = (
    "no last-applied-configuration annotation found on resources, to create the annotation, use the command with "
    "--create-annotation"
)
NOTHING_REMEMBERED = (
    "no last-applied-configuration annotation found on resources, to create the annotation, use command "
    "`kubectl apply set-last-applied --create-annotation`"
)
HEAD = (
    "Please edit the 'last-applied-configuration' annotations below.",
    "Lines beginning with a '#' will be ignored, and an empty file will abort the edit.",
    "",
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
    if not flags["filename"]:
        raise CliError(NOTHING)
    for one in from_files(session, flags["filename"]):
        current = session.client.of(one.info).get(one.name, namespace=one.namespace)
        if last_applied.text(current) is None and not flags["create-annotation"]:
            raise CliError(MISSING)
        _write(call, one, placed(one), mode)
    return 0


def edit(call: Invocation) -> int:
    from sampan.cli.editing import Purpose
    from sampan.cli.editing import edit as in_editor

    errors: list[Exception] = []
    listed = [one for one in chosen(call, call.args, errors, every=True) if last_applied.text(one.data) is not None]
    raise_all(errors)
    if not listed:
        raise CliError(NOTHING_REMEMBERED)
    shown = [last_applied.original(one.data) for one in listed]

    def send(one: Found, before: dict[str, Any], after: dict[str, Any]) -> None:
        if before == after:
            printers.of("", operation="skipped")(one.data)
        else:
            # What is remembered of another name belongs to another object.
            name = str((after.get("metadata") or {}).get("name") or "")
            _write(call, one._replace(name=name), after, "none", word="edited")

    in_editor(call, listed, shown, Purpose(send, head=HEAD, retries=False))
    return 0


def _write(call: Invocation, one: Found, remembered: dict[str, Any], mode: str, *, word: str = "configured") -> None:
    text = (last_applied.with_annotation(remembered)["metadata"]["annotations"])[last_applied.LAST_APPLIED]
    patch = {"metadata": {"annotations": {last_applied.LAST_APPLIED: text}}}
    result: dict[str, Any] = remembered
    if mode != "client":
        result = call.session.client.of(one.info).patch(
            one.name,
            patch,
            WriteOptions(mode == "server", call.flags.get("field-manager") or ""),
            namespace=one.namespace,
            type=MERGE_PATCH,
        )
    shown = remembered if word == "edited" else result
    printers.of(call.flags["output"], operation=word, dry_run=mode, flags=call.flags)(shown)


_OUTPUT = Flag("output", default="yaml", short="o", usage="yaml or json")
VIEW = Command(
    path="apply view-last-applied",
    run=view,
    flags=(*FILES, SELECTOR, Flag("all", "bool", usage="all of the type"), _OUTPUT),
    summary="What was applied last.",
    usage="(TYPE NAME | TYPE/NAME | -f FILE)",
)
SET = Command(
    path="apply set-last-applied",
    run=set_,
    flags=(
        Flag("filename", "list", short="f", usage="files that say what was applied"),
        *OUTPUT,
        DRY_RUN,
        Flag("create-annotation", "bool", usage="also where there is none yet"),
    ),
    summary="Say what was applied last.",
    usage="-f FILE",
)
EDIT = Command(
    path="apply edit-last-applied",
    run=edit,
    flags=(
        *FILES,
        *OUTPUT,
        VALIDATE,
        manager("client-side-apply"),
        Flag("windows-line-endings", "bool", usage="lines in the file end as on Windows"),
    ),
    summary="Edit what was applied last.",
    usage="(TYPE NAME | TYPE/NAME | -f FILE)",
)
