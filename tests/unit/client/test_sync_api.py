"""The command line's client, over real HTTP, against the fake server."""

import threading

import pytest

from sampan.api import errors
from sampan.api.scheme import BUILT_IN_SCHEME
from sampan.api.types import core_v1, meta_v1
from sampan.client import calls
from sampan.client.calls import ListOptions, WriteOptions
from sampan.client.connection import ConnectionSettings
from sampan.client.fake import FakeServer
from sampan.client.sync_api import TABLE, SyncClient
from tests.unit.client.servers import Server, bridge

PODS = BUILT_IN_SCHEME.resource("", "v1", "pods")
assert PODS is not None


@pytest.fixture
def fake(web_server: Server) -> FakeServer:
    fake = FakeServer()
    web_server.handlers["*"] = bridge(fake)
    return fake


@pytest.fixture
def client(web_server: Server, fake: FakeServer) -> SyncClient:
    return SyncClient(ConnectionSettings(server=web_server.url, namespace="here"), user_agent="sampan-cli")


def manifest(name: str) -> dict[str, object]:
    return {"metadata": {"name": name}, "spec": {"containers": []}}


def test_the_life_of_an_object(client: SyncClient, web_server: Server) -> None:
    pods = client.of(PODS)
    made = pods.create(manifest("web"))
    assert (made["kind"], made["metadata"]["namespace"]) == ("Pod", "here")
    with pytest.raises(errors.AlreadyExists):
        pods.create(manifest("web"), namespace="here")
    changed = pods.patch("web", {"metadata": {"labels": {"a": "b"}}}, namespace="here")
    assert changed["metadata"]["labels"] == {"a": "b"}
    changed["metadata"]["labels"] = {}
    assert pods.update(changed)["metadata"]["labels"] == {}
    with pytest.raises(errors.Conflict):
        pods.update(changed)
    typed = client.resource(core_v1.Pod).get("web", namespace="here")
    assert typed.metadata.name == "web"
    gone = pods.delete("web", namespace="here", options=calls.delete_options(grace_period_seconds=0))
    assert gone["metadata"]["name"] == "web"
    with pytest.raises(errors.NotFound, match='pods "web" not found'):
        pods.get("web", namespace="here")
    assert web_server.requests[0][2]["user-agent"].startswith("sampan-cli/")


def test_dry_runs_and_managers_are_said(client: SyncClient, web_server: Server, fake: FakeServer) -> None:
    client.of(PODS).create(manifest("web"), WriteOptions(dry_run=True, field_manager="kubectl-create"))
    assert web_server.requests[0][1].endswith("?dryRun=All&fieldManager=kubectl-create")
    assert fake.all(core_v1.Pod) == []


def test_lists_pages_and_tables(client: SyncClient, web_server: Server) -> None:
    pods = client.of(PODS)
    for i in range(5):
        pods.create(manifest(f"p{i}"))
    assert len(pods.list(namespace="here").items) == 5
    assert [len(page.items) for page in pods.list_pages(namespace="here", limit=2)] == [2, 2, 1]
    chosen = ListOptions(field_selector="metadata.name=p3")
    assert [p["metadata"]["name"] for p in pods.list(chosen).items] == ["p3"]
    list(pods.pages_as(TABLE, chosen, limit=0))
    assert web_server.requests[-1][2]["accept"] == TABLE
    pods.delete_collection(ListOptions(field_selector="metadata.name!=p3"), namespace="here")
    assert [p["metadata"]["name"] for p in pods.list().items] == ["p3"]


def test_watching_until_the_reader_has_enough(client: SyncClient, web_server: Server, fake: FakeServer) -> None:
    pods = client.of(PODS)
    start = pods.list().resource_version

    def later() -> None:
        web_server.loop.call_soon_threadsafe(
            fake.add, core_v1.Pod(metadata=meta_v1.ObjectMeta(name="a", namespace="here"))
        )

    threading.Timer(0.05, later).start()
    with pods.watch(ListOptions(resource_version=start)) as events:
        event = next(events)
    assert (event.type, event.object["metadata"]["name"]) == ("ADDED", "a")


def test_a_watch_that_the_server_refuses(client: SyncClient, web_server: Server, fake: FakeServer) -> None:
    fake.compact()
    with pytest.raises(errors.Expired), client.of(PODS).watch(ListOptions(resource_version="1")):
        pass


def test_warnings_reach_the_user(web_server: Server) -> None:
    from aiohttp import web

    async def warned(request: web.Request) -> web.Response:
        headers = [("Warning", '299 - "first"'), ("Warning", '299 - "a \\"second\\""')]
        return web.json_response({}, headers=headers)

    web_server.handlers["/x"] = warned
    heard: list[str] = []
    SyncClient(ConnectionSettings(server=web_server.url), on_warning=heard.append).raw("GET", "/x")
    assert heard == ["first", 'a "second"']
