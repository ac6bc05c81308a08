"""`healthCheckNodePort`: tells a load balancer outside whether this node has endpoints of a Service.

Only for Services of type LoadBalancer whose traffic stays on the node it arrives at (externalTrafficPolicy: Local).
"""

from __future__ import annotations

import asyncio
import json
import logging
from collections.abc import Iterable
from typing import NamedTuple

from sampan.api.types.core_v1 import Service
from sampan.proxy.model import Backend, ServicePort

_SECONDS = 5.0
_EVERYWHERE = "0.0.0.0"  # noqa: S104 - node ports are on every address of the node
log = logging.getLogger(__name__)


class Health(NamedTuple):
    port: int
    namespace: str
    name: str
    endpoints: int  # of this node


def health_of(service: Service | None, ports: Iterable[ServicePort]) -> Health | None:
    """What is to be said of a Service, if anything. Pure."""
    if service is None or service.spec.type != "LoadBalancer" or service.spec.externalTrafficPolicy != "Local":
        return None
    if not service.spec.healthCheckNodePort:
        return None
    here: set[Backend] = {backend for port in ports for backend in port.here}
    meta = service.metadata
    return Health(
        service.spec.healthCheckNodePort, meta.namespace or "", meta.name or "", len({each.ip for each in here})
    )


class HealthPorts:
    def __init__(self) -> None:
        self._told: dict[str, Health] = {}
        self._servers: dict[str, tuple[int, asyncio.Server]] = {}

    async def tell(self, key: str, health: Health | None) -> None:
        """From now on this is what is answered for the Service; None: nothing, its port is free again."""
        held = self._servers.get(key)
        if held is not None and (health is None or held[0] != health.port):
            held[1].close()
            del self._servers[key]
        if health is None:
            self._told.pop(key, None)
            return
        self._told[key] = health
        if key not in self._servers:
            try:
                server = await asyncio.start_server(lambda r, w: self._answer(key, r, w), _EVERYWHERE, health.port)
            except OSError as error:
                log.warning("healthCheckNodePort %d of Service %s: %s", health.port, key, error.strerror)
                return
            self._servers[key] = health.port, server

    async def _answer(self, key: str, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            async with asyncio.timeout(_SECONDS):
                await reader.readuntil(b"\r\n\r\n")
                writer.write(response(self._told.get(key)))
                await writer.drain()
        except (OSError, EOFError, TimeoutError, asyncio.LimitOverrunError):
            pass  # not a question we understand, or nobody waits for the answer
        finally:
            writer.close()

    def close(self) -> None:
        for _, server in self._servers.values():
            server.close()
        self._servers.clear()


def response(health: Health | None) -> bytes:
    """Pure. 200 with endpoints here, else 503."""
    endpoints = health.endpoints if health else 0
    named = {"namespace": health.namespace, "name": health.name} if health else {}
    said = {"service": named, "localEndpoints": endpoints, "serviceProxyHealthy": True}
    body = json.dumps(said, indent="\t").encode() + b"\n"
    status = b"200 OK" if endpoints else b"503 Service Unavailable"
    head = b"HTTP/1.1 %s\r\nContent-Type: application/json\r\nContent-Length: %d\r\nConnection: close\r\n\r\n"
    return head % (status, len(body)) + body
