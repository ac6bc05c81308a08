"""`set env`: variables of a Pod template: set, removed (`A-`), listed, or taken from a ConfigMap or Secret."""

from __future__ import annotations

import re
from typing import Any

from sampan.cli.change import NOTHING, chosen
from sampan.cli.command import Command, Invocation
from sampan.cli.errors import CliError, raise_all
from sampan.cli.flags import Flag
from sampan.cli.resources import targets
from sampan.cli.setting import SETTING, containers_named, pod_spec, set_on_each

_NAME = re.compile(r"[-._a-zA-Z][-._a-zA-Z0-9]*")


def run(call: Invocation) -> int:
    flags = call.flags
    words, new, removed = split([*call.args, *flags["env"]])
    if not words and not flags["filename"]:
        raise CliError(NOTHING)
    if flags["from"]:
        new += _from(call)
    if flags["list"]:
        return _list(call, words)
    if not new and not removed:
        return 0

    def change(data: dict[str, Any]) -> None:
        found = containers_named(pod_spec(data), flags["containers"], init=True)
        if not found:
            name = data["metadata"]["name"]
            call.complain(
                f'warning: {data["kind"]} {name} does not have any containers matching "{flags["containers"]}"'
            )
        for one in found:
            variables = updated(one.get("env") or [], new, removed, overwrite=flags["overwrite"])
            if variables:
                one["env"] = variables
            else:
                one.pop("env", None)

    return set_on_each(call, words, change, "env updated")


def split(args: list[str]) -> tuple[list[str], list[dict[str, Any]], list[str]]:
    words: list[str] = []
    new: list[dict[str, Any]] = []
    removed: list[str] = []
    for word in args:
        name, equals, value = word.partition("=")
        if equals:
            if not _NAME.fullmatch(name):
                raise CliError(f'"{name}" is not a valid environment variable name')
            new.append({"name": name, "value": value})
        elif word.endswith("-") and len(word) > 1:
            removed.append(word[:-1])
        else:
            words.append(word)
    return words, new, removed


def updated(
    held: list[dict[str, Any]], new: list[dict[str, Any]], removed: list[str], *, overwrite: bool
) -> list[dict[str, Any]]:
    """Kept in place where it was, added at the end where it is new."""
    variables = {one["name"]: one for one in held if one["name"] not in removed}
    for one in new:
        if not overwrite and one["name"] in variables:
            raise CliError(
                f"'{one['name']}' already has a value ({variables[one['name']].get('value', '')}), and "
                "--overwrite is false"
            )
        variables[one["name"]] = one
    return list(variables.values())


def _from(call: Invocation) -> list[dict[str, Any]]:
    flags = call.flags
    target = targets(call.session, [flags["from"]])[0]
    if target.info.kind not in ("Secret", "ConfigMap"):
        raise CliError(f"unsupported resource specified in --from: {target.info.kind}")
    data = call.session.client.of(target.info).get(target.name, namespace=call.session.namespace)
    ref = "secretKeyRef" if target.info.kind == "Secret" else "configMapKeyRef"
    made = []
    for key in sorted(data.get("data") or ()):
        if flags["keys"] and key not in flags["keys"]:
            continue
        name = flags["prefix"] + re.sub(r"[^a-zA-Z0-9_]", "_", key).upper()
        if name != key:
            call.complain(f"Warning: key {key} transferred to {name}")
        made.append({"name": name, "valueFrom": {ref: {"name": target.name, "key": key}}})
    return made


def _list(call: Invocation, words: list[str]) -> int:
    errors: list[Exception] = []
    for one in chosen(call, words, errors, local=call.flags["local"]):
        for container in containers_named(pod_spec(one.data), call.flags["containers"], init=True):
            call.print(f"# {one.info.kind} {one.name}, container {container['name']}")
            for variable in container.get("env") or ():
                call.print(_shown(variable))
    raise_all(errors)
    return 0


def _shown(variable: dict[str, Any]) -> str:
    source = variable.get("valueFrom")
    if not source:
        return f"{variable['name']}={variable.get('value', '')}"
    for field, noun in (("configMapKeyRef", "configmap"), ("secretKeyRef", "secret")):
        if field in source:
            return f"# {variable['name']} from {noun} {source[field]['name']}, key {source[field]['key']}"
    if "fieldRef" in source:
        return f"# {variable['name']} from field path {source['fieldRef']['fieldPath']}"
    return f"# {variable['name']} from {next(iter(source))}"


COMMAND = Command(
    path="set env",
    run=run,
    flags=(
        *SETTING,
        Flag("containers", default="*", short="c", usage="which containers; a pattern"),
        Flag("env", "array", short="e", usage="NAME=value; may repeat"),
        Flag("from", usage="configmap/NAME or secret/NAME"),
        Flag("keys", "list", usage="only these keys of --from"),
        Flag("prefix", usage="before the names of --from"),
        Flag("list", "bool", usage="show them"),
        Flag("resolve", "bool", usage="accepted, without effect"),
        Flag("overwrite", "bool", True, usage="also where there is a value"),
    ),
    summary="Change the variables of a Pod template.",
    usage="RESOURCE/NAME KEY_1=VAL_1 ... KEY_N=VAL_N",
    examples="sampan set env deploy/web LEVEL=debug OLD-",
)
