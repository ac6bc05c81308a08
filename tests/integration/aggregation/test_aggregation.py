"""Another API server behind an APIService: discovered, told who asks, watched, and gone from discovery with it."""

from __future__ import annotations

import asyncio
import base64
import ssl
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web

from sampan.apiserver import devcerts
from sampan.apiserver.aggregation.proxy import ProxyIdentity
from sampan.apiserver.aggregation.trust import proxy_trust
from sampan.apiserver.contracts import User
from sampan.apiserver.inprocess import InProcessTransport
from sampan.apiserver.request import Request, Stream
from sampan.apiserver.secure import cluster_security
from sampan.apiserver.wiring import build_for_tests
from sampan.client.api import Client
from tests.integration.security.world import ADMIN, World

GROUP, VERSION = "wind.example.com", "v1"
SERVICES = "/apis/apiregistration.k8s.io/v1/apiservices"
RESOURCES = {
    "kind": "APIResourceList",
    "groupVersion": f"{GROUP}/{VERSION}",
    "resources": [
        {"name": "gusts", "singularName": "gust", "namespaced": True, "kind": "Gust", "verbs": ["get", "list", "watch"],
         "shortNames": ["gu"]},
        {"name": "gusts/status", "singularName": "", "namespaced": True, "kind": "Gust", "verbs": ["get"]},
    ],
}  # fmt: skip


