"""The API server as a way to Pods and Services (`…/proxy`): every method, both schemes, links of pages, redirects."""

from __future__ import annotations

import asyncio
import json
import ssl
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import pytest_asyncio

from sampan.api.types.core_v1 import Container, Pod, PodSpec, PodStatus, Service, ServicePort, ServiceSpec
from sampan.api.types.discovery_v1 import EndpointPort
from sampan.api.types.meta_v1 import ObjectMeta
from sampan.apiserver import devcerts
from sampan.apiserver.contracts import User
from sampan.apiserver.inprocess import InProcessTransport
from sampan.apiserver.wiring import build_for_tests
from sampan.client.api import Client
from sampan.network.pod_network import LocalNetwork

from .cluster import endpoint, endpoint_slice
from .traffic import socket_in

pytestmark = pytest.mark.root
BASE = "/api/v1/namespaces/default"
METHODS = ("DELETE", "GET", "HEAD", "OPTIONS", "PATCH", "POST", "PUT")
PAGE = '<a href="/rewriteme">test</a>'


async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Says what it was asked; `/page` is a page with a link."""
    try:
        method, path, _ = (await reader.readuntil(b"\r\n\r\n")).decode().split(" ", 2)
        page = path == "/page"
        body = (PAGE if page else json.dumps({"Method": method, "Path": path})).encode()
        kind = "text/html" if page else "application/json"
        head = f"HTTP/1.1 200 OK\r\nContent-Type: {kind}\r\nContent-Length: {len(body)}\r\nConnection: close\r\n\r\n"
        writer.write(head.encode() + (b"" if method == "HEAD" else body))
        await writer.drain()
    except (OSError, asyncio.IncompleteReadError):
        pass
    finally:
        writer.close()


async def listen(netns: str, port: int, tls: ssl.SSLContext | None = None) -> asyncio.Server:
    listening = socket_in(netns)
    listening.bind(("0.0.0.0", port))
    return await asyncio.start_server(talk, sock=listening, ssl=tls)


@pytest_asyncio.fixture
async def api(network: LocalNetwork, tmp_path: Path) -> AsyncIterator[InProcessTransport]:
    """A server with a Pod that listens on 8080 and, with TLS, on 8443; a Service in front of it."""
    await network.start()
    attached = await network.attach("web")
    devcerts.make(tmp_path / "certs")
    tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    tls.load_cert_chain(tmp_path / "certs" / "server.crt", tmp_path / "certs" / "server.key")
    servers = [await listen(attached.netns_path, 8080), await listen(attached.netns_path, 8443, tls)]
    transport = InProcessTransport(
        await build_for_tests(), user=User(name="admin", groups=("system:masters", "system:authenticated"))
    )
    await transport.request("POST", "/api/v1/namespaces", body=b'{"metadata":{"name":"default"}}')
    client = Client(transport)
    pod = Pod(
        metadata=ObjectMeta(name="web", namespace="default"),
        spec=PodSpec(containers=[Container(name="c", image="i")]),
    )
    pod = await client.resource(Pod).create(pod)
    pod.status = PodStatus(phase="Running", podIP=attached.ip)
    await client.resource(Pod).update_status(pod)
    ports = [ServicePort(name="plain", port=80, targetPort=8080), ServicePort(name="tls", port=443, targetPort=8443)]
    await client.resource(Service).create(
        Service(metadata=ObjectMeta(name="front", namespace="default"), spec=ServiceSpec(ports=ports))
    )
    wanted = endpoint_slice("front", endpoint(attached.ip))
    wanted.ports = [EndpointPort(name="plain", port=8080), EndpointPort(name="tls", port=8443)]
    await client.resource(type(wanted)).create(wanted)
    yield transport
    for server in servers:
        server.close()
    await network.teardown()


WHERE = ("pods/web:8080", "pods/http:web:8080", "pods/https:web:8443", "services/front", "services/front:plain",
         "services/http:front:80", "services/https:front:tls", "services/https:front:443")  # fmt: skip


async def test_every_method_arrives(api: InProcessTransport) -> None:
    for where in WHERE:
        for method in METHODS:
            answer = await api.request(method, f"{BASE}/{where}/proxy/some/path")
            assert answer.status == 200, (where, method, answer)
            if method != "HEAD":
                assert json.loads(answer.body) == {"Method": method, "Path": "/some/path"}


async def test_a_pages_links_lead_back_through_the_proxy(api: InProcessTransport) -> None:
    for where in WHERE:
        answer = await api.request("GET", f"{BASE}/{where}/proxy/page")
        assert answer.body.decode() == f'<a href="{BASE}/{where}/proxy/rewriteme">test</a>'


async def test_the_root_has_a_slash(api: InProcessTransport) -> None:
    for where in ("pods/web:8080", "services/front"):
        for method in METHODS:
            answer = await api.request(method, f"{BASE}/{where}/proxy", query={"method": method})
            assert answer.status == (301 if method in ("GET", "HEAD") else 200), (where, method)


async def test_what_is_no_proxy_has_no_options(api: InProcessTransport) -> None:
    for path in (f"{BASE}/pods/web", f"{BASE}/pods", f"{BASE}/pods/web/status"):
        assert (await api.request("OPTIONS", path)).status == 405
