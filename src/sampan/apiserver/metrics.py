"""/metrics: request counts and durations, under Kubernetes' names.

Counting is two dictionary look-ups a request; the text is made when it is asked for.
"""

from __future__ import annotations

import time
from bisect import bisect_left
from typing import TYPE_CHECKING

from sampan.apiserver.request import Answer, Reply, Request

if TYPE_CHECKING:
    from sampan.apiserver.core import Core

_BOUNDS = (
    0.005,
    0.025,
    0.05,
    0.1,
    0.2,
    0.4,
    0.6,
    0.8,
    1.0,
    1.25,
    1.5,
    2.0,
    3.0,
    4.0,
    5.0,
    6.0,
    8.0,
    10.0,
    15.0,
    20.0,
    30.0,
    45.0,
    60.0,
)
_Labels = tuple[str, str, str, str, str]
_MOST_SERIES = 5000
_OTHERS: _Labels = ("OTHER", "", "", "", "")


class _Durations:
    __slots__ = ("buckets", "count", "total")

    def __init__(self) -> None:
        self.buckets = [0] * (len(_BOUNDS) + 1)
        self.count = 0
        self.total = 0.0


class Metrics:
    def __init__(self) -> None:
        self._requests: dict[tuple[_Labels, int], int] = {}
        self._durations: dict[_Labels, _Durations] = {}
        self._now = time.perf_counter

    def start(self) -> float:
        return self._now()

    def finish(self, started: float, request: Request, answer: Answer) -> None:
        info = request.info
        if info is None:
            return
        labels = (info.verb.upper(), info.group, info.version, info.resource, info.subresource)
        code = answer.status if isinstance(answer, Reply) else 200
        key = (labels, code)
        if key not in self._requests and len(self._requests) >= _MOST_SERIES:
            # Paths are the clients' to choose: what they make up is counted together.
            labels = _OTHERS
            key = (labels, code)
        self._requests[key] = self._requests.get(key, 0) + 1
        if not isinstance(answer, Reply):
            return
        durations = self._durations.get(labels)
        if durations is None:
            durations = self._durations[labels] = _Durations()
        seconds = self._now() - started
        durations.count += 1
        durations.total += seconds
        durations.buckets[bisect_left(_BOUNDS, seconds)] += 1

    def text(self, core: Core) -> bytes:
        lines = [
            "# HELP apiserver_request_total Requests by verb, resource and answer.",
            "# TYPE apiserver_request_total counter",
        ]
        for (labels, code), count in self._requests.items():
            lines.append(f'apiserver_request_total{{code="{code}",{_shown(labels)}}} {count}')
        lines.append("# HELP apiserver_request_duration_seconds Time to answer, long-running requests left out.")
        lines.append("# TYPE apiserver_request_duration_seconds histogram")
        for labels, durations in self._durations.items():
            lines += _histogram(_shown(labels), durations)
        lines.append("# HELP apiserver_storage_objects Objects stored, by resource.")
        lines.append("# TYPE apiserver_storage_objects gauge")
        for cache in core.caches:
            lines.append(f'apiserver_storage_objects{{resource="{cache.qualified}"}} {len(cache.keys)}')
        lines.append("# HELP apiserver_registered_watchers Watches that are open, by resource.")
        lines.append("# TYPE apiserver_registered_watchers gauge")
        for cache in core.caches:
            watchers = sum(1 for _ in cache.every_watcher())
            lines.append(f'apiserver_registered_watchers{{resource="{cache.qualified}"}} {watchers}')
        return "\n".join([*lines, ""]).encode() + _process()


def _shown(labels: _Labels) -> str:
    verb, group, version, resource, subresource = (_escaped(label) for label in labels)
    return f'verb="{verb}",group="{group}",version="{version}",resource="{resource}",subresource="{subresource}"'


def _escaped(label: str) -> str:
    return label.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")


def _histogram(labels: str, durations: _Durations) -> list[str]:
    lines, running = [], 0
    for bound, count in zip(_BOUNDS, durations.buckets, strict=False):
        running += count
        lines.append(f'apiserver_request_duration_seconds_bucket{{{labels},le="{bound}"}} {running}')
    lines.append(f'apiserver_request_duration_seconds_bucket{{{labels},le="+Inf"}} {durations.count}')
    lines.append(f"apiserver_request_duration_seconds_sum{{{labels}}} {durations.total}")
    lines.append(f"apiserver_request_duration_seconds_count{{{labels}}} {durations.count}")
    return lines


def _process() -> bytes:
    """Memory, CPU and garbage collection of the process, from prometheus-client."""
    from prometheus_client import CollectorRegistry, GCCollector, ProcessCollector, generate_latest

    registry = CollectorRegistry()
    ProcessCollector(registry=registry)
    GCCollector(registry=registry)
    return generate_latest(registry)
