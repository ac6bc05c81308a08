"""What is known of the cluster. Rules ask by resource name; recorded objects and a live cluster answer alike."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from sampan.api import times
from sampan.api.durations import human

Object = dict[str, Any]
ListOf = Callable[[str], Sequence[Object]]
LogOf = Callable[[str, str, bool], str]
VerdictsOf = Callable[[str], Mapping[str, Sequence[str]]]


class Facts:
    """`of("pods")`: all in the namespace (cluster-wide for what has none). What may not be read is as good as empty."""

    def __init__(
        self,
        namespace: str,
        list_of: ListOf,
        log_of: LogOf,
        *,
        verdicts_of: VerdictsOf = lambda _: {},
        now: float | None = None,
    ) -> None:
        self.namespace = namespace
        self._list_of = list_of
        self._log_of = log_of
        self._verdicts_of = verdicts_of
        self._kept: dict[str, Sequence[Object]] = {}
        self.now = time.time() if now is None else now

    @staticmethod
    def recorded(
        objects: Mapping[str, Sequence[Object]],
        *,
        namespace: str = "default",
        logs: Mapping[tuple[str, str, bool], str] | None = None,
        verdicts: Mapping[str, Mapping[str, Sequence[str]]] | None = None,
        now: float = 0.0,
    ) -> Facts:
        return Facts(
            namespace,
            lambda kind: objects.get(kind, ()),
            lambda *key: (logs or {}).get(key, ""),
            verdicts_of=lambda pod: (verdicts or {}).get(pod, {}),
            now=now,
        )

    def of(self, resource: str) -> Sequence[Object]:
        if resource not in self._kept:
            self._kept[resource] = self._list_of(resource)
        return self._kept[resource]

    def one(self, resource: str, name: str) -> Object | None:
        return next((obj for obj in self.of(resource) if name_of(obj) == name), None)

    def log(self, pod: str, container: str, *, previous: bool = False) -> str:
        return self._log_of(pod, container, previous)

    def verdicts(self, pod: str) -> Mapping[str, Sequence[str]]:
        """Why each node will not do, by the node's name, as far as the scheduler lets one look into its memory."""
        return self._verdicts_of(pod)

    def events(self, kind: str, name: str, *reasons: str) -> list[Object]:
        """Oldest first; only of these reasons, if any are said."""
        found = [
            event
            for event in self.of("events")
            if event.get("involvedObject", {}).get("kind") == kind
            and event["involvedObject"].get("name") == name
            and (not reasons or event.get("reason") in reasons)
        ]
        return sorted(found, key=_when)

    def ago(self, text: str | None) -> str:
        if not text:
            return ""
        at = times.parse(text)
        return human(max(0.0, self.now - float(getattr(at, "seconds", at))))

    def told(self, event: Object) -> str:
        """One event as evidence."""
        count = int(event.get("count") or (event.get("series") or {}).get("count") or 1)
        often = f" (x{count})" if count > 1 else ""
        ago = self.ago(_when(event))
        return f"{event.get('reason')}{often}{f', {ago} ago' if ago else ''}: {event.get('message', '').strip()}"


def _when(event: Object) -> str:
    return str(event.get("lastTimestamp") or event.get("eventTime") or event.get("firstTimestamp") or "")


def name_of(obj: Object) -> str:
    return str(obj["metadata"]["name"])


def owned_by(obj: Object, owner: Object) -> bool:
    uid = owner["metadata"].get("uid")
    return any(ref.get("uid") == uid for ref in obj["metadata"].get("ownerReferences") or ())


def matches(labels: Mapping[str, str] | None, selector: Mapping[str, str] | None) -> bool:
    return bool(selector) and all((labels or {}).get(key) == value for key, value in (selector or {}).items())


def condition(obj: Object, kind: str) -> Object:
    for one in (obj.get("status") or {}).get("conditions") or ():
        if one.get("type") == kind:
            found: Object = one
            return found
    return {}


def spec_container(pod: Object, name: str) -> Object:
    spec = pod["spec"]
    for one in (*(spec.get("containers") or ()), *(spec.get("initContainers") or ())):
        if one["name"] == name:
            found: Object = one
            return found
    return {"name": name}


def statuses(pod: Object) -> list[tuple[Object, bool]]:
    """(container status, whether it is an init container)."""
    status = pod.get("status") or {}
    return [
        *((one, True) for one in status.get("initContainerStatuses") or ()),
        *((one, False) for one in status.get("containerStatuses") or ()),
    ]


def waiting(status: Object) -> Object:
    return (status.get("state") or {}).get("waiting") or {}


def ended(status: Object) -> Object:
    """How the current or the last run ended."""
    return (status.get("state") or {}).get("terminated") or (status.get("lastState") or {}).get("terminated") or {}


def last_lines(text: str, count: int = 5) -> tuple[str, ...]:
    return tuple(f"log: {line}" for line in [line for line in text.splitlines() if line.strip()][-count:])