class Backend:
    """Answers who it was asked by; TLS, and only for those with a certificate of the cluster."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.port = 0
        self.seen: list[dict[str, Any]] = []

    async def start(self) -> None:
        app = web.Application()
        app.router.add_route("*", "/{path:.*}", self._answer)
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(self.folder / "server.crt", self.folder / "server.key")
        context.load_verify_locations(self.folder / "ca.crt")
        context.verify_mode = ssl.CERT_REQUIRED
        self.runner = web.AppRunner(app, shutdown_timeout=0.1)
        await self.runner.setup()
        await web.TCPSite(self.runner, "127.0.0.1", 0, ssl_context=context).start()
        self.port = self.runner.addresses[0][1]

    async def stop(self) -> None:
        await self.runner.cleanup()

    async def _answer(self, request: web.Request) -> web.StreamResponse:
        if request.path == f"/apis/{GROUP}/{VERSION}":
            return web.json_response(RESOURCES)
        self.seen.append(
            {
                "method": request.method,
                "path": request.path_qs,
                "user": request.headers.getall("X-Remote-User", []),
                "groups": request.headers.getall("X-Remote-Group", []),
                "authorization": request.headers.get("Authorization"),
                "body": (await request.read()).decode(),
            }
        )
        if "watch=1" in request.query_string:
            stream = web.StreamResponse()
            await stream.prepare(request)
            await stream.write(b'{"type":"ADDED"}\n')
            await asyncio.sleep(0.05)
            await stream.write(b'{"type":"MODIFIED"}\n')
            return stream
        return web.json_response(
            {"kind": "Gust", "metadata": {"name": "g"}}, status=201 if request.method == "POST" else 200
        )


@pytest.fixture
async def world(tmp_path: Path) -> AsyncIterator[tuple[World, Backend]]:
    devcerts.make(tmp_path)
    backend = Backend(tmp_path)
    await backend.start()
    identity = ProxyIdentity(certificate=tmp_path / "admin.crt", key=tmp_path / "admin.key")
    chain = await build_for_tests(security=cluster_security(None), proxy_identity=identity)
    made = World(chain)
    await made.make_object("/api/v1/namespaces", {"metadata": {"name": "default"}})
    service = {"metadata": {"name": "wind"}, "spec": {"ports": [{"port": 443}]}}
    await made.make_object("/api/v1/namespaces/default/services", service)
    endpoints = {
        "metadata": {"name": "wind", "labels": {"kubernetes.io/service-name": "wind"}},
        "addressType": "IPv4",
        "endpoints": [{"addresses": ["192.0.2.1"]}],
        "ports": [{"port": backend.port}],
    }
    await made.make_object("/apis/discovery.k8s.io/v1/namespaces/default/endpointslices", endpoints)
    assert chain.router.aggregator is not None
    running = asyncio.create_task(chain.router.aggregator.run(Client(InProcessTransport(chain, user=ADMIN))))
    yield made, backend
    running.cancel()
    await backend.stop()


@pytest.fixture(autouse=True)
def reachable(monkeypatch: pytest.MonkeyPatch) -> None:
    """Endpoints may not be loopback addresses; here they are."""
    from sampan.apiserver.aggregation import proxy
    from sampan.apiserver.outward.services import address_of

    monkeypatch.setattr(proxy, "address_of", lambda *a: ("127.0.0.1", address_of(*a)[1]))


def api_service(**spec: Any) -> dict[str, Any]:
    return {
        "metadata": {"name": f"{VERSION}.{GROUP}"},
        "spec": {
            "group": GROUP,
            "version": VERSION,
            "service": {"namespace": "default", "name": "wind"},
            "groupPriorityMinimum": 1000,
            "versionPriority": 10,
            "insecureSkipTLSVerify": True,
            **spec,
        },
    }


async def until(what: Callable[[], Any]) -> None:
    for _ in range(400):
        found = what()
        if asyncio.iscoroutine(found):
            found = await found
        if found:
            return
        await asyncio.sleep(0.01)
    raise AssertionError("it did not come to pass")


async def available(world: World) -> str:
    answered = await world.ask(ADMIN, "GET", f"{SERVICES}/{VERSION}.{GROUP}")
    conditions = answered.body.get("status", {}).get("conditions") or [{}]
    return f"{conditions[0].get('status')} {conditions[0].get('reason')}"


async def test_it_is_discovered_and_asked_with_who_asks(world: tuple[World, Backend]) -> None:
    made, backend = world
    await made.make_object(SERVICES, api_service())

    async def is_available() -> bool:
        return await available(made) == "True Passed"

    await until(is_available)
    groups = (await made.ask(ADMIN, "GET", "/apis")).body["groups"]
    assert GROUP in [g["name"] for g in groups]
    listed = (await made.ask(ADMIN, "GET", f"/apis/{GROUP}/{VERSION}")).body["resources"]
    assert [r["name"] for r in listed] == ["gusts", "gusts/status"]
    for path in ("/openapi/v2", f"/openapi/v3/apis/{GROUP}/{VERSION}"):
        assert (await made.ask(ADMIN, "GET", path)).code == 200
    user = User(name="jané", groups=("sailors", "system:authenticated"))
    rules = [{"apiGroups": [GROUP], "resources": ["gusts"], "verbs": ["get", "list", "watch", "create"]}]
    await made.grant("gusts", user, rules)
    path = f"/apis/{GROUP}/{VERSION}/namespaces/default/gusts"
    backend.seen.clear()
    headers = {"x-remote-user": "admin", "x-remote-group": "system:masters", "authorization": "Bearer secret"}
    answer = await made.chain.handle(Request("GET", f"{path}/g", "pretty=1", headers, user=user))
    assert isinstance(answer, Stream)
    assert b"Gust" in b"".join(await answer.frames.next() or ())
    answer.frames.close()
    (seen,) = backend.seen
    assert (seen["method"], seen["path"]) == ("GET", f"{path}/g?pretty=1")
    assert seen["user"] == ["jané"]
    assert seen["groups"] == ["sailors", "system:authenticated"]
    assert seen["authorization"] is None
    assert (await made.ask(user, "DELETE", f"{path}/g")).code == 403, "rights are checked here"
    answer = await made.chain.handle(Request("POST", path, "", {"content-type": "application/json"}, b"{}", user=user))
    assert isinstance(answer, Stream)
    assert answer.status == 201
    answer.frames.close()
    assert backend.seen[-1]["body"] == "{}"


async def test_a_watch_flows_as_it_comes(world: tuple[World, Backend]) -> None:
    made, _ = world
    await made.make_object(SERVICES, api_service())
    path = f"/apis/{GROUP}/{VERSION}/gusts"
    answer = await made.chain.handle(Request("GET", path, "watch=1", {}, user=ADMIN))
    assert isinstance(answer, Stream)
    assert await answer.frames.next() == [b'{"type":"ADDED"}\n']
    assert await answer.frames.next() == [b'{"type":"MODIFIED"}\n']
    assert await answer.frames.next() is None
    answer.frames.close()


async def test_a_server_that_is_not_there(world: tuple[World, Backend]) -> None:
    made, backend = world
    await made.make_object(SERVICES, api_service(service={"namespace": "default", "name": "nope"}))

    async def says() -> bool:
        return await available(made) == "False ServiceNotFound"

    await until(says)
    answered = await made.ask(ADMIN, "GET", f"/apis/{GROUP}/{VERSION}/gusts")
    assert answered.code == 503
    assert "service unavailable" in answered.message
    await made.ask(ADMIN, "DELETE", f"{SERVICES}/{VERSION}.{GROUP}", {})
    assert (await made.ask(ADMIN, "GET", f"/apis/{GROUP}/{VERSION}/gusts")).code == 404
    del backend


async def test_a_server_with_a_certificate_of_somebody_else_is_not_asked(
    world: tuple[World, Backend], tmp_path: Path
) -> None:
    made, backend = world
    devcerts.make(tmp_path / "other")
    bundle = base64.b64encode((tmp_path / "other" / "ca.crt").read_bytes()).decode()
    await made.make_object(SERVICES, api_service(insecureSkipTLSVerify=False, caBundle=bundle))
    assert (await made.ask(ADMIN, "GET", f"/apis/{GROUP}/{VERSION}/gusts")).code == 503
    assert backend.seen == []


async def test_what_is_served_here_has_services_too_and_is_not_taken_over(world: tuple[World, Backend]) -> None:
    made, _ = world

    async def registered() -> bool:
        return (await made.ask(ADMIN, "GET", f"{SERVICES}/v1.apps")).code == 200

    await until(registered)
    local = (await made.ask(ADMIN, "GET", f"{SERVICES}/v1.apps")).body
    assert local["status"]["conditions"][0]["reason"] == "Local"
    local["spec"] |= {"service": {"namespace": "default", "name": "wind"}, "insecureSkipTLSVerify": True}
    assert (await made.ask(ADMIN, "PUT", f"{SERVICES}/v1.apps", local)).code == 200
    await asyncio.sleep(0.3)
    assert (await made.ask(ADMIN, "GET", "/apis/apps/v1/deployments")).body["kind"] == "DeploymentList"
    names = [r["name"] for r in (await made.ask(ADMIN, "GET", "/apis/apps/v1")).body["resources"]]
    assert "deployments" in names


def test_the_trust_that_is_published() -> None:
    data = proxy_trust("CA")["data"]
    assert data["requestheader-client-ca-file"] == "CA"
    assert data["requestheader-allowed-names"] == '["front-proxy-client"]'
