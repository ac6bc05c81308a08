"""The newer face of Events: other names for the same fields, and stricter rules for who writes them."""

from __future__ import annotations

from datetime import datetime
from typing import Any, ClassVar

from sampan.api.scheme import BUILT_IN_SCHEME, ResourceInfo
from sampan.api.types import core_v1, events_v1
from sampan.apiserver.registry.core.event import EventStrategy as CoreEventStrategy
from sampan.apiserver.registry.core.event import event_cells, validate_new_style
from sampan.apiserver.registry.field import Errors

# events.k8s.io name → core name; the rest is called the same.
_RENAMED = {
    "regarding": "involvedObject", "note": "message", "deprecatedSource": "source", "deprecatedCount": "count",
    "deprecatedFirstTimestamp": "firstTimestamp", "deprecatedLastTimestamp": "lastTimestamp",
    "reportingController": "reportingComponent",
}  # fmt: skip
_SAME = ("metadata", "eventTime", "action", "reason", "related", "reportingInstance", "type")


def to_core(event: events_v1.Event) -> core_v1.Event:
    fields: dict[str, Any] = {wire: getattr(event, wire) for wire in _SAME}
    fields.update({theirs: getattr(event, ours) for ours, theirs in _RENAMED.items()})
    series = event.series
    if series is not None:
        fields["series"] = core_v1.EventSeries(count=series.count, lastObservedTime=series.lastObservedTime)
    if fields["involvedObject"] is None:
        fields["involvedObject"] = core_v1.ObjectReference()
    return core_v1.Event(kind="Event", apiVersion="v1", **fields)


def from_core(event: core_v1.Event) -> events_v1.Event:
    fields: dict[str, Any] = {wire: getattr(event, wire) for wire in _SAME}
    fields.update({ours: getattr(event, theirs) for ours, theirs in _RENAMED.items()})
    series = event.series
    if series is not None:
        time = series.lastObservedTime or ""
        fields["series"] = events_v1.EventSeries(count=series.count or 0, lastObservedTime=time)
    return events_v1.Event(kind="Event", apiVersion="events.k8s.io/v1", **fields)


class EventStrategy(CoreEventStrategy):
    field_labels: ClassVar[frozenset[str]] = frozenset(
        label.replace("involvedObject", "regarding").replace("reportingComponent", "reportingController")
        for label in CoreEventStrategy.field_labels
        if label != "source"
    )

    @property
    def storage_info(self) -> ResourceInfo:
        found = BUILT_IN_SCHEME.resource("", "v1", "events")
        assert found is not None
        return found

    def to_storage(self, obj: Any) -> Any:
        return to_core(obj)

    def from_storage(self, stored: Any) -> Any:
        return from_core(stored)

    def validate(self, obj: Any) -> Errors:
        event = to_core(obj)
        errors = super().validate(event)
        validate_new_style(event, errors)
        return errors

    def validate_update(self, obj: Any, old: Any) -> Errors:
        """Only the series goes on; what happened once does not change."""
        errors = super().validate(to_core(obj))
        for wire in (
            "eventTime",
            "regarding",
            "reason",
            "related",
            "reportingController",
            "reportingInstance",
            "action",
            "note",
            "type",
        ):
            if getattr(obj, wire) != getattr(old, wire):
                errors.invalid(_RENAMED.get(wire, wire), getattr(obj, wire), "field is immutable")
        return errors

    def selectable_fields(self, obj: Any) -> dict[str, str]:
        found = super().selectable_fields(to_core(obj))
        return {
            key.replace("involvedObject", "regarding").replace("reportingComponent", "reportingController"): value
            for key, value in found.items()
        }

    def cells(self, obj: Any, now: datetime) -> list[Any]:
        return event_cells(to_core(obj), now)
