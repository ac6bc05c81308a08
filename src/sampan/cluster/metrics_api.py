"""`metrics.k8s.io` (`kubectl top`): the API server's address for it, answered by the collector of the controllers."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, Any

import msgspec

from sampan.api.errors import not_found
from sampan.api.scheme import ResourceInfo
from sampan.apiserver.core import Core
from sampan.apiserver.handlers.context import Context
from sampan.apiserver.registry.strategy import Strategy
from sampan.apiserver.request import Answer, Reply
from sampan.client.api import Client

if TYPE_CHECKING:  # the controllers' modules are read after the server answers
    from sampan.controllers.metrics.collector import Collector

GROUP, VERSION = "metrics.k8s.io", "v1beta1"

Handler = Callable[[Context], Awaitable[Answer]]

NODES = ResourceInfo(
    group=GROUP,
    version=VERSION,
    resource="nodes",
    kind="NodeMetrics",
    singular="",
    namespaced=False,
    verbs=("get", "list"),
)
PODS = ResourceInfo(
    group=GROUP, version=VERSION, resource="pods", kind="PodMetrics", singular="", verbs=("get", "list")
)


class LazyCollector:
    """Made when it is first asked for, by when the server is there."""

    def __init__(self) -> None:
        self.client: Client | None = None
        self._made: Collector | None = None

    def __call__(self) -> Collector:
        from sampan.controllers.metrics.collector import Collector

        if self._made is None:
            assert self.client is not None
            self._made = Collector(self.client)
        return self._made


async def serve_metrics(core: Core) -> None:
    """From now on it is discovered."""
    for info in (NODES, PODS):
        await core.add_resource(info, Strategy(info))


def handlers(collector: Callable[[], Collector]) -> dict[tuple[str, str], Handler]:
    """What `wiring.build` takes as `virtual`. The collector needs the server that is being built: asked later."""

    async def nodes(context: Context) -> Answer:
        found = await collector().nodes(name=context.name, label_selector=context.request.param("labelSelector"))
        return _answer(context, found)

    async def pods(context: Context) -> Answer:
        found = await collector().pods(
            namespace=context.namespace,
            name=context.name,
            label_selector=context.request.param("labelSelector"),
        )
        return _answer(context, found)

    return {(GROUP, "nodes"): nodes, (GROUP, "pods"): pods}


def _answer(context: Context, found: list[dict[str, Any]]) -> Reply:
    info = context.endpoint.info
    if not context.name:
        body: Any = {"kind": info.list_kind, "apiVersion": info.api_version, "metadata": {}, "items": found}
    elif found:
        body = found[0]
    else:
        raise not_found(f"{info.resource}.{GROUP}", context.name)
    return Reply(200, msgspec.json.encode(body) + b"\n")
