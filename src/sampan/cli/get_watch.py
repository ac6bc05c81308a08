"""`get -w`: what is there, then every change, until the server, a pipe or Ctrl-C ends it."""

from __future__ import annotations

import sys
from typing import Any

import msgspec

from sampan.cli.command import Invocation
from sampan.cli.errors import CliError
from sampan.cli.get import look_of
from sampan.cli.get_objects import printer_of
from sampan.cli.printers import split
from sampan.cli.printers.table import TableWriter
from sampan.cli.resources import Target
from sampan.client.calls import ListOptions, list_
from sampan.client.sync_api import TABLE
from sampan.client.transport import RequestTimeout


def watch(call: Invocation, wanted: list[Target], namespaces: list[str]) -> int:
    if len(wanted) != 1:
        raise CliError("you may only specify a single resource type")
    flags, target = call.flags, wanted[0]
    field_selector = f"metadata.name={target.name}" if target.name else flags["field-selector"]
    options = ListOptions(flags["selector"], field_selector)
    if target.name and not flags["watch-only"]:
        call.session.client.of(target.info).get(target.name, namespace=namespaces[0])  # not there is an error
    output, _ = split(flags["output"])
    try:
        if output in ("", "wide"):
            return _tables(call, target, namespaces[0], options, wide=output == "wide")
        return _objects(call, target, namespaces[0], options)
    except RequestTimeout:
        return 0  # --request-timeout is how long was wanted


def _tables(call: Invocation, target: Target, namespace: str, options: ListOptions, *, wide: bool) -> int:
    look = look_of(call, target.info, wide=wide, with_kind=call.flags["show-kind"])
    events = call.flags["output-watch-events"]
    writer = TableWriter(look._replace(event=events))
    question = list_(target.info, namespace, options)
    question.headers["accept"] = TABLE
    table: dict[str, Any] = msgspec.json.decode(call.session.client.send(question).body)
    if not call.flags["watch-only"] and table.get("rows"):
        _write(writer.render(_marked(table, "ADDED")))
    version = (table.get("metadata") or {}).get("resourceVersion") or ""
    watched = call.session.client.of(target.info).watch_as(
        TABLE, options._replace(resource_version=version), namespace=namespace
    )
    with watched as stream:
        for event in stream:
            if event.type == "BOOKMARK":
                continue
            if event.type == "ERROR":
                return _ended(event.object)
            _write(writer.render(_marked(event.object, event.type)))
    return 0


def _objects(call: Invocation, target: Target, namespace: str, options: ListOptions) -> int:
    printer = printer_of(call)
    events = call.flags["output-watch-events"] and call.flags["output"] != "name"

    def show(kind: str, obj: dict[str, Any]) -> None:
        printer({"type": kind, "object": obj} if events else obj)
        sys.stdout.flush()

    client = call.session.client.of(target.info)
    listed = client.list(options, namespace=namespace)
    if not call.flags["watch-only"]:
        for item in listed.items:
            show("ADDED", item)
    with client.watch(options._replace(resource_version=listed.resource_version), namespace=namespace) as stream:
        for event in stream:
            if event.type == "BOOKMARK":
                continue
            if event.type == "ERROR":
                return _ended(event.object)
            show(event.type, event.object)
    return 0


def _ended(status: dict[str, Any]) -> int:
    from sampan.api.errors import ApiError

    raise ApiError.from_status(status)


def _marked(table: dict[str, Any], event: str) -> dict[str, Any]:
    for row in table.get("rows") or ():
        row["event"] = event
    return table


def _write(text: str) -> None:
    sys.stdout.write(text)
    sys.stdout.flush()
