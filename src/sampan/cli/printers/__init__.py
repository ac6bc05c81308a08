"""How answers look: `printers.of(...)` for one object after another; `table` for what the server laid out.

    printer = printers.of(flags["output"], operation="created", dry_run="none")
    printer(obj)          # `pod/x created`, or the object as JSON, YAML, by a template …

A printer takes a plain dict (with kind and apiVersion) and writes to stdout. Each format is a module, imported late.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from typing import Any

from sampan.cli.errors import CliError
from sampan.cli.flags import Values

Printer = Callable[[dict[str, Any]], None]

TEMPLATES = (
    "go-template", "go-template-file", "template", "templatefile", "jsonpath", "jsonpath-as-json", "jsonpath-file",
)  # fmt: skip
RESULT_FORMATS = ("json", "yaml", "kyaml", "name", *TEMPLATES)
"""What `-o` takes on verbs that report what they did."""
GET_FORMATS = (*RESULT_FORMATS, "wide", "custom-columns", "custom-columns-file")


def of(
    output: str,
    *,
    operation: str = "",
    dry_run: str = "none",
    flags: Values | None = None,
    formats: tuple[str, ...] = RESULT_FORMATS,
    sort_keys: bool = True,
) -> Printer:
    """`operation` is the word behind the name (`created`); `dry_run` client or server adds what was not done.

    `sort_keys` False keeps a JSON object in the order in which it was made, for what we made ourselves.
    """
    name, argument = split(output)
    if not output or output == "name":
        return _namer("" if output else f"{operation}{_DRY[dry_run]}")
    if name not in formats or (argument and name in ("json", "yaml", "name", "wide")):
        raise no_printer(output, formats)
    managed = bool(flags.get("show-managed-fields")) if flags is not None else True
    if name in ("json", "yaml", "kyaml"):
        return _written(name, managed, sort_keys)
    template = argument or (flags.get("template") if flags is not None else "") or ""
    missing_ok = flags.get("allow-missing-template-keys", True) if flags is not None else True
    return _templated(name, template, missing_ok)


def split(output: str) -> tuple[str, str]:
    """`jsonpath={.a}` → format and argument."""
    name, equals, argument = output.partition("=")
    return (name, argument) if equals else (output, "")


def no_printer(output: str, formats: tuple[str, ...]) -> CliError:
    allowed = ",".join(sorted(formats))
    return CliError(
        f'unable to match a printer suitable for the output format "{output}", allowed formats are: {allowed}'
    )


def without_managed_fields(obj: dict[str, Any]) -> dict[str, Any]:
    """A copy, where there is something to leave out; of a list, of its items."""
    if isinstance(obj.get("items"), list):
        return obj | {"items": [without_managed_fields(item) for item in obj["items"]]}
    metadata = obj.get("metadata")
    if isinstance(metadata, dict) and "managedFields" in metadata:
        return obj | {"metadata": {key: value for key, value in metadata.items() if key != "managedFields"}}
    return obj


_DRY = {"none": "", "client": " (dry run)", "server": " (server dry run)"}


def resource_name(obj: dict[str, Any]) -> str:
    """`deployment.apps/web`."""
    group, slash, _ = str(obj.get("apiVersion") or "").partition("/")
    kind = str(obj.get("kind") or "<unknown>").lower()
    name = (obj.get("metadata") or {}).get("name") or "<unknown>"
    return f"{kind}.{group}/{name}" if slash else f"{kind}/{name}"


def _namer(operation: str) -> Printer:
    suffix = f" {operation}" if operation else ""

    def show(obj: dict[str, Any]) -> None:
        if isinstance(obj.get("items"), list) and str(obj.get("kind") or "").endswith("List"):
            for item in obj["items"]:
                show(item)
            return
        sys.stdout.write(f"{resource_name(obj)}{suffix}\n")

    return show


def _written(name: str, managed: bool, sort_keys: bool) -> Printer:
    count = 0

    def show(obj: dict[str, Any]) -> None:
        nonlocal count
        count += 1
        shown = obj if managed else without_managed_fields(obj)
        if name == "json":
            from sampan.cli.printers.json import pretty

            sys.stdout.write(pretty(shown, sort_keys=sort_keys) + "\n")
            return
        if name == "kyaml":
            from sampan.cli.printers.kyaml import dump as dump_kyaml

            sys.stdout.write(dump_kyaml(shown))
            return
        from sampan.cli.goyaml import dump

        if count > 1:
            sys.stdout.write("---\n")
        sys.stdout.write(dump(shown))

    return show


def _templated(name: str, template: str, missing_ok: bool) -> Printer:
    text = template
    if name.endswith("file"):
        try:
            with open(template, encoding="utf-8") as file:
                text = file.read()
        except OSError as error:
            raise CliError(
                f"error reading --template {template}, open {template}: {(error.strerror or '').lower()}\n"
            ) from None
    if name.startswith("jsonpath"):
        from sampan.cli.printers.jsonpath import JsonPath

        if not text:
            raise CliError("template format specified but no template given")
        path = JsonPath(text, missing_ok=missing_ok)
        if name == "jsonpath-as-json":
            from sampan.cli.printers.json import pretty

            return lambda obj: _write(pretty(path.values(obj), sort_keys=True) + "\n")
        return lambda obj: _write(path.render(obj))
    from sampan.cli.printers.gotemplate import Template

    if not text:
        raise CliError("template format specified but no template given")
    parsed = Template(text, missing_ok=missing_ok)
    return lambda obj: _write(parsed.render(obj))


def _write(text: str) -> None:
    sys.stdout.write(text)
