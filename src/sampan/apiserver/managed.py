"""metadata.managedFields: who wrote which field. The sets are computed by `sampan.api.patch`, on plain objects."""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING, Any

import msgspec

from sampan.api.patch.apply.fieldset import FieldSet, PathError
from sampan.api.patch.apply.managers import UPDATE
from sampan.api.patch.apply.update import new_fields, update
from sampan.api.patch.shape import DEDUCED, Shape, built_in
from sampan.api.types.meta_v1 import ManagedFieldsEntry
from sampan.apiserver.codec import encode
from sampan.apiserver.endpoint import Endpoint, Kind
from sampan.apiserver.remembered import Remembered

if TYPE_CHECKING:
    from sampan.apiserver.handlers.context import Context

_entries = list[ManagedFieldsEntry]
# Fields of parts of objects, by the part's bytes. What a kind's shape is never changes: custom kinds are not in here.
_known_parts: Remembered[tuple[str, str, bytes], FieldSet] = Remembered()


def shape_of(endpoint: Kind) -> Shape:
    """What merges how: from the generated tables, or from a custom resource's schema (its strategy has it)."""
    if endpoint.info.schema_ref:
        return built_in(endpoint.info.schema_ref)
    return getattr(endpoint.strategy, "shape", DEDUCED) if isinstance(endpoint, Endpoint) else DEDUCED


@cache
def field_set(fields: tuple[str, ...]) -> dict[str, Any] | None:
    """`("status",)` as a set of fields."""
    return {f"f:{name}": {} for name in fields} or None


def reset_fields(context: Context) -> dict[str, Any] | None:
    strategy = context.endpoint.strategy
    if context.info.subresource == "status":
        return field_set(strategy.status_reset_fields or ("spec",))
    if context.info.subresource:
        return None
    return field_set(strategy.reset_fields or (("status",) if strategy.has_status else ()))


def on_create(context: Context, obj: Any) -> None:
    """One entry for whoever made it: all fields that are set."""
    endpoint, meta = context.endpoint, obj.metadata
    if endpoint.info.type is None or meta.managedFields:
        _track(context, obj, None)
        return
    try:
        fields = _fields_of_new(endpoint, obj, reset_fields(context) or {})
    except PathError:
        return  # as in `_track`
    entry = ManagedFieldsEntry(
        manager=context.manager,
        operation=UPDATE,
        apiVersion=endpoint.info.api_version,
        time=context.core.timestamp(),
        fieldsType="FieldsV1",
        fieldsV1=fields,
    )
    meta.managedFields = [entry] if fields else None


def _fields_of_new(endpoint: Endpoint, obj: Any, reset: FieldSet) -> FieldSet:
    """Part by part: the spec of a new Pod is most often one that another Pod has, and its fields are known then."""
    shape = shape_of(endpoint)
    found: FieldSet = {}
    rest: dict[str, Any] = {}
    for name in endpoint.parts:
        value = getattr(obj, name)
        if value is None or f"f:{name}" in reset:
            continue
        if name == "metadata" or not isinstance(value, (msgspec.Struct, dict, list)):
            rest[name] = value
            continue
        data = encode(value)
        key = (shape.name, name, data)
        fields = _known_parts.get(key)
        if fields is None:
            fields = new_fields(shape, {name: msgspec.to_builtins(value)})
            _known_parts.keep(key, data, fields)
        found |= fields
    found |= new_fields(shape, msgspec.to_builtins(rest))
    return {name: found[name] for name in sorted(found)}


def on_update(context: Context, obj: Any, old: Any) -> None:
    _track(context, obj, plain(context.endpoint, old))


def plain(endpoint: Endpoint, obj: Any) -> dict[str, Any]:
    if endpoint.info.type is None:
        return endpoint.codec.to_dict(obj)
    found: dict[str, Any] = msgspec.to_builtins(obj)
    return found


def _track(context: Context, obj: Any, live: dict[str, Any] | None) -> None:
    try:
        entries = _updated(context, obj, live)
    except PathError:
        # Lists with repeated or missing keys cannot be tracked; whether they may be so is validation's to say.
        return
    set_entries(obj, entries)


def _updated(context: Context, obj: Any, live: dict[str, Any] | None) -> list[dict[str, Any]]:
    endpoint = context.endpoint
    return update(
        live,
        plain(endpoint, obj),
        shape=shape_of(endpoint),
        api_version=endpoint.info.api_version,
        manager=context.manager,
        now=context.core.timestamp(),
        subresource=context.info.subresource if live is not None else "",
        reset=reset_fields(context),
    )


def set_entries(obj: Any, entries: list[dict[str, Any]]) -> None:
    obj.metadata.managedFields = msgspec.convert(entries, _entries) if entries else None
