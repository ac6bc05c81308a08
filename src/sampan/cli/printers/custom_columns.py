"""`-o custom-columns=NAME:.metadata.name,…` and the file form."""

from __future__ import annotations

import sys
from typing import Any

from sampan.cli.errors import CliError
from sampan.cli.printers import Printer
from sampan.cli.printers.jsonpath import JsonPath, relaxed
from sampan.cli.printers.jsonpath_parse import JsonPathError
from sampan.cli.printers.table import go_text
from sampan.cli.printers.tabwriter import table

NONE = "<none>"


def printer(name: str, argument: str, *, headers: bool) -> Printer:
    columns = _from_file(argument) if name.endswith("file") else _from_spec(argument)
    widths: list[int] = []
    shown = not headers

    def show(obj: dict[str, Any]) -> None:
        nonlocal shown
        items = obj["items"] if isinstance(obj.get("items"), list) else [obj]
        rows = [] if shown else [[header for header, _ in columns]]
        shown = True
        try:
            rows += [[_cell(path, item) for _, path in columns] for item in items]
        except JsonPathError as error:
            raise CliError(str(error)) from None
        finally:
            sys.stdout.write(table(rows, widths))

    return show


def _from_spec(spec: str) -> list[tuple[str, JsonPath]]:
    if not spec:
        raise CliError("custom-columns format specified but no custom columns given")
    columns = []
    for part in spec.split(","):
        header, colon, path = part.partition(":")
        if not colon:
            raise CliError(f"unexpected custom-columns spec: {part}, expected <header>:<json-path-expr>")
        columns.append((header, JsonPath(relaxed(path))))
    return columns


def _from_file(path: str) -> list[tuple[str, JsonPath]]:
    if not path:
        raise CliError("custom-columns format specified but no custom columns given")
    try:
        with open(path, encoding="utf-8") as file:
            lines = file.read().splitlines()
    except OSError as error:
        raise CliError(f"error reading template {path}, open {path}: {(error.strerror or '').lower()}\n") from None
    if len(lines) < 2:
        raise CliError(
            "invalid template, missing spec line. Expected format is one line of space separated headers, one line of "
            "space separated column specs."
        )
    headers, paths = lines[0].split(), lines[1].split()
    if len(headers) != len(paths):
        raise CliError(f"number of headers ({len(headers)}) and field specifications ({len(paths)}) don't match")
    return [(header, JsonPath(relaxed(spec))) for header, spec in zip(headers, paths, strict=True)]


def _cell(path: JsonPath, item: dict[str, Any]) -> str:
    values = path.values(item)
    return ",".join(go_text(value) for value in values) if values else NONE
