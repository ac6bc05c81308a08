"""The table of HorizontalPodAutoscalers: counts, limits, and an afternoon of one in milliseconds."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from sampan.api.types import core_v1, meta_v1
from sampan.api.types.autoscaling_v1 import Scale, ScaleSpec, ScaleStatus
from sampan.api.types.autoscaling_v2 import (
    CrossVersionObjectReference,
    HorizontalPodAutoscaler,
    HorizontalPodAutoscalerBehavior,
    HorizontalPodAutoscalerSpec,
    HPAScalingPolicy,
    HPAScalingRules,
    MetricSpec,
    MetricTarget,
    PodsMetricSource,
    ResourceMetricSource,
)
from sampan.client.clock import FakeClock, rfc3339
from sampan.client.fake import FakeServer
from sampan.controllers import ControllersConfig, run
from sampan.controllers.horizontal_pod_autoscaler import scale, usage
from sampan.controllers.horizontal_pod_autoscaler.count import (
    Groups,
    Tolerance,
    by_average,
    by_utilization,
    grouped,
    requests_of,
)
from sampan.controllers.horizontal_pod_autoscaler.limits import Memory, limit
from sampan.controllers.horizontal_pod_autoscaler.usage import NoMetrics, Use
from tests.unit.controllers.pods import NOW, pod

OLD = rfc3339(NOW - 1000)


def worker(name: str, **how: Any) -> core_v1.Pod:
    how.setdefault("ready", 900)
    found = pod(name, labels={"a": "b"}, startTime=how.pop("began", OLD), **how)
    found.metadata.uid = None
    found.spec.containers = [core_v1.Container(name="c", resources=core_v1.ResourceRequirements(requests={"cpu": "1"}))]
    return found


def uses(*milli: int) -> dict[str, Use]:
    return {f"p{at}": Use(amount, NOW) for at, amount in enumerate(milli)}


# --- counting ---


@pytest.mark.parametrize(
    ("current", "target", "used", "unready", "missing", "expected"),
    [
        (3, 50, (500, 500, 500), 0, 0, 3),
        (3, 50, (540, 540, 540), 0, 0, 3),  # within tolerance
        (3, 50, (900, 900, 900), 0, 0, 6),  # 90 % of 50 %
        (3, 50, (100, 100, 100), 0, 0, 1),
        (1, 50, (1000,), 2, 0, 1),  # two that start count as idle: 33 % would turn it round
        (3, 50, (1000,), 2, 0, 3),
        (3, 30, (1000, 1000), 1, 0, 7),  # 66 % of 30 % over three
        (3, 50, (100, 100), 0, 1, 3),  # one unknown counts as busy: 40 % of 50 % over three
        (3, 50, (900, 900), 0, 1, 4),  # one unknown counts as idle: 60 % of 50 % over three
        (4, 50, (300, 300), 0, 2, 4),  # counted as busy it would turn round
    ],
)
def test_by_utilization(current: int, target: int, used: Any, unready: int, missing: int, expected: int) -> None:
    values = uses(*used)
    starting = {f"u{i}" for i in range(unready)}
    unknown = {f"m{i}" for i in range(missing)}
    requests = dict.fromkeys([*values, *starting, *unknown], 1000)
    groups = Groups(ready=len(values), unready=starting, missing=unknown)
    found = by_utilization(current, target, values, requests, groups, Tolerance())
    assert found.replicas == expected
    assert found.utilization == sum(used) // (10 * len(used))


@pytest.mark.parametrize(
    ("current", "used", "expected"), [(3, (100, 100, 100), 3), (3, (300, 300, 300), 9), (4, (10, 10, 10, 10), 1)]
)
def test_by_average(current: int, used: Any, expected: int) -> None:
    assert by_average(current, 100, uses(*used), Groups(ready=len(used)), Tolerance()).replicas == expected


def test_tolerances_of_each_way() -> None:
    groups = Groups(ready=1)
    wide = Tolerance(down=0.5, up=0.0)
    assert by_average(10, 100, uses(60), groups, wide).replicas == 10
    assert by_average(1, 100, uses(101), groups, wide).replicas == 2


@pytest.mark.parametrize(
    ("one", "use", "group"),
    [
        (worker("p"), Use(1, NOW), "ready"),
        (worker("p", going=True), Use(1, NOW), "ignored"),
        (worker("p", phase="Failed"), Use(1, NOW), "ignored"),
        (worker("p", phase="Pending"), Use(1, NOW), "unready"),
        (worker("p"), None, "missing"),
        (worker("p", began=rfc3339(NOW - 60), ready=None), Use(1, NOW), "unready"),
        (worker("p", began=rfc3339(NOW - 100), ready=90), Use(1, NOW), "ready"),
        (worker("p", began=rfc3339(NOW - 100), ready=30), Use(1, NOW), "unready"),  # not one whole window yet
        (worker("p", ready=None), Use(1, NOW), "ready"),  # was ready once
    ],
)
def test_groups(one: core_v1.Pod, use: Use | None, group: str) -> None:
    found = grouped([one], {"p": use} if use else {}, "cpu", NOW)
    expected = Groups(ready=1) if group == "ready" else Groups()
    if group != "ready":
        setattr(expected, group, {"p"})
    assert found == expected


def test_a_pod_that_requests_nothing() -> None:
    bare = worker("p")
    bare.spec.containers[0].resources = core_v1.ResourceRequirements()
    with pytest.raises(NoMetrics, match="missing request for cpu in container c of Pod p"):
        requests_of([bare], "cpu")


def test_a_reading() -> None:
    item = {
        "timestamp": rfc3339(NOW),
        "window": "30s",
        "containers": [{"name": "a", "usage": {"cpu": "250m", "memory": "1Mi"}}, {"name": "b", "usage": {"cpu": "5m"}}],
    }
    assert usage.read(item, "cpu") == Use(255, NOW, 30.0)
    assert usage.read(item, "cpu", "b") == Use(5, NOW, 30.0)
    assert usage.read(item, "memory") is None, "half a Pod would read as a small one"


# --- limits ---


def autoscaler(least: int | None = 1, most: int = 10, *, target: int = 50, **behavior: Any) -> HorizontalPodAutoscaler:
    metric = MetricSpec(
        type="Resource",
        resource=ResourceMetricSource(name="cpu", target=MetricTarget(type="Utilization", averageUtilization=target)),
    )
    return HorizontalPodAutoscaler(
        metadata=meta_v1.ObjectMeta(name="h", namespace="n", generation=1),
        spec=HorizontalPodAutoscalerSpec(
            minReplicas=least,
            maxReplicas=most,
            metrics=[metric],
            scaleTargetRef=CrossVersionObjectReference(apiVersion="apps/v1", kind="Deployment", name="d"),
            behavior=HorizontalPodAutoscalerBehavior(**behavior) if behavior else None,
        ),
    )


@pytest.mark.parametrize(
    ("current", "desired", "recent", "expected", "able", "limited"),
    [
        (3, 5, [], 5, "ReadyForNewScale", "DesiredWithinRange"),
        (3, 50, [], 6, "ReadyForNewScale", "ScaleUpLimit"),
        (1, 50, [], 4, "ReadyForNewScale", "ScaleUpLimit"),
        (6, 50, [], 10, "ReadyForNewScale", "TooManyReplicas"),
        (6, 0, [], 2, "ReadyForNewScale", "TooFewReplicas"),
        (6, 3, [(100, 5)], 5, "ScaleDownStabilized", "DesiredWithinRange"),
        (6, 3, [(301, 5)], 3, "ReadyForNewScale", "DesiredWithinRange"),
    ],
)
def test_usual_limits(current: int, desired: int, recent: Any, expected: int, able: str, limited: str) -> None:
    memory = Memory([(NOW - ago, number) for ago, number in recent])
    found = limit(autoscaler(2), memory, current, desired, NOW)
    assert (found.replicas, found.able.reason, found.limited.reason) == (expected, able, limited)


def rules(*policies: tuple[str, int, int], select: str | None = None, window: int | None = 0) -> HPAScalingRules:
    made = [HPAScalingPolicy(type=t, value=v, periodSeconds=p) for t, v, p in policies]
    return HPAScalingRules(policies=made, selectPolicy=select, stabilizationWindowSeconds=window)


UP = rules(("Percent", 100, 15), ("Pods", 4, 15))
DOWN = rules(("Percent", 100, 15), window=300)


@pytest.mark.parametrize(
    ("up", "down", "current", "desired", "memory", "expected", "reason"),
    [
        (UP, DOWN, 3, 90, Memory(), 7, "ScaleUpLimit"),
        (UP, DOWN, 10, 90, Memory(), 20, "ScaleUpLimit"),
        (rules(("Percent", 100, 15), ("Pods", 4, 15), select="Min"), DOWN, 3, 90, Memory(), 6, "ScaleUpLimit"),
        (rules(select="Disabled"), DOWN, 3, 90, Memory(), 3, "ScaleUpLimit"),
        (UP, rules(select="Disabled"), 9, 1, Memory(), 9, "ScaleDownLimit"),
        (UP, rules(("Pods", 2, 60)), 9, 1, Memory(), 7, "ScaleDownLimit"),
        (UP, rules(("Pods", 2, 60)), 9, 1, Memory(downs=[(NOW - 30, 2)]), 9, "ScaleDownLimit"),
        (UP, rules(("Pods", 2, 60)), 9, 1, Memory(downs=[(NOW - 70, 2)]), 7, "ScaleDownLimit"),
        (UP, rules(("Percent", 50, 60)), 9, 1, Memory(), 4, "ScaleDownLimit"),
        (UP, rules(("Percent", 10, 60), ("Pods", 5, 60), select="Min"), 20, 1, Memory(), 18, "ScaleDownLimit"),
        (UP, DOWN, 30, 90, Memory(), 40, "TooManyReplicas"),
        (UP, rules(("Percent", 100, 15)), 9, 0, Memory(), 2, "TooFewReplicas"),
        (UP, DOWN, 9, 1, Memory([(NOW - 200, 8)]), 8, "DesiredWithinRange"),
        (rules(("Pods", 99, 15), window=60), DOWN, 5, 30, Memory([(NOW - 30, 7)]), 7, "DesiredWithinRange"),
    ],
)
def test_behaviour(up: Any, down: Any, current: int, desired: int, memory: Memory, expected: int, reason: str) -> None:
    found = limit(autoscaler(2, 40, scaleUp=up, scaleDown=down), memory, current, desired, NOW)
    assert (found.replicas, found.limited.reason) == (expected, reason)


# --- an afternoon ---


class Afternoon:
    def __init__(self, hpa: HorizontalPodAutoscaler, monkeypatch: pytest.MonkeyPatch, replicas: int) -> None:
        self.clock = FakeClock(NOW)
        self.server = FakeServer(clock=self.clock)
        self.server.add(hpa)
        self.replicas, self.milli = replicas, 500
        self.error: Exception | None = None
        day = self

        async def read(_: Any, target: Any, namespace: str) -> Scale:
            return Scale(spec=ScaleSpec(replicas=day.replicas), status=ScaleStatus(selector="a=b"))

        async def write(_: Any, target: Any, namespace: str, _scale: Scale, replicas: int) -> None:
            day.replicas = replicas
            day.populate()

        async def of_pods(*_: Any) -> dict[str, Use]:
            if day.error is not None:
                raise day.error
            return {f"p{i}": Use(day.milli, day.clock.now()) for i in range(day.replicas)}

        monkeypatch.setattr(scale.Scales, "read", read)
        monkeypatch.setattr(scale.Scales, "write", write)
        monkeypatch.setattr(usage, "of_pods", of_pods)
        self.populate()
        self._task: asyncio.Task[None] | None = None

    def populate(self) -> None:
        there = {p.metadata.name for p in self.server.all(core_v1.Pod, namespace="n")}
        self.server.add(*(worker(f"p{i}") for i in range(self.replicas) if f"p{i}" not in there))

    async def __aenter__(self) -> Afternoon:
        config = ControllersConfig(controllers=("horizontal-pod-autoscaler-controller",))
        self._task = asyncio.create_task(run(self.server.client, config, clock=self.clock))
        await self.clock.advance(1)
        return self

    async def __aexit__(self, *_: object) -> None:
        assert self._task is not None
        self._task.cancel()
        await asyncio.gather(self._task, return_exceptions=True)

    def hpa(self) -> HorizontalPodAutoscaler:
        found = self.server.get(HorizontalPodAutoscaler, "h", namespace="n")
        assert found is not None
        return found

    def conditions(self) -> dict[str, tuple[str, str]]:
        return {c.type: (c.status, c.reason or "") for c in self.hpa().status.conditions or ()}

    def said(self) -> list[tuple[str, str]]:
        return [(e.reason or "", e.message or "") for e in self.server.all(core_v1.Event, namespace="n")]


async def test_up_at_once_and_down_after_five_minutes(monkeypatch: pytest.MonkeyPatch) -> None:
    async with Afternoon(autoscaler(), monkeypatch, 2) as day:
        status = day.hpa().status
        assert (status.currentReplicas, status.desiredReplicas, status.lastScaleTime) == (2, 2, None)
        (metric,) = status.currentMetrics or []
        assert metric.resource is not None
        assert (metric.resource.current.averageUtilization, metric.resource.current.averageValue) == (50, "500m")
        assert day.conditions() == {
            "AbleToScale": ("True", "ReadyForNewScale"),
            "ScalingActive": ("True", "ValidMetricFound"),
            "ScalingLimited": ("False", "DesiredWithinRange"),
        }
        day.milli = 1000
        await day.clock.advance(15)
        assert day.replicas == 4
        reason = "New size: 4; reason: cpu resource utilization (percentage of request) above target"
        assert ("SuccessfulRescale", reason) in day.said()
        assert day.conditions()["AbleToScale"] == ("True", "SucceededRescale")
        day.milli = 100
        await day.clock.advance(240)
        assert day.replicas == 4
        assert day.conditions()["AbleToScale"] == ("True", "ScaleDownStabilized")
        await day.clock.advance(120)
        assert day.replicas == 1
        assert ("SuccessfulRescale", "New size: 1; reason: All metrics below target") in day.said()


async def test_quiet_writes_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    async with Afternoon(autoscaler(), monkeypatch, 2) as day:
        writes = len(day.server.writes())
        await day.clock.advance(600)
        assert len(day.server.writes()) == writes


@pytest.mark.parametrize(("replicas", "expected", "reason"), [(1, 3, "below Spec.Min"), (9, 5, "above Spec.Max")])
async def test_out_of_bounds(monkeypatch: pytest.MonkeyPatch, replicas: int, expected: int, reason: str) -> None:
    async with Afternoon(autoscaler(3, 5), monkeypatch, replicas) as day:
        assert day.replicas == expected
        assert reason in day.said()[0][1]


async def test_zero_is_left_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    async with Afternoon(autoscaler(), monkeypatch, 0) as day:
        assert day.replicas == 0
        assert day.conditions()["ScalingActive"] == ("False", "ScalingDisabled")


async def test_without_metrics_nothing_is_scaled(monkeypatch: pytest.MonkeyPatch) -> None:
    day = Afternoon(autoscaler(), monkeypatch, 2)
    day.error = NoMetrics("no metrics returned from resource metrics API")
    async with day:
        assert day.replicas == 2
        assert day.conditions()["ScalingActive"] == ("False", "FailedGetResourceMetric")
        inner = "unable to get metrics for resource cpu: no metrics returned from resource metrics API"
        why = f"failed to get cpu utilization: {inner}"
        assert sorted(day.said()) == [
            ("FailedComputeMetricsReplicas", f"invalid metrics (1 invalid out of 1), first error is: {why}"),
            ("FailedGetResourceMetric", why),
        ]


async def test_a_metric_that_nobody_serves_stops_scaling_down_only(monkeypatch: pytest.MonkeyPatch) -> None:
    hpa = autoscaler()
    assert hpa.spec.metrics is not None
    hpa.spec.metrics.append(MetricSpec(type="Pods", pods=PodsMetricSource()))
    async with Afternoon(hpa, monkeypatch, 2) as day:
        day.milli = 100
        await day.clock.advance(600)
        assert day.replicas == 2
        assert day.conditions()["ScalingActive"] == ("False", "FailedGetPodsMetric")
        day.milli = 1000
        await day.clock.advance(15)
        assert day.replicas == 4
