"""What the `set` verbs share: take each object, change a copy, send the difference, say so.

Where nothing changes nothing is said.
"""

from __future__ import annotations

import copy
from collections.abc import Callable
from typing import Any

from sampan.api.errors import ApiError
from sampan.api.patch import merge
from sampan.cli import printers
from sampan.cli.change import NOTHING, chosen
from sampan.cli.command import DRY_RUN, FILES, OUTPUT, SELECTOR, Invocation, dry_run, manager
from sampan.cli.errors import CliError, raise_all
from sampan.cli.flags import Flag
from sampan.cli.record import RECORD, recorded
from sampan.client.calls import MERGE_PATCH, WriteOptions

SETTING = (
    *FILES,
    *OUTPUT,
    DRY_RUN,
    SELECTOR,
    manager("set"),
    Flag("all", "bool", usage="all of the type"),
    Flag("local", "bool", usage="change what the file says, ask no server"),
)
ONLY_FILES = """you must specify resources by --filename when --local is set.
Example resource specifications include:
   '-f rsrc.yaml'
   '--filename=rsrc.json'"""
RECORDING = (*SETTING, RECORD)
Change = Callable[[dict[str, Any]], object]


class Unprefixed(CliError):
    """Told without the object's name before it."""


def set_on_each(call: Invocation, words: list[str], change: Change, operation: str, *, refused: str = "") -> int:
    """`refused` words what the server refuses, with its message at the braces; else it is told as it is."""
    flags, session = call.flags, call.session
    if not words and not flags["filename"]:
        raise CliError(NOTHING)
    if words and flags["local"]:
        raise CliError(ONLY_FILES)
    mode = dry_run(flags)
    printer = printers.of(flags["output"], operation=operation, dry_run=mode, flags=flags)
    errors: list[Exception] = []
    for one in chosen(call, words, errors, local=flags["local"]):
        try:
            after = copy.deepcopy(one.data)
            try:
                change(after)
            except Unprefixed:
                raise
            except CliError as error:
                raise CliError(f"{one.info.resource}/{one.name} {error.text}") from None
            if flags["local"]:
                printer(after)
                continue
            after = recorded(call, after)
            patch = merge.create(one.data, after)
            if not patch:
                continue
            if mode == "client":
                printer(after)
                continue
            options = WriteOptions(mode == "server", flags["field-manager"])
            client = session.client.of(one.info)
            printer(client.patch(one.name, patch, options, namespace=one.namespace, type=MERGE_PATCH))
        except CliError as error:
            errors.append(error)
        except ApiError as error:
            errors.append(CliError(refused.format(error.message)) if refused else error)
    raise_all(errors)
    return 0


def pod_spec(data: dict[str, Any]) -> dict[str, Any]:
    """The Pod spec in a Pod, a workload's template or a CronJob's."""
    spec = data.get("spec") or {}
    if data.get("kind") == "Pod":
        whole: dict[str, Any] = spec
        return whole
    if "jobTemplate" in spec:
        spec = spec["jobTemplate"]["spec"]
    template = spec.get("template")
    if not isinstance(template, dict) or "spec" not in template:
        raise CliError(f"the object is not a pod or does not have a pod template: *{_go_type(data)}")
    found: dict[str, Any] = template["spec"]
    return found


def _go_type(data: dict[str, Any]) -> str:
    """`v1.ConfigMap`, as a Go program names what it holds."""
    return f"{str(data.get('apiVersion') or 'v1').rpartition('/')[2]}.{data.get('kind')}"


def containers_named(spec: dict[str, Any], pattern: str, *, init: bool = False) -> list[dict[str, Any]]:
    from fnmatch import fnmatchcase

    listed = [*(spec.get("containers") or ()), *((spec.get("initContainers") or ()) if init else ())]
    return [one for one in listed if fnmatchcase(one["name"], pattern)]
