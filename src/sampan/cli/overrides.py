"""`--overrides` of run and expose: a patch of what the flags made, before it is sent."""

from __future__ import annotations

from typing import Any

import msgspec

from sampan.cli.errors import CliError
from sampan.cli.flags import Flag, Values

OVERRIDES = (
    Flag("overrides", usage="JSON that changes what is made"),
    Flag("override-type", default="merge", usage="merge, json or strategic"),
)

UNREADABLE = {"merge": "Invalid JSON Patch", "strategic": "invalid JSON document"}


def overridden(made: dict[str, Any], flags: Values) -> dict[str, Any]:
    text, kind = flags["overrides"], flags["override-type"]
    if not text:
        return made
    if kind not in ("merge", "json", "strategic"):
        raise CliError(f"invalid override type: {kind}")
    try:
        change = msgspec.json.decode(text)
        result: dict[str, Any] = _patched(made, change, kind)
    except (msgspec.DecodeError, ValueError, TypeError) as error:
        raise CliError(UNREADABLE.get(kind) or str(error)) from None
    return result


def _patched(made: dict[str, Any], change: Any, kind: str) -> Any:
    if kind == "json":
        from sampan.api.patch import json as json_patch

        return json_patch.apply(made, change)
    if kind == "merge":
        from sampan.api.patch import merge

        return merge.apply(made, change)
    from sampan.api.patch import strategic
    from sampan.api.patch.shape import built_in as shape_of
    from sampan.api.scheme import BUILT_IN_SCHEME

    row = BUILT_IN_SCHEME.kind_of(made["apiVersion"], made["kind"])
    return strategic.apply(made, change, shape_of(row.schema_ref if row else ""))
