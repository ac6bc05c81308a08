import json
import os
from pathlib import Path
from typing import Any

import pytest

from sampan.api.errors import NotAcceptable, ServiceUnavailable
from sampan.api.scheme import BUILT_IN
from sampan.client.connection import ConnectionSettings
from sampan.client.discovery import AGGREGATED, Discovered, discover, reading
from sampan.client.discovery_cache import CachedResources
from sampan.client.fake import FakeServer
from sampan.client.resources import NoSuchKind, NoSuchResource, Resources
from sampan.client.sync_api import SyncClient
from sampan.client.transport import Response
from tests.unit.client.servers import Server

GOLDEN = Path(__file__).parents[4] / "shared" / "golden" / "discovery.json"


@pytest.fixture(scope="module")
def golden() -> dict[str, Any]:
    """What a real server answered: path (with `aggregated ` before it) → body."""
    if not GOLDEN.exists():
        pytest.skip("the recorded answers of a real Kubernetes are not here")
    rows = json.loads(GOLDEN.read_text())
    return {r["name"]: r["response"]["body"] for r in rows}


def carry_out(bodies: dict[str, Any], prefix: str = "") -> Discovered:
    steps = reading()
    path = next(steps)
    try:
        while True:
            body = bodies.get(prefix + path) if prefix else bodies.get(path)
            path = steps.send(json.dumps(body).encode() if body is not None else None)
    except StopIteration as end:
        found: Discovered = end.value
        return found


@pytest.fixture(scope="module")
def resources(golden: dict[str, Any]) -> Resources:
    return Resources(carry_out(golden, "aggregated ").resources)


def test_both_ways_of_discovery_say_the_same(golden: dict[str, Any]) -> None:
    def told(found: Discovered) -> set[tuple[Any, ...]]:
        rows = set()
        for r in found.resources:
            parts = frozenset(s.name for s in r.subresources), frozenset(r.verbs)
            names = r.api_version, r.resource, r.kind, r.singular, r.short_names, r.categories
            rows.add((*names, r.namespaced, *parts))
        return rows

    aggregated, legacy = carry_out(golden, "aggregated "), carry_out(golden)
    assert told(aggregated) == told(legacy)
    assert len(aggregated.resources) > 60
    assert aggregated.failed == legacy.failed == {}


def test_the_built_in_scheme_is_what_a_real_server_says(resources: Resources) -> None:
    theirs = {(r.api_version, r.resource): (r.kind, r.namespaced, r.short_names) for r in resources}
    for row in BUILT_IN:
        known = theirs.get((row.api_version, row.resource))
        if known is not None:
            assert known == (row.kind, row.namespaced, row.short_names)


@pytest.mark.parametrize(
    ("word", "resource"),
    [
        ("po", "pods"),
        ("pod", "pods"),
        ("Pod", "pods"),
        ("pods", "pods"),
        ("pods.v1.", "pods"),
        ("deploy", "deployments.apps"),
        ("deployment.apps", "deployments.apps"),
        ("deployments.v1.apps", "deployments.apps"),
        ("ing.networking.k8s.io", "ingresses.networking.k8s.io"),
        ("roles.rbac", "roles.rbac.authorization.k8s.io"),
        ("ev", "events"),
        ("events.events.k8s.io", "events.events.k8s.io"),
        ("crd", "customresourcedefinitions.apiextensions.k8s.io"),
        ("hpa", "horizontalpodautoscalers.autoscaling"),
        ("ep", "endpoints"),
        ("Endpoints", "endpoints"),
    ],
)
def test_words_that_people_type(resources: Resources, word: str, resource: str) -> None:
    assert resources.resolve(word).qualified == resource


def test_the_preferred_version_comes_first(resources: Resources) -> None:
    assert resources.resolve("hpa").version == "v2"
    assert resources.resolve("hpa.v1.autoscaling").version == "v1"
    assert len([r for r in resources.preferred() if r.resource == "horizontalpodautoscalers"]) == 1


@pytest.mark.parametrize("word", ["boats", "pods.apps", "pods.v1", "pods.v2", "deployments.v2.apps", "", "."])
def test_words_for_nothing(resources: Resources, word: str) -> None:
    with pytest.raises(NoSuchResource, match=f'the server doesn\'t have a resource type "{word.split(".")[0]}"'):
        resources.resolve(word)


def test_kinds_of_manifests(resources: Resources) -> None:
    assert resources.for_kind("apps/v1", "Deployment").resource == "deployments"
    with pytest.raises(NoSuchKind, match='no matches for kind "Deployment" in version "apps/v9"'):
        resources.for_kind("apps/v9", "Deployment")


