"""The routes of the kubelet's API and how it listens."""

import logging

import msgspec
from aiohttp import web

from sampan.kubelet.config import KubeletConfig
from sampan.kubelet.pods import Pods
from sampan.kubelet.server.access import Access, server_context
from sampan.kubelet.server.logs import Logs
from sampan.kubelet.server.stats import Stats
from sampan.kubelet.server.streams import Streams
from sampan.runtime.contract import Runtime

log = logging.getLogger(__name__)


class KubeletServer:
    def __init__(
        self, config: KubeletConfig, pods: Pods, runtime: Runtime, access: Access, stats: Stats, logs: Logs
    ) -> None:
        self._config = config
        self._pods = pods
        self._runner: web.AppRunner | None = None
        self.port = config.port
        streams = Streams(pods, runtime)
        self._app = web.Application(middlewares=[access.middleware])
        container = "/{namespace}/{pod}/{container}"
        self._app.add_routes(
            [
                web.get("/healthz", _healthy),
                web.get("/healthz/ping", _healthy),
                web.get("/pods", self._list_pods),
                web.get("/runningpods/", self._list_pods),
                web.get("/containerLogs" + container, logs.serve),
                web.get("/exec" + container, streams.exec),
                web.post("/exec" + container, streams.exec),
                web.get("/attach" + container, streams.attach),
                web.post("/attach" + container, streams.attach),
                web.get("/portForward/{namespace}/{pod}", streams.port_forward),
                web.post("/portForward/{namespace}/{pod}", streams.port_forward),
                web.get("/stats/summary", stats.summary),
                web.get("/metrics/resource", stats.metrics),
                web.get("/metrics", stats.own_metrics),
            ]
        )

    async def start(self) -> None:
        config = self._config
        context = None
        if config.tls_cert_file is not None and config.tls_key_file is not None:
            context = server_context(config.tls_cert_file, config.tls_key_file, config.client_ca_file)
        self._runner = web.AppRunner(self._app, access_log=None, handle_signals=False, shutdown_timeout=0.5)
        await self._runner.setup()
        site = web.TCPSite(self._runner, config.address, config.port, ssl_context=context, reuse_address=True)
        await site.start()
        self.port = self._runner.addresses[0][1]

    async def stop(self) -> None:
        if self._runner is not None:
            await self._runner.cleanup()

    async def _list_pods(self, request: web.Request) -> web.Response:
        del request
        body = {"kind": "PodList", "apiVersion": "v1", "metadata": {}, "items": [w.pod for w in self._pods]}
        return web.Response(body=msgspec.json.encode(body), content_type="application/json")


async def _healthy(request: web.Request) -> web.Response:
    del request
    return web.Response(text="ok")
