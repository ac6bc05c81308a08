"""Events: what happened to an object. Served in two groups, stored once, gone after an hour."""

from __future__ import annotations

from datetime import datetime
from typing import Any, ClassVar

from sampan.api import names
from sampan.api.types.core_v1 import Event
from sampan.apiserver.registry import meta
from sampan.apiserver.registry.field import Errors
from sampan.apiserver.registry.printing import age
from sampan.apiserver.registry.strategy import Column, Strategy, WriteContext

_INVOLVED = ("kind", "namespace", "name", "uid", "apiVersion", "resourceVersion", "fieldPath")


class EventStrategy(Strategy):
    columns: ClassVar[tuple[Column, ...]] = (
        Column("Last Seen", description="How long ago it was last seen."),
        Column("Type", description="Normal or Warning."),
        Column("Reason", description="Why, in one word for machines."),
        Column("Object", description="What it is about."),
        Column("Subobject", description="The part of the object that it is about.", priority=1),
        Column("Source", description="Who said it.", priority=1),
        Column("Message", description="What happened."),
        Column("First Seen", description="How long ago it was first seen.", priority=1),
        Column("Count", description="How often it was seen.", priority=1),
        Column("Name", "string", "name", "Name of the event.", 1),
    )
    field_labels: ClassVar[frozenset[str]] = frozenset(
        (*(f"involvedObject.{w}" for w in _INVOLVED), "reason", "reportingComponent", "source", "type")
    )
    allow_create_on_update: ClassVar[bool] = True
    ttl_seconds: ClassVar[float | None] = 3600.0

    def prepare_for_create(self, obj: Any, context: WriteContext) -> None:
        """Events have no status and no generation."""

    def validate(self, obj: Event) -> Errors:
        errors = Errors()
        involved, namespace = obj.involvedObject, obj.metadata.namespace or ""
        about = involved.namespace or ""
        if about != namespace and (about or namespace not in ("", "default")):
            errors.invalid("involvedObject.namespace", about, "does not match event.namespace")
        errors.each("namespace", namespace, names.dns1123_subdomain(namespace))
        return errors

    def validate_update(self, obj: Event, old: Event) -> Errors:
        return self.validate(obj)

    def selectable_fields(self, obj: Event) -> dict[str, str]:
        involved = obj.involvedObject
        return {
            **super().selectable_fields(obj),
            **{f"involvedObject.{w}": getattr(involved, w) or "" for w in _INVOLVED},
            "reason": obj.reason or "",
            "reportingComponent": obj.reportingComponent or "",
            "source": obj.source.component or obj.reportingComponent or "",
            "type": obj.type or "",
        }

    def cells(self, obj: Event, now: datetime) -> list[Any]:
        return event_cells(obj, now)


def event_cells(obj: Event, now: datetime) -> list[Any]:
    first = age(obj.firstTimestamp or obj.eventTime, now)
    last = age(obj.lastTimestamp, now) if obj.lastTimestamp else first
    count = obj.count or 1
    if obj.series is not None:
        last = age(obj.series.lastObservedTime, now)
        count = obj.series.count or 0
    involved = obj.involvedObject
    target = (involved.kind or "").lower()
    if involved.name:
        target += f"/{involved.name}"
    source = obj.source.component or obj.reportingComponent or ""
    host = obj.source.host or obj.reportingInstance or ""
    if host:
        source = f"{source}, {host}"
    return [
        last,
        obj.type or "",
        obj.reason or "",
        target,
        involved.fieldPath or "",
        source,
        (obj.message or "").strip(),
        first,
        count,
        obj.metadata.name or "",
    ]


def validate_new_style(obj: Event, errors: Errors) -> None:
    """What events.k8s.io asks for, in terms of the stored event."""
    errors += meta.validate_object_meta(obj.metadata, namespaced=True, name_rule=meta.subdomain_name)
    if not obj.eventTime:
        errors.required("eventTime")
    if obj.type not in ("Normal", "Warning"):
        errors.invalid("type", "", f"has invalid value: {obj.type or ''}")
    for wire in ("firstTimestamp", "lastTimestamp", "count"):
        if getattr(obj, wire):
            errors.invalid(wire, "", "needs to be unset")
    if obj.source.component or obj.source.host:
        errors.invalid("source", "", "needs to be unset")
    if obj.series is not None:
        if (obj.series.count or 0) < 2:
            errors.invalid("series.count", "", "should be at least 2")
        if not obj.series.lastObservedTime:
            errors.required("series.lastObservedTime")
    if not obj.reportingComponent:
        errors.required("reportingController")
    reporter = obj.reportingComponent or ""
    errors.each("reportingController", reporter, names.qualified_name(reporter))
    for wire, value in (("reportingInstance", obj.reportingInstance), ("action", obj.action), ("reason", obj.reason)):
        if not value:
            errors.required(wire)
        elif len(value) > 128:
            errors.invalid(wire, "", "can have at most 128 characters")
    if len(obj.message or "") > 1024:
        errors.invalid("message", "", "can have at most 1024 characters")
