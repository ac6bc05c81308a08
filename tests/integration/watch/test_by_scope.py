"""A watch of a namespace, or of one object, is told of what it watches; others' writes are not even offered to it."""

from __future__ import annotations

import json
from typing import Any

import pytest

from sampan.apiserver.request import Request, Stream
from sampan.apiserver.wiring import build_for_tests
from tests.integration.watch.test_by_node import ADMIN, _seen

ALL = [("ADDED", "a"), ("ADDED", "b"), ("ADDED", "a")]


@pytest.mark.parametrize(
    ("path", "selector", "scope", "seen"),
    [
        ("/api/v1/configmaps", "", "", ALL),
        ("/api/v1/configmaps", "metadata.name%3Da", "", [ALL[0], ALL[2]]),
        ("/api/v1/namespaces/one/configmaps", "", "one/", ALL[:2]),
        ("/api/v1/namespaces/one/configmaps", "metadata.name%3Db", "one/b", [ALL[1]]),
        ("/api/v1/watch/namespaces/one/configmaps/a", "", "one/a", [ALL[0]]),
        ("/api/v1/namespaces/none/configmaps", "", "none/", []),
    ],
)
async def test_who_is_told(path: str, selector: str, scope: str, seen: list[tuple[str, str]]) -> None:
    chain = await build_for_tests()

    async def post(path: str, name: str) -> None:
        body: dict[str, Any] = {"metadata": {"name": name}}
        await chain.handle(Request("POST", path, "", {}, json.dumps(body).encode(), user=ADMIN))

    for namespace in ("one", "two"):
        await post("/api/v1/namespaces", namespace)
    query = f"watch=1&timeoutSeconds=1&resourceVersion=0&fieldSelector={selector}"
    stream = await chain.handle(Request("GET", path, query, {}, user=ADMIN))
    assert isinstance(stream, Stream)
    cache = chain.core.endpoint_for(chain.core.scheme.kind("", "v1", "ConfigMap")).cache  # type: ignore[arg-type]
    assert list(cache.watchers) == [scope]
    for namespace, name in (("one", "a"), ("one", "b"), ("two", "a")):
        await post(f"/api/v1/namespaces/{namespace}/configmaps", name)
    assert await _seen(stream) == seen
    assert not cache.watchers


async def test_one_cluster_scoped_object() -> None:
    chain = await build_for_tests()
    query = "watch=1&timeoutSeconds=1&resourceVersion=0&fieldSelector=metadata.name%3Done"
    stream = await chain.handle(Request("GET", "/api/v1/namespaces", query, {}, user=ADMIN))
    assert isinstance(stream, Stream)
    for name in ("two", "one"):
        body = json.dumps({"metadata": {"name": name}}).encode()
        await chain.handle(Request("POST", "/api/v1/namespaces", "", {}, body, user=ADMIN))
    assert await _seen(stream) == [("ADDED", "one")]
