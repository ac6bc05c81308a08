"""The replica count that each of an autoscaler's metrics asks for, and how the metric stands now."""

from __future__ import annotations

from collections.abc import Callable

from msgspec import Struct, field

from sampan.api import quantity
from sampan.api.selectors import labels as label_selectors
from sampan.api.types import core_v1
from sampan.api.types.autoscaling_v2 import (
    ContainerResourceMetricStatus,
    HorizontalPodAutoscaler,
    MetricSpec,
    MetricStatus,
    MetricTarget,
    MetricValueStatus,
    ResourceMetricStatus,
)
from sampan.client.api import Client
from sampan.client.informer import Informer
from sampan.controllers.horizontal_pod_autoscaler import usage
from sampan.controllers.horizontal_pod_autoscaler.count import (
    Proposal,
    Tolerance,
    by_average,
    by_utilization,
    grouped,
    requests_of,
)
from sampan.controllers.horizontal_pod_autoscaler.usage import NoMetrics

CUSTOM = "no custom metrics API (custom.metrics.k8s.io) registered"
EXTERNAL = "no external metrics API (external.metrics.k8s.io) registered"


class Asked(Struct):
    """What the metrics that could be read ask for, and the first thing that went wrong."""

    replicas: int = -1
    name: str = ""
    statuses: list[MetricStatus] = field(default_factory=list)
    reason: str = ""  # of the first failure
    message: str = ""
    invalid: int = 0
    total: int = 0

    @property
    def error(self) -> str:
        if not self.invalid:
            return ""
        return f"invalid metrics ({self.invalid} invalid out of {self.total}), first error is: {self.message}"


class Failed(Exception):
    def __init__(self, reason: str, message: str) -> None:
        super().__init__(message)
        self.reason = reason


class Metrics:
    def __init__(self, client: Client, pods: Informer[core_v1.Pod], now: Callable[[], float]) -> None:
        self._client = client
        self._pods = pods
        self._now = now

    async def ask(self, hpa: HorizontalPodAutoscaler, selector: str, current: int) -> Asked:
        """The highest of all counts wins; one that cannot be told only matters when the others would scale down."""
        listed = hpa.spec.metrics or []
        asked = Asked(total=len(listed))
        for metric in listed:
            try:
                proposal, name, status = await self._one(hpa, metric, selector, current)
            except Failed as error:
                if not asked.invalid:
                    asked.reason, asked.message = error.reason, str(error)
                asked.invalid += 1
                continue
            asked.statuses.append(status)
            if proposal.replicas > asked.replicas:
                asked.replicas, asked.name = proposal.replicas, name
        if asked.invalid and (asked.invalid >= asked.total or asked.replicas < current):
            asked.replicas = -1
        return asked

    async def _one(
        self, hpa: HorizontalPodAutoscaler, metric: MetricSpec, selector: str, current: int
    ) -> tuple[Proposal, str, MetricStatus]:
        if metric.type == "Resource" and metric.resource is not None:
            source = metric.resource
            found = await self._resource(hpa, source.name, source.target, selector, current, "FailedGetResourceMetric")
            status = ResourceMetricStatus(name=source.name, current=_shown(found))
            words = "resource utilization (percentage of request)" if found.utilization is not None else "resource"
            return found, f"{source.name} {words}", MetricStatus(type=metric.type, resource=status)
        if metric.type == "ContainerResource" and metric.containerResource is not None:
            one = metric.containerResource
            reason = "FailedGetContainerResourceMetric"
            found = await self._resource(hpa, one.name, one.target, selector, current, reason, one.container)
            shown = ContainerResourceMetricStatus(name=one.name, container=one.container, current=_shown(found))
            words = "container resource"
            words += " utilization (percentage of request)" if found.utilization is not None else ""
            return found, f"{one.name} {words}", MetricStatus(type=metric.type, containerResource=shown)
        raise _unserved(metric)

    async def _resource(
        self,
        hpa: HorizontalPodAutoscaler,
        resource: str,
        target: MetricTarget,
        selector: str,
        current: int,
        reason: str,
        container: str = "",
    ) -> Proposal:
        what = "utilization" if target.averageUtilization is not None else "usage"
        try:
            return await self._count(hpa, resource, target, selector, current, container)
        except NoMetrics as error:
            raise Failed(reason, f"failed to get {resource} {what}: {error}") from error

    async def _count(
        self,
        hpa: HorizontalPodAutoscaler,
        resource: str,
        target: MetricTarget,
        selector: str,
        current: int,
        container: str,
    ) -> Proposal:
        namespace = hpa.metadata.namespace or ""
        try:
            uses = await usage.of_pods(self._client, namespace, selector, resource, container)
        except NoMetrics as error:
            raise NoMetrics(f"unable to get metrics for resource {resource}: {error}") from error
        chosen = label_selectors.parse(selector)
        pods = self._pods.store.list(namespace=namespace, where=lambda p: chosen.matches(p.metadata.labels))
        if not pods:
            raise NoMetrics("no pods returned by selector while calculating replica count")
        groups = grouped(pods, uses, resource, self._now())
        tolerance = _tolerance(hpa)
        if target.averageUtilization is not None:
            requests = requests_of(pods, resource, container)
            return by_utilization(current, target.averageUtilization, uses, requests, groups, tolerance)
        return by_average(current, quantity.milli_value(target.averageValue or 1), uses, groups, tolerance)


def _tolerance(hpa: HorizontalPodAutoscaler) -> Tolerance:
    def of(rules: object) -> float:
        found = getattr(rules, "tolerance", None)
        return 0.1 if found is None else quantity.milli_value(found) / 1000

    behavior = hpa.spec.behavior
    if behavior is None:
        return Tolerance()
    return Tolerance(down=of(behavior.scaleDown), up=of(behavior.scaleUp))


def _shown(found: Proposal) -> MetricValueStatus:
    return MetricValueStatus(averageUtilization=found.utilization, averageValue=str(quantity.from_milli(found.average)))


def _unserved(metric: MetricSpec) -> Failed:
    """Metrics that an adapter would have to serve; none is known here."""
    if metric.type == "Pods" and metric.pods is not None:
        said = (
            f"unable to get metric {metric.pods.metric.name}: unable to fetch metrics from custom metrics API: {CUSTOM}"
        )
        return Failed("FailedGetPodsMetric", said)
    if metric.type == "Object" and metric.object_ is not None:
        one = metric.object_
        where = f"{one.describedObject.kind} on {one.describedObject.name}"
        said = (
            f"unable to get metric {one.metric.name}: {where}/unable to fetch metrics from custom metrics API: {CUSTOM}"
        )
        return Failed("FailedGetObjectMetric", said)
    if metric.type == "External" and metric.external is not None:
        said = f"unable to get external metric {metric.external.metric.name}: {EXTERNAL}"
        return Failed("FailedGetExternalMetric", said)
    return Failed("InvalidMetricSourceType", f'unknown metric source type "{metric.type}"')
