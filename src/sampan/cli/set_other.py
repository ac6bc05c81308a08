"""`set selector` of a Service and `set subject` of a binding."""

from __future__ import annotations

from typing import Any

from sampan.api.goquote import quote
from sampan.api.selectors import labels as selectors
from sampan.cli.change import NOTHING
from sampan.cli.command import Command, Invocation
from sampan.cli.create_rbac import SUBJECTS
from sampan.cli.errors import CliError
from sampan.cli.flags import Flag
from sampan.cli.generate import parse_labels, rbac
from sampan.cli.setting import RECORDING, SETTING, Unprefixed, set_on_each


def _selector(call: Invocation) -> int:
    if not call.args:
        raise CliError(NOTHING)
    *words, text = call.args
    try:
        selectors.parse(text)
    except ValueError as error:
        raise CliError(f"couldn't parse the selector string {quote(text)}: {error}") from None

    def change(data: dict[str, Any]) -> None:
        if data["kind"] != "Service":
            raise Unprefixed("setting a selector is only supported for Services")
        data["spec"]["selector"] = parse_labels(text)

    return set_on_each(call, words, change, "selector updated")


def _subject(call: Invocation) -> int:
    flags = call.flags
    if not (flags["user"] or flags["group"] or flags["serviceaccount"]):
        raise CliError("you must specify at least one value of user, group or serviceaccount")
    new = rbac.subjects(flags["user"], flags["group"], flags["serviceaccount"])

    def change(data: dict[str, Any]) -> None:
        if data["kind"] not in ("RoleBinding", "ClusterRoleBinding"):
            raise CliError("setting subjects is only supported for RoleBinding/ClusterRoleBinding")
        held = data.get("subjects") or []
        keys = [(s["kind"], s.get("namespace", ""), s["name"]) for s in held]
        added = [s for s in new if (s["kind"], s.get("namespace", ""), s["name"]) not in keys]
        if added:
            data["subjects"] = [*held, *added]

    return set_on_each(call, call.args, change, "subjects updated")


SELECTOR_COMMAND = Command(
    path="set selector",
    run=_selector,
    flags=(
        *(f for f in RECORDING if f.name not in ("selector", "kustomize")),
        Flag("resource-version", usage="only at this version"),
    ),
    summary="Change the selector of a Service.",
    usage="(-f FILENAME | TYPE NAME) EXPRESSIONS",
)
SUBJECT = Command(
    path="set subject",
    run=_subject,
    flags=(*SETTING, *SUBJECTS),
    summary="Add subjects to a binding.",
    usage="(-f FILENAME | TYPE NAME) [--user=username] [--group=groupname] [--serviceaccount=namespace:name]",
)
