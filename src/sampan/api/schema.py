"""What patches, managedFields and `explain` need to know of a type: how each field merges.

The tables in `sampan.api.schemas` hold one short string a field, for example `[@core_v1.Container] list=map keys=name
patch=merge merge=name`; this module reads them once per type and gives objects. A custom resource's schema implements
the same `TypeSchema` and `FieldSchema` shapes.
"""

from __future__ import annotations

from functools import cache
from importlib import import_module

from msgspec import Struct


class FieldSchema(Struct, frozen=True, kw_only=True):
    """One field (or the item of a list, or the value of a map).

    `kind` is one of scalar, struct, list, map, raw. `item` describes list items and map values. `leaf` names the scalar
    (string, integer, integer:int32, boolean, number, time, microtime, quantity, intorstr, string:byte).
    """

    kind: str
    leaf: str = ""
    ref: str = ""
    item: FieldSchema | None = None
    list_type: str = "atomic"
    list_keys: tuple[str, ...] = ()
    map_type: str = "granular"
    patch_strategy: tuple[str, ...] = ()
    merge_key: str = ""

    @property
    def struct(self) -> TypeSchema | None:
        return type_schema(self.ref) if self.ref else None


class TypeSchema:
    """The fields of one struct. `atomic` structs are owned and replaced as a whole by apply."""

    __slots__ = ("atomic", "fields", "name", "required")

    def __init__(self, name: str, fields: dict[str, FieldSchema], *, atomic: bool, required: frozenset[str]) -> None:
        self.name = name
        self.fields = fields
        self.atomic = atomic
        self.required = required


@cache
def type_schema(reference: str) -> TypeSchema:
    """The schema of `core_v1.Pod`."""
    module, _, name = reference.partition(".")
    table: dict[str, str] = import_module(f"sampan.api.schemas.{module}").SCHEMA[name]
    fields = {wire: field_schema(text) for wire, text in table.items() if wire not in ("*", "!")}
    required = frozenset(table.get("!", "").split())
    return TypeSchema(reference, fields, atomic=table.get("*") == "atomic", required=required)


@cache
def field_schema(text: str) -> FieldSchema:
    core, _, options_text = text.partition(" ") if not text.startswith(("[", "{")) else _split(text)
    options = dict(o.split("=", 1) for o in options_text.split())
    strategy = tuple(s for s in options.get("patch", "").split(",") if s)
    merge_key = options.get("merge", "")
    if core.startswith("["):
        return FieldSchema(
            kind="list",
            item=field_schema(core[1:-1]),
            list_type=options.get("list", "atomic"),
            list_keys=tuple(k for k in options.get("keys", "").split(",") if k),
            patch_strategy=strategy,
            merge_key=merge_key,
        )
    if core.startswith("{"):
        map_type = options.get("map", "granular")
        return FieldSchema(kind="map", item=field_schema(core[1:-1]), map_type=map_type, patch_strategy=strategy)
    if core.startswith("@"):
        return FieldSchema(
            kind="struct", ref=core[1:], map_type=options.get("map", "granular"), patch_strategy=strategy
        )
    if core == "raw":
        return FieldSchema(kind="raw", patch_strategy=strategy)
    return FieldSchema(kind="scalar", leaf=core, patch_strategy=strategy)


def _split(text: str) -> tuple[str, str, str]:
    """Splits after the bracket that closes the first one."""
    depth = 0
    for at, char in enumerate(text):
        if char in "[{":
            depth += 1
        elif char in "]}":
            depth -= 1
            if depth == 0:
                return text[: at + 1], " ", text[at + 1 :].strip()
    raise ValueError(f"unbalanced brackets in {text!r}")
