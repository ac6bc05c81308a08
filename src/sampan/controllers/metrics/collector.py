"""Asks the kubelets, and answers as the metrics API does."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable
from typing import Any

import msgspec

from sampan.api import times
from sampan.api.errors import ApiError
from sampan.api.types import core_v1
from sampan.client.api import Client
from sampan.client.clock import Clock, RealClock
from sampan.client.transport import TransportError
from sampan.controllers.metrics.samples import Sample, has_more, node_usage, pod_usage, read_summary

log = logging.getLogger(__name__)

GROUP, VERSION = "metrics.k8s.io", "v1beta1"
FRESH = 10.0  # an answer this young is given again
APART = 1.0  # two samples must be this far apart to tell a rate
STALE = 120.0  # an older sample says nothing of now
TIMEOUT = 5.0

Read = Callable[[str], Awaitable[dict[str, Any]]]


class Collector:
    def __init__(self, client: Client, *, read: Read | None = None, clock: Clock | None = None) -> None:
        """`read` gives a Node's summary; by itself, through the API server's proxy to the kubelet."""
        self._client = client
        self._read = read or self._through_proxy
        self._clock = clock or RealClock()
        self._pairs: dict[str, tuple[Sample, Sample]] = {}
        self._last: dict[str, Sample] = {}
        self._collected = float("-inf")
        self._collecting = asyncio.Lock()

    async def nodes(self, *, name: str = "", label_selector: str = "") -> list[dict[str, Any]]:
        found = await self._client.resource(core_v1.Node).list(label_selector=label_selector)
        wanted = [node for node in found.items if not name or node.metadata.name == name]
        pairs = await self._current()
        items = []
        for node in wanted:
            pair = pairs.get(node.metadata.name or "")
            usage = node_usage(*pair) if pair is not None else None
            if pair is not None and usage is not None:
                items.append({**self._head("NodeMetrics", node, pair), "usage": usage.wire()})
        return items

    async def pods(self, *, namespace: str = "", name: str = "", label_selector: str = "") -> list[dict[str, Any]]:
        found = await self._client.resource(core_v1.Pod).list(namespace=namespace, label_selector=label_selector)
        wanted = [pod for pod in found.items if not name or pod.metadata.name == name]
        pairs = await self._current()
        items = []
        for pod in wanted:
            pair = pairs.get(pod.spec.nodeName or "")
            key = (pod.metadata.namespace or "", pod.metadata.name or "")
            usage = pod_usage(*pair, key) if pair is not None else None
            if pair is not None and usage is not None:
                containers = [{"name": n, "usage": u.wire()} for n, u in usage.items()]
                items.append({**self._head("PodMetrics", pod, pair), "containers": containers})
        return items

    def _head(self, kind: str, obj: core_v1.Node | core_v1.Pod, pair: tuple[Sample, Sample]) -> dict[str, Any]:
        before, after = pair
        at = times.format(self._clock.now() - (self._clock.monotonic() - after.at))
        meta = obj.metadata
        said = {"name": meta.name, "namespace": meta.namespace, "creationTimestamp": at, "labels": meta.labels}
        return {
            "kind": kind,
            "apiVersion": f"{GROUP}/{VERSION}",
            "metadata": {k: v for k, v in said.items() if v},
            "timestamp": at,
            "window": f"{after.at - before.at:.3f}s",
        }

    async def _current(self) -> dict[str, tuple[Sample, Sample]]:
        """One collection at a time, for all who ask meanwhile."""
        async with self._collecting:
            now = self._clock.monotonic()
            if now - self._collected < FRESH:
                return self._pairs
            if not self._last or now - self._collected > STALE:
                self._last = await self._collect()
                await self._clock.sleep(APART)
            before, self._last = self._last, await self._collect()
            if any(has_more(before.get(node), after) for node, after in self._last.items()):
                await self._clock.sleep(APART)
                before, self._last = self._last, await self._collect()
            self._pairs = {node: (before[node], after) for node, after in self._last.items() if node in before}
            self._collected = self._clock.monotonic()
            return self._pairs

    async def _collect(self) -> dict[str, Sample]:
        nodes = (await self._client.metadata("", "v1", "nodes").list()).items
        names = [node.metadata.name or "" for node in nodes]
        samples = await asyncio.gather(*(self._sample(name) for name in names))
        return {name: sample for name, sample in zip(names, samples, strict=True) if sample is not None}

    async def _sample(self, node: str) -> Sample | None:
        try:
            summary = await asyncio.wait_for(self._read(node), TIMEOUT)
            return read_summary(summary, self._clock.monotonic())
        except (ApiError, TransportError, TimeoutError, msgspec.DecodeError) as error:
            log.info("metrics of node %s: %s", node, error)
            return None

    async def _through_proxy(self, node: str) -> dict[str, Any]:
        answer = await self._client.raw("GET", f"/api/v1/nodes/{node}/proxy/stats/summary")
        found: dict[str, Any] = msgspec.json.decode(answer.body)
        return found
