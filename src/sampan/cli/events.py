"""`events`: what happened, in the order in which it did."""

from __future__ import annotations

import sys
from contextlib import suppress
from typing import Any

from sampan.cli import printers
from sampan.cli.command import ALL_NAMESPACES, OUTPUT, Command, Invocation
from sampan.cli.describe.text import event_age
from sampan.cli.errors import CliError, PlainError
from sampan.cli.flags import Flag
from sampan.cli.get_objects import as_list
from sampan.cli.printers.tabwriter import table
from sampan.cli.resources import targets
from sampan.cli.say import complain
from sampan.client.calls import ListOptions
from sampan.client.resources import NoSuchResource
from sampan.client.transport import RequestTimeout

TYPES = ("Normal", "Warning")


def run(call: Invocation) -> int:
    flags, session = call.flags, call.session
    kinds = [_type(word) for word in flags["types"]]
    namespace = "" if flags["all-namespaces"] else session.namespace
    options = ListOptions(field_selector=_about(call), limit=0)
    client = session.client.of(session.resources.for_kind("v1", "Event"))
    found: list[dict[str, Any]] = []
    version = ""
    for page in client.list_pages(options, namespace=namespace, limit=flags["chunk-size"]):
        found += page.items
        version = page.resource_version
    found = [event for event in found if not kinds or event.get("type") in kinds]
    found.sort(key=_when)
    if not found and not flags["watch"]:
        complain("No events found." if flags["all-namespaces"] else f"No events found in {namespace} namespace.")
        return 0
    writer = _Writer(call)
    writer.write(found, whole=True)
    if flags["watch"]:
        with (
            suppress(RequestTimeout),  # --request-timeout is how long was wanted
            client.watch(options._replace(resource_version=version), namespace=namespace) as stream,
        ):
            for event in stream:
                if event.type in ("ADDED", "MODIFIED") and (not kinds or event.object.get("type") in kinds):
                    writer.write([event.object], whole=False)
    return 0


class _Writer:
    def __init__(self, call: Invocation) -> None:
        self._namespaces = call.flags["all-namespaces"]
        self._headers = not call.flags["no-headers"]
        self._widths: list[int] = []
        output = call.flags["output"]
        self._printer = printers.of(output, flags=call.flags) if output else None

    def write(self, found: list[dict[str, Any]], *, whole: bool) -> None:
        if self._printer is not None:
            if whole:
                self._printer(as_list(found) | {"kind": "EventList", "metadata": {}})
            else:
                for event in found:
                    self._printer(event)
            sys.stdout.flush()
            return
        rows = [self._row(event) for event in found]
        if self._headers:
            self._headers = False
            rows.insert(0, [*(["NAMESPACE"] if self._namespaces else []), *HEADER])
        sys.stdout.write(table(rows, self._widths))
        sys.stdout.flush()

    def _row(self, event: dict[str, Any]) -> list[str]:
        about = event.get("involvedObject") or {}
        row = [event["metadata"].get("namespace", "")] if self._namespaces else []
        what = f"{about.get('kind', '')}/{about.get('name', '')}"
        message = (event.get("message") or "").strip()
        return [*row, event_age(event), event.get("type", ""), event.get("reason", ""), what, message]


HEADER = ("LAST SEEN", "TYPE", "REASON", "OBJECT", "MESSAGE")


def _when(event: dict[str, Any]) -> str:
    series = event.get("series") or {}
    return (
        series.get("lastObservedTime")
        or event.get("lastTimestamp")
        or event.get("eventTime")
        or event.get("firstTimestamp")
        or ""
    )


def _type(word: str) -> str:
    for kind in TYPES:
        if word.lower() == kind.lower():
            return kind
    raise CliError("valid --types are Normal or Warning")


def _about(call: Invocation) -> str:
    word = call.flags["for"]
    if not word:
        return ""
    if "/" not in word:
        raise CliError("--for must be in resource/name form")
    try:
        target = targets(call.session, [word])[0]
    except NoSuchResource as error:
        raise PlainError(str(error)) from None
    return f"involvedObject.kind={target.info.kind},involvedObject.name={target.name}"


COMMAND = Command(
    path="events",
    run=run,
    flags=(
        *OUTPUT,
        ALL_NAMESPACES,
        Flag("for", usage="only about TYPE/NAME"),
        Flag("types", "list", usage="Normal, Warning"),
        Flag("watch", "bool", short="w", usage="go on showing what happens"),
        Flag("no-headers", "bool", usage="no line of column names"),
        Flag("chunk-size", "int", 500, usage="how many to ask for at once"),
    ),
    summary="What happened.",
    usage="[--for TYPE/NAME] [--types=Warning] [--watch]",
)
