"""`get -o json` and its like: one object, or several in a `List`."""

from __future__ import annotations

from typing import Any

import msgspec

from sampan.api.errors import ApiError, NotFound
from sampan.cli import printers
from sampan.cli.command import Invocation
from sampan.cli.printers import Printer, split
from sampan.cli.resources import Target, explained, missing
from sampan.client.calls import ListOptions, get


def show(
    call: Invocation, wanted: list[Target], namespaces: list[str], errors: list[Exception], *, single: bool
) -> None:
    printer = printer_of(call)
    objects: list[dict[str, Any]] = []
    for target, namespace in zip(wanted, namespaces, strict=True):
        try:
            objects += _objects(call, target, namespace)
        except NotFound as error:
            if not call.flags["ignore-not-found"]:
                errors.append(missing(call.session, error, namespace))
        except ApiError as error:
            errors.append(
                error
                if target.name
                else explained(error, target.info, call.flags["selector"], call.flags["field-selector"])
            )
    if single and errors:
        return
    if not objects and (call.flags["ignore-not-found"] or (errors and len(errors) == len(wanted))):
        return
    if call.flags["sort-by"] and len(objects) > 1:
        from sampan.cli.sorting import sorted_objects

        objects = sorted_objects(objects, call.flags["sort-by"])
    printer(objects[0] if single and len(objects) == 1 else as_list(objects))


def as_list(objects: list[dict[str, Any]]) -> dict[str, Any]:
    return {"apiVersion": "v1", "items": objects, "kind": "List", "metadata": {"resourceVersion": ""}}


def printer_of(call: Invocation) -> Printer:
    output: str = call.flags["output"]
    name, argument = split(output)
    if name in ("custom-columns", "custom-columns-file"):
        from sampan.cli.printers.custom_columns import printer

        return printer(name, argument, headers=not call.flags["no-headers"])
    return printers.of(output, flags=call.flags, formats=printers.GET_FORMATS)


def _objects(call: Invocation, target: Target, namespace: str) -> list[dict[str, Any]]:
    client, flags = call.session.client, call.flags
    if target.name:
        question = get(target.info, namespace, target.name, subresource=flags["subresource"])
        obj: dict[str, Any] = msgspec.json.decode(client.send(question).body)
        return [obj]
    options = ListOptions(flags["selector"], flags["field-selector"])
    pages = client.of(target.info).list_pages(options, namespace=namespace, limit=flags["chunk-size"])
    # Of a long list only what is shown stays in memory.
    keep = _name_alone if flags["output"] == "name" and not flags["sort-by"] else lambda item: item
    return [keep(item) for page in pages for item in page.items]


def _name_alone(item: dict[str, Any]) -> dict[str, Any]:
    kept = {key: item[key] for key in ("apiVersion", "kind") if key in item}
    return kept | {"metadata": {"name": (item.get("metadata") or {}).get("name")}}