def test_all_is_a_category(resources: Resources) -> None:
    assert [r.resource for r in resources.in_category("all")] == [
        "pods", "replicationcontrollers", "services", "daemonsets", "deployments", "replicasets", "statefulsets",
        "horizontalpodautoscalers", "cronjobs", "jobs",
    ]  # fmt: skip


def test_a_stale_group_is_named_and_the_others_are_there() -> None:
    bodies = {
        "/api": {"kind": "APIGroupDiscoveryList", "items": []},
        "/apis": {
            "kind": "APIGroupDiscoveryList",
            "items": [
                {"metadata": {"name": "metrics.k8s.io"}, "versions": [{"version": "v1beta1", "freshness": "Stale"}]},
                {
                    "metadata": {"name": "example.com"},
                    "versions": [
                        {
                            "version": "v1",
                            "resources": [
                                {"resource": "boats", "responseKind": {"kind": "Boat"}, "scope": "Namespaced"}
                            ],
                        }
                    ],
                },
            ],
        },
    }
    found = carry_out(bodies)
    assert found.failed == {"metrics.k8s.io/v1beta1": "stale GroupVersion discovery"}
    assert [(r.resource, r.singular, r.namespaced) for r in found.resources] == [("boats", "boat", True)]


async def test_an_old_server_is_asked_group_by_group() -> None:
    server = FakeServer()
    answers: dict[str, Any] = {
        "/api": {"kind": "APIVersions", "versions": ["v1"]},
        "/apis": {
            "kind": "APIGroupList",
            "groups": [{"name": "a", "versions": [{"version": "v1"}], "preferredVersion": {"version": "v1"}}],
        },
        "/api/v1": {"resources": [{"name": "pods", "kind": "Pod", "namespaced": True}, {"name": "pods/log"}]},
    }

    async def request(method: str, path: str, **kwargs: Any) -> Response:
        assert kwargs["headers"]["accept"] == AGGREGATED
        if path == "/apis/a/v1":
            raise ServiceUnavailable("its server is down")
        return Response(200, {}, json.dumps(answers[path]).encode())

    server.request = request  # type: ignore[method-assign, assignment]
    found = await discover(server.client())
    assert [(r.resource, [s.name for s in r.subresources]) for r in found.resources] == [("pods", ["log"])]
    assert found.failed == {"a/v1": "its server is down"}


def test_without_the_roots_nothing_is_known() -> None:
    steps = reading()
    next(steps)
    with pytest.raises(ServiceUnavailable):
        steps.send(ServiceUnavailable("down"))
    assert carry_out({}).resources == []
    assert isinstance(NotAcceptable("x"), Exception)


def test_the_cache_spares_requests_and_finds_what_is_new(web_server: Server, tmp_path: Path) -> None:
    from aiohttp import web

    kinds = ["Boat"]

    async def root(request: web.Request) -> web.Response:
        return web.json_response({"kind": "APIGroupDiscoveryList", "items": []})

    async def groups(request: web.Request) -> web.Response:
        listed = [
            {"resource": k.lower() + "s", "responseKind": {"kind": k}, "scope": "Namespaced", "verbs": ["get"]}
            for k in kinds
        ]
        item = {"metadata": {"name": "example.com"}, "versions": [{"version": "v1", "resources": listed}]}
        return web.json_response({"kind": "APIGroupDiscoveryList", "items": [item]})

    web_server.handlers |= {"/api": root, "/apis": groups}
    now = [0.0]

    def cached() -> CachedResources:
        client = SyncClient(ConnectionSettings(server=web_server.url))
        return CachedResources(client, folder=str(tmp_path), now=lambda: now[0])

    (path,) = [CachedResources(SyncClient(ConnectionSettings(server=web_server.url)), folder=str(tmp_path))._path]
    assert cached().resolve("boat").kind == "Boat"
    now[0] = os.stat(path).st_mtime
    assert cached().resolve("boats").kind == "Boat"
    assert len(web_server.requests) == 2

    kinds.append("Oar")
    assert cached().resolve("oars").kind == "Oar"  # one fresh look
    assert len(web_server.requests) == 4
    now[0] = os.stat(path).st_mtime
    with pytest.raises(NoSuchResource):
        cached().resolve("sails")
    assert len(web_server.requests) == 6

    now[0] += 7 * 3600
    cached().for_kind("example.com/v1", "Boat")
    assert len(web_server.requests) == 8
    with open(path, "w") as file:
        file.write("torn")
    now[0] = os.stat(path).st_mtime
    cached().resolve("boat")
    assert len(web_server.requests) == 10
