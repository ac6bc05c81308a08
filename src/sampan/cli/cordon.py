"""`cordon` and `uncordon`: whether new Pods may come to a node."""

from __future__ import annotations

from sampan.api.errors import ApiError
from sampan.cli.change import chosen
from sampan.cli.command import DRY_RUN, SELECTOR, Command, Invocation, dry_run
from sampan.cli.errors import CliError, UsageError, raise_all
from sampan.cli.resources import Found
from sampan.client.calls import STRATEGIC_PATCH, WriteOptions


def run(call: Invocation) -> int:
    verb = call.command.path
    if not call.args and not call.flags["selector"]:
        raise UsageError(f"USAGE: {verb} NODE [flags]")
    errors: list[Exception] = []
    mode = dry_run(call.flags)
    for one in nodes(call, errors):
        try:
            mark(call, one, verb == "cordon", mode)
        except (ApiError, CliError) as error:
            errors.append(error)
    raise_all(errors)
    return 0


def nodes(call: Invocation, errors: list[Exception]) -> list[Found]:
    if call.args and call.flags["selector"]:
        raise CliError("error: cannot specify both a node name and a --selector option")
    return list(chosen(call, ["nodes", *call.args], errors))


def mark(call: Invocation, node: Found, unschedulable: bool, mode: str) -> None:
    word = "cordoned" if unschedulable else "uncordoned"
    if bool(node.data["spec"].get("unschedulable")) == unschedulable:
        call.print(f"{node.shown} already {word}{_DRY[mode]}")
        return
    if mode != "client":
        change = {"spec": {"unschedulable": unschedulable or None}}
        call.session.client.of(node.info).patch(node.name, change, WriteOptions(mode == "server"), type=STRATEGIC_PATCH)
    call.print(f"{node.shown} {word}{_DRY[mode]}")


_DRY = {"none": "", "client": " (dry run)", "server": " (server dry run)"}
_FLAGS = (SELECTOR, DRY_RUN)
CORDON = Command(path="cordon", run=run, flags=_FLAGS, summary="Let no new Pods come to a node.", usage="NODE")
UNCORDON = Command(path="uncordon", run=run, flags=_FLAGS, summary="Let new Pods come to a node again.", usage="NODE")
