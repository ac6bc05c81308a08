"""`/containerLogs`: what a container wrote, from its CRI log, rotated files and a following end included."""

import contextlib
import logging
from pathlib import Path

from aiohttp import web

from sampan.client.clock import parse_time
from sampan.kubelet.pod_state import read_state
from sampan.kubelet.pods import Pods
from sampan.kubelet.server.find import logged_container, pod_named
from sampan.kubelet.server.streams import flag
from sampan.runtime.contract import ContainerState, NotFound, Runtime
from sampan.runtime.logs import LogOptions, read_logs

log = logging.getLogger(__name__)


class Logs:
    def __init__(self, pods: Pods, runtime: Runtime) -> None:
        self._pods = pods
        self._runtime = runtime

    async def serve(self, request: web.Request) -> web.StreamResponse:
        names = request.match_info
        worker = pod_named(self._pods, names["namespace"], names["pod"])
        state = await read_state(self._runtime, worker.uid)
        container = logged_container(worker, state, names["container"], previous=flag(request, "previous"))
        options = _options(request)
        response = web.StreamResponse(headers={"Content-Type": "text/plain", "Transfer-Encoding": "chunked"})
        await response.prepare(request)

        async def still_running() -> bool:
            try:
                now = await self._runtime.container_status(container.id)
            except NotFound:
                return False
            return now.state is ContainerState.RUNNING

        with contextlib.suppress(ConnectionError):
            async for chunk in read_logs(Path(container.log_path), options, still_running):
                await response.write(chunk)
            await response.write_eof()
        return response


def _options(request: web.Request) -> LogOptions:
    query = request.query
    since = 0.0
    if query.get("sinceTime"):
        since = parse_time(query["sinceTime"])
    elif query.get("sinceSeconds"):
        import time

        since = time.time() - float(query["sinceSeconds"])
    return LogOptions(
        tail_lines=int(query["tailLines"]) if query.get("tailLines") else None,
        limit_bytes=int(query["limitBytes"]) if query.get("limitBytes") else None,
        since=since,
        follow=flag(request, "follow"),
        timestamps=flag(request, "timestamps"),
        stream=query.get("stream", "All"),
    )
