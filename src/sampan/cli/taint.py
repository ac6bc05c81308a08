"""`taint`: what keeps Pods off a node. `key=value:Effect` sets, `key[:Effect]-` removes."""

from __future__ import annotations

import re
from typing import Any, NamedTuple

from sampan.api.errors import ApiError
from sampan.cli import printers
from sampan.cli.change import chosen
from sampan.cli.command import DRY_RUN, OUTPUT, SELECTOR, VALIDATE, Command, Invocation, dry_run, manager
from sampan.cli.errors import CliError, UsageError, raise_all
from sampan.cli.flags import Flag
from sampan.cli.resources import Found
from sampan.client.calls import MERGE_PATCH, WriteOptions

EFFECTS = ("NoSchedule", "PreferNoSchedule", "NoExecute")
_KEY = re.compile(r"(?:[a-z0-9.-]+/)?[A-Za-z0-9](?:[-A-Za-z0-9_.]{0,61}[A-Za-z0-9])?")
_VALUE = re.compile(r"(?:[A-Za-z0-9](?:[-A-Za-z0-9_.]{0,61}[A-Za-z0-9])?)?")
_NAME_RULE = (
    "name part must consist of alphanumeric characters, '-', '_' or '.', and must start and end with an alphanumeric "
    "character (e.g. 'MyName',  or 'my.name',  or '123-abc', regex used for validation is "
    "'([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9]')"
)


class Taint(NamedTuple):
    key: str
    value: str
    effect: str

    @property
    def data(self) -> dict[str, str]:
        return {k: v for k, v in zip(("key", "value", "effect"), self, strict=True) if v}


class Changes(NamedTuple):
    words: list[str]
    add: list[Taint]
    remove: list[Taint]


def split(args: list[str]) -> Changes:
    words: list[str] = []
    specs: list[str] = []
    for word in args:
        is_spec = (("=" in word and not word.startswith("=")) or ":" in word or word.endswith("-")) and words
        if is_spec:
            specs.append(word)
        elif specs:
            raise CliError(f"all resources must be specified before taint changes: {word}")
        else:
            words.append(word)
    # A bare word that no node's name can be told from is only seen as a taint when it is one.
    add, remove = [], []
    seen: set[tuple[str, str]] = set()
    for spec in specs:
        taint = parsed(spec.removesuffix("-"), removing=spec.endswith("-"))
        if spec.endswith("-"):
            remove.append(taint)
            continue
        if (taint.key, taint.effect) in seen:
            raise UsageError(
                f"duplicated taints with the same key and effect: {{{taint.key} {taint.value} {taint.effect} <nil>}}"
            )
        seen.add((taint.key, taint.effect))
        add.append(taint)
    return Changes(words, add, remove)


def parsed(text: str, *, removing: bool = False) -> Taint:
    head, colon, effect = text.partition(":")
    key, equals, value = head.partition("=")
    if not colon and not removing:
        raise UsageError(f"invalid taint spec: {text}, {_NAME_RULE}" if equals else f"invalid taint spec: {text}")
    if ":" in effect or "=" in value:
        raise UsageError(f"invalid taint spec: {text}")
    if colon and effect not in EFFECTS:
        raise UsageError(f"invalid taint effect: {effect}, unsupported taint effect")
    if not _KEY.fullmatch(key):
        raise UsageError(f"invalid taint spec: {text}, {_NAME_RULE}")
    if not _VALUE.fullmatch(value):
        raise UsageError(f"invalid taint spec: {text}, a valid label must be an empty string or {_NAME_RULE[10:]}")
    return Taint(key, value, effect)


def changed(node: dict[str, Any], changes: Changes, *, overwrite: bool) -> tuple[list[dict[str, Any]], str]:
    """The new taints, and what was done. Raises `CliError`."""
    before: list[dict[str, Any]] = node["spec"].get("taints") or []
    held = {(taint["key"], taint.get("effect", "")) for taint in before}
    if not overwrite:
        again = [t.key for t in changes.add if (t.key, t.effect) in held]
        if again:
            name = node["metadata"]["name"]
            raise CliError(
                f"node {name} already has {','.join(again)} taint(s) with same effect(s) and --overwrite is false"
            )
    for taint in changes.remove:
        if not any(key == taint.key and taint.effect in ("", effect) for key, effect in held):
            shown = f"{taint.key}:{taint.effect}" if taint.effect else taint.key
            raise CliError(f'taint "{shown}" not found')
    added = {(t.key, t.effect) for t in changes.add}
    kept = [
        taint
        for taint in before
        if (taint["key"], taint.get("effect", "")) not in added
        and not any(r.key == taint["key"] and r.effect in ("", taint.get("effect")) for r in changes.remove)
    ]
    word = "modified" if changes.add and changes.remove else "untainted" if changes.remove else "tainted"
    if changes.add and not changes.remove and added & held:
        word = "modified"
    return [*(t.data for t in changes.add), *kept], word


def run(call: Invocation) -> int:
    flags = call.flags
    changes = split(call.args)
    if not changes.words:
        raise CliError("one or more resources must be specified as <resource> <name>")
    kind = changes.words[0].partition("/")[0]
    if kind.lower() not in ("node", "nodes", "no"):
        raise CliError(f"invalid resource type {kind}, only node types are supported")
    if not changes.add and not changes.remove:
        raise CliError("at least one taint update is required")
    both = [t for t in changes.add for r in changes.remove if r.key == t.key and r.effect in ("", t.effect)]
    if both:
        shown = ",".join(f"{t.key}={t.effect}" for t in both)
        raise CliError(f"can not both modify and remove the following taint(s) in the same command: {shown}")
    mode = dry_run(flags)
    errors: list[Exception] = []

    def one(node: Found) -> None:
        taints, word = changed(node.data, changes, overwrite=flags["overwrite"])
        after = node.data | {"spec": node.data["spec"] | {"taints": taints}}
        if mode != "client":
            options = WriteOptions(mode == "server", flags["field-manager"])
            change = {
                "metadata": {"resourceVersion": node.data["metadata"]["resourceVersion"]},
                "spec": {"taints": taints or None},
            }
            after = call.session.client.of(node.info).patch(node.name, change, options, type=MERGE_PATCH)
        printers.of(flags["output"], operation=word, dry_run="none", flags=flags)(after)

    for node in chosen(call, changes.words, errors):
        try:
            one(node)
        except (ApiError, CliError) as error:
            errors.append(error)
    raise_all(errors)
    return 0


COMMAND = Command(
    path="taint",
    run=run,
    flags=(
        *OUTPUT,
        SELECTOR,
        DRY_RUN,
        VALIDATE,
        manager("taint"),
        Flag("all", "bool", usage="every node"),
        Flag("overwrite", "bool", usage="also where there is another value"),
    ),
    summary="Change the taints of nodes.",
    usage="NODE NAME KEY_1=VAL_1:TAINT_EFFECT_1 ... KEY_N=VAL_N:TAINT_EFFECT_N",
    examples="sampan taint nodes node-1 dedicated=db:NoSchedule\nsampan taint nodes node-1 dedicated-",
)
