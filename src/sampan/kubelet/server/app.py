"""The routes of the kubelet's API and how it listens."""

import logging

import msgspec
from aiohttp import web

from sampan.api.types import core_v1, meta_v1
from sampan.kubelet.config import KubeletConfig
from sampan.kubelet.pods import Pods
from sampan.kubelet.server import node_logs
from sampan.kubelet.server.access import Access, server_context
from sampan.kubelet.server.configz import configuration
from sampan.kubelet.server.logs import Logs
from sampan.kubelet.server.metrics import Metrics
from sampan.kubelet.server.streams import Streams
from sampan.kubelet.server.summary import Summary
from sampan.runtime.contract import ContainerState, Runtime

LONGEST_LINE = 256 * 1024
"""A command stands in the request's first line, and may be as long as the API server lets it be."""
log = logging.getLogger(__name__)


class KubeletServer:
    def __init__(
        self,
        config: KubeletConfig,
        pods: Pods,
        runtime: Runtime,
        access: Access,
        summary: Summary,
        metrics: Metrics,
        logs: Logs,
    ) -> None:
        self._config = config
        self._pods = pods
        self._runtime = runtime
        self._runner: web.AppRunner | None = None
        self.port = config.port
        streams = Streams(pods, runtime)
        self._app = web.Application(middlewares=[access.middleware])
        container = "/{namespace}/{pod}/{container}"
        self._app.add_routes(
            [
                *(web.get(f"/healthz{part}", _healthy) for part in ("", "/ping", "/log", "/syncloop")),
                web.get("/configz", self._configuration),
                *(web.get(f"/pods{end}", self._list_pods) for end in ("", "/")),
                *(web.get(f"/runningpods{end}", self._list_running) for end in ("", "/")),
                web.get("/containerLogs" + container, logs.serve),
                web.get("/exec" + container, streams.exec),
                web.post("/exec" + container, streams.exec),
                web.get("/attach" + container, streams.attach),
                web.post("/attach" + container, streams.attach),
                web.get("/portForward/{namespace}/{pod}", streams.port_forward),
                web.post("/portForward/{namespace}/{pod}", streams.port_forward),
                *node_logs.routes(),
                web.get("/stats/summary", summary.serve),
                web.get("/metrics", metrics.own),
                web.get("/metrics/resource", metrics.resource),
                web.get("/metrics/cadvisor", metrics.cadvisor),
                web.get("/metrics/probes", metrics.probes),
            ]
        )

    async def start(self) -> None:
        config = self._config
        context = None
        if config.tls_cert_file is not None and config.tls_key_file is not None:
            context = server_context(config.tls_cert_file, config.tls_key_file, config.client_ca_file)
        self._runner = web.AppRunner(
            self._app, access_log=None, handle_signals=False, shutdown_timeout=0.5, max_line_size=LONGEST_LINE
        )
        await self._runner.setup()
        site = web.TCPSite(self._runner, config.address, config.port, ssl_context=context, reuse_address=True)
        await site.start()
        self.port = self._runner.addresses[0][1]

    async def stop(self) -> None:
        if self._runner is not None:
            await self._runner.cleanup()

    async def _list_pods(self, request: web.Request) -> web.Response:
        del request
        return _json(_pod_list([w.pod for w in self._pods]))

    async def _list_running(self, request: web.Request) -> web.Response:
        """What the runtime has running, whether somebody wants it or not: names and images, no more."""
        del request
        found = []
        for sandbox in await self._runtime.list_sandboxes():
            containers = await self._runtime.list_containers(sandbox_id=sandbox.id)
            running = [c for c in containers if c.state is ContainerState.RUNNING]
            if running:
                meta = meta_v1.ObjectMeta(name=sandbox.name, namespace=sandbox.namespace, uid=sandbox.uid)
                spec = core_v1.PodSpec(containers=[core_v1.Container(name=c.name, image=c.image) for c in running])
                found.append(core_v1.Pod(metadata=meta, spec=spec))
        return _json(_pod_list(found))

    async def _configuration(self, request: web.Request) -> web.Response:
        del request
        return _json(configuration(self._config))


def _pod_list(pods: list[core_v1.Pod]) -> dict[str, object]:
    return {"kind": "PodList", "apiVersion": "v1", "metadata": {}, "items": pods}


def _json(body: object) -> web.Response:
    return web.Response(body=msgspec.json.encode(body), content_type="application/json")


async def _healthy(request: web.Request) -> web.Response:
    del request
    return web.Response(text="ok")
