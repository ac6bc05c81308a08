"""`scale`: how many Pods a workload has, through its scale subresource."""

from __future__ import annotations

import time
from typing import Any

from sampan.api.errors import ApiError, Conflict, NotFound
from sampan.cli import printers
from sampan.cli.change import chosen
from sampan.cli.command import DRY_RUN, FILES, OUTPUT, SELECTOR, Command, Invocation, dry_run
from sampan.cli.errors import CliError, raise_all
from sampan.cli.flags import Flag
from sampan.cli.making import require
from sampan.cli.record import RECORD, patch_of
from sampan.cli.resources import Found
from sampan.client.calls import MERGE_PATCH, WriteOptions


def run(call: Invocation) -> int:
    flags = call.flags
    require(call, "replicas")
    if flags["replicas"] < 0:
        raise CliError("The --replicas=COUNT flag is required, and COUNT must be greater than or equal to 0")
    errors: list[Exception] = []
    mode = dry_run(flags)
    printer = printers.of(flags["output"], operation="scaled", dry_run=mode, flags=flags)
    found = list(chosen(call, call.args, errors))
    if not found:
        if errors:
            texts = ", ".join(getattr(error, "message", str(error)) for error in errors)
            raise CliError(f"no objects passed to scale {texts}")
        raise CliError("no objects passed to scale")
    for one in found:
        try:
            _scale(call, one, mode)
            printer(one.data)
        except (ApiError, CliError) as error:
            errors.append(error)
    raise_all(errors)
    return 0


def _scale(call: Invocation, one: Found, mode: str) -> None:
    flags = call.flags
    wanted: int = flags["replicas"]
    client = call.session.client.of(one.info)
    if mode == "client":
        return
    try:
        scale: dict[str, Any] = client.get(one.name, namespace=one.namespace, subresource="scale")
    except NotFound as error:
        error.message = "the server could not find the requested resource"
        raise
    before = int((scale.get("spec") or {}).get("replicas") or 0)
    if flags["current-replicas"] != -1 and before != flags["current-replicas"]:
        raise CliError(f"Expected replicas to be {flags['current-replicas']}, was {before}")
    version = scale["metadata"].get("resourceVersion", "")
    if flags["resource-version"] and version != flags["resource-version"]:
        raise CliError(f"Expected resource version to be {flags['resource-version']}, was {version}")
    change: dict[str, Any] = {"spec": {"replicas": wanted}}
    if flags["current-replicas"] != -1 or flags["resource-version"]:
        change["metadata"] = {"resourceVersion": version}
    try:
        client.patch(
            one.name,
            change,
            WriteOptions(mode == "server"),
            namespace=one.namespace,
            type=MERGE_PATCH,
            subresource="scale",
        )
    except Conflict as error:
        raise CliError(f"Could not complete the update due to: {error.message}") from None
    if flags["record"]:
        options = WriteOptions(mode == "server")
        client.patch(one.name, patch_of(call), options, namespace=one.namespace, type=MERGE_PATCH)
    if flags["timeout"]:
        end = time.monotonic() + flags["timeout"]
        while int((client.get(one.name, namespace=one.namespace).get("status") or {}).get("replicas") or 0) != wanted:
            if time.monotonic() > end:
                raise CliError("timed out waiting for the condition")
            time.sleep(0.2)


COMMAND = Command(
    path="scale",
    run=run,
    flags=(
        *FILES,
        *OUTPUT,
        DRY_RUN,
        SELECTOR,
        RECORD,
        Flag("all", "bool", usage="all of the type"),
        Flag("replicas", "int", usage="how many"),
        Flag("current-replicas", "int", -1, usage="only if it is so many now"),
        Flag("resource-version", usage="only if the object still has this version"),
        Flag("timeout", "duration", usage="wait so long until it is so"),
    ),
    summary="Set how many Pods a workload has.",
    usage="[--resource-version=version] [--current-replicas=count] --replicas=COUNT (-f FILENAME | TYPE NAME)",
    examples="sampan scale deploy/web --replicas=3",
)
