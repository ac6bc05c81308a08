"""`wait`: until a condition, a field's value, a deletion or a creation.

What is met is decided purely; a watch tells when.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

from sampan.api.errors import ApiError, NotFound
from sampan.cli import printers
from sampan.cli.change import NOTHING, chosen
from sampan.cli.command import ALL_NAMESPACES, FIELD_SELECTOR, FILES, OUTPUT, SELECTOR, Command, Invocation
from sampan.cli.errors import CliError, raise_all
from sampan.cli.flags import Flag
from sampan.cli.resources import Found
from sampan.cli.waiting import until_gone
from sampan.client.calls import ListOptions
from sampan.client.transport import TransportError

Test = Callable[[dict[str, Any]], bool]
WEEK = 7 * 24 * 3600.0


def run(call: Invocation) -> int:
    wanted = call.flags["for"]
    test = _test(wanted)
    if not call.args and not call.flags["filename"]:
        raise CliError(NOTHING)
    timeout = call.flags["timeout"]
    deadline = time.monotonic() + (WEEK if timeout < 0 else timeout)
    printer = printers.of(call.flags["output"], operation="condition met", flags=call.flags)
    errors: list[Exception] = []
    if wanted == "create":
        _until_created(call, deadline)
    seen = 0
    found = list(chosen(call, call.args, errors))
    if wanted == "delete":
        errors = [error for error in errors if not isinstance(error, NotFound)]
    for one in found:
        seen += 1
        try:
            if wanted == "delete":
                _until_deleted(call, one, timeout)
                printer(one.data)
            elif test is not None:
                printer(_until(call, one, test, deadline, timeout))
            else:
                printer(one.data)
        except (ApiError, CliError) as error:
            errors.append(error)
    raise_all(errors)
    if not seen and wanted != "delete":
        raise CliError("no matching resources found")
    return 0


def _test(wanted: str) -> Test | None:
    """None for what is no matter of an object's fields."""
    if wanted in ("delete", "create"):
        return None
    kind, equals, rest = wanted.partition("=")
    if kind == "condition" and equals:
        name, _, value = rest.partition("=")
        return condition(name, value or "true")
    if kind == "jsonpath" and equals:
        return at_path(rest)
    raise CliError(f'unrecognized condition: "{wanted}"')


def condition(name: str, value: str) -> Test:
    """As the object's own controller sees its newest generation."""

    def met(data: dict[str, Any]) -> bool:
        status = data.get("status") or {}
        for one in status.get("conditions") or ():
            if str(one.get("type", "")).lower() == name.lower():
                seen = one.get("observedGeneration", status.get("observedGeneration"))
                generation = data["metadata"].get("generation")
                if seen is not None and generation is not None and seen < generation:
                    return False
                return str(one.get("status", "")).lower() == value.lower()
        return False

    return met


def at_path(text: str) -> Test:
    from sampan.cli.printers.jsonpath import JsonPath, relaxed

    path_text, brace, rest = text.rpartition("}")
    expression, value = (f"{path_text}{brace}", rest) if brace else text.partition("=")[::2]
    any_value = not value.startswith("=") if brace else not value
    wanted = value.removeprefix("=").strip("'\"")
    if brace and rest and not rest.startswith("="):
        raise CliError(f"jsonpath wait format must be --for=jsonpath='{{.status.readyReplicas}}'=3: {text}")
    if brace and rest == "=":
        raise CliError(
            "jsonpath wait has to have a value after equal sign, like --for=jsonpath='{.status.readyReplicas}'=3"
        )
    path = JsonPath(relaxed(expression), missing_ok=True)

    def met(data: dict[str, Any]) -> bool:
        found = path.values(data)
        if any_value:
            return bool(found) and found[0] not in (None, "")
        if not found:
            return False
        value = found[0]
        shown = str(value).lower() if isinstance(value, bool) else str(value)
        return shown == wanted

    return met


def _until(call: Invocation, one: Found, test: Test, deadline: float, timeout: float) -> dict[str, Any]:
    client = call.session.client.of(one.info)
    which = ListOptions(field_selector=f"metadata.name={one.name}")
    data = one.data
    if timeout == 0:
        if test(data):
            return data
        raise CliError(f"condition not met for {one.info.resource}/{one.name}")
    while not test(data):
        left = deadline - time.monotonic()
        if left <= 0:
            raise CliError(f"timed out waiting for the condition on {one.info.resource}/{one.name}")
        listed = client.list(which, namespace=one.namespace)
        if not listed.items:
            raise NotFound(f'{one.info.qualified} "{one.name}" not found')
        data = _named(one, listed.items[0])
        if test(data):
            return data
        version = listed.resource_version
        try:
            with client.watch(
                which._replace(resource_version=version),
                namespace=one.namespace,
                timeout_seconds=max(1, int(left + 0.99)),
            ) as events:
                for event in events:
                    if event.type in ("ADDED", "MODIFIED"):
                        data = _named(one, event.object)
                        if test(data):
                            return data
                    elif event.type in ("DELETED", "ERROR"):
                        break
        except (TransportError, ApiError):
            time.sleep(0.2)
    return data


def _until_deleted(call: Invocation, one: Found, timeout: float) -> None:
    if timeout == 0:
        raise CliError(f"condition not met for {one.info.resource}/{one.name}")
    until_gone(call.session, [(one, one.data["metadata"].get("uid") or "")], timeout=timeout if timeout > 0 else WEEK)


def _until_created(call: Invocation, deadline: float) -> None:
    while True:
        errors: list[Exception] = []
        found = list(chosen(call, call.args, errors))
        if found and not errors:
            return
        other = [error for error in errors if not isinstance(error, NotFound)]
        raise_all(other)
        if time.monotonic() > deadline:
            raise CliError("timed out waiting for the condition")
        time.sleep(0.2)


def _named(one: Found, data: dict[str, Any]) -> dict[str, Any]:
    return {"kind": one.info.kind, "apiVersion": one.info.api_version} | data


COMMAND = Command(
    path="wait",
    run=run,
    flags=(
        *FILES,
        *OUTPUT,
        SELECTOR,
        FIELD_SELECTOR,
        ALL_NAMESPACES,
        Flag("all", "bool", usage="all of the type"),
        Flag("for", usage="delete, create, condition=NAME[=VALUE] or jsonpath='{…}'[=VALUE]"),
        Flag("timeout", "duration", 30.0, usage="how long; 0 looks once, less than 0 is a week"),
        Flag("local", "bool", usage="accepted, without effect"),
    ),
    summary="Wait for a condition of objects.",
    usage="([-f FILENAME] | resource.group/resource.name | resource.group [(-l label | --all)]) --for=…",
    examples="sampan wait --for=condition=Ready pod/kubia --timeout=60s",
)
