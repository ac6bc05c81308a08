"""What describers write into: lines with tabs between columns, laid out at the end; and the parts all of them have."""

from __future__ import annotations

import time
from collections.abc import Iterable, Mapping
from typing import Any

from sampan.api import times
from sampan.cli.printers.tabwriter import aligned

Object = dict[str, Any]
MAX_ANNOTATION = 140
HIDDEN_ANNOTATIONS = frozenset(("kubectl.kubernetes.io/last-applied-configuration",))


class Text:
    def __init__(self) -> None:
        self._done: list[str] = []
        self._lines: list[str] = []

    def line(self, text: str = "", level: int = 0) -> None:
        self._lines.append("  " * level + text)

    def field(self, name: str, value: object, level: int = 0) -> None:
        self.line(f"{name}:\t{value}", level)

    def flush(self) -> None:
        """What comes now has columns of its own."""
        if self._lines:
            self._done.append(aligned("\n".join(self._lines)) + "\n")
            self._lines = []

    def __str__(self) -> str:
        self.flush()
        return "".join(self._done)


# Small things ---------------------------------------------------------------------------------------------------------


def meta(obj: Object) -> Object:
    return obj.get("metadata") or {}


def truth(value: object) -> str:
    """Go's `true`."""
    return "true" if value else "false"


def status_word(value: object) -> str:
    """A condition's `True`."""
    return "True" if value else "False"


def moment(text: str | None) -> str:
    """RFC 1123 with a numeric zone, in this machine's zone."""
    if not text:
        return "Mon, 01 Jan 0001 00:00:00 +0000"
    return time.strftime("%a, %d %b %Y %H:%M:%S %z", time.localtime(times.parse(text)))


def age(text: str | None) -> str:
    return times.age(text)


def or_none(text: str | None) -> str:
    return text or "<none>"


def or_unset(value: object) -> object:
    return "<unset>" if value is None else value


def labels(text: Text, title: str, held: Mapping[str, str] | None, *, indent: str = "") -> None:
    _several(text, title, [f"{key}={held[key]}" for key in sorted(held)] if held else ["<none>"], indent)


def _several(text: Text, title: str, values: Iterable[str], indent: str = "") -> None:
    head = f"{indent}{title}:\t"
    for value in values:
        text.line(f"{head}{value}")
        head = f"{indent}\t"


def annotation_lines(text: Text, title: str, held: Mapping[str, str] | None, *, indent: str = "") -> None:
    shown = sorted(key for key in held or () if key not in HIDDEN_ANNOTATIONS)
    if not shown or not held:
        text.line(f"{indent}{title}:\t<none>")
        return
    head = f"{indent}{title}:\t"
    for key in shown:
        value = held[key].removesuffix("\n")
        if len(value) + len(key) + 2 > MAX_ANNOTATION or "\n" in value:
            text.line(f"{head}{key}:")
            for part in value.split("\n"):
                text.line(f"{indent}\t  {_shortened(part, MAX_ANNOTATION - 2)}")
        else:
            text.line(f"{head}{key}: {value}")
        head = f"{indent}\t"


def _shortened(value: str, limit: int) -> str:
    return f"{value[:limit]}..." if len(value) > limit else value


def header(text: Text, obj: Object, *, namespace: bool = True) -> None:
    """Name, Namespace, Labels, Annotations."""
    text.field("Name", meta(obj).get("name", ""))
    if namespace:
        text.field("Namespace", meta(obj).get("namespace", ""))
    labels(text, "Labels", meta(obj).get("labels"))
    annotation_lines(text, "Annotations", meta(obj).get("annotations"))


def controller(obj: Object) -> str:
    """`ReplicaSet/web-7c5`."""
    for owner in meta(obj).get("ownerReferences") or ():
        if owner.get("controller"):
            return f"{owner['kind']}/{owner['name']}"
    return ""


def selector_text(selector: Object | None) -> str:
    """A LabelSelector as one line: `app=web,tier in (a,b)`."""
    if selector is None:
        return "<none>"
    parts = [f"{key}={value}" for key, value in sorted((selector.get("matchLabels") or {}).items())]
    for one in selector.get("matchExpressions") or ():
        key, operator, values = one["key"], one["operator"], ",".join(sorted(one.get("values") or ()))
        parts.append(
            {"Exists": key, "DoesNotExist": f"!{key}", "In": f"{key} in ({values})"}.get(
                operator, f"{key} notin ({values})"
            )
        )
    return ",".join(parts) or "<none>"


def map_text(held: Mapping[str, Any] | None) -> str:
    """`a=b,c=d`."""
    return ",".join(f"{key}={held[key]}" for key in sorted(held)) if held else "<none>"


def events(text: Text, listed: list[Object] | None) -> None:
    if listed is None:
        return
    if not listed:
        text.line("Events:\t<none>")
        return
    text.flush()
    text.line("Events:")
    text.line("Type\tReason\tAge\tFrom\tMessage", 1)
    text.line("----\t------\t----\t----\t-------", 1)
    for event in sorted(listed, key=_event_time):
        source = (event.get("source") or {}).get("component") or event.get("reportingComponent") or ""
        message = (event.get("message") or "").strip()
        path = (event.get("involvedObject") or {}).get("fieldPath")
        if path:
            message = f"{path}: {message}"
        text.line(f"{event.get('type', '')}\t{event.get('reason', '')}\t{event_age(event)}\t{source}\t{message}", 1)


def event_age(event: Object) -> str:
    """`5m`, or `12s (x4 over 5m)`."""
    first = age(event.get("eventTime") or event.get("firstTimestamp"))
    series = event.get("series")
    if series:
        return f"{age(series.get('lastObservedTime'))} (x{series.get('count', 0)} over {first})"
    if (event.get("count") or 0) > 1:
        return f"{age(event.get('lastTimestamp'))} (x{event['count']} over {first})"
    return first


def _event_time(event: Object) -> tuple[int, bool]:
    """To the second, as most events know no more; in the same one the scheduler, which knows more, was first."""
    said = event.get("lastTimestamp") or event.get("eventTime")
    return int(times.parse(said)) if said else 0, bool(event.get("lastTimestamp"))
