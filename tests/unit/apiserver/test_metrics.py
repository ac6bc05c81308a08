"""Counting is bounded, whatever clients make up, and its text can be read."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any, cast

from prometheus_client.parser import text_string_to_metric_families

from sampan.apiserver.metrics import Metrics
from sampan.apiserver.request import Reply, Request
from sampan.apiserver.requestinfo import request_info


def _count(metrics: Metrics, path: str, code: int = 200) -> None:
    request = Request("GET", path)
    request.info = request_info("GET", path)
    metrics.finish(metrics.start(), request, Reply(code, b""))


def _samples(metrics: Metrics) -> dict[str, list[Any]]:
    core = cast("Any", SimpleNamespace(caches=()))
    families = text_string_to_metric_families(metrics.text(core).decode())
    return {f.name: f.samples for f in families}


def test_requests_are_counted_by_what_they_asked() -> None:
    metrics = Metrics()
    for _ in range(3):
        _count(metrics, "/api/v1/namespaces/default/pods")
    _count(metrics, '/api/v1/namespaces/default/we"ird\\', 404)
    samples = _samples(metrics)
    counted = {(s.labels["resource"], s.labels["code"]): s.value for s in samples["apiserver_request"]}
    assert counted == {("pods", "200"): 3.0, ('we"ird\\', "404"): 1.0}
    durations = [s for s in samples["apiserver_request_duration_seconds"] if s.labels["resource"] == "pods"]
    assert {s.value for s in durations if s.name.endswith("_count")} == {3.0}
    assert [s.value for s in durations if s.labels.get("le") == "+Inf"] == [3.0]


def test_made_up_paths_cost_no_memory_without_end() -> None:
    metrics = Metrics()
    for number in range(6000):
        _count(metrics, f"/api/v1/made-up-{number}", 404)
    assert len(metrics._requests) <= 5001
    others = [s for s in _samples(metrics)["apiserver_request"] if s.labels["verb"] == "OTHER"]
    assert [s.value for s in others] == [1000.0]
