"""`label` and `annotate`: `k=v` sets, `k-` removes; the patch holds just that."""

from __future__ import annotations

import copy
from typing import Any, NamedTuple

import msgspec

from sampan.api.patch import merge
from sampan.cli import printers
from sampan.cli.change import CHOOSING, each
from sampan.cli.command import DRY_RUN, OUTPUT, Invocation, dry_run, manager
from sampan.cli.errors import CliError
from sampan.cli.flags import Flag
from sampan.cli.record import RECORD, recorded
from sampan.cli.resources import Found
from sampan.cli.say import say
from sampan.client.calls import MERGE_PATCH, WriteOptions

FLAGS = (
    *CHOOSING,
    *OUTPUT,
    DRY_RUN,
    RECORD,
    Flag("list", "bool", usage="show them instead"),
    Flag("local", "bool", usage="change what the file says, ask no server"),
    Flag("overwrite", "bool", usage="also where there is another value"),
    Flag("resource-version", usage="only if the object still has this version"),
)


class Changes(NamedTuple):
    words: list[str]
    """What is left of the arguments: which objects."""
    new: dict[str, str]
    removed: list[str]


class Kind(NamedTuple):
    """What differs between the two verbs."""

    field: str
    noun: str
    done: str
    manager: str


LABELS = Kind("labels", "label", "labeled", "kubectl-label")
ANNOTATIONS = Kind("annotations", "annotation", "annotated", "kubectl-annotate")


def split(args: list[str], kind: Kind) -> Changes:
    """Objects first, then changes."""
    words: list[str] = []
    new: dict[str, str] = {}
    removed: list[str] = []
    changes = False
    for word in args:
        is_change = ("=" in word and not word.startswith("=")) or (word.endswith("-") and len(word) > 1)
        if is_change:
            changes = True
        elif changes:
            raise CliError(f"all resources must be specified before {kind.noun} changes: {word}")
        if not is_change:
            words.append(word)
        elif word.endswith("-") and "=" not in word:
            removed.append(word[:-1])
        else:
            key, _, value = word.partition("=")
            new[key] = value
    for key in new:
        if key in removed:
            raise CliError(
                "can not both modify and remove a label in the same command"
                if kind is LABELS
                else f"can not both modify and remove the following annotation(s) in the same command: {key}"
            )
    return Changes(words, new, removed)


def change(call: Invocation, kind: Kind) -> int:
    flags = call.flags
    changes = split(call.args, kind)
    if not changes.words and not flags["filename"]:
        raise CliError("one or more resources must be specified as <resource> <name> or <resource>/<name>")
    if not changes.new and not changes.removed and not flags["list"]:
        raise CliError(f"at least one {kind.noun} update is required")
    if flags["local"] and not flags["filename"]:
        example = "-f pod.yaml or --filename=pod.json" if kind is LABELS else "-f rsrc.yaml or --filename=rsrc.json"
        raise CliError(f"can only use local files by {example} when --local=true is set")
    if kind is LABELS:
        _check_values(changes.new)
    mode = dry_run(flags)

    def apply_to(one: Found) -> None:
        after = copy.deepcopy(one.data)
        metadata = after.setdefault("metadata", {})
        held: dict[str, str] = metadata.get(kind.field) or {}
        if not flags["overwrite"]:
            _check_overwrite(held, changes.new, kind)
        lost = [key for key in changes.removed if key not in held]
        if kind is LABELS and mode != "client":
            for key in lost:
                say(f'label "{key}" not found.')
        held = {key: value for key, value in held.items() if key not in changes.removed} | changes.new
        metadata[kind.field] = held
        if not held:
            del metadata[kind.field]
        if flags["resource-version"]:
            metadata["resourceVersion"] = flags["resource-version"]
        after = recorded(call, after)
        if flags["list"]:
            _listed(call, one, held, several=len(changes.words) > 2)
            return
        result = after
        if mode != "client" and not flags["local"]:
            patch = merge.create(one.data, after)
            if patch or kind is ANNOTATIONS:
                options = WriteOptions(mode == "server", flags["field-manager"] or kind.manager)
                result = call.session.client.of(one.info).patch(
                    one.name, patch, options, namespace=one.namespace, type=MERGE_PATCH
                )
        word = kind.done if kind is ANNOTATIONS else _word(one.data, after, flags["overwrite"])
        printers.of(flags["output"], operation=word, dry_run=mode, flags=flags)(result)

    each(call, changes.words, apply_to, local=flags["local"])
    return 0


def _word(before: dict[str, Any], after: dict[str, Any], overwrite: bool) -> str:
    if before.get("metadata") == after.get("metadata"):
        # kubectl gives what has no labels an empty map of them, and takes that for a change.
        return "not labeled" if (before.get("metadata") or {}).get("labels") else "labeled"
    shorter = len(msgspec.json.encode(after)) < len(msgspec.json.encode(before))
    return "unlabeled" if shorter and not overwrite else "labeled"


def _check_overwrite(held: dict[str, str], new: dict[str, str], kind: Kind) -> None:
    clashes = [
        f"'{key}' already has a value ({held[key]})" for key in sorted(new) if held.get(key, new[key]) != new[key]
    ]
    if not clashes:
        return
    if kind is ANNOTATIONS:
        found = "; ".join(clashes)
        raise CliError(f"--overwrite is false but found the following declared annotation(s): {found}")
    raise CliError("\n".join(f"{clash}, and --overwrite is false" for clash in clashes))


def _check_values(new: dict[str, str]) -> None:
    from sampan.api.names import label_value

    for key, value in new.items():
        if "=" in value:
            raise CliError(f"invalid label spec: {key}={value}")
        problems = label_value(value)
        if problems:
            raise CliError(f'invalid label value: "{key}={value}": {"; ".join(problems)}')


def _listed(call: Invocation, one: Found, held: dict[str, str], *, several: bool) -> None:
    if call.flags["all"] or call.flags["selector"] or several:
        what = "labels" if "label" in call.command.path else "annotations"
        say(f"Listing {what} for {one.info.kind}.{one.info.group}/{one.name}:")
    for key in sorted(held):
        say(f"{' ' if several else ''}{key}={held[key]}")


def flags_of(kind: Kind) -> tuple[Flag, ...]:
    return (*FLAGS, manager(kind.noun if kind is LABELS else "annotate"))
