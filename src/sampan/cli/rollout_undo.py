"""`rollout undo`: the Pod template of an earlier revision."""

from __future__ import annotations

import copy
from typing import Any

from sampan.cli.change import chosen
from sampan.cli.command import DRY_RUN, FILES, OUTPUT, SELECTOR, Command, Invocation, dry_run
from sampan.cli.errors import CliError, raise_all
from sampan.cli.flags import Flag
from sampan.cli.resources import Found
from sampan.cli.revisions import HASH, Revision, revisions
from sampan.cli.rollout_history import described
from sampan.client.calls import JSON_PATCH, WriteOptions

LAST_APPLIED = "kubectl.kubernetes.io/last-applied-configuration"


def run(call: Invocation) -> int:
    flags = call.flags
    if not call.args and not flags["filename"]:
        raise CliError("required resource not specified")
    mode = dry_run(flags)
    errors: list[Exception] = []
    for one in chosen(call, call.args, errors):
        _undo(call, one, mode)
    raise_all(errors)
    return 0


def _undo(call: Invocation, one: Found, mode: str) -> None:
    found = revisions(call.session, one, doing="retrieving rollbacker")
    if one.data["spec"].get("paused"):
        kind = one.info.kind.lower()
        raise CliError(
            f"you cannot rollback a paused {kind}; resume it first with 'kubectl rollout resume' and try again"
        )
    target = chosen_revision(one, found, call.flags["to-revision"])
    if mode == "client":
        call.out.write(f"{one.shown} {described(target.template, target.cause)} (dry run)\n")
        return
    if LAST_APPLIED in (one.data["metadata"].get("annotations") or {}):
        call.complain(
            f"Warning: resource {one.info.resource}/{one.name} was previously managed with 'kubectl apply'. Rolling "
            "back will not update the kubectl.kubernetes.io/last-applied-configuration annotation, which may cause "
            "unexpected behavior on future 'kubectl apply' operations. Consider using 'kubectl apply' with your "
            "previous configuration file instead."
        )
    template = _bare(target.template)
    if same(template, one.data["spec"]["template"]):
        call.print(f"{one.shown} skipped rollback (current template already matches revision {target.number})")
        return
    patch = [{"op": "replace", "path": "/spec/template", "value": template}]
    client = call.session.client.of(one.info)
    client.patch(one.name, patch, WriteOptions(mode == "server"), namespace=one.namespace, type=JSON_PATCH)
    suffix = " (server dry run)" if mode == "server" else ""
    call.print(f"{one.shown} rolled back{suffix}")


def chosen_revision(one: Found, found: list[Revision], number: int) -> Revision:
    if number < 0:
        raise CliError(f"unable to find specified revision {number} in history")
    if number:
        match = next((revision for revision in found if revision.number == number), None)
        if match is None:
            raise CliError(f"unable to find specified revision {number} in history")
        return match
    if len(found) < 2:
        raise CliError(f'no rollout history found for {one.info.kind.lower()} "{one.name}"')
    return found[-2]


def same(left: dict[str, Any], right: dict[str, Any]) -> bool:
    return _bare(left) == _bare(right)


def _bare(template: dict[str, Any]) -> dict[str, Any]:
    """Without the label by which a ReplicaSet tells its Pods from its sisters'."""
    made = copy.deepcopy(template)
    labels = (made.get("metadata") or {}).get("labels") or {}
    labels.pop(HASH, None)
    return made


COMMAND = Command(
    path="rollout undo",
    run=run,
    flags=(*FILES, *OUTPUT, DRY_RUN, SELECTOR, Flag("to-revision", "int", usage="which; 0 is the one before")),
    summary="Go back to an earlier revision.",
    usage="(TYPE NAME | TYPE/NAME) [flags]",
)
