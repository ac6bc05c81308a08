"""`set env`: variables of a Pod template: set, removed (`A-`), listed, or taken from a ConfigMap or Secret."""

from __future__ import annotations

import re
from typing import Any

from sampan.cli.command import Command, Invocation
from sampan.cli.errors import CliError
from sampan.cli.flags import Flag
from sampan.cli.resources import targets
from sampan.cli.setting import SETTING, containers_named, pod_spec, set_on_each

BAD_NAME = (
    "a valid environment variable name must consist of alphabetic characters, digits, '_', '-', or '.', and must not "
    "start with a digit (e.g. 'my.env-name',  or 'MY_ENV.NAME',  or 'MyEnvName1', regex used for validation is "
    "'[-._a-zA-Z][-._a-zA-Z0-9]*')"
)
_NAME = re.compile(r"[-._a-zA-Z][-._a-zA-Z0-9]*")


def run(call: Invocation) -> int:
    flags = call.flags
    words, new, removed = split([*call.args, *flags["env"]])
    if not words and not flags["filename"]:
        raise CliError("one or more resources must be specified as <resource> <name> or <resource>/<name>")
    if flags["list"] and flags["output"]:
        raise CliError("--list and --output may not be specified together")
    if flags["from"]:
        new += _from(call)
    if any(one["name"] in removed for one in new):
        raise CliError("can not both modify and remove the same environment variable in the same command")
    if flags["list"]:
        from sampan.cli.set_env_list import show

        return show(call, words)

    def change(data: dict[str, Any]) -> None:
        found = containers_named(pod_spec(data), flags["containers"], init=True)
        if not found:
            what = f"{data['kind']}/{data['metadata']['name']}"
            call.complain(f'Warning: {what} does not have any containers matching "{flags["containers"]}"')
        for one in found:
            variables = updated(one.get("env") or [], new, removed, overwrite=flags["overwrite"])
            if variables:
                one["env"] = variables
            else:
                one.pop("env", None)

    return set_on_each(call, words, change, "env updated", refused="failed to patch env update to pod template: {}")


def split(args: list[str]) -> tuple[list[str], list[dict[str, Any]], list[str]]:
    words: list[str] = []
    new: list[dict[str, Any]] = []
    removed: list[str] = []
    for word in args:
        name, equals, value = word.partition("=")
        if equals and name:  # a word without a name before its = is an object's
            if not _NAME.fullmatch(name):
                raise CliError(f'"{name}" is not a valid key name: {BAD_NAME}')
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
        raise CliError("unsupported resource specified in --from")
    data = call.session.client.of(target.info).get(target.name, namespace=call.session.namespace)
    ref = "secretKeyRef" if target.info.kind == "Secret" else "configMapKeyRef"
    made = []
    for key in sorted(data.get("data") or ()):
        if flags["keys"] and key not in flags["keys"]:
            continue
        name = re.sub(r"[^a-zA-Z0-9_]", "_", key).upper()
        if name != key:
            call.complain(f"Warning: key {key} transferred to {name}")
        made.append({"name": f"{flags['prefix']}{name}", "valueFrom": {ref: {"name": target.name, "key": key}}})
    return made


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
        Flag("resolve", "bool", usage="with --list: the values behind references"),
        Flag("overwrite", "bool", True, usage="also where there is a value"),
    ),
    summary="Change the variables of a Pod template.",
    usage="RESOURCE/NAME KEY_1=VAL_1 ... KEY_N=VAL_N",
    examples="sampan set env deploy/web LEVEL=debug OLD-",
)
